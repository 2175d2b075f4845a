//! Stories: a node, what is wanted of it, and what comes of it, told in one file each below `tests/stories`. The built binary and the
//! simulated node over TLS play them; what the file says of plan, calls and status is what came out, to the letter.
//!
//! A story is a title and parts. `== node`, `== agent`, `== hub` and `== manifest` are what happens, in this order, line by line (see
//! `stories/happens.rs`); `== plan`, `== told`, `== calls` and `== status` after them are what was seen then. Several such rounds may follow each
//! other, `== then` between two without a manifest. With `UPDATE_EXPECT=1` in the environment what was seen is written into the files, to be read before it is committed.

mod happens;
mod node;
mod seen;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use felhom_agent::authz::LOCKS;
use felhom_agent::model::hold::HoldReason;

use self::happens::Theatre;
use crate::rejections::matrix::quoted;

/// Most of a story is waiting for the next look.
const AT_ONCE: usize = 16;

#[derive(Debug)]
struct Part {
    heading: String,
    body: String,
}

impl Part {
    fn is_seen(&self) -> bool {
        ["plan", "told", "calls", "status"].contains(&self.heading.as_str())
    }
}

/// Title and parts.
fn read(text: &str) -> (String, Vec<Part>) {
    let (mut title, mut parts) = (String::new(), Vec::<Part>::new());
    for line in text.lines() {
        match (line.strip_prefix("== "), parts.last_mut()) {
            (Some(heading), _) => parts.push(Part { heading: heading.to_owned(), body: String::new() }),
            (None, Some(part)) => part.body.extend([line, "\n"]),
            (None, None) => title.extend([line, "\n"]),
        }
    }
    (title, parts)
}

/// The file as it should be.
fn play(text: &str) -> String {
    let (mut told, parts) = read(text);
    let mut theatre = Theatre::new(&parts);
    let mut round = Vec::new();
    let mut parts = parts.into_iter().filter(|part| !part.is_seen()).peekable();
    while let Some(part) = parts.next() {
        told.push_str(&format!("== {}\n{}", part.heading, part.body));
        // A manifest with what happens meanwhile, `then` or the last word ends a round.
        let goes_on = parts.peek().is_some_and(|next| next.heading == "meanwhile");
        let ends = ["manifest", "meanwhile", "then"].contains(&part.heading.as_str()) && !goes_on;
        let ends = ends || parts.peek().is_none();
        round.push(part);
        if ends {
            told.push_str(&theatre.round(&std::mem::take(&mut round)));
        }
    }
    theatre.end();
    told
}

fn is_story(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "story")
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| is_story(path));
    // Some of them: `STORY=locked,hub cargo test --test it stories`.
    if let Ok(wanted) = std::env::var("STORY") {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        files.retain(|path| wanted.split(',').any(|part| name(path).contains(part)));
    }
    files.sort();
    files
}

/// The first line that is another one, with what stands around it.
fn difference(expected: &str, actual: &str) -> String {
    let at = expected.lines().zip(actual.lines()).take_while(|(one, other)| one == other).count();
    let part = |text: &str| text.lines().skip(at.saturating_sub(3)).take(12).collect::<Vec<_>>().join("\n");
    format!("line {}, in the file:\n{}\nas it went:\n{}", at + 1, part(expected), part(actual))
}

#[test]
fn every_story_goes_as_it_is_told() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let files = files();
    assert!(!files.is_empty(), "no such story");
    let (queue, wrong) = (Mutex::new(files.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(path) = queue.lock().unwrap().next() else { return };
                    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                    let expected = fs::read_to_string(path).unwrap();
                    match catch_unwind(AssertUnwindSafe(|| play(&expected))) {
                        Ok(actual) if actual == expected => {}
                        Ok(actual) if update => fs::write(path, actual).unwrap(),
                        Ok(actual) => {
                            let difference = difference(&expected, &actual);
                            wrong.lock().unwrap().push(format!("{name}: {difference}"));
                        }
                        Err(panic) => {
                            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                            wrong.lock().unwrap().push(format!("{name}: {text}"));
                        }
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} stories:\n{}", wrong.len(), files.len(), wrong.join("\n\n"));
}

/// Every story, as it is told.
fn told() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| is_story(path)).map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn every_reason_to_hold_and_every_lock_stands_in_a_story() {
    let told = told();
    let mut missing: Vec<String> = HoldReason::ALL
        .map(|reason| format!("\n  hold {reason}: "))
        .into_iter()
        // A template is told as what it is.
        .chain(
            LOCKS
                .iter()
                .filter(|lock| **lock != "template")
                .map(|lock| format!(" has the lock \"{lock}\": ")),
        )
        .collect();
    missing.retain(|text| !told.contains(text));
    assert!(missing.is_empty(), "no story shows any of {missing:?}");
}

/// The table of `tests/stories/README.md`: what must be told, and by which stories.
#[test]
fn every_line_of_the_list_is_told_by_stories_that_exist() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let document = fs::read_to_string(folder.join("README.md")).unwrap();
    let rows = document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what"));
    let mut wrong = Vec::new();
    for row in rows.clone() {
        let stories: Vec<&str> = quoted(row.rsplit(" | ").next().unwrap()).collect();
        if stories.is_empty() {
            wrong.push(format!("told by nothing: {row}"));
        }
        wrong.extend(
            stories
                .into_iter()
                .filter(|name| !folder.join(format!("{name}.story")).exists())
                .map(|name| format!("there is no {name}.story")),
        );
    }
    assert!(rows.count() > 30 && wrong.is_empty(), "tests/stories/README.md:\n{}", wrong.join("\n"));
}

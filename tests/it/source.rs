//! What the source itself must keep: imports run one way, nothing but `root_cli` starts a process, no secret is printed.
//! ARCHITECTURE.md states it; here it is held.

use std::fs;
use std::path::{Path, PathBuf};

/// The blocks of the map, from the top down. A block imports from itself and from blocks below it.
const BLOCKS: [&[&str]; 5] = [
    &["main", "cli", "daemon", "selftest"],
    &["timer", "reporter", "control", "lanes", "local_api", "ops", "proof"],
    &["observe", "execute", "http", "pve", "hub", "source", "journal", "config", "secret", "clock", "paths"],
    &["authz", "manifest", "normalize", "plan", "gate", "consent", "status", "backoff", "strict_json"],
    &["model"],
];

fn block_of(module: &str) -> usize {
    BLOCKS.iter().position(|block| block.contains(&module)).unwrap_or_else(|| {
        panic!(
            "the module {module} stands in no block of the map: ARCHITECTURE.md and this test name them all"
        )
    })
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// The top-level module a file belongs to: `pve` for `src/pve.rs` and `src/pve/task.rs`.
fn module_of(path: &Path) -> String {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules a line of code names as `crate::name` (or `felhom_agent::name` in main.rs).
fn named(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap();
    ["crate::", "felhom_agent::"]
        .iter()
        .flat_map(|prefix| code.split(prefix).skip(1))
        .flat_map(|rest| {
            let rest = rest.strip_prefix('{').unwrap_or(rest);
            rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().map(str::to_owned)
        })
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn imports_run_one_way_down_the_map() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for name in named(line) {
                if block_of(&name) < block_of(&module) {
                    wrong.push(format!("{}:{}: {module} may not import {name}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_starts_a_process() {
    for (path, text) in sources() {
        assert!(!text.contains("Command::new("), "{} starts a process", path.display());
        assert!(!text.contains("std::process::Command"), "{} starts a process", path.display());
    }
}

#[test]
fn only_the_executor_and_the_client_name_the_journal_s_pass() {
    for (path, text) in sources() {
        let module = module_of(&path);
        if text.contains("Recorded") {
            assert!(
                ["journal", "execute", "pve"].contains(&module.as_str()),
                "{} handles Recorded",
                path.display()
            );
        }
    }
}

#[test]
fn only_the_gate_makes_an_approved() {
    for (path, text) in sources() {
        if text.contains("Approved {") {
            assert_eq!(module_of(&path), "gate", "{} makes an Approved", path.display());
        }
    }
}

#[test]
fn no_file_is_a_drawer() {
    for (path, text) in sources() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(
            !["util.rs", "utils.rs", "helpers.rs", "common.rs", "misc.rs", "mod.rs"].contains(&name.as_str()),
            "{}",
            path.display()
        );
        assert!(text.starts_with("//!"), "{} has no header", path.display());
        assert!(text.lines().count() <= 600, "{} is two things", path.display());
    }
}

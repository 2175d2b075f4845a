//! What is seen of a story, without what is another one each time: times, task ids, ports, folders.

use std::fmt::Write;
use std::path::Path;

use felhom_sim::server::Call;
use serde_json::Value;

use crate::stage::Stage;

/// What `felhom-agent plan` prints of this document, and how it ends.
pub(super) fn plan(stage: &Stage, document: &Path) -> String {
    let file = format!("desired.file={}", document.display());
    let ended = stage.run(&["plan", "--set", "desired.source=file", "--set", &file]);
    let text = format!("{}{}", ended.stdout, ended.stderr);
    let code = ended.code.unwrap_or(-1);
    let end = if code == 0 { String::new() } else { format!("exit {code}\n") };
    plain(stage, text.trim_end()) + "\n" + &end
}

/// What a command prints, and how it ends.
pub(super) fn command(stage: &Stage, line: &str) -> String {
    let ended = stage.run(&line.split(' ').collect::<Vec<_>>());
    // How far it is comes when it comes.
    let aside = |line: &&str| !line.starts_with("in hand: ");
    let said: Vec<&str> = ended.stderr.lines().filter(aside).collect();
    let text = format!("{}{}", ended.stdout, said.join("\n"));
    let end = ended.code.filter(|code| *code != 0).map_or_else(String::new, |code| format!("exit {code}\n"));
    plain(stage, &format!("$ felhom-agent {line}\n{}\n{end}", text.trim_end()))
}

/// Each call that would change something, by guest unless as they came; one that is made again and again stands once.
pub(super) fn calls(calls: &[Call], in_order: bool) -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    for call in calls {
        let guest: Vec<&str> = call.path.split('/').skip(3).take(2).collect();
        let mut line = call.line();
        for (name, value) in &call.params {
            let value = match value.split_once("felhom-incarnation: ") {
                // Time and number of the intent.
                Some((before, _)) => format!("{:?}", format!("{before}felhom-incarnation: …")),
                None if name == "digest" => "…".to_owned(),
                None => format!("{value:?}"),
            };
            write!(line, " {name}={}", value.trim_matches('"')).unwrap();
        }
        match call.status {
            Some(200) => {}
            None | Some(0) => line.push_str(" -> no answer"),
            Some(status) => write!(line, " -> {status} {}", call.reason).unwrap(),
        }
        let guest = guest.join("/");
        if lines.iter().rev().find(|(other, _)| *other == guest).is_none_or(|(_, last)| *last != line) {
            lines.push((guest, line));
        }
    }
    if !in_order {
        lines.sort_by(|one, other| one.0.cmp(&other.0));
    }
    if lines.is_empty() {
        return "none\n".to_owned();
    }
    blanked(&lines.iter().map(|(_, line)| format!("{line}\n")).collect::<String>())
}

pub(super) fn condition(status: &Value, kind: &str) -> String {
    let all = status["conditions"].as_array().into_iter().flatten();
    let one = all.into_iter().find(|one| one["type"] == kind);
    one.map_or_else(String::new, |one| text(&one["status"]))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether all is well, and each resource.
pub(super) fn status(stage: &Stage, status: &Value) -> String {
    let mut out = String::new();
    for one in status["conditions"].as_array().into_iter().flatten() {
        if one["type"] == "Ready" || one["status"] == "true" {
            writeln!(out, "{} {} ({})", text(&one["type"]), text(&one["status"]), text(&one["reason"]))
                .unwrap();
        }
        let is_told = one["type"] == "StaleManifest" || one["reason"] == "DuplicateAgent";
        if is_told && one["status"] == "true" {
            writeln!(out, "  {}", text(&one["message"])).unwrap();
        }
    }
    for (id, resource) in status["resources"].as_object().into_iter().flatten() {
        writeln!(out, "{id}: {}", text(&resource["state"])).unwrap();
        let hold = &resource["hold"];
        if hold.is_object() {
            writeln!(out, "  hold {}: {}", text(&hold["reason"]), text(&hold["detail"])).unwrap();
            writeln!(out, "  to go on: {}", text(&hold["remedy"])).unwrap();
        }
        let error = &resource["error"];
        if error.is_object() {
            let again = if resource["retry_after"].is_null() { "not tried again" } else { "tried again" };
            writeln!(out, "  error {} ({again}): {}", text(&error["code"]), text(&error["message"])).unwrap();
        }
        for drift in resource["drift"].as_array().into_iter().flatten() {
            writeln!(
                out,
                "  drift {}: {} wanted, {} there",
                text(&drift["field"]),
                drift["desired"],
                drift["actual"]
            )
            .unwrap();
        }
        for name in ["pending_reboot", "warnings"] {
            let list = resource["details"][name].as_array().cloned().unwrap_or_default();
            for one in list {
                writeln!(out, "  {name}: {}", text(&one)).unwrap();
            }
        }
        let last = &resource["last_action"];
        if last.is_object() {
            writeln!(out, "  last: {}: {}", text(&last["what"]), text(&last["result"])).unwrap();
        }
    }
    plain(stage, &out)
}

/// The text without what is another one each time.
fn plain(stage: &Stage, text: &str) -> String {
    let text =
        text.replace(stage.folder.path().to_str().unwrap(), "$DIR").replace(&stage.node.url(), "$NODE");
    let text = text.replace(&stage.node.address().to_string(), "$NODE").replace(&stage.hub.url(), "$HUB");
    let text = ageless(&blanked(&text));
    let mut out = String::new();
    let mut word = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_alphanumeric() || "-_:.!@/$".contains(letter) {
            word.push(letter);
            continue;
        }
        out.push_str(if is_task(&word) {
            "TASK"
        } else if is_time(&word) {
            "TIME"
        } else if is_uuid(&word) {
            "UUID"
        } else if is_digest(&word) {
            "DIGEST"
        } else {
            &word
        });
        word.clear();
        out.push(letter);
    }
    out.pop();
    out
}

/// How long ago, as a letter.
fn ageless(text: &str) -> String {
    let parts: Vec<&str> = text.split(" s ago").collect();
    let (last, parts) = parts.split_last().unwrap();
    let aged =
        |part: &&str| format!("{}N s ago", part.trim_end_matches(|letter: char| letter.is_ascii_digit()));
    parts.iter().map(aged).collect::<String>() + last
}

/// The text with what follows each of these replaced by one letter, as far as it consists of digits and their like.
fn blanked(text: &str) -> String {
    let mut text = text.to_owned();
    for (before, like) in [("seconds:  ", ""), ("wait: in ", ""), ("-lxc-110-", "_-"), ("-qemu-210-", "_-")] {
        let mut parts = text.split(before);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let rest =
                part.trim_start_matches(|letter: char| letter.is_ascii_digit() || like.contains(letter));
            out.extend([before, "N", rest]);
        }
        text = out;
    }
    text
}

fn is_task(word: &str) -> bool {
    word.starts_with("UPID:")
}

/// `2026-11-21T10:00:00Z`
fn is_time(word: &str) -> bool {
    word.len() >= 20 && word.starts_with("20") && word.as_bytes().get(10) == Some(&b'T')
}

fn is_uuid(word: &str) -> bool {
    word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

fn is_digest(word: &str) -> bool {
    word.len() >= 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

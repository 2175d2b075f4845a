//! An explanation as a person reads it. Pure: the document comes in, a text goes out.

use serde_json::Value;

use super::super::document::{list, shown, text, time, word};
use crate::model::time::Timestamp;
use crate::plan::safe;

/// So much of a value fits into a list of fields.
const CELL: usize = 32;

struct Page {
    text: String,
    now: Timestamp,
}

pub(super) fn render(told: &Value, now: Timestamp) -> String {
    let mut page = Page { text: String::new(), now };
    if told.get("field").is_some() {
        page.head(
            told,
            &format!("{}.{}", text(told, "/resource"), text(told, "/field")),
            word(told, "/standing"),
        );
        page.field(told);
    } else if told.get("group").is_some() {
        page.head(told, &format!("{}.{}", text(told, "/resource"), text(told, "/group")), "");
        page.fields(told);
    } else {
        page.head(told, &text(told, "/resource"), word(told, "/plan/run_state"));
        page.resource(told);
    }
    page.text
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn fact(&mut self, name: &str, fact: &str) {
        if !fact.is_empty() {
            self.line(&format!("  {name:<11} {fact}"));
        }
    }

    fn head(&mut self, told: &Value, name: &str, last: &str) {
        let (guest, node) = (text(told, "/guest"), text(told, "/node"));
        let on = if node.is_empty() { guest } else { format!("{guest} on {node}") };
        self.line(&format!("{name}  {on}  {}", last.replace('_', " ")));
    }

    fn resource(&mut self, told: &Value) {
        self.said_in(told);
        for (name, value) in told.get("beside").and_then(Value::as_object).into_iter().flatten() {
            self.fact(&safe(name), &shown(value, ""));
        }
        self.fact("refused", &text(told, "/refused"));
        let state = word(told, "/status/state").replace('_', " ");
        if let Some(since) = time(told, "/status/since") {
            self.fact("state", &format!("{state} since {since}"));
        }
        for (name, path) in [("halted", "/halt"), ("held", "/status/hold"), ("held", "/plan/hold")] {
            // The daemon's word is newer than the look's.
            let told_before = path == "/plan/hold" && told.pointer("/status/hold").is_some();
            if let Some(hold) = told.pointer(path).filter(|hold| hold.is_object() && !told_before) {
                self.reason(name, hold);
            }
        }
        for path in ["/plan/failure", "/status/error"] {
            let is_told = path == "/status/error"
                && word(told, "/status/error/message") == word(told, "/plan/failure/message");
            if !is_told && told.pointer(path).is_some_and(Value::is_object) {
                let (code, message) =
                    (text(told, &format!("{path}/code")), text(told, &format!("{path}/message")));
                self.fact("fault", &format!("{code}: {message}"));
            }
        }
        self.fact("next try", &text(told, "/status/retry_after"));
        if told.pointer("/status/last_action").is_some() {
            let [what, result, at] =
                ["what", "result", "at"].map(|name| text(told, &format!("/status/last_action/{name}")));
            self.fact("last action", &format!("{what}: {result}, {at}"));
        }
        self.fact("uncertain", &text(told, "/doubt/message"));
        for op in list(told, "/ops") {
            self.fact(
                "signed",
                &format!("{} {}: {}", text(op, "/op_id"), text(op, "/kind"), text(op, "/state")),
            );
        }
        self.fields(told);
        for (number, step) in (1..).zip(list(told, "/plan/steps")) {
            self.line(&format!("  {number}. {}", text(step, "/what")));
            self.line(&format!("     because {}", text(step, "/reason")));
        }
        for note in list(told, "/plan/notes") {
            self.line(&format!("  - {}", text(note, "/message")));
        }
        let unmanaged: Vec<String> =
            list(told, "/plan/unmanaged").iter().map(|name| shown(name, "")).collect();
        self.fact("not managed", &unmanaged.join(", "));
        self.looked(told);
    }

    /// A line a field: what is wanted, what is there, what the next start makes of it, what becomes of that.
    fn fields(&mut self, told: &Value) {
        let rows: Vec<[String; 5]> = list(told, "/fields").iter().map(row).collect();
        if rows.is_empty() {
            return;
        }
        let titles = ["field", "wanted", "now", "next start", "what happens"].map(str::to_owned);
        let rows: Vec<[String; 5]> = std::iter::once(titles).chain(rows).collect();
        let pending = rows.iter().skip(1).any(|[.., next, _]| !next.is_empty());
        let mut widths = [0_usize; 5];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &rows {
            let cells = row.iter().zip(widths).enumerate().filter(|(at, _)| *at != 3 || pending);
            let cells: Vec<String> = cells.map(|(_, (cell, width))| format!("{cell:<width$}")).collect();
            self.line(&format!("    {}", cells.join("  ")));
        }
    }

    fn field(&mut self, told: &Value) {
        self.fact("wanted", &said(told, "/wanted"));
        self.fact("kept as", &said(told, "/kept_as"));
        self.said_in(told);
        let read = |path: &str| match told.pointer(&format!("{path}/raw")) {
            Some(raw) => format!(
                "{} ({}: {})",
                said(told, &format!("{path}/value")),
                text(told, "/key"),
                shown(raw, "")
            ),
            None if told.get("key").is_some() => {
                format!("{} (no key {})", said(told, &format!("{path}/value")), text(told, "/key"))
            }
            None => said(told, &format!("{path}/value")),
        };
        if told.get("read").is_some() {
            let fault = text(told, "/read/fault");
            self.fact("now", &if fault.is_empty() { read("/read") } else { format!("not known: {fault}") });
            if told.pointer("/read/next_start").is_some() {
                self.fact("next start", &read("/read/next_start"));
            }
            self.fact("read by", &text(told, "/read/call"));
        }
        for (at, sentence) in list(told, "/rule").iter().enumerate() {
            self.fact(if at == 0 { "rule" } else { "" }, &shown(sentence, ""));
        }
        self.fact("happens", &text(told, "/happens"));
        self.fact("", &text(told, "/step/reason"));
        if let Some(why_not) = told.get("why_not") {
            self.reason("not done", why_not);
            if let Some(halt) = told.get("halt").filter(|halt| *halt != why_not) {
                self.reason("halted", halt);
            }
        }
        if told.get("busy") == Some(&Value::Bool(true)) {
            self.fact("busy", "it is being worked on");
        }
        self.looked(told);
    }

    fn said_in(&mut self, told: &Value) {
        let Some(said) = told.get("said_in") else { return };
        let mut line = text(said, "/source");
        for (before, path) in [("/", "/file"), (", generation ", "/generation"), (", ", "/path")] {
            let part = shown(said, path);
            if !part.is_empty() {
                line.push_str(before);
                line.push_str(&part);
            }
        }
        self.fact("said in", &line);
    }

    fn reason(&mut self, name: &str, hold: &Value) {
        self.fact(name, &format!("({}) {}", text(hold, "/reason"), text(hold, "/detail")));
        let remedy = text(hold, "/remedy");
        if !remedy.is_empty() {
            self.line(&format!("  {:<11} to go on: {remedy}", ""));
        }
    }

    fn looked(&mut self, told: &Value) {
        if let Some(at) = time(told, "/looked_at") {
            let alone =
                if told.get("daemon") == Some(&Value::Bool(false)) { "; no daemon was asked" } else { "" };
            self.fact("looked at", &format!("{at}, {} s ago{alone}", self.now.seconds_since(at)));
        }
        if told.get("outdated") == Some(&Value::Bool(true)) {
            self.fact("outdated", "a job of this agent has ended since, which this look does not show");
        }
    }
}

fn row(field: &Value) -> [String; 5] {
    let cell = |path: &str| {
        let said = said(field, path);
        let mut cut: String = said.chars().take(CELL).collect();
        if said.chars().nth(CELL).is_some() {
            cut.push('…');
        }
        cut
    };
    let happens = match (word(field, "/standing"), word(field, "/why_not/reason")) {
        ("equal", _) => "as it should be".to_owned(),
        ("ignored", _) => "ignored".to_owned(),
        (standing, "") => {
            let step = text(field, "/happens");
            let step = step.split(':').next().unwrap_or_default();
            if step.is_empty() { standing.replace('_', " ") } else { step.to_owned() }
        }
        (_, reason) => format!("not done: {}", safe(reason)),
    };
    let now =
        if field.pointer("/read/fault").is_some() { "not known".to_owned() } else { cell("/read/value") };
    [text(field, "/field"), cell("/wanted"), now, cell("/read/next_start/value"), happens]
}

/// A value as the desired state would have it; text without quotes.
fn said(told: &Value, path: &str) -> String {
    match told.pointer(path) {
        Some(Value::String(word)) if word == "absent" => "not set".to_owned(),
        _ => shown(told, path),
    }
}

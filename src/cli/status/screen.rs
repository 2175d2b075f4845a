//! The status as one screen for a person. What is shown comes in, a text goes out; only whether in colour is asked here.

use std::io::{IsTerminal, stdout};

use serde_json::{Map, Value};

use super::super::document::{joined, list, number, shown, text, time, word};
use super::super::in_hand::told;
use crate::model::time::Timestamp;
use crate::plan::safe;

/// Whether a terminal shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Paint {
    Plain,
    Colour,
}

/// How good a piece of news is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Good,
    Waiting,
    Bad,
}

impl Paint {
    /// For standard output: colour on a terminal, unless the person does not want any (no-color.org).
    pub(in crate::cli) fn of_output() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if stdout().is_terminal() && !unwanted { Self::Colour } else { Self::Plain }
    }

    /// A plan's text: what cannot be planned, what waits, and what would be done, each in its colour.
    pub(in crate::cli) fn plan(self, text: &str) -> String {
        let line = |line: &str| match line.trim_start() {
            bad if bad.starts_with("! ") => self.paint(Mood::Bad, line),
            held if held.starts_with("held (") || held.starts_with("to go on: ") => {
                self.paint(Mood::Waiting, line)
            }
            step if step.starts_with(|letter: char| letter.is_ascii_digit()) => self.paint(Mood::Good, line),
            _ => line.to_owned(),
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The text, as wide as it was asked for whether or not it has a colour.
    fn paint(self, mood: Mood, text: &str) -> String {
        let colour = match mood {
            Mood::Good => 32,
            Mood::Waiting => 33,
            Mood::Bad => 31,
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
        }
    }
}

struct Screen {
    text: String,
    paint: Paint,
    now: Timestamp,
}

/// The screen for the document of `/v1/status`.
pub(super) fn render(status: &Value, now: Timestamp, paint: Paint) -> String {
    let mut screen = Screen { text: String::new(), paint, now };
    screen.agent(status);
    screen.line("");
    screen.line("conditions");
    for condition in list(status, "/conditions") {
        screen.condition(condition);
    }
    let resources = status.get("resources").and_then(Value::as_object);
    if let Some(resources) = resources.filter(|resources| !resources.is_empty()) {
        screen.line("");
        screen.line("resources");
        screen.resources(resources);
    }
    let ops = list(status, "/local/ops/open");
    if !ops.is_empty() {
        screen.line("");
        screen.line("signed operations");
        for op in ops {
            screen.op(op);
        }
    }
    for doubt in list(status, "/local/doubts") {
        screen.line("");
        let what = screen.paint.paint(Mood::Bad, "uncertain");
        let (guest, at) = (text(doubt, "/guest"), text(doubt, "/at"));
        screen.line(&format!("{what}: {guest} since {at}: {}", text(doubt, "/what")));
        screen.line(&format!("  {}", text(doubt, "/message")));
    }
    screen.text
}

/// One block a resource.
pub(in crate::cli) fn resources(resources: &Map<String, Value>, now: Timestamp, paint: Paint) -> String {
    let mut screen = Screen { text: String::new(), paint, now };
    screen.resources(resources);
    screen.text
}

impl Screen {
    fn resources(&mut self, resources: &Map<String, Value>) {
        let width = resources.keys().map(|id| safe(id).chars().count()).max().unwrap_or_default();
        for (id, resource) in resources {
            self.resource(&safe(id), resource, width.min(40));
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn fact(&mut self, name: &str, mood: Mood, value: &str) {
        let value = self.paint.paint(mood, value);
        self.line(&format!("  {name:<9} {value}"));
    }

    /// How long ago the time there is, if one is there.
    fn ago(&self, document: &Value, path: &str) -> Option<String> {
        Some(span(self.now.seconds_since(time(document, path)?)))
    }

    /// The same for a time that is always there.
    fn since(&self, document: &Value, path: &str) -> String {
        self.ago(document, path).unwrap_or_else(|| "?".to_owned())
    }

    fn agent(&mut self, status: &Value) {
        self.line(&format!(
            "felhom-agent {} on {}, process {}, up {}",
            text(status, "/agent_version"),
            text(status, "/host_id"),
            shown(status, "/local/pid"),
            self.since(status, "/local/started_at"),
        ));
        match status.pointer("/local/halt") {
            None => self.fact("changes", Mood::Good, "allowed"),
            Some(halt) => {
                self.fact("changes", Mood::Bad, &format!("stopped: {}", text(halt, "/message")));
                self.line(&format!("            to go on: {}", text(halt, "/remedy")));
            }
        }
        let looked = self.ago(status, "/local/looked_at").map(|ago| format!(", looked at {ago} ago"));
        self.standing("node", status, "/local/proxmox", "reachable", &looked.unwrap_or_default());
        self.desired(status);
        self.standing("journal", status, "/local/journal", "sound", "");
        self.standing("clock", status, "/local/clock", "trusted", "");
        self.reports(status);
        let busy = joined(status, "/local/busy");
        self.fact("work", Mood::Good, if busy.is_empty() { "nothing in hand" } else { &busy });
        for task in list(status, "/local/tasks") {
            let (what, since) = (text(task, "/what"), self.since(task, "/since"));
            let what = told(&what, number(task, "/percent"));
            self.line(&format!("            {what}, for {since}  {}", text(task, "/upid")));
        }
        for job in list(status, "/local/jobs") {
            let (what, guest) = (text(job, "/what").replace('_', " "), shown(job, "/vmid"));
            let (phase, since) = (text(job, "/phase"), self.since(job, "/since"));
            self.line(&format!("            {what} of {guest}: {phase}, for {since}"));
        }
    }

    /// Something that is in order or is not: `unreachable: why`, with spaces for programs' underscores.
    fn standing(&mut self, name: &str, status: &Value, path: &str, good: &str, more: &str) {
        let standing = status.pointer(path).unwrap_or(&Value::Null);
        let state = word(standing, "/state");
        let mood = match state {
            _ if state == good => Mood::Good,
            "not_yet_tried" | "not_configured" => Mood::Waiting,
            _ => Mood::Bad,
        };
        let mut said = safe(state).replace('_', " ");
        if let Some(message) = standing.get("message") {
            said.push_str(": ");
            said.push_str(&text(message, ""));
        }
        said.push_str(more);
        self.fact(name, mood, &said);
    }

    fn reports(&mut self, status: &Value) {
        let is_alone = |condition: &Value| word(condition, "/reason") == "NotConfigured";
        if list(status, "/conditions").iter().any(is_alone) {
            return self.fact("reports", Mood::Good, "no hub is configured");
        }
        let last =
            self.ago(status, "/local/reports/last_arrived_at").map(|ago| format!(", the last {ago} ago"));
        let (arrived, failed) =
            (shown(status, "/local/reports/arrived"), shown(status, "/local/reports/failed"));
        let mood = if failed == "0" { Mood::Good } else { Mood::Waiting };
        self.fact(
            "reports",
            mood,
            &format!("{arrived} arrived, {failed} failed{}", last.unwrap_or_default()),
        );
    }

    fn desired(&mut self, status: &Value) {
        let (generation, observed) =
            (number(status, "/manifest_generation"), number(status, "/observed_generation"));
        match (generation, observed) {
            (None, _) => self.fact("desired", Mood::Waiting, "no desired state"),
            (Some(generation), Some(observed)) if observed == generation => {
                self.fact("desired", Mood::Good, &format!("generation {generation}"));
            }
            (Some(generation), observed) => {
                let observed = observed.map_or_else(|| "none".to_owned(), |observed| observed.to_string());
                let text = format!("generation {generation}, looked at under {observed}");
                self.fact("desired", Mood::Waiting, &text);
            }
        }
    }

    fn condition(&mut self, condition: &Value) {
        let (kind, status) = (word(condition, "/type"), word(condition, "/status"));
        let good = if kind == "Ready" { "true" } else { "false" };
        let mood = match status {
            "unknown" => Mood::Waiting,
            _ if status == good => Mood::Good,
            _ if kind == "Reconciling" => Mood::Waiting,
            _ => Mood::Bad,
        };
        let word = self.paint.paint(mood, &format!("{:<7}", safe(status)));
        let since = self.since(condition, "/since");
        let (kind, reason) = (safe(kind), text(condition, "/reason"));
        self.line(&format!("  {kind:<15} {word} {since:>6}  {reason} {}", text(condition, "/message")));
    }

    fn resource(&mut self, id: &str, resource: &Value, width: usize) {
        let (mood, word) = match word(resource, "/state") {
            "ready" => (Mood::Good, "ready"),
            state @ ("pending" | "reconciling" | "held") => (Mood::Waiting, state),
            "unknown_resource" => (Mood::Bad, "unknown kind"),
            "invalid_spec" => (Mood::Bad, "invalid"),
            other => (Mood::Bad, other),
        };
        let word = self.paint.paint(mood, &format!("{:<12}", safe(word)));
        let (guest, run) = (shown(resource, "/details/vmid"), text(resource, "/details/run_state"));
        let since = self.since(resource, "/since");
        self.line(&format!("  {id:<width$}  {guest:>9}  {word} {since:>6}  {run}"));
        if let Some(hold) = resource.get("hold") {
            self.below(&format!("{}: {}", text(hold, "/reason"), text(hold, "/detail")));
            self.below(&format!("to go on: {}", text(hold, "/remedy")));
        }
        if let Some(error) = resource.get("error") {
            let retry = text(resource, "/retry_after");
            let retry = if retry.is_empty() { retry } else { format!("; tried again at {retry}") };
            self.below(&format!("{}: {}{retry}", text(error, "/code"), text(error, "/message")));
        }
        let pending = joined(resource, "/details/pending_reboot");
        if !pending.is_empty() {
            self.below(&format!("at its next start: {pending}"));
        }
        for warning in list(resource, "/details/warnings") {
            self.below(&text(warning, ""));
        }
    }

    fn below(&mut self, text: &str) {
        self.line(&format!("      {text}"));
    }

    fn op(&mut self, op: &Value) {
        let part = |before: &str, path: &str| {
            let part = text(op, path);
            if part.is_empty() { part } else { format!("{before}{part}") }
        };
        let since = self.since(op, "/accepted_at");
        self.line(&format!(
            "  {}  {}{}  {}, accepted {since} ago{}",
            text(op, "/op_id"),
            text(op, "/kind"),
            part(" of ", "/guest"),
            text(op, "/state"),
            part(", task ", "/upid"),
        ));
    }
}

/// `12 s`, `5 min`, `3 h`, `2 d`: as long as it is, no more exactly than it matters.
fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::{Value, json};

    use super::{Paint, render, span};
    use crate::model::time::Timestamp;

    fn told() -> Value {
        let mut status = json!({
            "schema": 1, "host_id": "host-1", "agent_version": "0.1.0", "manifest_generation": 7, "observed_generation": 6,
            "at": "2026-11-21T12:00:00Z", "paused": true,
            "resources": {
                "web": {"state": "ready", "since": "2026-11-21T11:00:00Z", "generation": 7,
                    "details": {"run_state": "running", "vmid": 101, "pending_reboot": ["cores"], "warnings": []}, "drift": []},
                "database": {"state": "held", "since": "2026-11-21T11:59:50Z", "generation": 7,
                    "details": {"run_state": "stopped", "vmid": 200},
                    "hold": {"reason": "lock", "detail": "it has the lock \"backup\"", "remedy": "wait\u{1b}[2J"}},
                "odd": {"state": "invalid_spec", "since": "2026-11-19T11:59:50Z", "generation": 7, "details": {},
                    "error": {"code": "invalid_spec", "message": "spec.x: unknown field"}}
            },
            "conditions": [
                {"type": "Ready", "status": "false", "reason": "ResourcesHeld", "message": "database", "since": "2026-11-21T11:59:50Z"},
                {"type": "ClockUntrusted", "status": "unknown", "reason": "NotChecked", "message": "", "since": "2026-11-21T11:59:50Z"},
                {"type": "HubUnreachable", "status": "false", "reason": "Reachable", "message": "", "since": "2026-11-21T09:59:50Z"}
            ]
        });
        let local = json!({
            "pid": 4711, "started_at": "2026-11-21T11:50:00Z",
            "halt": {"by": "kill_switch", "message": "the kill switch /x is there", "remedy": "remove /x"},
            "proxmox": {"state": "reachable"}, "looks": 3, "looked_at": "2026-11-21T11:59:58Z", "busy": ["lxc/101"],
            "tasks": [{"guest": "lxc/101", "what": "start lxc/101", "since": "2026-11-21T11:59:48Z", "upid": "UPID:pve:1", "percent": 12}],
            "jobs": [{"job": 1, "what": "restore_test", "vmid": 200, "phase": "restoring", "since": "2026-11-21T11:58:00Z"}],
            "reports": {"arrived": 3, "failed": 1, "last_arrived_at": "2026-11-21T11:58:00Z"},
            "journal": {"state": "no_destructive", "message": "segment 2 is damaged"}, "clock": {"state": "trusted"},
            "doubts": [{"guest": "lxc/105", "at": "2026-11-21T11:00:00Z", "what": "start lxc/105", "message": "look at it"}],
            "ops": {"floor": "2026-11-21T11:00:00Z", "open": [{
                "op_id": "01930000-0000-7000-8000-000000000001", "kind": "guest.destroy", "guest": "lxc/105", "state": "accepted",
                "payload_sha256": "", "keyids": [], "accepted_at": "2026-11-21T11:59:00Z", "exp": "2026-11-21T12:59:00Z",
                "via": "hub", "acknowledged": false
            }]}
        });
        status["local"] = local;
        status
    }

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-21T12:00:00Z").unwrap()
    }

    #[test]
    fn a_screen_says_all_that_matters_and_nothing_a_terminal_would_obey() {
        let status = told();
        expect![[r#"
            felhom-agent 0.1.0 on host-1, process 4711, up 10 min
              changes   stopped: the kill switch /x is there
                        to go on: remove /x
              node      reachable, looked at 2 s ago
              desired   generation 7, looked at under 6
              journal   no destructive: segment 2 is damaged
              clock     trusted
              reports   3 arrived, 1 failed, the last 2 min ago
              work      lxc/101
                        start lxc/101, 12 %, for 12 s  UPID:pve:1
                        restore test of 200: restoring, for 2 min

            conditions
              Ready           false     10 s  ResourcesHeld database
              ClockUntrusted  unknown   10 s  NotChecked
              HubUnreachable  false      2 h  Reachable

            resources
              database        200  held           10 s  stopped
                  lock: it has the lock "backup"
                  to go on: wait\u{1b}[2J
              odd                  invalid         2 d
                  invalid_spec: spec.x: unknown field
              web             101  ready        60 min  running
                  at its next start: cores

            signed operations
              01930000-0000-7000-8000-000000000001  guest.destroy of lxc/105  accepted, accepted 60 s ago

            uncertain: lxc/105 since 2026-11-21T11:00:00Z: start lxc/105
              look at it
        "#]]
        .assert_eq(&render(&status, now(), Paint::Plain));
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let status = told();
        let plain = render(&status, now(), Paint::Plain);
        let mut coloured = render(&status, now(), Paint::Colour);
        assert_ne!(plain, coloured);
        for code in ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"] {
            coloured = coloured.replace(code, "");
        }
        // What colour closes off keeps its trailing spaces.
        let bare = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        assert_eq!(bare(&plain), bare(&coloured));
    }

    #[test]
    fn a_span_is_as_exact_as_it_matters() {
        for (seconds, text) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "119 min"), (7_200, "2 h"), (172_800, "2 d")]
        {
            assert_eq!(span(seconds), text);
        }
    }
}

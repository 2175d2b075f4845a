//! The status as one screen for a person. Pure: what is shown comes in, a text goes out.

use std::fmt::Write;

use crate::local_api::facts::{Local, OpFacts, Standing};
use crate::model::time::Timestamp;
use crate::plan::safe;
use crate::status::{
    AgentStatus, Condition, ConditionReason, ConditionStatus, ConditionType, ResourceState, ResourceStatus,
};

/// Whether a terminal shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
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

pub(super) fn render(status: &AgentStatus, local: &Local, now: Timestamp, paint: Paint) -> String {
    let mut screen = Screen { text: String::new(), paint, now };
    screen.agent(status, local);
    screen.line("");
    screen.line("conditions");
    for condition in &status.conditions {
        screen.condition(condition);
    }
    if !status.resources.is_empty() {
        screen.line("");
        screen.line("resources");
        let width = status.resources.keys().map(|id| safe(id).chars().count()).max().unwrap_or_default();
        for (id, resource) in &status.resources {
            screen.resource(id, resource, width.min(40));
        }
    }
    if !local.ops.open.is_empty() {
        screen.line("");
        screen.line("signed operations");
        for op in &local.ops.open {
            screen.op(op);
        }
    }
    for doubt in &local.doubts {
        screen.line("");
        let what = screen.paint.paint(Mood::Bad, "uncertain");
        screen.line(&format!("{what}: {} since {}: {}", doubt.guest, doubt.at, safe(&doubt.what)));
        screen.line(&format!("  {}", safe(&doubt.message)));
    }
    screen.text
}

impl Screen {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn fact(&mut self, name: &str, mood: Mood, value: &str) {
        let value = self.paint.paint(mood, value);
        self.line(&format!("  {name:<9} {value}"));
    }

    fn ago(&self, at: Timestamp) -> String {
        span(self.now.seconds_since(at))
    }

    fn agent(&mut self, status: &AgentStatus, local: &Local) {
        let up = self.ago(local.started_at);
        self.line(&format!(
            "felhom-agent {} on {}, process {}, up {up}",
            safe(&status.agent_version),
            safe(&status.host_id),
            local.pid
        ));
        match &local.halt {
            None => self.fact("changes", Mood::Good, "allowed"),
            Some(halt) => {
                self.fact("changes", Mood::Bad, &format!("stopped: {}", safe(&halt.message)));
                self.line(&format!("            to go on: {}", safe(&halt.remedy)));
            }
        }
        let looked = local.looked_at.map(|at| format!(", looked at {} ago", self.ago(at)));
        let node = format!("{}{}", said(&local.proxmox), looked.unwrap_or_default());
        self.fact("node", mood_of(&local.proxmox, "reachable"), &node);
        self.desired(status);
        self.fact("journal", mood_of(&local.journal, "sound"), &said(&local.journal));
        self.fact("clock", mood_of(&local.clock, "trusted"), &said(&local.clock));
        self.reports(status, local);
        let busy: Vec<String> = local.busy.iter().map(ToString::to_string).collect();
        let work = if busy.is_empty() { "nothing in hand".to_owned() } else { busy.join(", ") };
        self.fact("work", Mood::Good, &work);
    }

    fn reports(&mut self, status: &AgentStatus, local: &Local) {
        let is_alone = |condition: &Condition| condition.reason == ConditionReason::NotConfigured;
        if status.conditions.iter().any(is_alone) {
            return self.fact("reports", Mood::Good, "no hub is configured");
        }
        let reports = &local.reports;
        let last = reports.last_arrived_at.map(|at| format!(", the last {} ago", self.ago(at)));
        let mood = if reports.failed > 0 { Mood::Waiting } else { Mood::Good };
        let told =
            format!("{} arrived, {} failed{}", reports.arrived, reports.failed, last.unwrap_or_default());
        self.fact("reports", mood, &told);
    }

    fn desired(&mut self, status: &AgentStatus) {
        match (status.manifest_generation, status.observed_generation) {
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

    fn condition(&mut self, condition: &Condition) {
        let Condition { kind, status, reason, message, since } = condition;
        let good = if *kind == ConditionType::Ready { ConditionStatus::True } else { ConditionStatus::False };
        let mood = match status {
            ConditionStatus::Unknown => Mood::Waiting,
            _ if *status == good => Mood::Good,
            _ if *kind == ConditionType::Reconciling => Mood::Waiting,
            ConditionStatus::True | ConditionStatus::False => Mood::Bad,
        };
        let word = match status {
            ConditionStatus::True => "true   ",
            ConditionStatus::False => "false  ",
            ConditionStatus::Unknown => "unknown",
        };
        let (word, kind, reason) = (self.paint.paint(mood, word), format!("{kind:?}"), format!("{reason:?}"));
        let since = self.ago(*since);
        self.line(&format!("  {kind:<15} {word} {since:>6}  {reason} {}", safe(message)));
    }

    fn resource(&mut self, id: &str, resource: &ResourceStatus, width: usize) {
        let (mood, word) = match resource.state {
            ResourceState::Ready => (Mood::Good, "ready"),
            ResourceState::Pending => (Mood::Waiting, "pending"),
            ResourceState::Reconciling => (Mood::Waiting, "reconciling"),
            ResourceState::Held => (Mood::Waiting, "held"),
            ResourceState::Failed => (Mood::Bad, "failed"),
            ResourceState::UnknownResource => (Mood::Bad, "unknown kind"),
            ResourceState::InvalidSpec => (Mood::Bad, "invalid"),
        };
        let word = self.paint.paint(mood, &format!("{word:<12}"));
        let guest = resource.details.vmid.map(|vmid| vmid.to_string()).unwrap_or_default();
        let since = self.ago(resource.since);
        let run = resource.details.run_state.map(|run| run.to_string()).unwrap_or_default();
        self.line(&format!("  {:<width$}  {guest:>9}  {word} {since:>6}  {run}", safe(id)));
        if let Some(hold) = &resource.hold {
            self.below(&format!("{}: {}", hold.reason, safe(&hold.detail)));
            self.below(&format!("to go on: {}", safe(&hold.remedy)));
        }
        if let Some(error) = &resource.error {
            let retry = resource.retry_after.map(|at| format!("; tried again at {at}"));
            self.below(&format!("{}: {}{}", error.code, safe(&error.message), retry.unwrap_or_default()));
        }
        if !resource.details.pending_reboot.is_empty() {
            self.below(&format!("at its next start: {}", safe(&resource.details.pending_reboot.join(", "))));
        }
        for warning in &resource.details.warnings {
            self.below(&safe(warning));
        }
    }

    fn below(&mut self, text: &str) {
        self.line(&format!("      {text}"));
    }

    fn op(&mut self, op: &OpFacts) {
        let guest = op.guest.map(|guest| format!(" of {guest}")).unwrap_or_default();
        let task = op.upid.as_ref().map(|upid| format!(", task {}", safe(upid))).unwrap_or_default();
        let since = self.ago(op.accepted_at);
        self.line(&format!(
            "  {}  {}{guest}  {}, accepted {since} ago{task}",
            op.op_id,
            op.kind,
            safe(&op.state)
        ));
    }
}

fn mood_of(standing: &Standing, good: &str) -> Mood {
    match standing.state.as_str() {
        state if state == good => Mood::Good,
        "not_yet_tried" | "not_configured" => Mood::Waiting,
        _ => Mood::Bad,
    }
}

/// `unreachable: why`, with spaces for programs' underscores.
fn said(standing: &Standing) -> String {
    let mut text = safe(&standing.state).replace('_', " ");
    if let Some(message) = &standing.message {
        // Writing to a String cannot fail.
        write!(text, ": {}", safe(message)).ok();
    }
    text
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
    use serde_json::json;

    use super::{Paint, render, span};
    use crate::local_api::facts::Local;
    use crate::model::time::Timestamp;
    use crate::status::AgentStatus;

    fn told() -> (AgentStatus, Local) {
        let status = json!({
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
            "reports": {"arrived": 3, "failed": 1, "last_arrived_at": "2026-11-21T11:58:00Z"},
            "journal": {"state": "no_destructive", "message": "segment 2 is damaged"}, "clock": {"state": "trusted"},
            "doubts": [{"guest": "lxc/105", "at": "2026-11-21T11:00:00Z", "what": "start lxc/105", "message": "look at it"}],
            "ops": {"floor": "2026-11-21T11:00:00Z", "open": [{
                "op_id": "01930000-0000-7000-8000-000000000001", "kind": "guest.destroy", "guest": "lxc/105", "state": "accepted",
                "payload_sha256": "", "keyids": [], "accepted_at": "2026-11-21T11:59:00Z", "exp": "2026-11-21T12:59:00Z",
                "via": "hub", "acknowledged": false
            }]}
        });
        (serde_json::from_value(status).unwrap(), serde_json::from_value(local).unwrap())
    }

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-21T12:00:00Z").unwrap()
    }

    #[test]
    fn a_screen_says_all_that_matters_and_nothing_a_terminal_would_obey() {
        let (status, local) = told();
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
        .assert_eq(&render(&status, &local, now(), Paint::Plain));
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let (status, local) = told();
        let plain = render(&status, &local, now(), Paint::Plain);
        let mut coloured = render(&status, &local, now(), Paint::Colour);
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

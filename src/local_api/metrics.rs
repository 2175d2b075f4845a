//! `/metrics`: the state of the agent as Prometheus reads it (text format 0.0.4). Names end in their unit; a state is one
//! sample for each value it can have, of which one is 1. What is not known has no sample.

use std::fmt::{Display, Write};

use crate::clock;
use crate::control::Answer;
use crate::journal::{Health, Journal, OpRecord, OpState};
use crate::model::op::{ClockTrust, OpResult};
use crate::model::time::Timestamp;
use crate::status::{AgentStatus, ConditionStatus, ResourceState};

const CONDITION_STATES: [(ConditionStatus, &str); 3] = [
    (ConditionStatus::True, "true"),
    (ConditionStatus::False, "false"),
    (ConditionStatus::Unknown, "unknown"),
];
const RESOURCE_STATES: [(ResourceState, &str); 7] = [
    (ResourceState::Pending, "pending"),
    (ResourceState::Reconciling, "reconciling"),
    (ResourceState::Ready, "ready"),
    (ResourceState::Held, "held"),
    (ResourceState::Failed, "failed"),
    (ResourceState::UnknownResource, "unknown_resource"),
    (ResourceState::InvalidSpec, "invalid_spec"),
];

const OP_RESULTS: [(OpResult, &str); 5] = [
    (OpResult::Done, "done"),
    (OpResult::PartialCleanup, "partial_cleanup"),
    (OpResult::Failed, "failed"),
    (OpResult::Rejected, "rejected"),
    (OpResult::Uncertain, "uncertain"),
];

/// `state` is absent when control does not answer.
pub(super) fn render(state: Option<&Answer>, journal: &Journal, started_at: Timestamp) -> String {
    let mut page = Page::default();
    page.family("build_info", "gauge", "The version that runs.");
    page.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.single("start_time_seconds", "gauge", "When the process started, in Unix time.", started_at.unix());
    let answers = u64::from(state.is_some());
    page.single("control_answers", "gauge", "Whether the control loop answers.", answers);
    if let Some(state) = state {
        of_control(&mut page, state);
    }
    of_journal(&mut page, journal);
    page.text
}

fn of_control(page: &mut Page, state: &Answer) {
    of_status(page, &state.status);
    page.single("looks_total", "counter", "Looks at the node since the configuration was read.", state.looks);
    if let Some(at) = state.looked_at {
        let help = "When the node was last looked at, in Unix time.";
        page.single("last_look_timestamp_seconds", "gauge", help, at.unix());
    }
    page.single("busy_guests", "gauge", "Guests that are being worked on.", state.busy.len());
    page.family("reports_total", "counter", "Reports by whether the hub took them.");
    page.sample(&[("result", "arrived")], state.reports.arrived);
    page.sample(&[("result", "failed")], state.reports.failed);
    if let Some(at) = state.reports.last_arrived {
        let help = "When a report last arrived at the hub, in Unix time.";
        page.single("last_report_timestamp_seconds", "gauge", help, at.unix());
        let age = clock::now().seconds_since(at);
        page.single("last_report_age_seconds", "gauge", "Since a report last arrived at the hub.", age);
    }
}

fn of_status(page: &mut Page, status: &AgentStatus) {
    page.family("condition", "gauge", "The agent's conditions: 1 for the status that holds.");
    for condition in &status.conditions {
        let kind = format!("{:?}", condition.kind);
        for (of, name) in CONDITION_STATES {
            page.sample(&[("type", &kind), ("status", name)], u64::from(condition.status == of));
        }
    }
    page.family("resources", "gauge", "Resources of the desired state by their state.");
    for (of, name) in RESOURCE_STATES {
        let count = status.resources.values().filter(|resource| resource.state == of).count();
        page.sample(&[("state", name)], count);
    }
    page.single("paused", "gauge", "Whether nothing may be changed at present.", u64::from(status.paused));
    if let Some(generation) = status.manifest_generation {
        page.single("manifest_generation", "gauge", "Generation of the desired state in force.", generation);
    }
    if let Some(generation) = status.observed_generation {
        let help = "The newest generation under which every resource was looked at.";
        page.single("observed_generation", "gauge", help, generation);
    }
}

fn of_journal(page: &mut Page, journal: &Journal) {
    let state = match journal.health() {
        Health::Sound => "sound",
        Health::NoDestructive(_) => "no_destructive",
        Health::Unwritable(_) => "unwritable",
    };
    page.family("journal_state", "gauge", "What the journal allows: 1 for the state that holds.");
    for name in ["sound", "no_destructive", "unwritable"] {
        page.sample(&[("state", name)], u64::from(name == state));
    }
    let trusted = u64::from(journal.clock(clock::now()) == ClockTrust::Trusted);
    page.single("clock_trusted", "gauge", "Whether the wall clock is believed.", trusted);
    of_ops(page, journal);
    page.single(
        "ops_open",
        "gauge",
        "Signed operations that were accepted and have not ended.",
        journal.ops_open().len(),
    );
    page.single(
        "doubts",
        "gauge",
        "Guests of which nobody can say whether a step happened.",
        journal.doubts().len(),
    );
}

fn of_ops(page: &mut Page, journal: &Journal) {
    let ended = journal.ops_ended();
    page.family("ops_ended", "gauge", "Signed operations that ended and are still remembered.");
    for (of, name) in OP_RESULTS {
        let is_of = |op: &&OpRecord| matches!(&op.state, OpState::Ended(end) if end.result == of);
        page.sample(&[("result", name)], ended.iter().filter(is_of).count());
    }
    if let Some(last) = journal.audit_tail(1).last() {
        page.single("journal_last_seq", "gauge", "Number of the last entry of the history.", last.seq);
    }
}

#[derive(Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        self.line(&format!("# HELP felhom_agent_{name} {help}\n# TYPE felhom_agent_{name} {kind}"));
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.line(&format!("felhom_agent_{}{labels} {value}", self.name));
    }

    fn single(&mut self, name: &'static str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(&[], value);
    }

    fn line(&mut self, line: &str) {
        // Writing to a String cannot fail.
        writeln!(self.text, "{line}").ok();
    }
}

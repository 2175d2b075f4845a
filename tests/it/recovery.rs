//! What was begun when the agent ended: found out before anything else is done to its guest, and never done twice.

use std::collections::BTreeSet;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use felhom_agent::journal::{Disk, Identity, Log};
use felhom_agent::model::time::Timestamp;
use felhom_sim::server::{Action, Rule};
use serde_json::{Value, json};

use crate::daemon::{START_100, memory, running, until_memory, until_reports};
use crate::stage::{Daemon, HOST_ID, Stage};

/// The start of 100 was asked for, and begins when the fault is taken away; the daemon waits for the answer.
fn in_mid_call() -> (Stage, Daemon) {
    let stage = Stage::new(|_| {});
    stage.configure(|config| config["agent"]["stop_seconds"] = json!(1));
    stage.node.fault(Rule::new(Action::HoldWork).method("POST").path("/status/start").once());
    stage.desire(1, &running(100));
    let daemon = stage.daemon();
    daemon.until("the start is asked for", || stage.count(START_100) == 1);
    (stage, daemon)
}

fn it_is_found_out_and_not_repeated(stage: &Stage) {
    let daemon = stage.daemon();
    daemon.says("begun before and its end is not known: start lxc/100");
    stage.node.clear_faults();
    daemon.until("100 runs", || stage.runs(100));
    daemon.says("guest-100 (lxc/100) is in order");
    stage.looks(&daemon, 3);
    assert_eq!(stage.mutation_lines(), [START_100], "{}", daemon.said());
    daemon.stop();
}

#[test]
fn a_crash_while_the_answer_is_awaited_does_nothing_twice() {
    let (stage, daemon) = in_mid_call();
    daemon.crash();
    it_is_found_out_and_not_repeated(&stage);
}

#[test]
fn an_end_while_the_answer_is_awaited_does_nothing_twice() {
    let (stage, mut daemon) = in_mid_call();
    daemon.signal("TERM");
    assert_eq!(daemon.end().code(), Some(0), "{}", daemon.said());
    it_is_found_out_and_not_repeated(&stage);
}

#[test]
fn a_doubt_outlives_a_restart_and_ends_when_the_guest_looks_different() {
    let stage = Stage::new(|_| {});
    // Not carried out, but nobody can know.
    let lost = Action::status(596, "Connection timed out");
    stage.node.fault(Rule::new(lost).method("POST").path("/status/start").once());
    stage.desire(1, &running(100));
    let daemon = stage.daemon();
    daemon.says("uncertain, look at the guest");
    daemon.crash();

    let daemon = stage.daemon();
    daemon.says("guest-100 (lxc/100) has failed");
    stage.looks(&daemon, 3);
    assert_eq!(stage.mutation_lines(), [START_100], "{}", daemon.said());
    stage.set_key(100, "description", "somebody was here");
    daemon.until("100 runs", || stage.runs(100));
    assert_eq!(stage.count(START_100), 2, "the world has changed: it is planned anew");
    daemon.stop();

    let daemon = stage.daemon();
    daemon.says("guest-100 (lxc/100) is in order");
    daemon.stop();
}

/// What an agent leaves that ended right after it had written down that it is going to start a guest.
fn leave_an_intent(stage: &Stage, vmid: u32) {
    fs::create_dir_all(stage.state_dir()).expect("a folder can be made");
    let now = Timestamp::from_unix(
        SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970").as_secs(),
    );
    let folder = stage.state_dir().join("journal");
    let mut log =
        Log::open(Disk, &folder, Identity::of_this_machine(HOST_ID)).expect("a journal can be made").log;
    let guest = format!("lxc/{vmid}");
    let intent = json!({
        "guest": guest, "what": format!("start {guest}"), "step": {"start": {"guest": guest}}, "began": now, "uptime_s": 0
    });
    log.append("intent", &intent, now).expect("it takes a record");
}

#[test]
fn what_never_reached_the_node_is_done_once() {
    let stage = Stage::new(|_| {});
    leave_an_intent(&stage, 100);
    stage.desire(1, &running(100));
    let daemon = stage.daemon();
    daemon.says("the agent ended before the request reached the node");
    daemon.until("100 runs", || stage.runs(100));
    stage.looks(&daemon, 2);
    assert_eq!(stage.mutation_lines(), [START_100]);
    daemon.stop();
}

#[test]
fn a_guest_that_nobody_manages_any_more_is_settled_too_and_not_touched() {
    let stage = Stage::new(|_| {});
    leave_an_intent(&stage, 100);
    let daemon = stage.daemon();
    daemon.says("the agent ended before the request reached the node");
    stage.looks(&daemon, 2);
    daemon.stop();
    let daemon = stage.daemon();
    stage.looks(&daemon, 1);
    assert!(!daemon.stop().contains("begun before"), "it is known for good");
    assert_eq!(stage.mutation_lines(), [""; 0]);
}

#[test]
fn a_task_list_that_cannot_be_read_is_not_one_without_our_task() {
    let stage = Stage::new(|_| {});
    leave_an_intent(&stage, 100);
    let refusal = Action::refusal(500, "got timeout", false);
    let fault = stage.node.fault(Rule::new(refusal).method("GET").path("/nodes/pve/tasks"));
    stage.desire(1, &running(100));
    let daemon = stage.daemon();
    daemon.says("the list of tasks cannot be read to see what came of it");
    stage.looks(&daemon, 2);
    assert_eq!(stage.mutation_lines(), [""; 0]);
    stage.node.remove_fault(fault);
    daemon.until("100 runs", || stage.runs(100));
    assert_eq!(stage.mutation_lines(), [START_100]);
    daemon.stop();
}

/// The steps whose end the journal does not tell.
pub(crate) fn open_steps(stage: &Stage) -> BTreeSet<u64> {
    let ended = |line: &Value| matches!(line["t"].as_str(), Some("done" | "uncertain"));
    let (lines, mut open) = (stage.journal(), BTreeSet::new());
    open.extend(lines.iter().filter(|line| line["t"] == "intent").filter_map(|line| line["seq"].as_u64()));
    for line in lines.iter().filter(|line| ended(line)) {
        open.remove(&line["intent"].as_u64().expect("it names its intent"));
    }
    open
}

fn condition<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let all = report["conditions"].as_array().expect("conditions are a list");
    all.iter().find(|one| one["type"] == kind).expect("each condition is always told")
}

#[test]
fn with_a_damaged_journal_nothing_is_changed_and_the_hub_hears_why() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &memory(256));
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");
    daemon.says("guest-101 (lxc/101) is in order");
    let report = until_reports(&stage, &daemon, 1);
    assert_eq!(condition(&report, "JournalDamaged")["status"], json!("false"), "{report}");
    daemon.stop();

    let segments = fs::read_dir(stage.state_dir().join("journal")).expect("it is a folder");
    let segment = segments
        .map(|file| file.expect("it can be listed").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .expect("there is one");
    let mut bytes = fs::read(&segment).expect("it can be read");
    bytes[40] ^= 1;
    fs::write(&segment, bytes).expect("it can be written");
    stage.set_key(101, "memory", "64");
    let before = stage.mutation_lines().len();
    let daemon = stage.daemon();
    daemon.says("journal salvage");
    daemon.says("could not be recorded");
    stage.looks(&daemon, 2);
    let report = until_reports(&stage, &daemon, 2);
    assert_eq!(condition(&report, "JournalDamaged")["status"], json!("true"), "{report}");
    assert!(condition(&report, "JournalDamaged")["message"].to_string().contains("salvage"), "{report}");
    daemon.stop();
    assert_eq!(stage.mutation_lines().len(), before);
}

#[test]
fn the_report_tells_the_end_of_the_history_with_the_journal_s_chain() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &memory(256));
    let daemon = stage.daemon();
    daemon.says("guest-101 (lxc/101) is in order");
    daemon.stop();
    // The first one may have ended before it reported at all.
    let before = stage.reports().len();
    let daemon = stage.daemon();
    daemon.says("guest-101 (lxc/101) is in order");
    let report = until_reports(&stage, &daemon, before + 1);
    let tail = report["audit_tail"].as_array().expect("it is a list");
    let done = tail.iter().find(|entry| entry["subject"] == "lxc/101").expect("the write is in it");
    assert_eq!((&done["what"], &done["result"]), (&json!("set memory=256 of lxc/101"), &json!("done")));
    let (seq, hash) = (done["seq"].as_u64().expect("a number"), done["hash"].as_str().expect("a text"));
    let lines = stage.journal();
    let line = lines.iter().find(|line| line["seq"] == json!(seq)).expect("it is in the journal");
    assert_eq!((line["h"].as_str(), line["t"].as_str()), (Some(hash), Some("done")), "{line}");
    daemon.stop();
}

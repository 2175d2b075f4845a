//! `journal verify`, `show` and `salvage` as processes, beside the agent and without it.

use std::fs::{self, OpenOptions};
use std::io::Write;

use serde_json::{Value, json};

use crate::daemon::running;
use crate::stage::Stage;

const FIRST: &str = "journal/00000001.jsonl";

/// A daemon has started guest 100 and written that down.
fn lived() -> Stage {
    let stage = Stage::new(|_| {});
    stage.desire(1, &running(100));
    let daemon = stage.daemon();
    daemon.says("guest-100 (lxc/100) is in order");
    let verdict = stage.run(&["journal", "verify", "--json"]).json(0);
    assert_eq!(verdict["state"], "ok", "beside the daemon: {verdict}");
    assert!(verdict["records"].as_u64().unwrap() >= 3, "{verdict}");
    stage.run(&["journal", "salvage"]).expect(73, &["another instance"]);
    daemon.stop();
    stage
}

fn damage(stage: &Stage) {
    let path = stage.state_dir().join(FIRST);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"t\":\"intent\""), "{text}");
    fs::write(&path, text.replace("\"t\":\"intent\"", "\"t\":\"intend\"")).unwrap();
}

#[test]
fn what_was_done_can_be_read_and_asked_for_by_guest() {
    let stage = lived();
    let state_dir = stage.state_dir();
    let arguments =
        ["journal", "show", "--json", "--guest", "100", "--state-dir", state_dir.to_str().unwrap()];
    let shown = stage.run(&arguments);
    shown.expect(0, &["lxc/100"]);
    let records: Vec<Value> = shown.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = records.iter().map(|record| record["t"].as_str().unwrap()).collect();
    assert!(kinds.starts_with(&["intent", "issued", "done"]), "{kinds:?}");
    stage.run(&["journal", "show", "--guest", "107"]).expect(0, &[]);
    stage.run(&["journal", "show"]).expect(0, &["intent", "guest=lxc/100"]);
    stage.run(&["journal", "verify", "--state-dir", "/nowhere/at/all"]).expect(74, &["/nowhere/at/all"]);
}

#[test]
fn a_write_that_was_cut_off_is_torn_and_no_damage() {
    let stage = lived();
    let mut file = OpenOptions::new().append(true).open(stage.state_dir().join(FIRST)).unwrap();
    file.write_all(b"{\"seq\":99,\"ts\":\"2026-").unwrap();
    let verdict = stage.run(&["journal", "verify", "--json"]).json(0);
    assert_eq!((&verdict["state"], &verdict["dropped_bytes"]), (&json!("torn"), &json!(21)));
    stage.run(&["journal", "verify"]).expect(0, &["torn:"]);
    let again = stage.run(&["journal", "verify", "--json"]).json(0);
    assert_eq!(again, verdict, "it has repaired nothing");
}

#[test]
fn a_damaged_journal_is_named_left_alone_and_salvaged() {
    let stage = lived();
    damage(&stage);
    let damaged = fs::read(stage.state_dir().join(FIRST)).unwrap();
    let verdict = stage.run(&["journal", "verify", "--json"]).json(1);
    assert_eq!((&verdict["state"], &verdict["file"]), (&json!("corrupt"), &json!("00000001.jsonl")));
    stage.run(&["journal", "verify"]).expect(1, &["corrupt:", "felhom-agent journal salvage"]);
    stage.run(&["journal", "show"]).expect(1, &["the journal is corrupt"]);
    assert_eq!(fs::read(stage.state_dir().join(FIRST)).unwrap(), damaged);

    let salvaged = stage.run(&["journal", "salvage"]);
    salvaged.expect(0, &["kept", "lost", "00000001.jsonl.damaged", "start the agent"]);
    assert_eq!(fs::read(stage.state_dir().join("journal/00000001.jsonl.damaged")).unwrap(), damaged);
    stage.run(&["journal", "verify"]).expect(0, &["ok:"]);
    stage.run(&["journal", "show"]).expect(0, &["salvaged"]);
    stage.run(&["journal", "salvage"]).expect(0, &["nothing was changed"]);
    let daemon = stage.daemon();
    daemon.says("guest-100 (lxc/100) is in order");
    daemon.stop();
    let verdict = stage.run(&["journal", "verify", "--json"]).json(0);
    assert_eq!(verdict["state"], "ok", "the daemon goes on in it: {verdict}");
}

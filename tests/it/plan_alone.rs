//! What `plan` shows without a daemon: what the daemon would hold back beside the plan is held there, too.

use std::fs;

use serde_json::{Value, json};

use crate::stage::{Stage, lxc};

fn stopped(vmid: u32) -> Value {
    lxc(vmid, json!({"run_state": "stopped"}))
}

/// The reason for which each guest is held, by number; empty: it is not.
fn holds(stage: &Stage) -> Vec<(u64, String)> {
    let plan = stage.run(&["plan", "--json"]).json(0);
    let guests = plan["guests"].as_array().expect("guests").iter();
    let hold = |guest: &Value| guest["hold"]["reason"].as_str().unwrap_or_default().to_owned();
    guests
        .map(|guest| {
            let number = guest["guest"].as_str().and_then(|guest| guest.split('/').nth(1)).expect("a guest");
            let steps = guest["steps"].as_array().expect("steps").len();
            assert!(steps == 0 || guest["hold"].is_null(), "{guest}");
            (number.parse().expect("a number"), hold(guest))
        })
        .collect()
}

fn held_for(stage: &Stage, reason: &str) -> Vec<u64> {
    holds(stage).into_iter().filter(|(_, held)| held == reason).map(|(number, _)| number).collect()
}

#[test]
fn who_waits_for_another_guest_is_held_as_the_daemon_would_hold_it() {
    let stage = Stage::new(|world| {
        for vmid in [102, 103] {
            world.set_running(vmid, true);
        }
    });
    let mut web = lxc(100, json!({"run_state": "running"}));
    web["depends_on"] = json!(["guest-106"]);
    let mut shop = stopped(102);
    shop["depends_on"] = json!(["guest-103"]);
    let cache = lxc(106, json!({"cores": 2}));
    stage.desire(1, &json!([web, cache, shop, stopped(103)]));
    assert_eq!(held_for(&stage, "dependency"), [100, 103]);
    stage.run(&["plan"]).expect(
        0,
        &["it depends on guest-106, which is pending", "guest-102 depends on it and still runs", "2 held"],
    );
    assert!(stage.mutations().is_empty());
}

#[test]
fn what_a_generation_may_still_stop_is_told_from_the_state_folder_and_counted_nowhere() {
    let stage = Stage::new(|world| {
        for vmid in 101..=106 {
            world.set_running(vmid, vmid != 104 && vmid != 105);
        }
        world.guest_mut(106).habits.fails_to_start = false;
    });
    stage.configure(|config| config["agent"]["blast_radius"] = json!(2));
    let all = [101, 102, 103, 106];
    stage.desire(1, &json!(all.map(stopped)));
    for _ in 0..2 {
        assert_eq!(held_for(&stage, "blast_radius"), [103, 106], "the first two have room");
    }
    assert!(!stage.state_dir().join("limit.json").exists(), "looking counts nothing");

    let daemon = stage.daemon();
    daemon.until("two to be stopped", || {
        let counted = fs::read(stage.state_dir().join("limit.json")).unwrap_or_default();
        let counted: Value = serde_json::from_slice(&counted).unwrap_or_default();
        counted["guests"].as_array().is_some_and(|guests| guests.len() == 2)
    });
    daemon.stop();
    let counted = fs::read(stage.state_dir().join("limit.json")).expect("the daemon counted");
    assert_eq!(held_for(&stage, "blast_radius").len(), 2, "{}", String::from_utf8_lossy(&counted));
    assert_eq!(fs::read(stage.state_dir().join("limit.json")).expect("it is there"), counted);
}

#[test]
fn what_may_not_be_read_is_said_to_be_told_by_the_daemon_alone() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &json!([stopped(101)]));
    fs::create_dir_all(stage.state_dir().join("limit.json")).expect("a folder in its place");
    stage
        .run(&["plan"])
        .expect(0, &["limit_unknown", "agent.blast_radius", "felhom-agent status", "1 to change"]);
    // Where nothing is to be stopped it is nobody's concern.
    stage.desire(2, &json!([lxc(100, json!({"run_state": "running"}))]));
    let ended = stage.run(&["plan"]);
    assert!(!ended.stdout.contains("limit_unknown"), "{}", ended.stdout);
}

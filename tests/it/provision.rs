//! Guests that are made: from nothing to what was said, once, and never where there may be one already.

use felhom_sim::node::World;
use felhom_sim::server::{Action, Rule};
use serde_json::{Value, json};

use crate::stage::{Daemon, Stage, lxc, vm};

pub(crate) const VMID: u32 = 150;
const TEMPLATE: &str = "local:vztmpl/alpine-mini_3.20_amd64.tar.gz";
const MAKE: &str = "POST /nodes/pve/lxc";
const START: &str = "POST /nodes/pve/lxc/150/status/start";
const DESTROY: &str = "DELETE /nodes/pve/lxc/150";

fn made_from(provision: &Value) -> Value {
    lxc(VMID, json!({"run_state": "running", "name": "new", "cores": 2, "provision": provision}))
}

pub(crate) fn from_template() -> Value {
    made_from(&json!({"from": "template", "source": TEMPLATE, "storage": "store"}))
}

/// A stage on which a container is wanted that is nowhere.
fn wanted(arrange: impl FnOnce(&mut World)) -> Stage {
    let stage = Stage::new(arrange);
    stage.desire(1, &json!([from_template()]));
    stage
}

fn status(stage: &Stage) -> Value {
    let ended = stage.run(&["status", "--json"]);
    // Before the daemon listens it says nothing.
    let status: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
    status["resources"]["guest-150"].clone()
}

fn until_held(stage: &Stage, daemon: &Daemon, reason: &str) -> Value {
    daemon.until(reason, || status(stage)["hold"]["reason"] == reason);
    status(stage)["hold"].clone()
}

fn until_runs(stage: &Stage, daemon: &Daemon) {
    daemon.until("it runs", || stage.runs(VMID));
    daemon.says("guest-150 (lxc/150) is in order");
}

#[test]
fn a_container_comes_from_a_template_to_running() {
    let stage = wanted(|_| {});
    let daemon = stage.daemon();
    until_runs(&stage, &daemon);
    assert_eq!(stage.mutation_lines(), [MAKE, START]);
    let sent = stage.mutations().remove(0);
    for (key, value) in [("unprivileged", "1"), ("hostname", "new"), ("cores", "2"), ("storage", "store")] {
        assert_eq!(sent.param(key), Some(value), "{key}");
    }
    assert_eq!(status(&stage)["state"], "ready");
    let (made, intent) = (stage.journal_of("made").remove(0), stage.journal_of("intent").remove(0));
    assert_eq!((&made["guest"], &made["purpose"]), (&json!("lxc/150"), &json!("provision")), "{made}");
    assert!(made["upid"].to_string().contains("vzcreate") && made["ident"].as_str().unwrap().len() == 32);
    let marker = format!("-{}", intent["seq"]);
    assert!(sent.param("description").is_some_and(|text| text.ends_with(&marker)), "{intent}");
    stage.looks(&daemon, 2);
    daemon.stop();
    assert_eq!(stage.mutation_lines().len(), 2);
}

#[test]
fn what_was_just_made_is_backed_up_without_waiting_for_the_next_look() {
    let stage = wanted(|_| {});
    stage.configure(|config| config["agent"]["reconcile_seconds"] = json!(3_600));
    let daemon = stage.daemon();
    until_runs(&stage, &daemon);
    stage.run(&["backup", "150", "--storage", "store"]).expect(0, &["backup of 150: done"]);
    daemon.stop();
}

#[test]
fn a_backup_and_another_guest_are_made_from_as_well_with_addresses_of_their_own() {
    let mut backup = String::new();
    let stage = Stage::new(|world| backup = world.add_backup("store", 101, 3_600));
    let copy = vm(250, json!({"name": "copy", "provision": {"from": "clone", "source": "201"}}));
    let restored = made_from(&json!({"from": "backup", "source": backup, "storage": "store"}));
    stage.desire(1, &json!([restored, copy]));
    let daemon = stage.daemon();
    until_runs(&stage, &daemon);
    daemon.says("guest-250 (qemu/250) is in order");
    assert_eq!(stage.key(250, "name").as_deref(), Some("copy"));
    for (old, new) in [(101, VMID), (201, 250)] {
        let net = |vmid| stage.key(vmid, "net0").unwrap_or_default();
        assert!(net(old).is_empty() || net(old) != net(new), "{}", net(new));
    }
    let made: Vec<Value> = stage.journal_of("made").iter().map(|made| made["guest"].clone()).collect();
    assert!(made.contains(&json!("lxc/150")) && made.contains(&json!("qemu/250")), "{made:?}");
    daemon.stop();
}

#[test]
fn a_number_that_another_node_has_is_not_given_a_second_guest() {
    let stage = wanted(|world| {
        world.guests_elsewhere.insert(VMID, (felhom_sim::node::GuestKind::Lxc, "pve2".to_owned()));
    });
    let daemon = stage.daemon();
    let hold = until_held(&stage, &daemon, "moved");
    assert!(hold["detail"].to_string().contains("pve2"), "{hold}");
    stage.looks(&daemon, 2);
    daemon.stop();
    assert_eq!(stage.mutation_lines(), [""; 0]);
}

#[test]
fn where_volumes_of_an_older_guest_are_left_nothing_is_made() {
    let volid = "store:150/vm-150-disk-7.raw";
    let stage = wanted(|world| {
        let volume = felhom_sim::node::storage::Volume {
            volid: volid.to_owned(),
            content: "rootdir".to_owned(),
            format: "raw".to_owned(),
            size: 1 << 30,
            vmid: Some(VMID),
            ..felhom_sim::node::storage::Volume::default()
        };
        world.storage_mut("store").volumes.insert(volid.to_owned(), volume);
    });
    let daemon = stage.daemon();
    let hold = until_held(&stage, &daemon, "taken");
    assert!(hold["detail"].as_str().unwrap().contains(volid), "{hold}");
    assert_eq!(stage.mutation_lines(), [""; 0]);
    stage.node.world(|world| drop(world.storage_mut("store").volumes.remove(volid)));
    until_runs(&stage, &daemon);
    daemon.stop();
}

#[test]
fn a_full_storage_fails_with_what_the_log_says_and_leaves_nothing() {
    let stage = wanted(|world| {
        let storage = world.storage_mut("store");
        storage.used = storage.total;
    });
    let daemon = stage.daemon();
    daemon.until("it has failed", || status(&stage)["error"]["code"] == "task_failed");
    let message = status(&stage)["error"]["message"].to_string();
    assert!(message.contains("exit code 2") && message.contains("No space left on device"), "{message}");
    assert!(stage.node.world(|world| world.guest(VMID).is_none()));
    stage.node.world(|world| world.storage_mut("store").used = 0);
    until_runs(&stage, &daemon);
    daemon.stop();
    assert_eq!(stage.count(DESTROY), 0);
}

/// Killed while this is so, and started again.
fn killed_when(stage: &Stage, what: &str, holds: impl FnMut() -> bool) -> Daemon {
    let daemon = stage.daemon();
    daemon.until(what, holds);
    daemon.crash();
    stage.daemon()
}

#[test]
fn killed_while_the_answer_is_awaited_it_is_made_once() {
    for action in [Action::Hold, Action::HoldWork] {
        let stage = wanted(|_| {});
        let held = stage.node.fault(Rule::new(action).method("POST").path("/nodes/pve/lxc").once());
        let daemon = killed_when(&stage, "it is asked for", || stage.count(MAKE) == 1);
        daemon.says("begun before and its end is not known: make lxc/150");
        stage.node.remove_fault(held);
        until_runs(&stage, &daemon);
        daemon.stop();
        assert_eq!(stage.mutation_lines(), [MAKE, START]);
    }
}

#[test]
fn killed_while_the_guest_is_being_made_it_is_waited_for() {
    let stage = wanted(|_| {});
    stage.hang("vzcreate");
    let daemon = killed_when(&stage, "the task is known", || !stage.journal_of("issued").is_empty());
    daemon.says("a task of ours is under way");
    stage.let_go();
    until_runs(&stage, &daemon);
    daemon.stop();
    assert_eq!(stage.mutation_lines(), [MAKE, START]);
}

/// The worker is killed in mid-work, and the guest's lock taken away by hand afterwards.
fn half_made() -> (Stage, Daemon) {
    let stage = wanted(|world| {
        world.faults.killed_types.insert("vzcreate".to_owned());
    });
    let daemon = stage.daemon();
    until_held(&stage, &daemon, "lock");
    assert_eq!(stage.mutation_lines(), [MAKE], "what is locked is left");
    let made = stage.journal_of("made").remove(0);
    assert_eq!((&made["half"], &made["purpose"]), (&json!(true), &json!("provision")), "{made}");
    (stage, daemon)
}

#[test]
fn what_it_began_and_never_became_whole_it_takes_away_and_makes_anew() {
    let (stage, daemon) = half_made();
    stage.node.world(|world| {
        world.faults.killed_types.clear();
        world.storage_mut("store").volumes.retain(|_, volume| volume.vmid != Some(VMID));
        world.guest_mut(VMID).set_lock(None);
    });
    until_runs(&stage, &daemon);
    daemon.stop();
    assert_eq!(stage.mutation_lines(), [MAKE, DESTROY, MAKE, START]);
    assert_eq!(stage.journal_of("gone").len(), 1);
}

#[test]
fn what_somebody_went_on_with_by_hand_is_his() {
    let (stage, daemon) = half_made();
    stage.node.world(|world| {
        world.faults.killed_types.clear();
        let guest = world.guest_mut(VMID);
        let mut config = guest.config();
        config.main.keys.remove("lock");
        for (key, value) in [("arch", "amd64"), ("rootfs", "store:150/vm-150-disk-0.raw,size=4G")] {
            config.main.keys.insert(key.to_owned(), value.to_owned());
        }
        guest.save(&config);
    });
    until_runs(&stage, &daemon);
    daemon.stop();
    assert_eq!(stage.count(DESTROY), 0, "{:?}", stage.mutation_lines());
    assert_eq!(stage.count(MAKE), 1);
}

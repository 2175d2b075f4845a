//! What waits for the next start, and whether the guest may be restarted for it; and a guest that does not shut down.

use expect_test::expect;
use serde_json::{Value as Free, json};

use super::{Guest, check_with, container, vm, wanted};
use crate::model::desired::DesiredGuest;
use crate::model::guest::RunState;
use crate::model::observed::PendingChange;
use crate::plan::{Settings, plan_guest};

/// VM 200 with 4 cores, to be restarted as `restart` says.
fn db(restart: &str, run_state: &str) -> DesiredGuest {
    wanted(json!({"id": "db", "kind": "vm_guest", "restart": restart,
        "spec": {"vmid": 200, "run_state": run_state, "cores": 4}}))
}

fn waiting(run: RunState) -> Guest {
    let mut there = vm(run, &[("cores", "2")]);
    there.pending.insert("cores".to_owned(), PendingChange::Set("4".to_owned()));
    there
}

#[test]
fn a_guest_is_restarted_for_what_waits_only_where_its_owner_allows_it() {
    check_with(
        &db("never", "running"),
        &waiting(RunState::Running),
        Settings::default(),
        expect![[r#"
            qemu/200 db  running  in order
                cores        4 wanted, 2 running, 4 pending (next start)
              - cores: 4 is written, 2 runs until the guest is next started
              - the one managed field is as it should be
        "#]],
    );
    check_with(
        &db("allowed", "running"),
        &waiting(RunState::Running),
        Settings::default(),
        expect![[r#"
            qemu/200 db  running  1 step
                cores        4 wanted, 2 running, 4 pending (next start)
              1. reboot qemu/200, which may take 60 s to shut down
                 because what is written waits for its next start, and it may be restarted
              - cores: 4 is written, 2 runs until the guest is next started
        "#]],
    );
}

#[test]
fn a_guest_with_a_window_is_restarted_in_it_and_held_outside_of_it() {
    let desired = db("window", "running");
    check_with(
        &desired,
        &waiting(RunState::Running),
        Settings::default(),
        expect![[r#"
            qemu/200 db  running  held
                cores        4 wanted, 2 running, 4 pending (next start)
              held (maintenance_window): qemu/200 is restarted in the maintenance window only, and it is not that time
                 to go on: wait, or restart it by hand (agent.maintenance_window says when)
              - cores: 4 is written, 2 runs until the guest is next started
        "#]],
    );
    let settings = Settings { in_window: true, ..Settings::default() };
    check_with(
        &desired,
        &waiting(RunState::Running),
        settings,
        expect![[r#"
            qemu/200 db  running  1 step
                cores        4 wanted, 2 running, 4 pending (next start)
              1. reboot qemu/200, which may take 60 s to shut down
                 because what is written waits for its next start, and it may be restarted
              - cores: 4 is written, 2 runs until the guest is next started
        "#]],
    );
}

/// A start takes what is pending, and a stopped guest waits for nothing.
#[test]
fn after_a_start_no_restart_is_left_to_be_done() {
    check_with(
        &db("allowed", "running"),
        &waiting(RunState::Stopped),
        Settings::default(),
        expect![[r#"
        qemu/200 db  stopped  1 step
            run_state    "stopped" -> "running"
          1. start qemu/200
             because it is stopped and should run
          - changes that somebody else left pending, applied at the next start: cores
    "#]],
    );
}

#[test]
fn a_guest_whose_run_state_is_not_wanted_to_be_running_is_never_restarted() {
    let mut desired = db("allowed", "running");
    desired.run_state = None;
    let plan = plan_guest(&desired, &waiting(RunState::Running).observe(), &Settings::default());
    assert!(plan.is_in_order(), "{plan:?}");
    assert_eq!(plan.pending_reboot, ["cores"]);
}

fn web(policy: Free) -> DesiredGuest {
    let mut resource = json!({"id": "web", "kind": "lxc_guest", "force_stop": true,
        "spec": {"vmid": 101, "run_state": "stopped"}});
    resource["spec"]["data_bearing"] = policy;
    wanted(resource)
}

#[test]
fn a_guest_that_did_not_shut_down_is_ended_only_then() {
    let there = container(RunState::Running, &[]);
    let deaf = Settings { shutdown_failed: true, ..Settings::default() };
    check_with(
        &web(json!(false)),
        &there,
        Settings::default(),
        expect![[r#"
        lxc/101 web  running  1 step
            run_state    "running" -> "stopped"
          1. shut down lxc/101 within 60 s
             because it runs and should be stopped
    "#]],
    );
    check_with(
        &web(json!(false)),
        &there,
        deaf,
        expect![[r#"
        lxc/101 web  running  1 step
            run_state    "running" -> "stopped"
          1. stop lxc/101 at once
             because it did not shut down within 60 s, and its owner lets it be ended then
    "#]],
    );
}

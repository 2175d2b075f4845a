//! Who has the guest: every reason to wait.

use expect_test::expect;
use serde_json::json;

use super::{check, check_seen, container, db, fault, missing, vm, wanted, web};
use crate::model::guest::RunState;
use crate::model::observed::{GuestObservation, Presence, Reading};
use crate::plan::{Settings, plan_guest};

#[test]
fn each_lock_holds_a_guest_that_differs_and_is_only_told_of_one_that_does_not() {
    let desired = web(json!({"cores": 2}));
    let mut there = container(RunState::Running, &[("cores", "1"), ("lock", "mounted")]);
    check(
        &desired,
        &there,
        expect![[r#"
        lxc/101 web  running  held
            cores        1 -> 2
          held (lock): lxc/101 has the lock "mounted": its file systems are mounted on the node
             to go on: `pct unmount 101` on the node
    "#]],
    );
    for lock in [
        "backup",
        "create",
        "destroyed",
        "disk",
        "fstrim",
        "migrate",
        "rollback",
        "snapshot",
        "snapshot-delete",
        "clone",
        "suspending",
        "suspended",
        "of-tomorrow",
    ] {
        there.lock = Some(lock.to_owned());
        let plan = plan_guest(&desired, &there.observe(), &Settings::default());
        let hold = plan.hold.unwrap();
        assert_eq!(plan.steps, []);
        assert!(hold.detail.contains(lock) && !hold.remedy.is_empty(), "{hold:?}");
        // The list of the tick knows it too.
        assert!(plan_guest(&desired, &there.look(), &Settings::default()).hold.is_some());
    }
    there.current.insert("cores".to_owned(), "2".to_owned());
    check(
        &desired,
        &there,
        expect![[r#"
        lxc/101 web  running  in order
          - the one managed field is as it should be
          - it has the lock "of-tomorrow"; nothing is to be done, so nothing waits
    "#]],
    );
}

#[test]
fn a_vm_that_only_runs_for_its_backup_is_not_drift() {
    let desired = db(json!({"run_state": "stopped"}));
    let mut there = vm(RunState::Paused, &[]);
    there.lock = Some("backup".to_owned());
    check(
        &desired,
        &there,
        expect![[r#"
        qemu/200 db  paused  held
          held (lock): qemu/200 has the lock "backup": a backup works on it, or was killed while it did
             to go on: wait until the backup has ended; if no task works on it any more, `qm unlock 200` as root on the node
    "#]],
    );
    there.run = RunState::Running;
    check(
        &desired,
        &there,
        expect![[r#"
        qemu/200 db  running  held
          held (lock): qemu/200 has the lock "backup": a backup works on it, or was killed while it did
             to go on: wait until the backup has ended; if no task works on it any more, `qm unlock 200` as root on the node
    "#]],
    );
    there.run = RunState::Paused;
    there.lock = None;
    check(
        &desired,
        &there,
        expect![[r#"
        qemu/200 db  paused  held
          held (paused): qemu/200 is paused: somebody holds it there, or a backup of the stopped VM is beginning
             to go on: wait if a backup runs, else `qm resume 200` or shut it down
    "#]],
    );
}

#[test]
fn a_container_that_its_backup_stopped_is_not_started() {
    let desired = web(json!({"run_state": "running"}));
    let mut there = container(RunState::Stopped, &[]);
    there.backup_task = Some("UPID:pve:0000AAAA:0000BBBB:6740C000:vzdump:101:root@pam:".to_owned());
    check(
        &desired,
        &there,
        expect![[r#"
        lxc/101 web  stopped  held
          held (backup): a backup of lxc/101 is running (UPID:pve:0000AAAA:0000BBBB:6740C000:vzdump:101:root@pam:)
             to go on: wait until it has ended
    "#]],
    );
}

#[test]
fn a_template_is_held() {
    let mut there = container(RunState::Stopped, &[]);
    there.template = true;
    check(
        &web(json!({"run_state": "running"})),
        &there,
        expect![[r#"
        lxc/101 web  stopped  held
            run_state    "stopped" -> "running"
          held (template): lxc/101 is a template: it cannot run, and clones are made from it
             to go on: take it out of the desired state, or name a clone of it
    "#]],
    );
    let there = container(RunState::Stopped, &[("template", "1")]);
    check(
        &web(json!({"cores": 2})),
        &there,
        expect![[r#"
        lxc/101 web  stopped  held
            cores        not set -> 2
          held (template): lxc/101 is a template: it cannot run, and clones are made from it
             to go on: take it out of the desired state, or name a clone of it
    "#]],
    );
}

#[test]
fn a_suspended_resource_is_held_even_when_it_is_in_order_or_out_of_sight() {
    let desired =
        wanted(json!({"id": "web", "kind": "lxc_guest", "suspend": true, "spec": {"vmid": 101, "cores": 2}}));
    check(
        &desired,
        &container(RunState::Running, &[("cores", "4")]),
        expect![[r#"
        lxc/101 web  running  held
            cores        4 -> 2
          held (suspended): the desired state suspends web
             to go on: take `suspend` out of the resource
    "#]],
    );
    check(
        &desired,
        &container(RunState::Running, &[("cores", "2")]),
        expect![[r#"
        lxc/101 web  running  held
          held (suspended): the desired state suspends web
             to go on: take `suspend` out of the resource
    "#]],
    );
    let seen =
        GuestObservation { presence: Presence::NotListed, config: Reading::Unknown(missing()), live: None };
    check_seen(
        &desired,
        &seen,
        expect![[r#"
        lxc/101 web  unknown  held
          held (suspended): the desired state suspends web
             to go on: take `suspend` out of the resource
    "#]],
    );
}

#[test]
fn a_guest_that_should_not_exist_is_held_until_somebody_signs_for_it() {
    let desired = web(json!({"ensure": "absent", "run_state": "running", "cores": 2}));
    let config = [
        ("rootfs", "store:101/vm-101-disk-0.raw,size=8G"),
        ("mp0", "store:101/vm-101-disk-1.raw,mp=/data,size=32G"),
    ];
    for run in [RunState::Running, RunState::Stopped] {
        let plan = plan_guest(&desired, &container(run, &config).observe(), &Settings::default());
        assert_eq!(plan.steps, [], "not even a shutdown");
    }
    check(
        &desired,
        &container(RunState::Stopped, &config),
        expect![[r#"
            lxc/101 web  stopped  held
                ensure       "present" -> not set
              held (needs_signature): destroy lxc/101: the guest with its snapshots and its volumes mp0 (store:101/vm-101-disk-1.raw, 32G), rootfs (store:101/vm-101-disk-0.raw, 8G)
                 to go on: `felhom-agent op draft destroy --vmid 101 --backup`, then have it signed
        "#]],
    );
    let seen =
        GuestObservation { presence: Presence::NotListed, config: Reading::Unknown(missing()), live: None };
    check_seen(
        &desired,
        &seen,
        expect![[r#"
            lxc/101 web  unknown  in order
              - it should not exist: there is no lxc/101 on this node: Configuration file 'nodes/pve/lxc/101.conf' does not exist. It may have moved to another node
        "#]],
    );
}

#[test]
fn a_guest_that_cannot_be_seen_is_not_yet_gone() {
    let desired = web(json!({"ensure": "absent"}));
    let denied = fault("permission", "403");
    for (presence, config) in [(Presence::NotListed, denied.clone()), (Presence::Unknown(denied), missing())]
    {
        let seen = GuestObservation { presence, config: Reading::Unknown(config), live: None };
        let plan = plan_guest(&desired, &seen, &Settings::default());
        assert!(plan.failure.is_some() && !plan.is_in_order(), "{plan:#?}");
    }
}

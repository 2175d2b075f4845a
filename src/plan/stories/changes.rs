//! What differs and can be changed: which steps, in which order, and what is left alone.

use expect_test::expect;
use serde_json::json;

use super::{check, container, db, vm, wanted, web};
use crate::model::guest::RunState;
use crate::model::observed::PendingChange;
use crate::plan::{Settings, plan_guest};

#[test]
fn a_guest_in_order_gets_no_step() {
    check(
        &web(
            json!({"run_state": "running", "cores": 2, "tags": ["b", "A"], "description": "hello", "on_boot": false,
            "swap_mb": 0, "memory_mb": 512, "startup": {"order": 1}}),
        ),
        &container(
            RunState::Running,
            &[
                ("cores", "2"),
                ("tags", "a;b"),
                ("description", "hello\n"),
                ("startup", "1"),
                ("net0", "name=eth0"),
            ],
        ),
        expect![[r#"
            lxc/101 web  running  in order
              - all 7 managed fields are as they should be
              not managed of it: net0
        "#]],
    );
}

#[test]
fn what_a_running_card_takes_only_at_the_next_start_is_said_though_proxmox_shows_nothing_pending() {
    check(
        &web(json!({"nets": [{"key": "net0", "mtu": 1400, "vlan": 30}]})),
        &container(
            RunState::Running,
            &[("net0", "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,type=veth")],
        ),
        expect![[r#"
            lxc/101 web  running  1 step
                net0         {} -> {"mtu":1400,"vlan":30}
              1. set net0=bridge=vmbr0,hwaddr=BC:24:11:00:00:01,name=eth0,type=veth,tag=30,mtu=1400 of lxc/101
                 because net0 is as by default, should be vlan=30,mtu=1400 (the running card takes mtu at the guest's next start)
        "#]],
    );
}

#[test]
fn all_that_differs_is_one_write() {
    check(
        &web(
            json!({"name": "web", "cores": 2, "memory_mb": 1024, "swap_mb": 256, "tags": ["prod"], "on_boot": true,
            "description": "line one\nline two", "startup": {"order": 1, "down_s": 60}, "protection": true}),
        ),
        &container(RunState::Running, &[("cores", "4"), ("tags", "old;prod"), ("hostname", "www")]),
        expect![[r#"
            lxc/101 web  running  1 step
                name         "www" -> "web"
                description  not set -> "line one\nline two"
                tags         ["old","prod"] -> ["prod"]
                cores        4 -> 2
                memory_mb    512 -> 1024
                swap_mb      0 -> 256
                on_boot      false -> true
                startup      not set -> {"down_s":60,"order":1}
                protection   false -> true
              1. set cores=2, description, hostname=web, memory=1024, onboot=1, protection=1, startup=order=1,down=60, swap=256, tags=prod of lxc/101
                 because name is "www", should be "web"; description is not set, should be "line one\nline two"; tags is [old prod], should be [prod]; cores is 4, should be 2; memory_mb is 512, should be 1024; swap_mb is 0, should be 256; on_boot is false, should be true; startup is not set, should be order=1,down=60; protection is false, should be true
        "#]],
    );
}

#[test]
fn absent_brings_a_field_back_to_its_default() {
    check(
        &web(json!({"name": "absent", "cores": "absent", "memory_mb": "absent", "swap_mb": "absent",
            "tags": "absent", "description": "absent", "on_boot": "absent", "startup": "absent"})),
        &container(
            RunState::Stopped,
            &[
                ("hostname", "web"),
                ("cores", "2"),
                ("memory", "1024"),
                ("swap", "512"),
                ("tags", "a"),
                ("description", "x\n"),
                ("onboot", "1"),
                ("startup", "order=1"),
            ],
        ),
        expect![[r#"
            lxc/101 web  stopped  1 step
                name         "web" -> "CT101"
                description  "x" -> not set
                tags         ["a"] -> []
                cores        2 -> not set
                memory_mb    1024 -> 512
                swap_mb      512 -> 0
                on_boot      true -> false
                startup      {"order":1} -> not set
              1. set memory=512, swap=0 and delete cores, description, hostname, onboot, startup, tags of lxc/101
                 because name is "web", should be "CT101"; description is "x", should not be set; tags is [a], should be empty; cores is 2, should not be set; memory_mb is 1024, should be 512; swap_mb is 512, should be 0; on_boot is true, should be false; startup is order=1, should not be set
        "#]],
    );
}

#[test]
fn absent_of_what_is_not_there_is_no_write() {
    check(
        &db(
            json!({"name": "absent", "cores": "absent", "memory_mb": "absent", "tags": [], "description": "",
            "on_boot": "absent", "startup": "absent", "protection": "absent"}),
        ),
        &vm(RunState::Stopped, &[("tags", " "), ("onboot", "0"), ("memory", "current=512")]),
        expect![[r#"
            qemu/200 db  stopped  in order
              - all 8 managed fields are as they should be
        "#]],
    );
}

#[test]
fn a_value_that_proxmox_cannot_parse_is_replaced() {
    check(
        &web(json!({"swap_mb": 512})),
        &container(RunState::Stopped, &[("swap", "abc"), ("foo", "bar")]),
        expect![[r#"
            lxc/101 web  stopped  1 step
                swap_mb      "abc" -> 512
              1. set swap=512 of lxc/101
                 because swap_mb is "abc", which cannot be read, should be 512
              not managed of it: foo
        "#]],
    );
}

#[test]
fn a_stopped_guest_gets_its_configuration_before_it_starts() {
    check(
        &db(json!({"run_state": "running", "cores": 4})),
        &vm(RunState::Stopped, &[("cores", "2")]),
        expect![[r#"
            qemu/200 db  stopped  2 steps
                run_state    "stopped" -> "running"
                cores        2 -> 4
              1. set cores=4 of qemu/200
                 because cores is 2, should be 4
              2. start qemu/200
                 because it is stopped and should run
        "#]],
    );
}

#[test]
fn a_running_vm_is_shut_down_before_the_configuration_it_would_not_take() {
    check(
        &db(json!({"run_state": "stopped", "memory_mb": 2048})),
        &vm(RunState::Running, &[("memory", "1024"), ("startup", "order=2,down=180")]),
        expect![[r#"
            qemu/200 db  running  2 steps
                run_state    "running" -> "stopped"
                memory_mb    1024 -> 2048
              1. shut down qemu/200 within 180 s
                 because it runs and should be stopped; first, because a running guest would not take the new configuration
              2. set memory=2048 of qemu/200
                 because memory_mb is 1024, should be 2048
              not managed of it: startup
        "#]],
    );
}

#[test]
fn a_running_container_takes_its_configuration_before_it_is_shut_down() {
    check(
        &web(json!({"run_state": "stopped", "cores": 2})),
        &container(RunState::Running, &[("cores", "1")]),
        expect![[r#"
            lxc/101 web  running  2 steps
                run_state    "running" -> "stopped"
                cores        1 -> 2
              1. set cores=2 of lxc/101
                 because cores is 1, should be 2
              2. shut down lxc/101 within 60 s
                 because it runs and should be stopped
        "#]],
    );
}

#[test]
fn the_desired_startup_order_says_how_long_a_shutdown_may_take() {
    check(
        &web(json!({"run_state": "stopped", "startup": {"down_s": 300}})),
        &container(RunState::Running, &[("startup", "down=5")]),
        expect![[r#"
            lxc/101 web  running  2 steps
                run_state    "running" -> "stopped"
                startup      {"down_s":5} -> {"down_s":300}
              1. set startup=down=300 of lxc/101
                 because startup is down=5, should be down=300
              2. shut down lxc/101 within 300 s
                 because it runs and should be stopped
        "#]],
    );
}

#[test]
fn a_running_vm_takes_new_cores_at_its_next_start() {
    let desired = db(json!({"run_state": "running", "cores": 4}));
    let mut there = vm(RunState::Running, &[("cores", "2")]);
    check(
        &desired,
        &there,
        expect![[r#"
        qemu/200 db  running  1 step
            cores        2 -> 4
          1. set cores=4 of qemu/200
             because cores is 2, should be 4 (a running guest takes it at its next start)
    "#]],
    );
    there.pending.insert("cores".to_owned(), PendingChange::Set("4".to_owned()));
    check(
        &desired,
        &there,
        expect![[r#"
            qemu/200 db  running  in order
                cores        4 wanted, 2 running, 4 pending (next start)
              - cores: 4 is written, 2 runs until the guest is next started
              - the one managed field is as it should be
        "#]],
    );
    assert_eq!(plan_guest(&desired, &there.observe(), &Settings::default()).pending_reboot, ["cores"]);
    there.run = RunState::Stopped;
    assert_eq!(plan_guest(&desired, &there.observe(), &Settings::default()).pending_reboot, [""; 0]);
}

#[test]
fn a_pending_change_of_somebody_else_against_us_is_written_over() {
    let mut there = vm(RunState::Running, &[("cores", "4")]);
    there.pending.insert("cores".to_owned(), PendingChange::Set("2".to_owned()));
    check(
        &db(json!({"cores": 4})),
        &there,
        expect![[r#"
            qemu/200 db  running  1 step
                cores        4 wanted, 4 running, 2 pending (next start)
              1. set cores=4 of qemu/200
                 because cores is 2 once what is pending is applied, should be 4 (a running guest takes it at its next start)
        "#]],
    );
}

#[test]
fn pending_changes_of_keys_that_are_not_named_are_told_and_left_alone() {
    let mut there = container(RunState::Running, &[("cores", "2"), ("mp0", "store:1,mp=/a")]);
    there.pending.insert("features".to_owned(), PendingChange::Set("nesting=1".to_owned()));
    there.pending.insert("mp0".to_owned(), PendingChange::Delete);
    check(
        &web(json!({"cores": 2})),
        &there,
        expect![[r#"
            lxc/101 web  running  in order
              - changes that somebody else left pending, applied at the next start: features, mp0 (to be deleted)
              - the one managed field is as it should be
              not managed of it: features, mp0
        "#]],
    );
}

#[test]
fn drift_that_is_only_to_be_reported_is_not_corrected() {
    let desired = wanted(json!({"id": "web", "kind": "lxc_guest", "drift": "report",
        "spec": {"vmid": 101, "run_state": "running", "cores": 2}}));
    check(
        &desired,
        &container(RunState::Stopped, &[("cores", "4")]),
        expect![[r#"
        lxc/101 web  stopped  differs, reported only
            run_state    "stopped" -> "running"
            cores        4 -> 2
          - run_state, cores: not corrected, because drift is only to be reported
    "#]],
    );
}

#[test]
fn an_ignored_field_is_neither_drift_nor_written() {
    let desired = wanted(json!({"id": "web", "kind": "lxc_guest", "ignore": ["tags"],
        "spec": {"vmid": 101, "tags": ["a"], "cores": 2}}));
    check(
        &desired,
        &container(RunState::Running, &[("tags", "b"), ("cores", "1")]),
        expect![[r#"
        lxc/101 web  running  1 step
            cores        1 -> 2
          1. set cores=2 of lxc/101
             because cores is 1, should be 2
          - tags is [b] instead of [a], which is to be ignored
    "#]],
    );
    check(
        &desired,
        &container(RunState::Running, &[("tags", "b"), ("cores", "2")]),
        expect![[r#"
            lxc/101 web  running  in order
              - tags is [b] instead of [a], which is to be ignored
              - the one managed field is as it should be
        "#]],
    );
}

#[test]
fn a_protected_guest_takes_these_fields_all_the_same() {
    check(
        &web(json!({"cores": 2})),
        &container(RunState::Running, &[("cores", "1"), ("protection", "1")]),
        expect![[r#"
            lxc/101 web  running  1 step
                cores        1 -> 2
              1. set cores=2 of lxc/101
                 because cores is 1, should be 2
              not managed of it: protection
        "#]],
    );
}

#[test]
fn text_of_strangers_is_escaped_and_cut() {
    check(
        &web(json!({"description": "d".repeat(200), "name": "web"})),
        &container(RunState::Stopped, &[("description", "\u{1b}[2J\n"), ("hostname", "web")]),
        expect![[r#"
            lxc/101 web  stopped  1 step
                description  "\u{1b}[2J" -> "dddddddddddddddddddddddddddddddddddddddddddddddd…"
              1. set description of lxc/101
                 because description is "\u{1b}[2J", should be "dddddddddddddddddddddddddddddddddddddddddddddddd…"
        "#]],
    );
}

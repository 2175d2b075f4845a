//! Volumes: grown, added, given other options; never made smaller, replaced or taken away.

use expect_test::expect;
use serde_json::{Value as Free, json};

use super::{Guest, check, check_seen, container, db, vm, wanted, web};
use crate::model::desired::DesiredGuest;
use crate::model::guest::RunState;
use crate::model::observed::PendingChange;

const ROOTFS: (&str, &str) = ("rootfs", "store:101/vm-101-disk-0.raw,size=8G");
const DATA: (&str, &str) = ("mp0", "store:101/vm-101-disk-1.raw,mp=/data,size=100G");

fn there(run: RunState) -> Guest {
    container(run, &[ROOTFS, DATA])
}

/// Container 101 with this mount.
fn mount(mount: Free) -> DesiredGuest {
    web(json!({"mounts": [mount]}))
}

#[test]
fn a_volume_grows_and_then_its_options_are_written_with_the_size_it_has() {
    check(
        &mount(json!({"key": "mp0", "size_gb": 120, "backup": true, "path": "/data"})),
        &there(RunState::Stopped),
        expect![[r#"
            lxc/101 web  stopped  2 steps
                mp0.size_gb  100 -> 120
                mp0.backup   false -> true
              1. resize mp0 of lxc/101 to 128849018880 bytes
                 because mp0 has 100 GiB, should have 120
              2. set mp0=store:101/vm-101-disk-1.raw,mp=/data,backup=1,size=100G of lxc/101
                 because backup of mp0 is false, should be true
              not managed of it: rootfs
        "#]],
    );
}

#[test]
fn a_volume_as_wanted_is_in_order_however_its_parts_are_ordered_or_not_said() {
    let desired = web(json!({
        "rootfs": {"storage": "store", "size_gb": 8, "replicate": true, "read_only": false, "acl": "absent"},
        "mounts": [{"key": "mp0", "storage": "store", "size_gb": 100, "path": "/data", "backup": false}]}));
    check(
        &desired,
        &there(RunState::Running),
        expect![[r#"
        lxc/101 web  running  in order
          - all 2 managed fields are as they should be
    "#]],
    );
}

#[test]
fn a_smaller_size_is_refused_and_nothing_at_all_is_done() {
    let desired = web(json!({"cores": 2, "mounts": [{"key": "mp0", "size_gb": 50}]}));
    check(
        &desired,
        &there(RunState::Running),
        expect![[r#"
            lxc/101 web  running  cannot be planned
                cores        not set -> 2
                mp0.size_gb  100 -> 50
              ! shrink_refused: mp0 has 100 GiB and should have 50: a volume is never made smaller
              not managed of it: rootfs
        "#]],
    );
}

#[test]
fn another_storage_is_refused() {
    check(
        &mount(json!({"key": "mp0", "storage": "tank"})),
        &there(RunState::Running),
        expect![[r#"
            lxc/101 web  running  cannot be planned
              ! immutable: mp0 is store:101/vm-101-disk-1.raw, should be a volume on tank: volumes are not moved
              not managed of it: rootfs
        "#]],
    );
}

#[test]
fn a_size_that_is_not_told_is_not_guessed() {
    let there = container(RunState::Running, &[("mp0", "store:101/vm-101-disk-1.raw,mp=/data")]);
    check(
        &mount(json!({"key": "mp0", "size_gb": 100})),
        &there,
        expect![[r#"
            lxc/101 web  running  cannot be planned
              ! unreadable: the size of mp0 is not told ("store:101/vm-101-disk-1.raw,mp=/data")
        "#]],
    );
}

#[test]
fn a_new_mount_and_a_new_disk_are_added() {
    let added = json!({"key": "mp1", "storage": "tank", "size_gb": 4, "path": "/more", "backup": true});
    check(
        &mount(added),
        &there(RunState::Running),
        expect![[r#"
            lxc/101 web  running  1 step
                mp1          not set -> "tank:4,mp=/more,backup=1"
              1. set mp1=tank:4,mp=/more,backup=1 of lxc/101
                 because there is no mp1, and one is wanted with 4 GiB on tank
              not managed of it: mp0, rootfs
        "#]],
    );
    let disk = json!({"key": "scsi1", "storage": "local-lvm", "size_gb": 32, "ssd": true, "discard": true,
        "backup": true, "iothread": true});
    let there = vm(RunState::Running, &[("scsi0", "local-lvm:vm-200-disk-0,size=8G")]);
    check(
        &db(json!({"disks": [disk]})),
        &there,
        expect![[r#"
            qemu/200 db  running  1 step
                scsi1        not set -> "local-lvm:32,ssd=1,discard=on,iothread=1"
              1. set scsi1=local-lvm:32,ssd=1,discard=on,iothread=1 of qemu/200
                 because there is no scsi1, and one is wanted with 32 GiB on local-lvm
              not managed of it: scsi0
        "#]],
    );
}

#[test]
fn a_volume_that_is_not_there_is_made_only_if_all_of_it_is_said() {
    check(
        &mount(json!({"key": "mp1", "path": "/more"})),
        &there(RunState::Running),
        expect![[r#"
            lxc/101 web  running  cannot be planned
              ! incomplete: there is no mp1, and to make it storage, size_gb and, of a mount, path must be said
              not managed of it: mp0, rootfs
        "#]],
    );
}

#[test]
fn a_volume_that_should_not_be_there_waits_for_a_signature_after_the_rest_is_done() {
    let desired = web(json!({"mounts": [{"key": "mp0", "ensure": "absent"}]}));
    check(
        &desired,
        &there(RunState::Running),
        expect![[r#"
            lxc/101 web  running  held
                mp0          "store:101/vm-101-disk-1.raw,mp=/data,size=100G" -> not set
              held (needs_signature): mp0 (store:101/vm-101-disk-1.raw,mp=/data,size=100G) should not be there; to detach it needs consent
                 to go on: `felhom-agent op draft volume-detach --vmid 101 --key mp0`, then have it signed
              not managed of it: rootfs
        "#]],
    );
    let desired = web(json!({"cores": 2, "mounts": [{"key": "mp0", "ensure": "absent"}]}));
    check_seen(
        &desired,
        &there(RunState::Running).observe(),
        expect![[r#"
            lxc/101 web  running  1 step
                cores        not set -> 2
                mp0          "store:101/vm-101-disk-1.raw,mp=/data,size=100G" -> not set
              1. set cores=2 of lxc/101
                 because cores is not set, should be 2
              - then: mp0 (store:101/vm-101-disk-1.raw,mp=/data,size=100G) should not be there; to detach it needs consent
              not managed of it: rootfs
        "#]],
    );
    let mut there = there(RunState::Running);
    there.current.remove("mp0");
    check(
        &mount(json!({"key": "mp0", "ensure": "absent"})),
        &there,
        expect![[r#"
            lxc/101 web  running  in order
              - the one managed field is as it should be
              not managed of it: rootfs
        "#]],
    );
}

#[test]
fn what_somebody_left_to_be_detached_is_not_brought_back_by_us() {
    let mut there = there(RunState::Running);
    there.pending.insert("mp0".to_owned(), PendingChange::Delete);
    check(
        &mount(json!({"key": "mp0", "size_gb": 100})),
        &there,
        expect![[r#"
            lxc/101 web  running  held
                mp0          "store:101/vm-101-disk-1.raw,mp=/data,size=100G" wanted, "store:101/vm-101-disk-1.raw,mp=/data,size=100G" running, removal pending (next start)
              held (needs_signature): somebody left mp0 to be detached at the next start of lxc/101
                 to go on: take that change back in Proxmox (Revert), or want it absent
              not managed of it: rootfs
        "#]],
    );
}

#[test]
fn nothing_grows_while_a_change_of_it_is_pending() {
    let mut there = there(RunState::Running);
    let next = "store:101/vm-101-disk-1.raw,backup=1,mp=/data,size=100G".to_owned();
    there.pending.insert("mp0".to_owned(), PendingChange::Set(next));
    check(
        &mount(json!({"key": "mp0", "size_gb": 120, "backup": true})),
        &there,
        expect![[r#"
            lxc/101 web  running  differs, reported only
                mp0.size_gb  100 -> 120
              - mp0: it is to grow to 120 GiB once the guest was restarted: a change of it is pending
              not managed of it: rootfs
        "#]],
    );
}

#[test]
fn an_ignored_volume_is_neither_grown_nor_written_nor_refused() {
    let with = |mount: Free| {
        wanted(json!({"id": "web", "kind": "lxc_guest", "ignore": ["mp0", "rootfs"],
            "spec": {"vmid": 101, "rootfs": {"size_gb": 8}, "mounts": [mount]}}))
    };
    check(
        &with(json!({"key": "mp0", "size_gb": 120, "backup": true})),
        &there(RunState::Running),
        expect![[r#"
            lxc/101 web  running  in order
              - mp0.size_gb is 100 instead of 120, which is to be ignored
              - mp0.backup is false instead of true, which is to be ignored
              - the one managed field is as it should be
        "#]],
    );
    check(
        &with(json!({"key": "mp0", "storage": "elsewhere"})),
        &there(RunState::Running),
        expect![[r#"
            lxc/101 web  running  in order
              - to be ignored: mp0 is store:101/vm-101-disk-1.raw, should be a volume on elsewhere: volumes are not moved
              - the one managed field is as it should be
        "#]],
    );
    check(
        &with(json!({"key": "mp0", "ensure": "absent"})),
        &there(RunState::Running),
        expect![[r#"
        lxc/101 web  running  in order
          - mp0 is "store:101/vm-101-disk-1.raw,mp=/data,size=100G" instead of not set, which is to be ignored
          - the one managed field is as it should be
    "#]],
    );
}

#[test]
fn options_of_a_running_container_wait_for_its_next_start() {
    check(
        &mount(json!({"key": "mp0", "read_only": true})),
        &there(RunState::Running),
        expect![[r#"
            lxc/101 web  running  1 step
                mp0.read_only false -> true
              1. set mp0=store:101/vm-101-disk-1.raw,mp=/data,ro=1,size=100G of lxc/101
                 because read_only of mp0 is false, should be true
              not managed of it: rootfs
        "#]],
    );
}

#[test]
fn a_container_that_should_stop_is_stopped_before_its_mounts_are_changed() {
    let desired = web(json!({"run_state": "stopped", "mounts": [{"key": "mp0", "read_only": true}]}));
    check(
        &desired,
        &there(RunState::Running),
        expect![[r#"
            lxc/101 web  running  2 steps
                run_state    "running" -> "stopped"
                mp0.read_only false -> true
              1. shut down lxc/101 within 60 s
                 because it runs and should be stopped; first, because a running guest would not take the new configuration
              2. set mp0=store:101/vm-101-disk-1.raw,mp=/data,ro=1,size=100G of lxc/101
                 because read_only of mp0 is false, should be true
              not managed of it: rootfs
        "#]],
    );
}

#[test]
fn a_folder_of_the_node_is_for_root_himself() {
    let bind = json!({"key": "mp1", "bind": "/srv/data", "path": "/srv"});
    check(
        &mount(bind.clone()),
        &there(RunState::Running),
        expect![[r#"
            lxc/101 web  running  held
                mp1          not set -> "/srv/data"
              held (permission): mp1 is a folder or a device of the node, which only root himself may set, and no token
                 to go on: `pct set 101 -mp1 /srv/data,mp=/srv` as root on the node
              not managed of it: mp0, rootfs
        "#]],
    );
    let mut there = there(RunState::Running);
    there.current.insert("mp1".to_owned(), "/srv/data,mp=/srv".to_owned());
    check(
        &mount(bind),
        &there,
        expect![[r#"
            lxc/101 web  running  in order
              - the one managed field is as it should be
              not managed of it: mp0, rootfs
        "#]],
    );
    check(
        &mount(json!({"key": "mp1", "read_only": true})),
        &there,
        expect![[r#"
            lxc/101 web  running  held
                mp1.read_only false -> true
              held (permission): mp1 is a folder or a device of the node, which only root himself may set, and no token
                 to go on: `pct set 101 -mp1 /srv/data,mp=/srv,ro=1` as root on the node
              not managed of it: mp0, rootfs
        "#]],
    );
    check(
        &mount(json!({"key": "mp1", "storage": "store"})),
        &there,
        expect![[r#"
            lxc/101 web  running  cannot be planned
              ! immutable: mp1 is /srv/data, should be a volume on store: volumes are not moved
              not managed of it: mp0, rootfs
        "#]],
    );
}

#[test]
fn a_protected_container_keeps_its_mounts_until_the_protection_is_off() {
    let mut there = there(RunState::Running);
    there.current.insert("protection".to_owned(), "1".to_owned());
    let added = json!({"key": "mp1", "storage": "tank", "size_gb": 4, "path": "/more"});
    check(
        &mount(added.clone()),
        &there,
        expect![[r#"
            lxc/101 web  running  held
                mp1          not set -> "tank:4,mp=/more"
              held (protection): lxc/101 is protected: mp1 cannot be written
                 to go on: set `protection` to false in the resource, and back to true afterwards
              not managed of it: mp0, protection, rootfs
        "#]],
    );
    let desired = web(json!({"protection": false, "mounts": [&added]}));
    check(
        &desired,
        &there,
        expect![[r#"
            lxc/101 web  running  1 step
                protection   true -> false
                mp1          not set -> "tank:4,mp=/more"
              1. set protection=0 of lxc/101
                 because protection is true, should be false
              - then: lxc/101 is protected: mp1 cannot be written
              not managed of it: mp0, rootfs
        "#]],
    );
    there.current.remove("protection");
    check(
        &web(json!({"protection": true, "mounts": [added]})),
        &there,
        expect![[r#"
            lxc/101 web  running  2 steps
                protection   false -> true
                mp1          not set -> "tank:4,mp=/more"
              1. set mp1=tank:4,mp=/more of lxc/101
                 because there is no mp1, and one is wanted with 4 GiB on tank
              2. set protection=1 of lxc/101
                 because protection is false, should be true
              not managed of it: mp0, rootfs
        "#]],
    );
}

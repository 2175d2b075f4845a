//! Snapshots and backups, as a real node answered them.

use serde_json::json;

use super::probe::{call, call_as, exit_of, last_log, run, text_of};
use super::world::World;

fn world() -> World {
    World::facts_world().with_manual_clock()
}

#[test]
fn snapshots_fail_in_the_task_and_succeed_with_lines() {
    let mut world = world();
    let cases = [
        ("POST lxc/101/snapshot snapname=s2&description=two\nlines", "OK"),
        ("POST lxc/101/snapshot snapname=s2", "snapshot name 's2' already used"),
        (
            "POST lxc/101/snapshot snapname=current",
            "500 unable to use snapshot name 'current' (reserved name)",
        ),
        ("POST lxc/100/snapshot snapname=s1", "snapshot feature is not available"),
        ("POST qemu/200/snapshot snapname=q1", "snapshot feature is not available"),
        ("POST qemu/201/snapshot snapname=q1&description=hi", "OK"),
        ("POST lxc/107/snapshot snapname=s1", "CT is locked (backup)"),
        ("POST lxc/101/snapshot/nosuch/rollback", "snapshot 'nosuch' does not exist"),
        ("DELETE lxc/101/snapshot/nosuch", "snapshot 'nosuch' does not exist"),
    ];
    for (request, expected) in cases {
        assert_eq!(run(&mut world, request), expected, "{request}");
    }
    let list = call(&mut world, "GET lxc/101/snapshot").unwrap();
    let digest = world.guest_mut(101).digest();
    assert_eq!(
        list,
        json!([
            {"name": "s1", "description": "", "snaptime": 1_795_230_876_u64},
            {"name": "s2", "description": "two\nlines\n", "snaptime": list[1]["snaptime"], "parent": "s1"},
            {"name": "current", "description": "You are here!", "digest": digest, "running": 1, "parent": "s2"},
        ])
    );
    let config = call(&mut world, "GET lxc/101/snapshot/s2/config").unwrap();
    assert_eq!((&config["description"], config.get("digest")), (&json!("two\nlines\n"), None));
    assert_eq!(
        call(&mut world, "GET lxc/101/config snapshot=nosuch"),
        Err("500 snapshot 'nosuch' does not exist".to_owned())
    );
}

#[test]
fn a_snapshot_changes_the_digest_and_deleting_it_brings_the_old_one_back() {
    let mut world = world();
    let before = world.guest_mut(101).digest();
    run(&mut world, "POST lxc/101/snapshot snapname=s2");
    let between = world.guest_mut(101).digest();
    assert_eq!(run(&mut world, "DELETE lxc/101/snapshot/s2"), "OK");
    assert_ne!(before, between);
    assert_eq!(world.guest_mut(101).digest(), before);
}

#[test]
fn a_rollback_leaves_the_guest_stopped_and_its_configuration_old() {
    let mut world = world();
    call(&mut world, "PUT lxc/101/config memory=256").unwrap();
    assert_eq!(run(&mut world, "POST lxc/101/snapshot/s1/rollback"), "OK");
    assert!(world.guest_mut(101).running.is_none());
    assert_eq!(call(&mut world, "GET lxc/101/config").unwrap()["memory"], 128);
    assert_eq!(run(&mut world, "POST lxc/101/snapshot/s1/rollback start=1"), "OK");
    assert!(world.guest_mut(101).running.is_some());
}

#[test]
fn a_backup_leaves_a_volume_and_a_failed_guest_makes_job_errors() {
    let mut world = world();
    let cases = [
        ("POST vzdump vmid=999&storage=store", "job errors"),
        ("POST vzdump vmid=100,999&storage=store&mode=stop", "job errors"),
        ("POST vzdump vmid=107&storage=store&mode=stop", "job errors"),
        (
            "POST vzdump vmid=103&storage=store&mode=stop&compress=zstd&remove=0&notes-template={{guestname}} {{vmid}}",
            "OK",
        ),
        ("POST vzdump vmid=101&storage=store&mode=snapshot", "job errors"),
        (
            "POST vzdump vmid=103&storage=btr",
            "could not get storage information for 'btr': can't use storage 'btr' for backups - wrong content type",
        ),
        ("POST vzdump storage=store", "400 vmid: property is missing"),
        ("POST vzdump vmid=103&dumpdir=/tmp", "400 dumpdir: Only root may set this option."),
        ("POST vzdump vmid=200&storage=store&mode=snapshot&compress=zstd", "OK"),
    ];
    for (request, expected) in cases {
        assert_eq!(run(&mut world, request), expected, "{request}\n{:#?}", last_log(&world));
    }
    let volumes: Vec<String> = world
        .storage("store")
        .unwrap()
        .volumes
        .values()
        .filter(|volume| volume.content == "backup")
        .map(|volume| volume.format.clone())
        .collect();
    assert_eq!(volumes, ["tar", "tar.zst", "vma.zst"]);
    assert!(
        world.guest_mut(101).config().snapshots.contains_key("vzdump"),
        "the failed backup leaves its snapshot"
    );
    let refused = call_as(&mut world, "agent@pve!full", "POST vzdump vmid=103&storage=store").unwrap_err();
    assert_eq!(text_of(&refused), "403 Permission check failed (/storage/store, Datastore.AllocateSpace)");
}

#[test]
fn a_running_backup_locks_its_guest_and_an_abort_frees_it() {
    let mut world = world();
    world.set_running(103, true);
    let first = call(&mut world, "POST vzdump vmid=103&storage=store&mode=stop").unwrap();
    let second = call(&mut world, "POST vzdump vmid=101&storage=store&mode=stop").unwrap();
    world.pass(1.0);
    assert_eq!(call(&mut world, "GET lxc/103/config").unwrap()["lock"], "backup");
    assert_eq!(
        call(&mut world, "PUT lxc/103/config description=x"),
        Err("500 CT is locked (backup)".to_owned())
    );
    let first = first.as_str().unwrap();
    call(&mut world, &format!("DELETE tasks/{first}")).unwrap();
    assert_eq!(exit_of(&world, first), "job errors");
    assert!(world.guest_mut(103).running.is_some() && world.guest_mut(103).lock().is_none());
    world.pass(10.0);
    assert_eq!(exit_of(&world, second.as_str().unwrap()), "OK");
    assert_eq!(
        last_log(&world)[..2],
        ["INFO: trying to get global lock - waiting...", "INFO: got global lock"]
    );
}

#[test]
fn a_killed_backup_leaves_its_lock_behind() {
    let mut world = world();
    world.set_running(103, true);
    let upid = call(&mut world, "POST vzdump vmid=103&storage=store&mode=stop").unwrap();
    world.pass(1.0);
    assert!(world.kill_task(upid.as_str().unwrap()));
    assert_eq!(exit_of(&world, upid.as_str().unwrap()), "unexpected status");
    assert_eq!(world.guest_mut(103).lock().as_deref(), Some("backup"));
    assert!(world.guest_mut(103).running.is_none());
    assert_eq!(run(&mut world, "POST vzdump vmid=103&storage=store"), "job errors");
}

#[test]
fn a_stopped_machine_only_seems_to_run_while_it_is_backed_up() {
    let mut world = world();
    call(&mut world, "POST vzdump vmid=201&storage=store").unwrap();
    world.pass(1.0);
    let status = call(&mut world, "GET qemu/201/status/current").unwrap();
    assert_eq!(
        (&status["status"], &status["qmpstatus"], &status["lock"]),
        (&json!("running"), &json!("prelaunch"), &json!("backup"))
    );
    world.pass(5.0);
    assert_eq!(call(&mut world, "GET qemu/201/status/current").unwrap()["status"], "stopped");
}

//! The table of starts and stops, as a real node answered it.

use super::probe::{call, call_as, last_log, run, text_of};
use super::world::World;

fn world() -> World {
    World::facts_world().with_manual_clock()
}

#[test]
fn each_power_call_answers_by_kind_and_state() {
    let cases = [
        ("POST lxc/999/status/start", "Configuration file 'nodes/pve/lxc/999.conf' does not exist"),
        ("POST qemu/999/status/start", "Configuration file 'nodes/pve/qemu-server/999.conf' does not exist"),
        ("POST lxc/101/status/start", "500 CT 101 already running"),
        ("POST qemu/200/status/start", "VM 200 already running"),
        ("POST lxc/100/status/stop", "500 CT 100 not running"),
        ("POST qemu/201/status/stop", "OK"),
        ("POST lxc/100/status/shutdown", "500 CT 100 not running"),
        ("POST qemu/201/status/shutdown", "OK"),
        ("POST lxc/100/status/reboot", "500 VM 100 not running"),
        ("POST qemu/201/status/reboot", "500 VM 201 not running"),
        ("POST lxc/105/status/shutdown timeout=4", "container did not stop"),
        ("POST lxc/105/status/shutdown timeout=4&forceStop=1", "OK"),
        ("POST qemu/200/status/shutdown timeout=6", "VM quit/powerdown failed - got timeout"),
        ("POST lxc/104/status/start", "you can't start a CT if it's a template"),
        ("POST lxc/106/status/start", "startup for container '106' failed"),
        ("POST lxc/107/status/start", "CT is locked (backup)"),
        ("POST lxc/100/status/start", "OK"),
        ("POST lxc/101/status/reboot", "OK"),
        ("POST qemu/200/status/stop", "OK"),
        ("POST lxc/100/status/stop skiplock=1", "500 CT 100 not running"),
    ];
    for (request, expected) in cases {
        let answer = run(&mut world(), request);
        let skiplock = "400 skiplock: Only root may use this option.";
        assert!(
            answer == expected || (request.contains("skiplock") && answer == skiplock),
            "{request}: {answer}"
        );
    }
}

#[test]
fn a_start_that_warns_ends_in_warnings() {
    let mut world = world();
    world.set_running(105, false);
    assert_eq!(run(&mut world, "POST lxc/105/status/start"), "WARNINGS: 1");
    assert_eq!(
        last_log(&world),
        ["WARN: 'mp0' - ignoring 'idmap' option unsupported by privileged container", "TASK WARNINGS: 1"]
    );
}

#[test]
fn a_locked_running_guest_keeps_running_except_when_a_container_reboots() {
    for (vmid, kind, lock) in [(101, "lxc", "CT is locked (backup)"), (200, "qemu", "VM is locked (backup)")]
    {
        let mut world = world();
        world.guest_mut(vmid).set_lock(Some("backup"));
        for verb in ["shutdown", "stop"] {
            assert_eq!(run(&mut world, &format!("POST {kind}/{vmid}/status/{verb}")), lock);
            assert!(world.guest_mut(vmid).running.is_some(), "{kind} {verb}");
        }
    }
    let mut world = world();
    world.guest_mut(101).set_lock(Some("backup"));
    assert_eq!(run(&mut world, "POST lxc/101/status/reboot"), "startup for container '101' failed");
    assert!(world.guest_mut(101).running.is_none());
    assert_eq!(last_log(&world).len(), 4);
}

#[test]
fn a_stopped_locked_machine_stops_without_complaint() {
    let mut world = world();
    world.guest_mut(201).set_lock(Some("backup"));
    assert_eq!(run(&mut world, "POST qemu/201/status/stop"), "OK");
    assert_eq!(run(&mut world, "POST qemu/201/status/start"), "VM is locked (backup)");
}

#[test]
fn an_aborted_task_says_received_interrupt_and_the_next_one_gets_its_lock() {
    let mut world = world();
    let upid = call(&mut world, "POST qemu/200/status/shutdown timeout=60").unwrap();
    let upid = upid.as_str().unwrap();
    world.pass(1.0);
    let stop = call(&mut world, "POST qemu/200/status/stop").unwrap();
    world.pass(0.5);
    assert_eq!(call(&mut world, &format!("DELETE tasks/{upid}")), Ok(serde_json::Value::Null));
    world.pass(5.0);
    assert_eq!(super::probe::exit_of(&world, upid), "received interrupt");
    assert_eq!(super::probe::exit_of(&world, stop.as_str().unwrap()), "OK");
    assert_eq!(last_log(&world), ["trying to acquire lock...", " OK", "TASK OK"]);
}

#[test]
fn tasks_are_listed_logged_and_refused_as_recorded() {
    let mut world = world();
    let gone = "UPID:pve:00000001:00000001:5F000000:vzstart:100:root@pam:";
    assert_eq!(
        call(&mut world, &format!("GET tasks/{gone}/status")),
        Err("400 upid: no such task".to_owned())
    );
    assert_eq!(
        call(&mut world, "GET tasks/NOTAUPID/status"),
        Err("400 upid: unable to parse worker upid".to_owned())
    );
    assert_eq!(
        call(&mut world, &format!("GET tasks/{gone}/log")),
        Ok(serde_json::json!([{"n": 1, "t": "unable to open file - No such file or directory"}]))
    );
    let upid = call(&mut world, "POST lxc/100/status/start").unwrap();
    let upid = upid.as_str().unwrap();
    let status = call(&mut world, &format!("GET tasks/{upid}/status")).unwrap();
    assert_eq!(
        (&status["status"], &status["user"], &status["tokenid"], &status["id"]),
        (&"running".into(), &"root@pam".into(), &"agent".into(), &"100".into())
    );
    assert_eq!(call(&mut world, "GET tasks").unwrap(), serde_json::json!([]));
    let active = call(&mut world, "GET tasks source=active").unwrap();
    assert_eq!((&active[0]["status"], &active[0]["user"]), (&"RUNNING".into(), &"root@pam!agent".into()));
    world.pass(5.0);
    assert_eq!(call(&mut world, "GET tasks").unwrap()[0]["status"], "OK");
    assert_eq!(call(&mut world, "GET tasks typefilter=vzstop").unwrap(), serde_json::json!([]));
    let stranger = call_as(&mut world, "agent@pve!none", &format!("GET tasks/{upid}/status")).unwrap_err();
    assert_eq!(text_of(&stranger), "403 Permission check failed (/nodes/pve, Sys.Audit)");
}

#[test]
fn a_hung_task_runs_for_ever_and_a_killed_one_has_no_status() {
    let mut world = world();
    world.faults.hung_types.insert("vzstart".to_owned());
    assert_eq!(run(&mut world, "POST lxc/100/status/start"), "running");
    world.faults.killed_types.insert("vzstop".to_owned());
    assert_eq!(run(&mut world, "POST lxc/101/status/stop"), "unexpected status");
    assert!(world.guest_mut(101).running.is_some());
}

#[test]
fn an_ha_manager_takes_the_call_and_works_later() {
    let mut world = world();
    world.guest_mut(100).ha = Some("stopped".to_owned());
    let upid = call(&mut world, "POST lxc/100/status/start").unwrap();
    assert!(upid.as_str().unwrap().contains(":hastart:100:"));
    world.advance();
    assert_eq!(super::probe::exit_of(&world, upid.as_str().unwrap()), "OK");
    assert!(world.guest_mut(100).running.is_none(), "OK came before anything started");
    world.pass(5.0);
    assert!(world.guest_mut(100).running.is_some());
    assert_eq!(call(&mut world, "GET lxc/100/status/current").unwrap()["ha"]["managed"], 1);
}

#[test]
fn an_endless_backup_holds_its_guest_until_it_is_killed() {
    let mut world = world();
    let upid = world.begin_endless_backup(201);
    world.pass(10_000.0);
    let active = call(&mut world, "GET tasks source=active&typefilter=vzdump").unwrap();
    assert_eq!((&active[0]["id"], &active[0]["status"]), (&"201".into(), &"RUNNING".into()));
    assert_eq!(call(&mut world, "GET qemu/201/status/current").unwrap()["qmpstatus"], "prelaunch");
    world.kill_task(&upid);
    assert_eq!(world.guest_mut(201).lock().as_deref(), Some("backup"));
}

#[test]
fn a_stop_may_overrule_the_shutdown_before_it() {
    let mut world = world();
    let shutdown = call(&mut world, "POST qemu/200/status/shutdown timeout=60").unwrap();
    world.pass(1.0);
    assert_eq!(run(&mut world, "POST qemu/200/status/stop overrule-shutdown=1"), "OK");
    assert_eq!(super::probe::exit_of(&world, shutdown.as_str().unwrap()), "received interrupt");
}

#[test]
fn two_starts_of_one_container_are_both_taken_and_one_succeeds() {
    let mut world = world();
    let first = call(&mut world, "POST lxc/100/status/start").unwrap();
    let second = call(&mut world, "POST lxc/100/status/start").unwrap();
    world.pass(20.0);
    assert_eq!(super::probe::exit_of(&world, first.as_str().unwrap()), "OK");
    assert_eq!(super::probe::exit_of(&world, second.as_str().unwrap()), "CT 100 already running");
}

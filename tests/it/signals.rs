//! Signals and crashes: how the daemon ends, reads its configuration again, and comes back; and that nothing is done twice.

use std::fs;
use std::thread;
use std::time::Duration;

use felhom_sim::node::World;
use felhom_sim::server::{Action, Rule, TlsChoice};
use serde_json::{Value, json};

use crate::daemon::{START_100, memory, running, until_memory, until_reports};
use crate::recovery::open_steps;
use crate::stage::{Daemon, Stage, lxc, manifest, write};

/// The start of guest 100 hangs until it is let go; the daemon waits for that when this returns.
fn in_mid_task() -> (Stage, Daemon) {
    let stage = Stage::new(|_| {});
    stage.hang("vzstart");
    stage.desire(1, &running(100));
    let daemon = stage.daemon();
    daemon.until("the start is asked for and followed", || {
        stage
            .node
            .calls()
            .iter()
            .any(|call| call.line().contains("/tasks/UPID") && call.line().contains("vzstart"))
    });
    (stage, daemon)
}

/// Starts the agent anew and holds that it finds the task, or its end, and starts nothing again.
fn the_task_is_not_repeated(stage: &Stage) {
    let daemon = stage.daemon();
    daemon.says("a task of ours is under way");
    stage.let_go();
    daemon.until("100 runs", || stage.runs(100));
    stage.looks(&daemon, 3);
    assert_eq!(stage.mutation_lines(), [START_100]);
    daemon.stop();
}

#[test]
fn a_sigterm_in_mid_task_ends_the_agent_and_not_the_task() {
    for signal in ["TERM", "INT"] {
        let (stage, mut daemon) = in_mid_task();
        daemon.signal(signal);
        assert_eq!(daemon.end().code(), Some(0), "{}", daemon.said());
        assert!(daemon.said().contains("left running in Proxmox (UPID:pve:"), "{}", daemon.said());
        assert!(!stage.runs(100), "the task goes on in the node, and the agent did not wait for its end");
        the_task_is_not_repeated(&stage);
    }
}

#[test]
fn a_crash_in_mid_task_does_nothing_twice() {
    let (stage, daemon) = in_mid_task();
    daemon.crash();
    assert!(!stage.runs(100));
    the_task_is_not_repeated(&stage);
}

#[test]
fn a_task_that_ends_between_two_reads_is_not_repeated() {
    let (stage, daemon) = in_mid_task();
    daemon.crash();
    // Whatever is read of tasks is read when the task is over, whatever was read of the guest before.
    let fault = stage.node.fault(Rule::new(Action::HoldWork).method("GET").path("/nodes/pve/tasks"));
    let before = stage.node.calls().len();
    let daemon = stage.daemon();
    daemon.until("tasks are asked for", || {
        stage.node.calls()[before..].iter().any(|call| call.line().starts_with("GET /nodes/pve/tasks"))
    });
    stage.let_go();
    daemon.until("100 runs", || stage.runs(100));
    stage.node.remove_fault(fault);
    daemon.says("guest-100 (lxc/100) is in order");
    stage.looks(&daemon, 2);
    assert_eq!(stage.mutation_lines(), [START_100]);
    daemon.stop();
}

#[test]
fn a_configuration_taken_in_mid_task_repeats_nothing() {
    let (stage, daemon) = in_mid_task();
    stage.configure(|config| config["limits"] = json!({"power": 2}));
    daemon.signal("HUP");
    daemon.until("the new configuration is in force", || daemon.said().matches(": host host-1").count() == 2);
    daemon.says("a task of ours is under way");
    stage.let_go();
    daemon.until("100 runs", || stage.runs(100));
    stage.looks(&daemon, 3);
    assert_eq!(stage.mutation_lines(), [START_100]);
    daemon.stop();
}

#[test]
fn a_configuration_taken_in_mid_call_repeats_nothing_and_reports_go_on_being_counted() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| config["agent"]["stop_seconds"] = json!(1));
    stage.node.fault(Rule::new(Action::DelayWork { ms: 4_000 }).method("POST").path("/status/start").once());
    stage.desire(1, &running(100));
    let daemon = stage.daemon();
    until_reports(&stage, &daemon, 1);
    daemon.until("the start is asked for", || stage.count(START_100) == 1);
    stage.configure(|config| config["agent"]["stop_seconds"] = json!(2));
    daemon.signal("HUP");
    daemon.until("100 runs", || stage.runs(100));
    stage.looks(&daemon, 3);
    assert_eq!(stage.mutation_lines(), [START_100], "{}", daemon.said());
    assert_eq!(until_reports(&stage, &daemon, 2)["seq"], json!(2), "they are of one process");
    daemon.stop();
}

#[test]
fn a_second_sigterm_ends_a_daemon_that_cannot_come_to_a_safe_point() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| {
        config["agent"]["stop_seconds"] = json!(600);
        config["proxmox"]["timeout_seconds"] = json!(300);
    });
    stage.node.fault(Rule::new(Action::Delay { ms: 300_000 }).method("POST").path("/status/start"));
    stage.desire(1, &running(100));
    let mut daemon = stage.daemon();
    daemon.until("the start is asked for", || stage.count(START_100) == 1);
    daemon.signal("TERM");
    daemon.says("stopping: lxc/100 in hand");
    daemon.signal("TERM");
    assert_eq!(daemon.end().code(), Some(143), "{}", daemon.said());
}

#[test]
fn a_sighup_reads_the_desired_state_again() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| {
        config["desired"]["poll_seconds"] = json!(3600);
        config["agent"]["reconcile_seconds"] = json!(3600);
    });
    stage.desire(1, &memory(256));
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");
    stage.desire(2, &memory(512));
    daemon.signal("HUP");
    until_memory(&stage, &daemon, "512");
    daemon.stop();
}

#[test]
fn a_sighup_takes_a_new_configuration_and_keeps_the_old_one_if_the_new_one_is_bad() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &memory(256));
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");

    write(&stage.config_file(), "{ \"agent\": {");
    daemon.signal("HUP");
    daemon.says("the old one stays in force");
    daemon.says("agent.json");
    stage.configure(|config| config["agent"]["reconcile_seconds"] = json!("often"));
    daemon.signal("HUP");
    daemon.says("agent.reconcile_seconds");
    stage.configure(|config| config["agent"]["state_dir"] = json!(stage.path("elsewhere")));
    daemon.signal("HUP");
    daemon.says("cannot change while the agent runs");
    stage.set_key(101, "memory", "64");
    until_memory(&stage, &daemon, "256");

    let other = stage.write("other.json", &manifest(2, &memory(512)).to_string());
    stage.configure(|config| {
        config["desired"]["file"] = json!(other);
        config["agent"]["log"] = json!("debug");
    });
    daemon.signal("HUP");
    daemon.says("agent.log is heeded at the next start");
    until_memory(&stage, &daemon, "512");
    assert!(daemon.stop().contains("other.json"));
}

#[test]
fn whoever_hangs_does_not_delay_the_end() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| {
        for section in ["hub", "proxmox"] {
            config[section]["timeout_seconds"] = json!(300);
        }
        config["agent"]["stop_seconds"] = json!(600);
        config["desired"] = json!({"source": "hub"});
    });
    stage.hub.fault(Rule::new(Action::Delay { ms: 300_000 }));
    stage.node.fault(Rule::new(Action::Delay { ms: 300_000 }));
    let daemon = stage.daemon();
    daemon.until("it waits for both", || !stage.hub.calls().is_empty() && !stage.node.calls().is_empty());
    daemon.stop();
}

#[test]
fn a_new_certificate_and_a_new_secret_are_taken_at_the_signal() {
    const NEW: &str = "9d0c1a52-7f3e-4c1b-8a64-2b1f0e9d8c7a";
    let stage = Stage::new(|_| {});
    stage.desire(1, &memory(256));
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");
    // Not before the answer is heard: a call that is cut off is found out later, and is done once all the same.
    daemon.says("memory=256 of lxc/101: done");

    stage.node.rotate_certificate(TlsChoice::SelfSigned);
    daemon.says("Ready is now Unknown (ProxmoxUnreachable)");
    stage.set_key(101, "memory", "64");
    stage.configure(|_| {});
    daemon.signal("HUP");
    until_memory(&stage, &daemon, "256");
    // Not before the write has been looked at: it would be taken for an uncertain one.
    daemon.until("the write is done", || daemon.said().matches("memory=256 of lxc/101: done").count() == 2);

    stage.node.world(|world| world.access.add_token("root@pam!agent", NEW, false));
    daemon.says("does not accept the token");
    stage.set_key(101, "memory", "32");
    stage.secret("token", NEW);
    daemon.signal("HUP");
    until_memory(&stage, &daemon, "256");
    daemon.stop();
}

#[test]
fn killed_again_and_again_it_converges_all_the_same_and_starts_nothing_twice() {
    let guests = 100..112_u32;
    let stage = Stage::new(|world| *world = World::with_guests(12));
    let resources: Vec<Value> =
        guests.clone().map(|vmid| lxc(vmid, json!({"run_state": "running", "cores": 2}))).collect();
    stage.desire(1, &json!(resources));
    for round in 0..20_u64 {
        let daemon = stage.daemon();
        // Anywhere between the first instruction and the last guest.
        thread::sleep(Duration::from_millis(round * 37 % 400));
        daemon.crash();
    }
    let open = open_steps(&stage);
    let daemon = stage.daemon();
    // A request that may be under way is waited for, up to 45 s.
    daemon.until("what was begun is found out", || open_steps(&stage).is_disjoint(&open));
    daemon.until("all run and have two cores", || {
        guests.clone().all(|vmid| stage.runs(vmid) && stage.key(vmid, "cores").as_deref() == Some("2"))
    });
    stage.looks(&daemon, 2);
    daemon.stop();
    for vmid in guests.filter(|vmid| vmid % 2 == 1) {
        assert_eq!(stage.count(&format!("POST /nodes/pve/lxc/{vmid}/status/start")), 1, "guest {vmid}");
    }
}

#[test]
fn many_sighups_leave_no_threads_and_no_files_behind() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &memory(256));
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");
    let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", daemon.id())).expect("it runs").count();
    let (threads, files) = (count("task"), count("fd"));
    for round in 2..30 {
        stage.configure(|config| config["limits"] = json!({"power": round}));
        daemon.signal("HUP");
        daemon.until("it was heard", || daemon.said().matches("SIGHUP").count() == round - 1);
    }
    stage.set_key(101, "memory", "64");
    until_memory(&stage, &daemon, "256");
    daemon.until("the old threads are gone", || count("task") <= threads + 2 && count("fd") <= files + 8);
    daemon.stop();
}

//! The daemon as a process: real signals, real sockets, real files, ended and started again.

use std::fs;
use std::io;

use felhom_sim::server::{Action, Rule};
use serde_json::{Value, json};

use crate::stage::{Daemon, Ended, HOST_ID, HUB_KEY, Stage, lxc, manifest, program, vm, write};

pub(crate) const START_100: &str = "POST /nodes/pve/lxc/100/status/start";

pub(crate) fn running(vmid: u32) -> Value {
    json!([lxc(vmid, json!({"run_state": "running"}))])
}

/// Guest 101's memory, which everybody may change while it runs.
pub(crate) fn memory(megabytes: u32) -> Value {
    json!([lxc(101, json!({"memory_mb": megabytes}))])
}

pub(crate) fn until_memory(stage: &Stage, daemon: &Daemon, megabytes: &str) {
    daemon.until("the memory of 101", || stage.key(101, "memory").as_deref() == Some(megabytes));
}

pub(crate) fn until_reports(stage: &Stage, daemon: &Daemon, count: usize) -> Value {
    daemon.until("a report", || stage.reports().len() >= count);
    stage.reports().pop().expect("there is one")
}

#[test]
fn a_drifted_guest_is_converged_and_the_hub_hears_of_the_node() {
    let stage = Stage::new(|_| {});
    stage.desire(
        7,
        &json!([
            lxc(100, json!({"run_state": "running", "cores": 2, "tags": ["prod"]})),
            lxc(107, json!({"memory_mb": 256})),
            vm(201, json!({"on_boot": true}))
        ]),
    );
    let daemon = stage.daemon();
    daemon.until("100 runs, with 2 cores", || {
        stage.runs(100) && stage.key(100, "cores").as_deref() == Some("2")
    });
    daemon.until("201 starts at boot", || stage.key(201, "onboot").as_deref() == Some("1"));
    assert_eq!(stage.key(100, "tags").as_deref(), Some("prod"));
    let report = until_reports(&stage, &daemon, 1);
    assert_eq!(
        (&report["host_id"], &report["node"], &report["seq"]),
        (&json!(HOST_ID), &json!("pve"), &json!(1))
    );
    assert_eq!(report["guests"].as_array().map(Vec::len), Some(10), "{report}");

    stage.set_key(100, "cores", "3");
    daemon.until("what drifts later is put back", || stage.key(100, "cores").as_deref() == Some("2"));
    assert_eq!(stage.key(107, "memory").as_deref(), Some("64"), "a locked guest is held");
    let touched_others =
        stage.mutation_lines().iter().any(|line| !line.contains("/100/") && !line.contains("/201/"));
    assert!(!touched_others, "{:?}", stage.mutation_lines());
    assert_eq!(daemon.printed(), "", "what a daemon says goes to standard error");
    let said = daemon.stop();
    assert!(
        !said.contains("Ready is now True"),
        "one guest is held, and before that nothing was known:\n{said}"
    );
}

#[test]
fn the_start_up_line_names_who_where_and_how_often_and_no_secret() {
    let stage = Stage::new(|_| {});
    let daemon = stage.daemon();
    daemon.says("felhom-agent 0.1.0: host ");
    let said = daemon.stop();
    let line = said.lines().find(|line| line.contains("felhom-agent 0.1.0: host ")).expect("it was said");
    for part in [
        "host host-1",
        &format!("hub {} every 900 s", stage.hub.url()),
        "node the local one",
        &stage.node.url(),
        "as root@pam!agent",
        "reconcile every 1 s",
        "desired.json",
    ] {
        assert!(line.contains(part), "{part:?} is missing in {line}");
    }
    for secret in [HUB_KEY, stage.node.token().1] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn what_is_desired_while_a_guest_is_worked_on_does_not_wait_for_the_next_look() {
    let stage = Stage::new(|_| {});
    stage.hang("vzstart");
    stage.configure(|config| config["agent"]["reconcile_seconds"] = json!(3600));
    stage.desire(1, &running(100));
    let daemon = stage.daemon();
    daemon.until("the start is asked for", || stage.count(START_100) == 1);
    stage.desire(2, &json!([lxc(100, json!({"run_state": "running", "cores": 2}))]));
    daemon.says("desired state: generation 2");
    assert!(!stage.runs(100));
    stage.let_go();
    daemon.until("it has two cores", || stage.key(100, "cores").as_deref() == Some("2"));
    daemon.stop();
}

#[test]
fn a_task_that_hangs_delays_neither_the_heartbeat_nor_another_guest() {
    let stage = Stage::new(|_| {});
    stage.hang("vzstart");
    stage.desire(1, &running(100));
    let daemon = stage.daemon();
    daemon.until("the start is asked for", || stage.count(START_100) == 1);
    stage.desire(2, &json!([lxc(100, json!({"run_state": "running"})), lxc(101, json!({"memory_mb": 256}))]));
    until_memory(&stage, &daemon, "256");
    let before = stage.reports().len();
    stage.configure(|config| config["agent"]["log"] = json!("debug"));
    daemon.signal("HUP");
    let report = until_reports(&stage, &daemon, before + 1);
    assert_eq!(report["complete"], json!(true), "{}", report["problems"]);
    daemon.stop();
    assert_eq!(stage.count(START_100), 1);
}

#[test]
fn a_second_instance_ends_with_73_and_names_the_lock_and_its_holder() {
    let stage = Stage::new(|_| {});
    let daemon = stage.daemon();
    until_reports(&stage, &daemon, 1);
    let lock = stage.state_dir().join("lock");
    stage
        .run(&["daemon"])
        .expect(73, &[lock.to_str().expect("a path of ours"), &format!("process {}", daemon.id())]);
    daemon.crash();
    let next = stage.daemon();
    until_reports(&stage, &next, 2);
    next.stop();
}

#[test]
fn blocked_stops_every_change_survives_a_crash_and_only_a_word_of_the_hub_lifts_it() {
    let stage = Stage::new(|_| {});
    stage.hub.board(|board| board.envelope["blocked"] = json!(true));
    let daemon = stage.daemon();
    daemon.says("blocked by the hub");
    stage.desire(1, &json!([lxc(100, json!({"run_state": "running"})), lxc(101, json!({"memory_mb": 256}))]));
    daemon.says("desired state: generation 1");
    stage.looks(&daemon, 3);
    daemon.crash();

    // Neither silence nor absence is a word.
    stage.hub.go_down();
    let daemon = stage.daemon();
    daemon.says("did not arrive");
    daemon.says("held (blocked)");
    stage.looks(&daemon, 3);
    daemon.stop();
    stage.hub.come_back();
    stage.hub.board(|board| board.envelope = json!({"poll_interval_seconds": 300, "blocked": "no"}));
    let daemon = stage.daemon();
    let report = until_reports(&stage, &daemon, 2);
    let blocked =
        report["conditions"].as_array().and_then(|all| all.iter().find(|one| one["type"] == "Blocked"));
    assert_eq!(blocked.map(|one| &one["status"]), Some(&json!("true")), "{report}");
    stage.looks(&daemon, 3);
    daemon.stop();
    assert_eq!(stage.mutation_lines(), [""; 0]);

    stage.hub.board(|board| board.envelope = json!({"blocked": false}));
    let daemon = stage.daemon();
    daemon.says("no longer blocked");
    daemon.until("100 runs", || stage.runs(100));
    until_memory(&stage, &daemon, "256");
}

fn from_hub(config: &mut Value) {
    config["desired"] = json!({ "source": "hub" });
}

#[test]
fn without_the_hub_the_last_accepted_manifest_stays_in_force() {
    let stage = Stage::new(|_| {});
    stage.configure(from_hub);
    stage.hub.publish(HOST_ID, &manifest(3, &memory(256)));
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");
    daemon.stop();

    stage.hub.go_down();
    stage.set_key(101, "memory", "64");
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");
    stage.set_key(101, "memory", "32");
    until_memory(&stage, &daemon, "256");
    daemon.says("HubUnreachable is now True");
    daemon.stop();
}

#[test]
fn a_generation_never_goes_down_not_even_over_a_restart() {
    let stage = Stage::new(|_| {});
    stage.configure(from_hub);
    stage.hub.publish(HOST_ID, &manifest(5, &memory(256)));
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");
    stage.hub.publish(HOST_ID, &manifest(4, &memory(512)));
    daemon.says("generation 4 is lower than 5");
    stage.looks(&daemon, 2);
    daemon.crash();
    let daemon = stage.daemon();
    daemon.says("generation 4 is lower than 5");
    stage.looks(&daemon, 2);
    assert_eq!(stage.key(101, "memory").as_deref(), Some("256"));
    stage.hub.publish(HOST_ID, &manifest(6, &memory(512)));
    until_memory(&stage, &daemon, "512");
}

#[test]
fn a_node_that_is_down_is_reported_and_converged_when_it_is_back() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &memory(256));
    stage.node.go_down();
    let daemon = stage.daemon();
    let report = until_reports(&stage, &daemon, 1);
    assert_eq!(
        (report.get("host"), &report["complete"], &report["guests"]),
        (None, &json!(false), &json!([]))
    );
    assert!(report["problems"].to_string().contains("host"), "{report}");
    stage.node.come_back();
    until_memory(&stage, &daemon, "256");
    stage.configure(|config| config["agent"]["log"] = json!("debug"));
    daemon.signal("HUP");
    let report = until_reports(&stage, &daemon, 2);
    assert!(report["host"].is_object(), "{report}");
    assert_eq!(report["complete"], json!(true), "{}", report["problems"]);
}

#[test]
fn a_node_that_hangs_does_not_delay_the_heartbeat_beyond_its_deadline() {
    for action in [Action::Delay { ms: 300_000 }, Action::Drip { ms: 1_000 }] {
        let stage = Stage::new(|_| {});
        stage.configure(|config| config["proxmox"]["timeout_seconds"] = json!(2));
        stage.node.fault(Rule::new(action));
        let daemon = stage.daemon();
        let report = until_reports(&stage, &daemon, 1);
        assert_eq!((report.get("host"), &report["complete"]), (None, &json!(false)), "{report}");
        daemon.stop();
    }
}

#[test]
fn ten_gigabytes_are_not_read_into_memory() {
    let stage = Stage::new(|_| {});
    stage.configure(from_hub);
    stage.hub.fault(Rule::new(Action::Endless));
    stage.node.fault(Rule::new(Action::Endless));
    let daemon = stage.daemon();
    daemon.says("did not arrive");
    daemon.says("larger than");
    daemon.until("each was asked again", || stage.hub.calls().len() > 3 && stage.node.calls().len() > 6);
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells");
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kilobytes < 128 * 1024, "{kilobytes} kB");
    daemon.stop();
}

#[test]
fn a_block_that_cannot_be_kept_is_in_force_all_the_same() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &memory(256));
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");
    stage.lose_state();
    stage.hub.board(|board| board.envelope["blocked"] = json!(true));
    stage.configure(|config| config["limits"] = json!({"power": 2}));
    daemon.signal("HUP");
    daemon.says("cannot keep that the hub says blocked=true");
    let before = stage.mutation_lines().len();
    stage.set_key(101, "memory", "64");
    stage.looks(&daemon, 3);
    assert_eq!((stage.mutation_lines().len(), stage.key(101, "memory").as_deref()), (before, Some("64")));
    daemon.stop();
}

#[test]
fn a_block_that_cannot_be_kept_outlives_a_new_configuration() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &memory(256));
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");
    until_reports(&stage, &daemon, 1);
    stage.lose_state();
    stage.hub.board(|board| board.envelope["blocked"] = json!(true));
    stage.configure(|config| config["limits"] = json!({"power": 2}));
    daemon.signal("HUP");
    daemon.says("cannot keep that the hub says blocked=true");
    // From now on the hub says nothing, and the disk never knew.
    stage.hub.fault(Rule::new(Action::status(500, "Internal Server Error")));
    stage.configure(|config| config["limits"] = json!({"power": 3}));
    daemon.signal("HUP");
    daemon.says("did not arrive");
    let before = stage.mutation_lines().len();
    stage.set_key(101, "memory", "64");
    stage.looks(&daemon, 3);
    assert_eq!((stage.mutation_lines().len(), stage.key(101, "memory").as_deref()), (before, Some("64")));
    daemon.stop();
}

#[test]
fn a_desired_state_that_is_half_written_keeps_the_one_before() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &memory(256));
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");
    let whole = manifest(2, &memory(512)).to_string();
    for (half, complaint) in [(whole.get(..60).expect("it is longer"), "not JSON"), ("", "not JSON")] {
        write(&stage.path("desired.json"), half);
        daemon.says(complaint);
        stage.set_key(101, "memory", "64");
        until_memory(&stage, &daemon, "256");
    }
    fs::remove_file(stage.path("desired.json")).expect("it was there");
    daemon.says("cannot read");
    stage.set_key(101, "memory", "32");
    until_memory(&stage, &daemon, "256");
    write(&stage.path("desired.json"), &whole);
    until_memory(&stage, &daemon, "512");
}

#[test]
fn one_bad_resource_is_refused_and_the_others_proceed() {
    let stage = Stage::new(|_| {});
    stage.desire(
        1,
        &json!([
            lxc(100, json!({"memory_mb": "plenty"})),
            lxc(101, json!({"memory_mb": 256})),
            {"id": "later", "kind": "time_machine", "spec": {}}
        ]),
    );
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");
    assert!(stage.mutation_lines().iter().all(|line| line.contains("/101/")), "{:?}", stage.mutation_lines());
}

#[test]
fn a_state_directory_that_cannot_be_used_is_named_and_the_code_says_why() {
    let stage = Stage::new(|_| {});
    write(&stage.path("file"), "");
    fs::create_dir_all(stage.path("odd/lock")).expect("a directory can be made");
    for (name, code) in [("file/below", 78), ("file", 78), ("odd", 74)] {
        let path = stage.path(name);
        stage.configure(|config| config["agent"]["state_dir"] = json!(path));
        stage.run(&["daemon"]).expect(code, &[path.to_str().expect("a path of ours")]);
    }
}

#[test]
fn a_disk_without_room_at_the_first_start_is_an_input_output_error() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| config["hub"] = json!({}));
    let line = format!(
        "trap '' XFSZ; ulimit -f 0; exec {} --config {} daemon",
        env!("CARGO_BIN_EXE_felhom-agent"),
        stage.config_file().display()
    );
    let ended = Ended::of(program("/bin/sh").arg("-c").arg(line).env_clear());
    ended.expect(74, &["cannot write", stage.state_dir().to_str().expect("a path of ours")]);
}

#[test]
fn with_the_state_directory_gone_nothing_can_be_recorded_and_nothing_is_changed() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &memory(256));
    let daemon = stage.daemon();
    daemon.says("guest-101 (lxc/101) is in order");
    stage.lose_state();
    stage.desire(2, &memory(512));
    daemon.says("will not survive a restart");
    daemon.says("could not be recorded");
    daemon.says("JournalDamaged is now True");
    stage.looks(&daemon, 2);
    assert_eq!(stage.key(101, "memory").as_deref(), Some("256"), "{}", daemon.said());
    daemon.stop();
}

#[test]
fn without_a_desired_state_it_looks_and_does_nothing() {
    for source in ["file", "hub", "none"] {
        let stage = Stage::new(|_| {});
        stage.configure(|config| config["desired"]["source"] = json!(source));
        let daemon = stage.daemon();
        until_reports(&stage, &daemon, 1);
        stage.looks(&daemon, 3);
        daemon.stop();
        assert_eq!(stage.mutation_lines(), [""; 0]);
    }
}

#[test]
fn the_environment_alone_is_configuration_enough() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &memory(256));
    let mut command = stage.bare();
    let config = stage.usual();
    for (section, keys) in config.as_object().expect("an object") {
        for (key, value) in keys.as_object().expect("an object") {
            let name = format!("FELHOM_AGENT_{}_{}", section.to_uppercase(), key.to_uppercase());
            command.env(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    let daemon = stage.start({
        command.arg("daemon");
        command
    });
    until_memory(&stage, &daemon, "256");
    until_reports(&stage, &daemon, 1);
    daemon.stop();
}

#[test]
fn without_a_hub_it_converges_and_mints_its_host_id_once() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| config["hub"] = json!({}));
    let minted = || fs::read_to_string(stage.state_dir().join("host_id")).unwrap_or_default();
    let daemon = stage.daemon();
    daemon.until("a host id", || !minted().is_empty());
    let host_id = minted().trim().to_owned();
    let mut desired = manifest(1, &memory(256));
    desired["host_id"] = json!(host_id);
    write(&stage.path("desired.json"), &desired.to_string());
    until_memory(&stage, &daemon, "256");
    daemon.stop();
    let daemon = stage.daemon();
    daemon.says(&format!("host {host_id}, no hub"));
    daemon.stop();
    assert_eq!(stage.hub.calls().len(), 0);
}

#[test]
fn connections_that_break_leave_no_files_behind() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &memory(256));
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");
    until_reports(&stage, &daemon, 1);
    let count = || fs::read_dir(format!("/proc/{}/fd", daemon.id())).expect("it runs").count();
    let before = count();
    for action in [Action::DropAfter, Action::Cut { at: 5 }, Action::status(596, "x"), Action::Garble] {
        let fault = stage.node.fault(Rule::new(action));
        let calls = stage.node.calls().len();
        daemon.until("it was hit a few times", || stage.node.calls().len() > calls + 3);
        stage.node.remove_fault(fault);
    }
    stage.set_key(101, "memory", "64");
    until_memory(&stage, &daemon, "256");
    daemon.until(&format!("no more files than {before} and a few"), || count() <= before + 8);
    daemon.stop();
}

#[test]
fn a_hub_s_manifest_that_cannot_be_taken_keeps_the_one_before() {
    let stage = Stage::new(|_| {});
    stage.configure(from_hub);
    stage.hub.publish(HOST_ID, &manifest(1, &memory(256)));
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");
    let with = |change: fn(&mut Value)| {
        let mut document = manifest(2, &memory(512));
        change(&mut document);
        document.to_string().into_bytes()
    };
    for (generation, (bytes, said)) in (2..).zip([
        (b"{\"api_version\":".to_vec(), "not JSON"),
        (with(|document| document["host_id"] = json!("host-2")), "is for host \"host-2\""),
        (with(|document| document["expires_at"] = json!("2020-01-01T00:00:00Z")), "expired at 2020-01-01"),
        (with(|document| document["api_version"] = json!("felhom/v9")), "felhom/v9"),
        (vec![b' '; 5 * 1024 * 1024], "the hub's answer is not usable"),
    ]) {
        stage.hub.board(|board| board.publish_bytes(HOST_ID, bytes, generation));
        daemon.says(said);
        stage.looks(&daemon, 1);
    }
    stage.set_key(101, "memory", "64");
    until_memory(&stage, &daemon, "256");
    stage.hub.publish(HOST_ID, &manifest(9, &memory(512)));
    until_memory(&stage, &daemon, "512");
    daemon.stop();
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    for reader_is_gone in [true, false] {
        let stage = Stage::new(|_| {});
        stage.configure(|config| config["agent"]["log"] = json!("trace"));
        stage.desire(1, &memory(256));
        let mut command = stage.command(&["daemon"]);
        let (reader, writer) = io::pipe().expect("there are pipes");
        let reader = (!reader_is_gone).then_some(reader);
        let mut daemon = stage.start_into(command.stderr(writer));
        drop(command);
        // Far more than a pipe and the queue before it hold.
        stage.looks(&daemon, 8);
        stage.set_key(101, "memory", "64");
        until_memory(&stage, &daemon, "256");
        daemon.signal("TERM");
        assert_eq!(daemon.end().code(), Some(0));
        drop(reader);
    }
}

#[test]
fn a_process_short_of_files_says_so_and_goes_on_as_far_as_it_can() {
    let stage = Stage::new(|_| {});
    let mut command = program("/bin/sh");
    let (agent, config) = (env!("CARGO_BIN_EXE_felhom-agent"), stage.config_file());
    let line = format!("ulimit -n 8; exec {agent} --config {} daemon", config.display());
    command.args(["-c", &line]).env_clear();
    let daemon = stage.start(command);
    daemon.says("Too many open files");
    assert!(!daemon.stop().contains("panicked"));
}

#[test]
fn a_pipe_in_the_place_of_the_desired_state_holds_nothing_up() {
    let stage = Stage::new(|_| {});
    let path = stage.path("desired.json");
    assert!(program("mkfifo").arg(&path).status().expect("it is there").success());
    let daemon = stage.daemon();
    until_reports(&stage, &daemon, 1);
    stage.looks(&daemon, 2);
    daemon.stop();
}

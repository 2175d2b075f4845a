//! Each command as a process: what it prints, what it touches, how it ends.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use felhom_sim::server::{Action, Rule, TlsChoice};
use serde_json::{Value, json};

use crate::schema::Schema;
use crate::stage::{Ended, HOST_ID, HUB_KEY, Stage, lxc, manifest, program, write};

const COMMANDS: [&str; 17] = [
    "journal",
    "journal verify",
    "journal show",
    "journal salvage",
    "daemon",
    "adopt",
    "plan",
    "explain",
    "report",
    "selftest",
    "selftest task",
    "selftest hub",
    "config",
    "config check",
    "config show",
    "pin",
    "version",
];

pub(crate) fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn drifted() -> Value {
    json!([
        lxc(101, json!({"run_state": "running", "memory_mb": 256})),
        lxc(107, json!({"memory_mb": 256})),
        {"id": "later", "kind": "time_machine", "spec": {}}
    ])
}

#[test]
fn every_command_explains_itself_without_any_configuration() {
    let stage = Stage::new(|_| {});
    for command in COMMANDS {
        let ended = Ended::of(stage.bare().args(words(command)).arg("--help"));
        ended.expect(0, &[&format!("Usage: felhom-agent {command}")]);
        assert_eq!(ended.stderr, "");
    }
    Ended::of(stage.bare().arg("--help")).expect(0, &["Usage: felhom-agent"]);
    for arguments in ["version", "--version"] {
        let ended = Ended::of(stage.bare().arg(arguments));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "felhom-agent 0.1.0\n"), "{ended:?}");
    }
}

#[test]
fn what_cannot_be_understood_ends_with_2_and_is_named() {
    let stage = Stage::new(|_| {});
    for (line, part) in [
        ("", "Usage"),
        ("plann", "plann"),
        ("plan --jsn", "--jsn"),
        ("selftest task", "--vmid"),
        ("selftest task --vmid web", "web"),
        ("selftest task --vmid 99", "99"),
        ("--selftest=task", "--vmid"),
        ("--selftest=all", "--selftest"),
        ("config", "check"),
        ("plan extra", "extra"),
    ] {
        stage.run(&words(line)).expect(2, &[part]);
    }
    assert_eq!(stage.node.calls().len(), 0);
}

#[test]
fn a_plan_names_steps_holds_and_refusals_and_changes_nothing() {
    let stage = Stage::new(|_| {});
    stage.desire(7, &drifted());
    let text = stage.run(&["plan"]);
    text.expect(
        0,
        &[
            "lxc/101 guest-101  running  1 step",
            "memory_mb",
            "128 -> 256",
            "held (lock)",
            "later  refused",
            "generation 7",
        ],
    );
    assert_eq!(text.stderr, "");
    assert_eq!(stage.run(&["plan", "--exit-code"]).code, Some(3));

    let plan = stage.run(&["plan", "--json", "--exit-code"]).json(3);
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&plan), ["generation", "guests", "problems", "refused", "unmanaged"]);
    let guest = &plan["guests"][0];
    let expected = "diff drift failure guest hold notes pending_reboot resource_id run_state steps unmanaged";
    assert_eq!(keys(guest), words(expected));
    assert_eq!(guest["diff"], json!([{"field": "memory_mb", "desired": 256, "running": 128}]));
    assert!(guest["unmanaged"].as_array().is_some_and(|keys| keys.contains(&json!("rootfs"))), "{guest}");
    assert_eq!(
        (&guest["guest"], &guest["steps"][0]["step"], &guest["steps"][0]["set"]),
        (&json!("lxc/101"), &json!("set_config"), &json!({"memory": "256"}))
    );
    assert_eq!(plan["guests"][1]["hold"]["reason"], json!("lock"));
    assert_eq!(Schema::plan().faults(&plan), Vec::<String>::new());
    assert_eq!(stage.mutation_lines(), [""; 0]);
}

#[test]
fn the_exit_code_of_a_plan_is_3_while_something_differs_and_then_0() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &json!([lxc(101, json!({"memory_mb": 256}))]));
    assert_eq!(stage.run(&["plan", "--exit-code"]).code, Some(3));
    let daemon = stage.daemon();
    daemon.until("it is converged", || stage.key(101, "memory").as_deref() == Some("256"));
    daemon.stop();
    stage.run(&["plan", "--exit-code"]).expect(0, &["in order"]);
    assert_eq!(stage.run(&["plan", "--exit-code", "--json"]).json(0)["guests"][0]["steps"], json!([]));
}

#[test]
fn a_plan_of_the_hub_s_desired_state_needs_no_file() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| config["desired"] = json!({"source": "hub"}));
    stage.run(&["plan"]).expect(1, &["has no desired state for host host-1"]);
    stage.hub.publish(HOST_ID, &manifest(4, &json!([lxc(101, json!({"memory_mb": 256}))])));
    stage.run(&["plan"]).expect(0, &["128 -> 256", "generation 4"]);
    stage.hub.go_down();
    stage.run(&["plan"]).expect(75, &["the hub did not answer"]);
}

#[test]
fn why_a_command_failed_is_in_its_exit_code_and_what_to_do_in_its_words() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &drifted());
    // The desired state's own faults.
    fs::rename(stage.path("desired.json"), stage.path("away")).expect("it was there");
    stage.run(&["plan"]).expect(74, &["the desired state: cannot read", "desired.json"]);
    write(&stage.path("desired.json"), "{");
    stage.run(&["plan"]).expect(1, &["not JSON"]);
    let mut other = manifest(1, &drifted());
    other["host_id"] = json!("host-2");
    write(&stage.path("desired.json"), &other.to_string());
    stage.run(&["plan"]).expect(1, &["host-2", "host-1"]);
    fs::rename(stage.path("away"), stage.path("desired.json")).expect("it was there");
    stage.configure(|config| config["desired"] = json!({"source": "none"}));
    stage.run(&["plan"]).expect(78, &["desired.file"]);

    // The token's.
    stage.configure(|config| {
        config["proxmox"]["token_secret_file"] = json!(stage.secret("wrong", "11111111"))
    });
    stage.run(&["plan"]).expect(77, &["does not accept the token", "pveum"]);
    // The node's.
    stage.configure(|_| {});
    stage.node.go_down();
    stage.run(&["plan"]).expect(75, &[&stage.node.url(), "pveproxy"]);
    stage.node.come_back();
    let fault = stage.node.fault(Rule::new(Action::status(596, "Connection timed out")));
    stage.run(&["plan"]).expect(75, &["596"]);
    stage.node.remove_fault(fault);
    // The certificate's.
    stage.node.rotate_certificate(TlsChoice::SelfSigned);
    stage.run(&["plan"]).expect(1, &["felhom-agent pin"]);
}

#[test]
fn a_report_is_printed_whole_without_any_hub() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| config["hub"] = json!({}));
    let report = stage.run(&["report"]).json(0);
    assert_eq!(
        (&report["schema"], &report["node"], &report["complete"]),
        (&json!(1), &json!("pve"), &json!(true))
    );
    assert_eq!(report["guests"].as_array().map(Vec::len), Some(10));
    for list in ["restore_tests", "audit_tail", "pbs_snapshots", "problems", "conditions"] {
        assert_eq!(report[list], json!([]), "{list}");
    }
    assert!(!stage.state_dir().exists(), "printing leaves nothing behind");
    assert_eq!((stage.hub.calls().len(), stage.mutation_lines().len()), (0, 0));
}

#[test]
fn a_report_about_a_node_that_is_down_is_still_printed() {
    let stage = Stage::new(|_| {});
    stage.node.go_down();
    let ended = stage.run(&["report"]);
    let report = ended.json(75);
    assert_eq!((report.get("host"), &report["complete"]), (None, &json!(false)));
    ended.expect(75, &["felhom-agent: host: "]);
}

#[test]
fn a_report_is_sent_or_the_exit_code_says_that_it_was_not() {
    let stage = Stage::new(|_| {});
    stage.run(&["report", "--send"]).expect(0, &["poll_interval_seconds"]);
    assert_eq!(stage.reports().len(), 1);
    for (action, code, part) in [
        (Action::status(500, "Internal Server Error"), 75, "it has trouble of its own"),
        (Action::status(401, "Unauthorized"), 77, "does not take hub.api_key"),
        (Action::redirect("http://127.0.0.1:9/elsewhere"), 1, "not followed"),
        (Action::Garble, 1, "not usable"),
        (Action::DropBefore, 75, "did not answer"),
        (Action::Delay { ms: 60_000 }, 75, "did not answer"),
    ] {
        stage.configure(|config| config["hub"]["timeout_seconds"] = json!(1));
        stage.hub.fault(Rule::new(action));
        stage.run(&["report", "--send"]).expect(code, &[part]);
        stage.hub.clear_faults();
    }
    stage.hub.go_down();
    stage.run(&["report", "--send"]).expect(75, &["did not answer", &stage.hub.url()]);
    stage.configure(|config| config["hub"] = json!({}));
    stage.run(&["report", "--send"]).expect(78, &["hub.url", "hub.api_key_file"]);
}

#[test]
fn config_check_names_every_fault_at_once_with_line_and_key() {
    let stage = Stage::new(|_| {});
    let text = r#"{
  "hub": {
    "url": "http://hub.example",
    "pol_seconds": 60,
    "api_key_file": "missing/key",
    "timeout_seconds": 0
  },
  "proxmox": {
    "token_id": "root",
    "pin_sha256": "12:34",
    "ca_file": "/ca.pem",
    "insecure": "yes"
  },
  "agents": {},
  "limits": { "power": 1.5 }
}"#;
    write(&stage.config_file(), text);
    let ended = stage.run(&["config", "check"]);
    for (line, key) in [
        (3, "hub.url"),
        (4, "hub.pol_seconds"),
        (5, "hub.api_key_file"),
        (6, "hub.timeout_seconds"),
        (9, "proxmox.token_id"),
        (10, "proxmox.pin_sha256"),
        (12, "proxmox.insecure"),
        (14, "agents"),
        (15, "limits.power"),
    ] {
        ended.expect(78, &[&format!("agent.json:{line}: {key}: ")]);
    }
    ended.expect(78, &["proxmox.token_secret_file: missing"]);
    for command in ["config show", "daemon", "plan", "report", "selftest"] {
        let again = stage.run(&words(command));
        assert_eq!((again.code, again.stdout.as_str()), (Some(78), ""), "{command}: {again:?}");
        assert!(
            again.stderr.contains("agent.json:4: hub.pol_seconds: unknown setting"),
            "{command}: {again:?}"
        );
    }
    assert_eq!(stage.run(&["daemon"]).stderr, ended.stderr, "the daemon names the same");

    stage.configure(|config| {
        config["hub"]["api_key_file"] = json!("/nowhere/key");
        config["desired"] = json!({"source": "hub"});
    });
    let ended = stage.run(&["config", "check"]);
    assert!(
        !ended.expect(78, &["/nowhere/key"]).stderr.contains("desired.source"),
        "one fault is one fault: {ended:?}"
    );
    stage.configure(|_| {});
    stage.run(&["config", "check"]).expect(0, &["in order"]);
    stage
        .run(&["config", "check", "--set", "agent.reconcile_seconds=0"])
        .expect(78, &["--set: agent.reconcile_seconds"]);
    fs::remove_file(stage.config_file()).expect("it was there");
    stage.run(&["config", "check"]).expect(78, &["cannot read the configuration", "agent.json"]);
}

#[test]
fn config_check_looks_into_the_files_that_are_named_and_makes_nothing() {
    let stage = Stage::new(|_| {});
    stage.run(&["config", "check"]).expect(0, &[]);
    assert!(!stage.state_dir().exists());
    let no_certificate = stage.write("ca.pem", "this is no certificate");
    stage.configure(|config| {
        for (section, file) in [("proxmox", json!(no_certificate)), ("hub", json!("/nowhere/ca.pem"))] {
            config[section].as_object_mut().expect("an object").remove("pin_sha256");
            config[section]["ca_file"] = file;
        }
    });
    stage.run(&["config", "check"]).expect(78, &["proxmox: ", "ca.pem", "hub: ", "/nowhere/ca.pem"]);
    assert!(stage.node.calls().is_empty() && stage.hub.calls().is_empty(), "nobody was asked");
}

#[test]
fn what_journald_reads_carries_the_level_in_front_of_each_line() {
    let stage = Stage::new(|_| {});
    // The first daemon's standard error, which journald would have made.
    let stderr = fs::metadata(stage.write("said-1", "")).expect("it was written");
    let mut command = stage.command(&["daemon"]);
    command.env("JOURNAL_STREAM", format!("{}:{}", stderr.dev(), stderr.ino()));
    let daemon = stage.start(command);
    daemon.says("host host-1");
    let said = daemon.stop();
    assert!(said.lines().all(|line| line.starts_with("<6>") || line.starts_with("<4>")), "{said}");
}

#[test]
fn config_show_tells_where_each_value_comes_from_and_no_secret() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| {
        config["proxmox"].as_object_mut().expect("an object").remove("token_secret_file");
        config["proxmox"]["token_secret"] = json!(stage.node.token().1);
    });
    let show = |more: &[&str]| {
        let mut command = stage.command(&["config", "show", "--set", "agent.log=debug"]);
        Ended::of(
            command
                .args(more)
                .env("FELHOM_AGENT_HUB_API_KEY", HUB_KEY)
                .env("FELHOM_AGENT_HUB_POLL_SECONDS", "120"),
        )
    };
    let text = show(&[]);
    text.expect(0, &["agent.json:", "FELHOM_AGENT_HUB_API_KEY", "--set", "default", "chmod 0600"]);
    assert_eq!(text.stdout.matches("[redacted]").count(), 2, "{text:?}");
    let shown = show(&["--json"]);
    let row =
        shown.json(0).as_array().expect("a list").iter().find(|row| row["name"] == "hub.api_key").cloned();
    assert_eq!(row.expect("it is shown")["value"], json!("[redacted]"));
    for secret in [HUB_KEY, stage.node.token().1] {
        assert!(!format!("{text:?}{shown:?}").contains(secret));
    }
}

#[test]
fn believing_any_certificate_is_warned_about_by_every_command() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| {
        config["proxmox"].as_object_mut().expect("an object").remove("pin_sha256");
        config["proxmox"]["insecure"] = json!(true);
    });
    stage.desire(1, &json!([]));
    for command in ["config check", "config show", "plan", "report", "selftest"] {
        assert!(
            stage.run(&words(command)).expect(0, &[]).stderr.contains("proxmox.insecure is set"),
            "{command}"
        );
    }
    let daemon = stage.daemon();
    daemon.says("proxmox.insecure is set");
    daemon.stop();
}

#[test]
fn a_secret_file_that_others_can_read_is_refused_by_every_command_that_needs_it() {
    let stage = Stage::new(|_| {});
    let path = stage.path("token");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("it is ours");
    let named = path.to_str().expect("a path of ours");
    for command in ["daemon", "plan", "report", "selftest", "config check"] {
        stage.run(&words(command)).expect(78, &[named, "chmod 0600", "proxmox.token_secret_file"]);
    }
    assert_eq!(stage.node.calls().len(), 0);
}

#[test]
fn the_pin_of_a_file_is_the_pin_of_what_the_server_shows() {
    let stage = Stage::new(|_| {});
    let file = stage.write("node.pem", &stage.node.cert_pem());
    let of_file = stage.run(&["pin", file.to_str().expect("a path of ours")]);
    let of_url = stage.run(&["pin", &stage.node.url()]);
    assert_eq!((of_file.code, of_url.code), (Some(0), Some(0)), "{of_file:?} {of_url:?}");
    assert_eq!(of_file.stdout, of_url.stdout);
    assert_eq!(of_file.stderr, "");
    of_url.expect(0, &["compare it"]);
    let plain = of_file.stdout.trim().replace(':', "").to_lowercase();
    assert_eq!(plain, stage.node.pin_hex().replace(':', "").to_lowercase());
    stage.configure(|config| config["proxmox"]["pin_sha256"] = json!(of_file.stdout.trim()));
    stage.run(&["config", "check"]).expect(0, &[]);
    assert!(stage.node.calls().iter().all(|call| call.caller.is_none()), "the token was shown to nobody");

    stage.run(&["pin", "nowhere.pem"]).expect(78, &["nowhere.pem"]);
    let no_certificate = stage.write("empty.pem", "nothing here");
    assert_ne!(stage.run(&["pin", no_certificate.to_str().expect("a path of ours")]).code, Some(0));
    stage.node.go_down();
    stage.run(&["pin", &stage.node.url()]).expect(75, &[&stage.node.url()]);
}

/// Runs a command whose reader goes away before it prints.
fn into_a_closed_pipe(command: &mut Command) -> Ended {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the agent starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ended { code: output.status.code(), stdout: String::new(), stderr }
}

#[test]
fn a_reader_that_goes_away_is_no_failure_and_no_panic() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &drifted());
    for (line, code) in [
        ("--help", 0),
        ("config show", 0),
        ("config show --json", 0),
        ("plan", 0),
        ("plan --exit-code --json", 3),
        ("report", 0),
        ("selftest", 0),
        ("version", 0),
    ] {
        let ended = into_a_closed_pipe(&mut stage.command(&words(line)));
        assert_eq!(ended.code, Some(code), "{line}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{line}: {ended:?}");
    }
    // Nobody hears the complaint either.
    let line = format!("exec {} plan --jsn 2>&-", env!("CARGO_BIN_EXE_felhom-agent"));
    assert_eq!(Ended::of(program("/bin/sh").arg("-c").arg(line)).code, Some(2));
}

#[test]
fn an_answer_that_could_not_be_written_is_not_taken_for_success() {
    let stage = Stage::new(|_| {});
    let mut command = stage.command(&["config", "show"]);
    let full = File::options().write(true).open("/dev/full").expect("Linux has it");
    let status = command.stdout(full).stderr(Stdio::null()).status().expect("the agent starts");
    assert_eq!(status.code(), Some(74));
}

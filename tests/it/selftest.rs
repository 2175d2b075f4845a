//! The selftest as an operator sees it: what it finds, what it advises, and what it leaves behind, which is nothing.

use felhom_sim::node::Clock;
use felhom_sim::server::TlsChoice;
use serde_json::{Value, json};

use crate::cli::words;
use crate::stage::{Stage, lxc};

/// A stage with an auditor's token instead of one that may everything.
fn auditor(config: &mut Value, stage: &Stage) {
    config["proxmox"]["token_id"] = json!("agent@pve!full");
    config["proxmox"]["token_secret_file"] =
        json!(stage.secret("auditor", "33333333-3333-4333-8333-333333333333"));
}

#[test]
fn selftest_finds_everything_in_order_and_changes_nothing() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &json!([lxc(101, json!({"run_state": "running"}))]));
    for arguments in [["selftest"], ["--selftest"]] {
        let ended = stage.run(&arguments);
        ended.expect(
            0,
            &["Proxmox VE 9.2", "the certificate has the configured pin", "the node is pve", " 0 failed"],
        );
        ended.expect(0, &["generation 1 names 1 guests", &format!("{} answers", stage.hub.url())]);
    }
    let findings = stage.run(&["selftest", "--json"]).json(0);
    let checks: Vec<&str> =
        findings.as_array().expect("a list").iter().filter_map(|finding| finding["check"].as_str()).collect();
    for check in
        ["state", "reach", "tls", "node", "privileges", "clock", "guests", "storage", "desired", "hub"]
    {
        assert!(checks.contains(&check), "{check} is missing in {checks:?}");
    }
    assert_eq!(stage.mutation_lines(), [""; 0]);
    assert!(stage.hub.calls().iter().all(|call| call.method == "GET"));
    assert!(!stage.state_dir().exists());
}

#[test]
fn selftest_of_a_wrong_pin_names_the_configured_one_and_the_real_one() {
    let stage = Stage::new(|_| {});
    let before = stage.node.pin_hex();
    stage.node.rotate_certificate(TlsChoice::SelfSigned);
    let pins =
        stage.run(&["selftest"]).expect(1, &["felhom-agent pin"]).stdout.replace(':', "").to_lowercase();
    for pin in [before, stage.node.pin_hex()] {
        assert!(pins.contains(&pin.replace(':', "").to_lowercase()), "{pin} is missing in {pins}");
    }
    assert_eq!(stage.node.calls().len(), 0, "the token was shown to nobody");
}

#[test]
fn selftest_of_a_wrong_secret_says_so_and_skips_what_needs_it() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| {
        config["proxmox"]["token_secret_file"] = json!(stage.secret("wrong", "11111111"))
    });
    stage.run(&["selftest"]).expect(
        1,
        &[
            "FAILED   reach",
            "does not accept the token",
            "pveum",
            "skipped  node",
            "skipped  privileges",
            "ok       hub",
        ],
    );
}

#[test]
fn selftest_names_each_missing_privilege_with_its_path_and_the_line_that_grants_it() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| auditor(config, &stage));
    stage.desire(1, &json!([lxc(100, json!({"run_state": "running", "cores": 2, "name": "web"}))]));
    let ended = stage.run(&["selftest"]);
    for privilege in ["VM.PowerMgmt", "VM.Config.CPU", "VM.Config.Network"] {
        ended.expect(1, &[&format!("lacks {privilege} on /vms/100")]);
    }
    ended.expect(
        1,
        &["pveum acl modify /vms/100 --users 'agent@pve' --tokens 'agent@pve!full'", "pveum role add"],
    );
    assert!(!ended.stdout.contains("lacks VM.Audit"), "{}", ended.stdout);
}

#[test]
fn selftest_notices_a_clock_that_is_wrong() {
    let stage = Stage::new(|world| world.clock = Clock::Manual { unix_ms: 1_700_000_000_000 });
    stage.run(&["selftest"]).expect(1, &["FAILED   clock", "2023-11-14", "timedatectl"]);
}

#[test]
fn selftest_hub_needs_no_node_and_says_what_is_wrong_with_the_hub() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| config["proxmox"] = json!({}));
    for arguments in [vec!["selftest", "hub"], vec!["--selftest=hub"]] {
        stage.run(&arguments).expect(0, &["answers, and has no desired state for host-1"]);
    }
    stage.configure(|config| config["hub"]["api_key_file"] = json!(stage.secret("wrong", "another-key")));
    stage.run(&["selftest", "hub"]).expect(1, &["401", "hub.api_key"]);
    stage.configure(|config| config["hub"]["pin_sha256"] = json!("00".repeat(32)));
    let found = stage.run(&["selftest", "hub"]).expect(1, &["pin"]).stdout.replace(':', "").to_lowercase();
    let real = stage.hub.identity().expect("it speaks TLS").pin_hex().replace(':', "").to_lowercase();
    assert!(found.contains(&real) && found.contains(&"00".repeat(32)), "{found}");
    stage.configure(|_| {});
    stage.hub.go_down();
    stage.run(&["selftest", "hub"]).expect(1, &["hub.url"]);
    assert_eq!(stage.node.calls().len(), 0);
}

/// What must be as before: the whole configuration file with its snapshots, and whether it runs.
fn guest_101(stage: &Stage) -> (String, bool) {
    stage.node.world(|world| {
        let guest = world.guest_mut(101);
        (guest.file.clone(), guest.running.is_some())
    })
}

#[test]
fn selftest_task_leaves_the_guest_as_it_was() {
    for description in [None, Some("three\nlines: 100%\näöü\n")] {
        let stage = Stage::new(|world| {
            let guest = world.guest_mut(101);
            let mut config = guest.config();
            config.main.description = description.map(str::to_owned);
            guest.save(&config);
        });
        let before = guest_101(&stage);
        for arguments in ["selftest task --vmid 101", "--selftest=task --vmid 101"] {
            stage.run(&words(arguments)).expect(0, &["snapshot", "description", " 0 failed"]);
            assert_eq!(guest_101(&stage), before);
        }
        let lines = stage.mutation_lines();
        assert!(lines.iter().all(|line| line.contains("/lxc/101/")), "{lines:?}");
        assert!(
            lines.iter().any(|line| line.starts_with("DELETE") && line.contains("/snapshot/")),
            "{lines:?}"
        );
    }
}

#[test]
fn selftest_task_refuses_a_locked_guest_a_missing_one_and_a_token_that_may_not() {
    let stage = Stage::new(|_| {});
    stage.run(&words("selftest task --vmid 107")).expect(1, &["lxc/107 is locked (backup)"]);
    stage.run(&words("selftest task --vmid 4711")).expect(1, &["no guest 4711"]);
    stage.configure(|config| auditor(config, &stage));
    stage
        .run(&words("selftest task --vmid 100"))
        .expect(1, &["lacks VM.Snapshot on /vms/100", "lacks VM.Config.Options on /vms/100", "pveum"]);
    assert_eq!(stage.mutation_lines(), [""; 0]);
}

#[test]
fn selftest_task_says_what_failed_and_still_puts_everything_back() {
    let stage = Stage::new(|world| {
        world
            .faults
            .failing_types
            .insert("vzsnapshot".to_owned(), "snapshot feature is not available".to_owned());
    });
    let before = guest_101(&stage);
    stage.run(&words("selftest task --vmid 101")).expect(1, &["snapshot feature is not available"]);
    assert_eq!(guest_101(&stage), before);
}

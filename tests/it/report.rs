//! The report and the reporter: what is in it, what is missing in it when something fails, and that it goes all the same.

use std::collections::BTreeSet;
use std::time::Duration;

use felhom_agent::http::Trust;
use felhom_agent::pve::Connection;
use felhom_agent::reporter::{Collector, Source};
use felhom_agent::secret::Secret;
use felhom_sim::node::World;
use felhom_sim::server::{Action, Rule};
use serde_json::{Value, json};

use crate::schema::Schema;
use crate::stage::{HOST_ID, HUB_KEY, Stage, lxc};

fn guest(report: &Value, vmid: u64) -> &Value {
    let guests = report["guests"].as_array().expect("a list");
    guests.iter().find(|guest| guest["vmid"] == vmid).unwrap_or_else(|| panic!("no guest {vmid}: {report}"))
}

fn parts(report: &Value) -> Vec<&str> {
    let problems = report["problems"].as_array().expect("a list").iter();
    problems.map(|problem| problem["part"].as_str().expect("a text")).collect()
}

fn check_schema(report: &Value) {
    assert_eq!(Schema::host_report().faults(report), Vec::<String>::new());
}

#[test]
fn a_report_of_the_recorded_node_is_complete_and_fits_its_schema() {
    let stage = Stage::new(|_| {});
    let report = stage.run(&["report"]).json(0);
    check_schema(&report);
    assert_eq!(
        (&report["complete"], &report["host_id"], &report["node"]),
        (&json!(true), &json!(HOST_ID), &json!("pve"))
    );
    assert_eq!(report["host"]["pve_version"], "9.2.11");
    assert_eq!(report["guests"].as_array().map(Vec::len), Some(10));
    assert_eq!(guest(&report, 107)["lock"], "backup");
    assert_eq!(guest(&report, 104)["template"], true);
    assert_eq!(guest(&report, 200)["type"], "qemu");
    assert_eq!(guest(&report, 101)["spec"]["memory_mb"], 128);
    assert!(report["storage_targets"].as_array().is_some_and(|targets| targets.len() == 3), "{report}");
    let privileges = report["privileges"]["api"].as_array().expect("a list");
    assert!(privileges.contains(&json!("VM.Audit")));
    assert_eq!(stage.reports().len(), 0, "printing is not sending");
}

#[test]
fn a_report_is_sent_when_it_is_asked_for_and_the_hub_s_answer_is_printed() {
    let stage = Stage::new(|_| {});
    let ended = stage.run(&["report", "--send"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let reports = stage.reports();
    assert_eq!(reports.len(), 1);
    check_schema(&reports[0]);
    assert!(ended.stdout.contains("poll_interval_seconds"), "{}", ended.stdout);
}

#[test]
fn one_guest_whose_configuration_cannot_be_read_is_unknown_and_all_others_are_told() {
    let stage = Stage::new(|_| {});
    stage.node.fault(Rule::new(Action::status(500, "cannot read it")).path("/lxc/101/pending"));
    let report = stage.run(&["report"]).json(0);
    check_schema(&report);
    assert_eq!((&report["complete"], parts(&report)), (&json!(false), vec!["guest:101"]));
    let unknown = guest(&report, 101);
    assert_eq!(
        (&unknown["status"], &unknown["name"], unknown.get("spec")),
        (&json!("unknown"), &json!("db"), None)
    );
    assert_eq!(guest(&report, 105)["status"], "running");
    assert!(guest(&report, 105).get("spec").is_some());
}

#[test]
fn each_part_fails_alone() {
    for (path, part, still) in [
        ("/nodes/pve/status", "host", "guests"),
        ("/nodes/pve/qemu", "guests:qemu", "storage_targets"),
        ("/nodes/pve/storage", "storage", "guests"),
        ("/access/permissions", "privileges", "guests"),
        ("/nodes/pve/time", "clock", "guests"),
        ("/cluster/resources", "ha", "guests"),
    ] {
        let stage = Stage::new(|_| {});
        stage.node.fault(Rule::new(Action::status(500, "no")).path(path));
        let ended = stage.run(&["report"]);
        let report = ended.json(0);
        check_schema(&report);
        assert!(parts(&report).contains(&part), "{path}: {:?}", parts(&report));
        assert!(report["host"].is_object(), "the node answers, so there is a host");
        assert!(
            report[still].as_array().is_some_and(|list| !list.is_empty()),
            "{path}: {still} is told all the same"
        );
        assert_eq!(ended.code, Some(0));
    }
}

#[test]
fn a_storage_whose_contents_cannot_be_listed_is_a_problem_and_the_others_are_told() {
    let stage = Stage::new(|_| {});
    stage.node.fault(Rule::new(Action::status(500, "stale file handle")).path("/storage/store/content"));
    let report = stage.run(&["report"]).json(0);
    check_schema(&report);
    assert_eq!(parts(&report), ["storage:store"]);
    assert!(report["storage_targets"].as_array().is_some_and(|targets| targets.len() == 3));
}

#[test]
fn each_backup_that_a_storage_holds_is_told() {
    let stage = Stage::new(|world| *world = World::demo());
    let report = stage.run(&["report"]).json(0);
    check_schema(&report);
    let backup = &report["backups"][0];
    assert_eq!(
        (&backup["type"], &backup["vmid"], &backup["verified"]),
        (&json!("lxc"), &json!(101), &json!("none"))
    );
    assert!(backup["ctime_unix"].is_u64() && backup["size"].is_u64(), "{backup}");
}

#[test]
fn a_node_that_does_not_answer_leaves_out_the_host_and_the_report_goes() {
    let stage = Stage::new(|_| {});
    stage.node.go_down();
    let ended = stage.run(&["report", "--send"]);
    assert_eq!(ended.code, Some(75), "{ended:?}");
    let reports = stage.reports();
    assert_eq!(reports.len(), 1);
    check_schema(&reports[0]);
    assert_eq!((reports[0].get("host"), &reports[0]["complete"]), (None, &json!(false)));
    assert!(parts(&reports[0]).contains(&"host"));
    assert_eq!(reports[0]["guests"], json!([]), "nothing is known, and nothing is said of it");
}

#[test]
fn a_node_that_is_silent_does_not_hold_the_heartbeat_up() {
    let stage = Stage::new(|_| {});
    // Longer than any deadline of ours: the report must not have waited for it.
    stage.node.fault(Rule::new(Action::Delay { ms: 45_000 }).path("/nodes/pve/storage"));
    let daemon = stage.daemon();
    daemon.until("a report without storages arrives", || !stage.reports().is_empty());
    let report = &stage.reports()[0];
    check_schema(report);
    assert!(
        report["host"].is_object() && !report["guests"].as_array().expect("a list").is_empty(),
        "{report}"
    );
    assert!(parts(report).contains(&"storage"), "{:?}", parts(report));
    daemon.stop();
}

#[test]
fn a_token_that_sees_nothing_reports_that_and_not_that_nothing_is_there() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| {
        config["proxmox"]["token_id"] = json!("agent@pve!none");
        config["proxmox"]["token_secret_file"] =
            json!(stage.secret("none", "55555555-5555-4555-8555-555555555555"));
    });
    let report = stage.run(&["report"]).json(0);
    check_schema(&report);
    assert_eq!(report["privileges"]["api"], json!([]));
    assert_eq!(report["complete"], false, "{report}");
}

#[test]
fn the_daemon_reports_with_control_s_word_on_each_guest() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &json!([lxc(100, json!({"cores": 2}))]));
    let daemon = stage.daemon();
    daemon.until("a report arrives", || !stage.reports().is_empty());
    let said = daemon.stop();
    let report = &stage.reports()[0];
    check_schema(report);
    assert_eq!((&report["seq"], &report["complete"]), (&json!(1), &json!(true)), "{report}");
    assert_eq!(guest(report, 101)["managed"], false);
    assert!(report["conditions"].as_array().is_some_and(|conditions| !conditions.is_empty()));
    assert!(said.contains("host host-1") && said.contains(&stage.hub.url()), "{}", said);
}

#[test]
fn a_hub_that_fails_is_tried_again_and_its_first_answer_is_adopted() {
    let stage = Stage::new(|_| {});
    stage.hub.fault(Rule::new(Action::status(500, "no")).path("/report").once());
    let daemon = stage.daemon();
    daemon.until("the second report arrives", || !stage.reports().is_empty());
    daemon
        .until("the interval is adopted", || daemon.said().contains("the hub asks for a report every 300 s"));
    let said = daemon.stop();
    assert!(said.contains("report 1 did not arrive: the hub answered 500"), "{}", said);
    assert!(said.contains("report 2 arrived"), "{}", said);
}

#[test]
fn a_storage_s_contents_are_not_listed_again_so_soon_and_one_connection_is_kept_for_each_reader() {
    let stage = Stage::new(|_| {});
    let connection = Connection {
        url: stage.node.url(),
        node: None,
        token_id: "root@pam!agent".to_owned(),
        token_secret: Secret::new(stage.node.token().1.to_owned()),
        trust: Trust::Pin(stage.node.pin()),
        timeout: Duration::from_secs(5),
    };
    let source = Source { host_id: HOST_ID.to_owned(), connection, cloudflared: None };
    let mut collector = Collector::start(source).expect("threads can be started");
    let reports: Vec<_> = (0..3).map(|_| collector.collect(None)).collect();
    assert_eq!(reports.iter().map(|report| report.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(reports[0].backups, reports[2].backups);
    let calls = stage.node.calls();
    let contents = calls.iter().filter(|call| call.path.ends_with("/content")).count();
    let with_backups = calls
        .iter()
        .filter(|call| call.path.ends_with("/content"))
        .map(|call| &call.path)
        .collect::<BTreeSet<_>>();
    assert_eq!(contents, with_backups.len(), "each storage once in three reports");
    let connections: BTreeSet<u64> = calls.iter().map(|call| call.connection).collect();
    assert_eq!(connections.len(), 2, "one for the node's part, one for the storages'");
    let per_report = calls.len() / 3;
    assert!(per_report <= 10 + 9, "10 guests and {per_report} calls");
}

#[test]
fn whatever_ails_the_hub_guests_are_converged() {
    let elsewhere = vec![("Location".to_owned(), "https://elsewhere.example/".to_owned())];
    let redirect =
        Action::Status { status: 307, reason: "X".to_owned(), body: None, headers: elsewhere, after: false };
    for (action, said) in [
        (Action::status(500, "no"), "the hub answered 500"),
        (redirect, "points to elsewhere.example, which is not followed"),
        (Action::Endless, "is not usable"),
        (Action::Garble, "is not usable"),
        (Action::Drip { ms: 500 }, "did not arrive"),
        (Action::DropBefore, "the hub did not answer"),
        (Action::Delay { ms: 60_000 }, "the hub did not answer"),
    ] {
        let stage = Stage::new(|_| {});
        stage.configure(|config| config["hub"]["timeout_seconds"] = json!(2));
        stage.desire(1, &json!([lxc(100, json!({"cores": 2}))]));
        stage.hub.fault(Rule::new(action.clone()));
        let daemon = stage.daemon();
        let has_cores = || stage.node.world(|world| world.guests[&100].file.contains("cores: 2"));
        daemon.until("the guest is converged", has_cores);
        daemon.until("the hub's fault is told", || daemon.said().contains(said));
        daemon.stop();
    }
}

#[test]
fn cloudflared_is_as_its_ready_endpoint_says() {
    use crate::scripted::{Answer, Scripted};
    for (answer, status, connections, problem) in [
        (Answer::http("200 OK", "", r#"{"status":200,"readyConnections":4}"#), "active", json!(4), false),
        (Answer::http("503 X", "", r#"{"status":503,"readyConnections":0}"#), "inactive", json!(0), false),
        (Answer::http("200 OK", "", "<html>"), "unknown", Value::Null, true),
        (Answer::Close, "unknown", Value::Null, true),
    ] {
        let stage = Stage::new(|_| {});
        let cloudflared = Scripted::new(answer);
        stage.configure(|config| config["cloudflared"] = json!({"ready_url": cloudflared.url()}));
        let report = stage.run(&["report"]).json(0);
        check_schema(&report);
        assert_eq!(
            (&report["cloudflared"]["status"], &report["cloudflared"]["ready_connections"]),
            (&json!(status), &connections)
        );
        assert_eq!(parts(&report).contains(&"cloudflared"), problem);
        assert!(cloudflared.requests()[0].starts_with("GET /ready "));
        assert!(!cloudflared.requests()[0].contains(HUB_KEY));
    }
}

#[test]
fn the_actual_state_is_put_beside_the_report_also_over_an_older_one() {
    for there in [None, Some(json!({"left": "by an earlier run"}))] {
        let stage = Stage::new(|_| {});
        stage.desire(1, &json!([lxc(100, json!({"cores": 2}))]));
        stage.hub.board(|board| {
            let host = board.host(HOST_ID);
            host.revision = u64::from(there.is_some());
            host.actual = there;
        });
        let daemon = stage.daemon();
        let actual = || stage.hub.board(|board| board.host(HOST_ID).actual.clone()).unwrap_or(Value::Null);
        daemon.until("the actual state is at the hub", || actual()["host_id"] == HOST_ID);
        let said = daemon.stop();
        assert_eq!(Schema::agent_status().faults(&actual()), Vec::<String>::new());
        assert!(!said.contains("was not put"), "{}", said);
    }
}

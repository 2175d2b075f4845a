//! Signed operations that somebody brings to the machine himself.

use std::path::Path;

use felhom_agent::model::time::Timestamp;
use felhom_sim::sign::Order;
use serde_json::{Value, json};

use super::{Answer, get, post, settled};
use crate::schema::Schema;
use crate::stage::consent::People;
use crate::stage::{Daemon, Stage};

/// A settled daemon that trusts these people.
fn trusting() -> (Stage, Daemon, People) {
    let (stage, daemon) = settled();
    daemon.stop();
    let people = People::new();
    stage.trust(&people);
    let daemon = stage.daemon();
    daemon.until("it has looked", || super::looks(&stage) > 0);
    (stage, daemon, people)
}

/// A hard stop of 101, issued as early as this host accepts one.
fn stop_101(stage: &Stage) -> Order {
    let order = stage.order_about("guest.stop_hard", "operator", 101, &["stop-hard"]);
    let floor = get(stage, "/v1/status").json()["local"]["ops"]["floor"].as_str().map(Timestamp::parse);
    let issued = floor.unwrap().unwrap().unix().max(order.0["iat"].as_u64().unwrap()) + 1;
    order.set("iat", json!(issued)).set("nbf", json!(issued)).set("exp", json!(issued + 600))
}

/// Brings it until it is not too early any more.
fn bring(stage: &Stage, daemon: &Daemon, envelope: &str) -> Answer {
    let mut answer = None;
    daemon.until("it is not too early", || {
        let got = post(stage, "/v1/ops", envelope.as_bytes());
        let is_early = got.body.contains("NotYetValid");
        answer = Some(got);
        !is_early
    });
    answer.unwrap()
}

#[test]
fn an_operation_is_taken_once_and_followed_to_its_end() {
    let (stage, daemon, people) = trusting();
    let order = stop_101(&stage);
    let envelope = order.signed(&[&people.otto]).text();
    let taken = bring(&stage, &daemon, &envelope);
    assert_eq!(taken.status, 202, "{taken:?}");
    assert_eq!(Schema::op().faults(&taken.json()), Vec::<String>::new());
    assert_eq!((&taken.json()["op_id"], &taken.json()["via"]), (&json!(order.op_id()), &json!("socket")));

    let again = post(&stage, "/v1/ops", envelope.as_bytes());
    assert_eq!((again.status, &again.json()["op_id"]), (200, &json!(order.op_id())), "it is known");
    let told = || get(&stage, &format!("/v1/ops/{}", order.op_id())).json();
    daemon.until("its end", || told()["state"] == json!("ended"));
    assert_eq!(Schema::op().faults(&told()), Vec::<String>::new());
    assert_eq!(told()["end"]["result"], json!("done"), "{}", told());
    assert!(!stage.runs(101));
    let stops =
        || stage.mutation_lines().iter().filter(|line| line.ends_with("/lxc/101/status/stop")).count();
    assert_eq!(stops(), 1);
    assert_eq!(post(&stage, "/v1/ops", envelope.as_bytes()).json()["end"]["result"], json!("done"));
    assert_eq!(stops(), 1, "{:?}", stage.mutation_lines());
    assert!(get(&stage, "/metrics").body.contains("\nfelhom_agent_ops_ended{result=\"done\"} 1\n"));
    daemon.stop();
}

#[test]
fn what_is_no_operation_of_somebody_trusted_is_refused_with_its_code_and_changes_nothing() {
    let (stage, daemon, people) = trusting();
    let order = stop_101(&stage);
    let stranger = felhom_sim::sign::Key::named("mallory", &["custodian"]);
    let mut forged = order.signed(&[&people.otto]);
    forged.signatures = order.clone().set("note", json!("another")).signed(&[&people.otto]).signatures;
    let before = stage.mutation_lines();
    for (envelope, status, code) in [
        (String::new(), 400, "EnvelopeSyntax"),
        ("{}".to_owned(), 400, "EnvelopeField"),
        (order.signed(&[&stranger]).text(), 422, "UnknownKey"),
        (forged.text(), 422, "BadSignature"),
        (order.signed(&[&people.sven]).text(), 422, "RoleNotHeld"),
        ("x".repeat(64 * 1024 + 1), 413, "TooLarge"),
    ] {
        let refused = post(&stage, "/v1/ops", envelope.as_bytes());
        assert_eq!((refused.status, refused.error()), (status, code), "{refused:?}");
    }
    assert_eq!(get(&stage, &format!("/v1/ops/{}", order.op_id())).status, 404);
    let codes: Vec<Value> = stage.journal_of("reject").iter().map(|record| record["code"].clone()).collect();
    assert!(codes.contains(&json!("BadSignature")) && codes.contains(&json!("TooLarge")), "{codes:?}");
    assert_eq!(stage.journal_of("accept"), Vec::<Value>::new());
    assert_eq!(stage.mutation_lines(), before);
    daemon.stop();
}

#[test]
fn a_person_on_the_node_submits_and_follows_with_the_command() {
    let (stage, daemon, people) = trusting();
    let order = stop_101(&stage);
    stage.write("signed.json", &order.signed(&[&people.otto]).text());
    daemon.until("it is not too early", || {
        let ended = stage.run(&["op", "submit", "signed.json"]);
        assert!(ended.code == Some(0) || ended.stderr.contains("NotYetValid"), "{ended:?}");
        ended.code == Some(0)
    });
    let id = order.op_id();
    daemon.until("its end", || stage.run(&["op", "status", &id]).stdout.contains("ended"));
    stage.run(&["op", "status", &id]).expect(0, &["guest.stop_hard", "lxc/101", "done"]);
    assert!(Path::new(&stage.socket()).exists());
    daemon.stop();
}

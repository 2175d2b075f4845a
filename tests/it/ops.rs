//! Signed operations in the running agent: brought by the hub or the socket, judged once, carried out at most once, and told of
//! until the hub has heard how they ended.

use std::sync::OnceLock;

use felhom_agent::consent::{ident, state_sha256};
use felhom_agent::http::Trust;
use felhom_agent::model::guest::{GuestId, GuestKind, Vmid};
use felhom_agent::model::time::Timestamp;
use felhom_agent::secret::Secret;
use felhom_agent::{observe, pve};
use felhom_sim::node::World;
use felhom_sim::server::{Action, Rule};
use felhom_sim::sign::{self, Key, Order};
use serde_json::{Value, json};

use crate::stage::consent::People;
use crate::stage::{Daemon, Stage, lxc};

const STOP_101: &str = "POST /nodes/pve/lxc/101/status/stop";

fn people() -> &'static People {
    static PEOPLE: OnceLock<People> = OnceLock::new();
    PEOPLE.get_or_init(People::new)
}

/// A stage whose people are trusted, with these settings of signed operations beside the usual.
fn stage_with(arrange: impl FnOnce(&mut World), ops: Value) -> Stage {
    let stage = Stage::new(arrange);
    stage.install_keyring(&sign::keyring(1, 1, &people().all()));
    configure(&stage, &ops);
    stage.desire(
        1,
        &json!([lxc(101, json!({})), lxc(105, json!({})), lxc(102, json!({"data_bearing": false}))]),
    );
    stage
}

fn stage() -> Stage {
    stage_with(|_| {}, json!({}))
}

fn configure(stage: &Stage, ops: &Value) {
    stage.configure(|config| {
        stage.with_ops(config);
        config["ops"]["poll_seconds"] = json!(1);
        config["ops"]["lock_wait_seconds"] = json!(1);
        config["ops"]["kill_switch"] = json!(stage.path("KILL"));
        for (key, value) in ops.as_object().unwrap() {
            config["ops"][key] = value.clone();
        }
    });
}

/// An order about a container, bound to it as it is now.
fn about(stage: &Stage, kind: &str, role: &str, vmid: u32) -> Order {
    let guest = GuestId::new(GuestKind::Lxc, Vmid::new(vmid.into()).unwrap());
    let (token_id, secret) = stage.node.token();
    let client = pve::Client::new(&pve::Connection {
        url: stage.node.url(),
        node: Some("pve".to_owned()),
        token_id: token_id.to_owned(),
        token_secret: Secret::new(secret.to_owned()),
        trust: Trust::Pin(stage.node.pin()),
        timeout: std::time::Duration::from_secs(30),
    })
    .unwrap();
    let image = observe::image(&client, guest).unwrap();
    stage.order(kind, role).guest("lxc", vmid, &ident(&image), &state_sha256(&image))
}

fn stop(stage: &Stage, vmid: u32) -> Order {
    about(stage, "guest.stop_hard", "operator", vmid)
}

/// The order, issued right after what a new journal lets pass; waits until that is not too far ahead.
fn timed(stage: &Stage, daemon: &Daemon, order: Order) -> Order {
    let floor = || {
        let records = stage.journal_of("floor");
        let iat = records.last().and_then(|record| record["iat"].as_str().map(str::to_owned))?;
        Timestamp::parse(&iat).ok().map(Timestamp::unix)
    };
    daemon.until("the floor", || floor().is_some_and(|floor| floor < sign::now() + 300));
    let iat = floor().unwrap().max(sign::now()) + 1;
    order.set("iat", json!(iat)).set("nbf", json!(iat)).set("exp", json!(iat + 3_600))
}

fn offer(stage: &Stage, order: &Order, keys: &[&Key]) -> String {
    stage.offer_signed(&order.signed(keys));
    order.op_id()
}

/// Has the guest locked, so that an operation about it stays in its lane.
fn lock(stage: &Stage, vmid: u32, lock: Option<&str>) {
    stage.node.world(|world| {
        world.guest_mut(vmid).set_lock(lock);
    });
}

fn verdict(outcome: &Value) -> (&str, &str) {
    (outcome["result"].as_str().unwrap(), outcome["code"].as_str().unwrap())
}

/// A daemon that has looked at its guests.
fn ready(stage: &Stage) -> Daemon {
    let daemon = stage.daemon();
    daemon.says("(lxc/101) is in order");
    daemon
}

/// Lays an order to stop 101 before a daemon and gives what came of it.
fn stopped(stage: &Stage, daemon: &Daemon) -> Value {
    let op_id = offer(stage, &timed(stage, daemon, stop(stage, 101)), &[&people().otto]);
    stage.outcome(daemon, &op_id)
}

fn fetches(stage: &Stage) -> usize {
    stage.hub.calls().iter().filter(|call| call.line() == "GET /api/v1/hosts/host-1/signed-ops").count()
}

/// Waits until the hub was asked some more times.
fn fetched_again(stage: &Stage, daemon: &Daemon) {
    let before = fetches(stage);
    daemon.until("more looks for operations", || fetches(stage) >= before + 3);
}

#[test]
fn an_operation_is_carried_out_once_and_its_outcome_told_however_often_it_is_offered() {
    let stage = stage();
    let daemon = ready(&stage);
    let order = timed(&stage, &daemon, stop(&stage, 101));
    let op_id = offer(&stage, &order, &[&people().otto]);
    let outcome = stage.outcome(&daemon, &op_id);
    assert_eq!((&outcome["result"], &outcome["code"]), (&json!("done"), &json!("")), "{}", daemon.said());
    assert_eq!(crate::schema::Schema::op_outcome().faults(&outcome), Vec::<String>::new());
    assert!(outcome["upid"].as_str().unwrap().contains(":vzstop:101:"), "{outcome}");
    assert!(!stage.runs(101));
    fetched_again(&stage, &daemon);
    assert_eq!(stage.mutation_lines(), [STOP_101]);
    assert_eq!(stage.journal_of("accept").len(), 1);
    let posts = stage.hub.calls().iter().filter(|call| call.path.ends_with("/outcome")).count();
    assert_eq!(posts, 1, "acknowledged is acknowledged");

    // A hub that was set back to before it heard of the outcome.
    daemon.stop();
    stage.hub.board(|board| board.host(crate::stage::HOST_ID).outcomes.clear());
    let daemon = stage.daemon();
    assert_eq!(stage.outcome(&daemon, &op_id), outcome);
    assert_eq!(stage.mutation_lines(), [STOP_101]);
}

#[test]
fn another_operation_of_the_same_name_is_a_conflict_and_does_not_spoil_the_first_one_s_outcome() {
    let stage = stage();
    let daemon = ready(&stage);
    let order = timed(&stage, &daemon, stop(&stage, 101));
    let op_id = offer(&stage, &order, &[&people().otto]);
    stage.outcome(&daemon, &op_id);
    stage.withdraw();
    offer(&stage, &order.clone().set("note", json!("another")), &[&people().otto]);
    daemon.says("OpConflict");
    // Signed again by somebody else, over the same bytes: the same operation.
    offer(&stage, &order, &[&people().anna]);
    offer(&stage, &order.set("op_id", json!(sign::op_id())), &[&people().otto]);
    daemon.says("Replay");
    fetched_again(&stage, &daemon);
    assert_eq!(verdict(&stage.outcomes()[&op_id]), ("done", ""));
    assert_eq!(stage.mutation_lines(), [STOP_101]);
}

#[test]
fn two_who_bring_the_same_operation_at_once_get_one_execution() {
    let stage = stage();
    let daemon = ready(&stage);
    let order = timed(&stage, &daemon, stop(&stage, 101));
    let text = order.signed(&[&people().otto]).text();
    let path = stage.socket();
    let bring = || crate::socket::post_to(&path, "/v1/ops", text.as_bytes());
    let answers = std::thread::scope(|scope| {
        let both = [scope.spawn(bring), scope.spawn(bring)];
        both.map(|thread| thread.join().unwrap().status)
    });
    assert!(answers.contains(&202), "{answers:?}");
    assert_eq!(verdict(&stage.outcome(&daemon, &order.op_id())), ("done", ""));
    assert_eq!(stage.mutation_lines(), [STOP_101]);
    assert_eq!(stage.journal_of("accept").len(), 1);
}

#[test]
fn b12_a_key_that_is_revoked_while_its_operation_waits_ends_it_unissued() {
    let stage = stage_with(|_| {}, json!({"lock_wait_seconds": 600}));
    let daemon = ready(&stage);
    let order = timed(&stage, &daemon, stop(&stage, 101));
    lock(&stage, 101, Some("backup"));
    let op_id = offer(&stage, &order, &[&people().otto]);
    daemon.says("waits: Locked");
    let mut keyring = sign::keyring(1, 1, &people().all());
    for row in keyring["keys"].as_array_mut().unwrap() {
        row["revoked"] = json!(row["name"] == "otto");
    }
    stage.install_keyring(&keyring);
    assert_eq!(verdict(&stage.outcome(&daemon, &op_id)), ("rejected", "RevokedKey"));
    assert_eq!(stage.mutation_lines(), Vec::<String>::new());
}

#[test]
fn g08_a_lock_is_waited_for_and_then_the_operation_goes_on_or_ends() {
    let stage = stage_with(|_| {}, json!({"lock_wait_seconds": 600}));
    let daemon = ready(&stage);
    let order = timed(&stage, &daemon, stop(&stage, 101));
    lock(&stage, 101, Some("backup"));
    let op_id = offer(&stage, &order, &[&people().otto]);
    daemon.says("waits: Locked");
    assert_eq!(stage.mutation_lines(), Vec::<String>::new());
    lock(&stage, 101, None);
    assert_eq!(verdict(&stage.outcome(&daemon, &op_id)), ("done", ""));
    daemon.stop();

    configure(&stage, &json!({"lock_wait_seconds": 1}));
    let daemon = stage.daemon();
    lock(&stage, 105, Some("backup"));
    let op_id = offer(&stage, &timed(&stage, &daemon, stop(&stage, 105)), &[&people().otto]);
    assert_eq!(verdict(&stage.outcome(&daemon, &op_id)), ("rejected", "Locked"));
    assert_eq!(stage.mutation_lines(), [STOP_101]);
}

#[test]
fn d09_one_operation_too_many_within_the_hour_is_not_carried_out() {
    let stage = stage_with(|_| {}, json!({"rate_per_hour": 1}));
    let daemon = ready(&stage);
    assert_eq!(verdict(&stopped(&stage, &daemon)), ("done", ""));
    let op_id = offer(&stage, &timed(&stage, &daemon, stop(&stage, 105)), &[&people().otto]);
    assert_eq!(verdict(&stage.outcome(&daemon, &op_id)), ("rejected", "RateLimited"));
    assert_eq!(stage.mutation_lines(), [STOP_101]);
    assert_eq!(stage.journal_of("accept").len(), 2, "it was accepted, and not run");
}

#[test]
fn d10_the_kill_switch_stops_operations_and_reconciling_alike_until_it_is_gone() {
    let stage = stage();
    let daemon = ready(&stage);
    let kill = stage.write("KILL", "");
    assert_eq!(verdict(&stopped(&stage, &daemon)), ("rejected", "KillSwitch"));
    stage.desire(2, &json!([lxc(101, json!({"cores": 2}))]));
    daemon.says("the kill switch");
    stage.looks(&daemon, 3);
    assert_eq!(stage.mutation_lines(), Vec::<String>::new());
    std::fs::remove_file(kill).unwrap();
    daemon.until("the change", || stage.key(101, "cores").as_deref() == Some("2"));
}

#[test]
fn d10_an_observing_agent_and_a_blocked_one_carry_nothing_out() {
    let stage = stage();
    stage.configure(|config| {
        config["agent"]["mode"] = json!("observe");
        stage.with_ops(config);
        config["ops"]["poll_seconds"] = json!(1);
    });
    stage.desire(1, &json!([lxc(101, json!({"cores": 2}))]));
    let daemon = stage.daemon();
    assert_eq!(verdict(&stopped(&stage, &daemon)), ("rejected", "KillSwitch"));
    daemon.says("agent.mode is observe");
    daemon.stop();

    configure(&stage, &json!({}));
    stage.desire(2, &json!([lxc(101, json!({}))]));
    stage.hub.board(|board| board.envelope["blocked"] = json!(true));
    let daemon = stage.daemon();
    daemon.says("condition Blocked is now True");
    assert_eq!(verdict(&stopped(&stage, &daemon)), ("rejected", "Blocked"));
    assert_eq!(stage.mutation_lines(), Vec::<String>::new());
}

#[test]
fn an_operation_accepted_before_a_crash_goes_on_after_it_and_is_carried_out_once() {
    let stage = stage_with(|_| {}, json!({"lock_wait_seconds": 600}));
    let daemon = ready(&stage);
    let order = timed(&stage, &daemon, stop(&stage, 101));
    lock(&stage, 101, Some("backup"));
    let op_id = offer(&stage, &order, &[&people().otto]);
    daemon.says("waits: Locked");
    daemon.crash();
    lock(&stage, 101, None);
    let daemon = stage.daemon();
    assert_eq!(verdict(&stage.outcome(&daemon, &op_id)), ("done", ""));
    fetched_again(&stage, &daemon);
    assert_eq!(stage.mutation_lines(), [STOP_101]);
    assert_eq!(stage.journal_of("accept").len(), 1);
}

#[test]
fn an_operation_that_is_not_valid_any_more_after_a_crash_ends_with_the_reason() {
    let stage = stage_with(|_| {}, json!({"lock_wait_seconds": 600}));
    let daemon = ready(&stage);
    let order = timed(&stage, &daemon, stop(&stage, 101));
    lock(&stage, 101, Some("backup"));
    let op_id = offer(&stage, &order, &[&people().otto]);
    daemon.says("waits: Locked");
    daemon.crash();
    lock(&stage, 101, None);
    let others = [&people().anna, &people().ruth];
    stage.install_keyring(&sign::keyring(1, 1, &others));
    let daemon = stage.daemon();
    assert_eq!(verdict(&stage.outcome(&daemon, &op_id)), ("rejected", "UnknownKey"));
    assert_eq!(stage.mutation_lines(), Vec::<String>::new());
}

#[test]
fn an_operation_whose_call_was_sent_before_a_crash_is_not_sent_again() {
    let stage = stage();
    let daemon = ready(&stage);
    stage.node.fault(Rule::new(Action::Hold).method("POST").path("/101/status/stop").once());
    let order = timed(&stage, &daemon, stop(&stage, 101));
    let op_id = offer(&stage, &order, &[&people().otto]);
    daemon.until("the call", || !stage.runs(101));
    daemon.crash();
    let daemon = stage.daemon();
    assert_eq!(verdict(&stage.outcome(&daemon, &op_id)), ("done", ""));
    fetched_again(&stage, &daemon);
    assert_eq!(stage.mutation_lines(), [STOP_101]);
}

#[test]
fn a_new_configuration_takes_over_an_operation_that_waits() {
    let stage = stage_with(|_| {}, json!({"lock_wait_seconds": 600}));
    let daemon = ready(&stage);
    let order = timed(&stage, &daemon, stop(&stage, 101));
    lock(&stage, 101, Some("backup"));
    let op_id = offer(&stage, &order, &[&people().otto]);
    daemon.says("waits: Locked");
    // A keyring that is being written badly just then changes nothing.
    stage.secret("keyring.json", "{");
    configure(&stage, &json!({"lock_wait_seconds": 599}));
    daemon.signal("HUP");
    daemon.says("was accepted before and goes on");
    stage.run(&["config", "check"]).expect(78, &["keyring.json"]);
    lock(&stage, 101, None);
    assert_eq!(verdict(&stage.outcome(&daemon, &op_id)), ("done", ""));
    assert_eq!(stage.mutation_lines(), [STOP_101]);
}

#[test]
fn an_outcome_is_told_until_the_hub_has_it_over_a_restart_too() {
    let stage = stage();
    let daemon = ready(&stage);
    let refusal = Rule::new(Action::refusal(503, "Service Unavailable", false));
    stage.hub.fault(refusal.method("POST").path("/outcome"));
    let op_id = offer(&stage, &timed(&stage, &daemon, stop(&stage, 101)), &[&people().otto]);
    let posts = || stage.hub.calls().iter().filter(|call| call.path.ends_with("/outcome")).count();
    daemon.until("two tries", || posts() >= 2);
    assert!(stage.outcomes().is_empty());
    daemon.crash();
    stage.hub.clear_faults();
    let daemon = stage.daemon();
    assert_eq!(verdict(&stage.outcome(&daemon, &op_id)), ("done", ""));
    assert_eq!(stage.mutation_lines(), [STOP_101]);
}

#[test]
fn after_a_destroy_the_guest_that_should_be_gone_is_in_order_and_one_still_wanted_is_missing() {
    let stage = stage();
    let daemon = ready(&stage);
    let destroy = about(&stage, "guest.destroy", "custodian", 102).params(json!({"purge": false}));
    let op_id = offer(&stage, &timed(&stage, &daemon, destroy), &[&people().anna]);
    let outcome = stage.outcome(&daemon, &op_id);
    assert_eq!(verdict(&outcome), ("done", ""), "{outcome}\n{}", daemon.said());
    daemon.says("guest-102 (lxc/102) has failed (guest_missing)");
    let absent = json!({"id": "guest-102", "kind": "lxc_guest", "ensure": "absent", "spec": {"vmid": 102}});
    stage.desire(2, &json!([absent, lxc(101, json!({}))]));
    daemon.says("guest-102 (lxc/102) is in order");
    assert_eq!(stage.mutation_lines(), ["DELETE /nodes/pve/lxc/102"]);
}

#[test]
fn what_no_token_may_do_is_not_supported_and_says_what_to_do_by_hand() {
    let stage = stage();
    let daemon = ready(&stage);
    let orders = [
        (about(&stage, "guest.unlock", "operator", 101).params(json!({"lock": "backup"})), &people().otto),
        (stage.order("resource.delete", "custodian").params(json!({"resource_id": "x"})), &people().anna),
        (
            stage
                .order("job.shell", "shell")
                .params(json!({"command_sha256": "ab".repeat(32), "timeout_s": 60})),
            &people().sven,
        ),
    ];
    for (order, key) in orders {
        let op_id = offer(&stage, &timed(&stage, &daemon, order), &[key]);
        let outcome = stage.outcome(&daemon, &op_id);
        assert_eq!(verdict(&outcome), ("rejected", "NotSupported"), "{outcome}");
        assert!(!outcome["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(stage.mutation_lines(), Vec::<String>::new());
}

fn update(stage: &Stage, daemon: &Daemon, document: &Value) -> Order {
    let keyring = sign::base64(document.to_string().as_bytes());
    timed(stage, daemon, stage.order("trust.update", "root").params(json!({"keyring": keyring})))
}

#[test]
fn a_new_keyring_takes_over_by_a_signed_operation_and_only_the_next_one() {
    let stage = stage();
    let daemon = ready(&stage);
    let without_otto = [&people().anna, &people().ruth];
    for (version, code) in [(3, "TrustGap"), (1, "TrustRollback")] {
        let order = update(&stage, &daemon, &sign::keyring(version, 1, &without_otto));
        offer(&stage, &order, &[&people().ruth]);
        daemon.says(code);
        stage.withdraw();
    }
    let op_id =
        offer(&stage, &update(&stage, &daemon, &sign::keyring(2, 1, &without_otto)), &[&people().ruth]);
    assert_eq!(verdict(&stage.outcome(&daemon, &op_id)), ("done", ""));
    offer(&stage, &timed(&stage, &daemon, stop(&stage, 101)), &[&people().otto]);
    daemon.says("UnknownKey");
    daemon.stop();
    // The one of before, put back by hand, is older than what was in force.
    stage.install_keyring(&sign::keyring(1, 1, &people().all()));
    let daemon = stage.daemon();
    daemon.says("TrustRollback");
    let is_told = |report: &Value| report["conditions"].to_string().contains("KeyringRefused");
    daemon.until("the condition", || stage.reports().iter().any(is_told));
    assert_eq!(stage.mutation_lines(), Vec::<String>::new());
}

#[test]
fn a_signed_floor_keeps_out_what_was_issued_before_it() {
    let stage = stage();
    let daemon = ready(&stage);
    let early = timed(&stage, &daemon, stop(&stage, 101));
    let floor = early.0["iat"].as_u64().unwrap() + 10;
    let raise = timed(&stage, &daemon, stage.order("floor.raise", "root").params(json!({"iat": floor})));
    let op_id = offer(&stage, &raise, &[&people().ruth]);
    assert_eq!(verdict(&stage.outcome(&daemon, &op_id)), ("done", ""));
    let op_id = offer(&stage, &early, &[&people().otto]);
    assert_eq!(verdict(&stage.outcome(&daemon, &op_id)), ("rejected", "BelowFloor"));
    assert_eq!(stage.mutation_lines(), Vec::<String>::new());
}

#[test]
fn a_flood_of_rubbish_from_the_hub_neither_fills_the_journal_nor_keeps_a_good_one_out() {
    let stage = stage();
    let daemon = ready(&stage);
    let order = timed(&stage, &daemon, stop(&stage, 101));
    let good = order.signed(&[&people().otto]);
    stage.hub.board(|board| {
        let ops = &mut board.host(crate::stage::HOST_ID).raw_ops;
        for number in 0..120 {
            let mut forged = good.clone();
            forged.payload = sign::base64(format!("{{\"forged\":{number}}}").as_bytes());
            ops.extend([format!("{{\"n\":{number}}}"), forged.text()]);
        }
        ops.push(good.text());
    });
    assert_eq!(verdict(&stage.outcome(&daemon, &order.op_id())), ("done", ""));
    fetched_again(&stage, &daemon);
    fetched_again(&stage, &daemon);
    assert_eq!(stage.mutation_lines(), [STOP_101]);
    let rejects = stage.journal_of("reject").len();
    assert!(rejects <= 120, "{rejects} of thousands of refusals are in the journal");
    assert!(daemon.said().len() < 100_000, "and few of them in the log: {} bytes", daemon.said().len());
}

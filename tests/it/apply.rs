//! One pass in the foreground: through the daemon where one runs, alone where none does.

use serde_json::{Value, json};

use crate::stage::{Stage, lxc};

fn two() -> Value {
    json!([lxc(100, json!({"run_state": "running", "cores": 2})), lxc(107, json!({"cores": 2}))])
}

#[test]
fn alone_it_does_what_is_to_be_done_says_so_and_leaves_no_agent_behind() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &two());
    let applied = stage.run(&["apply"]);
    // 107 carries a lock.
    applied.expect(3, &["start lxc/100: done", "lock: ", "to go on: ", "1 in order, 1 waiting, 0 failed"]);
    assert!(!applied.stdout.contains('\u{1b}'), "no terminal, no colour: {}", applied.stdout);
    assert!(stage.runs(100));
    assert_eq!(stage.key(100, "cores").as_deref(), Some("2"));
    let before = stage.mutation_lines();
    let again = stage.run(&["apply", "--json"]).json(3);
    assert_eq!(again["summary"], json!({"ready": 1, "waiting": 1, "failed": 0}));
    assert_eq!(stage.mutation_lines(), before, "what is applied and applied again is written once");
    stage.run(&["status"]).expect(75, &["no daemon answers at"]);
}

#[test]
fn through_the_daemon_it_follows_what_the_daemon_does() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| {
        config["agent"]["reconcile_seconds"] = json!(3600);
        config["desired"]["poll_seconds"] = json!(3600);
    });
    stage.desire(1, &json!([]));
    let daemon = stage.daemon();
    stage.looks(&daemon, 1);
    stage.desire(2, &two());
    stage.run(&["apply"]).expect(3, &["start lxc/100: done", "1 in order, 1 waiting, 0 failed"]);
    assert!(stage.runs(100), "it has ended only once it was done");
    let one = stage.run(&["apply", "guest-100"]);
    one.expect(0, &["1 in order, 0 waiting, 0 failed"]);
    assert!(!one.stdout.contains("lock"), "only what was asked for: {}", one.stdout);
    stage.run(&["apply", "nonsense"]).expect(1, &["names no resource nonsense"]);
    daemon.stop();
}

#[test]
fn alone_only_the_resources_that_were_named_are_carried_out() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &json!([lxc(100, json!({"cores": 2})), lxc(101, json!({"cores": 2}))]));
    stage.run(&["apply", "guest-101"]).expect(0, &["1 in order"]);
    assert_eq!(stage.mutation_lines(), ["PUT /nodes/pve/lxc/101/config"]);
}

#[test]
fn beside_a_daemon_without_a_socket_it_does_nothing() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| config["agent"]["socket"] = json!("none"));
    stage.desire(1, &json!([]));
    let daemon = stage.daemon();
    stage.looks(&daemon, 1);
    stage.run(&["apply"]).expect(73, &[]);
    daemon.stop();
}

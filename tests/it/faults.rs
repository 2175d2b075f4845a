//! What goes wrong between the agent and the node, and what the agent makes of it.

use std::sync::Arc;
use std::time::Duration;

use felhom_agent::model::hold::HoldReason;
use felhom_agent::status::{ConditionStatus, ConditionType, ResourceState};
use felhom_sim::node::World;
use felhom_sim::pve::{Options, PveSim};
use felhom_sim::server::{Action, Rule};
use serde_json::json;

use crate::rig::{Kit, Rig, condition, lxc, manifest, vm};

const START: &str = "POST /nodes/pve/lxc/100/status/start";

fn starts(rig: &Rig) -> usize {
    rig.mutation_lines().iter().filter(|line| *line == START).count()
}

#[test]
fn one_guest_whose_configuration_cannot_be_read_does_not_hold_up_the_others() {
    let rig = Rig::new();
    rig.sim.world(|world| {
        world.faults.unreadable_configs.insert(100, "error while reading".to_owned());
    });
    rig.desire(&manifest(
        1,
        &[lxc("web", json!({"vmid": 100, "cores": 2})), lxc("db", json!({"vmid": 101, "cores": 2}))],
    ));
    rig.round();
    rig.round();
    assert_eq!(rig.resource("db").state, ResourceState::Ready);
    let web = rig.resource("web");
    assert_eq!(web.state, ResourceState::Failed);
    assert!(web.error.unwrap().message.contains("error while reading") && web.retry_after.is_some());
    assert!(
        rig.mutation_lines().iter().all(|line| line.contains("/lxc/101/")),
        "what was not read is not written"
    );
    rig.sim.world(|world| world.faults.unreadable_configs.clear());
    rig.round();
    rig.settle();
}

#[test]
fn a_node_that_is_away_for_ten_ticks_is_taken_up_again_when_it_is_back() {
    let rig = Rig::new();
    rig.sim.go_down();
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "run_state": "running"}))]));
    for _ in 0..10 {
        let answer = rig.round();
        assert_eq!(condition(&answer, ConditionType::Ready), ConditionStatus::Unknown);
        assert_eq!(condition(&answer, ConditionType::Degraded), ConditionStatus::True);
        let web = &answer.status.resources["web"];
        assert_eq!(web.error.as_ref().map(|error| error.code.as_str()), Some("unreadable"), "{web:#?}");
    }
    rig.sim.come_back();
    rig.round();
    let answer = rig.settle();
    assert_eq!(condition(&answer, ConditionType::Ready), ConditionStatus::True);
    assert_eq!(condition(&answer, ConditionType::Degraded), ConditionStatus::False);
}

#[test]
fn a_cluster_file_system_that_is_away_is_no_reason_to_believe_that_guests_are_gone() {
    let rig = Rig::new();
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "cores": 2}))]));
    rig.settle();
    rig.sim.clear_calls();
    rig.sim.conditions(|conditions| conditions.pmxcfs_down = true);
    rig.round();
    assert_eq!(rig.resource("web").error.unwrap().code, "unreadable");
    rig.sim.conditions(|conditions| conditions.pmxcfs_down = false);
    rig.round();
    rig.settle();
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

#[test]
fn a_list_that_comes_empty_proves_nothing_while_the_configuration_can_be_read() {
    let rig = Rig::new();
    rig.sim.world(|world| world.faults.empty_guest_lists = true);
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "cores": 2}))]));
    rig.round();
    assert_eq!(rig.resource("web").error.unwrap().code, "guest_not_visible");
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

#[test]
fn to_a_token_that_sees_nothing_no_guest_is_gone() {
    let mut world = World::facts_world();
    world.access.add_token("root@pam!blind", "5f7c9c1e-0000-4000-8000-000000000001", true);
    let sim = PveSim::start(Options { world, ..Options::default() });
    let token = Some(("root@pam!blind", "5f7c9c1e-0000-4000-8000-000000000001"));
    let rig = Rig::with(sim, Kit { token, ..Kit::default() });
    rig.desire(&manifest(
        1,
        &[
            lxc("web", json!({"vmid": 100, "run_state": "running", "cores": 2})),
            lxc("none", json!({"vmid": 998, "run_state": "running"})),
            vm("vm", json!({"vmid": 201, "run_state": "running"})),
        ],
    ));
    rig.round();
    rig.round();
    for (id, status) in rig.ask().status.resources {
        assert_eq!(status.state, ResourceState::Failed, "{id}");
        assert_eq!(status.error.unwrap().code, "guest_not_visible", "{id}");
    }
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

#[test]
fn a_guest_that_neither_list_nor_configuration_knows_is_missing_and_nothing_is_made_in_its_place() {
    let rig = Rig::new();
    rig.desire(&manifest(1, &[lxc("none", json!({"vmid": 998, "run_state": "running"}))]));
    rig.round();
    let status = rig.resource("none");
    assert_eq!(status.error.unwrap().code, "guest_missing");
    assert_eq!(status.retry_after, None);
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

#[test]
fn an_error_whose_write_was_applied_counts_as_done() {
    let rig = Rig::new();
    let refusal = Action::refusal(500, "bridge 'vmbr9' does not exist", true);
    rig.sim.fault(Rule::new(refusal).method("PUT").path("/lxc/100/config").once());
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "cores": 2}))]));
    rig.settle();
    assert_eq!(rig.mutation_lines(), ["PUT /nodes/pve/lxc/100/config"], "written once");
    assert_eq!(rig.config(100, "cores").as_deref(), Some("2"));
}

#[test]
fn an_error_whose_write_was_not_applied_is_told_and_tried_again() {
    let rig = Rig::new();
    let refusal = Action::refusal(500, "something went wrong", false);
    rig.sim.fault(Rule::new(refusal).method("PUT").path("/lxc/100/config").once());
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "cores": 2}))]));
    let answer = rig.wait("the failure", |answer| {
        answer.status.resources.get("web").is_some_and(|status| status.state == ResourceState::Failed)
    });
    let web = &answer.status.resources["web"];
    assert!(
        web.error.as_ref().unwrap().message.contains("something went wrong") && web.retry_after.is_some()
    );
    rig.settle();
    assert_eq!(rig.mutation_lines().len(), 2, "the pause over, it is tried again by itself");
}

/// A start whose answer is lost although it was carried out is adopted, whatever the way the answer gets lost.
#[test]
fn a_start_whose_answer_is_lost_is_adopted_and_not_sent_again() {
    for action in [
        Action::DropAfter,
        Action::status_after(596, "Connection timed out"),
        Action::status_after(599, ""),
        Action::Cut { at: 10 },
        Action::Garble,
        Action::refusal(500, "got lock timeout - aborting command", true),
    ] {
        let rig = Rig::new();
        rig.sim.fault(Rule::new(action.clone()).method("POST").path("/lxc/100/status/start").once());
        rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "run_state": "running"}))]));
        rig.settle();
        assert_eq!(starts(&rig), 1, "{action:?}");
        let last = rig.resource("web").last_action.unwrap();
        assert!(last.upid.is_some_and(|upid| upid.contains(":vzstart:100:")), "{action:?}: adopted");
    }
}

#[test]
fn a_start_that_may_or_may_not_have_been_carried_out_is_uncertain_and_not_sent_again() {
    let rig = Rig::new();
    // Not carried out, but nobody can know: it might be on its way still.
    rig.sim.fault(
        Rule::new(Action::status(596, "Connection timed out")).method("POST").path("/status/start").once(),
    );
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "run_state": "running"}))]));
    rig.wait("the doubt", |answer| {
        answer.status.resources.get("web").is_some_and(|status| status.error.is_some())
    });
    let status = rig.resource("web");
    assert_eq!((status.error.unwrap().code.as_str(), status.retry_after), ("uncertain", None));
    for _ in 0..3 {
        rig.round();
    }
    assert_eq!(starts(&rig), 1);
    rig.sim.world(|world| {
        world.set_running(100, true);
    });
    rig.round();
    rig.settle();
    assert_eq!(starts(&rig), 1);
}

#[test]
fn a_write_whose_answer_is_lost_is_tried_again_because_its_digest_guards_it() {
    let rig = Rig::new();
    rig.sim.fault(
        Rule::new(Action::status(595, "Connection refused")).method("PUT").path("/lxc/100/config").once(),
    );
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "cores": 2}))]));
    rig.settle();
    assert_eq!(rig.mutation_lines().len(), 2, "the digest lets at most one of the two be taken");
}

#[test]
fn a_task_that_fails_tells_why_and_one_that_dies_is_judged_by_its_guest() {
    let rig = Rig::new();
    rig.desire(&manifest(1, &[lxc("broken", json!({"vmid": 106, "run_state": "running"}))]));
    rig.wait("the failure", |answer| {
        answer.status.resources.get("broken").is_some_and(|status| status.error.is_some())
    });
    let status = rig.resource("broken");
    let error = status.error.unwrap();
    assert!(error.message.contains("startup for container '106' failed"), "{}", error.message);
    assert!(status.retry_after.is_some());

    let rig = Rig::new();
    rig.sim.world(|world| {
        world.faults.killed_types.insert("vzstart".to_owned());
    });
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "run_state": "running"}))]));
    rig.wait("the failure", |answer| {
        answer.status.resources.get("web").is_some_and(|status| status.error.is_some())
    });
    rig.sim.world(|world| world.faults.killed_types.clear());
    rig.settle();
    assert!(rig.runs(100));
}

#[test]
fn a_task_whose_record_vanishes_is_judged_by_its_guest() {
    let rig = Rig::new();
    rig.sim.world(|world| {
        world.faults.vanish_types.insert("vzstart".to_owned());
    });
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "run_state": "running"}))]));
    rig.settle();
    assert_eq!(starts(&rig), 1);
}

#[test]
fn a_task_that_outlives_our_patience_is_waited_for_again_and_not_repeated() {
    let sim = PveSim::start(Options::default());
    let rig = Rig::with(sim, Kit { task_within: Duration::from_millis(200), ..Kit::default() });
    rig.sim.world(|world| {
        world.faults.hung_types.insert("vzstart".to_owned());
    });
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "run_state": "running"}))]));
    for _ in 0..3 {
        rig.round();
    }
    assert_eq!(starts(&rig), 1);
    assert!(!rig.runs(100));
}

#[test]
fn a_node_that_refuses_a_value_is_not_asked_again_until_something_changes() {
    let rig = Rig::new();
    let refusal = Action::Status {
        status: 400,
        reason: "Parameter verification failed.".to_owned(),
        body: Some(
            json!({"data": null, "errors": {"cores": "value must have a maximum value of 1"}}).to_string(),
        ),
        headers: Vec::new(),
        after: false,
    };
    let rule = rig.sim.fault(Rule::new(refusal).method("PUT").path("/lxc/100/config"));
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "cores": 2}))]));
    for _ in 0..4 {
        rig.round();
    }
    let status = rig.resource("web");
    assert_eq!((status.error.unwrap().code.as_str(), status.retry_after), ("parameter", None));
    assert_eq!(rig.mutation_lines().len(), 1);
    rig.sim.remove_fault(rule);
    rig.desire(&manifest(2, &[lxc("web", json!({"vmid": 100, "cores": 2}))]));
    rig.settle();
}

#[test]
fn while_the_hub_blocks_nothing_is_changed_not_even_after_a_restart() {
    let state = Arc::new(tempfile::tempdir().unwrap());
    let rig =
        Rig::with(PveSim::start(Options::default()), Kit { state: Arc::clone(&state), ..Kit::default() });
    rig.hub_says(r#"{"blocked":true}"#);
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "run_state": "running", "cores": 2}))]));
    let answer = rig.round();
    assert_eq!(
        answer.status.resources["web"].hold.as_ref().map(|hold| hold.reason),
        Some(HoldReason::Blocked)
    );
    assert!(answer.status.paused);
    drop(rig);

    let rig = Rig::with(PveSim::start(Options::default()), Kit { state, ..Kit::default() });
    rig.hub_says("{}");
    let answer = rig.round();
    assert_eq!(condition(&answer, ConditionType::Blocked), ConditionStatus::True);
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
    rig.hub_says(r#"{"blocked":false}"#);
    rig.settle();
    assert!(rig.runs(100), "the manifest was kept over the restart, too");
}

#[test]
fn a_block_between_two_steps_stops_the_second() {
    let rig = Rig::new();
    let held = rig.sim.fault(Rule::new(Action::Hold).method("PUT").path("/lxc/100/config").once());
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "run_state": "running", "cores": 2}))]));
    rig.until("the first step", |sim| sim.calls().iter().any(|call| call.method == "PUT"));
    rig.hub_says(r#"{"blocked":true}"#);
    rig.sim.remove_fault(held);
    rig.wait("the second step's hold", |answer| answer.busy.is_empty());
    assert_eq!(rig.resource("web").hold.map(|hold| hold.reason), Some(HoldReason::Blocked));
    assert_eq!(rig.mutation_lines(), ["PUT /nodes/pve/lxc/100/config"]);
    rig.hub_says(r#"{"blocked":false}"#);
    rig.settle();
}

#[test]
fn a_refused_document_leaves_the_one_before_in_force() {
    let rig = Rig::new();
    rig.desire(&manifest(5, &[lxc("web", json!({"vmid": 100, "cores": 2}))]));
    rig.settle();
    rig.desire(&manifest(4, &[lxc("web", json!({"vmid": 100, "cores": 3}))]));
    let answer = rig.round();
    assert_eq!(condition(&answer, ConditionType::StaleManifest), ConditionStatus::True);
    assert_eq!(answer.status.manifest_generation, Some(5));
    assert_eq!(rig.config(100, "cores").as_deref(), Some("2"));
    assert!(answer.status.history.last().unwrap().result.contains("generation"));
}

#[test]
fn a_job_takes_no_further_step_for_a_desired_state_that_is_no_longer_in_force() {
    let rig = Rig::new();
    let held = rig.sim.fault(Rule::new(Action::Hold).method("PUT").path("/lxc/100/config").once());
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "run_state": "running", "cores": 2}))]));
    rig.until("the first step", |sim| sim.calls().iter().any(|call| call.method == "PUT"));
    rig.desire(&manifest(2, &[lxc("web", json!({"vmid": 100, "run_state": "stopped", "cores": 3}))]));
    rig.sim.remove_fault(held);
    rig.wait("the new state", |answer| {
        let web = &answer.status.resources["web"];
        (web.generation, web.state) == (2, ResourceState::Ready)
    });
    assert_eq!(rig.mutation_lines(), ["PUT /nodes/pve/lxc/100/config"; 2], "it was never started");
    assert_eq!(rig.config(100, "cores").as_deref(), Some("3"));
}

#[test]
fn a_guest_that_is_locked_between_look_and_write_is_held() {
    let rig = Rig::new();
    let refusal = Action::refusal(500, "CT is locked (backup)", false);
    rig.sim.fault(Rule::new(refusal).method("PUT").path("/lxc/100/config").once());
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "cores": 2}))]));
    rig.wait("the hold", |answer| {
        answer.status.resources.get("web").is_some_and(|status| status.state == ResourceState::Held)
    });
    assert_eq!(rig.resource("web").hold.map(|hold| hold.reason), Some(HoldReason::Lock));
    rig.round();
    rig.settle();
}

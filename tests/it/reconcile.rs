//! Reconciling, end to end: what is wanted of guests on a simulated node, and which calls that takes.

use std::collections::{BTreeMap, BTreeSet};

use felhom_agent::model::hold::HoldReason;
use felhom_agent::status::ResourceState;
use felhom_sim::api::Caller;
use felhom_sim::node::World;
use felhom_sim::node::tasks::{Next, Work};
use felhom_sim::pve::{Options, PveSim};
use felhom_sim::server::{Action, Rule};
use serde_json::{Value, json};

use crate::rig::{Rig, lxc, manifest, vm};

#[test]
fn drift_is_corrected_and_then_there_is_nothing_left_to_write() {
    let rig = Rig::new();
    rig.desire(&manifest(
        1,
        &[
            lxc(
                "web",
                json!({"vmid": 100, "run_state": "running", "name": "front", "cores": 2, "memory_mb": 256,
                "swap_mb": 0, "description": "the web server\n", "tags": ["prod", "Web"], "on_boot": true,
                "startup": {"order": 1, "up_s": 30}}),
            ),
            lxc("db", json!({"vmid": 101, "memory_mb": 192, "protection": true})),
            vm(
                "media",
                json!({"vmid": 201, "run_state": "running", "name": "media", "cores": 2, "memory_mb": 128,
                "description": "films", "tags": ["home"]}),
            ),
        ],
    ));
    let answer = rig.settle();
    assert!(rig.runs(100) && rig.runs(201));
    assert_eq!(rig.config(100, "hostname").as_deref(), Some("front"));
    assert_eq!(rig.config(100, "tags").as_deref(), Some("prod;web"));
    assert_eq!(rig.config(101, "memory").as_deref(), Some("192"));
    assert_eq!(rig.config(201, "memory").as_deref(), Some("128"));
    assert_eq!(answer.status.observed_generation, Some(1));
    let last = answer.status.resources["web"].last_action.clone().unwrap();
    assert_eq!((last.what.as_str(), last.result.as_str()), ("start lxc/100", "done"));

    rig.sim.clear_calls();
    let connections = rig.sim.connections().0;
    rig.round();
    let calls = rig.sim.calls();
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
    assert!(calls.len() <= 2 + 3, "{:?}", calls.iter().map(|call| call.line()).collect::<Vec<_>>());
    let used: BTreeSet<u64> = calls.iter().map(|call| call.connection).collect();
    assert!(used.len() == 1 && rig.sim.connections().0 <= connections + 1, "one connection: {used:?}");
}

#[test]
fn a_tick_with_nothing_to_do_is_two_calls_and_one_for_each_guest() {
    let world = World::with_guests(50);
    let rig = Rig::on(PveSim::start(Options { world, ..Options::default() }));
    let wanted = |vmid: u32| lxc(&format!("g{vmid}"), json!({"vmid": vmid, "cores": 1, "tags": ["bench"]}));
    rig.desire(&manifest(1, &(100..150).map(wanted).collect::<Vec<_>>()));
    rig.settle();
    for _ in 0..2 {
        rig.sim.clear_calls();
        rig.round();
        let lines: Vec<String> = rig.sim.calls().iter().map(|call| call.line()).collect();
        assert!(lines.len() <= 2 + 50, "{} calls: {lines:?}", lines.len());
    }
}

#[test]
fn configuration_is_written_before_a_start_and_carries_its_digest() {
    let rig = Rig::new();
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "run_state": "running", "cores": 2}))]));
    rig.settle();
    assert_eq!(
        rig.mutation_lines(),
        ["PUT /nodes/pve/lxc/100/config", "POST /nodes/pve/lxc/100/status/start"]
    );
    let writes = rig.mutations();
    assert_eq!(writes[0].param("digest").map(str::len), Some(40));
    assert_eq!(
        writes[0].params.keys().collect::<Vec<_>>(),
        ["cores", "digest"],
        "only what is wanted is written"
    );
}

#[test]
fn a_running_guest_that_should_be_stopped_is_asked_to_and_never_killed() {
    let rig = Rig::new();
    rig.desire(&manifest(1, &[lxc("db", json!({"vmid": 101, "run_state": "stopped"}))]));
    rig.settle();
    assert!(!rig.runs(101));
    let calls = rig.mutations();
    assert_eq!(rig.mutation_lines(), ["POST /nodes/pve/lxc/101/status/shutdown"]);
    assert_eq!(calls[0].param("forceStop"), None);
}

#[test]
fn guests_that_are_not_named_are_not_touched() {
    let rig = Rig::new();
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "cores": 2}))]));
    rig.settle();
    assert!(rig.mutation_lines().iter().all(|line| line.contains("/lxc/100/")));
}

/// Resource, what to do to the world first, and why it is held.
fn held(name: &str, arrange: impl FnOnce(&mut World), resource: Value, reason: HoldReason) {
    let mut world = World::facts_world();
    arrange(&mut world);
    let rig = Rig::on(PveSim::start(Options { world, ..Options::default() }));
    rig.desire(&manifest(1, &[resource]));
    rig.round();
    for _ in 0..2 {
        rig.round();
        let status = rig.resource("it");
        assert_eq!(status.state, ResourceState::Held, "{name}: {status:#?}");
        assert_eq!(status.hold.map(|hold| hold.reason), Some(reason), "{name}");
    }
    assert_eq!(rig.mutation_lines(), Vec::<String>::new(), "{name}");
}

#[test]
fn a_guest_that_somebody_else_has_is_held_and_not_written_to() {
    held("locked", |_| (), lxc("it", json!({"vmid": 107, "cores": 2})), HoldReason::Lock);
    held("template", |_| (), lxc("it", json!({"vmid": 104, "name": "other"})), HoldReason::Template);
    held(
        "HA",
        |world| world.guest_mut(100).ha = Some("started".to_owned()),
        lxc("it", json!({"vmid": 100, "run_state": "running"})),
        HoldReason::HaManaged,
    );
    held(
        "a stopped VM that runs because it is being backed up",
        |world| {
            world.guest_mut(201).set_lock(Some("backup"));
            world.set_running(201, true);
        },
        vm("it", json!({"vmid": 201, "run_state": "stopped", "cores": 2})),
        HoldReason::Lock,
    );
    let suspended =
        json!({"id": "it", "kind": "lxc_guest", "suspend": true, "spec": {"vmid": 100, "cores": 2}});
    held("suspended", |_| (), suspended, HoldReason::Suspended);
}

#[test]
fn a_running_backup_task_holds_its_guest_even_while_the_lock_is_let_go() {
    let rig = Rig::new();
    rig.sim.world(|world| {
        let caller = Caller { auth_id: "root@pam".to_owned() };
        // A job of several guests: its id names none of them, its log says where it is.
        world.fork("vzdump", "", &caller, |world, task| {
            world.log(task, "INFO: Starting Backup of VM 100 (lxc)");
            world.log(task, "INFO: Finished Backup of VM 100 (00:00:01)");
            world.log(task, "INFO: Starting Backup of VM 102 (lxc)");
            Next::Wait(1e9, Work::new(|_, _| Next::Done))
        });
    });
    rig.desire(&manifest(
        1,
        &[lxc("it", json!({"vmid": 102, "cores": 2})), lxc("web", json!({"vmid": 100, "cores": 2}))],
    ));
    rig.wait("the hold", |answer| {
        answer.status.resources.get("it").is_some_and(|status| status.hold.is_some())
    });
    assert_eq!(rig.resource("it").hold.map(|hold| hold.reason), Some(HoldReason::Backup));
    rig.round();
    assert_eq!(rig.mutation_lines(), ["PUT /nodes/pve/lxc/100/config"], "the job is through with 100");
}

#[test]
fn a_backup_job_whose_log_cannot_be_read_may_be_at_the_guest() {
    let rig = Rig::new();
    rig.sim.world(|world| {
        let caller = Caller { auth_id: "root@pam".to_owned() };
        world.fork("vzdump", "", &caller, |world, task| {
            world.log(task, "INFO: Starting Backup of VM 102 (lxc)");
            Next::Wait(1e9, Work::new(|_, _| Next::Done))
        });
    });
    rig.sim.fault(Rule::new(Action::refusal(500, "got timeout", false)).method("GET").path("vzdump"));
    rig.desire(&manifest(1, &[lxc("it", json!({"vmid": 102, "cores": 2}))]));
    rig.wait("the verdict", |answer| {
        answer.status.resources.get("it").is_some_and(|status| status.state == ResourceState::Failed)
    });
    let log_reads = rig.sim.calls().iter().filter(|call| call.path.contains("vzdump")).count();
    assert!(log_reads > 0, "the log was asked for");
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

#[test]
fn a_write_that_meets_somebody_else_s_change_is_planned_again() {
    let rig = Rig::new();
    let held = rig.sim.fault(Rule::new(Action::HoldWork).method("PUT").path("/lxc/100/config").once());
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "cores": 2}))]));
    rig.until("the first write", |sim| sim.calls().iter().any(|call| call.method == "PUT"));
    rig.sim.world(|world| {
        let guest = world.guest_mut(100);
        let mut config = guest.config();
        config.main.keys.insert("memory".to_owned(), "144".to_owned());
        guest.save(&config);
    });
    rig.sim.remove_fault(held);
    rig.settle();
    let writes = rig.mutations();
    assert_eq!(writes.len(), 2);
    assert_eq!(writes[0].status, Some(500));
    assert_ne!(writes[0].param("digest"), writes[1].param("digest"));
    assert_eq!(rig.config(100, "cores").as_deref(), Some("2"));
    assert_eq!(rig.config(100, "memory").as_deref(), Some("144"), "the other's change stands");
}

#[test]
fn sixty_four_guests_converge_at_once_each_in_its_own_order() {
    let world = World::with_guests(64);
    let rig = Rig::on(PveSim::start(Options { world, ..Options::default() }));
    let resources: Vec<Value> = (100..164)
        .map(|vmid| {
            lxc(
                &format!("g{vmid}"),
                json!({"vmid": vmid, "run_state": "running", "cores": 2, "tags": ["all"]}),
            )
        })
        .collect();
    rig.desire(&manifest(1, &resources));
    rig.settle();
    let mut lanes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for call in rig.mutations() {
        let (lane, what) = call.path.trim_start_matches("/nodes/pve/lxc/").split_once('/').unwrap();
        lanes.entry(lane.to_owned()).or_default().push(what.to_owned());
    }
    assert_eq!(lanes.len(), 64);
    for (lane, calls) in lanes {
        let stopped = lane.parse::<u32>().unwrap() % 2 == 1;
        let expected: &[&str] = if stopped { &["config", "status/start"] } else { &["config"] };
        assert_eq!(calls, expected, "{lane}");
    }
}

#[test]
fn a_guest_is_left_alone_when_only_the_report_of_drift_is_wanted() {
    let rig = Rig::new();
    let resource =
        json!({"id": "web", "kind": "lxc_guest", "drift": "report", "spec": {"vmid": 100, "cores": 2}});
    rig.desire(&manifest(1, &[resource]));
    rig.round();
    let status = rig.resource("web");
    assert_eq!((status.state, status.drift.len()), (ResourceState::Ready, 1));
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

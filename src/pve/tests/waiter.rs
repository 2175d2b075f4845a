//! Waiting for a task, through all that can happen meanwhile.

use std::time::Duration;

use crossbeam_channel::{bounded, never};
use felhom_sim::server::{Action, Rule};

use super::rig::{Rig, exactly, lxc, recorded};
use crate::model::step::Step;
use crate::pve::{PveError, TaskEnd, TaskState, Upid};

fn start(rig: &Rig, vmid: u64) -> Upid {
    rig.client.start(&recorded(lxc(vmid)), lxc(vmid)).unwrap()
}

#[test]
fn a_task_that_ends_well_is_ok() {
    let rig = Rig::new();
    assert_eq!(rig.wait(&start(&rig, 102)), TaskEnd::Ok);
}

#[test]
fn a_task_that_ended_long_ago_is_found_by_the_first_poll() {
    let rig = Rig::new();
    let upid = start(&rig, 102);
    rig.wait(&upid);
    rig.sim.clear_calls();
    assert_eq!(rig.wait(&upid), TaskEnd::Ok);
    assert_eq!(rig.sim.calls().len(), 1);
}

#[test]
fn warnings_come_with_their_lines() {
    let rig = Rig::new();
    rig.wait(&rig.client.stop(&exactly(Step::Stop { guest: lxc(105) }), lxc(105)).unwrap());
    let TaskEnd::Warnings(lines) = rig.wait(&start(&rig, 105)) else { panic!("no warnings") };
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("ignoring 'idmap' option"), "{lines:?}");
}

#[test]
fn a_failure_comes_with_its_text_and_the_end_of_its_log() {
    let rig = Rig::new();
    let upid = start(&rig, 106);
    let TaskEnd::Failed { text, log } = rig.wait(&upid) else { panic!("did not fail") };
    assert_eq!(text, "startup for container '106' failed");
    assert_eq!(log.last().unwrap(), "TASK ERROR: startup for container '106' failed");
    let failed = TaskEnd::Failed { text, log };
    assert!(matches!(failed.into_result(&upid), Err(PveError::TaskFailed { .. })));
}

#[test]
fn a_long_log_is_read_to_its_end() {
    let rig = Rig::new();
    let upid = start(&rig, 106);
    rig.wait(&upid);
    rig.sim.world(|world| {
        let (id, _) = world.tasks.find(upid.as_str()).unwrap();
        for line in 0..1700 {
            world.log(id, format!("line {line}"));
        }
    });
    let whole = rig.client.task_log(&upid).unwrap();
    assert!(whole.len() >= 1700 && whole.last().unwrap() == "line 1699");
    let tail = rig.client.task_log_tail(&upid).unwrap();
    assert_eq!((tail.len(), tail.last().unwrap().as_str()), (50, "line 1699"));
}

#[test]
fn a_restart_and_faults_of_transport_do_not_end_the_wait() {
    let rig = Rig::new();
    rig.sim.world(|world| world.pace.start = 60.0);
    let upid = start(&rig, 102);
    rig.sim.restart();
    for action in [
        Action::DropBefore,
        Action::status(595, "Connection refused"),
        Action::status(
            500,
            "RPCEnvironment init request failed: Unable to load access control list: Connection refused",
        ),
        Action::Garble,
        Action::status(401, "Authentication failed!"),
    ] {
        rig.sim.fault(Rule::new(action).path("/tasks/").once());
    }
    assert_eq!(rig.wait(&upid), TaskEnd::Ok);
}

#[test]
fn a_node_that_is_away_for_a_while_is_waited_for() {
    let rig = Rig::new();
    let upid = start(&rig, 102);
    rig.sim.go_down();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| rig.wait(&upid));
        std::thread::park_timeout(Duration::from_millis(400));
        rig.sim.come_back();
        assert_eq!(waiting.join().unwrap(), TaskEnd::Ok);
    });
}

#[test]
fn a_task_that_hangs_still_runs_at_the_deadline() {
    let rig = Rig::new();
    rig.sim.world(|world| world.faults.hung_types.insert("vzstart".to_owned()));
    let upid = start(&rig, 102);
    let end = rig.client.wait(&upid, Duration::from_millis(300), &never());
    assert_eq!(end, TaskEnd::TimedOut);
    assert_eq!(rig.client.task_status(&upid), Ok(TaskState::Running));
    assert!(
        !rig.sim.calls().iter().any(|call| call.method == "DELETE"),
        "a task is never ended by the waiter"
    );
}

#[test]
fn a_task_whose_node_is_away_to_the_end_may_still_run() {
    let rig = Rig::new();
    let upid = start(&rig, 102);
    rig.sim.go_down();
    let end = rig.client.wait(&upid, Duration::from_millis(300), &never());
    assert_eq!(end, TaskEnd::TimedOut);
}

#[test]
fn a_worker_that_was_killed_ends_unknown_after_two_readings() {
    let rig = Rig::new();
    rig.sim.world(|world| world.faults.killed_types.insert("vzstart".to_owned()));
    let upid = start(&rig, 102);
    assert_eq!(rig.wait(&upid), TaskEnd::Unknown("unexpected status".to_owned()));
    assert!(matches!(rig.wait(&upid).into_result(&upid), Err(PveError::TaskUndecided { .. })));
}

#[test]
fn a_task_whose_log_is_gone_ends_unknown() {
    let rig = Rig::new();
    rig.sim.world(|world| world.faults.vanish_types.insert("vzstart".to_owned()));
    let upid = start(&rig, 102);
    let end = rig.wait(&upid);
    assert!(matches!(&end, TaskEnd::Unknown(text) if text.contains("knows no task")), "{end:?}");
}

#[test]
fn an_exit_text_that_comes_late_is_waited_for() {
    let rig = Rig::new();
    let upid = start(&rig, 102);
    rig.wait(&upid);
    let silent = r#"{"data":{"status":"stopped"}}"#;
    rig.sim.fault(Rule::new(Action::Body { body: silent.to_owned() }).path("/tasks/").once());
    assert_eq!(rig.wait(&upid), TaskEnd::Ok);
    rig.sim.fault(Rule::new(Action::Body { body: silent.to_owned() }).path("/tasks/"));
    assert_eq!(rig.wait(&upid), TaskEnd::Unknown("it ended without saying how".to_owned()));
}

#[test]
fn a_stop_ends_the_wait_and_not_the_task() {
    let rig = Rig::new();
    rig.sim.world(|world| world.faults.hung_types.insert("vzstart".to_owned()));
    let upid = start(&rig, 102);
    let (tell, told) = bounded(1);
    tell.send(()).unwrap();
    assert_eq!(rig.client.wait(&upid, Duration::from_secs(60), &told), TaskEnd::Stopped);
    drop(tell);
    assert_eq!(rig.client.wait(&upid, Duration::from_secs(60), &told), TaskEnd::Stopped);
    assert_eq!(rig.client.task_status(&upid), Ok(TaskState::Running));
}

#[test]
fn a_stranger_s_task_cannot_be_waited_for() {
    let rig = Rig::new();
    let upid = start(&rig, 102);
    let stranger = rig.client_as("agent@pve!none", "55555555-5555-4555-8555-555555555555");
    let end = stranger.wait(&upid, Duration::from_secs(20), &never());
    assert!(matches!(&end, TaskEnd::Unknown(text) if text.contains("Sys.Audit")), "{end:?}");
}

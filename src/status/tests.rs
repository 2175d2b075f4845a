//! The wire form, and the rules: one state per finding, `since` that tells how long, conditions that are always all there.

use serde_json::json;

use super::condition::{ManifestState, Reach, Situation, conditions};
use super::resource::{Finding, Progress, last_action, status};
use super::{
    AgentStatus, Condition, ConditionReason, ConditionStatus, ConditionType, HistoryEntry, ResourceError,
    ResourceState, ResourceStatus, refused,
};
use crate::model::desired::{RefusedResource, RefusedState};
use crate::model::drift::Drift;
use crate::model::guest::{RunState, Vmid};
use crate::model::hold::{Halt, Hold, HoldReason};
use crate::model::op::ClockTrust;
use crate::model::outcome::{Failure, Outcome, Recourse};
use crate::model::sorted::Map;
use crate::model::time::Timestamp;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(1_795_242_000 + seconds)
}

fn finding(progress: Progress) -> Finding {
    Finding {
        generation: 7,
        vmid: Vmid::new(101).unwrap(),
        run_state: RunState::Running,
        pending_reboot: Vec::new(),
        warnings: Vec::new(),
        drift: Vec::new(),
        progress,
    }
}

fn held(reason: HoldReason, detail: &str) -> Progress {
    Progress::Held(Hold { reason, detail: detail.to_owned(), remedy: "wait".to_owned() })
}

fn failed(code: &str, retry_after: Option<Timestamp>) -> Progress {
    let error = ResourceError { code: code.to_owned(), message: "…".to_owned() };
    Progress::Failed { error, retry_after }
}

fn at_time(progress: Progress, previous: Option<&ResourceStatus>, seconds: u64) -> ResourceStatus {
    status(finding(progress), None, previous, at(seconds))
}

#[test]
fn a_resource_is_written_as_the_wire_says() {
    let mut found = finding(held(HoldReason::Lock, "lock \"backup\""));
    found.pending_reboot = vec!["cores".to_owned()];
    found.drift = vec![Drift { field: "cores".to_owned(), desired: json!(2), actual: json!(4) }];
    let acted = last_action("set cores=2 of lxc/101".to_owned(), &Outcome::Done { upid: None }, at(0));
    let status = status(found, Some(acted), None, at(1));
    let written = serde_json::to_value(&status).unwrap();
    assert_eq!(
        written,
        json!({
            "state": "held", "since": "2026-11-21T06:20:01Z", "generation": 7,
            "details": {"run_state": "running", "vmid": 101, "pending_reboot": ["cores"], "warnings": []},
            "hold": {"reason": "lock", "detail": "lock \"backup\"", "remedy": "wait"},
            "last_action": {"what": "set cores=2 of lxc/101", "result": "done", "at": "2026-11-21T06:20:00Z"},
            "drift": [{"field": "cores", "desired": 2, "actual": 4}],
        })
    );
    assert_eq!(serde_json::from_value::<ResourceStatus>(written).unwrap(), status);
}

#[test]
fn each_finding_is_one_state() {
    for (progress, state) in [
        (Progress::Planned, ResourceState::Pending),
        (Progress::Working, ResourceState::Reconciling),
        (Progress::InOrder, ResourceState::Ready),
        (held(HoldReason::Suspended, ""), ResourceState::Held),
        (failed("permission", None), ResourceState::Failed),
    ] {
        let status = at_time(progress, None, 0);
        assert_eq!(status.state, state);
        assert_eq!(status.hold.is_some(), state == ResourceState::Held);
        assert_eq!(status.error.is_some(), state == ResourceState::Failed);
        assert_eq!(status.retry_after, None);
    }
}

#[test]
fn since_changes_with_the_state_or_its_reason_and_with_nothing_else() {
    let first = at_time(held(HoldReason::Lock, "lock \"backup\", 3 s"), None, 0);
    let same = at_time(held(HoldReason::Lock, "lock \"backup\", 9 s"), Some(&first), 6);
    assert_eq!((same.since, same.hold.as_ref().unwrap().detail.as_str()), (at(0), "lock \"backup\", 9 s"));
    let other = at_time(held(HoldReason::HaManaged, ""), Some(&same), 9);
    assert_eq!(other.since, at(9));
    let failed_once = at_time(failed("unreachable", Some(at(20))), Some(&other), 12);
    let failed_again = at_time(failed("unreachable", Some(at(40))), Some(&failed_once), 20);
    assert_eq!((failed_again.since, failed_again.retry_after), (at(12), Some(at(40))));
    assert_eq!(at_time(failed("permission", None), Some(&failed_again), 30).since, at(30));
    let ready = at_time(Progress::InOrder, Some(&failed_again), 31);
    assert_eq!(at_time(Progress::InOrder, Some(&ready), 99).since, at(31));
}

#[test]
fn the_last_action_stays_until_the_next() {
    let outcome = Outcome::Warned { upid: "UPID:…:".to_owned(), lines: Vec::new() };
    let acted = last_action("start lxc/101".to_owned(), &outcome, at(5));
    let first = status(finding(Progress::Working), Some(acted.clone()), None, at(6));
    let later = at_time(Progress::InOrder, Some(&first), 7);
    assert_eq!(later.last_action, Some(acted));
}

#[test]
fn each_outcome_has_its_word() {
    let upid = || "UPID:…:".to_owned();
    let failure = Failure { code: "locked", message: String::new(), upid: None, recourse: Recourse::Wait };
    for (outcome, word) in [
        (Outcome::Done { upid: Some(upid()) }, "done"),
        (Outcome::Warned { upid: upid(), lines: Vec::new() }, "warnings"),
        (Outcome::Conflict { message: String::new() }, "conflict"),
        (Outcome::Failed(failure), "failed"),
        (Outcome::Uncertain { upid: None, message: String::new() }, "uncertain"),
        (Outcome::StillRunning { upid: upid() }, "running"),
    ] {
        assert_eq!(last_action(String::new(), &outcome, at(0)).result, word);
    }
}

#[test]
fn a_refused_resource_has_a_status_too() {
    let resource = RefusedResource {
        resource_id: "conf".to_owned(),
        state: RefusedState::UnknownResource,
        message: "kind: …".to_owned(),
    };
    let first = refused(&resource, 7, None, at(0));
    let later = refused(&resource, 8, Some(&first), at(60));
    assert_eq!((later.state, later.since, later.generation), (ResourceState::UnknownResource, at(0), 8));
    assert_eq!(serde_json::to_value(&later).unwrap()["error"]["code"], "unknown_resource");
}

fn quiet() -> Situation {
    Situation {
        manifest: ManifestState::Current,
        unseen: false,
        proxmox: Reach::Reachable,
        hub: Reach::Reachable,
        keyring: None,
        duplicate: None,
        halt: None,
        clock: Some(ClockTrust::Trusted),
        journal: Some(Ok(())),
    }
}

fn resources(list: &[(&str, Progress)]) -> Map<String, ResourceStatus> {
    list.iter().map(|(id, progress)| ((*id).to_owned(), at_time(progress.clone(), None, 0))).collect()
}

fn said(conditions: &[Condition], kind: ConditionType) -> (ConditionStatus, ConditionReason, &str) {
    let condition = conditions.iter().find(|condition| condition.kind == kind).unwrap();
    (condition.status, condition.reason, condition.message.as_str())
}

use ConditionStatus::{False, True, Unknown};

#[test]
fn all_conditions_are_always_there_in_their_order() {
    let names: Vec<String> = conditions(&quiet(), &Map::new(), &[], at(0))
        .iter()
        .map(|condition| serde_json::to_value(condition.kind).unwrap().as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "Ready",
            "Reconciling",
            "Degraded",
            "Stalled",
            "Blocked",
            "ClockUntrusted",
            "JournalDamaged",
            "StaleManifest",
            "HubUnreachable"
        ]
    );
}

#[test]
fn the_worst_resource_decides_whether_the_agent_is_ready() {
    for (list, ready, reconciling, degraded, stalled) in [
        (vec![], (True, ConditionReason::AllReady), False, False, False),
        (vec![("a", Progress::InOrder)], (True, ConditionReason::AllReady), False, False, False),
        (vec![("a", Progress::Working)], (False, ConditionReason::InProgress), True, False, False),
        (
            vec![("a", held(HoldReason::Lock, "")), ("b", Progress::Planned)],
            (False, ConditionReason::ResourcesHeld),
            True,
            False,
            True,
        ),
        (
            vec![("a", held(HoldReason::Lock, "")), ("b", failed("unreachable", Some(at(9))))],
            (False, ConditionReason::ResourcesFailed),
            True,
            True,
            True,
        ),
        (
            vec![("a", failed("unreachable", Some(at(9))))],
            (False, ConditionReason::ResourcesFailed),
            True,
            True,
            False,
        ),
        (
            vec![("a", failed("permission", None))],
            (False, ConditionReason::ResourcesFailed),
            False,
            True,
            True,
        ),
    ] {
        let conditions = conditions(&quiet(), &resources(&list), &[], at(1));
        let (status, reason, _) = said(&conditions, ConditionType::Ready);
        assert_eq!((status, reason), ready, "{list:?}");
        assert_eq!(said(&conditions, ConditionType::Reconciling).0, reconciling, "{list:?}");
        assert_eq!(said(&conditions, ConditionType::Degraded).0, degraded, "{list:?}");
        assert_eq!(said(&conditions, ConditionType::Stalled).0, stalled, "{list:?}");
    }
}

#[test]
fn what_is_not_known_is_unknown_and_not_false() {
    let dark = Situation {
        proxmox: Reach::Unreachable("connection refused".to_owned()),
        hub: Reach::NotYetTried,
        clock: None,
        journal: None,
        manifest: ManifestState::Unavailable("no answer".to_owned()),
        unseen: true,
        duplicate: None,
        keyring: None,
        halt: Some(Halt::Hub),
    };
    let conditions = conditions(&dark, &resources(&[("a", Progress::InOrder)]), &[], at(0));
    assert_eq!(
        said(&conditions, ConditionType::Ready),
        (Unknown, ConditionReason::ProxmoxUnreachable, "connection refused")
    );
    assert_eq!(said(&conditions, ConditionType::Degraded).0, True);
    assert_eq!(said(&conditions, ConditionType::Blocked).0, True);
    for kind in [ConditionType::ClockUntrusted, ConditionType::JournalDamaged, ConditionType::HubUnreachable]
    {
        assert_eq!(said(&conditions, kind).0, Unknown);
    }
    assert_eq!(said(&conditions, ConditionType::StaleManifest).1, ConditionReason::ManifestUnavailable);
}

#[test]
fn what_was_not_looked_at_yet_is_not_ready() {
    let fresh = Situation { unseen: true, ..quiet() };
    for (list, expected) in [
        (vec![], (Unknown, ConditionReason::NotYetObserved)),
        (vec![("a", Progress::InOrder)], (Unknown, ConditionReason::NotYetObserved)),
        (vec![("a", Progress::Working)], (False, ConditionReason::InProgress)),
    ] {
        let conditions = conditions(&fresh, &resources(&list), &[], at(0));
        let (status, reason, _) = said(&conditions, ConditionType::Ready);
        assert_eq!((status, reason), expected, "{list:?}");
    }
}

#[test]
fn a_condition_s_since_tells_how_long_it_has_lasted() {
    let none = Map::new();
    let first = conditions(&quiet(), &none, &[], at(0));
    let mut down = quiet();
    down.hub = Reach::Unreachable("timeout".to_owned());
    let second = conditions(&down, &none, &first, at(10));
    down.hub = Reach::Unreachable("connection refused".to_owned());
    let third = conditions(&down, &none, &second, at(20));
    let since = |conditions: &[Condition], kind| {
        conditions.iter().find(|condition| condition.kind == kind).map(|condition| condition.since)
    };
    assert_eq!(since(&third, ConditionType::HubUnreachable), Some(at(10)));
    assert_eq!(since(&third, ConditionType::Ready), Some(at(0)));
    assert_eq!(said(&third, ConditionType::HubUnreachable).2, "connection refused");
}

#[test]
fn a_message_names_the_first_and_counts_the_rest() {
    let ids: Vec<String> = (100..130).map(|number| format!("r{number}")).collect();
    let list: Vec<(&str, Progress)> =
        ids.iter().map(|id| (id.as_str(), failed("permission", None))).collect();
    let conditions = conditions(&quiet(), &resources(&list), &[], at(0));
    assert_eq!(said(&conditions, ConditionType::Stalled).2, "r100, r101, r102, r103, r104 and 25 more");
}

fn agent_status() -> AgentStatus {
    AgentStatus {
        schema: AgentStatus::SCHEMA,
        host_id: "h".to_owned(),
        agent_version: "0.1.0".to_owned(),
        instance: "i".to_owned(),
        manifest_generation: None,
        observed_generation: None,
        manifest_sha256: None,
        at: at(0),
        paused: false,
        resources: Map::new(),
        conditions: conditions(&quiet(), &Map::new(), &[], at(0)),
        history: Vec::new(),
    }
}

#[test]
fn an_agent_status_is_read_back_as_it_was_written_also_from_a_later_version() {
    let status = agent_status();
    let mut written = serde_json::to_value(&status).unwrap();
    assert!(written.get("manifest_generation").is_none(), "what is unknown is absent");
    assert_eq!(written["resources"], json!({}));
    assert_eq!(serde_json::from_value::<AgentStatus>(written.clone()).unwrap(), status);
    written["of_tomorrow"] = json!(1);
    written["conditions"][0]["reason"] = json!("OfTomorrow");
    let read: AgentStatus = serde_json::from_value(written).unwrap();
    assert_eq!(read.conditions[0].reason, ConditionReason::Other);
}

#[test]
fn the_history_is_short_and_does_not_repeat_itself() {
    let mut status = agent_status();
    let entry = |generation: u64, seconds: u64| HistoryEntry {
        generation,
        manifest_sha256: format!("{generation:x}"),
        at: at(seconds),
        result: "accepted".to_owned(),
    };
    for generation in 0..50 {
        status.remember(entry(generation, generation));
        status.remember(entry(generation, generation + 1_000));
    }
    let generations: Vec<u64> = status.history.iter().map(|entry| entry.generation).collect();
    assert_eq!(generations, (30..50).collect::<Vec<_>>());
    assert_eq!(status.history.last().unwrap().at, at(49));
}

//! The plan as programs read it, with every step and every reason that the code knows.

use std::collections::BTreeSet;

use felhom_agent::model::desired::{RefusedResource, RefusedState};
use felhom_agent::model::drift::Drift;
use felhom_agent::model::guest::{GuestId, GuestKind, RunState, Vmid};
use felhom_agent::model::hold::{Hold, HoldReason};
use felhom_agent::model::outcome::Recourse;
use felhom_agent::model::sorted::{Map as SortedMap, Set as SortedSet};
use felhom_agent::model::step::{ConfigChange, Origin, Purpose, Step};
use felhom_agent::plan::{GuestPlan, Note, Plan, PlanFailure, PlannedStep, Unmanaged};
use serde_json::{Value, json};

use super::{Schema, paths_of};

/// One of each, with all it can have.
fn every_step(guest: GuestId) -> Vec<Step> {
    let text = || "x".to_owned();
    let (set, delete) = (SortedMap::from([(text(), text())]), SortedSet::from([text()]));
    vec![
        Step::SetConfig { guest, change: ConfigChange { set: set.clone(), delete, digest: text() } },
        Step::Start { guest },
        Step::Shutdown { guest, timeout_s: 60 },
        Step::Reboot { guest, timeout_s: 60 },
        Step::HaState { guest, running: true },
        Step::Snapshot { guest, name: text() },
        Step::DeleteSnapshot { guest, name: text() },
        Step::Stop { guest },
        Step::Backup { guest, storage: text(), prune: false },
        Step::Resize { guest, key: text(), from: None, to: 1, digest: text() },
        Step::Destroy { guest, purge: true },
        Step::Rollback { guest, snapshot: text(), start: true },
        Step::RestoreOver { guest, volid: text(), storage: text() },
        Step::DeleteBackup { guest, volid: text() },
        Step::Make { guest, origin: Origin::Clone, source: text(), purpose: Purpose::Provision, params: set },
    ]
}

#[test]
fn the_plan_fits_its_schema_in_both_directions() {
    let text = || "x".to_owned();
    let guest = GuestId::new(GuestKind::Lxc, Vmid::new(101).unwrap());
    let planned = |step| PlannedStep { step, reason: text() };
    let note = || Note { code: "in_order", message: text() };
    let drift = Drift { field: text(), desired: json!(2), actual: json!("absent") };
    let guest_plan = |reason| GuestPlan {
        resource_id: text(),
        guest,
        run_state: RunState::Running,
        steps: every_step(guest).into_iter().map(planned).collect(),
        drift: vec![drift.clone()],
        diff: vec![json!({"field": "x", "desired": 2, "running": "absent", "pending": {"a": 1}})],
        hold: Some(Hold { reason, detail: text(), remedy: text() }),
        notes: vec![note()],
        pending_reboot: vec![text()],
        unmanaged: vec![text()],
        failure: Some(PlanFailure { code: "immutable", message: text(), recourse: Recourse::Retry }),
        held: SortedMap::new(),
    };
    let refused = [RefusedState::UnknownResource, RefusedState::InvalidSpec];
    let refused = refused.map(|state| RefusedResource { resource_id: text(), state, message: text() });
    let plan = Plan {
        generation: 7,
        guests: HoldReason::ALL.map(guest_plan).to_vec(),
        refused: refused.to_vec(),
        unmanaged: vec![Unmanaged { guest, name: Some(text()), run_state: RunState::Unknown }],
        problems: vec![note()],
    };
    let schema = Schema::plan();
    let full = serde_json::to_value(&plan).expect("a plan is JSON");
    assert_eq!(schema.faults(&full), Vec::<String>::new());
    let mut paths = BTreeSet::new();
    paths_of(&full, "", &[".guests[].steps[].set", ".guests[].steps[].params"], &mut paths);
    let missing: Vec<String> = schema.paths().difference(&paths).cloned().collect();
    assert_eq!(missing, Vec::<String>::new(), "named by the schema, absent in the full document");
    let steps = schema.root.pointer("/$defs/step/properties/step/enum").and_then(Value::as_array);
    assert_eq!(steps.map(Vec::len), Some(every_step(guest).len()));
    let reasons = schema.root.pointer("/$defs/guest/properties/hold/properties/reason/enum");
    assert_eq!(reasons.and_then(Value::as_array).map(Vec::len), Some(HoldReason::ALL.len()));
    for absent in ["hold", "failure"] {
        let mut bare = full.clone();
        bare["guests"][0][absent] = Value::Null;
        assert_eq!(schema.faults(&bare), Vec::<String>::new());
    }
}

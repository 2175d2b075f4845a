//! The state of one guest resource from what was found out about it: one rule each, in order.
//! `plan` lies above this block, so what it found comes in as plain values.

use super::{Details, LastAction, ResourceError, ResourceState, ResourceStatus};
use crate::model::drift::Drift;
use crate::model::guest::{RunState, Vmid};
use crate::model::hold::Hold;
use crate::model::outcome::{Failure, Outcome};
use crate::model::time::Timestamp;

/// What is known of a guest resource after it was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub generation: u64,
    pub vmid: Vmid,
    pub run_state: RunState,
    pub pending_reboot: Vec<String>,
    pub warnings: Vec<String>,
    pub drift: Vec<Drift>,
    pub progress: Progress,
}

/// Where the resource stands; exactly one.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Steps are planned and none has begun.
    Planned,
    /// A lane works on it.
    Working,
    /// Nothing to do. With `drift: report` there may be drift nevertheless.
    InOrder,
    Held(Hold),
    /// `retry_after` is absent if no retry cures it.
    Failed {
        error: ResourceError,
        retry_after: Option<Timestamp>,
    },
}

/// The resource's status; `acted` is what was last done, if anything was done since `previous`.
pub fn status(
    finding: Finding,
    acted: Option<LastAction>,
    previous: Option<&ResourceStatus>,
    now: Timestamp,
) -> ResourceStatus {
    let (state, hold, error, retry_after) = match finding.progress {
        Progress::Planned => (ResourceState::Pending, None, None, None),
        Progress::Working => (ResourceState::Reconciling, None, None, None),
        Progress::InOrder => (ResourceState::Ready, None, None, None),
        Progress::Held(hold) => (ResourceState::Held, Some(hold), None, None),
        Progress::Failed { error, retry_after } => (ResourceState::Failed, None, Some(error), retry_after),
    };
    let details = Details {
        run_state: Some(finding.run_state),
        vmid: Some(finding.vmid),
        pending_reboot: finding.pending_reboot,
        warnings: finding.warnings,
    };
    let last_action = acted.or_else(|| previous.and_then(|previous| previous.last_action.clone()));
    let generation = finding.generation;
    let drift = finding.drift;
    ResourceStatus { state, since: now, generation, details, hold, error, retry_after, last_action, drift }
        .keeping_since(previous)
}

/// A step's end, as the status keeps it.
pub fn last_action(what: String, outcome: &Outcome, at: Timestamp) -> LastAction {
    let (result, upid) = match outcome {
        Outcome::Done { upid } => ("done", upid.clone()),
        Outcome::Warned { upid, .. } => ("warnings", Some(upid.clone())),
        Outcome::Conflict { .. } => ("conflict", None),
        Outcome::Failed(Failure { upid, .. }) => ("failed", upid.clone()),
        Outcome::Uncertain { upid, .. } => ("uncertain", upid.clone()),
        Outcome::Partial { upid, .. } => ("partial", upid.clone()),
        Outcome::StillRunning { upid } => ("running", Some(upid.clone())),
        Outcome::Interrupted { .. } => ("interrupted", None),
    };
    LastAction { what, upid, result: result.to_owned(), at }
}

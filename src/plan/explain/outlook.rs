//! What will happen to one field, by which step and call; and if nothing will, why not, and what would let it go on.

use serde_json::{Map as Members, Value, json};

use super::{Case, document, put};
use crate::model::desired::policy::Restart;
use crate::model::desired::{DriftPolicy, WantedRun};
use crate::model::guest::{GuestKind, RunState};
use crate::model::step::{Origin, Step};
use crate::normalize::TakesEffect;
use crate::plan::GuestPlan;
use crate::status::{ResourceState, ResourceStatus};

/// How what is wanted of a field stands to what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing is wanted of it.
    Unmanaged,
    Equal,
    Differs,
    /// As it should be from the next start on.
    PendingReboot,
    Ignored,
    /// Nobody knows what is there.
    NotRead,
}

impl Standing {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unmanaged => "unmanaged",
            Self::Equal => "equal",
            Self::Differs => "differs",
            Self::PendingReboot => "pending_reboot",
            Self::Ignored => "ignored",
            Self::NotRead => "not_read",
        }
    }
}

/// What of a guest is spoken of.
#[derive(Debug)]
pub(super) enum What<'a> {
    /// Proxmox's key, and when a running guest takes a write of it.
    Key(&'a str, Option<TakesEffect>),
    Run,
    Existence,
}

/// `standing`, `happens`, `step` with `call`, `why_not`.
pub(super) fn outlook(
    case: &Case<'_>,
    standing: Standing,
    what: &What<'_>,
    told: &mut Members<String, Value>,
) {
    told.insert("standing".to_owned(), standing.as_str().into());
    let happens = match standing {
        Standing::Equal => "nothing: it is as it should be",
        Standing::Unmanaged => "nothing: the desired state does not name it, and it stays as it is",
        Standing::Ignored => "nothing: its difference is to be ignored (ignore)",
        Standing::Differs | Standing::PendingReboot | Standing::NotRead => {
            if standing != Standing::NotRead && !case.is_outdated() {
                step(case, standing, what, told);
            }
            let why_not = match case.is_outdated() {
                true => Some(outdated()),
                false => why_not(case, standing, told.contains_key("step")),
            };
            put(told, "why_not", why_not);
            return;
        }
    };
    told.insert("happens".to_owned(), happens.into());
}

/// The step that brings it about, if one is planned.
fn step(case: &Case<'_>, standing: Standing, what: &What<'_>, told: &mut Members<String, Value>) {
    let Some(plan) = case.plan else { return };
    let is_it = |step: &Step| match standing {
        Standing::PendingReboot => matches!(step, Step::Reboot { .. }),
        _ => concerns(step, what),
    };
    let Some(at) = plan.steps.iter().position(|planned| is_it(&planned.step)) else { return };
    let Some(planned) = plan.steps.get(at) else { return };
    let (number, of, call) = (at + 1, plan.steps.len(), call(case, &planned.step));
    let more = match (&planned.step, what) {
        (Step::Make { params, .. }, What::Key(key, _)) if params.contains_key(*key) => "",
        (Step::Make { .. }, What::Key(..) | What::Run) => {
            "; what is wanted of this follows once the guest is there"
        }
        (Step::SetConfig { .. }, What::Key(_, Some(TakesEffect::AtNextStart) | None)) => {
            waits(case, plan, at)
        }
        _ => "",
    };
    told.insert(
        "happens".to_owned(),
        format!("step {number} of {of}: {}, by {call}{more}", planned.step).into(),
    );
    let mut members = document(planned);
    if let Some(members) = members.as_object_mut() {
        members.insert("number".to_owned(), number.into());
    }
    told.insert("step".to_owned(), members);
    told.insert("call".to_owned(), call.into());
}

/// When a running guest takes what is written.
fn waits(case: &Case<'_>, plan: &GuestPlan, at: usize) -> &'static str {
    let stops = |step: &Step| matches!(step, Step::Shutdown { .. } | Step::Stop { .. });
    let stopped = plan.steps.iter().take(at).any(|planned| stops(&planned.step));
    if plan.run_state != RunState::Running || stopped {
        return "";
    }
    match case.desired.policy.restart {
        _ if case.desired.run_state != Some(WantedRun::Running) => {
            "; the running guest takes it at its next start"
        }
        Restart::Never => "; the running guest takes it at its next start (restart is never)",
        Restart::Window => "; the running guest is then restarted in the maintenance window",
        Restart::Allowed => "; the running guest is then restarted",
    }
}

fn concerns(step: &Step, what: &What<'_>) -> bool {
    match (step, what) {
        (Step::SetConfig { change, .. }, What::Key(key, _)) => {
            change.set.contains_key(*key) || change.delete.contains(*key)
        }
        (Step::Resize { key, .. }, What::Key(wanted, _)) => key == wanted,
        (Step::Make { .. }, _) | (Step::Destroy { .. }, What::Existence) => true,
        (
            Step::Start { .. } | Step::Shutdown { .. } | Step::Stop { .. } | Step::HaState { .. },
            What::Run,
        ) => true,
        _ => false,
    }
}

/// The call that the step is.
fn call(case: &Case<'_>, step: &Step) -> String {
    let guest = step.guest();
    let node = case.node().unwrap_or("{node}");
    let (method, path) = match step {
        Step::SetConfig { .. } => {
            (if guest.kind == GuestKind::Lxc { "PUT" } else { "POST" }, case.path("/config"))
        }
        Step::Start { .. } => ("POST", case.path("/status/start")),
        Step::Shutdown { .. } => ("POST", case.path("/status/shutdown")),
        Step::Reboot { .. } => ("POST", case.path("/status/reboot")),
        Step::Stop { .. } => ("POST", case.path("/status/stop")),
        Step::Resize { .. } => ("PUT", case.path("/resize")),
        Step::Destroy { .. } => ("DELETE", case.path("")),
        Step::Make { origin: Origin::Clone, source, .. } => {
            ("POST", format!("/nodes/{node}/{}/{source}/clone", guest.kind))
        }
        Step::Make { .. } | Step::RestoreOver { .. } => ("POST", format!("/nodes/{node}/{}", guest.kind)),
        Step::HaState { .. } => {
            let kind = if guest.kind == GuestKind::Lxc { "ct" } else { "vm" };
            ("PUT", format!("/cluster/ha/resources/{kind}:{}", guest.vmid))
        }
        Step::Backup { .. } => ("POST", format!("/nodes/{node}/vzdump")),
        Step::Snapshot { .. } => ("POST", case.path("/snapshot")),
        Step::DeleteSnapshot { name, .. } => ("DELETE", case.path(&format!("/snapshot/{name}"))),
        Step::Rollback { snapshot, .. } => ("POST", case.path(&format!("/snapshot/{snapshot}/rollback"))),
        Step::DeleteBackup { volid, .. } => {
            let storage = volid.split(':').next().unwrap_or_default();
            ("DELETE", format!("/nodes/{node}/storage/{storage}/content/{volid}"))
        }
    };
    format!("{method} {path}")
}

fn outdated() -> Value {
    let detail = "a job of this agent has ended since this look, which does not show what it did";
    let remedy = "ask again after the next look; felhom-agent status tells how the job ended";
    reason("outdated", detail, remedy)
}

/// The strongest reason against it, with what would let it go on; `None`: it is about to happen.
fn why_not(case: &Case<'_>, standing: Standing, is_planned: bool) -> Option<Value> {
    let Some(plan) = case.plan else {
        return Some(reason(
            "not_yet_observed",
            "the node has not been looked at yet",
            "wait for the first look",
        ));
    };
    if let Some(hold) = plan.hold.as_ref().filter(|_| !is_planned) {
        return Some(document(hold));
    }
    if let Some(failure) = &plan.failure {
        return Some(reason(failure.code, &failure.message, ""));
    }
    if standing == Standing::NotRead {
        return Some(reason("not_read", "nobody could say what is there now", "wait; it is looked at again"));
    }
    // The guest's own reasons tell more.
    if let Some(halt) = &case.known.halt {
        return Some(document(halt));
    }
    if let Some(found) = case.status().and_then(found) {
        return Some(found);
    }
    if is_planned {
        return None;
    }
    if case.desired.drift == DriftPolicy::Report {
        let remedy = "say \"drift\": \"correct\" in the resource";
        return Some(reason("drift_reported", "a difference is only to be reported (drift)", remedy));
    }
    let note = |code: &str| plan.notes.iter().find(|note| note.code == code);
    if let Some(later) = note("later") {
        return Some(reason("later", &later.message, ""));
    }
    if standing == Standing::PendingReboot {
        let should_run = case.desired.run_state == Some(WantedRun::Running);
        let detail = if should_run {
            "it is written and holds from the next start on, and the guest is never restarted for it (restart)"
        } else {
            "it is written and holds from the next start on; only a guest that should run is restarted for it"
        };
        let remedy = "restart it by hand, or say \"restart\": \"window\" or \"allowed\" in the resource";
        return Some(reason("restart_never", detail, remedy));
    }
    Some(reason("later", "other steps come first, and then it is planned again", "wait"))
}

/// What a lane found when it was about to act, which the plan of a look cannot know.
fn found(status: &ResourceStatus) -> Option<Value> {
    match (status.state, &status.hold, &status.error) {
        (ResourceState::Held, Some(hold), _) => Some(document(hold)),
        (ResourceState::Failed, _, Some(error)) => {
            let again = status.retry_after.map(|at| format!("it is tried again at {at}"));
            let never = || "it is tried again when the guest or what is wanted of it changes".to_owned();
            Some(reason(&error.code, &error.message, &again.unwrap_or_else(never)))
        }
        _ => None,
    }
}

fn reason(code: &str, detail: &str, remedy: &str) -> Value {
    json!({"reason": code, "detail": detail, "remedy": remedy})
}

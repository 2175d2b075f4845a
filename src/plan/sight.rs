//! What was seen of one guest, or why it was not seen. Absence is not evidence: a guest is "missing" only when the
//! list was read without it and its configuration was said not to exist.

use super::PlanFailure;
use crate::model::desired::DesiredGuest;
use crate::model::guest::RunState;
use crate::model::observed::{
    GuestConfig, GuestObservation, HaState, ListedGuest, LiveStatus, Presence, ReadFault, Reading,
};
use crate::model::outcome::Recourse;

/// The code of a guest that the list does not have and whose configuration does not exist.
pub(super) const GUEST_MISSING: &str = "guest_missing";

/// All that planning needs to know of a guest, and all of it known.
#[derive(Debug)]
pub(super) struct Sight<'a> {
    pub(super) config: &'a GuestConfig,
    /// Never `Unknown`.
    pub(super) run: RunState,
    pub(super) lock: Option<&'a str>,
    pub(super) template: bool,
    pub(super) live: Option<&'a LiveStatus>,
}

impl<'a> Sight<'a> {
    pub(super) fn of(desired: &DesiredGuest, seen: &'a GuestObservation) -> Result<Self, PlanFailure> {
        let listed = match &seen.presence {
            Presence::Listed(listed) => Some(listed),
            Presence::NotListed | Presence::Nowhere | Presence::Elsewhere(_) | Presence::Unknown(_) => None,
        };
        if let Some(listed) = listed {
            same_kind(desired, listed)?;
        }
        let config = match &seen.config {
            Reading::Known(config) if config.digest.is_empty() => {
                return Err(unreadable(
                    "its configuration came without a digest, so that no write could be safe",
                ));
            }
            Reading::Known(config) => config,
            Reading::Unknown(fault) => return Err(without_config(desired, &seen.presence, fault)),
        };
        let live = match &seen.live {
            Some(Reading::Known(live)) => Some(live),
            Some(Reading::Unknown(fault)) => {
                return Err(unreadable(&format!("its status could not be read: {}", fault.message)));
            }
            None => None,
        };
        let (run, lock, template) = match (live, listed) {
            (Some(live), _) => (live.run, live.lock.as_deref(), live.template),
            (None, Some(listed)) => (listed.run, listed.lock.as_deref(), listed.template),
            (None, None) => return Err(unlisted(desired, &seen.presence)),
        };
        if run == RunState::Unknown {
            return Err(unreadable("the node does not say whether it runs"));
        }
        let current = |key: &str| config.current.get(key).map(String::as_str);
        let lock = lock.or_else(|| current("lock")).filter(|lock| !lock.is_empty());
        let template = template || current("template") == Some("1");
        Ok(Self { config, run, lock, template, live })
    }

    /// The UPID of a backup that works on the guest now.
    pub(super) fn backup_task(&self) -> Option<&'a str> {
        self.live?.backup_task.as_deref()
    }

    /// A backup is at work: what the guest seems to be doing is not its owner's doing.
    pub(super) fn in_backup(&self) -> bool {
        self.lock == Some("backup") || self.backup_task().is_some()
    }

    /// The HA manager's word for the guest's state, if it manages it. `ignored` means that it does not.
    pub(super) fn ha(&self) -> Option<&'a str> {
        match &self.live?.ha {
            HaState::NotManaged => None,
            HaState::Managed(Some(state)) if state == "ignored" => None,
            HaState::Managed(state) => Some(state.as_deref().unwrap_or("state not told")),
        }
    }
}

fn same_kind(desired: &DesiredGuest, listed: &ListedGuest) -> Result<(), PlanFailure> {
    if listed.guest.kind == desired.guest.kind {
        return Ok(());
    }
    Err(PlanFailure {
        code: "kind_mismatch",
        message: format!(
            "the desired state names {}, but on this node it is {}",
            desired.guest, listed.guest
        ),
        recourse: Recourse::Terminal,
    })
}

fn without_config(desired: &DesiredGuest, presence: &Presence, fault: &ReadFault) -> PlanFailure {
    let guest = desired.guest;
    match presence {
        Presence::Nowhere => PlanFailure {
            code: GUEST_MISSING,
            message: format!("there is no {guest}, on this node or any other of the cluster"),
            recourse: Recourse::Terminal,
        },
        Presence::Elsewhere(node) => PlanFailure {
            code: GUEST_MISSING,
            message: format!("there is no {guest} on this node: {} is on node {node}", guest.vmid),
            recourse: Recourse::Terminal,
        },
        Presence::NotListed if fault.code == ReadFault::GUEST_MISSING => PlanFailure {
            code: GUEST_MISSING,
            message: format!(
                "there is no {guest} on this node: {}. It may have moved to another node",
                fault.message
            ),
            recourse: Recourse::Terminal,
        },
        Presence::NotListed => not_visible(desired, &fault.message),
        Presence::Listed(_) | Presence::Unknown(_) => {
            unreadable(&format!("its configuration could not be read: {}", fault.message))
        }
    }
}

/// The configuration was read, but nobody says whether the guest runs.
fn unlisted(desired: &DesiredGuest, presence: &Presence) -> PlanFailure {
    match presence {
        Presence::Unknown(fault) => {
            unreadable(&format!("the guest list could not be read: {}", fault.message))
        }
        Presence::NotListed | Presence::Nowhere | Presence::Elsewhere(_) | Presence::Listed(_) => {
            not_visible(desired, "its configuration can be read, but the guest list does not have it")
        }
    }
}

fn not_visible(desired: &DesiredGuest, why: &str) -> PlanFailure {
    let guest = desired.guest;
    let vmid = guest.vmid;
    PlanFailure {
        code: "guest_not_visible",
        message: format!(
            "{guest} is not in the node's list, which proves nothing: a token without VM.Audit on /vms/{vmid} \
             sees the same list ({why})"
        ),
        recourse: Recourse::Retry,
    }
}

pub(super) fn unreadable(message: &str) -> PlanFailure {
    PlanFailure { code: "unreadable", message: message.to_owned(), recourse: Recourse::Retry }
}

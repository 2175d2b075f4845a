//! Why a guest that differs is left alone for now: who has it, and what an operator can do.

use super::sight::Sight;
use super::{PlannedStep, Settings};
use crate::model::desired::DesiredGuest;
use crate::model::desired::policy::Restart;
use crate::model::guest::{GuestId, GuestKind, RunState};
use crate::model::hold::{Hold, HoldReason};
use crate::model::observed::LiveStatus;
use crate::model::step::{Step, ha_word};

/// The first reason to wait, the strongest first.
pub(super) fn hold(desired: &DesiredGuest, sight: &Sight<'_>) -> Option<Hold> {
    let guest = desired.guest;
    if let Some(hold) = suspended(desired) {
        return Some(hold);
    }
    if sight.template {
        return Some(template(guest));
    }
    if let Some(lock) = sight.lock {
        return Some(locked(guest, lock));
    }
    // The lock is let go for a moment in the middle of a container's backup.
    if let Some(upid) = sight.backup_task() {
        return Some(Hold {
            reason: HoldReason::Backup,
            detail: format!("a backup of {guest} is running ({upid})"),
            remedy: "wait until it has ended".to_owned(),
        });
    }
    (sight.run == RunState::Paused).then(|| paused(guest))
}

pub(super) fn suspended(desired: &DesiredGuest) -> Option<Hold> {
    desired.suspend.then(|| Hold {
        reason: HoldReason::Suspended,
        detail: format!("the desired state suspends {}", desired.resource_id),
        remedy: "take `suspend` out of the resource".to_owned(),
    })
}

fn template(guest: GuestId) -> Hold {
    Hold {
        reason: HoldReason::Template,
        detail: format!("{guest} is a template: it cannot run, and clones are made from it"),
        remedy: "take it out of the desired state, or name a clone of it".to_owned(),
    }
}

fn ha_managed(guest: GuestId, state: &str) -> Hold {
    Hold {
        reason: HoldReason::HaManaged,
        detail: format!("the HA manager decides about {guest} (its state there: {state})"),
        remedy: format!(
            "change it through HA, or take it out of HA with `ha-manager remove {}:{}`",
            match guest.kind {
                GuestKind::Lxc => "ct",
                GuestKind::Qemu => "vm",
            },
            guest.vmid
        ),
    }
}

/// Whether a guest runs that HA manages: HA is asked, or nobody. What it was asked already it does in its own time, and what it
/// calls an error is for a person to clear.
pub(super) fn through_ha(
    guest: GuestId,
    state: &str,
    live: Option<&LiveStatus>,
    running: bool,
    settings: &Settings,
    restart: Restart,
) -> (Option<PlannedStep>, Option<Hold>) {
    let mut hold = ha_managed(guest, state);
    let asked = live.and_then(|live| live.ha_asked.as_deref());
    if settings.ha_through && restart == Restart::Never {
        match asked {
            _ if state == "error" => {
                hold.remedy = "find out why, then clear the error in HA by hand".to_owned();
            }
            Some(asked) if asked == ha_word(running) => {
                hold.detail = format!("HA was asked to have {guest} {asked} and is at it (now: {state})");
                hold.remedy = "wait until HA has done it".to_owned();
            }
            Some("started" | "stopped") => {
                let reason = format!("HA manages it (now: {state}), and it should be {}", ha_word(running));
                return (Some(PlannedStep { step: Step::HaState { guest, running }, reason }), None);
            }
            Some(_) | None => {}
        }
    }
    (None, Some(hold))
}

pub(super) fn outside_window(guest: GuestId) -> Hold {
    Hold {
        reason: HoldReason::MaintenanceWindow,
        detail: format!("{guest} is restarted in the maintenance window only, and it is not that time"),
        remedy: "wait, or restart it by hand (agent.maintenance_window says when)".to_owned(),
    }
}

pub(super) fn moved(guest: GuestId, node: &str) -> Hold {
    Hold {
        reason: HoldReason::Moved,
        detail: format!("{guest} is on node {node} now"),
        remedy: format!("let the agent of {node} have it, or move it back"),
    }
}

fn paused(guest: GuestId) -> Hold {
    Hold {
        reason: HoldReason::Paused,
        detail: format!(
            "{guest} is paused: somebody holds it there, or a backup of the stopped VM is beginning"
        ),
        remedy: format!("wait if a backup runs, else `qm resume {}` or shut it down", guest.vmid),
    }
}

fn locked(guest: GuestId, lock: &str) -> Hold {
    let vmid = guest.vmid;
    let tool = match guest.kind {
        GuestKind::Lxc => "pct",
        GuestKind::Qemu => "qm",
    };
    let unlock = format!("if no task works on it any more, `{tool} unlock {vmid}` as root on the node");
    let (meaning, remedy) = match lock {
        "backup" => (
            "a backup works on it, or was killed while it did",
            format!("wait until the backup has ended; {unlock}"),
        ),
        "snapshot" | "snapshot-delete" => {
            ("a snapshot is being taken or deleted", format!("wait some minutes; {unlock}"))
        }
        "rollback" => {
            ("it is being rolled back to a snapshot", format!("wait; {unlock}, after looking at its disks"))
        }
        "create" => (
            "it is being created or restored",
            format!("wait; {unlock}, after looking at what is there of it"),
        ),
        "clone" => ("it is being cloned", format!("wait; {unlock}")),
        "disk" => ("one of its disks is being moved or resized", format!("wait; {unlock}")),
        "migrate" => (
            "it is moving to another node",
            format!("wait; {unlock}, after finding out on which node it runs"),
        ),
        "fstrim" => ("its file systems are being trimmed", format!("wait; {unlock}")),
        "mounted" => {
            ("its file systems are mounted on the node", format!("`pct unmount {vmid}` on the node"))
        }
        "suspending" => ("it is being suspended to disk", format!("wait; {unlock}")),
        "suspended" => {
            ("it is suspended to disk, its memory with it", format!("`qm resume {vmid}` on the node"))
        }
        "destroyed" => {
            ("an attempt to destroy it did not end", "finish destroying it by hand, or recover it".to_owned())
        }
        _ => ("a lock that this agent does not know", format!("find out who set it; {unlock}")),
    };
    Hold { reason: HoldReason::Lock, detail: format!("{guest} has the lock \"{lock}\": {meaning}"), remedy }
}

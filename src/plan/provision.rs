//! A guest that is nowhere, and is to be made: one step. Everything else that is wanted of it follows once it is there.

use super::{GuestPlan, PlannedStep, Settings, guest, holds};
use crate::model::desired::{DesiredGuest, DriftPolicy, Ensure, Provision, Wanted};
use crate::model::guest::{GuestKind, RunState};
use crate::model::observed::{GuestObservation, Presence};
use crate::model::sorted::Map;
use crate::model::step::{Origin, Purpose, Step};
use crate::normalize;

/// What is protected nobody can take away again, should it not become whole; and a token may set no feature but this one.
fn is_for_later(key: &str, value: &str) -> bool {
    key == "protection" || (key == "features" && value != "nesting=1")
}

/// `None`: it is not for this to say what becomes of the guest.
pub(super) fn plan(
    desired: &DesiredGuest,
    seen: &GuestObservation,
    settings: &Settings,
) -> Option<GuestPlan> {
    let provision = desired.provision.as_ref()?;
    if seen.presence != Presence::Nowhere || desired.ensure == Ensure::Absent {
        return None;
    }
    let mut plan = guest::empty(desired, RunState::Unknown);
    guest::about_it(&mut plan, "present", "absent");
    plan.hold = holds::suspended(desired);
    if plan.hold.is_none() && desired.drift == DriftPolicy::Report {
        plan.notes.push(guest::only_reported(&plan.drift));
    } else if plan.hold.is_none() {
        let step = Step::Make {
            guest: desired.guest,
            origin: provision.from,
            source: provision.source.clone(),
            purpose: Purpose::Provision,
            params: params(desired, provision, settings),
        };
        let reason = "it is nowhere in the cluster; what else is wanted of it follows once it is there";
        plan.steps.push(PlannedStep { step, reason: reason.to_owned() });
    }
    Some(plan)
}

/// What a guest has from its first moment. A backup and a clone bring a configuration with them, which is then brought to what
/// is wanted like that of every other guest.
fn params(desired: &DesiredGuest, provision: &Provision, settings: &Settings) -> Map<String, String> {
    let mut params = Map::new();
    let mut set = |key: &str, value: &str| params.insert(key.to_owned(), value.to_owned());
    if let Some(storage) = &provision.storage {
        set("storage", storage);
    }
    let wanted = normalize::creation(desired, settings.tag_case);
    match (provision.from, desired.guest.kind) {
        (Origin::Template, _) => {
            set("unprivileged", "1");
            if let Some(Wanted::Like(root)) = desired.volumes.get("rootfs") {
                let storage = root.storage.as_ref().or(provision.storage.as_ref());
                if let (Some(storage), Some(size_gb)) = (storage, root.size_gb) {
                    set("rootfs", &format!("{storage}:{size_gb}"));
                }
            }
            for (key, value) in wanted.iter().filter(|pair| !is_for_later(pair.0, &pair.1)) {
                set(key, value);
            }
        }
        // Two guests with one address on the same bridge are two guests without a network.
        (Origin::Backup, _) => drop(set("unique", "1")),
        (Origin::Clone, kind) => {
            let name = if kind == GuestKind::Lxc { "hostname" } else { "name" };
            for (key, value) in wanted.iter().filter(|(key, _)| *key == name) {
                set(key, value);
            }
        }
    }
    params
}

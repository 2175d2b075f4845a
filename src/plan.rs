//! Desired and observed in, ordered steps out, each with its reason; and each non-action with its reason.
//! Pure, deterministic and minimal: the same input gives the same plan, an empty plan is zero writes, and what was
//! planned and applied plans to nothing.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::model::desired::{DesiredGuest, DesiredState, RefusedResource};
use crate::model::drift::Drift;
use crate::model::guest::{GuestId, RunState, Vmid};
use crate::model::hold::Hold;
use crate::model::observed::{GuestObservation, ListedGuest, ReadFault};
use crate::model::outcome::Recourse;
use crate::model::sorted::Map;
use crate::model::step::Step;
use crate::normalize::tags::TagCase;
use crate::status::ResourceState;

mod diff;
pub mod explain;
mod fields;
mod guest;
mod holds;
mod json;
pub mod preflight;
mod provision;
mod sight;
pub mod text;
mod volumes;
mod words;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod stories;

pub use guest::plan_guest;
pub use words::safe;

/// What the node's own configuration decides about planning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a guest may take to shut down, unless its startup order says `down`; seconds.
    pub shutdown_timeout_s: u32,
    pub tag_case: TagCase,
    /// It is the time at which guests may be restarted whose owners said `window`.
    pub in_window: bool,
    /// What should run or not of a guest that HA manages is asked of HA.
    pub ha_through: bool,
    /// It was just asked to shut down and did not within its time.
    pub shutdown_failed: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            shutdown_timeout_s: 60,
            tag_case: TagCase::Lowered,
            in_window: false,
            ha_through: false,
            shutdown_failed: false,
        }
    }
}

/// All that was seen of the node in one look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeObservation {
    /// The node's name; empty while nobody knows it.
    pub name: String,
    /// Of the guests that the desired state names. Looked for by vmid in both lists, so that a vmid of the other kind shows.
    pub guests: Map<Vmid, GuestObservation>,
    /// Every guest of both lists.
    pub listed: Vec<ListedGuest>,
    /// Lists that could not be read.
    pub faults: Vec<ReadFault>,
}

/// What would be done to the whole node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    pub generation: u64,
    /// By vmid.
    pub guests: Vec<GuestPlan>,
    #[serde(serialize_with = "refused_as_json")]
    pub refused: Vec<RefusedResource>,
    /// Guests that the desired state does not name: they are not touched.
    pub unmanaged: Vec<Unmanaged>,
    /// What could not be seen of the node.
    pub problems: Vec<Note>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmanaged {
    #[serde(serialize_with = "as_text")]
    pub guest: GuestId,
    pub name: Option<String>,
    pub run_state: RunState,
}

/// What would be done to one guest, and why, and why not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GuestPlan {
    pub resource_id: String,
    #[serde(serialize_with = "as_text")]
    pub guest: GuestId,
    /// As it was seen; `unknown` when it was not.
    pub run_state: RunState,
    /// In the order they are to be taken. Empty whenever there is a hold or a failure.
    pub steps: Vec<PlannedStep>,
    /// What differs, whether or not something will be done about it.
    pub drift: Vec<Drift>,
    /// What differs or waits for the next start, in its views: desired, running, and pending where that is another.
    pub diff: Vec<Value>,
    pub hold: Option<Hold>,
    /// Each non-action with its reason, and what an operator should know.
    pub notes: Vec<Note>,
    /// Managed fields whose written value takes effect only at the next start, as the manifest names them.
    pub pending_reboot: Vec<String>,
    /// What is set in its configuration and not named by its resource: it is not touched.
    pub unmanaged: Vec<String>,
    pub failure: Option<PlanFailure>,
    /// What stands at the keys of volumes and cards as it was seen; the steps need rights on those storages and bridges.
    #[serde(skip)]
    pub held: Map<String, String>,
}

impl GuestPlan {
    /// Nothing to do, nothing waiting, nothing wrong.
    pub fn is_in_order(&self) -> bool {
        self.steps.is_empty() && self.hold.is_none() && self.failure.is_none()
    }

    /// The notes that somebody should look at; the others only explain.
    pub fn warnings(&self) -> Vec<String> {
        const EXPLAIN: [&str; 4] = ["in_order", "not_checked", "ignored", "lock"];
        let warning = |note: &&Note| !EXPLAIN.contains(&note.code);
        self.notes.iter().filter(warning).map(|note| note.message.clone()).collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    pub step: Step,
    pub reason: String,
}

/// `code` is stable and for programs, `message` is for people. Codes: `in_order`, `lock`, `ignored`, `drift_reported`,
/// `pending_reboot`, `pending_unmanaged`, `not_checked`, `later` (what waits once the steps are done).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    pub code: &'static str,
    pub message: String,
}

/// Nothing can be planned for this guest, as it was seen or not seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanFailure {
    /// `unreadable`, `guest_not_visible`, `guest_missing`, `kind_mismatch`.
    pub code: &'static str,
    pub message: String,
    #[serde(skip)]
    pub recourse: Recourse,
}

/// Plans the whole node: the guests that are named by vmid, and nothing for the others.
pub fn plan(desired: &DesiredState, seen: &NodeObservation, settings: &Settings) -> Plan {
    let planned =
        |guest: &DesiredGuest| Some(plan_guest(guest, seen.guests.get(&guest.guest.vmid)?, settings));
    whole(desired, seen, desired.guests.iter().filter_map(planned).collect())
}

/// The same of guests that were planned already; those that are not among them were not looked at.
pub fn whole(desired: &DesiredState, seen: &NodeObservation, mut guests: Vec<GuestPlan>) -> Plan {
    let unseen = desired.guests.iter().filter(|guest| !seen.guests.contains_key(&guest.guest.vmid));
    guests.extend(unseen.map(guest::unobserved));
    guests.sort_unstable_by_key(|guest| guest.guest);
    let named =
        |listed: &&ListedGuest| desired.guests.iter().any(|guest| guest.guest.vmid == listed.guest.vmid);
    let mut unmanaged: Vec<Unmanaged> =
        seen.listed.iter().filter(|listed| !named(listed)).map(Unmanaged::from).collect();
    unmanaged.sort_unstable_by_key(|unmanaged| unmanaged.guest);
    let mut refused = desired.refused.clone();
    refused.sort_unstable_by(|one, other| {
        (&one.resource_id, &one.message).cmp(&(&other.resource_id, &other.message))
    });
    let problems =
        seen.faults.iter().map(|fault| Note { code: fault.code, message: fault.message.clone() }).collect();
    Plan { generation: desired.generation, guests, refused, unmanaged, problems }
}

impl From<&ListedGuest> for Unmanaged {
    fn from(listed: &ListedGuest) -> Self {
        Self { guest: listed.guest, name: listed.name.clone(), run_state: listed.run }
    }
}

impl Plan {
    /// Something would be changed.
    pub fn has_steps(&self) -> bool {
        self.guests.iter().any(|guest| !guest.steps.is_empty())
    }
}

fn as_text<T: ToString, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

fn refused_as_json<S: Serializer>(refused: &[RefusedResource], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(refused.iter().map(|resource| {
        serde_json::json!({
            "resource_id": resource.resource_id,
            "state": ResourceState::from(resource.state),
            "message": resource.message,
        })
    }))
}

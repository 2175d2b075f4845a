//! Why a guest is treated as it is, and each field of it: what is wanted and where that was said, what was read and by which
//! call, the rule by which the two are compared, what will happen, and why not. Pure; the answer is a document as it is told,
//! by the local socket and by `explain --json` alike. A resource is named by its id or its guest's number, one of its fields
//! behind a dot; an id may contain dots itself, and the longest one that exists is meant.

use serde::Serialize;
use serde_json::{Map as Members, Value, json};

use super::{GuestPlan, NodeObservation, Plan, Settings, text};
use crate::model::desired::{DesiredGuest, DesiredState};
use crate::model::guest::{GuestId, GuestKind};
use crate::model::hold::Hold;
use crate::model::observed::GuestObservation;
use crate::model::sorted::Map;
use crate::model::time::Timestamp;
use crate::status::ResourceStatus;

mod field;
mod member;
mod outlook;
mod target;

use self::field::describe;
use self::target::Target;

/// What an explanation is made from.
#[derive(Debug)]
pub struct Known<'a> {
    pub desired: &'a DesiredState,
    /// Where the desired state comes from.
    pub source: &'a str,
    pub settings: &'a Settings,
    /// The last look at the node, what was planned by it, and when it was; nothing before the first.
    pub look: Option<(&'a NodeObservation, &'a Plan, Timestamp)>,
    /// What the daemon knows; empty where none runs.
    pub statuses: &'a Map<String, ResourceStatus>,
    /// Why nothing at all is changed at present.
    pub halt: Option<Hold>,
    pub busy: &'a [GuestId],
    /// Whose last job ended after the look began: what it did is not in it.
    pub outdated: &'a [GuestId],
}

/// What was asked for is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// `unknown_resource`, `unknown_field`.
    pub code: &'static str,
    pub message: String,
}

/// So many resources are named to whoever asks for another one.
const NAMED: usize = 20;

/// The explanation of `RESOURCE` or `RESOURCE.FIELD`.
pub fn explain(known: &Known<'_>, name: &str) -> Result<Value, Unknown> {
    let Some((id, field)) = resource(known.desired, name) else { return Err(no_resource(known.desired)) };
    let guest = known.desired.guests.iter().find(|guest| guest.resource_id == id);
    let mut told = Members::new();
    told.insert("resource".to_owned(), id.into());
    let Some(desired) = guest else {
        // The whole resource was refused: no field of it is wanted.
        told.insert("said_in".to_owned(), said_in(known, id, ""));
        put(&mut told, "status", known.statuses.get(id).map(document));
        let refused = known.desired.refused.iter().find(|refused| refused.resource_id == id);
        put(&mut told, "refused", refused.map(|refused| refused.message.as_str().into()));
        return Ok(Value::Object(told));
    };
    let case = Case::of(known, desired);
    told.insert("guest".to_owned(), desired.guest.to_string().into());
    put(&mut told, "node", case.node().map(Value::from));
    put(&mut told, "looked_at", known.look.map(|(_, _, at)| at.to_string().into()));
    put(&mut told, "halt", known.halt.as_ref().map(document));
    told.insert("busy".to_owned(), known.busy.contains(&desired.guest).into());
    told.insert("outdated".to_owned(), case.is_outdated().into());
    if field.is_empty() {
        case.overview(&mut told);
        return Ok(Value::Object(told));
    }
    let kind = desired.guest.kind;
    let Some(target) = Target::parse(field, kind) else { return Err(target::unknown(field, kind)) };
    match &target {
        Target::Group(group) => {
            told.insert("group".to_owned(), json!(group));
            let lines = case.targets().filter(|target| target.name().starts_with(group));
            let lines: Vec<Value> = lines.map(|target| line(&case, &target)).collect();
            told.insert("fields".to_owned(), Value::Array(lines));
        }
        _ => told.extend(describe(&case, &target)),
    }
    Ok(Value::Object(told))
}

/// One guest and all that is known of it.
pub(in crate::plan) struct Case<'a> {
    known: &'a Known<'a>,
    desired: &'a DesiredGuest,
    plan: Option<&'a GuestPlan>,
    seen: Option<&'a GuestObservation>,
}

impl<'a> Case<'a> {
    fn of(known: &'a Known<'a>, desired: &'a DesiredGuest) -> Self {
        let seen = known.look.and_then(|(node, _, _)| node.guests.get(&desired.guest.vmid));
        let of_it = |plan: &&GuestPlan| plan.guest == desired.guest;
        Self {
            known,
            desired,
            plan: known.look.and_then(|(_, plan, _)| plan.guests.iter().find(of_it)),
            seen,
        }
    }

    fn node(&self) -> Option<&'a str> {
        self.known.look.map(|(node, _, _)| node.name.as_str()).filter(|name| !name.is_empty())
    }

    fn is_outdated(&self) -> bool {
        self.known.outdated.contains(&self.desired.guest)
    }

    fn status(&self) -> Option<&'a ResourceStatus> {
        self.known.statuses.get(&self.desired.resource_id)
    }

    /// `/nodes/pve/lxc/101` and what follows; a node nobody named is called as the API's documentation does.
    fn path(&self, rest: &str) -> String {
        format!("/nodes/{}/{}{rest}", self.node().unwrap_or("{node}"), self.desired.guest)
    }

    fn overview(&self, told: &mut Members<String, Value>) {
        let Self { known, desired, .. } = self;
        let kind = match desired.guest.kind {
            GuestKind::Lxc => "lxc_guest",
            GuestKind::Qemu => "vm_guest",
        };
        told.insert("kind".to_owned(), kind.into());
        told.insert("vmid".to_owned(), desired.guest.vmid.number().into());
        told.insert("said_in".to_owned(), said_in(known, &desired.resource_id, ""));
        put(told, "status", self.status().map(document));
        let place = known.desired.places.get(&desired.resource_id);
        let beside = place.iter().flat_map(|place| &place.beside);
        let beside = beside.filter_map(|name| Some((name.clone(), member::named(name)?.value(desired)?)));
        told.insert("beside".to_owned(), Value::Object(beside.collect()));
        put(told, "plan", self.plan.map(document));
        let fields: Vec<Value> = self.targets().map(|target| line(self, &target)).collect();
        told.insert("fields".to_owned(), Value::Array(fields));
        told.insert("text".to_owned(), self.plan.map(text::render_guest).unwrap_or_default().into());
    }

    /// What the manifest names of the guest.
    fn targets(&self) -> impl Iterator<Item = Target> {
        let run = self.desired.run_state.map(|_| "run_state");
        let ensure = (self.desired.ensure == crate::model::desired::Ensure::Absent).then_some("ensure");
        let members = ensure.into_iter().chain(run).filter_map(member::named);
        let fields = self.desired.fields.keys().map(|field| Target::Row(*field, None));
        let volumes = self.desired.volumes.keys().map(|key| Target::Volume(key.clone(), None));
        members.map(Target::Member).chain(fields).chain(volumes)
    }
}

/// A field in short, for a list of them.
fn line(case: &Case<'_>, target: &Target) -> Value {
    let mut line = describe(case, target);
    for long in ["rule", "said_in", "call", "step"] {
        line.remove(long);
    }
    Value::Object(line)
}

/// The id of the resource that is meant, and what stands behind it.
fn resource<'a, 'n>(desired: &'a DesiredState, name: &'n str) -> Option<(&'a str, &'n str)> {
    let rest = |known: &str| match name.strip_prefix(known)? {
        "" => Some(""),
        rest => rest.strip_prefix('.').filter(|field| !field.is_empty()),
    };
    let ids = desired.guests.iter().map(|guest| guest.resource_id.as_str());
    let ids = ids.chain(desired.refused.iter().map(|refused| refused.resource_id.as_str()));
    let by_id = ids.filter_map(|id| Some((id, rest(id)?))).min_by_key(|(_, rest)| rest.len());
    let by_number = || {
        let guest = |guest: &'a DesiredGuest| {
            Some((guest.resource_id.as_str(), rest(&guest.guest.vmid.to_string())?))
        };
        desired.guests.iter().find_map(guest)
    };
    by_id.or_else(by_number)
}

fn no_resource(desired: &DesiredState) -> Unknown {
    let ids = desired.guests.iter().map(|guest| guest.resource_id.as_str());
    let ids = ids.chain(desired.refused.iter().map(|refused| refused.resource_id.as_str()));
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    let more = ids.len().saturating_sub(NAMED);
    ids.truncate(NAMED);
    let message = match (ids.is_empty(), more) {
        (true, _) => "the desired state names no resource".to_owned(),
        (false, 0) => format!("no such resource in the desired state; there are {}", ids.join(", ")),
        (false, more) => {
            format!("no such resource in the desired state; there are {} and {more} more", ids.join(", "))
        }
    };
    Unknown { code: "unknown_resource", message }
}

/// Where a resource, or what lies below it, was said.
fn said_in(known: &Known<'_>, id: &str, below: &str) -> Value {
    let Some(place) = known.desired.places.get(id) else {
        return json!({"source": "it has left the desired state and is to be stopped once (on_remove)"});
    };
    let mut said = Members::new();
    said.insert("source".to_owned(), known.source.into());
    put(&mut said, "file", place.file.as_deref().map(Value::from));
    said.insert("generation".to_owned(), place.generation.into());
    said.insert("path".to_owned(), place.path(below).into());
    Value::Object(said)
}

fn put(members: &mut Members<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        members.insert(name.to_owned(), value);
    }
}

/// By way of its text: to serialise it twice, as a text and as a value, would put its code into the binary twice.
fn document<T: Serialize>(of: &T) -> Value {
    let text = serde_json::to_vec(of).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests;

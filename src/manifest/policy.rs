//! The members of a resource beside its spec: on what it waits, when it may be restarted or ended hard, and what
//! happens to it when it leaves the manifest.

use super::{ManifestError, resource};
use crate::model::desired::policy::Restart;
use crate::model::desired::{DesiredGuest, Policy};
use crate::strict_json::Json;
use crate::strict_json::object::{At, Fault, Object};

/// More than any resource waits for.
const MAX_DEPENDENCIES: usize = 64;

/// `default` is for what the resource itself does not say.
pub(super) fn read(members: &mut Object<'_>, default: &Policy) -> Result<Policy, Fault> {
    let mut policy = default.clone();
    if let Some(on_remove) = members.optional("on_remove") {
        policy.stop_on_remove = stop_on_remove(&on_remove)?;
    }
    if let Some(depends_on) = members.optional("depends_on") {
        for item in depends_on.items()? {
            let id = item.text()?;
            if !resource::is_id(id) {
                return Err(item.refused("the id of a resource"));
            }
            policy.depends_on.push(id.to_owned());
        }
        if policy.depends_on.len() > MAX_DEPENDENCIES {
            return Err(depends_on.fault("allowed are at most 64 resources".to_owned()));
        }
        policy.depends_on.sort_unstable();
        policy.depends_on.dedup();
    }
    if let Some(restart) = members.optional("restart") {
        policy.restart = match restart.text()? {
            "never" => Restart::Never,
            "window" => Restart::Window,
            "allowed" => Restart::Allowed,
            _ => return Err(restart.refused("\"never\", \"window\" or \"allowed\"")),
        };
    }
    if let Some(force_stop) = members.optional("force_stop") {
        policy.force_stop = force_stop.flag()?;
    }
    Ok(policy)
}

pub(super) fn stop_on_remove(at: &At<'_>) -> Result<bool, Fault> {
    match at.value {
        Json::Text(text) if text == "keep" => Ok(false),
        Json::Text(text) if text == "stop" => Ok(true),
        _ => Err(at.refused("\"keep\" or \"stop\"")),
    }
}

/// How far the search for a cycle has come with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    New,
    OnTheWay,
    Done,
}

/// Resources that wait for each other, each for the next one: none of them would ever begin.
pub(super) fn cycle(guests: &[DesiredGuest]) -> Result<(), ManifestError> {
    let mut places: Vec<(&str, usize)> =
        guests.iter().enumerate().map(|(place, guest)| (guest.resource_id.as_str(), place)).collect();
    places.sort_unstable();
    let place_of = |id: &String| {
        let at = places.binary_search_by(|(other, _)| (*other).cmp(id)).ok()?;
        places.get(at).map(|(_, place)| *place)
    };
    let mut marks = vec![Mark::New; guests.len()];
    // From a resource to what it waits for, and how many of those were followed already.
    let mut way: Vec<(usize, usize)> = Vec::new();
    for start in 0..guests.len() {
        way.push((start, 0));
        while let Some((place, followed)) = way.pop() {
            let (Some(guest), Some(mark)) = (guests.get(place), marks.get_mut(place)) else { break };
            if *mark == Mark::OnTheWay && followed == 0 {
                let first = way.iter().position(|(other, _)| *other == place).unwrap_or_default();
                let on_it = way.iter().skip(first).filter_map(|(place, _)| guests.get(*place));
                let ids: Vec<&str> = on_it.map(|guest| guest.resource_id.as_str()).collect();
                return Err(ManifestError::DependencyCycle { ids: ids.join(", ") });
            }
            if *mark == Mark::Done {
                continue;
            }
            let Some(next) = guest.policy.depends_on.get(followed) else {
                *mark = Mark::Done;
                continue;
            };
            *mark = Mark::OnTheWay;
            way.push((place, followed + 1));
            way.extend(place_of(next).map(|next| (next, 0)));
        }
    }
    Ok(())
}

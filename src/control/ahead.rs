//! What the daemon would hold back beside the plan, as far as one look from outside can tell: guests that wait for others, the limit
//! on how much one generation may stop, the node's boot. Reads the state folder, and counts nothing there.

use std::path::Path;
use std::time::Instant;

use super::limit::{Limit, disrupts};
use super::restraint::{boot_grace, dependency};
use crate::model::desired::{DesiredGuest, DesiredState};
use crate::model::hold::Hold;
use crate::plan::{GuestPlan, NodeObservation, Note, Plan};
use crate::status::ResourceState;

/// What must be known beside the plan.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    pub state_dir: &'a Path,
    /// `agent.blast_radius`
    pub blast_radius: u32,
    pub boot_grace_until: Option<Instant>,
}

/// Takes the steps out of a plan that would not be taken yet.
pub fn restrain(plan: &mut Plan, desired: &DesiredState, node: &NodeObservation, beside: Beside<'_>) {
    let limit = Limit::ahead(beside.state_dir, beside.blast_radius, desired.generation, desired.guests.len());
    let before = plan.guests.clone();
    let look = || desired.guests.iter().filter_map(|guest| Some((guest, of(&before, guest)?)));
    let state_of = |id: &str| {
        let refused = || desired.refused.iter().find(|refused| refused.resource_id == id);
        match look().find(|(guest, _)| guest.resource_id == id) {
            Some((_, plan)) => state(plan),
            None => refused().map_or(ResourceState::Pending, |refused| refused.state.into()),
        }
    };
    let (mut stops, mut stops_untold) = (0, false);
    for guest in &mut plan.guests {
        let wanted = desired.guests.iter().find(|wanted| wanted.guest == guest.guest);
        let (Some(wanted), Some(seen)) = (wanted, node.guests.get(&guest.guest.vmid)) else { continue };
        if guest.steps.is_empty() {
            continue;
        }
        let hold = boot_grace(beside.boot_grace_until, seen, guest)
            .or_else(|| dependency(wanted, guest, look(), &state_of));
        let hold = hold.or_else(|| {
            if !guest.steps.iter().any(|planned| disrupts(&planned.step)) {
                return None;
            }
            let Ok(limit) = &limit else {
                stops_untold = true;
                return None;
            };
            let Some(mut hold) = limit.foresee(guest.guest) else {
                stops += 1;
                return None;
            };
            if stops > 0 {
                hold.detail += &format!(", with the {stops} that this plan stops");
            }
            Some(hold)
        });
        if let Some(hold) = hold {
            withhold(guest, hold);
        }
    }
    if let (true, Err(error)) = (stops_untold, &limit) {
        let message = format!(
            "how many guests this generation has stopped already is not known here ({error}): whether the limit on that \
             (agent.blast_radius) holds a guest, felhom-agent status says"
        );
        plan.problems.push(Note { code: "limit_unknown", message });
    }
}

fn withhold(guest: &mut GuestPlan, hold: Hold) {
    guest.steps.clear();
    guest.hold = Some(hold);
}

fn of<'a>(plans: &'a [GuestPlan], guest: &DesiredGuest) -> Option<&'a GuestPlan> {
    plans.iter().find(|plan| plan.guest == guest.guest)
}

/// As its status would be after this look.
fn state(plan: &GuestPlan) -> ResourceState {
    match (&plan.failure, &plan.hold) {
        (Some(_), _) => ResourceState::Failed,
        (None, Some(_)) => ResourceState::Held,
        (None, None) if plan.steps.is_empty() => ResourceState::Ready,
        (None, None) => ResourceState::Pending,
    }
}

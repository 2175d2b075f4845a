//! What keeps control from acting on a guest although its plan has steps: other guests, the node's boot, the limit on how much one
//! generation may stop. The plan of a guest alone cannot know of these.

use std::sync::Arc;
use std::time::Instant;

use super::Control;
use super::limit::disrupts;
use crate::model::desired::{DesiredGuest, WantedRun};
use crate::model::guest::RunState;
use crate::model::hold::{Hold, HoldReason};
use crate::model::observed::GuestObservation;
use crate::model::step::Step;
use crate::plan::GuestPlan;
use crate::status::ResourceState;

/// Proxmox's own key for what is started with the node.
const ON_BOOT: &str = "onboot";

/// While the node boots, what it starts by itself is left to it. `until` is when that ends.
pub(super) fn boot_grace(until: Option<Instant>, seen: &GuestObservation, plan: &GuestPlan) -> Option<Hold> {
    let left = until?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
    let starts = plan.steps.iter().any(|planned| matches!(planned.step, Step::Start { .. }));
    let config = seen.config.known()?;
    let by_the_node = config.merged(ON_BOOT) == Some("1");
    (starts && by_the_node).then(|| Hold {
        reason: HoldReason::BootGrace,
        detail: "the node has just booted, and starts this guest by itself".to_owned(),
        remedy: format!(
            "wait: in {} s it is started if it does not run (agent.boot_grace_seconds)",
            left.as_secs() + 1
        ),
    })
}

/// Whoever is to be stopped waits for those that depend on him to be stopped before; everybody else for those he depends on.
pub(super) fn dependency<'a>(
    guest: &DesiredGuest,
    plan: &GuestPlan,
    mut look: impl Iterator<Item = (&'a DesiredGuest, &'a GuestPlan)>,
    state_of: &dyn Fn(&str) -> ResourceState,
) -> Option<Hold> {
    let stops = |guest: &DesiredGuest, plan: &GuestPlan| {
        guest.run_state == Some(WantedRun::Stopped) && plan.run_state == RunState::Running
    };
    let detail = if stops(guest, plan) {
        let (other, _) = look.find(|(other, plan)| {
            stops(other, plan) && other.policy.depends_on.contains(&guest.resource_id)
        })?;
        format!("{} depends on it and still runs", other.resource_id)
    } else {
        let states = guest.policy.depends_on.iter().map(|id| (id, state_of(id)));
        let (id, state) = states.into_iter().find(|(_, state)| *state != ResourceState::Ready)?;
        format!("it depends on {id}, which is {}", state.as_str())
    };
    let remedy = "wait; it goes on by itself".to_owned();
    Some(Hold { reason: HoldReason::Dependency, detail, remedy })
}

/// A managed guest and its plan, of one look.
pub(super) type Planned = (Arc<DesiredGuest>, GuestPlan);

impl Control {
    /// `look` is all that was planned at the same look.
    pub(super) fn restraint(
        &self,
        guest: &DesiredGuest,
        seen: &GuestObservation,
        plan: &GuestPlan,
        look: &[Planned],
    ) -> Option<Hold> {
        if plan.steps.is_empty() {
            return None;
        }
        let limit = || {
            let stops = plan.steps.iter().any(|planned| disrupts(&planned.step));
            stops.then(|| self.setup.work.limit.hold(guest.guest)).flatten()
        };
        boot_grace(self.setup.work.boot_grace_until, seen, plan)
            .or_else(|| {
                let both = look.iter().map(|(guest, plan)| (&**guest, plan));
                dependency(guest, plan, both, &|id| self.state_of(id, look))
            })
            .or_else(limit)
    }

    /// What the status says of a resource, as far as this look and the generation in force bear it out.
    fn state_of(&self, id: &str, look: &[Planned]) -> ResourceState {
        let status = self.status.resources.get(id);
        let state = status.map_or(ResourceState::Pending, |status| status.state);
        let is_current = status.is_some_and(|status| status.generation == self.keeper.generation());
        let differs = look.iter().any(|(other, plan)| other.resource_id == *id && !plan.is_in_order());
        if state == ResourceState::Ready && (!is_current || differs) { ResourceState::Pending } else { state }
    }

    /// Whether anybody waits for this resource.
    pub(super) fn is_awaited(&self, resource_id: &str) -> bool {
        self.keeper.guests().iter().any(|guest| guest.policy.depends_on.iter().any(|id| id == resource_id))
    }
}

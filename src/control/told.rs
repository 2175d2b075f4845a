//! What control says in the log: each change of a condition and of a resource's standing, once, with its reason.

use crate::status::condition::Condition;
use crate::status::{ResourceState, ResourceStatus};

pub(super) fn conditions(before: &[Condition], after: &[Condition]) {
    for condition in after {
        let was = before.iter().find(|was| was.kind == condition.kind);
        if was.is_some_and(|was| (was.status, was.reason) != (condition.status, condition.reason)) {
            let Condition { kind, status, reason, message, .. } = condition;
            log::info!("condition {kind:?} is now {status:?} ({reason:?}) {message}");
        }
    }
}

/// `name` is how the resource is called in the log: its id, and its guest if it has one.
pub(super) fn resource(name: &str, before: Option<&ResourceStatus>, after: &ResourceStatus) {
    if before.is_some_and(|before| before.standing() == after.standing()) {
        return;
    }
    match after.state {
        ResourceState::Pending | ResourceState::Reconciling => {}
        ResourceState::Ready => log::info!("{name} is in order"),
        ResourceState::Held => {
            if let Some(hold) = &after.hold {
                log::info!(
                    "{name} is held ({}): {}; to go on: {}",
                    hold.reason.as_str(),
                    hold.detail,
                    hold.remedy
                );
            }
        }
        ResourceState::Failed | ResourceState::UnknownResource | ResourceState::InvalidSpec => {
            if let Some(error) = &after.error {
                log::warn!("{name} has failed ({}): {}", error.code, error.message);
            }
        }
    }
}

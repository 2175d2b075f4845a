//! The brake: what every lane looks at before each step. While it is on, nothing is changed; and whoever was sent out for
//! an older desired state takes no further step for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[derive(Clone, Debug, Default)]
pub struct Brake {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    on: AtomicBool,
    /// Counts the desired states that were in force: a generation may be corrected without a new number.
    revision: AtomicU64,
}

/// Which desired state a job was sent out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Revision(u64);

/// Whether a step may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Go {
    Ahead,
    Blocked,
    /// Something else is wanted by now.
    Superseded,
}

impl Brake {
    pub fn new(on: bool) -> Self {
        let brake = Self::default();
        brake.set(on);
        brake
    }

    pub fn set(&self, on: bool) {
        self.shared.on.store(on, Ordering::SeqCst);
    }

    pub fn is_on(&self) -> bool {
        self.shared.on.load(Ordering::SeqCst)
    }

    /// Another desired state is in force from now on.
    pub(super) fn supersede(&self) {
        self.shared.revision.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn revision(&self) -> Revision {
        Revision(self.shared.revision.load(Ordering::SeqCst))
    }

    pub(super) fn go(&self, revision: Revision) -> Go {
        if self.is_on() {
            Go::Blocked
        } else if self.revision() == revision {
            Go::Ahead
        } else {
            Go::Superseded
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Brake, Go};

    #[test]
    fn a_step_is_taken_only_for_the_desired_state_in_force_and_never_while_the_brake_is_on() {
        let brake = Brake::new(false);
        let (lane, revision) = (brake.clone(), brake.revision());
        assert_eq!(lane.go(revision), Go::Ahead);
        brake.set(true);
        assert_eq!(lane.go(revision), Go::Blocked);
        brake.set(false);
        brake.supersede();
        assert_eq!(lane.go(revision), Go::Superseded);
        assert_eq!(lane.go(brake.revision()), Go::Ahead);
    }
}

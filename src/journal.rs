//! The one place a change passes on its way to the node: no mutating request leaves without a [`Recorded`] intent,
//! and only [`Journal::record`] makes one. The client's mutating calls take it, so this holds by type.
//! The durable file comes with its own issue; until then an intent is a line in the service's log.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::gate::Approved;
use crate::model::step::Step;

#[derive(Debug, Default)]
pub struct Journal {
    next: AtomicU64,
}

/// An intent that has been recorded; not `Clone`, one call each.
#[derive(Debug)]
pub struct Recorded {
    seq: u64,
    step: Step,
}

impl Recorded {
    pub fn seq(&self) -> u64 {
        self.seq
    }

    pub fn step(&self) -> &Step {
        &self.step
    }

    /// For the client's own tests against the simulated node, which must reach calls that no gate passes yet.
    #[cfg(test)]
    pub(crate) fn for_test(step: Step) -> Self {
        Self { seq: 0, step }
    }
}

impl Journal {
    /// Records what is about to be done. Only what was recorded can be sent.
    pub fn record(&self, approved: Approved) -> Recorded {
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let step = approved.into_step();
        log::info!("intent {seq}: {step}");
        Recorded { seq, step }
    }
}

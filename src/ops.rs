//! Signed operations: how they come in, who may sign them, and who hears how they ended.
//!
//! [`intake`] verifies and accepts, one at a time; control has them carried out on the lane of their guest; the courier fetches
//! them from the hub and takes their outcomes there. Whoever brings an operation is trusted with nothing: only what is signed counts.

pub mod courier;
pub mod intake;
pub mod trust;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::authz::MAX_ENVELOPE;
use crate::clock;
use crate::journal::{Journal, OpRecord};
use crate::model::op::{OpEnd, OpId, OpResult, RejectCode, Rejected, Via};
use crate::model::time::Timestamp;

/// So many may wait to be verified; who comes then is sent away.
const WAITING: usize = 32;

/// Whoever brings an operation waits so long for the verdict.
const VERDICT_WITHIN: Duration = Duration::from_secs(20);

/// Everything that can happen to the intake.
#[derive(Debug)]
pub enum Event {
    Submitted(Submission),
    /// Look at the keyring and the role policy again.
    Reread,
}

/// An operation that somebody brought, and where its verdict is waited for.
#[derive(Debug)]
pub struct Submission {
    envelope: Vec<u8>,
    via: Via,
    /// Has room for the one verdict, so that the intake never waits.
    reply: Sender<Result<Submitted, Rejected>>,
}

/// An operation that was accepted, now or before.
#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    pub record: OpRecord,
    /// False: the same operation was accepted before, and nothing was done about it now.
    pub is_new: bool,
}

/// Where operations are brought to. Each clone is another way to the one intake.
#[derive(Clone, Debug)]
pub struct Door {
    events: Sender<Event>,
    journal: Arc<Journal>,
}

impl Door {
    /// A door, and where the intake hears what was brought.
    pub fn new(journal: Arc<Journal>) -> (Self, Receiver<Event>) {
        let (events, inbox) = bounded(WAITING);
        (Self { events, journal }, inbox)
    }

    /// Brings an operation and waits for the verdict, at most 20 s. What is accepted is durable; whether it is carried out, and
    /// how that ends, [`Door::status`] tells.
    pub fn submit(&self, envelope: Vec<u8>, via: Via) -> Result<Submitted, Rejected> {
        if envelope.len() > MAX_ENVELOPE {
            let detail = format!("{} bytes; at most {MAX_ENVELOPE} are allowed", envelope.len());
            let rejected = Rejected::new(RejectCode::TooLarge, detail);
            self.journal.reject(&rejected, via, clock::now());
            return Err(rejected);
        }
        let (reply, verdict) = bounded(1);
        match self.events.try_send(Event::Submitted(Submission { envelope, via, reply })) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                let detail = "too many operations wait to be verified; bring it again in a moment";
                return Err(Rejected::new(RejectCode::RateLimited, detail));
            }
            Err(TrySendError::Disconnected(_)) => return Err(ending()),
        }
        match verdict.recv_timeout(VERDICT_WITHIN) {
            Ok(verdict) => verdict,
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => Err(ending()),
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => Err(Rejected::new(
                RejectCode::Slow,
                "no verdict in time; it may still be accepted: bring it again, which does nothing twice",
            )),
        }
    }

    /// What is known of an operation that was accepted; `None` if none with this id was.
    pub fn status(&self, op_id: &OpId) -> Option<OpRecord> {
        self.journal.op(op_id)
    }

    /// Has the intake look at keyring and role policy again.
    pub fn reread(&self) {
        // Full: whatever is verified next looks at the files anyway.
        self.events.try_send(Event::Reread).ok();
    }
}

/// The end of an operation that was refused after it was accepted.
pub(crate) fn rejected_end(rejected: &Rejected, now: Timestamp) -> OpEnd {
    OpEnd {
        result: OpResult::Rejected,
        code: rejected.code.to_string(),
        message: rejected.detail.clone(),
        upid: None,
        volumes_left: Vec::new(),
        at: now,
    }
}

/// The end of one that changed nothing.
pub(crate) fn failed_end(code: &str, message: String, now: Timestamp) -> OpEnd {
    OpEnd {
        result: OpResult::Failed,
        code: code.to_owned(),
        message,
        upid: None,
        volumes_left: Vec::new(),
        at: now,
    }
}

pub(crate) fn say_end(op_id: &OpId, end: &OpEnd) {
    let OpEnd { result, code, message, .. } = end;
    match result {
        OpResult::Done => log::info!("operation {op_id}: done {message}"),
        OpResult::Failed | OpResult::Rejected => {
            log::warn!("operation {op_id}: {result:?} ({code}): {message}");
        }
        OpResult::PartialCleanup | OpResult::Uncertain => {
            log::error!("operation {op_id}: {result:?} ({code}): {message}");
        }
    }
}

fn ending() -> Rejected {
    Rejected::new(RejectCode::StoreUnavailable, "the agent is ending; bring it again once it runs")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Door, MAX_ENVELOPE, WAITING};
    use crate::journal::Journal;
    use crate::model::op::{RejectCode, Via};

    #[test]
    fn whoever_brings_too_much_or_comes_too_late_is_sent_away_at_once() {
        let (door, inbox) = Door::new(Arc::new(Journal::default()));
        let code = |bytes: usize| door.submit(vec![b' '; bytes], Via::Socket).unwrap_err().code;
        assert_eq!(code(MAX_ENVELOPE + 1), RejectCode::TooLarge);
        for _ in 0..WAITING {
            door.reread();
        }
        assert_eq!(code(1), RejectCode::RateLimited, "nobody waits behind a full queue");
        drop(inbox);
        assert_eq!(code(1), RejectCode::StoreUnavailable);
    }
}

//! What the journal keeps of signed operations: their acceptance, which is the replay record, their ends, the refusals, the
//! floor, the version of the keyring and the high-water mark of the clock.

use serde_json::Value;

use super::pen::Pen;
use super::record::{Accept, Ack, Ended, Floor, MOST_CHARS, Record, Reject, Trust, cut};
use super::{Acceptance, FloorWhy, Health, Journal, JournalError, OpRecord, OpState};
use crate::authz::{self, VerifiedOp};
use crate::clock;
use crate::model::op::{ClockTrust, OpEnd, OpId, OpKind, RejectCode, Rejected, Via};
use crate::model::time::Timestamp;

/// What is written of one operation from its acceptance to its end, in bytes, with room to spare.
const LIFE_CYCLE_BYTES: u64 = 128 * 1024;

/// Refusals that are written in any one minute; further ones are counted.
const REFUSALS_A_MINUTE: u64 = 30;

/// How many refusals were written lately.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    minute: u64,
    written: u64,
    uncounted: u64,
}

impl Refusals {
    /// Whether one more is written, and how many were passed over before it.
    fn admit(&mut self, now: Timestamp) -> Option<u64> {
        let minute = now.unix() / 60;
        if minute != self.minute {
            (self.minute, self.written) = (minute, 0);
        }
        if self.written >= REFUSALS_A_MINUTE {
            self.uncounted += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.uncounted))
    }
}

impl Journal {
    /// Accepts an operation that was verified, once and for good: afterwards it is on the disk, and with it that no other of
    /// its name or nonce is accepted. One that is known byte for byte is given back as it stands.
    pub fn accept(&self, op: &VerifiedOp, via: Via, now: Timestamp) -> Result<Acceptance, Rejected> {
        let mut pen = self.pen();
        let keyids: Vec<String> = op.signers().iter().map(|signer| signer.keyid.clone()).collect();
        if let Some(known) = pen.shown().state.op(&op.op().op_id) {
            if known.payload_sha256 == op.payload_sha256() {
                return Ok(Acceptance::Known(Box::new(known)));
            }
            let detail = format!("another operation of this name was accepted at {}", known.accepted_at);
            return Err(refused(op, RejectCode::OpConflict, detail));
        }
        if let Some(other) = pen.shown().state.nonce_used(&keyids, &op.op().nonce) {
            let detail = format!("its nonce was used by operation {other}; each operation needs a new one");
            return Err(refused(op, RejectCode::Replay, detail));
        }
        pen.can_accept(op)?;
        let record = Record::Accept(Box::new(accepted(op, keyids, via)?));
        pen.write(record, now)
            .map_err(|error| refused(op, RejectCode::StoreUnavailable, error.to_string()))?;
        Ok(Acceptance::Accepted)
    }

    /// Notes a refusal. Of a flood only the first of each minute are written, and the rest are counted.
    pub fn reject(&self, rejected: &Rejected, via: Via, now: Timestamp) {
        let mut pen = self.pen();
        let Some(uncounted) = pen.writer.refusals.admit(now) else { return };
        let record = Record::Reject(Reject {
            code: rejected.code,
            detail: rejected.detail.clone(),
            op_id: rejected.op_id.clone(),
            payload_sha256: rejected.payload_sha256.clone(),
            via,
            uncounted,
        });
        pen.write_or_say(record, now);
    }

    /// The end of an accepted operation; the first one said stands.
    pub fn op_ended(&self, op_id: &OpId, end: &OpEnd) -> Result<(), JournalError> {
        let mut pen = self.pen();
        let Some(op) = pen.shown().state.op(op_id) else { return Ok(()) };
        if matches!(op.state, OpState::Ended(_)) {
            return Ok(());
        }
        let end = OpEnd { message: cut(&end.message, MOST_CHARS), ..end.clone() };
        let record = Record::Ended(Ended { op_id: op_id.clone(), guest: op.guest, end });
        pen.write(record, clock::now()).map(drop)
    }

    /// The hub has the outcome of this operation.
    pub fn acknowledged(&self, op_id: &OpId) {
        let mut pen = self.pen();
        if pen.shown().state.op(op_id).is_some_and(|op| !op.acknowledged) {
            pen.write_or_say(Record::Ack(Ack { op_id: op_id.clone() }), clock::now());
        }
    }

    pub fn op(&self, op_id: &OpId) -> Option<OpRecord> {
        self.shown().state.op(op_id)
    }

    /// Operations that ended and of whose end the hub has not heard.
    pub fn ops_unacknowledged(&self) -> Vec<OpRecord> {
        self.shown().state.ops(|op| !op.acknowledged && matches!(op.state, OpState::Ended(_)))
    }

    /// Operations that have not ended.
    pub fn ops_open(&self) -> Vec<OpRecord> {
        self.shown().state.ops(|op| !matches!(op.state, OpState::Ended(_)))
    }

    /// Operations that ended and are still remembered.
    pub fn ops_ended(&self) -> Vec<OpRecord> {
        self.shown().state.ops(|op| matches!(op.state, OpState::Ended(_)))
    }

    /// How many destructive steps began since then; the last 25 hours are known.
    pub fn destructive_since(&self, since: Timestamp) -> usize {
        self.shown().state.destructive_since(since)
    }

    /// Operations issued before this are not accepted.
    pub fn floor(&self) -> Timestamp {
        self.shown().state.floor()
    }

    /// Never lowers it.
    pub fn raise_floor(&self, iat: Timestamp, why: &FloorWhy) -> Result<(), JournalError> {
        let (why, damage_seen) = match why {
            FloorWhy::Fresh => ("a new journal".to_owned(), false),
            FloorWhy::Damaged => ("the journal was damaged".to_owned(), false),
            FloorWhy::Signed(op_id) => (format!("op {op_id}"), true),
        };
        let now = clock::now();
        let mut pen = self.pen();
        pen.write(Record::Floor(Floor { iat, why, damage_seen, is_due: false }), now)?;
        pen.note_clock(now);
        Ok(())
    }

    /// The version of the keyring that was last in force.
    pub fn trust_version(&self) -> Option<u64> {
        self.shown().state.trust_version()
    }

    /// Never lowers it.
    pub fn keep_trust_version(&self, version: u64) -> Result<(), JournalError> {
        self.pen().write(Record::Trust(Trust { version }), clock::now()).map(drop)
    }

    /// To be told the time now and then: keeps the high-water mark, and sets a floor that could not be set before.
    pub fn note_clock(&self, now: Timestamp) {
        let mut pen = self.pen();
        pen.try_again(now);
        pen.raise_due_floor(now);
        pen.note_clock(now);
    }

    /// Whether the wall clock can be believed, by what it was before and by what it can be at all.
    pub fn clock(&self, now: Timestamp) -> ClockTrust {
        authz::clock::judge(now, Some(self.shown().state.clock_hw()))
    }
}

impl Pen<'_> {
    fn can_accept(&self, op: &VerifiedOp) -> Result<(), Rejected> {
        let is_cure = matches!(op.op().action.kind(), OpKind::FloorRaise | OpKind::TrustUpdate);
        match self.shown().health() {
            Health::Sound => {}
            // Whoever may sign this one has seen what happened.
            Health::NoDestructive(_) if is_cure => {}
            Health::NoDestructive(why) | Health::Unwritable(why) => {
                return Err(refused(op, RejectCode::StoreUnavailable, why));
            }
        }
        if !self.shown().state.has_room() {
            let detail = "as many operations as can be kept are known already, and none of them may be forgotten yet; wait \
                          until some have ended and expired";
            return Err(refused(op, RejectCode::StoreFull, detail.to_owned()));
        }
        self.room_for(LIFE_CYCLE_BYTES)
            .map_err(|error| refused(op, RejectCode::StoreUnavailable, error.to_string()))?;
        let is_due = self.shown().state.floor_is_due();
        if is_due {
            let detail =
                "the floor is not set yet: the clock could not be believed when the journal was begun";
            return Err(refused(op, RejectCode::StoreUnavailable, detail.to_owned()));
        }
        Ok(())
    }
}

fn accepted(op: &VerifiedOp, keyids: Vec<String>, via: Via) -> Result<Accept, Rejected> {
    let envelope: Value = serde_json::from_slice(op.envelope())
        .map_err(|error| refused(op, RejectCode::EnvelopeSyntax, error.to_string()))?;
    Ok(Accept {
        op_id: op.op().op_id.clone(),
        kind: op.op().action.kind(),
        guest: op.op().subject.as_ref().map(|subject| subject.guest),
        payload_sha256: op.payload_sha256().to_owned(),
        keyids,
        nonce: op.op().nonce.clone(),
        iat: op.op().iat,
        exp: op.op().exp,
        via,
        envelope: Some(envelope),
        accepted_at: None,
        running: None,
    })
}

fn refused(op: &VerifiedOp, code: RejectCode, detail: String) -> Rejected {
    Rejected {
        code,
        detail,
        op_id: Some(op.op().op_id.clone()),
        payload_sha256: Some(op.payload_sha256().to_owned()),
    }
}

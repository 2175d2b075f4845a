//! What the journal's records come to, one folded in after the other. Pure.
//!
//! [`State::snapshot`] is the other way: the records of which the same state comes again. What it leaves out is gone for good,
//! and that may only be a replay record that no clock can make valid again.

mod snapshot;

use std::collections::VecDeque;

use super::audit::told;
use super::record::{
    Accept, Ack, Clock, Damage, Decision, Ended, Fields, Floor, Intent, Issued, Made, Record, Salvaged,
    Settled, StepEnd, StepResult, Trust,
};
use super::{AuditEntry, Doubt, OpRecord, OpState, OpenIntent};
use crate::authz::SKEW_S;
use crate::model::guest::GuestId;
use crate::model::op::{OpEnd, OpId, Via};
use crate::model::sorted::Map;
use crate::model::time::Timestamp;

/// Past decisions and outcomes that are kept.
const AUDIT: usize = 200;

/// Tasks of past steps that are kept, so that none of them is taken for that of a later step.
const UPIDS: usize = 200;

/// Destructive steps are remembered this long, in seconds: longer than any rate is counted over.
const DESTRUCTIVE_S: u64 = 25 * 3600;

/// Replay records at most; then new operations are refused.
const MOST_OPS: usize = 2_000;

/// Operations that have not ended, at most: they are kept with their envelopes.
const MOST_OPEN: usize = 32;

/// The number of no intent: the first line of a log is its header.
const NO_INTENT: u64 = 0;

/// Where in the log a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) seq: u64,
    pub(super) at: Timestamp,
    pub(super) boot: String,
    pub(super) hash: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    ops: Map<OpId, Box<Op>>,
    /// By key and nonce.
    nonces: Map<(String, String), OpId>,
    intents: Map<u64, OpenIntent>,
    doubts: Map<GuestId, Doubt>,
    /// The step refused last, and the loss it would be.
    decisions: Map<GuestId, (String, String)>,
    /// Guests that this agent made; one of each number.
    made: Vec<Made>,
    destructive: VecDeque<Timestamp>,
    upids: VecDeque<String>,
    floor: Option<Timestamp>,
    /// The floor is to be raised once the clock can be believed.
    floor_is_due: bool,
    clock_hw: Option<Timestamp>,
    trust_version: Option<u64>,
    damage: Option<String>,
    /// A record that should be understood and is not.
    unreadable: Option<String>,
    audit: VecDeque<AuditEntry>,
}

/// An accepted operation.
#[derive(Clone, Debug, PartialEq)]
struct Op {
    accept: Accept,
    accepted_at: Timestamp,
    state: OpState,
    acknowledged: bool,
    /// How its last step ended, if that was written and its own end was not.
    last: Option<StepEnd>,
}

impl State {
    /// Takes in one record as it stands in the log.
    pub(super) fn fold(&mut self, place: &Place, kind: &str, mut fields: Fields) {
        let kept = fields.remove("kept").is_some();
        match Record::read(kind, fields) {
            Some(Ok(record)) => self.apply(place, record, kept),
            Some(Err(why)) => {
                self.unreadable.get_or_insert_with(|| {
                    format!(
                        "record {} of the journal ({kind}) cannot be understood ({why}); install the version that wrote it, or \
                         have a floor.raise signed: felhom-agent op draft floor-raise",
                        place.seq
                    )
                });
            }
            None => log::debug!("journal record {} is of an unknown type, {kind}", place.seq),
        }
    }

    /// `kept`: it was taken over from an older part of the log, and is no news.
    pub(super) fn apply(&mut self, place: &Place, record: Record, kept: bool) {
        self.clock_hw = self.clock_hw.max(Some(place.at));
        if !kept {
            self.audit(place, &record);
        }
        match record {
            Record::Accept(accept) => self.accept(place, *accept),
            Record::Reject(_) => {}
            Record::Intent(intent) => self.intent(place, *intent, kept),
            Record::Issued(issued) => self.issued(issued, kept),
            Record::Done(end) | Record::Uncertain(end) => self.step_ended(place, end, kept),
            Record::Ended(Ended { op_id, guest: _, end }) => {
                if let Some(op) = self.ops.get_mut(&op_id) {
                    op.state = OpState::Ended(end);
                    op.accept.envelope = None;
                    op.last = None;
                }
            }
            Record::Ack(Ack { op_id }) => {
                if let Some(op) = self.ops.get_mut(&op_id) {
                    op.acknowledged = true;
                }
            }
            Record::Settled(Settled { guest, why: _ }) => {
                self.doubts.remove(&guest);
            }
            Record::Floor(Floor { iat, why: _, damage_seen, is_due }) => {
                self.floor = self.floor.max(Some(iat));
                self.floor_is_due = is_due;
                if damage_seen {
                    (self.damage, self.unreadable) = (None, None);
                }
            }
            Record::Clock(Clock { clock_hw }) => self.clock_hw = self.clock_hw.max(Some(clock_hw)),
            Record::Trust(Trust { version }) => self.trust_version = self.trust_version.max(Some(version)),
            Record::Damage(Damage { why, floor, is_due }) => {
                self.damage = Some(why);
                self.floor = self.floor.max(Some(floor));
                self.floor_is_due = is_due;
            }
            Record::Salvaged(Salvaged { why }) => {
                self.damage = Some(format!(
                    "the journal was salvaged ({why}), and records may be missing; have a floor.raise signed: felhom-agent op \
                     draft floor-raise"
                ));
                self.floor =
                    self.floor.max(Some(Timestamp::from_unix(place.at.unix().saturating_add(SKEW_S))));
            }
            Record::Decision(Decision { guest, what, loss }) => {
                match loss {
                    Some(loss) => self.decisions.insert(guest, (what, loss)),
                    None => self.decisions.remove(&guest),
                };
            }
            Record::Made(made) => {
                self.made.retain(|known| known.guest.vmid != made.guest.vmid);
                self.made.push(made);
            }
            Record::Gone(Settled { guest, why: _ }) => self.made.retain(|known| known.guest != guest),
            Record::Past(past) => {
                self.audit.extend(past.audit);
                self.destructive.extend(past.destructive);
                self.upids.extend(past.upids);
            }
        }
    }

    fn accept(&mut self, place: &Place, accept: Accept) {
        if self.ops.contains_key(&accept.op_id) {
            return;
        }
        for keyid in &accept.keyids {
            self.nonces.insert((keyid.clone(), accept.nonce.clone()), accept.op_id.clone());
        }
        let accepted_at = accept.accepted_at.unwrap_or(place.at);
        let state = match accept.running.clone() {
            None => OpState::Accepted,
            Some(upid) => OpState::Running { upid: Some(upid).filter(|upid| !upid.is_empty()) },
        };
        let accept = Accept { accepted_at: None, running: None, ..accept };
        let op = Op { accepted_at, state, acknowledged: false, last: None, accept };
        self.ops.insert(op.accept.op_id.clone(), Box::new(op));
    }

    fn intent(&mut self, place: &Place, intent: Intent, kept: bool) {
        let seq = intent.intent.unwrap_or(place.seq);
        if !kept {
            self.op_goes_on(intent.op_id.as_ref(), None);
        }
        // What this agent made itself is not counted: nobody signs for it.
        if intent.destructive && intent.op_id.is_some() && !kept {
            let old = |at: &Timestamp| intent.began.seconds_since(*at) > DESTRUCTIVE_S;
            while self.destructive.front().is_some_and(old) {
                self.destructive.pop_front();
            }
            self.destructive.push_back(intent.began);
        }
        let open = OpenIntent {
            seq,
            guest: intent.guest,
            step: intent.step,
            op_id: intent.op_id,
            destructive: intent.destructive,
            volumes: intent.volumes,
            began: intent.began,
            uptime_s: intent.uptime_s,
            boot: intent.boot_then.unwrap_or_else(|| place.boot.clone()),
            upid: None,
        };
        self.intents.insert(seq, open);
    }

    fn issued(&mut self, issued: Issued, kept: bool) {
        let Some(intent) = self.intents.get_mut(&issued.intent) else { return };
        intent.upid = Some(issued.upid.clone());
        let op_id = intent.op_id.clone();
        // A snapshot says of its own accord how its operations stand and which tasks are known.
        if !kept {
            self.op_goes_on(op_id.as_ref(), Some(issued.upid.clone()));
            self.take_note_of(issued.upid);
        }
    }

    fn op_goes_on(&mut self, op_id: Option<&OpId>, upid: Option<String>) {
        let op = op_id.and_then(|op_id| self.ops.get_mut(op_id));
        if let Some(op) = op.filter(|op| !matches!(op.state, OpState::Ended(_))) {
            op.state = OpState::Running { upid };
            op.last = None;
        }
    }

    fn step_ended(&mut self, place: &Place, end: StepEnd, kept: bool) {
        if !kept {
            self.intents.remove(&end.intent);
            if let Some(upid) = &end.upid {
                self.take_note_of(upid.clone());
            }
        }
        let end = StepEnd { ended_at: Some(end.ended_at.unwrap_or(place.at)), ..end };
        // A snapshot says separately which doubts are left.
        if end.result == StepResult::Uncertain && (!kept || end.intent == NO_INTENT) {
            let at = end.ended_at.unwrap_or(place.at);
            let doubt = Doubt { at, what: end.what.clone(), message: end.message.clone() };
            self.doubts.insert(end.guest, doubt);
        }
        let op = end.op_id.as_ref().and_then(|op_id| self.ops.get_mut(op_id));
        if let Some(op) = op.filter(|op| !matches!(op.state, OpState::Ended(_))) {
            op.last = Some(end);
        }
    }

    fn take_note_of(&mut self, upid: String) {
        if !self.upids.contains(&upid) {
            self.upids.push_back(upid);
        }
        while self.upids.len() > UPIDS {
            self.upids.pop_front();
        }
    }

    fn audit(&mut self, place: &Place, record: &Record) {
        let Some((what, subject, result, by)) = told(record, self) else { return };
        while self.audit.len() >= AUDIT {
            self.audit.pop_front();
        }
        let Place { seq, at, hash, boot: _ } = place.clone();
        self.audit.push_back(AuditEntry { seq, at, what, subject, result, by, hash });
    }

    /// The superblock's own memory of both, which is never behind by more than its interval.
    pub(super) fn at_least(&mut self, floor: Option<Timestamp>, clock_hw: Option<Timestamp>) {
        self.floor = self.floor.max(floor);
        self.clock_hw = self.clock_hw.max(clock_hw);
    }

    pub(super) fn floor_is_due(&self) -> bool {
        self.floor_is_due
    }

    pub(super) fn saw_clock(&mut self, now: Timestamp) {
        self.clock_hw = self.clock_hw.max(Some(now));
    }

    pub(super) fn floor(&self) -> Timestamp {
        self.floor.unwrap_or_else(|| Timestamp::from_unix(0))
    }

    pub(super) fn clock_hw(&self) -> Timestamp {
        self.clock_hw.unwrap_or_else(|| Timestamp::from_unix(0))
    }

    pub(super) fn trust_version(&self) -> Option<u64> {
        self.trust_version
    }

    pub(super) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    pub(super) fn unreadable(&self) -> Option<&str> {
        self.unreadable.as_deref()
    }

    pub(super) fn op(&self, op_id: &OpId) -> Option<OpRecord> {
        self.ops.get(op_id).map(|op| op.record())
    }

    pub(super) fn ops(&self, which: impl Fn(&OpRecord) -> bool) -> Vec<OpRecord> {
        self.ops.values().map(|op| op.record()).filter(|op| which(op)).collect()
    }

    /// Operations whose last step ended and whose own end was never written.
    pub(super) fn ops_unended(&self) -> Vec<(OpId, OpEnd)> {
        let ended = |op: &Op| {
            let (op_id, end) = (&op.accept.op_id, op.last.as_ref()?);
            let open = self.intents.values().any(|intent| intent.op_id.as_ref() == Some(op_id));
            (!open).then(|| (op_id.clone(), end.op_end(end.ended_at.unwrap_or(op.accepted_at))))
        };
        self.ops.values().filter_map(|op| ended(op)).collect()
    }

    /// The operation that used one of these keys with this nonce.
    pub(super) fn nonce_used(&self, keyids: &[String], nonce: &str) -> Option<&OpId> {
        keyids.iter().find_map(|keyid| self.nonces.get(&(keyid.clone(), nonce.to_owned())))
    }

    pub(super) fn intents(&self) -> impl Iterator<Item = &OpenIntent> {
        self.intents.values()
    }

    pub(super) fn intent_of(&self, seq: u64) -> Option<&OpenIntent> {
        self.intents.get(&seq)
    }

    pub(super) fn is_known_task(&self, upid: &str) -> bool {
        self.upids.iter().any(|known| known == upid)
    }

    pub(super) fn doubts(&self) -> &Map<GuestId, Doubt> {
        &self.doubts
    }

    pub(super) fn refused(&self, guest: GuestId) -> Option<&(String, String)> {
        self.decisions.get(&guest)
    }

    pub(super) fn made(&self) -> &[Made] {
        &self.made
    }

    pub(super) fn destructive_since(&self, since: Timestamp) -> usize {
        self.destructive.iter().filter(|at| **at >= since).count()
    }

    pub(super) fn audit_tail(&self, count: usize) -> Vec<AuditEntry> {
        self.audit.iter().skip(self.audit.len().saturating_sub(count)).cloned().collect()
    }

    /// Whether there is room for one more operation, once what may be forgotten is.
    pub(super) fn has_room(&mut self) -> bool {
        if self.ops.len() >= MOST_OPS {
            self.forget();
        }
        let open = self.ops.values().filter(|op| !matches!(op.state, OpState::Ended(_))).count();
        self.ops.len() < MOST_OPS && open < MOST_OPEN
    }

    /// Forgets the operations that could not be accepted again even if every clock were off by all it may be.
    pub(super) fn forget(&mut self) {
        let clock_hw = self.clock_hw();
        let outlived = |op: &Op| {
            let until = op.accept.exp.unix().saturating_add(2 * SKEW_S + 3600);
            // The hub is still to hear how it ended.
            let is_told = op.acknowledged || op.accept.via != Via::Hub;
            until < clock_hw.unix() && is_told && matches!(op.state, OpState::Ended(_))
        };
        self.ops.retain(|_, op| !outlived(op));
        let Self { ops, nonces, .. } = self;
        nonces.retain(|_, op_id| ops.contains_key(op_id));
    }
}

impl Op {
    fn record(&self) -> OpRecord {
        let Accept { op_id, kind, guest, payload_sha256, keyids, nonce, iat, exp, via, envelope, .. } =
            self.accept.clone();
        OpRecord {
            op_id,
            kind,
            guest,
            payload_sha256,
            keyids,
            nonce,
            iat,
            exp,
            accepted_at: self.accepted_at,
            via,
            state: self.state.clone(),
            envelope: envelope.map(|envelope| envelope.to_string().into_bytes()).unwrap_or_default(),
            acknowledged: self.acknowledged,
        }
    }
}

#[cfg(test)]
mod laws;

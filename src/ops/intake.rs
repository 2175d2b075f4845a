//! The intake: verifies what is brought, accepts it once, and hands it to control, or carries it out itself where no guest is
//! concerned.
//!
//! *Owns* its own client, to ask for the node's name. *Fed by* the [`Door`](super::Door)s. *Emits* orders to control, the verdict
//! to whoever brought the operation, and to the courier that something has ended. *Never* touches a guest.
//!
//! One at a time: what two bring at the same instant is judged one after the other. What was accepted before a restart and has not
//! ended is gone through at the start: it is verified anew, by what is trusted then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select};

use super::trust::TrustStore;
use super::{Event, Submission, Submitted, failed_end, rejected_end};
use crate::authz::{self, Situation, VerifiedOp, write};
use crate::clock;
use crate::consent;
use crate::control::limit::Limit;
use crate::control::{self, Bearer, Order};
use crate::journal::{Acceptance, FloorWhy, Health, Journal, OpRecord};
use crate::model::op::{Action, OpEnd, OpId, OpKind, OpResult, RejectCode, Rejected, Via};
use crate::model::time::Timestamp;
use crate::pve;

/// Refusals that are told in the log within a minute; the rest is counted.
const TOLD_A_MINUTE: u32 = 10;

/// What the intake is given at its start.
#[derive(Debug)]
pub struct Setup {
    pub host_id: String,
    pub connection: Arc<pve::Connection>,
    pub journal: Arc<Journal>,
    pub trust: Arc<TrustStore>,
    /// What a `limit.release` releases.
    pub limit: Limit,
}

/// Where the intake tells what came of it.
#[derive(Debug)]
pub struct Wires {
    pub control: Sender<control::Event>,
    /// To the courier: an operation has ended.
    pub ended: Sender<()>,
    /// Disconnected when the agent is ending.
    pub stop: Receiver<()>,
}

/// Judges until nobody can bring anything any more, or the agent is ending.
pub fn run(setup: Setup, wires: Wires, inbox: &Receiver<Event>) {
    let mut intake = Intake { setup, wires, client: None, told: Told::default() };
    intake.setup.trust.reread();
    intake.resume();
    loop {
        let event = select! {
            recv(inbox) -> event => event,
            recv(intake.wires.stop) -> _ended => return,
        };
        match event {
            Ok(Event::Submitted(submission)) => intake.submitted(submission),
            Ok(Event::Reread) => intake.setup.trust.reread(),
            Err(_nobody_is_left) => return,
        }
    }
}

struct Intake {
    setup: Setup,
    wires: Wires,
    client: Option<pve::Client>,
    told: Told,
}

impl Intake {
    fn submitted(&mut self, submission: Submission) {
        let Submission { envelope, via, reply } = submission;
        let now = clock::now();
        let verdict = self.judge(&envelope, via, now);
        if let Err(rejected) = &verdict {
            self.setup.journal.reject(rejected, via, now);
            self.told.refusal(rejected, via);
        }
        // Whoever brought it may have lost patience.
        reply.try_send(verdict).ok();
    }

    fn judge(&mut self, envelope: &[u8], via: Via, now: Timestamp) -> Result<Submitted, Rejected> {
        let verified = match self.verify(envelope, now) {
            Ok(verified) => verified,
            Err(rejected) => return self.known(&rejected).ok_or(rejected),
        };
        match self.setup.journal.accept(&verified, via, now)? {
            Acceptance::Known(record) => Ok(Submitted { record: *record, is_new: false }),
            Acceptance::Accepted => {
                let op = verified.op();
                log::info!("operation {} ({}) accepted, brought by {via:?}", op.op_id, op.action.kind());
                let op_id = op.op_id.clone();
                self.go_on(verified, now);
                let record = self.setup.journal.op(&op_id).ok_or_else(|| {
                    Rejected::new(RejectCode::StoreUnavailable, "the journal lost what it has just accepted")
                })?;
                Ok(Submitted { record, is_new: true })
            }
        }
    }

    fn verify(&mut self, envelope: &[u8], now: Timestamp) -> Result<VerifiedOp, Rejected> {
        let trust = self.setup.trust.current().map_err(|fault| {
            // A keyring comes into force only where its version can be kept.
            let code = match self.setup.journal.health() {
                Health::Unwritable(_) => RejectCode::StoreUnavailable,
                Health::Sound | Health::NoDestructive(_) => RejectCode::UnknownKey,
            };
            Rejected::new(code, format!("no key is trusted: {fault}"))
        })?;
        let clock = self.setup.journal.clock(now);
        let floor = self.setup.journal.floor();
        let host_id = self.setup.host_id.clone();
        // The name is asked for only where everything before it is in order.
        let unnamed = Situation { host_id: &host_id, node: "", now, clock: &clock, floor };
        match authz::verify(envelope, &trust, &unnamed) {
            Err(rejected) if rejected.code == RejectCode::WrongHost => {
                let node = self.node()?;
                authz::verify(envelope, &trust, &Situation { node: &node, ..unnamed })
            }
            other => other,
        }
    }

    fn node(&mut self) -> Result<String, Rejected> {
        if let Some(node) = &self.setup.connection.node {
            return Ok(node.clone());
        }
        let unknown = |error: pve::PveError| {
            let detail = format!("the node's own name is not known at present: {error}");
            Rejected::new(RejectCode::ObservationUntrusted, detail)
        };
        let client = match &self.client {
            Some(client) => client,
            None => self.client.insert(pve::Client::new(&self.setup.connection).map_err(unknown)?),
        };
        client.node().map(str::to_owned).map_err(unknown)
    }

    /// What was accepted once is known however it would be judged today: whoever brings it again hears what became of it.
    fn known(&self, rejected: &Rejected) -> Option<Submitted> {
        let record = self.setup.journal.op(rejected.op_id.as_ref()?)?;
        let is_same = rejected.payload_sha256.as_ref() == Some(&record.payload_sha256);
        is_same.then_some(Submitted { record, is_new: false })
    }

    /// From accepted to its guest's lane, or to its end.
    fn go_on(&self, verified: VerifiedOp, now: Timestamp) {
        let op_id = verified.op().op_id.clone();
        if let Some(why) = consent::not_supported(&verified.op().action) {
            return self.end(&op_id, &rejected_end(&Rejected::new(RejectCode::NotSupported, why), now));
        }
        let end = match &verified.op().action {
            Action::FloorRaise { iat } => self.raise_floor(&op_id, *iat, now),
            Action::TrustUpdate { keyring } => self.update_trust(keyring, &verified, now),
            Action::LimitRelease { generation } => self.release(*generation, now),
            Action::GuestDestroy { .. }
            | Action::GuestRollback { .. }
            | Action::GuestRestoreOver { .. }
            | Action::GuestStopHard
            | Action::GuestUnlock { .. }
            | Action::SnapshotDelete { .. }
            | Action::BackupDelete { .. }
            | Action::VolumeDelete { .. }
            | Action::VolumeDetach { .. }
            | Action::ConfigDestructive { .. }
            | Action::ResourceDelete { .. }
            | Action::JobShell { .. } => {
                let Some(guest) = verified.op().subject.as_ref().map(|subject| subject.guest) else {
                    let rejected = Rejected::new(RejectCode::BindGuest, "it names no guest");
                    return self.end(&op_id, &rejected_end(&rejected, now));
                };
                return self.order(Order { op_id, guest, bearer: Bearer::verified(verified, now) });
            }
        };
        self.end(&op_id, &end);
    }

    fn order(&self, order: Order) {
        // Control gone: the agent is ending, and the next start goes on with it.
        self.wires.control.send(control::Event::Operate(Box::new(order))).ok();
    }

    fn release(&self, generation: u64, now: Timestamp) -> OpEnd {
        match self.setup.limit.release(generation) {
            Ok(()) => {
                // What was held is looked at again now.
                self.wires.control.send(control::Event::Tick).ok();
                done(format!("generation {generation} may stop and restart all that it names"), now)
            }
            Err(why) => failed_end("not_released", why, now),
        }
    }

    fn raise_floor(&self, op_id: &OpId, iat: Timestamp, now: Timestamp) -> OpEnd {
        match self.setup.journal.raise_floor(iat, &FloorWhy::Signed(op_id.clone())) {
            Ok(()) => done(format!("operations issued at {iat} or before are not accepted any more"), now),
            Err(error) => failed_end("journal", error.to_string(), now),
        }
    }

    fn update_trust(&self, bytes: &[u8], verified: &VerifiedOp, now: Timestamp) -> OpEnd {
        let trust = match self.setup.trust.current() {
            Ok(trust) => trust,
            Err(fault) => return failed_end("no_keyring", fault, now),
        };
        let keyring = match authz::next_keyring(&trust.keyring, bytes, verified) {
            Ok(keyring) => keyring,
            Err(rejected) => return rejected_end(&rejected, now),
        };
        let version = keyring.version();
        match self.setup.trust.replace(bytes, keyring) {
            Ok(()) => done(format!("keyring version {version} is in force"), now),
            Err(fault) => failed_end("not_kept", fault, now),
        }
    }

    fn end(&self, op_id: &OpId, end: &OpEnd) {
        super::say_end(op_id, end);
        if let Err(error) = self.setup.journal.op_ended(op_id, end) {
            log::error!("the end of operation {op_id} is not in the journal: {error}");
        }
        self.wires.ended.try_send(()).ok();
    }

    /// Goes on with what was accepted before and has not ended.
    fn resume(&mut self) {
        let mut open = self.setup.journal.ops_open();
        open.sort_unstable_by(|a, b| (a.accepted_at, &a.op_id).cmp(&(b.accepted_at, &b.op_id)));
        for record in open {
            log::info!("operation {} ({}) was accepted before and goes on", record.op_id, record.kind);
            match record.guest {
                Some(guest) => {
                    self.order(Order { op_id: record.op_id, guest, bearer: Bearer::Stored(record.envelope) })
                }
                None => self.resume_here(&record),
            }
        }
    }

    fn resume_here(&mut self, record: &OpRecord) {
        let now = clock::now();
        match self.verify(&record.envelope, now) {
            Ok(verified) => self.go_on(verified, now),
            Err(_its_work_is_done) if self.has_taken_effect(record) => {
                let message = "the keyring it brought is in force".to_owned();
                self.end(&record.op_id, &done(message, now));
            }
            // Not the operation's fault: it waits for the next start.
            Err(rejected) if rejected.code == RejectCode::ObservationUntrusted => {
                log::warn!("operation {} waits: {rejected}", record.op_id);
            }
            Err(rejected) => self.end(&record.op_id, &rejected_end(&rejected, now)),
        }
    }

    /// Ended between the new keyring and the word of it: its own signatures need not be good any more.
    fn has_taken_effect(&self, record: &OpRecord) -> bool {
        if record.kind != OpKind::TrustUpdate {
            return false;
        }
        let carried = write::open(&record.envelope).and_then(|(payload, _)| write::draft(&payload));
        matches!(carried.map(|op| op.action), Ok(Action::TrustUpdate { keyring }) if self.setup.trust.holds(&keyring))
    }
}

fn done(message: String, now: Timestamp) -> OpEnd {
    OpEnd {
        result: OpResult::Done,
        code: String::new(),
        message,
        upid: None,
        volumes_left: Vec::new(),
        at: now,
    }
}

/// Refusals in the log: a flood of them is told as a number.
#[derive(Debug, Default)]
struct Told {
    since: Option<Instant>,
    told: u32,
    untold: u64,
}

impl Told {
    fn refusal(&mut self, rejected: &Rejected, via: Via) {
        let is_new = self.since.is_none_or(|since| since.elapsed() >= Duration::from_secs(60));
        if is_new {
            if self.untold > 0 {
                log::warn!("{} more operations were refused", self.untold);
            }
            *self = Self { since: Some(Instant::now()), told: 0, untold: 0 };
        }
        if self.told >= TOLD_A_MINUTE {
            self.untold += 1;
            return;
        }
        self.told += 1;
        let named = rejected.op_id.as_ref().map(|op_id| format!(" {op_id}")).unwrap_or_default();
        log::warn!("operation{named} refused, brought by {via:?}: {rejected}");
    }
}

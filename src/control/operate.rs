//! The lane's job for a signed operation: everything that was true when it was accepted is looked at again, and then it is
//! carried out, once.
//!
//! In this order: what is still open from before; keys, host, roles and times by what is trusted now; kill switch and block; a
//! permit and the rate; the guest, all of it; the gate; keys and times once more; the call. A refusal ends the operation, a lock
//! is waited for. From the intent on nothing ends it but what became of the step, and nothing is ever sent twice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded, select};

use super::converge::Worker;
use super::{Event, Query};
use crate::authz::{self, Situation, Trust, VerifiedOp};
use crate::clock;
use crate::consent::{self, Guards};
use crate::execute::{Executor, Open};
use crate::gate;
use crate::journal::OpState;
use crate::lanes::{Class, Resolution};
use crate::model::guest::{GuestId, Vmid};
use crate::model::hold::Halt;
use crate::model::image::GuestImage;
use crate::model::op::{Action, OpEnd, OpId, OpResult, Operation, RejectCode, Rejected};
use crate::model::outcome::Outcome;
use crate::model::sorted::Set;
use crate::model::time::Timestamp;
use crate::observe;
use crate::ops::trust::TrustStore;
use crate::ops::{failed_end, rejected_end, say_end};

/// From one look at a locked guest, or at a node that does not answer, to the next.
const LOOKS: Duration = Duration::from_secs(2);

/// Control answers from memory.
const CONTROL_WITHIN: Duration = Duration::from_secs(10);

/// So long is the past that the rate is counted over, in seconds.
const HOUR_S: u64 = 3600;

/// An accepted operation on its way to the lane of its guest.
#[derive(Debug)]
pub struct Order {
    pub op_id: OpId,
    pub guest: GuestId,
    pub bearer: Bearer,
}

#[derive(Debug)]
pub enum Bearer {
    /// As it was just accepted, and by which second after boot it must have been begun: the wall clock can be set back.
    Verified { op: Box<VerifiedOp>, expires_uptime_s: Option<u64> },
    /// As the journal kept it over a restart: verified anew.
    Stored(Vec<u8>),
}

impl Bearer {
    pub fn verified(op: VerifiedOp, now: Timestamp) -> Self {
        let left_s = op.op().exp.seconds_since(now);
        let expires_uptime_s = clock::uptime_s().map(|uptime_s| uptime_s.saturating_add(left_s));
        Self::Verified { op: Box::new(op), expires_uptime_s }
    }
}

/// What this host's configuration says of signed operations; shared by all lanes.
#[derive(Clone, Debug)]
pub struct Operating {
    pub host_id: String,
    pub trust: Arc<TrustStore>,
    pub protected: Set<Vmid>,
    pub evidence_max_age: Duration,
    pub rate_per_hour: u32,
    pub lock_wait: Duration,
    pub rate: Rate,
}

/// Operations that have passed the rate's check and are not in the journal as begun yet.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    passed: Arc<Mutex<Set<OpId>>>,
}

/// The end of the job, as control hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operated {
    /// How, the journal knows.
    Ended,
    /// The agent is ending: the next start goes on with it.
    Left,
}

/// Why a job ends before its operation does.
enum Leave {
    Stopping,
    /// Somebody wrote its end down already.
    Known,
    End(Box<OpEnd>),
}

impl From<Rejected> for Leave {
    fn from(rejected: Rejected) -> Self {
        Self::End(Box::new(rejected_end(&rejected, clock::now())))
    }
}

/// What stands in the way.
enum Obstacle {
    /// May go away by itself.
    Passing(Rejected),
    Final(Leave),
}

impl From<Rejected> for Obstacle {
    fn from(rejected: Rejected) -> Self {
        match rejected.code {
            RejectCode::Locked => Self::Passing(rejected),
            _ => Self::Final(rejected.into()),
        }
    }
}

struct Job<'a> {
    worker: &'a Worker,
    executor: Executor<'a>,
    op_id: &'a OpId,
    guest: GuestId,
    control: &'a Sender<Event>,
    expires_uptime_s: Option<u64>,
    since: Instant,
    /// As the log has it already.
    waits_for: Option<Rejected>,
}

impl Worker {
    pub(super) fn operate(&self, order: Order, control: &Sender<Event>) -> Operated {
        let Order { op_id, guest, bearer } = order;
        let end = match self.carry(&op_id, guest, bearer, control) {
            Leave::Stopping => return Operated::Left,
            Leave::Known => return Operated::Ended,
            Leave::End(end) => end,
        };
        say_end(&op_id, &end);
        if let Err(error) = self.work.journal.op_ended(&op_id, &end) {
            log::error!("the end of operation {op_id} is not in the journal: {error}");
        }
        Operated::Ended
    }

    fn carry(&self, op_id: &OpId, guest: GuestId, bearer: Bearer, control: &Sender<Event>) -> Leave {
        if self.is_stopping() {
            return Leave::Stopping;
        }
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => {
                return Leave::End(Box::new(failed_end(error.code(), error.to_string(), clock::now())));
            }
        };
        let executor = self.executor(client);
        let since = Instant::now();
        let mut job = Job {
            worker: self,
            executor,
            op_id,
            guest,
            control,
            expires_uptime_s: None,
            since,
            waits_for: None,
        };
        match job.run(bearer) {
            Ok(end) => Leave::End(Box::new(end)),
            Err(leave) => leave,
        }
    }
}

impl Job<'_> {
    fn run(&mut self, bearer: Bearer) -> Result<OpEnd, Leave> {
        self.settle()?;
        let op = self.verified(bearer)?;
        loop {
            let obstacle = match self.attempt(&op) {
                Ok(end) => return Ok(end),
                Err(Obstacle::Final(leave)) => return Err(leave),
                Err(Obstacle::Passing(rejected)) => rejected,
            };
            if self.since.elapsed() >= self.operating().lock_wait {
                return Err(obstacle.into());
            }
            if self.waits_for.as_ref() != Some(&obstacle) {
                log::info!("operation {} waits: {obstacle}", self.op_id);
            }
            self.waits_for = Some(obstacle);
            self.pause(LOOKS)?;
        }
    }

    fn operating(&self) -> &Operating {
        &self.worker.work.operating
    }

    /// What is still open from before comes first, and may have been this very operation.
    fn settle(&self) -> Result<(), Leave> {
        let mut is_told = false;
        loop {
            let why = match self.executor.settle(self.guest).open {
                None => break,
                Some(Open::Stopping) => return Err(Leave::Stopping),
                Some(Open::StillRunning { upid }) => format!("a task of before still runs ({upid})"),
                Some(Open::Unresolved(why)) => {
                    self.pause(LOOKS)?;
                    why
                }
            };
            if !is_told {
                log::info!("operation {} waits: {why}", self.op_id);
                is_told = true;
            }
        }
        let journal = &self.worker.work.journal;
        if let Some(OpState::Running { .. }) = journal.op(self.op_id).map(|record| record.state) {
            // Its step is over, and only the word of its end is missing.
            if let Err(error) = journal.end_interrupted(self.op_id) {
                log::error!("the end of operation {} is not in the journal: {error}", self.op_id);
            }
        }
        match journal.op(self.op_id).map(|record| record.state) {
            Some(OpState::Accepted) => Ok(()),
            Some(OpState::Running { .. } | OpState::Ended(_)) | None => Err(Leave::Known),
        }
    }

    fn pause(&self, pause: Duration) -> Result<(), Leave> {
        match self.worker.stop.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Err(Leave::Stopping),
        }
    }

    /// Checks 5 and 9 to 11 by what is trusted and true now; of what was kept over a restart all checks.
    fn verified(&mut self, bearer: Bearer) -> Result<VerifiedOp, Leave> {
        match bearer {
            Bearer::Verified { op, expires_uptime_s } => {
                self.expires_uptime_s = expires_uptime_s;
                Ok(*op)
            }
            Bearer::Stored(envelope) => {
                // The node's name may be out of reach right after a start of the whole machine.
                let op = loop {
                    match self.judged(|trust, situation| authz::verify(&envelope, trust, situation)) {
                        Err(rejected)
                            if rejected.code == RejectCode::ObservationUntrusted && self.may_wait() =>
                        {
                            self.pause(LOOKS)?;
                        }
                        verdict => break verdict?,
                    }
                };
                let Bearer::Verified { op, expires_uptime_s } = Bearer::verified(op, clock::now()) else {
                    return Err(Leave::Stopping);
                };
                self.expires_uptime_s = expires_uptime_s;
                Ok(*op)
            }
        }
    }

    fn may_wait(&self) -> bool {
        self.since.elapsed() < self.operating().lock_wait
    }

    fn judged<T>(
        &self,
        judge: impl FnOnce(&Trust, &Situation<'_>) -> Result<T, Rejected>,
    ) -> Result<T, Rejected> {
        let trust =
            self.operating().trust.current().map_err(|fault| {
                Rejected::new(RejectCode::UnknownKey, format!("no key is trusted: {fault}"))
            })?;
        let node = self.executor.client().node().map_err(|error| {
            let detail = format!("the node's own name is not known at present: {error}");
            Rejected::new(RejectCode::ObservationUntrusted, detail)
        })?;
        let journal = &self.worker.work.journal;
        let now = clock::now();
        let (clock, floor) = (journal.clock(now), journal.floor());
        let host_id = &self.operating().host_id;
        judge(&trust, &Situation { host_id, node, now, clock: &clock, floor })
    }

    /// Keys, host, roles, times, the time since boot, the kill switch.
    fn still_allowed(&self, op: &VerifiedOp) -> Result<(), Obstacle> {
        if self.worker.is_stopping() {
            return Err(Obstacle::Final(Leave::Stopping));
        }
        self.judged(|trust, situation| op.recheck(trust, situation))?;
        let is_past = |end| clock::uptime_s().is_some_and(|uptime_s| uptime_s >= end);
        if self.expires_uptime_s.is_some_and(is_past) {
            let detail =
                format!("it was valid until {}; that time has passed, whatever the clock says", op.op().exp);
            return Err(Rejected::new(RejectCode::Expired, detail).into());
        }
        match self.worker.brake.halt_here() {
            None => Ok(()),
            Some(halt) => Err(halted(&halt).into()),
        }
    }

    fn not_blocked(&self) -> Result<(), Rejected> {
        self.worker.brake.halt().map_or(Ok(()), |halt| Err(halted(&halt)))
    }

    fn attempt(&self, op: &VerifiedOp) -> Result<OpEnd, Obstacle> {
        self.still_allowed(op)?;
        let Some(permit) = self.worker.work.permits.acquire(&Class::Destructive, &self.worker.stop) else {
            return Err(Obstacle::Final(Leave::Stopping));
        };
        // The wait for the permit may have been a long one.
        self.still_allowed(op)?;
        let _passed = self.within_rate()?;
        self.not_blocked()?;
        let image = self.image()?;
        let step = single(consent::steps_of(op.op(), &image)?)?;
        let guards = self.guards(op.op(), &image)?;
        let approved = gate::judge_consented(step, op, &image, &guards)?;
        self.still_allowed(op)?;
        self.not_blocked()?;
        let what = approved.step().to_string();
        log::info!("operation {}: {what}", self.op_id);
        let outcome = self.executor.carry_out(approved);
        drop(permit);
        self.ended(&what, outcome)
    }

    fn within_rate(&self) -> Result<Passed<'_>, Rejected> {
        let Operating { rate, rate_per_hour, .. } = self.operating();
        let journal = &self.worker.work.journal;
        let mut passed = rate.lock();
        let is_begun = |op_id: &&OpId| {
            !matches!(journal.op(op_id).map(|record| record.state), None | Some(OpState::Accepted))
        };
        let since = Timestamp::from_unix(clock::now().unix().saturating_sub(HOUR_S));
        let count = journal.destructive_since(since) + passed.iter().filter(|op_id| !is_begun(op_id)).count();
        if count >= usize::try_from(*rate_per_hour).unwrap_or(usize::MAX) {
            let detail = format!(
                "{count} operations were carried out within the last hour, allowed are {rate_per_hour} (ops.rate_per_hour); sign \
                 it again later"
            );
            return Err(Rejected::new(RejectCode::RateLimited, detail));
        }
        passed.insert(self.op_id.clone());
        Ok(Passed { rate, op_id: self.op_id })
    }

    fn image(&self) -> Result<GuestImage, Obstacle> {
        observe::image(self.executor.client(), self.guest).map_err(|rejected| {
            // A node that says nothing at all may be starting.
            if rejected.code == RejectCode::ObservationUntrusted && self.executor.client().version().is_err()
            {
                return Obstacle::Passing(rejected);
            }
            rejected.into()
        })
    }

    fn guards(&self, op: &Operation, image: &GuestImage) -> Result<Guards, Obstacle> {
        let Operating { protected, evidence_max_age, .. } = self.operating();
        let (reply, replies) = bounded(1);
        self.control.send(Event::Query(Query::State(reply))).ok();
        let answer = select! {
            recv(replies) -> answer => answer.ok(),
            recv(self.worker.stop) -> _ended => return Err(Obstacle::Final(Leave::Stopping)),
            default(CONTROL_WITHIN) => None,
        };
        let Some(answer) = answer else {
            let detail = "what is desired of the guest could not be asked in time";
            return Err(Rejected::new(RejectCode::ObservationUntrusted, detail).into());
        };
        Ok(Guards {
            managed: answer.managed.contains(&self.guest.vmid),
            data_bearing: !answer.expendable.contains(&self.guest.vmid),
            protected: protected.clone(),
            evidence_max_age_s: evidence_max_age.as_secs(),
            backups: observe::named_backups(self.executor.client(), image, &backups_of(op)),
            now: clock::now(),
        })
    }

    /// From here on only what became of the step counts.
    fn ended(&self, what: &str, outcome: Outcome) -> Result<OpEnd, Obstacle> {
        super::converge::log_outcome(what, &outcome);
        match outcome {
            Outcome::Interrupted { .. } => Err(Obstacle::Final(Leave::Stopping)),
            Outcome::StillRunning { .. } => {
                // Waited for as long as it takes: nothing else may be done to the guest meanwhile.
                self.settle().map_err(Obstacle::Final)?;
                Err(Obstacle::Final(Leave::Known))
            }
            outcome => Ok(end_of(outcome)),
        }
    }
}

fn end_of(outcome: Outcome) -> OpEnd {
    let end = |result, code: &str, message, upid, volumes_left| OpEnd {
        result,
        code: code.to_owned(),
        message,
        upid,
        volumes_left,
        at: clock::now(),
    };
    match outcome {
        Outcome::Done { upid } => end(OpResult::Done, "", String::new(), upid, Vec::new()),
        Outcome::Warned { upid, lines } => end(OpResult::Done, "", lines.join("; "), Some(upid), Vec::new()),
        Outcome::Partial { upid, left } => {
            let message = format!(
                "the guest is gone and these volumes of it are not: {}; nothing removes them by itself",
                left.join(", ")
            );
            end(OpResult::PartialCleanup, "volumes_left", message, upid, left)
        }
        Outcome::Conflict { message } => end(OpResult::Failed, "conflict", message, None, Vec::new()),
        Outcome::Failed(failure) => {
            end(OpResult::Failed, failure.code, failure.message, failure.upid, Vec::new())
        }
        Outcome::Uncertain { upid, message } => {
            end(OpResult::Uncertain, super::converge::UNCERTAIN, message, upid, Vec::new())
        }
        Outcome::StillRunning { upid } => {
            let message = "its task still runs".to_owned();
            end(OpResult::Uncertain, super::converge::UNCERTAIN, message, Some(upid), Vec::new())
        }
        Outcome::Interrupted { message } => {
            end(OpResult::Uncertain, super::converge::UNCERTAIN, message, None, Vec::new())
        }
    }
}

/// The end of an operation whose job did not come to one itself.
pub(super) fn broken_off(end: Resolution<Operated>) -> Option<OpEnd> {
    match end {
        Resolution::Done(Operated::Ended | Operated::Left) => None,
        // Accepted as it is: the next start goes on with it.
        Resolution::Closed => None,
        Resolution::NoThread(message) => Some(failed_end("no_thread", message, clock::now())),
        Resolution::Panicked(message) => Some(OpEnd {
            result: OpResult::Uncertain,
            ..failed_end(
                super::converge::UNCERTAIN,
                format!("its job panicked, look at the guest: {message}"),
                clock::now(),
            )
        }),
    }
}

fn halted(halt: &Halt) -> Rejected {
    let code = match halt {
        Halt::Hub => RejectCode::Blocked,
        Halt::KillSwitch { .. } | Halt::Observing => RejectCode::KillSwitch,
    };
    Rejected::new(code, format!("{}; to go on: {}, and sign it again", halt.detail(), halt.remedy()))
}

/// Each kind orders one step. Were there more, a crash between two would need a rule for which of them may be repeated.
fn single(steps: Vec<crate::model::step::Step>) -> Result<crate::model::step::Step, Rejected> {
    let count = steps.len();
    match <[_; 1]>::try_from(steps) {
        Ok([step]) => Ok(step),
        Err(_not_one) => {
            let detail = format!("it orders {count} steps; this version carries out exactly one");
            Err(Rejected::new(RejectCode::NotSupported, detail))
        }
    }
}

/// The backups that an operation names: as evidence, to restore from, to delete.
fn backups_of(op: &Operation) -> Set<String> {
    let named = match &op.action {
        Action::GuestRestoreOver { volid, .. } | Action::BackupDelete { volid } => Some(volid.clone()),
        _ => None,
    };
    named.into_iter().chain(op.evidence.as_ref().map(|evidence| evidence.volid.clone())).collect()
}

impl Rate {
    fn lock(&self) -> MutexGuard<'_, Set<OpId>> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One operation of the rate, until it is begun or given up.
struct Passed<'a> {
    rate: &'a Rate,
    op_id: &'a OpId,
}

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        self.rate.lock().remove(self.op_id);
    }
}

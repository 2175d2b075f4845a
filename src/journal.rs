//! The one place a change passes on its way to the node, and the agent's whole durable memory of what it did.
//!
//! No mutating request leaves without a [`Recorded`] intent, and only [`Journal::record`] makes one, once the intent is on the
//! disk. The client's mutating calls take it, so this holds by type. Acceptances are here too, and are the replay records.
//! One private lock around one file; whoever is told that something was recorded can rely on it after a loss of power.

mod audit;
#[cfg(test)]
mod claims;
mod error;
mod file;
mod fs;
mod identity;
mod line;
mod operations;
mod pen;
mod reading;
mod record;
mod salvage;
mod segment;
mod state;
mod superblock;
#[cfg(test)]
mod tests;
mod verify;

pub use self::error::LogError;
pub use self::file::{FOLDER, Limits, Log, Opened, Sealed};
pub use self::fs::{Disk, Facts, Fs, Mode, refuse_unfit_file_system};
pub use self::identity::Identity;
pub use self::line::{Entry, Kept, MAX_LINE};
pub use self::reading::Found;
pub use self::record::Made;
pub use self::salvage::{SALVAGED, Salvage, Salvaged, salvage};
pub use self::superblock::Superblock;
pub use self::verify::{Look, Verdict, verify};

use std::sync::{Mutex, MutexGuard};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::pen::{Pen, Shown, Writer, lock};
use self::record::{Decision, Ended, Intent, Issued, Record, Settled, StepEnd, StepResult};
use crate::clock;
use crate::gate::{Approved, Loss};
use crate::model::guest::GuestId;
use crate::model::op::{OpEnd, OpId, OpKind, Via};
use crate::model::outcome::Outcome;
use crate::model::step::{MARKER, Step};
use crate::model::time::Timestamp;
use crate::paths::StateDir;

/// Shared by all threads. The default keeps nothing: it is for a run that changes nothing of lasting value, such as the
/// self-test's, which may take place beside the daemon that holds the file.
#[derive(Debug, Default)]
pub struct Journal {
    writer: Mutex<Writer>,
    shown: Mutex<Shown>,
    /// The first eight characters of this boot's id.
    boot: String,
}

/// An intent that has been recorded; not `Clone`, one call each.
#[derive(Debug)]
pub struct Recorded {
    seq: u64,
    step: Step,
    volumes: Vec<String>,
    signed: bool,
    began: Timestamp,
}

/// Why something was not recorded, and so was not done.
#[derive(Debug, Error)]
pub enum JournalError {
    #[error("{}", whole(.0))]
    Write(LogError),
    #[error("{0}")]
    Closed(String),
    #[error("nothing that cannot be undone is done now: {0}")]
    NoDestructive(String),
}

impl From<LogError> for JournalError {
    fn from(error: LogError) -> Self {
        Self::Write(error)
    }
}

/// With its cause: this text goes into a status, where there is one line.
fn whole(error: &LogError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})"));
    format!("{error}{}", cause.unwrap_or_default())
}

/// What may be recorded, and so be done. Each text says what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Sound,
    /// What the journal knew is damaged or lost: destructive work is off.
    NoDestructive(String),
    /// Nothing can be recorded, so nothing is changed.
    Unwritable(String),
}

impl Health {
    /// As the conditions say it.
    pub fn into_fault(self) -> Result<(), String> {
        match self {
            Self::Sound => Ok(()),
            Self::NoDestructive(why) => Err(format!("nothing that cannot be undone is done: {why}")),
            Self::Unwritable(why) => Err(format!("nothing is changed: {why}")),
        }
    }
}

/// What was found at the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// Steps whose end is not known: to be resolved before anything else is done to their guest.
    pub open: Vec<OpenIntent>,
    /// In what state the log was, for the log of the service; `None` when it was sound or fresh.
    pub damage: Option<String>,
}

/// A step that was about to be taken, or was taken, and whose end is not known.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenIntent {
    pub seq: u64,
    pub guest: GuestId,
    pub step: Step,
    /// The operation it was taken for.
    pub op_id: Option<OpId>,
    pub destructive: bool,
    /// The guest's volumes before it; only for destructive steps.
    pub volumes: Vec<String>,
    pub began: Timestamp,
    /// Seconds since the boot in which it began.
    pub uptime_s: Option<u64>,
    /// The first eight digits of that boot's id.
    pub boot: String,
    /// The task, once the node named it.
    pub upid: Option<String>,
}

/// A guest of which nobody can say whether a step happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    pub at: Timestamp,
    /// The step.
    pub what: String,
    pub message: String,
}

/// What accepting an operation came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Acceptance {
    Accepted,
    /// The same operation was accepted before, byte for byte.
    Known(Box<OpRecord>),
}

/// An accepted operation.
#[derive(Clone, Debug, PartialEq)]
pub struct OpRecord {
    pub op_id: OpId,
    pub kind: OpKind,
    pub guest: Option<GuestId>,
    pub payload_sha256: String,
    pub keyids: Vec<String>,
    pub nonce: String,
    pub iat: Timestamp,
    pub exp: Timestamp,
    pub accepted_at: Timestamp,
    pub via: Via,
    pub state: OpState,
    /// To go on with after a restart, verified anew; empty once it has ended.
    pub envelope: Vec<u8>,
    /// The hub has the outcome.
    pub acknowledged: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum OpState {
    Accepted,
    /// A step of it was begun; the task, once the node named it.
    Running {
        upid: Option<String>,
    },
    Ended(OpEnd),
}

/// Why the floor rises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FloorWhy {
    /// There was no journal.
    Fresh,
    /// The journal was damaged or lost: replay records may be missing.
    Damaged,
    /// An operation that somebody entitled to it signed: he has seen what happened, and destructive work goes on.
    Signed(OpId),
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub seq: u64,
    pub at: Timestamp,
    pub what: String,
    pub subject: String,
    pub result: String,
    pub by: String,
    /// Of the journal's chain, 16 hex digits.
    pub hash: String,
}

/// See [`Recorded::marker`]; also for an intent of before.
pub fn marker(seq: u64, began: Timestamp) -> String {
    format!("{MARKER} {}-{seq}", began.unix())
}

impl Recorded {
    pub fn seq(&self) -> u64 {
        self.seq
    }

    pub fn step(&self) -> &Step {
        &self.step
    }

    /// The volumes that the step takes away.
    pub fn volumes(&self) -> &[String] {
        &self.volumes
    }

    /// Its owner signed for what it loses.
    pub fn signed(&self) -> bool {
        self.signed
    }

    /// When it was recorded, before anything was sent.
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// The line that tells a guest which this intent made from every other: the intent's own number and time.
    pub fn marker(&self) -> String {
        marker(self.seq, self.began)
    }

    /// For the client's own tests against the simulated node, which must reach calls that no gate passes yet.
    #[cfg(test)]
    pub(crate) fn for_test(step: Step) -> Self {
        Self { seq: 0, step, volumes: Vec::new(), signed: false, began: Timestamp::from_unix(0) }
    }
}

impl Journal {
    /// Opens the journal of a state directory whose lock the caller holds. What was found there is written down first of all;
    /// no damage keeps the agent from starting, and [`Journal::health`] says what it must not do.
    pub fn open(state: &StateDir, identity: Identity, now: Timestamp) -> (Self, Recovered) {
        let boot = identity.boot().to_owned();
        let (writer, shown, found) = pen::open(&state.file(FOLDER), identity);
        let journal = Self { writer: Mutex::new(writer), shown: Mutex::new(shown), boot };
        if let Some(found) = &found {
            journal.pen().note_found(found, now);
        }
        if let Err(error) = journal.end_those(|_any| true) {
            log::error!("the end of an operation is not in the journal: {error}");
        }
        let recovered =
            Recovered { open: journal.open_intents(), damage: journal.health().into_fault().err() };
        (journal, recovered)
    }

    fn pen(&self) -> Pen<'_> {
        Pen::new(&self.writer, &self.shown, &self.boot)
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        lock(&self.shown)
    }

    pub fn health(&self) -> Health {
        self.shown().health()
    }

    /// Records what is about to be done. Only what was recorded can be sent.
    pub fn record(&self, approved: Approved) -> Result<Recorded, JournalError> {
        let mut pen = self.pen();
        let now = clock::now();
        if approved.destructive() {
            if let Health::NoDestructive(why) = pen.shown().health() {
                return Err(JournalError::NoDestructive(why));
            }
        }
        let (op_id, volumes) = (approved.op_id().cloned(), approved.volumes().to_vec());
        let (destructive, signed) = (approved.destructive(), op_id.is_some());
        let step = approved.into_step();
        let intent = Intent {
            guest: step.guest(),
            what: step.to_string(),
            step: step.clone(),
            op_id,
            destructive,
            volumes: volumes.clone(),
            began: now,
            uptime_s: clock::uptime_s(),
            intent: None,
            boot_then: None,
        };
        let seq = pen.write(Record::Intent(Box::new(intent)), now)?;
        log::info!("intent {seq}: {step}");
        Ok(Recorded { seq, step, volumes, signed, began: now })
    }

    /// The task that the node named for an intent; to be called before the task is looked at.
    pub fn issued(&self, intent: &Recorded, upid: &str) -> Result<(), JournalError> {
        self.adopted(intent.seq(), intent.step().guest(), upid)
    }

    /// The same, for an intent of before.
    pub fn adopted(&self, intent: u64, guest: GuestId, upid: &str) -> Result<(), JournalError> {
        let issued = Issued { intent, guest, upid: upid.to_owned() };
        self.pen().write(Record::Issued(issued), clock::now()).map(drop)
    }

    /// How a step ended. What still runs has not ended: the intent stays open.
    pub fn ended(&self, intent: u64, outcome: &Outcome) -> Result<(), JournalError> {
        let mut pen = self.pen();
        let Some(open) = pen.shown().state.intent_of(intent).cloned() else { return Ok(()) };
        let of = (intent, open.guest, open.step.to_string(), open.op_id);
        let Some(end) = StepEnd::of(outcome, of) else { return Ok(()) };
        let record = match end.result {
            StepResult::Uncertain => Record::Uncertain(end),
            StepResult::Done
            | StepResult::Warned
            | StepResult::Partial
            | StepResult::Conflict
            | StepResult::Failed => Record::Done(end),
        };
        pen.write(record, clock::now()).map(drop)
    }

    /// What the gate said of a step: refused with this loss, or no longer refused. Written once for each change.
    pub fn decision(&self, guest: GuestId, what: &str, loss: Option<&Loss>) {
        let mut pen = self.pen();
        let loss = loss.map(|loss| loss.what.clone());
        let before = pen.shown().state.refused(guest).cloned();
        let is_news = match (&loss, before) {
            (None, before) => before.is_some(),
            (Some(loss), Some((step, known))) => step != what || known != *loss,
            (Some(_), None) => true,
        };
        if is_news {
            let record = Record::Decision(Decision { guest, what: what.to_owned(), loss });
            pen.write_or_say(record, clock::now());
        }
    }

    /// The steps of before whose end is not known.
    pub fn open_intents(&self) -> Vec<OpenIntent> {
        self.shown().state.intents().cloned().collect()
    }

    /// Those of one guest, in the order in which they began.
    pub fn open_intents_of(&self, guest: GuestId) -> Vec<OpenIntent> {
        self.shown().state.intents().filter(|intent| intent.guest == guest).cloned().collect()
    }

    /// Ends an operation whose step has ended and which nobody goes on with.
    pub fn end_interrupted(&self, op_id: &OpId) -> Result<(), JournalError> {
        self.end_those(|interrupted| interrupted == op_id)
    }

    fn end_those(&self, which: impl Fn(&OpId) -> bool) -> Result<(), JournalError> {
        let mut pen = self.pen();
        let unended = pen.shown().state.ops_unended();
        for (op_id, end) in unended.into_iter().filter(|(op_id, _)| which(op_id)) {
            let guest = pen.shown().state.op(&op_id).and_then(|op| op.guest);
            pen.write(Record::Ended(Ended { op_id, guest, end }), clock::now())?;
        }
        Ok(())
    }

    /// What tells this boot of the machine from others, as intents carry it.
    pub fn boot(&self) -> String {
        self.boot.clone()
    }

    /// Whether this task is known to be that of some recorded step.
    pub fn is_known_task(&self, upid: &str) -> bool {
        self.shown().state.is_known_task(upid)
    }

    /// The guests of which nobody can say whether a step happened.
    pub fn doubts(&self) -> crate::model::sorted::Map<GuestId, Doubt> {
        self.shown().state.doubts().clone()
    }

    /// The doubt about a guest is over, and why.
    pub fn settled(&self, guest: GuestId, why: &str) {
        let mut pen = self.pen();
        if pen.shown().state.doubts().contains_key(&guest) {
            let record = Record::Settled(Settled { guest, why: why.to_owned() });
            pen.write_or_say(record, clock::now());
        }
    }

    /// A guest is there that this agent made; to be told before the step that made it ends.
    pub fn note_made(&self, made: Made) -> Result<(), JournalError> {
        self.pen().write(Record::Made(made), clock::now()).map(drop)
    }

    /// The guests that this agent made and that are not known to be gone.
    pub fn made(&self) -> Vec<Made> {
        self.shown().state.made().to_vec()
    }

    /// What this agent made under this number is no more.
    pub fn note_gone(&self, guest: GuestId, why: &str) {
        if self.shown().state.made().iter().any(|made| made.guest == guest) {
            let record = Record::Gone(Settled { guest, why: why.to_owned() });
            self.pen().write_or_say(record, clock::now());
        }
    }

    /// The last entries of the history, oldest first.
    pub fn audit_tail(&self, count: usize) -> Vec<AuditEntry> {
        self.shown().state.audit_tail(count)
    }
}

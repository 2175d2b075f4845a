//! Backups and their proof: a guest is backed up and the backup is looked at; a backup is restored beside its guest, started,
//! and destroyed again. A task that says OK proves nothing, and neither does a backup that was never restored.
//!
//! The jobs run on a lane: a backup on its guest's, a restore test on that of the number it restores to. Each of their steps goes
//! the way of every change: gate, journal, call, task, and the guest read again. [`Board`] is what is known about them: the jobs
//! under way, and the results, which outlive the process.

mod artefact;
mod backup;
mod board;
pub mod document;
mod isolate;
mod pick;
mod progress;
mod restore;
mod scratch;

pub use self::backup::BackupOrder;
pub use self::board::{Board, Opened};
pub use self::pick::{Candidate, due, free_number};
pub use self::progress::Progress;
pub use self::restore::TestOrder;

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use serde_json::{Value, json};

use crate::clock;
use crate::config::ProofSettings;
use crate::execute::{Executor, Open};
use crate::journal::Journal;
use crate::lanes::Permits;
use crate::model::guest::GuestId;
use crate::model::hold::Halt;
use crate::model::image::{GuestImage, SeenBackup};
use crate::model::op::Rejected;
use crate::model::outcome::Outcome;
use crate::model::step::Step;
use crate::model::time::Timestamp;
use crate::pve::{Client, PveError};

/// What is wrong with a backup, if anything is.
pub fn fault_of(seen: &SeenBackup, image: &GuestImage, excluded: &[String]) -> Option<String> {
    artefact::judge(seen, image, excluded, None).err().map(|(_, what)| what)
}

/// From one look at something that is waited for to the next.
const LOOKS: Duration = Duration::from_secs(1);

/// What the jobs need.
pub struct Prover<'a> {
    pub executor: Executor<'a>,
    pub journal: &'a Journal,
    /// This agent's own token.
    pub token_id: &'a str,
    pub permits: &'a Permits,
    pub settings: &'a ProofSettings,
    pub board: &'a Board,
    /// The job's number on the board.
    pub job: u64,
    /// Disconnected when the agent ends.
    pub stop: &'a Receiver<()>,
    /// Who says that nothing may be changed now.
    pub halt: &'a dyn Fn() -> Option<Halt>,
}

impl std::fmt::Debug for Prover<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prover").field("job", &self.job).finish_non_exhaustive()
    }
}

/// Why a job ends before its time.
#[derive(Debug, PartialEq, Eq)]
struct End {
    result: &'static str,
    code: &'static str,
    message: String,
}

const FAILED: &str = "failed";
/// Nothing was tried.
const SKIPPED: &str = "skipped";
/// The agent ends, or nobody can say.
const UNCERTAIN: &str = "uncertain";

impl End {
    fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self { result: FAILED, code, message: message.into() }
    }

    fn skipped(code: &'static str, message: impl Into<String>) -> Self {
        Self { result: SKIPPED, code, message: message.into() }
    }

    fn uncertain(code: &'static str, message: impl Into<String>) -> Self {
        Self { result: UNCERTAIN, code, message: message.into() }
    }

    fn stopping() -> Self {
        Self::uncertain("interrupted", "the agent ended while it was under way")
    }
}

/// What could not be read is no failure of what was to be proven.
impl From<PveError> for End {
    fn from(error: PveError) -> Self {
        Self::skipped(error.code(), error.to_string())
    }
}

impl From<Rejected> for End {
    fn from(rejected: Rejected) -> Self {
        Self::skipped("unseen", rejected.detail)
    }
}

impl Prover<'_> {
    fn client(&self) -> &Client {
        self.executor.client()
    }

    fn phase(&self, phase: &str) {
        self.board.phase(self.job, phase);
    }

    /// Waits a moment; whoever ends the agent need not.
    fn pause(&self, pause: Duration) -> Result<(), End> {
        match self.stop.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Err(End::stopping()),
        }
    }

    /// What is still open of this guest from before comes first.
    fn settle(&self, guest: GuestId) -> Result<Option<Outcome>, End> {
        loop {
            let settling = self.executor.settle(guest);
            match settling.open {
                None => return Ok(settling.ended.into_iter().last().map(|(_, outcome)| outcome)),
                Some(Open::Stopping) => return Err(End::stopping()),
                Some(Open::StillRunning { .. } | Open::Unresolved(_)) => self.pause(LOOKS)?,
            }
        }
    }

    /// Takes one step, however long its task takes.
    fn step(&self, step: Step) -> Result<Outcome, End> {
        if let Some(halt) = (self.halt)() {
            return Err(End::skipped("blocked", halt.detail()));
        }
        let (guest, what) = (step.guest(), step.to_string());
        let is_make = matches!(step, Step::Make { .. });
        log::info!("{what}");
        match self.executor.own(step) {
            Err(loss) => {
                self.journal.decision(guest, &what, Some(&loss));
                let why = format!("{what}: {}", loss.what);
                Err(if is_make { End::skipped("taken", why) } else { End::uncertain("needs_signature", why) })
            }
            Ok(Outcome::Interrupted { .. }) => Err(End::stopping()),
            Ok(Outcome::StillRunning { .. }) => {
                let ended = self.settle(guest)?;
                ended.ok_or_else(|| End::uncertain("uncertain", format!("{what}: no end of it is known")))
            }
            Ok(outcome) => Ok(outcome),
        }
    }

    /// The same where only success will do.
    fn must(&self, step: Step) -> Result<(), End> {
        let what = step.to_string();
        match self.step(step)? {
            Outcome::Done { .. } | Outcome::Warned { .. } => Ok(()),
            Outcome::Failed(failure) => {
                Err(End::failed(failure.code, format!("{what}: {}", failure.message)))
            }
            Outcome::Conflict { message } => Err(End::failed("conflict", format!("{what}: {message}"))),
            Outcome::Partial { left, .. } => Err(End::failed(
                "volumes_left",
                format!("{what}: these volumes are left: {}", left.join(", ")),
            )),
            Outcome::Uncertain { message, .. } => {
                Err(End::uncertain("uncertain", format!("{what}: {message}")))
            }
            Outcome::StillRunning { .. } | Outcome::Interrupted { .. } => Err(End::stopping()),
        }
    }
}

/// The result of a job that was not begun.
fn refused(vmid: &Value, code: &'static str, message: String) -> Value {
    result(
        clock::now(),
        Some(End::skipped(code, message)),
        "",
        json!({"vmid": vmid, "volid": "", "checks": []}),
    )
}

/// A result as it is kept and told: what every job says of itself, then `more`.
fn result(began: Timestamp, end: Option<End>, passed: &str, more: Value) -> Value {
    let now = clock::now();
    let (result, code, message) = match &end {
        None => (passed, "", ""),
        Some(end) => (end.result, end.code, end.message.as_str()),
    };
    let mut document = json!({
        "started_at": began, "finished_at": now, "seconds": now.seconds_since(began), "result": result,
        "code": code, "message": message,
    });
    if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
        document.extend(more);
    }
    document
}

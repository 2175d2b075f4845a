//! The executor: one approved step to one outcome. The only caller of the client's mutations.
//!
//! Recorded, sent once, waited for, and then judged by reading the guest again. Nothing is ever sent twice: when the answer
//! is lost, the node's task list and the guest's state tell what happened, and doubt is an outcome of its own.
#![warn(clippy::wildcard_enum_match_arm)]

mod effect;
mod loss;
mod own;
mod search;
mod settle;
mod verdict;

pub use self::settle::{NOT_SENT, Open, Settling};

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use self::verdict::{Effect, Word, verdict};
use crate::gate::Approved;
use crate::journal::{Journal, JournalError, Recorded};
use crate::model::outcome::{Failure, Outcome, Recourse};
use crate::model::step::Step;
use crate::model::time::Timestamp;
use crate::pve::{BackupOrder, Client, PveError, Submitted, TaskEnd, Upid};

/// Pauses between looks at what should be there already: Proxmox's own views lag a little.
const SETTLES_MS: [u64; 3] = [0, 250, 1_000];

/// What Proxmox needs to end a shutdown that took all its time.
const AFTER_SHUTDOWN: Duration = Duration::from_secs(60);

/// Executes steps of one guest, on its lane's thread.
#[derive(Debug)]
pub struct Executor<'a> {
    client: &'a Client,
    journal: &'a Journal,
    /// This agent's own token: what tells its tasks from those of others.
    token_id: &'a str,
    /// How long a task is waited for.
    within: Duration,
    /// Disconnected: stop waiting, leave the task to Proxmox.
    stop: &'a Receiver<()>,
}

/// How waiting for somebody's task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    Ended,
    StillRunning,
    /// The agent is ending.
    Stopped,
}

impl<'a> Executor<'a> {
    pub fn new(
        client: &'a Client,
        journal: &'a Journal,
        token_id: &'a str,
        within: Duration,
        stop: &'a Receiver<()>,
    ) -> Self {
        Self { client, journal, token_id, within, stop }
    }

    pub fn client(&self) -> &'a Client {
        self.client
    }

    /// Waits for a task that was found under way; how it ended is for the next look at the guest to tell.
    pub fn wait(&self, upid: &Upid) -> Waited {
        match self.client.wait(upid, self.within, self.stop) {
            TaskEnd::TimedOut => Waited::StillRunning,
            TaskEnd::Stopped => Waited::Stopped,
            TaskEnd::Ok | TaskEnd::Warnings(_) | TaskEnd::Failed { .. } | TaskEnd::Unknown(_) => {
                Waited::Ended
            }
        }
    }

    /// Carries a step out, once. Its task is written down before it is looked at, and its end as soon as it is known.
    pub fn carry_out(&self, approved: Approved) -> Outcome {
        let intent = match self.journal.record(approved) {
            Ok(intent) => intent,
            Err(error) => return not_recorded(&error),
        };
        let sent = Sent::of(&intent);
        let outcome = match self.send(&intent) {
            Ok(Submitted::Task(upid)) => self.adopt(sent, &upid),
            Ok(Submitted::Done) => self.judge(sent, Word::Done { upid: None }, &SETTLES_MS),
            Err(error) => self.after_error(sent, &error),
        };
        self.note_end(sent, &outcome);
        outcome
    }

    /// Writes the task down, then waits for it.
    fn adopt(&self, sent: Sent<'_>, upid: &Upid) -> Outcome {
        if let Err(error) = self.journal.adopted(sent.seq, sent.step.guest(), upid.as_str()) {
            // It is under way whether that is written down or not. Nothing else is begun meanwhile.
            log::error!("{}: its task {upid} is not in the journal: {error}", sent.step);
        }
        self.follow(sent, upid)
    }

    fn note_end(&self, sent: Sent<'_>, outcome: &Outcome) {
        self.note_made(sent, outcome);
        if let Err(error) = self.journal.ended(sent.seq, outcome) {
            log::error!(
                "{}: its end is not in the journal, and is found out anew at the next start: {error}",
                sent.step
            );
        }
    }

    fn send(&self, intent: &Recorded) -> Result<Submitted, PveError> {
        match intent.step() {
            Step::SetConfig { guest, change } => self.client.set_config(intent, *guest, change),
            Step::Start { guest } => self.client.start(intent, *guest).map(Submitted::Task),
            Step::Shutdown { guest, timeout_s } => {
                self.client.shutdown_guest(intent, *guest, *timeout_s).map(Submitted::Task)
            }
            Step::Reboot { guest, timeout_s } => {
                self.client.reboot(intent, *guest, *timeout_s).map(Submitted::Task)
            }
            Step::HaState { guest, running } => self.client.set_ha_state(intent, *guest, *running),
            Step::Snapshot { guest, name } => {
                self.client.snapshot(intent, *guest, name, "").map(Submitted::Task)
            }
            Step::DeleteSnapshot { guest, name } => {
                self.client.delete_snapshot(intent, *guest, name).map(Submitted::Task)
            }
            Step::Stop { guest } => self.client.stop(intent, *guest).map(Submitted::Task),
            Step::Backup { guest, storage, prune } => {
                let order = BackupOrder::of(guest.vmid, storage, *prune);
                self.client.vzdump(intent, &order).map(Submitted::Task)
            }
            Step::Resize { guest, key, from: _, to, digest } => {
                self.client.resize(intent, *guest, key, &to.to_string(), digest)
            }
            Step::Destroy { guest, purge } => {
                self.client.destroy(intent, *guest, *purge).map(Submitted::Task)
            }
            Step::Rollback { guest, snapshot, start } => {
                self.client.rollback(intent, *guest, snapshot, *start).map(Submitted::Task)
            }
            Step::RestoreOver { guest, volid, storage } => {
                self.client.restore_over(intent, *guest, volid, storage).map(Submitted::Task)
            }
            Step::DeleteBackup { guest, volid } => self.client.delete_backup(intent, *guest, volid),
            Step::Make { .. } => self.client.make(intent).map(Submitted::Task),
        }
    }

    fn follow(&self, sent: Sent<'_>, upid: &Upid) -> Outcome {
        let text = upid.to_string();
        let word = match self.client.wait(upid, self.task_within(sent.step), self.stop) {
            TaskEnd::Ok => Word::Done { upid: Some(text) },
            TaskEnd::Warnings(lines) => Word::Warned { upid: text, lines },
            TaskEnd::TimedOut | TaskEnd::Stopped => return Outcome::StillRunning { upid: text },
            TaskEnd::Unknown(message) => Word::Unknown { upid: text, message },
            end @ TaskEnd::Failed { .. } => match end.into_result(upid) {
                Err(error) => Word::Refused(with_log(failure(&error, Some(text)), sent.step, error)),
                Ok(lines) => Word::Warned { upid: text, lines },
            },
        };
        self.judge(sent, word, &SETTLES_MS)
    }

    /// A guest may take its own time to shut down; Proxmox ends the task when that is over.
    fn task_within(&self, step: &Step) -> Duration {
        match step {
            Step::Shutdown { timeout_s, .. } | Step::Reboot { timeout_s, .. } => {
                self.within.max(Duration::from_secs(u64::from(*timeout_s)) + AFTER_SHUTDOWN)
            }
            Step::SetConfig { .. }
            | Step::Start { .. }
            | Step::HaState { .. }
            | Step::Snapshot { .. }
            | Step::DeleteSnapshot { .. }
            | Step::Stop { .. }
            | Step::Backup { .. }
            | Step::Resize { .. }
            | Step::Destroy { .. }
            | Step::Rollback { .. }
            | Step::RestoreOver { .. }
            | Step::DeleteBackup { .. }
            | Step::Make { .. } => self.within,
        }
    }

    /// What the guest shows, looked at until it shows what was wanted or it has had its time.
    fn judge(&self, sent: Sent<'_>, word: Word, pauses_ms: &[u64]) -> Outcome {
        let mut effect = Effect::Unseen("not looked".to_owned());
        for pause_ms in pauses_ms {
            if self.pause(*pause_ms) == Paused::Stopping && *pause_ms > 0 {
                return interrupted(sent.step);
            }
            effect = effect::of(self.client, sent);
            if effect.is_final() {
                break;
            }
        }
        self.with_what_is_left(sent, verdict(word, effect))
    }

    /// A guest that could not be made: Proxmox takes its volumes back, and where it did not somebody must know.
    fn with_what_is_left(&self, sent: Sent<'_>, outcome: Outcome) -> Outcome {
        match (outcome, sent.step) {
            (Outcome::Failed(mut failure), Step::Make { guest, params, .. }) => {
                let storage = params.get("storage").map_or("", String::as_str);
                if let Err(left) = own::nothing_left(self.client, *guest, storage) {
                    failure.message = format!("{}; on {storage}: {left}", failure.message);
                }
                Outcome::Failed(failure)
            }
            (outcome, _) => outcome,
        }
    }

    fn pause(&self, pause_ms: u64) -> Paused {
        match self.stop.recv_timeout(Duration::from_millis(pause_ms)) {
            Err(RecvTimeoutError::Timeout) => Paused::Over,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Paused::Stopping,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paused {
    Over,
    Stopping,
}

/// A step that was sent to the node, or may have been.
#[derive(Clone, Copy, Debug)]
struct Sent<'a> {
    /// The intent's number.
    seq: u64,
    step: &'a Step,
    /// That the step takes away.
    volumes: &'a [String],
    /// It loses something, and its owner signed for that.
    signed: bool,
    began: Timestamp,
}

impl<'a> Sent<'a> {
    fn of(intent: &'a Recorded) -> Self {
        Self {
            seq: intent.seq(),
            step: intent.step(),
            volumes: intent.volumes(),
            signed: intent.signed(),
            began: intent.began(),
        }
    }
}

fn interrupted(step: &Step) -> Outcome {
    Outcome::Interrupted {
        message: format!("{step}: the agent ends before its end is known; the next start finds out"),
    }
}

/// What cannot be recorded is not done.
fn not_recorded(error: &JournalError) -> Outcome {
    Outcome::Failed(Failure {
        code: "journal",
        message: format!("not done, because it could not be recorded: {error}"),
        upid: None,
        recourse: Recourse::Retry,
    })
}

/// Making a guest fails in tools whose reason is in the log alone: `No space left on device`.
fn with_log(mut failure: Failure, step: &Step, error: PveError) -> Failure {
    if let (Step::Make { .. }, PveError::TaskFailed { log, .. }) = (step, error) {
        let line = log.iter().rev().find(|line| !line.starts_with("TASK ERROR"));
        failure.message.extend(line.map(|line| format!(" (its log: {line})")));
    }
    failure
}

fn failure(error: &PveError, upid: Option<String>) -> Failure {
    Failure { code: error.code(), message: error.to_string(), upid, recourse: error.recourse() }
}

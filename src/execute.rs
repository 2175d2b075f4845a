//! The executor: one approved step to one outcome. The only caller of the client's mutations.
//!
//! Recorded, sent once, waited for, and then judged by reading the guest again. Nothing is ever sent twice: when the answer
//! is lost, the node's task list and the guest's state tell what happened, and doubt is an outcome of its own.
#![warn(clippy::wildcard_enum_match_arm)]

mod effect;
mod verdict;

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use self::verdict::{Effect, Repeatable, Word, verdict};
use crate::clock;
use crate::gate::Approved;
use crate::journal::{Journal, JournalError, Recorded};
use crate::model::guest::GuestKind;
use crate::model::outcome::{Failure, Outcome, Recourse};
use crate::model::step::Step;
use crate::model::time::Timestamp;
use crate::pve::{Client, PveError, Submitted, TaskEnd, TaskFilter, TaskSource, Upid};

/// Pauses between looks at what should be there already: Proxmox's own views lag a little.
const SETTLES_MS: [u64; 3] = [0, 250, 1_000];

/// Pauses between looks after a lost answer: the request may be under way still, waiting for a lock.
const SURFACES_MS: [u64; 6] = [0, 250, 500, 1_000, 2_000, 4_000];

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

    /// Carries a step out, once.
    pub fn carry_out(&self, approved: Approved) -> Outcome {
        let intent = match self.journal.record(approved) {
            Ok(intent) => intent,
            Err(error) => return not_recorded(&error),
        };
        let began = clock::now();
        match self.send(&intent) {
            Ok(Submitted::Task(upid)) => self.follow(intent.step(), &upid),
            Ok(Submitted::Done) => self.judge(intent.step(), Word::Done { upid: None }, &SETTLES_MS),
            Err(error) => self.after_error(intent.step(), &error, began),
        }
    }

    fn send(&self, intent: &Recorded) -> Result<Submitted, PveError> {
        match intent.step() {
            Step::SetConfig { guest, change } => self.client.set_config(intent, *guest, change),
            Step::Start { guest } => self.client.start(intent, *guest).map(Submitted::Task),
            Step::Shutdown { guest, timeout_s } => {
                self.client.shutdown_guest(intent, *guest, *timeout_s).map(Submitted::Task)
            }
            Step::Snapshot { guest, name } => {
                self.client.snapshot(intent, *guest, name, "").map(Submitted::Task)
            }
            Step::DeleteSnapshot { guest, name } => {
                self.client.delete_snapshot(intent, *guest, name).map(Submitted::Task)
            }
            Step::Stop { guest } => self.client.stop(intent, *guest).map(Submitted::Task),
            Step::Backup { .. }
            | Step::Resize { .. }
            | Step::Destroy { .. }
            | Step::Rollback { .. }
            | Step::RestoreOver { .. }
            | Step::DeleteBackup { .. } => {
                Err(PveError::Setup(format!("{}: not carried out yet", intent.step())))
            }
        }
    }

    fn follow(&self, step: &Step, upid: &Upid) -> Outcome {
        let text = upid.to_string();
        let word = match self.client.wait(upid, self.task_within(step), self.stop) {
            TaskEnd::Ok => Word::Done { upid: Some(text) },
            TaskEnd::Warnings(lines) => Word::Warned { upid: text, lines },
            TaskEnd::TimedOut | TaskEnd::Stopped => return Outcome::StillRunning { upid: text },
            TaskEnd::Unknown(message) => Word::Unknown { upid: text, message },
            end @ TaskEnd::Failed { .. } => match end.into_result(upid) {
                Err(error) => Word::Refused(failure(&error, Some(text))),
                Ok(lines) => Word::Warned { upid: text, lines },
            },
        };
        self.judge(step, word, &SETTLES_MS)
    }

    /// A guest may take its own time to shut down; Proxmox ends the task when that is over.
    fn task_within(&self, step: &Step) -> Duration {
        match step {
            Step::Shutdown { timeout_s, .. } => {
                self.within.max(Duration::from_secs(u64::from(*timeout_s)) + AFTER_SHUTDOWN)
            }
            Step::SetConfig { .. }
            | Step::Start { .. }
            | Step::Snapshot { .. }
            | Step::DeleteSnapshot { .. }
            | Step::Stop { .. }
            | Step::Backup { .. }
            | Step::Resize { .. }
            | Step::Destroy { .. }
            | Step::Rollback { .. }
            | Step::RestoreOver { .. }
            | Step::DeleteBackup { .. } => self.within,
        }
    }

    /// An error does not prove that nothing happened.
    fn after_error(&self, step: &Step, error: &PveError, began: Timestamp) -> Outcome {
        let failure = failure(error, None);
        if let PveError::DigestConflict { .. } = error {
            return Outcome::Conflict { message: failure.message };
        }
        if let PveError::Unknown { .. } | PveError::Body { .. } | PveError::Proxy { .. } = error {
            return self.after_silence(step, failure.message, began);
        }
        if !error.may_have_happened() {
            return Outcome::Failed(failure);
        }
        // A server error can come after the worker was started, and after the value was written.
        if let Some(upid) = self.task_of(step, began) {
            log::warn!("{step}: {error}; it started {upid} nevertheless");
            return self.follow(step, &upid);
        }
        self.judge(step, Word::Refused(failure), &[0])
    }

    /// The answer is lost: first the task list, then the guest's state, and both again while it may still be under way.
    fn after_silence(&self, step: &Step, message: String, began: Timestamp) -> Outcome {
        let repeatable = match step {
            Step::SetConfig { .. } => Repeatable::ByDigest,
            Step::Start { .. }
            | Step::Shutdown { .. }
            | Step::Snapshot { .. }
            | Step::DeleteSnapshot { .. }
            | Step::Stop { .. }
            | Step::Backup { .. }
            | Step::Resize { .. }
            | Step::Destroy { .. }
            | Step::Rollback { .. }
            | Step::RestoreOver { .. }
            | Step::DeleteBackup { .. } => Repeatable::No,
        };
        let mut effect = Effect::Unseen("not looked".to_owned());
        for pause_ms in SURFACES_MS {
            if self.pause(pause_ms) == Paused::Stopping {
                break;
            }
            if let Some(upid) = self.task_of(step, began) {
                log::warn!("{step}: the answer was lost ({message}); adopting its task {upid}");
                return self.follow(step, &upid);
            }
            effect = effect::of(self.client, step);
            if effect == Effect::There {
                break;
            }
        }
        verdict(Word::Lost { message, repeatable }, effect)
    }

    fn judge(&self, step: &Step, word: Word, pauses_ms: &[u64]) -> Outcome {
        let mut effect = Effect::Unseen("not looked".to_owned());
        for pause_ms in pauses_ms {
            if self.pause(*pause_ms) == Paused::Stopping && *pause_ms > 0 {
                break;
            }
            effect = effect::of(self.client, step);
            if effect == Effect::There {
                break;
            }
        }
        verdict(word, effect)
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

impl Executor<'_> {
    /// The task that the request started, if it did: of its type, on its guest, by our token, not older than the request.
    fn task_of(&self, step: &Step, began: Timestamp) -> Option<Upid> {
        let kind = task_kind(step);
        let filter = TaskFilter {
            source: TaskSource::All,
            vmid: Some(step.guest().vmid),
            kind: Some(kind.to_owned()),
            since: Some(began.unix()),
            limit: None,
        };
        let tasks = self.client.tasks(&filter).ok()?;
        let mut ours: Vec<Upid> = tasks
            .into_iter()
            .map(|task| task.upid)
            .filter(|upid| upid.kind() == kind && upid.user() == self.token_id)
            .filter(|upid| upid.started() >= began.unix())
            .collect();
        ours.sort_by_key(Upid::started);
        if ours.len() > 1 {
            log::error!("{step}: one request, {} tasks: {ours:?}", ours.len());
        }
        ours.into_iter().next()
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

fn failure(error: &PveError, upid: Option<String>) -> Failure {
    Failure { code: error.code(), message: error.to_string(), upid, recourse: error.recourse() }
}

/// The type in the UPID of the task that a step starts.
fn task_kind(step: &Step) -> &'static str {
    match (step, step.guest().kind) {
        (Step::SetConfig { .. }, GuestKind::Lxc) => "vzconfig",
        (Step::SetConfig { .. }, GuestKind::Qemu) => "qmconfig",
        (Step::Start { .. }, GuestKind::Lxc) => "vzstart",
        (Step::Start { .. }, GuestKind::Qemu) => "qmstart",
        (Step::Shutdown { .. }, GuestKind::Lxc) => "vzshutdown",
        (Step::Shutdown { .. }, GuestKind::Qemu) => "qmshutdown",
        (Step::Snapshot { .. }, GuestKind::Lxc) => "vzsnapshot",
        (Step::Snapshot { .. }, GuestKind::Qemu) => "qmsnapshot",
        (Step::DeleteSnapshot { .. }, GuestKind::Lxc) => "vzdelsnapshot",
        (Step::DeleteSnapshot { .. }, GuestKind::Qemu) => "qmdelsnapshot",
        (Step::Stop { .. }, GuestKind::Lxc) => "vzstop",
        (Step::Stop { .. }, GuestKind::Qemu) => "qmstop",
        (Step::Backup { .. }, GuestKind::Lxc | GuestKind::Qemu) => "vzdump",
        (Step::Resize { .. }, GuestKind::Lxc | GuestKind::Qemu) => "resize",
        (Step::Destroy { .. }, GuestKind::Lxc) => "vzdestroy",
        (Step::Destroy { .. }, GuestKind::Qemu) => "qmdestroy",
        (Step::Rollback { .. }, GuestKind::Lxc) => "vzrollback",
        (Step::Rollback { .. }, GuestKind::Qemu) => "qmrollback",
        (Step::RestoreOver { .. }, GuestKind::Lxc) => "vzrestore",
        (Step::RestoreOver { .. }, GuestKind::Qemu) => "qmrestore",
        (Step::DeleteBackup { .. }, GuestKind::Lxc | GuestKind::Qemu) => "imgdel",
    }
}

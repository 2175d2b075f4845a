//! After an error or a lost answer: what the node's task list and the guest tell of a request. An error does not prove that
//! nothing happened, and neither does silence. A task list that cannot be read is not one without our task.

use super::verdict::{Effect, Repeatable, Word, verdict};
use super::{Executor, Paused, Sent, effect, failure, interrupted};
use crate::model::guest::GuestKind;
use crate::model::outcome::Outcome;
use crate::model::step::{Origin, Step};
use crate::pve::{PveError, TaskFilter, TaskSource, Upid};

/// Pauses between looks after a lost answer: the request may be under way still, waiting for a lock.
const SURFACES_MS: [u64; 6] = [0, 250, 500, 1_000, 2_000, 4_000];

/// The node's clock may be this much behind ours, in seconds. Tasks of earlier steps are known by name.
const BEHIND_S: u64 = 5;

/// What the task list says of a request.
#[derive(Debug)]
pub(super) enum Sought {
    Found(Upid),
    Nothing,
    Unreadable(String),
}

impl Executor<'_> {
    pub(super) fn after_error(&self, sent: Sent<'_>, error: &PveError) -> Outcome {
        let failure = failure(error, None);
        if let PveError::DigestConflict { .. } = error {
            return Outcome::Conflict { message: failure.message };
        }
        if let PveError::Unknown { .. } | PveError::Body { .. } | PveError::Proxy { .. } = error {
            return self.after_silence(sent, failure.message);
        }
        if !error.may_have_happened() {
            return Outcome::Failed(failure);
        }
        // A server error can come after the worker was started, and after the value was written.
        match self.task_of(sent) {
            Sought::Found(upid) => {
                log::warn!("{}: {error}; it started {upid} nevertheless", sent.step);
                self.adopt(sent, &upid)
            }
            Sought::Nothing => self.judge(sent, Word::Refused(failure), &[0]),
            Sought::Unreadable(why) => self
                .after_silence(sent, format!("{}, and the task list cannot be read: {why}", failure.message)),
        }
    }

    /// The answer is lost: first the task list, then the guest's state, and both again while it may still be under way.
    fn after_silence(&self, sent: Sent<'_>, message: String) -> Outcome {
        let mut effect = Effect::Unseen("not looked".to_owned());
        for pause_ms in SURFACES_MS {
            if self.pause(pause_ms) == Paused::Stopping {
                return interrupted(sent.step);
            }
            if let Sought::Found(upid) = self.task_of(sent) {
                log::warn!("{}: the answer was lost ({message}); adopting its task {upid}", sent.step);
                return self.adopt(sent, &upid);
            }
            effect = effect::of(self.client, sent);
            if effect == Effect::There {
                break;
            }
        }
        verdict(Word::Lost { message, repeatable: repeatable(sent.step) }, effect)
    }

    /// The task that the request started, if it did: of its type, on its guest, by our token, not older than the request,
    /// and of no other step.
    pub(super) fn task_of(&self, sent: Sent<'_>) -> Sought {
        let kind = task_kind(sent.step);
        let mut vmid = sent.step.guest().vmid;
        if let Step::Make { origin: Origin::Clone, source, .. } = sent.step {
            // Listed under the number of what is cloned.
            vmid = source.parse().unwrap_or(vmid);
        }
        let since = sent.began.unix().saturating_sub(BEHIND_S);
        let filter = TaskFilter {
            source: TaskSource::All,
            // The task that removes a volume is listed under the volume's name.
            vmid: (kind != IMAGE_REMOVED).then_some(vmid),
            kind: Some(kind.to_owned()),
            since: Some(since),
            limit: None,
        };
        let tasks = match self.client.tasks(&filter) {
            Ok(tasks) => tasks,
            Err(error) => return Sought::Unreadable(error.to_string()),
        };
        let mut ours: Vec<Upid> = tasks
            .into_iter()
            .map(|task| task.upid)
            .filter(|upid| upid.kind() == kind && upid.user() == self.token_id)
            .filter(|upid| upid.vmid() == Some(vmid) && upid.started() >= since)
            .filter(|upid| !self.journal.is_known_task(upid.as_str()))
            .collect();
        ours.sort_unstable_by(|a, b| (a.started(), a.as_str()).cmp(&(b.started(), b.as_str())));
        if ours.len() > 1 {
            log::error!("{}: one request, {} tasks: {ours:?}", sent.step, ours.len());
        }
        ours.into_iter().next().map_or(Sought::Nothing, Sought::Found)
    }
}

/// Whether the same request, still under way somewhere, could do harm together with a later one.
pub(super) fn repeatable(step: &Step) -> Repeatable {
    match step {
        Step::SetConfig { .. } => Repeatable::ByDigest,
        Step::Start { .. }
        | Step::Shutdown { .. }
        | Step::Reboot { .. }
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
        | Step::Make { .. } => Repeatable::No,
    }
}

const IMAGE_REMOVED: &str = "imgdel";

/// The type in the UPID of the task that a step starts.
fn task_kind(step: &Step) -> &'static str {
    match (step, step.guest().kind) {
        (Step::SetConfig { .. }, GuestKind::Lxc) => "vzconfig",
        (Step::SetConfig { .. }, GuestKind::Qemu) => "qmconfig",
        (Step::Start { .. }, GuestKind::Lxc) => "vzstart",
        (Step::Start { .. }, GuestKind::Qemu) => "qmstart",
        (Step::Shutdown { .. }, GuestKind::Lxc) => "vzshutdown",
        (Step::Shutdown { .. }, GuestKind::Qemu) => "qmshutdown",
        (Step::Reboot { .. }, GuestKind::Lxc) => "vzreboot",
        (Step::Reboot { .. }, GuestKind::Qemu) => "qmreboot",
        (Step::HaState { running: true, .. }, _) => "hastart",
        (Step::HaState { running: false, .. }, _) => "hastop",
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
        (Step::DeleteBackup { .. }, GuestKind::Lxc | GuestKind::Qemu) => IMAGE_REMOVED,
        (Step::Make { origin: Origin::Template, .. }, GuestKind::Lxc) => "vzcreate",
        (Step::Make { origin: Origin::Template, .. }, GuestKind::Qemu) => "qmcreate",
        (Step::Make { origin: Origin::Backup, .. }, GuestKind::Lxc) => "vzrestore",
        (Step::Make { origin: Origin::Backup, .. }, GuestKind::Qemu) => "qmrestore",
        (Step::Make { origin: Origin::Clone, .. }, GuestKind::Lxc) => "vzclone",
        (Step::Make { origin: Origin::Clone, .. }, GuestKind::Qemu) => "qmclone",
    }
}

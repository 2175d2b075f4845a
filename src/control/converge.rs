//! A guest's job, on its lane: look, plan, take the first step, and look again, until nothing is left to do.
//!
//! It carries only what is wanted of the guest; everything else it reads for itself, right before it acts. Each step passes
//! the gate, the brake and a permit before it is executed. It ends in order, held, failed, or at a safe point when told to.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError};

use super::brake::{Brake, Go, Revision};
use super::limit::{Limit, disrupts};
use super::operate::Operating;
use super::restraint;
use super::rights::Rights;
use crate::clock;
use crate::config::ProofSettings;
use crate::execute::{Executor, NOT_SENT, Open, Settling, Waited};
use crate::gate::{self, Approved, Facts};
use crate::journal::Journal;
use crate::lanes::{Class, Permit, Permits};
use crate::model::desired::DesiredGuest;
use crate::model::guest::GuestId;
use crate::model::hold::{Halt, Hold, HoldReason};
use crate::model::observed::GuestObservation;
use crate::model::outcome::{Failure, Outcome, Recourse};
use crate::model::step::Step;
use crate::model::window::Window;
use crate::observe;
use crate::plan::{self, GuestPlan, PlannedStep};
use crate::proof::Board;
use crate::pve;
use crate::status::resource::last_action;
use crate::status::{LastAction, ResourceError};

/// The code of a step that may or may not have been carried out.
pub(super) const UNCERTAIN: &str = "uncertain";

/// The code of what Proxmox refused to this token.
const FORBIDDEN: &str = "permission";

/// More rounds than any plan has steps: a guest that still differs after them is being changed by somebody else.
const ROUNDS: usize = 8;

/// A write that met somebody else's change is planned anew this often.
const CONFLICTS: usize = 3;

/// Whoever waited longer than this for a permit looks again before using it.
const STALE: Duration = Duration::from_secs(2);

/// What every job needs.
#[derive(Clone, Debug)]
pub struct Work {
    pub connection: Arc<pve::Connection>,
    pub journal: Arc<Journal>,
    pub permits: Permits,
    /// How long a task is waited for.
    pub task_within: Duration,
    /// When guests may be restarted.
    pub window: Window,
    pub operating: Operating,
    /// What is known of backups and restore tests.
    pub board: Arc<Board>,
    pub proof: ProofSettings,
    /// How many guests one generation may stop or restart.
    pub limit: Limit,
    /// Until then guests that the node starts by itself are left to it.
    pub boot_grace_until: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) work: Work,
    pub(super) brake: Brake,
    /// Shared by the lanes: one set of trusted roots, one resumable TLS session, a few kept connections.
    client: OnceLock<pve::Client>,
    pub(super) rights: Rights,
    /// Disconnected when the lanes are to come to a safe point.
    pub(super) stop: Receiver<()>,
}

/// What came of a job.
#[derive(Debug)]
pub(super) struct Converged {
    /// The last plan that was made, from the last look at the guest.
    pub(super) plan: Option<GuestPlan>,
    /// The last step that was taken, if any was.
    pub(super) action: Option<LastAction>,
    pub(super) end: End,
}

impl Converged {
    pub(super) fn ended(end: End) -> Self {
        Self { plan: None, action: None, end }
    }
}

#[derive(Debug)]
pub(super) enum End {
    InOrder,
    Held(Hold),
    /// The brake is on.
    Blocked(Halt),
    /// The agent is ending.
    Stopped,
    /// Something else is wanted by now.
    Superseded,
    /// A task of ours still works on the guest.
    StillRunning,
    Failed {
        error: ResourceError,
        recourse: Recourse,
    },
}

/// A job under way.
struct Job<'a> {
    worker: &'a Worker,
    guest: &'a DesiredGuest,
    revision: Revision,
    settings: &'a plan::Settings,
    executor: Executor<'a>,
    plan: Option<GuestPlan>,
    action: Option<LastAction>,
    permit: Option<(Class, Permit)>,
    conflicts: usize,
    /// The guest was asked to shut down in this job, and did not.
    shutdown_failed: bool,
    /// The guest was restarted in this job.
    rebooted: bool,
}

impl Worker {
    pub(super) fn new(work: Work, brake: Brake, stop: Receiver<()>) -> Self {
        Self { work, brake, client: OnceLock::new(), rights: Rights::default(), stop }
    }

    pub(super) fn converge(
        &self,
        guest: &DesiredGuest,
        revision: Revision,
        settings: &plan::Settings,
    ) -> Converged {
        if self.is_stopping() {
            return Converged::ended(End::Stopped);
        }
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => {
                return Converged::ended(failed_end(error.code(), error.to_string(), error.recourse()));
            }
        };
        let executor = self.executor(client);
        let mut job = Job {
            worker: self,
            guest,
            revision,
            settings,
            executor,
            plan: None,
            action: None,
            permit: None,
            conflicts: 0,
            shutdown_failed: false,
            rebooted: false,
        };
        let end = job.run();
        Converged { plan: job.plan, action: job.action, end }
    }

    /// Finds out what came of a guest's steps of before, whether it is managed or not.
    pub(super) fn settle(&self, guest: GuestId) -> Settling {
        let unresolved = |open| Settling { ended: Vec::new(), open: Some(open) };
        if self.is_stopping() {
            return unresolved(Open::Stopping);
        }
        let settling = match self.client() {
            Ok(client) => self.executor(client).settle(guest),
            Err(error) => unresolved(Open::Unresolved(error.to_string())),
        };
        for (what, outcome) in &settling.ended {
            log_outcome(what, outcome);
        }
        settling
    }

    pub(super) fn executor<'a>(&'a self, client: &'a pve::Client) -> Executor<'a> {
        let Work { connection, journal, task_within, .. } = &self.work;
        Executor::new(client, journal, &connection.token_id, *task_within, &self.stop)
    }

    pub(super) fn client(&self) -> Result<&pve::Client, pve::PveError> {
        match self.client.get() {
            Some(client) => Ok(client),
            // Two lanes may come here at once; the second's client is then dropped.
            None => pve::Client::new(&self.work.connection).map(|client| self.client.get_or_init(|| client)),
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.try_recv() == Err(TryRecvError::Disconnected)
    }
}

impl Job<'_> {
    fn run(&mut self) -> End {
        if let Some(end) = self.settle() {
            return end;
        }
        for _round in 0..ROUNDS {
            if let Some(end) = self.round() {
                return end;
            }
        }
        let message =
            format!("the guest still differs after {ROUNDS} rounds, each of which seemed to succeed");
        failed_end("unfinished", message, Recourse::Retry)
    }

    /// What is still open from before comes first; `None`: nothing is.
    fn settle(&mut self) -> Option<End> {
        let settling = self.executor.settle(self.guest.guest);
        for (what, outcome) in settling.ended {
            if let Some(end) = self.ended(what, outcome) {
                return Some(end);
            }
        }
        settling.open.map(|open| match open {
            Open::StillRunning { .. } => End::StillRunning,
            Open::Stopping => End::Stopped,
            Open::Unresolved(why) => failed_end("unresolved", why, Recourse::Retry),
        })
    }

    /// One look and at most one step; `None`: look again.
    fn round(&mut self) -> Option<End> {
        let guest = self.guest.guest;
        let Some(turn) = self.worker.work.permits.acquire(&Class::Look, &self.worker.stop) else {
            return Some(End::Stopped);
        };
        let look = observe::guest(self.executor.client(), guest, &self.worker.work.connection.token_id);
        drop(turn);
        if let Some(upid) = look.ours {
            log::info!(
                "{guest}: a task of ours is under way ({upid}); waiting for it instead of doing anything"
            );
            return match self.executor.wait(&upid) {
                Waited::Ended => None,
                Waited::StillRunning => Some(End::StillRunning),
                Waited::Stopped => Some(End::Stopped),
            };
        }
        let settings = plan::Settings {
            in_window: self.worker.work.window.holds(clock::now()),
            shutdown_failed: self.shutdown_failed,
            ..*self.settings
        };
        let plan = self.plan.insert(plan::plan_guest(self.guest, &look.seen, &settings));
        if plan.failure.is_none() && plan.hold.is_none() && self.executor.is_half_made(guest) {
            let reason = "this agent began to make it and it never became whole; it is made anew".to_owned();
            plan.steps = vec![PlannedStep { step: Step::Destroy { guest, purge: false }, reason }];
        }
        let worker = self.worker;
        worker.rights.check(plan, self.executor.client(), &worker.work.connection.token_id);
        if let Some(failure) = &plan.failure {
            return Some(failed_end(failure.code, failure.message.clone(), failure.recourse));
        }
        if let Some(hold) = &plan.hold {
            return Some(End::Held(hold.clone()));
        }
        let Some(planned) = plan.steps.first().cloned() else { return Some(End::InOrder) };
        if let Step::Reboot { .. } = planned.step {
            // Another would not help either, and so on for ever.
            if self.rebooted {
                let message = "it was restarted, and the same is pending still".to_owned();
                return Some(failed_end("pending_stays", message, Recourse::Terminal));
            }
        }
        let expendable = self.shutdown_failed && self.guest.policy.force_stop && !self.guest.data_bearing;
        let (journal, what) = (&self.worker.work.journal, planned.step.to_string());
        let facts = Facts { expendable, ..self.executor.facts(&planned.step, &look.seen) };
        let approved = match gate::judge(planned.step, &facts) {
            Ok(approved) => approved,
            Err(loss) => {
                journal.decision(guest, &what, Some(&loss));
                return Some(End::Held(loss.into_hold()));
            }
        };
        journal.decision(guest, &what, None);
        if let Some(hold) = self.restrained(&look.seen) {
            return Some(End::Held(hold));
        }
        match self.permit(approved.step()) {
            Granted::Now => {}
            Granted::AfterAWait => return None,
            Granted::Not => return Some(End::Stopped),
        }
        let may_be_ended = self.guest.policy.force_stop && matches!(approved.step(), Step::Shutdown { .. });
        match self.step(approved, &planned.reason) {
            Some(End::Failed { error, recourse }) if may_be_ended && error.code == "task_failed" => {
                self.not_shut_down(error, recourse)
            }
            end => end,
        }
    }

    /// It may be ended hard by its owner's word if it bears no data, and else by a signed one.
    fn not_shut_down(&mut self, mut error: ResourceError, recourse: Recourse) -> Option<End> {
        if self.guest.data_bearing {
            let draft = gate::draft(self.guest.guest, "stop-hard", "");
            error.message.push_str(&format!("; it bears data, so that force_stop does not hold: {draft}"));
            return Some(End::Failed { error, recourse });
        }
        self.shutdown_failed = true;
        None
    }

    /// What control looked at before it sent this job out, by what is true now; and the guest is counted from here on.
    fn restrained(&self, seen: &GuestObservation) -> Option<Hold> {
        let work = &self.worker.work;
        let plan = self.plan.as_ref()?;
        if let Some(hold) = restraint::boot_grace(work.boot_grace_until, seen, plan) {
            return Some(hold);
        }
        let stops = plan.steps.iter().any(|planned| disrupts(&planned.step));
        stops.then(|| work.limit.claim(self.guest.guest).err()).flatten()
    }

    fn step(&mut self, approved: Approved, reason: &str) -> Option<End> {
        if self.worker.is_stopping() {
            return Some(End::Stopped);
        }
        match self.worker.brake.go(self.revision) {
            Go::Ahead => {}
            Go::Blocked(halt) => return Some(End::Blocked(halt)),
            Go::Superseded => return Some(End::Superseded),
        }
        self.rebooted |= matches!(approved.step(), Step::Reboot { .. });
        let what = approved.step().to_string();
        log::info!("{what}: {reason}");
        let outcome = self.executor.carry_out(approved);
        self.ended(what, outcome)
    }

    /// What the end of a step means for the job; `None`: look again.
    fn ended(&mut self, what: String, outcome: Outcome) -> Option<End> {
        log_outcome(&what, &outcome);
        self.action = Some(last_action(what, &outcome, clock::now()));
        match outcome {
            Outcome::Failed(Failure { code: NOT_SENT, .. }) => None,
            Outcome::Done { .. } | Outcome::Warned { .. } => None,
            Outcome::Conflict { message } => {
                self.conflicts += 1;
                (self.conflicts >= CONFLICTS).then(|| failed_end("conflict", message, Recourse::Retry))
            }
            // Somebody was quicker than our look at the guest.
            Outcome::Failed(Failure { recourse: Recourse::Wait, message, .. }) => Some(End::Held(Hold {
                reason: HoldReason::Lock,
                detail: message,
                remedy: "wait; it is looked at again".to_owned(),
            })),
            Outcome::Failed(Failure { code, message, recourse, upid: _ }) => {
                let lacking = if code == FORBIDDEN { self.lacking() } else { None };
                Some(lacking.map_or_else(|| failed_end(code, message, recourse), End::Held))
            }
            Outcome::Uncertain { message, upid: _ } => {
                Some(failed_end(UNCERTAIN, message, Recourse::Terminal))
            }
            Outcome::Partial { left, upid: _ } => Some(failed_end(
                "partial_cleanup",
                format!("these volumes are left: {}", left.join(", ")),
                Recourse::Terminal,
            )),
            Outcome::Interrupted { .. } => Some(End::Stopped),
            Outcome::StillRunning { .. } => {
                Some(if self.worker.is_stopping() { End::Stopped } else { End::StillRunning })
            }
        }
    }

    /// Proxmox refused what the rights as last read allow: they were taken away since then, or do not tell all.
    fn lacking(&mut self) -> Option<Hold> {
        let Work { connection, .. } = &self.worker.work;
        let plan = self.plan.as_mut()?;
        self.worker.rights.forget();
        self.worker.rights.check(plan, self.executor.client(), &connection.token_id);
        plan.hold.clone()
    }

    /// The permit of this step's class; kept from one step to the next while the class is the same.
    fn permit(&mut self, step: &Step) -> Granted {
        let class = class(step);
        if self.permit.as_ref().is_some_and(|(held, _)| *held == class) {
            return Granted::Now;
        }
        // Given back first: whoever waits for one permit while holding another can wait for ever.
        self.permit = None;
        let began = Instant::now();
        let Some(permit) = self.worker.work.permits.acquire(&class, &self.worker.stop) else {
            return Granted::Not;
        };
        self.permit = Some((class, permit));
        if began.elapsed() > STALE { Granted::AfterAWait } else { Granted::Now }
    }
}

enum Granted {
    Now,
    /// So long a one that what was seen before it may no longer be so.
    AfterAWait,
    /// The agent is ending.
    Not,
}

fn class(step: &Step) -> Class {
    match step {
        Step::SetConfig { .. } => Class::Config,
        Step::Start { .. } | Step::Shutdown { .. } | Step::Reboot { .. } | Step::HaState { .. } => {
            Class::Power
        }
        Step::Snapshot { .. } | Step::DeleteSnapshot { .. } => {
            Class::StorageHeavy { storages: crate::model::sorted::Set::new() }
        }
        Step::Backup { storage, .. } => Class::StorageHeavy { storages: [storage.clone()].into() },
        Step::Resize { .. } => Class::StorageHeavy { storages: crate::model::sorted::Set::new() },
        Step::Make { params, .. } => {
            Class::StorageHeavy { storages: params.get("storage").cloned().into_iter().collect() }
        }
        Step::Stop { .. }
        | Step::Destroy { .. }
        | Step::Rollback { .. }
        | Step::RestoreOver { .. }
        | Step::DeleteBackup { .. } => Class::Destructive,
    }
}

fn failed_end(code: &'static str, message: String, recourse: Recourse) -> End {
    End::Failed { error: ResourceError { code: code.to_owned(), message }, recourse }
}

pub(super) fn log_outcome(what: &str, outcome: &Outcome) {
    match outcome {
        Outcome::Done { upid } => {
            log::info!("{what}: done{}", upid.as_ref().map(|upid| format!(" ({upid})")).unwrap_or_default())
        }
        Outcome::Warned { upid, lines } => {
            log::warn!("{what}: done, with warnings ({upid}): {}", lines.join("; "))
        }
        Outcome::Conflict { message } => log::info!("{what}: not done, planning again: {message}"),
        Outcome::Failed(failure) => log::warn!("{what}: failed: {} ({})", failure.message, failure.code),
        Outcome::Uncertain { message, .. } => log::error!("{what}: uncertain, look at the guest: {message}"),
        Outcome::Partial { left, .. } => {
            log::error!("{what}: done but for volumes that are left: {}", left.join(", "))
        }
        Outcome::StillRunning { upid } => log::warn!("{what}: left running in Proxmox ({upid})"),
        Outcome::Interrupted { message } => log::warn!("{message}"),
    }
}

//! What control remembers of each managed guest between two looks: whether a job is in its lane, when to try again, and what
//! must change before a hopeless case is worth another try. Pure but for the instants it is given.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};

use super::converge::{Converged, End, UNCERTAIN};
use crate::backoff::Backoff;
use crate::lanes::Resolution;
use crate::model::desired::DesiredGuest;
use crate::model::drift::Drift;
use crate::model::guest::{GuestId, RunState, Vmid};
use crate::model::hold::Hold;
use crate::model::observed::{GuestObservation, Presence, Reading};
use crate::model::outcome::Recourse;
use crate::model::sorted::Map;
use crate::model::time::Timestamp;
use crate::plan::{GuestPlan, PlanFailure};
use crate::status::resource::{Finding, Progress};
use crate::status::{LastAction, ResourceError};

#[derive(Debug, Default)]
pub(super) struct Book {
    generation: u64,
    entries: Map<Vmid, Entry>,
    /// Guests about which there is no doubt any more, and why.
    settled: Vec<(GuestId, &'static str)>,
}

#[derive(Debug)]
struct Entry {
    guest: Arc<DesiredGuest>,
    backoff: Backoff,
    /// A job is in the lane.
    busy: bool,
    /// A look that began before this does not show what the last job did.
    done_at: Option<Instant>,
    failed: Option<Failed>,
    /// What the last job found in the way and a look from afar does not show: it is shown until the next job is through.
    held: Option<Hold>,
    /// What the job in the lane is to correct.
    correcting: Vec<Drift>,
    /// What was corrected lately, and when.
    corrected: Vec<(Instant, String)>,
    /// When something else came to be wanted of it, lately.
    rewanted: Vec<Instant>,
}

/// The same field brought back so often within this time: somebody else wants it otherwise.
const FLIPS: usize = 5;
const FLIPS_WITHIN: Duration = Duration::from_secs(3600);

/// Whoever changes so often within that time what is wanted of a guest is obeyed only once it has stood for so long.
const SETTLES: Duration = Duration::from_secs(300);

/// The last job's failure, until something makes another try worth while.
#[derive(Debug)]
struct Failed {
    error: ResourceError,
    until: Until,
}

#[derive(Debug)]
enum Until {
    /// The pause is over; the wire's time beside the clock's.
    Time(Instant, Timestamp),
    /// The guest looks different from how it looked at the first look after the failure, which is still to come if `None`.
    Changed(Option<Appearance>),
    /// Somebody says so: a new generation, or a look at everything afresh.
    Told,
}

/// What another look did to a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    AsBefore,
    NoLongerInDoubt,
}

/// What tells one state of a guest from another, as far as a tick sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Appearance {
    listed: Option<(RunState, bool, Option<String>)>,
    /// The digest, or why there is none.
    config: Result<String, &'static str>,
}

/// The circumstances of a look.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) began: Instant,
    pub(super) next_look: Timestamp,
    /// Why nothing may be done about this guest now.
    pub(super) hold: Option<Hold>,
}

/// What to do after a guest was looked at.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The look is older than what is known, or a job is at it.
    Nothing,
    Say(Finding),
    Work(Finding),
}

impl Book {
    /// Takes over the guests that are now desired. A guest that is wanted otherwise than before starts with a clean slate; what is
    /// in a lane stays known even if it is no longer desired.
    pub(super) fn adopt(&mut self, guests: &[Arc<DesiredGuest>], generation: u64, at: Instant) {
        let newer = generation != self.generation;
        self.generation = generation;
        let mut before = std::mem::take(&mut self.entries);
        for guest in guests {
            let vmid = guest.guest.vmid;
            let entry = match before.remove(&vmid) {
                Some(entry) if !newer && *entry.guest == **guest => entry,
                before => {
                    if before.as_ref().is_some_and(Entry::is_doubtful) {
                        self.settled.push((guest.guest, "something else is desired of it"));
                    }
                    Entry {
                        guest: Arc::clone(guest),
                        backoff: Backoff::new(generation),
                        busy: before.as_ref().is_some_and(|entry| entry.busy),
                        done_at: before.as_ref().and_then(|entry| entry.done_at),
                        rewanted: before.map(|entry| entry.rewanted_as(guest, at)).unwrap_or_default(),
                        failed: None,
                        held: None,
                        correcting: Vec::new(),
                        corrected: Vec::new(),
                    }
                }
            };
            self.entries.insert(vmid, entry);
        }
        self.entries.extend(before.into_iter().filter(|(_, entry)| entry.busy));
    }

    /// Judges one guest of a look.
    pub(super) fn seen(
        &mut self,
        guest: &Arc<DesiredGuest>,
        seen: &GuestObservation,
        plan: &GuestPlan,
        moment: Moment,
    ) -> Verdict {
        let Some(entry) = self.entries.get_mut(&guest.guest.vmid) else { return Verdict::Nothing };
        if entry.busy || entry.done_at.is_some_and(|done| done >= moment.began) {
            return Verdict::Nothing;
        }
        if entry.look_again(seen) == Again::NoLongerInDoubt {
            self.settled.push((guest.guest, "it looks different now"));
        }
        let progress = match (judge(plan, moment.next_look), moment.hold) {
            (Some(progress), _) => progress,
            (None, Some(hold)) => Progress::Held(hold),
            (None, None) => {
                if entry.failed.is_none() {
                    entry.failed =
                        entry.oscillation(plan, moment.began).or_else(|| entry.unsettled(moment.began));
                }
                match &entry.failed {
                    Some(failed) => failed.progress(),
                    None => {
                        entry.busy = true;
                        entry.correcting.clone_from(&plan.drift);
                        let progress = entry.held.clone().map_or(Progress::Working, Progress::Held);
                        return Verdict::Work(finding(self.generation, guest, Some(plan), progress));
                    }
                }
            }
        };
        if progress == Progress::InOrder {
            entry.backoff.reset();
            if entry.is_doubtful() {
                self.settled.push((guest.guest, "it is as desired"));
            }
            (entry.failed, entry.held) = (None, None);
        }
        Verdict::Say(finding(self.generation, guest, Some(plan), progress))
    }

    /// Notes the end of a guest's job, and says what to tell of it.
    pub(super) fn done(
        &mut self,
        guest: &Arc<DesiredGuest>,
        generation: u64,
        end: Resolution<Converged>,
        (at, now): (Instant, Timestamp),
    ) -> (Finding, Option<LastAction>) {
        let converged = match end {
            Resolution::Done(converged) => converged,
            Resolution::Panicked(message) => {
                Converged::ended(uncertain(format!("the job panicked: {message}")))
            }
            Resolution::Closed => Converged::ended(End::Stopped),
            Resolution::NoThread(message) => Converged::ended(failed("no_thread", message, Recourse::Retry)),
        };
        let Converged { plan, action, end } = converged;
        let progress = match self.entries.get_mut(&guest.guest.vmid) {
            Some(entry) => {
                entry.busy = false;
                entry.done_at = Some(at);
                // What an older generation's job suffered says nothing about this one.
                let current = generation == self.generation && *entry.guest == **guest;
                entry.progress(end, current, (at, now))
            }
            None => Progress::Planned,
        };
        (finding(generation, guest, plan.as_ref(), progress), action)
    }

    /// When the next guest may be tried again.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.entries.values().filter_map(Entry::retry_at).min()
    }

    /// Whether a pause is over. Whose is over is then looked at, and is no longer waited for.
    pub(super) fn is_retry_due(&mut self, now: Instant) -> bool {
        let mut due = false;
        for entry in self.entries.values_mut() {
            if entry.retry_at().is_some_and(|retry| retry <= now) {
                entry.failed = None;
                due = true;
            }
        }
        due
    }

    /// Everything is worth another try, except what nobody knows whether it was done.
    pub(super) fn refresh(&mut self) {
        for entry in self.entries.values_mut() {
            if entry.failed.as_ref().is_some_and(|failed| failed.error.code != UNCERTAIN) {
                entry.failed = None;
            }
            entry.corrected.clear();
        }
    }

    /// Nobody can say whether a step of before happened: nothing is done until the guest looks different or something else is
    /// wanted of it.
    pub(super) fn doubt(&mut self, vmid: Vmid, message: &str) {
        if let Some(entry) = self.entries.get_mut(&vmid).filter(|entry| !entry.is_doubtful()) {
            let error = ResourceError { code: UNCERTAIN.to_owned(), message: message.to_owned() };
            entry.failed = Some(Failed { error, until: Until::Changed(None) });
        }
    }

    /// What came of the guest's steps is known now.
    pub(super) fn certain(&mut self, vmid: Vmid) {
        if let Some(entry) = self.entries.get_mut(&vmid).filter(|entry| entry.is_doubtful()) {
            entry.failed = None;
        }
    }

    /// The guests about which there is no doubt any more, since this was asked last.
    pub(super) fn take_settled(&mut self) -> Vec<(GuestId, &'static str)> {
        std::mem::take(&mut self.settled)
    }

    /// Something was done to the guest that no job of its own did: looks from before do not show it, and what hindered it may
    /// be gone.
    pub(super) fn changed(&mut self, vmid: Vmid) {
        if let Some(entry) = self.entries.get_mut(&vmid) {
            entry.done_at = Some(Instant::now());
            (entry.failed, entry.held) = (None, None);
        }
    }

    pub(super) fn knows(&self, vmid: Vmid) -> bool {
        self.entries.contains_key(&vmid)
    }

    pub(super) fn is_busy(&self, vmid: Vmid) -> bool {
        self.entries.get(&vmid).is_some_and(|entry| entry.busy)
    }

    /// The lanes are closed: whatever was in them will not be heard of.
    pub(super) fn nobody_works(&mut self) {
        for entry in self.entries.values_mut() {
            entry.busy = false;
        }
    }

    /// The guests whose last job is not in a look that began then.
    pub(super) fn ended_since(&self, began: Instant) -> Vec<GuestId> {
        let since = |entry: &&Entry| entry.done_at.is_some_and(|done| done >= began);
        self.entries.values().filter(since).map(|entry| entry.guest.guest).collect()
    }

    pub(super) fn busy(&self) -> Vec<GuestId> {
        self.entries.values().filter(|entry| entry.busy).map(|entry| entry.guest.guest).collect()
    }
}

impl Entry {
    fn retry_at(&self) -> Option<Instant> {
        match self.failed.as_ref()?.until {
            Until::Time(at, _) => Some(at),
            Until::Changed(_) | Until::Told => None,
        }
    }

    /// What is wanted of a field and what it becomes again and again, if that has gone on for too long.
    fn oscillation(&self, plan: &GuestPlan, now: Instant) -> Option<Failed> {
        let lately = |at: &Instant| now.saturating_duration_since(*at) < FLIPS_WITHIN;
        let flips = |field: &str| {
            self.corrected.iter().filter(|(at, corrected)| corrected == field && lately(at)).count()
        };
        let Drift { field, desired, actual } =
            plan.drift.iter().find(|drift| flips(&drift.field) >= FLIPS)?;
        let message = format!(
            "{field} was brought back to {desired} {FLIPS} times within an hour and is {actual} again: somebody else wants \
             it so"
        );
        let error = ResourceError { code: "oscillation".to_owned(), message };
        Some(Failed { error, until: Until::Told })
    }

    /// The times at which something else came to be wanted, once it is `guest`.
    fn rewanted_as(self, guest: &DesiredGuest, at: Instant) -> Vec<Instant> {
        let mut rewanted = self.rewanted;
        rewanted.retain(|then| at.saturating_duration_since(*then) < FLIPS_WITHIN);
        if *self.guest != *guest {
            rewanted.push(at);
        }
        rewanted
    }

    /// The desired state itself goes back and forth: it is heeded once it has stood for a while.
    fn unsettled(&self, now: Instant) -> Option<Failed> {
        let lately = |at: &&Instant| now.saturating_duration_since(**at) < FLIPS_WITHIN;
        let changes = self.rewanted.iter().filter(lately).count();
        let settled = *self.rewanted.last()? + SETTLES;
        if changes < FLIPS || settled <= now {
            return None;
        }
        let message = format!(
            "what is wanted of it has changed {changes} times within an hour; it is heeded once it has stood for {} s",
            SETTLES.as_secs()
        );
        let error = ResourceError { code: "oscillation".to_owned(), message };
        let pause = settled.saturating_duration_since(now);
        Some(Failed { error, until: Until::Time(settled, later(crate::clock::now(), pause)) })
    }

    /// Remembers what a job has brought in order.
    fn note_corrections(&mut self, now: Instant) {
        self.corrected.retain(|(at, _)| now.saturating_duration_since(*at) < FLIPS_WITHIN);
        let fields = std::mem::take(&mut self.correcting).into_iter().map(|drift| (now, drift.field));
        self.corrected.extend(fields);
    }

    fn is_doubtful(&self) -> bool {
        self.failed.as_ref().is_some_and(|failed| failed.error.code == UNCERTAIN)
    }

    /// A hopeless case is worth another try once the guest looks different.
    fn look_again(&mut self, seen: &GuestObservation) -> Again {
        let was_doubtful = self.is_doubtful();
        if let Some(Failed { until: Until::Changed(then), .. }) = &mut self.failed {
            let now = appearance(seen);
            match then {
                None => *then = Some(now),
                Some(then) if *then == now => {}
                Some(_) => {
                    self.failed = None;
                    self.backoff.reset();
                }
            }
        }
        if was_doubtful && self.failed.is_none() { Again::NoLongerInDoubt } else { Again::AsBefore }
    }

    fn progress(&mut self, end: End, current: bool, (at, now): (Instant, Timestamp)) -> Progress {
        self.held = match &end {
            End::Held(hold) if current => Some(hold.clone()),
            End::Held(_)
            | End::InOrder
            | End::Blocked(_)
            | End::Stopped
            | End::Superseded
            | End::StillRunning
            | End::Failed { .. } => None,
        };
        match end {
            End::InOrder => {
                self.backoff.reset();
                self.note_corrections(at);
                Progress::InOrder
            }
            End::Held(hold) => Progress::Held(hold),
            End::Blocked(halt) => Progress::Held(halt.into_hold()),
            // The next look, or the next start of the agent, goes on with it.
            End::Stopped | End::Superseded | End::StillRunning => Progress::Planned,
            End::Failed { error, recourse } if current => self.fail(error, recourse, (at, now)).progress(),
            End::Failed { error, .. } => Progress::Failed { error, retry_after: Some(now) },
        }
    }

    fn fail(&mut self, error: ResourceError, recourse: Recourse, (at, now): (Instant, Timestamp)) -> &Failed {
        let until = match self.backoff.failed(recourse, random()) {
            Some(pause) => Until::Time(at + pause, later(now, pause)),
            None => Until::Changed(None),
        };
        self.failed.insert(Failed { error, until })
    }
}

impl Failed {
    fn progress(&self) -> Progress {
        let retry_after = match &self.until {
            Until::Time(_, at) => Some(*at),
            Until::Changed(_) | Until::Told => None,
        };
        Progress::Failed { error: self.error.clone(), retry_after }
    }
}

/// Where a plan leaves a guest; `None`: there is work.
fn judge(plan: &GuestPlan, next_look: Timestamp) -> Option<Progress> {
    if let Some(PlanFailure { code, message, recourse }) = &plan.failure {
        let error = ResourceError { code: (*code).to_owned(), message: message.clone() };
        // Each look plans anew, whatever came of the last one.
        let retry_after = (*recourse != Recourse::Terminal).then_some(next_look);
        return Some(Progress::Failed { error, retry_after });
    }
    if let Some(hold) = &plan.hold {
        return Some(Progress::Held(hold.clone()));
    }
    plan.steps.is_empty().then_some(Progress::InOrder)
}

fn finding(generation: u64, guest: &DesiredGuest, plan: Option<&GuestPlan>, progress: Progress) -> Finding {
    Finding {
        generation,
        vmid: guest.guest.vmid,
        run_state: plan.map_or(RunState::Unknown, |plan| plan.run_state),
        pending_reboot: plan.map(|plan| plan.pending_reboot.clone()).unwrap_or_default(),
        warnings: plan.map(GuestPlan::warnings).unwrap_or_default(),
        drift: plan.map(|plan| plan.drift.clone()).unwrap_or_default(),
        progress,
    }
}

fn uncertain(message: String) -> End {
    failed(UNCERTAIN, message, Recourse::Terminal)
}

fn failed(code: &'static str, message: String, recourse: Recourse) -> End {
    End::Failed { error: ResourceError { code: code.to_owned(), message }, recourse }
}

fn appearance(seen: &GuestObservation) -> Appearance {
    let listed = match &seen.presence {
        Presence::Listed(row) => Some((row.run, row.template, row.lock.clone())),
        Presence::NotListed | Presence::Nowhere | Presence::Elsewhere(_) | Presence::Unknown(_) => None,
    };
    let config = match &seen.config {
        Reading::Known(config) => Ok(config.digest.clone()),
        Reading::Unknown(fault) => Err(fault.code),
    };
    Appearance { listed, config }
}

pub(super) fn later(now: Timestamp, pause: Duration) -> Timestamp {
    Timestamp::from_unix(now.unix().saturating_add(pause.as_secs()))
}

/// Where the system gives no randomness there is no jitter.
fn random() -> u64 {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_or(0, |()| u64::from_le_bytes(bytes))
}

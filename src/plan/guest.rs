//! One guest: what is wanted against what was seen, in steps, in order.

use super::diff;
use super::fields::Fields;
use super::sight::{GUEST_MISSING, Sight, unreadable};
use super::volumes::Volumes;
use super::{GuestPlan, Note, PlanFailure, PlannedStep, Settings, holds, provision};
use crate::gate::{self, Facts};
use crate::model::desired::policy::Restart;
use crate::model::desired::{DesiredGuest, DriftPolicy, Ensure, Field, Value, WantedRun};
use crate::model::drift::Drift;
use crate::model::guest::RunState;
use crate::model::hold::Hold;
use crate::model::observed::{GuestObservation, Presence};
use crate::model::sorted::Map;
use crate::model::step::Step;
use crate::normalize::{self, Context};

/// Longer than this no guest is waited for, whatever its startup order says.
const LONGEST_SHUTDOWN_S: u32 = 3_600;

/// Pure: the same guest seen the same way gives the same plan.
pub fn plan_guest(desired: &DesiredGuest, seen: &GuestObservation, settings: &Settings) -> GuestPlan {
    if let (Presence::Elsewhere(node), false) = (&seen.presence, desired.suspend) {
        let hold = Some(holds::moved(desired.guest, node));
        return GuestPlan { hold, ..empty(desired, RunState::Unknown) };
    }
    let sight = match Sight::of(desired, seen) {
        Ok(sight) => sight,
        Err(failure) => {
            let made = provision::plan(desired, seen, settings);
            return made.unwrap_or_else(|| unplannable(desired, failure));
        }
    };
    if desired.ensure == Ensure::Absent {
        return to_be_gone(desired, &sight, seen);
    }
    let fields = Fields::compare(desired, &sight, settings);
    let volumes = Volumes::compare(desired, &sight);
    let run = run_wanted(desired, &sight);
    let mut plan = empty(desired, sight.run);
    let run_state = run_drift(run);
    plan.diff =
        run_state.iter().map(diff::of).chain(fields.diff()).chain(volumes.diff.iter().cloned()).collect();
    plan.drift = run_state.into_iter().chain(fields.drift()).chain(volumes.drift.iter().cloned()).collect();
    plan.unmanaged = diff::unmanaged(desired, &sight);
    plan.pending_reboot = fields.pending_reboot();
    plan.pending_reboot.extend(volumes.waiting.iter().cloned());
    plan.notes = fields.notes(desired);
    plan.notes.extend(volumes.notes.iter().cloned());
    if !desired.suspend && volumes.failure.is_some() {
        plan.failure = volumes.failure;
        return plan;
    }
    let restart = restart(desired, &sight, &plan, run);
    match decide(desired, &sight, &fields, &plan, run, restart) {
        Decision::InOrder => plan.notes.extend(in_order(&sight, fields.managed() + volumes.managed)),
        Decision::Report => plan.notes.push(only_reported(&plan.drift)),
        Decision::Hold(hold) => plan.hold = Some(hold),
        Decision::Fail(failure) => plan.failure = Some(failure),
        Decision::Act => {
            let (change, later) = run_change(desired, &sight, run, restart, settings);
            plan.steps = steps(desired, &sight, (&fields, &volumes), change, run);
            let later = fields.hold.clone().or(volumes.hold).or(later);
            match later {
                Some(hold) if plan.steps.is_empty() => plan.hold = Some(hold),
                Some(hold) => {
                    plan.notes.push(Note { code: "later", message: format!("then: {}", hold.detail) })
                }
                None => {}
            }
            if !plan.steps.is_empty() {
                plan.held = gate::held(sight.config);
                plan.notes.extend(not_checked(&sight));
            }
        }
    }
    plan
}

/// A guest of the desired state that nobody looked for.
pub(super) fn unobserved(desired: &DesiredGuest) -> GuestPlan {
    unplannable(desired, unreadable("it has not been looked at"))
}

/// What is to be done about the guest as a whole.
enum Decision {
    InOrder,
    Report,
    Hold(Hold),
    Fail(PlanFailure),
    Act,
}

/// The change of run state that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunChange {
    None,
    Start,
    Shutdown,
    /// It is neither here nor there, and not by its owner's will: no drift, but a reason to wait.
    Unclear,
}

fn run_wanted(desired: &DesiredGuest, sight: &Sight<'_>) -> RunChange {
    match (desired.run_state, sight.run) {
        (None, _)
        | (Some(WantedRun::Running), RunState::Running)
        | (Some(WantedRun::Stopped), RunState::Stopped) => RunChange::None,
        // A stopped VM is started to be backed up, and a container is stopped for it.
        (Some(_), _) if sight.in_backup() => RunChange::Unclear,
        (Some(_), RunState::Paused | RunState::Unknown) => RunChange::Unclear,
        (Some(WantedRun::Running), RunState::Stopped) => RunChange::Start,
        (Some(WantedRun::Stopped), RunState::Running) => RunChange::Shutdown,
    }
}

/// What waits for the next start, and may have it now or later: only of a guest that should run, so that one that does not come up
/// again is started again.
fn restart(desired: &DesiredGuest, sight: &Sight<'_>, plan: &GuestPlan, run: RunChange) -> Restart {
    let should_run = desired.run_state == Some(WantedRun::Running) && run == RunChange::None;
    if should_run && sight.run == RunState::Running && !plan.pending_reboot.is_empty() {
        desired.policy.restart
    } else {
        Restart::Never
    }
}

fn decide(
    desired: &DesiredGuest,
    sight: &Sight<'_>,
    fields: &Fields<'_>,
    plan: &GuestPlan,
    run: RunChange,
    restart: Restart,
) -> Decision {
    if let Some(hold) = holds::suspended(desired) {
        return Decision::Hold(hold);
    }
    if plan.drift.is_empty() && run == RunChange::None && restart == Restart::Never {
        return Decision::InOrder;
    }
    if desired.drift == DriftPolicy::Report {
        return Decision::Report;
    }
    if let Some(failure) = fields.immutable() {
        return Decision::Fail(failure);
    }
    match holds::hold(desired, sight).or_else(|| fields.needs_root()) {
        Some(hold) => Decision::Hold(hold),
        None => Decision::Act,
    }
}

fn run_drift(run: RunChange) -> Option<Drift> {
    let (desired, actual) = match run {
        RunChange::None | RunChange::Unclear => return None,
        RunChange::Start => ("running", "stopped"),
        RunChange::Shutdown => ("stopped", "running"),
    };
    Some(Drift { field: "run_state".to_owned(), desired: desired.into(), actual: actual.into() })
}

/// The step that changes whether it runs, and what such a step has to wait for.
fn run_change(
    desired: &DesiredGuest,
    sight: &Sight<'_>,
    run: RunChange,
    restart: Restart,
    settings: &Settings,
) -> (Option<PlannedStep>, Option<Hold>) {
    let guest = desired.guest;
    let timeout_s = shutdown_timeout_s(desired, sight, settings);
    if run != RunChange::None || restart != Restart::Never {
        if let Some(state) = sight.ha() {
            return holds::through_ha(guest, state, sight.live, run == RunChange::Start, settings, restart);
        }
    }
    let (step, reason) = match (run, restart) {
        (RunChange::None, Restart::Never) | (RunChange::Unclear, _) => return (None, None),
        (RunChange::None, Restart::Window) if !settings.in_window => {
            return (None, Some(holds::outside_window(guest)));
        }
        (RunChange::None, Restart::Window | Restart::Allowed) => (
            Step::Reboot { guest, timeout_s },
            "what is written waits for its next start, and it may be restarted".to_owned(),
        ),
        (RunChange::Start, _) => (Step::Start { guest }, "it is stopped and should run".to_owned()),
        (RunChange::Shutdown, _) if settings.shutdown_failed => (
            Step::Stop { guest },
            format!("it did not shut down within {timeout_s} s, and its owner lets it be ended then"),
        ),
        (RunChange::Shutdown, _) => {
            (Step::Shutdown { guest, timeout_s }, "it runs and should be stopped".to_owned())
        }
    };
    (Some(PlannedStep { step, reason }), None)
}

/// Configuration before a start, so that the guest starts with it; a stop before configuration that a running guest
/// would not take; and otherwise configuration first, because a shutdown may take its time. A volume grows before its options are
/// written, for nothing may be pending on it then.
fn steps(
    desired: &DesiredGuest,
    sight: &Sight<'_>,
    (fields, volumes): (&Fields<'_>, &Volumes),
    change: Option<PlannedStep>,
    run: RunChange,
) -> Vec<PlannedStep> {
    let guest = desired.guest;
    let stop_first = run == RunChange::Shutdown && (fields.need_a_stopped_guest() || volumes.late);
    let config = fields.differ().then(|| PlannedStep {
        step: Step::SetConfig { guest, change: fields.change() },
        reason: fields.reason(sight.run == RunState::Running && !stop_first),
    });
    let mut all: Vec<PlannedStep> = volumes.resizes.clone();
    all.extend(volumes.write(guest, &sight.config.digest));
    // Once it is protected, no key of a volume can be written.
    let protects = fields.protects();
    let at = if protects { all.len() } else { 0 };
    all.splice(at..at, config);
    match change {
        Some(mut change) if stop_first => {
            if !all.is_empty() {
                change
                    .reason
                    .push_str("; first, because a running guest would not take the new configuration");
            }
            all.insert(0, change);
        }
        change => all.extend(change),
    }
    all
}

/// The guest's own startup order says how long its shutdown may take; the settings say it for all others.
fn shutdown_timeout_s(desired: &DesiredGuest, sight: &Sight<'_>, settings: &Settings) -> u32 {
    let context = Context { guest: desired.guest, tag_case: settings.tag_case };
    let read = || {
        let row = normalize::row(Field::Startup, desired.guest.kind)?;
        Some(row.read(sight.config.merged(row.key(Field::Startup)), context))
    };
    let startup = desired.fields.get(&Field::Startup).cloned().or_else(read);
    let down_s = match startup {
        Some(Value::Startup(startup)) => startup.down_s.filter(|down_s| *down_s > 0),
        _ => None,
    };
    down_s.unwrap_or(settings.shutdown_timeout_s).clamp(1, LONGEST_SHUTDOWN_S)
}

fn in_order(sight: &Sight<'_>, managed: usize) -> Vec<Note> {
    let message = match managed {
        0 => "run state as it should be".to_owned(),
        1 => "the one managed field is as it should be".to_owned(),
        managed => format!("all {managed} managed fields are as they should be"),
    };
    let locked = sight.lock.map(|lock| Note {
        code: "lock",
        message: format!(
            "it has the lock \"{}\"; nothing is to be done, so nothing waits",
            super::words::shortened(lock)
        ),
    });
    [Note { code: "in_order", message }].into_iter().chain(locked).collect()
}

pub(super) fn only_reported(drift: &[Drift]) -> Note {
    let fields: Vec<&str> = drift.iter().map(|drift| drift.field.as_str()).collect();
    let what = if fields.is_empty() { "its run state".to_owned() } else { fields.join(", ") };
    Note {
        code: "drift_reported",
        message: format!("{what}: not corrected, because drift is only to be reported"),
    }
}

/// A look that only read the list and the configuration cannot know who else has the guest.
fn not_checked(sight: &Sight<'_>) -> Option<Note> {
    sight.live.is_none().then(|| Note {
        code: "not_checked",
        message: "whether HA manages it or a backup runs is looked at again right before each step"
            .to_owned(),
    })
}

/// It is there and should not be. Nothing is prepared either: a guest that is to be destroyed may run until somebody has signed.
fn to_be_gone(desired: &DesiredGuest, sight: &Sight<'_>, seen: &GuestObservation) -> GuestPlan {
    let mut plan = empty(desired, sight.run);
    about_it(&mut plan, "absent", "present");
    if let Some(hold) = holds::suspended(desired) {
        plan.hold = Some(hold);
    } else if desired.drift == DriftPolicy::Report {
        plan.notes.push(only_reported(&plan.drift));
    } else {
        let step = Step::Destroy { guest: desired.guest, purge: false };
        match gate::judge(step, &Facts::observed(seen)) {
            Ok(approved) => {
                let reason = "it should not exist".to_owned();
                plan.steps = vec![PlannedStep { step: approved.step().clone(), reason }];
            }
            Err(loss) => plan.hold = Some(loss.into_hold()),
        }
    }
    plan
}

/// Whether it is there at all is what differs.
pub(super) fn about_it(plan: &mut GuestPlan, desired: &str, actual: &str) {
    let drift = Drift { field: "ensure".to_owned(), desired: desired.into(), actual: actual.into() };
    plan.diff = vec![diff::of(&drift)];
    plan.drift = vec![drift];
}

fn gone(desired: &DesiredGuest, failure: &PlanFailure) -> GuestPlan {
    let note = Note { code: "in_order", message: format!("it should not exist: {}", failure.message) };
    GuestPlan { notes: vec![note], ..empty(desired, RunState::Unknown) }
}

fn unplannable(desired: &DesiredGuest, failure: PlanFailure) -> GuestPlan {
    if desired.ensure == Ensure::Absent && failure.code == GUEST_MISSING && !desired.suspend {
        return gone(desired, &failure);
    }
    // What the owner suspended is held, whatever can be seen of it.
    let hold = holds::suspended(desired);
    let failure = if hold.is_some() { None } else { Some(failure) };
    GuestPlan { hold, failure, ..empty(desired, RunState::Unknown) }
}

pub(super) fn empty(desired: &DesiredGuest, run_state: RunState) -> GuestPlan {
    GuestPlan {
        resource_id: desired.resource_id.clone(),
        guest: desired.guest,
        run_state,
        steps: Vec::new(),
        drift: Vec::new(),
        diff: Vec::new(),
        hold: None,
        notes: Vec::new(),
        pending_reboot: Vec::new(),
        unmanaged: Vec::new(),
        failure: None,
        held: Map::new(),
    }
}

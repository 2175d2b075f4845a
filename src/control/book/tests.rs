//! What the book remembers, look by look and job by job.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::proptest;

use super::{Book, Moment, Verdict, failed, later};
use crate::control::converge::{Converged, End};
use crate::lanes::Resolution;
use crate::model::desired::{DesiredGuest, Provision, WantedRun};
use crate::model::guest::{GuestId, GuestKind, RunState, Vmid};
use crate::model::hold::{Halt, Hold, HoldReason};
use crate::model::observed::{GuestConfig, GuestObservation, ListedGuest, Presence, ReadFault, Reading};
use crate::model::outcome::Recourse;
use crate::model::step::{Origin, Step};
use crate::model::time::Timestamp;
use crate::plan::{GuestPlan, PlannedStep, Settings, plan_guest};
use crate::status::resource::Progress;

/// A stopped container that should run: there is always a step to take.
fn guest() -> Arc<DesiredGuest> {
    Arc::new(DesiredGuest {
        run_state: Some(WantedRun::Running),
        ..DesiredGuest::new("web", GuestId::new(GuestKind::Lxc, Vmid::new(101).unwrap()))
    })
}

fn seen(run: RunState, digest: &str) -> GuestObservation {
    GuestObservation {
        presence: Presence::Listed(ListedGuest {
            guest: guest().guest,
            name: None,
            run,
            template: false,
            lock: None,
            tags: Vec::new(),
            uptime_seconds: None,
        }),
        config: Reading::Known(GuestConfig { digest: digest.to_owned(), ..GuestConfig::default() }),
        live: None,
    }
}

fn plan(seen: &GuestObservation) -> GuestPlan {
    plan_guest(&guest(), seen, &Settings::default())
}

fn now() -> Timestamp {
    Timestamp::from_unix(1_795_242_415)
}

struct Story {
    book: Book,
}

impl Story {
    fn new() -> Self {
        let mut book = Book::default();
        book.adopt(&[guest()], 1, Instant::now());
        Self { book }
    }

    fn look(&mut self, seen: &GuestObservation) -> Verdict {
        self.look_since(seen, Instant::now(), false)
    }

    fn look_since(&mut self, seen: &GuestObservation, began: Instant, braked: bool) -> Verdict {
        let hold = braked.then(|| Halt::Hub.into_hold());
        let moment = Moment { began, next_look: later(now(), Duration::from_secs(60)), hold };
        self.book.seen(&guest(), seen, &plan(seen), moment)
    }

    fn done(&mut self, end: End) -> Progress {
        let end = Resolution::Done(Converged::ended(end));
        self.book.done(&guest(), 1, end, (Instant::now(), now())).0.progress
    }
}

fn is_work(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Work(_))
}

fn says(verdict: Verdict) -> Option<Progress> {
    match verdict {
        Verdict::Say(finding) | Verdict::Work(finding) => Some(finding.progress),
        Verdict::Nothing => None,
    }
}

fn stopped() -> GuestObservation {
    seen(RunState::Stopped, "d")
}

#[test]
fn a_guest_has_one_job_at_a_time() {
    let mut story = Story::new();
    assert!(is_work(&story.look(&stopped())));
    assert!(matches!(story.look(&stopped()), Verdict::Nothing));
    assert_eq!(story.book.busy(), [guest().guest]);
    assert_eq!(story.done(End::InOrder), Progress::InOrder);
    assert!(is_work(&story.look(&stopped())));
}

#[test]
fn a_look_from_before_the_last_job_s_end_is_not_believed() {
    let mut story = Story::new();
    let before = Instant::now();
    story.look(&stopped());
    story.done(End::InOrder);
    assert!(matches!(story.look_since(&stopped(), before, false), Verdict::Nothing));
}

#[test]
fn nothing_is_begun_while_the_brake_is_on() {
    let mut story = Story::new();
    let verdict = story.look_since(&stopped(), Instant::now(), true);
    assert!(!is_work(&verdict));
    let said = says(verdict);
    assert!(matches!(said, Some(Progress::Held(Hold { reason: HoldReason::Blocked, .. }))), "{said:?}");
}

#[test]
fn a_failure_waits_for_its_pause_and_is_then_tried_again() {
    let mut story = Story::new();
    story.look(&stopped());
    let told = story.done(failed("unreachable", "no".to_owned(), Recourse::Retry));
    assert!(matches!(&told, Progress::Failed { retry_after: Some(at), .. } if *at > now()), "{told:?}");
    assert_eq!(says(story.look(&stopped())), Some(told));
    let due = story.book.next_retry().unwrap();
    assert!(story.book.is_retry_due(due));
    assert!(!story.book.is_retry_due(due), "said once");
    assert_eq!(story.book.next_retry(), None);
    assert!(is_work(&story.look(&stopped())));
}

#[test]
fn what_no_retry_cures_waits_for_a_guest_that_looks_different() {
    let mut story = Story::new();
    story.look(&stopped());
    let told = story.done(failed("parameter", "no".to_owned(), Recourse::Terminal));
    assert!(matches!(told, Progress::Failed { retry_after: None, .. }), "{told:?}");
    assert_eq!(story.book.next_retry(), None);
    for _ in 0..3 {
        assert!(!is_work(&story.look(&stopped())));
    }
    assert!(is_work(&story.look(&seen(RunState::Stopped, "another digest"))));
}

#[test]
fn what_no_retry_cures_is_tried_again_for_a_new_generation() {
    let mut story = Story::new();
    story.look(&stopped());
    story.done(failed("parameter", "no".to_owned(), Recourse::Terminal));
    story.book.adopt(&[guest()], 2, Instant::now());
    assert!(is_work(&story.look(&stopped())));
}

#[test]
fn a_panicked_job_is_uncertain_and_not_repeated() {
    let mut story = Story::new();
    story.look(&stopped());
    let end = Resolution::Panicked("oh".to_owned());
    let told = story.book.done(&guest(), 1, end, (Instant::now(), now())).0.progress;
    assert!(
        matches!(&told, Progress::Failed { error, retry_after: None } if error.code == "uncertain"),
        "{told:?}"
    );
    assert!(!is_work(&story.look(&stopped())));
    assert_eq!(says(story.look(&seen(RunState::Running, "d"))), Some(Progress::InOrder));
}

#[test]
fn what_only_a_lane_sees_is_shown_until_the_next_job_is_through() {
    let mut story = Story::new();
    story.look(&stopped());
    let hold =
        Hold { reason: HoldReason::HaManaged, detail: "ha".to_owned(), remedy: "ha-manager".to_owned() };
    assert_eq!(story.done(End::Held(hold.clone())), Progress::Held(hold.clone()));
    let verdict = story.look(&stopped());
    assert!(is_work(&verdict), "it is looked at again");
    assert_eq!(says(verdict), Some(Progress::Held(hold)));
}

#[test]
fn an_old_generation_s_failure_says_nothing_about_the_new_one() {
    let mut story = Story::new();
    story.look(&stopped());
    story.book.adopt(&[guest()], 2, Instant::now());
    assert!(matches!(story.look(&stopped()), Verdict::Nothing), "the old job is still at it");
    story.done(failed("parameter", "no".to_owned(), Recourse::Terminal));
    assert!(is_work(&story.look(&stopped())));
}

#[test]
fn a_field_that_somebody_else_keeps_changing_back_is_left_to_them() {
    let mut story = Story::new();
    for _ in 0..5 {
        assert!(is_work(&story.look(&stopped())));
        assert_eq!(story.done(End::InOrder), Progress::InOrder);
    }
    let said = says(story.look(&stopped()));
    let Some(Progress::Failed { error, retry_after: None }) = said else { panic!("{said:?}") };
    assert_eq!(error.code, "oscillation");
    assert!(error.message.contains("running") && error.message.contains("stopped"), "{}", error.message);
    story.book.adopt(&[guest()], 2, Instant::now());
    assert!(is_work(&story.look(&stopped())), "a new generation is a new word");
}

#[test]
fn a_desired_state_that_flips_is_heeded_once_it_stands() {
    let mut book = Book::default();
    let began = Instant::now();
    let other = Arc::new(DesiredGuest { data_bearing: false, ..(*guest()).clone() });
    for (change, generation) in (0..6_u32).zip(1..) {
        let wanted = if change % 2 == 0 { other.clone() } else { guest() };
        book.adopt(&[wanted], generation, began + Duration::from_secs(60) * change);
    }
    let mut look = |after: u64| {
        let began = began + Duration::from_secs(after);
        let moment = Moment { began, next_look: now(), hold: None };
        book.is_retry_due(began);
        book.seen(&guest(), &stopped(), &plan(&stopped()), moment)
    };
    let Some(Progress::Failed { error, retry_after: Some(_) }) = says(look(301)) else {
        panic!("it is worked on although it flips");
    };
    assert_eq!(error.code, "oscillation");
    assert!(is_work(&look(601)));
}

#[test]
fn a_look_afresh_tries_everything_again_but_what_is_uncertain() {
    for (code, again) in [("permission", true), ("uncertain", false)] {
        let mut story = Story::new();
        story.look(&stopped());
        story.done(failed(code, "no".to_owned(), Recourse::Terminal));
        story.book.refresh();
        assert_eq!(is_work(&story.look(&stopped())), again, "{code}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Happening {
    Look { braked: bool, runs: bool, digest: u8 },
    Done { end: u8 },
    Adopt,
    Wait,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let look = (any::<bool>(), any::<bool>(), 0_u8..2).prop_map(|(braked, runs, digest)| Happening::Look {
        braked,
        runs,
        digest,
    });
    let done = (0_u8..6).prop_map(|end| Happening::Done { end });
    let one = prop_oneof![4 => look, 3 => done, 1 => Just(Happening::Adopt), 1 => Just(Happening::Wait)];
    proptest::collection::vec(one, 0..60)
}

fn end(number: u8) -> End {
    match number {
        0 => End::InOrder,
        1 => End::Blocked(Halt::Hub),
        2 => End::Stopped,
        3 => End::StillRunning,
        4 => failed("unreachable", String::new(), Recourse::Retry),
        _ => failed("uncertain", String::new(), Recourse::Terminal),
    }
}

proptest! {
    /// Whatever happens in whatever order: no guest has two jobs, none is begun under the brake or without need, and an
    /// uncertain one is not begun again before the guest looks different or something else is wanted.
    #[test]
    fn a_job_is_begun_only_when_it_may(happenings in happenings()) {
        let mut story = Story::new();
        let (mut busy, mut generation) = (false, 1);
        // How the guest looked at the first look after a doubt, once there was one.
        let mut doubt: Option<Option<(bool, u8)>> = None;
        for happening in happenings {
            match happening {
                Happening::Look { braked, runs, digest } => {
                    let run = if runs { RunState::Running } else { RunState::Stopped };
                    let verdict = story.look_since(&seen(run, &digest.to_string()), Instant::now(), braked);
                    if is_work(&verdict) {
                        assert!(!busy && !braked && !runs, "{happening:?}");
                        assert_ne!(doubt, Some(None));
                        assert_ne!(doubt, Some(Some((runs, digest))));
                        doubt = None;
                        busy = true;
                    } else if !busy {
                        match doubt {
                            Some(None) => doubt = Some(Some((runs, digest))),
                            Some(Some(then)) if then != (runs, digest) => doubt = None,
                            _ => {}
                        }
                        // In order is as good as settled.
                        doubt = doubt.filter(|_| !runs);
                    }
                }
                Happening::Done { end: number } if busy => {
                    let ended = Resolution::Done(Converged::ended(end(number)));
                    story.book.done(&guest(), generation, ended, (Instant::now(), now()));
                    busy = false;
                    doubt = (number == 5).then_some(None);
                }
                Happening::Done { .. } => {}
                Happening::Adopt => {
                    // A job that is under way stays known; what it suffered no longer counts.
                    if !busy {
                        generation += 1;
                        story.book.adopt(&[guest()], generation, Instant::now());
                        doubt = None;
                    }
                }
                Happening::Wait => {
                    story.book.is_retry_due(Instant::now() + Duration::from_secs(3600));
                }
            }
            assert_eq!(story.book.busy().len(), usize::from(busy));
        }
    }
}

/// A container that is nowhere and is to be made.
fn to_make() -> (Arc<DesiredGuest>, GuestObservation) {
    let provision = Provision {
        from: Origin::Template,
        source: "local:vztmpl/x.tar.zst".to_owned(),
        storage: Some("store".to_owned()),
    };
    let fault = ReadFault { code: "guest_missing", message: String::new() };
    let seen = GuestObservation { presence: Presence::Nowhere, config: Reading::Unknown(fault), live: None };
    (Arc::new(DesiredGuest { provision: Some(provision), ..DesiredGuest::clone(&guest()) }), seen)
}

/// How often it is tried within so many seconds of a clock that is turned by hand: a look a minute, and one whenever a pause is over.
fn tries(book: &mut Book, generation: u64, from: Instant, seconds: u64, recourse: Recourse) -> Vec<u64> {
    let (wanted, nowhere) = to_make();
    let plan = plan_guest(&wanted, &nowhere, &Settings::default());
    assert!(matches!(&plan.steps[..], [PlannedStep { step: Step::Make { .. }, .. }]), "{plan:?}");
    let mut tried = Vec::new();
    for second in 0..seconds {
        let at = from + Duration::from_secs(second);
        let due = book.is_retry_due(at);
        if !due && second % 60 != 0 {
            continue;
        }
        let moment = Moment { began: at, next_look: now(), hold: None };
        if is_work(&book.seen(&wanted, &nowhere, &plan, moment)) {
            tried.push(second);
            let end = Resolution::Done(Converged::ended(failed("task_failed", String::new(), recourse)));
            // The look began before the job ended.
            let ended = at + Duration::from_millis(1);
            book.done(&wanted, generation, end, (ended, now()));
        }
    }
    tried
}

#[test]
fn a_make_that_fails_is_tried_at_growing_pauses_and_from_the_first_with_a_new_generation() {
    let (mut book, from) = (Book::default(), Instant::now());
    book.adopt(&[to_make().0], 1, from);
    let tried = tries(&mut book, 1, from, 7_200, Recourse::Retry);
    let pauses: Vec<u64> = tried.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (nth, pause) in (0_u32..).zip(&pauses) {
        let full = 2_u64.pow(nth.min(9)).min(300);
        // A pause is half of the full one at least; the clock is turned by whole seconds.
        assert!((full / 2..=full + 1).contains(pause), "pause {nth} of {pauses:?}");
    }
    assert!((20..60).contains(&tried.len()), "{} tries in 120 looks and two hours", tried.len());

    let later = from + Duration::from_secs(7_200);
    book.adopt(&[to_make().0], 2, later);
    let again = tries(&mut book, 2, later, 10, Recourse::Retry);
    assert!(again.len() > 2 && again[0] == 0, "{again:?}");
}

#[test]
fn a_make_that_no_retry_cures_is_tried_once_a_generation() {
    let (mut book, from) = (Book::default(), Instant::now());
    book.adopt(&[to_make().0], 1, from);
    assert_eq!(tries(&mut book, 1, from, 7_200, Recourse::Terminal), [0]);
    let later = from + Duration::from_secs(7_200);
    book.adopt(&[to_make().0], 2, later);
    assert_eq!(tries(&mut book, 2, later, 7_200, Recourse::Terminal), [0]);
}

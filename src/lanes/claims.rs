//! What the lanes promise, on real threads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{bounded, unbounded};
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::{collection, proptest};

use super::{Closed, Lanes, Resolution, Settings};
use crate::model::guest::Vmid;

const LONG: Duration = Duration::from_secs(30);

fn vmid(number: u64) -> Vmid {
    Vmid::new(number).unwrap()
}

#[test]
fn a_blocked_lane_holds_up_no_other() {
    let mut lanes = Lanes::new(Settings::default());
    let (release, released) = bounded::<()>(0);
    let slow = lanes.submit(vmid(100), move || released.recv().is_err());
    let behind = lanes.submit(vmid(100), || "behind");
    assert_eq!(lanes.submit(vmid(101), || "other").wait(), Resolution::Done("other"));
    drop(release);
    assert_eq!(slow.wait(), Resolution::Done(true));
    assert_eq!(behind.wait(), Resolution::Done("behind"));
}

#[test]
fn a_panic_ends_its_job_and_not_its_lane() {
    let mut lanes = Lanes::new(Settings::default());
    let broken = lanes.submit(vmid(100), || -> u8 { panic!("no such luck") });
    let next = lanes.submit(vmid(100), || std::thread::current().name().map(str::to_owned));
    assert_eq!(broken.wait(), Resolution::Panicked("no such luck".to_owned()));
    assert_eq!(next.wait(), Resolution::Done(Some("lane-100".to_owned())));
}

#[test]
fn a_listener_that_panics_does_not_end_the_lane() {
    let mut lanes = Lanes::new(Settings::default());
    lanes.submit_then(vmid(100), || (), |_end| panic!("deaf"));
    assert_eq!(lanes.submit(vmid(100), || 7).wait(), Resolution::Done(7));
}

#[test]
fn closing_drains_what_was_accepted_and_refuses_the_rest() {
    let mut lanes = Lanes::new(Settings::default());
    let (release, released) = bounded::<()>(0);
    let first = lanes.submit(vmid(100), move || released.recv().is_err());
    let second = lanes.submit(vmid(100), || 2);
    assert_eq!(lanes.close(Duration::ZERO), Closed::StillRunning);
    assert_eq!(lanes.submit(vmid(100), || 3).wait(), Resolution::Closed);
    drop(release);
    assert_eq!(lanes.close(LONG), Closed::Drained);
    assert_eq!(first.wait(), Resolution::Done(true));
    assert_eq!(second.wait(), Resolution::Done(2));
}

#[test]
fn an_idle_lane_is_retired_and_a_busy_one_is_not() {
    let mut lanes = Lanes::new(Settings { idle: Duration::from_secs(60) });
    let start = Instant::now();
    let (release, released) = bounded::<()>(0);
    let busy = lanes.submit(vmid(100), move || released.recv().is_err());
    let (told, done) = bounded(1);
    lanes.submit_then(
        vmid(101),
        || (),
        move |_end| {
            told.send(()).ok();
        },
    );
    done.recv().unwrap();
    // The worker counts a job as finished just after telling so: sweep until it is seen idle.
    while lanes.active() == 2 {
        lanes.sweep(start);
        lanes.sweep(start + Duration::from_secs(60));
    }
    assert_eq!(lanes.active(), 1);
    lanes.sweep(start + Duration::from_secs(3600));
    assert_eq!(lanes.active(), 1, "work in hand is not idleness");
    drop(release);
    assert_eq!(busy.wait(), Resolution::Done(true));
    assert_eq!(lanes.submit(vmid(101), || "again").wait(), Resolution::Done("again"));
}

#[derive(Clone, Debug)]
enum Action {
    Submit { vmid: u64, panics: bool },
    Sweep,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let submit = (100_u64..105, proptest::bool::weighted(0.05))
        .prop_map(|(vmid, panics)| Action::Submit { vmid, panics });
    collection::vec(prop_oneof![9 => submit, 1 => Just(Action::Sweep)], 0..200)
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 64, ..Default::default() })]

    /// Order within a vmid, nothing lost, nothing twice, one at a time, exactly one resolution each.
    #[test]
    fn every_job_runs_once_in_the_order_of_its_lane(actions in actions()) {
        let mut lanes = Lanes::new(Settings { idle: Duration::ZERO });
        let (ran, order) = unbounded();
        let (ended, ends) = unbounded();
        let running: BTreeMap<u64, Arc<AtomicUsize>> = (100..105).map(|vmid| (vmid, Arc::default())).collect();
        let mut submitted: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (index, action) in actions.iter().enumerate() {
            match action {
                Action::Sweep => lanes.sweep(Instant::now()),
                Action::Submit { vmid: number, panics } => {
                    submitted.entry(*number).or_default().push(index);
                    let (number, panics, ran, ended) = (*number, *panics, ran.clone(), ended.clone());
                    let alone = Arc::clone(&running[&number]);
                    let work = move || {
                        assert_eq!(alone.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
                        ran.send((number, index)).ok();
                        alone.fetch_sub(1, Ordering::SeqCst);
                        if panics {
                            // A panic without the hook's line on stderr.
                            std::panic::resume_unwind(Box::new("asked to"));
                        }
                    };
                    lanes.submit_then(vmid(number), work, move |end| {
                        ended.send((index, panics, end)).ok();
                    });
                }
            }
        }
        assert_eq!(lanes.close(LONG), Closed::Drained);
        drop((ran, ended));
        let mut seen: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        order.iter().for_each(|(number, index)| seen.entry(number).or_default().push(index));
        assert_eq!(seen, submitted);
        let mut resolved: Vec<usize> = ends.iter().map(|(index, panics, end)| {
            assert_eq!(matches!(end, Resolution::Panicked(_)), panics, "{end:?}");
            index
        }).collect();
        resolved.sort_unstable();
        let mut all: Vec<usize> = submitted.into_values().flatten().collect();
        all.sort_unstable();
        assert_eq!(resolved, all);
    }
}

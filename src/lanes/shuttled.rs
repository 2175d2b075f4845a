//! The same engine over `shuttle`: each claim is checked over 10,000 schedules of its threads.

#[path = "engine.rs"]
#[expect(
    clippy::duplicate_mod,
    dead_code,
    unreachable_pub,
    reason = "the engine itself, compiled over the other primitives"
)]
mod engine;

use std::time::{Duration, Instant};

use engine::{Closed, Lanes, Resolution, Settings};
use shuttle::rand::Rng;
use shuttle::sync::{Arc, Mutex};

use crate::model::guest::Vmid;

const SCHEDULES: usize = 10_000;

/// The seam: the names of `lanes/sync.rs`, explored instead of run.
mod sync {
    use std::io;
    use std::time::Duration;

    use shuttle::rand::Rng;
    pub(super) use shuttle::sync::Arc;
    pub(super) use shuttle::sync::atomic::{AtomicU64, Ordering};
    use shuttle::sync::mpsc::TryRecvError;
    pub(super) use shuttle::sync::mpsc::{Receiver, Sender, channel as unbounded};

    pub(super) enum Received<T> {
        Message(T),
        Nothing,
        Disconnected,
    }

    /// Time does not pass under `shuttle`: a wait of some length either ends early or lasts, as the schedule has it;
    /// one of `Duration::MAX` lasts.
    pub(super) fn receive<T>(receiver: &Receiver<T>, within: Duration) -> Received<T> {
        if within < Duration::MAX && shuttle::rand::thread_rng().r#gen::<bool>() {
            return match receiver.try_recv() {
                Ok(message) => Received::Message(message),
                Err(TryRecvError::Empty) => Received::Nothing,
                Err(TryRecvError::Disconnected) => Received::Disconnected,
            };
        }
        receiver.recv().map_or(Received::Disconnected, Received::Message)
    }

    pub(super) fn start(
        name: String,
        _stack_bytes: usize,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        shuttle::thread::Builder::new().name(name).spawn(body).map(drop)
    }
}

fn vmid(number: u64) -> Vmid {
    Vmid::new(number).unwrap()
}

type Log = Arc<Mutex<Vec<(u64, usize)>>>;

fn note(log: &Log, number: u64, index: usize) -> impl FnOnce() -> usize + Send + use<> {
    let log = Arc::clone(log);
    move || {
        log.lock().unwrap().push((number, index));
        index
    }
}

/// Retiring at each possible instant loses no job, runs none twice, and keeps the order of each lane.
#[test]
fn retiring_between_jobs_loses_nothing_and_keeps_the_order() {
    let claim = || {
        let mut lanes = Lanes::new(Settings { idle: Duration::ZERO });
        let log = Log::default();
        let now = Instant::now();
        let mut receipts = Vec::new();
        for index in 0..4 {
            for number in [100, 101] {
                receipts.push((index, lanes.submit(vmid(number), note(&log, number, index))));
            }
            if shuttle::rand::thread_rng().r#gen::<bool>() {
                lanes.sweep(now);
            }
        }
        for (index, receipt) in receipts {
            assert_eq!(receipt.wait(), Resolution::Done(index));
        }
        let log = log.lock().unwrap().clone();
        for lane in [100, 101] {
            let order: Vec<usize> =
                log.iter().filter(|(number, _)| *number == lane).map(|(_, index)| *index).collect();
            assert_eq!(order, [0, 1, 2, 3]);
        }
    };
    shuttle::check_random(claim, SCHEDULES);
    shuttle::check_pct(claim, SCHEDULES, 3);
}

/// Closing runs what was accepted, refuses what comes later, and says `Drained` only when every worker has ended.
#[test]
fn closing_drains_and_then_refuses() {
    let claim = || {
        let mut lanes = Lanes::new(Settings { idle: Duration::ZERO });
        let log = Log::default();
        let accepted: Vec<_> =
            (0..3).map(|index| (index, lanes.submit(vmid(100), note(&log, 100, index)))).collect();
        lanes.sweep(Instant::now());
        let other = lanes.submit(vmid(101), note(&log, 101, 9));
        let hasty = lanes.close(Duration::ZERO);
        let late = lanes.submit(vmid(100), note(&log, 100, 99));
        assert_eq!(late.wait(), Resolution::Closed);
        if hasty == Closed::StillRunning {
            assert_eq!(lanes.close(Duration::MAX), Closed::Drained);
        }
        assert_eq!(log.lock().unwrap().len(), 4, "drained means that all have run");
        for (index, receipt) in accepted {
            assert_eq!(receipt.wait(), Resolution::Done(index));
        }
        assert_eq!(other.wait(), Resolution::Done(9));
    };
    shuttle::check_random(claim, SCHEDULES);
    shuttle::check_pct(claim, SCHEDULES, 3);
}

/// Jobs of one lane never overlap, not even across the retirement of its worker.
#[test]
fn one_job_at_a_time_in_a_lane() {
    let claim = || {
        let mut lanes = Lanes::new(Settings { idle: Duration::ZERO });
        let busy = Arc::new(shuttle::sync::atomic::AtomicBool::new(false));
        for _ in 0..4 {
            let busy = Arc::clone(&busy);
            let work = move || {
                assert!(!busy.swap(true, shuttle::sync::atomic::Ordering::SeqCst));
                shuttle::thread::yield_now();
                busy.store(false, shuttle::sync::atomic::Ordering::SeqCst);
            };
            lanes.submit_then(vmid(100), work, |end| assert_eq!(end, Resolution::Done(())));
            lanes.sweep(Instant::now());
        }
        assert_eq!(lanes.close(Duration::MAX), Closed::Drained);
    };
    shuttle::check_random(claim, SCHEDULES);
}

/// A receipt that is asked early gives itself back and still resolves.
#[test]
fn an_impatient_receipt_still_resolves() {
    shuttle::check_random(
        || {
            let mut lanes = Lanes::new(Settings { idle: Duration::ZERO });
            let mut receipt = lanes.submit(vmid(100), || 5);
            let end = loop {
                match receipt.wait_for(Duration::from_secs(1)) {
                    Ok(end) => break end,
                    Err(again) => receipt = again,
                }
            };
            assert_eq!(end, Resolution::Done(5));
        },
        SCHEDULES,
    );
}

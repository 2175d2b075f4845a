//! The timer: one thread, two ticks.
//!
//! *Owns* the intervals. *Fed by* [`Intervals`], which changes one. *Emits* `()` into a tick's channel, which has room for one:
//! a tick that finds it full is dropped, for the one before it has not been looked at yet.
//! *Knows nothing* else. Each wait is up to a tenth longer than its interval, so that many nodes do not come at once.
//! The first tick of each kind comes at once. Stops when its [`Timer`] is dropped.

use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, at, bounded, never, select};
use ring::rand::{SecureRandom, SystemRandom};

const STACK_BYTES: usize = 128 * 1024;

/// Which of the two ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    Report,
    Reconcile,
}

/// Changes the intervals of a running timer. The new interval counts from now.
#[derive(Clone, Debug)]
pub struct Intervals {
    changes: Sender<(Tick, Duration)>,
}

impl Intervals {
    /// Says the new interval; nothing happens if the timer has stopped.
    pub fn set(&self, tick: Tick, every: Duration) {
        self.changes.send((tick, every)).ok();
    }
}

/// A running timer; dropping it ends the thread and waits for that.
#[derive(Debug)]
pub struct Timer {
    intervals: Intervals,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Timer {
    pub fn intervals(&self) -> Intervals {
        self.intervals.clone()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the timer panicked");
        }
    }
}

/// What a tick's receiver is read from: room for one.
pub fn channel() -> (Sender<()>, Receiver<()>) {
    bounded(1)
}

/// Starts the timer.
pub fn start(report: (Duration, Sender<()>), reconcile: (Duration, Sender<()>)) -> io::Result<Timer> {
    // Room for a burst of changes; a sender that finds it full waits for the timer, which never waits for anybody.
    let (changes, changed) = bounded(16);
    let (stop, stopped) = bounded(0);
    let now = Instant::now();
    let mut ticks = Ticks {
        report: Due::new(report.0, report.1, now),
        reconcile: Due::new(reconcile.0, reconcile.1, now),
    };
    let thread = std::thread::Builder::new()
        .name("timer".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || ticks.run(&changed, &stopped))?;
    Ok(Timer { intervals: Intervals { changes }, stop: Some(stop), thread: Some(thread) })
}

struct Ticks {
    report: Due,
    reconcile: Due,
}

struct Due {
    every: Duration,
    next: Instant,
    to: Sender<()>,
}

impl Ticks {
    fn run(&mut self, changed: &Receiver<(Tick, Duration)>, stopped: &Receiver<()>) {
        let mut changed = changed.clone();
        loop {
            let next = self.report.next.min(self.reconcile.next);
            select! {
                recv(stopped) -> _dropped => return,
                recv(changed) -> change => match change {
                    Ok((tick, every)) => self.due(tick).set(every, Instant::now()),
                    Err(_nobody_can_change_it_any_more) => changed = never(),
                },
                recv(at(next)) -> _time => {
                    let now = Instant::now();
                    self.report.fire(now, random());
                    self.reconcile.fire(now, random());
                }
            }
        }
    }

    fn due(&mut self, tick: Tick) -> &mut Due {
        match tick {
            Tick::Report => &mut self.report,
            Tick::Reconcile => &mut self.reconcile,
        }
    }
}

impl Due {
    fn new(every: Duration, to: Sender<()>, now: Instant) -> Self {
        Self { every, next: now, to }
    }

    fn set(&mut self, every: Duration, now: Instant) {
        self.every = every;
        self.next = now + jittered(every, random());
    }

    fn fire(&mut self, now: Instant, random: u16) {
        if now >= self.next {
            // Full: a tick is waiting already. Disconnected: nobody listens any more.
            self.to.try_send(()).ok();
            self.next = now + jittered(self.every, random);
        }
    }
}

/// The interval and up to a tenth of it more. An interval of nothing counts as a millisecond, or the timer would spin.
fn jittered(every: Duration, random: u16) -> Duration {
    let every = every.max(Duration::from_millis(1));
    every + every / 10 * u32::from(random) / u32::from(u16::MAX)
}

/// Where the system gives no randomness there is no jitter.
fn random() -> u16 {
    let mut bytes = [0; 2];
    SystemRandom::new().fill(&mut bytes).map_or(0, |()| u16::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Due, Tick, channel, jittered, start};

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn jitter_adds_at_most_a_tenth_and_takes_nothing_away() {
        for (every, random, expected) in [(1000, 0, 1000), (1000, u16::MAX, 1100), (0, 0, 1)] {
            assert_eq!(jittered(Duration::from_millis(every), random), Duration::from_millis(expected));
        }
    }

    #[test]
    fn both_ticks_come_at_once_when_the_timer_starts() {
        let ((report, reports), (reconcile, reconciles)) = (channel(), channel());
        let _timer = start((HOUR, report), (HOUR, reconcile)).unwrap();
        assert_eq!((reports.recv(), reconciles.recv()), (Ok(()), Ok(())));
    }

    #[test]
    fn a_tick_that_nobody_took_is_not_kept_twice() {
        let (to, ticks) = channel();
        let start = Instant::now();
        let mut due = Due::new(HOUR, to, start);
        due.fire(start, 0);
        due.fire(start + HOUR, 0);
        assert_eq!(ticks.try_iter().count(), 1);
        assert_eq!(due.next, start + HOUR * 2, "a dropped tick still counts");
    }

    #[test]
    fn a_tick_does_not_come_before_its_time() {
        let (to, ticks) = channel();
        let start = Instant::now();
        let mut due = Due::new(HOUR, to, start + HOUR);
        due.fire(start, 0);
        assert!(ticks.is_empty());
    }

    #[test]
    fn an_interval_changes_while_the_timer_waits() {
        let ((report, reports), (reconcile, reconciles)) = (channel(), channel());
        let timer = start((HOUR, report), (HOUR, reconcile)).unwrap();
        assert_eq!((reports.recv(), reconciles.recv()), (Ok(()), Ok(())));
        timer.intervals().set(Tick::Reconcile, Duration::from_millis(1));
        assert_eq!(reconciles.recv(), Ok(()), "an hour would have been too long for this test");
        assert!(reports.is_empty());
    }

    #[test]
    fn dropping_the_timer_ends_its_ticks() {
        let ((report, reports), (reconcile, reconciles)) = (channel(), channel());
        let timer = start((HOUR, report), (HOUR, reconcile)).unwrap();
        let intervals = timer.intervals();
        drop(timer);
        assert!(reports.iter().count() <= 1 && reconciles.iter().count() <= 1);
        intervals.set(Tick::Report, HOUR);
    }
}

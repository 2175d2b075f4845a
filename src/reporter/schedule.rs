//! When the next report is due. Pure.

use std::time::Duration;

use crate::hub::wire::envelope::{MAX_INTERVAL, MIN_INTERVAL};

/// The first wait after a failure; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    interval: Duration,
    failures: u32,
}

impl Schedule {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval: bounded(interval), failures: 0 }
    }

    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Takes the interval that the hub asks for; true when it is another one.
    pub(super) fn adopt(&mut self, interval: Duration) -> bool {
        let before = std::mem::replace(&mut self.interval, bounded(interval));
        before != self.interval
    }

    /// How long to wait after a report that arrived. The timer adds up to a tenth, so that many hosts spread.
    pub(super) fn arrived(&mut self) -> Duration {
        self.failures = 0;
        self.interval
    }

    /// How long to wait after one that did not: doubling, at least what the hub asked for, and with the timer's tenth
    /// never past the interval.
    pub(super) fn failed(&mut self, retry_after: Option<Duration>) -> Duration {
        let doubled = FIRST_RETRY.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        doubled.max(retry_after.unwrap_or_default()).min(self.interval * 10 / 11)
    }
}

fn bounded(interval: Duration) -> Duration {
    interval.clamp(MIN_INTERVAL, MAX_INTERVAL)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{any, proptest};

    use super::Schedule;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_interval_outside_its_bounds_is_brought_back() {
        let mut schedule = Schedule::new(seconds(900));
        for (asked, taken) in [(0, 60), (60, 60), (300, 300), (3600, 3600), (u64::MAX, 3600)] {
            schedule.adopt(seconds(asked));
            assert_eq!(schedule.interval, seconds(taken));
        }
        assert!(!schedule.adopt(seconds(9999)), "still an hour");
        assert!(schedule.adopt(seconds(61)));
    }

    #[test]
    fn failures_back_off_and_a_success_forgets_them() {
        let mut schedule = Schedule::new(seconds(60));
        let waits: Vec<u64> = (0..6).map(|_| schedule.failed(None).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 54, 54]);
        assert_eq!(schedule.arrived(), seconds(60));
        assert_eq!(schedule.failed(None), seconds(5));
    }

    #[test]
    fn what_the_hub_asks_for_is_honoured_up_to_the_interval() {
        let mut schedule = Schedule::new(seconds(300));
        assert_eq!(schedule.failed(Some(seconds(120))), seconds(120));
        assert_eq!(schedule.failed(Some(seconds(86_400))), seconds(300) * 10 / 11);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_interval_even_with_the_timer_s_tenth(
            interval in any::<u32>(), failures in 1..80_u32, retry in any::<Option<u32>>()
        ) {
            let mut schedule = Schedule::new(seconds(interval.into()));
            for _ in 0..failures {
                let wait = schedule.failed(retry.map(|retry| seconds(retry.into())));
                assert!(wait + wait / 10 <= schedule.interval && wait >= seconds(5));
            }
            assert_eq!(schedule.arrived(), schedule.interval);
        }
    }
}

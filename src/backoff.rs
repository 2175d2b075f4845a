//! When to try a resource again: exponential with jitter, 1 s to 5 min, one per resource, reset by a new generation.
//! Pure: the random number comes in with the question.

use std::time::Duration;

use crate::model::outcome::Recourse;

const FIRST_MS: u64 = 1_000;
const LAST_MS: u64 = 300_000;
/// Somebody else works on the guest: that is no failure of ours, so the pause does not grow.
const WAIT_MS: u64 = 15_000;

/// How often a resource has failed in a row, and under which generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    generation: u64,
    failures: u32,
    hopeless: bool,
}

impl Backoff {
    pub fn new(generation: u64) -> Self {
        Self { generation, failures: 0, hopeless: false }
    }

    /// Tells of a failure. `None`: no retry cures it, so none is due until [`Self::generation`] or [`Self::reset`].
    /// `random` is any number, evenly spread; the pause lies between half of the full pause and all of it.
    pub fn failed(&mut self, recourse: Recourse, random: u64) -> Option<Duration> {
        match recourse {
            Recourse::Terminal => {
                self.hopeless = true;
                None
            }
            Recourse::Wait => Some(jittered(WAIT_MS, random)),
            Recourse::Retry => {
                let full = FIRST_MS.saturating_mul(1 << self.failures.min(9)).min(LAST_MS);
                self.failures = self.failures.saturating_add(1);
                Some(jittered(full, random))
            }
        }
    }

    /// A new generation wipes the slate; the same one changes nothing.
    pub fn generation(&mut self, generation: u64) {
        if generation != self.generation {
            *self = Self::new(generation);
        }
    }

    /// A success, or a world that changed: the next failure is the first.
    pub fn reset(&mut self) {
        *self = Self::new(self.generation);
    }

    /// The last failure was of the kind that no retry cures.
    pub fn is_hopeless(&self) -> bool {
        self.hopeless
    }
}

fn jittered(full_ms: u64, random: u64) -> Duration {
    let half = full_ms / 2;
    Duration::from_millis((half + random % (half + 1)).max(FIRST_MS))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{any, proptest};

    use super::{Backoff, Recourse};

    #[test]
    fn the_pause_doubles_from_a_second_to_five_minutes() {
        let mut backoff = Backoff::new(1);
        // u64::MAX hits no half exactly, so the upper bound is asked for by its own residue.
        let full: Vec<u64> = (0..12)
            .map(|failure| {
                let half = 500_u64.saturating_mul(1 << failure).min(150_000);
                backoff.failed(Recourse::Retry, half).unwrap().as_millis().try_into().unwrap()
            })
            .collect();
        let expected: [u64; 12] =
            [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300].map(|seconds| seconds * 1_000);
        assert_eq!(full, expected);
    }

    #[test]
    fn a_new_generation_starts_again_and_the_same_one_does_not() {
        let mut backoff = Backoff::new(1);
        for _ in 0..8 {
            backoff.failed(Recourse::Retry, 0);
        }
        backoff.generation(1);
        assert_eq!(backoff.failed(Recourse::Retry, 0), Some(Duration::from_secs(128)));
        backoff.generation(2);
        assert_eq!(backoff.failed(Recourse::Retry, 0), Some(Duration::from_secs(1)));
    }

    #[test]
    fn what_no_retry_cures_is_not_retried_until_something_changes() {
        let mut backoff = Backoff::new(1);
        assert_eq!(backoff.failed(Recourse::Terminal, 7), None);
        assert!(backoff.is_hopeless());
        backoff.generation(2);
        assert!(!backoff.is_hopeless());
        assert_eq!(backoff.failed(Recourse::Terminal, 7), None);
        backoff.reset();
        assert!(!backoff.is_hopeless());
    }

    #[test]
    fn waiting_for_somebody_else_does_not_lengthen_the_pause() {
        let mut backoff = Backoff::new(1);
        let pauses: Vec<_> = (0..20).map(|_| backoff.failed(Recourse::Wait, 0)).collect();
        assert!(pauses.iter().all(|pause| *pause == Some(Duration::from_millis(7_500))), "{pauses:?}");
        assert_eq!(backoff.failed(Recourse::Retry, 0), Some(Duration::from_secs(1)));
    }

    proptest! {
        #[test]
        fn no_pause_is_under_a_second_or_over_five_minutes(failures in 0_u32..200, random in any::<u64>()) {
            let mut backoff = Backoff::new(0);
            for _ in 0..failures {
                backoff.failed(Recourse::Retry, random);
            }
            let pause = backoff.failed(Recourse::Retry, random).unwrap();
            assert!((1..=300).contains(&pause.as_secs()) && pause <= Duration::from_secs(300), "{pause:?}");
        }
    }
}

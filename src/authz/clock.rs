//! Whether the wall clock can be believed, by what was seen of it before and by when this program was made.

use super::SKEW_S;
use crate::model::op::ClockTrust;
use crate::model::time::Timestamp;

/// 2026-01-01: nothing ran before the year this was built in. To be moved on with releases.
pub const EARLIEST: u64 = 1_767_225_600;
/// 2035-01-01: a clock beyond it is taken for one that starts in its last era, as dead real-time clocks do (2036, 2038).
pub const LATEST: u64 = 2_051_222_400;

/// `high_water` is the latest wall-clock instant that was ever kept.
pub fn judge(now: Timestamp, high_water: Option<Timestamp>) -> ClockTrust {
    let why = match high_water {
        _ if now.unix() < EARLIEST => {
            format!(
                "the clock says {now}, before this program was built; set the clock, or wait for time synchronisation"
            )
        }
        _ if now.unix() >= LATEST => {
            format!(
                "the clock says {now}, long after this program was built; set the clock, or install a newer version"
            )
        }
        Some(high_water) if now.unix().saturating_add(SKEW_S) < high_water.unix() => format!(
            "the clock says {now} and was at {high_water} before; allowed is to be {SKEW_S} s behind; set the clock"
        ),
        _ => return ClockTrust::Trusted,
    };
    ClockTrust::Untrusted(why)
}

#[cfg(test)]
mod tests {
    use super::{EARLIEST, LATEST, judge};
    use crate::model::op::ClockTrust;
    use crate::model::time::Timestamp;

    fn trusted(now: u64, high_water: Option<u64>) -> bool {
        judge(Timestamp::from_unix(now), high_water.map(Timestamp::from_unix)) == ClockTrust::Trusted
    }

    #[test]
    fn e06_a_clock_more_than_five_minutes_behind_what_it_was_is_not_believed() {
        let then = 1_795_000_000;
        assert!(trusted(then, None));
        assert!(trusted(then - 300, Some(then)));
        assert!(!trusted(then - 301, Some(then)));
        assert!(!trusted(then - 86_400, Some(then)));
        assert!(trusted(then + 86_400, Some(then)));
    }

    #[test]
    fn e10_a_clock_that_was_never_set_is_not_believed() {
        let year_2036 = 2_085_978_496;
        for now in [0, 1, 86_400, EARLIEST - 1, LATEST, year_2036, u64::MAX] {
            assert!(!trusted(now, None), "{now}");
        }
        assert!(trusted(EARLIEST, None));
        assert!(trusted(LATEST - 1, None));
    }
}

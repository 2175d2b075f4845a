//! Whose turn it is, and with which number. Pure.

use std::ops::RangeInclusive;

use crate::model::guest::Vmid;

/// A guest that is backed up, or tested, from time to time. Times in unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub vmid: Vmid,
    pub every_s: u64,
    /// It was done, well or badly; 0: never.
    pub done: u64,
    /// It was last tried, whatever came of it; 0: never.
    pub tried: u64,
}

/// What could not be tried is tried again after this.
const AGAIN_S: u64 = 3600;

/// The one that has waited longest of those whose time has come. A clock that was set back makes nobody wait for ever: what
/// lies in the future was not yet.
pub fn due(candidates: &[Candidate], now: u64) -> Option<Vmid> {
    let since = |then: u64| if then > now { u64::MAX } else { now - then };
    let is_due =
        |one: &&Candidate| since(one.done) >= one.every_s && since(one.tried) >= AGAIN_S.min(one.every_s);
    let due = candidates.iter().filter(is_due);
    due.min_by_key(|one| (if one.done > now { 0 } else { one.done }, one.vmid)).map(|one| one.vmid)
}

/// The first number of the range that nobody is known to have.
pub fn free_number(range: &RangeInclusive<u32>, taken: &dyn Fn(Vmid) -> bool) -> Option<Vmid> {
    range.clone().filter_map(|number| Vmid::new(u64::from(number)).ok()).find(|vmid| !taken(*vmid))
}

/// Whether a backup of this size may be restored to a storage, or why not. What is not known is not enough.
pub(super) fn fits(
    total: Option<u64>,
    free: Option<u64>,
    size: u64,
    min_free_percent: u64,
) -> Result<(), String> {
    let (Some(total), Some(free)) = (total.filter(|total| *total > 0), free) else {
        return Err("it does not say how much is free".to_owned());
    };
    let Some(left) = free.checked_sub(size) else {
        return Err(format!("{free} bytes are free, and the backup has {size}"));
    };
    let percent = u128::from(left) * 100 / u128::from(total);
    if percent < u128::from(min_free_percent) {
        return Err(format!(
            "{percent} % of it would be left free, at least {min_free_percent} % are to be (proof.min_free_percent)"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Candidate, due, fits, free_number};
    use crate::model::guest::Vmid;

    fn vmid(number: u64) -> Vmid {
        Vmid::new(number).unwrap()
    }

    fn one(number: u64, done: u64, tried: u64) -> Candidate {
        Candidate { vmid: vmid(number), every_s: 86_400, done, tried }
    }

    #[test]
    fn the_oldest_untested_comes_first_and_nobody_before_his_time() {
        let now = 1_000_000;
        for (candidates, expected) in [
            (vec![], None),
            (vec![one(101, now - 10, now - 10)], None),
            (vec![one(101, now - 90_000, now - 90_000), one(102, 0, 0)], Some(102)),
            (vec![one(101, now - 90_000, now - 90_000), one(102, now - 95_000, now - 95_000)], Some(102)),
            // Tried a moment ago, and it could not be: the others are not kept waiting.
            (vec![one(101, 0, now - 60), one(102, now - 90_000, now - 90_000)], Some(102)),
            (vec![one(101, 0, now - 3600)], Some(101)),
            (vec![one(101, now + 50, now + 50)], Some(101)),
        ] {
            assert_eq!(due(&candidates, now), expected.map(vmid), "{candidates:?}");
        }
    }

    #[test]
    fn the_first_free_number_of_the_range_is_taken() {
        let range = 990_000..=990_001;
        assert_eq!(free_number(&range, &|_| false), Some(vmid(990_000)));
        assert_eq!(free_number(&range, &|one| one.number() == 990_000), Some(vmid(990_001)));
        assert_eq!(free_number(&range, &|_| true), None);
    }

    #[test]
    fn a_backup_is_restored_only_where_enough_stays_free() {
        for (total, free, size, fit) in [
            (Some(100), Some(50), 10, true),
            (Some(100), Some(30), 10, true),
            (Some(100), Some(29), 10, false),
            (Some(100), Some(5), 10, false),
            (None, Some(50), 1, false),
            (Some(100), None, 1, false),
            (Some(0), Some(0), 0, false),
            (Some(u64::MAX), Some(u64::MAX), 1, true),
        ] {
            assert_eq!(fits(total, free, size, 20).is_ok(), fit, "{total:?} {free:?} {size}");
        }
    }
}

//! The one place that asks what time it is. Everything else is told.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::time::Timestamp;

/// Now, by the wall clock. A clock set before 1970 reads as 1970.
pub fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the place that the others are sent to")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(since.as_secs())
}

/// Whole seconds since the system was booted, by a clock that nobody sets; `None` where the kernel does not tell.
pub fn uptime_s() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    text.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_time_since_boot_is_known_and_does_not_run_backwards() {
        let before = super::uptime_s().unwrap();
        assert!(super::uptime_s().unwrap() >= before);
    }
}

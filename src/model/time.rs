//! Wall-clock instants as the wire writes them: UTC, RFC 3339, whole seconds.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Seconds since 1970-01-01 UTC. Written on the wire as `2026-11-21T06:26:55Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// 9999-12-31T23:59:59Z: the last second RFC 3339 can write.
const LAST: u64 = 253_402_300_799;

impl Timestamp {
    /// An instant later than the year 9999 becomes the last second of it, so that every value can be written.
    pub fn from_unix(seconds: u64) -> Self {
        Self(seconds.min(LAST))
    }

    pub fn unix(self) -> u64 {
        self.0
    }

    /// Parses RFC 3339 in UTC (`…Z`); a fraction of a second is dropped.
    pub fn parse(text: &str) -> Result<Self, String> {
        let time = humantime::parse_rfc3339(text)
            .map_err(|error| format!("{text:?} is not an RFC 3339 time in UTC: {error}"))?;
        let since =
            time.duration_since(UNIX_EPOCH).map_err(|_before| format!("{text:?} lies before 1970"))?;
        Ok(Self::from_unix(since.as_secs()))
    }

    /// Whole seconds from `earlier` to `self`, 0 if the clock went backwards.
    pub fn seconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(self.0)))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn a_time_is_written_as_rfc_3339_and_read_back() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_795_242_415, "2026-11-21T06:26:55Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp::from_unix(unix).to_string(), text);
            assert_eq!(Timestamp::parse(text), Ok(Timestamp::from_unix(unix)));
        }
    }

    #[test]
    fn a_time_past_the_last_year_can_still_be_written() {
        assert_eq!(Timestamp::from_unix(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn what_is_no_time_is_refused_with_what_was_found() {
        for text in ["", "yesterday", "2026-11-21", "2026-13-01T00:00:00Z"] {
            assert!(Timestamp::parse(text).is_err_and(|message| message.contains(text)), "{text}");
        }
    }
}

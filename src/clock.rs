//! The one place that asks what time it is. Everything else is told.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::time::Timestamp;

/// Now, by the wall clock. A clock set before 1970 reads as 1970.
pub fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the place that the others are sent to")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(since.as_secs())
}

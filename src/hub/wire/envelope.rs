//! The hub's answer to a report: what it asks of the agent until the next one.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Read leniently: a field that is missing or of the wrong type says nothing, and no fault of the hub stops the reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlEnvelope {
    #[serde(default, deserialize_with = "number", skip_serializing_if = "Option::is_none")]
    pub poll_interval_seconds: Option<u64>,
    /// `Some(true)` stops every mutation at once; only `Some(false)` lifts it.
    #[serde(default, deserialize_with = "flag", skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    #[serde(default, deserialize_with = "number", skip_serializing_if = "Option::is_none")]
    pub desired_generation: Option<u64>,
    #[serde(default, deserialize_with = "flag", skip_serializing_if = "Option::is_none")]
    pub has_signed_ops: Option<bool>,
}

/// The bounds of the interval between two reports, whatever the hub asks for.
pub const MIN_INTERVAL: Duration = Duration::from_secs(60);
pub const MAX_INTERVAL: Duration = Duration::from_secs(3600);

impl ControlEnvelope {
    /// The interval asked for, within its bounds.
    pub fn interval(&self) -> Option<Duration> {
        let seconds = self.poll_interval_seconds?;
        Some(Duration::from_secs(seconds).clamp(MIN_INTERVAL, MAX_INTERVAL))
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_u64())
}

fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_bool())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::ControlEnvelope;

    #[test]
    fn an_interval_is_taken_within_its_bounds() {
        for (asked, taken) in
            [("0", 60), ("59", 60), ("300", 300), ("3601", 3600), ("18446744073709551615", 3600)]
        {
            let text = format!("{{\"poll_interval_seconds\":{asked}}}");
            let envelope: ControlEnvelope = serde_json::from_str(&text).unwrap();
            assert_eq!(envelope.interval(), Some(Duration::from_secs(taken)));
        }
    }

    #[test]
    fn what_is_missing_unknown_or_of_the_wrong_type_says_nothing() {
        for text in [
            "{}",
            r#"{"later":{"a":1}}"#,
            r#"{"poll_interval_seconds":"300","blocked":"yes","desired_generation":-1,"has_signed_ops":null}"#,
            r#"{"poll_interval_seconds":1.5,"blocked":1}"#,
        ] {
            let envelope: ControlEnvelope = serde_json::from_str(text).unwrap();
            assert_eq!(envelope, ControlEnvelope::default(), "{text}");
        }
    }

    #[test]
    fn not_blocked_and_silent_about_it_are_two_things() {
        let blocked = |text: &str| serde_json::from_str::<ControlEnvelope>(text).unwrap().blocked;
        assert_eq!(blocked(r#"{"blocked":false}"#), Some(false));
        assert_eq!(blocked(r#"{"blocked":true}"#), Some(true));
        assert_eq!(blocked("{}"), None);
    }
}

//! The maintenance window: the weekly times at which guests may be restarted. In UTC, for a node's own time may jump by an hour.

use super::time::Timestamp;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY: u64 = 24 * 60;
const WEEK: u64 = 7 * DAY;

/// Begin and length in minutes, the begin since Monday 00:00. Without any there is no such time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window(Vec<(u64, u64)>);

impl Window {
    /// `Sun 02:00-05:00`, `daily 23:00-01:00`, several separated by commas; one that ends before it begins ends the next day.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut spans = Vec::new();
        for part in text.split(',').map(str::trim).filter(|_part| !text.is_empty()) {
            let (day, from, long) = span(part).ok_or_else(|| {
                format!("found {part:?}, expected a day and two times, as in Sun 02:00-05:00")
            })?;
            match day {
                Some(day) => spans.push((day * DAY + from, long)),
                None => spans.extend((0..7).map(|day| (day * DAY + from, long))),
            }
        }
        Ok(Self(spans))
    }

    pub fn holds(&self, at: Timestamp) -> bool {
        // The first of January 1970 was a Thursday.
        let minute = (at.unix() / 60 + 3 * DAY) % WEEK;
        self.0.iter().any(|(from, long)| (minute + WEEK - from) % WEEK < *long)
    }
}

/// The day, `None` for each of them; the minute of it; how many minutes.
fn span(part: &str) -> Option<(Option<u64>, u64, u64)> {
    let (day, times) = part.split_once(' ')?;
    let (from, to) = times.trim().split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    let day = match DAYS.iter().zip(0..).find(|(name, _)| **name == day) {
        Some((_, number)) => Some(number),
        None if day == "daily" => None,
        None => return None,
    };
    let long = if to < from { to + DAY - from } else { to - from };
    (from < DAY && long > 0).then_some((day, from, long))
}

/// `02:30`; `24:00` is the end of a day.
fn minute(text: &str) -> Option<u64> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |text: &str| (text.len() == 2).then(|| text.parse::<u64>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= DAY).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::Window;
    use crate::model::time::Timestamp;

    fn holds(window: &str, at: &str) -> bool {
        Window::parse(window).unwrap().holds(Timestamp::parse(at).unwrap())
    }

    /// 2026-11-22 is a Sunday.
    #[test]
    fn a_time_lies_in_the_window_or_not() {
        for (window, at, expected) in [
            ("", "2026-11-22T02:00:00Z", false),
            ("Sun 02:00-05:00", "2026-11-22T01:59:59Z", false),
            ("Sun 02:00-05:00", "2026-11-22T02:00:00Z", true),
            ("Sun 02:00-05:00", "2026-11-22T04:59:59Z", true),
            ("Sun 02:00-05:00", "2026-11-22T05:00:00Z", false),
            ("Sun 02:00-05:00", "2026-11-23T03:00:00Z", false),
            ("Mon 02:00-05:00, Sun 02:00-05:00", "2026-11-22T03:00:00Z", true),
            ("Sun 23:00-01:00", "2026-11-23T00:30:00Z", true),
            ("Sun 23:00-01:00", "2026-11-22T00:30:00Z", false),
            ("daily 22:00-24:00", "2026-11-25T23:59:00Z", true),
            ("daily 22:00-24:00", "2026-11-25T00:00:00Z", false),
            ("daily 00:00-24:00", "2026-11-25T12:00:00Z", true),
            ("Thu 00:00-00:01", "1970-01-01T00:00:30Z", true),
        ] {
            assert_eq!(holds(window, at), expected, "{window} at {at}");
        }
    }

    #[test]
    fn what_is_no_window_is_refused_with_what_was_found() {
        for text in [
            "Sun",
            "Sunday 02:00-05:00",
            "Sun 2-5",
            "Sun 02:00-25:00",
            "Sun 24:00-01:00",
            "Sun 02:00-02:00",
            "a, b",
            ",",
        ] {
            assert!(Window::parse(text).is_err_and(|message| message.contains("Sun 02:00-05:00")), "{text}");
        }
    }
}

//! Values in words, short enough for a line and safe for a terminal: what a guest's owner wrote is escaped.

use crate::model::desired::Value;

const LONGEST: usize = 48;

/// `2`, `"web"`, `[a b]`, `order=1,up=30`, `not set`.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Absent => "not set".to_owned(),
        Value::Text(text) => quoted(text),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Tags(tags) if tags.is_empty() => "empty".to_owned(),
        Value::Tags(tags) => {
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            shortened(&format!("[{}]", tags.join(" ")))
        }
        Value::Startup(startup) => {
            let parts = [("order", startup.order), ("up", startup.up_s), ("down", startup.down_s)];
            let parts = parts.into_iter().filter_map(|(name, part)| Some(format!("{name}={}", part?)));
            parts.collect::<Vec<_>>().join(",")
        }
        Value::List(items) if items.is_empty() => "empty".to_owned(),
        Value::List(items) => shortened(&format!("[{}]", items.join(" "))),
        Value::Map(parts) if parts.is_empty() => "as by default".to_owned(),
        Value::Map(parts) => {
            let parts = parts.iter().map(|(name, part)| format!("{name}={}", shown(part)));
            parts.collect::<Vec<_>>().join(",")
        }
        Value::Raw(text) => format!("{}, which cannot be read", quoted(text)),
    }
}

/// `should be 2`, `should not be set`.
pub(super) fn should_be(value: &Value) -> String {
    match value {
        Value::Absent => "should not be set".to_owned(),
        _ => format!("should be {}", shown(value)),
    }
}

pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

/// Escapes what a terminal would obey, and cuts at a limit.
pub(super) fn shortened(text: &str) -> String {
    let mut cut: String = text.chars().take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        cut.push('…');
    }
    safe(&cut)
}

/// Escapes what a terminal would obey: control characters and what only changes the reading direction.
pub fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '"' | '\'' | '\\') {
            safe.push(character);
        } else {
            safe.extend(character.escape_debug());
        }
    }
    safe
}

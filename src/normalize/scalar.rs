//! Plain values: text, numbers, booleans, and a VM's memory, which is a property string with one part.

use super::{Context, property_string};
use crate::model::desired::Value;

pub(super) fn text(text: &str, _context: Context) -> Value {
    if text.is_empty() { Value::Absent } else { Value::Text(text.to_owned()) }
}

/// A whole number. `abc`, which Proxmox returns as it stands in the file, is no number.
pub(super) fn number(text: &str, _context: Context) -> Value {
    decimal(text).map_or_else(|| Value::Raw(text.to_owned()), Value::Number)
}

/// Perl's booleans, as Proxmox's schema takes them.
pub(super) fn flag(text: &str, _context: Context) -> Value {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Value::Flag(true),
        "0" | "off" | "no" | "false" => Value::Flag(false),
        _ => Value::Raw(text.to_owned()),
    }
}

/// `4096` or `current=4096`.
pub(super) fn vm_memory(text: &str, _context: Context) -> Value {
    let parts = property_string::parse(text, "current").unwrap_or_default();
    let current = parts.get("current").and_then(|number| decimal(number));
    match current {
        Some(current) if parts.len() == 1 => Value::Number(current),
        _ => Value::Raw(text.to_owned()),
    }
}

/// Digits only: `+5`, which Rust would take, is not what Proxmox writes.
pub(super) fn decimal(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

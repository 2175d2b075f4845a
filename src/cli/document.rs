//! Members of a JSON document by their path, as a screen shows them: what is absent, or of another type, is not shown.
//! Typed structures for what is only printed would cost ten times their code.

use serde_json::Value;

use crate::model::time::Timestamp;
use crate::plan::safe;

/// The text there, safe for a terminal; empty if there is none.
pub(super) fn text(document: &Value, path: &str) -> String {
    safe(word(document, path))
}

/// The text there as it is, for comparing; empty if there is none.
pub(super) fn word<'a>(document: &'a Value, path: &str) -> &'a str {
    document.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// A number or a flag there in words, or the text; empty if there is none.
pub(super) fn shown(document: &Value, path: &str) -> String {
    match document.pointer(path) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => safe(text),
        Some(other) => safe(&other.to_string()),
    }
}

pub(super) fn number(document: &Value, path: &str) -> Option<u64> {
    document.pointer(path).and_then(Value::as_u64)
}

pub(super) fn time(document: &Value, path: &str) -> Option<Timestamp> {
    Timestamp::parse(word(document, path)).ok()
}

/// The elements of the array there; none if there is no array.
pub(super) fn list<'a>(document: &'a Value, path: &str) -> &'a [Value] {
    document.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The texts of the array there, in one line.
pub(super) fn joined(document: &Value, path: &str) -> String {
    let texts: Vec<String> = list(document, path).iter().map(|text| shown(text, "")).collect();
    texts.join(", ")
}

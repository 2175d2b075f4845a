//! Parameters of a request: the query and the body, as a form or as JSON.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// A parameter before the schema has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Param {
    Text(String),
    /// A repeated form key, or a JSON array.
    Many(Vec<String>),
    /// A JSON object.
    Object,
}

pub(super) type Params = BTreeMap<String, Param>;

/// `a=1&b=2;c=3`: both separators count, `+` is a blank.
pub(super) fn parse_form(text: &str) -> Params {
    let mut params = Params::new();
    for pair in text.split(['&', ';']).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode(key), decode(value));
        match params.get_mut(&key) {
            None => {
                params.insert(key, Param::Text(value));
            }
            Some(Param::Many(values)) => values.push(value),
            Some(first) => {
                let old = if let Param::Text(text) = first { std::mem::take(text) } else { String::new() };
                *first = Param::Many(vec![old, value]);
            }
        }
    }
    params
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// A JSON body; the error is Perl's.
pub(super) fn parse_json(body: &[u8]) -> Result<Params, String> {
    let text = String::from_utf8_lossy(body);
    let value: Value = serde_json::from_str(&text).map_err(|_| perl_json_error(&text))?;
    let Value::Object(map) = value else { return Ok(Params::new()) };
    Ok(map.into_iter().filter_map(|(key, value)| Some((key, param(value)?))).collect())
}

fn param(value: Value) -> Option<Param> {
    Some(match value {
        Value::Null => return None,
        Value::Array(values) => Param::Many(values.iter().map(scalar).collect()),
        Value::Object(_) => Param::Object,
        other => Param::Text(scalar(&other)),
    })
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => u8::from(*flag).to_string(),
        other => other.to_string(),
    }
}

fn perl_json_error(text: &str) -> String {
    format!(
        "malformed JSON string, neither tag, array, object, number, string or atom, at character offset {} (before \"(end of string)\") at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 934.",
        text.chars().count()
    )
}

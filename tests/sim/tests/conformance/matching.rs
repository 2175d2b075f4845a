//! Whether a found value is the expected one. Exact, except for what varies from run to run, which the suite writes as a type:
//!
//! - `~any`, `~int`, `~number`, `~string`, `~digest`, `~fingerprint`, `~upid:TYPE:ID` (of `root@pam!agent`) or `~upid:TYPE:ID:USER`;
//! - `~like:TEXT` with `{mac}` `{uuid}` `{int}` `{date}` `{stamp}` `{rate}` `{span}` `{text}` in it;
//! - `~words:a,b`: these words in any order; `~not:TEXT`: a text, but not this one;
//! - in an object: `?key` may be absent, `!key` must be, `...` allows further keys;
//! - `{"~unordered": [..]}` a list in any order, `{"~contains": [..]}` a list with at least these.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::suite::text;

/// One difference: where, and what stands there.
#[derive(Clone, Debug)]
pub struct Difference {
    pub at: String,
    pub expected: String,
    pub found: String,
}

impl Difference {
    pub fn new(at: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { at: at.into(), expected: expected.into(), found: found.into() }
    }
}

pub fn differences(at: &str, expected: &Value, found: &Value) -> Vec<Difference> {
    let fails = || vec![Difference::new(at, short(expected), short(found))];
    match expected {
        Value::String(pattern) => {
            if matches_text(pattern, found) {
                Vec::new()
            } else {
                fails()
            }
        }
        Value::Object(keys) if keys.contains_key("repeat") => {
            if found.as_str() == Some(&text(expected)) {
                Vec::new()
            } else {
                fails()
            }
        }
        Value::Object(keys) => {
            if let Some(rows) = keys.get("~unordered").and_then(Value::as_array) {
                in_any_order(at, rows, found, true)
            } else if let Some(rows) = keys.get("~contains").and_then(Value::as_array) {
                in_any_order(at, rows, found, false)
            } else {
                found.as_object().map_or_else(fails, |found| of_object(at, keys, found))
            }
        }
        Value::Array(rows) => match found.as_array() {
            Some(found) if found.len() == rows.len() => {
                let pairs = rows.iter().zip(found).enumerate();
                pairs
                    .flat_map(|(index, (row, found))| differences(&format!("{at}/{index}"), row, found))
                    .collect()
            }
            _ => fails(),
        },
        exact if exact == found => Vec::new(),
        _ => fails(),
    }
}

fn of_object(at: &str, expected: &Map<String, Value>, found: &Map<String, Value>) -> Vec<Difference> {
    let mut all = Vec::new();
    let mut known = BTreeSet::new();
    for (key, value) in expected {
        let (mark, name) = match key.chars().next() {
            Some(mark @ ('?' | '!')) => (mark, &key[1..]),
            _ => (' ', key.as_str()),
        };
        known.insert(name);
        let here = format!("{at}/{name}");
        match (mark, found.get(name)) {
            _ if key == "..." => {}
            ('!', None) | ('?', None) => {}
            ('!', Some(found)) => all.push(Difference::new(here, "no such key", short(found))),
            (_, None) => all.push(Difference::new(here, short(value), "no such key")),
            (_, Some(found)) => all.extend(differences(&here, value, found)),
        }
    }
    if !expected.contains_key("...") {
        for (key, value) in found.iter().filter(|(key, _)| !known.contains(key.as_str())) {
            all.push(Difference::new(format!("{at}/{key}"), "no such key", short(value)));
        }
    }
    all
}

/// Every expected row takes the first free found row it matches.
fn in_any_order(at: &str, rows: &[Value], found: &Value, all_of_them: bool) -> Vec<Difference> {
    let Some(found) = found.as_array() else {
        return vec![Difference::new(at, "a list", short(found))];
    };
    let mut free: Vec<&Value> = found.iter().collect();
    let mut missing = Vec::new();
    for row in rows {
        match free.iter().position(|candidate| differences(at, row, candidate).is_empty()) {
            Some(index) => {
                free.remove(index);
            }
            None => missing.push(row),
        }
    }
    // A row that differs in a little is told by its nearest relative, not as two whole rows.
    let mut all = Vec::new();
    for row in missing {
        let nearest = free.iter().enumerate().min_by_key(|(_, found)| distance(row, found));
        match nearest.map(|(index, found)| (index, differences(at, row, found))) {
            Some((index, near)) if near.len() <= 4 => {
                let name = row.get("vmid").or_else(|| row.get("id")).map(short).unwrap_or_default();
                free.remove(index);
                all.extend(
                    near.into_iter().map(|one| Difference { at: format!("{} (row {name})", one.at), ..one }),
                );
            }
            _ => all.push(Difference::new(at, format!("a row {}", short(row)), short(&found.clone().into()))),
        }
    }
    if all_of_them {
        all.extend(free.iter().map(|row| Difference::new(at, "no such row", short(row))));
    }
    all
}

fn distance(expected: &Value, found: &Value) -> usize {
    let keys = ["vmid", "id", "name", "key", "storage"];
    let differs = |key: &&&str| expected.get(**key).is_some() && expected.get(**key) != found.get(**key);
    1000 * keys.iter().filter(differs).count() + differences("", expected, found).len()
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(700) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

fn matches_text(pattern: &str, found: &Value) -> bool {
    let Some(kind) = pattern.strip_prefix('~') else {
        return found.as_str() == Some(pattern);
    };
    let (kind, rest) = kind.split_once(':').unwrap_or((kind, ""));
    match (kind, found) {
        ("any", _) => true,
        ("int", _) => found.is_u64() || found.is_i64(),
        ("number", _) => found.is_number(),
        ("string", _) => found.is_string(),
        ("digest", Value::String(text)) => {
            text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        ("fingerprint", Value::String(text)) => is_like("{fingerprint}", text),
        ("upid", Value::String(text)) => is_upid(rest, text),
        ("like", Value::String(text)) => is_like(rest, text),
        ("words", Value::String(text)) => words(rest) == words(text),
        ("not", Value::String(text)) => text != rest,
        _ => false,
    }
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split([',', ' ', ';']).collect()
}

/// `UPID:pve:00005B2C:0004C694:6B010DED:vzstart:100:root@pam!agent:`
fn is_upid(rest: &str, text: &str) -> bool {
    let mut wanted = rest.splitn(3, ':');
    let (kind, id) = (wanted.next().unwrap_or(""), wanted.next().unwrap_or(""));
    let user = wanted.next().unwrap_or("root@pam!agent");
    let parts: Vec<&str> = text.split(':').collect();
    let hex = |part: &str, sizes: &[usize]| {
        sizes.contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
    };
    match parts[..] {
        ["UPID", "pve", pid, pstart, start, a, b, c, ""] => {
            hex(pid, &[8]) && hex(pstart, &[8, 9]) && hex(start, &[8]) && (a, b, c) == (kind, id, user)
        }
        _ => false,
    }
}

fn is_like(pattern: &str, text: &str) -> bool {
    let Some(start) = pattern.find('{') else { return pattern == text };
    let Some(end) = pattern[start..].find('}').map(|end| start + end) else { return pattern == text };
    let (name, after) = (&pattern[start + 1..end], &pattern[end + 1..]);
    let Some(rest) = text.strip_prefix(&pattern[..start]) else { return false };
    let cuts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    cuts.into_iter().any(|cut| is_a(name, &rest[..cut]) && is_like(after, &rest[cut..]))
}

fn is_a(name: &str, text: &str) -> bool {
    let shaped = |shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(byte, shape)| match shape {
                b'9' => byte.is_ascii_digit(),
                b'F' => byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte),
                b'x' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
                literal => byte == literal,
            })
    };
    match name {
        "mac" => shaped("BC:24:11:FF:FF:FF"),
        "uuid" => shaped("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
        "date" => shaped("9999-99-99 99:99:99"),
        "stamp" => shaped("9999_99_99-99_99_99"),
        "span" => shaped("99:99:99"),
        "int" => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
        // `2058240 (2.0MiB, 298MiB/s)`
        "rate" => text.ends_with("/s)") && text.starts_with(|first: char| first.is_ascii_digit()),
        "fingerprint" => text.len() == 95 && text.split(':').all(|part| part.len() == 2),
        "text" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::differences;

    #[test]
    fn what_varies_is_written_as_a_type() {
        for (expected, found, same) in [
            (json!("~int"), json!(7), true),
            (json!("~int"), json!("7"), false),
            (json!("~like:a,{mac},b"), json!("a,BC:24:11:AA:00:01,b"), true),
            (json!("~like:a,{mac},b"), json!("a,bc:24:11:aa:00:01,b"), false),
            (
                json!("~upid:vzstart:100"),
                json!("UPID:pve:00005B2C:0004C694:6B010DED:vzstart:100:root@pam!agent:"),
                true,
            ),
            (
                json!("~upid:vzstart:101"),
                json!("UPID:pve:00005B2C:0004C694:6B010DED:vzstart:100:root@pam!agent:"),
                false,
            ),
            (json!({"a": 1, "?b": 2}), json!({"a": 1}), true),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
            (json!({"a": 1, "...": true}), json!({"a": 1, "b": 2}), true),
            (json!({"!b": true, "...": true}), json!({"a": 1, "b": 2}), false),
            (json!({"~unordered": [1, 2]}), json!([2, 1]), true),
            (json!({"~unordered": [1, 2]}), json!([2, 1, 3]), false),
            (json!({"~contains": [1]}), json!([2, 1, 3]), true),
            (json!({"repeat": "ab", "times": 2}), json!("abab"), true),
            (json!(0), json!(0.5), false),
        ] {
            assert_eq!(differences("", &expected, &found).is_empty(), same, "{expected} against {found}");
        }
    }
}

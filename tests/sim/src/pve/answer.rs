//! Answers as the Proxmox API server words and dresses them.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

use crate::api::{ApiError, Reply};
use crate::server::{Answer, Response};

/// Which of the two URL trees was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Formatter {
    Json,
    /// Answers errors with status 200; no client should use it.
    ExtJs,
}

/// Who answers: pveproxy itself, or pvedaemon behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Proxy,
    Daemon,
}

pub(super) fn success(reply: &Reply, from: From, formatter: Formatter, now_unix: u64) -> Answer {
    let mut body = Map::new();
    body.insert("data".to_owned(), reply.data.clone());
    if let Some(total) = reply.total {
        body.insert("total".to_owned(), json!(total));
    }
    if formatter == Formatter::ExtJs {
        body.insert("success".to_owned(), json!(1));
    }
    let connection: &[&str] = match from {
        From::Proxy => &["Keep-Alive"],
        // pvedaemon's own header is passed on beside pveproxy's.
        From::Daemon => &["close", "Keep-Alive"],
    };
    let response = dressed(200, "OK", connection, now_unix);
    Answer::keep(with_json(response, &Value::Object(body)))
}

/// A refusal. `old` leaves out `message`, as nodes before pve-http-server 5.2 do.
pub(super) fn refusal(error: &ApiError, formatter: Formatter, old: bool, now_unix: u64) -> Answer {
    let close = |status| dressed(status, &error.reason, &["close"], now_unix);
    if error.empty_body {
        return Answer::close(close(error.status));
    }
    let mut body = Map::new();
    body.insert("data".to_owned(), Value::Null);
    if !old {
        // A method that does not exist is refused before the error passes through Perl's `die`, which adds the line feed.
        let line_feed = if error.status == 501 { "" } else { "\n" };
        body.insert("message".to_owned(), json!(format!("{}{line_feed}", error.reason)));
    }
    if !error.errors.is_empty() {
        body.insert("errors".to_owned(), json!(error.errors));
    }
    if formatter == Formatter::ExtJs {
        body.insert("success".to_owned(), json!(0));
        body.insert("status".to_owned(), json!(error.status));
        let response = dressed(200, "OK", &["Keep-Alive"], now_unix);
        return Answer::keep(with_json(response, &Value::Object(body)));
    }
    let reason = error.reason.lines().next().unwrap_or_default().to_owned();
    let mut response = close(error.status);
    response.reason = reason;
    Answer::close(with_json(response, &Value::Object(body)))
}

/// A refusal by the HTTP layer: no body, no length, no type.
pub(super) fn bare(status: u16, reason: &str, now_unix: u64) -> Answer {
    Answer::close(dressed(status, reason, &["close"], now_unix))
}

/// A refusal by the HTTP layer whose body is the text itself, without a type.
pub(super) fn text(status: u16, reason: &str, now_unix: u64) -> Answer {
    Answer::close(dressed(status, reason, &["close"], now_unix).body(format!("{reason}\n")))
}

pub(super) fn dressed(status: u16, reason: &str, connection: &[&str], now_unix: u64) -> Response {
    let date = http_date(now_unix);
    let mut response = Response::new(status, reason).header("Cache-Control", "max-age=0");
    for value in connection {
        response = response.header("Connection", value);
    }
    response
        .header("Date", &date)
        .header("Pragma", "no-cache")
        .header("Server", "pve-api-daemon/3.0")
        .header("Expires", &date)
}

fn with_json(response: Response, value: &Value) -> Response {
    let mut text = String::new();
    write_shuffled(value, &mut text);
    response.header("Content-Type", "application/json;charset=UTF-8").body(text)
}

/// JSON with the keys of each object in another order each time, as Perl's hashes have it.
fn write_shuffled(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            for last in (1..keys.len()).rev() {
                keys.swap(last, random_below(last + 1));
            }
            out.push('{');
            for (at, key) in keys.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write_shuffled(&map[key], out);
            }
            out.push('}');
        }
        Value::Array(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_shuffled(value, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// Any order will do, so a counter stirred by a multiplication is random enough.
fn random_below(limit: usize) -> usize {
    static STATE: AtomicU64 = AtomicU64::new(0x9e37_79b9_7f4a_7c15);
    let state = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    let mixed = (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33;
    mixed as usize % limit
}

/// `Sat, 21 Nov 2026 03:18:59 GMT`.
pub(super) fn http_date(unix: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(unix);
    let text = humantime::format_rfc3339_seconds(time).to_string();
    let month: usize = text[5..7].parse().unwrap_or(1);
    let weekday = DAYS[(unix / 86_400 % 7) as usize];
    format!("{weekday}, {} {} {} {} GMT", &text[8..10], MONTHS[month - 1], &text[..4], &text[11..19])
}

//! One record, one line: `{"seq":N,"ts":…,"boot":…,"t":"<kind>",…fields…,"h":"<16 hex>"}`, chained to the line before by its hash.
//! Pure.
//!
//! `h` is the first 16 hex digits of SHA-256 over the `h` of the line before and the bytes of this one up to `,"h":"`. A record that
//! was copied by a compaction or a salvage keeps its number as `was`; `seq` is its place in the chain.

use ring::digest::{Context, SHA256};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::time::Timestamp;

/// In bytes, with the line feed.
pub const MAX_LINE: usize = 64 * 1024;

/// What the first line of all is chained to.
pub(super) const START: &str = "0000000000000000";

/// `,"h":"` and `"}` around 16 digits.
const SUFFIX: usize = 24;
const RESERVED: [&str; 6] = ["seq", "ts", "boot", "t", "h", "was"];

/// A record that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The record's number; a copy has that of its original.
    pub seq: u64,
    pub at: Timestamp,
    /// The first eight characters of the id of the boot it was written in.
    pub boot: String,
    /// The line's `t`.
    pub kind: String,
    pub fields: Map<String, Value>,
    /// 16 lower hex digits.
    pub hash: String,
}

/// A record to be carried over into a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub kind: String,
    pub fields: Map<String, Value>,
    /// Number, time and boot of the record that this is a copy of, if it is to be known by them.
    pub of: Option<(u64, Timestamp, String)>,
}

impl Kept {
    /// A record of the snapshot's own; it gets a new number.
    pub fn new(kind: &str, fields: &impl Serialize) -> Result<Self, String> {
        Ok(Self { kind: kind.to_owned(), fields: object(serde_json::to_value(fields))?, of: None })
    }

    /// The same with other fields, known by the number, time and boot of `entry`.
    pub fn known_as(self, entry: &Entry) -> Self {
        Self { of: Some((entry.seq, entry.at, entry.boot.clone())), ..self }
    }
}

impl From<Entry> for Kept {
    fn from(entry: Entry) -> Self {
        Self { kind: entry.kind, fields: entry.fields, of: Some((entry.seq, entry.at, entry.boot)) }
    }
}

/// Where the chain stands: the last line's number and hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) h: String,
}

impl Link {
    pub(super) fn start() -> Self {
        Self { seq: 0, h: START.to_owned() }
    }
}

/// A line as it stands in the file, with its line feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) link: Link,
}

/// What was read from one line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Read {
    /// The place in the chain.
    pub(super) link: Link,
    pub(super) entry: Entry,
}

pub(super) fn object(value: serde_json::Result<Value>) -> Result<Map<String, Value>, String> {
    match value.map_err(|error| error.to_string())? {
        Value::Object(fields) => Ok(fields),
        Value::Null => Ok(Map::new()),
        _ => Err("its fields are no JSON object".to_owned()),
    }
}

/// Writes a record as the line that follows `before`.
pub(super) fn record(before: &Link, boot: &str, kept: &Kept, now: Timestamp) -> Result<Line, String> {
    if let Some(name) = RESERVED.iter().find(|name| kept.fields.contains_key(**name)) {
        return Err(format!("the name {name} belongs to the journal"));
    }
    let (at, boot) = kept.of.as_ref().map_or((now, boot), |(_, at, boot)| (*at, boot));
    let seq = before.seq.saturating_add(1);
    let quoted = |text: &str| Value::from(text).to_string();
    let mut body =
        format!("{{\"seq\":{seq},\"ts\":\"{at}\",\"boot\":{},\"t\":{}", quoted(boot), quoted(&kept.kind));
    for (name, value) in &kept.fields {
        body.push_str(&format!(",{}:{value}", quoted(name)));
    }
    if let Some((was, ..)) = &kept.of {
        body.push_str(&format!(",\"was\":{was}"));
    }
    sealed(before, body)
}

/// Closes a line that lacks only its hash.
pub(super) fn sealed(before: &Link, body: String) -> Result<Line, String> {
    if holds_a_seal(body.as_bytes()) {
        return Err("a field named h reads like the end of a line".to_owned());
    }
    let h = hash(&before.h, body.as_bytes());
    let text = format!("{body},\"h\":\"{h}\"}}\n");
    Ok(Line { text, link: Link { seq: before.seq.saturating_add(1), h } })
}

/// Reads a line, without its line feed, that should follow `before`.
pub(super) fn read(line: &[u8], before: &Link) -> Result<Read, String> {
    if line.len() >= MAX_LINE {
        return Err(format!("a line of {} bytes", line.len()));
    }
    let read = read_after(line, &before.h)?;
    let expected = before.seq.saturating_add(1);
    if read.link.seq != expected {
        return Err(format!("record {} where {expected} belongs", read.link.seq));
    }
    Ok(read)
}

/// As [`read`], whatever its number.
pub(super) fn read_after(line: &[u8], before: &str) -> Result<Read, String> {
    let (body, h) = seal_of(line).ok_or("a line without its hash")?;
    if hash(before, body) != h {
        return Err("a line whose hash is not that of its content after the line before".to_owned());
    }
    let fields = serde_json::from_slice(line).map_err(|error| format!("a line that is no JSON: {error}"))?;
    parse(fields).ok_or_else(|| "a line without seq, ts, boot or t".to_owned())
}

fn parse(mut fields: Map<String, Value>) -> Option<Read> {
    let mut text = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (at, boot, kind, hash) = (text("ts")?, text("boot")?, text("t")?, text("h")?);
    let seq = fields.remove("seq")?.as_u64()?;
    let was = match fields.remove("was") {
        Some(was) => was.as_u64()?,
        None => seq,
    };
    let entry = Entry { seq: was, at: Timestamp::parse(&at).ok()?, boot, kind, fields, hash: hash.clone() };
    Some(Read { link: Link { seq, h: hash }, entry })
}

/// The line without its seal, and the hash in the seal.
pub(super) fn seal_of(line: &[u8]) -> Option<(&[u8], &str)> {
    let (body, suffix) = line.split_at_checked(line.len().checked_sub(SUFFIX)?)?;
    let h = suffix.strip_prefix(b",\"h\":\"")?.strip_suffix(b"\"}")?;
    let digits = h.len() == 16 && h.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    digits.then(|| std::str::from_utf8(h).ok().map(|h| (body, h))).flatten()
}

/// Whether the end of a line stands anywhere in these bytes.
pub(super) fn holds_a_seal(bytes: &[u8]) -> bool {
    bytes.windows(SUFFIX).any(|window| window.first() == Some(&b',') && seal_of(window).is_some())
}

fn hash(before: &str, body: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(before.as_bytes());
    context.update(body);
    hex(context.finish().as_ref())
}

/// The first 16 hex digits.
pub(super) fn hex(digest: &[u8]) -> String {
    let digits = *b"0123456789abcdef";
    let digit = |nibble: u8| digits.get(usize::from(nibble)).copied().map_or('0', char::from);
    digest.iter().take(8).flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Kept, Link, read, record};
    use crate::model::time::Timestamp;

    fn line(fields: serde_json::Value) -> Result<super::Line, String> {
        let kept = Kept::new("note", &fields)?;
        record(&Link::start(), "0badcafe", &kept, Timestamp::from_unix(1_795_242_415))
    }

    #[test]
    fn a_record_is_a_line_of_the_form_that_is_documented() {
        assert_eq!(
            // The hash is sha256sum's.
            line(json!({"what": "a\nb", "n": 1})).unwrap().text,
            "{\"seq\":1,\"ts\":\"2026-11-21T06:26:55Z\",\"boot\":\"0badcafe\",\"t\":\"note\",\"n\":1,\
             \"what\":\"a\\nb\",\"h\":\"HASH\"}\n"
                .replace("HASH", "11f5ca5388dfaa6e")
        );
    }

    #[test]
    fn what_would_read_as_a_part_of_the_journal_is_refused() {
        for name in ["seq", "ts", "boot", "t", "h", "was"] {
            assert!(line(json!({ name: 1 })).is_err_and(|why| why.contains(name)), "{name}");
        }
        let nested = json!({"x": {"a": 1, "h": "0123456789abcdef"}});
        assert!(line(nested).is_err_and(|why| why.contains("the end of a line")));
        line(json!([1])).unwrap_err();
    }

    #[test]
    fn a_copy_keeps_number_time_and_boot_of_its_original() {
        let first = line(json!({"x": "y"})).unwrap();
        let read_back = read(first.text.trim_end().as_bytes(), &Link::start()).unwrap();
        let original = super::Entry { seq: 900, ..read_back.entry };
        let before = Link { seq: 6, h: "0123456789abcdef".to_owned() };
        let copy = record(&before, "ffffffff", &original.clone().into(), Timestamp::from_unix(2_000_000_000))
            .unwrap();
        let copied = read(copy.text.trim_end().as_bytes(), &before).unwrap();
        assert_eq!(copied.link, copy.link);
        assert_eq!(copied.entry, super::Entry { hash: copy.link.h, ..original });
    }
}

//! One file of the journal: what its first line says, and how far its content can be believed. Pure.
//!
//! The chain alone tells damage from the ordinary end of a crash: **torn** is a bad end that holds no end of a record and no line
//! feed, because a record that was synced ends in both. Everything else that is bad is **corrupt**. Nothing in a segment is ever
//! changed: the next one says in its first line how many bytes of it count.

use serde_json::{Map, Value};

use crate::model::time::Timestamp;

use super::identity::Identity;
use super::line::{self, Entry, Line, Link};

/// The `t` of a segment's first line.
pub(super) const HEADER: &str = "hdr";
const VERSION: u64 = 1;
const SUFFIX: &str = ".jsonl";

/// Why a segment does not go on where the one before ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It does.
    Continued,
    /// The first of all.
    Fresh,
    /// It begins with a snapshot of all that came before.
    Compaction,
    /// It begins with what a salvage kept.
    Salvage,
    /// All before it was gone.
    Lost,
}

const ORIGINS: [(Origin, &str); 5] = [
    (Origin::Continued, "continued"),
    (Origin::Fresh, "fresh"),
    (Origin::Compaction, "compaction"),
    (Origin::Salvage, "salvage"),
    (Origin::Lost, "lost"),
];

/// What the first line of a segment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// A UUID; the same in all segments of one journal.
    pub(super) journal: String,
    pub(super) segment: u64,
    pub(super) origin: Origin,
    /// How many bytes of the segment before count.
    pub(super) prev_len: u64,
    pub(super) prev_h: String,
    pub(super) host: String,
    pub(super) machine: String,
    /// The birth of the file itself.
    pub(super) file: String,
}

impl Header {
    pub(super) fn line(&self, before: &Link, identity: &Identity, now: Timestamp) -> Result<Line, String> {
        let seq = before.seq.saturating_add(1);
        let origin = ORIGINS.iter().find(|(origin, _)| *origin == self.origin).map_or("", |(_, name)| name);
        let quoted = |text: &str| Value::from(text).to_string();
        let body = format!(
            "{{\"seq\":{seq},\"t\":\"{HEADER}\",\"v\":{VERSION},\"journal\":{},\"segment\":{},\"prev_h\":{},\"host\":{},\
             \"boot\":{},\"ts\":\"{now}\",\"machine\":{},\"file\":{},\"origin\":\"{origin}\",\"prev_len\":{}",
            quoted(&self.journal),
            self.segment,
            quoted(&self.prev_h),
            quoted(&self.host),
            quoted(identity.boot()),
            quoted(&self.machine),
            quoted(&self.file),
            self.prev_len,
        );
        line::sealed(before, body)
    }

    fn parse(fields: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| fields.get(name)?.as_str().map(str::to_owned);
        let number = |name: &str| fields.get(name)?.as_u64();
        let origin = text("origin")?;
        (number("v")? == VERSION).then_some(())?;
        Some(Self {
            journal: text("journal")?,
            segment: number("segment")?,
            origin: ORIGINS.iter().find(|(_, name)| *name == origin)?.0,
            prev_len: number("prev_len")?,
            prev_h: text("prev_h")?,
            host: text("host")?,
            machine: text("machine")?,
            file: text("file")?,
        })
    }

    /// The header at the beginning of these bytes, and what it is chained to; proven by its own hash.
    pub(super) fn at_start_of(bytes: &[u8]) -> Option<(Self, Link)> {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let first = bytes.get(..end)?;
        let fields: Map<String, Value> = serde_json::from_slice(first).ok()?;
        let header = Self::parse(&fields)?;
        let read = line::read_after(first, &header.prev_h).ok()?;
        (read.entry.kind == HEADER).then_some(())?;
        let before = Link { seq: read.link.seq.checked_sub(1)?, h: header.prev_h.clone() };
        Some((header, before))
    }
}

/// How a segment's content ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// The last record is whole and lacks its line feed, or the file goes on with nothing but zeros.
    Unfinished,
    /// As a write ends that a crash cut off.
    Torn {
        bytes: u64,
    },
    Corrupt {
        why: String,
    },
}

/// What can be believed of a segment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Content {
    /// Without the header.
    pub(super) entries: Vec<Entry>,
    /// The hash of each line by its place in the chain, beginning with the header's.
    pub(super) links: Vec<Link>,
    pub(super) length: u64,
    pub(super) end: End,
}

/// Reads the bytes of a segment whose first line should follow `before`.
pub(super) fn read(bytes: &[u8], before: &Link) -> Content {
    let mut content = Content { entries: Vec::new(), links: Vec::new(), length: 0, end: End::Whole };
    let mut link = before.clone();
    let mut rest = bytes;
    while !rest.is_empty() {
        let found = rest.iter().position(|byte| *byte == b'\n');
        let one = match found {
            Some(at) => rest.get(..at).unwrap_or_default(),
            None => without_zeros(rest),
        };
        let read = match line::read(one, &link) {
            Ok(read) if (read.entry.kind == HEADER) == content.links.is_empty() => read,
            Ok(_) => return Content { end: bad(rest, "a header where none belongs, or none"), ..content },
            Err(why) => return Content { end: bad(rest, &why), ..content },
        };
        link = read.link;
        content.links.push(link.clone());
        if read.entry.kind != HEADER {
            content.entries.push(read.entry);
        }
        let taken = one.len() + usize::from(found.is_some());
        content.length = content.length.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
        if found.is_none() {
            return Content { end: End::Unfinished, ..content };
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    content
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

/// What a bad end is: a write cut off, or damage.
fn bad(rest: &[u8], why: &str) -> End {
    if rest.contains(&b'\n') || line::holds_a_seal(rest) {
        End::Corrupt { why: why.to_owned() }
    } else {
        End::Torn { bytes: u64::try_from(rest.len()).unwrap_or(u64::MAX) }
    }
}

/// `00000012.jsonl`
pub(super) fn name(segment: u64) -> String {
    format!("{segment:08}{SUFFIX}")
}

/// The number of a segment by the name of its file.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let segment = digits.parse().ok()?;
    (self::name(segment) == name).then_some(segment)
}

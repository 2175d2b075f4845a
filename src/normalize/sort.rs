//! What a value may be: how Proxmox's text of it is read, and how a value is written. One table for both directions,
//! and the manifest's parser reads the same one.

use super::map::Map;
use super::{Context, description, form::Form, startup, tags};
use crate::model::desired::Value;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The values a field, or a part of one, may have.
#[derive(Clone, Copy, Debug)]
pub enum Sort {
    Text(&'static Form),
    OneOf(&'static [&'static str]),
    Description,
    /// From, to.
    Number(u64, u64),
    /// Clamped by Proxmox to 10000.
    Units(u64),
    /// A VM's memory: `4096` or `current=4096`.
    Memory(u64, u64),
    /// `0.5`; at most this.
    Decimal(u64),
    Flag,
    Tags,
    Startup,
    List(&'static Series),
    Map(&'static Map),
    /// A VM's machine type, which Proxmox may pin to a version.
    Machine(&'static Form),
}

/// Several values in one text.
#[derive(Debug)]
pub struct Series {
    pub item: &'static Form,
    /// What may stand between two; the first is what is written.
    pub between: &'static [char],
    pub ordered: bool,
    /// `order=`
    pub prefix: &'static str,
    /// Words that stand for a series.
    pub words: &'static [(&'static str, &'static str)],
    pub encoded: bool,
}

/// Most of what Proxmox allows for.
pub const MOST_UNITS: u64 = 10_000;

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Sort {
    /// What Proxmox returned; what does not parse is [`Value::Raw`].
    pub fn read(&self, text: &str, context: Context) -> Value {
        let raw = || Value::Raw(text.to_owned());
        match self {
            Self::Text(_) if text.is_empty() => Value::Absent,
            Self::Text(form) | Self::Machine(form) => (form.take)(text).map_or_else(raw, Value::Text),
            Self::OneOf(names) if names.contains(&text) => Value::Text(text.to_owned()),
            Self::OneOf(_) => raw(),
            Self::Description => description::canonical(context.guest.kind, text),
            Self::Number(..) => decimal(text).map_or_else(raw, Value::Number),
            Self::Units(_) => decimal(text).map_or_else(raw, |units| Value::Number(units.min(MOST_UNITS))),
            Self::Memory(..) => {
                let text = text.strip_prefix("current=").unwrap_or(text);
                decimal(text).map_or_else(raw, Value::Number)
            }
            Self::Decimal(_) => fraction(text).unwrap_or_else(raw),
            Self::Flag => flag(text).map_or_else(raw, Value::Flag),
            Self::Tags => tags::parse(text, context),
            Self::Startup => startup::parse(text),
            Self::List(series) => series.read(text).map_or_else(raw, Value::List),
            Self::Map(map) => map.read(text, context).map_or_else(raw, Value::Map),
        }
    }

    /// What a guest has of it while nothing is said.
    pub fn nothing(&self) -> Value {
        match self {
            Self::Tags => Value::Tags(crate::model::sorted::Set::new()),
            Self::List(_) => Value::List(Vec::new()),
            _ => Value::Absent,
        }
    }

    /// As Proxmox takes it; `None`: nothing that could be written. A map is written by `Map::merge`.
    pub fn print(&self, value: &Value) -> Option<String> {
        match value {
            Value::Absent | Value::Map(_) => None,
            Value::Text(text) | Value::Raw(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Flag(flag) => Some(if *flag { "1" } else { "0" }.to_owned()),
            // The empty string would be read back as one blank.
            Value::Tags(tags) if tags.is_empty() => None,
            Value::Tags(tags) => Some(tags::print(tags)),
            Value::Startup(startup) => Some(startup::print(*startup)),
            Value::List(items) => match self {
                Self::List(series) => series.print(items),
                _ => None,
            },
        }
    }
}

impl Series {
    /// Each in its normal form; `None`: not this kind of series.
    pub fn read(&self, text: &str) -> Option<Vec<String>> {
        let word = self.words.iter().find(|(word, _)| *word == text);
        let text = word.map_or(text, |(_, series)| series);
        let decoded;
        let text = if self.encoded {
            decoded = percent_decode_str(text).decode_utf8().ok()?;
            &decoded
        } else {
            text.strip_prefix(self.prefix)?
        };
        let items = text.split(self.between).map(str::trim).filter(|item| !item.is_empty());
        Some(self.in_order(items.map(|item| (self.item.take)(item)).collect::<Option<_>>()?))
    }

    /// Sorted, each once, where the order does not matter.
    pub fn in_order(&self, mut items: Vec<String>) -> Vec<String> {
        if !self.ordered {
            items.sort_unstable();
            items.dedup();
        }
        items
    }

    fn print(&self, items: &[String]) -> Option<String> {
        if items.is_empty() {
            let word = self.words.iter().find(|(_, series)| series.is_empty());
            return word.map(|(word, _)| (*word).to_owned());
        }
        let text = items.join(self.between.first().unwrap_or(&' ').encode_utf8(&mut [0; 4]));
        if self.encoded {
            return Some(utf8_percent_encode(&text, ENCODED).to_string());
        }
        Some(format!("{}{text}", self.prefix))
    }
}

/// Perl's booleans, as Proxmox's schema takes them.
fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Some(true),
        "0" | "off" | "no" | "false" => Some(false),
        _ => None,
    }
}

/// Digits only: `+5`, which Rust would take, is not what Proxmox writes.
pub(super) fn decimal(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// `2` and `2.0` are one number, `0.50` is `0.5`; a fraction stays text.
pub fn fraction(text: &str) -> Option<Value> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let (whole, rest) = (decimal(whole)?, rest.trim_end_matches('0'));
    if rest.is_empty() {
        return Some(Value::Number(whole));
    }
    rest.bytes().all(|byte| byte.is_ascii_digit()).then(|| Value::Text(format!("{whole}.{rest}")))
}

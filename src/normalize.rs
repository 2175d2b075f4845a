//! What the manifest says and what Proxmox answers, brought to one value each, so that two values are equal exactly
//! when Proxmox treats them as the same. Pure. One table row per field and kind of guest: a new field is a new row.
//! What was read is never written back: a write is printed from the desired value alone.

use crate::model::desired::{DesiredGuest, Field, Value};
use crate::model::guest::{GuestId, GuestKind};

pub mod description;
pub mod features;
pub mod form;
mod lxc;
pub mod map;
pub mod net;
pub mod property_string;
mod rule;
pub mod sort;
pub mod startup;
pub mod tags;
mod vm;
pub mod volume;

pub use sort::Sort;

/// 64 TiB. Proxmox names no limit; a number beyond this is a slip of the pen.
pub const MAX_MEMORY_MB: u64 = 64 * 1024 * 1024;

/// What a value means depends on whose it is, and on the datacenter's tag style.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    pub guest: GuestId,
    pub tag_case: tags::TagCase,
}

/// How one field of one kind of guest is kept in Proxmox.
#[derive(Clone, Copy)]
pub struct Row {
    /// The first of those that are numbered stands for all.
    pub field: Field,
    /// Proxmox's own key, without a number.
    key: &'static str,
    pub sort: Sort,
    /// Proxmox's text of what the guest has while the key is not there; empty: nothing that a text says.
    default: &'static str,
    /// Proxmox lets the key be deleted, and its absence means what the schema says.
    deletable: bool,
    pub takes_effect: TakesEffect,
    /// What else is to be known of it, as a sentence.
    says: &'static str,
    /// Privileges a token needs for the write: on `/vms/{vmid}`, unless the path is named.
    pub privileges: &'static [Privilege],
}

const fn plain(
    field: Field,
    key: &'static str,
    sort: Sort,
    default: &'static str,
    takes_effect: TakesEffect,
    privileges: &'static [Privilege],
) -> Row {
    Row { field, key, sort, default, deletable: true, takes_effect, says: "", privileges }
}

/// When a value that is written to a running guest begins to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakesEffect {
    AtOnce,
    AtNextStart,
    /// It is decided when the guest is made.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    OnGuest(&'static str),
    OnRoot(&'static str),
}

/// The write that brings a field about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    Set(String),
    Delete,
}

/// The row of a field, if this kind of guest has it.
pub fn row(field: Field, kind: GuestKind) -> Option<&'static Row> {
    let family = match field {
        Field::Net(_) => Field::Net(0),
        Field::IpConfig(_) => Field::IpConfig(0),
        other => other,
    };
    rows(kind).iter().find(|row| row.field == family)
}

/// The field that Proxmox keeps under this key, if there is one.
pub fn field_of(key: &str, kind: GuestKind) -> Option<Field> {
    let plain = || rows(kind).iter().find(|row| row.key == key && !row.is_numbered()).map(|row| row.field);
    Field::numbered(key).filter(|field| row(*field, kind).is_some()).or_else(plain)
}

/// What Proxmox keeps in a configuration for itself, and what makes a guest this one and no other: nobody's to manage.
pub fn is_proxmox_s_own(key: &str) -> bool {
    const KEYS: [&str; 10] = [
        "digest",
        "lock",
        "meta",
        "parent",
        "smbios1",
        "snapstate",
        "snaptime",
        "template",
        "vmgenid",
        "vmstate",
    ];
    KEYS.contains(&key) || key.starts_with("running")
}

pub fn rows(kind: GuestKind) -> &'static [Row] {
    match kind {
        GuestKind::Lxc => &lxc::ROWS,
        GuestKind::Qemu => &vm::ROWS,
    }
}

/// All that is wanted of a guest, in Proxmox's keys and values, for the call that makes it.
pub fn creation(desired: &DesiredGuest, tag_case: tags::TagCase) -> Vec<(&'static str, String)> {
    let context = Context { guest: desired.guest, tag_case };
    let one = |(field, value): (&Field, &Value)| {
        let row = row(*field, desired.guest.kind)?;
        match row.write(*field, value, None, context) {
            Written::Set(text) => Some((row.key(*field), text)),
            Written::Delete => None,
        }
    };
    desired.fields.iter().filter_map(one).collect()
}

impl Row {
    const fn saying(self, says: &'static str) -> Self {
        Self { says, ..self }
    }

    /// Brought back to its default by a write.
    const fn kept(self) -> Self {
        Self { deletable: false, ..self }
    }

    pub fn is_numbered(&self) -> bool {
        matches!(self.field, Field::Net(_) | Field::IpConfig(_))
    }

    /// Proxmox's own key.
    pub fn key(&self, field: Field) -> &'static str {
        if self.is_numbered() { field.as_str() } else { self.key }
    }

    /// The value of what Proxmox returned; `None`: the key is not there.
    pub fn read(&self, text: Option<&str>, context: Context) -> Value {
        match text {
            None => self.default(context),
            Some(text) => self.settle(self.sort.read(text, context), context),
        }
    }

    /// The desired value as it will be read back once it is written.
    pub fn canonical(&self, desired: &Value, context: Context) -> Value {
        let value = match (desired, &self.sort) {
            (Value::Text(text), Sort::Description) => description::canonical(context.guest.kind, text),
            (Value::Tags(tags), _) => Value::Tags(tags::canonical(tags, context.tag_case)),
            (Value::Number(units), Sort::Units(_)) => Value::Number((*units).min(sort::MOST_UNITS)),
            _ => desired.clone(),
        };
        self.settle(value, context)
    }

    /// Whether what is wanted, in its normal form, is not what is there.
    pub fn differs(&self, wanted: &Value, there: &Value, context: Context) -> bool {
        match (wanted, there, &self.sort) {
            (Value::Absent, Value::Map(parts), _) => !parts.is_empty(),
            (Value::Map(_), Value::Absent, Sort::Map(map)) if map.card => true,
            (Value::Map(wanted), Value::Absent, Sort::Map(map)) => {
                !map.differing(wanted, &[], context).is_empty()
            }
            (Value::Map(wanted), Value::Map(there), Sort::Map(map)) => {
                !map.differing(wanted, there, context).is_empty()
            }
            _ => wanted != there,
        }
    }

    /// Both, without the parts that do not differ.
    pub fn narrowed(&self, wanted: &Value, there: &Value, context: Context) -> (Value, Value) {
        let (Value::Map(parts), Sort::Map(map)) = (wanted, &self.sort) else {
            return (wanted.clone(), there.clone());
        };
        let now: &[(&'static str, Value)] = if let Value::Map(now) = there { now } else { &[] };
        let differing: Vec<(&'static str, Value)> =
            map.differing(parts, now, context).into_iter().cloned().collect();
        let wanted = Value::Map(differing);
        let there = self.shared(&wanted, there);
        (wanted, there)
    }

    /// What is there, without the parts that this does not name.
    pub fn shared(&self, wanted: &Value, there: &Value) -> Value {
        match (wanted, there) {
            (Value::Map(wanted), Value::Map(now)) => {
                let named = |part: &&(&str, Value)| wanted.iter().any(|(name, _)| *name == part.0);
                Value::Map(now.iter().filter(named).cloned().collect())
            }
            (_, other) => other.clone(),
        }
    }

    /// The write that makes this key be as desired; `there` is what the key holds, of which a map keeps the parts that
    /// nobody wants otherwise.
    pub fn write(&self, field: Field, desired: &Value, there: Option<&str>, context: Context) -> Written {
        let value = match desired {
            // Printed as said, not as its default: the owner asked for the default, whatever it is.
            Value::Absent => Value::Absent,
            _ => self.canonical(desired, context),
        };
        let text = match (&value, &self.sort) {
            (Value::Map(parts), Sort::Map(map)) => {
                let number =
                    if let Field::Net(number) | Field::IpConfig(number) = field { number } else { 0 };
                map.merge(parts, there, number, context)
            }
            _ => self.sort.print(&value),
        };
        match text {
            Some(text) => Written::Set(text),
            None if self.deletable => Written::Delete,
            None => Written::Set(self.default.to_owned()),
        }
    }

    /// "Nothing" becomes what the guest has then.
    fn settle(&self, value: Value, context: Context) -> Value {
        if value == Value::Absent { self.default(context) } else { value }
    }

    fn default(&self, context: Context) -> Value {
        if self.key == "hostname" {
            return Value::Text(format!("CT{}", context.guest.vmid));
        }
        if self.default.is_empty() { self.sort.nothing() } else { self.sort.read(self.default, context) }
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} as {}", self.field, self.key(self.field))
    }
}

#[cfg(test)]
pub(crate) mod round_trips;

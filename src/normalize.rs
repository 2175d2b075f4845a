//! What the manifest says and what Proxmox answers, brought to one value each, so that two values are equal exactly
//! when Proxmox treats them as the same. Pure. One table row per field and kind of guest: a new field is a new row.
//! What was read is never written back: a write is printed from the desired value alone.

use crate::model::desired::{Field, Value};
use crate::model::guest::{GuestId, GuestKind};

pub mod description;
pub mod lxc;
pub mod property_string;
pub mod scalar;
pub mod startup;
pub mod tags;
pub mod vm;
pub mod volume;

/// What a value means depends on whose it is, and on the datacenter's tag style.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    pub guest: GuestId,
    pub tag_case: tags::TagCase,
}

/// How one field of one kind of guest is kept in Proxmox.
#[derive(Clone, Copy)]
pub struct Row {
    pub field: Field,
    /// Proxmox's own key.
    pub key: &'static str,
    /// Text that Proxmox returned; what does not parse is [`Value::Raw`].
    parse: fn(&str, Context) -> Value,
    /// What the guest has while the key is not there: `Absent`, or the default that Proxmox then uses.
    default: fn(GuestId) -> Value,
    unset: Unset,
    pub takes_effect: TakesEffect,
    /// Privileges a token needs for the write: on `/vms/{vmid}`, unless the path is named.
    pub privileges: &'static [Privilege],
}

/// How a field is brought back to its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unset {
    Delete,
    /// The key cannot be deleted, or its absence would not mean what the schema says.
    Write(&'static str),
}

/// When a value that is written to a running guest begins to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakesEffect {
    AtOnce,
    AtNextStart,
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
    rows(kind).iter().find(|row| row.field == field)
}

pub fn rows(kind: GuestKind) -> &'static [Row] {
    match kind {
        GuestKind::Lxc => &lxc::ROWS,
        GuestKind::Qemu => &vm::ROWS,
    }
}

impl Row {
    /// The value of what Proxmox returned; `None`: the key is not there.
    pub fn read(&self, text: Option<&str>, context: Context) -> Value {
        match text {
            None => (self.default)(context.guest),
            Some(text) => self.settle((self.parse)(text, context), context.guest),
        }
    }

    /// The desired value as it will be read back once it is written.
    pub fn canonical(&self, desired: &Value, context: Context) -> Value {
        let value = match desired {
            Value::Text(text) if self.field == Field::Description => {
                description::canonical(context.guest.kind, text)
            }
            Value::Tags(tags) => Value::Tags(tags::canonical(tags, context.tag_case)),
            Value::Absent
            | Value::Text(_)
            | Value::Number(_)
            | Value::Flag(_)
            | Value::Startup(_)
            | Value::Raw(_) => desired.clone(),
        };
        self.settle(value, context.guest)
    }

    /// The write that makes this key be as desired.
    pub fn write(&self, desired: &Value, context: Context) -> Written {
        let value = match desired {
            // Printed as said, not as its default: the owner asked for the default, whatever it is.
            Value::Absent => Value::Absent,
            _ => self.canonical(desired, context),
        };
        let text = match value {
            Value::Absent => None,
            Value::Text(text) | Value::Raw(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Flag(flag) => Some(if flag { "1" } else { "0" }.to_owned()),
            // The empty string would be read back as one blank.
            Value::Tags(tags) if tags.is_empty() => None,
            Value::Tags(tags) => Some(tags::print(&tags)),
            Value::Startup(startup) => Some(startup::print(startup)),
        };
        match (text, self.unset) {
            (Some(text), _) => Written::Set(text),
            (None, Unset::Delete) => Written::Delete,
            (None, Unset::Write(text)) => Written::Set(text.to_owned()),
        }
    }

    /// "Nothing" becomes what the guest has then.
    fn settle(&self, value: Value, guest: GuestId) -> Value {
        if value == Value::Absent { (self.default)(guest) } else { value }
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} as {}", self.field, self.key)
    }
}

#[cfg(test)]
pub(crate) mod round_trips;

//! Values with named parts, which Proxmox keeps as one property string: compared part by part, and only in the parts that
//! are wanted. What is not named stays in the write as it was read.

use super::{Context, Sort, property_string};
use crate::model::desired::Value;

/// A property string.
#[derive(Debug)]
pub struct Map {
    pub parts: &'static [Part],
    /// The key whose name may be left out.
    pub bare: &'static str,
    /// Other names of keys.
    pub aliases: &'static [(&'static str, &'static str)],
    /// What is written for a key that must be there and that nobody named.
    pub needs: Option<(&'static str, &'static str)>,
    /// That it is there is something of its own: a card.
    pub card: bool,
}

/// One part: its name in the manifest, its key in Proxmox, and what it is while it is not there.
#[derive(Debug)]
pub struct Part {
    pub name: &'static str,
    pub key: &'static str,
    pub sort: Sort,
    pub default: &'static str,
    /// The guest can be without it.
    pub removable: bool,
    /// Written to a running guest it is in its configuration at once and on the running card only from its next start. Proxmox
    /// shows nothing of that as pending.
    pub late: bool,
}

pub const fn part(name: &'static str, key: &'static str, sort: Sort, default: &'static str) -> Part {
    Part { name, key, sort, default, removable: true, late: false }
}

/// What a card always has.
pub const fn lasting(name: &'static str, key: &'static str, sort: Sort) -> Part {
    Part { removable: false, ..part(name, key, sort, "") }
}

pub const fn late(part: Part) -> Part {
    Part { late: true, ..part }
}

/// The model stands before the address in a VM's network card.
const MODEL: &str = "model";
const ADDRESS: &str = "macaddr";

impl Map {
    /// The parts that are not what they are by default; `None`: Proxmox would not take this text.
    pub(super) fn read(&self, text: &str, context: Context) -> Option<Vec<(&'static str, Value)>> {
        let raw = self.split(text)?;
        let parts = self.parts.iter().filter_map(|part| {
            let (_, text) = raw.iter().find(|(key, _)| *key == part.key)?;
            let value = part.sort.read(text, context);
            (!part.is_default(&value, context)).then_some((part.name, value))
        });
        Some(parts.collect())
    }

    /// The parts that are wanted otherwise than they are.
    pub(super) fn differing<'a>(
        &self,
        wanted: &'a [(&'static str, Value)],
        there: &[(&'static str, Value)],
        context: Context,
    ) -> Vec<&'a (&'static str, Value)> {
        let differs = |(name, wanted): &&(&'static str, Value)| {
            let there = there.iter().find(|(there, _)| there == name).map(|(_, value)| value);
            let part = self.parts.iter().find(|part| part.name == *name);
            part.is_some_and(|part| !part.same(wanted, there, context))
        };
        wanted.iter().filter(differs).collect()
    }

    /// The keys of a text that no part stands for. A card's type is always the same.
    pub fn foreign<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let known = |key: &str| self.parts.iter().any(|part| part.key == key) || (self.card && key == "type");
        let keys = self.split(text).unwrap_or_default().into_iter().map(|(key, _)| key);
        keys.filter(|key| !known(key)).collect()
    }

    /// The text in which the wanted parts are as wanted and all others as they stand in `there`.
    pub(super) fn merge(
        &self,
        wanted: &[(&'static str, Value)],
        there: Option<&str>,
        number: u8,
        context: Context,
    ) -> Option<String> {
        let mut raw: Vec<(&str, String)> = there
            .and_then(|text| self.split(text))
            .unwrap_or_default()
            .into_iter()
            .map(|(key, text)| (key, text.to_owned()))
            .collect();
        let now = there.and_then(|text| self.read(text, context)).unwrap_or_default();
        for (name, value) in self.differing(wanted, &now, context) {
            let Some(part) = self.parts.iter().find(|part| part.name == *name) else { continue };
            raw.retain(|(key, _)| *key != part.key);
            let text = if part.is_default(value, context) { None } else { part.sort.print(value) };
            raw.extend(text.map(|text| (part.key, text)));
        }
        self.print(raw, number)
    }

    fn print(&self, mut raw: Vec<(&str, String)>, number: u8) -> Option<String> {
        let needs = self
            .needs
            .filter(|(key, _)| (self.card || !raw.is_empty()) && !raw.iter().any(|(there, _)| there == key));
        if let Some((key, text)) = needs {
            // The first interface is eth0.
            raw.push((key, if key == "name" { format!("{text}{number}") } else { text.to_owned() }));
        }
        let mut take = |key: &str| {
            let place = raw.iter().position(|(there, _)| *there == key)?;
            Some(raw.remove(place).1)
        };
        let bare = if self.bare.is_empty() { None } else { take(self.bare) };
        let address = if self.bare == MODEL { take(ADDRESS) } else { None };
        let mut text = bare.unwrap_or_default();
        if let Some(address) = address {
            text = format!("{text}={address}");
        }
        for (key, part) in raw {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(key);
            text.push('=');
            text.push_str(&part);
        }
        (!text.is_empty()).then_some(text)
    }

    /// Key and text of each part, under its own key.
    fn split<'a>(&self, text: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        if text.contains(['\n', '\r']) {
            return None;
        }
        let mut raw = Vec::new();
        for (key, value) in property_string::parse(text, self.bare)? {
            if self.bare == MODEL && super::net::MODELS.contains(&key) {
                raw.push((MODEL, key));
                raw.push((ADDRESS, value));
                continue;
            }
            let alias = self.aliases.iter().find(|(alias, _)| *alias == key);
            raw.push((alias.map_or(key, |(_, key)| key), value));
        }
        Some(raw)
    }
}

impl Part {
    fn is_default(&self, value: &Value, context: Context) -> bool {
        *value == Value::Absent
            || (!self.default.is_empty() && *value == self.sort.read(self.default, context))
    }

    fn same(&self, wanted: &Value, there: Option<&Value>, context: Context) -> bool {
        match (wanted, there) {
            (wanted, None) => self.is_default(wanted, context),
            // Proxmox pins a machine to a version of its own.
            (Value::Text(wanted), Some(Value::Text(there))) if matches!(self.sort, Sort::Machine(_)) => {
                wanted == there || wanted == super::form::unpinned(there)
            }
            (wanted, Some(there)) => wanted == there,
        }
    }
}

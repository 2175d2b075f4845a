//! The three layers (file, environment, flags) to one value a setting, each with where it came from.

use std::path::Path;

use super::document::{self, Document};
use super::fault::{Fault, Origin};
use super::setting::{self, Kind, ONE_OF, PREFIX, Setting};
use crate::model::sorted::Map;

/// A value of the right shape for its setting; what it says is checked later.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
}

#[derive(Clone)]
pub(super) struct Found {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// What was gathered so far.
#[derive(Default)]
pub(super) struct Layers {
    /// By `section.key`.
    pub(super) found: Map<String, Found>,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<String>,
}

impl Layers {
    /// The file: strict. What it does not know it names, with what is allowed.
    pub(super) fn add_file(&mut self, path: &Path, text: &str) {
        let Document { sections, entries, faults } = document::read(text);
        let origin = |line| Origin::File { path: path.to_owned(), line };
        for fault in faults {
            self.fault(origin(fault.line), fault.name, fault.message);
        }
        let mut layer = Map::new();
        for (section, line) in sections {
            if setting::keys_of(&section).is_empty() {
                let message = format!("unknown section; allowed are {}", setting::sections().join(", "));
                self.fault(origin(line), section, message);
            }
        }
        for entry in entries {
            let name = format!("{}.{}", entry.section, entry.key);
            let allowed = setting::keys_of(&entry.section);
            if allowed.is_empty() {
                continue;
            }
            let Some(setting) = setting::find(&entry.section, &entry.key) else {
                let message =
                    format!("unknown setting; allowed in {} are {}", entry.section, allowed.join(", "));
                self.fault(origin(entry.line), name, message);
                continue;
            };
            match from_json(setting, &entry.value) {
                Ok(value) => {
                    layer.insert(name, Found { value, origin: origin(entry.line) });
                }
                Err(message) => self.fault(origin(entry.line), name, message),
            }
        }
        self.lay(layer);
    }

    /// The environment: a number that cannot be used is a warning and leaves what the file says; an empty value says nothing.
    pub(super) fn add_environment(&mut self, environment: &Map<String, String>) {
        let mut layer = Map::new();
        let settings = setting::SETTINGS;
        for (variable, text) in environment.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
            let Some(setting) = settings.iter().find(|setting| setting.variable() == *variable) else {
                self.warnings.push(format!("{variable} is no setting of ours and is ignored"));
                continue;
            };
            if text.is_empty() {
                continue;
            }
            let origin = Origin::Environment(variable.clone());
            match (from_text(setting, text), setting.kind) {
                (Ok(value), _) => {
                    layer.insert(setting.name(), Found { value, origin });
                }
                (Err(message), Kind::Number { .. }) => {
                    self.warnings.push(format!("{variable}: {message}; it is ignored"));
                }
                (Err(message), _) => self.fault(origin, setting.name(), message),
            }
        }
        self.lay(layer);
    }

    /// `--set section.key=value`, as often as wanted. Not for secrets: every user of the machine can read an argument.
    pub(super) fn add_flags(&mut self, flags: &[String]) {
        let mut layer = Map::new();
        for flag in flags {
            let (name, text) = flag.split_once('=').unwrap_or((flag, ""));
            let setting = name.split_once('.').and_then(|(section, key)| setting::find(section, key));
            let Some(setting) = setting else {
                let message = "unknown setting; `felhom-agent config show` lists them all".to_owned();
                self.fault(Origin::Flag, name.to_owned(), message);
                continue;
            };
            if setting.is_secret() {
                let message = format!(
                    "a secret may not be an argument, which every user of this machine can read; use {name}_file or {}",
                    setting.variable()
                );
                self.fault(Origin::Flag, name.to_owned(), message);
                continue;
            }
            match from_text(setting, text) {
                Ok(value) => {
                    layer.insert(setting.name(), Found { value, origin: Origin::Flag });
                }
                Err(message) => self.fault(Origin::Flag, name.to_owned(), message),
            }
        }
        self.lay(layer);
    }

    /// Puts a layer over what is there. Of settings that exclude each other the layer may hold one, which replaces all earlier ones.
    fn lay(&mut self, layer: Map<String, Found>) {
        for group in ONE_OF {
            let chosen: Vec<&str> =
                group.iter().copied().filter(|name| layer.get(*name).is_some_and(Found::chooses)).collect();
            if let [_, second, ..] = chosen.as_slice() {
                let message = format!("{} exclude each other; keep one", chosen.join(" and "));
                let origin = layer.get(*second).map(|found| found.origin.clone());
                self.faults.push(Fault { origin, setting: (*second).to_owned(), message });
            }
            if !chosen.is_empty() {
                self.found.retain(|name, _| !group.contains(&name.as_str()));
            }
        }
        self.found.extend(layer);
    }

    pub(super) fn fault(&mut self, origin: Origin, setting: String, message: String) {
        self.faults.push(Fault { origin: Some(origin), setting, message });
    }
}

impl Found {
    /// `"insecure": false` chooses nothing.
    fn chooses(&self) -> bool {
        self.value != Value::Flag(false)
    }
}

fn from_json(setting: &Setting, json: &serde_json::Value) -> Result<Value, String> {
    use serde_json::Value as Json;
    let found = match json {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    };
    match (setting.kind, json) {
        (Kind::Number { min, max }, Json::Number(number)) => {
            let in_range = number.as_u64().filter(|number| (min..=max).contains(number));
            in_range.map(Value::Number).ok_or_else(|| format!("found {number}, allowed are {min} to {max}"))
        }
        (Kind::Number { min, max }, _) => {
            Err(format!("found {found}, expected a whole number from {min} to {max}"))
        }
        (Kind::Flag, Json::Bool(flag)) => Ok(Value::Flag(*flag)),
        (Kind::Flag, _) => Err(format!("found {found}, expected true or false")),
        (_, Json::String(text)) if text.is_empty() => {
            Err("is empty; leave the setting out to say nothing".to_owned())
        }
        (_, Json::String(text)) => Ok(Value::Text(text.clone())),
        (_, _) => Err(format!("found {found}, expected a text")),
    }
}

fn from_text(setting: &Setting, text: &str) -> Result<Value, String> {
    match setting.kind {
        Kind::Number { min, max } => match text.trim().parse() {
            Ok(number) if (min..=max).contains(&number) => Ok(Value::Number(number)),
            Ok(_) | Err(_) => Err(format!("found {text:?}, allowed are whole numbers from {min} to {max}")),
        },
        Kind::Flag => match text {
            "true" | "1" => Ok(Value::Flag(true)),
            "false" | "0" => Ok(Value::Flag(false)),
            _ => Err(format!("found {text:?}, allowed are true and false")),
        },
        _ if text.is_empty() => Err("is empty".to_owned()),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

//! A configuration for people: every setting, its value, where it came from; never a secret.

use std::fmt;

use serde::Serialize;

use super::fault::Origin;
use super::layers::{Found, Layers, Value};
use super::setting::{SETTINGS, Setting};
use crate::model::sorted::Map;

/// What stands where a secret would.
const REDACTED: &str = "[redacted]";

/// One line of `config show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownSetting {
    /// `hub.url`
    pub name: String,
    /// As text; absent when nothing is set and there is no default.
    pub value: Option<String>,
    /// `default`, a file with its line, a variable, `--set`.
    pub origin: String,
    pub help: &'static str,
}

/// Every setting, in the order of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Shown {
    pub settings: Vec<ShownSetting>,
}

impl Shown {
    pub(super) fn of(layers: &Layers) -> Self {
        Self { settings: SETTINGS.iter().map(|setting| shown(setting, &layers.found)).collect() }
    }
}

fn shown(setting: &Setting, found: &Map<String, Found>) -> ShownSetting {
    let (value, origin) = match found.get(&setting.name()) {
        Some(found) => {
            let text = match &found.value {
                _ if setting.is_secret() => REDACTED.to_owned(),
                Value::Text(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Flag(flag) => flag.to_string(),
            };
            (Some(text), found.origin.clone())
        }
        None if setting.default.is_empty() => (None, Origin::Default),
        None => (Some(setting.default.to_owned()), Origin::Default),
    };
    ShownSetting { name: setting.name(), value, origin: origin.to_string(), help: setting.help }
}

impl fmt::Display for Shown {
    /// A table: name, value, origin.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for setting in &self.settings {
            let value = setting.value.as_deref().unwrap_or("-");
            writeln!(f, "{:<34} {:<40} {}", setting.name, value, setting.origin)?;
        }
        Ok(())
    }
}

//! The routes of the API and the parameters of each call, from `schema.json`: what a real node declares, without prose.
//! Checks parameters in Proxmox's own order and words; every bad one is listed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use super::formats;
use super::params::{Param, Params};
use crate::api::ApiError;

static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::load);

pub(super) fn schema() -> &'static Schema {
    &SCHEMA
}

#[derive(Debug)]
pub(super) struct Schema {
    routes: Vec<Route>,
    definitions: Vec<Definition>,
}

/// One path with its methods.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) path: String,
    parts: Vec<String>,
    methods: BTreeMap<String, Method>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Method {
    #[serde(default)]
    protected: u8,
    #[serde(default)]
    ticket_only: u8,
    #[serde(default)]
    open: u8,
    pub(super) permissions: Value,
    /// Name to number of its definition; `net[n]` stands for `net0` and on.
    parameters: BTreeMap<String, usize>,
}

impl Method {
    /// Whether pvedaemon does the work.
    pub(super) fn is_protected(&self) -> bool {
        self.protected == 1
    }

    /// Not for API tokens.
    pub(super) fn needs_ticket(&self) -> bool {
        self.ticket_only == 1
    }
}

/// What a value must be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definition {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    optional: u8,
    #[serde(default)]
    default_key: u8,
    format: Option<Format>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    #[serde(rename = "minLength")]
    min_length: Option<usize>,
    #[serde(rename = "maxLength")]
    max_length: Option<usize>,
    #[serde(rename = "enum", default)]
    values: Vec<Value>,
    pattern: Option<String>,
    #[serde(skip)]
    compiled: Option<Regex>,
    requires: Option<String>,
    alias: Option<String>,
    #[serde(default)]
    items: u8,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Format {
    Named(String),
    /// A property string: `name=eth0,bridge=vmbr0`.
    Properties(BTreeMap<String, Definition>),
}

impl Definition {
    fn compile(&mut self) {
        // A pattern is anchored as a whole; one that this engine cannot read checks nothing.
        self.compiled = self
            .pattern
            .as_ref()
            .and_then(|pattern| RegexBuilder::new(&format!("^(?:{pattern})$")).unicode(false).build().ok());
        if let Some(Format::Properties(parts)) = &mut self.format {
            parts.values_mut().for_each(Self::compile);
        }
    }
}

impl Schema {
    fn load() -> Self {
        #[derive(Deserialize)]
        struct File {
            definitions: Vec<Definition>,
            routes: BTreeMap<String, BTreeMap<String, Method>>,
        }
        let File { mut definitions, routes } =
            serde_json::from_str(include_str!("../../schema.json")).expect("schema.json is well formed");
        definitions.iter_mut().for_each(Definition::compile);
        let routes = routes
            .into_iter()
            .map(|(path, methods)| {
                let parts = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
                Route { path, parts, methods }
            })
            .collect();
        Self { routes, definitions }
    }

    /// The call behind a decoded path, and what its variables stand for.
    pub(super) fn find(
        &self,
        method: &str,
        path: &str,
    ) -> Option<(&Route, &Method, BTreeMap<String, String>)> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let fitting = self.routes.iter().filter_map(|route| Some((route, route.variables(&parts)?)));
        // Where a name and a variable both fit, the name is meant.
        let (route, variables) = fitting.min_by_key(|(_, variables)| variables.len())?;
        Some((route, route.methods.get(method)?, variables))
    }

    /// Checks all parameters; path variables are among them.
    pub(super) fn check(&self, method: &Method, params: &Params) -> Result<(), ApiError> {
        let mut errors = BTreeMap::new();
        for (name, &number) in &method.parameters {
            if let Some((stem, _)) = name.split_once("[n]") {
                for (key, value) in params.iter().filter(|(key, _)| is_numbered(key, stem)) {
                    check_value(key, Some(value), &self.definitions[number], &mut errors);
                }
                continue;
            }
            let definition = &self.definitions[number];
            let value = params.get(name);
            check_value(name, value, definition, &mut errors);
            if let (Some(_), Some(needed)) = (value, &definition.requires) {
                if !params.contains_key(needed) {
                    let text = format!("missing property - '{name}' requires this property");
                    errors.insert(needed.clone(), text);
                }
            }
        }
        for name in params.keys().filter(|name| method.open == 0 && !method.knows(name)) {
            errors.insert(name.clone(), UNKNOWN.to_owned());
        }
        if errors.is_empty() {
            return Ok(());
        }
        Err(ApiError { errors, ..ApiError::new(400, "Parameter verification failed.") })
    }
}

const UNKNOWN: &str = "property is not defined in schema and the schema does not allow additional properties";
const MISSING: &str = "property is missing and it is not optional";

impl Method {
    fn knows(&self, name: &str) -> bool {
        let stem = name.trim_end_matches(|digit: char| digit.is_ascii_digit());
        self.parameters.contains_key(name)
            || (stem != name && self.parameters.contains_key(&format!("{stem}[n]")))
    }
}

impl Route {
    /// The last variable may be a volume, whose name contains slashes.
    fn variables(&self, parts: &[&str]) -> Option<BTreeMap<String, String>> {
        let greedy = self.parts.last().is_some_and(|part| part == "{volume}");
        if parts.len() < self.parts.len() || (parts.len() > self.parts.len() && !greedy) {
            return None;
        }
        let mut variables = BTreeMap::new();
        for (at, own) in self.parts.iter().enumerate() {
            match own.strip_prefix('{').and_then(|own| own.strip_suffix('}')) {
                Some(name) if name == "volume" => variables.insert(name.to_owned(), parts[at..].join("/")),
                Some(name) => variables.insert(name.to_owned(), parts[at].to_owned()),
                None if own == parts[at] => None,
                None => return None,
            };
        }
        Some(variables)
    }
}

fn is_numbered(key: &str, stem: &str) -> bool {
    let number = key.strip_prefix(stem);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

type Errors = BTreeMap<String, String>;

fn check_value(name: &str, value: Option<&Param>, definition: &Definition, errors: &mut Errors) {
    let complaint = match value {
        None if definition.optional == 1 => return,
        None => Err(MISSING.to_owned()),
        Some(Param::Text(text)) => definition.check(name, text),
        Some(Param::Many(_)) if definition.kind == "array" || definition.items == 1 => return,
        Some(Param::Many(_)) => Err(wrong_type(&definition.kind, "ARRAY")),
        Some(Param::Object) => Err(wrong_type(&definition.kind, "HASH")),
    };
    if let Err(text) = complaint {
        errors.insert(name.to_owned(), text);
    }
}

fn wrong_type(kind: &str, got: &str) -> String {
    format!("type check ('{kind}') failed - got {got}")
}

impl Definition {
    fn check(&self, name: &str, text: &str) -> Result<(), String> {
        let fits = match self.kind.as_str() {
            "integer" => is_integer(text),
            "number" => text.parse::<f64>().is_ok_and(f64::is_finite),
            "boolean" => matches!(text, "0" | "1"),
            _ => true,
        };
        if !fits {
            return Err(wrong_type(&self.kind, &format!("'{text}'")));
        }
        match &self.format {
            Some(Format::Named(format)) => {
                formats::check(format, text).map_err(|err| format!("invalid format - {err}\n"))?;
            }
            Some(Format::Properties(parts)) => check_properties(name, text, parts)?,
            None => {}
        }
        if self.compiled.as_ref().is_some_and(|pattern| !pattern.is_match(text.as_bytes())) {
            return Err("value does not match the regex pattern".to_owned());
        }
        self.check_bounds(text)
    }

    fn check_bounds(&self, text: &str) -> Result<(), String> {
        let length = text.chars().count();
        if let Some(most) = self.max_length.filter(|&most| length > most) {
            return Err(format!("value may only be {most} characters long"));
        }
        if let Some(least) = self.min_length.filter(|&least| length < least) {
            return Err(format!("value must be at least {least} characters long"));
        }
        if let Ok(number) = text.parse::<f64>() {
            if let Some(most) = self.maximum.filter(|&most| number > most) {
                return Err(format!("value must have a maximum value of {most}"));
            }
            if let Some(least) = self.minimum.filter(|&least| number < least) {
                return Err(format!("value must have a minimum value of {least}"));
            }
        }
        let values: Vec<String> = self.values.iter().map(plain).collect();
        if values.is_empty() || values.iter().any(|value| value == text) {
            return Ok(());
        }
        Err(format!("value '{text}' does not have a value in the enumeration '{}'", values.join(", ")))
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// `eth0` under the default key, `bridge=vmbr0` under its own; each part against its definition.
fn check_properties(name: &str, text: &str, parts: &BTreeMap<String, Definition>) -> Result<(), String> {
    let invalid = |why: String| format!("invalid format - {why}\n");
    let mut given: BTreeMap<String, &str> = BTreeMap::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (key, value) = match part.split_once('=') {
            Some((key, value)) => {
                // `virtio=<MAC>` says both the address and, by its name, the model.
                let names_default = |definition: &Definition| {
                    definition.default_key == 1 && definition.values.contains(&json!(key))
                };
                if let Some((default, _)) = parts.iter().find(|(_, definition)| names_default(definition)) {
                    given.insert(default.clone(), key);
                }
                (aliased(key, parts), value)
            }
            None => match parts.iter().find(|(_, definition)| definition.default_key == 1) {
                Some((key, _)) => (key.clone(), part),
                None => {
                    return Err(invalid(
                        "value without key, but schema does not define a default key".to_owned(),
                    ));
                }
            },
        };
        if given.insert(key.clone(), value).is_some() {
            return Err(invalid(format!("duplicate key in comma-separated list property: {key}")));
        }
    }
    let mut errors = Errors::new();
    for (key, definition) in parts.iter().filter(|(_, definition)| definition.alias.is_none()) {
        let complaint = match given.get(key) {
            None if definition.optional == 1 || definition.kind.is_empty() => continue,
            None => Err(MISSING.to_owned()),
            Some(value) if definition.kind == "boolean" && is_word_for_boolean(value) => continue,
            Some(value) => definition.check(key, value),
        };
        if let Err(text) = complaint {
            errors.insert(key.clone(), text);
        }
    }
    for key in given.keys().filter(|key| !parts.contains_key(*key)) {
        errors.insert(key.clone(), UNKNOWN.to_owned());
    }
    if errors.is_empty() {
        return Ok(());
    }
    let lines: String = errors.iter().map(|(key, text)| format!("{name}.{key}: {text}\n")).collect();
    Err(format!("invalid format - format error\n{lines}"))
}

fn aliased(key: &str, parts: &BTreeMap<String, Definition>) -> String {
    let definition = parts.get(key);
    definition.and_then(|definition| definition.alias.clone()).unwrap_or_else(|| key.to_owned())
}

/// Property strings take more words for a boolean than parameters do.
fn is_word_for_boolean(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "1" | "on" | "yes" | "true" | "0" | "off" | "no" | "false")
}

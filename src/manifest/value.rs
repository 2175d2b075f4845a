//! The values of a spec, held to what Proxmox's own schema takes, before anything is sent.

use crate::model::desired::{DriftPolicy, Startup, Value};
use crate::model::sorted::Set;
use crate::normalize::form::Form;
use crate::normalize::map::Map;
use crate::normalize::sort::fraction;
use crate::normalize::{Sort, description, tags as tag_rules};
use crate::strict_json::Json;
use crate::strict_json::object::{At, Fault, Object};

const MAX_DESCRIPTION: usize = 8_192;
/// All tags of a guest, as they are sent; Proxmox's limit for one configuration value is not known to be lower.
const MAX_TAGS: usize = 4_096;

pub(super) fn drift(at: &At<'_>) -> Result<DriftPolicy, Fault> {
    match at.value {
        Json::Text(text) if text == "correct" => Ok(DriftPolicy::Correct),
        Json::Text(text) if text == "report" => Ok(DriftPolicy::Report),
        _ => Err(at.refused("\"correct\" or \"report\"")),
    }
}

/// A value of this sort, in the normal form that its text alone decides.
pub(super) fn read(at: &At<'_>, sort: &Sort) -> Result<Value, Fault> {
    match (sort, at.value) {
        (_, Json::Text(text)) if text == ABSENT => Ok(Value::Absent),
        (Sort::Text(form) | Sort::Machine(form), _) => Ok(Value::Text(formed(at, form)?)),
        (Sort::OneOf(names), Json::Text(text)) if names.contains(&text.as_str()) => {
            Ok(Value::Text(text.clone()))
        }
        (Sort::OneOf(names), _) => Err(at.refused(&format!("one of {}, or \"absent\"", names.join(", ")))),
        (Sort::Number(from, to) | Sort::Memory(from, to), _) => number(at, *from, *to),
        (Sort::Units(to), _) => number(at, 1, *to),
        (Sort::Decimal(to), _) => decimal(at, *to),
        (Sort::Flag, _) => Ok(Value::Flag(at.flag()?)),
        (Sort::Description, _) => description(at),
        (Sort::Tags, _) => tags(at),
        (Sort::Startup, _) => startup(at),
        (Sort::List(series), Json::Text(_)) => Ok(Value::List(vec![formed(at, series.item)?])),
        (Sort::List(series), _) => {
            let items = at.items()?.map(|item| formed(&item, series.item));
            Ok(Value::List(series.in_order(items.collect::<Result<_, _>>()?)))
        }
        (Sort::Map(map), Json::Object(_)) => {
            let mut members = Object::read(at.value, &at.path)?;
            let parts = parts(&mut members, map)?;
            members.nothing_else()?;
            if parts.is_empty() {
                return Err(
                    at.fault("allowed is an object with at least one member, or \"absent\"".to_owned())
                );
            }
            Ok(Value::Map(parts))
        }
        (Sort::Map(map), _) => match map.parts.iter().find(|part| part.key == map.bare) {
            // `"machine": "q35"`
            Some(part) => Ok(Value::Map(vec![(part.name, read(at, &part.sort)?)])),
            None => Err(at.refused("an object, or \"absent\"")),
        },
    }
}

/// The parts of a map that are named.
pub(super) fn parts(members: &mut Object<'_>, map: &Map) -> Result<Vec<(&'static str, Value)>, Fault> {
    let mut named = Vec::new();
    for part in map.parts {
        if let Some(at) = members.optional(part.name) {
            match read(&at, &part.sort)? {
                Value::Absent if !part.removable => {
                    return Err(at.refused("a value: a card is never without it"));
                }
                value => named.push((part.name, value)),
            }
        }
    }
    Ok(named)
}

const ABSENT: &str = "absent";

fn formed(at: &At<'_>, form: &Form) -> Result<String, Fault> {
    let Json::Text(text) = at.value else { return Err(at.refused(form.allowed)) };
    (form.take)(text).ok_or_else(|| at.refused(form.allowed))
}

fn number(at: &At<'_>, from: u64, to: u64) -> Result<Value, Fault> {
    match at.value {
        Json::Whole(number) if (from..=to).contains(number) => Ok(Value::Number(*number)),
        _ => Err(at.refused(&format!("a whole number from {from} to {to}, or \"absent\""))),
    }
}

/// `0.5`, which may be written as a text, too.
fn decimal(at: &At<'_>, to: u64) -> Result<Value, Fault> {
    let text = match at.value {
        Json::Whole(number) => number.to_string(),
        Json::OtherNumber(number) => number.to_string(),
        Json::Text(text) => text.clone(),
        _ => String::new(),
    };
    let most = |value: &Value| match value {
        Value::Number(number) => *number <= to,
        Value::Text(text) => {
            text.split('.').next().and_then(|whole| whole.parse().ok()).is_some_and(|whole: u64| whole < to)
        }
        _ => false,
    };
    fraction(&text).filter(most).ok_or_else(|| at.refused(&format!("a number from 0 to {to}, or \"absent\"")))
}

/// The one value that may have line feeds.
fn description(at: &At<'_>) -> Result<Value, Fault> {
    let text = at.text()?;
    if text.chars().count() > MAX_DESCRIPTION {
        return Err(at.refused("at most 8192 characters"));
    }
    if text.contains('\0') {
        return Err(at.refused("a text without NUL characters"));
    }
    if description::is_lost(text) {
        return Err(at.refused("any other text: Proxmox takes \"0\" for no description"));
    }
    Ok(Value::Text(text.to_owned()))
}

fn tags(at: &At<'_>) -> Result<Value, Fault> {
    let mut tags = Set::new();
    for item in at.items()? {
        let tag = item.text()?;
        if !tag_rules::is_tag(tag) {
            return Err(item.refused("a tag: letters, digits and '_', then also '-', '+' and '.'"));
        }
        tags.insert(tag.to_owned());
    }
    let length: usize = tags.iter().map(|tag| tag.len() + 1).sum();
    if length > MAX_TAGS {
        return Err(at.refused("at most 4096 characters of tags"));
    }
    Ok(Value::Tags(tags))
}

fn startup(at: &At<'_>) -> Result<Value, Fault> {
    let mut parts = Object::read(at.value, &at.path)?;
    let mut part = |name| parts.optional(name).map(|at| seconds(&at)).transpose();
    let startup = Startup { order: part("order")?, up_s: part("up_s")?, down_s: part("down_s")? };
    parts.nothing_else()?;
    if startup == Startup::default() {
        return Err(at.fault("allowed is at least one of order, up_s and down_s, or \"absent\"".to_owned()));
    }
    Ok(Value::Startup(startup))
}

fn seconds(at: &At<'_>) -> Result<u32, Fault> {
    let allowed = || at.refused("a whole number from 0 to 4294967295");
    u32::try_from(at.whole()?).map_err(|_too_large| allowed())
}

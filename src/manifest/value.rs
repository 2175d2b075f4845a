//! The values of a spec, held to what Proxmox's own schema takes, before anything is sent.

use std::ops::RangeInclusive;

use crate::model::desired::{DriftPolicy, Startup, Value};
use crate::model::sorted::Set;
use crate::normalize::{description, tags as tag_rules};
use crate::strict_json::Json;
use crate::strict_json::object::{At, Fault, Object};

/// 64 TiB. Proxmox names no limit; a number beyond this is a slip of the pen.
pub(super) const MAX_MEMORY_MB: u64 = 64 * 1024 * 1024;
const MAX_DESCRIPTION: usize = 8_192;
const MAX_NAME: usize = 255;
/// All tags of a guest, as they are sent; Proxmox's limit for one configuration value is not known to be lower.
const MAX_TAGS: usize = 4_096;

pub(super) fn drift(at: &At<'_>) -> Result<DriftPolicy, Fault> {
    match at.value {
        Json::Text(text) if text == "correct" => Ok(DriftPolicy::Correct),
        Json::Text(text) if text == "report" => Ok(DriftPolicy::Report),
        _ => Err(at.refused("\"correct\" or \"report\"")),
    }
}

pub(super) fn number(at: &At<'_>, allowed: RangeInclusive<u64>) -> Result<Value, Fault> {
    match at.value {
        Json::Whole(number) if allowed.contains(number) => Ok(Value::Number(*number)),
        _ => Err(at.refused(&format!(
            "a whole number from {} to {}, or \"absent\"",
            allowed.start(),
            allowed.end()
        ))),
    }
}

pub(super) fn name(at: &At<'_>) -> Result<Value, Fault> {
    let name = at.text()?;
    if name.len() <= MAX_NAME && is_dns_name(name) {
        Ok(Value::Text(name.to_owned()))
    } else {
        Err(at.refused(
            "a DNS name of at most 255 characters: letters, digits, inner hyphens, dots between labels",
        ))
    }
}

/// Labels of letters, digits and inner hyphens.
pub(super) fn is_dns_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| {
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inner)
    };
    name.split('.').all(label)
}

/// The one value that may have line feeds.
pub(super) fn description(at: &At<'_>) -> Result<Value, Fault> {
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

pub(super) fn tags(at: &At<'_>) -> Result<Value, Fault> {
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

pub(super) fn startup(at: &At<'_>) -> Result<Value, Fault> {
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

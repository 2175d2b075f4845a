//! `"backup"` and `"restore_test"` of a guest resource: what is made of its data, and how it is proven.

use crate::model::desired::Proof;
use crate::model::desired::proof::{BackupPlan, TestPlan};
use crate::model::guest::GuestKind;
use crate::strict_json::Json;
use crate::strict_json::object::{At, Fault, Object};

/// A name as Proxmox gives them to storages and bridges.
const MAX_NAME: usize = 128;
const MAX_TEXT: usize = 4096;
const YEAR_H: u64 = 8760;
const YEAR_D: u64 = 365;
const HOUR_S: u64 = 3600;

pub(super) fn read(members: &mut Object<'_>, kind: GuestKind) -> Result<Proof, Fault> {
    let backup = members.optional("backup").map(|at| backup(&at)).transpose()?;
    let restore_test = members.optional("restore_test").map(|at| restore_test(&at, kind)).transpose()?;
    Ok(Proof { backup, restore_test })
}

fn backup(at: &At<'_>) -> Result<BackupPlan, Fault> {
    let mut members = Object::read(at.value, &at.path)?;
    let storage = text(&mut members, "storage")?;
    let every_hours = number(&mut members, "every_hours", 1, YEAR_H)?;
    members.nothing_else()?;
    Ok(BackupPlan { storage, every_hours })
}

fn restore_test(at: &At<'_>, kind: GuestKind) -> Result<TestPlan, Fault> {
    let mut members = Object::read(at.value, &at.path)?;
    let every_days = number(&mut members, "every_days", 1, YEAR_D)?;
    let up_s = number(&mut members, "up_s", 1, HOUR_S)?;
    let bridge = text(&mut members, "bridge")?;
    let file = text(&mut members, "file")?;
    let command = text(&mut members, "command")?;
    let guest_agent = members.optional("guest_agent").map(|at| agent(&at, kind)).transpose()?;
    members.nothing_else()?;
    let usual = TestPlan::default();
    Ok(TestPlan {
        every_days,
        up_s: up_s.unwrap_or(usual.up_s),
        bridge,
        file,
        command,
        guest_agent: guest_agent.unwrap_or(false),
    })
}

fn agent(at: &At<'_>, kind: GuestKind) -> Result<bool, Fault> {
    match (at.flag()?, kind) {
        (true, GuestKind::Lxc) => Err(at.fault("a container has no guest agent".to_owned())),
        (wanted, _) => Ok(wanted),
    }
}

fn number(members: &mut Object<'_>, name: &'static str, least: u64, most: u64) -> Result<Option<u64>, Fault> {
    let Some(at) = members.optional(name) else { return Ok(None) };
    match at.value {
        Json::Whole(number) if (least..=most).contains(number) => Ok(Some(*number)),
        _ => Err(at.refused(&format!("a whole number from {least} to {most}"))),
    }
}

/// A storage's or a bridge's name; a path; a command.
fn text(members: &mut Object<'_>, name: &'static str) -> Result<Option<String>, Fault> {
    let Some(at) = members.optional(name) else { return Ok(None) };
    let text = at.text()?;
    let (is_sound, allowed) = match name {
        "file" => (text.starts_with('/') && is_line(text), "an absolute path of at most 4096 characters"),
        "command" => (is_line(text), "one line of at most 4096 characters"),
        _ => (is_name(text), "1 to 128 letters, digits, '.', '_' or '-', the first a letter"),
    };
    if is_sound { Ok(Some(text.to_owned())) } else { Err(at.refused(allowed)) }
}

pub(super) fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.len() <= MAX_NAME
        && text.bytes().all(inner)
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
}

pub(super) fn is_line(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_TEXT && !text.contains(char::is_control)
}

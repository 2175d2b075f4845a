//! The fields of a spec: each is read by the table that the normaliser keeps of it.

use super::value;
use crate::model::desired::{Ensure, Field, Value};
use crate::model::guest::GuestKind;
use crate::model::sorted::Map;
use crate::normalize::{self, Row, Sort};
use crate::strict_json::object::{At, Fault, Object};

/// The object of those fields that stand in one of their own.
const CLOUD_INIT: &str = "cloud_init";

pub(super) fn read(spec: &mut Object<'_>, kind: GuestKind) -> Result<Map<Field, Value>, Fault> {
    let mut fields = Map::new();
    let mut cloud_init = match kind {
        GuestKind::Lxc => {
            not_of_this_kind(spec, CLOUD_INIT, kind)?;
            None
        }
        GuestKind::Qemu => {
            spec.optional(CLOUD_INIT).map(|at| Object::read(at.value, &at.path)).transpose()?
        }
    };
    for field in Field::ALL {
        let (outer, name) = field.as_str().split_once('.').unwrap_or(("", field.as_str()));
        let object = if outer.is_empty() { Some(&mut *spec) } else { cloud_init.as_mut() };
        let Some(object) = object else { continue };
        match normalize::row(field, kind) {
            None => not_of_this_kind(object, name, kind)?,
            Some(row) => {
                if let Some(at) = object.optional(name) {
                    fields.insert(field, value::read(&at, &row.sort)?);
                }
            }
        }
    }
    if let Some(nets) = spec.optional("nets") {
        numbered(&nets, Field::Net(0), kind, &mut fields)?;
    }
    if let Some(mut cloud_init) = cloud_init {
        if let Some(ip) = cloud_init.optional("ip") {
            numbered(&ip, Field::IpConfig(0), kind, &mut fields)?;
        }
        cloud_init.nothing_else()?;
    }
    Ok(fields)
}

/// The field of this name, if this kind of guest has it.
pub(super) fn named(name: &str, kind: GuestKind) -> Option<Field> {
    let field = Field::numbered(name).or_else(|| Field::ALL.into_iter().find(|field| field.as_str() == name));
    field.filter(|field| normalize::row(*field, kind).is_some())
}

/// `[{"key":"net0","bridge":"vmbr0"},{"key":"net1","ensure":"absent"}]`
fn numbered(
    list: &At<'_>,
    first: Field,
    kind: GuestKind,
    fields: &mut Map<Field, Value>,
) -> Result<(), Fault> {
    let Some(Row { sort: Sort::Map(map), .. }) = normalize::row(first, kind) else { return Ok(()) };
    for item in list.items()? {
        let mut members = Object::read(item.value, &item.path)?;
        let key = members.required("key")?;
        let same = |field: &Field| {
            matches!(
                (field, first),
                (Field::Net(_), Field::Net(_)) | (Field::IpConfig(_), Field::IpConfig(_))
            )
        };
        let Some(field) = Field::numbered(key.text()?).filter(same) else {
            let stem = first.as_str().trim_end_matches('0');
            return Err(key.refused(&format!("{stem}0 to {stem}{}", Field::NUMBERED - 1)));
        };
        let ensure = members.optional("ensure").map(|at| super::guest::ensure(&at)).transpose()?;
        let value = match ensure {
            Some(Ensure::Absent) => Value::Absent,
            Some(Ensure::Present) | None => Value::Map(value::parts(&mut members, map)?),
        };
        members.nothing_else()?;
        if fields.insert(field, value).is_some() {
            return Err(key.fault(format!("{field} stands there twice, allowed is once")));
        }
    }
    Ok(())
}

/// Not among the allowed names either.
fn not_of_this_kind(spec: &mut Object<'_>, name: &'static str, kind: GuestKind) -> Result<(), Fault> {
    let who = match kind {
        GuestKind::Lxc => "a container",
        GuestKind::Qemu => "a VM",
    };
    spec.not_managed(name).map_err(|fault| Fault { message: format!("{who} has no such field"), ..fault })
}

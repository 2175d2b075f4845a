//! A guest's spec: what is named is managed, `"absent"` brings a field back to its default, and a field that the
//! format knows but this version does not manage is refused, never ignored.

use super::{value, volume};
use crate::model::desired::{DesiredGuest, Ensure, Field, Value, WantedRun};
use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::sorted::Map;
use crate::normalize;
use crate::strict_json::Json;
use crate::strict_json::object::{At, Fault, Object};

/// Fields of a guest that the format knows and this version of the agent does not manage.
const NOT_MANAGED: [&str; 14] = [
    "nets",
    "nameserver",
    "search_domain",
    "features",
    "unprivileged",
    "provision",
    "sockets",
    "cpu",
    "balloon_mb",
    "boot",
    "agent",
    "cloud_init",
    "machine",
    "bios",
];

pub(super) fn spec(spec: &Json, resource_id: &str, kind: GuestKind) -> Result<DesiredGuest, Fault> {
    let mut spec = Object::read(spec, "spec")?;
    let vmid = spec.required("vmid")?;
    let guest = GuestId::new(kind, Vmid::new(vmid.whole()?).map_err(|message| vmid.fault(message))?);
    let ensure = spec.optional("ensure").map(|ensure| self::ensure(&ensure)).transpose()?;
    let run_state = spec.optional("run_state").map(|run_state| run(&run_state)).transpose()?;
    let data_bearing = spec.optional("data_bearing").map(|data_bearing| data_bearing.flag()).transpose()?;
    let mut fields = Map::new();
    for field in Field::ALL {
        if normalize::row(field, kind).is_none() {
            not_of_this_kind(&mut spec, field, kind)?;
        } else if let Some(at) = spec.optional(field.as_str()) {
            fields.insert(field, field_value(&at, field)?);
        }
    }
    let volumes = volume::read(&mut spec, kind)?;
    for name in NOT_MANAGED {
        spec.not_managed(name)?;
    }
    spec.nothing_else()?;
    Ok(DesiredGuest {
        ensure: ensure.unwrap_or_default(),
        run_state,
        fields,
        volumes,
        data_bearing: data_bearing.unwrap_or(true),
        ..DesiredGuest::new(resource_id, guest)
    })
}

/// `"ignore": ["tags"]`. To ignore the run state is not to manage it.
pub(super) fn ignore(ignore: &At<'_>, guest: &mut DesiredGuest) -> Result<(), Fault> {
    for item in ignore.items()? {
        let name = item.text()?;
        if name == "run_state" {
            guest.run_state = None;
            continue;
        }
        let kind = guest.guest.kind;
        let of_this_kind = |field: &Field| field.as_str() == name && normalize::row(*field, kind).is_some();
        match Field::ALL.into_iter().find(of_this_kind) {
            Some(field) => guest.ignore.insert(field),
            None => return Err(item.refused("run_state or the name of a managed field")),
        };
    }
    Ok(())
}

/// `"ensure": "absent"`, in the resource or in its spec.
pub(super) fn ensure(at: &At<'_>) -> Result<Ensure, Fault> {
    match at.value {
        Json::Text(text) if text == "present" => Ok(Ensure::Present),
        Json::Text(text) if text == "absent" => Ok(Ensure::Absent),
        _ => Err(at.refused("\"present\" or \"absent\"")),
    }
}

fn run(at: &At<'_>) -> Result<WantedRun, Fault> {
    match at.value {
        Json::Text(text) if text == "running" => Ok(WantedRun::Running),
        Json::Text(text) if text == "stopped" => Ok(WantedRun::Stopped),
        _ => Err(at.refused("\"running\" or \"stopped\"")),
    }
}

/// Not among the allowed names either.
fn not_of_this_kind(spec: &mut Object<'_>, field: Field, kind: GuestKind) -> Result<(), Fault> {
    let who = match kind {
        GuestKind::Lxc => "a container",
        GuestKind::Qemu => "a VM",
    };
    spec.not_managed(field.as_str())
        .map_err(|fault| Fault { message: format!("{who} has no such field"), ..fault })
}

fn field_value(at: &At<'_>, field: Field) -> Result<Value, Fault> {
    if at.value == &Json::Text("absent".to_owned()) {
        return Ok(Value::Absent);
    }
    match field {
        Field::Name => value::name(at),
        Field::Description => value::description(at),
        Field::Tags => value::tags(at),
        Field::Cores => value::number(at, 1..=8_192),
        Field::MemoryMb => value::number(at, 16..=value::MAX_MEMORY_MB),
        Field::SwapMb => value::number(at, 0..=value::MAX_MEMORY_MB),
        Field::OnBoot | Field::Protection => Ok(Value::Flag(at.flag()?)),
        Field::Startup => value::startup(at),
    }
}

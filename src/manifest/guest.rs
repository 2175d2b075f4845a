//! A guest's spec: what is named is managed, `"absent"` brings a field back to its default, and a field that the
//! format knows but this version does not manage is refused, never ignored.

use super::{field, provision, volume};
use crate::model::desired::{DesiredGuest, Ensure, WantedRun};
use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::strict_json::Json;
use crate::strict_json::object::{At, Fault, Object};

pub(super) fn spec(spec: &Json, resource_id: &str, kind: GuestKind) -> Result<DesiredGuest, Fault> {
    let mut spec = Object::read(spec, "spec")?;
    let vmid = spec.required("vmid")?;
    let guest = GuestId::new(kind, Vmid::new(vmid.whole()?).map_err(|message| vmid.fault(message))?);
    let ensure = spec.optional("ensure").map(|ensure| self::ensure(&ensure)).transpose()?;
    let run_state = spec.optional("run_state").map(|run_state| run(&run_state)).transpose()?;
    let data_bearing = spec.optional("data_bearing").map(|data_bearing| data_bearing.flag()).transpose()?;
    let fields = field::read(&mut spec, kind)?;
    let volumes = volume::read(&mut spec, kind)?;
    let provision = provision::read(&mut spec, guest)?;
    spec.nothing_else()?;
    Ok(DesiredGuest {
        ensure: ensure.unwrap_or_default(),
        run_state,
        fields,
        volumes,
        data_bearing: data_bearing.unwrap_or(true),
        provision,
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
        match field::named(name, kind) {
            Some(field) => guest.ignore.insert(field),
            None if volume::is_managed(kind, name) => guest.ignored_volumes.insert(name.to_owned()),
            None => {
                return Err(item.refused(match kind {
                    GuestKind::Lxc => {
                        "run_state, the name of a field, a card as in net0, or a volume: rootfs, mp0 to mp255"
                    }
                    GuestKind::Qemu => {
                        "run_state, the name of a field, a card as in net0, or a volume as in scsi0"
                    }
                }));
            }
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

//! One resource: its id, its kind, what holds for every kind; the guest's spec is in `guest`.

use super::{Defaults, Refused, guest, policy, proof, value};
use crate::model::desired::{DesiredGuest, Ensure, RefusedResource, RefusedState};
use crate::model::guest::{GuestKind, Vmid};
use crate::strict_json::Json;
use crate::strict_json::object::{At, Fault, Object};

/// Kinds that the format knows and this version of the agent does not manage.
const OTHER_KINDS: [&str; 6] =
    ["file", "systemd_unit", "network_config", "container", "usb_mount", "shell_job"];

/// The resource's id; one that has no usable id goes by its place, so that its status can be found.
pub(super) fn id(resource: &Json, index: usize) -> String {
    match resource.first("id") {
        Some(Json::Text(id)) if is_id(id) => id.clone(),
        _ => format!("resources[{index}]"),
    }
}

/// Letters, digits, `.`, `_` and `-`, at most 128.
pub fn is_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=128).contains(&id.len()) && id.bytes().all(allowed)
}

/// The vmid that a guest resource claims, even if something else is wrong with it.
pub(super) fn vmid(resource: &Json) -> Option<Vmid> {
    match (resource.first("kind")?, resource.first("spec")?.first("vmid")?) {
        (Json::Text(kind), Json::Whole(number)) if guest_kind(kind).is_some() => Vmid::new(*number).ok(),
        _ => None,
    }
}

pub(super) fn read(resource: &Json, id: &str, defaults: &Defaults) -> Result<DesiredGuest, Refused> {
    let refused = |state, message| Box::new(RefusedResource { resource_id: id.to_owned(), state, message });
    let invalid =
        |fault: Fault| refused(RefusedState::InvalidSpec, format!("{}: {}", fault.path, fault.message));
    if let Some(path) = resource.twice("") {
        let message =
            format!("{}: the key stands there twice, allowed is once", path.trim_start_matches('.'));
        return Err(refused(RefusedState::InvalidSpec, message));
    }
    let mut members = Object::read(resource, "resource").map_err(invalid)?;
    check_id(&members.required("id").map_err(invalid)?).map_err(invalid)?;
    let kind = members.required("kind").map_err(invalid)?;
    let name = kind.text().map_err(invalid)?;
    let Some(kind) = guest_kind(name) else {
        return Err(refused(RefusedState::UnknownResource, unknown_kind(name)));
    };
    guest_resource(members, id, kind, defaults).map_err(invalid)
}

fn guest_kind(kind: &str) -> Option<GuestKind> {
    match kind {
        "lxc_guest" => Some(GuestKind::Lxc),
        "vm_guest" => Some(GuestKind::Qemu),
        _ => None,
    }
}

fn check_id(id: &At<'_>) -> Result<(), Fault> {
    if is_id(id.text()?) { Ok(()) } else { Err(id.refused("1 to 128 letters, digits, '.', '_' or '-'")) }
}

fn unknown_kind(kind: &str) -> String {
    if OTHER_KINDS.contains(&kind) {
        format!("kind: {kind:?} is not managed by this version of the agent")
    } else {
        let found = Json::Text(kind.to_owned()).found();
        format!("kind: found {found}, allowed are \"lxc_guest\" and \"vm_guest\"")
    }
}

fn guest_resource(
    mut members: Object<'_>,
    id: &str,
    kind: GuestKind,
    defaults: &Defaults,
) -> Result<DesiredGuest, Fault> {
    let suspend = members.optional("suspend").map(|suspend| suspend.flag()).transpose()?;
    let drift = members.optional("drift").map(|drift| value::drift(&drift)).transpose()?;
    let ignore = members.optional("ignore");
    let spec = members.required("spec")?;
    let policy = policy::read(&mut members, &defaults.policy)?;
    let ensure = members.optional("ensure");
    let proof = proof::read(&mut members, kind)?;
    members.nothing_else()?;
    let mut guest = guest::spec(spec.value, id, kind)?;
    guest.proof = proof;
    guest.suspend = suspend.unwrap_or(false);
    guest.drift = drift.unwrap_or(defaults.drift);
    guest.policy = policy;
    if let Some(ignore) = ignore {
        guest::ignore(&ignore, &mut guest)?;
    }
    if let Some(ensure) = ensure {
        // It may stand in the spec too; what says both is a slip of the pen.
        let wanted = guest::ensure(&ensure)?;
        if guest.ensure == Ensure::Absent && wanted == Ensure::Present {
            return Err(ensure.fault("\"present\", while spec.ensure is \"absent\"".to_owned()));
        }
        guest.ensure = wanted;
    }
    Ok(guest)
}

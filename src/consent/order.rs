//! What an operation orders, as steps.

use crate::model::image::GuestImage;
use crate::model::op::{Action, Operation, RejectCode, Rejected};
use crate::model::step::{ConfigChange, Step};
use crate::model::volume;

/// The steps, in order; exactly these may be carried out for it. Refused: what no token may do, and what does not fit the guest.
pub fn steps_of(op: &Operation, image: &GuestImage) -> Result<Vec<Step>, Rejected> {
    let guest = image.guest;
    let step = match &op.action {
        Action::GuestDestroy { purge } => Step::Destroy { guest, purge: *purge },
        Action::GuestRollback { snapshot, start } => {
            Step::Rollback { guest, snapshot: snapshot.clone(), start: *start }
        }
        Action::GuestRestoreOver { volid, storage } => {
            Step::RestoreOver { guest, volid: volid.clone(), storage: storage.clone() }
        }
        Action::GuestStopHard => Step::Stop { guest },
        Action::SnapshotDelete { snapshot } => Step::DeleteSnapshot { guest, name: snapshot.clone() },
        Action::BackupDelete { volid } => Step::DeleteBackup { guest, volid: volid.clone() },
        Action::VolumeDelete { key, volid: _ } => {
            unused(key)?;
            config(image, [].into(), [key.clone()].into())
        }
        Action::VolumeDetach { key } => {
            in_use(key)?;
            config(image, [].into(), [key.clone()].into())
        }
        Action::ConfigDestructive { set, delete } => {
            named_keys(set.keys().chain(delete))?;
            config(image, set.clone(), delete.clone())
        }
        Action::GuestUnlock { .. }
        | Action::ResourceDelete { .. }
        | Action::JobShell { .. }
        | Action::LimitRelease { .. }
        | Action::FloorRaise { .. }
        | Action::TrustUpdate { .. } => {
            let why = not_supported(&op.action).unwrap_or_else(|| "it orders no step".to_owned());
            return Err(Rejected::new(RejectCode::NotSupported, why));
        }
    };
    Ok(vec![step])
}

/// What this version cannot carry out, and what to do by hand; `None` for what it can.
pub fn not_supported(action: &Action) -> Option<String> {
    match action {
        Action::GuestUnlock { lock } => Some(format!(
            "Proxmox lets no token take the lock {lock} away: as root on the node, `pct unlock VMID` or `qm unlock VMID`, \
             after making sure that no task works on the guest"
        )),
        Action::ResourceDelete { resource_id } => {
            Some(format!("this version manages no resources of the node: remove {resource_id} by hand"))
        }
        Action::JobShell { .. } => Some("this version runs no commands: run it by hand".to_owned()),
        Action::GuestDestroy { .. }
        | Action::GuestRollback { .. }
        | Action::GuestRestoreOver { .. }
        | Action::GuestStopHard
        | Action::SnapshotDelete { .. }
        | Action::BackupDelete { .. }
        | Action::VolumeDelete { .. }
        | Action::VolumeDetach { .. }
        | Action::ConfigDestructive { .. }
        | Action::LimitRelease { .. }
        | Action::FloorRaise { .. }
        | Action::TrustUpdate { .. } => None,
    }
}

fn config(
    image: &GuestImage,
    set: crate::model::sorted::Map<String, String>,
    delete: crate::model::sorted::Set<String>,
) -> Step {
    let change = ConfigChange { set, delete, digest: image.config.digest.clone() };
    Step::SetConfig { guest: image.guest, change }
}

/// Parameters of the call that are no keys of a configuration, and the lock, which once set no token can take away.
const NO_KEYS: [&str; 10] = [
    "node",
    "vmid",
    "digest",
    "delete",
    "revert",
    "force",
    "skiplock",
    "background_delay",
    "import-working-storage",
    "lock",
];

fn named_keys<'a>(mut keys: impl Iterator<Item = &'a String>) -> Result<(), Rejected> {
    let is_key = |key: &str| {
        !NO_KEYS.contains(&key)
            && !key.is_empty()
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    match keys.find(|key| !is_key(key)) {
        Some(key) => {
            let detail = format!("{key:?} is not a key of a configuration that an operation may write");
            Err(Rejected::new(RejectCode::BindParams, detail))
        }
        None => Ok(()),
    }
}

/// A volume in use is detached first, by an operation of its own.
fn unused(key: &str) -> Result<(), Rejected> {
    if volume::is_unused_key(key) {
        return Ok(());
    }
    let detail = format!("{key} is not the key of an unused volume: detach it first (volume.detach)");
    Err(Rejected::new(RejectCode::BindParams, detail))
}

fn in_use(key: &str) -> Result<(), Rejected> {
    if volume::holds_volume(key) && !volume::is_unused_key(key) && key != "rootfs" {
        return Ok(());
    }
    let detail = format!("{key} cannot be detached: expected a mount point or a disk in use");
    Err(Rejected::new(RejectCode::BindParams, detail))
}

/// What the parameters name is there: the key holds the volume, the snapshot exists.
pub(super) fn names_what_is_there(op: &Operation, image: &GuestImage) -> Result<(), Rejected> {
    let held = |key: &str| image.volumes.iter().find(|volume| volume.key == key).map(|volume| &volume.volid);
    let absent = match &op.action {
        Action::VolumeDelete { key, volid } if held(key) != Some(volid) => {
            let found = held(key).map_or("nothing", String::as_str);
            format!("{key} of {} holds {found}, not {volid}", image.guest)
        }
        Action::VolumeDetach { key } if !image.config.current.contains_key(key) => {
            format!("{} has no {key}", image.guest)
        }
        Action::GuestRollback { snapshot, .. } | Action::SnapshotDelete { snapshot }
            if !image.snapshots.iter().any(|known| known.name == *snapshot) =>
        {
            format!("{} has no snapshot {snapshot}", image.guest)
        }
        _ => return Ok(()),
    };
    Err(Rejected::new(RejectCode::BindParams, absent))
}

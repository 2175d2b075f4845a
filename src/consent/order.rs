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
        Action::VolumeDelete { key, volid } => {
            unused(key, volid, image)?;
            config(image, [].into(), [key.clone()].into())
        }
        Action::VolumeDetach { key } => {
            in_use(key, image)?;
            config(image, [].into(), [key.clone()].into())
        }
        Action::ConfigDestructive { set, delete } => config(image, set.clone(), delete.clone()),
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
        Action::LimitRelease { .. } => Some(
            "this version has no limit on how many guests are changed at once: nothing to release".to_owned(),
        ),
        Action::GuestDestroy { .. }
        | Action::GuestRollback { .. }
        | Action::GuestRestoreOver { .. }
        | Action::GuestStopHard
        | Action::SnapshotDelete { .. }
        | Action::BackupDelete { .. }
        | Action::VolumeDelete { .. }
        | Action::VolumeDetach { .. }
        | Action::ConfigDestructive { .. }
        | Action::FloorRaise { .. }
        | Action::TrustUpdate { .. } => None,
    }
}

fn config(
    image: &GuestImage,
    set: std::collections::BTreeMap<String, String>,
    delete: std::collections::BTreeSet<String>,
) -> Step {
    let change = ConfigChange { set, delete, digest: image.config.digest.clone() };
    Step::SetConfig { guest: image.guest, change }
}

/// The key is an `unusedN` and holds the volume that was signed for.
fn unused(key: &str, volid: &str, image: &GuestImage) -> Result<(), Rejected> {
    if !volume::is_unused_key(key) {
        let detail =
            format!("{key} is in use: detach it first, with an operation of its own (volume.detach)");
        return Err(Rejected::new(RejectCode::BindParams, detail));
    }
    let found = image.volumes.iter().find(|volume| volume.key == key).map(|volume| volume.volid.as_str());
    if found != Some(volid) {
        let detail = format!("{key} holds {}, not {volid}", found.unwrap_or("nothing"));
        return Err(Rejected::new(RejectCode::StateChanged, detail));
    }
    Ok(())
}

fn in_use(key: &str, image: &GuestImage) -> Result<(), Rejected> {
    if !volume::holds_volume(key) || volume::is_unused_key(key) || key == "rootfs" {
        let detail = format!("{key} cannot be detached: expected a mount point or a disk in use");
        return Err(Rejected::new(RejectCode::BindParams, detail));
    }
    if image.config.current.contains_key(key) {
        Ok(())
    } else {
        Err(Rejected::new(RejectCode::StateChanged, format!("{} has no {key}", image.guest)))
    }
}

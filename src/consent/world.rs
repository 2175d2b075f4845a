//! What must hold right before the call, in the order in which a refusal is named.
//! The guest was found when its image was made: that it is gone, or that nobody can say, is found out there.

use super::{Guards, again, normal, order};
use crate::model::guest::{GuestKind, RunState};
use crate::model::image::{GuestImage, SeenBackup};
use crate::model::observed::{HaState, PendingChange, Reading};
use crate::model::op::{Action, BackupEvidence, Operation, RejectCode, Rejected};
use crate::model::sorted::Set;
use crate::model::volume;

/// The clock of a storage and ours may differ by this.
const CLOCKS_DIFFER_S: u64 = 300;

/// `waived`: two signers of two roles do without evidence.
pub(super) fn check(
    op: &Operation,
    waived: bool,
    image: &GuestImage,
    guards: &Guards,
) -> Result<(), Rejected> {
    same_incarnation(op, image)?;
    same_state(op, image, guards)?;
    order::names_what_is_there(op, image)?;
    not_locked(image)?;
    not_protected(op, image, guards)?;
    not_in_ha(image)?;
    not_replicated(op, image)?;
    not_running(op, image)?;
    if !guards.managed {
        let detail = format!(
            "{} is not in the desired state in force: what this agent does not manage it does not touch",
            image.guest
        );
        return Err(Rejected::new(RejectCode::NotManaged, detail));
    }
    evidence(op, waived, image, guards)?;
    named_backups(op, image, guards)?;
    seen(op, image)
}

fn same_incarnation(op: &Operation, image: &GuestImage) -> Result<(), Rejected> {
    let changed = |detail| Err(Rejected::new(RejectCode::IdentChanged, detail));
    let signed = op.subject.as_ref().map(|subject| subject.ident.as_str());
    let found = normal::ident(image);
    if signed != Some(found.as_str()) {
        return changed(format!(
            "{} is another incarnation than the one that was signed for: found {found}, signed {}",
            image.guest,
            signed.unwrap_or("none")
        ));
    }
    match image.incarnations.iter().find(|(_, started)| **started >= op.iat.unix()) {
        Some((upid, _)) => changed(format!(
            "{} was made, restored, moved or destroyed after the signature: {upid}",
            image.guest
        )),
        None => Ok(()),
    }
}

fn same_state(op: &Operation, image: &GuestImage, guards: &Guards) -> Result<(), Rejected> {
    let found = normal::state_sha256(image);
    let signed = op.state_sha256.as_deref();
    if signed == Some(found.as_str()) || signed == without_what_has_a_name(op, image, guards).as_deref() {
        return Ok(());
    }
    let detail = format!(
        "{} is no longer as it was when the operation was drafted (configuration, snapshots or volumes): found {found}, signed \
         {}; draft it again",
        image.guest,
        op.state_sha256.as_deref().unwrap_or("none")
    );
    Err(Rejected::new(RejectCode::StateChanged, detail))
}

/// The state but for what is refused under a name of its own further down: a guest that has come under HA since the draft, or
/// under protection. `None` where neither is so.
fn without_what_has_a_name(op: &Operation, image: &GuestImage, guards: &Guards) -> Option<String> {
    let mut other = image.clone();
    if not_in_ha(image).is_err() {
        other.ha = HaState::NotManaged;
    }
    if not_protected(op, image, guards).is_err() {
        other.config.current.remove("protection");
        other.config.pending.remove("protection");
    }
    (other != *image).then(|| normal::state_sha256(&other))
}

fn not_locked(image: &GuestImage) -> Result<(), Rejected> {
    let detail = match (&image.lock, &image.backup_task) {
        (Some(lock), _) => format!("{} has the lock {lock:?}", image.guest),
        (None, Some(upid)) => format!("a backup of {} is running ({upid})", image.guest),
        (None, None) => return Ok(()),
    };
    Err(Rejected::new(RejectCode::Locked, detail))
}

/// Proxmox's own protection is of what is stored; this host's list is of everything.
fn not_protected(op: &Operation, image: &GuestImage, guards: &Guards) -> Result<(), Rejected> {
    let protected = |detail| Err(Rejected::new(RejectCode::Protected, detail));
    let guest = image.guest;
    if guards.protected.contains(&guest.vmid) {
        return protected(format!(
            "the configuration of this host protects {} (ops.protected_vmids): no operation touches it",
            guest.vmid
        ));
    }
    let set = image.config.current.get("protection").is_some_and(|value| value == "1")
        || image.config.pending.get("protection") == Some(&PendingChange::Set("1".to_owned()));
    if set && !matches!(op.action, Action::GuestStopHard) {
        return protected(format!(
            "{guest} has protection=1: take that away first, in the desired state or by hand"
        ));
    }
    Ok(())
}

fn not_in_ha(image: &GuestImage) -> Result<(), Rejected> {
    match &image.ha {
        HaState::NotManaged => Ok(()),
        HaState::Managed(Some(state)) if state == "ignored" => Ok(()),
        HaState::Managed(state) => {
            let state = state.as_deref().unwrap_or("state not told");
            let detail =
                format!("the HA manager decides about {} ({state}): take it out of HA first", image.guest);
            Err(Rejected::new(RejectCode::HaManaged, detail))
        }
    }
}

/// Replication holds snapshots of the volumes, which it may need and which may block a rollback.
fn not_replicated(op: &Operation, image: &GuestImage) -> Result<(), Rejected> {
    if takes_data(&op.action) && image.replicated == Reading::Known(true) {
        let detail = format!("a replication job copies {}: remove the job first", image.guest);
        return Err(Rejected::new(RejectCode::Replicated, detail));
    }
    Ok(())
}

fn not_running(op: &Operation, image: &GuestImage) -> Result<(), Rejected> {
    if !needs_stopped(&op.action) {
        return Ok(());
    }
    match image.run {
        RunState::Stopped => Ok(()),
        RunState::Running | RunState::Paused => {
            let detail = format!("{} is {}: it must be stopped first", image.guest, image.run);
            Err(Rejected::new(RejectCode::GuestRunning, detail))
        }
        RunState::Unknown => {
            let detail = format!("the node does not say whether {} runs", image.guest);
            Err(Rejected::new(RejectCode::ObservationUntrusted, detail))
        }
    }
}

/// A rollback kills a running guest, and nobody signed for that.
fn needs_stopped(action: &Action) -> bool {
    match action {
        Action::GuestDestroy { .. }
        | Action::GuestRollback { .. }
        | Action::GuestRestoreOver { .. }
        | Action::VolumeDetach { .. } => true,
        Action::ConfigDestructive { .. } => action.needs_evidence(),
        Action::GuestStopHard
        | Action::GuestUnlock { .. }
        | Action::SnapshotDelete { .. }
        | Action::BackupDelete { .. }
        | Action::VolumeDelete { .. }
        | Action::ResourceDelete { .. }
        | Action::JobShell { .. }
        | Action::LimitRelease { .. }
        | Action::FloorRaise { .. }
        | Action::TrustUpdate { .. } => false,
    }
}

/// It changes what the guest stores.
fn takes_data(action: &Action) -> bool {
    action.needs_evidence() || matches!(action, Action::VolumeDetach { .. })
}

pub(super) fn evidence(
    op: &Operation,
    waived: bool,
    image: &GuestImage,
    guards: &Guards,
) -> Result<(), Rejected> {
    if !op.action.needs_evidence() || !guards.data_bearing {
        return Ok(());
    }
    let found = match &op.evidence {
        Some(evidence) => backup_holds(evidence, &data_keys(op, image), image, guards),
        None if waived => Ok(()),
        None => {
            let detail = format!(
                "{} may hold data that exist nowhere else, and no backup is named: that takes two signers of two roles, or a backup",
                image.guest
            );
            Err(Rejected::new(RejectCode::Threshold, detail))
        }
    };
    found.map_err(|mut rejected| {
        if let Some(line) = again::draft_with_backup(op, image) {
            rejected.detail += &format!("; to make one and draft again: {line}");
        }
        rejected
    })
}

fn missing(detail: String) -> Result<(), Rejected> {
    Err(Rejected::new(RejectCode::EvidenceMissing, detail))
}

/// The backup that was named is there as it was named, is whole, is of this incarnation, holds every volume that is at stake,
/// and is young enough.
fn backup_holds(
    evidence: &BackupEvidence,
    at_stake: &Set<String>,
    image: &GuestImage,
    guards: &Guards,
) -> Result<(), Rejected> {
    let volid = &evidence.volid;
    let Some(seen) = guards.backups.iter().find(|backup| backup.volid == *volid) else {
        return missing(format!("no storage that can be read now has backup {volid}"));
    };
    if seen.guest != Some(image.guest) {
        return missing(format!("backup {volid} is not one of {}", image.guest));
    }
    if seen.size.unwrap_or(0) == 0 || seen.size != Some(evidence.size) {
        return missing(format!("backup {volid} has {} bytes, signed {}", shown(seen.size), evidence.size));
    }
    if seen.ctime != Some(evidence.ctime.unix()) {
        return missing(format!(
            "backup {volid} is of {}, signed {}",
            shown(seen.ctime),
            evidence.ctime.unix()
        ));
    }
    if seen.broken {
        return missing(format!("the backup server found backup {volid} broken"));
    }
    of_this_incarnation(seen, image)?;
    let left: Vec<&str> = at_stake
        .iter()
        .filter(|key| !seen.covers.contains(*key) || !evidence.covers.contains(*key))
        .map(String::as_str)
        .collect();
    if !left.is_empty() {
        return missing(format!("backup {volid} does not hold {}", left.join(", ")));
    }
    if evidence.ctime.unix() > guards.now.unix().saturating_add(CLOCKS_DIFFER_S) {
        let detail =
            format!("backup {volid} is from the future ({}): see which clock is wrong", evidence.ctime);
        return Err(Rejected::new(RejectCode::EvidenceStale, detail));
    }
    let age = guards.now.seconds_since(evidence.ctime);
    if age > guards.evidence_max_age_s {
        let detail = format!("backup {volid} is {age} s old, allowed are {} s", guards.evidence_max_age_s);
        return Err(Rejected::new(RejectCode::EvidenceStale, detail));
    }
    Ok(())
}

fn of_this_incarnation(seen: &SeenBackup, image: &GuestImage) -> Result<(), Rejected> {
    if is_of_another(seen, image) {
        return missing(format!(
            "backup {} is from before {} was made, restored or moved here",
            seen.volid, image.guest
        ));
    }
    Ok(())
}

/// A backup from before the guest was made anew is one of another guest.
pub fn is_of_another(seen: &SeenBackup, image: &GuestImage) -> bool {
    let made_at = image.incarnations.values().copied().chain(born(image)).max();
    matches!((seen.ctime, made_at), (Some(ctime), Some(made_at)) if ctime < made_at)
}

/// What a VM's configuration says of when it was made, or a container's root volume.
fn born(image: &GuestImage) -> Option<u64> {
    match image.guest.kind {
        GuestKind::Qemu => {
            normal::part(image.config.current.get("meta").map(String::as_str), "ctime")?.parse().ok()
        }
        GuestKind::Lxc => None,
    }
}

fn shown(number: Option<u64>) -> String {
    number.map_or_else(|| "not told".to_owned(), |number| number.to_string())
}

/// The keys whose bytes this operation takes away and a backup must hold.
fn data_keys(op: &Operation, image: &GuestImage) -> Set<String> {
    let all = || image.volumes.iter().filter(|volume| volume.bears_data()).map(|volume| volume.key.clone());
    match &op.action {
        Action::VolumeDelete { key, .. } => [key.clone()].into(),
        Action::ConfigDestructive { set, delete } => {
            let touched = |key: &String| set.contains_key(key) || delete.contains(key);
            all().filter(touched).collect()
        }
        Action::GuestDestroy { .. }
        | Action::GuestRollback { .. }
        | Action::GuestRestoreOver { .. }
        | Action::GuestStopHard
        | Action::GuestUnlock { .. }
        | Action::SnapshotDelete { .. }
        | Action::BackupDelete { .. }
        | Action::VolumeDetach { .. }
        | Action::ResourceDelete { .. }
        | Action::JobShell { .. }
        | Action::LimitRelease { .. }
        | Action::FloorRaise { .. }
        | Action::TrustUpdate { .. } => all().collect(),
    }
}

/// A backup that is to be deleted, or to be restored, is there and is one of this guest.
fn named_backups(op: &Operation, image: &GuestImage, guards: &Guards) -> Result<(), Rejected> {
    let (volid, is_deleted) = match &op.action {
        Action::BackupDelete { volid } => (volid, true),
        Action::GuestRestoreOver { volid, .. } => (volid, false),
        _ => return Ok(()),
    };
    let Some(seen) = guards.backups.iter().find(|backup| backup.volid == *volid) else {
        return missing(format!("no storage that can be read now has backup {volid}"));
    };
    if seen.guest.map(|guest| guest.kind) != Some(image.guest.kind)
        || (is_deleted && seen.guest != Some(image.guest))
    {
        return missing(format!("backup {volid} is not one of {}", image.guest));
    }
    if is_deleted && seen.protected {
        let detail = format!("backup {volid} is protected: take that away in Proxmox first");
        return Err(Rejected::new(RejectCode::Protected, detail));
    }
    if !is_deleted && (seen.size.unwrap_or(0) == 0 || seen.broken) {
        return missing(format!("backup {volid} is empty or broken: nothing could be restored from it"));
    }
    Ok(())
}

/// What is not seen now cannot be missed afterwards.
fn seen(op: &Operation, image: &GuestImage) -> Result<(), Rejected> {
    let untrusted = |detail| Err(Rejected::new(RejectCode::ObservationUntrusted, detail));
    if takes_data(&op.action) {
        if let Reading::Unknown(fault) = &image.replicated {
            return untrusted(format!(
                "nobody can say whether {} is replicated: {}",
                image.guest, fault.message
            ));
        }
        if let Some(volume) = image.volumes.iter().find(|volume| volume.size.is_none()) {
            return untrusted(format!(
                "storage {} does not list {}: the token may not see it (Datastore.Audit and VM.Config.Disk, or \
                 Datastore.Allocate), or it is gone; nobody could tell afterwards whether it was removed",
                volume::storage(&volume.volid),
                volume.volid
            ));
        }
    }
    Ok(())
}

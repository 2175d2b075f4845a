//! Whether what cannot be undone was done: the guest and its volumes read again. Absence is believed only where it is said by all
//! who could contradict it, and what is half done is a doubt, never a failure that could be tried again.

use super::verdict::Effect;
use crate::model::guest::{GuestId, RunState};
use crate::model::sorted::Set;
use crate::model::volume;
use crate::observe;
use crate::pve::{Client, ContentKind, PveError};

/// Gone: the list of guests and the configuration both say so, no node of the cluster has the number, and no storage lists any
/// of its volumes.
pub(super) fn destroyed(client: &Client, guest: GuestId, volumes: &[String]) -> Effect {
    let is_there = match presence(client, guest) {
        Ok(is_there) => is_there,
        Err(why) => return Effect::Doubt(why),
    };
    let left = match still_listed(client, guest, volumes) {
        Ok(left) => left,
        Err(why) if is_there => return Effect::Doubt(format!("the guest is still there, and {why}")),
        Err(why) => return Effect::Doubt(format!("the guest is gone, and {why}")),
    };
    match (is_there, left.is_empty()) {
        (false, true) => Effect::There,
        (false, false) => Effect::Left(left),
        (true, _) if left.len() == volumes.len() => {
            Effect::Untouched(format!("{guest} is still there, with all its volumes"))
        }
        (true, _) => Effect::Doubt(format!(
            "{guest} is still there, but of its {} volumes only these are: {}",
            volumes.len(),
            left.join(", ")
        )),
    }
}

/// `Err` where the two sources contradict each other, or one cannot be asked.
pub(super) fn presence(client: &Client, guest: GuestId) -> Result<bool, String> {
    let has_config = match client.pending(guest) {
        Ok(_) => true,
        Err(PveError::GuestMissing { .. }) => false,
        Err(PveError::Forbidden(denied)) => {
            return Err(format!(
                "it cannot be seen any more: {denied}. What is granted on one guest goes with it; grant it on /vms"
            ));
        }
        Err(error) => return Err(format!("its configuration could not be read: {error}")),
    };
    let listed =
        client.guests(guest.kind).map_err(|error| format!("the guests could not be listed: {error}"))?;
    let is_listed = listed.iter().any(|listed| listed.guest == guest);
    if has_config != is_listed {
        return Err(format!("the node's list and its configurations contradict each other about {guest}"));
    }
    if has_config {
        return Ok(true);
    }
    match observe::elsewhere(client, guest) {
        Ok(None) => Ok(false),
        Ok(Some(node)) => Err(format!("{} is taken again, on node {node}", guest.vmid)),
        Err(error) => Err(format!("the guests of the cluster could not be listed: {error}")),
    }
}

/// Those of the volumes that their storages list still; one storage after the other.
fn still_listed(client: &Client, guest: GuestId, volumes: &[String]) -> Result<Vec<String>, String> {
    let storages: Set<&str> = volumes.iter().map(|volid| volume::storage(volid)).collect();
    let mut listed = Set::new();
    for storage in storages {
        let rows = client.content(storage, None, None).map_err(|error| {
            format!("storage {storage}, which held volumes of {guest}, cannot be read: {error}")
        })?;
        listed.extend(rows.into_iter().map(|row| row.volid));
    }
    Ok(volumes.iter().filter(|volid| listed.contains(*volid)).cloned().collect())
}

/// A write that was signed for: it is there, and the volumes that it frees are gone.
pub(super) fn freed(client: &Client, guest: GuestId, volumes: &[String], written: Effect) -> Effect {
    match written {
        Effect::There => {}
        Effect::NotThere(found) => return Effect::Untouched(found),
        Effect::Unseen(why) => return Effect::Doubt(why),
        other @ (Effect::Left(_) | Effect::Untouched(_) | Effect::Doubt(_) | Effect::Whole) => return other,
    }
    match still_listed(client, guest, volumes) {
        Ok(left) if left.is_empty() => Effect::There,
        Ok(left) => Effect::Left(left),
        Err(why) => Effect::Doubt(format!("the configuration is as written, but {why}")),
    }
}

/// Nothing in a guest shows that it was rolled back to where it may have been before; only that nothing is half done.
pub(super) fn rolled_back(client: &Client, guest: GuestId, snapshot: &str, start: bool) -> Effect {
    match client.snapshots(guest) {
        Ok(snapshots) if snapshots.iter().any(|known| known.name == snapshot) => {}
        Ok(_) => return Effect::Doubt(format!("{guest} has no snapshot {snapshot} any more")),
        Err(error) => return Effect::Doubt(error.to_string()),
    }
    let wanted = if start { RunState::Running } else { RunState::Stopped };
    whole(client, guest, Some(wanted))
}

/// As after a rollback: that it is there and nobody works on it, no more.
pub(super) fn restored(client: &Client, guest: GuestId) -> Effect {
    whole(client, guest, None)
}

fn whole(client: &Client, guest: GuestId, wanted: Option<RunState>) -> Effect {
    let config = match client.pending(guest) {
        Ok(config) => config,
        Err(error) => return Effect::Doubt(error.to_string()),
    };
    match client.status(guest) {
        Err(error) => Effect::Doubt(error.to_string()),
        Ok(status) => match status.lock.as_ref().or_else(|| config.current.get("lock")) {
            Some(lock) => Effect::Doubt(format!("{guest} has the lock {lock:?}: it may be half done")),
            None if wanted.is_some_and(|wanted| wanted != status.run) => {
                Effect::Doubt(format!("{guest} is {}", status.run))
            }
            None => Effect::Whole,
        },
    }
}

/// A deletion that was cut short leaves the snapshot's name, and the guest locked.
pub(super) fn snapshot_still_there(client: &Client, guest: GuestId, name: &str) -> Effect {
    match client.pending(guest) {
        Ok(config) => match config.current.get("lock") {
            Some(lock) => {
                Effect::Doubt(format!("snapshot {name} is still there, and {guest} has the lock {lock:?}"))
            }
            None => Effect::NotThere(format!("snapshot {name} is still there")),
        },
        Err(error) => Effect::Unseen(error.to_string()),
    }
}

pub(super) fn backup_deleted(client: &Client, volid: &str) -> Effect {
    match client.content(volume::storage(volid), Some(ContentKind::Backup), None) {
        Ok(rows) if rows.iter().any(|row| row.volid == volid) => {
            Effect::Untouched(format!("{volid} is still there"))
        }
        Ok(_) => Effect::There,
        Err(error) => Effect::Doubt(format!("the storage of {volid} cannot be read: {error}")),
    }
}

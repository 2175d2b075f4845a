//! A guest as it must be known before something is done to it that cannot be undone. Every doubt is a refusal: what could
//! not be read is not "gone", and what changed while it was read is read again.

use super::{backup_of, running_tasks};
use crate::model::guest::{GuestId, GuestKind};
use crate::model::image::{GuestImage, ImageSnapshot, ImageVolume};
use crate::model::observed::{GuestConfig, PendingChange, Reading};
use crate::model::op::{RejectCode, Rejected};
use crate::model::sorted::{Map, Set};
use crate::model::volume;
use crate::pve::{Client, ListedTask, PveError, TaskFilter, TaskSource, Volume};

/// Tasks of one guest that are looked through; a busy guest has some dozens a day.
const HISTORY: u32 = 1_000;

/// A guest that changes while it is read is read again this often.
const TRIES: usize = 3;

/// Tasks that make, restore, move or destroy a guest. A clone goes by the number of its source and is not among them.
const INCARNATIONS: [&str; 8] =
    ["vzcreate", "vzrestore", "vzdestroy", "vzmigrate", "qmcreate", "qmrestore", "qmdestroy", "qmigrate"];

/// Storages whose listing tells when a volume was made; others tell when it was last written, or nothing.
const KNOW_BIRTH: [&str; 3] = ["zfspool", "lvmthin", "rbd"];

/// All of the guest, or why nobody can say: `GuestGone`, `BindGuest` (a guest of the other kind), `ObservationUntrusted`.
pub fn image(client: &Client, guest: GuestId) -> Result<GuestImage, Rejected> {
    for _try in 0..TRIES {
        let image = once(client, guest)?;
        let again = client.pending(guest).map_err(|error| unread("its configuration", &error))?;
        if again.digest == image.config.digest {
            return Ok(image);
        }
    }
    Err(untrusted(format!("{guest} is being changed by somebody: it was different at each of {TRIES} looks")))
}

fn once(client: &Client, guest: GuestId) -> Result<GuestImage, Rejected> {
    // The tasks first: what one that has ended did is then in all that follows.
    let running = running_tasks(client).map_err(|error| unread("the running tasks", &error))?;
    let backup_task =
        backup_of(client, guest.vmid, &running).map_err(|error| unread("a backup's log", &error))?;
    let config = match client.pending(guest) {
        Ok(config) => config,
        Err(PveError::GuestMissing { text }) => return Err(absent(client, guest, &text)),
        Err(error) => return Err(unread("its configuration", &error)),
    };
    listed(client, guest)?;
    let incarnations = incarnations(client, guest)?;
    let status = client.status(guest).map_err(|error| unread("its status", &error))?;
    let snapshots = client.snapshots(guest).map_err(|error| unread("its snapshots", &error))?;
    let volumes = volumes(client, guest, &config)?;
    let lock = config.current.get("lock").filter(|lock| !lock.is_empty()).cloned();
    Ok(GuestImage {
        guest,
        snapshots: snapshots
            .into_iter()
            .map(|snapshot| ImageSnapshot {
                name: snapshot.name,
                parent: snapshot.parent,
                taken_at: snapshot.taken_at,
            })
            .collect(),
        volumes,
        run: status.run,
        lock: status.lock.or(lock),
        template: status.template || config.current.get("template").is_some_and(|value| value == "1"),
        ha: status.ha,
        replicated: replicated(client, guest),
        backup_task,
        incarnations,
        config,
    })
}

fn untrusted(detail: String) -> Rejected {
    Rejected::new(RejectCode::ObservationUntrusted, detail)
}

fn unread(what: &str, error: &PveError) -> Rejected {
    untrusted(format!("{what} could not be read: {error}"))
}

/// A configuration that can be read of a guest that no list has is a contradiction.
fn listed(client: &Client, guest: GuestId) -> Result<(), Rejected> {
    let guests = client.guests(guest.kind).map_err(|error| unread("the list of guests", &error))?;
    if guests.iter().any(|listed| listed.guest == guest) {
        return Ok(());
    }
    Err(untrusted(format!("the configuration of {guest} can be read, but the node's list does not have it")))
}

/// There is no configuration. Gone it is only if both lists say so, the token is allowed to see it, and the lists are not empty
/// altogether, as they are when the cluster file system does not answer them.
fn absent(client: &Client, guest: GuestId, text: &str) -> Rejected {
    let mut known = 0;
    for kind in GuestKind::ALL {
        let guests = match client.guests(kind) {
            Ok(guests) => guests,
            Err(error) => return unread("the list of guests", &error),
        };
        if let Some(other) = guests.iter().find(|listed| listed.guest.vmid == guest.vmid) {
            if other.guest == guest {
                return untrusted(format!("the node lists {guest}, and says: {text}"));
            }
            let detail = format!("{guest} was signed for, on this node it is {}", other.guest);
            return Rejected::new(RejectCode::BindGuest, detail);
        }
        known += guests.len();
    }
    match elsewhere(client, guest) {
        Err(error) => return unread("the guests of the cluster", &error),
        Ok(Some(node)) => {
            let detail = format!("{guest} is not on this node: found elsewhere, on node {node}");
            return Rejected::new(RejectCode::GuestGone, detail);
        }
        Ok(None) => {}
    }
    match client.permissions() {
        Err(error) => unread("what the token may", &error),
        Ok(permissions) if !permissions.allows(&format!("/vms/{}", guest.vmid), "VM.Audit") => {
            untrusted(format!(
                "{guest} is not to be seen, which proves nothing: the token lacks VM.Audit on /vms/{}",
                guest.vmid
            ))
        }
        Ok(_) if known == 0 => untrusted(format!(
            "{guest} is not to be seen, and neither is any other guest: that is how a node answers that cannot read its guests"
        )),
        Ok(_) => Rejected::new(RejectCode::GuestGone, format!("there is no {guest} on this node: {text}")),
    }
}

/// The other node that has this number.
pub(crate) fn elsewhere(client: &Client, guest: GuestId) -> Result<Option<String>, PveError> {
    let own = client.node()?;
    let rows = client.cluster_resources()?;
    let number = Some(u64::from(guest.vmid.number()));
    Ok(rows
        .into_iter()
        .filter(|row| row.vmid == number && matches!(row.kind.as_str(), "lxc" | "qemu"))
        .filter_map(|row| row.node)
        .find(|node| node != own))
}

/// Others' tasks are seen with Sys.Audit only; without it a guest that was made anew looks like the old one.
fn incarnations(client: &Client, guest: GuestId) -> Result<Map<String, u64>, Rejected> {
    let node = client.node().map_err(|error| unread("the node's name", &error))?;
    let permissions = client.permissions().map_err(|error| unread("what the token may", &error))?;
    let path = format!("/nodes/{node}");
    if !permissions.allows(&path, "Sys.Audit") {
        return Err(untrusted(format!(
            "the token may not see others' tasks, so that nobody can say whether {guest} was made anew: give it Sys.Audit on \
             {path}"
        )));
    }
    let filter = TaskFilter {
        source: TaskSource::All,
        vmid: Some(guest.vmid),
        limit: Some(HISTORY),
        ..TaskFilter::default()
    };
    let tasks = client.tasks(&filter).map_err(|error| unread("the task history", &error))?;
    let made =
        |task: &ListedTask| task.upid.vmid() == Some(guest.vmid) && INCARNATIONS.contains(&task.upid.kind());
    Ok(tasks.into_iter().filter(made).map(|task| (task.upid.to_string(), task.upid.started())).collect())
}

fn replicated(client: &Client, guest: GuestId) -> Reading<bool> {
    match client.replication_jobs() {
        Ok(jobs) => Reading::Known(jobs.iter().any(|job| job.concerns(guest.vmid))),
        // A node that does not know the call replicates nothing.
        Err(PveError::NotImplemented { .. }) => Reading::Known(false),
        Err(error) => Reading::Unknown(error.as_read_fault()),
    }
}

/// What the configuration names, with the sizes that the storages list; one storage after the other.
fn volumes(client: &Client, guest: GuestId, config: &GuestConfig) -> Result<Vec<ImageVolume>, Rejected> {
    let named = named_volumes(config);
    let storages: Set<&str> = named.iter().map(|(_, volid)| volume::storage(volid)).collect();
    let mut sizes: Map<String, (Option<u64>, Option<u64>)> = Map::new();
    for storage in storages {
        let here: Vec<&str> = named
            .iter()
            .map(|(_, volid)| volid.as_str())
            .filter(|volid| volume::storage(volid) == storage)
            .collect();
        let rows = storage_rows(client, guest, storage, &here)
            .map_err(|error| unread(&format!("storage {storage}"), &error))?;
        let knows_birth = knows_birth(client, storage)?;
        sizes.extend(rows.into_iter().map(|row| (row.volid, (row.size, row.ctime.filter(|_| knows_birth)))));
    }
    let seen = |(key, volid): (String, String)| {
        let (size, made_at) = sizes.get(&volid).copied().unwrap_or_default();
        ImageVolume { key, volid, size, made_at }
    };
    Ok(named.into_iter().map(seen).collect())
}

/// A volume that is named for another guest is listed under that one's number.
fn storage_rows(
    client: &Client,
    guest: GuestId,
    storage: &str,
    here: &[&str],
) -> Result<Vec<Volume>, PveError> {
    let is_own = here.iter().all(|volid| volume::is_named_for(volid, guest.vmid));
    client.content(storage, None, is_own.then_some(guest.vmid))
}

fn knows_birth(client: &Client, storage: &str) -> Result<bool, Rejected> {
    let found = client.storage(storage).map_err(|error| unread(&format!("storage {storage}"), &error))?;
    Ok(found.and_then(|storage| storage.kind).is_some_and(|kind| KNOW_BIRTH.contains(&kind.as_str())))
}

/// By key and volume: of the running configuration, and of the pending one where that is another.
fn named_volumes(config: &GuestConfig) -> Set<(String, String)> {
    let pending = config.pending.iter().filter_map(|(key, change)| match change {
        PendingChange::Set(value) => Some((key, value)),
        PendingChange::Delete => None,
    });
    let named = config.current.iter().chain(pending).filter(|(key, _)| volume::holds_volume(key));
    named.filter_map(|(key, value)| Some((key.clone(), volume::volid(value)?.to_owned()))).collect()
}

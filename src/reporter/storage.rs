//! The part of the report that storages answer: what they are, and what backups they hold.
//! On a thread of its own, one call at a time: a dead NFS server must not take Proxmox's workers away, and a list of
//! contents is asked for at most every five minutes.

use std::time::{Duration, Instant};

use crate::hub::wire::report::{Backup, PbsSnapshot, Problem, StorageTarget, Verification};
use crate::model::guest::{GuestKind, Vmid};
use crate::model::sorted::Map;
use crate::pve::{Client, Connection, ContentKind, PveError, Storage, Volume};

/// Between two lists of one storage's contents, whether the last was had or not.
const CONTENT_EVERY: Duration = Duration::from_secs(300);
const BACKUP_SERVER: &str = "pbs";

#[derive(Debug, Default)]
pub(super) struct StoragePart {
    pub(super) targets: Vec<StorageTarget>,
    pub(super) backups: Vec<Backup>,
    pub(super) pbs_snapshots: Vec<PbsSnapshot>,
    pub(super) problems: Vec<Problem>,
}

#[derive(Debug)]
pub(super) struct StorageReader {
    connection: Connection,
    client: Option<Client>,
    /// By storage.
    contents: Map<String, Content>,
}

/// A list of contents, or why there is none, and when it was asked for.
#[derive(Debug)]
struct Content {
    at: Instant,
    volumes: Result<Vec<Volume>, String>,
}

impl StorageReader {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, client: None, contents: Map::new() }
    }

    /// Reads the storages and, where it is time, their contents. Asks nothing after `until`.
    pub(super) fn read(&mut self, until: Instant) -> StoragePart {
        let mut part = StoragePart::default();
        let storages = match self.storages() {
            Ok(storages) => storages,
            Err(error) => {
                part.problem("storage".to_owned(), error.to_string());
                return part;
            }
        };
        self.contents.retain(|id, _| storages.iter().any(|storage| storage.id == *id));
        for storage in &storages {
            part.targets.push(target(storage));
            if storage.enabled != Some(false) && storage.holds(ContentKind::Backup) {
                self.content(storage, until, &mut part);
            }
        }
        part
    }

    fn storages(&mut self) -> Result<Vec<Storage>, PveError> {
        let client = match self.client.take() {
            Some(client) => client,
            None => Client::new(&self.connection)?,
        };
        let storages = client.storages();
        self.client = Some(client);
        storages
    }

    /// The backups of one storage, from memory if they were asked for lately.
    fn content(&mut self, storage: &Storage, until: Instant, part: &mut StoragePart) {
        let name = format!("storage:{}", storage.id);
        if storage.active != Some(true) {
            part.problem(name, "it is not active; its backups are not known".to_owned());
            return;
        }
        let is_fresh =
            self.contents.get(&storage.id).is_some_and(|content| content.at.elapsed() < CONTENT_EVERY);
        if !is_fresh && Instant::now() < until {
            if let Some(client) = &self.client {
                let volumes = client.content(&storage.id, Some(ContentKind::Backup), None);
                let volumes = volumes.map_err(|error| error.to_string());
                self.contents.insert(storage.id.clone(), Content { at: Instant::now(), volumes });
            }
        }
        match self.contents.get(&storage.id).map(|content| &content.volumes) {
            Some(Ok(volumes)) => volumes.iter().for_each(|volume| part.add(storage, volume)),
            Some(Err(message)) => part.problem(name, message.clone()),
            None => part.problem(name, "its backups were not read: other storages took too long".to_owned()),
        }
    }
}

impl StoragePart {
    fn problem(&mut self, part: String, message: String) {
        self.problems.push(Problem { part, message });
    }

    fn add(&mut self, storage: &Storage, volume: &Volume) {
        // Without a guest it is nobody's backup, and nothing the report has a place for.
        let Some(vmid) = volume.vmid.and_then(|number| Vmid::new(number).ok()) else { return };
        let verified = verification(volume);
        if storage.kind.as_deref() == Some(BACKUP_SERVER) {
            if let Some(time_unix) = volume.ctime {
                self.pbs_snapshots.push(PbsSnapshot {
                    vmid,
                    storage: storage.id.clone(),
                    time_unix,
                    size: volume.size,
                    verification: verified,
                    encrypted: volume.encrypted.is_some(),
                    protected: volume.protected,
                });
            }
        }
        self.backups.push(Backup {
            vmid,
            kind: kind(volume),
            volid: volume.volid.clone(),
            storage: storage.id.clone(),
            ctime_unix: volume.ctime,
            size: volume.size,
            protected: volume.protected,
            verified,
            incarnation: None,
        });
    }
}

fn target(storage: &Storage) -> StorageTarget {
    let is_active = storage.active == Some(true);
    StorageTarget {
        id: storage.id.clone(),
        kind: storage.kind.clone().unwrap_or_else(|| "unknown".to_owned()),
        content: storage.contents().map(str::to_owned).collect(),
        active: storage.active,
        // An inactive storage is listed with 0: it does not tell, and nothing is what it holds.
        total: storage.total.filter(|_| is_active),
        used: storage.used.filter(|_| is_active),
        shared: storage.shared,
    }
}

fn kind(volume: &Volume) -> Option<GuestKind> {
    GuestKind::ALL.into_iter().find(|kind| volume.subtype.as_deref() == Some(kind.as_str()))
}

fn verification(volume: &Volume) -> Verification {
    match volume.verification.as_ref().and_then(|verification| verification.state.as_deref()) {
        Some("ok") => Verification::Ok,
        Some("failed") => Verification::Failed,
        _ => Verification::None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{StoragePart, target};
    use crate::hub::wire::report::Verification;
    use crate::pve::{Storage, Volume};

    fn storage(value: serde_json::Value) -> Storage {
        serde_json::from_value(value).unwrap()
    }

    fn added(kind: &str, volume: serde_json::Value) -> StoragePart {
        let volume: Volume = serde_json::from_value(volume).unwrap();
        let mut part = StoragePart::default();
        part.add(&storage(json!({"storage": "s", "type": kind})), &volume);
        part
    }

    #[test]
    fn a_backup_of_a_folder_is_a_backup_and_no_snapshot() {
        let part = added(
            "dir",
            json!({"volid": "s:backup/x", "subtype": "lxc", "vmid": 103, "ctime": 5, "size": 7, "protected": 1}),
        );
        assert_eq!((part.backups.len(), part.pbs_snapshots.len()), (1, 0));
        let backup = &part.backups[0];
        assert_eq!((backup.ctime_unix, backup.size, backup.protected), (Some(5), Some(7), true));
        assert_eq!(backup.verified, Verification::None);
    }

    #[test]
    fn a_backup_server_s_is_both_with_its_verification() {
        for (state, expected) in [
            (json!("ok"), Verification::Ok),
            (json!("failed"), Verification::Failed),
            (json!(""), Verification::None),
        ] {
            let part = added(
                "pbs",
                json!({"volid": "s:backup/ct/1", "vmid": "103", "ctime": 5, "encrypted": "aa:bb", "verification": {"state": state}}),
            );
            assert_eq!((part.backups[0].verified, part.pbs_snapshots[0].verification), (expected, expected));
            assert!(part.pbs_snapshots[0].encrypted);
            assert_eq!(part.pbs_snapshots[0].size, None, "what was not told is not 0");
        }
    }

    #[test]
    fn a_volume_of_no_guest_is_left_out() {
        for vmid in [json!(null), json!(0), json!("x")] {
            assert!(added("dir", json!({"volid": "s:x", "vmid": vmid})).backups.is_empty());
        }
    }

    #[test]
    fn an_inactive_storage_s_zeros_are_not_told() {
        let told = |active: u8| {
            let target = target(&storage(json!({"storage": "s", "active": active, "total": 0, "used": 0})));
            (target.active, target.total, target.used)
        };
        assert_eq!(told(0), (Some(false), None, None));
        assert_eq!(told(1), (Some(true), Some(0), Some(0)));
    }
}

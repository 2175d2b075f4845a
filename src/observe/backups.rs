//! Backups as the storages list them now, and what is in them.

use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::image::{GuestImage, SeenBackup};
use crate::model::observed::GuestConfig;
use crate::model::sorted::Set;
use crate::model::volume;
use crate::pve::{Client, ContentKind, PveError, Volume};

/// Backups that are looked into, the newest first, in search of one that holds everything.
const LOOKED_INTO: usize = 5;

/// The backups that an operation names, as far as a storage lists them. A storage that cannot be read has none.
pub fn named_backups(client: &Client, image: &GuestImage, volids: &Set<String>) -> Vec<SeenBackup> {
    let storages: Set<&str> = volids.iter().map(|volid| volume::storage(volid)).collect();
    let mut seen = Vec::new();
    for storage in storages {
        match client.content(storage, Some(ContentKind::Backup), None) {
            Ok(rows) => seen.extend(
                rows.into_iter()
                    .filter(|row| volids.contains(&row.volid))
                    .map(|row| looked_into(client, image, row)),
            ),
            Err(error) => log::warn!("backups on storage {storage} could not be listed: {error}"),
        }
    }
    seen
}

/// The newest backup of this guest, rather one that holds all its volumes than a newer one that does not.
pub fn newest_backup(client: &Client, image: &GuestImage) -> Result<Option<SeenBackup>, PveError> {
    let (rows, _unread) = backup_rows(client, image.guest)?;
    let seen: Vec<SeenBackup> =
        rows.into_iter().take(LOOKED_INTO).map(|row| looked_into(client, image, row)).collect();
    let holds_all = |backup: &&SeenBackup| {
        let mut data = image.volumes.iter().filter(|volume| volume.bears_data());
        !backup.broken && data.all(|volume| backup.covers.contains(&volume.key))
    };
    Ok(seen.iter().find(holds_all).or_else(|| seen.first()).cloned())
}

/// The backups of a guest on all storages, the newest first, and the storages that could not be read.
pub fn backup_rows(client: &Client, guest: GuestId) -> Result<(Vec<Volume>, Vec<String>), PveError> {
    let (mut rows, mut unread) = (Vec::new(), Vec::new());
    for storage in client.storages()? {
        if !storage.holds(ContentKind::Backup) || storage.enabled == Some(false) {
            continue;
        }
        if storage.active == Some(false) {
            unread.push(format!("storage {} is not active", storage.id));
            continue;
        }
        match client.content(&storage.id, Some(ContentKind::Backup), Some(guest.vmid)) {
            Ok(more) => rows.extend(more),
            Err(error) => {
                log::warn!("backups on storage {} could not be listed: {error}", storage.id);
                unread.push(format!("storage {}: {error}", storage.id));
            }
        }
    }
    rows.retain(|row| guest_of(row) == Some(guest) && row.size.unwrap_or(0) > 0);
    rows.sort_unstable_by(|one, other| other.ctime.cmp(&one.ctime).then_with(|| one.volid.cmp(&other.volid)));
    Ok((rows, unread))
}

/// A backup with what is in it, measured by the guest as it is now.
pub fn looked_into(client: &Client, image: &GuestImage, row: Volume) -> SeenBackup {
    // The configuration in the backup says what was taken; without it, the guest's own says what a backup takes now.
    let covers = match client.backup_config(&row.volid) {
        Ok(text) => covers(image, &config_lines(&text)),
        Err(error) => {
            log::info!(
                "the configuration in {} could not be read ({error}); going by the guest's own",
                row.volid
            );
            covers(image, &live_lines(&image.config))
        }
    };
    SeenBackup {
        guest: guest_of(&row),
        ctime: row.ctime,
        size: row.size,
        protected: row.protected,
        broken: row.verification.as_ref().is_some_and(|found| found.state.as_deref() == Some("failed")),
        volid: row.volid,
        covers,
    }
}

/// The kind is told, or is in the name: `vzdump-lxc-105-…`, `…/ct/105/…`.
fn guest_of(row: &Volume) -> Option<GuestId> {
    let vmid = Vmid::new(row.vmid?).ok()?;
    let named = |text: &str| row.volid.contains(text);
    let kind = match row.subtype.as_deref() {
        Some("lxc") => GuestKind::Lxc,
        Some("qemu") => GuestKind::Qemu,
        _ if named("/vzdump-lxc-") || named("backup/ct/") => GuestKind::Lxc,
        _ if named("/vzdump-qemu-") || named("backup/vm/") => GuestKind::Qemu,
        _ => return None,
    };
    Some(GuestId::new(kind, vmid))
}

/// The keys of the guest whose volume is in the backup: the same volume, or another under the same key in use.
fn covers(image: &GuestImage, lines: &[(String, String)]) -> Set<String> {
    let taken: Vec<(&str, &str)> = lines
        .iter()
        .filter(|(key, value)| is_taken(image.guest.kind, key, value))
        .filter_map(|(key, value)| Some((key.as_str(), volume::volid(value)?)))
        .collect();
    let is_covered = |key: &str, volid: &str| {
        taken.iter().any(|(taken_key, taken_volid)| {
            *taken_volid == volid || (*taken_key == key && !volume::is_unused_key(key))
        })
    };
    image
        .volumes
        .iter()
        .filter(|volume| is_covered(&volume.key, &volume.volid))
        .map(|volume| volume.key.clone())
        .collect()
}

/// The volumes with data that a backup leaves out because the guest's own configuration says so.
pub fn excluded(image: &GuestImage) -> Vec<String> {
    let line = |key: &String| image.config.current.get(key);
    let left_out = |key: &String| line(key).is_none_or(|value| !is_taken(image.guest.kind, key, value));
    let keys = image.volumes.iter().filter(|volume| volume.bears_data()).map(|volume| volume.key.clone());
    keys.filter(left_out).collect()
}

/// Whether vzdump takes this volume: a container's root and what says `backup=1`; a VM's disks but for what says `backup=0`.
fn is_taken(kind: GuestKind, key: &str, value: &str) -> bool {
    if !volume::holds_volume(key) || volume::is_unused_key(key) || key == "vmstate" {
        return false;
    }
    let says = |word: &str| value.split(',').any(|part| part.trim() == word);
    match kind {
        GuestKind::Lxc => key == "rootfs" || says("backup=1"),
        GuestKind::Qemu => !volume::is_removable(value) && !says("backup=0") && !says("backup=no"),
    }
}

/// `key: value` up to the first section; comments are the description.
pub fn config_lines(text: &str) -> Vec<(String, String)> {
    text.lines()
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

fn live_lines(config: &GuestConfig) -> Vec<(String, String)> {
    config.current.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

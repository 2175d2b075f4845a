//! A backup of one guest: made, never pruning, and then looked for. What the task says is not asked.

use serde_json::{Value, json};

use super::document::put;
use super::{End, Prover, artefact, result};
use crate::clock;
use crate::consent;
use crate::lanes::Class;
use crate::model::guest::GuestId;
use crate::model::image::{GuestImage, SeenBackup};
use crate::model::outcome::Outcome;
use crate::model::sorted::Set;
use crate::model::step::Step;
use crate::model::volume;
use crate::observe;
use crate::pve::Volume;

/// What is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupOrder {
    pub guest: GuestId,
    /// Where it goes; `None`: as the configuration says, or where the newest one is.
    pub storage: Option<String>,
    /// In seconds: a backup that is younger does as well.
    pub younger_s: Option<u64>,
}

/// A storage's clock may be this much behind ours, in seconds.
const BEHIND_S: u64 = 5;

impl Prover<'_> {
    /// Makes a backup and looks at it. What came of it is on the board when this returns.
    pub fn back_up(&self, order: &BackupOrder) {
        let began = clock::now();
        let mut more = json!({"vmid": order.guest.vmid, "guest": order.guest});
        let end = self.backed_up(order, &mut more).err();
        self.board.end(self.job, result(began, end, "done", more));
    }

    fn backed_up(&self, order: &BackupOrder, more: &mut Value) -> Result<(), End> {
        let guest = order.guest;
        self.phase("looking");
        self.settle(guest)?;
        let image = observe::image(self.client(), guest)?;
        let (rows, _unread) = observe::backup_rows(self.client(), guest)?;
        let excluded = observe::excluded(&image);
        put(more, "ident", json!(consent::ident(&image)));
        put(more, "excluded", json!(excluded));
        if let Some(young) = self.young_enough(order, &image, &rows, &excluded) {
            tell(more, &young);
            self.board.bind(&young.volid, &consent::ident(&image));
            return Ok(());
        }
        if let Some(lock) = &image.lock {
            return Err(End::skipped("locked", format!("{guest} carries the lock {lock:?}")));
        }
        let storage = self.storage(order, &rows)?;
        put(more, "storage", json!(storage));
        self.phase("waiting for its turn");
        let class = Class::StorageHeavy { storages: [storage.clone()].into() };
        let Some(_permit) = self.permits.acquire(&class, self.stop) else { return Err(End::stopping()) };
        self.board.works_on(self.job, guest);
        self.phase("backing up");
        let (known, since) = (volids(&rows), clock::now().unix());
        let step = Step::Backup { guest, storage: storage.clone(), prune: false };
        match self.step(step)? {
            Outcome::Done { .. } | Outcome::Warned { .. } => {}
            Outcome::Failed(failure) if failure.code == "no_effect" => {
                let what =
                    format!("Proxmox says it is done, and storage {storage} has no new backup of {guest}");
                return Err(End::failed("backup_missing", what));
            }
            Outcome::Failed(failure) => return Err(End::failed(failure.code, failure.message)),
            Outcome::Uncertain { message, .. } => return Err(End::uncertain("uncertain", message)),
            Outcome::Conflict { message } => return Err(End::failed("conflict", message)),
            Outcome::Partial { .. } | Outcome::StillRunning { .. } | Outcome::Interrupted { .. } => {
                return Err(End::stopping());
            }
        }
        self.phase("looking at the backup");
        let (after, _unread) = observe::backup_rows(self.client(), guest)?;
        let is_new = |row: &&Volume| {
            volume::storage(&row.volid) == storage
                && !known.contains(&row.volid)
                && row.ctime >= Some(since.saturating_sub(BEHIND_S))
        };
        let Some(row) = after.iter().find(is_new) else {
            let what = format!("Proxmox says it is done, and storage {storage} has no new backup of {guest}");
            return Err(End::failed("backup_missing", what));
        };
        // The guest as it is after the backup: what was changed meanwhile is not missing in it.
        let seen = observe::looked_into(self.client(), &image, row.clone());
        tell(more, &seen);
        let before = rows.iter().find(|row| row.size.is_some()).and_then(|row| row.size);
        artefact::judge(&seen, &image, &excluded, before).map_err(|(code, what)| End::failed(code, what))?;
        self.board.bind(&seen.volid, &consent::ident(&image));
        Ok(())
    }

    /// A backup that somebody made lately and that is one.
    fn young_enough(
        &self,
        order: &BackupOrder,
        image: &GuestImage,
        rows: &[Volume],
        excluded: &[String],
    ) -> Option<SeenBackup> {
        let (row, now) = (rows.first()?, clock::now().unix());
        let age = now.checked_sub(row.ctime?)?;
        if age >= order.younger_s? {
            return None;
        }
        let seen = observe::looked_into(self.client(), image, row.clone());
        artefact::judge(&seen, image, excluded, None).is_ok().then_some(seen)
    }

    /// As ordered, or as the configuration says, or where the newest one is, or the only one there is.
    fn storage(&self, order: &BackupOrder, rows: &[Volume]) -> Result<String, End> {
        let newest = || rows.first().map(|row| volume::storage(&row.volid).to_owned());
        let named = order.storage.clone().or_else(|| self.settings.backup_storage.clone()).or_else(newest);
        if let Some(storage) = named {
            return Ok(storage);
        }
        let mut storages = self.client().storages()?;
        storages.retain(|one| one.holds(crate::pve::ContentKind::Backup) && one.enabled != Some(false));
        match <[_; 1]>::try_from(storages) {
            Ok([only]) => Ok(only.id),
            Err(many) => {
                let names: Vec<&str> = many.iter().map(|one| one.id.as_str()).collect();
                let what = format!(
                    "it is not said where to: name a storage (--storage, backup.storage of the guest, or proof.backup_storage); \
                     backups may go to {}",
                    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
                );
                Err(End::skipped("no_storage", what))
            }
        }
    }
}

fn volids(rows: &[Volume]) -> Set<String> {
    rows.iter().map(|row| row.volid.clone()).collect()
}

/// The evidence.
pub(super) fn tell(more: &mut Value, seen: &SeenBackup) {
    put(more, "volid", json!(seen.volid));
    for (name, number) in [("size", seen.size), ("ctime_unix", seen.ctime)] {
        if let Some(number) = number {
            put(more, name, json!(number));
        }
    }
    put(more, "covers", json!(seen.covers));
}

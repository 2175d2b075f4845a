//! Backups: making one, restoring one into a new guest, and the jobs that Proxmox runs by itself.

use serde::Deserialize;

use super::client::{Client, Intent, LIST, SMALL};
use super::error::PveError;
use super::form::Form;
use super::perl;
use super::upid::Upid;
use crate::http::Method;
use crate::journal::Recorded;
use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::step::Step;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupMode {
    Snapshot,
    Suspend,
    Stop,
}

/// One backup of one guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupOrder {
    pub vmid: Vmid,
    pub storage: String,
    pub mode: BackupMode,
    pub notes: Option<String>,
    pub protected: bool,
    /// How long it may wait for other backups of the node, in minutes; Proxmox's own default is three hours.
    pub lock_wait_minutes: u32,
    /// Older backups are then removed, as the storage's rules say.
    pub prune: bool,
}

impl BackupOrder {
    /// Taken while the guest runs; an hour is enough to wait for others.
    pub fn of(vmid: Vmid, storage: &str, prune: bool) -> Self {
        Self {
            vmid,
            storage: storage.to_owned(),
            mode: BackupMode::Snapshot,
            notes: None,
            protected: false,
            lock_wait_minutes: 60,
            prune,
        }
    }
}

/// A job of `/cluster/replication`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ReplicationJob {
    /// `105-0`
    #[serde(default, deserialize_with = "perl::text")]
    pub id: Option<String>,
    #[serde(default, deserialize_with = "perl::unsigned")]
    pub guest: Option<u64>,
}

impl ReplicationJob {
    /// Whether it copies this guest; one whose guest cannot be read may.
    pub fn concerns(&self, vmid: Vmid) -> bool {
        let named = || self.id.as_deref()?.split_once('-')?.0.parse().ok();
        self.guest.or_else(named).is_none_or(|guest| guest == u64::from(vmid.number()))
    }
}

/// A job of `/cluster/backup`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct BackupJob {
    pub id: String,
    /// What is not said is on.
    #[serde(default, deserialize_with = "perl::flag")]
    pub enabled: Option<bool>,
    #[serde(default, deserialize_with = "perl::text")]
    pub schedule: Option<String>,
    #[serde(default, deserialize_with = "perl::text")]
    pub storage: Option<String>,
    #[serde(default, deserialize_with = "perl::text")]
    pub mode: Option<String>,
    /// `100,103`; absent with `all` or a pool.
    #[serde(default, deserialize_with = "perl::text")]
    pub vmid: Option<String>,
    #[serde(default, deserialize_with = "perl::switch")]
    pub all: bool,
    #[serde(default, deserialize_with = "perl::text")]
    pub pool: Option<String>,
    #[serde(default, deserialize_with = "perl::text")]
    pub comment: Option<String>,
    /// Seconds since 1970.
    #[serde(default, rename = "next-run", deserialize_with = "perl::unsigned")]
    pub next_run: Option<u64>,
}

impl BackupMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Suspend => "suspend",
            Self::Stop => "stop",
        }
    }
}

impl Client {
    /// Needs Sys.Audit on `/`.
    pub fn backup_jobs(&self) -> Result<Vec<BackupJob>, PveError> {
        self.get("/cluster/backup", &Form::new(), LIST)
    }

    /// The task's word proves little: look for the volume afterwards. [`PveError::NothingDone`] when the guest is not
    /// on this node.
    pub fn vzdump(&self, recorded: &Recorded, order: &BackupOrder) -> Result<Upid, PveError> {
        let form = Form::new()
            .with("vmid", order.vmid)
            .with("storage", &order.storage)
            .with("mode", order.mode.as_str())
            .with("lockwait", order.lock_wait_minutes)
            // By default a new backup prunes old ones.
            .with_flag("remove", order.prune)
            .with_some("notes-template", order.notes.as_ref())
            .with_some("protected", order.protected.then_some(1));
        let path = self.on_node("/vzdump")?;
        self.begin(&Intent::new(recorded, order.vmid), &Method::POST, &path, &form)
    }

    /// The configuration that a backup holds, as text. Needs VM.Backup on the guest and Datastore.AllocateSpace on the storage.
    pub fn backup_config(&self, volid: &str) -> Result<String, PveError> {
        let form = Form::new().with("volume", volid);
        self.get(&self.on_node("/vzdump/extractconfig")?, &form, SMALL)
    }

    /// The cluster's replication jobs, of the guests that the token may see.
    pub fn replication_jobs(&self) -> Result<Vec<ReplicationJob>, PveError> {
        self.get("/cluster/replication", &Form::new(), LIST)
    }

    /// Destroys the guest and makes it again from a backup, its disks on `storage`.
    pub fn restore_over(
        &self,
        recorded: &Recorded,
        guest: GuestId,
        volid: &str,
        storage: &str,
    ) -> Result<Upid, PveError> {
        let step = Step::RestoreOver { guest, volid: volid.to_owned(), storage: storage.to_owned() };
        let mut form = Form::new().with("vmid", guest.vmid).with("storage", storage).with_flag("force", true);
        match guest.kind {
            GuestKind::Lxc => {
                form.set("ostemplate", volid);
                form.set("restore", 1);
            }
            GuestKind::Qemu => form.set("archive", volid),
        }
        let path = self.on_node(&format!("/{}", guest.kind))?;
        self.begin(&Intent::exactly(recorded, &step), &Method::POST, &path, &form)
    }
}

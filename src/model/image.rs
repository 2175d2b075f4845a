//! A guest as it must be known before something is done to it that cannot be undone: all of it, read at one go.

use super::guest::{GuestId, RunState};
use super::observed::{GuestConfig, HaState, Reading};
use crate::model::sorted::{Map, Set};

/// One volume that the guest's configuration names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageVolume {
    /// `rootfs`, `mp0`, `scsi0`, `unused1`, …
    pub key: String,
    /// `local-zfs:subvol-105-disk-0`
    pub volid: String,
    /// In bytes, as the storage lists it; `None` where the storage does not list it.
    pub size: Option<u64>,
    /// When it was made, in unix seconds; `None` on a storage that does not know (a directory's files only tell when they
    /// were last written).
    pub made_at: Option<u64>,
}

impl ImageVolume {
    /// A disc that Proxmox makes from the configuration holds nothing of its own; everything else may.
    pub fn bears_data(&self) -> bool {
        !self.volid.contains("-cloudinit")
    }
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageSnapshot {
    pub name: String,
    pub parent: Option<String>,
    /// Unix seconds.
    pub taken_at: Option<u64>,
}

/// Everything an operation is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestImage {
    pub guest: GuestId,
    pub config: GuestConfig,
    pub snapshots: Vec<ImageSnapshot>,
    /// By key; of the current configuration, the pending one and `unusedN`.
    pub volumes: Vec<ImageVolume>,
    pub run: RunState,
    pub lock: Option<String>,
    pub template: bool,
    pub ha: HaState,
    /// Whether a replication job of the cluster names this guest.
    pub replicated: Reading<bool>,
    /// UPID of a backup that works on it now.
    pub backup_task: Option<String>,
    /// Tasks that made, restored, moved or destroyed a guest of this number, with their start in unix seconds.
    pub incarnations: Map<String, u64>,
}

/// A backup as the storage lists it now, and what is known to be in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenBackup {
    pub volid: String,
    /// The guest it is of; `None` where the storage does not tell.
    pub guest: Option<GuestId>,
    /// Unix seconds.
    pub ctime: Option<u64>,
    /// In bytes.
    pub size: Option<u64>,
    /// Proxmox refuses to remove it.
    pub protected: bool,
    /// A backup server looked into it and found it broken.
    pub broken: bool,
    /// The volume keys that are in it: `rootfs`, `mp0`, `scsi0`, …
    pub covers: Set<String>,
}

//! The closed list of what the agent can do to a guest.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::guest::GuestId;
use crate::model::sorted::{Map, Set};

/// One change of one guest. What is not in this list cannot be done. Written in full into the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    SetConfig {
        guest: GuestId,
        change: ConfigChange,
    },
    Start {
        guest: GuestId,
    },
    /// Asks the guest to end; it is never killed.
    Shutdown {
        guest: GuestId,
        timeout_s: u32,
    },
    /// Shuts the guest down and starts it again in one task, so that it takes what is pending.
    Reboot {
        guest: GuestId,
        timeout_s: u32,
    },
    /// Tells the HA manager whether the guest is to run; it does so in its own time.
    HaState {
        guest: GuestId,
        running: bool,
    },
    Snapshot {
        guest: GuestId,
        name: String,
    },
    DeleteSnapshot {
        guest: GuestId,
        name: String,
    },
    /// Ends the guest at once, as if its power were cut.
    Stop {
        guest: GuestId,
    },
    /// Makes a backup; with `prune` Proxmox then removes older ones as the storage's rules say.
    Backup {
        guest: GuestId,
        storage: String,
        prune: bool,
    },
    /// Brings a volume to a size, in bytes. `from` is its size as last seen; less than that is a loss.
    Resize {
        guest: GuestId,
        key: String,
        from: Option<u64>,
        to: u64,
        digest: String,
    },
    /// Removes the guest and the volumes its configuration names; with `purge` also what backup jobs, replication and HA
    /// say of it.
    Destroy {
        guest: GuestId,
        purge: bool,
    },
    /// Throws away all that came after the snapshot.
    Rollback {
        guest: GuestId,
        snapshot: String,
        start: bool,
    },
    /// Destroys the guest and makes it again from a backup.
    RestoreOver {
        guest: GuestId,
        volid: String,
        storage: String,
    },
    DeleteBackup {
        guest: GuestId,
        volid: String,
    },
    /// Makes a guest where there is none, never over one that is there.
    Make {
        guest: GuestId,
        origin: Origin,
        /// `local:vztmpl/….tar.zst`, `store:backup/vzdump-….tar.zst`, or the number of the guest that is cloned.
        source: String,
        purpose: Purpose,
        /// What else the call is given, in Proxmox's own keys.
        params: Map<String, String>,
    },
}

/// How a description's line begins that tells one incarnation of a guest from another.
pub const MARKER: &str = "felhom-incarnation:";

/// From what a guest is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The archive of a container's file system.
    Template,
    Backup,
    /// Another guest of the node; a copy of its own, not linked to it.
    Clone,
}

/// What a guest is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// It is wanted, and stays.
    Provision,
    /// It proves something and is destroyed again.
    Scratch,
}

impl Origin {
    /// As the manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Backup => "backup",
            Self::Clone => "clone",
        }
    }
}

impl Step {
    pub fn guest(&self) -> GuestId {
        match self {
            Self::SetConfig { guest, .. }
            | Self::Start { guest }
            | Self::Shutdown { guest, .. }
            | Self::Reboot { guest, .. }
            | Self::HaState { guest, .. }
            | Self::Snapshot { guest, .. }
            | Self::DeleteSnapshot { guest, .. }
            | Self::Stop { guest }
            | Self::Backup { guest, .. }
            | Self::Resize { guest, .. }
            | Self::Destroy { guest, .. }
            | Self::Rollback { guest, .. }
            | Self::RestoreOver { guest, .. }
            | Self::DeleteBackup { guest, .. }
            | Self::Make { guest, .. } => *guest,
        }
    }
}

/// HA's word for a run state that is wanted.
pub fn ha_word(running: bool) -> &'static str {
    if running { "started" } else { "stopped" }
}

/// What is written, in Proxmox's own keys and values; a key is never in both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChange {
    pub set: Map<String, String>,
    pub delete: Set<String>,
    /// The digest of the configuration this change was planned against; never empty.
    pub digest: String,
}

impl fmt::Display for Step {
    /// In plain words, for the log and the plan: `set cores=2 and delete swap of lxc/101`. A description is not repeated.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetConfig { guest, change } => {
                let set = change.set.iter().map(|(key, value)| {
                    if key == "description" { "description".to_owned() } else { format!("{key}={value}") }
                });
                let set: Vec<String> = set.collect();
                let delete: Vec<&str> = change.delete.iter().map(String::as_str).collect();
                match (set.is_empty(), delete.is_empty()) {
                    (false, true) => write!(f, "set {} of {guest}", set.join(", ")),
                    (true, _) => write!(f, "delete {} of {guest}", delete.join(", ")),
                    (false, false) => {
                        write!(f, "set {} and delete {} of {guest}", set.join(", "), delete.join(", "))
                    }
                }
            }
            Self::Start { guest } => write!(f, "start {guest}"),
            Self::Shutdown { guest, timeout_s } => write!(f, "shut down {guest} within {timeout_s} s"),
            Self::Reboot { guest, timeout_s } => {
                write!(f, "reboot {guest}, which may take {timeout_s} s to shut down")
            }
            Self::HaState { guest, running: true } => write!(f, "have HA start {guest}"),
            Self::HaState { guest, running: false } => write!(f, "have HA stop {guest}"),
            Self::Snapshot { guest, name } => write!(f, "snapshot {guest} as {name}"),
            Self::DeleteSnapshot { guest, name } => write!(f, "delete snapshot {name} of {guest}"),
            Self::Stop { guest } => write!(f, "stop {guest} at once"),
            Self::Backup { guest, storage, prune: false } => write!(f, "back up {guest} to {storage}"),
            Self::Backup { guest, storage, prune: true } => {
                write!(f, "back up {guest} to {storage} and remove older backups")
            }
            Self::Resize { guest, key, from: _, to, digest: _ } => {
                write!(f, "resize {key} of {guest} to {to} bytes")
            }
            Self::Destroy { guest, purge: false } => write!(f, "destroy {guest}"),
            Self::Destroy { guest, purge: true } => write!(f, "destroy {guest} and purge it from all jobs"),
            Self::Rollback { guest, snapshot, start: false } => {
                write!(f, "roll {guest} back to snapshot {snapshot}")
            }
            Self::Rollback { guest, snapshot, start: true } => {
                write!(f, "roll {guest} back to snapshot {snapshot} and start it")
            }
            Self::RestoreOver { guest, volid, storage } => {
                write!(f, "restore {volid} over {guest}, its disks on {storage}")
            }
            Self::DeleteBackup { guest, volid } => write!(f, "delete backup {volid} of {guest}"),
            Self::Make { guest, origin, source, .. } => {
                write!(f, "make {guest} from {} {source}", origin.as_str())
            }
        }
    }
}

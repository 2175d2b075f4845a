//! What the node said, and what it did not say. A reading that failed is `Unknown`: never 0, never "gone".

use super::guest::{GuestId, RunState};
use super::volume::first_part;
use crate::model::sorted::Map;

/// A value that was read, or why it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    Known(T),
    Unknown(ReadFault),
}

impl<T> Reading<T> {
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }
}

/// Why a reading failed: a stable code for programs and a text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFault {
    pub code: &'static str,
    pub message: String,
}

impl ReadFault {
    /// The code of a config read that the node answered with "does not exist". It alone does not prove that the guest
    /// is gone: a container asked for as a VM gets the same answer.
    pub const GUEST_MISSING: &'static str = "guest_missing";
}

/// One row of the node's guest list (`GET /nodes/{node}/lxc` or `/qemu`).
#[derive(Clone, Debug, PartialEq)]
pub struct ListedGuest {
    pub guest: GuestId,
    /// The host name of a container, the name of a VM; a container without one is listed as `CT103`.
    pub name: Option<String>,
    pub run: RunState,
    pub template: bool,
    /// `backup`, `migrate`, `snapshot`, …
    pub lock: Option<String>,
    pub tags: Vec<String>,
    /// `None` when stopped or not told.
    pub uptime_seconds: Option<u64>,
}

/// Where a guest stands in the node's list.
#[derive(Clone, Debug, PartialEq)]
pub enum Presence {
    Listed(ListedGuest),
    /// The list was read and the guest is not in it. That alone is no proof: a token that may not see it gets the same list.
    NotListed,
    /// Both lists were read without it, no node of the cluster has the number, and the cluster calls it free.
    Nowhere,
    /// Another node of the cluster has the number; its name.
    Elsewhere(String),
    /// The list could not be read.
    Unknown(ReadFault),
}

/// A guest's configuration in both its views, from `GET …/pending`, which carries the digest as one of its keys.
/// Every value is text as Proxmox prints it: `1024`, `1`, `order=scsi0`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuestConfig {
    /// What runs now.
    pub current: Map<String, String>,
    /// What the next start will make of it.
    pub pending: Map<String, PendingChange>,
    /// SHA-1 over the whole configuration file, snapshots included. Never empty: an empty one would switch the check off.
    pub digest: String,
}

impl GuestConfig {
    /// The value a key will have once what is pending is applied.
    pub fn merged(&self, key: &str) -> Option<&str> {
        match self.pending.get(key) {
            Some(PendingChange::Set(value)) => Some(value),
            Some(PendingChange::Delete) => None,
            None => self.current.get(key).map(String::as_str),
        }
    }

    /// The text at a volume's key that tells the size it has now. What somebody left pending for the same volume may tell an
    /// older one.
    pub fn with_size(&self, key: &str) -> Option<&str> {
        let merged = self.merged(key)?;
        let current = self.current.get(key).filter(|text| first_part(text) == first_part(merged));
        Some(current.map_or(merged, String::as_str))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PendingChange {
    Set(String),
    Delete,
}

/// What only `GET …/status/current` tells, read by the lane that is about to act (30 ms a guest on a real node).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveStatus {
    pub run: RunState,
    pub lock: Option<String>,
    pub template: bool,
    pub ha: HaState,
    /// What HA was last asked to make of it: `started`, `stopped`, …; `None` where nobody could tell.
    pub ha_asked: Option<String>,
    /// The UPID of a backup task that is working on this guest now, if one is known to run.
    pub backup_task: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HaState {
    NotManaged,
    /// The HA manager decides about this guest's run state; its own word for the state, if it gave one.
    Managed(Option<String>),
}

/// All that is known of one guest at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestObservation {
    pub presence: Presence,
    pub config: Reading<GuestConfig>,
    /// `None` in the tick that only looks; present in the lane, right before a change.
    pub live: Option<Reading<LiveStatus>>,
}

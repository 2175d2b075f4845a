//! The node's own REST API: typed, blocking, over one kept connection.
//!
//! Reads give typed values and never invent one: what Proxmox does not say is `None`, not 0. Mutations take the journal's
//! [`Recorded`](crate::journal::Recorded), so that nothing is sent that was not recorded, and give a task's id where
//! Proxmox works in the background. An answer of 200 proves nothing: wait for the task, then read the guest again.
//! Never: starts a process, sends a request a second time, prints the token.

mod backups;
mod classify;
mod client;
mod error;
mod form;
mod guests;
mod node;
mod perl;
mod provision;
mod snapshots;
mod storage;
mod task;
mod upid;

#[cfg(test)]
mod tests;

pub use self::backups::{BackupJob, BackupMode, BackupOrder, ReplicationJob};
pub use self::client::{Client, Connection, Submitted};
pub use self::error::{Denied, PveError};
pub use self::guests::{ConfigText, GuestStatus, View};
pub use self::node::{
    ClusterEntry, ClusterOptions, ClusterResource, NodeEntry, NodeStatus, NodeTime, Pool, PoolMember, Space,
    Version,
};
pub use self::snapshots::Snapshot;
pub use self::storage::{ContentKind, Storage, Volume};
pub use self::task::{ListedTask, TaskEnd, TaskFilter, TaskSource, TaskState};
pub use self::upid::Upid;

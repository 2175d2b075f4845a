//! The host report: all that the hub learns of a node. `etc/schema/host-report.json` is its schema.

use serde::{Deserialize, Serialize};

use crate::journal::AuditEntry;
use crate::model::guest::{GuestKind, RunState, Vmid};
use crate::model::time::Timestamp;
use crate::status::Condition;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostReport {
    pub schema: u32,
    pub host_id: String,
    /// The node's name; absent while the node has never told it and no configuration does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    pub agent_version: String,
    /// Of a controller on this host; empty when there is none.
    pub controller_version: String,
    pub collected_at: Timestamp,
    /// From the kernel; changes with every boot. Absent where the kernel does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// Counts the reports of this process, from 1.
    pub seq: u64,
    /// Every part was read.
    pub complete: bool,
    pub problems: Vec<Problem>,
    /// Absent when the node did not answer at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    pub guests: Vec<Guest>,
    pub cloudflared: Cloudflared,
    pub storage_targets: Vec<StorageTarget>,
    pub backups: Vec<Backup>,
    /// As the board keeps them: a backup, what it was found to be, and each check.
    pub restore_tests: Vec<serde_json::Value>,
    pub pbs_snapshots: Vec<PbsSnapshot>,
    /// The last decisions and outcomes, oldest first, each with the journal's chain at that point: a past that was rewritten or
    /// shortened does not fit what was reported before.
    pub audit_tail: Vec<AuditEntry>,
    pub conditions: Vec<Condition>,
    pub privileges: Privileges,
    pub clock: Clock,
}

impl HostReport {
    pub const SCHEMA: u32 = 1;
}

/// A part that could not be read: `host`, `guests:lxc`, `guest:101`, `storage:nas`, `cloudflared`, …
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub part: String,
    pub message: String,
}

/// Sizes in bytes. What the node did not tell is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pve_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_count: Option<u64>,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_used_fraction: Option<f64>,
    /// Over 1, 5 and 15 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<[f64; 3]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_total: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_total: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_used: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rootfs_total: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rootfs_used: Option<u64>,
    pub sensors: Vec<Sensor>,
    pub disks: Vec<Disk>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensor {
    pub chip: String,
    pub label: String,
    pub celsius: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    pub device: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub smart: Smart,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent_used: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Smart {
    Passed,
    Failed,
    Unknown,
    Asleep,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    pub vmid: Vmid,
    #[serde(rename = "type")]
    pub kind: GuestKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `unknown` when the guest's configuration could not be read.
    pub status: RunState,
    /// The desired state names it. Absent when nobody could be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<bool>,
    pub template: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// Since this agent first saw the lock: at least this old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_age_seconds: Option<u64>,
    /// The HA manager's word for the state it keeps this guest in; absent when HA does not manage it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ha: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<u64>,
    pub tags: Vec<String>,
    /// Absent when the configuration could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<GuestSpec>,
}

/// What the configuration says; what it leaves to a default is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_mb: Option<u64>,
    /// All disks of the guest together, in GiB, rounded up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_gb: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cloudflared {
    pub status: ServiceStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_connections: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceStatus {
    Active,
    Inactive,
    Absent,
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageTarget {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub content: Vec<String>,
    /// Absent when the node did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
    pub shared: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    pub vmid: Vmid,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<GuestKind>,
    pub volid: String,
    pub storage: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ctime_unix: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    pub protected: bool,
    pub verified: Verification,
    /// Which incarnation of the guest it is of, where the agent looked into it: made it, or restored it to prove it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verification {
    Ok,
    Failed,
    None,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PbsSnapshot {
    pub vmid: Vmid,
    pub storage: String,
    pub time_unix: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    pub verification: Verification,
    pub encrypted: bool,
    pub protected: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privileges {
    /// Every privilege the token has on some path, sorted; empty also when it could not be asked, which is a problem then.
    pub api: Vec<String>,
    /// Whether the agent may run root commands; it never may in this version.
    pub root_cli: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// This host's clock is near the node's and the hub's, as far as either could be asked; `false` when it is not.
    pub trusted: bool,
}

//! Why nothing is done about a guest although something should be, and what would let it go on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something is wanted of a guest and waits: for whom or for what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub reason: HoldReason,
    /// What was found: `lock "backup": …`.
    pub detail: String,
    /// What an operator can do; "wait" where nothing needs doing.
    pub remedy: String,
}

/// Who says that nothing at all may be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    Hub,
    /// The file is there, or nobody can say that it is not.
    KillSwitch {
        path: String,
        /// Why it cannot be looked for.
        unseen: Option<String>,
    },
    Observing,
}

impl Halt {
    pub fn detail(&self) -> String {
        match self {
            Self::Hub => "the hub told this agent to change nothing".to_owned(),
            Self::KillSwitch { path, unseen: None } => format!("the kill switch {path} is there"),
            Self::KillSwitch { path, unseen: Some(why) } => {
                format!("whether the kill switch {path} is there cannot be seen: {why}")
            }
            Self::Observing => "agent.mode is observe".to_owned(),
        }
    }

    pub fn remedy(&self) -> String {
        match self {
            Self::Hub => "lift the block in the hub".to_owned(),
            Self::KillSwitch { path, unseen: None } => {
                format!("remove {path} once changes may go on (ops.kill_switch)")
            }
            Self::KillSwitch { path, unseen: Some(_) } => format!("let the agent look for {path}"),
            Self::Observing => "set agent.mode to manage and reload".to_owned(),
        }
    }

    pub fn into_hold(self) -> Hold {
        Hold { reason: HoldReason::Blocked, detail: self.detail(), remedy: self.remedy() }
    }
}

/// The closed list of reasons to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// The guest's configuration carries a lock.
    Lock,
    /// A backup task works on the guest, which may look unlocked or running for a moment.
    Backup,
    /// A VM that exists but does not execute: somebody, or a backup, holds it there.
    Paused,
    /// A template cannot run and is the origin of clones.
    Template,
    HaManaged,
    /// The step would lose something, and nobody signed for that loss.
    NeedsSignature,
    BlastRadius,
    /// The desired state itself says so.
    Suspended,
    /// Nothing at all may be changed; see [`Halt`].
    Blocked,
    Dependency,
    Permission,
    Protection,
    BootGrace,
    /// The number of a guest that is to be made is not free.
    Taken,
    /// The guest is on another node of the cluster.
    Moved,
    /// What is to be done restarts the guest, which may happen only in the maintenance window.
    MaintenanceWindow,
}

impl HoldReason {
    pub const ALL: [Self; 16] = [
        Self::Lock,
        Self::Backup,
        Self::Paused,
        Self::Template,
        Self::HaManaged,
        Self::NeedsSignature,
        Self::BlastRadius,
        Self::Suspended,
        Self::Blocked,
        Self::Dependency,
        Self::Permission,
        Self::Protection,
        Self::BootGrace,
        Self::Taken,
        Self::Moved,
        Self::MaintenanceWindow,
    ];

    /// As the wire writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Backup => "backup",
            Self::Paused => "paused",
            Self::Template => "template",
            Self::HaManaged => "ha_managed",
            Self::NeedsSignature => "needs_signature",
            Self::BlastRadius => "blast_radius",
            Self::Suspended => "suspended",
            Self::Blocked => "blocked",
            Self::Dependency => "dependency",
            Self::Permission => "permission",
            Self::Protection => "protection",
            Self::BootGrace => "boot_grace",
            Self::Taken => "taken",
            Self::Moved => "moved",
            Self::MaintenanceWindow => "maintenance_window",
        }
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::HoldReason;

    #[test]
    fn a_reason_is_printed_as_the_wire_writes_it() {
        for reason in HoldReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}

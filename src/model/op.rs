//! A signed operation: what it orders, for whom, and what came of it. Plain values; `authz` makes them from bytes that were
//! verified, and nothing else does.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::guest::GuestId;
use super::time::Timestamp;
use super::volume;
use crate::model::sorted::{Map, Set};

/// A UUID, version 7, in lower case; [`OpId::parse`] is the only way to one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OpId(String);

impl OpId {
    pub fn parse(text: &str) -> Result<Self, String> {
        let shaped = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                14 => byte == b'7',
                19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
        if shaped {
            Ok(Self(text.to_owned()))
        } else {
            let shown: String = text.chars().take(40).collect();
            Err(format!("{shown:?} is not an op id: expected a UUID, version 7, in lower case"))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for OpId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<OpId> for String {
    fn from(op_id: OpId) -> Self {
        op_id.0
    }
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key may be trusted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Operator,
    Custodian,
    Recovery,
    Shell,
    Root,
    /// Signs desired state, and no operation.
    Manifest,
}

impl Role {
    pub const ALL: [Self; 6] =
        [Self::Operator, Self::Custodian, Self::Recovery, Self::Shell, Self::Root, Self::Manifest];

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Custodian => "custodian",
            Self::Recovery => "recovery",
            Self::Shell => "shell",
            Self::Root => "root",
            Self::Manifest => "manifest",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The closed list of what can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OpKind {
    #[serde(rename = "guest.destroy")]
    GuestDestroy,
    #[serde(rename = "guest.rollback")]
    GuestRollback,
    #[serde(rename = "guest.restore_over")]
    GuestRestoreOver,
    #[serde(rename = "guest.stop_hard")]
    GuestStopHard,
    #[serde(rename = "guest.unlock")]
    GuestUnlock,
    #[serde(rename = "snapshot.delete")]
    SnapshotDelete,
    #[serde(rename = "backup.delete")]
    BackupDelete,
    #[serde(rename = "volume.delete")]
    VolumeDelete,
    #[serde(rename = "volume.detach")]
    VolumeDetach,
    #[serde(rename = "config.destructive")]
    ConfigDestructive,
    #[serde(rename = "resource.delete")]
    ResourceDelete,
    #[serde(rename = "job.shell")]
    JobShell,
    #[serde(rename = "limit.release")]
    LimitRelease,
    #[serde(rename = "floor.raise")]
    FloorRaise,
    #[serde(rename = "trust.update")]
    TrustUpdate,
}

impl OpKind {
    pub const ALL: [Self; 15] = [
        Self::GuestDestroy,
        Self::GuestRollback,
        Self::GuestRestoreOver,
        Self::GuestStopHard,
        Self::GuestUnlock,
        Self::SnapshotDelete,
        Self::BackupDelete,
        Self::VolumeDelete,
        Self::VolumeDetach,
        Self::ConfigDestructive,
        Self::ResourceDelete,
        Self::JobShell,
        Self::LimitRelease,
        Self::FloorRaise,
        Self::TrustUpdate,
    ];

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether an operation of this kind concerns one guest: then, and only then, it names the guest and is bound to its state.
    pub fn concerns_a_guest(self) -> bool {
        match self {
            Self::GuestDestroy
            | Self::GuestRollback
            | Self::GuestRestoreOver
            | Self::GuestStopHard
            | Self::GuestUnlock
            | Self::SnapshotDelete
            | Self::BackupDelete
            | Self::VolumeDelete
            | Self::VolumeDetach
            | Self::ConfigDestructive => true,
            Self::ResourceDelete
            | Self::JobShell
            | Self::LimitRelease
            | Self::FloorRaise
            | Self::TrustUpdate => false,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::GuestDestroy => "guest.destroy",
            Self::GuestRollback => "guest.rollback",
            Self::GuestRestoreOver => "guest.restore_over",
            Self::GuestStopHard => "guest.stop_hard",
            Self::GuestUnlock => "guest.unlock",
            Self::SnapshotDelete => "snapshot.delete",
            Self::BackupDelete => "backup.delete",
            Self::VolumeDelete => "volume.delete",
            Self::VolumeDetach => "volume.detach",
            Self::ConfigDestructive => "config.destructive",
            Self::ResourceDelete => "resource.delete",
            Self::JobShell => "job.shell",
            Self::LimitRelease => "limit.release",
            Self::FloorRaise => "floor.raise",
            Self::TrustUpdate => "trust.update",
        }
    }
}

impl fmt::Display for OpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is ordered, with every parameter in the open: the call that is made equals it, and nothing is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    GuestDestroy {
        purge: bool,
    },
    GuestRollback {
        snapshot: String,
        start: bool,
    },
    GuestRestoreOver {
        volid: String,
        storage: String,
    },
    GuestStopHard,
    GuestUnlock {
        lock: String,
    },
    SnapshotDelete {
        snapshot: String,
    },
    BackupDelete {
        volid: String,
    },
    /// Frees the volume of an `unusedN` key; a volume in use is detached first, by an operation of its own.
    VolumeDelete {
        key: String,
        volid: String,
    },
    VolumeDetach {
        key: String,
    },
    ConfigDestructive {
        set: Map<String, String>,
        delete: Set<String>,
    },
    ResourceDelete {
        resource_id: String,
    },
    JobShell {
        command_sha256: String,
        timeout_s: u32,
    },
    LimitRelease {
        generation: u64,
    },
    FloorRaise {
        iat: Timestamp,
    },
    /// The bytes of the new keyring document.
    TrustUpdate {
        keyring: Vec<u8>,
    },
}

impl Action {
    pub fn kind(&self) -> OpKind {
        match self {
            Self::GuestDestroy { .. } => OpKind::GuestDestroy,
            Self::GuestRollback { .. } => OpKind::GuestRollback,
            Self::GuestRestoreOver { .. } => OpKind::GuestRestoreOver,
            Self::GuestStopHard => OpKind::GuestStopHard,
            Self::GuestUnlock { .. } => OpKind::GuestUnlock,
            Self::SnapshotDelete { .. } => OpKind::SnapshotDelete,
            Self::BackupDelete { .. } => OpKind::BackupDelete,
            Self::VolumeDelete { .. } => OpKind::VolumeDelete,
            Self::VolumeDetach { .. } => OpKind::VolumeDetach,
            Self::ConfigDestructive { .. } => OpKind::ConfigDestructive,
            Self::ResourceDelete { .. } => OpKind::ResourceDelete,
            Self::JobShell { .. } => OpKind::JobShell,
            Self::LimitRelease { .. } => OpKind::LimitRelease,
            Self::FloorRaise { .. } => OpKind::FloorRaise,
            Self::TrustUpdate { .. } => OpKind::TrustUpdate,
        }
    }
}

impl Action {
    /// Whether it takes away bytes that a backup could bring back: then one must be named, or two signers of two roles must
    /// do without. Whether the guest holds such bytes at all is looked at right before the call.
    pub fn needs_evidence(&self) -> bool {
        match self {
            Self::GuestDestroy { .. }
            | Self::GuestRollback { .. }
            | Self::GuestRestoreOver { .. }
            | Self::VolumeDelete { .. } => true,
            Self::ConfigDestructive { set, delete } => {
                set.keys().chain(delete).any(|key| volume::holds_volume(key))
            }
            // What is stored stays: the run ends, a lock or a name of a volume goes, an older state goes.
            Self::GuestStopHard
            | Self::GuestUnlock { .. }
            | Self::SnapshotDelete { .. }
            | Self::BackupDelete { .. }
            | Self::VolumeDetach { .. }
            | Self::ResourceDelete { .. }
            | Self::JobShell { .. }
            | Self::LimitRelease { .. }
            | Self::FloorRaise { .. }
            | Self::TrustUpdate { .. } => false,
        }
    }
}

/// The guest that is meant, in the incarnation that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub guest: GuestId,
    /// 32 lower hex digits; see `consent::ident`.
    pub ident: String,
}

/// The backup that makes the loss bearable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupEvidence {
    pub volid: String,
    pub ctime: Timestamp,
    /// In bytes.
    pub size: u64,
    /// The volume keys that are in it: `rootfs`, `mp0`, `scsi0`, …
    pub covers: Set<String>,
}

/// One operation, as its signer wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub op_id: OpId,
    pub action: Action,
    pub role: Role,
    pub host_id: String,
    pub node: String,
    /// Present exactly for the kinds that concern one guest.
    pub subject: Option<Subject>,
    /// 64 lower hex digits; present exactly where a subject is. See `consent::state_sha256`.
    pub state_sha256: Option<String>,
    pub evidence: Option<BackupEvidence>,
    pub iat: Timestamp,
    pub nbf: Timestamp,
    pub exp: Timestamp,
    /// 32 lower hex digits.
    pub nonce: String,
    pub note: String,
}

/// Why an operation was not carried out: the first check that failed. In the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RejectCode {
    TooLarge,
    Slow,
    EnvelopeSyntax,
    EnvelopeDup,
    EnvelopeField,
    WrongType,
    BadBase64,
    BadSigLen,
    BadSigCount,
    UnknownKey,
    RevokedKey,
    KeyWindow,
    BadSignature,
    PayloadSyntax,
    PayloadDup,
    PayloadField,
    PayloadValue,
    UnsupportedVersion,
    UnknownKind,
    WrongHost,
    RoleNotHeld,
    RoleNotAllowed,
    Threshold,
    ClockUntrusted,
    NotYetValid,
    Expired,
    TtlTooLong,
    BelowFloor,
    StaleTrust,
    TrustGap,
    TrustRollback,
    BindAction,
    BindParams,
    BindGuest,
    Replay,
    OpConflict,
    StoreUnavailable,
    StoreFull,
    KillSwitch,
    RateLimited,
    Blocked,
    GuestGone,
    IdentChanged,
    StateChanged,
    Locked,
    Protected,
    HaManaged,
    Replicated,
    GuestRunning,
    NotManaged,
    EvidenceMissing,
    EvidenceStale,
    ObservationUntrusted,
    /// This version knows the kind and cannot carry it out.
    NotSupported,
}

impl fmt::Display for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A refusal. Never holds the payload or a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    pub code: RejectCode,
    /// What was found and what is allowed, for people.
    pub detail: String,
    /// When one could be read from a payload whose signature was good.
    pub op_id: Option<OpId>,
    /// When the payload could be decoded.
    pub payload_sha256: Option<String>,
}

impl Rejected {
    pub fn new(code: RejectCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), op_id: None, payload_sha256: None }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

/// How an operation reached this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    Hub,
    Socket,
}

/// How an accepted operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpResult {
    /// Done, and the guest was read again to prove it.
    Done,
    /// The guest is gone and some of its volumes are not; nothing removes them by itself.
    PartialCleanup,
    /// Nothing was changed; `code` says why.
    Failed,
    /// Refused after it was accepted and before anything was sent; `code` is the rejection's.
    Rejected,
    /// Nobody can say what happened: an operator's matter, never a retry.
    Uncertain,
}

/// The end of an accepted operation, as the journal keeps it and the hub hears it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpEnd {
    pub result: OpResult,
    /// Empty when done; otherwise stable and for programs.
    pub code: String,
    /// What happened and what to do, for people.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upid: Option<String>,
    /// Volumes that should be gone and are not, or of which nobody knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes_left: Vec<String>,
    pub at: Timestamp,
}

/// Whether what the wall clock says can be believed, as far as validity periods and replay records depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClockTrust {
    Trusted,
    /// With what is wrong and what to do, for people.
    Untrusted(String),
}

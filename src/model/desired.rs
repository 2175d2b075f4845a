//! What the desired state says of guests, after it was parsed: only what is named is managed.

use std::fmt;

use super::guest::{GuestId, Vmid};
use crate::model::sorted::{Map, Set};

pub mod net;
pub mod policy;
pub mod proof;
pub mod provision;
pub mod volume;

pub use net::{Net, Nets};
pub use policy::Policy;
pub use proof::Proof;
pub use provision::Provision;
pub use volume::{Volume, Volumes};

/// A field of a guest that this agent can manage, named as the manifest names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    Name,
    Description,
    Tags,
    Cores,
    MemoryMb,
    SwapMb,
    OnBoot,
    Startup,
    Protection,
}

impl Field {
    pub const ALL: [Self; 9] = [
        Self::Name,
        Self::Description,
        Self::Tags,
        Self::Cores,
        Self::MemoryMb,
        Self::SwapMb,
        Self::OnBoot,
        Self::Startup,
        Self::Protection,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Description => "description",
            Self::Tags => "tags",
            Self::Cores => "cores",
            Self::MemoryMb => "memory_mb",
            Self::SwapMb => "swap_mb",
            Self::OnBoot => "on_boot",
            Self::Startup => "startup",
            Self::Protection => "protection",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A field's value in normal form: two values are equal exactly when Proxmox treats them as the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Absent,
    Text(String),
    Number(u64),
    Flag(bool),
    Tags(Set<String>),
    Startup(Startup),
    /// What Proxmox returned does not parse as this field: kept as it was read, equal to nothing desired.
    Raw(String),
}

/// Start and stop order: `order=1,up=30,down=60`, each part optional, times in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Startup {
    pub order: Option<u32>,
    pub up_s: Option<u32>,
    pub down_s: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedRun {
    Running,
    Stopped,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ensure {
    #[default]
    Present,
    /// It should not exist: an operation that was signed for is needed to get there.
    Absent,
}

/// What to do about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftPolicy {
    Correct,
    /// Say so in the status, change nothing.
    Report,
}

/// Something that is managed, in the affirmative or in the negative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted<T> {
    /// It should not be there.
    Absent,
    Like(T),
}

/// One guest resource of the desired state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredGuest {
    pub resource_id: String,
    pub guest: GuestId,
    pub ensure: Ensure,
    pub run_state: Option<WantedRun>,
    /// The managed fields and nothing else.
    pub fields: Map<Field, Value>,
    pub drift: DriftPolicy,
    /// Fields whose drift is neither corrected nor reported.
    pub ignore: Set<Field>,
    pub suspend: bool,
    /// Holds bytes that exist nowhere else; unless the manifest says `false`, it does.
    pub data_bearing: bool,
    pub nets: Nets,
    pub volumes: Volumes,
    pub provision: Option<Provision>,
    pub policy: Policy,
    pub proof: Proof,
}

impl DesiredGuest {
    /// Of which nothing is wanted yet.
    pub fn new(resource_id: &str, guest: GuestId) -> Self {
        Self {
            resource_id: resource_id.to_owned(),
            guest,
            ensure: Ensure::Present,
            run_state: None,
            fields: Map::new(),
            drift: DriftPolicy::Correct,
            ignore: Set::new(),
            suspend: false,
            data_bearing: true,
            nets: Nets::new(),
            volumes: Volumes::new(),
            provision: None,
            policy: Policy::default(),
            proof: Proof::default(),
        }
    }
}

/// A resource that was refused, and only that one: the rest of the document proceeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedResource {
    pub resource_id: String,
    pub state: RefusedState,
    /// The path in the document, what was found, what is allowed.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedState {
    UnknownResource,
    InvalidSpec,
}

/// A whole desired-state document, accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredState {
    pub generation: u64,
    /// SHA-256 of the document's bytes, in hex.
    pub sha256: String,
    /// By vmid.
    pub guests: Vec<DesiredGuest>,
    pub refused: Vec<RefusedResource>,
    /// Every vmid that a resource names, those of refused ones included.
    pub claimed: Vec<Vmid>,
}

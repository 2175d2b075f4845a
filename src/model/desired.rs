//! What the desired state says of guests, after it was parsed: only what is named is managed.

use std::fmt;

use super::guest::{GuestId, Vmid};
use crate::model::sorted::{Map, Set};

pub mod place;
pub mod policy;
pub mod proof;
pub mod provision;
pub mod volume;

pub use place::Place;
pub use policy::Policy;
pub use proof::Proof;
pub use provision::Provision;
pub use volume::{Volume, Volumes};

/// A field of a guest that this agent can manage, named as the manifest names it; what stands in an object of its own has
/// that one's name before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    Name,
    Description,
    Tags,
    Cores,
    Sockets,
    Vcpus,
    Cpu,
    CpuLimit,
    CpuUnits,
    MemoryMb,
    SwapMb,
    BalloonMb,
    OnBoot,
    Startup,
    Protection,
    Nameserver,
    SearchDomain,
    Features,
    Unprivileged,
    Arch,
    OsType,
    Cmode,
    Tty,
    Console,
    Entrypoint,
    Timezone,
    Boot,
    Agent,
    Machine,
    Bios,
    Scsihw,
    Vga,
    Hotplug,
    CloudInitUser,
    CloudInitKeys,
    /// A network card, by its number.
    Net(u8),
    /// What cloud-init sets on the card of that number.
    IpConfig(u8),
}

impl Field {
    /// All but those that are numbered.
    pub const ALL: [Self; 35] = [
        Self::Name,
        Self::Description,
        Self::Tags,
        Self::Cores,
        Self::Sockets,
        Self::Vcpus,
        Self::Cpu,
        Self::CpuLimit,
        Self::CpuUnits,
        Self::MemoryMb,
        Self::SwapMb,
        Self::BalloonMb,
        Self::OnBoot,
        Self::Startup,
        Self::Protection,
        Self::Nameserver,
        Self::SearchDomain,
        Self::Features,
        Self::Unprivileged,
        Self::Arch,
        Self::OsType,
        Self::Cmode,
        Self::Tty,
        Self::Console,
        Self::Entrypoint,
        Self::Timezone,
        Self::Boot,
        Self::Agent,
        Self::Machine,
        Self::Bios,
        Self::Scsihw,
        Self::Vga,
        Self::Hotplug,
        Self::CloudInitUser,
        Self::CloudInitKeys,
    ];

    /// How many cards a guest may have.
    pub const NUMBERED: u8 = 32;

    pub fn as_str(self) -> &'static str {
        let numbered = |names: &[&'static str; 32], number: u8| names.get(usize::from(number)).copied();
        match self {
            Self::Name => "name",
            Self::Description => "description",
            Self::Tags => "tags",
            Self::Cores => "cores",
            Self::Sockets => "sockets",
            Self::Vcpus => "vcpus",
            Self::Cpu => "cpu",
            Self::CpuLimit => "cpu_limit",
            Self::CpuUnits => "cpu_units",
            Self::MemoryMb => "memory_mb",
            Self::SwapMb => "swap_mb",
            Self::BalloonMb => "balloon_mb",
            Self::OnBoot => "on_boot",
            Self::Startup => "startup",
            Self::Protection => "protection",
            Self::Nameserver => "nameserver",
            Self::SearchDomain => "search_domain",
            Self::Features => "features",
            Self::Unprivileged => "unprivileged",
            Self::Arch => "arch",
            Self::OsType => "os_type",
            Self::Cmode => "cmode",
            Self::Tty => "tty",
            Self::Console => "console",
            Self::Entrypoint => "entrypoint",
            Self::Timezone => "timezone",
            Self::Boot => "boot",
            Self::Agent => "agent",
            Self::Machine => "machine",
            Self::Bios => "bios",
            Self::Scsihw => "scsihw",
            Self::Vga => "vga",
            Self::Hotplug => "hotplug",
            Self::CloudInitUser => "cloud_init.user",
            Self::CloudInitKeys => "cloud_init.ssh_keys",
            Self::Net(number) => numbered(&NETS, number).unwrap_or("net"),
            Self::IpConfig(number) => numbered(&IP_CONFIGS, number).unwrap_or("ipconfig"),
        }
    }

    /// `net0` to `net31`, `ipconfig0` to `ipconfig31`.
    pub fn numbered(key: &str) -> Option<Self> {
        let place = |names: &[&str]| names.iter().position(|name| *name == key)?.try_into().ok();
        place(&NETS).map(Self::Net).or_else(|| place(&IP_CONFIGS).map(Self::IpConfig))
    }
}

static NETS: [&str; 32] = [
    "net0", "net1", "net2", "net3", "net4", "net5", "net6", "net7", "net8", "net9", "net10", "net11",
    "net12", "net13", "net14", "net15", "net16", "net17", "net18", "net19", "net20", "net21", "net22",
    "net23", "net24", "net25", "net26", "net27", "net28", "net29", "net30", "net31",
];

static IP_CONFIGS: [&str; 32] = [
    "ipconfig0",
    "ipconfig1",
    "ipconfig2",
    "ipconfig3",
    "ipconfig4",
    "ipconfig5",
    "ipconfig6",
    "ipconfig7",
    "ipconfig8",
    "ipconfig9",
    "ipconfig10",
    "ipconfig11",
    "ipconfig12",
    "ipconfig13",
    "ipconfig14",
    "ipconfig15",
    "ipconfig16",
    "ipconfig17",
    "ipconfig18",
    "ipconfig19",
    "ipconfig20",
    "ipconfig21",
    "ipconfig22",
    "ipconfig23",
    "ipconfig24",
    "ipconfig25",
    "ipconfig26",
    "ipconfig27",
    "ipconfig28",
    "ipconfig29",
    "ipconfig30",
    "ipconfig31",
];

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
    /// In order where it matters, sorted where it does not.
    List(Vec<String>),
    /// Named parts, in the order of the field's table: all that differ from their defaults of what was read, those that
    /// are managed of what is wanted.
    Map(Vec<(&'static str, Self)>),
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
    /// The same of volumes, by their keys.
    pub ignored_volumes: Set<String>,
    pub suspend: bool,
    /// Holds bytes that exist nowhere else; unless the manifest says `false`, it does.
    pub data_bearing: bool,
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
            ignored_volumes: Set::new(),
            suspend: false,
            data_bearing: true,
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
    /// Where each resource was said, by its id.
    pub places: Map<String, Place>,
}

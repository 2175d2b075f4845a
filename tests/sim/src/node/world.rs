//! The state of the simulated node: guests, storages, tasks, and what makes them misbehave.
//! Owned by one lock of the web server; nothing here waits. Time passes when a call arrives ([`World::advance`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::config_file::{Config, Kind, digest_of};
use super::storage::{Storage, Volume};
use super::tasks::{TaskId, Tasks};
use crate::access::Access;

/// Everything the node knows. Fields are public: tests arrange the world as they need it.
#[derive(Debug)]
pub struct World {
    pub access: Access,
    /// The node's own name.
    pub name: String,
    /// Other members of the cluster; empty on a node that stands alone.
    pub other_nodes: Vec<OtherNode>,
    pub cluster_name: Option<String>,
    pub clock: Clock,
    pub guests: BTreeMap<u32, Guest>,
    pub storages: Vec<Storage>,
    pub tasks: Tasks,
    pub jobs: Vec<Job>,
    /// The jobs of `/cluster/replication`: guest to target node.
    pub replication: BTreeMap<u32, String>,
    /// Guests of the cluster that are on other nodes, with the node.
    pub guests_elsewhere: BTreeMap<u32, (Kind, String)>,
    pub pools: BTreeMap<String, Pool>,
    pub bridges: BTreeSet<String>,
    /// The value of `tag-style` and others of `/cluster/options`.
    pub options: BTreeMap<String, String>,
    pub faults: Faults,
    /// Whether the tool that makes cloud-init images is installed.
    pub has_iso_tool: bool,
    /// How long things take, in the node's seconds.
    pub pace: Pace,
    /// The task that holds the node's vzdump lock.
    pub backup_lock: Option<TaskId>,
    /// What pvestatd broadcast last.
    pub(super) broadcast: Broadcast,
    pub(super) random: Random,
}

/// Where time comes from. Wall clock times are real; durations are the node's, scaled.
#[derive(Clone, Debug)]
pub enum Clock {
    /// One second of the node takes `scale` seconds.
    System { scale: f64 },
    /// Milliseconds since 1970, moved by the test.
    Manual { unix_ms: u64 },
}

impl Clock {
    pub fn unix_ms(&self) -> u64 {
        match self {
            Self::System { .. } => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
            }
            Self::Manual { unix_ms } => *unix_ms,
        }
    }

    /// A duration of the node in milliseconds of this clock.
    pub fn scaled(&self, seconds: f64) -> u64 {
        let scale = if let Self::System { scale } = self { *scale } else { 1.0 };
        Duration::try_from_secs_f64(seconds * scale)
            .map_or(u64::MAX / 4, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 4))
    }
}

#[derive(Clone, Debug)]
pub struct OtherNode {
    pub name: String,
    pub ip: String,
    pub online: bool,
}

#[derive(Clone, Debug)]
pub struct Guest {
    pub vmid: u32,
    pub kind: Kind,
    /// The configuration file; change it through [`Guest::config`] and [`Guest::save`].
    pub file: String,
    pub running: Option<Running>,
    pub habits: Habits,
    /// The state an HA manager asks for (`started`), when it manages this guest.
    pub ha: Option<String>,
    /// The task that holds the configuration's file lock.
    pub flock: Option<TaskId>,
    /// Somebody outside (an operator's `pct`) holds the file lock.
    pub foreign_flock: bool,
    /// The file of the moment pvestatd looked.
    pub created_ms: u64,
}

#[derive(Clone, Debug)]
pub struct Running {
    pub pid: u32,
    pub since_ms: u64,
    /// What QEMU's monitor says: `running`, `prelaunch` during a backup of a stopped machine, `paused`.
    pub qmp: &'static str,
}

/// How a guest behaves.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    pub ignores_shutdown: bool,
    pub fails_to_start: bool,
    /// Lines its start logs as warnings.
    pub start_warnings: Vec<String>,
}

impl Guest {
    pub fn config(&self) -> Config {
        Config::parse(self.kind, &self.file)
    }

    pub fn save(&mut self, config: &Config) {
        self.file = config.write(self.kind);
    }

    pub fn digest(&self) -> String {
        digest_of(&self.file)
    }

    pub fn lock(&self) -> Option<String> {
        self.config().main.keys.remove("lock")
    }

    pub fn set_lock(&mut self, lock: Option<&str>) {
        let mut config = self.config();
        match lock {
            Some(lock) => config.main.keys.insert("lock".to_owned(), lock.to_owned()),
            None => config.main.keys.remove("lock"),
        };
        self.save(&config);
    }

    /// The name lists show: a container without a hostname is `CT<vmid>`.
    pub fn shown_name(&self, config: &Config) -> String {
        let key = if self.kind == Kind::Lxc { "hostname" } else { "name" };
        let fallback =
            || if self.kind == Kind::Lxc { format!("CT{}", self.vmid) } else { format!("VM {}", self.vmid) };
        config.main.get(key).map_or_else(fallback, str::to_owned)
    }
}

/// A backup job of the cluster, by its keys as text.
#[derive(Clone, Debug, Default)]
pub struct Job {
    pub id: String,
    pub keys: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default)]
pub struct Pool {
    pub comment: Option<String>,
    pub vms: BTreeSet<u32>,
    pub storages: BTreeSet<String>,
}

/// What goes wrong inside the node; what goes wrong on the wire is the web server's.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Tasks of these types never end.
    pub hung_types: BTreeSet<String>,
    /// Workers of these types are killed in mid-work: `unexpected status`, nothing cleaned up.
    pub killed_types: BTreeSet<String>,
    /// Tasks of these types are forgotten as soon as they end: `no such task`.
    pub vanish_types: BTreeSet<String>,
    /// Tasks of these types fail with the text.
    pub failing_types: BTreeMap<String, String>,
    /// Guest lists answer 200 with `[]`, as when the guest list could not be fetched.
    pub empty_guest_lists: bool,
    /// Volumes that cannot be removed: whoever tries logs a warning and goes on.
    pub undeletable_volumes: BTreeSet<String>,
    /// Lines that a destroy logs as warnings.
    pub destroy_warnings: Vec<String>,
    /// These configurations answer 500 with the text.
    pub unreadable_configs: BTreeMap<u32, String>,
    /// pvestatd is dead: `/cluster/resources` stays as it was.
    pub stale_resources: bool,
    /// pvestatd has not broadcast since pmxcfs came back: the nodes are `unknown` and have no numbers.
    pub no_broadcast_yet: bool,
    /// Backups in snapshot mode of containers on btrfs fail and leave their snapshot behind.
    pub btrfs_snapshots_cannot_be_mounted: bool,
    /// Backups end well and leave no file.
    pub backups_leave_nothing: bool,
    /// The guest agents of running machines that have one configured do not answer.
    pub agents_are_silent: bool,
}

/// Nominal durations in the node's seconds.
#[derive(Clone, Debug)]
pub struct Pace {
    pub start: f64,
    pub stop: f64,
    pub shutdown: f64,
    pub snapshot: f64,
    pub backup: f64,
    pub create: f64,
    pub destroy: f64,
    pub resize: f64,
    pub delete_volume: f64,
    /// How often pvestatd broadcasts.
    pub broadcast: f64,
    /// How long a call waits for a guest's file lock.
    pub flock_wait: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            start: 1.0,
            stop: 0.5,
            shutdown: 2.0,
            snapshot: 0.8,
            backup: 3.0,
            create: 2.0,
            destroy: 1.0,
            resize: 0.7,
            delete_volume: 0.3,
            broadcast: 10.0,
            flock_wait: 10.0,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Broadcast {
    pub(super) at_ms: Option<u64>,
    pub(super) rows: Vec<serde_json::Value>,
}

/// A small deterministic generator for MAC addresses, uuids and process ids.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A generated hardware address: upper case, Proxmox's prefix.
    pub fn mac(&mut self) -> String {
        let [a, b, c, ..] = self.roll().to_be_bytes();
        format!("BC:24:11:{a:02X}:{b:02X}:{c:02X}")
    }

    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.roll(), self.roll());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }
}

impl World {
    /// A node named `pve` with its storages, one bridge and no guests; durations of the node one to one.
    pub fn empty() -> Self {
        Self {
            access: Access::recorded(),
            name: "pve".to_owned(),
            other_nodes: Vec::new(),
            cluster_name: None,
            clock: Clock::System { scale: 1.0 },
            guests: BTreeMap::new(),
            storages: super::storage::usual_storages(),
            tasks: Tasks::default(),
            jobs: Vec::new(),
            replication: BTreeMap::new(),
            guests_elsewhere: BTreeMap::new(),
            pools: BTreeMap::new(),
            bridges: BTreeSet::from(["vmbr0".to_owned(), "vmbr1".to_owned()]),
            options: BTreeMap::new(),
            faults: Faults::default(),
            has_iso_tool: true,
            pace: Pace::default(),
            backup_lock: None,
            broadcast: Broadcast::default(),
            random: Random(0x5eed_f00d_cafe_d00d),
        }
    }

    /// One second of the node takes `scale` seconds: at 0.01 a task of 3 s takes 30 ms.
    #[must_use]
    pub fn at_scale(mut self, scale: f64) -> Self {
        self.clock = Clock::System { scale };
        self
    }

    /// Time stands still until [`World::pass`].
    #[must_use]
    pub fn with_manual_clock(mut self) -> Self {
        self.clock = Clock::Manual { unix_ms: 1_795_231_160_000 };
        self
    }

    /// Lets time pass on a manual clock, and tasks with it.
    pub fn pass(&mut self, seconds: f64) {
        let step = self.clock.scaled(seconds);
        if let Clock::Manual { unix_ms } = &mut self.clock {
            *unix_ms += step;
        }
        self.advance();
    }

    pub fn now_ms(&self) -> u64 {
        self.clock.unix_ms()
    }

    pub fn now(&self) -> u64 {
        self.now_ms() / 1000
    }

    /// Adds a container from the text of its configuration file.
    pub fn add_lxc(&mut self, vmid: u32, file: &str) -> &mut Guest {
        self.add_guest(vmid, Kind::Lxc, file)
    }

    /// Adds a virtual machine from the text of its configuration file.
    pub fn add_qemu(&mut self, vmid: u32, file: &str) -> &mut Guest {
        self.add_guest(vmid, Kind::Qemu, file)
    }

    fn add_guest(&mut self, vmid: u32, kind: Kind, file: &str) -> &mut Guest {
        let created_ms = self.now_ms();
        let guest = Guest {
            vmid,
            kind,
            file: file.to_owned(),
            running: None,
            habits: Habits::default(),
            ha: None,
            flock: None,
            foreign_flock: false,
            created_ms,
        };
        self.register_volumes(vmid, kind, &guest.config());
        self.guests.insert(vmid, guest);
        self.guests.get_mut(&vmid).expect("inserted above")
    }

    /// Makes the volumes a configuration names exist on their storages.
    fn register_volumes(&mut self, vmid: u32, kind: Kind, config: &Config) {
        let now = self.now();
        for (key, value) in &config.main.keys {
            if !super::keys::is_volume(kind, key) && super::keys::stem(key) != "unused" {
                continue;
            }
            if let Some(volume) = Volume::of_config(vmid, kind, value, now) {
                self.put_volume(volume);
            }
        }
    }

    pub fn guest(&self, vmid: u32) -> Option<&Guest> {
        self.guests.get(&vmid)
    }

    /// Changes a guest that may be gone by now, as those of a task may.
    pub(super) fn edit(&mut self, vmid: u32, change: impl FnOnce(&mut Guest)) {
        if let Some(guest) = self.guests.get_mut(&vmid) {
            change(guest);
        }
    }

    /// The guest, for tests that arrange it.
    ///
    /// # Panics
    /// If there is none.
    pub fn guest_mut(&mut self, vmid: u32) -> &mut Guest {
        self.guests.get_mut(&vmid).unwrap_or_else(|| panic!("no guest {vmid} in this world"))
    }

    /// Marks a guest as running, as if it had started ten minutes ago.
    pub fn set_running(&mut self, vmid: u32, runs: bool) -> &mut Guest {
        let since_ms = self.now_ms().saturating_sub(600_000);
        let pid = self.tasks.next_pid();
        let guest = self.guest_mut(vmid);
        guest.running = runs.then_some(Running { pid, since_ms, qmp: "running" });
        guest
    }
}

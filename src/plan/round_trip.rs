//! A small pure model of what Proxmox does with a write and gives back, for the tests of the planner: text forms,
//! what waits while a guest runs, what a start applies. What it cannot do it refuses by panicking.

use crate::model::guest::{GuestId, GuestKind, RunState};
use crate::model::observed::{
    GuestConfig, GuestObservation, HaState, ListedGuest, LiveStatus, PendingChange, Presence, Reading,
};
use crate::model::sorted::{Map, Set};
use crate::model::step::{ConfigChange, Step};
use crate::model::volume;

#[derive(Clone, Debug)]
pub(super) struct Guest {
    pub(super) id: GuestId,
    pub(super) run: RunState,
    pub(super) lock: Option<String>,
    pub(super) template: bool,
    pub(super) ha: HaState,
    pub(super) ha_asked: Option<String>,
    pub(super) backup_task: Option<String>,
    pub(super) current: Map<String, String>,
    pub(super) pending: Map<String, PendingChange>,
}

impl Guest {
    pub(super) fn new(id: GuestId, run: RunState, config: &[(&str, &str)]) -> Self {
        Self {
            id,
            run,
            lock: None,
            template: false,
            ha: HaState::NotManaged,
            ha_asked: None,
            backup_task: None,
            current: config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            pending: Map::new(),
        }
    }

    pub(super) fn observe(&self) -> GuestObservation {
        let live = LiveStatus {
            run: self.run,
            lock: self.lock.clone(),
            template: self.template,
            ha: self.ha.clone(),
            ha_asked: self.ha_asked.clone(),
            backup_task: self.backup_task.clone(),
        };
        GuestObservation { live: Some(Reading::Known(live)), ..self.look() }
    }

    /// As the tick sees it: the list and the configuration.
    pub(super) fn look(&self) -> GuestObservation {
        let listed = ListedGuest {
            guest: self.id,
            name: self.current.get("hostname").cloned(),
            run: self.run,
            template: self.template,
            lock: self.lock.clone(),
            tags: Vec::new(),
            uptime_seconds: None,
        };
        let config = GuestConfig {
            current: self.current.clone(),
            pending: self.pending.clone(),
            digest: self.digest(),
        };
        GuestObservation { presence: Presence::Listed(listed), config: Reading::Known(config), live: None }
    }

    pub(super) fn apply(&mut self, step: &Step) {
        assert_eq!(self.lock, None, "{step}: the guest is locked");
        match step {
            Step::SetConfig { guest, change } => {
                assert_eq!(*guest, self.id);
                self.write(change);
            }
            Step::Start { .. } => {
                assert_eq!(self.run, RunState::Stopped, "{step}");
                self.apply_pending();
                self.run = RunState::Running;
            }
            Step::Shutdown { .. } => {
                assert_eq!(self.run, RunState::Running, "{step}");
                self.run = RunState::Stopped;
            }
            Step::Reboot { .. } => {
                assert_eq!(self.run, RunState::Running, "{step}");
                self.apply_pending();
            }
            Step::HaState { running, .. } => {
                self.ha_asked = Some(if *running { "started" } else { "stopped" }.to_owned());
                self.run = if *running { RunState::Running } else { RunState::Stopped };
            }
            Step::Stop { .. } => self.run = RunState::Stopped,
            Step::Resize { key, from, to, digest, .. } => self.grow(key, *from, *to, digest),
            Step::Snapshot { .. }
            | Step::DeleteSnapshot { .. }
            | Step::Backup { .. }
            | Step::Destroy { .. }
            | Step::Rollback { .. }
            | Step::RestoreOver { .. }
            | Step::DeleteBackup { .. }
            | Step::Make { .. } => panic!("{step} is no step that this model carries out"),
        }
    }

    fn grow(&mut self, key: &str, from: Option<u64>, to: u64, digest: &str) {
        assert_eq!(digest, self.digest(), "checked against another configuration");
        assert!(!self.pending.contains_key(key), "{key}: a change is pending");
        let text = self.current.get_mut(key).expect("it is there");
        assert!(volume::size(text) == from && from < Some(to), "{text}: from {from:?} to {to}");
        let parts = text.split(',').filter(|part| !part.starts_with("size="));
        *text = format!("{},size={}G", parts.collect::<Vec<_>>().join(","), to >> 30);
    }

    fn write(&mut self, change: &ConfigChange) {
        assert_eq!(change.digest, self.digest(), "checked against another configuration");
        assert!(!change.set.is_empty() || !change.delete.is_empty(), "no options specified");
        let both: Set<&String> = change.set.keys().filter(|key| change.delete.contains(*key)).collect();
        assert!(both.is_empty(), "set and deleted: {both:?}");
        for key in &change.delete {
            assert!(self.current.contains_key(key) || self.pending.contains_key(key), "{key} is not there");
            assert!(
                !(self.id.kind == GuestKind::Lxc && key == "memory"),
                "unable to delete required option 'memory'"
            );
            self.pending.insert(key.clone(), PendingChange::Delete);
        }
        for (key, value) in &change.set {
            assert!(key == "description" || !value.contains(['\n', '\r']), "{key}: line feed");
            let text = if volume::holds_volume(key) {
                self.stored_volume(key, value)
            } else {
                stored(self.id.kind, key, value)
            };
            self.pending.insert(key.clone(), PendingChange::Set(text));
        }
        let waits = |key: &str| {
            let is_late = match self.id.kind {
                GuestKind::Qemu => {
                    ["cores", "memory", "sockets", "cpu", "machine", "bios", "vga", "boot"].contains(&key)
                }
                GuestKind::Lxc => false,
            };
            // A new volume is plugged in, another's options wait.
            let is_late = is_late || volume::holds_volume(key) && self.current.contains_key(key);
            self.run != RunState::Stopped && is_late
        };
        let (later, now): (Map<_, _>, _) =
            std::mem::take(&mut self.pending).into_iter().partition(|(key, _)| waits(key));
        self.pending = now;
        self.apply_pending();
        // A pending value that is the current one is no change.
        let same = |key: &String, next: &PendingChange| match next {
            PendingChange::Set(value) => self.current.get(key) == Some(value),
            PendingChange::Delete => !self.current.contains_key(key),
        };
        self.pending = later.into_iter().filter(|(key, change)| !same(key, change)).collect();
    }

    /// The volume that is made, or the one that is there with its own size; the parts sorted.
    fn stored_volume(&self, key: &str, value: &str) -> String {
        let first = volume::first_part(value);
        let (storage, rest) = first.split_once(':').expect("it names a storage");
        let mut parts: Vec<String> = value.split(',').skip(1).map(str::to_owned).collect();
        parts.retain(|part| !part.starts_with("size="));
        let first = match self.current.get(key) {
            Some(there) => {
                assert_eq!(volume::first_part(there), first, "{key}: another volume");
                let size = there.split(',').find(|part| part.starts_with("size="));
                parts.extend(size.map(str::to_owned));
                first.to_owned()
            }
            None => {
                let size: u64 = rest.parse().expect("a size in GiB");
                parts.push(format!("size={size}G"));
                format!("{storage}:vm-{}-disk-{key}", self.id.vmid)
            }
        };
        parts.sort();
        format!("{first},{}", parts.join(","))
    }

    fn apply_pending(&mut self) {
        for (key, change) in std::mem::take(&mut self.pending) {
            match change {
                PendingChange::Set(value) if value.is_empty() => self.current.remove(&key),
                PendingChange::Set(value) => self.current.insert(key, value),
                PendingChange::Delete => self.current.remove(&key),
            };
        }
    }

    /// Not SHA-1: any text that changes with the configuration.
    fn digest(&self) -> String {
        format!("{:?}{:?}", self.current, self.pending)
    }
}

/// The text that is read back for a text that was written; empty: the key vanishes.
fn stored(kind: GuestKind, key: &str, value: &str) -> String {
    match (kind, key) {
        (GuestKind::Lxc, "description") => match value.trim_end_matches('\n') {
            "" | "0" => String::new(),
            text => format!("{text}\n"),
        },
        (GuestKind::Qemu, "description") => match value.trim_end() {
            "0" => String::new(),
            text => text.to_owned(),
        },
        (_, "tags") => {
            let tags: Set<String> =
                value.split([';', ',', ' ']).filter(|tag| !tag.is_empty()).map(str::to_lowercase).collect();
            if tags.is_empty() { " ".to_owned() } else { tags.into_iter().collect::<Vec<_>>().join(";") }
        }
        (GuestKind::Lxc, "nameserver" | "searchdomain") => value.replace([',', ';'], " "),
        (GuestKind::Lxc, "net0") => {
            let mut parts: Vec<&str> = value.split(',').filter(|part| !part.starts_with("type=")).collect();
            assert!(value.contains("name="), "{value}");
            if !value.contains("hwaddr=") {
                parts.push("hwaddr=BC:24:11:FF:FF:FF");
            }
            parts.push("type=veth");
            parts.sort_unstable_by_key(|part| (!part.starts_with("name="), *part));
            parts.join(",")
        }
        (GuestKind::Qemu, "net0") => {
            let (card, rest) = value.split_once(',').unwrap_or((value, ""));
            let card = if card.contains('=') { card.to_owned() } else { format!("{card}=BC:24:11:FF:FF:FF") };
            if rest.is_empty() { card } else { format!("{card},{rest}") }
        }
        (_, "cpuunits") => {
            value.parse::<u64>().map_or_else(|_| value.to_owned(), |units| units.min(10_000).to_string())
        }
        _ => value.to_owned(),
    }
}

//! The part of the report that the node itself answers: its figures, its guests, what the token may, its clock.
//! Fails part by part: each reading that fails is a problem, and the next is tried, unless the node does not answer at all.

use std::time::Instant;

use crate::clock;
use crate::hub::wire::report::{Guest, Host, Privileges, Problem};
use crate::model::guest::{GuestId, GuestKind, RunState};
use crate::model::observed::ListedGuest;
use crate::model::sorted::Map;
use crate::model::time::Timestamp;
use crate::pve::{Client, Connection, NodeStatus, PveError};

use super::collect::are_near;
use super::spec::spec;

/// What the node told. Without `host` it did not answer, or not about itself.
#[derive(Debug, Default)]
pub(super) struct NodePart {
    pub(super) name: Option<String>,
    pub(super) host: Option<Host>,
    pub(super) guests: Vec<Guest>,
    pub(super) privileges: Privileges,
    /// Whether the node's clock is near ours, if it told.
    pub(super) agrees: Option<bool>,
    pub(super) problems: Vec<Problem>,
}

#[derive(Debug)]
pub(super) struct NodeReader {
    connection: Connection,
    client: Option<Client>,
    locks: Locks,
}

impl NodePart {
    fn problem(&mut self, part: impl Into<String>, message: impl ToString) {
        self.problems.push(Problem { part: part.into(), message: message.to_string() });
    }

    /// A reading, or a problem instead of it.
    fn part<T>(&mut self, part: &str, reading: Result<T, PveError>) -> Option<T> {
        reading.map_err(|error| self.problem(part, error)).ok()
    }
}

impl NodeReader {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, client: None, locks: Locks::default() }
    }

    /// Reads all of it, and stops reading at `until`: what is not read by then is a problem.
    pub(super) fn read(&mut self, until: Instant) -> NodePart {
        let mut part = NodePart::default();
        let Some(client) = self.client(&mut part) else { return part };
        match client.node() {
            Ok(name) => part.name = Some(name.to_owned()),
            Err(error) => {
                part.problem("host", &error);
                // Whose name is not known, nothing else can be asked of.
                self.client = Some(client);
                return part;
            }
        }
        match client.node_status() {
            Ok(status) => part.host = Some(host(&status)),
            Err(error) => {
                let is_silent = is_silence(&error);
                part.problem("host", error);
                // It answers, if not about itself: absent is only the host that does not answer.
                part.host = (!is_silent).then(Host::default);
                if is_silent {
                    self.client = Some(client);
                    return part;
                }
            }
        }
        self.privileges(&client, &mut part);
        self.clock(&client, &mut part);
        self.guests(&client, until, &mut part);
        self.client = Some(client);
        part
    }

    fn client(&mut self, part: &mut NodePart) -> Option<Client> {
        match self.client.take() {
            Some(client) => Some(client),
            None => part.part("host", Client::new(&self.connection)),
        }
    }

    fn privileges(&self, client: &Client, part: &mut NodePart) {
        if let Some(permissions) = part.part("privileges", client.permissions()) {
            part.privileges.api = permissions.all().into_iter().map(str::to_owned).collect();
        }
    }

    fn clock(&self, client: &Client, part: &mut NodePart) {
        let before = clock::now();
        if let Some(time) = part.part("clock", client.time()) {
            part.agrees = time.time.map(|node| {
                let node = Timestamp::from_unix(node);
                are_near(node, before) || are_near(node, clock::now())
            });
        }
    }

    fn guests(&mut self, client: &Client, until: Instant, part: &mut NodePart) {
        let mut listed = Vec::new();
        for kind in GuestKind::ALL {
            if let Some(guests) = part.part(&format!("guests:{kind}"), client.guests(kind)) {
                listed.extend(guests);
            }
        }
        listed.sort_unstable_by_key(|row| row.guest);
        let ha = part.part("ha", ha_states(client)).unwrap_or_default();
        self.locks.see(&listed, Instant::now());
        let mut is_silent = false;
        for row in listed {
            let mut guest = self.guest(&row, ha.get(&row.guest.to_string()));
            let config = if is_silent || Instant::now() >= until {
                Err("not read: the node took too long before".to_owned())
            } else {
                client.pending(row.guest).map_err(|error| {
                    is_silent = is_silence(&error);
                    error.to_string()
                })
            };
            match config {
                Ok(config) => guest.spec = Some(spec(row.guest.kind, &config)),
                Err(message) => {
                    guest.status = RunState::Unknown;
                    part.problem(format!("guest:{}", row.guest.vmid), message);
                }
            }
            part.guests.push(guest);
        }
    }

    fn guest(&self, row: &ListedGuest, ha: Option<&String>) -> Guest {
        Guest {
            vmid: row.guest.vmid,
            kind: row.guest.kind,
            name: row.name.clone(),
            status: row.run,
            managed: None,
            template: row.template,
            lock: row.lock.clone(),
            lock_age_seconds: self.locks.age(row.guest, Instant::now()),
            ha: ha.cloned(),
            uptime_seconds: row.uptime_seconds,
            tags: row.tags.clone(),
            spec: None,
        }
    }
}

/// Nobody answered, or nobody who can: asking on would only take time.
fn is_silence(error: &PveError) -> bool {
    matches!(error, PveError::Unsent { .. } | PveError::Unknown { .. } | PveError::ClusterFs { .. })
}

/// `lxc/101` -> the HA manager's word, of those it looks after: one call for all guests.
fn ha_states(client: &Client) -> Result<Map<String, String>, PveError> {
    let resources = client.cluster_resources()?;
    Ok(resources.into_iter().filter_map(|resource| Some((resource.id, resource.hastate?))).collect())
}

fn host(status: &NodeStatus) -> Host {
    Host {
        pve_version: status.version().map(str::to_owned),
        kernel: status.kernel().map(str::to_owned),
        uptime_seconds: status.uptime,
        cpu_count: status.cpu_count(),
        cpu_used_fraction: status.cpu.filter(|fraction| fraction.is_finite() && *fraction >= 0.0),
        load: status.load(),
        memory_total: status.memory.total,
        memory_used: status.memory.used,
        swap_total: status.swap.total,
        swap_used: status.swap.used,
        rootfs_total: status.rootfs.total,
        rootfs_used: status.rootfs.used,
        sensors: Vec::new(),
        disks: Vec::new(),
    }
}

/// Since when each lock has been seen: Proxmox does not tell.
#[derive(Debug, Default)]
struct Locks {
    seen: Map<GuestId, (String, Instant)>,
}

impl Locks {
    fn see(&mut self, listed: &[ListedGuest], now: Instant) {
        let before = std::mem::take(&mut self.seen);
        for row in listed {
            let Some(lock) = &row.lock else { continue };
            let since = match before.get(&row.guest) {
                Some((same, since)) if same == lock => *since,
                _ => now,
            };
            self.seen.insert(row.guest, (lock.clone(), since));
        }
    }

    fn age(&self, guest: GuestId, now: Instant) -> Option<u64> {
        self.seen.get(&guest).map(|(_, since)| now.saturating_duration_since(*since).as_secs())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Locks;
    use crate::model::guest::{GuestId, GuestKind, RunState, Vmid};
    use crate::model::observed::ListedGuest;

    fn row(lock: Option<&str>) -> ListedGuest {
        ListedGuest {
            guest: GuestId::new(GuestKind::Lxc, Vmid::new(101).unwrap()),
            name: None,
            run: RunState::Running,
            template: false,
            lock: lock.map(str::to_owned),
            tags: Vec::new(),
            uptime_seconds: None,
        }
    }

    #[test]
    fn a_lock_s_age_counts_from_when_it_was_first_seen_and_begins_anew_with_another_lock() {
        let mut locks = Locks::default();
        let start = Instant::now();
        let guest = row(None).guest;
        for (after, lock, age) in [
            (0, Some("backup"), Some(0)),
            (10, Some("backup"), Some(10)),
            (20, Some("snapshot"), Some(0)),
            (30, None, None),
            (40, Some("snapshot"), Some(0)),
        ] {
            let now = start + Duration::from_secs(after);
            locks.see(&[row(lock)], now);
            assert_eq!(locks.age(guest, now), age, "after {after} s");
        }
    }
}

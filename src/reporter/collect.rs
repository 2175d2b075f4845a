//! One report out of its parts, each read on a thread of its own and waited for no longer than the deadline.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock;
use crate::config::address::Address;
use crate::control::Answer;
use crate::hub::wire::HostReport;
use crate::hub::wire::report::{Clock, Cloudflared, Host, Problem, ServiceStatus};
use crate::model::guest::Vmid;
use crate::model::op::ClockTrust;
use crate::model::sorted::Set;
use crate::model::time::Timestamp;
use crate::pve;

use super::node::{NodePart, NodeReader};
use super::storage::{StoragePart, StorageReader};
use super::worker::{Late, Worker};
use super::{cloudflared, local};

/// The whole collection's: after this the report goes with what is there.
const WITHIN: Duration = Duration::from_secs(20);
/// One call's: shorter than what Proxmox allows itself, so that one slow call is not the whole collection.
const CALL_WITHIN: Duration = Duration::from_secs(12);
/// How far two clocks may be apart and both be trusted.
const SKEW: u64 = 60;

/// Whom to report about.
#[derive(Clone, Debug)]
pub struct Source {
    pub host_id: String,
    pub connection: pve::Connection,
    pub cloudflared: Option<Address>,
}

/// Counts the reports of this process, also over a change of its configuration.
#[derive(Clone, Debug, Default)]
pub struct Sequence(Arc<AtomicU64>);

impl Sequence {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Collects reports, one after the other, and remembers between them what may not be asked each time.
#[derive(Debug)]
pub struct Collector {
    host_id: String,
    node: Worker<NodePart>,
    storage: Worker<StoragePart>,
    cloudflared: Worker<(Cloudflared, Option<String>)>,
    /// As the configuration or the node said it.
    node_name: Option<String>,
    sequence: Sequence,
    /// Whether the hub's clock was near ours at its last answer.
    hub_agrees: Option<bool>,
}

impl Collector {
    /// Starts the reading threads; nothing is asked yet.
    pub fn start(source: Source) -> io::Result<Self> {
        let Source { host_id, mut connection, cloudflared: ready_url } = source;
        connection.timeout = connection.timeout.min(CALL_WITHIN);
        let node_name = connection.node.clone();
        let mut node = NodeReader::new(connection.clone());
        let mut storage = StorageReader::new(connection);
        Ok(Self {
            host_id,
            node: Worker::start("report-node", move |until| node.read(until))?,
            storage: Worker::start("report-storage", move |until| storage.read(until))?,
            cloudflared: Worker::start("report-cloudflared", move |_until| match &ready_url {
                Some(url) => cloudflared::ask(url),
                None => (cloudflared::look(Path::new("/")), None),
            })?,
            node_name,
            sequence: Sequence::default(),
            hub_agrees: None,
        })
    }

    /// Goes on counting where another collector of this process is.
    #[must_use]
    pub fn counting(self, sequence: Sequence) -> Self {
        Self { sequence, ..self }
    }

    /// Reads all parts and makes a report of what came in time. Takes at most 20 s.
    pub fn collect(&mut self, told: Option<Answer>) -> HostReport {
        let until = Instant::now() + WITHIN;
        self.node.begin(until);
        self.storage.begin(until);
        self.cloudflared.begin(until);
        let mut problems = Vec::new();
        let node = self.node.finish(until).unwrap_or_else(|late| {
            problems.push(problem("host", late));
            NodePart::default()
        });
        let storage = self.storage.finish(until).unwrap_or_else(|late| {
            problems.push(problem("storage", late));
            StoragePart::default()
        });
        let (cloudflared, fault) = self.cloudflared.finish(until).unwrap_or_else(|late| {
            let nothing = Cloudflared { status: ServiceStatus::Unknown, ready_connections: None };
            (nothing, Some(late.to_string()))
        });
        problems.extend(fault.map(|message| Problem { part: "cloudflared".to_owned(), message }));
        self.report(node, storage, cloudflared, told, problems)
    }

    /// The hub's clock as its last answer had it.
    pub fn saw_hub_time(&mut self, hub_time: Option<Timestamp>) {
        self.hub_agrees = hub_time.map(|hub| are_near(hub, clock::now()));
    }

    fn report(
        &mut self,
        node: NodePart,
        storage: StoragePart,
        cloudflared: Cloudflared,
        told: Option<Answer>,
        mut problems: Vec<Problem>,
    ) -> HostReport {
        problems.extend(node.problems);
        problems.extend(storage.problems);
        if node.name.is_some() {
            self.node_name = node.name;
        }
        let managed = told.as_ref().map(|told| &told.managed);
        let clock_fault = told.as_ref().is_some_and(|told| told.clock != ClockTrust::Trusted);
        let mut guests = node.guests;
        for guest in &mut guests {
            guest.managed = managed.map(|managed: &Set<Vmid>| managed.contains(&guest.vmid));
        }
        // Asking each backup for it would be a call each: it is known of those that the agent looked into.
        let mut backups = storage.backups;
        for backup in &mut backups {
            backup.incarnation = told.as_ref().and_then(|told| told.incarnations.get(&backup.volid).cloned());
        }
        let root = Path::new("/");
        let agrees = [node.agrees, self.hub_agrees];
        HostReport {
            schema: HostReport::SCHEMA,
            host_id: self.host_id.clone(),
            node: self.node_name.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            controller_version: String::new(),
            collected_at: clock::now(),
            boot_id: local::boot_id(root),
            seq: self.sequence.next(),
            complete: problems.is_empty(),
            problems,
            host: node.host.map(|host| Host { sensors: local::sensors(root), ..host }),
            guests,
            cloudflared,
            storage_targets: storage.targets,
            backups,
            restore_tests: told.as_ref().map(|told| told.restore_tests.clone()).unwrap_or_default(),
            pbs_snapshots: storage.pbs_snapshots,
            audit_tail: told.as_ref().map(|told| told.audit.clone()).unwrap_or_default(),
            conditions: told.map(|told| told.status.conditions).unwrap_or_default(),
            privileges: node.privileges,
            clock: Clock { trusted: !clock_fault && !agrees.contains(&Some(false)) },
        }
    }
}

/// Whether two clocks tell the same time, as far as it matters here.
pub(super) fn are_near(one: Timestamp, other: Timestamp) -> bool {
    one.seconds_since(other).max(other.seconds_since(one)) <= SKEW
}

fn problem(part: &str, late: Late) -> Problem {
    Problem { part: part.to_owned(), message: late.to_string() }
}

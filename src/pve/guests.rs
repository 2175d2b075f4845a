//! Guests: the two lists, configurations, live status, power, and what makes, changes and ends a guest.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{Client, Intent, LIST, SMALL, Submitted};
use super::error::PveError;
use super::form::{Form, segment};
use super::perl;
use super::upid::Upid;
use crate::http::Method;
use crate::journal::Recorded;
use crate::model::guest::{GuestId, GuestKind, RunState, Vmid};
use crate::model::observed::{GuestConfig, HaState, ListedGuest, PendingChange};
use crate::model::sorted::Map;
use crate::model::step::{ConfigChange, Step, ha_word};

/// Which values of a configuration: those that run now, or with what is pending over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Current,
    Merged,
}

/// A configuration in one view; every value as Proxmox prints it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigText {
    pub values: Map<String, String>,
    /// Never empty.
    pub digest: String,
}

/// What `status/current` tells of one guest.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestStatus {
    pub run: RunState,
    pub name: Option<String>,
    /// `backup`, `migrate`, …
    pub lock: Option<String>,
    pub template: bool,
    pub ha: HaState,
    /// In seconds; `None` when stopped or not told.
    pub uptime_seconds: Option<u64>,
    pub pid: Option<u64>,
    /// Of all its cores, 0 to 1.
    pub cpu_fraction: Option<f64>,
    /// In bytes.
    pub memory_used: Option<u64>,
    pub memory_total: Option<u64>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default, deserialize_with = "perl::unsigned")]
    vmid: Option<u64>,
    #[serde(default, deserialize_with = "perl::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "perl::text")]
    status: Option<String>,
    #[serde(default, deserialize_with = "perl::text")]
    qmpstatus: Option<String>,
    #[serde(default, deserialize_with = "perl::switch")]
    template: bool,
    #[serde(default, deserialize_with = "perl::text")]
    lock: Option<String>,
    #[serde(default, deserialize_with = "perl::text")]
    tags: Option<String>,
    #[serde(default, deserialize_with = "perl::unsigned")]
    uptime: Option<u64>,
    #[serde(default, deserialize_with = "perl::unsigned")]
    pid: Option<u64>,
    #[serde(default, deserialize_with = "perl::float")]
    cpu: Option<f64>,
    #[serde(default, deserialize_with = "perl::unsigned")]
    mem: Option<u64>,
    #[serde(default, deserialize_with = "perl::unsigned")]
    maxmem: Option<u64>,
    #[serde(default)]
    ha: Option<Ha>,
}

#[derive(Deserialize)]
struct Ha {
    #[serde(default, deserialize_with = "perl::switch")]
    managed: bool,
    #[serde(default, deserialize_with = "perl::text")]
    state: Option<String>,
}

#[derive(Deserialize)]
struct PendingRow {
    key: String,
    #[serde(default)]
    value: Option<Box<RawValue>>,
    #[serde(default)]
    pending: Option<Box<RawValue>>,
    /// 1, or 2 for a forced one.
    #[serde(default, deserialize_with = "perl::switch")]
    delete: bool,
}

impl Row {
    fn run(&self) -> RunState {
        match (self.status.as_deref(), self.qmpstatus.as_deref()) {
            (Some("running"), None | Some("running")) => RunState::Running,
            (Some("running"), Some(_)) => RunState::Paused,
            (Some("stopped"), _) => RunState::Stopped,
            _ => RunState::Unknown,
        }
    }

    /// 0 is what Proxmox says of a stopped guest.
    fn uptime_seconds(&self) -> Option<u64> {
        self.uptime.filter(|seconds| *seconds > 0)
    }
}

impl Client {
    /// `GET /nodes/{node}/lxc` or `/qemu`. Guests that the token may not see are silently left out.
    pub fn guests(&self, kind: GuestKind) -> Result<Vec<ListedGuest>, PveError> {
        let rows: Vec<Row> = self.get(&self.on_node(&format!("/{kind}"))?, &Form::new(), LIST)?;
        Ok(rows.into_iter().filter_map(|row| listed(kind, row)).collect())
    }

    /// The configuration in one view; for both and the digest in one call see [`Self::pending`].
    pub fn config(&self, guest: GuestId, view: View) -> Result<ConfigText, PveError> {
        let form = match view {
            View::Current => Form::new().with_flag("current", true),
            View::Merged => Form::new(),
        };
        let path = self.of_guest(guest, "/config")?;
        let raw: Map<String, Box<RawValue>> = self.get(&path, &form, SMALL)?;
        let mut values: Map<String, String> =
            raw.into_iter().filter_map(|(key, raw)| Some((key, perl::printed(&raw)?))).collect();
        let digest = checked_digest(&path, values.remove("digest"))?;
        Ok(ConfigText { values, digest })
    }

    /// `GET …/pending`: current values, pending ones and the digest in one call (0.7 ms on a real node).
    pub fn pending(&self, guest: GuestId) -> Result<GuestConfig, PveError> {
        let path = self.of_guest(guest, "/pending")?;
        let rows: Vec<PendingRow> = self.get(&path, &Form::new(), SMALL)?;
        let mut config = GuestConfig::default();
        let mut digest = None;
        for row in rows {
            let value = row.value.as_deref().and_then(perl::printed);
            if row.key == "digest" {
                digest = value;
                continue;
            }
            if row.delete {
                config.pending.insert(row.key.clone(), PendingChange::Delete);
            } else if let Some(next) = row.pending.as_deref().and_then(perl::printed) {
                config.pending.insert(row.key.clone(), PendingChange::Set(next));
            }
            if let Some(value) = value {
                config.current.insert(row.key, value);
            }
        }
        config.digest = checked_digest(&path, digest)?;
        Ok(config)
    }

    /// `GET …/status/current`, which costs a real node 30 ms: for the lane that is about to act.
    pub fn status(&self, guest: GuestId) -> Result<GuestStatus, PveError> {
        let row: Row = self.get(&self.of_guest(guest, "/status/current")?, &Form::new(), SMALL)?;
        let ha = match &row.ha {
            Some(ha) if ha.managed => HaState::Managed(ha.state.clone()),
            _ => HaState::NotManaged,
        };
        Ok(GuestStatus {
            run: row.run(),
            uptime_seconds: row.uptime_seconds(),
            name: row.name,
            lock: row.lock.filter(|lock| !lock.is_empty()),
            template: row.template,
            ha,
            pid: row.pid,
            cpu_fraction: row.cpu,
            memory_used: row.mem,
            memory_total: row.maxmem,
        })
    }

    /// Whether a VM's guest agent answers. Changes nothing, although Proxmox wants it posted.
    pub fn agent_ping(&self, guest: GuestId) -> Result<(), PveError> {
        self.look(&Method::POST, &self.of_guest(guest, "/agent/ping")?)
    }

    pub fn start(&self, recorded: &Recorded, guest: GuestId) -> Result<Upid, PveError> {
        self.power(recorded, guest, "start", Form::new())
    }

    /// Ends the guest at once, as if its power were cut.
    pub fn stop(&self, recorded: &Recorded, guest: GuestId) -> Result<Upid, PveError> {
        let intent = Intent::exactly(recorded, &Step::Stop { guest });
        self.begin(&intent, &Method::POST, &self.of_guest(guest, "/status/stop")?, &Form::new())
    }

    /// Asks the guest to end; the task fails when it has not within `timeout_s`.
    pub fn shutdown_guest(
        &self,
        recorded: &Recorded,
        guest: GuestId,
        timeout_s: u32,
    ) -> Result<Upid, PveError> {
        self.power(recorded, guest, "shutdown", Form::new().with("timeout", timeout_s))
    }

    pub fn reboot(&self, recorded: &Recorded, guest: GuestId, timeout_s: u32) -> Result<Upid, PveError> {
        self.power(recorded, guest, "reboot", Form::new().with("timeout", timeout_s))
    }

    /// `GET /cluster/ha/resources/{sid}`: what the HA manager was told to make of a guest (`started`, `stopped`, …), which is not yet
    /// what it has made of it. `None`: it was told of no state. Needs Sys.Audit on `/`.
    pub fn ha_state(&self, guest: GuestId) -> Result<Option<String>, PveError> {
        let resource: serde_json::Value = self.get(&ha_path(guest), &Form::new(), SMALL)?;
        Ok(resource.get("state").and_then(serde_json::Value::as_str).map(str::to_owned))
    }

    /// Needs Sys.Console on `/`. Done when HA was told.
    pub fn set_ha_state(
        &self,
        recorded: &Recorded,
        guest: GuestId,
        running: bool,
    ) -> Result<Submitted, PveError> {
        let form = Form::new().with("state", ha_word(running));
        let intent = Intent::exactly(recorded, &Step::HaState { guest, running });
        self.submit(&intent, &Method::PUT, &ha_path(guest), &form)
    }

    /// Writes a change, bound to the digest it was planned against. A container's is done at once. A VM's may be a task:
    /// allocating and hot-plugging take time.
    pub fn set_config(
        &self,
        recorded: &Recorded,
        guest: GuestId,
        change: &ConfigChange,
    ) -> Result<Submitted, PveError> {
        assert!(!change.digest.is_empty(), "an empty digest would switch Proxmox's check off");
        let mut form = Form::new().with("digest", &change.digest);
        for (key, value) in &change.set {
            form.set(key, value);
        }
        if !change.delete.is_empty() {
            let keys: Vec<&str> = change.delete.iter().map(String::as_str).collect();
            form.set("delete", keys.join(","));
        }
        let method = match guest.kind {
            GuestKind::Lxc => Method::PUT,
            GuestKind::Qemu => Method::POST,
        };
        let intent = Intent::new(recorded, guest.vmid);
        self.submit(&intent, &method, &self.of_guest(guest, "/config")?, &form)
    }

    /// Takes pending changes back, by key.
    pub fn revert(
        &self,
        recorded: &Recorded,
        guest: GuestId,
        keys: &[&str],
        digest: &str,
    ) -> Result<Submitted, PveError> {
        let form = Form::new().with("revert", keys.join(",")).with("digest", digest);
        let intent = Intent::new(recorded, guest.vmid);
        self.submit(&intent, &Method::PUT, &self.of_guest(guest, "/config")?, &form)
    }

    /// Grows a disk: `size` is absolute (`8G`) or a growth (`+2G`).
    pub fn resize(
        &self,
        recorded: &Recorded,
        guest: GuestId,
        disk: &str,
        size: &str,
        digest: &str,
    ) -> Result<Submitted, PveError> {
        let form = Form::new().with("disk", disk).with("size", size).with("digest", digest);
        let intent = Intent::new(recorded, guest.vmid);
        self.submit(&intent, &Method::PUT, &self.of_guest(guest, "/resize")?, &form)
    }

    /// Destroys a stopped guest and its volumes: never forced, never beyond what its configuration names. `purge` takes it
    /// out of backup jobs, replication and HA as well.
    pub fn destroy(&self, recorded: &Recorded, guest: GuestId, purge: bool) -> Result<Upid, PveError> {
        let form =
            Form::new().with_flag("destroy-unreferenced-disks", false).with_some("purge", purge.then_some(1));
        let intent = Intent::exactly(recorded, &Step::Destroy { guest, purge });
        self.begin(&intent, &Method::DELETE, &self.of_guest(guest, "")?, &form)
    }

    fn power(&self, recorded: &Recorded, guest: GuestId, verb: &str, form: Form) -> Result<Upid, PveError> {
        let path = self.of_guest(guest, &format!("/status/{verb}"))?;
        self.begin(&Intent::new(recorded, guest.vmid), &Method::POST, &path, &form)
    }

    /// `/nodes/{node}/lxc/101` and what follows.
    pub(super) fn of_guest(&self, guest: GuestId, rest: &str) -> Result<String, PveError> {
        self.on_node(&format!("/{guest}{rest}"))
    }

    /// `/nodes/{node}/lxc/101/snapshot/{name}` and what follows.
    pub(super) fn of_snapshot(&self, guest: GuestId, name: &str, rest: &str) -> Result<String, PveError> {
        self.of_guest(guest, &format!("/snapshot/{}{rest}", segment(name)))
    }
}

/// A service's id is `ct:101` or `vm:200`.
fn ha_path(guest: GuestId) -> String {
    let kind = match guest.kind {
        GuestKind::Lxc => "ct",
        GuestKind::Qemu => "vm",
    };
    format!("/cluster/ha/resources/{kind}:{}", guest.vmid)
}

/// A row that is no guest (a number below 100, or none) is passed over, loudly: nothing can be said of it.
fn listed(kind: GuestKind, row: Row) -> Option<ListedGuest> {
    let Some(Ok(vmid)) = row.vmid.map(Vmid::new) else {
        log::warn!("the list of {kind} guests holds a row without a usable vmid: {:?}", row.vmid);
        return None;
    };
    let tags = row.tags.as_deref().unwrap_or_default();
    let tags = tags.split([';', ',', ' ']).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    Some(ListedGuest {
        guest: GuestId::new(kind, vmid),
        run: row.run(),
        uptime_seconds: row.uptime_seconds(),
        name: row.name,
        template: row.template,
        lock: row.lock.filter(|lock| !lock.is_empty()),
        tags,
    })
}

/// A configuration without a digest cannot be written safely, so it counts as not read.
fn checked_digest(path: &str, digest: Option<String>) -> Result<String, PveError> {
    digest.filter(|digest| !digest.is_empty()).ok_or_else(|| PveError::Body {
        call: format!("GET {path}"),
        what: "the configuration has no digest".to_owned(),
    })
}

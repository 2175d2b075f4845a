//! The node and its cluster: who and what it is, what the token may, what else is there.

use serde::Deserialize;

use super::client::{Client, LIST, SMALL};
use super::error::PveError;
use super::form::Form;
use super::perl;
use crate::model::guest::Vmid;
use crate::model::permissions::Permissions;
use crate::model::sorted::Map;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Version {
    /// `9.2.11`
    pub version: String,
    #[serde(default, deserialize_with = "perl::text")]
    pub release: Option<String>,
    #[serde(default, deserialize_with = "perl::text")]
    pub repoid: Option<String>,
}

/// A row of `/nodes`; without Sys.Audit only its name and status.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct NodeEntry {
    pub node: String,
    /// `online`, `offline`, or `unknown` until the node has said something.
    #[serde(default, deserialize_with = "perl::text")]
    pub status: Option<String>,
    #[serde(default, deserialize_with = "perl::text")]
    pub ssl_fingerprint: Option<String>,
}

/// A row of `/cluster/status`: a node, or the cluster itself where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ClusterEntry {
    /// `node` or `cluster`.
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    /// The node that answers.
    #[serde(default, deserialize_with = "perl::switch")]
    pub local: bool,
    #[serde(default, deserialize_with = "perl::flag")]
    pub online: Option<bool>,
    #[serde(default, deserialize_with = "perl::flag")]
    pub quorate: Option<bool>,
    #[serde(default, deserialize_with = "perl::text")]
    pub ip: Option<String>,
}

/// Of a memory, a swap, a file system; in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Space {
    #[serde(default, deserialize_with = "perl::unsigned")]
    pub total: Option<u64>,
    #[serde(default, deserialize_with = "perl::unsigned")]
    pub used: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct NodeStatus {
    /// `pve-manager/9.2.11/14a22df35955d97d`
    #[serde(default, deserialize_with = "perl::text")]
    pub pveversion: Option<String>,
    #[serde(default, deserialize_with = "perl::text")]
    pub kversion: Option<String>,
    /// In seconds.
    #[serde(default, deserialize_with = "perl::unsigned")]
    pub uptime: Option<u64>,
    /// Of all its cores, 0 to 1.
    #[serde(default, deserialize_with = "perl::float")]
    pub cpu: Option<f64>,
    #[serde(default)]
    loadavg: Vec<Number>,
    #[serde(default)]
    cpuinfo: CpuInfo,
    #[serde(default)]
    pub memory: Space,
    #[serde(default)]
    pub swap: Space,
    #[serde(default)]
    pub rootfs: Space,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(transparent)]
struct Number(#[serde(deserialize_with = "perl::float")] Option<f64>);

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct CpuInfo {
    #[serde(default, deserialize_with = "perl::unsigned")]
    cpus: Option<u64>,
}

impl NodeStatus {
    /// `9.2.11`
    pub fn version(&self) -> Option<&str> {
        self.pveversion.as_deref()?.split('/').nth(1)
    }

    /// `6.17.4-1-pve` of `Linux 6.17.4-1-pve #1 SMP …`.
    pub fn kernel(&self) -> Option<&str> {
        self.kversion.as_deref()?.split_whitespace().nth(1)
    }

    pub fn cpu_count(&self) -> Option<u64> {
        self.cpuinfo.cpus
    }

    /// Over 1, 5 and 15 minutes.
    pub fn load(&self) -> Option<[f64; 3]> {
        match self.loadavg.as_slice() {
            [Number(Some(one)), Number(Some(five)), Number(Some(fifteen)), ..] => {
                Some([*one, *five, *fifteen])
            }
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NodeTime {
    /// Seconds since 1970, UTC.
    #[serde(default, deserialize_with = "perl::unsigned")]
    pub time: Option<u64>,
    #[serde(default, deserialize_with = "perl::text")]
    pub timezone: Option<String>,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Propagates(#[serde(deserialize_with = "perl::switch")] bool);

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pool {
    #[serde(rename = "poolid")]
    pub id: String,
    #[serde(default, deserialize_with = "perl::text")]
    pub comment: Option<String>,
    #[serde(default)]
    pub members: Vec<PoolMember>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PoolMember {
    /// `lxc/100`, `storage/pve/store`
    pub id: String,
    #[serde(default, deserialize_with = "perl::unsigned")]
    pub vmid: Option<u64>,
}

/// A row of `/cluster/resources`, which comes from pvestatd and may be stale: good for "which node has this guest".
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ClusterResource {
    /// `lxc/100`, `node/pve`, `storage/pve/store`
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, deserialize_with = "perl::text")]
    pub node: Option<String>,
    #[serde(default, deserialize_with = "perl::unsigned")]
    pub vmid: Option<u64>,
    #[serde(default, deserialize_with = "perl::text")]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "perl::text")]
    pub status: Option<String>,
    #[serde(default, deserialize_with = "perl::switch")]
    pub template: bool,
    #[serde(default, deserialize_with = "perl::text")]
    pub lock: Option<String>,
    /// `started`, …; absent when the HA manager does not look after it.
    #[serde(default, deserialize_with = "perl::text")]
    pub hastate: Option<String>,
    #[serde(default, deserialize_with = "perl::text")]
    pub pool: Option<String>,
}

/// What of the datacentre's options concerns us.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ClusterOptions {
    #[serde(default, deserialize_with = "perl::text")]
    pub description: Option<String>,
    #[serde(default, deserialize_with = "perl::text")]
    pub mac_prefix: Option<String>,
    #[serde(default, rename = "allowed-tags")]
    pub allowed_tags: Vec<String>,
    /// `case-sensitive=1,…`, or an object of the same.
    #[serde(default, rename = "tag-style")]
    pub tag_style: Option<serde_json::Value>,
}

impl Client {
    /// Answered by pveproxy alone: proves that the token is valid, not that pvedaemon runs.
    pub fn version(&self) -> Result<Version, PveError> {
        self.get("/version", &Form::new(), SMALL)
    }

    pub fn nodes(&self) -> Result<Vec<NodeEntry>, PveError> {
        self.get("/nodes", &Form::new(), LIST)
    }

    /// Needs Sys.Audit on `/`.
    pub fn cluster_status(&self) -> Result<Vec<ClusterEntry>, PveError> {
        self.get("/cluster/status", &Form::new(), SMALL)
    }

    pub fn node_status(&self) -> Result<NodeStatus, PveError> {
        self.get(&self.on_node("/status")?, &Form::new(), SMALL)
    }

    pub fn time(&self) -> Result<NodeTime, PveError> {
        self.get(&self.on_node("/time")?, &Form::new(), SMALL)
    }

    pub fn permissions(&self) -> Result<Permissions, PveError> {
        let raw: Map<String, Map<String, Propagates>> =
            self.get("/access/permissions", &Form::new(), LIST)?;
        let plain = |privileges: Map<String, Propagates>| {
            privileges.into_iter().map(|(name, propagates)| (name, propagates.0)).collect()
        };
        Ok(raw.into_iter().map(|(path, all)| (path, plain(all))).collect())
    }

    /// A free number: the given one, if it is free ([`PveError::Parameter`] if not), else the lowest.
    pub fn next_id(&self, wanted: Option<Vmid>) -> Result<Vmid, PveError> {
        let path = "/cluster/nextid";
        let number: FreeId = self.get(path, &Form::new().with_some("vmid", wanted), SMALL)?;
        let vmid = number.0.ok_or_else(|| "it is no number".to_owned()).and_then(Vmid::new);
        vmid.map_err(|what| PveError::Body { call: format!("GET {path}"), what })
    }

    /// Pools and, where `id` names one, its members.
    pub fn pools(&self, id: Option<&str>) -> Result<Vec<Pool>, PveError> {
        self.get("/pools", &Form::new().with_some("poolid", id), LIST)
    }

    pub fn cluster_resources(&self) -> Result<Vec<ClusterResource>, PveError> {
        self.get("/cluster/resources", &Form::new(), LIST)
    }

    pub fn cluster_options(&self) -> Result<ClusterOptions, PveError> {
        self.get("/cluster/options", &Form::new(), SMALL)
    }

    /// Which node answers. A token without Sys.Audit on `/` may still see that there is only one.
    pub(super) fn local_node(&self) -> Result<String, PveError> {
        let entries = match self.cluster_status() {
            Ok(entries) => entries,
            Err(PveError::Forbidden(denied)) => {
                return match self.nodes()?.as_slice() {
                    [only] => Ok(only.node.clone()),
                    _ => Err(PveError::Forbidden(denied)),
                };
            }
            Err(error) => return Err(error),
        };
        let local = entries.into_iter().find(|entry| entry.kind == "node" && entry.local);
        local.map(|entry| entry.name).ok_or_else(|| {
            PveError::Setup("the node does not say which one it is: name it in the configuration".to_owned())
        })
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct FreeId(#[serde(deserialize_with = "perl::unsigned")] Option<u64>);

#[cfg(test)]
mod tests {
    use super::NodeStatus;

    #[test]
    fn a_node_s_numbers_are_read_from_perl() {
        let status: NodeStatus = serde_json::from_str(
            r#"{"pveversion":"pve-manager/9.2.11/14a2","kversion":"Linux 6.17.4-1-pve #1 SMP","uptime":"3076",
                "cpu":0,"loadavg":["0.94","13.30","14.61"],"cpuinfo":{"cpus":2,"mhz":"2596.120"},
                "memory":{"total":25276510208,"used":1},"swap":{"total":0,"used":0},"rootfs":{"total":"5"}}"#,
        )
        .unwrap();
        assert_eq!((status.version(), status.kernel()), (Some("9.2.11"), Some("6.17.4-1-pve")));
        assert_eq!((status.uptime, status.cpu, status.cpu_count()), (Some(3076), Some(0.0), Some(2)));
        assert_eq!(status.load(), Some([0.94, 13.3, 14.61]));
        assert_eq!((status.rootfs.total, status.rootfs.used), (Some(5), None));
        assert_eq!(serde_json::from_str::<NodeStatus>("{}").unwrap(), NodeStatus::default());
    }
}

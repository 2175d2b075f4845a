//! Reading guests: lists, status, configuration, pending changes.

use serde_json::{Value, json};

use super::ask::{Ask, failure, find_guest};
use super::config_file::{Config, Kind};
use super::properties::Properties;
use super::storage::parse_size;
use super::world::{Guest, World};
use super::{cluster, keys};
use crate::api::{ApiError, Reply};

const MIB: u64 = 1024 * 1024;

/// `POST /nodes/{node}/qemu/{vmid}/agent/ping`
pub fn agent_ping(world: &World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let vmid = ask.vmid();
    let guest = find_guest(world, kind, vmid)?;
    let enabled =
        guest.config().main.get("agent").is_some_and(|agent| agent == "1" || agent.starts_with("1,"));
    if !enabled {
        return Err(failure("No QEMU guest agent configured"));
    }
    if guest.running.is_none() {
        return Err(failure(format!("VM {vmid} is not running")));
    }
    if world.faults.agents_are_silent {
        return Err(failure("QEMU guest agent is not running"));
    }
    Ok(Reply::data(json!({"result": {}})))
}

/// `GET /nodes/{node}/lxc` and `…/qemu`: what the caller may see, and no word of the rest.
pub fn list(world: &World, kind: Kind, ask: &Ask<'_>) -> Reply {
    if world.faults.empty_guest_lists {
        return Reply::data(json!([]));
    }
    let rows: Vec<Value> = world
        .guests
        .values()
        .filter(|guest| guest.kind == kind)
        .filter(|guest| world.access.may(ask.caller, &format!("/vms/{}", guest.vmid), "VM.Audit"))
        .map(|guest| status_row(world, guest, ask.flag("full")))
        .collect();
    Reply::data(json!(rows))
}

/// `GET …/status/current`
pub fn status(world: &World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let guest = find_guest(world, kind, ask.vmid())?;
    let mut row = status_row(world, guest, true);
    row["ha"] = match &guest.ha {
        Some(state) => json!({"managed": 1, "state": state}),
        None => json!({"managed": 0}),
    };
    Ok(Reply::data(row))
}

/// The fields both the list and the status have.
fn status_row(world: &World, guest: &Guest, full: bool) -> Value {
    let config = guest.config();
    let main = &config.main;
    let number = |key: &str| main.get(key).and_then(|value| value.parse::<u64>().ok());
    let mut row = json!({
        "vmid": guest.vmid, "name": guest.shown_name(&config), "status": if guest.running.is_some() { "running" } else { "stopped" },
        "cpus": cpus(guest.kind, &config), "cpu": 0, "mem": 0, "disk": 0, "netin": 0, "netout": 0, "uptime": 0,
        "maxmem": memory(guest.kind, &config) * MIB, "maxdisk": max_disk(world, guest.kind, &config),
    });
    match guest.kind {
        Kind::Lxc => {
            row["type"] = json!("lxc");
            row["maxswap"] = json!(number("swap").unwrap_or(0) * MIB);
            for key in ["swap", "diskread", "diskwrite"] {
                row[key] = json!(0);
            }
        }
        Kind::Qemu => {
            row["memhost"] = json!(0);
            if full {
                row["qmpstatus"] = json!(guest.running.as_ref().map_or("stopped", |running| running.qmp));
            }
        }
    }
    if let Some(running) = &guest.running {
        row["pid"] = json!(running.pid);
        row["uptime"] = json!(world.now_ms().saturating_sub(running.since_ms) / 1000);
        let pressure = if guest.kind == Kind::Lxc { Value::Null } else { json!(0) };
        for what in ["cpusome", "cpufull", "iosome", "iofull", "memorysome", "memoryfull"] {
            row[format!("pressure{what}")] = pressure.clone();
        }
        if guest.kind == Kind::Lxc {
            row["mem"] = json!(798_720);
            row["disk"] = json!(8_208_384);
        }
    }
    for key in ["lock", "tags"] {
        if let Some(value) = main.get(key) {
            row[key] = json!(value);
        }
    }
    if main.flag("template") {
        row["template"] = json!(1);
    }
    row
}

fn cpus(kind: Kind, config: &Config) -> u64 {
    let number = |key: &str| config.main.get(key).and_then(|value| value.parse::<u64>().ok());
    match kind {
        Kind::Lxc => number("cores").map_or(cluster::CPUS, |cores| cores.min(cluster::CPUS)),
        Kind::Qemu => {
            number("vcpus").unwrap_or_else(|| number("sockets").unwrap_or(1) * number("cores").unwrap_or(1))
        }
    }
}

/// The memory in MiB.
pub fn memory(kind: Kind, config: &Config) -> u64 {
    let text = config.main.get("memory").unwrap_or("512");
    let text = if kind == Kind::Qemu { text.trim_start_matches("current=") } else { text };
    text.parse().unwrap_or(512)
}

fn max_disk(world: &World, kind: Kind, config: &Config) -> u64 {
    let drive = match kind {
        Kind::Lxc => config.main.get("rootfs"),
        Kind::Qemu => config
            .main
            .keys
            .iter()
            .find(|(key, value)| keys::is_drive(key) && !value.contains("media=cdrom"))
            .map(|(_, value)| value.as_str()),
    };
    let Some(drive) = drive else { return 0 };
    let size = Properties::parse(drive, "volume").get("size").and_then(parse_size).unwrap_or(0);
    let storage = drive.split(':').next().and_then(|name| world.storage(name));
    if size == 0 { storage.map_or(0, |storage| storage.total) } else { size }
}

/// `GET …/config`: with pending changes over it, or `current=1`, or that of a snapshot.
pub fn config(world: &World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let guest = find_guest(world, kind, ask.vmid())?;
    let config = guest.config();
    let section = match ask.text("snapshot") {
        Some(name) => config
            .snapshots
            .get(name)
            .cloned()
            .ok_or_else(|| failure(format!("snapshot '{name}' does not exist")))?,
        None if ask.flag("current") => config.main.clone(),
        None => config.merged(),
    };
    let mut data = config.to_json(kind, &section);
    hide_secrets(&mut data);
    hide_unreadable(world, ask, guest.vmid, &mut data);
    data.insert("digest".to_owned(), json!(guest.digest()));
    Ok(Reply::data(Value::Object(data)))
}

fn hide_secrets(data: &mut serde_json::Map<String, Value>) {
    if let Some(password) = data.get_mut("cipassword") {
        *password = json!("**********");
    }
}

/// `env` is shown only to those who may set options.
fn hide_unreadable(world: &World, ask: &Ask<'_>, vmid: u32, data: &mut serde_json::Map<String, Value>) {
    if data.contains_key("env") && !world.access.may(ask.caller, &format!("/vms/{vmid}"), "VM.Config.Options")
    {
        data.remove("env");
    }
}

/// `GET …/pending`: each key with its value, what a restart will make of it, and the digest as one more key.
pub fn pending(world: &World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let guest = find_guest(world, kind, ask.vmid())?;
    let config = guest.config();
    let mut now = config.to_json(kind, &config.main);
    hide_secrets(&mut now);
    hide_unreadable(world, ask, guest.vmid, &mut now);
    let later = config.to_json(kind, &config.pending);
    let mut rows: Vec<Value> = now
        .iter()
        .filter(|(_, value)| !value.is_array())
        .map(|(key, value)| {
            let mut row = json!({"key": key, "value": value});
            if let Some(pending) = later.get(key) {
                row["pending"] = pending.clone();
            }
            if let Some(forced) = config.pending_delete.get(key) {
                row["delete"] = json!(if *forced { 2 } else { 1 });
            }
            row
        })
        .collect();
    rows.extend(
        later
            .iter()
            .filter(|(key, _)| !now.contains_key(*key))
            .map(|(key, value)| json!({"key": key, "pending": value})),
    );
    rows.extend(
        config
            .pending_delete
            .iter()
            .filter(|(key, _)| !now.contains_key(*key))
            .map(|(key, forced)| json!({"key": key, "delete": if *forced { 2 } else { 1 }})),
    );
    rows.push(json!({"key": "digest", "value": guest.digest()}));
    Ok(Reply::data(json!(rows)))
}

/// `GET …/{vmid}`
pub fn index(world: &World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    find_guest(world, kind, ask.vmid())?;
    let names = [
        "config",
        "pending",
        "status",
        "vncproxy",
        "termproxy",
        "vncwebsocket",
        "spiceproxy",
        "migrate",
        "clone",
        "rrd",
        "rrddata",
        "firewall",
        "snapshot",
        "resize",
    ];
    let more: &[&str] = if kind == Kind::Lxc { &["interfaces"] } else { &["agent", "cloudinit"] };
    let rows: Vec<Value> = names.iter().chain(more).map(|name| json!({"subdir": name})).collect();
    Ok(Reply::data(json!(rows)))
}

/// `GET …/status`
pub fn status_index(world: &World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    find_guest(world, kind, ask.vmid())?;
    let rows: Vec<Value> = ["current", "start", "stop", "shutdown", "suspend", "resume", "reboot"]
        .iter()
        .map(|name| json!({"subdir": name}))
        .collect();
    Ok(Reply::data(json!(rows)))
}

/// `GET …/interfaces` of a container.
pub fn interfaces(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let guest = find_guest(world, Kind::Lxc, ask.vmid())?;
    if guest.running.is_none() {
        return Ok(Reply::data(Value::Null));
    }
    let zero = "00:00:00:00:00:00";
    Ok(Reply::data(json!([{"name": "lo", "hwaddr": zero, "hardware-address": zero, "ip-addresses": []}])))
}

/// A guest's row in `/cluster/resources`.
pub fn resource_row(world: &World, guest: &Guest) -> Value {
    let mut row = status_row(world, guest, false);
    let pool = world.pools.iter().find(|(_, pool)| pool.vms.contains(&guest.vmid));
    let Some(map) = row.as_object_mut() else { return row };
    let maxcpu = map.remove("cpus").unwrap_or_default();
    map.retain(|key, _| {
        !key.starts_with("pressure") && !matches!(key.as_str(), "pid" | "swap" | "maxswap" | "type")
    });
    map.insert("maxcpu".to_owned(), maxcpu);
    map.insert("type".to_owned(), json!(guest.kind.name()));
    map.insert("id".to_owned(), json!(format!("{}/{}", guest.kind.name(), guest.vmid)));
    map.insert("node".to_owned(), json!(world.name));
    map.entry("template").or_insert(json!(0));
    for key in ["memhost", "diskread", "diskwrite"] {
        map.entry(key).or_insert(json!(0));
    }
    if let Some((name, _)) = pool {
        map.insert("pool".to_owned(), json!(name));
    }
    row
}

/// `GET …/rrddata`: rows without data, as of a guest that has just been made.
pub fn rrd(world: &World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    find_guest(world, kind, ask.vmid())?;
    Ok(empty_rrd(world))
}

pub fn empty_rrd(world: &World) -> Reply {
    let end = world.now() / 60 * 60;
    let rows: Vec<Value> =
        (0..70_u64).rev().map(|minutes| json!({"time": end.saturating_sub(minutes * 60)})).collect();
    Reply::data(json!(rows))
}

//! The node and the cluster around it: versions, status, resources, options, the next free id.

use serde_json::{Value, json};

use super::ask::Ask;
use super::world::World;
use crate::api::{ApiError, Reply};

/// The node's processors.
pub const CPUS: u64 = 2;
const MEMORY: u64 = 25_276_510_208;

/// `GET /version`
pub fn version() -> Reply {
    Reply::data(json!({"release": "9.2", "repoid": "14a22df35955d97d", "version": "9.2.11"}))
}

/// `GET /nodes`: always names the nodes, gives numbers only with Sys.Audit.
pub fn nodes(world: &World, ask: &Ask<'_>) -> Reply {
    let rows: Vec<Value> = world.node_names().iter().map(|name| node_row(world, name, ask)).collect();
    Reply::data(json!(rows))
}

fn node_row(world: &World, name: &str, ask: &Ask<'_>) -> Value {
    let fingerprint =
        "C3:00:9D:91:42:FB:4E:B6:68:F3:BA:AB:95:1F:BD:A4:42:FD:55:65:E3:03:86:E8:C5:74:59:81:A2:2A:B4:95";
    let online = name == world.name || world.other_nodes.iter().any(|node| node.name == name && node.online);
    let mut row = json!({
        "node": name, "id": format!("node/{name}"), "type": "node", "level": "", "status": if online { "online" } else { "offline" },
        "ssl_fingerprint": fingerprint,
    });
    if world.faults.no_broadcast_yet {
        row["status"] = json!("unknown");
        row.as_object_mut().map(|row| row.remove("level"));
    } else if online && world.access.may(ask.caller, &format!("/nodes/{name}"), "Sys.Audit") {
        fill_numbers(&mut row);
    }
    row
}

fn fill_numbers(row: &mut Value) {
    row["cpu"] = json!(0.041_334_661_354_581_7);
    row["maxcpu"] = json!(CPUS);
    row["mem"] = json!(1_175_502_848_u64);
    row["maxmem"] = json!(MEMORY);
    row["disk"] = json!(25_897_897_984_u64);
    row["maxdisk"] = json!(270_553_174_016_u64);
    row["uptime"] = json!(3075);
}

/// `GET /nodes/{node}`
pub fn node_index() -> Reply {
    let names = [
        "aplinfo",
        "apt",
        "capabilities",
        "certificates",
        "config",
        "disks",
        "dns",
        "firewall",
        "hardware",
        "hosts",
        "journal",
        "lxc",
        "migrateall",
        "netstat",
        "network",
        "qemu",
        "replication",
        "report",
        "rrd",
        "rrddata",
        "scan",
        "sdn",
        "services",
        "startall",
        "status",
        "stopall",
        "storage",
        "subscription",
        "suspendall",
        "syslog",
        "tasks",
        "termproxy",
        "time",
        "version",
        "vncshell",
        "vzdump",
        "wakeonlan",
    ];
    Reply::data(names.iter().map(|name| json!({"name": name})).collect())
}

/// `GET /cluster`
pub fn index() -> Reply {
    let names = [
        "acme",
        "backup",
        "backup-info",
        "bulk-action",
        "ceph",
        "config",
        "firewall",
        "ha",
        "jobs",
        "log",
        "mapping",
        "metrics",
        "notifications",
        "nextid",
        "options",
        "qemu",
        "replication",
        "resources",
        "status",
        "tasks",
        "sdn",
    ];
    Reply::data(names.iter().map(|name| json!({"name": name})).collect())
}

/// `GET /nodes/{node}/subscription`
pub fn subscription() -> Reply {
    Reply::data(
        json!({"status": "notfound", "message": "There is no subscription key", "url": "https://www.proxmox.com/"}),
    )
}

/// `GET /nodes/{node}/services` and `…/{service}/state`
pub fn services(ask: &Ask<'_>) -> Reply {
    let row = |name: &str| {
        json!({
            "name": name, "service": name, "desc": format!("PVE {name}"), "state": "running", "active-state": "active",
            "unit-state": "enabled",
        })
    };
    match ask.text("service") {
        Some(name) => Reply::data(row(name)),
        None => Reply::data(
            ["pveproxy", "pvedaemon", "pvestatd", "pve-cluster"].iter().map(|name| row(name)).collect(),
        ),
    }
}

/// `GET /nodes/{node}/status`
pub fn node_status() -> Reply {
    Reply::data(json!({
        "kversion": "Linux 6.17.4-1-pve #1 SMP PREEMPT_DYNAMIC @0", "pveversion": "pve-manager/9.2.11/14a22df35955d97d",
        "cpuinfo": {"sockets": 1, "cpus": CPUS, "vendor": "AuthenticAMD", "family": "26", "hvm": "", "cores": 2, "mhz": "2596.120",
            "user_hz": 100, "model": "AMD EPYC", "flags": "fpu vme de pse"},
        "wait": 0, "loadavg": ["0.94", "13.30", "14.61"], "cpu": 0, "idle": 0, "uptime": 3076, "ksm": {"shared": 0},
        "memory": {"total": MEMORY, "free": 19_618_254_848_u64, "used": 1_168_822_272_u64, "available": 24_107_687_936_u64},
        "boot-info": {"mode": "legacy-bios"},
        "rootfs": {"avail": 71_674_834_944_u64, "free": 244_655_259_648_u64, "used": 25_897_914_368_u64, "total": 270_553_174_016_u64},
        "swap": {"total": 0, "used": 0, "free": 0},
        "current-kernel": {"version": "#1 SMP PREEMPT_DYNAMIC @0", "release": "6.17.4-1-pve", "machine": "x86_64", "sysname": "Linux"},
    }))
}

/// `GET /nodes/{node}/time`
pub fn time(world: &World) -> Reply {
    let now = world.now();
    Reply::data(json!({"time": now, "localtime": now, "timezone": "UTC"}))
}

/// `GET /cluster/status`: the node that answers has `local: 1`.
pub fn status(world: &World) -> Reply {
    let mut rows = Vec::new();
    if let Some(name) = &world.cluster_name {
        let count = world.other_nodes.len() + 1;
        rows.push(json!({"type": "cluster", "id": "cluster", "name": name, "nodes": count, "quorate": 1, "version": 2}));
    }
    let nodeid = u8::from(world.cluster_name.is_some());
    rows.push(json!({
        "type": "node", "id": format!("node/{}", world.name), "name": world.name, "ip": "192.0.2.2", "level": "", "local": 1,
        "nodeid": nodeid, "online": 1,
    }));
    for (index, node) in world.other_nodes.iter().enumerate() {
        rows.push(json!({
            "type": "node", "id": format!("node/{}", node.name), "name": node.name, "ip": node.ip, "level": "", "local": 0,
            "nodeid": index + 2, "online": u8::from(node.online),
        }));
    }
    Reply::data(json!(rows))
}

/// `GET /cluster/nextid`: a text; a taken id is refused.
pub fn next_id(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    match ask.text("vmid") {
        Some(vmid) if vmid.parse().is_ok_and(|vmid| world.node_of(vmid).is_some()) => {
            Err(ApiError::parameter("vmid", format!("VM {vmid} already exists")))
        }
        Some(vmid) => Ok(Reply::data(json!(vmid))),
        None => {
            let free = (100..).find(|vmid| world.node_of(*vmid).is_none()).unwrap_or(100);
            Ok(Reply::data(json!(free.to_string())))
        }
    }
}

/// `GET /cluster/replication`: the jobs of the guests the caller may see.
pub fn replication(world: &World, ask: &Ask<'_>) -> Reply {
    let visible = world
        .replication
        .iter()
        .filter(|(vmid, _)| world.access.may(ask.caller, &format!("/vms/{vmid}"), "VM.Audit"));
    let rows: Vec<Value> = visible
        .map(|(vmid, target)| {
            json!({"id": format!("{vmid}-0"), "guest": vmid, "jobnum": 0, "type": "local", "target": target, "schedule": "*/15"})
        })
        .collect();
    Reply::data(json!(rows))
}

/// `GET /cluster/options`
pub fn options(world: &World) -> Reply {
    let mut data = json!({"mac_prefix": "BC:24:11", "allowed-tags": []});
    for (key, value) in &world.options {
        data[key.as_str()] = json!(value);
    }
    Reply::data(data)
}

/// `PUT /cluster/options`
pub fn set_options(world: &mut World, ask: &Ask<'_>) -> Reply {
    for key in ask.list("delete") {
        world.options.remove(&key);
    }
    for (key, value) in ask.params.iter().filter(|(key, _)| *key != "delete") {
        world.options.insert(key.clone(), value.clone());
    }
    Reply::data(Value::Null)
}

/// `GET /cluster/log`: task starts and ends, the newest first.
pub fn log(world: &World, ask: &Ask<'_>) -> Reply {
    let mut lines: Vec<(u64, String, String)> = Vec::new();
    let tasks: Vec<_> = world.tasks.newest_first().collect();
    for task in tasks.iter().rev() {
        lines.push((task.start, format!("starting task {}", task.upid), task.auth_id.clone()));
        if let Some((exit, end)) = &task.ended {
            lines.push((*end, format!("end task {} {exit}", task.upid), task.auth_id.clone()));
        }
    }
    let newest = lines.iter().enumerate().rev().take(ask.number("max").unwrap_or(50));
    let rows: Vec<Value> = newest
        .map(|(index, (time, text, user))| {
            json!({
                "id": format!("{}:{}", index + 1, world.name), "uid": (index + 1).to_string(), "msg": text, "node": world.name,
                "pid": 29_549, "pri": 6, "tag": "pvedaemon", "time": time, "user": user,
            })
        })
        .collect();
    Reply::data(json!(rows))
}

/// `GET /cluster/resources`: what pvestatd broadcast last; the guests and storages the caller may see, and the nodes.
pub fn resources(world: &mut World, ask: &Ask<'_>) -> Reply {
    refresh_broadcast(world);
    let wanted = ask.text("type");
    let rows: Vec<Value> = pool_rows(world, ask)
        .into_iter()
        .chain(world.broadcast.rows.iter().filter(|row| may_see(world, ask, row)).cloned())
        .chain(world.node_names().iter().map(|name| resource_node(world, name, ask)))
        .chain(zone_row(world, ask))
        .filter(|row| wanted.is_none_or(|wanted| is_of_type(row, wanted)))
        .collect();
    Reply::data(json!(rows))
}

fn zone_row(world: &World, ask: &Ask<'_>) -> Option<Value> {
    let id = format!("network/{}/zone/localnetwork", world.name);
    world.access.may(ask.caller, "/sdn/zones/localnetwork", "SDN.Audit").then(|| {
        json!({
            "type": "network", "id": id, "network": "localnetwork", "network-type": "zone", "node": world.name, "status": "ok",
        })
    })
}

fn is_of_type(row: &Value, wanted: &str) -> bool {
    match row["type"].as_str() {
        Some("lxc" | "qemu") => wanted == "vm",
        Some("network") => wanted == "sdn",
        Some(kind) => kind == wanted,
        None => false,
    }
}

fn may_see(world: &World, ask: &Ask<'_>, row: &Value) -> bool {
    match row["type"].as_str() {
        Some("storage") => {
            let path = format!("/storage/{}", row["storage"].as_str().unwrap_or_default());
            world.access.may(ask.caller, &path, "Datastore.Audit")
        }
        _ => world.access.may(ask.caller, &format!("/vms/{}", row["vmid"]), "VM.Audit"),
    }
}

fn pool_rows(world: &World, ask: &Ask<'_>) -> Vec<Value> {
    let visible = world
        .pools
        .iter()
        .filter(|(name, _)| world.access.may(ask.caller, &format!("/pool/{name}"), "Pool.Audit"));
    visible.map(|(name, pool)| pool_row(world, name, &pool.vms)).collect()
}

/// A pool sums up its running members.
fn pool_row(world: &World, name: &str, vms: &std::collections::BTreeSet<u32>) -> Value {
    let mut row = json!({"type": "pool", "id": format!("/pool/{name}"), "pool": name});
    let running: Vec<&Value> = world
        .broadcast
        .rows
        .iter()
        .filter(|row| row["status"] == "running" && vms.iter().any(|vmid| row["vmid"] == *vmid))
        .collect();
    if !running.is_empty() {
        for key in ["maxcpu", "maxmem", "mem"] {
            row[key] = json!(running.iter().filter_map(|row| row[key].as_u64()).sum::<u64>());
        }
        row["uptime"] = json!(running.iter().filter_map(|row| row["uptime"].as_u64()).max());
        row["cpu"] = json!(0);
    }
    row
}

fn resource_node(world: &World, name: &str, ask: &Ask<'_>) -> Value {
    let mut row = node_row(world, name, ask);
    if let Some(row) = row.as_object_mut() {
        row.remove("ssl_fingerprint");
        row.insert("cgroup-mode".to_owned(), json!(1));
    }
    row
}

/// Takes a new picture when the last is older than pvestatd's interval; a dead pvestatd takes none.
pub fn refresh_broadcast(world: &mut World) {
    let now_ms = world.now_ms();
    let interval = world.clock.scaled(world.pace.broadcast);
    let fresh = world.broadcast.at_ms.is_some_and(|at| now_ms < at + interval);
    if fresh || (world.faults.stale_resources && world.broadcast.at_ms.is_some()) {
        return;
    }
    let mut rows: Vec<Value> =
        world.guests.values().map(|guest| super::guests::resource_row(world, guest)).collect();
    rows.extend(world.storages.iter().map(|storage| {
        json!({
            "type": "storage", "id": format!("storage/{}/{}", world.name, storage.name), "storage": storage.name, "node": world.name,
            "status": if storage.online { "available" } else { "unknown" }, "shared": u8::from(storage.shared),
            "disk": storage.used, "maxdisk": storage.total, "content": storage.content.join(","), "plugintype": storage.kind,
        })
    }));
    rows.extend(world.guests_elsewhere.iter().map(|(vmid, (kind, node))| {
        json!({
            "type": kind.name(), "id": format!("{}/{vmid}", kind.name()), "vmid": vmid, "node": node, "status": "running", "template": 0,
        })
    }));
    world.broadcast.at_ms = Some(now_ms);
    world.broadcast.rows = rows;
}

impl World {
    /// The node of the cluster that has this number.
    pub fn node_of(&self, vmid: u32) -> Option<&str> {
        let elsewhere = || self.guests_elsewhere.get(&vmid).map(|(_, node)| node.as_str());
        if self.guests.contains_key(&vmid) { Some(&self.name) } else { elsewhere() }
    }

    fn node_names(&self) -> Vec<String> {
        std::iter::once(&self.name).chain(self.other_nodes.iter().map(|node| &node.name)).cloned().collect()
    }
}

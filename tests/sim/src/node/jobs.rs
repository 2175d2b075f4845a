//! Backup jobs and pools.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ask::{Ask, failure};
use super::config_file::Kind;
use super::keys;
use super::properties::Properties;
use super::world::{Job, Pool, World};
use crate::api::{ApiError, Reply};

/// `GET /cluster/backup`
pub fn list(world: &World) -> Reply {
    let rows: Vec<Value> = world
        .jobs
        .iter()
        .map(|job| {
            let mut row = to_json(job);
            row["next-run"] = json!((world.now() / 86_400 + 1) * 86_400 + 9_000);
            row
        })
        .collect();
    Reply::data(json!(rows))
}

/// `GET /cluster/backup/{id}`
pub fn one(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    find(world, ask).map(|job| Reply::data(to_json(job)))
}

/// `POST /cluster/backup`
pub fn create(world: &mut World, ask: &Ask<'_>) -> Reply {
    let id = ask.text("id").map_or_else(|| world.random.uuid(), str::to_owned);
    let mut keys: BTreeMap<String, String> = ask
        .params
        .iter()
        .filter(|(key, _)| *key != "id")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    keys.entry("enabled".to_owned()).or_insert_with(|| "1".to_owned());
    world.jobs.push(Job { id, keys });
    Reply::data(Value::Null)
}

/// `PUT /cluster/backup/{id}`
pub fn update(world: &mut World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    find(world, ask)?;
    let id = ask.text("id").unwrap_or_default();
    if let Some(job) = world.jobs.iter_mut().find(|job| job.id == id) {
        for key in ask.list("delete") {
            job.keys.remove(&key);
        }
        let set = ask.params.iter().filter(|(key, _)| !matches!(key.as_str(), "id" | "delete"));
        job.keys.extend(set.map(|(key, value)| (key.clone(), value.clone())));
    }
    Ok(Reply::data(Value::Null))
}

/// `DELETE /cluster/backup/{id}`: a missing one is a 400 that arrives as 500.
pub fn delete(world: &mut World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let id = ask.text("id").unwrap_or_default();
    let before = world.jobs.len();
    world.jobs.retain(|job| job.id != id);
    if world.jobs.len() < before {
        return Ok(Reply::data(Value::Null));
    }
    Err(failure(format!("400 Parameter verification failed.\nid: No such job '{id}'")))
}

/// `GET /cluster/backup/{id}/included_volumes`
pub fn included_volumes(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let job = find(world, ask)?;
    let children: Vec<Value> = members(world, job)
        .iter()
        .filter_map(|vmid| world.guest(*vmid))
        .map(|guest| {
            let config = guest.config();
            let volumes: Vec<Value> = config
                .main
                .keys
                .iter()
                .filter(|(key, value)| keys::is_volume(guest.kind, key) && !value.contains("media=cdrom"))
                .map(|(key, value)| {
                    let drive = Properties::parse(value, "volume");
                    let (included, reason) = match (guest.kind, key.as_str(), drive.get("backup")) {
                        (Kind::Lxc, "rootfs", _) => (1, "rootfs"),
                        (Kind::Lxc, _, Some("1")) | (Kind::Qemu, _, None | Some("1")) => (1, "enabled"),
                        _ => (0, "disabled"),
                    };
                    json!({
                        "id": format!("{}:{key}", guest.vmid), "name": drive.get("volume"), "included": included, "reason": reason, "leaf": 1,
                    })
                })
                .collect();
            let name = config.main.get(if guest.kind == Kind::Lxc { "hostname" } else { "name" });
            json!({"id": guest.vmid, "name": name, "type": guest.kind.name(), "leaf": 0, "children": volumes})
        })
        .collect();
    Ok(Reply::data(json!({"children": children})))
}

/// `GET /cluster/backup-info/not-backed-up`
pub fn not_backed_up(world: &World, ask: &Ask<'_>) -> Reply {
    let covered: Vec<u32> = world.jobs.iter().flat_map(|job| members(world, job)).collect();
    let rows: Vec<Value> = world
        .guests
        .values()
        .filter(|guest| !covered.contains(&guest.vmid))
        .filter(|guest| world.access.may(ask.caller, &format!("/vms/{}", guest.vmid), "VM.Audit"))
        .map(|guest| {
            let mut row = json!({"vmid": guest.vmid, "type": guest.kind.name()});
            let name_key = if guest.kind == Kind::Lxc { "hostname" } else { "name" };
            if let Some(name) = guest.config().main.get(name_key) {
                row["name"] = json!(name);
            }
            row
        })
        .collect();
    Reply::data(json!(rows))
}

fn members(world: &World, job: &Job) -> Vec<u32> {
    let listed = |key: &str| -> Vec<u32> {
        job.keys
            .get(key)
            .map(|list| list.split([',', ' ', ';']).filter_map(|vmid| vmid.parse().ok()).collect())
            .unwrap_or_default()
    };
    if job.keys.get("all").is_some_and(|all| all == "1") {
        let excluded = listed("exclude");
        return world.guests.keys().copied().filter(|vmid| !excluded.contains(vmid)).collect();
    }
    match job.keys.get("pool").and_then(|pool| world.pools.get(pool)) {
        Some(pool) => pool.vms.iter().copied().collect(),
        None => listed("vmid"),
    }
}

fn find<'w>(world: &'w World, ask: &Ask<'_>) -> Result<&'w Job, ApiError> {
    let id = ask.text("id").unwrap_or_default();
    world
        .jobs
        .iter()
        .find(|job| job.id == id)
        .ok_or_else(|| ApiError::parameter("id", format!("No such job '{id}'")))
}

fn to_json(job: &Job) -> Value {
    let mut row = json!({"id": job.id, "type": "vzdump"});
    for (key, value) in &job.keys {
        row[key.as_str()] = match key.as_str() {
            "enabled" | "all" | "remove" | "protected" | "repeat-missed" => {
                json!(value.parse::<i64>().unwrap_or(1))
            }
            "prune-backups" => {
                let policy = Properties::parse(value, "");
                policy
                    .keys()
                    .map(|key| (key.to_owned(), json!(policy.get(key))))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            }
            _ => json!(value),
        };
    }
    row
}

/// `GET /pools`, `/pools?poolid=…` and `/pools/{poolid}`
pub fn pools(world: &mut World, ask: &Ask<'_>, nested: bool) -> Result<Reply, ApiError> {
    super::cluster::refresh_broadcast(world);
    let Some(poolid) = ask.text("poolid") else {
        let visible = world
            .pools
            .iter()
            .filter(|(name, _)| world.access.may(ask.caller, &format!("/pool/{name}"), "Pool.Audit"));
        return Ok(Reply::data(visible.map(|(name, pool)| summary(name, pool)).collect()));
    };
    let pool = world.pools.get(poolid).ok_or_else(|| failure(format!("pool '{poolid}' does not exist")))?;
    let mut data = summary(poolid, pool);
    let members = world.broadcast.rows.iter().filter(|row| {
        row["vmid"]
            .as_u64()
            .and_then(|vmid| u32::try_from(vmid).ok())
            .is_some_and(|vmid| pool.vms.contains(&vmid))
            || (row["type"] == "storage"
                && row["storage"].as_str().is_some_and(|name| pool.storages.contains(name)))
    });
    let members = members.cloned().map(|mut row| {
        row.as_object_mut().map(|row| row.remove("pool"));
        row
    });
    data["members"] = members.collect();
    if nested {
        data.as_object_mut().map(|data| data.remove("poolid"));
        return Ok(Reply::data(data));
    }
    Ok(Reply::data(json!([data])))
}

fn summary(name: &str, pool: &Pool) -> Value {
    let mut row = json!({"poolid": name});
    if let Some(comment) = &pool.comment {
        row["comment"] = json!(comment);
    }
    row
}

/// `POST`, `PUT` and `DELETE` of a pool.
pub fn change_pool(world: &mut World, ask: &Ask<'_>, method: &str) -> Result<Reply, ApiError> {
    let poolid = ask.text("poolid").unwrap_or_default().to_owned();
    let exists = world.pools.contains_key(&poolid);
    match (method, exists) {
        ("POST", true) => return Err(failure(format!("create pool failed: pool '{poolid}' already exists"))),
        ("POST", false) => {
            world
                .pools
                .insert(poolid, Pool { comment: ask.text("comment").map(str::to_owned), ..Pool::default() });
        }
        (_, false) => return Err(failure(format!("pool '{poolid}' does not exist"))),
        ("DELETE", true) => {
            let pool = world.pools.get(&poolid).cloned().unwrap_or_default();
            if !pool.vms.is_empty() || !pool.storages.is_empty() {
                return Err(failure(format!("delete pool failed: pool '{poolid}' is not empty")));
            }
            world.pools.remove(&poolid);
        }
        _ => {
            let (vms, storages, remove) = (ask.list("vms"), ask.list("storage"), ask.flag("delete"));
            let Some(pool) = world.pools.get_mut(&poolid) else { return Ok(Reply::data(Value::Null)) };
            if let Some(comment) = ask.text("comment") {
                pool.comment = Some(comment.to_owned());
            }
            for vmid in vms.iter().filter_map(|vmid| vmid.parse().ok()) {
                if remove {
                    pool.vms.remove(&vmid)
                } else {
                    pool.vms.insert(vmid)
                };
            }
            for storage in storages {
                if remove {
                    pool.storages.remove(&storage)
                } else {
                    pool.storages.insert(storage)
                };
            }
        }
    }
    world.broadcast.at_ms = None;
    Ok(Reply::data(Value::Null))
}

impl World {
    /// Takes a guest that is gone out of the backup jobs that name it.
    pub fn purge_from_jobs(&mut self, vmid: u32) {
        let gone = vmid.to_string();
        for job in &mut self.jobs {
            if let Some(list) = job.keys.get_mut("vmid") {
                let left: Vec<&str> = list.split(',').filter(|vmid| **vmid != gone).collect();
                *list = left.join(",");
            }
        }
    }
}

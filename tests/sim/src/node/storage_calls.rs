//! The calls about storages: lists, content (filtered by what the caller may see), volumes, pruning.

use serde_json::{Value, json};

use super::ask::{Ask, failure};
use super::storage::{Storage, Volume};
use super::tasks::{Next, Work};
use super::world::World;
use crate::api::{ApiError, Reply};

/// `GET /nodes/{node}/storage`
pub fn list(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    if world.storages.iter().any(|storage| storage.hangs && storage.enabled) {
        return Err(timed_out());
    }
    let content = ask.list("content");
    let rows: Vec<Value> = world
        .storages
        .iter()
        .filter(|storage| {
            let path = format!("/storage/{}", storage.name);
            world.access.may_any(ask.caller, &path, &["Datastore.Audit", "Datastore.AllocateSpace"])
        })
        .filter(|storage| ask.text("storage").is_none_or(|name| storage.name == name))
        .filter(|storage| !ask.flag("enabled") || storage.enabled)
        .filter(|storage| content.is_empty() || storage.content.iter().any(|kind| content.contains(kind)))
        .map(|storage| {
            let mut row = numbers(storage);
            row["storage"] = json!(storage.name);
            if storage.online && storage.total > 0 {
                row["used_fraction"] = json!(storage.used as f64 / storage.total as f64);
            }
            row
        })
        .collect();
    Ok(Reply::data(json!(rows)))
}

/// What list and status share; a storage that cannot be reached has no numbers.
fn numbers(storage: &Storage) -> Value {
    let mut row = json!({
        "type": storage.kind, "content": storage.content.join(","), "enabled": u8::from(storage.enabled),
        "active": u8::from(storage.online && storage.enabled), "shared": u8::from(storage.shared),
    });
    let (total, used) = if storage.online { (storage.total, storage.used) } else { (0, 0) };
    row["total"] = json!(total);
    row["used"] = json!(used);
    row["avail"] = json!(total.saturating_sub(used));
    row
}

/// `GET /nodes/{node}/storage/{storage}/status`
pub fn status(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let storage =
        world.storage(name(ask)).ok_or_else(|| ApiError::parameter("storage", "No such storage."))?;
    Ok(Reply::data(numbers(storage)))
}

/// `GET /nodes/{node}/storage/{storage}`
pub fn index(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    find(world, name(ask))?;
    let rows: Vec<Value> = [
        "content",
        "download-url",
        "file-restore",
        "import-metadata",
        "prunebackups",
        "rrd",
        "rrddata",
        "status",
        "upload",
    ]
    .iter()
    .map(|name| json!({"subdir": name}))
    .collect();
    Ok(Reply::data(json!(rows)))
}

/// `GET /nodes/{node}/storage/{storage}/content`: each volume only for those who may see it.
pub fn content(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let storage = find_online(world, name(ask))?;
    let vmid: Option<u32> = ask.text("vmid").and_then(|vmid| vmid.parse().ok());
    let rows: Vec<Value> = storage
        .volumes
        .values()
        .filter(|volume| ask.text("content").is_none_or(|content| volume.content == content))
        .filter(|volume| vmid.is_none() || volume.vmid == vmid)
        .filter(|volume| may_see(world, ask, storage, volume))
        .map(Volume::to_row)
        .collect();
    Ok(Reply::data(json!(rows)))
}

fn may_see(world: &World, ask: &Ask<'_>, storage: &Storage, volume: &Volume) -> bool {
    let path = format!("/storage/{}", storage.name);
    let on_storage = |privilege: &str| world.access.may(ask.caller, &path, privilege);
    let on_guest = |privilege: &str| {
        volume.vmid.is_some_and(|vmid| world.access.may(ask.caller, &format!("/vms/{vmid}"), privilege))
    };
    if on_storage("Datastore.Allocate") {
        return true;
    }
    match volume.content.as_str() {
        "backup" => on_storage("Datastore.AllocateSpace") && on_guest("VM.Backup"),
        "vztmpl" | "iso" => on_storage("Datastore.Audit") || on_storage("Datastore.AllocateSpace"),
        _ => on_storage("Datastore.Audit") && on_guest("VM.Config.Disk"),
    }
}

/// `GET …/content/{volume}`
pub fn volume(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let storage = find_online(world, name(ask))?;
    let volume = existing(world, storage, &volid(ask))?;
    if !may_see(world, ask, storage, volume) {
        return Err(ApiError::forbidden(&format!("/storage/{}", storage.name), "Datastore.AllocateSpace"));
    }
    let is_file = matches!(volume.content.as_str(), "backup" | "vztmpl" | "iso");
    let mut data = json!({
        "format": if is_file { "raw" } else { volume.format.as_str() }, "path": world.path_of(&volume.volid), "size": volume.size,
        "used": volume.used.unwrap_or(volume.size),
    });
    if volume.content == "backup" {
        data["protected"] = json!(u8::from(volume.protected));
    }
    if let Some(notes) = &volume.notes {
        data["notes"] = json!(notes);
    }
    Ok(Reply::data(data))
}

/// `PUT …/content/{volume}`: notes and protection, at once.
pub fn annotate(world: &mut World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let storage = find_online(world, name(ask))?;
    let volid = existing(world, storage, &volid(ask))?.volid.clone();
    let protected = ask.text("protected").map(|_| ask.flag("protected"));
    let notes = ask.text("notes").map(|notes| notes.trim_end_matches('\n').to_owned());
    if let Some(volume) = world.volume_mut(&volid) {
        volume.protected = protected.unwrap_or(volume.protected);
        if let Some(notes) = notes {
            volume.notes = (!notes.is_empty()).then_some(notes);
        }
    }
    Ok(Reply::data(Value::Null))
}

/// `DELETE …/content/{volume}`: a task, or null when `delay` leaves it the time to end.
pub fn delete(world: &mut World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let storage = find_online(world, name(ask))?;
    let (name, volid) = (storage.name.clone(), volid(ask));
    let known = world.volume(&volid).cloned();
    let vmid = known.as_ref().and_then(|volume| volume.vmid).or_else(|| vmid_in(&volid));
    let may_free = |privilege: &str| world.access.may(ask.caller, &format!("/storage/{name}"), privilege);
    let own_guest =
        vmid.is_some_and(|vmid| world.access.may(ask.caller, &format!("/vms/{vmid}"), "VM.Backup"));
    let allowed = may_free("Datastore.Allocate") || (may_free("Datastore.AllocateSpace") && own_guest);
    if !allowed {
        return Err(ApiError::forbidden(&format!("/storage/{name}"), "Datastore.Allocate"));
    }
    let id = vmid.map_or_else(|| name.clone(), |vmid| format!("{vmid}@{name}"));
    let delay: f64 = ask.text("delay").and_then(|delay| delay.parse().ok()).unwrap_or(0.0);
    let pace = if delay >= world.pace.delete_volume { 0.0 } else { world.pace.delete_volume };
    let upid = world.fork("imgdel", &id, ask.caller, move |_, _| {
        Next::Wait(
            pace,
            Work::new(move |world, task| {
                let short = volid.split_once(':').map_or(volid.as_str(), |(_, short)| short);
                match world.volume(&volid) {
                    Some(volume) if volume.protected => {
                        return Next::Fail(format!("cannot remove protected volume '{short}' on '{name}'"));
                    }
                    Some(_) => {
                        world.free_volume(&volid);
                    }
                    None => {
                        let path = world.path_of(&volid);
                        world.log(task, format!("disk image '{path}' does not exist"));
                    }
                }
                world.log(task, format!("Removed volume '{volid}'"));
                Next::Done
            }),
        )
    });
    world.advance();
    let ended = world.tasks.find(&upid).is_some_and(|(_, task)| !task.is_running());
    Ok(Reply::data(if delay > 0.0 && ended { Value::Null } else { json!(upid) }))
}

/// `103` in `vzdump-lxc-103-….tar` and `vm-103-disk-0.raw`.
fn vmid_in(volid: &str) -> Option<u32> {
    volid
        .split(['-', '/', ':'])
        .find_map(|part| part.parse().ok().filter(|vmid| (100..1_000_000_000).contains(vmid)))
}

/// `POST …/content`: a new disk image.
pub fn allocate(world: &mut World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let storage = find_online(world, name(ask))?.name.clone();
    let vmid = ask.vmid();
    let size = ask.text("size").unwrap_or_default();
    let bytes = if size.ends_with(char::is_alphabetic) {
        super::storage::parse_size(size)
    } else {
        size.parse().ok().map(|kib: u64| kib * 1024)
    };
    let kind = if world.guest(vmid).is_some_and(|guest| guest.kind == super::GuestKind::Lxc) {
        super::GuestKind::Lxc
    } else {
        super::GuestKind::Qemu
    };
    let gib = bytes.unwrap_or(0) as f64 / 1024.0 / 1024.0 / 1024.0;
    let made = world.allocate(&storage, vmid, kind, gib, ask.text("format"));
    made.map(|(volid, _)| Reply::data(json!(volid))).ok_or_else(|| failure("unable to allocate image"))
}

/// `GET …/prunebackups`: what would be kept and removed.
pub fn prune_preview(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let storage = find_online(world, name(ask))?;
    let vmid: Option<u32> = ask.text("vmid").and_then(|vmid| vmid.parse().ok());
    let doomed = world.prunable(&storage.name, vmid, keep(ask));
    let rows: Vec<Value> = storage
        .volumes
        .values()
        .filter(|volume| volume.content == "backup" && (vmid.is_none() || volume.vmid == vmid))
        .map(|volume| {
            let mark = if volume.protected { "protected" } else if doomed.contains(&volume.volid) { "remove" } else { "keep" };
            json!({"volid": volume.volid, "ctime": volume.ctime, "type": volume.subtype, "vmid": volume.vmid, "mark": mark})
        })
        .collect();
    Ok(Reply::data(json!(rows)))
}

/// `DELETE …/prunebackups`
pub fn prune(world: &mut World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let storage = find_online(world, name(ask))?.name.clone();
    let vmid: Option<u32> = ask.text("vmid").and_then(|vmid| vmid.parse().ok());
    let keep = keep(ask);
    let id = vmid.map_or_else(|| storage.clone(), |vmid| format!("{vmid}@{storage}"));
    let upid = world.fork("prunebackups", &id, ask.caller, move |world, task| {
        for volid in world.prunable(&storage, vmid, keep) {
            world.log(task, format!("Removed volume '{volid}'"));
            world.free_volume(&volid);
        }
        Next::Done
    });
    Ok(Reply::data(json!(upid)))
}

fn keep(ask: &Ask<'_>) -> usize {
    let policy = super::properties::Properties::parse(ask.text("prune-backups").unwrap_or("keep-all=1"), "");
    policy.get("keep-last").and_then(|keep| keep.parse().ok()).unwrap_or(usize::MAX)
}

/// `GET /storage` and `/storage/{storage}`: the configuration.
pub fn configuration(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let row = |storage: &Storage| {
        json!({
            "storage": storage.name, "type": storage.kind, "path": storage.path, "content": storage.content.join(","),
            "digest": "627af4ab21a277f54a8b785b53e49e62f4f02e72",
        })
    };
    if ask.text("storage").is_some() {
        return find(world, name(ask)).map(|storage| Reply::data(row(storage)));
    }
    let visible = world.storages.iter().filter(|storage| {
        world.access.may_any(
            ask.caller,
            &format!("/storage/{}", storage.name),
            &["Datastore.Audit", "Datastore.AllocateSpace"],
        )
    });
    Ok(Reply::data(visible.map(row).collect()))
}

fn name<'a>(ask: &'a Ask<'_>) -> &'a str {
    ask.text("storage").unwrap_or_default()
}

/// The full id; a volume may be named without its storage.
fn volid(ask: &Ask<'_>) -> String {
    let volume = ask.text("volume").unwrap_or_default();
    if volume.contains(':') && volume.split(':').next() == ask.text("storage") {
        volume.to_owned()
    } else {
        format!("{}:{volume}", name(ask))
    }
}

fn find<'w>(world: &'w World, name: &str) -> Result<&'w Storage, ApiError> {
    world.storage(name).ok_or_else(|| failure(format!("storage '{name}' does not exist")))
}

fn find_online<'w>(world: &'w World, name: &str) -> Result<&'w Storage, ApiError> {
    let storage = find(world, name)?;
    if !storage.enabled {
        return Err(failure(format!("storage '{name}' is disabled")));
    }
    if storage.online { Ok(storage) } else { Err(failure(format!("storage '{name}' is not online"))) }
}

/// What pveproxy answers when pvedaemon has not within 30 s; the call goes on over there.
fn timed_out() -> ApiError {
    ApiError { empty_body: true, ..ApiError::new(596, "Connection timed out") }
}

fn existing<'w>(world: &World, storage: &'w Storage, volid: &str) -> Result<&'w Volume, ApiError> {
    storage.volumes.get(volid).ok_or_else(|| {
        failure(format!("volume_size_info on '{}' failed - no such file or directory", world.path_of(volid)))
    })
}

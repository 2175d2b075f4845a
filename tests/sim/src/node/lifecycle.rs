//! What else can be done to a guest that exists: destroy, clone, make a template of it, grow a disk.

use serde_json::{Value, json};

use super::ask::{Ask, failure, find_guest, locked_text};
use super::config_file::Kind;
use super::keys;
use super::power::task_type;
use super::properties::Properties;
use super::snapshots::{lock_while, open};
use super::storage::{parse_size, print_size};
use super::tasks::{Next, Work};
use super::world::World;
use crate::api::{ApiError, Reply};

/// `DELETE …/{vmid}`. A container's lock refuses the call, a machine's fails the task.
pub fn destroy(world: &mut World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let (vmid, purge) = (ask.vmid(), ask.flag("purge"));
    let guest = find_guest(world, kind, vmid)?;
    let config = guest.config();
    if config.main.flag("protection") {
        return Err(failure(format!("can't remove {} {vmid} - protection mode enabled", kind.noun())));
    }
    if guest.ha.is_some() && !purge {
        return Err(failure(format!(
            "unable to remove {} {vmid} - used in HA resources and purge parameter not set.",
            kind.noun()
        )));
    }
    if world.replication.contains_key(&vmid) && !purge {
        return Err(failure(format!(
            "There is a replication job '{vmid}-0' for guest '{vmid}' - Please remove that first."
        )));
    }
    match kind {
        Kind::Lxc => {
            if let Some(text) = locked_text(guest) {
                return Err(failure(text));
            }
            if guest.running.is_some() && !ask.flag("force") {
                return Err(failure(format!("unable to destroy CT {vmid} - container is running")));
            }
        }
        Kind::Qemu if guest.running.is_some() => {
            return Err(failure(format!("VM {vmid} is running - destroy failed")));
        }
        Kind::Qemu => {}
    }
    let upid = world.fork_locked(&task_type(kind, "destroy"), vmid, ask.caller, move |world, task| {
        if let Err(text) = open(world, kind, vmid) {
            return Next::Fail(text);
        }
        if purge {
            world.log(task, format!("purging {} {vmid} from related configurations..", kind.noun()));
        }
        let pace = world.pace.destroy;
        Next::Wait(
            pace,
            Work::new(move |world, task| {
                for line in world.faults.destroy_warnings.clone() {
                    world.warn(task, &line);
                }
                for volid in world.remove_guest(vmid) {
                    world.warn(task, &format!("Could not remove disk '{volid}', check manually: busy"));
                }
                world.forget_permissions(vmid);
                if purge {
                    world.purge_from_jobs(vmid);
                    world.replication.remove(&vmid);
                }
                Next::Done
            }),
        )
    });
    Ok(Reply::data(json!(upid)))
}

/// `POST …/{vmid}/clone`
pub fn clone(world: &mut World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let vmid = ask.vmid();
    let newid: u32 = ask.text("newid").and_then(|id| id.parse().ok()).unwrap_or_default();
    let guest = find_guest(world, kind, vmid)?;
    let running = guest.running.is_some();
    let config = guest.config();
    if !world.access.may(ask.caller, &format!("/vms/{newid}"), "VM.Allocate") {
        return Err(ApiError::new(403, "Permission check failed"));
    }
    if let Some(text) = locked_text(guest) {
        return Err(failure(text));
    }
    if kind == Kind::Lxc && running && ask.text("snapname").is_none() {
        return Err(failure("Full clone of a running container is only possible from a snapshot"));
    }
    if let Some(taken) = world.guest(newid) {
        return Err(failure(format!(
            "{} {newid} already exists on node '{}'",
            taken.kind.noun(),
            world.name
        )));
    }
    let source = match ask.text("snapname") {
        None => config.main.clone(),
        Some(name) => config
            .snapshots
            .get(name)
            .cloned()
            .ok_or_else(|| failure(format!("snapshot '{name}' does not exist")))?,
    };
    let name_key = if kind == Kind::Lxc { "hostname" } else { "name" };
    let name = ask.text(name_key).map(str::to_owned);
    let (description, storage) =
        (ask.text("description").map(str::to_owned), ask.text("storage").map(str::to_owned));
    let upid = world.fork_locked(&task_type(kind, "clone"), vmid, ask.caller, move |world, task| {
        let noun = if kind == Kind::Lxc { "container" } else { "VM" };
        world.log(task, format!("creating a clone of {noun} {vmid} with ID {newid}"));
        let mut copy = super::config_file::Config::of(source);
        for key in ["parent", "snaptime", "lock", "template"] {
            copy.main.keys.remove(key);
        }
        copy.main.keys.retain(|key, _| keys::stem(key) != "unused");
        match (name, kind) {
            (Some(name), _) => copy.put(name_key, &name),
            // A container keeps its name, a machine gets another.
            (None, Kind::Lxc) => {}
            (None, Kind::Qemu) => {
                let old = copy.main.get(name_key).map_or_else(|| vmid.to_string(), str::to_owned);
                copy.put(name_key, &format!("Copy-of-VM-{old}"));
            }
        }
        if let Some(description) = &description {
            copy.put("description", description);
        }
        let drives: Vec<(String, String)> =
            copy.main.keys.clone().into_iter().filter(|(key, _)| keys::is_volume(kind, key)).collect();
        for (key, value) in drives {
            let what = if kind == Kind::Lxc { "mountpoint" } else { "drive" };
            world.log(
                task,
                format!(
                    "create full clone of {what} {key} ({})",
                    value.split(',').next().unwrap_or_default()
                ),
            );
            if let Some(drive) = world.copy_drive(kind, newid, &key, &value, storage.as_deref()) {
                copy.put(&key, &drive);
            }
        }
        world.renew_addresses(kind, &mut copy);
        match kind {
            Kind::Lxc => world.add_lxc(newid, "lock: create\n"),
            Kind::Qemu => world.add_qemu(newid, "lock: clone\n"),
        };
        let pace = world.pace.create;
        Next::Wait(
            pace,
            Work::new(move |world, _| {
                world.edit(newid, |guest| guest.save(&copy));
                Next::Done
            }),
        )
    });
    Ok(Reply::data(json!(upid)))
}

/// `POST …/{vmid}/template`: a container answers null and works in a task nobody is told of.
pub fn template(world: &mut World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let vmid = ask.vmid();
    let guest = find_guest(world, kind, vmid)?;
    let config = guest.config();
    if let Some(text) = locked_text(guest) {
        return Err(failure(text));
    }
    if !config.snapshots.is_empty() {
        return Err(failure(format!(
            "unable to create template, because {} contains snapshots",
            kind.noun()
        )));
    }
    if config.main.flag("template") {
        return Err(failure("you can't convert a template to a template"));
    }
    if guest.running.is_some() {
        return Err(failure(format!(
            "you can't convert a {} to template if the {} is running",
            kind.noun(),
            kind.noun()
        )));
    }
    let upid = world.fork_locked(&task_type(kind, "template"), vmid, ask.caller, move |world, _| {
        world.edit(vmid, |guest| {
            let mut config = guest.config();
            config.put("template", "1");
            guest.save(&config);
        });
        Next::Done
    });
    Ok(Reply::data(if kind == Kind::Lxc { Value::Null } else { json!(upid) }))
}

/// `PUT …/{vmid}/resize`: a container's shrinking is refused at once, a machine's in the task.
pub fn resize(world: &mut World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let (vmid, disk) = (ask.vmid(), ask.text("disk").unwrap_or_default().to_owned());
    let guest = find_guest(world, kind, vmid)?;
    if kind == Kind::Lxc
        && let Some(text) = locked_text(guest)
    {
        return Err(failure(text));
    }
    if let Some(digest) = ask.text("digest").filter(|digest| !digest.is_empty())
        && digest != guest.digest()
    {
        return Err(failure(match kind {
            Kind::Lxc => "detected modified configuration - file changed by other user? Try again.",
            Kind::Qemu => "checksum mismatch (file change by other user?)",
        }));
    }
    let config = guest.config();
    let default = if kind == Kind::Lxc { "volume" } else { "file" };
    let Some(drive) = config.main.get(&disk) else {
        return Err(failure(format!("disk '{disk}' does not exist")));
    };
    let drive = Properties::parse(drive, default);
    let volid = drive.get(default).unwrap_or_default().to_owned();
    if kind == Kind::Lxc {
        // The parameter `disk` is checked as if it were an option of the container.
        ask.require(world, &format!("/vms/{vmid}"), "VM.Config.Options")?;
    }
    let storage = volid.split(':').next().unwrap_or_default();
    ask.require(world, &format!("/storage/{storage}"), "Datastore.AllocateSpace")?;
    let old = world
        .volume(&volid)
        .map(|volume| volume.size)
        .or_else(|| drive.get("size").and_then(parse_size))
        .unwrap_or(0);
    let text = ask.text("size").unwrap_or_default();
    let new = match text.strip_prefix('+') {
        Some(more) => old + parse_size(more).unwrap_or(0),
        None => parse_size(text).unwrap_or(0),
    };
    if kind == Kind::Lxc && new < old {
        return Err(failure("unable to shrink disk size"));
    }
    let upid = world.fork_locked("resize", vmid, ask.caller, move |world, task| {
        if let Err(text) = open(world, kind, vmid) {
            return Next::Fail(text);
        }
        if new < old {
            return Next::Fail("shrinking disks is not supported".to_owned());
        }
        lock_while(world, vmid, task, "disk");
        let pace = world.pace.resize;
        Next::Wait(
            pace,
            Work::new(move |world, task| {
                world.log(task, "Image resized.");
                if kind == Kind::Lxc && volid.ends_with(".raw") {
                    let path = world.path_of(&volid);
                    let blocks = new / 4096;
                    for line in [
                        "e2fsck 1.47.0 (5-Feb-2023)",
                        "Pass 1: Checking inodes, blocks, and sizes",
                        "Pass 2: Checking directory structure",
                    ] {
                        world.log(task, line);
                    }
                    world.log(
                        task,
                        format!("{path}: 53/65536 files (0.0% non-contiguous), 13463/{blocks} blocks"),
                    );
                    world.log(task, "resize2fs 1.47.0 (5-Feb-2023)");
                }
                if let Some(volume) = world.volume_mut(&volid) {
                    volume.size = new;
                }
                let Some(guest) = world.guests.get_mut(&vmid) else { return Next::Done };
                let mut config = guest.config();
                let mut drive = Properties::parse(config.main.get(&disk).unwrap_or_default(), default);
                drive.set("size", &print_size(new));
                let printed =
                    drive.print(Some(default), if keys::stem(&disk) == "mp" { &["mp"] } else { &[] });
                config.put(&disk, &printed);
                config.main.keys.remove("lock");
                guest.save(&config);
                Next::Done
            }),
        )
    });
    Ok(Reply::data(json!(upid)))
}

/// `POST …/{vmid}/migrate`: there is nowhere to go.
pub fn migrate(world: &World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    find_guest(world, kind, ask.vmid())?;
    let target = ask.text("target").unwrap_or_default();
    if target == world.name {
        return Err(ApiError::parameter("target", "target is local node."));
    }
    if world.other_nodes.iter().any(|node| node.name == target) {
        return Err(failure(format!("can't migrate to '{target}' in this simulation")));
    }
    Err(failure(format!("no such cluster node '{target}'")))
}

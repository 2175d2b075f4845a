//! Making guests: create and restore, for both kinds. Both allocate first and take the disks back when the rest fails.

use serde_json::json;

use super::ask::{Ask, failure};
use super::config_file::{Config, Kind, Section};
use super::config_write::{Change, allocation_of};
use super::copies::volumes_of;
use super::properties::Properties;
use super::tasks::{Next, TaskId, Work};
use super::world::World;
use super::{keys, lxc_config, power, qemu_config};
use crate::api::{ApiError, Reply};

/// `POST /nodes/{node}/lxc`: a new container, or with `restore=1` one from a backup.
pub fn lxc(world: &mut World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let (vmid, restore) = (ask.vmid(), ask.flag("restore"));
    may_create(world, ask, Kind::Lxc, restore)?;
    refuse_taken(world, ask, Kind::Lxc, restore)?;
    for (key, value) in ask.params.iter().filter(|(key, _)| keys::is_volume(Kind::Lxc, key)) {
        if !ask.is_root() {
            lxc_config::refuse_root_only_mount(Some(value))?;
        }
        require_space(world, ask, value, key)?;
    }
    if let (Some(features), false) = (ask.text("features"), ask.is_root()) {
        if ask.text("unprivileged") == Some("0") {
            return Err(lxc_config::root_only(
                "changing feature flags for privileged container is only allowed for root@pam",
            ));
        }
        lxc_config::refuse_features(&Properties::default(), &Properties::parse(features, ""))?;
    }
    for (_, card) in ask.params.iter().filter(|(key, _)| keys::stem(key) == "net") {
        ask.require_bridge(world, card)?;
    }
    let plan = Plan::of(ask);
    let kind = if restore { "vzrestore" } else { "vzcreate" };
    let upid = world.fork(kind, &vmid.to_string(), ask.caller, move |world, task| {
        if restore { restore_lxc(world, task, plan) } else { create_lxc(world, task, plan) }
    });
    Ok(Reply::data(json!(upid)))
}

/// `POST /nodes/{node}/qemu`: a new machine, or with `archive` one from a backup.
pub fn qemu(world: &mut World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let (vmid, restore) = (ask.vmid(), ask.text("archive").is_some());
    may_create(world, ask, Kind::Qemu, restore)?;
    refuse_taken(world, ask, Kind::Qemu, restore)?;
    let plan = Plan::of(ask);
    qemu_config::may_change(world, ask, &Change { set: plan.set.clone(), ..Change::default() })?;
    for (key, value) in plan.set.iter().filter(|(key, _)| keys::is_drive(key)) {
        qemu_config::refuse_drive(world, ask, key, value)?;
    }
    qemu_config::refuse_balloon(&Config::default(), &Change { set: plan.set.clone(), ..Change::default() })?;
    let kind = if restore { "qmrestore" } else { "qmcreate" };
    let upid = world.fork(kind, &vmid.to_string(), ask.caller, move |world, task| {
        if restore { restore_qemu(world, task, plan) } else { create_qemu(world, task, plan) }
    });
    Ok(Reply::data(json!(upid)))
}

/// What the new guest shall be.
#[derive(Clone, Debug)]
struct Plan {
    vmid: u32,
    source: String,
    storage: Option<String>,
    set: std::collections::BTreeMap<String, String>,
    start: bool,
    unique: bool,
    pool: Option<String>,
}

impl Plan {
    fn of(ask: &Ask<'_>) -> Self {
        let other = [
            "node",
            "vmid",
            "ostemplate",
            "storage",
            "restore",
            "force",
            "start",
            "password",
            "ssh-public-keys",
            "pool",
            "bwlimit",
            "unique",
            "archive",
            "ignore-unpack-errors",
            "live-restore",
            "import-working-storage",
            "ha-managed",
        ];
        let set = ask
            .params
            .iter()
            .filter(|(key, _)| !other.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        Self {
            vmid: ask.vmid(),
            source: ask.text("ostemplate").or_else(|| ask.text("archive")).unwrap_or_default().to_owned(),
            storage: ask.text("storage").map(str::to_owned),
            set,
            start: ask.flag("start"),
            unique: ask.flag("unique"),
            pool: ask.text("pool").map(str::to_owned),
        }
    }
}

/// VM.Allocate on the guest or its pool; restoring over an own guest needs only VM.Backup. The refusal names nothing.
fn may_create(world: &World, ask: &Ask<'_>, kind: Kind, restore: bool) -> Result<(), ApiError> {
    let path = format!("/vms/{}", ask.vmid());
    let pool = ask.text("pool").map(|pool| format!("/pool/{pool}"));
    let may = |path: &str, privilege: &str| world.access.may(ask.caller, path, privilege);
    let allowed = may(&path, "VM.Allocate")
        || pool.is_some_and(|pool| may(&pool, "VM.Allocate"))
        || (restore
            && ask.flag("force")
            && world.guest(ask.vmid()).is_some_and(|guest| guest.kind == kind)
            && may(&path, "VM.Backup"));
    if allowed { Ok(()) } else { Err(ApiError::new(403, "Permission check failed")) }
}

fn refuse_taken(world: &World, ask: &Ask<'_>, kind: Kind, restore: bool) -> Result<(), ApiError> {
    let vmid = ask.vmid();
    let refuse = |taken: String| {
        Err(failure(match kind {
            Kind::Lxc => taken,
            Kind::Qemu => format!("unable to create VM {vmid} - {taken}"),
        }))
    };
    let Some(guest) = world.guest(vmid) else {
        let elsewhere = world.guests_elsewhere.get(&vmid);
        return elsewhere.map_or(Ok(()), |(kind, node)| {
            refuse(format!("{} {vmid} already exists on node '{node}'", kind.noun()))
        });
    };
    if restore && ask.flag("force") && guest.kind == kind {
        let config = guest.config();
        if guest.running.is_some() {
            return Err(failure(match kind {
                Kind::Lxc => "can't overwrite running container".to_owned(),
                Kind::Qemu => format!("unable to restore VM {vmid} - vm is running"),
            }));
        }
        if config.main.flag("protection") {
            return Err(failure(format!(
                "unable to restore {} {vmid} - protection mode enabled",
                kind.noun()
            )));
        }
        return super::ask::locked_text(guest).map_or(Ok(()), |text| Err(failure(text)));
    }
    refuse(format!("{} {vmid} already exists on node '{}'", guest.kind.noun(), world.name))
}

/// Images are sparse: that there is no room shows when they are filled.
fn is_full(world: &World, config: &Config) -> bool {
    let volumes = volumes_of(config);
    let mut storages = volumes.iter().filter_map(|volid| world.storage(volid.split(':').next()?));
    storages.any(|storage| storage.used >= storage.total)
}

fn require_space(world: &World, ask: &Ask<'_>, value: &str, _key: &str) -> Result<(), ApiError> {
    let Some((storage, _)) = allocation_of(value) else { return Ok(()) };
    if world.storage(&storage).is_none() {
        return Err(failure(format!("storage '{storage}' does not exist")));
    }
    ask.require(world, &format!("/storage/{storage}"), "Datastore.AllocateSpace")
}

fn create_lxc(world: &mut World, task: TaskId, plan: Plan) -> Next {
    let vmid = plan.vmid;
    let mut section = Section::default();
    section.keys.insert("lock".to_owned(), "create".to_owned());
    world.add_lxc(vmid, &Config::of(section).write(Kind::Lxc)).flock = Some(task);
    let built = build_lxc(world, task, &plan);
    let pace = world.pace.create;
    let undo: Vec<String> = built.as_ref().map(volumes_of).unwrap_or_default();
    world.on_abort(task, move |world, _| {
        take_back(world, vmid, &undo);
        "received interrupt".to_owned()
    });
    Next::Wait(
        pace,
        Work::new(move |world, task| {
            let config = match built {
                Ok(config) => config,
                Err(text) => return give_up(world, vmid, &[], text),
            };
            if world.volume(&plan.source).is_none() {
                world.log(task, format!("volume '{}' does not exist", plan.source));
                let text = format!("unable to create CT {vmid} - volume '{}' does not exist", plan.source);
                return give_up(world, vmid, &volumes_of(&config), text);
            }
            let path = world.path_of(&plan.source);
            world.log(task, format!("extracting archive '{path}'"));
            if is_full(world, &config) {
                world.log(task, "tar: ./usr/lib/libc.so.6: Cannot write: No space left on device");
                let text =
                    format!("unable to create CT {vmid} - command 'tar xpf {path}' failed: exit code 2");
                return give_up(world, vmid, &volumes_of(&config), text);
            }
            world.log(task, "Total bytes read: 2007040 (2.0MiB, 115MiB/s)");
            world.log(task, "Detected container architecture: amd64");
            finish(world, task, &plan, Kind::Lxc, &config)
        }),
    )
}

/// The configuration of a new container, its disks allocated.
fn build_lxc(world: &mut World, task: TaskId, plan: &Plan) -> Result<Config, String> {
    let mut config = Config::default();
    let vmid = plan.vmid;
    let mut set = plan.set.clone();
    let storage = plan.storage.clone().unwrap_or_else(|| "local".to_owned());
    set.entry("rootfs".to_owned()).or_insert(format!("{storage}:4"));
    for (key, value) in
        [("memory", "512"), ("swap", "512"), ("unprivileged", "1"), ("arch", "amd64"), ("ostype", "alpine")]
    {
        set.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }
    set.entry("hostname".to_owned()).or_insert(format!("CT{vmid}"));
    for (key, value) in &set {
        let value = lxc_config::normal_value(world, vmid, key, value).map_err(|error| error.reason)?;
        if keys::is_volume(Kind::Lxc, key) {
            log_format(world, task, Kind::Lxc, &value);
        }
        config.put(key, &value);
    }
    Ok(config)
}

fn log_format(world: &mut World, task: TaskId, kind: Kind, drive: &str) {
    let volid = drive.split(',').next().unwrap_or_default();
    if !volid.ends_with(".raw") {
        return;
    }
    let size = world.volume(volid).map_or(0, |volume| volume.size);
    let path = world.path_of(volid);
    world.log(task, format!("Formatting '{path}', fmt=raw size={size} preallocation=off"));
    if kind == Kind::Lxc {
        let uuid = world.random.uuid();
        let blocks = size / 1024;
        world.log(task, format!("Creating filesystem with {blocks} 1k blocks and {} inodes", blocks / 4 - 8));
        world.log(task, format!("Filesystem UUID: {uuid}"));
        world.log(task, "Superblock backups stored on blocks: ");
        world.log(task, "\t8193, 24577, 40961, 57345, 73729");
    }
}

fn restore_lxc(world: &mut World, task: TaskId, plan: Plan) -> Next {
    let vmid = plan.vmid;
    world.log(task, format!("recovering backed-up configuration from '{}'", plan.source));
    let Some(archive) = world.volume(&plan.source).cloned() else {
        return Next::Fail(format!("unable to restore CT {vmid} - volume '{}' does not exist", plan.source));
    };
    let inside = Config::parse(Kind::Lxc, archive.backup_config.as_deref().unwrap_or_default());
    let had_old = world.guests.contains_key(&vmid);
    let built = restored_config(world, &plan, Kind::Lxc, &inside);
    if had_old {
        // The old guest goes before the archive is read.
        world.remove_guest(vmid);
    }
    world.add_lxc(vmid, "lock: create\n").flock = Some(task);
    let pace = world.pace.create;
    Next::Wait(
        pace,
        Work::new(move |world, task| {
            let config = match built {
                Ok(config) => config,
                Err(text) => return give_up(world, vmid, &[], text),
            };
            let path = world.path_of(&plan.source);
            world.log(task, format!("restoring '{}' now..", plan.source));
            world.log(task, format!("extracting archive '{path}'"));
            let full = is_full(world, &config);
            if full {
                world.log(task, "tar: ./usr/lib/libc.so.6: Cannot write: No space left on device");
            }
            if full || archive.corrupt {
                let text =
                    format!("unable to restore CT {vmid} - command 'tar xpf {path}' failed: exit code 2");
                return give_up(world, vmid, &volumes_of(&config), text);
            }
            world.log(task, "Total bytes read: 2058240 (2.0MiB, 278MiB/s)");
            world.log(task, "merging backed-up and given configuration..");
            finish(world, task, &plan, Kind::Lxc, &config)
        }),
    )
}

/// The configuration of the backup with new disks and what the call set on top.
fn restored_config(world: &mut World, plan: &Plan, kind: Kind, inside: &Config) -> Result<Config, String> {
    let vmid = plan.vmid;
    let mut config = Config::of(inside.main.clone());
    for key in ["lock", "parent", "protection"] {
        config.main.keys.remove(key);
    }
    if kind == Kind::Lxc {
        config.main.keys.entry("hostname".to_owned()).or_insert(format!("CT{vmid}"));
    }
    let drives: Vec<(String, String)> =
        inside.main.keys.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    for (key, value) in drives.iter().filter(|(key, _)| keys::is_volume(kind, key)) {
        if let Some(drive) = world.copy_drive(kind, vmid, key, value, plan.storage.as_deref()) {
            config.put(key, &drive);
        }
    }
    if plan.unique {
        world.renew_addresses(kind, &mut config);
    }
    for (key, value) in &plan.set {
        let value = match kind {
            Kind::Lxc => lxc_config::normal_value(world, vmid, key, value),
            Kind::Qemu => qemu_config::normal_value(world, &config, vmid, key, value),
        };
        config.put(key, &value.map_err(|error| error.reason)?);
    }
    Ok(config)
}

fn create_qemu(world: &mut World, task: TaskId, plan: Plan) -> Next {
    let vmid = plan.vmid;
    world.add_qemu(vmid, "lock: create\n").flock = Some(task);
    let built = build_qemu(world, task, &plan);
    let pace = world.pace.create;
    Next::Wait(
        pace,
        Work::new(move |world, task| match built {
            Ok(config) => finish(world, task, &plan, Kind::Qemu, &config),
            Err(text) => give_up(world, vmid, &[], text),
        }),
    )
}

fn build_qemu(world: &mut World, task: TaskId, plan: &Plan) -> Result<Config, String> {
    let mut config = Config::default();
    for (key, value) in &plan.set {
        let value =
            qemu_config::normal_value(world, &config, plan.vmid, key, value).map_err(|error| error.reason)?;
        if keys::is_drive(key) {
            log_format(world, task, Kind::Qemu, &value);
            world.log(task, format!("{key}: successfully created disk '{value}'"));
        }
        config.put(key, &value);
    }
    if !config.main.keys.contains_key("boot") {
        config.put("boot", &format!("order={}", boot_order(&config)));
    }
    let (uuid, generation) = (world.random.uuid(), world.random.uuid());
    config.main.keys.entry("smbios1".to_owned()).or_insert(format!("uuid={uuid}"));
    config.main.keys.entry("vmgenid".to_owned()).or_insert(generation);
    config.put("meta", &format!("creation-qemu=7.2.22,ctime={}", world.now()));
    Ok(config)
}

/// The first disk, the first CD drive, the first network.
fn boot_order(config: &Config) -> String {
    let first = |wanted: &dyn Fn(&str, &str) -> bool| {
        config.main.keys.iter().find(|(key, value)| wanted(key, value)).map(|(key, _)| key.clone())
    };
    let disk = first(&|key, value| keys::is_drive(key) && !value.contains("media=cdrom"));
    let cdrom = first(&|key, value| keys::is_drive(key) && value.contains("media=cdrom"));
    let net = first(&|key, _| keys::stem(key) == "net");
    [disk, cdrom, net].into_iter().flatten().collect::<Vec<_>>().join(";")
}

fn restore_qemu(world: &mut World, task: TaskId, plan: Plan) -> Next {
    let vmid = plan.vmid;
    let Some(archive) = world.volume(&plan.source).cloned() else {
        return Next::Fail(format!("unable to restore VM {vmid} - volume '{}' does not exist", plan.source));
    };
    let inside = Config::parse(Kind::Qemu, archive.backup_config.as_deref().unwrap_or_default());
    let built = restored_config(world, &plan, Kind::Qemu, &inside);
    if world.guests.contains_key(&vmid) {
        world.remove_guest(vmid);
    }
    world.add_qemu(vmid, "lock: create\n").flock = Some(task);
    world.log(
        task,
        format!(
            "restore vma archive: vma extract -v -r /var/tmp/vzdumptmp.fifo {}",
            world.path_of(&plan.source)
        ),
    );
    let pace = world.pace.create;
    Next::Wait(
        pace,
        Work::new(move |world, task| match built {
            Ok(config) if archive.corrupt || is_full(world, &config) => {
                let text = format!("unable to restore VM {vmid} - command 'vma extract' failed: exit code 1");
                give_up(world, vmid, &volumes_of(&config), text)
            }
            Ok(config) => finish(world, task, &plan, Kind::Qemu, &config),
            Err(text) => give_up(world, vmid, &[], text),
        }),
    )
}

fn finish(world: &mut World, task: TaskId, plan: &Plan, kind: Kind, config: &Config) -> Next {
    world.edit(plan.vmid, |guest| guest.save(config));
    if let Some(pool) = plan.pool.as_ref().and_then(|pool| world.pools.get_mut(pool)) {
        pool.vms.insert(plan.vmid);
    }
    if plan.start { power::begin_start(world, kind, plan.vmid, task) } else { Next::Done }
}

/// The new disks and the new configuration are taken back; whatever was there before is gone already.
fn give_up(world: &mut World, vmid: u32, volumes: &[String], text: String) -> Next {
    take_back(world, vmid, volumes);
    Next::Fail(text)
}

fn take_back(world: &mut World, vmid: u32, volumes: &[String]) {
    for volid in volumes {
        world.free_volume(volid);
    }
    world.guests.remove(&vmid);
}

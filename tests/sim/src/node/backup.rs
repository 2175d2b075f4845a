//! `vzdump`: one job at a time, guest after guest, each locked while it is saved.
//! A failed guest makes the whole job `job errors`; the cause is only in the log.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::ask::{Ask, find_guest, locked_text};
use super::config_file::{Config, Kind};
use super::storage::Volume;
use super::tasks::{Next, TaskId, Work};
use super::world::{Running, World};
use crate::api::{ApiError, Reply};

/// What a job was asked for.
#[derive(Clone, Debug)]
struct Order {
    words: String,
    storage: String,
    mode: String,
    compress: String,
    notes: Option<String>,
    protected: bool,
    remove: bool,
}

/// What one guest's backup has to undo.
#[derive(Clone, Debug)]
struct Saving {
    vmid: u32,
    kind: Kind,
    /// It ran before and was stopped for the backup.
    restart: bool,
    /// It was stopped before and only seems to run.
    pretends: bool,
    volid: String,
    path: String,
    size: u64,
}

/// `POST /nodes/{node}/vzdump`
pub fn start(world: &mut World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let vmids = check(world, ask)?;
    if vmids.is_empty() {
        return Ok(Reply::data(json!("OK")));
    }
    let order = Order {
        words: words(ask, &vmids),
        storage: ask.text("storage").unwrap_or("local").to_owned(),
        mode: ask.text("mode").unwrap_or("snapshot").to_owned(),
        compress: ask.text("compress").unwrap_or("0").to_owned(),
        notes: ask.text("notes-template").map(str::to_owned),
        protected: ask.flag("protected"),
        remove: ask.text("remove") != Some("0"),
    };
    let id = if let [only] = vmids.as_slice() { only.to_string() } else { String::new() };
    let upid = world.fork("vzdump", &id, ask.caller, move |world, task| {
        take_global_lock(world, task, order, vmids.into(), false)
    });
    Ok(Reply::data(json!(upid)))
}

/// Refusals before the job begins, and the guests it is about.
fn check(world: &World, ask: &Ask<'_>) -> Result<Vec<u32>, ApiError> {
    for option in ["dumpdir", "tmpdir", "script"] {
        if ask.text(option).is_some() && !ask.is_root() {
            return Err(ApiError::parameter(option, "Only root may set this option."));
        }
    }
    for option in ["bwlimit", "performance", "ionice"] {
        if ask.text(option).is_some() {
            ask.require(world, "/", "Sys.Modify")?;
        }
    }
    let all = ask.flag("all");
    if ask.text("vmid").is_none() && !all && ask.text("pool").is_none() {
        return Err(ApiError::parameter("vmid", "property is missing"));
    }
    if let Some(storage) = ask.text("storage") {
        let path = format!("/storage/{storage}");
        ask.require(world, &path, "Datastore.AllocateSpace")?;
        if ask.text("prune-backups").is_some() {
            ask.require(world, &path, "Datastore.Allocate")?;
        }
    }
    let may = |vmid: u32| world.access.may(ask.caller, &format!("/vms/{vmid}"), "VM.Backup");
    if all || ask.text("pool").is_some() {
        let pool = ask.text("pool").and_then(|pool| world.pools.get(pool));
        let chosen =
            world.guests.keys().copied().filter(|vmid| pool.is_none_or(|pool| pool.vms.contains(vmid)));
        return Ok(chosen.filter(|vmid| may(*vmid)).collect());
    }
    let vmids: Vec<u32> = ask.list("vmid").iter().filter_map(|vmid| vmid.parse().ok()).collect();
    match vmids.iter().find(|vmid| !may(**vmid)) {
        Some(vmid) => Err(ApiError::forbidden(&format!("/vms/{vmid}"), "VM.Backup")),
        None => Ok(vmids),
    }
}

fn words(ask: &Ask<'_>, vmids: &[u32]) -> String {
    let mut words: Vec<String> = vec!["vzdump".to_owned()];
    words.extend(vmids.iter().map(u32::to_string));
    for (key, value) in ask.params.iter().filter(|(key, _)| *key != "vmid") {
        let value = if value.contains(' ') { format!("'{value}'") } else { value.clone() };
        words.push(format!("--{key} {value}"));
    }
    words.join(" ")
}

fn take_global_lock(
    world: &mut World,
    task: TaskId,
    order: Order,
    vmids: VecDeque<u32>,
    waited: bool,
) -> Next {
    if let Some(text) = world.storages_refusal(&order.storage) {
        return Next::Fail(text);
    }
    if world.backup_lock.is_some_and(|holder| holder != task) {
        if !waited {
            world.log(task, "INFO: trying to get global lock - waiting...");
        }
        return Next::Blocked(Work::new(move |world, task| {
            take_global_lock(world, task, order, vmids, true)
        }));
    }
    world.backup_lock = Some(task);
    if waited {
        world.log(task, "INFO: got global lock");
    }
    world.log(task, format!("INFO: starting new backup job: {}", order.words));
    next_guest(world, task, order, vmids, false)
}

fn next_guest(world: &mut World, task: TaskId, order: Order, mut vmids: VecDeque<u32>, failed: bool) -> Next {
    let Some(vmid) = vmids.pop_front() else {
        world.backup_lock = None;
        if failed {
            world.log(task, "INFO: Backup job finished with errors");
            return Next::Fail("job errors".to_owned());
        }
        world.log(task, "INFO: Backup job finished successfully");
        return Next::Done;
    };
    match begin_guest(world, task, &order, vmid) {
        Err(text) => {
            log_failure(world, task, vmid, &text);
            next_guest(world, task, order, vmids, true)
        }
        Ok(saving) => {
            let tidy = saving.clone();
            world.on_abort(task, move |world, task| {
                world.end_saving(task, &tidy);
                log_failure(world, task, tidy.vmid, "command 'tar' failed: interrupted by signal");
                world.log(task, "INFO: Backup job finished with errors");
                "job errors".to_owned()
            });
            let pace = world.pace.backup;
            Next::Wait(
                pace,
                Work::new(move |world, task| {
                    end_guest(world, task, &order, &saving);
                    next_guest(world, task, order, vmids, failed)
                }),
            )
        }
    }
}

fn log_failure(world: &mut World, task: TaskId, vmid: u32, text: &str) {
    let now = local_time(world.now());
    world.log(task, format!("ERROR: Backup of VM {vmid} failed - {text}"));
    world.log(task, format!("INFO: Failed at {now}"));
}

fn begin_guest(world: &mut World, task: TaskId, order: &Order, vmid: u32) -> Result<Saving, String> {
    let kind =
        world.guest(vmid).map(|guest| guest.kind).ok_or_else(|| format!("unable to find VM '{vmid}'"))?;
    let now = world.now();
    let guest = find_guest(world, kind, vmid).map_err(|error| error.reason)?;
    let (running, config, locked) = (guest.running.is_some(), guest.config(), locked_text(guest));
    world.log(task, format!("INFO: Starting Backup of VM {vmid} ({})", kind.name()));
    world.log(task, format!("INFO: Backup started at {}", local_time(now)));
    world.log(task, format!("INFO: status = {}", if running { "running" } else { "stopped" }));
    if let Some(text) = locked {
        return Err(text);
    }
    // In snapshot mode the plan is made before the mode is settled, and its lines come first.
    let planned_first = running && order.mode == "snapshot" && kind == Kind::Lxc;
    if planned_first {
        log_what(world, task, kind, &config);
    }
    let mut mode = if running { order.mode.as_str() } else { "stop" };
    if mode == "snapshot" && kind == Kind::Lxc && !world.can_snapshot(kind, &config) {
        world.log(task, "INFO: mode failure - some volumes do not support snapshots");
        world.log(task, "INFO: trying 'suspend' mode instead");
        mode = "suspend";
    }
    if config.snapshots.contains_key("vzdump") {
        world.log(task, "INFO: found old vzdump snapshot (force removal)");
        world.drop_snapshot(vmid, "vzdump");
    }
    world.log(task, format!("INFO: backup mode: {mode}"));
    world.log(task, "INFO: ionice priority: 7");
    if !planned_first {
        log_what(world, task, kind, &config);
    }
    if mode == "snapshot" && kind == Kind::Lxc {
        world.log(task, "INFO: create storage snapshot 'vzdump'");
        world.take_snapshot(vmid, "vzdump", None, false);
        if world.faults.btrfs_snapshots_cannot_be_mounted
            && config.main.get("rootfs").is_some_and(|root| root.starts_with("btr"))
        {
            world.log(task, "umount: /mnt/vzsnap0/: not mounted.");
            world.log(task, "command 'umount -l -d /mnt/vzsnap0/' failed: exit code 32");
            return Err("cannot mount subvol snapshots for storage type 'btrfs'".to_owned());
        }
    }
    let saving = prepare(world, task, order, (vmid, kind), mode, running);
    world.log(task, format!("INFO: creating vzdump archive '{}'", saving.path));
    Ok(saving)
}

fn log_what(world: &mut World, task: TaskId, kind: Kind, config: &Config) {
    let name = config.main.get(if kind == Kind::Lxc { "hostname" } else { "name" });
    if let Some(name) = name {
        world.log(task, format!("INFO: {} Name: {name}", kind.noun()));
    }
    for (key, value) in &config.main.keys {
        let stem = super::keys::stem(key);
        if kind == Kind::Lxc && key == "rootfs" {
            world.log(task, "INFO: including mount point rootfs ('/') in backup");
        } else if kind == Kind::Lxc && stem == "mp" {
            let mount = super::properties::Properties::parse(value, "volume");
            let place = mount.get("mp").unwrap_or_default();
            let line = if mount.get("backup") == Some("1") {
                format!("INFO: including mount point {key} ('{place}') in backup")
            } else {
                format!("INFO: excluding volume mount point {key} ('{place}') from backup (disabled)")
            };
            world.log(task, line);
        } else if kind == Kind::Qemu && super::keys::is_drive(key) && !value.contains("media=cdrom") {
            world.log(
                task,
                format!("INFO: include disk '{key}' '{}'", value.split(',').next().unwrap_or_default()),
            );
        }
    }
}

/// Locks the guest, brings it into the state its mode needs, and says what has to be undone.
fn prepare(
    world: &mut World,
    task: TaskId,
    order: &Order,
    (vmid, kind): (u32, Kind),
    mode: &str,
    running: bool,
) -> Saving {
    let now_ms = world.now_ms();
    let pid = world.tasks.next_pid();
    world.edit(vmid, |guest| guest.set_lock(Some("backup")));
    let restart = running && mode == "stop";
    if restart {
        world.log(task, "INFO: stopping virtual guest");
        world.edit(vmid, |guest| guest.running = None);
    }
    let pretends = kind == Kind::Qemu && !running;
    if pretends {
        world.log(task, "INFO: starting kvm to execute backup task");
        world.edit(vmid, |guest| guest.running = Some(Running { pid, since_ms: now_ms, qmp: "prelaunch" }));
    }
    let (volid, path) = world.archive_name(order, vmid, kind);
    Saving {
        vmid,
        kind,
        restart,
        pretends,
        volid,
        path,
        size: if order.compress == "0" { 2_058_240 } else { 1_081_216 },
    }
}

fn end_guest(world: &mut World, task: TaskId, order: &Order, saving: &Saving) {
    let Saving { vmid, kind, .. } = *saving;
    world.log(task, "INFO: Total bytes written: 2058240 (2.0MiB, 298MiB/s)");
    world.log(task, "INFO: archive file size: 1MB");
    world.end_saving(task, saving);
    if world.guest(vmid).is_some_and(|guest| guest.config().snapshots.contains_key("vzdump")) {
        world.drop_snapshot(vmid, "vzdump");
    }
    let now = world.now();
    let Some(guest) = world.guest(vmid) else { return };
    let config = guest.config();
    let name = guest.shown_name(&config);
    let notes = order.notes.as_ref().map(|template| {
        let pairs = [
            ("{{guestname}}", name.as_str()),
            ("{{vmid}}", &vmid.to_string()),
            ("{{node}}", &world.name),
            ("{{cluster}}", ""),
        ];
        pairs.iter().fold(template.clone(), |text, (mark, value)| text.replace(mark, value))
    });
    let inside = Config::of(config.main);
    let format = saving.volid.split_once(".tar").map_or_else(
        || {
            saving.volid.split_once(".vma").map_or_else(
                || format!("pbs-{}", if kind == Kind::Lxc { "ct" } else { "vm" }),
                |(_, end)| format!("vma{end}"),
            )
        },
        |(_, end)| format!("tar{end}"),
    );
    if world.faults.backups_leave_nothing {
        return;
    }
    world.put_volume(Volume {
        volid: saving.volid.clone(),
        content: "backup".to_owned(),
        format,
        size: saving.size,
        ctime: now,
        vmid: Some(vmid),
        subtype: Some(kind.name().to_owned()),
        notes,
        protected: order.protected,
        backup_config: Some(inside.write(kind)),
        ..Volume::default()
    });
    if order.remove {
        prune(world, task, &order.storage, vmid);
    }
    world.log(task, format!("INFO: Finished Backup of VM {vmid} (00:00:0{})", world.pace.backup as u64 % 10));
    world.log(task, format!("INFO: Backup finished at {}", local_time(now)));
}

/// Retention of the storage: with `remove=1`, the default, a backup deletes older ones.
fn prune(world: &mut World, task: TaskId, storage: &str, vmid: u32) {
    let Some(keep) = world.storage(storage).and_then(|storage| storage.keep_last) else { return };
    for volid in world.prunable(storage, Some(vmid), keep) {
        world.log(task, format!("INFO: removing backup '{volid}'"));
        world.free_volume(&volid);
    }
}

/// `2026-11-21 03:26:43`; the node's zone is UTC.
pub fn local_time(unix: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(unix);
    humantime::format_rfc3339_seconds(time).to_string().replace('T', " ").trim_end_matches('Z').to_owned()
}

impl World {
    /// A backup of a guest that runs on until it is aborted or killed; for tests that need one under way.
    pub fn begin_endless_backup(&mut self, vmid: u32) -> String {
        let caller = crate::api::Caller { auth_id: "root@pam".to_owned() };
        let order = Order {
            words: format!("vzdump {vmid} --storage store"),
            storage: "store".to_owned(),
            mode: "suspend".to_owned(),
            compress: "zstd".to_owned(),
            notes: None,
            protected: false,
            remove: false,
        };
        let pace = std::mem::replace(&mut self.pace.backup, 1e9);
        let upid = self.fork("vzdump", &vmid.to_string(), &caller, move |world, task| {
            take_global_lock(world, task, order, VecDeque::from([vmid]), false)
        });
        self.advance();
        self.pace.backup = pace;
        upid
    }

    /// Undoes what a backup did to its guest.
    fn end_saving(&mut self, task: TaskId, saving: &Saving) {
        let (now_ms, pid) = (self.now_ms(), self.tasks.next_pid());
        if saving.restart {
            self.log(task, "INFO: restarting vm");
            self.log(task, "INFO: guest is online again after 1 seconds");
        }
        let Some(guest) = self.guests.get_mut(&saving.vmid) else { return };
        guest.set_lock(None);
        if saving.restart {
            guest.running = Some(Running { pid, since_ms: now_ms, qmp: "running" });
        } else if saving.pretends {
            guest.running = None;
        }
    }

    /// Why a job cannot write to this storage.
    fn storages_refusal(&self, name: &str) -> Option<String> {
        match self.storage(name) {
            None => Some(format!(
                "could not activate storage '{name}': storage '{name}' does not exist could not get storage information for '{name}': storage '{name}' does not exist"
            )),
            Some(storage) if !storage.content.iter().any(|content| content == "backup") => Some(format!(
                "could not get storage information for '{name}': can't use storage '{name}' for backups - wrong content type"
            )),
            Some(storage) if !storage.online => {
                Some(format!("could not activate storage '{name}': storage '{name}' is not online"))
            }
            Some(_) => None,
        }
    }

    fn archive_name(&self, order: &Order, vmid: u32, kind: Kind) -> (String, String) {
        let stamp = local_time(self.now());
        if self.storage(&order.storage).is_some_and(|storage| storage.kind == "pbs") {
            let group = if kind == Kind::Lxc { "ct" } else { "vm" };
            let name = format!("{}:backup/{group}/{vmid}/{}Z", order.storage, stamp.replace(' ', "T"));
            return (name.clone(), name);
        }
        let extension = match (kind, order.compress.as_str()) {
            (Kind::Lxc, "zstd") => "tar.zst",
            (Kind::Lxc, "gzip" | "1") => "tar.gz",
            (Kind::Lxc, "lzo") => "tar.lzo",
            (Kind::Lxc, _) => "tar",
            (Kind::Qemu, "zstd") => "vma.zst",
            (Kind::Qemu, "gzip" | "1") => "vma.gz",
            (Kind::Qemu, "lzo") => "vma.lzo",
            (Kind::Qemu, _) => "vma",
        };
        let stamp = stamp.replace('-', "_").replace(' ', "-").replace(':', "_");
        let file = format!("vzdump-{}-{vmid}-{stamp}.{extension}", kind.name());
        let path = self.storage(&order.storage).map(|storage| storage.path.clone()).unwrap_or_default();
        (format!("{}:backup/{file}", order.storage), format!("{path}/dump/{file}"))
    }

    /// The backups that keeping the last `keep` of each guest would remove; protected ones stay and do not count.
    pub fn prunable(&self, storage: &str, vmid: Option<u32>, keep: usize) -> Vec<String> {
        let Some(storage) = self.storage(storage) else { return Vec::new() };
        let mut backups: Vec<&Volume> = storage
            .volumes
            .values()
            .filter(|volume| {
                volume.content == "backup" && !volume.protected && (vmid.is_none() || volume.vmid == vmid)
            })
            .collect();
        backups.sort_by(|one, other| {
            (other.vmid, other.ctime, &other.volid).cmp(&(one.vmid, one.ctime, &one.volid))
        });
        let mut kept: std::collections::BTreeMap<Option<u32>, usize> = std::collections::BTreeMap::new();
        let mut doomed = Vec::new();
        for volume in backups {
            let count = kept.entry(volume.vmid).or_default();
            *count += 1;
            if *count > keep {
                doomed.push(volume.volid.clone());
            }
        }
        doomed
    }
}

/// `GET /nodes/{node}/vzdump/defaults`
pub fn defaults() -> Reply {
    Reply::data(json!({
        "all": 0, "bwlimit": 0, "compress": "0", "dumpdir": "/var/lib/vz/dump", "fleecing": {"enabled": 0}, "ionice": 7, "lockwait": 180,
        "mailnotification": "always", "mode": "snapshot", "notification-mode": "auto",
        "performance": {"max-workers": 16, "pbs-entries-max": 1_048_576}, "pigz": 0, "prune-backups": "keep-all=1", "quiet": 0, "remove": 1,
        "stdexcludes": 1, "stop": 0, "stopwait": 10, "storage": "local", "zstd": 1,
    }))
}

/// `GET /nodes/{node}/vzdump/extractconfig`
pub fn extract_config(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let volid = ask.text("volume").unwrap_or_default();
    let volume = world.volume(volid).and_then(|volume| volume.backup_config.clone());
    volume
        .map(|text| Reply::data(Value::String(text)))
        .ok_or_else(|| super::ask::failure(format!("volume '{volid}' does not exist")))
}

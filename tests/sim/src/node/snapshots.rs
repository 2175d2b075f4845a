//! Snapshots: four tasks, a list with a pseudo-entry at its end, and descriptions that are written at once.

use serde_json::{Value, json};

use super::ask::{Ask, failure, find_guest, locked_text, no_such_guest};
use super::config_file::{Config, Kind, Section, shown_description};
use super::keys;
use super::power::{begin_start, task_type};
use super::tasks::{Next, TaskId, Work};
use super::world::World;
use crate::api::{ApiError, Reply};

/// `GET …/snapshot`
pub fn list(world: &World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let guest = find_guest(world, kind, ask.vmid())?;
    let config = guest.config();
    let mut rows: Vec<Value> =
        config.snapshots.iter().map(|(name, section)| row(kind, name, section)).collect();
    let mut current = json!({
        "name": "current", "description": "You are here!", "digest": guest.digest(), "running": u8::from(guest.running.is_some()),
    });
    if let Some(parent) = config.main.get("parent") {
        current["parent"] = json!(parent);
    }
    rows.push(current);
    Ok(Reply::data(json!(rows)))
}

fn row(kind: Kind, name: &str, section: &Section) -> Value {
    let description = shown_description(kind, section.description.as_deref()).unwrap_or_default();
    let snaptime: u64 = section.get("snaptime").and_then(|time| time.parse().ok()).unwrap_or_default();
    let mut row = json!({"name": name, "description": description, "snaptime": snaptime});
    if let Some(parent) = section.get("parent") {
        row["parent"] = json!(parent);
    }
    if let Some(state) = section.get("snapstate") {
        row["snapstate"] = json!(state);
    }
    if kind == Kind::Qemu {
        row["vmstate"] = json!(u8::from(section.get("vmstate").is_some()));
    }
    row
}

/// `GET …/snapshot/{snapname}`
pub fn index(world: &World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    find_guest(world, kind, ask.vmid())?;
    Ok(Reply::data(json!([{"cmd": "rollback"}, {"cmd": "config"}])))
}

/// `GET …/snapshot/{snapname}/config`: without a digest.
pub fn config(world: &World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let config = find_guest(world, kind, ask.vmid())?.config();
    let section = find(&config, name(ask)).map_err(failure)?;
    Ok(Reply::data(Value::Object(config.to_json(kind, section))))
}

/// `PUT …/snapshot/{snapname}/config`: the description, at once.
pub fn describe(world: &mut World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let guest = find_guest(world, kind, ask.vmid())?;
    if let Some(text) = locked_text(guest) {
        return Err(failure(text));
    }
    let mut config = guest.config();
    find(&config, name(ask)).map_err(failure)?;
    if let (Some(section), Some(text)) = (config.snapshots.get_mut(name(ask)), ask.text("description")) {
        section.description = Some(text.to_owned());
    }
    world.edit(ask.vmid(), |guest| guest.save(&config));
    Ok(Reply::data(Value::Null))
}

/// `POST …/snapshot`
pub fn create(world: &mut World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let (vmid, name) = (ask.vmid(), name(ask).to_owned());
    if matches!(name.as_str(), "current" | "pending") {
        return Err(failure(format!("unable to use snapshot name '{name}' (reserved name)")));
    }
    find_guest(world, kind, vmid)?;
    let description = ask.text("description").filter(|text| !text.is_empty()).map(str::to_owned);
    let with_memory = kind == Kind::Qemu && ask.flag("vmstate");
    let upid = world.fork_locked(&task_type(kind, "snapshot"), vmid, ask.caller, move |world, task| {
        let config = match open(world, kind, vmid) {
            Ok(config) => config,
            Err(text) => return Next::Fail(text),
        };
        if config.snapshots.contains_key(&name) {
            return Next::Fail(format!("snapshot name '{name}' already used"));
        }
        if !world.can_snapshot(kind, &config) {
            return Next::Fail("snapshot feature is not available".to_owned());
        }
        lock_while(world, vmid, task, "snapshot");
        let pace = world.pace.snapshot;
        Next::Wait(
            pace,
            Work::new(move |world, _| {
                world.take_snapshot(vmid, &name, description, with_memory);
                Next::Done
            }),
        )
    });
    Ok(Reply::data(json!(upid)))
}

/// `DELETE …/snapshot/{snapname}`
pub fn delete(world: &mut World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let (vmid, name) = (ask.vmid(), name(ask).to_owned());
    find_guest(world, kind, vmid)?;
    let upid = world.fork_locked(&task_type(kind, "delsnapshot"), vmid, ask.caller, move |world, task| {
        if let Err(text) = open(world, kind, vmid).and_then(|config| find(&config, &name).map(|_| ())) {
            return Next::Fail(text);
        }
        lock_while(world, vmid, task, "snapshot-delete");
        let pace = world.pace.snapshot;
        Next::Wait(
            pace,
            Work::new(move |world, _| {
                world.drop_snapshot(vmid, &name);
                Next::Done
            }),
        )
    });
    Ok(Reply::data(json!(upid)))
}

/// `POST …/snapshot/{snapname}/rollback`: stops the guest hard, and leaves it stopped unless `start=1`.
pub fn rollback(world: &mut World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let (vmid, name, start) = (ask.vmid(), name(ask).to_owned(), ask.flag("start"));
    find_guest(world, kind, vmid)?;
    let upid = world.fork_locked(&task_type(kind, "rollback"), vmid, ask.caller, move |world, _| {
        if let Err(text) = open(world, kind, vmid).and_then(|config| find(&config, &name).map(|_| ())) {
            return Next::Fail(text);
        }
        world.edit(vmid, |guest| {
            guest.running = None;
            guest.set_lock(Some("rollback"));
        });
        let pace = world.pace.snapshot;
        Next::Wait(
            pace,
            Work::new(move |world, task| {
                let with_memory = world.restore_snapshot(vmid, &name);
                if start || with_memory { begin_start(world, kind, vmid, task) } else { Next::Done }
            }),
        )
    });
    Ok(Reply::data(json!(upid)))
}

fn name<'a>(ask: &'a Ask<'_>) -> &'a str {
    ask.text("snapname").unwrap_or_default()
}

fn find<'c>(config: &'c Config, name: &str) -> Result<&'c Section, String> {
    config.snapshots.get(name).ok_or_else(|| format!("snapshot '{name}' does not exist"))
}

/// In a task: the guest is there and not locked.
pub fn open(world: &World, kind: Kind, vmid: u32) -> Result<Config, String> {
    let guest = find_guest(world, kind, vmid).map_err(|_| no_such_guest(world, kind, vmid))?;
    locked_text(guest).map_or_else(|| Ok(guest.config()), Err)
}

/// Sets a lock for the length of a task; an abort takes it away again.
pub fn lock_while(world: &mut World, vmid: u32, task: TaskId, lock: &str) {
    world.edit(vmid, |guest| guest.set_lock(Some(lock)));
    world.on_abort(task, move |world, _| {
        if let Some(guest) = world.guests.get_mut(&vmid) {
            guest.set_lock(None);
        }
        "received interrupt".to_owned()
    });
}

/// What a snapshot takes of a configuration and what a rollback puts back.
fn is_copied(key: &str) -> bool {
    !matches!(key, "snapstate" | "snaptime" | "vmstate" | "lock" | "parent") && keys::stem(key) != "unused"
}

impl World {
    /// Whether every volume of the guest is on storage that can take snapshots.
    pub fn can_snapshot(&self, kind: Kind, config: &Config) -> bool {
        config
            .main
            .keys
            .iter()
            .filter(|(key, value)| keys::is_volume(kind, key) && !value.contains("media=cdrom"))
            .filter_map(|(_, value)| super::config_write::volume_of(value))
            .all(|volid| {
                let storage = volid.split(':').next().and_then(|name| self.storage(name));
                volid.ends_with(".qcow2")
                    || storage.is_some_and(|storage| {
                        matches!(storage.kind.as_str(), "btrfs" | "zfspool" | "lvmthin" | "rbd")
                    })
            })
    }

    /// Adds a snapshot at once, as a finished task would.
    pub fn take_snapshot(&mut self, vmid: u32, name: &str, description: Option<String>, with_memory: bool) {
        let now = self.now();
        let Some(guest) = self.guests.get_mut(&vmid) else { return };
        let mut config = guest.config();
        let mut section = Section { description, ..Section::default() };
        section.keys = config
            .main
            .keys
            .iter()
            .filter(|(key, _)| is_copied(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        section.raw.clone_from(&config.main.raw);
        section.keys.insert("snaptime".to_owned(), now.to_string());
        if let Some(parent) = config.main.get("parent") {
            section.keys.insert("parent".to_owned(), parent.to_owned());
        }
        if with_memory && guest.running.is_some() {
            section.keys.insert("vmstate".to_owned(), format!("store:{vmid}/vm-{vmid}-state-{name}.raw"));
        }
        config.snapshots.insert(name.to_owned(), section);
        config.main.keys.insert("parent".to_owned(), name.to_owned());
        config.main.keys.remove("lock");
        guest.save(&config);
    }

    /// Removes a snapshot at once; its children get its parent.
    pub fn drop_snapshot(&mut self, vmid: u32, name: &str) {
        let Some(guest) = self.guests.get_mut(&vmid) else { return };
        let mut config = guest.config();
        let parent = config.snapshots.remove(name).and_then(|mut section| section.keys.remove("parent"));
        for section in config.snapshots.values_mut().chain(std::iter::once(&mut config.main)) {
            if section.get("parent") == Some(name) {
                match &parent {
                    Some(parent) => section.keys.insert("parent".to_owned(), parent.clone()),
                    None => section.keys.remove("parent"),
                };
            }
        }
        config.main.keys.remove("lock");
        guest.save(&config);
    }

    /// Puts a snapshot's configuration back; true when it holds the guest's memory.
    fn restore_snapshot(&mut self, vmid: u32, name: &str) -> bool {
        let Some(guest) = self.guests.get_mut(&vmid) else { return false };
        let kind = guest.kind;
        let mut config = guest.config();
        let Some(section) = config.snapshots.get(name).cloned() else { return false };
        let old = std::mem::take(&mut config.main);
        config.main.description = old.description;
        config.main.raw = section.raw;
        config.main.keys = section
            .keys
            .iter()
            .filter(|(key, _)| is_copied(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        config.main.keys.insert("parent".to_owned(), name.to_owned());
        for (key, value) in
            old.keys.iter().filter(|(key, _)| keys::stem(key) == "unused" || keys::is_volume(kind, key))
        {
            let volid = super::config_write::volume_of(value);
            let kept = config.main.keys.values().any(|value| super::config_write::volume_of(value) == volid);
            match volid {
                Some(volid) if !kept || keys::stem(key) == "unused" => config.add_unused(&volid),
                _ => {}
            }
        }
        config.pending = Section::default();
        config.pending_delete.clear();
        guest.save(&config);
        section.keys.contains_key("vmstate")
    }
}

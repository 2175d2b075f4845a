//! Writing a machine's configuration: key by key into pending, then what can be put in force is.

use serde_json::{Value, json};

use super::ask::{Ask, failure, find_guest};
use super::config_file::{Config, Kind};
use super::config_write::{Change, allocation_of, normal_tags, open};
use super::guests::memory;
use super::keys;
use super::power::refuse_skiplock;
use super::properties::Properties;
use super::tasks::Next;
use super::world::World;
use crate::api::{ApiError, Reply};

/// Only root itself may set these; not its tokens.
const ROOT_ONLY: [&str; 8] =
    ["args", "lock", "vmgenid", "hookscript", "runningmachine", "runningcpu", "arch", "vmstatestorage"];

const NET_MODELS: [&str; 6] = ["virtio", "e1000", "e1000e", "rtl8139", "vmxnet3", "ne2k_pci"];

/// `PUT /nodes/{node}/qemu/{vmid}/config`: in force when it answers, or pending.
pub fn put(world: &mut World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let change = check(world, ask)?;
    write(world, ask.vmid(), &change)?;
    Ok(Reply::data(Value::Null))
}

/// `POST /nodes/{node}/qemu/{vmid}/config`: the same in a task, after the checks.
pub fn post(world: &mut World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let change = check(world, ask)?;
    let vmid = ask.vmid();
    open(world, Kind::Qemu, vmid, change.digest.as_deref())?;
    let words = ask.params.iter().filter(|(key, _)| !matches!(key.as_str(), "node" | "vmid" | "digest"));
    let line: Vec<String> = words.map(|(key, value)| format!("-{key} {value}")).collect();
    let upid = world.fork_locked("qmconfig", vmid, ask.caller, move |world, task| {
        world.log(task, format!("update VM {vmid}: {}", line.join(" ")));
        let change = Change { digest: None, ..change };
        world.edit(vmid, |guest| guest.flock = None);
        match write(world, vmid, &change) {
            Ok(()) => Next::Done,
            Err(error) => Next::Fail(error.reason),
        }
    });
    Ok(Reply::data(json!(upid)))
}

fn check(world: &World, ask: &Ask<'_>) -> Result<Change, ApiError> {
    refuse_skiplock(ask)?;
    let change = Change::of(ask)?;
    may_change(world, ask, &change)?;
    change.refuse_contradictions(Kind::Qemu)?;
    for (key, value) in change.set.iter().filter(|(key, _)| keys::is_drive(key)) {
        refuse_drive(world, ask, key, value)?;
    }
    if let Some(keys) = change.set.get("sshkeys") {
        refuse_ssh_keys(keys)?;
    }
    let config = find_guest(world, Kind::Qemu, ask.vmid())?.config();
    let cards = change.keys().filter(|key| keys::stem(key) == "net");
    for card in cards.filter_map(|key| config.main.get(key)) {
        ask.require_bridge(world, card)?;
    }
    refuse_balloon(&config, &change)?;
    Ok(change)
}

/// The privileges that depend on the parameters.
pub fn may_change(world: &World, ask: &Ask<'_>, change: &Change) -> Result<(), ApiError> {
    let path = format!("/vms/{}", ask.vmid());
    if ask.is_root() {
        return Ok(());
    }
    for key in change.keys() {
        if ROOT_ONLY.contains(&key.as_str()) {
            return Err(failure(format!("only root can set '{key}' config")));
        }
        match key.as_str() {
            "startup" => ask.require(world, "/", "Sys.Modify")?,
            _ => ask.require(world, &path, keys::privilege(Kind::Qemu, key))?,
        }
    }
    for (_, card) in change.set.iter().filter(|(key, _)| keys::stem(key) == "net") {
        ask.require_bridge(world, card)?;
    }
    Ok(())
}

pub fn refuse_drive(world: &World, ask: &Ask<'_>, _key: &str, value: &str) -> Result<(), ApiError> {
    let storage = allocation_of(value).map(|(storage, _)| storage);
    let storage = storage.or_else(|| value.split(',').next()?.strip_suffix(":cloudinit").map(str::to_owned));
    let Some(storage) = storage else { return Ok(()) };
    if world.storage(&storage).is_none() {
        return Err(failure(format!("storage '{storage}' does not exist")));
    }
    ask.require(world, &format!("/storage/{storage}"), "Datastore.AllocateSpace")
}

fn refuse_ssh_keys(encoded: &str) -> Result<(), ApiError> {
    let text = percent_encoding::percent_decode_str(encoded).decode_utf8_lossy();
    let looks_right =
        |line: &str| line.split(' ').nth(1).is_some_and(|key| key.len() > 20 && key.starts_with("AAAA"));
    if text.lines().filter(|line| !line.trim().is_empty()).all(looks_right) {
        return Ok(());
    }
    Err(failure("SSH public key validation error"))
}

pub fn refuse_balloon(config: &Config, change: &Change) -> Result<(), ApiError> {
    let mut after = config.clone();
    if let Some(value) = change.set.get("memory") {
        after.put("memory", value);
    }
    let balloon = change.set.get("balloon").and_then(|value| value.parse::<u64>().ok());
    if balloon.is_some_and(|balloon| balloon > memory(Kind::Qemu, &after)) {
        return Err(failure("balloon value too large (must be smaller than assigned memory)"));
    }
    Ok(())
}

fn write(world: &mut World, vmid: u32, change: &Change) -> Result<(), ApiError> {
    let mut config = open(world, Kind::Qemu, vmid, change.digest.as_deref())?;
    let running = world.guest(vmid).is_some_and(|guest| guest.running.is_some());
    let protected = change.set.keys().chain(&change.delete).find(|key| keys::is_drive(key));
    if let Some(key) = protected
        && config.main.flag("protection")
        && config.main.keys.contains_key(key)
    {
        return Err(failure(format!("can't remove drive '{key}' - protection mode enabled")));
    }
    for key in &change.revert {
        config.revert(key);
    }
    for key in &change.delete {
        delete(world, &mut config, key, running, change.force);
    }
    let mut broken = None;
    for (key, value) in &change.set {
        let value = normal_value(world, &config, vmid, key, value)?;
        broken = broken.or_else(|| missing_tool(world, vmid, key, &value));
        config.revert(key);
        let now = !running || keys::is_hotplugged(Kind::Qemu, key);
        if key == "description" && value.trim_end().is_empty() {
            config.main.description = None;
        } else if now {
            world.replace_value(Kind::Qemu, &mut config, key, &value);
        } else if config.main.get(key) != Some(value.as_str()) {
            config.pending.keys.insert(key.clone(), value);
        }
    }
    pin_machine(&mut config, change);
    world.edit(vmid, |guest| guest.save(&config));
    broken.map_or(Ok(()), |text| Err(failure(text)))
}

fn delete(world: &mut World, config: &mut Config, key: &str, running: bool, force: bool) {
    config.pending.keys.remove(key);
    let waits = running && !keys::is_hotplugged(Kind::Qemu, key) && config.main.keys.contains_key(key);
    if waits {
        config.pending_delete.insert(key.to_owned(), force);
        return;
    }
    let volume = config.main.get(key).and_then(super::config_write::volume_of);
    world.remove_key(Kind::Qemu, config, key);
    if force && let Some(volume) = volume {
        config.forget_unused(&volume);
        world.free_volume(&volume);
    }
}

/// A cloud-init drive is written to the configuration before its image is made; without the tool the call fails all the same.
fn missing_tool(world: &World, vmid: u32, key: &str, value: &str) -> Option<String> {
    if world.has_iso_tool || !value.contains("-cloudinit.") || keys::stem(key) == key {
        return None;
    }
    let storage = world.storage(value.split(':').next()?)?;
    Some(format!(
        "command 'set -o pipefail && genisoimage -quiet -iso-level 3 -J -R -V config-2 /run/pve/cloudinit/{vmid}/ | qemu-img dd -n -f \
         raw -O qcow2 'isize=0' 'osize=4194304' 'of={}/images/{vmid}/vm-{vmid}-cloudinit.qcow2'' failed: exit code 1",
        storage.path
    ))
}

/// The value as the file will hold it.
pub fn normal_value(
    world: &mut World,
    config: &Config,
    vmid: u32,
    key: &str,
    value: &str,
) -> Result<String, ApiError> {
    if keys::is_drive(key) {
        return normal_drive(world, config, vmid, key, value);
    }
    Ok(match keys::stem(key) {
        "tags" => normal_tags(world, value),
        "net" => normal_net(world, value),
        "cipassword" => "$5$simulated$hash".to_owned(),
        "cpuunits" => {
            value.parse::<u64>().map_or_else(|_| value.to_owned(), |units| units.min(10_000).to_string())
        }
        _ => value.to_owned(),
    })
}

fn normal_drive(
    world: &mut World,
    config: &Config,
    vmid: u32,
    key: &str,
    value: &str,
) -> Result<String, ApiError> {
    if let Some(storage) = value.split(',').next().and_then(|first| first.strip_suffix(":cloudinit")) {
        return Ok(format!("{storage}:{vmid}/vm-{vmid}-cloudinit.qcow2,media=cdrom"));
    }
    if allocation_of(value).is_some() {
        return world
            .allocate_in(Kind::Qemu, vmid, key, value)
            .ok_or_else(|| failure("unable to allocate image"));
    }
    let mut drive = Properties::parse(value, "file");
    let old = Properties::parse(config.main.get(key).unwrap_or_default(), "file");
    if let (Some(size), None, true) =
        (old.get("size"), drive.get("size"), old.get("file") == drive.get("file"))
    {
        drive.set("size", size);
    }
    Ok(drive.print(Some("file"), &[]))
}

/// `virtio=<MAC>,bridge=…`: the model carries the address, the rest is sorted; without an address a new one.
pub fn normal_net(world: &mut World, value: &str) -> String {
    let mut net = Properties::parse(value, "model");
    let model = NET_MODELS.iter().find(|model| net.get(model).is_some()).map(|&model| model.to_owned());
    let model = model.or_else(|| net.take("model")).unwrap_or_else(|| "virtio".to_owned());
    let address = net.take(&model).or_else(|| net.take("macaddr")).filter(|mac| mac.contains(':'));
    let address = address.unwrap_or_else(|| world.random.mac());
    let rest = net.print(None, &[]);
    if rest.is_empty() { format!("{model}={address}") } else { format!("{model}={address},{rest}") }
}

/// A Windows guest's machine type is pinned to a version.
fn pin_machine(config: &mut Config, change: &Change) {
    let windows = change.set.get("ostype").is_some_and(|ostype| ostype.starts_with('w'));
    if windows && config.main.get("machine") == Some("q35") {
        config.main.keys.insert("machine".to_owned(), "pc-q35-7.2".to_owned());
    }
}

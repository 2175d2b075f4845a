//! Writing a container's configuration: all or nothing, except where a missing bridge lets everything through and answers 500.

use serde_json::Value;

use super::ask::{Ask, failure, find_guest};
use super::config_file::{Config, Kind};
use super::config_write::{Change, allocation_of, normal_tags, open, volume_of};
use super::keys;
use super::power::refuse_skiplock;
use super::properties::Properties;
use super::storage::print_size;
use super::world::World;
use crate::api::{ApiError, Reply};

/// `PUT /nodes/{node}/lxc/{vmid}/config`
pub fn put(world: &mut World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    refuse_skiplock(ask)?;
    let vmid = ask.vmid();
    let change = Change::of(ask)?;
    let config = find_guest(world, Kind::Lxc, vmid)?.config();
    may_change(world, ask, vmid, &config, &change)?;
    change.refuse_contradictions(Kind::Lxc)?;
    refuse_storages(world, ask, &change)?;
    let mut config = open(world, Kind::Lxc, vmid, change.digest.as_deref())?;
    refuse_values(&config, vmid, &change)?;
    let running = world.guest(vmid).is_some_and(|guest| guest.running.is_some());
    refuse_bridges(world, &change, running)?;
    let written = apply(world, &mut config, vmid, &change, running);
    world.edit(vmid, |guest| guest.save(&config));
    written?;
    match missing_bridge(world, &config) {
        Some(bridge) if !running => Err(failure(format!("bridge '{bridge}' does not exist"))),
        _ => Ok(Reply::data(Value::Null)),
    }
}

/// The privileges that depend on the parameters, as a container's are checked: by key, and some for `root@pam` alone.
fn may_change(
    world: &World,
    ask: &Ask<'_>,
    vmid: u32,
    config: &Config,
    change: &Change,
) -> Result<(), ApiError> {
    if ask.is_root() {
        return Ok(());
    }
    let path = format!("/vms/{vmid}");
    for key in change.keys() {
        match keys::stem(key) {
            "features" => may_change_features(world, ask, &path, config, change)?,
            "mp" | "rootfs" => {
                ask.require(world, &path, "VM.Config.Disk")?;
                refuse_root_only_mount(change.set.get(key))?;
            }
            "hookscript" | "dev" => {
                return Err(root_only(&format!("changing {key} is only allowed for root@pam")));
            }
            "net" => {
                ask.require(world, &path, "VM.Config.Network")?;
                // The bridge that the card leaves first.
                for card in config.main.get(key).into_iter().chain(change.set.get(key).map(String::as_str)) {
                    ask.require_bridge(world, card)?;
                }
            }
            _ => ask.require(world, &path, keys::privilege(Kind::Lxc, key))?,
        }
    }
    Ok(())
}

pub fn root_only(text: &str) -> ApiError {
    ApiError::new(403, format!("Permission check failed ({text})"))
}

pub fn refuse_root_only_mount(value: Option<&String>) -> Result<(), ApiError> {
    let volume =
        value.map(|value| Properties::parse(value, "volume").get("volume").unwrap_or_default().to_owned());
    match volume.as_deref() {
        Some(path) if path.starts_with("/dev/") => {
            Err(root_only("mount point type device is only allowed for root@pam"))
        }
        Some(path) if path.starts_with('/') => {
            Err(root_only("mount point type bind is only allowed for root@pam"))
        }
        _ => Ok(()),
    }
}

fn may_change_features(
    world: &World,
    ask: &Ask<'_>,
    path: &str,
    config: &Config,
    change: &Change,
) -> Result<(), ApiError> {
    if !config.main.flag("unprivileged") {
        return Err(root_only(
            "changing feature flags for privileged container is only allowed for root@pam",
        ));
    }
    let old = Properties::parse(config.main.get("features").unwrap_or_default(), "");
    let new = Properties::parse(change.set.get("features").map(String::as_str).unwrap_or_default(), "");
    refuse_features(&old, &new)?;
    ask.require(world, path, "VM.Allocate")
}

/// Only nesting may change by any but root; every other flag must stay as it is.
pub fn refuse_features(old: &Properties, new: &Properties) -> Result<(), ApiError> {
    let differs = |key: &str| key != "nesting" && old.get(key) != new.get(key);
    if new.keys().chain(old.keys()).any(differs) {
        return Err(root_only("changing feature flags (except nesting) is only allowed for root@pam"));
    }
    Ok(())
}

/// A disk to be made needs a storage that exists and space on it.
fn refuse_storages(world: &World, ask: &Ask<'_>, change: &Change) -> Result<(), ApiError> {
    for (key, value) in &change.set {
        let wanted = if keys::is_volume(Kind::Lxc, key) { allocation_of(value) } else { None };
        if let Some((storage, _)) = wanted {
            if world.storage(&storage).is_none() {
                return Err(failure(format!("storage '{storage}' does not exist")));
            }
            ask.require(world, &format!("/storage/{storage}"), "Datastore.AllocateSpace")?;
        }
    }
    Ok(())
}

fn refuse_values(config: &Config, vmid: u32, change: &Change) -> Result<(), ApiError> {
    for key in &change.delete {
        match key.as_str() {
            "unprivileged" => return Err(failure("unable to delete read-only option: 'unprivileged'")),
            "rootfs" | "memory" | "ostype" => {
                return Err(failure(format!("unable to delete required option '{key}'")));
            }
            _ => {}
        }
    }
    if change.set.contains_key("unprivileged") {
        return Err(failure("unable to modify read-only option: 'unprivileged'"));
    }
    let drive = change.set.keys().chain(&change.delete).find(|key| keys::is_volume(Kind::Lxc, key));
    if let Some(key) = drive
        && config.main.flag("protection")
    {
        return Err(failure(format!("can't update CT {vmid} drive '{key}' - protection mode enabled")));
    }
    Ok(())
}

/// A running container refuses a network without bridge; a stopped one refuses only an MTU it cannot compare.
fn refuse_bridges(world: &World, change: &Change, running: bool) -> Result<(), ApiError> {
    for (key, value) in change.set.iter().filter(|(key, _)| keys::stem(key) == "net") {
        let net = Properties::parse(value, "");
        let Some(bridge) = net.get("bridge").filter(|bridge| !world.bridges.contains(*bridge)) else {
            continue;
        };
        if running {
            return Err(ApiError::parameter(
                key,
                format!("unable to hotplug {key}: bridge '{bridge}' does not exist\n"),
            ));
        }
        if net.get("mtu").is_some() {
            return Err(failure(format!("bridge '{bridge}' does not exist")));
        }
    }
    Ok(())
}

/// The first bridge a container's networks name that is not there; a link that is down needs none.
fn missing_bridge(world: &World, config: &Config) -> Option<String> {
    config
        .main
        .keys
        .iter()
        .filter(|(key, value)| keys::stem(key) == "net" && !value.contains("link_down=1"))
        .filter_map(|(_, value)| Properties::parse(value, "").get("bridge").map(str::to_owned))
        .find(|bridge| !world.bridges.contains(bridge))
}

fn apply(
    world: &mut World,
    config: &mut Config,
    vmid: u32,
    change: &Change,
    running: bool,
) -> Result<(), ApiError> {
    for key in &change.revert {
        config.revert(key);
    }
    for key in &change.delete {
        config.pending.keys.remove(key);
        let waits = running
            && (!keys::is_hotplugged(Kind::Lxc, key) || keys::stem(key) == "mp")
            && config.main.keys.contains_key(key);
        if waits {
            config.pending_delete.insert(key.clone(), change.force);
        } else {
            world.remove_key(Kind::Lxc, config, key);
        }
    }
    for (key, value) in &change.set {
        let value = normal_value(world, vmid, key, value)?;
        let replaces_mount = keys::stem(key) == "mp" && config.main.keys.contains_key(key);
        let new_mount = keys::stem(key) == "mp" && !replaces_mount;
        let now = !running
            || new_mount
            || (keys::is_hotplugged(Kind::Lxc, key) && !replaces_mount)
            || key == "rootfs";
        config.revert(key);
        if key == "description" && value.trim_end_matches('\n').is_empty() {
            config.main.description = None;
        } else if now {
            world.replace_value(Kind::Lxc, config, key, &value);
        } else if config.main.get(key) != Some(value.as_str()) {
            config.pending.keys.insert(key.clone(), value);
        }
    }
    Ok(())
}

/// The value as the file will hold it.
pub fn normal_value(world: &mut World, vmid: u32, key: &str, value: &str) -> Result<String, ApiError> {
    Ok(match keys::stem(key) {
        "tags" => normal_tags(world, value),
        "net" => normal_net(world, value),
        "nameserver" | "searchdomain" => {
            value.split([',', ';', ' ']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
        }
        "cpuunits" => {
            value.parse::<u64>().map_or_else(|_| value.to_owned(), |units| units.min(10_000).to_string())
        }
        "mp" | "rootfs" => match allocation_of(value) {
            Some(_) => world
                .allocate_in(Kind::Lxc, vmid, key, value)
                .ok_or_else(|| failure("unable to allocate image"))?,
            None => normal_mount(world, key, value),
        },
        _ => value.to_owned(),
    })
}

/// A mount point of a volume that exists: sorted, with the volume's own size.
fn normal_mount(world: &World, key: &str, value: &str) -> String {
    let mut mount = Properties::parse(value, "volume");
    let size = volume_of(value).and_then(|volid| world.volume(&volid)).map(|volume| print_size(volume.size));
    if let Some(size) = size {
        mount.set("size", &size);
    }
    mount.print(Some("volume"), if keys::stem(key) == "mp" { &["mp"] } else { &[] })
}

/// `name` and `bridge` first, the rest sorted, a type, and a new hardware address when none was given.
pub fn normal_net(world: &mut World, value: &str) -> String {
    let mut net = Properties::parse(value, "");
    if net.get("hwaddr").is_none() {
        let mac = world.random.mac();
        net.set("hwaddr", &mac);
    }
    net.set("type", "veth");
    net.print(None, &["name", "bridge"])
}

//! What writing a configuration shares between containers and machines: the request, the refusals, pending changes and volumes
//! that become unused.

use std::collections::BTreeMap;

use super::ask::{Ask, failure, find_guest, locked_text};
use super::config_file::{Config, Kind};
use super::keys;
use super::properties::Properties;
use super::tasks::flock_timeout;
use super::world::World;
use crate::api::ApiError;

/// What a PUT asks for.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub set: BTreeMap<String, String>,
    pub delete: Vec<String>,
    pub revert: Vec<String>,
    pub digest: Option<String>,
    /// `force`: an unused disk is removed for good.
    pub force: bool,
}

impl Change {
    pub fn of(ask: &Ask<'_>) -> Result<Self, ApiError> {
        let not_options = [
            "node",
            "vmid",
            "digest",
            "delete",
            "revert",
            "skiplock",
            "force",
            "background_delay",
            "import-working-storage",
        ];
        let set: BTreeMap<String, String> = ask
            .params
            .iter()
            .filter(|(key, _)| !not_options.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let change = Self {
            set,
            delete: ask.list("delete"),
            revert: ask.list("revert"),
            digest: ask.text("digest").filter(|digest| !digest.is_empty()).map(str::to_owned),
            force: ask.flag("force"),
        };
        if change.set.is_empty() && change.delete.is_empty() && change.revert.is_empty() {
            return Err(failure("no options specified"));
        }
        Ok(change)
    }

    /// A key may not be set and deleted in one call, and must be one that exists.
    pub fn refuse_contradictions(&self, kind: Kind) -> Result<(), ApiError> {
        for key in &self.delete {
            if self.set.contains_key(key) {
                let text = format!("you can't use '-{key}' and -delete {key}' at the same time");
                return Err(ApiError::parameter("delete", text));
            }
            if !keys::is_known(kind, key) {
                return Err(ApiError::parameter("delete", format!("unknown option '{key}'")));
            }
        }
        for key in &self.revert {
            if !keys::is_known(kind, key) {
                return Err(ApiError::parameter("revert", format!("unknown option '{key}'")));
            }
        }
        Ok(())
    }

    /// Every key the change touches.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.set.keys().chain(&self.delete).chain(&self.revert)
    }
}

/// Inside the configuration's lock: it exists, is not locked, and is the one the caller read.
pub fn open(world: &World, kind: Kind, vmid: u32, digest: Option<&str>) -> Result<Config, ApiError> {
    let guest = find_guest(world, kind, vmid)?;
    if guest.foreign_flock || guest.flock.is_some() {
        return Err(failure(flock_timeout(kind, vmid)));
    }
    if kind == Kind::Lxc
        && let Some(text) = locked_text(guest)
    {
        return Err(failure(text));
    }
    if digest.is_some_and(|digest| digest != guest.digest()) {
        return Err(failure(match kind {
            Kind::Lxc => "detected modified configuration - file changed by other user? Try again.",
            Kind::Qemu => "checksum mismatch (file change by other user?)",
        }));
    }
    if let Some(text) = locked_text(guest) {
        return Err(failure(text));
    }
    Ok(guest.config())
}

impl Config {
    /// Drops a pending change; returns the volume it had allocated.
    pub fn revert(&mut self, key: &str) {
        self.pending.keys.remove(key);
        self.pending_delete.remove(key);
        if key == "description" {
            self.pending.description = None;
        }
    }

    /// Writes a value where the guest runs with it now.
    pub fn put(&mut self, key: &str, value: &str) {
        if key == "description" {
            self.main.description = Some(value.to_owned());
        } else {
            self.main.keys.insert(key.to_owned(), value.to_owned());
        }
        self.revert(key);
    }

    /// The first free `unusedN` takes the volume.
    pub fn add_unused(&mut self, volid: &str) {
        if self.main.keys.iter().any(|(key, value)| keys::stem(key) == "unused" && value == volid) {
            return;
        }
        let free = (0..).map(|index| format!("unused{index}")).find(|key| !self.main.keys.contains_key(key));
        if let Some(key) = free {
            self.main.keys.insert(key, volid.to_owned());
        }
    }

    /// A volume that is attached again is unused no more.
    pub fn forget_unused(&mut self, volid: &str) {
        self.main.keys.retain(|key, value| keys::stem(key) != "unused" || value != volid);
    }
}

/// The volume id a drive or mount point names, if it is one.
pub fn volume_of(value: &str) -> Option<String> {
    let volid = Properties::parse(value, "volume").get("volume")?.to_owned();
    (volid.contains(':') && !value.contains("media=cdrom")).then_some(volid)
}

/// `store:8` in `store:8,mp=/data`: the storage and the size in GiB.
pub fn allocation_of(value: &str) -> Option<(String, f64)> {
    let first = value.split(',').next()?;
    let first = first.strip_prefix("file=").or_else(|| first.strip_prefix("volume=")).unwrap_or(first);
    let (storage, size) = first.split_once(':')?;
    let size: f64 = size.parse().ok()?;
    Some((storage.to_owned(), size))
}

impl World {
    /// Deletes a key from the running configuration: a disk becomes unused, an unused one is freed for good.
    pub fn remove_key(&mut self, kind: Kind, config: &mut Config, key: &str) {
        if key == "description" {
            config.main.description = None;
        }
        let Some(value) = config.main.keys.remove(key) else { return };
        if keys::stem(key) == "unused" {
            self.free_volume(&value);
        } else if keys::is_volume(kind, key)
            && let Some(volid) = volume_of(&value)
        {
            config.add_unused(&volid);
        }
    }

    /// Puts pending changes in force, as a start does: deletions too, and with them the volumes of unused disks.
    pub fn apply_pending(&mut self, vmid: u32) {
        let Some(guest) = self.guest(vmid) else { return };
        let (kind, mut config) = (guest.kind, guest.config());
        if config.pending.keys.is_empty()
            && config.pending_delete.is_empty()
            && config.pending.description.is_none()
        {
            return;
        }
        for key in std::mem::take(&mut config.pending_delete).into_keys() {
            self.remove_key(kind, &mut config, &key);
        }
        for (key, value) in std::mem::take(&mut config.pending.keys) {
            self.replace_value(kind, &mut config, &key, &value);
        }
        if let Some(description) = config.pending.description.take() {
            config.main.description = Some(description);
        }
        self.edit(vmid, |guest| guest.save(&config));
    }

    /// Writes a value; a disk it replaces becomes unused.
    pub fn replace_value(&mut self, kind: Kind, config: &mut Config, key: &str, value: &str) {
        if keys::is_volume(kind, key) {
            let old = config.main.get(key).and_then(volume_of);
            let new = volume_of(value);
            if let Some(new) = &new {
                config.forget_unused(new);
            }
            if let Some(old) = old
                && Some(&old) != new.as_ref()
            {
                config.add_unused(&old);
            }
        }
        config.put(key, value);
    }

    /// A new disk as the configuration names it: `store:150/vm-150-disk-1.raw,…,size=102M`, in place of `store:0.1,…`.
    pub fn allocate_in(&mut self, kind: Kind, vmid: u32, key: &str, value: &str) -> Option<String> {
        let (storage, gib) = allocation_of(value)?;
        let default = if kind == Kind::Lxc { "volume" } else { "file" };
        let mut drive = Properties::parse(value, default);
        let format = drive.take("format");
        drive.take("import-from");
        let (volid, size) = self.allocate(&storage, vmid, kind, gib, format.as_deref())?;
        drive.set(default, &volid);
        drive.set("size", &size);
        let first: &[&str] = if keys::stem(key) == "mp" { &["mp"] } else { &[] };
        Some(drive.print(Some(default), first))
    }
}

/// Tags as Proxmox keeps them: lower case, each once, sorted, joined with `;`. Nothing at all is kept as an empty value, which reads as
/// one blank.
pub fn normal_tags(world: &World, text: &str) -> String {
    let style = world.options.get("tag-style").map(String::as_str).unwrap_or_default();
    let mut tags: Vec<String> = Vec::new();
    for tag in text.split([';', ',', ' ']).filter(|tag| !tag.is_empty()) {
        let tag = if style.contains("case-sensitive=1") { tag.to_owned() } else { tag.to_lowercase() };
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if !style.contains("ordering=config") {
        tags.sort();
    }
    tags.join(";")
}

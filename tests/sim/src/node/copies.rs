//! Disks and identities of guests: copying them for another guest, renewing them, and removing a guest with all it owns.

use super::config_file::{Config, Kind};
use super::properties::Properties;
use super::world::World;
use super::{keys, lxc_config, qemu_config};

/// Every volume a configuration names.
pub fn volumes_of(config: &Config) -> Vec<String> {
    config
        .main
        .keys
        .iter()
        .filter(|(key, _)| {
            keys::is_volume(Kind::Lxc, key) || keys::is_volume(Kind::Qemu, key) || keys::stem(key) == "unused"
        })
        .filter_map(|(_, value)| super::config_write::volume_of(value))
        .collect()
}

impl World {
    pub fn path_of(&self, volid: &str) -> String {
        let (storage, name) = volid.split_once(':').unwrap_or_default();
        let root = self.storage(storage).map(|storage| storage.path.as_str()).unwrap_or_default();
        match name.split_once('/') {
            Some(("vztmpl", file)) => format!("{root}/template/cache/{file}"),
            Some(("backup", file)) => format!("{root}/dump/{file}"),
            _ => format!("{root}/images/{name}"),
        }
    }

    /// Whether a container's root disk is there; of a storage unknown here nothing is said.
    pub fn root_exists(&self, vmid: u32) -> bool {
        let root = self.guest(vmid).and_then(|guest| guest.config().main.get("rootfs").map(str::to_owned));
        let volid = root.and_then(|root| super::config_write::volume_of(&root));
        volid.is_none_or(|volid| {
            self.volume(&volid).is_some()
                || volid.split(':').next().and_then(|name| self.storage(name)).is_none()
        })
    }

    /// A disk like another, for another guest.
    pub fn copy_drive(
        &mut self,
        kind: Kind,
        vmid: u32,
        key: &str,
        value: &str,
        storage: Option<&str>,
    ) -> Option<String> {
        if value.contains("media=cdrom") {
            return None;
        }
        let default = if kind == Kind::Lxc { "volume" } else { "file" };
        let mut drive = Properties::parse(value, default);
        let old = drive.get(default)?.to_owned();
        let storage = storage.or_else(|| old.split(':').next())?.to_owned();
        let size = self.volume(&old).map(|volume| volume.size);
        let size = size.or_else(|| drive.get("size").and_then(super::storage::parse_size)).unwrap_or(0);
        let format = old
            .rsplit_once('.')
            .map(|(_, extension)| extension)
            .filter(|extension| *extension == "qcow2")
            .map(str::to_owned);
        let gib = if drive.get("size") == Some("0T") { 0.0 } else { size as f64 / 1024.0 / 1024.0 / 1024.0 };
        let (volid, printed) = self.allocate(&storage, vmid, kind, gib, format.as_deref())?;
        drive.set(default, &volid);
        drive.set("size", &printed);
        Some(drive.print(Some(default), if keys::stem(key) == "mp" { &["mp"] } else { &[] }))
    }

    /// New hardware addresses, and for a machine a new identity.
    pub fn renew_addresses(&mut self, kind: Kind, config: &mut Config) {
        let nets: Vec<(String, String)> = config
            .main
            .keys
            .iter()
            .filter(|(key, _)| keys::stem(key) == "net")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        for (key, value) in nets {
            let mut net = Properties::parse(&value, "model");
            let value = match kind {
                Kind::Lxc => {
                    net.take("hwaddr");
                    lxc_config::normal_net(self, &net.print(None, &["name"]))
                }
                Kind::Qemu => {
                    let model = value.split('=').next().unwrap_or("virtio").to_owned();
                    net.take(&model);
                    net.set("model", &model);
                    qemu_config::normal_net(self, &net.print(None, &["model"]))
                }
            };
            config.put(&key, &value);
        }
        if kind == Kind::Qemu {
            let (uuid, generation) = (self.random.uuid(), self.random.uuid());
            config.put("smbios1", &format!("uuid={uuid}"));
            config.put("vmgenid", &generation);
        }
    }

    /// A destroyed guest's entries in the access control list go with it.
    pub fn forget_permissions(&mut self, vmid: u32) {
        let path = format!("/vms/{vmid}");
        let doomed: Vec<_> =
            self.access.entries().iter().filter(|entry| entry.path == path).cloned().collect();
        for entry in doomed {
            self.access.revoke(&entry.path, &entry.who, &entry.role);
        }
    }

    /// A guest with all its volumes and its pool membership; the volumes that could not be removed.
    pub fn remove_guest(&mut self, vmid: u32) -> Vec<String> {
        let Some(guest) = self.guests.remove(&vmid) else { return Vec::new() };
        let config = guest.config();
        let (left, gone): (Vec<String>, Vec<String>) = volumes_of(&config)
            .into_iter()
            .partition(|volid| self.faults.undeletable_volumes.contains(volid));
        for volid in gone {
            self.free_volume(&volid);
        }
        for pool in self.pools.values_mut() {
            pool.vms.remove(&vmid);
        }
        left
    }
}

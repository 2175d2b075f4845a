//! Storages and the volumes on them: what is allocated, named, listed and freed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::config_file::Kind;
use super::properties::Properties;
use super::world::World;

const MIB: u64 = 1024 * 1024;

#[derive(Clone, Debug)]
pub struct Storage {
    pub name: String,
    /// `dir`, `btrfs`, `pbs`, …
    pub kind: String,
    pub path: String,
    /// Content types, in the order lists show.
    pub content: Vec<String>,
    pub enabled: bool,
    /// An offline storage is listed with `active: 0` and refuses to be read.
    pub online: bool,
    /// Calls that look into it never come back: pveproxy gives up with 596.
    pub hangs: bool,
    pub shared: bool,
    pub total: u64,
    pub used: u64,
    /// Retention: `prune-backups keep-last=N`.
    pub keep_last: Option<usize>,
    pub volumes: BTreeMap<String, Volume>,
}

impl Storage {
    /// Whether a disk is a file in a folder named by its guest.
    fn keeps_files(&self) -> bool {
        matches!(self.kind.as_str(), "dir" | "btrfs" | "nfs" | "cifs")
    }
}

/// One volume, file or backup.
#[derive(Clone, Debug, Default)]
pub struct Volume {
    /// `store:backup/vzdump-….tar.zst`
    pub volid: String,
    /// `images`, `rootdir`, `backup`, `vztmpl`, `iso`
    pub content: String,
    pub format: String,
    pub size: u64,
    pub used: Option<u64>,
    pub ctime: u64,
    pub vmid: Option<u32>,
    pub subtype: Option<String>,
    pub notes: Option<String>,
    pub protected: bool,
    /// `verification` of a Proxmox Backup Server snapshot, and its owner.
    pub verification: Option<Value>,
    /// The configuration file inside a backup.
    pub backup_config: Option<String>,
    /// The backup cannot be unpacked.
    pub corrupt: bool,
}

impl Volume {
    /// The volume a drive or mount point of a configuration names.
    pub fn of_config(vmid: u32, kind: Kind, value: &str, ctime: u64) -> Option<Self> {
        let volid = value.split(',').next()?;
        let (_, name) = volid.split_once(':')?;
        if value.contains("media=cdrom") || name.is_empty() {
            return None;
        }
        let size = Properties::parse(value, "volume").get("size").and_then(parse_size).unwrap_or(1024 * MIB);
        let extension = name.rsplit_once('.').map_or("raw", |(_, extension)| extension);
        Some(Self {
            volid: volid.to_owned(),
            content: if kind == Kind::Lxc { "rootdir" } else { "images" }.to_owned(),
            format: extension.to_owned(),
            size,
            used: Some(size / 30),
            ctime,
            vmid: Some(vmid),
            ..Self::default()
        })
    }

    pub fn storage(&self) -> &str {
        self.volid.split(':').next().unwrap_or_default()
    }

    /// A row of the content list.
    pub fn to_row(&self) -> Value {
        let mut row = json!({"volid": self.volid, "content": self.content, "format": self.format, "size": self.size, "ctime": self.ctime});
        if let Some(vmid) = self.vmid {
            row["vmid"] = json!(vmid);
        }
        if let Some(used) = self.used {
            row["used"] = json!(used);
            row["parent"] = Value::Null;
        }
        if let Some(subtype) = &self.subtype {
            row["subtype"] = json!(subtype);
        }
        if let Some(notes) = &self.notes {
            row["notes"] = json!(notes);
        }
        if self.protected {
            row["protected"] = json!(1);
        }
        if let Some(verification) = &self.verification {
            row["verification"] = verification.clone();
        }
        row
    }
}

/// `8G`, `102M`, `1536K`, `0T` in bytes; a bare number is bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, factor) = match text.chars().last()? {
        'K' => (text.trim_end_matches('K'), 1024),
        'M' => (text.trim_end_matches('M'), MIB),
        'G' => (text.trim_end_matches('G'), 1024 * MIB),
        'T' => (text.trim_end_matches('T'), MIB * MIB),
        _ => (text, 1),
    };
    let number: f64 = number.parse().ok()?;
    (number >= 0.0).then_some((number * factor as f64) as u64)
}

/// The largest unit that divides exactly, as Proxmox prints sizes.
pub fn print_size(bytes: u64) -> String {
    if bytes == 0 {
        return "0T".to_owned();
    }
    let units = [("T", MIB * MIB), ("G", 1024 * MIB), ("M", MIB), ("K", 1024)];
    units
        .iter()
        .find(|(_, unit)| bytes % unit == 0)
        .map_or_else(|| bytes.to_string(), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// `local`, `store` (both directories) and `btr` (btrfs), with one container template.
pub fn usual_storages() -> Vec<Storage> {
    let storage = |name: &str, kind: &str, path: &str, content: &[&str]| Storage {
        name: name.to_owned(),
        kind: kind.to_owned(),
        path: path.to_owned(),
        content: content.iter().map(|&content| content.to_owned()).collect(),
        enabled: true,
        online: true,
        hangs: false,
        shared: false,
        total: 270_553_174_016,
        used: 21_699_653_632,
        keep_last: None,
        volumes: BTreeMap::new(),
    };
    let mut local = storage("local", "dir", "/var/lib/vz", &["backup", "vztmpl", "iso", "import"]);
    let template = Volume {
        volid: "local:vztmpl/alpine-mini_3.20_amd64.tar.gz".to_owned(),
        content: "vztmpl".to_owned(),
        format: "tgz".to_owned(),
        size: 1_032_552,
        ctime: 1_795_230_714,
        ..Volume::default()
    };
    local.volumes.insert(template.volid.clone(), template);
    let store = storage("store", "dir", "/mnt/store", &["images", "rootdir", "snippets", "vztmpl", "backup"]);
    let btr = Storage {
        total: 4_294_967_296,
        used: 16_695_296,
        ..storage("btr", "btrfs", "/mnt/btr", &["images", "rootdir"])
    };
    vec![local, btr, store]
}

impl World {
    /// Adds a storage on a Proxmox Backup Server.
    pub fn add_pbs(&mut self, name: &str) -> &mut Storage {
        self.storages.push(Storage {
            name: name.to_owned(),
            kind: "pbs".to_owned(),
            path: String::new(),
            content: vec!["backup".to_owned()],
            enabled: true,
            online: true,
            hangs: false,
            shared: true,
            total: 1_000_000_000_000,
            used: 100_000_000_000,
            keep_last: None,
            volumes: BTreeMap::new(),
        });
        self.storage_mut(name)
    }

    /// A backup of a guest that was made `age_s` seconds ago; returns its volume id.
    pub fn add_backup(&mut self, storage: &str, vmid: u32, age_s: u64) -> String {
        let ctime = self.now().saturating_sub(age_s);
        let kind = self.guest(vmid).map_or(Kind::Lxc, |guest| guest.kind);
        let config =
            self.guest(vmid).map(|guest| super::config_file::Config::of(guest.config().main).write(kind));
        let stamp = super::backup::local_time(ctime);
        let on_server = self.storage(storage).is_some_and(|storage| storage.kind == "pbs");
        let (group, extension) = if kind == Kind::Lxc { ("ct", "tar.zst") } else { ("vm", "vma.zst") };
        let (volid, format) = if on_server {
            (format!("{storage}:backup/{group}/{vmid}/{}Z", stamp.replace(' ', "T")), format!("pbs-{group}"))
        } else {
            let stamp = stamp.replace('-', "_").replace(' ', "-").replace(':', "_");
            (
                format!("{storage}:backup/vzdump-{}-{vmid}-{stamp}.{extension}", kind.name()),
                extension.to_owned(),
            )
        };
        self.put_volume(Volume {
            volid: volid.clone(),
            content: "backup".to_owned(),
            format,
            size: 734_003_200,
            ctime,
            vmid: Some(vmid),
            subtype: Some(kind.name().to_owned()),
            verification: on_server.then(
                || json!({"state": "ok", "upid": "UPID:pbs:00000001:00000001:00000001:verify::root@pam:"}),
            ),
            backup_config: config,
            ..Volume::default()
        });
        volid
    }

    pub fn storage(&self, name: &str) -> Option<&Storage> {
        self.storages.iter().find(|storage| storage.name == name)
    }

    /// # Panics
    /// If there is no such storage.
    pub fn storage_mut(&mut self, name: &str) -> &mut Storage {
        self.storages
            .iter_mut()
            .find(|storage| storage.name == name)
            .unwrap_or_else(|| panic!("no storage {name}"))
    }

    pub fn volume(&self, volid: &str) -> Option<&Volume> {
        self.storage(volid.split(':').next()?)?.volumes.get(volid)
    }

    pub fn volume_mut(&mut self, volid: &str) -> Option<&mut Volume> {
        let name = volid.split(':').next()?;
        self.storages.iter_mut().find(|storage| storage.name == name)?.volumes.get_mut(volid)
    }

    /// Puts a volume on its storage; nothing happens when the storage does not exist.
    pub fn put_volume(&mut self, volume: Volume) {
        let name = volume.storage().to_owned();
        if let Some(storage) = self.storages.iter_mut().find(|storage| storage.name == name) {
            storage.volumes.insert(volume.volid.clone(), volume);
        }
    }

    /// Removes a volume; true when it was there.
    pub fn free_volume(&mut self, volid: &str) -> bool {
        let name = volid.split(':').next().unwrap_or_default();
        self.storages
            .iter_mut()
            .any(|storage| storage.name == name && storage.volumes.remove(volid).is_some())
    }

    /// Allocates a disk of `gib` on a storage and returns its volume id and printed size.
    pub fn allocate(
        &mut self,
        storage: &str,
        vmid: u32,
        kind: Kind,
        gib: f64,
        format: Option<&str>,
    ) -> Option<(String, String)> {
        let files = self.storage(storage)?.keeps_files();
        let subvolumes =
            kind == Kind::Lxc && matches!(self.storage(storage)?.kind.as_str(), "btrfs" | "zfspool");
        let format = format.unwrap_or("raw");
        let name = |index: u32| match (files, subvolumes) {
            (true, true) => format!("{storage}:{vmid}/subvol-{vmid}-disk-{index}.subvol"),
            (true, false) => format!("{storage}:{vmid}/vm-{vmid}-disk-{index}.{format}"),
            (false, true) => format!("{storage}:subvol-{vmid}-disk-{index}"),
            (false, false) => format!("{storage}:vm-{vmid}-disk-{index}"),
        };
        let index = (0..).find(|index| self.volume(&name(*index)).is_none())?;
        let volid = name(index);
        let size = (gib * 1024.0) as u64 * MIB;
        let now = self.now();
        let mut volume = Volume::of_config(vmid, kind, &format!("{volid},size={}", print_size(size)), now)?;
        volume.size = size;
        self.put_volume(volume);
        Some((volid, print_size(size)))
    }
}

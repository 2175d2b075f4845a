//! The volumes of a spec: `rootfs` and `mounts` of a container, `disks` of a VM.

use serde_json::Value as Free;

use crate::model::desired::{Ensure, Volume, Volumes, Wanted};
use crate::model::guest::GuestKind;
use crate::model::observed::GuestConfig;
use crate::model::volume::{first_part, is_removable, parts, size, storage, volid};
use crate::normalize::volume::{Opt, Takes, options};
use crate::strict_json::Json;
use crate::strict_json::object::{At, Fault, Object};

/// 128 TiB. Proxmox names no limit; a number beyond this is a slip of the pen.
const MAX_GB: u64 = 128 * 1024;
const GIB: u64 = 1 << 30;

/// The keys of disks, and how many of each Proxmox has.
const BUSES: [(&str, u8); 4] = [("scsi", 31), ("virtio", 16), ("sata", 6), ("ide", 4)];

pub(super) fn read(spec: &mut Object<'_>, kind: GuestKind) -> Result<Volumes, Fault> {
    let mut volumes = Volumes::new();
    let list = match kind {
        GuestKind::Lxc => {
            if let Some(rootfs) = spec.optional("rootfs") {
                let volume = volume(Object::read(rootfs.value, &rootfs.path)?, "rootfs")?;
                volumes.insert("rootfs".to_owned(), Wanted::Like(volume));
            }
            spec.optional("mounts")
        }
        GuestKind::Qemu => spec.optional("disks"),
    };
    if let Some(list) = list {
        for item in list.items()? {
            let mut members = Object::read(item.value, &item.path)?;
            let key = members.required("key")?;
            let name = key.text()?;
            if !is_key(kind, name) {
                return Err(key.refused(match kind {
                    GuestKind::Lxc => "mp0 to mp255",
                    GuestKind::Qemu => "scsi0 to scsi30, virtio0 to virtio15, sata0 to sata5 or ide0 to ide3",
                }));
            }
            let ensure =
                members.optional("ensure").map(|ensure| super::guest::ensure(&ensure)).transpose()?;
            let volume = volume(members, name)?;
            let wanted = match ensure {
                Some(Ensure::Absent) => Wanted::Absent,
                Some(Ensure::Present) | None => Wanted::Like(volume),
            };
            if volumes.insert(name.to_owned(), wanted).is_some() {
                return Err(key.fault(format!("{name} stands there twice, allowed is once")));
            }
        }
    }
    Ok(volumes)
}

/// Whether a volume at this key can be named in a manifest.
pub fn is_managed(kind: GuestKind, key: &str) -> bool {
    is_key(kind, key) || (kind == GuestKind::Lxc && key == "rootfs")
}

pub(super) fn is_key(kind: GuestKind, key: &str) -> bool {
    let numbered = |(bus, count): (&str, u16)| {
        let number = key.strip_prefix(bus).and_then(|number| Some((number, number.parse::<u16>().ok()?)));
        number.is_some_and(|(text, number)| number < count && text == number.to_string())
    };
    match kind {
        GuestKind::Lxc => numbered(("mp", 256)),
        GuestKind::Qemu => BUSES.into_iter().any(|(bus, count)| numbered((bus, count.into()))),
    }
}

fn volume(mut members: Object<'_>, key: &str) -> Result<Volume, Fault> {
    let mut volume = Volume::default();
    let bind = if key.starts_with("mp") { members.optional("bind") } else { None };
    if let Some(storage) = members.optional("storage") {
        volume.storage = match storage.text()? {
            name if is_storage(name) => Some(name.to_owned()),
            _ => return Err(storage.refused("the name of a storage")),
        };
    }
    if let Some(size) = members.optional("size_gb") {
        volume.size_gb = match size.value {
            Json::Whole(number) if (1..=MAX_GB).contains(number) => Some(*number),
            _ => return Err(size.refused("a whole number of GiB from 1 to 131072")),
        };
    }
    if let Some(bind) = bind {
        if volume.storage.is_some() || volume.size_gb.is_some() {
            return Err(bind.fault("a folder of the node has neither storage nor size_gb".to_owned()));
        }
        volume.bind = Some(path(&bind)?.to_owned());
    }
    for option in options(key) {
        if let Some(at) = members.optional(option.name) {
            volume.options.insert(option.key.to_owned(), value(&at, option)?);
        }
    }
    members.nothing_else()?;
    Ok(volume)
}

fn value(at: &At<'_>, option: &Opt) -> Result<String, Fault> {
    let word = match (option.takes, at.value) {
        (Takes::Path, _) => path(at)?,
        (_, Json::Text(text)) if text == "absent" => option.default,
        (Takes::Flag, Json::Flag(flag)) => {
            if *flag {
                "1"
            } else {
                "0"
            }
        }
        (Takes::Discard, Json::Flag(flag)) => {
            if *flag {
                "on"
            } else {
                "ignore"
            }
        }
        (Takes::Words(words), Json::Text(text)) if words.contains(&text.as_str()) => text,
        (Takes::Flag | Takes::Discard, _) => return Err(at.refused("true, false or \"absent\"")),
        (Takes::Words(words), _) => return Err(at.refused(&format!("{} or \"absent\"", words.join(", ")))),
    };
    Ok(word.to_owned())
}

/// The other way: the volume at this key as the manifest writes it, if it can. What of it cannot be said goes into `unsaid`.
pub(super) fn told(
    key: &str,
    config: &GuestConfig,
    unsaid: &mut Vec<String>,
) -> Option<serde_json::Map<String, Free>> {
    let text = config.merged(key)?;
    let mut told = serde_json::Map::new();
    // A disc, cloud-init's too, is not a volume that anybody would want grown or moved.
    let storage = volid(text).filter(|_| !is_removable(text)).map(storage).filter(|name| is_storage(name));
    if let Some(storage) = storage {
        told.insert("storage".to_owned(), storage.into());
        let size = config.with_size(key).and_then(size).filter(|bytes| bytes % GIB == 0);
        match size.map(|bytes| bytes / GIB).filter(|size_gb| (1..=MAX_GB).contains(size_gb)) {
            Some(size_gb) => drop(told.insert("size_gb".to_owned(), size_gb.into())),
            None => unsaid.push(format!("{key}.size_gb")),
        }
    } else if key.starts_with("mp") && is_path(first_part(text)) {
        told.insert("bind".to_owned(), first_part(text).into());
    } else {
        unsaid.push(key.to_owned());
        return None;
    }
    for option in options(key) {
        let Some((_, read)) = parts(text).find(|(name, _)| *name == option.key) else { continue };
        let is = option.canonical(read);
        match sayable(option, is) {
            Some(shown) => drop(told.insert(option.name.to_owned(), shown)),
            None => unsaid.push(format!("{key}.{}", option.name)),
        }
    }
    let known = |name: &str| name == "size" || options(key).any(|option| option.key == name);
    let foreign = parts(text).filter(|(name, value)| value.is_some() && !known(name));
    unsaid.extend(foreign.map(|(name, _)| format!("{key}.{name}")));
    Some(told)
}

/// As the manifest writes it, if that is read back as the same.
fn sayable(option: &Opt, is: &str) -> Option<Free> {
    let shown = option.shown(is);
    let json: Json = serde_json::from_str(&shown.to_string()).ok()?;
    let read = value(&At { path: String::new(), value: &json }, option).ok()?;
    (read == is).then_some(shown)
}

fn path<'a>(at: &At<'a>) -> Result<&'a str, Fault> {
    let text = at.text()?;
    if is_path(text) {
        Ok(text)
    } else {
        Err(at.refused("an absolute path without commas, \".\" and \"..\""))
    }
}

pub(super) fn is_path(text: &str) -> bool {
    let plain = !text.contains(|character: char| character == ',' || character.is_control());
    text.starts_with('/') && text.len() > 1 && plain && !climbs(text)
}

/// Proxmox refuses it.
pub(super) fn climbs(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "." | ".."))
}

/// As Proxmox takes it.
pub(super) fn is_storage(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = name.as_bytes();
    name.len() > 1
        && bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && name.bytes().all(inner)
}

//! Which keys of a configuration hold a volume, and what stands in them.

use super::guest::Vmid;

/// The prefixes of the numbered keys that hold a volume: `mp0`, `unused3`, `scsi1`, …
const NUMBERED: [&str; 8] = ["mp", "unused", "scsi", "sata", "ide", "virtio", "efidisk", "tpmstate"];

/// `rootfs`, `mp0`, `unused3`, `scsi1`, … but not `scsihw`.
pub fn holds_volume(key: &str) -> bool {
    let numbered = |prefix: &&str| key.strip_prefix(*prefix).is_some_and(is_number);
    matches!(key, "rootfs" | "vmstate") || NUMBERED.iter().any(numbered)
}

/// `unused3`: a volume that is kept and in no use.
pub fn is_unused_key(key: &str) -> bool {
    key.strip_prefix("unused").is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `store:101/vm-101-disk-0.raw` of `store:101/vm-101-disk-0.raw,size=8G`; the part may be named.
pub fn first_part(value: &str) -> &str {
    let first = value.split(',').next().unwrap_or(value);
    first.strip_prefix("volume=").or_else(|| first.strip_prefix("file=")).unwrap_or(first)
}

/// What stands behind the volume, each with its value: `backup=1`, `size=8G`, and also `ro`, which has none.
pub fn parts(value: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let part = |part| match str::split_once(part, '=') {
        Some((name, value)) => (name, Some(value)),
        None => (part, None),
    };
    value.split(',').skip(1).map(part)
}

/// The value of one of them.
pub fn part<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    parts(value).find(|(known, _)| *known == name).and_then(|(_, value)| value)
}

/// A CD drive: taking the disc out loses nothing, unless the disc was made for this guest (`vm-200-cloudinit`).
pub fn is_removable(value: &str) -> bool {
    value.split(',').any(|part| part == "media=cdrom")
}

/// The volume that a value names, `storage:name`; `None` for a bind mount, a device, an empty drive, or a disc.
pub fn volid(value: &str) -> Option<&str> {
    let volid = first_part(value);
    let (storage, name) = volid.split_once(':')?;
    let is_volume = !storage.is_empty() && !storage.contains('/') && !name.is_empty();
    let is_disc = is_removable(value) && !name.contains("-cloudinit");
    (is_volume && !is_disc).then_some(volid)
}

/// `store` of `store:101/vm-101-disk-0.raw`.
pub fn storage(volid: &str) -> &str {
    volid.split_once(':').map_or(volid, |(storage, _)| storage)
}

/// The size that a value tells, in bytes: `size=8G`, `size=102M`.
pub fn size(value: &str) -> Option<u64> {
    let text = value.split(',').find_map(|part| part.trim().strip_prefix("size="))?;
    let (number, unit) = match text.char_indices().last()? {
        (at, 'K') => (text.get(..at)?, 1 << 10),
        (at, 'M') => (text.get(..at)?, 1 << 20),
        (at, 'G') => (text.get(..at)?, 1 << 30),
        (at, 'T') => (text.get(..at)?, 1 << 40),
        _ => (text, 1_u64),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// Whether its name says that it is this guest's own: `vm-101-disk-0`, `subvol-101-disk-0`, `base-101-disk-0`.
pub fn is_named_for(volid: &str, vmid: Vmid) -> bool {
    let name = volid.split_once(':').map_or(volid, |(_, name)| name);
    let last = name.rsplit('/').next().unwrap_or(name);
    ["vm-", "subvol-", "base-", "basevol-"].iter().any(|prefix| {
        last.strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix(&vmid.to_string()))
            .is_some_and(|rest| rest.starts_with('-'))
    })
}

#[cfg(test)]
mod tests {
    use super::{holds_volume, is_named_for, is_unused_key, size, volid};
    use crate::model::guest::Vmid;

    #[test]
    fn a_key_holds_a_volume_by_its_name() {
        for key in ["rootfs", "mp0", "mp255", "unused0", "scsi1", "ide2", "virtio15", "efidisk0", "tpmstate0"]
        {
            assert!(holds_volume(key), "{key}");
        }
        for key in ["scsihw", "mp", "mpx", "net0", "memory", "unused", "boot", ""] {
            assert!(!holds_volume(key), "{key}");
        }
        assert!(is_unused_key("unused12") && !is_unused_key("mp0") && !is_unused_key("unused"));
    }

    #[test]
    fn a_value_names_a_volume_or_none() {
        for (value, expected) in [
            ("store:101/vm-101-disk-0.raw,size=8G", Some("store:101/vm-101-disk-0.raw")),
            ("volume=local-zfs:subvol-101-disk-0,mp=/x", Some("local-zfs:subvol-101-disk-0")),
            ("file=store:200/vm-200-disk-0.qcow2", Some("store:200/vm-200-disk-0.qcow2")),
            ("/mnt/data,mp=/data", None),
            ("/dev/disk/by-id/x:y", None),
            ("none,media=cdrom", None),
            ("local:iso/debian.iso,media=cdrom", None),
            ("store:200/vm-200-cloudinit.raw,media=cdrom", Some("store:200/vm-200-cloudinit.raw")),
            ("", None),
        ] {
            assert_eq!(volid(value), expected, "{value}");
        }
    }

    #[test]
    fn a_value_tells_its_size_in_proxmox_s_units() {
        for (value, bytes) in [
            ("a:b,size=8G", Some(8 << 30)),
            ("a:b,size=102M,mp=/x", Some(102 << 20)),
            ("a:b,size=4K", Some(4 << 10)),
            ("a:b,size=1T", Some(1 << 40)),
            ("a:b,size=512", Some(512)),
            ("a:b,size=1.5G", None),
            ("a:b", None),
        ] {
            assert_eq!(size(value), bytes, "{value}");
        }
    }

    #[test]
    fn a_volume_s_name_says_whose_it_is() {
        let vmid = Vmid::new(101).unwrap();
        for volid in ["store:101/vm-101-disk-0.raw", "z:subvol-101-disk-1", "z:base-100-disk-0/vm-101-disk-0"]
        {
            assert!(is_named_for(volid, vmid), "{volid}");
        }
        for volid in ["store:100/vm-1011-disk-0.raw", "z:subvol-100-disk-1", "z:vm-101", "store:data"] {
            assert!(!is_named_for(volid, vmid), "{volid}");
        }
    }
}

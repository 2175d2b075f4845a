//! What a guest's configuration says of its size, for the report. Pure.

use crate::hub::wire::report::GuestSpec;
use crate::model::guest::GuestKind;
use crate::model::observed::GuestConfig;
use crate::model::sorted::Map;

const KIB: u64 = 1024;

/// The size of a guest as it runs now. What the configuration leaves to a default is absent.
pub(super) fn spec(kind: GuestKind, config: &GuestConfig) -> GuestSpec {
    let number = |key: &str| config.current.get(key).and_then(|text| text.trim().parse::<u64>().ok());
    GuestSpec {
        cores: number("cores").map(|cores| match kind {
            GuestKind::Lxc => cores,
            GuestKind::Qemu => cores.saturating_mul(number("sockets").unwrap_or(1)),
        }),
        memory_mb: memory(config),
        swap_mb: number("swap"),
        disk_gb: disk_gb(kind, &config.current),
    }
}

/// `1024`, or of a newer VM `current=1024`.
fn memory(config: &GuestConfig) -> Option<u64> {
    let text = config.current.get("memory")?;
    text.split(',').find_map(|part| part.strip_prefix("current=").unwrap_or(part).trim().parse().ok())
}

/// All disks together in GiB, rounded up; absent when there is none whose size is known.
fn disk_gb(kind: GuestKind, config: &Map<String, String>) -> Option<u64> {
    let sizes: Vec<u64> = config
        .iter()
        .filter(|(key, value)| is_disk(kind, key) && !value.split(',').any(|part| part == "media=cdrom"))
        .filter_map(|(_, value)| value.split(',').find_map(|part| part.strip_prefix("size=")))
        .filter_map(bytes)
        // A subvolume without a quota is written `size=0T`: that is no size.
        .filter(|size| *size > 0)
        .collect();
    let total = sizes.iter().fold(0_u64, |total, size| total.saturating_add(*size));
    (!sizes.is_empty()).then(|| total.div_ceil(KIB * KIB * KIB))
}

fn is_disk(kind: GuestKind, key: &str) -> bool {
    let numbered = |prefixes: &[&str]| {
        prefixes.iter().any(|prefix| {
            key.strip_prefix(prefix)
                .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
        })
    };
    match kind {
        GuestKind::Lxc => key == "rootfs" || numbered(&["mp"]),
        GuestKind::Qemu => numbered(&["scsi", "virtio", "sata", "ide"]),
    }
}

/// `102M`, `8G`, `1.5T`, or bytes.
fn bytes(size: &str) -> Option<u64> {
    let (number, unit) = match size.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => size.split_at(at),
        None => (size, ""),
    };
    let factor = match unit {
        "" => 1,
        "K" => KIB,
        "M" => KIB * KIB,
        "G" => KIB * KIB * KIB,
        "T" => KIB * KIB * KIB * KIB,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    let of_fraction = if fraction.is_empty() {
        0
    } else {
        let digits: u64 = fraction.get(..fraction.len().min(3))?.parse().ok()?;
        let scale = 10_u64.pow(u32::try_from(fraction.len().min(3)).ok()?);
        factor.checked_mul(digits)?.div_ceil(scale)
    };
    whole.checked_mul(factor)?.checked_add(of_fraction)
}

#[cfg(test)]
mod tests {
    use super::{bytes, spec};
    use crate::hub::wire::report::GuestSpec;
    use crate::model::guest::GuestKind;
    use crate::model::observed::GuestConfig;

    fn config(keys: &[(&str, &str)]) -> GuestConfig {
        let current = keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        GuestConfig { current, ..GuestConfig::default() }
    }

    #[test]
    fn a_size_is_read_in_each_unit() {
        for (text, expected) in [
            ("512", Some(512)),
            ("102M", Some(102 << 20)),
            ("8G", Some(8 << 30)),
            ("1.5G", Some(3 << 29)),
            ("2T", Some(2 << 40)),
            ("8X", None),
            ("", None),
            ("G", None),
            ("99999999999999999999G", None),
            ("18446744073709551615T", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn a_container_s_size_counts_its_mount_points() {
        let config = config(&[
            ("cores", "2"),
            ("memory", "1024"),
            ("swap", "512"),
            ("rootfs", "store:101/vm-101-disk-0.raw,size=102M"),
            ("mp0", "tank:101/vm-101-disk-1.raw,mp=/data,size=8G"),
            ("mp1", "/mnt/bind,mp=/bind"),
            ("unused0", "tank:x,size=100G"),
        ]);
        let expected =
            GuestSpec { cores: Some(2), memory_mb: Some(1024), swap_mb: Some(512), disk_gb: Some(9) };
        assert_eq!(spec(GuestKind::Lxc, &config), expected);
    }

    #[test]
    fn a_vm_s_size_leaves_out_its_cd_and_counts_its_sockets() {
        let config = config(&[
            ("cores", "2"),
            ("sockets", "2"),
            ("memory", "current=96"),
            ("scsi0", "store:200/vm-200-disk-0.qcow2,size=32G"),
            ("ide2", "local:iso/debian.iso,media=cdrom,size=600M"),
            ("scsihw", "virtio-scsi-pci"),
        ]);
        let expected = GuestSpec { cores: Some(4), memory_mb: Some(96), swap_mb: None, disk_gb: Some(32) };
        assert_eq!(spec(GuestKind::Qemu, &config), expected);
    }

    #[test]
    fn what_is_not_named_or_does_not_parse_is_absent() {
        let config =
            config(&[("memory", "abc"), ("swap", "-"), ("rootfs", "store:x"), ("mp0", "btr:x,size=0T")]);
        assert_eq!(spec(GuestKind::Lxc, &config), GuestSpec::default());
    }
}

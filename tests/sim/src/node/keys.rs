//! The keys of a configuration: which are integers, which a container takes while it runs, which privilege each needs.
//! Pure tables, read by everything that writes a configuration.

use serde_json::{Value, json};

use super::config_file::Kind;

const LXC_INTEGERS: [&str; 13] = [
    "memory",
    "swap",
    "onboot",
    "unprivileged",
    "protection",
    "template",
    "console",
    "tty",
    "cores",
    "cpuunits",
    "debug",
    "snaptime",
    "autostart",
];

const QEMU_INTEGERS: [&str; 21] = [
    "acpi",
    "autostart",
    "balloon",
    "ciupgrade",
    "cores",
    "cpuunits",
    "freeze",
    "kvm",
    "localtime",
    "numa",
    "onboot",
    "protection",
    "reboot",
    "shares",
    "snaptime",
    "sockets",
    "smp",
    "tablet",
    "tdf",
    "template",
    "vcpus",
];

const QEMU_TEXTS: [&str; 51] = [
    "affinity",
    "agent",
    "args",
    "arch",
    "audio",
    "bios",
    "boot",
    "bootdisk",
    "cdrom",
    "cicustom",
    "cipassword",
    "citype",
    "ciuser",
    "cpu",
    "cpulimit",
    "description",
    "efidisk",
    "hookscript",
    "hostpci",
    "hotplug",
    "hugepages",
    "ide",
    "ipconfig",
    "ivshmem",
    "keyboard",
    "lock",
    "machine",
    "memory",
    "meta",
    "migrate_downtime",
    "migrate_speed",
    "name",
    "nameserver",
    "net",
    "ostype",
    "rng",
    "sata",
    "scsi",
    "scsihw",
    "searchdomain",
    "serial",
    "smbios1",
    "sshkeys",
    "startup",
    "tags",
    "tpmstate",
    "unused",
    "usb",
    "vga",
    "virtio",
    "vmgenid",
];

const LXC_TEXTS: [&str; 19] = [
    "arch",
    "ostype",
    "hostname",
    "rootfs",
    "features",
    "tags",
    "startup",
    "nameserver",
    "searchdomain",
    "cpulimit",
    "cmode",
    "timezone",
    "hookscript",
    "lock",
    "parent",
    "env",
    "entrypoint",
    "snapstate",
    "description",
];

/// Keys a running container takes at once; everything else waits for its next start.
const LXC_HOTPLUG: [&str; 15] = [
    "description",
    "onboot",
    "startup",
    "protection",
    "hostname",
    "hookscript",
    "cores",
    "tags",
    "lock",
    "memory",
    "swap",
    "cpulimit",
    "cpuunits",
    "net",
    "dev",
];

/// Keys a running machine takes at once, with hotplug of `network,disk,usb`; those of cloud-init go into its next image.
const QEMU_HOTPLUG: [&str; 23] = [
    "description",
    "name",
    "tags",
    "onboot",
    "startup",
    "protection",
    "shares",
    "cpuunits",
    "cpulimit",
    "hookscript",
    "lock",
    "net",
    "balloon",
    "unused",
    "hotplug",
    "ciuser",
    "cipassword",
    "citype",
    "ciupgrade",
    "sshkeys",
    "ipconfig",
    "nameserver",
    "searchdomain",
];

/// `[a-z][a-z_]*\d*`: what the parser takes for a key.
pub fn is_well_formed(key: &str) -> bool {
    let stem = key.trim_end_matches(|character: char| character.is_ascii_digit());
    stem.starts_with(|character: char| character.is_ascii_lowercase())
        && stem.chars().all(|character| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || matches!(character, '_' | '-')
        })
}

/// `net` of `net0`; a key without a number is its own stem.
pub fn stem(key: &str) -> &str {
    match key {
        "smbios1" => key,
        _ => key.trim_end_matches(|character: char| character.is_ascii_digit()),
    }
}

pub fn is_integer(kind: Kind, key: &str) -> bool {
    match kind {
        Kind::Lxc => LXC_INTEGERS.contains(&key),
        Kind::Qemu => QEMU_INTEGERS.contains(&key),
    }
}

/// A value as JSON: an integer where Proxmox makes one, the raw text where it does not parse.
pub fn typed(kind: Kind, key: &str, value: &str) -> Value {
    if (is_integer(kind, key) || key == "vmstate")
        && let Ok(number) = value.parse::<i64>()
    {
        return json!(number);
    }
    json!(value)
}

/// Whether a written file still holds this value: unknown keys and integers that are none are lost.
pub fn survives_write(kind: Kind, key: &str, value: &str) -> bool {
    if kind == Kind::Qemu {
        return !is_integer(kind, key) || value.parse::<i64>().is_ok();
    }
    if is_integer(kind, key) {
        return value.parse::<i64>().is_ok();
    }
    LXC_TEXTS.contains(&key) || matches!(stem(key), "net" | "mp" | "dev" | "unused")
}

pub fn is_hotplugged(kind: Kind, key: &str) -> bool {
    match kind {
        Kind::Lxc => LXC_HOTPLUG.contains(&stem(key)),
        Kind::Qemu => QEMU_HOTPLUG.contains(&stem(key)),
    }
}

/// The keys that hold a volume.
pub fn is_volume(kind: Kind, key: &str) -> bool {
    match kind {
        Kind::Lxc => key == "rootfs" || stem(key) == "mp",
        Kind::Qemu => is_drive(key),
    }
}

/// `scsi0`, `virtio3`, `ide2`, `sata1`, `efidisk0`, `tpmstate0`.
pub fn is_drive(key: &str) -> bool {
    stem(key) != key && matches!(stem(key), "scsi" | "virtio" | "ide" | "sata" | "efidisk" | "tpmstate")
}

/// The privilege a token needs on `/vms/<vmid>` to write a key.
pub fn privilege(kind: Kind, key: &str) -> &'static str {
    match (kind, stem(key)) {
        (Kind::Lxc, "memory" | "swap") => "VM.Config.Memory",
        (Kind::Lxc, "cores" | "cpulimit" | "cpuunits") => "VM.Config.CPU",
        (Kind::Lxc, "net" | "nameserver" | "searchdomain" | "hostname") => "VM.Config.Network",
        (Kind::Lxc, "rootfs" | "mp" | "unused" | "dev") => "VM.Config.Disk",
        (Kind::Lxc, "features") => "VM.Allocate",
        (Kind::Qemu, "memory" | "balloon" | "shares") => "VM.Config.Memory",
        (Kind::Qemu, "cores" | "sockets" | "cpu" | "cpulimit" | "cpuunits" | "vcpus" | "numa" | "smp") => {
            "VM.Config.CPU"
        }
        (Kind::Qemu, "net" | "ipconfig") => "VM.Config.Network",
        (
            Kind::Qemu,
            "ciuser" | "cipassword" | "sshkeys" | "nameserver" | "searchdomain" | "citype" | "cicustom"
            | "ciupgrade",
        ) => "VM.Config.Cloudinit",
        (
            Kind::Qemu,
            "machine" | "scsihw" | "vga" | "hotplug" | "acpi" | "kvm" | "smbios1" | "watchdog" | "keyboard"
            | "tablet" | "hostpci" | "usb" | "serial",
        ) => "VM.Config.HWType",
        (
            Kind::Qemu,
            "boot" | "bootdisk" | "scsi" | "virtio" | "ide" | "sata" | "efidisk" | "tpmstate" | "unused",
        ) => "VM.Config.Disk",
        _ => "VM.Config.Options",
    }
}

/// Whether the kind has such an option at all.
pub fn is_known(kind: Kind, key: &str) -> bool {
    match kind {
        Kind::Lxc => LXC_INTEGERS.contains(&key) || survives_write(kind, key, "1"),
        Kind::Qemu => is_integer(kind, key) || QEMU_TEXTS.contains(&stem(key)) || QEMU_TEXTS.contains(&key),
    }
}

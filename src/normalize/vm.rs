//! The fields of a VM. What a running one takes depends on its `hotplug`: of memory and processors nothing is assumed.

use super::TakesEffect::{AtNextStart, AtOnce};
use super::lxc::{DOMAINS, SERVERS};
use super::map::{Map, Part, part};
use super::sort::Series;
use super::{Privilege, Row, Sort, form, net, plain};
use crate::model::desired::Field;

const OPTIONS: &[Privilege] = &[Privilege::OnGuest("VM.Config.Options")];
const MEMORY: &[Privilege] = &[Privilege::OnGuest("VM.Config.Memory")];
const CPU: &[Privilege] = &[Privilege::OnGuest("VM.Config.CPU")];
const HARDWARE: &[Privilege] = &[Privilege::OnGuest("VM.Config.HWType")];
const DISK: &[Privilege] = &[Privilege::OnGuest("VM.Config.Disk")];
const NETWORK: &[Privilege] = &[Privilege::OnGuest("VM.Config.Network")];
const CLOUD_INIT: &[Privilege] = &[Privilege::OnGuest("VM.Config.Cloudinit")];
/// It changes what the node does.
const STARTUP: &[Privilege] = &[Privilege::OnGuest("VM.Config.Options"), Privilege::OnRoot("Sys.Modify")];

const SYSTEMS: &[&str] = &[
    "other", "wxp", "w2k", "w2k3", "w2k8", "wvista", "win7", "win8", "win10", "win11", "l24", "l26",
    "solaris",
];
const SCSI: &[&str] = &["lsi", "lsi53c810", "virtio-scsi-pci", "virtio-scsi-single", "megasas", "pvscsi"];
const VGAS: &[&str] = &[
    "std",
    "cirrus",
    "qxl",
    "qxl2",
    "qxl3",
    "qxl4",
    "none",
    "serial0",
    "serial1",
    "serial2",
    "serial3",
    "virtio",
    "virtio-gl",
    "vmware",
];

const fn map(parts: &'static [Part], bare: &'static str) -> Map {
    Map { parts, bare, aliases: &[], needs: None, card: false }
}

const fn series(item: &'static form::Form, between: &'static [char]) -> Series {
    Series { item, between, ordered: false, prefix: "", words: &[], encoded: false }
}

static FLAGS: Series = series(&form::FLAG, &[';']);
static CPU_TYPE: Map = map(
    &[
        part("type", "cputype", Sort::Text(&form::WORD), "kvm64"),
        part("flags", "flags", Sort::List(&FLAGS), ""),
    ],
    "cputype",
);
static AGENT: Map = Map {
    aliases: &[("freeze-fs-on-backup", "freeze-fs"), ("guest-fsfreeze", "freeze-fs")],
    needs: Some(("enabled", "0")),
    ..map(
        &[
            part("enabled", "enabled", Sort::Flag, "0"),
            part("fstrim_cloned_disks", "fstrim_cloned_disks", Sort::Flag, "0"),
            part("freeze_fs", "freeze-fs", Sort::Flag, "1"),
            part("type", "type", Sort::OneOf(&["virtio", "isa"]), "virtio"),
        ],
        "enabled",
    )
};
static MACHINE: Map = map(
    &[
        part("type", "type", Sort::Machine(&form::MACHINE), "pc"),
        part("viommu", "viommu", Sort::OneOf(&["intel", "virtio"]), ""),
    ],
    "type",
);
static VGA: Map = map(
    &[
        part("type", "type", Sort::OneOf(VGAS), "std"),
        part("memory_mb", "memory", Sort::Number(4, 512), ""),
        part("clipboard", "clipboard", Sort::OneOf(&["vnc"]), ""),
    ],
    "type",
);
static BOOT: Series = Series { ordered: true, prefix: "order=", ..series(&form::DEVICE, &[';']) };
static HOTPLUG: Series =
    Series { words: &[("1", "network,disk,usb"), ("0", "")], ..series(&form::HOTPLUG, &[',']) };
static SSH_KEYS: Series = Series { encoded: true, ..series(&form::SSH_KEY, &['\n']) };

pub(super) static ROWS: [Row; 28] = [
    plain(Field::Name, "name", Sort::Text(&form::DNS_NAME), "", AtOnce, OPTIONS),
    plain(Field::Description, "description", Sort::Description, "", AtOnce, OPTIONS),
    plain(Field::Tags, "tags", Sort::Tags, "", AtOnce, OPTIONS),
    plain(Field::Cores, "cores", Sort::Number(1, 8_192), "1", AtNextStart, CPU),
    plain(Field::Sockets, "sockets", Sort::Number(1, 8_192), "1", AtNextStart, CPU),
    plain(Field::Vcpus, "vcpus", Sort::Number(1, 8_192), "", AtNextStart, CPU),
    plain(Field::Cpu, "cpu", Sort::Map(&CPU_TYPE), "", AtNextStart, CPU),
    plain(Field::CpuLimit, "cpulimit", Sort::Decimal(128), "0", AtOnce, CPU),
    plain(Field::CpuUnits, "cpuunits", Sort::Units(262_144), "100", AtOnce, CPU),
    plain(Field::MemoryMb, "memory", Sort::Memory(16, super::MAX_MEMORY_MB), "512", AtNextStart, MEMORY),
    plain(Field::BalloonMb, "balloon", Sort::Number(0, super::MAX_MEMORY_MB), "", AtOnce, MEMORY)
        .saying("without it as much as memory; 0 is no ballooning"),
    plain(Field::OnBoot, "onboot", Sort::Flag, "0", AtOnce, OPTIONS),
    plain(Field::Startup, "startup", Sort::Startup, "", AtOnce, STARTUP),
    plain(Field::Protection, "protection", Sort::Flag, "0", AtOnce, OPTIONS),
    plain(Field::Boot, "boot", Sort::List(&BOOT), "", AtNextStart, DISK),
    plain(Field::Agent, "agent", Sort::Map(&AGENT), "", AtNextStart, OPTIONS),
    plain(Field::Machine, "machine", Sort::Map(&MACHINE), "", AtNextStart, HARDWARE),
    plain(Field::Bios, "bios", Sort::OneOf(&["seabios", "ovmf"]), "seabios", AtNextStart, OPTIONS),
    plain(Field::Scsihw, "scsihw", Sort::OneOf(SCSI), "lsi", AtNextStart, HARDWARE),
    plain(Field::OsType, "ostype", Sort::OneOf(SYSTEMS), "other", AtNextStart, OPTIONS),
    plain(Field::Vga, "vga", Sort::Map(&VGA), "", AtNextStart, HARDWARE),
    plain(Field::Hotplug, "hotplug", Sort::List(&HOTPLUG), "1", AtOnce, HARDWARE),
    plain(Field::Nameserver, "nameserver", Sort::List(&SERVERS), "", AtOnce, CLOUD_INIT),
    plain(Field::SearchDomain, "searchdomain", Sort::List(&DOMAINS), "", AtOnce, CLOUD_INIT),
    plain(Field::CloudInitUser, "ciuser", Sort::Text(&form::LINE), "", AtOnce, CLOUD_INIT),
    plain(Field::CloudInitKeys, "sshkeys", Sort::List(&SSH_KEYS), "", AtOnce, CLOUD_INIT),
    plain(Field::IpConfig(0), "ipconfig", Sort::Map(&net::IP_CONFIG), "", AtOnce, NETWORK),
    plain(Field::Net(0), "net", Sort::Map(&net::VM), "", AtOnce, NETWORK).saying(net::ADDRESS_STAYS),
];

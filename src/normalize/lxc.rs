//! The fields of a container.

use super::TakesEffect::{AtNextStart, AtOnce, Never};
use super::features::FEATURES;
use super::sort::Series;
use super::{Privilege, Row, Sort, form, net, plain};
use crate::model::desired::Field;

const OPTIONS: &[Privilege] = &[Privilege::OnGuest("VM.Config.Options")];
const MEMORY: &[Privilege] = &[Privilege::OnGuest("VM.Config.Memory")];
const CPU: &[Privilege] = &[Privilege::OnGuest("VM.Config.CPU")];
const NETWORK: &[Privilege] = &[Privilege::OnGuest("VM.Config.Network")];
const ALLOCATE: &[Privilege] = &[Privilege::OnGuest("VM.Allocate")];

const ARCHITECTURES: &[&str] = &["amd64", "i386", "arm64", "armhf", "riscv32", "riscv64"];
const SYSTEMS: &[&str] = &[
    "debian",
    "devuan",
    "ubuntu",
    "centos",
    "fedora",
    "opensuse",
    "archlinux",
    "alpine",
    "gentoo",
    "nixos",
    "unmanaged",
];

/// Proxmox would take another word without complaint.
const TEMPLATE: &str = "it is what the template was";

pub(super) static SERVERS: Series = series(&form::IP);
pub(super) static DOMAINS: Series = series(&form::DNS_NAME);

const fn series(item: &'static form::Form) -> Series {
    Series { item, between: &[' ', ',', ';'], ordered: true, prefix: "", words: &[], encoded: false }
}

pub(super) static ROWS: [Row; 23] = [
    plain(Field::Name, "hostname", Sort::Text(&form::DNS_NAME), "", AtOnce, NETWORK)
        .saying("without it Proxmox names the container after its number: CT101"),
    plain(Field::Description, "description", Sort::Description, "", AtOnce, OPTIONS),
    plain(Field::Tags, "tags", Sort::Tags, "", AtOnce, OPTIONS),
    plain(Field::Cores, "cores", Sort::Number(1, 8_192), "", AtOnce, CPU)
        .saying("without it the guest has all cores of the node, which no number says"),
    plain(Field::CpuLimit, "cpulimit", Sort::Decimal(8_192), "0", AtOnce, CPU),
    plain(Field::CpuUnits, "cpuunits", Sort::Units(500_000), "100", AtOnce, CPU),
    plain(Field::MemoryMb, "memory", Sort::Number(16, super::MAX_MEMORY_MB), "512", AtOnce, MEMORY).kept(),
    plain(Field::SwapMb, "swap", Sort::Number(0, super::MAX_MEMORY_MB), "0", AtOnce, MEMORY)
        .kept()
        .saying("Proxmox's schema says 512, but at run time an absent swap is none"),
    plain(Field::OnBoot, "onboot", Sort::Flag, "0", AtOnce, OPTIONS),
    plain(Field::Startup, "startup", Sort::Startup, "", AtOnce, OPTIONS),
    plain(Field::Protection, "protection", Sort::Flag, "0", AtOnce, OPTIONS),
    plain(Field::Nameserver, "nameserver", Sort::List(&SERVERS), "", AtNextStart, NETWORK),
    plain(Field::SearchDomain, "searchdomain", Sort::List(&DOMAINS), "", AtNextStart, NETWORK),
    plain(Field::Features, "features", Sort::Map(&FEATURES), "", AtNextStart, ALLOCATE)
        .saying("a token may change nesting of an unprivileged container; all else needs root@pam itself"),
    plain(Field::Unprivileged, "unprivileged", Sort::Flag, "0", Never, ALLOCATE)
        .saying("new containers are unprivileged, but one whose configuration does not say it is not"),
    plain(Field::Arch, "arch", Sort::OneOf(ARCHITECTURES), "amd64", Never, OPTIONS).saying(TEMPLATE),
    plain(Field::OsType, "ostype", Sort::OneOf(SYSTEMS), "", Never, OPTIONS).saying(TEMPLATE),
    plain(Field::Cmode, "cmode", Sort::OneOf(&["tty", "console", "shell"]), "tty", AtNextStart, OPTIONS),
    plain(Field::Tty, "tty", Sort::Number(0, 6), "2", AtNextStart, OPTIONS),
    plain(Field::Console, "console", Sort::Flag, "1", AtNextStart, OPTIONS),
    plain(Field::Entrypoint, "entrypoint", Sort::Text(&form::LINE), "/sbin/init", AtNextStart, OPTIONS),
    plain(Field::Timezone, "timezone", Sort::Text(&form::PATH), "", AtNextStart, OPTIONS),
    plain(Field::Net(0), "net", Sort::Map(&net::LXC), "", AtOnce, NETWORK).saying(net::ADDRESS_STAYS),
];

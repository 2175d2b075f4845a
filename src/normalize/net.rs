//! Network cards, and what cloud-init sets on them.

use super::map::{Map, Part, lasting, late, part};
use super::sort::Series;
use super::{Sort, form, property_string};

/// What a VM's card can be.
pub const MODELS: &[&str] = &[
    "virtio",
    "e1000",
    "e1000-82540em",
    "e1000-82544gc",
    "e1000-82545em",
    "e1000e",
    "i82551",
    "i82557b",
    "i82559er",
    "ne2k_isa",
    "ne2k_pci",
    "pcnet",
    "rtl8139",
    "vmxnet3",
];

pub(super) const ADDRESS_STAYS: &str = "\
    a card keeps its hardware address: every write carries it, and another one needs a signature; \
    a bridge or VLAN that is written takes SDN.Use on it";

static TRUNKS: Series =
    Series { item: &form::VLAN, between: &[';'], ordered: false, prefix: "", words: &[], encoded: false };

const IP: Part = part("ip", "ip", Sort::Text(&form::NET4), "");
const IP6: Part = part("ip6", "ip6", Sort::Text(&form::NET6), "");
const GW: Part = part("gw", "gw", Sort::Text(&form::IP4), "");
const GW6: Part = part("gw6", "gw6", Sort::Text(&form::IP6), "");
const BRIDGE: Part = part("bridge", "bridge", Sort::Text(&form::WORD), "");
const VLAN: Part = part("vlan", "tag", Sort::Number(1, 4_094), "");
const TRUNK: Part = part("trunks", "trunks", Sort::List(&TRUNKS), "");
const FIREWALL: Part = part("firewall", "firewall", Sort::Flag, "0");
const LINK_DOWN: Part = part("link_down", "link_down", Sort::Flag, "0");
/// Megabytes a second.
const RATE: Part = part("rate", "rate", Sort::Decimal(1_000_000), "");

pub(super) static LXC: Map = Map {
    parts: &[
        lasting("name", "name", Sort::Text(&form::WORD)),
        BRIDGE,
        lasting("mac", "hwaddr", Sort::Text(&form::MAC)),
        IP,
        GW,
        IP6,
        GW6,
        VLAN,
        late(TRUNK),
        FIREWALL,
        LINK_DOWN,
        RATE,
        late(part("mtu", "mtu", Sort::Number(64, 65_535), "")),
    ],
    bare: "",
    aliases: &[],
    needs: Some(("name", "eth")),
    card: true,
};

pub(super) static VM: Map = Map {
    parts: &[
        lasting("model", "model", Sort::OneOf(MODELS)),
        BRIDGE,
        lasting("mac", "macaddr", Sort::Text(&form::MAC)),
        VLAN,
        TRUNK,
        FIREWALL,
        LINK_DOWN,
        RATE,
        // 1: the bridge's own.
        part("mtu", "mtu", Sort::Number(1, 65_520), ""),
        part("queues", "queues", Sort::Number(0, 64), ""),
    ],
    bare: "model",
    aliases: &[],
    needs: Some(("model", "virtio")),
    card: true,
};

pub(super) static IP_CONFIG: Map =
    Map { parts: &[IP, GW, IP6, GW6], bare: "", aliases: &[], needs: None, card: false };

/// The hardware address in a card's text, of either kind of guest.
pub fn address(card: &str) -> Option<String> {
    property_string::parse(card, "model")?.into_values().find_map(form::MAC.take)
}

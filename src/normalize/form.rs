//! Forms of text: what Proxmox's schema takes, each brought to one spelling.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A kind of text.
#[derive(Debug)]
pub struct Form {
    /// Its normal form; `None`: it is none of these.
    pub take: fn(&str) -> Option<String>,
    pub allowed: &'static str,
}

macro_rules! forms {
    ($($name:ident, $take:expr, $allowed:expr;)*) => {
        $(pub static $name: Form = Form { take: $take, allowed: $allowed };)*
    };
}

forms! {
    DNS_NAME, |text| as_is(text, text.len() <= 255 && is_dns_name(text)),
        "a DNS name of at most 255 characters: letters, digits, inner hyphens, dots between labels";
    WORD, |text| as_is(text, is_word(text)), "letters, digits, '-', '_' and '.'";
    MAC, mac, "a hardware address that is not multicast: BC:24:11:00:00:01";
    IP, ip, "an IP address";
    IP4, |text| Some(text.parse::<Ipv4Addr>().ok()?.to_string()), "an IPv4 address";
    IP6, |text| Some(text.parse::<Ipv6Addr>().ok()?.to_string()), "an IPv6 address";
    NET4, |text| network(text, &["dhcp", "manual"], 32), "dhcp, manual or an IPv4 address with its prefix: 10.0.0.2/24";
    NET6, |text| network(text, &["auto", "dhcp", "manual"], 128),
        "auto, dhcp, manual or an IPv6 address with its prefix";
    VLAN, |text| Some(super::sort::decimal(text).filter(|vlan| (1..=4_094).contains(vlan))?.to_string()),
        "a number from 1 to 4094";
    FLAG, |text| as_is(text, text.strip_prefix(['+', '-']).is_some_and(is_word)), "a CPU flag with '+' or '-' before it";
    DEVICE, |text| as_is(text, is_device(text)), "a device that can be booted from: scsi0, net0";
    LINE, |text| as_is(text, is_line(text)), "a text without control characters";
    PATH, |text| as_is(text, text.split('/').all(is_word)), "a name, parts separated by '/'";
    SSH_KEY, |text| as_is(text, is_line(text) && is_ssh_key(text)), "a public key as OpenSSH writes it on one line";
    MACHINE, |text| as_is(text, text.len() <= 40 && is_machine(text)), "pc, q35, virt or one of them with a version: pc-q35-9.0";
    FILE_SYSTEM, |text| as_is(text, !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')),
        "letters, digits and '_'";
    HOTPLUG, |text| as_is(text, HOTPLUGGED.contains(&text)), "network, disk, cpu, memory, usb or cloudinit";
}

const HOTPLUGGED: [&str; 6] = ["network", "disk", "cpu", "memory", "usb", "cloudinit"];

fn as_is(text: &str, is: bool) -> Option<String> {
    is.then(|| text.to_owned())
}

/// Labels of letters, digits and inner hyphens.
pub fn is_dns_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| {
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inner)
    };
    name.split('.').all(label)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

fn is_device(text: &str) -> bool {
    let stem = text.trim_end_matches(|digit: char| digit.is_ascii_digit());
    stem != text && ["ide", "sata", "scsi", "virtio", "net", "hostpci", "usb"].contains(&stem)
}

fn is_ssh_key(text: &str) -> bool {
    text.split(' ').nth(1).is_some_and(|key| key.starts_with("AAAA") && key.len() > 20)
}

fn is_machine(text: &str) -> bool {
    ["pc", "q35", "virt"].contains(&text)
        || (text.starts_with("pc-") || text.starts_with("virt-"))
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.+".contains(&byte))
}

/// The machine without the version that it is pinned to.
pub(super) fn unpinned(machine: &str) -> &str {
    if machine.starts_with("pc-q35") { "q35" } else { machine.split('-').next().unwrap_or(machine) }
}

/// Capitals, as Proxmox makes them.
fn mac(text: &str) -> Option<String> {
    let pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    let multicast = text.as_bytes().get(1).is_some_and(|digit| b"13579bBdDfF".contains(digit));
    let is = text.split(':').count() == 6 && text.split(':').all(pair) && !multicast;
    is.then(|| text.to_ascii_uppercase())
}

/// A link-local one may name its interface.
fn ip(text: &str) -> Option<String> {
    match text.split_once('%') {
        Some((address, link)) if is_word(link) => {
            Some(format!("{}%{link}", address.parse::<Ipv6Addr>().ok()?))
        }
        _ => Some(text.parse::<IpAddr>().ok()?.to_string()),
    }
}

fn network(text: &str, words: &[&str], bits: u8) -> Option<String> {
    if words.contains(&text) {
        return Some(text.to_owned());
    }
    let (address, prefix) = text.split_once('/')?;
    let address = if bits == 32 { (IP4.take)(address) } else { (IP6.take)(address) }?;
    let prefix = super::sort::decimal(prefix).filter(|prefix| *prefix <= u64::from(bits))?;
    Some(format!("{address}/{prefix}"))
}

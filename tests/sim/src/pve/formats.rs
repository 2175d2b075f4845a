//! The named formats of parameters that the agent sends, with Proxmox's own complaints. A format that is not here accepts all.

use std::net::IpAddr;

/// Checks a value; lists (`…-list`) are split at commas, semicolons and blanks, and each item is checked.
pub(super) fn check(format: &str, text: &str) -> Result<(), String> {
    if format == "pve-tag-list" {
        return items(text).try_for_each(tag);
    }
    if let Some(single) = format.strip_suffix("-list") {
        return items(text).try_for_each(|item| check(single, item));
    }
    match format {
        "pve-vmid" => vmid(text),
        "pve-configid" => config_id(text),
        "pve-node" => need(is_host_label(text), || "value does not look like a valid node name".to_owned()),
        "pve-storage-id" | "pve-storage" => storage_id(text),
        "pve-poolid" => pool_id(text),
        "pve-userid" => need(
            text.split_once('@').is_some_and(|(name, realm)| !name.is_empty() && !realm.is_empty()),
            || format!("value '{text}' does not look like a valid user name"),
        ),
        "pve-startup-order" => startup(text),
        "dns-name" => need(is_dns_name(text), || "value does not look like a valid DNS name".to_owned()),
        "ip" | "address" | "lxc-ip-with-ll-iface" => ip(text),
        "ipv4" => need(text.parse::<std::net::Ipv4Addr>().is_ok(), || {
            "value does not look like a valid IPv4 address".to_owned()
        }),
        "ipv6" => need(text.parse::<std::net::Ipv6Addr>().is_ok(), || {
            "value does not look like a valid IPv6 address".to_owned()
        }),
        "pve-ipv4-config" => ip_config(text, 32),
        "pve-ipv6-config" => ip_config(text, 128),
        "mac-addr" => mac(text),
        "pve-volume-id" => volume_id(text),
        "pve-lxc-mp-string" => no_dots(text),
        "disk-size" => {
            need(is_disk_size(text), || format!("value '{text}' does not look like a valid disk size"))
        }
        "pve-qm-boot" => boot(text),
        _ => Ok(()),
    }
}

fn need(holds: bool, complaint: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(complaint()) }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';', ' ', '\t', '\n', '\0']).filter(|item| !item.is_empty())
}

fn vmid(text: &str) -> Result<(), String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let holds = digits && text.parse::<u64>().is_ok_and(|vmid| (100..=999_999_999).contains(&vmid));
    need(holds, || "value does not look like a valid VM ID".to_owned())
}

fn config_id(text: &str) -> Result<(), String> {
    let mut bytes = text.bytes();
    let holds = bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && text.len() > 1
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    need(holds, || format!("invalid configuration ID '{text}'"))
}

fn storage_id(text: &str) -> Result<(), String> {
    let mut bytes = text.bytes();
    let holds = bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
        && text.len() > 1
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    need(holds, || format!("storage ID '{text}' contains illegal characters"))
}

fn pool_id(text: &str) -> Result<(), String> {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let holds = text.split('/').count() <= 3 && text.split('/').all(part);
    need(holds, || format!("pool name '{text}' contains invalid characters"))
}

fn tag(text: &str) -> Result<(), String> {
    let mut bytes = text.bytes();
    let starts = bytes.next().is_some_and(|first| first.is_ascii_alphanumeric() || first == b'_');
    let holds = starts && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-+.".contains(&byte));
    need(holds, || "invalid characters in tag".to_owned())
}

/// `order=1,up=30,down=60`, or a bare order.
fn startup(text: &str) -> Result<(), String> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let part = |part: &str| match part.split_once('=') {
        Some(("order" | "up" | "down", value)) => number(value),
        // A bare order is taken only if it is not zero, as Perl's truth has it.
        None => number(part) && !part.trim_start_matches('0').is_empty(),
        Some(_) => false,
    };
    let holds = text.split(',').filter(|part| !part.is_empty()).all(part);
    need(holds && !text.is_empty(), || "unable to parse startup options".to_owned())
}

fn is_host_label(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_dns_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|label| label.len() <= 63 && is_host_label(label))
}

fn ip(text: &str) -> Result<(), String> {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    need(address.parse::<IpAddr>().is_ok(), || "value does not look like a valid IP address".to_owned())
}

fn ip_config(text: &str, most: u8) -> Result<(), String> {
    if matches!(text, "dhcp" | "manual") || (most == 128 && text == "auto") {
        return Ok(());
    }
    let holds = text.split_once('/').is_some_and(|(address, bits)| {
        let fits = address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4() == (most == 32));
        fits && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
    });
    let version = if most == 32 { 4 } else { 6 };
    need(holds, || format!("value does not look like a valid ipv{version} network configuration"))
}

fn mac(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.split(':').collect();
    let hex = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let multicast =
        parts.first().and_then(|part| u8::from_str_radix(part, 16).ok()).is_some_and(|first| first & 1 == 1);
    need(parts.len() == 6 && parts.iter().all(hex) && !multicast, || {
        "value does not look like a valid unicast MAC address".to_owned()
    })
}

fn volume_id(text: &str) -> Result<(), String> {
    let holds =
        text.split_once(':').is_some_and(|(storage, name)| storage_id(storage).is_ok() && !name.is_empty());
    need(holds, || format!("unable to parse volume ID '{text}'"))
}

fn no_dots(text: &str) -> Result<(), String> {
    let holds = !text.split('/').any(|part| matches!(part, "." | ".."));
    need(holds, || format!("{text} contains illegal character sequences"))
}

fn is_disk_size(text: &str) -> bool {
    let number = text.strip_suffix(['K', 'M', 'G', 'T']).unwrap_or(text);
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(part)
}

/// `order=scsi0;net0`: each must be a kind of device one can boot from. The old form (`cdn`) is accepted as it is.
fn boot(text: &str) -> Result<(), String> {
    let Some(order) = text.strip_prefix("order=") else { return Ok(()) };
    for device in order.split(';').filter(|device| !device.is_empty()) {
        let stem = device.trim_end_matches(|digit: char| digit.is_ascii_digit());
        let known =
            ["ide", "sata", "scsi", "virtio", "net", "hostpci", "usb"].contains(&stem) && stem != device;
        if !known {
            return Err(format!(
                "format error\nboot.order: invalid format - invalid boot device '{device}'\n"
            ));
        }
    }
    Ok(())
}

//! What keeps a restored guest away from everything real: from the network, from the host's devices and folders, from other
//! guests' volumes. Pure; looked at before the restore, in what the backup holds, and once more before the start, in what was
//! made of it.

use crate::model::guest::{GuestId, GuestKind};
use crate::model::sorted::Map;
use crate::model::volume;

/// Keys, or how numbered keys begin, that reach beyond the guest: the host's devices and folders, programs that the host would run.
const REACH_OUT: [&str; 9] =
    ["hookscript", "args", "hostpci", "usb", "dev", "parallel", "virtiofs", "lxc.", "serial"];

/// The keys of a configuration that would let the guest reach the host, or another guest's volumes. `own`: whose volumes it may
/// name; `None` in a backup, whose volumes are made anew.
pub(super) fn reaches_out(kind: GuestKind, lines: &[(String, String)], own: Option<GuestId>) -> Vec<String> {
    let reaches = |(key, value): &&(String, String)| {
        let stem = key.trim_end_matches(|letter: char| letter.is_ascii_digit());
        if stem == "serial" {
            return value != "socket";
        }
        if REACH_OUT.contains(&stem) || key.starts_with("lxc.") {
            return true;
        }
        if !volume::holds_volume(key) || (kind == GuestKind::Qemu && volume::is_removable(value)) {
            return false;
        }
        match (volume::volid(value), own) {
            // A bind mount, or a device of the host. `none` is an empty drive.
            (None, _) => volume::first_part(value) != "none",
            (Some(volid), Some(own)) => !volume::is_named_for(volid, own.vmid),
            (Some(_), None) => false,
        }
    };
    lines.iter().filter(reaches).map(|(key, _)| key.clone()).collect()
}

fn is_net(key: &str) -> bool {
    key.strip_prefix("net")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The nets of a backup as the restored guest gets them: the cable unplugged, or all on one bridge; without the address they had.
pub(super) fn nets(kind: GuestKind, lines: &[(String, String)], bridge: Option<&str>) -> Map<String, String> {
    let cut_off = |value: &String| {
        let keep = |part: &&str| {
            let (name, _) = part.split_once('=').unwrap_or((part, ""));
            let is_outside =
                matches!(name, "bridge" | "link_down" | "tag" | "trunks" | "hwaddr" | "macaddr" | "firewall");
            !is_outside || (name == "bridge" && bridge.is_none())
        };
        let mut parts: Vec<String> = value.split(',').filter(keep).map(str::to_owned).collect();
        if let (GuestKind::Qemu, Some(first)) = (kind, parts.first_mut()) {
            // `virtio=BC:24:11:…`: without the address Proxmox makes a new one.
            if let Some((model, _)) = first.split_once('=').filter(|(name, _)| *name != "model") {
                *first = model.to_owned();
            }
        }
        match bridge {
            Some(bridge) => parts.push(format!("bridge={bridge}")),
            None => parts.push("link_down=1".to_owned()),
        }
        parts.join(",")
    };
    lines.iter().filter(|(key, _)| is_net(key)).map(|(key, value)| (key.clone(), cut_off(value))).collect()
}

/// Why the guest that was made is not started: `None` if it is as it was ordered.
pub(super) fn not_isolated(
    guest: GuestId,
    made: &[(String, String)],
    backup: &[(String, String)],
    bridge: Option<&str>,
) -> Option<String> {
    let foreign = reaches_out(guest.kind, made, Some(guest));
    if !foreign.is_empty() {
        return Some(format!("{} reach beyond it", foreign.join(", ")));
    }
    let has = |value: &str, part: &str| value.split(',').any(|one| one == part);
    let wanted = bridge.map_or_else(|| "link_down=1".to_owned(), |bridge| format!("bridge={bridge}"));
    let before: Vec<String> =
        backup.iter().filter(|(key, _)| is_net(key)).filter_map(|(_, value)| address(value)).collect();
    for (key, value) in made.iter().filter(|(key, _)| is_net(key)) {
        if !has(value, &wanted) {
            return Some(format!("{key} is not cut off from the network: {value}"));
        }
        if address(value).is_none_or(|address| before.contains(&address)) {
            return Some(format!("{key} has the address of the guest in the backup"));
        }
    }
    let starts = made.iter().any(|(key, value)| key == "onboot" && value == "1");
    starts.then(|| "it would start with the node".to_owned())
}

/// The MAC address in a net's value, in capitals.
fn address(value: &str) -> Option<String> {
    let is_address = |text: &&str| text.len() == 17 && text.bytes().filter(|byte| *byte == b':').count() == 5;
    value
        .split(',')
        .filter_map(|part| part.split_once('='))
        .map(|(_, text)| text)
        .find(is_address)
        .map(str::to_ascii_uppercase)
}

/// Whether a configuration has a net on this bridge.
pub(super) fn uses_bridge(config: &Map<String, String>, bridge: &str) -> bool {
    let on_it = |value: &String| value.split(',').any(|part| part.strip_prefix("bridge=") == Some(bridge));
    config.iter().any(|(key, value)| is_net(key) && on_it(value))
}

#[cfg(test)]
mod tests {
    use super::{nets, not_isolated, reaches_out, uses_bridge};
    use crate::model::guest::{GuestId, GuestKind, Vmid};

    fn lines(text: &str) -> Vec<(String, String)> {
        text.lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(key, value)| (key.into(), value.into()))
            .collect()
    }

    const LXC: &str = "net0: name=eth0,bridge=vmbr0,firewall=1,hwaddr=BC:24:11:00:00:01,ip=10.0.0.5/24,gw=10.0.0.1,tag=30,type=veth\n\
                       rootfs: store:101/vm-101-disk-0.raw,size=8G";

    #[test]
    fn what_reaches_the_host_is_named() {
        for (kind, line, expected) in [
            (GuestKind::Lxc, "mp0: /mnt/data,mp=/data", "mp0"),
            (GuestKind::Lxc, "mp0: store:101/vm-101-disk-1.raw,mp=/data", ""),
            (GuestKind::Lxc, "dev0: /dev/dri/card0", "dev0"),
            (GuestKind::Lxc, "lxc.mount.entry: /srv srv none bind", "lxc.mount.entry"),
            (GuestKind::Lxc, "hookscript: local:snippets/x.pl", "hookscript"),
            (GuestKind::Qemu, "scsi1: /dev/disk/by-id/x,size=8G", "scsi1"),
            (GuestKind::Qemu, "scsi0: store:200/vm-200-disk-0.raw", ""),
            (GuestKind::Qemu, "ide2: none,media=cdrom", ""),
            (GuestKind::Qemu, "ide2: local:iso/debian.iso,media=cdrom", ""),
            (GuestKind::Qemu, "hostpci0: 0000:01:00.0", "hostpci0"),
            (GuestKind::Qemu, "usb1: host=1234:5678", "usb1"),
            (GuestKind::Qemu, "serial0: socket", ""),
            (GuestKind::Qemu, "serial0: /dev/ttyS0", "serial0"),
            (GuestKind::Qemu, "args: -device x", "args"),
            (GuestKind::Qemu, "scsihw: virtio-scsi-pci", ""),
            (GuestKind::Qemu, "memory: 512", ""),
        ] {
            assert_eq!(reaches_out(kind, &lines(line), None).join(","), expected, "{line}");
        }
    }

    #[test]
    fn a_net_loses_its_cable_and_its_address_and_keeps_the_rest() {
        let unplugged = nets(GuestKind::Lxc, &lines(LXC), None);
        assert_eq!(
            unplugged["net0"],
            "name=eth0,bridge=vmbr0,ip=10.0.0.5/24,gw=10.0.0.1,type=veth,link_down=1"
        );
        let moved = nets(GuestKind::Lxc, &lines(LXC), Some("vmbr9"));
        assert_eq!(moved["net0"], "name=eth0,ip=10.0.0.5/24,gw=10.0.0.1,type=veth,bridge=vmbr9");
        let vm = lines("net1: virtio=BC:24:11:00:00:02,bridge=vmbr0,queues=2");
        assert_eq!(nets(GuestKind::Qemu, &vm, None)["net1"], "virtio,bridge=vmbr0,queues=2,link_down=1");
    }

    #[test]
    fn a_guest_is_started_only_when_it_is_as_it_was_ordered() {
        let guest = GuestId::new(GuestKind::Lxc, Vmid::new(990_000).unwrap());
        let made = |net: &str, root: &str, more: &str| lines(&format!("net0: {net}\nrootfs: {root}\n{more}"));
        let (net, root) = (
            "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:AA:00:01,link_down=1",
            "store:990000/vm-990000-disk-0.raw",
        );
        let why =
            |made: Vec<(String, String)>| not_isolated(guest, &made, &lines(LXC), None).unwrap_or_default();
        assert_eq!(why(made(net, root, "")), "");
        assert!(
            why(made("name=eth0,bridge=vmbr0,hwaddr=BC:24:11:AA:00:01", root, "")).contains("not cut off")
        );
        assert!(why(made("name=eth0,hwaddr=bc:24:11:00:00:01,link_down=1", root, "")).contains("address"));
        assert!(why(made(net, "store:101/vm-101-disk-0.raw", "")).contains("rootfs"));
        assert!(why(made(net, root, "onboot: 1")).contains("start with the node"));
        assert!(why(made(net, root, "mp0: /srv,mp=/srv")).contains("mp0"));
    }

    #[test]
    fn a_bridge_is_used_by_whoever_has_a_net_on_it() {
        let config = lines(LXC).into_iter().collect();
        assert!(uses_bridge(&config, "vmbr0") && !uses_bridge(&config, "vmbr"));
    }
}

//! Every row of the written and the read form, through the simulated node: each on a guest of its own, written, read back as Proxmox
//! keeps it, and then there is nothing left to write.

use felhom_agent::model::desired::Field;
use felhom_agent::model::guest::GuestKind;
use felhom_agent::model::hold::HoldReason;
use felhom_agent::normalize;
use felhom_agent::status::ResourceState;
use felhom_sim::node::World;
use felhom_sim::node::config_file::shown_description;
use felhom_sim::pve::{Options, PveSim};
use serde_json::{Value, json};

use crate::rig::{Rig, lxc, manifest, vm};

/// What stands in the configuration, what is wanted, the key that is looked at and what it holds in the end.
type Round = (&'static str, Value, &'static str, Option<&'static str>);

const KEY: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ me@home";

fn of_containers() -> Vec<Round> {
    vec![
        ("", json!({"name": "Web.example"}), "hostname", Some("Web.example")),
        ("", json!({"description": "two\nlines\n\n"}), "description", Some("two\nlines\n")),
        ("", json!({"tags": ["b", "A", "c"]}), "tags", Some("a;b;c")),
        ("tags: a;b\n", json!({"tags": []}), "tags", None),
        ("cores: 2\n", json!({"cores": "absent"}), "cores", None),
        ("", json!({"cores": 3}), "cores", Some("3")),
        ("", json!({"cpu_limit": 1.50}), "cpulimit", Some("1.5")),
        ("cpulimit: 2.0\n", json!({"cpu_limit": 2}), "cpulimit", Some("2.0")),
        ("", json!({"cpu_units": 200_000}), "cpuunits", Some("10000")),
        ("", json!({"memory_mb": 256}), "memory", Some("256")),
        ("", json!({"swap_mb": "absent"}), "swap", Some("0")),
        ("", json!({"on_boot": true}), "onboot", Some("1")),
        ("onboot: 0\n", json!({"on_boot": false}), "onboot", Some("0")),
        (
            "startup: up=30,order=1\n",
            json!({"startup": {"order": 1, "up_s": 30}}),
            "startup",
            Some("up=30,order=1"),
        ),
        ("", json!({"startup": {"order": 2, "down_s": 5}}), "startup", Some("order=2,down=5")),
        ("", json!({"protection": true}), "protection", Some("1")),
        ("", json!({"nameserver": ["10.0.0.1", "FD00::1"]}), "nameserver", Some("10.0.0.1 fd00::1")),
        ("nameserver: 10.0.0.1\n", json!({"nameserver": "absent"}), "nameserver", None),
        ("", json!({"search_domain": ["a.example", "b"]}), "searchdomain", Some("a.example b")),
        ("", json!({"features": {"nesting": true}}), "features", Some("nesting=1")),
        (
            "features: keyctl=1,mount=nfs;cifs\n",
            json!({"features": {"nesting": true, "keyctl": true, "fuse": false, "mount": ["cifs", "nfs"]}}),
            "features",
            Some("keyctl=1,mount=nfs;cifs,nesting=1"),
        ),
        ("", json!({"unprivileged": true, "arch": "amd64", "os_type": "debian"}), "unprivileged", Some("1")),
        ("", json!({"cmode": "shell"}), "cmode", Some("shell")),
        ("tty: 2\n", json!({"tty": "absent", "console": true}), "tty", Some("2")),
        ("", json!({"tty": 4}), "tty", Some("4")),
        ("", json!({"console": false}), "console", Some("0")),
        ("", json!({"entrypoint": "/sbin/openrc default"}), "entrypoint", Some("/sbin/openrc default")),
        ("", json!({"timezone": "Europe/Budapest"}), "timezone", Some("Europe/Budapest")),
        (
            "net0: name=eth0,bridge=vmbr0,hwaddr=bc:24:11:00:00:01,ip=dhcp,mtu=1400,type=veth\n",
            json!({"nets": [{"key": "net0", "bridge": "vmbr1", "vlan": 30, "firewall": true, "rate": 0.5, "mtu": "absent",
                "ip6": "FD00:0::1/64"}]}),
            "net0",
            Some(
                "name=eth0,bridge=vmbr1,firewall=1,hwaddr=bc:24:11:00:00:01,ip=dhcp,ip6=fd00::1/64,rate=0.5,tag=30,type=veth",
            ),
        ),
        (
            "net0: name=eth0,bridge=vmbr0,hwaddr=bc:24:11:00:00:01,tag=7,type=veth\n",
            json!({"nets": [{"key": "net0", "mac": "BC:24:11:00:00:01", "name": "eth0", "vlan": 7, "link_down": false}]}),
            "net0",
            Some("name=eth0,bridge=vmbr0,hwaddr=bc:24:11:00:00:01,tag=7,type=veth"),
        ),
        (
            "",
            json!({"nets": [{"key": "net3", "mac": "BC:24:11:00:00:07", "bridge": "vmbr0", "ip": "10.0.0.2/24", "gw": "10.0.0.1"}]}),
            "net3",
            Some("name=eth3,bridge=vmbr0,gw=10.0.0.1,hwaddr=BC:24:11:00:00:07,ip=10.0.0.2/24,type=veth"),
        ),
    ]
}

fn of_vms() -> Vec<Round> {
    vec![
        ("", json!({"name": "Films"}), "name", Some("Films")),
        ("", json!({"description": "line  \n\n"}), "description", Some("line")),
        ("", json!({"tags": ["b", "A"]}), "tags", Some("a;b")),
        ("", json!({"cores": 2}), "cores", Some("2")),
        ("sockets: 2\n", json!({"sockets": "absent"}), "sockets", None),
        ("", json!({"sockets": 2}), "sockets", Some("2")),
        ("", json!({"vcpus": 1}), "vcpus", Some("1")),
        ("cpu: host\n", json!({"cpu": {"flags": ["-pcid", "+aes"]}}), "cpu", Some("host,flags=+aes;-pcid")),
        ("cpu: cputype=host\n", json!({"cpu": "host"}), "cpu", Some("cputype=host")),
        ("", json!({"cpu": "kvm64"}), "cpu", None),
        ("", json!({"cpu_limit": 2}), "cpulimit", Some("2")),
        ("", json!({"cpu_units": 20_000}), "cpuunits", Some("10000")),
        ("", json!({"memory_mb": 128}), "memory", Some("128")),
        ("balloon: 32\n", json!({"balloon_mb": 0}), "balloon", Some("0")),
        ("balloon: 0\n", json!({"balloon_mb": "absent"}), "balloon", None),
        ("", json!({"on_boot": true}), "onboot", Some("1")),
        ("", json!({"startup": {"up_s": 5}}), "startup", Some("up=5")),
        ("", json!({"protection": true}), "protection", Some("1")),
        ("", json!({"boot": ["net0", "scsi0"]}), "boot", Some("order=net0;scsi0")),
        (
            "agent: 1,guest-fsfreeze=0\n",
            json!({"agent": {"freeze_fs": false}}),
            "agent",
            Some("1,guest-fsfreeze=0"),
        ),
        (
            "",
            json!({"agent": {"enabled": true, "fstrim_cloned_disks": true}}),
            "agent",
            Some("1,fstrim_cloned_disks=1"),
        ),
        ("machine: pc-q35-9.0\n", json!({"machine": "q35"}), "machine", Some("pc-q35-9.0")),
        ("", json!({"machine": {"type": "q35", "viommu": "virtio"}}), "machine", Some("q35,viommu=virtio")),
        ("", json!({"bios": "ovmf"}), "bios", Some("ovmf")),
        ("", json!({"scsihw": "lsi"}), "scsihw", None),
        ("", json!({"scsihw": "pvscsi"}), "scsihw", Some("pvscsi")),
        ("", json!({"os_type": "l26"}), "ostype", Some("l26")),
        ("vga: memory=32,type=qxl\n", json!({"vga": "virtio"}), "vga", Some("virtio,memory=32")),
        ("hotplug: 1\n", json!({"hotplug": ["usb", "disk", "network"]}), "hotplug", Some("1")),
        ("", json!({"hotplug": []}), "hotplug", Some("0")),
        (
            "",
            json!({"nameserver": ["10.0.0.1"], "search_domain": "a.example"}),
            "nameserver",
            Some("10.0.0.1"),
        ),
        ("", json!({"cloud_init": {"user": "me"}}), "ciuser", Some("me")),
        (
            "",
            json!({"cloud_init": {"ssh_keys": [KEY]}}),
            "sshkeys",
            Some("ssh-rsa%20AAAAB3NzaC1yc2EAAAADAQABAAABgQ%20me%40home"),
        ),
        (
            "ipconfig0: gw=10.0.0.1,ip=10.0.0.2/24\n",
            json!({"cloud_init": {"ip": [{"key": "ipconfig0", "ip": "dhcp", "gw": "absent", "ip6": "auto"}]}}),
            "ipconfig0",
            Some("ip=dhcp,ip6=auto"),
        ),
        (
            "ipconfig1: ip=dhcp\n",
            json!({"cloud_init": {"ip": [{"key": "ipconfig1", "ensure": "absent"}]}}),
            "ipconfig1",
            None,
        ),
        (
            "net0: virtio=bc:24:11:00:00:01,bridge=vmbr0,queues=2\n",
            json!({"nets": [{"key": "net0", "model": "e1000", "vlan": 30, "trunks": ["7", "30"]}]}),
            "net0",
            Some("e1000=bc:24:11:00:00:01,bridge=vmbr0,queues=2,tag=30,trunks=30;7"),
        ),
        (
            "",
            json!({"nets": [{"key": "net1", "mac": "BC:24:11:00:00:09", "bridge": "vmbr1"}]}),
            "net1",
            Some("virtio=BC:24:11:00:00:09,bridge=vmbr1"),
        ),
    ]
}

fn world(containers: &[Round], vms: &[Round]) -> World {
    let mut world = World::empty();
    for (vmid, (extra, ..)) in (300..).zip(containers) {
        let file = format!(
            "arch: amd64\nhostname: old\nmemory: 128\nostype: debian\nrootfs: store:{vmid}/vm-{vmid}-disk-0.raw,size=1G\nswap: 64\n\
             unprivileged: 1\n{extra}"
        );
        world.add_lxc(vmid, &file);
    }
    for (vmid, (extra, ..)) in (400..).zip(vms) {
        let file = format!(
            "cores: 1\nmemory: 64\nmeta: creation-qemu=9.2,ctime=1\nname: old\nscsi0: store:{vmid}/vm-{vmid}-disk-0.raw,size=1G\n\
             smbios1: uuid=ee71460a-e6fd-4bbe-95a4-b5a27f46d518\n{extra}"
        );
        world.add_qemu(vmid, &file);
    }
    world
}

fn resource(make: fn(&str, Value) -> Value, vmid: u32, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["vmid"] = json!(vmid);
    make(&format!("r{vmid}"), spec)
}

#[test]
fn every_field_is_written_and_read_back_and_then_there_is_nothing_to_write() {
    let (containers, vms) = (of_containers(), of_vms());
    let rig = Rig::on(PveSim::start(Options { world: world(&containers, &vms), ..Options::default() }));
    let of_containers = (300..).zip(&containers).map(|(vmid, (_, spec, ..))| resource(lxc, vmid, spec));
    let of_vms = (400..).zip(&vms).map(|(vmid, (_, spec, ..))| resource(vm, vmid, spec));
    rig.desire(&manifest(1, &of_containers.chain(of_vms).collect::<Vec<_>>()));
    let answer = rig.settle();
    for (vmid, (_, spec, key, expected)) in (300..).zip(&containers).chain((400..).zip(&vms)) {
        let status = &answer.status.resources[&format!("r{vmid}")];
        assert_eq!(status.state, ResourceState::Ready, "{spec}: {status:#?}");
        let found = match *key {
            "description" => rig.sim.world(|world| {
                let guest = world.guest(vmid).unwrap();
                shown_description(guest.kind, guest.config().main.description.as_deref())
            }),
            key => rig.config(vmid, key),
        };
        assert_eq!(found.as_deref(), *expected, "{spec}");
    }
    rig.sim.clear_calls();
    rig.round();
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

#[test]
fn every_row_of_both_tables_has_its_round() {
    for (kind, rounds) in [(GuestKind::Lxc, of_containers()), (GuestKind::Qemu, of_vms())] {
        for row in normalize::rows(kind) {
            let (outer, inner) = match row.field {
                Field::Net(_) => ("nets", None),
                Field::IpConfig(_) => ("cloud_init", Some("ip")),
                field => field
                    .as_str()
                    .split_once('.')
                    .map_or((field.as_str(), None), |(one, two)| (one, Some(two))),
            };
            let says = |(_, spec, ..): &Round| {
                let outer = spec.get(outer);
                outer.is_some_and(|outer| inner.is_none_or(|inner| outer.get(inner).is_some()))
            };
            assert!(rounds.iter().any(says), "{} of {kind}", row.field);
        }
    }
}

#[test]
fn what_cannot_be_written_is_said_without_a_call() {
    let net = "net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,type=veth\n";
    let rounds: Vec<Round> = vec![
        ("", json!({"features": {"keyctl": true}}), "features", None),
        (net, json!({"nets": [{"key": "net0", "ensure": "absent"}]}), "net0", None),
        (net, json!({"nets": [{"key": "net0", "mac": "BC:24:11:00:00:02"}]}), "net0", None),
        ("", json!({"unprivileged": false}), "unprivileged", None),
        ("", json!({"os_type": "alpine"}), "ostype", None),
    ];
    let rig = Rig::on(PveSim::start(Options { world: world(&rounds, &[]), ..Options::default() }));
    let resources = (300..).zip(&rounds).map(|(vmid, (_, spec, ..))| resource(lxc, vmid, spec));
    rig.desire(&manifest(1, &resources.collect::<Vec<_>>()));
    for _ in 0..2 {
        rig.round();
        for (id, reason) in [
            ("r300", HoldReason::Permission),
            ("r301", HoldReason::NeedsSignature),
            ("r302", HoldReason::NeedsSignature),
        ] {
            let hold = rig.resource(id).hold.unwrap_or_else(|| panic!("{id} is not held"));
            assert_eq!(hold.reason, reason, "{id}: {hold:?}");
            if reason == HoldReason::NeedsSignature {
                assert!(hold.remedy.contains("op draft config --vmid"), "{}", hold.remedy);
            }
        }
        for id in ["r303", "r304"] {
            let status = rig.resource(id);
            assert_eq!(status.error.map(|error| error.code), Some("immutable".to_owned()), "{id}");
        }
    }
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

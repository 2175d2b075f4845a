//! `adopt`, as a process against the simulated node: what is printed of guests that are there is taken as a manifest, and its plan is
//! empty; and what cannot be told is said.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use felhom_sim::node::config_file::{Config, Section};
use felhom_sim::node::world::OtherNode;
use felhom_sim::node::{GuestKind as Kind, World};
use serde_json::{Value, json};

use crate::stage::{Ended, HOST_ID, Stage, lxc};

/// Stands in a configuration where nobody but Proxmox should see it.
const CANARY: &str = "c4n4ry-1n-a-c0nf1gurat10n";

/// With all a container can have, half of it nothing that a manifest says.
const RICH_LXC: &str = "#notes of\n#several lines\narch: amd64\ncmode: shell\nconsole: 0\ncores: 2\ncpulimit: 0.5\ncpuunits: 50\n\
    dev0: /dev/dri/card0\nentrypoint: /sbin/init\nenv: PASSWORD=CANARY\nfeatures: fuse=1,keyctl=1,mount=nfs;cifs,nesting=1\n\
    hookscript: store:snippets/hook.sh\nhostname: twin\nmemory: 1024\nmp0: store:300/vm-300-disk-1.raw,mp=/data,backup=1,size=4G\n\
    mp1: /srv/media,mp=/media,ro=1\nmp2: btr:300/subvol-300-disk-0.subvol,mp=/cache,mountoptions=noatime,size=0T\n\
    nameserver: 9.9.9.9 fd00::1\nnet0: name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr=BC:24:11:00:03:00,ip=10.0.0.2/24,ip6=auto,\
    rate=5,tag=30,type=veth\nnet1: name=eth1,bridge=vmbr1,hwaddr=BC:24:11:00:03:01,link_down=1,mtu=1400,type=veth\nonboot: 1\n\
    ostype: debian\nprotection: 1\nrootfs: store:300/vm-300-disk-0.raw,acl=1,quota=1,size=8G\nsearchdomain: a.example b.example\n\
    startup: order=1,up=30,down=60\nswap: 0\ntags: b;A\ntimezone: host\ntty: 4\nunprivileged: 1\nunused0: store:300/vm-300-disk-9.raw\n\
    lxc.cap.drop: sys_admin\n";

const RICH_VM: &str = "agent: 1,fstrim_cloned_disks=1\nballoon: 512\nbios: ovmf\nboot: order=scsi0;ide2;net0\ncipassword: CANARY\nciuser: ops\ncores: 2\n\
    cpu: x86-64-v2-AES,flags=+aes;-pcid\ncpulimit: 1.5\ncpuunits: 200\nefidisk0: store:301/vm-301-disk-2.raw,size=4M\nhostpci0: 0000:01:00\n\
    hotplug: disk,network\nide2: store:301/vm-301-cloudinit.qcow2,media=cdrom,size=4M\nide3: none,media=cdrom\nipconfig0: ip=10.0.0.5/24,gw=10.0.0.1\n\
    machine: pc-q35-7.2,viommu=intel\nmemory: 2048\nmeta: creation-qemu=7.2.22,ctime=1795235814\nname: twin\nnameserver: 1.1.1.1 8.8.8.8\n\
    net0: virtio=BC:24:11:00:03:02,bridge=vmbr0,firewall=1,queues=2,trunks=2;4\nnet1: e1000=BC:24:11:00:03:03,bridge=vmbr1,link_down=1\nnuma: 1\n\
    onboot: 1\nostype: l26\nprotection: 1\nsata1: /dev/disk/by-id/ata-x,size=1G\nscsi0: store:301/vm-301-disk-0.raw,aio=native,cache=writeback,\
    discard=on,iothread=1,size=32G,ssd=1\nscsihw: virtio-scsi-single\nsearchdomain: a.example\nserial0: socket\n\
    smbios1: uuid=11111111-2222-4333-8444-555555555555\nsockets: 2\n\
    sshkeys: ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl%20a%40b%0A\nstartup: order=2\ntags: a;b\n\
    unused0: store:301/vm-301-disk-7.raw\nvcpus: 2\nvga: serial0\nvirtio1: store:301/vm-301-disk-1.raw,backup=0,replicate=0,ro=1,serial=x,size=1G\n\
    vmgenid: fe48eece-c907-46c0-a9dc-cf1cdfa19a0a\n\n[PENDING]\ndelete: numa,virtio1\nmemory: 4096\nscsi0: store:301/vm-301-disk-0.raw,size=32G\n";

/// Every configuration that the simulator is held to: those it is given, and those that a real node answered.
fn recorded() -> BTreeSet<(Kind, String)> {
    let mut found = BTreeSet::new();
    let scenes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/conformance/scenes");
    for entry in fs::read_dir(scenes).expect("there are scenes").flatten() {
        let text = fs::read_to_string(entry.path()).expect("a scene is a text");
        collect(&serde_json::from_str(&text).expect("a scene is JSON"), &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut BTreeSet<(Kind, String)>) {
    let kind = |text: &str| if text.contains("lxc") { Kind::Lxc } else { Kind::Qemu };
    if let (Some(of), Some(text)) = (value["kind"].as_str(), value["text"].as_str()) {
        found.insert((kind(of), text.to_owned()));
    }
    if let (Some(call), Some(data)) = (value["call"].as_str(), value["data"].as_object()) {
        if call.starts_with("GET") && call.ends_with("/config") {
            let mut section = Section::default();
            for (key, value) in data.iter().filter(|(key, value)| *key != "digest" && !value.is_array()) {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                match key.as_str() {
                    // A pattern, not a value.
                    _ if text.starts_with('~') => {}
                    "description" => section.description = Some(text),
                    _ => drop(section.keys.insert(key.clone(), text)),
                }
            }
            let kind = kind(call);
            found.insert((kind, Config::of(section).write(kind)));
        }
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => members.values().for_each(|member| collect(member, found)),
        _ => {}
    }
}

/// The recorded node, the demo's guests, all that was recorded of others, and the two that have everything.
fn inventory(world: &mut World) {
    for (vmid, guest) in World::demo().guests {
        match guest.kind {
            Kind::Lxc => world.add_lxc(vmid + 300, &guest.file),
            Kind::Qemu => world.add_qemu(vmid + 300, &guest.file),
        };
    }
    world.add_lxc(300, &RICH_LXC.replace("CANARY", CANARY));
    world.add_qemu(301, &RICH_VM.replace("CANARY", CANARY));
    world.set_running(301, true);
    let mut others = recorded();
    assert!(others.len() > 50, "{} configurations were recorded", others.len());
    // As a hand may leave them.
    others.insert((
        Kind::Lxc,
        "hostname: absent\nmemory: 64\nrootfs: btr:1/subvol-1-disk-0.subvol,size=0T\n".to_owned(),
    ));
    others.insert((Kind::Lxc, String::new()));
    for (vmid, (kind, file)) in (1_000..).zip(others) {
        match kind {
            Kind::Lxc => world.add_lxc(vmid, &file),
            Kind::Qemu => world.add_qemu(vmid, &file),
        };
        // Of one that runs, other values wait.
        world.set_running(vmid, vmid % 2 == 0);
    }
}

/// Takes what was printed as the desired state, and holds that there is nothing to be done, nothing that differs and nothing held.
fn plans_to_nothing(stage: &Stage, printed: &str) -> Value {
    let file = stage.write("desired.json", printed);
    let file = file.to_str().expect("a path of ours");
    stage.run(&["manifest", "check", "--host-id", HOST_ID, file]).expect(0, &[]);
    let plan = stage.run(&["plan", "--json", "--exit-code"]).json(0);
    assert_eq!(plan["refused"], json!([]));
    for guest in plan["guests"].as_array().expect("a list") {
        let left = (&guest["steps"], &guest["drift"], &guest["hold"], &guest["failure"]);
        assert_eq!(left, (&json!([]), &json!([]), &Value::Null, &Value::Null), "{guest:#}");
    }
    plan
}

#[test]
fn what_is_adopted_of_every_guest_of_the_simulator_plans_to_nothing() {
    let stage = Stage::new(inventory);
    let guests: Vec<u32> = stage.node.world(|world| world.guests.keys().copied().collect());
    let templates = stage
        .node
        .world(|world| world.guests.values().filter(|guest| guest.config().main.flag("template")).count());
    let adopted = stage.run(&["adopt", "--all"]);
    let document = adopted.json(0);
    assert_eq!((&document["host_id"], &document["generation"]), (&json!(HOST_ID), &json!(1)));
    let named = document["resources"].as_array().expect("a list").len();
    assert_eq!(named + templates, guests.len());
    adopted.expect(0, &["lxc/104: left out: a template cannot run", "adopt 104 prints it"]);
    let plan = plans_to_nothing(&stage, &adopted.stdout);
    assert_eq!(plan["unmanaged"].as_array().map(Vec::len), Some(templates));

    // A template too, if it is asked for.
    let numbers: Vec<String> = guests.iter().map(u32::to_string).collect();
    let arguments: Vec<&str> = ["adopt"].into_iter().chain(numbers.iter().map(String::as_str)).collect();
    let adopted = stage.run(&arguments);
    adopted.expect(0, &["lxc/104: is a template"]);
    let plan = plans_to_nothing(&stage, &adopted.stdout);
    assert_eq!(plan["unmanaged"], json!([]));
    assert_eq!(plan["guests"].as_array().map(Vec::len), Some(guests.len()));

    assert!(!stage.state_dir().exists(), "printing leaves nothing behind");
    assert_eq!(stage.mutation_lines(), [""; 0]);
    for text in [&adopted.stdout, &adopted.stderr] {
        assert!(!text.contains(CANARY), "a password of a guest is shown");
    }
}

#[test]
fn one_guest_is_one_resource_and_what_it_cannot_say_is_named() {
    let stage = Stage::new(inventory);
    let ended = stage.run(&["adopt", "300", "--json"]);
    let resource = ended.json(0);
    // The VM has its name.
    assert_eq!((&resource["id"], &resource["kind"]), (&json!("twin-300"), &json!("lxc_guest")));
    let spec = &resource["spec"];
    assert_eq!(
        (&spec["run_state"], &spec["data_bearing"], &spec["vmid"]),
        (&json!("stopped"), &json!(true), &json!(300))
    );
    assert_eq!(spec["rootfs"], json!({"storage": "store", "size_gb": 8, "acl": true, "quota": true}));
    let mounts = json!([
        {"key": "mp0", "storage": "store", "size_gb": 4, "path": "/data", "backup": true},
        {"key": "mp1", "bind": "/srv/media", "path": "/media", "read_only": true},
        {"key": "mp2", "storage": "btr", "path": "/cache"},
    ]);
    assert_eq!(spec["mounts"], mounts);
    ended.expect(
        0,
        &[
            "lxc/300: not managed",
            "dev0, env, hookscript, mp2.size_gb, mp2.mountoptions, unused0, lxc.cap.drop",
        ],
    );

    let ended = stage.run(&["adopt", "301"]);
    let spec = &ended.json(0)["spec"];
    assert_eq!(
        (&spec["memory_mb"], &spec["run_state"]),
        (&json!(4096), &json!("running")),
        "as its next start will have it"
    );
    assert_eq!(spec["disks"], json!([{"key": "scsi0", "storage": "store", "size_gb": 32}]));
    let waits = "memory_mb: 4096 is written, 2048 runs until the guest is next started";
    let unsaid = "cipassword, efidisk0, hostpci0, ide2, ide3, sata1, serial0, unused0";
    ended.expect(0, &[unsaid, waits, "numa (to be deleted), virtio1 (to be deleted)"]);
    assert!(!ended.stdout.contains(CANARY) && !ended.stderr.contains(CANARY));

    // Nobody knows whether what a lock's holder does is the owner's will.
    let ended = stage.run(&["adopt", "107"]);
    assert_eq!(ended.json(0)["spec"].get("run_state"), None);
    ended.expect(0, &["lxc/107: has the lock \"backup\"", "left out"]);
}

#[test]
fn a_guest_that_cannot_be_told_is_named_and_the_others_are_printed() {
    let stage = Stage::new(|world| {
        world.faults.unreadable_configs.insert(102, "it cannot be read today".to_owned());
        world.guests_elsewhere.insert(500, (Kind::Lxc, "pve2".to_owned()));
        world.other_nodes.push(OtherNode {
            name: "pve2".to_owned(),
            ip: "192.0.2.2".to_owned(),
            online: true,
        });
    });
    let printed = |ended: &Ended, code| {
        let document = ended.json(code);
        let ids =
            document["resources"].as_array().expect("a list").iter().map(|resource| resource["id"].clone());
        ids.collect::<Vec<_>>()
    };
    let ended = stage.run(&["adopt", "100", "999", "500"]);
    assert_eq!(printed(&ended, 1), ["web"]);
    ended.expect(1, &["999: there is no such guest", "500: is on node pve2"]);
    let ended = stage.run(&["adopt", "100", "102"]);
    assert_eq!(printed(&ended, 75), ["web"]);
    ended.expect(75, &["102: could not be read", "it cannot be read today"]);
    let ended = stage.run(&["adopt", "--all"]);
    assert!(!printed(&ended, 75).contains(&json!("lxc-102")));
    let nothing = stage.run(&["adopt", "999"]);
    assert_eq!(nothing.expect(1, &["there is no such guest"]).stdout, "");

    stage.node.go_down();
    assert_eq!(stage.run(&["adopt", "--all"]).expect(75, &[&stage.node.url()]).stdout, "");
}

#[test]
fn a_token_that_sees_no_guest_is_not_taken_for_a_node_without_any() {
    let (id, secret) = ("blind@pve!agent", "5f7c9c1e-0000-4000-8000-000000000003");
    let stage = Stage::new(|world| {
        world.access.add_user("blind@pve");
        world.access.add_token(id, secret, false);
    });
    stage.secret("blind", secret);
    stage.configure(|config| {
        config["proxmox"]["token_id"] = json!(id);
        config["proxmox"]["token_secret_file"] = json!(stage.path("blind"));
        config["proxmox"]["node"] = json!("pve");
    });
    let ended = stage.run(&["adopt", "--all"]);
    assert_eq!(ended.expect(1, &["VM.Audit sees no guest"]).stdout, "");
    let ended = stage.run(&["adopt", "101"]);
    assert_eq!(
        ended.expect(1, &["101: is not in this node's list, which proves nothing", "/vms/101"]).stdout,
        ""
    );
}

#[test]
fn beside_a_daemon_ids_are_kept_and_the_generation_is_the_next() {
    let stage = Stage::new(|world| {
        world.set_running(100, true);
    });
    // The id that guest 100 would have is another's.
    let mut other = lxc(103, json!({"memory_mb": 64}));
    other["id"] = json!("web");
    stage.desire(7, &json!([lxc(101, json!({"memory_mb": 128})), other]));
    let daemon = stage.daemon();
    daemon.until("the manifest is accepted", || stage.state_dir().join("desired.json").exists());
    let ended = stage.run(&["adopt", "100", "101"]);
    let document = ended.json(0);
    assert_eq!(document["generation"], json!(8));
    let ids = [&document["resources"][0]["id"], &document["resources"][1]["id"]];
    assert_eq!(ids, ["web-100", "guest-101"]);
    ended.expect(0, &["lxc/101: is managed already, as guest-101"]);
    assert!(!ended.stderr.contains("lxc/100"), "{}", ended.stderr);
    // Given back, it is what the daemon holds to, and there is nothing for it to do.
    let mutations = stage.mutation_lines();
    stage.write("desired.json", &ended.stdout);
    daemon.until("it is accepted", || {
        fs::read_to_string(stage.state_dir().join("desired.json")).is_ok_and(|kept| kept == ended.stdout)
    });
    stage.looks(&daemon, 2);
    assert_eq!(stage.mutation_lines(), mutations);
    stage.run(&["status"]).expect(0, &["web-100", "guest-101"]);
    daemon.stop();
}

#[test]
fn one_resource_needs_no_host_id_and_a_document_does() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| {
        config["hub"] = json!({});
        config["desired"] = json!({"source": "none"});
    });
    assert_eq!(stage.run(&["adopt", "101"]).json(0)["id"], json!("db"));
    assert_eq!(stage.run(&["adopt", "--all"]).expect(78, &["this host has no id yet"]).stdout, "");
    assert!(!stage.state_dir().exists());
    // A host may have a name without having a hub.
    stage.configure(|config| config["hub"] = json!({"host_id": "alone"}));
    let document = stage.run(&["adopt", "--all"]);
    assert_eq!(document.json(0)["host_id"], json!("alone"));
    stage.write("desired.json", &document.stdout);
    stage.run(&["plan", "--exit-code"]).expect(0, &["in order"]);
}

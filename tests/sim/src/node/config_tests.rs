//! Writing configurations, as a real node answered it.

use serde_json::{Value, json};

use super::probe::{call, call_as, run, text_of};
use super::world::World;

fn world() -> World {
    let mut world = World::facts_world().with_manual_clock();
    let net = "net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:CF:9D:07,ip=dhcp,type=veth\n";
    world.add_lxc(
        150,
        &format!("arch: amd64\ncores: 1\nhostname: Prov-Test\nmemory: 128\n{net}ostype: alpine\nrootfs: store:150/vm-150-disk-0.raw,size=102M\nswap: 512\nunprivileged: 1\n"),
    );
    world.add_qemu(
        250,
        "boot: order=scsi0;net0\ncores: 1\nmemory: 64\nname: Prov-VM\nnet0: virtio=BC:24:11:FF:AE:21,bridge=vmbr0\nostype: l26\nscsi0: store:250/vm-250-disk-0.raw,size=1G\nscsihw: virtio-scsi-single\n",
    );
    world
}

/// The text of the answer to a PUT: `ok`, or the refusal.
fn put(world: &mut World, request: &str) -> String {
    match call(world, &format!("PUT {request}")) {
        Ok(data) => {
            if data.is_null() {
                "ok".to_owned()
            } else {
                data.to_string()
            }
        }
        Err(text) => text,
    }
}

fn get(world: &mut World, path: &str, key: &str) -> Value {
    call(world, &format!("GET {path}")).unwrap().get(key).cloned().unwrap_or_else(|| json!("absent"))
}

#[test]
fn a_put_is_refused_in_the_recorded_words() {
    let stale = "0000000000000000000000000000000000000000";
    let cases = [
        (
            "lxc/999/config memory=128".to_owned(),
            "500 Configuration file 'nodes/pve/lxc/999.conf' does not exist",
        ),
        (
            format!("lxc/100/config memory=128&digest={stale}"),
            "500 detected modified configuration - file changed by other user? Try again.",
        ),
        (
            format!("qemu/200/config description=y&digest={stale}"),
            "500 checksum mismatch (file change by other user?)",
        ),
        ("lxc/100/config".to_owned(), "500 no options specified"),
        ("lxc/100/config delete=rootfs".to_owned(), "500 unable to delete required option 'rootfs'"),
        ("lxc/100/config delete=tags".to_owned(), "ok"),
        (
            "lxc/100/config delete=memory&memory=256".to_owned(),
            "400 delete: you can't use '-memory' and -delete memory' at the same time",
        ),
        ("lxc/107/config description=x".to_owned(), "500 CT is locked (backup)"),
        ("lxc/107/config delete=lock".to_owned(), "500 CT is locked (backup)"),
        (
            "lxc/103/config mp0=/mnt/shared,mp=/mnt/shared".to_owned(),
            "403 Permission check failed (mount point type bind is only allowed for root@pam)",
        ),
        (
            "lxc/103/config features=nesting=1".to_owned(),
            "403 Permission check failed (changing feature flags for privileged container is only allowed for root@pam)",
        ),
        (
            "lxc/150/config features=keyctl=1,nesting=1".to_owned(),
            "403 Permission check failed (changing feature flags (except nesting) is only allowed for root@pam)",
        ),
        ("lxc/150/config features=nesting=1".to_owned(), "ok"),
        ("lxc/150/config unprivileged=0".to_owned(), "500 unable to modify read-only option: 'unprivileged'"),
        ("lxc/150/config ostype=debian".to_owned(), "ok"),
        ("lxc/103/config lock=backup".to_owned(), "ok"),
        ("lxc/103/config unprivileged=1".to_owned(), "500 CT is locked (backup)"),
        ("qemu/201/config delete=lock".to_owned(), "500 only root can set 'lock' config"),
        ("qemu/250/config args=-x".to_owned(), "500 only root can set 'args' config"),
        ("qemu/250/config vmgenid=1".to_owned(), "500 only root can set 'vmgenid' config"),
        (
            "qemu/201/config skiplock=1&description=x".to_owned(),
            "400 skiplock: Only root may use this option.",
        ),
        (
            "qemu/250/config balloon=512".to_owned(),
            "500 balloon value too large (must be smaller than assigned memory)",
        ),
        (
            "lxc/101/config net0=name=eth0,bridge=vmbr9".to_owned(),
            "400 net0: unable to hotplug net0: bridge 'vmbr9' does not exist\n",
        ),
        ("lxc/150/config mp0=nosuch:1,mp=/x".to_owned(), "500 storage 'nosuch' does not exist"),
    ];
    let mut world = world();
    for (request, expected) in cases {
        let before: Vec<String> = world.guests.values().map(|guest| guest.file.clone()).collect();
        assert_eq!(put(&mut world, &request), expected, "{request}");
        let after: Vec<String> = world.guests.values().map(|guest| guest.file.clone()).collect();
        assert!(expected == "ok" || before == after, "{request} was refused and wrote");
    }
}

#[test]
fn a_root_disk_that_does_not_exist_is_taken_and_fails_the_start() {
    let mut world = world();
    assert_eq!(put(&mut world, "lxc/102/config rootfs=btr:102/subvol-102-disk-9.subvol"), "ok");
    assert_eq!(run(&mut world, "POST lxc/102/status/start"), "startup for container '102' failed");
}

#[test]
fn a_foreign_token_needs_the_privilege_of_each_key() {
    let mut world = world();
    let privileges = ["VM.Audit", "VM.Config.Options", "VM.Config.CPU", "VM.Config.Memory"];
    world.access.add_user("agent2@pve");
    world.access.add_token("agent2@pve!main", "secret", false);
    world.access.add_role("AgentRole", &privileges);
    world.access.grant("/", "agent2@pve", "AgentRole");
    let cases = [
        ("lxc/100/config description=x", None),
        ("lxc/100/config memory=128", None),
        ("lxc/100/config mp0=store:1,mp=/x", Some("/vms/100, VM.Config.Disk")),
        ("lxc/100/config hostname=web", Some("/vms/100, VM.Config.Network")),
        ("lxc/102/config features=nesting=1", Some("/vms/102, VM.Allocate")),
        ("lxc/102/config lock=backup", None),
    ];
    for (request, refusal) in cases {
        let answer = call_as(&mut world, "agent2@pve!main", &format!("PUT {request}"));
        let expected = refusal.map(|what| format!("403 Permission check failed ({what})"));
        assert_eq!(answer.err().map(|error| text_of(&error)), expected, "{request}");
    }
}

#[test]
fn what_is_written_reads_back_as_proxmox_prints_it() {
    let cases = [
        ("lxc/150/config", "tags=b;A;b,c  d", "tags", json!("a;b;c;d")),
        ("lxc/150/config", "tags=", "tags", json!(" ")),
        (
            "lxc/150/config",
            "nameserver=9.9.9.9 1.1.1.1;8.8.8.8",
            "nameserver",
            json!("9.9.9.9 1.1.1.1 8.8.8.8"),
        ),
        ("lxc/150/config", "startup=up=10,order=1", "startup", json!("up=10,order=1")),
        ("lxc/150/config", "description=hello", "description", json!("hello\n")),
        ("lxc/150/config", "description=\n", "description", json!("absent")),
        ("lxc/150/config", "cpulimit=0", "cpulimit", json!("0")),
        ("lxc/150/config", "onboot=0", "onboot", json!(0)),
        (
            "lxc/150/config",
            "net0=bridge=vmbr0,name=eth0,hwaddr=bc:24:11:aa:bb:cc,ip=10.0.0.2/24,gw=10.0.0.1,tag=30,firewall=1",
            "net0",
            json!(
                "name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr=bc:24:11:aa:bb:cc,ip=10.0.0.2/24,tag=30,type=veth"
            ),
        ),
        ("qemu/250/config", "description=line\n\n", "description", json!("line")),
        ("qemu/250/config", "memory=current=96", "memory", json!("current=96")),
        ("qemu/250/config", "agent=0", "agent", json!("0")),
        ("qemu/250/config", "balloon=48", "balloon", json!(48)),
        ("qemu/250/config", "cipassword=secret", "cipassword", json!("**********")),
        (
            "qemu/250/config",
            "net0=model=virtio,macaddr=bc:24:11:00:00:01,bridge=vmbr0,tag=5,firewall=1",
            "net0",
            json!("virtio=bc:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=5"),
        ),
        (
            "qemu/250/config",
            "scsi1=store:1,ssd=1,discard=on,iothread=1",
            "scsi1",
            json!("store:250/vm-250-disk-1.raw,discard=on,iothread=1,size=1G,ssd=1"),
        ),
        (
            "qemu/250/config",
            "scsi0=store:250/vm-250-disk-0.raw,ssd=1",
            "scsi0",
            json!("store:250/vm-250-disk-0.raw,size=1G,ssd=1"),
        ),
        (
            "qemu/250/config",
            "ide2=store:cloudinit",
            "ide2",
            json!("store:250/vm-250-cloudinit.qcow2,media=cdrom"),
        ),
    ];
    for (path, write, key, expected) in cases {
        let mut world = world();
        assert_eq!(put(&mut world, &format!("{path} {write}")), "ok", "{write}");
        assert_eq!(get(&mut world, path, key), expected, "{write}");
    }
}

#[test]
fn a_network_without_address_gets_a_new_one_at_each_write() {
    let mut world = world();
    for (path, write) in [
        ("lxc/150/config", "net0=name=eth0,bridge=vmbr0,ip=dhcp"),
        ("qemu/250/config", "net0=virtio,bridge=vmbr0"),
    ] {
        put(&mut world, &format!("{path} {write}"));
        let first = get(&mut world, path, "net0");
        put(&mut world, &format!("{path} {write}"));
        assert_ne!(first, get(&mut world, path, "net0"));
        assert!(first.as_str().unwrap().contains("BC:24:11:"), "{first}");
    }
}

#[test]
fn a_missing_bridge_answers_500_and_has_applied_everything() {
    let mut world = world();
    world.bridges.clear();
    let missing = "500 bridge 'vmbr0' does not exist";
    for write in [
        "tags=b;a",
        "mp0=store:0.1,mp=/data",
        "mp0=store:0.1,mp=/data2,backup=1",
        "delete=mp0",
        "delete=unused0",
    ] {
        assert_eq!(put(&mut world, &format!("lxc/150/config {write}")), missing, "{write}");
    }
    let config = call(&mut world, "GET lxc/150/config").unwrap();
    assert_eq!((&config["tags"], config.get("mp0"), config.get("unused0")), (&json!("a;b"), None, None));
    assert_eq!(config["unused1"], "store:150/vm-150-disk-2.raw");
    assert!(world.volume("store:150/vm-150-disk-1.raw").is_none(), "deleting unused0 freed it");
    assert_eq!(put(&mut world, "lxc/150/config net0=name=eth0,bridge=vmbr0,mtu=1400"), missing);
    assert!(
        !get(&mut world, "lxc/150/config", "net0").as_str().unwrap().contains("mtu"),
        "an MTU is checked before"
    );
}

#[test]
fn a_cloud_init_drive_is_set_though_its_image_cannot_be_made() {
    let mut world = world();
    world.has_iso_tool = false;
    assert!(
        put(&mut world, "qemu/250/config ide2=store:cloudinit")
            .starts_with("500 command 'set -o pipefail && genisoimage")
    );
    assert_eq!(get(&mut world, "qemu/250/config", "ide2"), "store:250/vm-250-cloudinit.qcow2,media=cdrom");
}

/// By `PVE::LXC::update_net`, which plugs the card anew and leaves its MTU as it is: nothing of it is pending.
#[test]
fn an_mtu_is_in_a_running_container_s_configuration_at_once() {
    let mut world = world();
    world.set_running(102, true);
    assert_eq!(put(&mut world, "lxc/102/config net0=name=eth0,bridge=vmbr0,mtu=1400"), "ok");
    assert!(get(&mut world, "lxc/102/config current=1", "net0").as_str().unwrap().contains("mtu=1400"));
    let rows = call(&mut world, "GET lxc/102/pending").unwrap();
    let is_net = |row: &&Value| row["key"] == "net0";
    let row = rows.as_array().unwrap().iter().find(is_net).unwrap();
    assert!(row["pending"].is_null() && row["value"].as_str().unwrap().contains("mtu=1400"), "{row}");
}

#[test]
fn a_running_container_takes_some_keys_at_once_and_keeps_others_for_later() {
    let mut world = world();
    world.set_running(102, true);
    for write in [
        "memory=96",
        "features=nesting=1&cmode=shell",
        "hostname=db-renamed",
        "nameserver=1.1.1.1",
        "cores=1",
    ] {
        assert_eq!(put(&mut world, &format!("lxc/102/config {write}")), "ok");
    }
    for (key, now, later) in [
        ("memory", json!(96), json!(96)),
        ("hostname", json!("db-renamed"), json!("db-renamed")),
        ("cores", json!(1), json!(1)),
        ("cmode", json!("absent"), json!("shell")),
        ("features", json!("absent"), json!("nesting=1")),
        ("nameserver", json!("absent"), json!("1.1.1.1")),
    ] {
        assert_eq!(
            call(&mut world, "GET lxc/102/config current=1")
                .unwrap()
                .get(key)
                .cloned()
                .unwrap_or(json!("absent")),
            now,
            "{key}"
        );
        assert_eq!(get(&mut world, "lxc/102/config", key), later, "{key}");
    }
    let pending = call(&mut world, "GET lxc/102/pending").unwrap();
    let row = |key: &str| pending.as_array().unwrap().iter().find(|row| row["key"] == key).cloned().unwrap();
    assert_eq!(row("cmode"), json!({"key": "cmode", "pending": "shell"}));
    assert_eq!(row("memory"), json!({"key": "memory", "value": 96}));
    assert_eq!(row("digest")["value"], world.guest_mut(102).digest().as_str());
    put(&mut world, "lxc/102/config revert=cmode");
    assert_eq!(get(&mut world, "lxc/102/config", "cmode"), "absent");
    run(&mut world, "POST lxc/102/status/stop");
    assert_eq!(run(&mut world, "POST lxc/102/status/start"), "OK");
    assert_eq!(call(&mut world, "GET lxc/102/config current=1").unwrap()["features"], "nesting=1");
}

#[test]
fn a_running_machine_keeps_cores_and_memory_pending_until_it_restarts() {
    let mut world = world();
    assert_eq!(put(&mut world, "qemu/200/config memory=128&description=z"), "ok");
    assert_eq!(get(&mut world, "qemu/200/config", "memory"), "128");
    assert_eq!(call(&mut world, "GET qemu/200/config current=1").unwrap()["memory"], "64");
    assert_eq!(
        world.guest_mut(200).digest(),
        "345311f9e2f848ac7e68e3a2a40082d3c15f0c25",
        "as a real node computed it"
    );
    run(&mut world, "POST qemu/200/status/stop");
    assert_eq!(call(&mut world, "GET qemu/200/config current=1").unwrap()["memory"], "128");
}

#[test]
fn a_start_frees_the_volume_whose_deletion_waited() {
    let mut world = world();
    let file = world.guest_mut(150).file.clone();
    world.add_lxc(
        150,
        &format!("{file}unused0: store:150/vm-150-disk-7.raw\n\n[pve:pending]\ndelete: unused0\n"),
    );
    assert!(world.volume("store:150/vm-150-disk-7.raw").is_some());
    assert_eq!(run(&mut world, "POST lxc/150/status/start"), "OK");
    assert!(world.volume("store:150/vm-150-disk-7.raw").is_none());
}

#[test]
fn a_held_file_lock_times_out() {
    let mut world = world();
    world.guest_mut(103).foreign_flock = true;
    let text = "can't lock file '/run/lock/lxc/pve-config-103.lock' - got timeout";
    assert_eq!(put(&mut world, "lxc/103/config description=x"), format!("500 {text}"));
    assert_eq!(call(&mut world, "POST lxc/103/status/start").map(|_| ()), Ok(()));
    world.pass(11.0);
    assert_eq!(call(&mut world, "GET tasks").unwrap()[0]["status"], text);
}

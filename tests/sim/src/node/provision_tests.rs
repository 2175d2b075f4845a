//! Creating, restoring, cloning, destroying, resizing; storages and jobs: as a real node answered.

use serde_json::json;

use super::probe::{call, call_as, last_log, run, text_of};
use super::world::World;

const TEMPLATE: &str = "ostemplate=local:vztmpl/alpine-mini_3.20_amd64.tar.gz";

fn world() -> World {
    World::facts_world().with_manual_clock()
}

#[test]
fn creating_is_refused_or_fails_in_the_recorded_words() {
    let mut world = world();
    let cases = [
        (format!("POST lxc vmid=102&{TEMPLATE}&rootfs=btr:0"), "500 CT 102 already exists on node 'pve'"),
        ("POST qemu vmid=102".to_owned(), "500 unable to create VM 102 - CT 102 already exists on node 'pve'"),
        (format!("POST lxc vmid=200&{TEMPLATE}&rootfs=btr:0"), "500 VM 200 already exists on node 'pve'"),
        (format!("POST lxc vmid=151&{TEMPLATE}&rootfs=nosuch:1"), "500 storage 'nosuch' does not exist"),
        (
            format!("POST lxc vmid=153&{TEMPLATE}&rootfs=store:0.1&features=keyctl=1,nesting=1"),
            "403 Permission check failed (changing feature flags (except nesting) is only allowed for root@pam)",
        ),
        (
            "POST lxc vmid=151&ostemplate=local:vztmpl/nosuch.tar.zst&rootfs=store:0.1".to_owned(),
            "unable to create CT 151 - volume 'local:vztmpl/nosuch.tar.zst' does not exist",
        ),
        (format!("POST lxc vmid=150&{TEMPLATE}&rootfs=store:0.1&memory=128&tags=Zed;alpha"), "OK"),
        (format!("POST lxc vmid=152&{TEMPLATE}&rootfs=btr:0"), "OK"),
        ("POST qemu vmid=250&memory=64&scsi0=store:1&net0=virtio,bridge=vmbr0&description=line\n\n&name=Prov-VM".to_owned(), "OK"),
    ];
    for (request, expected) in cases {
        assert_eq!(run(&mut world, &request), expected, "{request}");
    }
    assert!(
        world.volume("store:151/vm-151-disk-0.raw").is_none() && !world.guests.contains_key(&151),
        "the failed one is taken back"
    );
    let mut config = call(&mut world, "GET lxc/150/config").unwrap();
    config.as_object_mut().unwrap().remove("digest");
    assert_eq!(
        config,
        json!({
            "arch": "amd64", "hostname": "CT150", "memory": 128, "ostype": "alpine", "rootfs": "store:150/vm-150-disk-0.raw,size=102M",
            "swap": 512, "tags": "alpha;zed", "unprivileged": 1,
        })
    );
    assert_eq!(
        call(&mut world, "GET lxc/152/config").unwrap()["rootfs"],
        "btr:152/subvol-152-disk-0.subvol,size=0T"
    );
    let config = call(&mut world, "GET qemu/250/config").unwrap();
    assert_eq!((&config["boot"], &config["description"]), (&json!("order=scsi0;net0"), &json!("line")));
    let stranger =
        call_as(&mut world, "agent@pve!full", &format!("POST lxc vmid=110&{TEMPLATE}&rootfs=btr:0"))
            .unwrap_err();
    assert_eq!(text_of(&stranger), "403 Permission check failed");
}

#[test]
fn a_backup_is_restored_protected_and_deleted() {
    let mut world = world();
    run(&mut world, "POST vzdump vmid=102&storage=store&mode=stop&compress=zstd");
    let content = call(&mut world, "GET storage/store/content content=backup").unwrap();
    let volid = content[0]["volid"].as_str().unwrap().to_owned();
    let restore = |vmid: u32, more: &str| {
        format!("POST lxc vmid={vmid}&ostemplate={volid}&restore=1&storage=btr{more}")
    };
    assert_eq!(run(&mut world, &restore(120, "")), "OK");
    assert_eq!(call(&mut world, "GET lxc/120/config").unwrap()["hostname"], "ct102");
    assert_eq!(run(&mut world, &restore(120, "")), "500 CT 120 already exists on node 'pve'");
    assert_eq!(run(&mut world, &restore(120, "&force=1")), "OK");
    world.set_running(120, true);
    assert_eq!(run(&mut world, &restore(120, "&force=1")), "500 can't overwrite running container");
    let missing = "store:backup/vzdump-lxc-103-2020_01_01-00_00_00.tar.zst";
    assert_eq!(
        run(&mut world, &format!("POST lxc vmid=121&ostemplate={missing}&restore=1&storage=btr")),
        format!("unable to restore CT 121 - volume '{missing}' does not exist")
    );
    let path = format!("storage/store/content/{volid}");
    assert_eq!(call(&mut world, &format!("PUT {path} notes=hello\n&protected=1")), Ok(json!(null)));
    let volume = call(&mut world, &format!("GET {path}")).unwrap();
    assert_eq!(
        (&volume["notes"], &volume["protected"], &volume["format"]),
        (&json!("hello"), &json!(1), &json!("raw"))
    );
    let short = volid.split_once(':').unwrap().1;
    assert_eq!(
        run(&mut world, &format!("DELETE {path}")),
        format!("cannot remove protected volume '{short}' on 'store'")
    );
    call(&mut world, &format!("PUT {path} protected=0")).unwrap();
    assert_eq!(run(&mut world, &format!("DELETE {path}")), "OK");
    assert_eq!(run(&mut world, &format!("DELETE {path}")), "OK");
    assert_eq!(
        last_log(&world)[0],
        format!("disk image '/mnt/store/dump/{}' does not exist", short.trim_start_matches("backup/"))
    );
    assert!(world.tasks.newest_first().next().unwrap().upid.contains(":imgdel:102@store:"));
}

#[test]
fn a_corrupt_archive_restored_over_a_guest_loses_it() {
    let mut world = world();
    run(&mut world, "POST vzdump vmid=102&storage=store&mode=stop");
    let volid = world
        .storage("store")
        .unwrap()
        .volumes
        .values()
        .find(|volume| volume.content == "backup")
        .unwrap()
        .volid
        .clone();
    world.volume_mut(&volid).unwrap().corrupt = true;
    let exit =
        run(&mut world, &format!("POST lxc vmid=102&ostemplate={volid}&restore=1&force=1&storage=btr"));
    assert!(exit.starts_with("unable to restore CT 102 - command"), "{exit}");
    assert!(!world.guests.contains_key(&102));
}

#[test]
fn guests_are_destroyed_cloned_grown_and_made_templates() {
    let mut world = world();
    let cases = [
        ("DELETE lxc/101", "500 unable to destroy CT 101 - container is running"),
        ("DELETE qemu/200", "500 VM 200 is running - destroy failed"),
        ("DELETE lxc/107", "500 CT is locked (backup)"),
        ("DELETE lxc/130", "500 Configuration file 'nodes/pve/lxc/130.conf' does not exist"),
        (
            "POST lxc/101/clone newid=130",
            "500 Full clone of a running container is only possible from a snapshot",
        ),
        ("POST lxc/103/clone newid=130&hostname=cl&full=1", "OK"),
        ("POST lxc/103/clone newid=130", "500 CT 130 already exists on node 'pve'"),
        ("DELETE lxc/130 purge=1", "OK"),
        ("PUT lxc/100/resize disk=rootfs&size=+1M", "OK"),
        ("PUT lxc/100/resize disk=rootfs&size=64M", "500 unable to shrink disk size"),
        ("PUT lxc/107/resize disk=rootfs&size=+1G", "500 CT is locked (backup)"),
        ("PUT qemu/201/resize disk=scsi0&size=+1M", "OK"),
        ("PUT qemu/201/resize disk=scsi0&size=1M", "shrinking disks is not supported"),
        ("POST lxc/103/migrate target=pve", "400 target: target is local node."),
        ("POST lxc/103/migrate target=nosuch", "500 no such cluster node 'nosuch'"),
        ("DELETE lxc/103", "OK"),
    ];
    for (request, expected) in cases {
        assert_eq!(run(&mut world, request), expected, "{request}");
    }
    assert_eq!(
        call(&mut world, "GET lxc/100/config").unwrap()["rootfs"],
        "store:100/vm-100-disk-0.raw,size=1025M"
    );
    assert_eq!(call(&mut world, "POST lxc/106/template"), Ok(json!(null)));
    assert_eq!(world.tasks.newest_first().next().unwrap().kind, "vztemplate", "its task is told to nobody");
    world.pass(1.0);
    assert_eq!(run(&mut world, "POST lxc/106/status/start"), "you can't start a CT if it's a template");
    world.guest_mut(201).set_lock(Some("backup"));
    assert_eq!(run(&mut world, "DELETE qemu/201"), "VM is locked (backup)");
    assert_eq!(run(&mut world, "PUT qemu/201/resize disk=scsi0&size=+1G"), "VM is locked (backup)");
    call(&mut world, "PUT lxc/102/config protection=1").unwrap();
    assert_eq!(run(&mut world, "DELETE lxc/102"), "500 can't remove CT 102 - protection mode enabled");
}

#[test]
fn lists_hold_only_what_the_caller_may_see() {
    let mut world = world();
    run(&mut world, "POST vzdump vmid=101&storage=store&mode=stop");
    let rows = |world: &mut World, who: &str, request: &str| {
        call_as(world, who, request).unwrap().data.as_array().unwrap().len()
    };
    for (request, none, sep, full) in [
        ("GET lxc", 0, 1, 8),
        ("GET storage", 0, 0, 3),
        ("GET storage/store/content content=backup", 0, 0, 0),
        ("GET nodes", 1, 1, 1),
        ("GET cluster/resources", 1, 2, 15),
    ] {
        assert_eq!(rows(&mut world, "agent@pve!none", request), none, "{request}");
        assert_eq!(rows(&mut world, "agent@pve!sep", request), sep, "{request}");
        assert_eq!(rows(&mut world, "agent@pve!full", request), full, "{request}");
    }
    world.faults.empty_guest_lists = true;
    assert_eq!(call(&mut world, "GET lxc"), Ok(json!([])));
}

#[test]
fn jobs_and_pools_read_back() {
    let mut world = world();
    call(&mut world, "POST cluster/backup id=j1&schedule=02:30&vmid=100,103&storage=store&prune-backups=keep-last=3&comment=nightly").unwrap();
    let job = call(&mut world, "GET cluster/backup/j1").unwrap();
    assert_eq!(
        (&job["prune-backups"], &job["enabled"], &job["type"]),
        (&json!({"keep-last": "3"}), &json!(1), &json!("vzdump"))
    );
    assert_eq!(call(&mut world, "GET cluster/backup/x"), Err("400 id: No such job 'x'".to_owned()));
    assert_eq!(
        call(&mut world, "GET cluster/backup-info/not-backed-up").unwrap().as_array().unwrap().len(),
        8
    );
    assert_eq!(call(&mut world, "DELETE cluster/backup/j1"), Ok(json!(null)));
    assert!(
        call(&mut world, "DELETE cluster/backup/j1")
            .unwrap_err()
            .starts_with("500 400 Parameter verification failed.")
    );
    call(&mut world, "POST pools poolid=p1&comment=c").unwrap();
    call(&mut world, "PUT pools poolid=p1&vms=100,200&storage=store").unwrap();
    let pool = call(&mut world, "GET pools/p1").unwrap();
    assert_eq!((pool["members"].as_array().unwrap().len(), &pool["comment"]), (3, &json!("c")));
    assert_eq!(call(&mut world, "GET pools/nosuch"), Err("500 pool 'nosuch' does not exist".to_owned()));
    assert_eq!(call(&mut world, "GET cluster/nextid"), Ok(json!("108")));
    assert_eq!(
        call(&mut world, "GET cluster/nextid vmid=100"),
        Err("400 vmid: VM 100 already exists".to_owned())
    );
}

#[test]
fn a_broadcast_lags_behind() {
    let mut world = world();
    let status = |world: &mut World| {
        let rows = call(world, "GET cluster/resources type=vm").unwrap();
        rows.as_array().unwrap().iter().find(|row| row["vmid"] == 100).unwrap()["status"].clone()
    };
    assert_eq!(status(&mut world), "stopped");
    call(&mut world, "POST lxc/100/status/start").unwrap();
    world.pass(2.0);
    assert_eq!(status(&mut world), "stopped");
    world.pass(10.0);
    assert_eq!(status(&mut world), "running");
}

#[test]
fn a_backup_server_holds_snapshots_by_time() {
    let mut world = world();
    world.add_pbs("pbs");
    let volid = world.add_backup("pbs", 101, 3_600);
    assert_eq!(volid, "pbs:backup/ct/101/2026-11-21T02:19:20Z");
    let rows = call(&mut world, "GET storage/pbs/content content=backup").unwrap();
    assert_eq!((&rows[0]["format"], &rows[0]["verification"]["state"]), (&json!("pbs-ct"), &json!("ok")));
    assert_eq!(run(&mut world, "POST vzdump vmid=102&storage=pbs&mode=stop"), "OK");
    assert_eq!(call(&mut world, "GET storage/pbs/content").unwrap().as_array().unwrap().len(), 2);
    world.storage_mut("pbs").online = false;
    assert_eq!(
        call(&mut world, "GET storage/pbs/content"),
        Err("500 storage 'pbs' is not online".to_owned())
    );
    assert_eq!(call(&mut world, "GET storage storage=pbs").unwrap()[0]["active"], 0);
}

#[test]
fn retention_removes_older_backups_but_no_protected_ones() {
    let mut world = world();
    world.storage_mut("store").keep_last = Some(1);
    let old = world.add_backup("store", 102, 7_200);
    let kept = world.add_backup("store", 102, 3_600);
    world.volume_mut(&kept).unwrap().protected = true;
    assert_eq!(run(&mut world, "POST vzdump vmid=102&storage=store&mode=stop&remove=0"), "OK");
    assert!(world.volume(&old).is_some());
    world.pass(2.0);
    assert_eq!(run(&mut world, "POST vzdump vmid=102&storage=store&mode=stop"), "OK");
    assert!(world.volume(&old).is_none() && world.volume(&kept).is_some());
}

#[test]
fn disks_are_named_as_their_storage_names_them() {
    let mut world = world();
    for (kind, expected) in [
        ("lvmthin", "thin:vm-100-disk-0"),
        ("zfspool", "thin:subvol-100-disk-0"),
        ("nfs", "thin:100/vm-100-disk-0.raw"),
    ] {
        world.storages.retain(|storage| storage.name != "thin");
        world.add_pbs("thin").kind = kind.to_owned();
        let made = world.allocate("thin", 100, super::GuestKind::Lxc, 1.0, None);
        assert_eq!(made, Some((expected.to_owned(), "1G".to_owned())), "{kind}");
        assert!(world.volume(expected).is_some());
    }
}

#[test]
fn a_destroy_that_cannot_remove_a_volume_warns_and_goes_on() {
    let mut world = world();
    let volid = "store:100/vm-100-disk-0.raw";
    world.faults.undeletable_volumes.insert(volid.to_owned());
    assert_eq!(run(&mut world, "DELETE lxc/100 "), "WARNINGS: 1");
    assert!(!world.guests.contains_key(&100) && world.volume(volid).is_some());
}

#[test]
fn a_guest_that_is_replicated_is_destroyed_only_with_purge() {
    let mut world = world();
    world.replication.insert(100, "pve2".to_owned());
    let jobs = call(&mut world, "GET cluster/replication").unwrap();
    assert_eq!(
        jobs,
        json!([{"id": "100-0", "guest": 100, "jobnum": 0, "type": "local", "target": "pve2", "schedule": "*/15"}])
    );
    assert_eq!(
        run(&mut world, "DELETE lxc/100 "),
        "500 There is a replication job '100-0' for guest '100' - Please remove that first."
    );
    assert_eq!(run(&mut world, "DELETE lxc/100 purge=1"), "OK");
    assert_eq!(call(&mut world, "GET cluster/replication").unwrap(), json!([]));
}

#[test]
fn a_guest_of_another_node_is_among_the_resources_of_the_cluster() {
    let mut world = world();
    world.guests_elsewhere.insert(300, (super::config_file::Kind::Lxc, "pve2".to_owned()));
    let rows = call(&mut world, "GET cluster/resources type=vm").unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["vmid"] == 300).unwrap();
    assert_eq!((&row["node"], &row["id"]), (&json!("pve2"), &json!("lxc/300")));
}

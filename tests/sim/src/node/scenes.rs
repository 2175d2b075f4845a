//! Ready-made worlds: the node of the recordings, the one the demo shows, and one with many guests for measurements.

use super::world::{Job, Pool, World};

const LXC_BTR: &str = "arch: amd64\nhostname: ct{id}\nmemory: 64\nostype: alpine\nrootfs: btr:{id}/subvol-{id}-disk-0.subvol,size=0T\nswap: 512\n";

impl World {
    /// The node the recordings were made on: CT 100 stopped, 101 running with snapshot s1, 102 and 103 stopped, 104 a template,
    /// 105 deaf to shutdown (its start warns once), 106 unable to start, 107 locked; VM 200 running and deaf, 201 stopped.
    pub fn facts_world() -> Self {
        let mut world = Self::empty();
        world.faults.btrfs_snapshots_cannot_be_mounted = true;
        world.add_lxc(
            100,
            "arch: amd64\nhostname: web\nmemory: 128\nostype: alpine\nrootfs: store:100/vm-100-disk-0.raw,size=1G\nswap: 512\n",
        );
        let db = "arch: amd64\nhostname: db\nmemory: 128\nostype: alpine\nparent: s1\nrootfs: btr:101/subvol-101-disk-0.subvol,size=0T\nswap: 512\n";
        let snapshot = "\n[s1]\narch: amd64\nhostname: db\nmemory: 128\nostype: alpine\nrootfs: btr:101/subvol-101-disk-0.subvol,size=0T\nsnaptime: 1795230876\nswap: 512\n";
        world.add_lxc(101, &format!("{db}{snapshot}"));
        world.set_running(101, true);
        for (vmid, extra) in [
            (102, "unprivileged: 1\n"),
            (103, ""),
            (104, "template: 1\n"),
            (105, ""),
            (106, "unprivileged: 1\n"),
        ] {
            world.add_lxc(vmid, &format!("{}{extra}", LXC_BTR.replace("{id}", &vmid.to_string())));
        }
        let locked = LXC_BTR.replace("{id}", "107").replace("memory", "lock: backup\nmemory");
        world.add_lxc(107, &locked);
        world.set_running(105, true);
        let deaf = &mut world.guest_mut(105).habits;
        deaf.ignores_shutdown = true;
        deaf.start_warnings =
            vec!["'mp0' - ignoring 'idmap' option unsupported by privileged container".to_owned()];
        world.guest_mut(106).habits.fails_to_start = true;
        world.add_qemu(
            200,
            "boot: order=scsi0\nkvm: 0\nmemory: 64\nmeta: creation-qemu=7.2.22,ctime=1795230940\nname: vm1\nscsi0: store:200/vm-200-disk-0.raw,size=1G\nscsihw: virtio-scsi-single\nsmbios1: uuid=3c4d7294-842b-4498-835a-0b57b34e55c5\nvmgenid: 709547fc-d8aa-4f40-a812-a1221d7481f7\n",
        );
        world.set_running(200, true).habits.ignores_shutdown = true;
        world.add_qemu(
            201,
            "boot: order=scsi0\nkvm: 0\nmemory: 64\nmeta: creation-qemu=7.2.22,ctime=1795231210\nname: vm2\nscsi0: store:201/vm-201-disk-0.qcow2,size=1G\nsmbios1: uuid=ee71460a-e6fd-4bbe-95a4-b5a27f46d518\nvmgenid: 1b968e86-5a89-4957-a8f6-175615abab7a\n",
        );
        world
    }

    /// A small home: a web server that is down, a database, files under a stale backup lock, a media machine; backups on two storages.
    pub fn demo() -> Self {
        let mut world = Self::empty();
        let lxc = |id: u32, name: &str, more: &str| {
            format!(
                "arch: amd64\ncores: 1\nhostname: {name}\nmemory: 512\nnet0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:{:02X},ip=dhcp,type=veth\nostype: debian\nrootfs: btr:{id}/subvol-{id}-disk-0.subvol,size=8G\nswap: 512\n{more}unprivileged: 1\n",
                id % 256
            )
        };
        world.add_lxc(100, &lxc(100, "web", ""));
        world.add_lxc(101, &lxc(101, "database", "tags: prod\n"));
        world.set_running(101, true);
        world.add_lxc(102, &lxc(102, "files", "").replace("memory", "lock: backup\nmemory"));
        world.set_running(102, true);
        world.add_qemu(
            200,
            "boot: order=scsi0;net0\ncores: 2\nmemory: 1024\nmeta: creation-qemu=7.2.22,ctime=1795230940\nname: media\nnet0: virtio=BC:24:11:00:00:C8,bridge=vmbr0\nonboot: 1\nostype: l26\nscsi0: store:200/vm-200-disk-0.raw,size=8G\nscsihw: virtio-scsi-single\nsmbios1: uuid=3c4d7294-842b-4498-835a-0b57b34e55c5\nvmgenid: 709547fc-d8aa-4f40-a812-a1221d7481f7\n",
        );
        world.set_running(200, true);
        let keys = [
            ("enabled", "1"),
            ("schedule", "02:30"),
            ("storage", "store"),
            ("mode", "snapshot"),
            ("compress", "zstd"),
            ("vmid", "100,101"),
            ("comment", "nightly"),
            ("prune-backups", "keep-last=3"),
        ];
        world.jobs.push(Job {
            id: "8d1d6868-6d53-47e4-89ad-2a69e5e77e32".to_owned(),
            keys: keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        });
        world.add_pbs("pbs");
        for (vmid, age_s) in [(101, 30 * 3_600), (101, 6 * 3_600), (200, 6 * 3_600)] {
            world.add_backup("pbs", vmid, age_s);
        }
        world.add_backup("store", 101, 5 * 3_600);
        world
            .pools
            .insert("home".to_owned(), Pool { comment: Some("the household".to_owned()), ..Pool::default() });
        world
    }

    /// `count` containers from vmid 100 on, every second one running.
    pub fn with_guests(count: u32) -> Self {
        let mut world = Self::empty();
        for vmid in 100..100 + count {
            let file = format!(
                "arch: amd64\ncores: 1\nhostname: guest-{vmid}\nmemory: 256\nostype: debian\nrootfs: store:{vmid}/vm-{vmid}-disk-0.raw,size=4G\nswap: 256\ntags: bench\nunprivileged: 1\n"
            );
            world.add_lxc(vmid, &file);
            if vmid % 2 == 0 {
                world.set_running(vmid, true);
            }
        }
        world
    }
}

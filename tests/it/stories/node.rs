//! What happens at the node of a story, line by line.
//!
//! `set VMID KEY=VALUE`, `unset VMID KEY`, `append VMID TEXT` (to its configuration file, `\n` being a line's end),
//! `lxc VMID TEXT` and `qemu VMID TEXT` (a new guest), `lock VMID [LOCK]`, `run VMID`, `halt VMID`, `pause VMID`, `ha VMID STATE`, `deaf VMID`,
//! `remove VMID`, `elsewhere VMID`, `volume VOLID VMID` (of a guest that is no more), `backup STORAGE VMID HOURS`, `working TYPE VMID LINE` (somebody's task, with this line in its log), `fails|dies|hangs|vanishes TYPE [TEXT]`, `unreadable VMID TEXT`,
//! `empty-lists`, `leaves-nothing` (backups), `silent-agents` (in guests), `option KEY VALUE`, `storage NAME offline|online|full`, `allow ROLE PRIVILEGES PATH…` (the agent's token may that and
//! no more), `fault JSON` (of the simulator's rules), `down`, `up`, `answer` (no fault in calls is left), `mend` (no fault is left, and all is done).

use felhom_sim::api::Caller;
use felhom_sim::node::storage::Volume;
use felhom_sim::node::tasks::{Next, Work};
use felhom_sim::node::{GuestKind as Kind, World};
use felhom_sim::server::Rule;

use super::happens::{number, word};
use crate::stage::Stage;

pub(super) fn happens(stage: &Stage, line: &str) {
    let (verb, rest) = word(line);
    let (first, more) = word(rest);
    let sim = &stage.node;
    match verb {
        "fault" => drop(
            sim.fault(serde_json::from_str::<Rule>(rest).unwrap_or_else(|error| panic!("{error}: {rest}"))),
        ),
        "down" => sim.go_down(),
        "up" => sim.come_back(),
        "answer" => sim.clear_faults(),
        "mend" => {
            sim.clear_faults();
            sim.world(|world| world.faults = felhom_sim::node::Faults::default());
        }
        "allow" => {
            let secret = "77777777-7777-4777-8777-777777777777";
            let (privileges, paths) = word(more);
            sim.world(|world| {
                world.access.add_role(first, &privileges.split(',').collect::<Vec<_>>());
                world.access.add_user("felhom@pve");
                world.access.add_token("felhom@pve!agent", secret, false);
                paths.split(' ').for_each(|path| world.access.grant(path, "felhom@pve", first));
            });
            stage.secret("narrow", secret);
        }
        _ => sim.world(|world| change(world, verb, first, &more.replace("\\n", "\n"))),
    }
}

fn change(world: &mut World, verb: &str, first: &str, more: &str) {
    let vmid = || number(first);
    let edit = |world: &mut World, change: &dyn Fn(&mut felhom_sim::node::config_file::Config)| {
        let guest = world.guest_mut(vmid());
        let mut config = guest.config();
        change(&mut config);
        guest.save(&config);
    };
    match verb {
        "set" => {
            let (key, value) = more.split_once('=').unwrap();
            edit(world, &|config| config.put(key, value));
        }
        "unset" => edit(world, &|config| drop(config.main.keys.remove(more))),
        "append" => world.guest_mut(vmid()).file.push_str(more),
        "lxc" => drop(world.add_lxc(vmid(), more)),
        "qemu" => drop(world.add_qemu(vmid(), more)),
        "lock" => world.guest_mut(vmid()).set_lock(Some(more).filter(|lock| !lock.is_empty())),
        "run" | "halt" => drop(world.set_running(vmid(), verb == "run")),
        "pause" => {
            world.set_running(vmid(), true).running.iter_mut().for_each(|running| running.qmp = "paused")
        }
        "ha" => world.guest_mut(vmid()).ha = Some(more.to_owned()),
        "deaf" => world.guest_mut(vmid()).habits.ignores_shutdown = true,
        "remove" => drop(world.remove_guest(vmid())),
        "elsewhere" => {
            let kind = world.guest(vmid()).map_or(Kind::Lxc, |guest| guest.kind);
            world.remove_guest(vmid());
            world.guests_elsewhere.insert(vmid(), (kind, "pve2".to_owned()));
        }
        "volume" => {
            let (vmid, storage) = (number(more), word(&first.replace(':', " ")).0.to_owned());
            let volume = Volume {
                volid: first.to_owned(),
                content: "rootdir".to_owned(),
                format: "raw".to_owned(),
                size: 1 << 30,
                vmid: Some(vmid),
                ..Volume::default()
            };
            world.storage_mut(&storage).volumes.insert(first.to_owned(), volume);
        }
        "backup" => {
            drop(world.add_backup(first, number(word(more).0), u64::from(number(word(more).1)) * 3_600))
        }
        "working" => {
            let (id, line) = word(more);
            let (id, line) = (id.replace('-', ""), line.to_owned());
            let caller = Caller { auth_id: "root@pam".to_owned() };
            world.fork(first, &id, &caller, move |world, task| {
                world.log(task, line);
                Next::Wait(1e9, Work::new(|_, _| Next::Done))
            });
        }
        "fails" => drop(world.faults.failing_types.insert(first.to_owned(), more.to_owned())),
        "dies" => drop(world.faults.killed_types.insert(first.to_owned())),
        "hangs" => drop(world.faults.hung_types.insert(first.to_owned())),
        "vanishes" => drop(world.faults.vanish_types.insert(first.to_owned())),
        "unreadable" => drop(world.faults.unreadable_configs.insert(vmid(), more.to_owned())),
        "leaves-nothing" => world.faults.backups_leave_nothing = true,
        "silent-agents" => world.faults.agents_are_silent = true,
        "empty-lists" => world.faults.empty_guest_lists = true,
        "option" => drop(world.options.insert(first.to_owned(), more.to_owned())),
        "storage" => {
            let storage = world.storage_mut(first);
            match more {
                "full" => storage.used = storage.total,
                state => storage.online = state == "online",
            }
        }
        other => panic!("the node cannot {other}"),
    }
}

/// The volume of the newest backup of all; nothing where there is none.
pub(super) fn newest_backup(stage: &Stage) -> String {
    stage.node.world(|world| {
        let volumes = world.storages.iter().flat_map(|storage| storage.volumes.values());
        let newest = volumes.filter(|volume| volume.content == "backup").max_by_key(|volume| volume.ctime);
        newest.map_or_else(String::new, |volume| volume.volid.clone())
    })
}

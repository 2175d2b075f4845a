//! Makes the recorded node what a scene needs, before its first step or between two.

use std::time::Duration;

use felhom_sim::node::World;
use felhom_sim::node::world::OtherNode;
use felhom_sim::pve::{Options, PveSim};
use felhom_sim::server::{Action, Rule};

use crate::suite::{Pvestatd, Scene, Tweak, Up};

/// How much faster than a real node, if the scene does not say.
const SCALE: f64 = 0.02;

pub fn start(scene: &Scene) -> PveSim {
    let mut options = Options { time_scale: SCALE, idle: Duration::from_secs(30), ..Options::default() };
    for tweak in &scene.world {
        match tweak {
            Tweak::Scale(scale) => options.time_scale = *scale,
            Tweak::IdleMs(idle) => options.idle = Duration::from_millis(*idle),
            _ => {}
        }
    }
    let sim = PveSim::start(options);
    apply(&sim, &scene.world);
    sim
}

pub fn apply(sim: &PveSim, tweaks: &[Tweak]) {
    for tweak in tweaks {
        match tweak {
            Tweak::OldErrors(old) => sim.conditions(|now| now.old_errors = *old),
            Tweak::Pvedaemon(state) => sim.conditions(|now| now.pvedaemon_down = *state == Up::Down),
            Tweak::Pmxcfs(state) => sim.conditions(|now| now.pmxcfs_down = *state == Up::Down),
            Tweak::SlowCalls(true) => {
                sim.fault(Rule::new(Action::status_after(596, "Connection timed out")).method("PUT"));
            }
            Tweak::SlowCalls(false) => sim.clear_faults(),
            inside => sim.world(|world| inside_the_node(world, inside)),
        }
    }
}

fn inside_the_node(world: &mut World, tweak: &Tweak) {
    match tweak {
        Tweak::Keep(vmids) => world.guests.retain(|vmid, _| vmids.contains(vmid)),
        Tweak::Drop(vmids) => vmids.iter().for_each(|vmid| {
            forget_volumes(world, *vmid);
            world.guests.remove(vmid);
        }),
        Tweak::File { vmid, kind, text } => {
            forget_volumes(world, *vmid);
            match kind.as_str() {
                "lxc" => world.add_lxc(*vmid, text),
                _ => world.add_qemu(*vmid, text),
            };
        }
        Tweak::Set { vmid, lock } => world.guest_mut(*vmid).set_lock(Some(lock)),
        Tweak::Runs(vmids) => vmids.iter().for_each(|vmid| {
            world.set_running(*vmid, true);
        }),
        Tweak::Stopped(vmids) => vmids.iter().for_each(|vmid| {
            world.set_running(*vmid, false);
        }),
        Tweak::Broken(vmids) => {
            vmids.iter().for_each(|vmid| world.guest_mut(*vmid).habits.fails_to_start = true);
        }
        Tweak::Flock(vmids) => vmids.iter().for_each(|vmid| world.guest_mut(*vmid).foreign_flock = true),
        Tweak::Bridges(bridges) => world.bridges = bridges.iter().cloned().collect(),
        Tweak::IsoTool(there) => world.has_iso_tool = *there,
        Tweak::Grant(path, who, role) => world.access.grant(path, who, role),
        Tweak::Token(id, secret) => {
            world.access.add_user(id.split('!').next().unwrap_or_default());
            world.access.add_token(id, secret, false);
        }
        Tweak::Role(role, privileges) => {
            let privileges: Vec<&str> = privileges.iter().map(String::as_str).collect();
            world.access.add_role(role, &privileges);
        }
        Tweak::DeadNode(name) => {
            let node = OtherNode { name: name.clone(), ip: "192.0.2.3".to_owned(), online: false };
            world.other_nodes.push(node);
        }
        Tweak::Kill(types) => world.faults.killed_types = types.iter().cloned().collect(),
        Tweak::Pvestatd(state) => {
            world.faults.stale_resources = *state == Pvestatd::Dead;
            world.faults.no_broadcast_yet = *state == Pvestatd::NothingYet;
        }
        Tweak::Scale(_) | Tweak::IdleMs(_) => {}
        Tweak::OldErrors(_) | Tweak::Pvedaemon(_) | Tweak::Pmxcfs(_) | Tweak::SlowCalls(_) => {}
    }
}

/// A guest's file replaces the one before it, and so do its volumes.
fn forget_volumes(world: &mut World, vmid: u32) {
    for storage in &mut world.storages {
        storage.volumes.retain(|_, volume| volume.vmid != Some(vmid));
    }
}

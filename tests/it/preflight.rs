//! What a token lacks is found before anything is begun, said with the line that grants it, and no longer in the way once it
//! was granted.

use felhom_agent::model::hold::HoldReason;
use felhom_agent::status::ResourceState;
use felhom_sim::node::World;
use felhom_sim::pve::{Options, PveSim};
use serde_json::json;

use crate::rig::{Kit, Rig, lxc, manifest};

const TOKEN: &str = "agent@pve!few";
const SECRET: &str = "5f7c9c1e-0000-4000-8000-000000000002";

/// The token may see all, and turn guest 101 on and off.
fn rig() -> Rig {
    let mut world = World::facts_world();
    world.access.add_token(TOKEN, SECRET, false);
    let sim = PveSim::start(Options { world, ..Options::default() });
    Rig::with(sim, Kit { token: Some((TOKEN, SECRET)), ..Kit::default() })
}

fn reads_of_permissions(rig: &Rig) -> usize {
    rig.sim.calls().iter().filter(|call| call.line().contains("/access/permissions")).count()
}

#[test]
fn a_token_that_lacks_a_right_is_held_with_the_line_that_grants_it_and_goes_on_once_it_has_it() {
    let rig = rig();
    rig.desire(&manifest(1, &[lxc("db", json!({"vmid": 101, "run_state": "stopped", "cores": 2}))]));
    for _ in 0..2 {
        rig.round();
        let status = rig.resource("db");
        assert_eq!(status.state, ResourceState::Held, "{status:#?}");
        let hold = status.hold.unwrap();
        assert_eq!(hold.reason, HoldReason::Permission);
        assert!(hold.detail.contains("VM.Config.CPU on /vms/101"), "{}", hold.detail);
        assert!(!hold.detail.contains("VM.PowerMgmt"), "it may do that: {}", hold.detail);
        for part in [
            "pveum acl modify /vms/101 --users 'agent@pve' --tokens 'agent@pve!few'",
            "VM.Config.CPU",
            "VM.PowerMgmt",
        ] {
            assert!(hold.remedy.contains(part), "{part}: {}", hold.remedy);
        }
    }
    assert!(rig.runs(101), "nothing is begun that cannot be ended");
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());

    rig.sim.world(|world| world.access.grant("/vms/101", "agent@pve", "PVEVMAdmin"));
    rig.wait("what was granted to be noticed", |_| {
        rig.round();
        rig.resource("db").state == ResourceState::Ready
    });
    assert!(!rig.runs(101));
    assert_eq!(rig.config(101, "cores").as_deref(), Some("2"));
}

#[test]
fn what_the_token_may_is_asked_only_when_there_is_something_to_do() {
    let rig = rig();
    rig.sim.world(|world| world.access.grant("/vms/101", "agent@pve", "PVEVMAdmin"));
    rig.desire(&manifest(1, &[lxc("db", json!({"vmid": 101, "run_state": "running"}))]));
    rig.settle();
    assert_eq!(reads_of_permissions(&rig), 0, "it is in order");
    rig.desire(&manifest(2, &[lxc("db", json!({"vmid": 101, "run_state": "stopped", "cores": 2}))]));
    rig.wait("order", |answer| {
        answer.status.observed_generation == Some(2)
            && answer.status.resources["db"].state == ResourceState::Ready
    });
    assert_eq!(reads_of_permissions(&rig), 1, "once for all its steps");
}

/// What the plan held the real call would have refused: the simulated node checks the same, and names the same path.
#[test]
fn a_bridge_or_a_storage_that_the_token_may_not_use_is_held_before_anything_is_begun() {
    let rig = rig();
    rig.sim.world(|world| world.access.grant("/vms/100", "agent@pve", "PVEVMAdmin"));
    let card = json!([{"key": "net0", "name": "eth0", "bridge": "vmbr0", "vlan": 30, "ip": "dhcp"}]);
    let wants = [
        (json!({"vmid": 100, "nets": card}), "/sdn/zones/localnetwork/vmbr0/30", "SDN.Use", "PVESDNUser"),
        (
            json!({"vmid": 100, "rootfs": {"size_gb": 64}}),
            "/storage/store",
            "Datastore.AllocateSpace",
            "PVEDatastoreUser",
        ),
    ];
    for (generation, (spec, path, privilege, role)) in (1..).zip(&wants) {
        rig.desire(&manifest(generation, &[lxc("web", spec.clone())]));
        rig.wait("the hold", |answer| {
            answer.status.observed_generation == Some(generation)
                && answer.status.resources["web"].state == ResourceState::Held
        });
        let hold = rig.resource("web").hold.expect("a hold");
        assert_eq!(hold.reason, HoldReason::Permission);
        assert!(hold.detail.contains(&format!("{privilege} on {path}")), "{}", hold.detail);
        assert!(hold.remedy.contains(&format!("pveum acl modify {path} ")), "{}", hold.remedy);
        let before = rig.mutation_lines().len();

        rig.sim.world(|world| world.access.grant(path, "agent@pve", role));
        rig.wait("what was granted to be noticed", |_| {
            rig.round();
            rig.resource("web").state == ResourceState::Ready
        });
        assert!(rig.mutation_lines().len() > before, "{:?}", rig.mutation_lines());
    }
}

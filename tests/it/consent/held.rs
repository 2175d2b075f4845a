//! A desired state by itself destroys nothing.

use felhom_agent::model::hold::HoldReason;
use felhom_agent::status::ResourceState;
use serde_json::{Value, json};

use crate::rig::{Rig, lxc as lxc_resource, manifest};

#[test]
fn h1_a_guest_that_leaves_the_manifest_is_kept_and_not_touched() {
    let rig = Rig::new();
    let web = lxc_resource("web", json!({"vmid": 100, "cores": 2}));
    rig.desire(&manifest(1, &[web.clone(), lxc_resource("db", json!({"vmid": 102, "cores": 2}))]));
    rig.settle();
    rig.sim.clear_calls();
    rig.desire(&manifest(2, &[web]));
    rig.round();
    rig.round();
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
    assert!(!rig.ask().status.resources.contains_key("db"));
    assert!(rig.sim.world(|world| world.guest(102).is_some()));
}

#[test]
fn h1_a_guest_that_should_not_exist_is_held_with_the_line_to_draft_until_it_is_gone() {
    let rig = Rig::new();
    let mut db = lxc_resource("db", json!({"vmid": 101, "run_state": "running", "cores": 2}));
    db["ensure"] = json!("absent");
    rig.desire(&manifest(1, &[db]));
    rig.round();
    rig.round();
    let status = rig.resource("db");
    assert_eq!(status.state, ResourceState::Held);
    let hold = status.hold.unwrap();
    assert_eq!(hold.reason, HoldReason::NeedsSignature);
    assert!(hold.remedy.contains("felhom-agent op draft destroy --vmid 101"), "{}", hold.remedy);
    assert!(hold.detail.contains("rootfs (btr:101/subvol-101-disk-0.subvol"), "{}", hold.detail);
    assert_eq!(status.drift[0].field, "ensure");
    assert_eq!(rig.mutation_lines(), Vec::<String>::new(), "not even a shutdown");
    // Out of sight is not gone.
    rig.sim.world(|world| world.faults.empty_guest_lists = true);
    rig.round();
    assert_ne!(rig.resource("db").state, ResourceState::Ready);
    rig.sim.world(|world| {
        world.faults.empty_guest_lists = false;
        world.remove_guest(101);
    });
    rig.round();
    assert_eq!(rig.resource("db").state, ResourceState::Ready);
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

/// A benign verb whose effect is not: a start that would apply somebody's pending deletion.
#[test]
fn h5_a_start_that_would_free_a_volume_is_held() {
    let rig = Rig::new();
    rig.sim.world(|world| {
        let guest = world.guest_mut(100);
        guest.file.push_str("unused0: store:100/vm-100-disk-9.raw\n\n[pve:pending]\ndelete: unused0\n");
    });
    rig.desire(&manifest(1, &[lxc_resource("web", json!({"vmid": 100, "run_state": "running"}))]));
    let answer = rig.wait("the hold", |answer| {
        answer.status.resources.get("web").is_some_and(|status| status.state == ResourceState::Held)
    });
    let hold = answer.status.resources["web"].hold.clone().unwrap();
    assert_eq!(hold.reason, HoldReason::NeedsSignature, "{hold:?}");
    assert!(hold.detail.contains("unused0"), "{hold:?}");
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

/// What would take a volume away is refused, or waits for a signature; nothing is written.
#[test]
fn h2_a_manifest_that_would_take_a_volume_away_is_refused_and_nothing_is_written() {
    let rig = Rig::new();
    rig.sim.world(|world| {
        let guest = world.guest_mut(102);
        guest.file = guest.file.replace("swap:", "mp0: store:102/vm-102-disk-1.raw,mp=/data,size=1G\nswap:");
    });
    let specs = [
        (json!({"vmid": 100, "rootfs": {"storage": "btr", "size_gb": 1}}), ResourceState::Failed),
        (json!({"vmid": 102, "mounts": [{"key": "mp0", "ensure": "absent"}]}), ResourceState::Held),
        (json!({"vmid": 103, "mounts": "none"}), ResourceState::InvalidSpec),
    ];
    let resource =
        |(index, (spec, _)): (usize, &(Value, _))| lxc_resource(&format!("r{index}"), spec.clone());
    rig.desire(&manifest(1, &specs.iter().enumerate().map(resource).collect::<Vec<_>>()));
    rig.round();
    for (index, (spec, state)) in specs.iter().enumerate() {
        assert_eq!(rig.resource(&format!("r{index}")).state, *state, "{spec}");
    }
    // Another number is another guest: the old one is left alone, and no new one is made.
    rig.desire(&manifest(2, &[lxc_resource("r0", json!({"vmid": 998, "run_state": "running"}))]));
    rig.round();
    assert_eq!(rig.resource("r0").error.unwrap().code, "guest_missing");
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

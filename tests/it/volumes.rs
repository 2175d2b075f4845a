//! Volumes, end to end, where somebody else works on them too; what they come to alone is told in the stories.

use felhom_agent::status::ResourceState;
use felhom_sim::server::{Action, Rule};
use serde_json::json;

use crate::rig::{Rig, lxc, manifest};

#[test]
fn a_volume_that_somebody_grew_meanwhile_is_left_as_it_is() {
    let rig = Rig::new();
    let held = rig.sim.fault(Rule::new(Action::HoldWork).method("PUT").path("/lxc/100/resize").once());
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "rootfs": {"size_gb": 2}}))]));
    rig.until("the resize", |sim| sim.calls().iter().any(|call| call.path.ends_with("/resize")));
    rig.sim.world(|world| {
        let guest = world.guest_mut(100);
        let mut config = guest.config();
        let grown = "store:100/vm-100-disk-0.raw,size=2G".to_owned();
        config.main.keys.insert("rootfs".to_owned(), grown);
        guest.save(&config);
    });
    rig.sim.remove_fault(held);
    rig.settle();
    assert_eq!(rig.mutation_lines(), ["PUT /nodes/pve/lxc/100/resize"]);
    assert_eq!(rig.config(100, "rootfs").as_deref(), Some("store:100/vm-100-disk-0.raw,size=2G"));
}

#[test]
fn an_error_of_a_resize_that_was_done_counts_as_done() {
    let rig = Rig::new();
    let text = "disk 'rootfs' is already at specified size";
    rig.sim.fault(Rule::new(Action::refusal(500, text, true)).method("PUT").path("/lxc/100/resize").once());
    rig.desire(&manifest(1, &[lxc("web", json!({"vmid": 100, "rootfs": {"size_gb": 2}}))]));
    rig.settle();
    assert_eq!(rig.mutation_lines(), ["PUT /nodes/pve/lxc/100/resize"]);
}

#[test]
fn a_smaller_size_is_refused_with_not_one_call_and_never_tried_again() {
    let rig = Rig::new();
    rig.sim.world(|world| {
        let guest = world.guest_mut(100);
        let mut config = guest.config();
        config.main.keys.insert("rootfs".to_owned(), "store:100/vm-100-disk-0.raw,size=4G".to_owned());
        guest.save(&config);
    });
    let spec = json!({"vmid": 100, "cores": 2, "rootfs": {"storage": "store", "size_gb": 2}});
    rig.desire(&manifest(1, &[lxc("web", spec)]));
    for _ in 0..2 {
        rig.round();
        let status = rig.resource("web");
        assert_eq!(status.state, ResourceState::Failed, "{status:#?}");
        assert_eq!(status.error.map(|error| error.code).as_deref(), Some("shrink_refused"));
        assert_eq!(status.retry_after, None);
    }
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

//! A guest that cannot be made: asked for again at growing pauses where that may help, and once where it cannot.

use felhom_agent::status::ResourceState;
use felhom_sim::server::{Action, Rule};
use serde_json::{Value, json};

use crate::rig::{Rig, lxc, manifest};

const MAKE: &str = "POST /nodes/pve/lxc";
const MISSING: &str = "local:vztmpl/nosuch.tar.zst";

fn wanted(generation: u64, source: &str) -> Value {
    let provision = json!({"from": "template", "source": source, "storage": "store"});
    let spec = json!({"vmid": 150, "run_state": "running", "name": "new", "provision": provision});
    manifest(generation, &[lxc("new", spec)])
}

fn asked_for(rig: &Rig) -> usize {
    rig.mutation_lines().iter().filter(|line| *line == MAKE).count()
}

/// What Proxmox answers with 400 it answers again; only somebody can change that.
#[test]
fn what_proxmox_will_not_take_is_asked_for_once_a_generation_however_often_it_is_looked_at() {
    let rig = Rig::new();
    let body =
        json!({"data": null, "message": "Parameter verification failed.\n", "errors": {"cores": "too many"}});
    let refusal = Action::Status {
        status: 400,
        reason: "Parameter verification failed.".to_owned(),
        body: Some(body.to_string()),
        headers: Vec::new(),
        after: false,
    };
    let rule = rig.sim.fault(Rule::new(refusal).method("POST").path("/nodes/pve/lxc"));
    let template = "local:vztmpl/alpine-mini_3.20_amd64.tar.gz";
    for generation in [1, 2] {
        rig.desire(&wanted(generation, template));
        rig.wait("its failure", |answer| {
            answer.status.observed_generation == Some(generation)
                && answer.status.resources["new"].state == ResourceState::Failed
        });
        for _ in 0..8 {
            rig.round();
        }
        let status = rig.resource("new");
        assert_eq!(asked_for(&rig) as u64, generation, "{:?}", rig.mutation_lines());
        assert_eq!((status.state, status.retry_after), (ResourceState::Failed, None), "{status:#?}");
        assert_eq!(status.error.expect("an error").code, "parameter");
    }
    rig.sim.remove_fault(rule);
    rig.desire(&wanted(3, template));
    rig.settle();
    assert_eq!(asked_for(&rig), 3);
}

/// How its pauses grow is held where the clock is turned by hand, in `control::book`.
#[test]
fn a_template_that_is_missing_is_asked_for_again_and_the_guest_is_made_once_it_is_there() {
    let rig = Rig::new();
    rig.desire(&wanted(1, MISSING));
    let mut said = Vec::new();
    rig.wait("the third failure", |_| {
        let status = rig.round().status.resources["new"].clone();
        if let (ResourceState::Failed, Some(again)) = (status.state, status.retry_after) {
            if said.last() != Some(&again) {
                said.push(again);
            }
        }
        said.len() >= 3
    });
    // When it will be tried again changes with each failure, and with nothing else.
    assert!(asked_for(&rig) >= said.len(), "{said:?}: {:?}", rig.mutation_lines());
    let error = rig.resource("new").error.expect("an error");
    assert!(error.code == "task_failed" && error.message.contains("nosuch"), "{error:?}");
    assert!(rig.sim.world(|world| world.guest(150).is_none()));

    rig.sim.world(|world| {
        let local = world.storage_mut("local");
        let template =
            local.volumes.values().find(|volume| volume.content == "vztmpl").cloned().expect("one");
        local.volumes.insert(
            MISSING.to_owned(),
            felhom_sim::node::storage::Volume { volid: MISSING.to_owned(), ..template },
        );
    });
    rig.settle();
    assert!(rig.runs(150));
}

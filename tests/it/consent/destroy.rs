//! A guest is destroyed, or somebody can say what else happened.

use felhom_agent::model::outcome::Outcome;
use felhom_sim::node::GuestKind as Kind;
use felhom_sim::pve::{Options, PveSim};
use felhom_sim::server::{Action, Call, Rule};
use serde_json::json;

use super::scene::{CT, DATA, DISK, Scene, is_done, qemu, world};

#[test]
fn a_destroy_that_was_signed_for_is_done_and_its_volumes_are_seen_to_be_gone() {
    let scene = Scene::new();
    let outcome = scene.operate(&scene.destroy()).unwrap();
    assert!(is_done(&outcome), "{outcome:?}");
    assert!(!scene.is_there(CT) && !scene.has(DISK) && !scene.has(DATA));
    assert_eq!(scene.mutations(), ["DELETE /nodes/pve/lxc/120"]);
    let looks: Vec<String> = scene.sim.calls().iter().map(Call::line).collect();
    let sent = looks.iter().position(|line| line.starts_with("DELETE")).unwrap();
    for read in
        ["GET /nodes/pve/lxc/120/pending", "GET /nodes/pve/lxc", "GET /nodes/pve/storage/store/content"]
    {
        assert!(looks[sent..].iter().any(|line| line.starts_with(read)), "{read} after the call");
    }
}

#[test]
fn a_vm_is_destroyed_and_purged_where_that_was_signed_for() {
    let scene = Scene::new();
    let order = scene.draft(qemu(201), "guest.destroy", json!({"purge": true}));
    assert!(is_done(&scene.operate(&order).unwrap()));
    assert!(!scene.is_there(201) && !scene.has("store:201/vm-201-disk-0.qcow2"));
    let calls = scene.sim.calls();
    let call = calls.iter().find(|call| call.is_mutation()).unwrap();
    let sent: Vec<(&str, &str)> =
        call.params.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(
        sent,
        [("destroy-unreferenced-disks", "0"), ("purge", "1")],
        "what was signed for, and nothing added"
    );
}

#[test]
fn g16_a_volume_that_is_left_is_named_and_nothing_is_tried_again() {
    let scene = Scene::new();
    scene.sim.world(|world| world.faults.undeletable_volumes.insert(DATA.to_owned()));
    let outcome = scene.operate(&scene.destroy()).unwrap();
    let Outcome::Partial { upid: Some(_), left } = outcome else { panic!("{outcome:?}") };
    assert_eq!(left, [DATA]);
    assert_eq!(scene.mutations().len(), 1);
}

#[test]
fn g16_warnings_of_a_destroy_that_removed_everything_are_told() {
    let scene = Scene::new();
    let line = "zfs error: cannot unmount: still busy, retrying".to_owned();
    scene.sim.world(|world| world.faults.destroy_warnings.push(line));
    let outcome = scene.operate(&scene.destroy()).unwrap();
    let Outcome::Warned { lines, .. } = outcome else { panic!("{outcome:?}") };
    assert!(lines[0].contains("still busy"), "{lines:?}");
}

#[test]
fn g15_a_destroy_whose_answer_is_lost_is_adopted_and_sent_once() {
    for action in [
        Action::DropAfter,
        Action::status_after(596, "Connection timed out"),
        Action::Garble,
        Action::refusal(500, "got lock timeout - aborting command", true),
    ] {
        let scene = Scene::new();
        let order = scene.destroy();
        scene.sim.fault(Rule::new(action.clone()).method("DELETE").once());
        let outcome = scene.operate(&order).unwrap();
        assert!(is_done(&outcome), "{action:?}: {outcome:?}");
        assert_eq!(scene.mutations().len(), 1, "{action:?}");
    }
}

#[test]
fn g15_a_destroy_that_may_not_have_been_sent_is_uncertain_and_not_sent_again() {
    let scene = Scene::new();
    let order = scene.destroy();
    scene.sim.fault(Rule::new(Action::status(596, "Connection timed out")).method("DELETE").once());
    let outcome = scene.operate(&order).unwrap();
    assert!(matches!(outcome, Outcome::Uncertain { .. }), "{outcome:?}");
    assert_eq!(scene.mutations().len(), 1);
    assert!(scene.is_there(CT) && scene.has(DISK));
}

#[test]
fn g17_a_destroy_whose_worker_was_killed_is_uncertain() {
    let scene = Scene::new();
    scene.sim.world(|world| world.faults.killed_types.insert("vzdestroy".to_owned()));
    let outcome = scene.operate(&scene.destroy()).unwrap();
    let Outcome::Uncertain { upid: Some(_), message } = outcome else { panic!("{outcome:?}") };
    assert!(message.contains("unexpected status") && message.contains("still there"), "{message}");
    assert_eq!(scene.mutations().len(), 1);
}

#[test]
fn g17_a_destroy_whose_task_is_forgotten_is_decided_by_what_is_there() {
    let scene = Scene::new();
    scene.sim.world(|world| world.faults.vanish_types.insert("vzdestroy".to_owned()));
    let outcome = scene.operate(&scene.destroy()).unwrap();
    assert!(matches!(outcome, Outcome::Warned { .. } | Outcome::Done { .. }), "{outcome:?}");
    assert!(!scene.is_there(CT) && !scene.has(DISK));
}

#[test]
fn a_destroy_that_proxmox_refuses_has_failed_and_touched_nothing() {
    let scene = Scene::new();
    let order = scene.destroy();
    let refusal = Action::refusal(500, "something is in the way", false);
    scene.sim.fault(Rule::new(refusal).method("DELETE").once());
    let outcome = scene.operate(&order).unwrap();
    let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.message.contains("in the way"), "{failure:?}");
}

#[test]
fn what_is_gone_but_cannot_be_seen_to_be_gone_is_uncertain() {
    let scene = Scene::new();
    let order = scene.destroy();
    // The storage goes away with the call.
    scene
        .sim
        .fault(Rule::new(Action::status(595, "Connection refused")).path("/storage/store/content").nth(3));
    let outcome = scene.operate(&order).unwrap();
    assert!(matches!(outcome, Outcome::Uncertain { .. }), "{outcome:?}");
    assert!(!scene.is_there(CT));
}

#[test]
fn a_number_that_was_taken_again_meanwhile_is_a_doubt() {
    let scene = Scene::new();
    let order = scene.destroy();
    scene.sim.world(|world| world.pace.broadcast = 0.0);
    let outcome = std::thread::scope(|scope| {
        let done = scope.spawn(|| scene.operate(&order).unwrap());
        while scene.is_there(CT) {
            std::thread::yield_now();
        }
        scene.sim.world(|world| world.guests_elsewhere.insert(CT, (Kind::Lxc, "pve2".to_owned())));
        done.join().unwrap()
    });
    // Taken before or after we looked: done, or a doubt; never a second call.
    assert!(matches!(outcome, Outcome::Done { .. } | Outcome::Uncertain { .. }), "{outcome:?}");
    assert_eq!(scene.mutations().len(), 1);
}

/// What is granted on one guest goes with it: nobody can see then that it is gone, and nobody says that it is.
#[test]
fn a_token_whose_rights_hang_on_the_guest_itself_cannot_vouch_for_its_end() {
    let secret = "5f7c9c1e-0000-4000-8000-000000000002";
    for (path, is_certain) in [("/vms/120", false), ("/vms", true)] {
        let mut world = world();
        let all = ["VM.Audit", "VM.Allocate", "VM.Config.Disk", "VM.Backup"];
        world.access.add_role("Ops", &all);
        world.access.add_role("Node", &["Sys.Audit", "Datastore.Audit", "Datastore.AllocateSpace"]);
        world.access.add_user("felhom@pve");
        world.access.add_token("felhom@pve!agent", secret, false);
        world.access.grant("/", "felhom@pve", "Node");
        world.access.grant(path, "felhom@pve", "Ops");
        let sim = PveSim::start(Options { world, ..Options::default() });
        let scene = Scene::by(sim, "felhom@pve!agent", secret);
        let outcome = scene.operate(&scene.destroy()).unwrap();
        assert!(!scene.is_there(CT));
        if is_certain {
            assert!(is_done(&outcome), "{outcome:?}");
        } else {
            let Outcome::Uncertain { message, .. } = outcome else { panic!("{outcome:?}") };
            assert!(message.contains("grant it on /vms"), "{message}");
        }
    }
}

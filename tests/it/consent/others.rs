//! Rollback, restore, snapshots, backups, volumes, a hard stop.

use felhom_agent::model::guest::GuestId;
use felhom_agent::model::op::RejectCode;
use felhom_agent::model::outcome::Outcome;
use felhom_agent::observe;
use felhom_sim::server::{Action, Rule};
use serde_json::json;

use super::scene::{CT, DATA, Scene, is_done, lxc, world};

#[test]
fn a_rollback_goes_back_and_the_guest_is_left_as_was_signed() {
    for start in [false, true] {
        let scene = Scene::new();
        let order = scene.draft(lxc(CT), "guest.rollback", json!({"snapshot": "before", "start": start}));
        // The snapshot knows of no mount point: what it does not hold is in no backup's way.
        let outcome = scene.operate(&order).unwrap();
        assert!(is_done(&outcome), "{outcome:?}");
        assert_eq!(scene.config(CT, "hostname").as_deref(), Some("old"));
        assert_eq!(scene.sim.world(|world| world.guest(CT).unwrap().running.is_some()), start);
    }
}

#[test]
fn a_rollback_that_nobody_can_vouch_for_is_uncertain() {
    for action in [Action::status(596, "Connection timed out"), Action::status(599, "")] {
        let scene = Scene::new();
        let order = scene.draft(lxc(CT), "guest.rollback", json!({"snapshot": "before", "start": false}));
        scene.sim.fault(Rule::new(action).method("POST").path("/rollback").once());
        let outcome = scene.operate(&order).unwrap();
        assert!(matches!(outcome, Outcome::Uncertain { .. }), "{outcome:?}");
        assert_eq!(scene.mutations().len(), 1);
    }
    let scene = Scene::new();
    let order = scene.draft(lxc(CT), "guest.rollback", json!({"snapshot": "before", "start": false}));
    scene.sim.world(|world| world.faults.killed_types.insert("vzrollback".to_owned()));
    let outcome = scene.operate(&order).unwrap();
    assert!(matches!(outcome, Outcome::Uncertain { upid: Some(_), .. }), "{outcome:?}");
}

fn backup_of(scene: &Scene, guest: GuestId) -> String {
    observe::newest_backup(&scene.client, &scene.image(guest)).unwrap().unwrap().volid
}

#[test]
fn a_backup_is_restored_over_its_guest() {
    let scene = Scene::new();
    let volid = backup_of(&scene, lxc(CT));
    let order = scene.draft(lxc(CT), "guest.restore_over", json!({"volid": volid, "storage": "store"}));
    let outcome = scene.operate(&order).unwrap();
    assert!(is_done(&outcome), "{outcome:?}");
    assert!(scene.is_there(CT));
    // It is another incarnation now.
    scene.sim.clear_calls();
    assert_eq!(scene.operate(&order).unwrap_err().code, RejectCode::IdentChanged);
    assert_eq!(scene.mutations(), Vec::<String>::new());
}

#[test]
fn a_restore_whose_archive_turns_out_broken_is_uncertain() {
    let scene = Scene::new();
    let volid = backup_of(&scene, lxc(CT));
    let order = scene.draft(lxc(CT), "guest.restore_over", json!({"volid": volid, "storage": "store"}));
    scene.sim.world(|world| world.volume_mut(&volid).unwrap().corrupt = true);
    let outcome = scene.operate(&order).unwrap();
    assert!(matches!(outcome, Outcome::Uncertain { .. }), "{outcome:?}");
    assert_eq!(scene.mutations().len(), 1);
}

#[test]
fn a_backup_a_snapshot_and_a_volume_are_deleted_where_that_was_signed_for() {
    let scene = Scene::new();
    let volid = backup_of(&scene, lxc(CT));
    let order =
        scene.draft(lxc(CT), "snapshot.delete", json!({"snapshot": "before"})).set("role", json!("operator"));
    assert!(is_done(&scene.operate_by(&order, &[&scene.operator]).unwrap()));
    // Detached: kept, and out of use.
    let order = scene.draft(lxc(CT), "volume.detach", json!({"key": "mp0"}));
    let outcome = scene.operate(&order).unwrap();
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    assert!(scene.has(DATA) && scene.config(CT, "unused0").is_some());
    // Freed: the backup of before holds it under its old key.
    let order = scene.draft(lxc(CT), "volume.delete", json!({"key": "unused0", "volid": DATA}));
    assert!(
        order.0.pointer("/evidence/backup/covers").unwrap().as_array().unwrap().contains(&json!("unused0"))
    );
    let outcome = scene.operate(&order).unwrap();
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    assert!(!scene.has(DATA));
    let order = scene.draft(lxc(CT), "backup.delete", json!({"volid": volid}));
    let outcome = scene.operate(&order).unwrap();
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    assert!(!scene.has(&volid) && scene.is_there(CT));
}

#[test]
fn a_deletion_of_a_snapshot_that_was_cut_short_is_uncertain() {
    let scene = Scene::new();
    let order =
        scene.draft(lxc(CT), "snapshot.delete", json!({"snapshot": "before"})).set("role", json!("operator"));
    scene.sim.world(|world| world.faults.killed_types.insert("vzdelsnapshot".to_owned()));
    let outcome = scene.operate_by(&order, &[&scene.operator]).unwrap();
    assert!(matches!(outcome, Outcome::Uncertain { upid: Some(_), .. }), "{outcome:?}");
    assert_eq!(scene.mutations().len(), 1);
}

#[test]
fn a_guest_is_stopped_hard_where_that_was_signed_for() {
    let scene = Scene::new();
    let order = scene.draft(lxc(105), "guest.stop_hard", json!({}));
    assert!(is_done(&scene.operate(&order).unwrap()));
    assert_eq!(scene.mutations(), ["POST /nodes/pve/lxc/105/status/stop"]);
}

#[test]
fn a_running_guest_is_not_rolled_back_restored_or_destroyed() {
    let mut world = world();
    world.set_running(CT, true);
    let scene = Scene::of(world);
    let volid = backup_of(&scene, lxc(CT));
    for (kind, params) in [
        ("guest.destroy", json!({"purge": false})),
        ("guest.rollback", json!({"snapshot": "before", "start": true})),
        ("guest.restore_over", json!({"volid": volid, "storage": "store"})),
    ] {
        let order = scene.draft(lxc(CT), kind, params);
        assert_eq!(scene.operate(&order).unwrap_err().code, RejectCode::GuestRunning, "{kind}");
    }
    assert_eq!(scene.mutations(), Vec::<String>::new());
}

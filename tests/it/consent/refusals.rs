//! What changed since the draft, or cannot be seen: refused, and nothing was sent.

use felhom_agent::model::op::RejectCode;
use felhom_sim::node::storage::Volume;
use felhom_sim::node::{GuestKind as Kind, World};
use felhom_sim::pve::{Options, PveSim};
use felhom_sim::sign::Order;

use super::scene::{CT, DATA, Scene, is_done, refused, world};

#[test]
fn g05_a_guest_that_was_destroyed_and_made_again_word_for_word_is_another_one() {
    let scene = Scene::new();
    let order = scene.destroy();
    let file = scene.sim.world(|world| world.guest(CT).unwrap().file.clone());
    let other = Order(order.0.clone());
    assert!(is_done(&scene.operate(&order).unwrap()));
    scene.sim.world(|world| {
        world.add_lxc(CT, &file);
    });
    scene.sim.clear_calls();
    assert_eq!(scene.operate(&other).unwrap_err().code, RejectCode::IdentChanged);
    assert_eq!(scene.mutations(), Vec::<String>::new());
    assert!(scene.is_there(CT));
}

#[test]
fn g06_g07_g08_g09_a_guest_that_changed_since_the_draft_is_not_touched() {
    let set = |world: &mut World, key: &str, value: &str| {
        let guest = world.guest_mut(CT);
        let mut config = guest.config();
        config.put(key, value);
        guest.save(&config);
    };
    assert_eq!(
        refused(|world| set(world, "mp1", "store:120/vm-120-disk-7.raw,mp=/x,size=1G")),
        RejectCode::StateChanged
    );
    assert_eq!(refused(|world| set(world, "memory", "256")), RejectCode::StateChanged);
    assert_eq!(refused(|world| world.volume_mut(DATA).unwrap().size += 1), RejectCode::StateChanged);
    assert_eq!(
        refused(|world| {
            world.set_running(CT, true);
        }),
        RejectCode::GuestRunning
    );
    for lock in ["backup", "migrate", "snapshot", "rollback"] {
        assert_eq!(refused(|world| world.guest_mut(CT).set_lock(Some(lock))), RejectCode::Locked);
    }
    assert_eq!(refused(|world| world.guest_mut(CT).ha = Some("started".to_owned())), RejectCode::HaManaged);
    assert_eq!(
        refused(|world| {
            world.replication.insert(CT, "pve2".to_owned());
        }),
        RejectCode::Replicated
    );
    assert_eq!(refused(|world| set(world, "protection", "1")), RejectCode::Protected);
}

#[test]
fn g04_g10_a_guest_that_went_away_is_gone_elsewhere_or_of_another_kind() {
    assert_eq!(
        refused(|world| {
            world.remove_guest(CT);
        }),
        RejectCode::GuestGone
    );
    let scene = Scene::new();
    let order = scene.destroy();
    scene.sim.world(|world| {
        world.remove_guest(CT);
        world.guests_elsewhere.insert(CT, (Kind::Lxc, "pve2".to_owned()));
    });
    let rejected = scene.operate(&order).unwrap_err();
    assert_eq!(rejected.code, RejectCode::GuestGone);
    assert!(rejected.detail.contains("found elsewhere"), "{rejected}");
    scene.sim.world(|world| {
        world.add_qemu(CT, "memory: 64\nname: other\n");
    });
    assert_eq!(scene.operate(&order).unwrap_err().code, RejectCode::BindGuest);
    assert_eq!(scene.mutations(), Vec::<String>::new());
}

#[test]
fn g11_a_backup_that_would_not_bring_it_back_is_no_evidence() {
    let backup = |world: &mut World, change: fn(&mut Volume)| {
        let volid = world
            .storages
            .iter()
            .flat_map(|storage| storage.volumes.values())
            .find(|volume| volume.content == "backup" && volume.vmid == Some(CT))
            .map(|volume| volume.volid.clone())
            .unwrap();
        change(world.volume_mut(&volid).unwrap());
        volid
    };
    assert_eq!(
        refused(|world| {
            let volid = backup(world, |_| {});
            world.free_volume(&volid);
        }),
        RejectCode::EvidenceMissing
    );
    let other = |change: fn(&mut Volume)| {
        refused(|world| {
            backup(world, change);
        })
    };
    assert_eq!(other(|volume| volume.size = 0), RejectCode::EvidenceMissing);
    assert_eq!(other(|volume| volume.vmid = Some(121)), RejectCode::EvidenceMissing);
    assert_eq!(other(|volume| volume.ctime += 1), RejectCode::EvidenceMissing);
    assert_eq!(
        other(|volume| {
            let text = volume.backup_config.take().unwrap().replace("backup=1", "backup=0");
            volume.backup_config = Some(text);
        }),
        RejectCode::EvidenceMissing
    );
    let mut scene = Scene::new();
    let order = scene.destroy();
    scene.guards.evidence_max_age_s = 300;
    assert_eq!(scene.operate(&order).unwrap_err().code, RejectCode::EvidenceStale);
    assert_eq!(scene.mutations(), Vec::<String>::new());
}

/// Its storage is not that of the guest, and is offline.
#[test]
fn g11_a_backup_whose_storage_is_offline_is_no_evidence() {
    let mut world = world();
    let volids: Vec<String> = world
        .storages
        .iter()
        .flat_map(|storage| storage.volumes.values())
        .filter(|volume| volume.content == "backup")
        .map(|volume| volume.volid.clone())
        .collect();
    for volid in volids {
        world.free_volume(&volid);
    }
    world.add_pbs("pbs");
    world.add_backup("pbs", CT, 600);
    let scene = Scene::of(world);
    let order = scene.destroy();
    scene.sim.world(|world| {
        world.storages.iter_mut().find(|storage| storage.name == "pbs").unwrap().online = false;
    });
    assert_eq!(scene.operate(&order).unwrap_err().code, RejectCode::EvidenceMissing);
    scene.sim.world(|world| {
        world.storages.iter_mut().find(|storage| storage.name == "pbs").unwrap().online = true;
    });
    assert!(is_done(&scene.operate(&order).unwrap()));
}

#[test]
fn d07_without_a_backup_it_takes_a_second_signer_of_another_role() {
    let scene = Scene::new();
    let order = scene.destroy().without("evidence");
    assert_eq!(scene.operate(&order).unwrap_err().code, RejectCode::Threshold);
    assert_eq!(scene.mutations(), Vec::<String>::new());
    let order = scene.destroy().without("evidence");
    assert!(is_done(&scene.operate_by(&order, &[&scene.custodian, &scene.root]).unwrap()));
}

#[test]
fn g12_a_guest_that_cannot_be_seen_is_not_gone() {
    let code = |change: &dyn Fn(&Scene)| {
        let scene = Scene::new();
        let order = scene.destroy();
        change(&scene);
        let rejected = scene.operate(&order).unwrap_err();
        assert_eq!(scene.mutations(), Vec::<String>::new());
        assert!(scene.is_there(CT));
        rejected.code
    };
    let untrusted = RejectCode::ObservationUntrusted;
    assert_eq!(code(&|scene| scene.sim.world(|world| world.faults.empty_guest_lists = true)), untrusted);
    assert_eq!(code(&|scene| scene.sim.conditions(|conditions| conditions.pmxcfs_down = true)), untrusted);
    assert_eq!(code(&|scene| scene.sim.conditions(|conditions| conditions.pvedaemon_down = true)), untrusted);
    let offline = |scene: &Scene| {
        scene.sim.world(|world| {
            world.storages.iter_mut().find(|storage| storage.name == "store").unwrap().online = false;
        });
    };
    assert_eq!(code(&offline), untrusted);
    // A token that lost its rights gets lists without the guest.
    let mut world = world();
    world.access.add_token("root@pam!blind", "5f7c9c1e-0000-4000-8000-000000000001", true);
    let scene = Scene::new();
    let order = scene.destroy();
    let sim = PveSim::start(Options { world, ..Options::default() });
    let blind = Scene::by(sim, "root@pam!blind", "5f7c9c1e-0000-4000-8000-000000000001");
    assert_eq!(blind.operate(&order).unwrap_err().code, untrusted);
    assert_eq!(blind.mutations(), Vec::<String>::new());
}

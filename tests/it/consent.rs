//! What cannot be undone, at the level of the executor: drafted, signed, judged and carried out against a simulated node over real
//! TLS, and proven to be done or left open. Each refusal leaves the node without a single mutating call.

use std::collections::BTreeSet;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use felhom_agent::authz::{Keyring, Policy, Situation, Trust as Trusted, VerifiedOp, verify};
use felhom_agent::consent::{self, Guards};
use felhom_agent::execute::Executor;
use felhom_agent::gate;
use felhom_agent::http::Trust;
use felhom_agent::journal::Journal;
use felhom_agent::model::guest::{GuestId, GuestKind, Vmid};
use felhom_agent::model::hold::HoldReason;
use felhom_agent::model::image::GuestImage;
use felhom_agent::model::op::{Action as Ordered, ClockTrust, RejectCode, Rejected};
use felhom_agent::model::outcome::Outcome;
use felhom_agent::model::time::Timestamp;
use felhom_agent::secret::Secret;
use felhom_agent::status::ResourceState;
use felhom_agent::{observe, pve};
use felhom_sim::node::storage::Volume;
use felhom_sim::node::{GuestKind as Kind, World};
use felhom_sim::pve::{Options, PveSim};
use felhom_sim::server::{Action, Call, Rule};
use felhom_sim::sign::{self, Key, Order};
use serde_json::{Value, json};

use crate::rig::{Rig, lxc as lxc_resource, manifest};

const HOST: &str = "h1";
const DAY_S: u64 = 86_400;
/// Stopped, with a root, a mount point that is backed up, and a snapshot.
const CT: u32 = 120;
const DISK: &str = "store:120/vm-120-disk-0.raw";
const DATA: &str = "store:120/vm-120-disk-1.raw";

struct Scene {
    sim: PveSim,
    client: pve::Client,
    token_id: String,
    journal: Journal,
    custodian: Key,
    operator: Key,
    root: Key,
    guards: Guards,
    stop: Receiver<()>,
    _running: Sender<()>,
}

fn lxc(vmid: u32) -> GuestId {
    GuestId::new(GuestKind::Lxc, Vmid::new(u64::from(vmid)).unwrap())
}

fn qemu(vmid: u32) -> GuestId {
    GuestId::new(GuestKind::Qemu, Vmid::new(u64::from(vmid)).unwrap())
}

/// The recorded node, and a container with all that a container can lose.
fn world() -> World {
    let mut world = World::facts_world();
    let main = format!(
        "arch: amd64\nhostname: db\nmemory: 128\nmp0: {DATA},mp=/data,backup=1,size=1G\nostype: alpine\nparent: before\n\
         rootfs: {DISK},size=1G\nswap: 512\n"
    );
    let snapshot = format!(
        "\n[before]\narch: amd64\nhostname: old\nmemory: 64\nrootfs: {DISK},size=1G\nsnaptime: 1795230876\n"
    );
    world.add_lxc(CT, &format!("{main}{snapshot}"));
    world.add_backup("store", CT, 600);
    world.add_backup("store", 201, 600);
    world
}

impl Scene {
    fn new() -> Self {
        Self::of(world())
    }

    fn of(world: World) -> Self {
        let sim = PveSim::start(Options { world, ..Options::default() });
        let (id, secret) = sim.token();
        let (id, secret) = (id.to_owned(), secret.to_owned());
        Self::by(sim, &id, &secret)
    }

    fn by(sim: PveSim, token_id: &str, secret: &str) -> Self {
        let connection = pve::Connection {
            url: sim.url(),
            node: Some("pve".to_owned()),
            token_id: token_id.to_owned(),
            token_secret: Secret::new(secret.to_owned()),
            trust: Trust::Pin(sim.pin()),
            timeout: Duration::from_secs(10),
        };
        let (running, stop) = bounded(0);
        Self {
            client: pve::Client::new(&connection).unwrap(),
            sim,
            token_id: token_id.to_owned(),
            journal: Journal::default(),
            custodian: Key::named("carla", &["custodian"]),
            operator: Key::named("olaf", &["operator"]),
            root: Key::named("rita", &["root"]),
            guards: Guards {
                managed: true,
                data_bearing: true,
                protected: BTreeSet::new(),
                evidence_max_age_s: DAY_S,
                backups: Vec::new(),
                now: Timestamp::from_unix(sign::now()),
            },
            stop,
            _running: running,
        }
    }

    fn image(&self, guest: GuestId) -> GuestImage {
        observe::image(&self.client, guest).unwrap()
    }

    /// As `op draft` does it: bound to what is there now, with the newest backup that fits.
    fn draft(&self, guest: GuestId, kind: &str, params: Value) -> Order {
        let image = self.image(guest);
        let order = Order::new(kind, "custodian", HOST, "pve")
            .guest(
                guest.kind.as_str(),
                guest.vmid.number(),
                &consent::ident(&image),
                &consent::state_sha256(&image),
            )
            .params(params);
        match observe::newest_backup(&self.client, &image).unwrap() {
            Some(backup) => order.set(
                "evidence",
                json!({"backup": {
                    "volid": backup.volid, "ctime": backup.ctime, "size": backup.size, "covers": backup.covers,
                }}),
            ),
            None => order,
        }
    }

    fn destroy(&self) -> Order {
        self.draft(lxc(CT), "guest.destroy", json!({"purge": false}))
    }

    fn verified(&self, order: &Order, keys: &[&Key]) -> VerifiedOp {
        let keyring = sign::keyring(1, 1, &[&self.custodian, &self.operator, &self.root]).to_string();
        let trust =
            Trusted { keyring: Keyring::parse(keyring.as_bytes()).unwrap(), policy: Policy::built_in() };
        let situation = Situation {
            host_id: HOST,
            node: "pve",
            now: Timestamp::from_unix(sign::now()),
            clock: &ClockTrust::Trusted,
            floor: Timestamp::from_unix(0),
        };
        verify(order.signed(keys).text().as_bytes(), &trust, &situation).unwrap()
    }

    /// As an operation's job does it, from its own look at the guest on.
    fn operate(&self, order: &Order) -> Result<Outcome, Rejected> {
        self.operate_by(order, &[&self.custodian])
    }

    fn operate_by(&self, order: &Order, keys: &[&Key]) -> Result<Outcome, Rejected> {
        let op = self.verified(order, keys);
        let image = observe::image(&self.client, op.op().subject.as_ref().unwrap().guest)?;
        let mut volids: BTreeSet<String> =
            op.op().evidence.iter().map(|backup| backup.volid.clone()).collect();
        if let Ordered::BackupDelete { volid } | Ordered::GuestRestoreOver { volid, .. } = &op.op().action {
            volids.insert(volid.clone());
        }
        let backups = observe::named_backups(&self.client, &image, &volids);
        let guards = Guards { backups, ..self.guards.clone() };
        let step = consent::steps_of(op.op(), &image)?.remove(0);
        let approved = gate::judge_consented(step, &op, &image, &guards)?;
        let executor =
            Executor::new(&self.client, &self.journal, &self.token_id, Duration::from_secs(30), &self.stop);
        Ok(executor.carry_out(approved))
    }

    fn mutations(&self) -> Vec<String> {
        self.sim.calls().iter().filter(|call| call.is_mutation()).map(Call::line).collect()
    }

    fn has(&self, volid: &str) -> bool {
        self.sim.world(|world| world.volume(volid).is_some())
    }

    fn is_there(&self, vmid: u32) -> bool {
        self.sim.world(|world| world.guest(vmid).is_some())
    }

    fn config(&self, vmid: u32, key: &str) -> Option<String> {
        self.sim.world(|world| world.guest(vmid).unwrap().config().main.get(key).map(str::to_owned))
    }
}

/// What a destroy gets after the world was changed since its draft; nothing was sent.
fn refused(change: impl FnOnce(&mut World)) -> RejectCode {
    let scene = Scene::new();
    let order = scene.destroy();
    scene.sim.world(change);
    let rejected = scene.operate(&order).unwrap_err();
    assert_eq!(scene.mutations(), Vec::<String>::new());
    assert_eq!(rejected.code == RejectCode::GuestGone, !scene.is_there(CT), "{rejected}");
    rejected.code
}

fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done { upid: Some(_) })
}

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

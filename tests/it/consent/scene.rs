//! A node with a guest that has everything to lose, people who sign, and an operation's way from its draft to its end.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use felhom_agent::authz::{Keyring, Policy, Situation, Trust as Trusted, VerifiedOp, verify};
use felhom_agent::consent::{self, Guards};
use felhom_agent::execute::Executor;
use felhom_agent::gate;
use felhom_agent::http::Trust;
use felhom_agent::journal::Journal;
use felhom_agent::model::guest::{GuestId, GuestKind, Vmid};
use felhom_agent::model::image::GuestImage;
use felhom_agent::model::op::{Action as Ordered, ClockTrust, RejectCode, Rejected};
use felhom_agent::model::outcome::Outcome;
use felhom_agent::model::sorted::Set;
use felhom_agent::model::time::Timestamp;
use felhom_agent::secret::Secret;
use felhom_agent::{observe, pve};
use felhom_sim::node::World;
use felhom_sim::pve::{Options, PveSim};
use felhom_sim::server::Call;
use felhom_sim::sign::{self, Key, Order};
use serde_json::{Value, json};

pub(super) const HOST: &str = "h1";
pub(super) const DAY_S: u64 = 86_400;
/// Stopped, with a root, a mount point that is backed up, and a snapshot.
pub(super) const CT: u32 = 120;
pub(super) const DISK: &str = "store:120/vm-120-disk-0.raw";
pub(super) const DATA: &str = "store:120/vm-120-disk-1.raw";

pub(super) struct Scene {
    pub(super) sim: PveSim,
    pub(super) client: pve::Client,
    pub(super) token_id: String,
    pub(super) journal: Journal,
    pub(super) custodian: Key,
    pub(super) operator: Key,
    pub(super) root: Key,
    pub(super) guards: Guards,
    pub(super) stop: Receiver<()>,
    _running: Sender<()>,
}

pub(super) fn lxc(vmid: u32) -> GuestId {
    GuestId::new(GuestKind::Lxc, Vmid::new(u64::from(vmid)).unwrap())
}

pub(super) fn qemu(vmid: u32) -> GuestId {
    GuestId::new(GuestKind::Qemu, Vmid::new(u64::from(vmid)).unwrap())
}

/// The recorded node, and a container with all that a container can lose.
pub(super) fn world() -> World {
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
    pub(super) fn new() -> Self {
        Self::of(world())
    }

    pub(super) fn of(world: World) -> Self {
        let sim = PveSim::start(Options { world, ..Options::default() });
        let (id, secret) = sim.token();
        let (id, secret) = (id.to_owned(), secret.to_owned());
        Self::by(sim, &id, &secret)
    }

    pub(super) fn by(sim: PveSim, token_id: &str, secret: &str) -> Self {
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
                protected: Set::new(),
                evidence_max_age_s: DAY_S,
                backups: Vec::new(),
                now: Timestamp::from_unix(sign::now()),
            },
            stop,
            _running: running,
        }
    }

    pub(super) fn image(&self, guest: GuestId) -> GuestImage {
        observe::image(&self.client, guest).unwrap()
    }

    /// As `op draft` does it: bound to what is there now, with the newest backup that fits.
    pub(super) fn draft(&self, guest: GuestId, kind: &str, params: Value) -> Order {
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

    pub(super) fn destroy(&self) -> Order {
        self.draft(lxc(CT), "guest.destroy", json!({"purge": false}))
    }

    pub(super) fn verified(&self, order: &Order, keys: &[&Key]) -> VerifiedOp {
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
    pub(super) fn operate(&self, order: &Order) -> Result<Outcome, Rejected> {
        self.operate_by(order, &[&self.custodian])
    }

    pub(super) fn operate_by(&self, order: &Order, keys: &[&Key]) -> Result<Outcome, Rejected> {
        let op = self.verified(order, keys);
        let image = observe::image(&self.client, op.op().subject.as_ref().unwrap().guest)?;
        let mut volids: Set<String> = op.op().evidence.iter().map(|backup| backup.volid.clone()).collect();
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

    pub(super) fn mutations(&self) -> Vec<String> {
        self.sim.calls().iter().filter(|call| call.is_mutation()).map(Call::line).collect()
    }

    pub(super) fn has(&self, volid: &str) -> bool {
        self.sim.world(|world| world.volume(volid).is_some())
    }

    pub(super) fn is_there(&self, vmid: u32) -> bool {
        self.sim.world(|world| world.guest(vmid).is_some())
    }

    pub(super) fn config(&self, vmid: u32, key: &str) -> Option<String> {
        self.sim.world(|world| world.guest(vmid).unwrap().config().main.get(key).map(str::to_owned))
    }
}

/// What a destroy gets after the world was changed since its draft; nothing was sent.
pub(super) fn refused(change: impl FnOnce(&mut World)) -> RejectCode {
    let scene = Scene::new();
    let order = scene.destroy();
    scene.sim.world(change);
    let rejected = scene.operate(&order).unwrap_err();
    assert_eq!(scene.mutations(), Vec::<String>::new());
    assert_eq!(rejected.code == RejectCode::GuestGone, !scene.is_there(CT), "{rejected}");
    rejected.code
}

pub(super) fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done { upid: Some(_) })
}

//! Control, its observer and its lanes on real threads, against a simulated node on real sockets; ticks by hand.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded, never, unbounded};
use felhom_agent::config::ProofSettings;
use felhom_agent::control::brake::LocalBrake;
use felhom_agent::control::limit::Limit;
use felhom_agent::control::store::Store;
use felhom_agent::control::{
    Answer, Control, Event, Memory, Operating, Query, Rate, Setup, Signal, Wires, Work, observer,
};
use felhom_agent::http::Trust;
use felhom_agent::hub::wire::ControlEnvelope;
use felhom_agent::journal::Journal;
use felhom_agent::lanes::{self, Lanes, Permits};
use felhom_agent::model::sorted::Set;
use felhom_agent::model::window::Window;
use felhom_agent::ops::trust::TrustStore;
use felhom_agent::ops::{Door, intake};
use felhom_agent::paths::StateDir;
use felhom_agent::proof::Board;
use felhom_agent::secret::Secret;
use felhom_agent::source::Found;
use felhom_agent::status::{ConditionStatus, ConditionType, ResourceState, ResourceStatus};
use felhom_agent::{plan, pve};
use felhom_sim::pve::{Options, PveSim};
use felhom_sim::server::Call;
use serde_json::{Value, json};

/// Longer than anything takes that does not hang, on a machine that has other things to do.
const LONG: Duration = Duration::from_secs(120);

pub(crate) const HOST: &str = "h1";

pub(crate) struct Rig {
    pub(crate) sim: PveSim,
    pub(crate) state: Arc<tempfile::TempDir>,
    pub(crate) journal: Arc<Journal>,
    connection: Arc<pve::Connection>,
    trust: Arc<TrustStore>,
    limit: Limit,
    pub(crate) events: Sender<Event>,
    ticks: Sender<()>,
    control: Option<JoinHandle<Memory>>,
    observer: Option<JoinHandle<()>>,
}

/// What a rig can be started with otherwise than usual.
pub(crate) struct Kit {
    pub(crate) token: Option<(&'static str, &'static str)>,
    pub(crate) state: Arc<tempfile::TempDir>,
    pub(crate) task_within: Duration,
    /// For one call.
    pub(crate) timeout: Duration,
    /// What is left of the node's boot.
    pub(crate) boot_grace: Option<Duration>,
}

impl Default for Kit {
    fn default() -> Self {
        let state = Arc::new(tempfile::tempdir().unwrap());
        Self { token: None, state, task_within: LONG, timeout: Duration::from_secs(30), boot_grace: None }
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::on(PveSim::start(Options::default()))
    }

    pub(crate) fn on(sim: PveSim) -> Self {
        Self::with(sim, Kit::default())
    }

    pub(crate) fn with(sim: PveSim, kit: Kit) -> Self {
        let (token_id, secret) = kit.token.unwrap_or_else(|| sim.token());
        let connection = Arc::new(pve::Connection {
            url: sim.url(),
            node: Some("pve".to_owned()),
            token_id: token_id.to_owned(),
            token_secret: Secret::new(secret.to_owned()),
            trust: Trust::Pin(sim.pin()),
            timeout: kit.timeout,
        });
        let (events, inbox) = unbounded();
        let (ticks, ticked) = bounded(1);
        let (looks, requests) = bounded(1);
        let (stop, stopped) = bounded(0);
        let (eye, tell) = (Arc::clone(&connection), events.clone());
        let observer = std::thread::spawn(move || {
            observer::run(&eye, &requests, |look| {
                tell.send(Event::Observed(look)).ok();
            });
        });
        let journal = Arc::new(Journal::default());
        let keyring = kit.state.path().join("keyring.json");
        let trust = Arc::new(TrustStore::new(keyring, None, Arc::clone(&journal)));
        let limit = Limit::recall(StateDir::open(kit.state.path()).unwrap(), 0);
        let setup = Setup {
            brake: LocalBrake::default(),
            host_id: HOST.to_owned(),
            only: Vec::new(),
            store: Store::new(StateDir::open(kit.state.path()).unwrap()),
            source: "the test".to_owned(),
            plan: plan::Settings::default(),
            reconcile: Duration::from_secs(60),
            hub: false,
            require_signed: false,
            stop_within: LONG,
            work: Work {
                connection: Arc::clone(&connection),
                operating: operating(&trust),
                journal: Arc::clone(&journal),
                permits: Permits::new(lanes::Limits::default()),
                task_within: kit.task_within,
                window: Window::default(),
                board: Arc::new(Board::recall(None)),
                proof: ProofSettings {
                    every_days: 0,
                    scratch: 990_000..=990_099,
                    storage: None,
                    min_free_percent: 20,
                    backup_storage: None,
                },
                limit: limit.clone(),
                boot_grace_until: kit.boot_grace.map(|left| Instant::now() + left),
            },
        };
        let wires = Wires {
            ticks: ticked,
            events: inbox,
            tell: events.clone(),
            looks,
            pokes: None,
            courier: None,
            changed: None,
            stop: Some(stop),
        };
        let lanes = Lanes::new(lanes::Settings::default());
        let control = Control::new(setup, wires, lanes, stopped, Memory::default());
        let control = std::thread::spawn(move || control.run());
        Self {
            sim,
            state: kit.state,
            journal,
            connection,
            trust,
            limit,
            events,
            ticks,
            control: Some(control),
            observer: Some(observer),
        }
    }

    /// An intake, which ends when the rig does.
    pub(crate) fn door(&self) -> Door {
        let (door, inbox) = Door::new(Arc::clone(&self.journal));
        let setup = intake::Setup {
            host_id: HOST.to_owned(),
            connection: Arc::clone(&self.connection),
            journal: Arc::clone(&self.journal),
            trust: Arc::clone(&self.trust),
            limit: self.limit.clone(),
        };
        let wires = intake::Wires { control: self.events.clone(), ended: bounded(1).0, stop: never() };
        std::thread::spawn(move || intake::run(setup, wires, &inbox));
        door
    }

    pub(crate) fn client(&self) -> pve::Client {
        pve::Client::new(&self.connection).unwrap()
    }

    fn stop(&mut self) {
        self.events.send(Event::Signal(Signal::Stop)).ok();
        if let Some(control) = self.control.take() {
            control.join().unwrap();
        }
        if let Some(observer) = self.observer.take() {
            observer.join().unwrap();
        }
    }

    pub(crate) fn ask(&self) -> Answer {
        let (reply, answer) = bounded(1);
        self.events.send(Event::Query(Query::State(reply))).unwrap();
        answer.recv_timeout(LONG).expect("control answers from memory")
    }

    /// Control has taken it when this returns.
    pub(crate) fn desire(&self, document: &Value) {
        self.events.send(Event::Desired(Found::Document(document.to_string().into_bytes()))).unwrap();
        self.ask();
    }

    /// Control has heard it when this returns.
    pub(crate) fn hub_says(&self, envelope: &str) {
        let envelope: ControlEnvelope = serde_json::from_str(envelope).unwrap();
        self.events.send(Event::Envelope(envelope)).unwrap();
        self.ask();
    }

    /// A tick, a look that begins after it, and whatever the lanes do about it.
    pub(crate) fn round(&self) -> Answer {
        let before = self.wait("the look before", |answer| !answer.looking).looks;
        self.ticks.send(()).unwrap();
        self.wait("a round", |answer| answer.looks > before && is_calm(answer))
    }

    pub(crate) fn wait(&self, what: &str, mut done: impl FnMut(&Answer) -> bool) -> Answer {
        let began = Instant::now();
        loop {
            let answer = self.ask();
            if done(&answer) {
                return answer;
            }
            assert!(began.elapsed() < LONG, "waited too long for {what}: {:#?}", answer.status);
            pause();
        }
    }

    /// Until every resource is in order, by a look at what is desired now.
    pub(crate) fn settle(&self) -> Answer {
        let ready = |resource: &ResourceStatus| resource.state == ResourceState::Ready;
        self.wait("order", |answer| {
            !answer.status.resources.is_empty()
                && is_calm(answer)
                && answer.status.resources.values().all(ready)
        })
    }

    pub(crate) fn resource(&self, id: &str) -> ResourceStatus {
        self.ask().status.resources[id].clone()
    }

    /// The calls that change something, in order.
    pub(crate) fn mutations(&self) -> Vec<Call> {
        self.sim.calls().into_iter().filter(Call::is_mutation).collect()
    }

    pub(crate) fn mutation_lines(&self) -> Vec<String> {
        self.mutations().iter().map(Call::line).collect()
    }

    pub(crate) fn config(&self, vmid: u32, key: &str) -> Option<String> {
        self.sim.world(|world| world.guest(vmid).unwrap().config().main.get(key).map(str::to_owned))
    }

    pub(crate) fn runs(&self, vmid: u32) -> bool {
        self.sim.world(|world| world.guest(vmid).unwrap().running.is_some())
    }

    pub(crate) fn until(&self, what: &str, mut done: impl FnMut(&PveSim) -> bool) {
        let began = Instant::now();
        while !done(&self.sim) {
            assert!(began.elapsed() < LONG, "waited too long for {what}");
            pause();
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", crate::stage::story("node", &self.sim.calls()));
        } else {
            self.stop();
        }
    }
}

/// Whether nobody looks at the node or works on a guest.
fn is_calm(answer: &Answer) -> bool {
    !answer.looking && answer.busy.is_empty()
}

/// Gives the others a moment.
fn pause() {
    let (_keep, nothing) = bounded::<()>(0);
    nothing.recv_timeout(Duration::from_millis(5)).unwrap_err();
}

pub(crate) fn manifest(generation: u64, resources: &[Value]) -> Value {
    json!({"api_version": "felhom/v1", "host_id": HOST, "generation": generation, "resources": resources})
}

pub(crate) fn lxc(id: &str, spec: Value) -> Value {
    json!({"id": id, "kind": "lxc_guest", "spec": spec})
}

pub(crate) fn vm(id: &str, spec: Value) -> Value {
    json!({"id": id, "kind": "vm_guest", "spec": spec})
}

pub(crate) fn condition(answer: &Answer, kind: ConditionType) -> ConditionStatus {
    answer.status.conditions.iter().find(|condition| condition.kind == kind).unwrap().status
}

fn operating(trust: &Arc<TrustStore>) -> Operating {
    Operating {
        host_id: HOST.to_owned(),
        trust: Arc::clone(trust),
        protected: Set::new(),
        evidence_max_age: Duration::from_secs(3600),
        rate_per_hour: 3,
        lock_wait: Duration::from_secs(600),
        rate: Rate::default(),
    }
}

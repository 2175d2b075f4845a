//! The control loop: desired state in, observe, plan, dispatch to lanes, status out.
//!
//! *Owns* the desired state, the last observation, the status of each resource, the blocked flag, and the lanes.
//! *Fed by* one channel of [`Event`]s and the timer's tick. *Emits* looks to the observer, jobs to the lanes, pokes to the source.
//! *Never* waits for anything but its own select, and never talks to Proxmox or the hub itself: the observer, the lanes, the
//! source and the reporter do, each on its own thread, and tell it afterwards.
//!
//! An event says *that* something happened; what is true is looked at again. A lost or doubled tick harms nothing. A guest has at
//! most one job in its lane, and the job re-reads its guest before it does anything.

pub mod ahead;
pub mod asked;
mod book;
pub mod brake;
mod converge;
mod desired;
mod event;
pub mod limit;
pub mod observer;
mod operate;
mod operated;
mod prove;
mod restraint;
mod rights;
mod settle;
mod setup;
pub mod store;
mod told;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, at, never, select};

use self::asked::Seen;
use self::book::{Book, Moment, Verdict};
use self::brake::Brake;
use self::converge::{Converged, Worker};
use self::desired::{Accepted, Keeper, Signatures};
use self::observer::{Look, Request};
use self::restraint::Planned;
use crate::clock;
use crate::hub::wire::ControlEnvelope;
use crate::lanes::{Closed, Lanes, Resolution};
use crate::model::desired::DesiredGuest;
use crate::model::guest::{GuestId, RunState, Vmid};
use crate::model::hold::Halt;
use crate::model::observed::ReadFault;
use crate::model::sorted::Set;
use crate::paths::new_uuid;
use crate::plan::{self, GuestPlan, NodeObservation};
use crate::source::Found;
use crate::status::condition::{ManifestState, Reach, Situation, conditions};
use crate::status::{AgentStatus, ResourceState, ResourceStatus};

pub use self::asked::{Answer, Query, Reports};
pub use self::converge::Work;
pub use self::event::{Asked, Event, LaneDone, OperationDone, Signal, What};
pub use self::operate::{Bearer, Operating, Order, Rate};
pub use self::setup::{Courier, Setup, Wires};

/// What a call may take beyond its deadline until its lane has understood that.
const CALL_MARGIN: Duration = Duration::from_secs(5);

/// So many of the last decisions and outcomes go into a report.
const AUDIT_TAIL: usize = 20;

/// What control remembers over a re-read of the configuration.
#[derive(Debug, Default)]
pub struct Memory {
    book: Book,
    status: Option<AgentStatus>,
    /// What the hub last said, even if it could not be kept on disk.
    blocked: bool,
    reports: Reports,
    /// The guest whose lane ended the run before by a panic, and with which text.
    panicked: Option<(Vmid, String)>,
}

impl Memory {
    /// Of a run that ended by a panic: its guest is left alone until it looks different or something else is wanted of it.
    pub fn of_panic(vmid: Vmid, message: &str) -> Self {
        let message = format!("the agent panicked while it worked on this guest, look at it: {message}");
        Self { panicked: Some((vmid, message)), ..Self::default() }
    }
}

#[derive(Debug)]
pub struct Control {
    setup: Setup,
    wires: Wires,
    lanes: Lanes,
    worker: Arc<Worker>,
    brake: Brake,
    keeper: Keeper,
    book: Book,
    status: AgentStatus,
    proxmox: Reach,
    hub: Reach,
    /// How the newest document fared.
    manifest: ManifestState,
    /// Why the source gives nothing at present.
    source_fault: Option<String>,
    look: Looking,
    looks: u64,
    /// The guests whose steps of before are being found out.
    settling: Set<GuestId>,
    /// The last look, for whoever asks what would be done.
    seen: Option<Seen>,
    reports: Reports,
    /// How often the source was poked, and how often it has looked since.
    pokes: u64,
    reads: u64,
    /// The numbers that what a restore test left is being cleared from.
    clearing: Set<Vmid>,
    /// Restore tests that were asked for; the first is under way.
    tests: VecDeque<Asked>,
    /// What was asked for before the first look.
    early: Vec<Asked>,
    /// The other agent that reports under this host's id.
    duplicate: Option<String>,
    /// A resource that others wait for has come in order.
    unlocked: bool,
}

/// One look at a time; a wish for another meanwhile is granted right after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looking {
    No,
    Yes { again: bool },
}

impl Control {
    /// Reads what was kept from before. `stopped` is the other end of `wires.stop`.
    pub fn new(setup: Setup, wires: Wires, lanes: Lanes, stopped: Receiver<()>, memory: Memory) -> Self {
        let signatures =
            Signatures { are_required: setup.require_signed, trust: Arc::clone(&setup.work.operating.trust) };
        let mut keeper = Keeper::recall(setup.host_id.clone(), setup.store.clone(), signatures);
        if memory.blocked {
            keeper.block(true);
        }
        let brake = Brake::new(memory.blocked || keeper.is_blocked(), setup.brake.clone());
        let worker = Arc::new(Worker::new(setup.work.clone(), brake.clone(), stopped));
        let hub = if setup.hub { Reach::NotYetTried } else { Reach::NotConfigured };
        let status = memory.status.unwrap_or_else(|| empty_status(&setup.host_id));
        let mut control = Self {
            manifest: keeper.state_at_start(),
            setup,
            wires,
            lanes,
            worker,
            brake,
            keeper,
            book: memory.book,
            status,
            proxmox: Reach::NotYetTried,
            hub,
            source_fault: None,
            look: Looking::No,
            looks: 0,
            settling: Set::new(),
            seen: None,
            reports: memory.reports,
            pokes: 0,
            reads: 0,
            clearing: Set::new(),
            tests: VecDeque::new(),
            early: Vec::new(),
            duplicate: None,
            unlocked: false,
        };
        control.adopt();
        if let Some((vmid, message)) = memory.panicked {
            control.book.doubt(vmid, &message);
        }
        control
    }

    /// Works until it is told to stop, or everybody who could tell it anything is gone.
    pub fn run(mut self) -> Memory {
        self.settle();
        loop {
            let wakes = [self.book.next_retry(), self.lanes.next_sweep(Instant::now())];
            let alarm = wakes.into_iter().flatten().min().map_or_else(never, at);
            let event = select! {
                recv(self.wires.events) -> event => event.ok(),
                recv(self.wires.ticks) -> tick => tick.ok().map(|()| Event::Tick),
                recv(alarm) -> _time => Some(Event::Alarm),
            };
            match event {
                None | Some(Event::Signal(Signal::Stop)) => {
                    let within = self.setup.stop_within;
                    return self.end(within);
                }
                Some(Event::Signal(Signal::HandOver)) => {
                    let one_call = self.setup.work.connection.timeout + CALL_MARGIN;
                    let within = self.setup.stop_within.max(one_call);
                    return self.end(within);
                }
                Some(event) => self.handle(event),
            }
        }
    }

    fn handle(&mut self, event: Event) {
        self.lanes.sweep(Instant::now());
        match event {
            Event::Tick => {
                self.poke();
                self.look();
            }
            Event::Alarm => {
                if self.book.is_retry_due(Instant::now()) {
                    self.look();
                }
            }
            Event::Desired(found) => self.desired(found),
            Event::SourceLooked => self.reads += 1,
            Event::Observed(look) => self.observed(look),
            Event::LaneDone(done) => self.lane_done(*done),
            Event::Settled(guest, end) => self.settled(guest, *end),
            Event::Operate(order) => self.operate(*order),
            Event::Operated(done) => self.operated(*done),
            Event::Prove(asked) => self.ask(asked),
            Event::Proved { job, lane } => self.proved(job, lane),
            Event::Envelope(envelope) => self.envelope(&envelope),
            Event::HubFault(message) => {
                self.reports.failed += 1;
                self.hub = Reach::Unreachable(message);
            }
            Event::Duplicate(other) => self.duplicate = other,
            Event::Signal(Signal::Refresh) => self.refresh(),
            Event::Signal(Signal::Stop | Signal::HandOver) => {}
            Event::Query(query) => self.asked(query),
        }
        if std::mem::take(&mut self.unlocked) {
            self.look();
        }
        self.restate();
    }

    fn refresh(&mut self) {
        self.book.refresh();
        self.poke();
        self.look();
    }

    /// Has the source look again.
    fn poke(&mut self) {
        // Full: a poke is waiting already.
        if self.wires.pokes.as_ref().is_some_and(|pokes| pokes.try_send(()).is_ok()) {
            self.pokes += 1;
        }
    }

    fn look(&mut self) {
        if let Looking::Yes { .. } = self.look {
            self.look = Looking::Yes { again: true };
            return;
        }
        let guests = self.keeper.guests().iter().map(|guest| guest.guest).collect();
        if self.wires.looks.send(Request { guests }).is_ok() {
            self.look = Looking::Yes { again: false };
        }
    }

    fn desired(&mut self, found: Found) {
        let now = clock::now();
        self.source_fault = None;
        match self.keeper.offer(found, now) {
            Accepted::New => {
                self.status.remember(self.keeper.history_entry("accepted", now));
                self.manifest = ManifestState::Current;
                self.brake.supersede();
                for guest in self.keeper.guests() {
                    if !self.book.knows(guest.guest.vmid) {
                        self.setup.work.journal.settled(guest.guest, "it was not managed before");
                    }
                }
                self.adopt();
                self.look();
            }
            Accepted::Same => self.manifest = ManifestState::Current,
            Accepted::AsBefore => {}
            Accepted::Nothing => self.manifest = ManifestState::None,
            Accepted::Unavailable(message) => {
                log::warn!("desired state: {message}");
                self.source_fault = Some(message);
            }
            Accepted::Refused { message, entry } => {
                log::warn!("desired state refused, the one before stays in force: {message}");
                self.status.remember(entry);
                self.manifest = ManifestState::Refused(message);
            }
        }
    }

    /// Makes the book and the status speak of the desired state in force.
    fn adopt(&mut self) {
        let now = clock::now();
        self.setup.work.limit.adopt(self.keeper.generation(), self.keeper.guests().len());
        self.book.adopt(self.keeper.guests(), self.keeper.generation(), Instant::now());
        self.tell_settled();
        for (guest, doubt) in self.setup.work.journal.doubts() {
            self.book.doubt(guest.vmid, &doubt.message);
        }
        self.status.resources.retain(|id, _| self.keeper.names(id));
        for refused in self.keeper.refused() {
            let before = self.status.resources.get(&refused.resource_id);
            let status = crate::status::refused(refused, self.keeper.generation(), before, now);
            told::resource(&refused.resource_id, before, &status);
            self.status.resources.insert(refused.resource_id.clone(), status);
        }
        self.restate();
    }

    fn observed(&mut self, look: Look) {
        let again = self.look == Looking::Yes { again: true };
        self.look = Looking::No;
        self.looks += 1;
        self.proxmox = look.reach.clone();
        if let Some(tag_case) = look.tag_case {
            self.setup.plan.tag_case = tag_case;
        }
        self.setup.plan.in_window = self.setup.work.window.holds(clock::now());
        let next_look = book::later(clock::now(), self.setup.reconcile);
        let halt = self.brake.halt();
        let plans = self.plans(&look.node);
        let mut have_left = Vec::new();
        for (guest, plan) in &plans {
            if !(self.setup.only.is_empty() || self.setup.only.contains(&guest.resource_id)) {
                continue;
            }
            let Some(seen) = look.node.guests.get(&guest.guest.vmid) else { continue };
            let hold =
                halt.clone().map(Halt::into_hold).or_else(|| self.restraint(guest, seen, plan, &plans));
            if Keeper::is_leaving(guest) && is_stopped(plan) {
                have_left.push(guest.guest);
            }
            match self.book.seen(guest, seen, plan, Moment { began: look.began, next_look, hold }) {
                Verdict::Say(finding) => self.say(guest, finding, None),
                Verdict::Work(finding) => {
                    self.say(guest, finding, None);
                    self.dispatch(Arc::clone(guest));
                }
                Verdict::Nothing => {}
            }
        }
        for guest in have_left {
            if !self.book.is_busy(guest.vmid) && self.keeper.has_left(guest) {
                log::info!("{guest} has left the manifest, is stopped, and is not managed any more");
                self.adopt();
            }
        }
        self.seen = Some(Seen { node: look.node, at: clock::now(), began: look.began });
        self.tell_settled();
        self.settle_again();
        self.prove();
        if again {
            self.look();
        }
    }

    /// Each managed guest that was looked at, with its plan.
    fn plans(&self, node: &NodeObservation) -> Vec<Planned> {
        let plan = |guest: &Arc<DesiredGuest>| {
            let seen = node.guests.get(&guest.guest.vmid)?;
            Some((Arc::clone(guest), plan::plan_guest(guest, seen, &self.setup.plan)))
        };
        self.keeper.guests().iter().filter_map(plan).collect()
    }

    fn dispatch(&mut self, guest: Arc<DesiredGuest>) {
        let (worker, settings) = (Arc::clone(&self.worker), self.setup.plan);
        let revision = self.brake.revision();
        let (subject, generation) = (Arc::clone(&guest), self.keeper.generation());
        let tell = self.wires.tell.clone();
        let vmid = guest.guest.vmid;
        self.lanes.submit_then(
            vmid,
            move || worker.converge(&subject, revision, &settings),
            move |end| {
                // Control gone means that the agent is ending: nobody is left to be told.
                tell.send(Event::LaneDone(Box::new(LaneDone { guest, generation, end }))).ok();
            },
        );
    }

    fn lane_done(&mut self, done: LaneDone) {
        let now = clock::now();
        let LaneDone { guest, generation, end } = done;
        let is_superseded =
            matches!(&end, Resolution::Done(Converged { end: converge::End::Superseded, .. }));
        let (finding, action) = self.book.done(&guest, generation, end, (Instant::now(), now));
        if self.keeper.names(&guest.resource_id) {
            self.say(&guest, finding, action);
        }
        // While it was worked on, looks passed the guest over: what is desired of it since then was not looked at.
        let is_current = generation == self.keeper.generation() && self.keeper.guests().contains(&guest);
        if is_superseded || !is_current || Keeper::is_leaving(&guest) {
            self.look();
        }
    }

    fn say(
        &mut self,
        guest: &DesiredGuest,
        finding: crate::status::resource::Finding,
        action: Option<crate::status::LastAction>,
    ) {
        let before = self.status.resources.get(&guest.resource_id);
        let status = crate::status::resource::status(finding, action, before, clock::now());
        told::resource(&format!("{} ({})", guest.resource_id, guest.guest), before, &status);
        let is_ready = |status: &ResourceStatus| (status.state == ResourceState::Ready, status.generation);
        let was_ready = before.map(is_ready);
        if status.state == ResourceState::Ready && was_ready != Some(is_ready(&status)) {
            self.unlocked |= self.is_awaited(&guest.resource_id);
        }
        if self.status.resources.get(&guest.resource_id) != Some(&status) {
            self.has_changed();
        }
        self.status.resources.insert(guest.resource_id.clone(), status);
    }

    /// The reporter tells the hub, unless it is about to already.
    fn has_changed(&self) {
        if let Some(changed) = &self.wires.changed {
            changed.try_send(()).ok();
        }
    }

    fn envelope(&mut self, envelope: &ControlEnvelope) {
        self.hub = Reach::Reachable;
        self.reports.arrived += 1;
        self.reports.last_arrived = Some(clock::now());
        match envelope.blocked {
            Some(true) => {
                // The brake first: what is on disk matters only after a restart.
                self.brake.set_by_hub(true);
                self.keeper.block(true);
            }
            Some(false) if self.brake.is_on_by_hub() => {
                if self.keeper.block(false) {
                    self.brake.set_by_hub(false);
                    self.look();
                }
            }
            Some(false) | None => {}
        }
        if let (Some(true), Some(courier)) = (envelope.has_signed_ops, &self.wires.courier) {
            courier.offered.try_send(()).ok();
        }
        if envelope.desired_generation.is_some_and(|generation| generation > self.keeper.generation()) {
            self.poke();
        }
    }

    /// Brings the summary up to date with everything else.
    fn restate(&mut self) {
        let halt = self.brake.halt();
        let now = clock::now();
        let journal = &self.setup.work.journal;
        let situation = Situation {
            manifest: self
                .source_fault
                .clone()
                .map_or_else(|| self.manifest.clone(), ManifestState::Unavailable),
            unseen: self.keeper.is_unseen(&self.status.resources),
            proxmox: self.proxmox.clone(),
            hub: self.hub.clone(),
            keyring: self.setup.work.operating.trust.fault(),
            duplicate: self.duplicate.clone(),
            halt: halt.clone(),
            clock: Some(journal.clock(now)),
            journal: Some(journal.health().into_fault()),
        };
        let stated = conditions(&situation, &self.status.resources, &self.status.conditions, now);
        told::conditions(&self.status.conditions, &stated);
        if self.status.conditions != stated || self.keeper.identity().0 != self.status.manifest_generation {
            self.has_changed();
        }
        self.status.conditions = stated;
        self.status.paused = halt.is_some();
        self.status.at = now;
        if let Some(generation) = self.keeper.observed(&self.status.resources) {
            self.status.observed_generation = Some(generation);
        }
        (self.status.manifest_generation, self.status.manifest_sha256) = self.keeper.identity();
    }

    /// The end: whoever waits in a lane stops waiting, what was accepted ends, for a bounded time.
    fn end(mut self, within: Duration) -> Memory {
        drop(self.wires.stop.take());
        let busy = self.book.busy();
        if !busy.is_empty() {
            log::info!("stopping: {} in hand, waiting at most {within:?}", list(&busy));
        }
        if self.lanes.close(within) == Closed::StillRunning {
            log::warn!("stopping although a lane has not come to a safe point");
        }
        // What the lanes said at the end is still worth remembering.
        for event in self.wires.events.try_iter().collect::<Vec<_>>() {
            if let Event::LaneDone(done) = event {
                self.lane_done(*done);
            }
        }
        self.book.nobody_works();
        Memory {
            book: self.book,
            status: Some(self.status),
            blocked: self.brake.is_on_by_hub(),
            reports: self.reports,
            panicked: None,
        }
    }
}

/// A guest that is gone is stopped too.
fn is_stopped(plan: &GuestPlan) -> bool {
    let is_gone = plan.failure.as_ref().is_some_and(|failure| failure.code == ReadFault::GUEST_MISSING);
    is_gone || (plan.run_state == RunState::Stopped && plan.is_in_order())
}

fn list(guests: &[GuestId]) -> String {
    guests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn empty_status(host_id: &str) -> AgentStatus {
    AgentStatus {
        schema: AgentStatus::SCHEMA,
        host_id: host_id.to_owned(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        // Where the system gives no randomness two agents are not told apart.
        instance: new_uuid().unwrap_or_default(),
        manifest_generation: None,
        observed_generation: None,
        manifest_sha256: None,
        at: clock::now(),
        paused: false,
        resources: crate::model::sorted::Map::new(),
        conditions: Vec::new(),
        history: Vec::new(),
    }
}

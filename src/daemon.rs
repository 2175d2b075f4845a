//! The wiring: takes the lock, makes the channels, starts the named threads, hears the signals, joins. Alone knows all threads.
//!
//! SIGTERM and SIGINT end the agent at a safe point, tasks going on in Proxmox; a second one ends it at once. SIGHUP reads the
//! configuration and the desired state again: a changed configuration restarts the threads with what control remembers, a bad
//! one is told and changes nothing. A thread that ends by itself ends the agent, so that the service manager starts it anew.

mod operations;
mod panicked;
mod signals;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};
use thiserror::Error;

use self::operations::{Operations, operating};
use self::panicked::Panicked;
use self::signals::{Heard, Signals};
use crate::clock;
use crate::config::{self, Config, DesiredSource, HubSettings, Mode, Needs, Sources};
use crate::control::brake::LocalBrake;
use crate::control::limit::Limit;
use crate::control::{Control, Event, Memory, Operating, Setup, Signal, Wires, Work, observer, store::Store};
use crate::http::HttpError;
use crate::hub;
use crate::journal::{Identity, Journal, LogError, Recovered, refuse_unfit_file_system};
use crate::lanes::{self, Lanes, Permits};
use crate::local_api::{self, Desk, LocalApi};
use crate::model::time::Timestamp;
use crate::ops::Door;
use crate::ops::trust::TrustStore;
use crate::paths::{StateDir, StateError};
use crate::plan;
use crate::proof::Board;
use crate::pve;
use crate::reporter::{self, Sequence};
use crate::source::{self, Source, file::FileSource, hub::HubSource};
use crate::timer::{self, Timer};

const STACK_BYTES: usize = 512 * 1024;

/// What the daemon needs of its configuration.
pub const NEEDS: Needs = Needs::PROXMOX;

#[derive(Debug, Error)]
pub enum DaemonError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(
        "the configuration says nothing of Proxmox: give proxmox.url, proxmox.token_id and proxmox.token_secret"
    )]
    NoProxmox,
    #[error("cannot set up the hub's client")]
    Hub(#[source] HttpError),
    #[error("the state directory cannot hold the journal")]
    Journal(#[source] LogError),
    #[error("cannot hear signals")]
    Signals(#[source] io::Error),
    #[error("cannot start the thread {name}")]
    Thread { name: &'static str, source: io::Error },
    #[error("the thread {name} ended by itself")]
    Ended { name: &'static str },
}

/// Runs until it is told to end. `sources` is where `config` came from, and is read again on SIGHUP.
pub fn run(config: Config, sources: &Sources) -> Result<(), DaemonError> {
    let state = StateDir::open(&config.agent.state_dir)?;
    let _lock = state.lock()?;
    let host_id = host_id(&config, &state)?;
    let journal = journal(&state, &host_id)?;
    let signals = Signals::listen().map_err(DaemonError::Signals)?;
    let mut config = config;
    let mut memory = match panicked::take(&state) {
        Some(Panicked { vmid, message }) => Memory::of_panic(vmid, &message),
        None => Memory::default(),
    };
    panicked::watch(state.clone());
    let sequence = Sequence::default();
    let started_at = clock::now();
    let mut trust = operations::trust(&config, &journal);
    loop {
        say_start(&config, &host_id);
        let lasting = (&journal, &trust);
        let threads = Threads::start(&config, &host_id, &state, lasting, memory, &sequence, started_at)?;
        let (then, left) = threads.attend(&config, sources, &host_id, &signals);
        memory = left;
        match then? {
            Then::End => {
                log::info!("ended");
                return Ok(());
            }
            Then::Restart(new) => {
                // What was in force stays so, whatever the files are like at this moment.
                if !trust.is_of(&new.ops.keyring, new.ops.role_policy.as_deref()) {
                    trust = operations::trust(&new, &journal);
                }
                config = *new;
            }
        }
    }
}

fn host_id(config: &Config, state: &StateDir) -> Result<String, StateError> {
    match &config.host_id {
        Some(host_id) => Ok(host_id.clone()),
        None => state.host_id(),
    }
}

/// Opened once for the whole process: a changed configuration goes on with it.
fn journal(state: &StateDir, host_id: &str) -> Result<Arc<Journal>, DaemonError> {
    if let Some(warning) = refuse_unfit_file_system(state.path()).map_err(DaemonError::Journal)? {
        log::warn!("{warning}");
    }
    let identity = Identity::of_this_machine(host_id);
    let (journal, Recovered { open, damage }) = Journal::open(state, identity, clock::now());
    if let Some(damage) = damage {
        log::error!("{damage}");
    }
    for intent in open {
        let task = intent.upid.as_deref().unwrap_or("none known");
        log::warn!(
            "begun before and its end is not known: {} (intent {}, task {task})",
            intent.step,
            intent.seq
        );
    }
    Ok(Arc::new(journal))
}

fn say_start(config: &Config, host_id: &str) {
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    let hub = config
        .hub
        .as_ref()
        .map_or_else(|| "no hub".to_owned(), |hub| format!("hub {} every {} s", hub.url, hub.poll.as_secs()));
    let node = config.proxmox.as_ref().map_or_else(String::new, |proxmox| {
        let node = proxmox.node.as_deref().unwrap_or("the local one");
        format!("node {node} at {} as {}", proxmox.url, proxmox.token_id)
    });
    let desired = config.desired_from();
    log::info!(
        "felhom-agent {}: host {host_id}, {hub}, {node}, reconcile every {} s, desired state from {desired}",
        env!("CARGO_PKG_VERSION"),
        config.agent.reconcile.as_secs(),
    );
}

enum Then {
    End,
    Restart(Box<Config>),
}

/// All threads of one configuration; in the order in which they are ended.
struct Threads {
    local: Option<LocalApi>,
    events: Sender<Event>,
    control: JoinHandle<Memory>,
    timer: Timer,
    door: Door,
    /// These end when control is gone.
    others: Vec<(&'static str, JoinHandle<()>)>,
    /// Says the name of a thread that has ended.
    ended: Receiver<&'static str>,
}

/// Tells of a thread's end, however it ends.
struct Farewell {
    name: &'static str,
    to: Sender<&'static str>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.to.send(self.name).ok();
    }
}

fn spawn<T: Send + 'static>(
    name: &'static str,
    to: &Sender<&'static str>,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, DaemonError> {
    let farewell = Farewell { name, to: to.clone() };
    let body = move || {
        let _farewell = farewell;
        body()
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK_BYTES)
        .spawn(body)
        .map_err(|source| DaemonError::Thread { name, source })
}

impl Threads {
    fn start(
        config: &Config,
        host_id: &str,
        state: &StateDir,
        (journal, trust): (&Arc<Journal>, &Arc<TrustStore>),
        memory: Memory,
        sequence: &Sequence,
        started_at: Timestamp,
    ) -> Result<Self, DaemonError> {
        let connection = Arc::new(config.proxmox.as_ref().ok_or(DaemonError::NoProxmox)?.connection());
        // No bound of its own: a guest has at most one job, a look is one at a time, the rest comes with the ticks.
        let (events, inbox) = unbounded();
        let (farewells, ended) = unbounded();
        let ((report, reports), (reconcile, reconciles)) = (timer::channel(), timer::channel());
        let (looks, requests) = bounded(1);
        let (stop, stopped) = bounded(0);
        let mut others = Vec::new();

        let pokes = match source(config, host_id)? {
            None => None,
            Some(source) => {
                let (poke, pokes) = bounded(1);
                let tell = events.clone();
                let found = move |found| drop(tell.send(Event::Desired(found)));
                let tell = events.clone();
                let looked = move || drop(tell.send(Event::SourceLooked));
                let body = move || source::run(source, &pokes, found, looked);
                others.push(("source", spawn("source", &farewells, body)?));
                Some(poke)
            }
        };
        let (eye, tell) = (Arc::clone(&connection), events.clone());
        let told_the_time = Arc::clone(journal);
        let body = move || {
            observer::run(&eye, &requests, |look| {
                told_the_time.note_clock(clock::now());
                drop(tell.send(Event::Observed(look)));
            });
        };
        others.push(("observer", spawn("observer", &farewells, body)?));

        let operations = Operations::new(trust, journal);
        let door = operations.door.clone();
        let operating = operating(config, host_id, trust);
        let limit = Limit::recall(state.clone(), config.agent.blast_radius);
        let courier = operations.start(
            config,
            host_id,
            (&connection, &limit),
            (&events, &stopped),
            &farewells,
            &mut others,
        )?;
        let setup = setup(config, host_id, state, (connection, Arc::clone(journal), operating, limit));
        let board = Arc::clone(&setup.work.board);
        let (change, changes) = bounded(1);
        let wires = Wires {
            ticks: reconciles,
            events: inbox,
            tell: events.clone(),
            looks,
            pokes,
            courier,
            changed: config.hub.as_ref().map(|_| change),
            stop: Some(stop),
        };
        let lanes = Lanes::new(lanes::Settings { idle: config.limits.lane_idle });
        let control = Control::new(setup, wires, lanes, stopped, memory);
        let control = spawn("control", &farewells, move || control.run())?;
        // Before the first look: whoever hears of that finds somebody to ask.
        let about = report_source(config, host_id)?;
        let desk = Desk::new(events.clone(), door.clone(), Arc::clone(journal), about, board, started_at);
        let local = local_api(config, desk);
        let poll = config.hub.as_ref().map_or(config.agent.reconcile, |hub| hub.poll);
        let timer = timer::start((poll, report), (config.agent.reconcile, reconcile))
            .map_err(|source| DaemonError::Thread { name: "timer", source })?;
        if let Some(hub) = &config.hub {
            let setup = reporter(config, hub, host_id, sequence)?;
            let (intervals, tell) = (timer.intervals(), events.clone());
            let body = move || reporter::run(setup, (&reports, &changes), &intervals, &tell);
            others.push(("reporter", spawn("reporter", &farewells, body)?));
        }
        Ok(Self { local, events, control, timer, door, others, ended })
    }

    /// Hears signals until there is a reason to end; then ends all threads.
    fn attend(
        self,
        config: &Config,
        sources: &Sources,
        host_id: &str,
        signals: &Signals,
    ) -> (Result<Then, DaemonError>, Memory) {
        let then = loop {
            select! {
                recv(signals.heard()) -> heard => match heard {
                    Ok(Heard::Reload) => match reload(config, sources, host_id) {
                        Reload::Same => {
                            self.door.reread();
                            drop(self.events.send(Event::Signal(Signal::Refresh)));
                        }
                        Reload::Changed(new) => break Ok(Then::Restart(new)),
                        Reload::Bad => {}
                    },
                    Ok(Heard::End) | Err(_) => break Ok(Then::End),
                },
                recv(self.ended) -> name => {
                    break Err(DaemonError::Ended { name: name.unwrap_or("unknown") });
                }
            }
        };
        let last = if matches!(then, Ok(Then::Restart(_))) { Signal::HandOver } else { Signal::Stop };
        (then, self.end(last))
    }

    fn end(self, last: Signal) -> Memory {
        let Self { local, events, control, timer, door, others, ended: _ } = self;
        drop((local, door));
        events.send(Event::Signal(last)).ok();
        drop(events);
        let memory = control.join().unwrap_or_else(|_panic| {
            log::error!("control panicked");
            Memory::default()
        });
        // Not before: control takes the end of its ticks for the end of everything.
        drop(timer);
        for (name, thread) in others {
            // One of them may be in the middle of a call that has a deadline of its own: not waited for.
            if thread.is_finished() && thread.join().is_err() {
                log::error!("the thread {name} panicked");
            }
        }
        memory
    }
}

fn reporter(
    config: &Config,
    hub: &HubSettings,
    host_id: &str,
    sequence: &Sequence,
) -> Result<reporter::Setup, DaemonError> {
    Ok(reporter::Setup {
        collector: reporter::Collector::start(report_source(config, host_id)?)
            .map_err(|source| DaemonError::Thread { name: "reporter", source })?
            .counting(sequence.clone()),
        hub: hub::Client::new(hub, host_id).map_err(DaemonError::Hub)?,
        interval: hub.poll,
    })
}

fn report_source(config: &Config, host_id: &str) -> Result<reporter::Source, DaemonError> {
    Ok(reporter::Source {
        host_id: host_id.to_owned(),
        connection: config.proxmox.as_ref().ok_or(DaemonError::NoProxmox)?.connection(),
        cloudflared: config.cloudflared.clone(),
    })
}

/// The local socket. Without it the agent does all else, and so goes on and says so.
fn local_api(config: &Config, desk: Desk) -> Option<LocalApi> {
    let path = config.agent.socket.as_ref()?;
    match LocalApi::start(path, desk, local_api::Limits::default()) {
        Ok(local) => Some(local),
        Err(error) => {
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            log::error!("there is no local socket until the agent is started again: {error}{cause}");
            None
        }
    }
}

fn setup(
    config: &Config,
    host_id: &str,
    state: &StateDir,
    (connection, journal, operating, limit): (Arc<pve::Connection>, Arc<Journal>, Operating, Limit),
) -> Setup {
    let limits = &config.limits;
    let count = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
    Setup {
        host_id: host_id.to_owned(),
        store: Store::new(state.clone()),
        source: config.desired_from(),
        only: config.agent.only.clone(),
        plan: plan::Settings {
            shutdown_timeout_s: config.agent.guest_shutdown_s,
            ha_through: config.agent.ha_through,
            ..plan::Settings::default()
        },
        reconcile: config.agent.reconcile,
        hub: config.hub.is_some(),
        require_signed: config.agent.require_signed,
        stop_within: config.agent.stop,
        brake: LocalBrake {
            kill_switch: Some(config.ops.kill_switch.clone()),
            observing: config.agent.mode == Mode::Observe,
        },
        work: Work {
            connection,
            journal,
            operating,
            limit,
            boot_grace_until: boot_grace_until(config),
            permits: Permits::new(lanes::Limits {
                power: count(limits.power),
                config: count(limits.config),
                storage_heavy_per_storage: count(limits.storage_heavy_per_storage),
                storage_heavy_per_node: count(limits.storage_heavy),
                destructive: count(limits.destructive),
                ..lanes::Limits::default()
            }),
            task_within: config.agent.task,
            window: config.agent.window.clone(),
            board: Arc::new(Board::recall(Some(state.clone()))),
            proof: config.proof.clone(),
        },
    }
}

/// When the node has been up for long enough; `None` if it has.
pub(crate) fn boot_grace_until(config: &Config) -> Option<Instant> {
    let up = Duration::from_secs(clock::uptime_s()?);
    Some(Instant::now() + config.agent.boot_grace.checked_sub(up)?)
}

fn source(config: &Config, host_id: &str) -> Result<Option<Source>, DaemonError> {
    Ok(match (&config.desired, &config.hub) {
        (DesiredSource::File { path, is_folder, poll }, _) => {
            Some(Source::File(FileSource::at(path.clone(), *is_folder, *poll)))
        }
        (DesiredSource::Hub, Some(hub)) => {
            let client = hub::Client::new(hub, host_id).map_err(DaemonError::Hub)?;
            Some(Source::Hub(HubSource::new(client)))
        }
        (DesiredSource::Hub, None) | (DesiredSource::None, _) => None,
    })
}

enum Reload {
    Same,
    Changed(Box<Config>),
    Bad,
}

fn reload(old: &Config, sources: &Sources, host_id: &str) -> Reload {
    log::info!("SIGHUP: reading the configuration and the desired state again");
    let new = match config::load(sources, NEEDS) {
        Ok(new) if new == *old => return Reload::Same,
        Ok(new) => new,
        Err(error) => return bad(&error.to_string()),
    };
    if new.agent.state_dir != old.agent.state_dir || new.host_id != old.host_id {
        return bad("agent.state_dir and hub.host_id cannot change while the agent runs; restart it");
    }
    if new.agent.log != old.agent.log {
        log::warn!("agent.log is heeded at the next start; until then it stays {}", old.agent.log);
    }
    match can_start(&new, host_id) {
        Ok(()) => Reload::Changed(Box::new(new)),
        Err(error) => bad(&error),
    }
}

fn bad(why: &str) -> Reload {
    log::error!("the new configuration is not in order, the old one stays in force: {why}");
    Reload::Bad
}

/// Tries what can fail at the start of the threads, before the old ones are ended.
fn can_start(config: &Config, host_id: &str) -> Result<(), String> {
    let proxmox = config.proxmox.as_ref().ok_or_else(|| DaemonError::NoProxmox.to_string())?;
    pve::Client::new(&proxmox.connection()).map_err(|error| error.to_string())?;
    source(config, host_id).map_err(|error| error.to_string())?;
    if let Some(hub) = &config.hub {
        hub::Client::new(hub, host_id).map_err(|error| error.to_string())?;
    }
    Ok(())
}

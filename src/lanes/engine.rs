//! The engine of the lanes; see `lanes.rs` for what it promises. Compiled over `super::sync`, whichever that is.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::sync::{self, Arc, AtomicU64, Ordering, Received, Receiver, Sender, unbounded};
use crate::model::guest::Vmid;
use crate::model::sorted::Map;

/// What the names of the lanes' threads begin with; the vmid follows.
const THREAD: &str = "lane-";

/// The guest of a lane's thread.
pub fn vmid_of_thread(name: &str) -> Option<Vmid> {
    name.strip_prefix(THREAD)?.parse().ok()
}

/// What a TLS handshake, a chain check and deep JSON need in a debug build is half of this.
const STACK_BYTES: usize = 512 * 1024;

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A lane that had nothing to do for this long loses its thread.
    pub idle: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { idle: Duration::from_secs(60) }
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution<T> {
    Done(T),
    /// The job panicked with this text. What it did before is not known.
    Panicked(String),
    /// The lanes were closed before the job was accepted; it did not run.
    Closed,
    /// The system gave no thread; the job did not run.
    NoThread(String),
}

/// Whether everything that was accepted has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    Drained,
    /// Some jobs still run; their threads end with them, or with the process.
    StillRunning,
}

type Job = Box<dyn FnOnce() + Send>;

/// The lanes of one node, by vmid.
#[derive(Debug)]
pub struct Lanes {
    settings: Settings,
    /// `None` once closed.
    open: Option<Open>,
    /// Disconnected when the last worker has ended.
    ended: Receiver<Never>,
}

#[derive(Debug)]
struct Open {
    lanes: Map<Vmid, Lane>,
    /// Held by each worker for as long as it lives.
    alive: Sender<Never>,
}

struct Lane {
    jobs: Sender<Job>,
    accepted: u64,
    finished: Arc<AtomicU64>,
    idle_since: Option<Instant>,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("accepted", &self.accepted).finish_non_exhaustive()
    }
}

/// A message that is never sent: the channel only tells when its senders are gone.
#[derive(Debug)]
enum Never {}

impl Lanes {
    pub fn new(settings: Settings) -> Self {
        let (alive, ended) = unbounded();
        Self { settings, open: Some(Open { lanes: Map::new(), alive }), ended }
    }

    /// Queues `work` behind everything accepted for this vmid before. Never blocks.
    pub fn submit<T: Send + 'static>(
        &mut self,
        vmid: Vmid,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Receipt<T> {
        let (resolutions, resolution) = unbounded();
        self.submit_then(vmid, work, move |end| {
            // A receipt that was dropped is a caller that does not care.
            resolutions.send(end).ok();
        });
        Receipt { resolution }
    }

    /// As `submit`; `then` is called exactly once, on the lane's thread, or on this one if the job was refused.
    pub fn submit_then<T: Send + 'static>(
        &mut self,
        vmid: Vmid,
        work: impl FnOnce() -> T + Send + 'static,
        then: impl FnOnce(Resolution<T>) + Send + 'static,
    ) {
        let resolver = Resolver { then: Some(Box::new(then)) };
        let Some(open) = &mut self.open else { return resolver.resolve(Resolution::Closed) };
        match open.lane(vmid) {
            Ok(lane) => lane.accept(Box::new(move || run(work, resolver))),
            Err(fault) => resolver.resolve(Resolution::NoThread(fault.to_string())),
        }
    }

    /// Retires the lanes that have had nothing to do since `idle` before `now`. Called by the owner now and then.
    pub fn sweep(&mut self, now: Instant) {
        let idle = self.settings.idle;
        if let Some(open) = &mut self.open {
            open.lanes.retain(|_, lane| !lane.is_idle_for(idle, now));
        }
    }

    /// When it is worth while to sweep next, if nothing happens until then.
    pub fn next_sweep(&self, now: Instant) -> Option<Instant> {
        (self.active() > 0).then(|| now + self.settings.idle)
    }

    /// How many lanes have a thread now.
    pub fn active(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.lanes.len())
    }

    /// Accepts nothing more, and waits at most `within` for what was accepted.
    pub fn close(&mut self, within: Duration) -> Closed {
        self.open = None;
        match sync::receive(&self.ended, within) {
            Received::Message(never) => match never {},
            Received::Nothing => Closed::StillRunning,
            Received::Disconnected => Closed::Drained,
        }
    }
}

impl Open {
    fn lane(&mut self, vmid: Vmid) -> std::io::Result<&mut Lane> {
        let alive = &self.alive;
        self.lanes.get_or_try_insert_with(vmid, || Lane::start(vmid, alive.clone()))
    }
}

impl Lane {
    fn start(vmid: Vmid, alive: Sender<Never>) -> std::io::Result<Self> {
        let (jobs, queue) = unbounded::<Job>();
        let finished = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&finished);
        sync::start(format!("{THREAD}{vmid}"), STACK_BYTES, move || {
            work_off(&queue, &count);
            drop(alive);
        })?;
        Ok(Self { jobs, accepted: 0, finished, idle_since: None })
    }

    fn accept(&mut self, job: Job) {
        self.accepted += 1;
        self.idle_since = None;
        // The worker holds the receiver until this sender is gone. Were it otherwise, the job's resolver would say so.
        self.jobs.send(job).ok();
    }

    fn is_idle_for(&mut self, idle: Duration, now: Instant) -> bool {
        if self.finished.load(Ordering::Acquire) != self.accepted {
            return false;
        }
        now.saturating_duration_since(*self.idle_since.get_or_insert(now)) >= idle
    }
}

fn work_off(queue: &Receiver<Job>, finished: &AtomicU64) {
    while let Ok(job) = queue.recv() {
        job();
        finished.fetch_add(1, Ordering::Release);
    }
}

/// Runs one job. Neither its panic nor one of whoever is told about its end reaches the lane.
fn run<T>(work: impl FnOnce() -> T, resolver: Resolver<T>) {
    let end = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => Resolution::Done(outcome),
        Err(payload) => Resolution::Panicked(panic_text(payload.as_ref())),
    };
    if catch_unwind(AssertUnwindSafe(|| resolver.resolve(end))).is_err() {
        log::error!("the end of a job could not be told: its listener panicked");
    }
}

/// What a panic said.
pub fn panic_text(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}

/// Says how one job ended: once, by being used up, or as `Closed` when it is dropped unused.
struct Resolver<T> {
    then: Option<Box<dyn FnOnce(Resolution<T>) + Send>>,
}

impl<T> Resolver<T> {
    fn resolve(mut self, end: Resolution<T>) {
        if let Some(then) = self.then.take() {
            then(end);
        }
    }
}

impl<T> Drop for Resolver<T> {
    fn drop(&mut self) {
        if let Some(then) = self.then.take() {
            then(Resolution::Closed);
        }
    }
}

/// The promise of one resolution.
#[derive(Debug)]
pub struct Receipt<T> {
    resolution: Receiver<Resolution<T>>,
}

impl<T> Receipt<T> {
    /// Blocks until the job has ended.
    pub fn wait(self) -> Resolution<T> {
        self.resolution.recv().unwrap_or(Resolution::Closed)
    }

    /// The resolution, or the receipt back if there is none yet.
    pub fn wait_for(self, within: Duration) -> Result<Resolution<T>, Self> {
        match sync::receive(&self.resolution, within) {
            Received::Message(end) => Ok(end),
            Received::Nothing => Err(self),
            Received::Disconnected => Ok(Resolution::Closed),
        }
    }
}

//! Crashes and failing system calls of the built binary, a few dozen of them; `make crash` takes all of them, and the random ones.

use std::fmt::Debug;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::scene::{Ending, Play, Scene, Seeded, VMID};
use crate::strace::{self, Attached, Done, Trap, WATCHED};

/// The first call that matches, from a place in the trace on.
fn first<'a>(trace: &'a [Done], from: usize, what: &str, matches: impl Fn(&Done) -> bool) -> &'a Done {
    let found = trace.iter().find(|done| done.entered >= from && matches(done));
    found.unwrap_or_else(|| panic!("no {what} in the trace after line {from}"))
}

/// The whole trace, if what follows fails.
struct Told<'a>(&'a [Done]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            for Done { thread, name, call, said, returned, entered, left } in self.0 {
                println!("{entered}-{left} {thread} {name}: {call}({said}) = {returned}");
            }
        }
    }
}

fn writes(done: &Done, kind: &str) -> bool {
    done.is(&["write"], "/state/journal/") && done.said.contains(&format!(r#"\"t\":\"{kind}\""#))
}

/// From the intent on, in this order and each before the next is begun: the record is written, it is on the disk, the first byte of
/// the request leaves, the task's name is written, it is on the disk, the task is looked at for the first time.
fn the_order_holds(play: Play, request: &str, poll: &str) {
    let scene = Scene::served(play, true);
    let out = scene.stage.path("trace");
    let traced = scene.stage.traced(&strace::options(&out, WATCHED, &[]), &["daemon"]);
    let daemon = scene.stage.start(traced);
    // The guest may run before the agent has looked at the task even once.
    let looked = || {
        let calls = scene.stage.node.calls();
        calls.iter().any(|call| call.line().starts_with("GET /nodes/pve/tasks/UPID"))
    };
    daemon.until("it is over, and was looked at", || scene.is_over() && looked());
    daemon.stop();
    assert!(!scene.stage.mutations().is_empty(), "{}", scene.story());
    let trace = strace::read(&out);
    let _told = Told(&trace);
    let sent = first(&trace, 0, request, |done| done.is(&["sendto", "write"], request));
    let mine = |done: &Done| done.thread == sent.thread;
    let intent = trace
        .iter()
        .rev()
        .find(|done| done.entered < sent.entered && mine(done) && writes(done, "intent"))
        .unwrap_or_else(|| panic!("no intent before {request}\n{}", scene.story()));
    let synced = first(&trace, intent.left, "sync of the intent", |done| {
        mine(done) && done.is_sync("/state/journal/")
    });
    assert!(synced.succeeded() && synced.left < sent.entered, "{synced:?}\n{sent:?}");
    let issued = first(&trace, sent.left, "record of the task", |done| mine(done) && writes(done, "issued"));
    let kept =
        first(&trace, issued.left, "sync of the task", |done| mine(done) && done.is_sync("/state/journal/"));
    let polled = first(&trace, sent.left, poll, |done| mine(done) && done.is(&["sendto", "write"], poll));
    assert!(kept.succeeded() && kept.left < polled.entered, "{kept:?}\n{polled:?}");
}

#[test]
fn a_reconcile_s_intent_is_on_the_disk_before_the_first_byte_and_its_task_before_the_first_look() {
    if strace::is_possible() {
        the_order_holds(
            Play::Reconcile,
            "POST /api2/json/nodes/pve/lxc/100/status/start",
            "GET /api2/json/nodes/pve/tasks/UPID",
        );
    }
}

#[test]
fn a_destroy_s_intent_is_on_the_disk_before_the_first_byte_and_its_task_before_the_first_look() {
    if strace::is_possible() {
        the_order_holds(
            Play::Destroy,
            "DELETE /api2/json/nodes/pve/lxc/100",
            "GET /api2/json/nodes/pve/tasks/UPID",
        );
    }
}

#[test]
fn an_intent_that_does_not_reach_the_disk_is_not_sent() {
    if !strace::is_possible() {
        return;
    }
    // The clean run afterwards waits until nothing can be under way any more: one of the two is enough for a suite.
    let errors = if Extent::wanted().is_full() { &["EIO", "ENOSPC"][..] } else { &["EIO"] };
    for error in errors {
        let scene = Scene::served(Play::Destroy, true);
        let stage = &scene.stage;
        stage.configure(|config| {
            stage.with_ops(config);
            config["ops"]["lock_wait_seconds"] = json!(600);
        });
        // It waits on its lane, whose next record is the intent.
        stage.node.world(|world| world.guest_mut(VMID).set_lock(Some("backup")));
        let daemon = stage.daemon();
        daemon.until("it is accepted", || !stage.journal_of("accept").is_empty());
        let mut lane = None;
        daemon.until("it is on its lane", || {
            lane = strace::thread_of(&daemon, "lane-100");
            lane.is_some()
        });
        let out = stage.path("trace");
        let fault = format!("fdatasync,fsync:error={error}:when=1");
        let tracer = Attached::to(lane.unwrap(), &fault, &out);
        stage.node.world(|world| world.guest_mut(VMID).set_lock(None));
        daemon.until("its intent was written", || !stage.journal_of("intent").is_empty());
        stage.looks(&daemon, 2);
        daemon.crash();
        let trace = tracer.read(&out);
        let _told = Told(&trace);
        let intent = first(&trace, 0, "intent", |done| writes(done, "intent"));
        let synced = first(&trace, intent.left, "sync of the intent", |done| done.is_sync("/state/journal/"));
        assert!(synced.returned.contains(*error), "{synced:?}");
        assert_eq!(stage.mutation_lines(), [""; 0], "{error}");
        scene.resolve(&format!("an intent that met {error}"));
    }
}

/// Longer than a run has anything to do, each of its calls held up, on a machine that has other things to do.
const LONG: Duration = Duration::from_secs(120);

/// Whether everything is wanted, or what a test suite has time for; and with which seed the random part begins.
#[derive(Clone, Copy, Debug)]
struct Extent {
    rounds: Option<u64>,
    seed: u64,
}

impl Extent {
    fn wanted() -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        Self { rounds: number("CRASH_ROUNDS"), seed: number("CRASH_SEED").unwrap_or(1) }
    }

    fn is_full(self) -> bool {
        self.rounds.is_some()
    }
}

/// What came of many scenes.
#[derive(Debug, Default)]
struct Tally {
    done: usize,
    uncertain: usize,
    refused: usize,
}

/// Plays every case on as many threads as there are processors, and says in one line what came of it.
fn play_all<C: Send + Debug>(what: &str, cases: Vec<C>, play: impl Fn(&C) -> Ending + Sync) {
    let tally = Mutex::new(Tally::default());
    let count = cases.len();
    let queue = Mutex::new(cases.into_iter());
    let began = Instant::now();
    // Most of the time each waits: for a clock, a socket, the certainty that a request is not under way any more.
    let share = if Extent::wanted().is_full() { 5 } else { 2 };
    let workers = thread::available_parallelism().map_or(2, usize::from) * share;
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().next() else { return };
                    let ending = play(&case);
                    let mut tally = tally.lock().unwrap();
                    match ending {
                        Ending::Done => tally.done += 1,
                        Ending::Uncertain => tally.uncertain += 1,
                        Ending::Refused => tally.refused += 1,
                    }
                }
            });
        }
    });
    let Tally { done, uncertain, refused } = tally.into_inner().unwrap();
    println!(
        "crash: {what}: {count} times; {done} done, {uncertain} uncertain, {refused} refused; {} s",
        began.elapsed().as_secs()
    );
}

/// What ends in a durable record, and where in the trace it can be told from other uses.
const STOPS: [(&str, &str); 3] =
    [("fsync,fdatasync", "/state"), ("write", "/state/"), ("rename,renameat,renameat2", "/state/")];

/// Kills the agent at the Nth such call of the whole process; `None`: it never came to it.
fn killed_at(play: Play, (calls, about): (&str, &str), nth: usize) -> Option<Ending> {
    let scene = Scene::set(play);
    let mut trap = Trap::set(&scene.stage, calls, about, nth);
    scene.let_go(&mut trap.daemon, LONG);
    let entered = trap.spring();
    let what = format!("{play:?}, killed at {calls} number {nth}");
    scene.judge(&what);
    (entered >= nth).then(|| scene.resolve(&what))
}

/// How many such calls a whole play makes.
fn calls_of(play: Play, (calls, about): (&str, &str)) -> usize {
    let scene = Scene::set(play);
    let mut trap = Trap::set(&scene.stage, calls, about, usize::MAX);
    scene.let_go(&mut trap.daemon, LONG);
    assert!(scene.is_over(), "{play:?} without a fault\n{}", scene.story());
    trap.spring()
}

fn killed_at_every(play: Play) {
    if !strace::is_possible() {
        return;
    }
    for stop in STOPS {
        let count = calls_of(play, stop);
        // A suite has no time for all of them: the first ones are those of the start, which other tests kill at random.
        let step = if Extent::wanted().is_full() { 1 } else { count.div_ceil(6) };
        let cases: Vec<usize> = (1..=count).rev().step_by(step.max(1)).collect();
        let what = format!("{play:?}, kill -9 at {} (of {count})", stop.0);
        play_all(&what, cases, |nth| killed_at(play, stop, *nth).unwrap_or(Ending::Done));
    }
}

#[test]
fn killed_at_any_sync_write_or_rename_a_reconcile_is_done_once() {
    killed_at_every(Play::Reconcile);
}

#[test]
fn killed_at_any_sync_write_or_rename_a_destroy_is_done_once() {
    killed_at_every(Play::Destroy);
}

#[test]
fn killed_at_any_sync_write_or_rename_a_guest_is_made_once() {
    killed_at_every(Play::Provision);
}

/// Lets the Nth such call of each thread fail, once or from then on; a clean run follows.
fn failing_at(play: Play, (calls, error, when): &(&str, &str, String)) -> Ending {
    let scene = Scene::set(play);
    let out = scene.stage.path("trace");
    let fault = format!("{calls}:error={error}:when={when}");
    let command = scene.stage.traced(&strace::options(&out, WATCHED, &[fault]), &["daemon"]);
    let mut daemon = scene.stage.start(command);
    scene.let_go(&mut daemon, Duration::from_secs(4));
    daemon.crash();
    let what = format!("{play:?}, {calls} fails with {error} at {when}");
    scene.judge(&what);
    scene.resolve(&what)
}

#[test]
fn a_disk_that_fails_at_any_call_costs_no_order_and_repeats_nothing() {
    if !strace::is_possible() {
        return;
    }
    let full = Extent::wanted().is_full();
    let mut cases = Vec::new();
    for calls in ["fdatasync,fsync", "write", "rename,renameat,renameat2", "openat"] {
        for error in ["EIO", "ENOSPC"] {
            for nth in 1..=if full { 12 } else { 2 } {
                cases.push((calls, error, nth.to_string()));
                if full {
                    cases.push((calls, error, format!("{nth}+")));
                }
            }
        }
    }
    for play in Play::ALL {
        let what = format!("{play:?}, EIO and ENOSPC");
        play_all(&what, cases.clone(), |case| failing_at(play, case));
    }
}

#[test]
fn killed_at_random_it_does_nothing_twice_and_comes_to_an_end() {
    let extent = Extent::wanted();
    let mut seeds = Seeded(extent.seed);
    let rounds = extent.rounds.unwrap_or(12);
    println!("crash: CRASH_SEED={} CRASH_ROUNDS={rounds}", extent.seed);
    let cases: Vec<u64> = (0..rounds).map(|_| seeds.next()).collect();
    play_all("kill -9 at random", cases, |seed| {
        let mut random = Seeded(*seed);
        let play = Play::ALL[usize::from(random.next() % 3 > 0)];
        let scene = Scene::set(play);
        let mut what = format!("{play:?}, seed {seed:#x}, kill -9 after");
        for _ in 0..=random.next() % 2 {
            let ms = random.next() % 300;
            what.push_str(&format!(" {ms} ms"));
            let daemon = scene.stage.daemon();
            thread::sleep(Duration::from_millis(ms));
            daemon.crash();
            scene.judge(&what);
        }
        scene.resolve(&what)
    });
}

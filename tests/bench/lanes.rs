//! A job's way through a lane against the same message through a bare channel to one thread, in one run.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use felhom_agent::lanes::{Lanes, Settings};
use felhom_agent::model::guest::Vmid;

const JOBS: usize = 200_000;
const VMIDS: u64 = 16;

pub(crate) fn print() {
    let bare = through_a_bare_channel();
    let lanes = through_lanes();
    println!("queue, {JOBS} jobs: bare channel {:.0} ns a job", per_job(bare));
    println!(
        "queue, {JOBS} jobs over {VMIDS} lanes: {:.0} ns a job, {:.2} of a bare channel",
        per_job(lanes),
        ratio(lanes, bare)
    );
    let (median, first) = submit_to_run();
    let (bare_median, _) = bare_send_to_receive();
    println!(
        "submit to run, one at a time: lane {median:?}, bare channel {bare_median:?}; first job of a new lane {first:?}"
    );
}

fn per_job(whole: Duration) -> f64 {
    whole.as_secs_f64() * 1e9 / JOBS as f64
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn through_a_bare_channel() -> Duration {
    let (send, receive) = unbounded::<Box<dyn FnOnce() + Send>>();
    let worker = thread::spawn(move || receive.iter().for_each(|job| job()));
    let start = Instant::now();
    for _ in 0..JOBS {
        send.send(Box::new(|| ())).unwrap();
    }
    drop(send);
    worker.join().unwrap();
    start.elapsed()
}

fn through_lanes() -> Duration {
    let mut lanes = Lanes::new(Settings::default());
    let start = Instant::now();
    for job in 0..JOBS as u64 {
        lanes.submit_then(Vmid::new(100 + job % VMIDS).unwrap(), || (), |_resolution| ());
    }
    lanes.close(Duration::from_secs(60));
    start.elapsed()
}

/// The median over many jobs given to a lane that waits, and the first job, which brings the thread with it.
fn submit_to_run() -> (Duration, Duration) {
    let mut lanes = Lanes::new(Settings::default());
    let vmid = Vmid::new(100).unwrap();
    let mut took: Vec<Duration> = (0..2_000)
        .map(|_| {
            let (done, ran) = unbounded();
            let start = Instant::now();
            lanes.submit_then(vmid, move || done.send(start.elapsed()).unwrap(), |_resolution| ());
            ran.recv().unwrap()
        })
        .collect();
    let first = took[0];
    (median(&mut took), first)
}

fn bare_send_to_receive() -> (Duration, Duration) {
    let (send, receive) = unbounded::<Instant>();
    let (back, came) = unbounded();
    let worker = thread::spawn(move || receive.iter().for_each(|start| back.send(start.elapsed()).unwrap()));
    let mut took: Vec<Duration> = (0..2_000)
        .map(|_| {
            send.send(Instant::now()).unwrap();
            came.recv().unwrap()
        })
        .collect();
    drop(send);
    worker.join().unwrap();
    let first = took[0];
    (median(&mut took), first)
}

fn median(took: &mut [Duration]) -> Duration {
    took.sort();
    took[took.len() / 2]
}

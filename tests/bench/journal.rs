//! Appends to the journal against bare write(2) and fdatasync(2) of the same bytes, turn by turn on the same disk; and how long it
//! takes to read a journal again at the start.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use felhom_agent::journal::{Disk, Identity, Kept, Log};
use felhom_agent::model::time::Timestamp;
use serde_json::json;

const ROUNDS: usize = 20;
const APPENDS: usize = 50;

pub(crate) fn print() {
    appends();
    for records in [10_000, 20_000] {
        println!("journal, recovery of {records} records: {:?}", recovery(records));
    }
}

fn now() -> Timestamp {
    Timestamp::from_unix(1_795_242_415)
}

fn fields(n: usize) -> serde_json::Value {
    json!({"intent": n, "guest": "lxc/101", "what": "start", "result": "done", "upid": "UPID:pve:0003F2A1:0A1B2C3D:69200000:vzstart:101:felhom@pve!agent:"})
}

fn open(folder: &Path) -> Log<Disk> {
    Log::open(Disk, folder, Identity::of_this_machine("bench")).unwrap().log
}

fn appends() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut log = open(&folder.path().join("journal"));
    log.append("done", &fields(0), now()).unwrap();
    let line = vec![b'x'; line_length(&folder.path().join("journal"))];
    let mut bare = OpenOptions::new().create(true).append(true).open(folder.path().join("bare")).unwrap();
    let (mut journal, mut raw) = (Duration::ZERO, Duration::ZERO);
    for round in 0..ROUNDS {
        let start = Instant::now();
        for n in 0..APPENDS {
            bare.write_all(&line).unwrap();
            rustix::fs::fdatasync(&bare).unwrap();
            std::hint::black_box(n);
        }
        raw += start.elapsed();
        let start = Instant::now();
        for n in 0..APPENDS {
            log.append("done", &fields(round * APPENDS + n), now()).unwrap();
        }
        journal += start.elapsed();
    }
    let rate = |whole: Duration| (ROUNDS * APPENDS) as f64 / whole.as_secs_f64();
    println!(
        "journal, {} appends of {} bytes: {:.0}/s, bare write and fdatasync {:.0}/s, {:.2} of bare",
        ROUNDS * APPENDS,
        line.len(),
        rate(journal),
        rate(raw),
        rate(journal) / rate(raw)
    );
}

fn line_length(folder: &Path) -> usize {
    let text = std::fs::read_to_string(folder.join("00000001.jsonl")).unwrap();
    text.lines().last().unwrap().len() + 1
}

fn recovery(records: usize) -> Duration {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path().join("journal");
    let mut log = open(&folder);
    let kept: Vec<Kept> = (0..records).map(|n| Kept::new("done", &fields(n)).unwrap()).collect();
    log.compact(&kept, now()).unwrap();
    drop(log);
    let mut took: Vec<Duration> = (0..5)
        .map(|_| {
            let start = Instant::now();
            let opened = Log::open(Disk, &folder, Identity::of_this_machine("bench")).unwrap();
            let took = start.elapsed();
            assert_eq!(opened.entries.len(), records);
            took
        })
        .collect();
    took.sort();
    took[took.len() / 2]
}

//! A journal's life, short enough to be stopped at every call: rotation, compaction, the superblock, ends on a full disk. Each
//! record has a number; a snapshot lists the numbers it stands for.

use std::path::Path;

use serde_json::json;

use super::sim::{SimFs, World};
use crate::journal::{Entry, Found, Identity, Kept, Limits, Log, LogError, Opened};
use crate::model::time::Timestamp;

pub(super) fn folder() -> &'static Path {
    Path::new("/journal")
}

pub(super) fn identity() -> Identity {
    Identity { host_id: "h".to_owned(), boot_id: "b0a7b0a7".to_owned(), machine: "m1".to_owned() }
}

pub(super) fn now(seconds: u64) -> Timestamp {
    Timestamp::from_unix(1_795_242_415 + seconds)
}

/// So small that everything happens within a few records.
pub(super) const SMALL: Limits = Limits { min_free: 100, segment: 700, keep: 3, reserve: 8 };

pub(super) const ONE_SEGMENT: Limits = Limits { segment: 1 << 20, ..SMALL };

pub(super) fn open(fs: &SimFs) -> Result<Opened<SimFs>, LogError> {
    Log::open_with(fs.clone(), folder(), identity(), SMALL)
}

/// What was promised and what was tried, up to some instant.
#[derive(Clone, Debug, Default)]
pub(super) struct Promised {
    pub(super) tried: Vec<u64>,
    pub(super) acknowledged: Vec<u64>,
    pub(super) floor_tried: u64,
    pub(super) floor: u64,
}

/// One instant of a life: the disk and what was promised by then.
pub(super) struct Instant {
    pub(super) world: World,
    pub(super) promised: Promised,
}

/// Lives for so many records, whatever fails; what happened is in `promised`.
pub(super) fn live(fs: &SimFs, records: u64, promised: &mut Promised, mut see: impl FnMut(&Promised)) {
    let Ok(Opened { mut log, entries, .. }) = open(fs) else { return };
    see(promised);
    let mut numbers = numbers(&entries);
    let mut begun = false;
    let first = promised.tried.iter().max().copied().unwrap_or_default() + 1;
    for n in first..first + records {
        promised.tried.push(n);
        let fields = json!({"n": n, "x": "y".repeat(usize::try_from(n % 4).unwrap() * 150)});
        let done = if n % 3 == 0 {
            log.append_ending("done", &fields, now(n))
        } else {
            log.append("note", &fields, now(n))
        };
        if done.is_ok() {
            begun = true;
            promised.acknowledged.push(n);
            numbers.push(n);
        }
        see(promised);
        if n % 4 == 0 {
            promised.floor_tried = n;
            // Before the first record it is only kept in mind.
            if log.note_floor_and_clock(now(n), now(n)).is_ok() && begun {
                promised.floor = n;
            }
            see(promised);
        }
        if log.wants_compaction() {
            let past = Kept::new("past", &json!({ "all": numbers })).unwrap();
            log.compact(&[past], now(n)).ok();
            see(promised);
        }
    }
}

/// The numbers of the records, those of a snapshot included.
pub(super) fn numbers(entries: &[Entry]) -> Vec<u64> {
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    entries
        .iter()
        .flat_map(|entry| match entry.fields.get("all") {
            Some(all) => all.as_array().unwrap().iter().map(number).collect(),
            None => entry.fields.get("n").map(number).into_iter().collect::<Vec<_>>(),
        })
        .collect()
}

/// All instants of a life of so many records.
pub(super) fn instants(records: u64) -> Vec<Instant> {
    let fs = SimFs::default();
    fs.record();
    let mut promised = Promised::default();
    let mut instants = Vec::new();
    // What was tried counts from the first call on, what was acknowledged from the answer on.
    let mut before = Promised::default();
    live(&fs, records, &mut promised, |now| {
        let between = Promised { tried: now.tried.clone(), floor_tried: now.floor_tried, ..before.clone() };
        let at = |world| Instant { world, promised: between.clone() };
        instants.extend(fs.history().into_iter().map(at));
        instants.push(Instant { world: fs.world(), promised: now.clone() });
        before = now.clone();
    });
    instants
}

/// Opens what is left and holds it against what was promised.
pub(super) fn recover(fs: &SimFs, promised: &Promised) -> Opened<SimFs> {
    let opened = open(fs).unwrap_or_else(|error| panic!("{error}: {promised:?}"));
    let found = numbers(&opened.entries);
    assert!(
        matches!(opened.found, Found::Sound | Found::Torn { .. } | Found::Fresh),
        "{:?}, {found:?} of {promised:?}",
        opened.found
    );
    let kept = found.iter().filter(|n| promised.acknowledged.contains(n)).copied().collect::<Vec<_>>();
    assert_eq!(kept, promised.acknowledged, "what was acknowledged is there, in order: {found:?}");
    let mut tried = promised.tried.iter();
    assert!(
        found.iter().all(|n| tried.any(|tried| tried == n)),
        "nothing is there but what was written, once and in order: {found:?} of {:?}",
        promised.tried
    );
    let floor = opened.superblock.floor_iat.map_or(0, |floor| floor.unix() - now(0).unix());
    assert!((promised.floor..=promised.floor_tried).contains(&floor), "floor {floor} of {promised:?}");
    opened
}

/// Goes on after a recovery and sees that all of it is sound then.
pub(super) fn go_on(mut opened: Opened<SimFs>, fs: &SimFs, promised: &Promised) {
    let mut expected = numbers(&opened.entries);
    opened.log.append("note", &json!({"n": 1_000}), now(1_000)).unwrap();
    drop(opened);
    expected.push(1_000);
    let again = open(fs).unwrap();
    assert_eq!((again.found, numbers(&again.entries)), (Found::Sound, expected), "{promised:?}");
}

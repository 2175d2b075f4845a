//! From damage to a journal that goes on: what can be proven is kept, the rest stays to be looked at, and a crash changes nothing.

use serde_json::json;

use super::script::{ONE_SEGMENT, folder, identity, now, numbers, open};
use super::sim::{SimFs, World};
use crate::journal::{Found, Log, SALVAGED, Salvage, Salvaged, salvage};

const FIRST: &str = "00000001.jsonl";

fn journal() -> World {
    let fs = SimFs::default();
    let mut log = Log::open_with(fs.clone(), folder(), identity(), ONE_SEGMENT).unwrap().log;
    for n in 1..=8 {
        log.append("note", &json!({ "n": n }), now(n)).unwrap();
    }
    fs.world()
}

/// Where the line of each record begins; the header's is the first.
fn starts(bytes: &[u8]) -> Vec<usize> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines
        .scan(0, |at, line| {
            *at += line.len();
            Some(*at - line.len())
        })
        .collect()
}

fn salvaged(fs: &SimFs) -> Salvaged {
    match salvage(fs.clone(), folder(), identity(), now(100)).unwrap() {
        Salvage::Done(salvaged) => salvaged,
        Salvage::Needless(found) => panic!("{found:?}"),
    }
}

#[test]
fn damage_to_one_record_costs_that_record() {
    let world = journal();
    let bytes = world.bytes(FIRST).to_vec();
    for (record, start) in starts(&bytes).into_iter().enumerate().skip(1) {
        let mut world = world.clone();
        world.damage(FIRST, |bytes| bytes[start + 20] ^= 1);
        let fs = SimFs::of(world.clone());
        let report = salvaged(&fs);
        assert_eq!((report.kept, report.files.as_slice()), (7, &[format!("{FIRST}.damaged")][..]));
        assert!(report.lost_bytes > 50, "{report:?}");
        assert_eq!(fs.world().bytes("00000001.jsonl.damaged"), world.bytes(FIRST), "not a byte is edited");
        let opened = open(&fs).unwrap();
        assert_eq!(opened.found, Found::Sound);
        let expected: Vec<u64> = (1..=8).filter(|n| *n != record as u64).collect();
        assert_eq!(numbers(&opened.entries), expected);
        for entry in &opened.entries {
            if let Some(n) = entry.fields.get("n").and_then(serde_json::Value::as_u64) {
                assert_eq!((entry.seq, entry.at), (n + 1, now(n)), "known by their old numbers");
            }
        }
        let last = opened.entries.last().unwrap();
        assert_eq!((last.kind.as_str(), last.at, &last.fields["kept"]), (SALVAGED, now(100), &json!(7)));
    }
}

#[test]
fn damage_to_a_hash_costs_the_record_behind_it_too_and_to_the_header_the_first_one_at_most() {
    let world = journal();
    let starts = starts(world.bytes(FIRST));
    for (what, at, kept) in
        [("a hash", starts[4] - 10, 6), ("the header", 40, 8), ("the header's hash", starts[1] - 10, 7)]
    {
        let mut world = world.clone();
        world.damage(FIRST, |bytes| bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' });
        let fs = SimFs::of(world);
        assert_eq!(salvaged(&fs).kept, kept, "{what}");
        let mut opened = open(&fs).unwrap();
        assert_eq!(opened.found, Found::Sound, "{what}");
        opened.log.append("note", &json!({"n": 9}), now(9)).unwrap();
        assert_eq!(open(&fs).unwrap().found, Found::Sound, "{what}");
    }
}

#[test]
fn what_is_not_damaged_is_not_salvaged() {
    let mut torn = journal();
    torn.damage(FIRST, |bytes| bytes.truncate(bytes.len() - 5));
    let mut lost = journal();
    lost.lose("journal.sb");
    for (world, name) in [(World::default(), "Fresh"), (journal(), "Sound"), (torn, "Torn"), (lost, "Lost")] {
        let fs = SimFs::of(world.clone());
        match salvage(fs.clone(), folder(), identity(), now(100)).unwrap() {
            Salvage::Needless(found) => assert!(format!("{found:?}").starts_with(name), "{found:?}"),
            done => panic!("{name}: {done:?}"),
        }
        assert_eq!(fs.world(), world, "{name}");
    }
}

#[test]
fn a_crash_in_a_salvage_leaves_the_damaged_journal_or_the_salvaged_one() {
    let mut damaged = journal();
    let start = starts(damaged.bytes(FIRST))[3];
    damaged.damage(FIRST, |bytes| bytes[start + 20] ^= 1);
    let fs = SimFs::of(damaged);
    fs.record();
    salvaged(&fs);
    let mut seen = (0, 0);
    for world in fs.history().into_iter().flat_map(|world| world.after_a_crash()) {
        let fs = SimFs::of(world);
        let opened = open(&fs).unwrap();
        match opened.found {
            Found::Corrupt { .. } => {
                seen.0 += 1;
                assert_eq!(salvaged(&fs).kept, 7);
            }
            Found::Sound => seen.1 += 1,
            found => panic!("{found:?}"),
        }
        let again = open(&fs).unwrap();
        assert_eq!((again.found, numbers(&again.entries)), (Found::Sound, vec![1, 2, 4, 5, 6, 7, 8]));
        assert!(fs.world().names().any(|name| name == "00000001.jsonl.damaged"));
    }
    assert!(seen.0 > 5 && seen.1 > 5, "{seen:?}");
}

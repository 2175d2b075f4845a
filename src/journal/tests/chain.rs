//! Every cut, every flipped bit, every record dropped, doubled or swapped: never a wrong record believed, and the right name for it.

use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use proptest::test_runner::Config;
use serde_json::json;

use super::script::{ONE_SEGMENT, SMALL, folder, identity, now, numbers, open};
use super::sim::{SimFs, World};
use crate::journal::{Found, Log, LogError, verify};

const FIRST: &str = "00000001.jsonl";
const RECORDS: u64 = 12;

/// Twelve records in one segment; the superblock knows of the first, or of all.
fn journal(superblock_knows_all: bool) -> World {
    let fs = SimFs::default();
    let mut log = Log::open_with(fs.clone(), folder(), identity(), ONE_SEGMENT).unwrap().log;
    for n in 1..=RECORDS {
        let text = ["", "short", "a \"quoted\" text\nof two lines", "öäü"][usize::try_from(n % 4).unwrap()];
        log.append("note", &json!({"n": n, "text": text}), now(n)).unwrap();
    }
    if superblock_knows_all {
        log.note_floor_and_clock(now(1), now(1)).unwrap();
    }
    fs.world()
}

fn look(world: &World) -> (Found, Vec<u64>) {
    let reading = crate::journal::reading::read(&SimFs::of(world.clone()), folder(), &identity()).unwrap();
    (reading.found, numbers(&reading.entries))
}

fn damaged(world: &World, change: impl FnOnce(&mut Vec<u8>)) -> (Found, Vec<u64>) {
    let mut world = world.clone();
    world.damage(FIRST, change);
    look(&world)
}

fn first(count: usize) -> Vec<u64> {
    (1..=count as u64).collect()
}

/// How many records end within so many bytes; the line feed of the last may be missing.
fn whole_records(bytes: &[u8], cut: usize) -> usize {
    let seals = bytes[..cut]
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n") || (line.ends_with(b"\"}") && bytes.get(cut) == Some(&b'\n')));
    seals.count().saturating_sub(1)
}

#[test]
fn every_cut_leaves_a_prefix_and_is_torn_or_a_whole_number_of_records() {
    let world = journal(false);
    let bytes = world.bytes(FIRST).to_vec();
    for cut in 0..bytes.len() {
        let (found, records) = damaged(&world, |bytes| bytes.truncate(cut));
        let whole = whole_records(&bytes, cut);
        assert_eq!(records, first(whole), "cut at {cut}");
        match found {
            Found::Sound => assert!(whole > 0 && bytes[cut - 1] == b'\n', "{cut}"),
            Found::Torn { .. } => assert!(whole > 0 && bytes[cut - 1] != b'\n', "{cut}"),
            Found::Lost { .. } => assert_eq!(whole, 0, "{cut}: the superblock knows of the first record"),
            found => panic!("cut at {cut}: {found:?}"),
        }
    }
}

#[test]
fn every_cut_that_takes_a_record_is_known_to_the_superblock() {
    let world = journal(true);
    let bytes = world.bytes(FIRST).to_vec();
    for cut in 0..bytes.len() {
        let (found, records) = damaged(&world, |bytes| bytes.truncate(cut));
        if cut == bytes.len() - 1 {
            assert_eq!((found, records.len()), (Found::Torn { dropped_bytes: 0 }, 12), "the line feed alone");
        } else {
            assert!(matches!(found, Found::Lost { .. }), "cut at {cut}: {found:?}");
        }
    }
}

#[test]
fn zeros_instead_of_the_end_are_as_good_as_a_cut() {
    let world = journal(false);
    let bytes = world.bytes(FIRST).to_vec();
    let header = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    for cut in header + 1..=bytes.len() {
        for zeros in [1, 7, 512] {
            let (found, records) = damaged(&world, |bytes| {
                bytes.truncate(cut);
                bytes.resize(cut + zeros, 0);
            });
            let whole = whole_records(&bytes, cut);
            assert_eq!(records, first(whole), "{zeros} zeros from {cut}");
            let expected = if whole == 0 { "Lost" } else { "Torn" };
            assert!(format!("{found:?}").starts_with(expected), "{zeros} zeros from {cut}: {found:?}");
        }
    }
}

#[test]
fn a_flipped_bit_is_damage_wherever_it_is_and_what_stands_before_it_is_believed() {
    flip(|at| at % 8..at % 8 + 1);
}

#[test]
#[ignore = "takes a while: make crash runs it"]
fn every_single_flipped_bit_is_damage() {
    flip(|_| 0..8);
}

fn flip(bits: impl Fn(usize) -> std::ops::Range<usize>) {
    let world = journal(false);
    let bytes = world.bytes(FIRST).to_vec();
    for at in 0..bytes.len() {
        let whole = whole_records(&bytes, at + 1).min(bytes[..at].split(|byte| *byte == b'\n').count() - 1);
        for bit in bits(at) {
            let (found, records) = damaged(&world, |bytes| bytes[at] ^= 1 << bit);
            assert!(matches!(found, Found::Corrupt { segment: 1, .. }), "byte {at}, bit {bit}: {found:?}");
            let readable = records.len();
            assert!(records == first(readable) && readable <= whole + 1, "byte {at}, bit {bit}: {records:?}");
        }
    }
}

#[test]
fn a_record_that_is_dropped_doubled_or_swapped_is_damage() {
    let world = journal(true);
    let bytes = world.bytes(FIRST).to_vec();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let check = |what: &str, at: usize, lines: Vec<&[u8]>| {
        let (found, records) = damaged(&world, |bytes| *bytes = lines.concat());
        let last = what == "dropped" && at == lines.len();
        let named =
            if last { matches!(found, Found::Lost { .. }) } else { matches!(found, Found::Corrupt { .. }) };
        assert!(named, "{what} {at}: {found:?}");
        assert_eq!(
            records,
            if last { first(11) } else { Vec::new() },
            "{what} {at}: one segment, no part of it"
        );
    };
    for at in 0..lines.len() {
        let mut dropped = lines.clone();
        dropped.remove(at);
        check("dropped", at, dropped);
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at]);
        check("doubled", at, doubled);
        if at > 0 {
            let mut swapped = lines.clone();
            swapped.swap(at - 1, at);
            check("swapped", at, swapped);
        }
    }
}

/// Three segments, the first of them torn.
fn long_journal() -> World {
    let fs = SimFs::of(journal(false));
    let mut world = fs.world();
    world.damage(FIRST, |bytes| bytes.truncate(bytes.len() - 30));
    let fs = SimFs::of(world);
    let mut log = Log::open_with(fs.clone(), folder(), identity(), SMALL).unwrap().log;
    for n in 13..=17 {
        log.append("note", &json!({"n": n, "text": "x".repeat(200)}), now(n)).unwrap();
    }
    fs.world()
}

#[test]
fn damage_to_any_segment_is_seen_except_behind_what_counts() {
    let world = long_journal();
    let (found, records) = look(&world);
    assert_eq!((found, records.len()), (Found::Sound, 16));
    let names: Vec<String> =
        world.names().filter(|name| name.ends_with(".jsonl")).map(str::to_owned).collect();
    assert!(names.len() >= 3, "{names:?}");
    for name in &names {
        let length = world.bytes(name).len();
        for at in (0..length).step_by(3) {
            let mut world = world.clone();
            world.damage(name, |bytes| bytes[at] ^= 1 << (at % 8));
            let (found, _) = look(&world);
            let torn_part = name == FIRST && found == Found::Sound;
            assert!(torn_part || matches!(found, Found::Corrupt { .. }), "{name}, byte {at}: {found:?}");
            if torn_part {
                assert!(at + 400 > length, "only the end of the record that was cut off: {at} of {length}");
            }
        }
        let mut world = world.clone();
        world.lose(name);
        let (found, _) = look(&world);
        let last = Some(name) == names.last();
        let right =
            if last { matches!(found, Found::Lost { .. }) } else { matches!(found, Found::Corrupt { .. }) };
        assert!(right, "without {name}: {found:?}");
    }
}

#[test]
fn a_damaged_journal_is_left_as_it_is() {
    let mut world = journal(true);
    world.damage(FIRST, |bytes| bytes[700] ^= 1);
    let fs = SimFs::of(world.clone());
    let mut opened = open(&fs).unwrap();
    for done in [
        opened.log.append("note", &json!({}), now(1)).map(drop),
        opened.log.append_ending("done", &json!({}), now(1)).map(drop),
        opened.log.compact(&[], now(1)),
        opened.log.note_floor_and_clock(now(1), now(1)),
    ] {
        let error = done.unwrap_err();
        assert!(matches!(error, LogError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("felhom-agent journal salvage"), "{error}");
    }
    assert!(!opened.log.wants_compaction());
    assert_eq!(fs.world(), world);
}

#[test]
fn looking_at_a_journal_changes_nothing() {
    for world in [journal(true), long_journal(), World::default()] {
        let fs = SimFs::of(world.clone());
        assert_eq!(verify(&fs, folder(), &identity()).unwrap().verdict.state, "ok");
        assert_eq!(fs.world(), world);
    }
}

proptest! {
    #![proptest_config(Config { cases: 40, ..Config::default() })]
    #[test]
    fn of_any_records_a_cut_leaves_a_prefix(texts in vec(any::<String>(), 1..8), percent in 0..100_usize) {
        let fs = SimFs::default();
        let mut log = Log::open_with(fs.clone(), folder(), identity(), ONE_SEGMENT).unwrap().log;
        for (n, text) in texts.iter().enumerate() {
            log.append(text, &json!({"n": n, "text": text}), now(0)).unwrap();
        }
        drop(log);
        let mut world = fs.world();
        let length = world.bytes(FIRST).len();
        world.damage(FIRST, |bytes| bytes.truncate(length * percent / 100));
        let reading = crate::journal::reading::read(&SimFs::of(world), folder(), &identity()).unwrap();
        assert!(!matches!(reading.found, Found::Corrupt { .. }), "{:?}", reading.found);
        for (n, entry) in reading.entries.iter().enumerate() {
            assert_eq!((entry.kind.as_str(), &entry.fields["text"]), (texts[n].as_str(), &json!(texts[n])));
        }
    }
}

//! The Nth call fails, for every N and every way to fail, once and for good. Then the next life begins, and after that one the power
//! goes.

use std::collections::HashSet;

use super::script::{ONE_SEGMENT, Promised, SMALL, folder, identity, live, numbers, open, recover};
use super::sim::{Fault, Plan, SimFs};
use crate::journal::{Found, Log, LogError};

const RECORDS: u64 = 10;

/// Every `step`th call, another set of them for each fault; with 1, all.
fn every_fault(step: usize, mut check: impl FnMut(Plan, &SimFs, &Promised)) -> usize {
    let undisturbed = SimFs::default();
    undisturbed.plan(None);
    live(&undisturbed, RECORDS, &mut Promised::default(), |_| {});
    let calls = undisturbed.calls();
    let faults = [Fault::Io, Fault::NoSpace, Fault::ReadOnly, Fault::Interrupted, Fault::Short];
    for (number, fault) in faults.into_iter().enumerate() {
        for at in (number % step..calls).step_by(step) {
            for for_good in [false, true] {
                let plan = Plan { at, fault, for_good };
                let fs = SimFs::default();
                fs.plan(Some(plan));
                let mut promised = Promised::default();
                live(&fs, RECORDS, &mut promised, |_| {});
                fs.plan(None);
                check(plan, &fs, &promised);
            }
        }
    }
    calls
}

fn the_power_goes(step: usize) {
    let mut seen = HashSet::new();
    every_fault(step, |_, fs, promised| {
        for world in fs.world().after_a_crash() {
            if seen.insert((world.clone(), promised.acknowledged.clone())) {
                recover(&SimFs::of(world), promised);
            }
        }
    });
}

fn the_next_life_goes_on(step: usize) {
    let mut seen = HashSet::new();
    let calls = every_fault(step, |plan, fs, promised| {
        let opened = recover(fs, promised);
        // A disk on which nothing can be written any more cannot be marked as one that cannot be believed either: what the
        // cache still shows after a restart may then be on no disk.
        if plan.for_good && matches!(plan.fault, Fault::Io | Fault::NoSpace | Fault::ReadOnly) {
            return;
        }
        let found = numbers(&opened.entries);
        drop(opened);
        let mut promised = Promised { acknowledged: found, ..promised.clone() };
        live(fs, 3, &mut promised, |_| {});
        let last = promised.tried.last().copied();
        assert_eq!(promised.acknowledged.last().copied(), last, "{plan:?}: the next life can write");
        for world in fs.world().after_a_crash() {
            if seen.insert((world.clone(), promised.acknowledged.clone())) {
                recover(&SimFs::of(world), &promised);
            }
        }
    });
    assert!(calls > 80, "{calls}");
}

#[test]
fn whatever_call_fails_the_power_may_go_and_what_was_acknowledged_is_there() {
    the_power_goes(4);
}

#[test]
fn whatever_call_fails_the_next_life_goes_on_and_outlives_the_loss_of_power() {
    the_next_life_goes_on(4);
}

#[test]
#[ignore = "takes a while: make crash runs it"]
fn every_single_call_fails() {
    the_power_goes(1);
    the_next_life_goes_on(1);
}

#[test]
fn an_interrupted_call_and_a_short_write_are_no_faults() {
    every_fault(1, |plan, fs, promised| {
        let harmless = match plan.fault {
            Fault::Interrupted => !plan.for_good,
            Fault::Short => true,
            Fault::Io | Fault::NoSpace | Fault::ReadOnly => false,
        };
        if harmless {
            assert_eq!(promised.acknowledged.len() as u64, RECORDS, "{plan:?}");
            assert_eq!(open(fs).unwrap().found, Found::Sound, "{plan:?}");
        }
    });
}

#[test]
fn after_a_sync_that_failed_nothing_is_appended_and_the_next_life_copies_what_it_read() {
    let fs = SimFs::default();
    let open = |fs: &SimFs| Log::open_with(fs.clone(), folder(), identity(), ONE_SEGMENT);
    let mut log = open(&fs).unwrap().log;
    for n in 1..=2 {
        log.append("note", &serde_json::json!({ "n": n }), super::script::now(n)).unwrap();
    }
    // Free space, one write, and then the sync.
    fs.plan(Some(Plan { at: 2, fault: Fault::Io, for_good: false }));
    let fields = serde_json::json!({"n": 3});
    let error = log.append("note", &fields, super::script::now(3)).unwrap_err();
    assert!(matches!(error, LogError::Poisoned { .. }), "{error}");
    fs.plan(None);
    let calls = fs.calls();
    let error = log.append("note", &fields, super::script::now(3)).unwrap_err();
    assert!(matches!(error, LogError::Poisoned { .. }), "{error}");
    assert_eq!(fs.calls(), calls, "not even asked");
    drop(log);
    let mut opened = open(&fs).unwrap();
    assert_eq!((opened.found, numbers(&opened.entries)), (Found::Torn { dropped_bytes: 0 }, vec![1, 2, 3]));
    let before = fs.world().bytes("00000001.jsonl").to_vec();
    opened.log.append("note", &serde_json::json!({"n": 4}), super::script::now(4)).unwrap();
    let world = fs.world();
    assert_eq!(world.bytes("00000001.jsonl.broken"), before);
    assert_eq!(world.bytes("00000001.jsonl"), before);
    assert!(!world.names().any(|name| name.ends_with(".poisoned")));
    for world in world.after_a_crash() {
        let again = open(&SimFs::of(world)).unwrap();
        assert_eq!((again.found, numbers(&again.entries)), (Found::Sound, vec![1, 2, 3, 4]));
    }
}

#[test]
fn the_reserve_is_used_up_only_by_an_end_and_made_again_when_there_is_room() {
    let fs = SimFs::default();
    live(&fs, 2, &mut Promised::default(), |_| {});
    let has_reserve = || fs.world().names().any(|name| name == "reserve");
    assert!(has_reserve());
    let mut log = open(&fs).unwrap().log;
    let fields = serde_json::json!({"n": 3});
    let first_call_fails = Some(Plan { at: 0, fault: Fault::NoSpace, for_good: false });
    fs.plan(first_call_fails);
    log.append_ending("done", &fields, super::script::now(3)).unwrap();
    assert!(!has_reserve());
    fs.plan(first_call_fails);
    let error = log.append_ending("done", &fields, super::script::now(3)).unwrap_err();
    assert!(matches!(error, LogError::Full { .. }), "{error}");
    fs.plan(None);
    fs.set_free(SMALL.min_free - 1);
    let error = log.append("accept", &fields, super::script::now(3)).unwrap_err();
    assert!(error.to_string().contains("99 bytes are free"), "{error}");
    assert!(matches!(log.room_for(1), Err(LogError::Full { .. })));
    drop(log);
    assert!(open(&fs).is_ok() && !has_reserve());
    fs.set_free(1 << 30);
    assert!(open(&fs).is_ok() && has_reserve());
}

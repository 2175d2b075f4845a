//! A crash at every call, every disk it may leave, and again a crash at every call of the recovery.

use std::collections::HashSet;

use serde_json::json;

use super::script::{Promised, go_on, instants, now, numbers, open, recover};
use super::sim::{SimFs, World};
use crate::journal::Superblock;

fn floor(superblock: &Superblock) -> u64 {
    superblock.floor_iat.map_or(0, |floor| floor.unix() - now(0).unix())
}

/// Disks that were looked at already, each with how much had been promised.
#[derive(Default)]
struct Seen {
    disks: HashSet<(World, usize, u64)>,
}

impl Seen {
    fn is_new(&mut self, world: &World, promised: &Promised) -> bool {
        self.disks.insert((world.clone(), promised.acknowledged.len(), promised.floor))
    }

    /// Crashes at each call since the last time, and recovers twice.
    fn crash_everywhere(&mut self, fs: &SimFs, promised: &Promised) {
        for world in fs.history().into_iter().flat_map(|world| world.after_a_crash()) {
            self.recover(world, promised);
        }
    }

    fn recover(&mut self, world: World, promised: &Promised) {
        if self.is_new(&world, promised) {
            let fs = SimFs::of(world);
            let found = numbers(&recover(&fs, promised).entries);
            assert_eq!(numbers(&open(&fs).unwrap().entries), found, "recovering is idempotent");
        }
    }
}

#[test]
fn after_a_crash_at_any_call_nothing_acknowledged_is_missing_and_nothing_else_is_believed() {
    let mut seen = Seen::default();
    for instant in instants(24) {
        for world in instant.world.after_a_crash() {
            if seen.is_new(&world, &instant.promised) {
                let fs = SimFs::of(world);
                let opened = recover(&fs, &instant.promised);
                go_on(opened, &fs, &instant.promised);
            }
        }
    }
    assert!(seen.disks.len() > 500, "{}", seen.disks.len());
}

#[test]
fn what_was_read_after_a_kill_outlives_the_loss_of_power_that_follows() {
    let mut seen = Seen::default();
    for instant in instants(24) {
        let fs = SimFs::of(instant.world);
        let opened = recover(&fs, &instant.promised);
        let promised = Promised {
            acknowledged: numbers(&opened.entries),
            floor: floor(&opened.superblock),
            ..instant.promised
        };
        for world in fs.world().after_a_crash() {
            seen.recover(world, &promised);
        }
    }
    assert!(seen.disks.len() > 30, "{}", seen.disks.len());
}

#[test]
fn a_crash_in_the_recovery_from_a_crash_loses_nothing_either() {
    let (mut first, mut second) = (Seen::default(), Seen::default());
    for instant in instants(10) {
        for world in instant.world.after_a_crash() {
            if !first.is_new(&world, &instant.promised) {
                continue;
            }
            let fs = SimFs::of(world);
            fs.record();
            let mut opened = recover(&fs, &instant.promised);
            let mut promised = instant.promised.clone();
            second.crash_everywhere(&fs, &promised);
            // What the first recovery has read stands from then on.
            promised.acknowledged = numbers(&opened.entries);
            promised.floor = floor(&opened.superblock);
            promised.tried.push(500);
            opened.log.append("note", &json!({"n": 500}), now(500)).unwrap();
            second.crash_everywhere(&fs, &promised);
            promised.acknowledged.push(500);
            for world in fs.world().after_a_crash() {
                second.recover(world, &promised);
            }
        }
    }
    assert!(second.disks.len() > 500, "{}", second.disks.len());
}

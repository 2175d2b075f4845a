//! What is told of a guest, whatever stands in its configuration, is taken by the manifest and plans to nothing.

use proptest::collection::btree_map;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::Union;
use serde_json::Value as Free;

use super::super::round_trip::Guest;
use super::super::{Settings, plan_guest};
use super::{config, guest_id};
use crate::manifest;
use crate::model::desired::WantedRun;
use crate::model::guest::{GuestKind, RunState};
use crate::model::observed::{PendingChange, Reading};
use crate::model::time::Timestamp;
use crate::normalize::tags::TagCase;

/// Texts of volumes, with what Proxmox writes and what only a hand would.
fn volume() -> impl Strategy<Value = String> {
    let place = prop::sample::select(vec![
        "store:103/vm-103-disk-1.raw",
        "btr:103/subvol-103-disk-0.subvol",
        "volume=store:103/vm-103-disk-2.raw",
        "file=store:103/vm-103-disk-3.raw",
        "store:103/vm-103-cloudinit.qcow2,media=cdrom",
        "none,media=cdrom",
        "local:iso/debian.iso",
        "/srv/data",
        "/dev/disk/by-id/x:y",
        "/a/../b",
        "x:1",
        "absent",
        "",
    ]);
    let parts = prop::sample::select(vec![
        "size=8G",
        "size=0T",
        "size=102M",
        "size=300T",
        "size",
        "mp=/data",
        "mp=absent",
        "mp=a",
        "backup=1",
        "backup=absent",
        "backup=off",
        "ro=yes",
        "ro",
        "acl=",
        "acl=0",
        "acl=2",
        "discard=on",
        "discard=ignore",
        "discard=maybe",
        "ssd=1",
        "cache=none",
        "cache=absent",
        "aio=io_uring",
        "iothread=true",
        "serial=x",
        "mountoptions=noatime;nodev",
        "shared=1",
        "quota=0",
        "replicate=0",
    ]);
    (place, prop::collection::vec(parts, 0..6)).prop_map(|(place, parts)| {
        parts.into_iter().fold(place.to_owned(), |text, part| format!("{text},{part}"))
    })
}

fn volumes(kind: GuestKind) -> impl Strategy<Value = Vec<(String, String)>> {
    let keys = match kind {
        GuestKind::Lxc => ["rootfs", "mp0", "mp7", "mp300", "unused0"],
        GuestKind::Qemu => ["scsi0", "virtio1", "sata2", "ide2", "efidisk0"],
    };
    btree_map(prop::sample::select(keys.to_vec()), volume(), 0..4)
        .prop_map(|volumes| volumes.into_iter().map(|(key, text)| (key.to_owned(), text)).collect())
}

/// Any configuration, with any of it pending over any other, or pending to be deleted.
fn there() -> impl Strategy<Value = Guest> {
    let one = |kind| {
        let run = prop::sample::select(vec![RunState::Running, RunState::Stopped]);
        let words = prop::collection::vec(
            (any::<prop::sample::Index>(), prop::option::of("absent|0|1|\\PC{0,12}")),
            0..3,
        );
        let texts = (config(kind), config(kind), volumes(kind), volumes(kind));
        (Just(kind), run, texts, words).prop_map(|(kind, run, (current, pending, volumes, others), words)| {
            let mut there = Guest::new(guest_id(kind, 103), run, &[]);
            there.current = current;
            there.current.extend(volumes);
            let pending = pending.into_iter().chain(others).take(3);
            there.pending.extend(pending.map(|(key, text)| (key, PendingChange::Set(text))));
            let keys: Vec<String> = there.current.keys().cloned().collect();
            for (index, word) in words.into_iter().filter(|_| !keys.is_empty()) {
                let key = index.get(&keys).clone();
                match word {
                    Some(word) => drop(there.current.insert(key, word)),
                    None => drop(there.pending.insert(key, PendingChange::Delete)),
                }
            }
            there
        })
    };
    Union::new(GuestKind::ALL.map(|kind| one(kind).boxed()))
}

proptest! {
    #[test]
    fn what_is_told_of_any_guest_is_taken_and_plans_to_nothing(there in there()) {
        let seen = there.observe();
        let Reading::Known(config) = &seen.config else { panic!("it was read") };
        let run = if there.run == RunState::Running { WantedRun::Running } else { WantedRun::Stopped };
        let resource: Free = manifest::told(there.id, config).resource("it", Some(run));
        let document = manifest::document("h", 1, &[resource]).to_string();
        let state = manifest::parse(document.as_bytes(), "h", Timestamp::from_unix(0)).unwrap();
        prop_assert_eq!(&state.refused, &[], "{}", document);
        for tag_case in [TagCase::Lowered, TagCase::Kept] {
            let plan = plan_guest(&state.guests[0], &seen, &Settings { tag_case, ..Settings::default() });
            prop_assert!(plan.is_in_order() && plan.drift.is_empty(), "{}\n{:#?}", document, plan);
        }
    }
}

//! What holds for the volumes of every plan: none shrinks, none is replaced, none goes; and what was planned and applied plans to
//! nothing.

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

use super::super::round_trip::Guest;
use super::super::{Settings, plan_guest};
use super::guest_id;
use crate::gate::{self, Facts};
use crate::model::desired::{DesiredGuest, Volume, Wanted};
use crate::model::guest::{GuestKind, RunState};
use crate::model::step::Step;
use crate::model::volume::{first_part, holds_volume, size};

/// The keys of each kind, and a path for those that have one.
fn keys(kind: GuestKind) -> [(&'static str, Option<&'static str>); 3] {
    match kind {
        GuestKind::Lxc => [("rootfs", None), ("mp0", Some("/a")), ("mp1", Some("/b"))],
        GuestKind::Qemu => [("scsi0", None), ("virtio1", None), ("sata2", None)],
    }
}

fn volume(path: Option<&'static str>) -> impl Strategy<Value = Wanted<Volume>> {
    let flags = any::<(bool, bool, bool)>();
    (any::<bool>(), 1..4_u64, any::<bool>(), flags, 0..10_u8).prop_map(
        move |(storage, size_gb, sized, (one, other, third), gone)| {
            let mut volume = Volume {
                storage: Some(if storage { "store" } else { "tank" }.to_owned()),
                size_gb: sized.then_some(size_gb),
                ..Volume::default()
            };
            volume.options.extend(path.map(|path| ("mp".to_owned(), path.to_owned())));
            for (name, said, value) in [("backup", one, "1"), ("replicate", other, "0"), ("ro", third, "0")] {
                // A rootfs has no such word.
                if said && !(name == "backup" && path.is_none()) {
                    volume.options.insert(name.to_owned(), value.to_owned());
                }
            }
            if gone == 0 { Wanted::Absent } else { Wanted::Like(volume) }
        },
    )
}

pub(super) fn pair() -> impl Strategy<Value = (DesiredGuest, Guest)> {
    let kind = prop::sample::select(GuestKind::ALL.to_vec());
    kind.prop_flat_map(|kind| {
        let guest = guest_id(kind, 103);
        let [one, two, three] = keys(kind).map(|(_, path)| (prop::option::of(volume(path)), 0..4_u64));
        let run = prop::sample::select(vec![RunState::Running, RunState::Stopped]);
        (one, two, three, run).prop_map(move |(one, two, three, run)| {
            let mut desired = DesiredGuest::new("it", guest);
            let mut there = Guest::new(guest, run, &[("rootfs", "store:103/vm-103-disk-9.raw,size=1G")]);
            for ((key, path), (wanted, size)) in keys(kind).into_iter().zip([one, two, three]) {
                desired.volumes.extend(wanted.map(|wanted| (key.to_owned(), wanted)));
                if size > 0 {
                    let path = path.map(|path| format!(",mp={path}")).unwrap_or_default();
                    let text = format!("store:103/vm-103-disk-{key}.raw{path},backup=1,size={size}G");
                    there.current.insert(key.to_owned(), text);
                }
            }
            desired.volumes.retain(|key, wanted| key != "rootfs" || *wanted != Wanted::Absent);
            (desired, there)
        })
    })
}

proptest! {
    #[test]
    fn no_plan_makes_a_volume_smaller_replaces_one_or_takes_one_away((desired, mut there) in pair()) {
        let settings = Settings::default();
        for _ in 0..6 {
            let seen = there.observe();
            let plan = plan_guest(&desired, &seen, &settings);
            for planned in &plan.steps {
                match &planned.step {
                    Step::Resize { key, from, to, .. } => {
                        prop_assert_eq!(*from, there.current.get(key).and_then(|text| size(text)));
                        prop_assert!(*from < Some(*to));
                    }
                    Step::SetConfig { change, .. } => {
                        prop_assert!(change.delete.is_empty());
                        for (key, text) in &change.set {
                            prop_assert!(holds_volume(key) && desired.volumes.contains_key(key));
                            if let Some(held) = there.current.get(key) {
                                prop_assert_eq!((first_part(held), size(held)), (first_part(text), size(text)));
                            }
                        }
                    }
                    other => prop_assert!(false, "{}", other),
                }
                prop_assert!(gate::judge(planned.step.clone(), &Facts::observed(&seen)).is_ok(), "{}", planned.step);
            }
            let Some(first) = plan.steps.first() else { break };
            prop_assert!(plan.failure.is_none() && plan.hold.is_none());
            there.apply(&first.step);
        }
        let last = plan_guest(&desired, &there.observe(), &settings);
        prop_assert_eq!(&last.steps, &Vec::new());
        let excused = last.failure.is_some() || last.hold.is_some();
        prop_assert!(excused || last.drift.is_empty(), "{:#?}", last);
    }
}

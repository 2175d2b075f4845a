//! What holds for every plan, whatever is wanted and whatever is there.

mod adopt;
mod explained;
mod volumes;

use proptest::collection::btree_map;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::Union;

use super::round_trip::Guest;
use super::{NodeObservation, Settings, plan, plan_guest};
use crate::model::desired::{
    DesiredGuest, DesiredState, DriftPolicy, Ensure, Field, Provision, Value, WantedRun,
};
use crate::model::guest::{GuestId, GuestKind, RunState, Vmid};
use crate::model::hold::HoldReason;
use crate::model::observed::{PendingChange, Presence, ReadFault, Reading};
use crate::model::sorted::{Map, Set};
use crate::model::step::{Origin, Step};
use crate::normalize::{self, TakesEffect, net, round_trips};

fn desired(guest: GuestId) -> impl Strategy<Value = DesiredGuest> {
    // What is decided when a guest is made is never written.
    let rows = normalize::rows(guest.kind).iter().filter(|row| row.takes_effect != TakesEffect::Never);
    let row = prop::sample::select(rows.collect::<Vec<_>>());
    let one = row.prop_flat_map(move |row| (Just(row.field), round_trips::wanted(row)));
    let run = prop::sample::select(vec![None, Some(WantedRun::Running), Some(WantedRun::Stopped)]);
    (prop::collection::vec(one, 0..12), run).prop_map(move |(fields, run_state)| DesiredGuest {
        run_state,
        fields: fields.into_iter().collect::<Map<Field, Value>>(),
        ..DesiredGuest::new(&guest.to_string(), guest)
    })
}

/// Whatever text may stand in a configuration: values of ours, raw values, foreign keys.
fn config(kind: GuestKind) -> impl Strategy<Value = Map<String, String>> {
    let mut keys: Vec<String> =
        normalize::rows(kind).iter().map(|row| row.key(row.field).to_owned()).collect();
    keys.extend(["rootfs", "foo", "unused0"].map(str::to_owned));
    let value = prop::sample::select(vec![
        "1",
        "0",
        "2",
        "512",
        "web",
        "abc",
        "a;b",
        " ",
        "order=1",
        "hello",
        "hello\n",
        "current=96",
        "x y",
        "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:09,ip=dhcp,tag=7,type=veth",
        "virtio=BC:24:11:00:00:09,bridge=vmbr0,firewall=1,foo=bar",
        "model=e1000,macaddr=bc:24:11:00:00:09",
        "nesting=1,keyctl=0",
        "order=scsi0;net0",
        "q35,viommu=intel",
        "pc-q35-7.2",
        "a=1,a=2",
        "10.0.0.1,fd00::1",
        "ssh-rsa%20AAAAB3NzaC1yc2EAAAADAQABAAABgQ%20x%0A",
    ]);
    btree_map(prop::sample::select(keys), value.prop_map(str::to_owned), 0..14)
        .prop_map(|config| config.into_iter().collect())
}

fn there(guest: GuestId) -> impl Strategy<Value = Guest> {
    let run = prop::sample::select(vec![RunState::Running, RunState::Stopped]);
    (run, config(guest.kind), any::<bool>()).prop_map(move |(run, current, waits)| {
        let mut there = Guest::new(guest, run, &[]);
        there.current = current;
        if waits && guest.kind == GuestKind::Qemu {
            there.pending.insert("cores".to_owned(), PendingChange::Set("3".to_owned()));
        }
        there
    })
}

fn guest_id(kind: GuestKind, vmid: u64) -> GuestId {
    GuestId::new(kind, Vmid::new(vmid).unwrap())
}

fn pair() -> impl Strategy<Value = (DesiredGuest, Guest)> {
    let one = |kind| (desired(guest_id(kind, 103)), there(guest_id(kind, 103))).boxed();
    Union::new(GuestKind::ALL.map(one))
}

proptest! {
    #[test]
    fn a_plan_that_was_applied_plans_to_nothing((desired, mut there) in pair()) {
        let settings = Settings::default();
        // As the lane does it: one step, then look and plan again.
        for _ in 0..3 {
            let plan = plan_guest(&desired, &there.observe(), &settings);
            prop_assert_eq!(&plan.failure, &None);
            if let Some(hold) = &plan.hold {
                // A flag of a container that no token may change, or a card that would lose its address.
                prop_assert!(matches!(hold.reason, HoldReason::Permission | HoldReason::NeedsSignature));
                prop_assert_eq!(&plan.steps[..], &[][..]);
                return Ok(());
            }
            let Some(first) = plan.steps.first() else { break };
            there.apply(&first.step);
        }
        let last = plan_guest(&desired, &there.observe(), &settings);
        prop_assert!(last.is_in_order() && last.drift.is_empty(), "{:#?}", last);
    }

    #[test]
    fn no_write_has_a_key_that_was_not_named((desired, there) in pair()) {
        let named: Set<&str> = desired.fields.keys()
            .map(|field| normalize::row(*field, desired.guest.kind).unwrap().key(*field)).collect();
        let plan = plan_guest(&desired, &there.observe(), &Settings::default());
        for planned in &plan.steps {
            if let Step::SetConfig { change, .. } = &planned.step {
                for key in change.set.keys().chain(&change.delete) {
                    prop_assert!(named.contains(key.as_str()), "{}", key);
                }
                prop_assert!(!change.digest.is_empty());
            }
        }
    }

    #[test]
    fn no_write_of_a_card_that_is_there_loses_its_address((desired, there) in pair()) {
        let plan = plan_guest(&desired, &there.observe(), &Settings::default());
        for planned in &plan.steps {
            let Step::SetConfig { change, .. } = &planned.step else { continue };
            let Some(now) = there.current.get("net0").and_then(|now| net::address(now)) else { continue };
            prop_assert!(!change.delete.contains("net0"));
            if let Some(written) = change.set.get("net0") {
                prop_assert_eq!(net::address(written), Some(now));
            }
        }
    }

    /// What was read is never written back: with nothing wanted but defaults, no text of the node is in a write.
    #[test]
    fn no_write_repeats_what_was_read((desired, there) in pair()) {
        let mut desired = desired;
        for value in desired.fields.values_mut() {
            *value = Value::Absent;
        }
        let plan = plan_guest(&desired, &there.observe(), &Settings::default());
        for planned in &plan.steps {
            if let Step::SetConfig { change, .. } = &planned.step {
                let allowed = ["512", "0"];
                prop_assert!(change.set.values().all(|text| allowed.contains(&text.as_str())), "{:?}", change);
            }
        }
    }

    #[test]
    fn a_guest_that_is_held_or_cannot_be_read_gets_no_step((desired, mut there) in pair(), which in 0..5_u8) {
        let mut desired = desired;
        match which {
            0 => there.lock = Some("backup".to_owned()),
            1 => there.template = true,
            2 => there.backup_task = Some("UPID:…".to_owned()),
            3 => there.run = RunState::Paused,
            _ => desired.suspend = true,
        }
        let plan = plan_guest(&desired, &there.observe(), &Settings::default());
        prop_assert_eq!(plan.steps, Vec::new());
        let plan = plan_guest(&DesiredGuest { drift: DriftPolicy::Report, ..desired }, &there.observe(), &Settings::default());
        prop_assert_eq!(plan.steps, Vec::new());
    }

    #[test]
    fn no_plan_destroys_and_a_guest_is_made_only_where_nobody_has_its_number(
        (desired, there) in pair(),
        (absent, data_bearing, provided) in any::<(bool, bool, bool)>(),
        (is_read, presence) in (any::<bool>(), 0..5_u8),
    ) {
        let ensure = if absent { Ensure::Absent } else { Ensure::Present };
        let provision = provided.then(|| Provision {
            from: Origin::Backup,
            source: "store:backup/vzdump.tar".to_owned(),
            storage: Some("store".to_owned()),
        });
        let desired = DesiredGuest { ensure, data_bearing, provision, ..desired };
        let fault = |code| ReadFault { code, message: String::new() };
        let mut seen = there.observe();
        if !is_read {
            seen.config = Reading::Unknown(fault(ReadFault::GUEST_MISSING));
        }
        match presence {
            0 => {}
            1 => seen.presence = Presence::NotListed,
            2 => seen.presence = Presence::Nowhere,
            3 => seen.presence = Presence::Elsewhere("other".to_owned()),
            _ => seen.presence = Presence::Unknown(fault("timeout")),
        }
        let plan = plan_guest(&desired, &seen, &Settings::default());
        for planned in &plan.steps {
            match &planned.step {
                Step::SetConfig { .. } | Step::Start { .. } | Step::Shutdown { .. } => prop_assert!(is_read),
                Step::Make { .. } => {
                    prop_assert!(provided && !absent && seen.presence == Presence::Nowhere);
                    prop_assert_eq!(plan.steps.len(), 1);
                }
                other => prop_assert!(false, "{other}"),
            }
        }
    }

    #[test]
    fn a_plan_does_not_depend_on_the_order_of_anything(
        guests in prop::collection::vec(pair(), 0..5),
        order in any::<prop::sample::Index>(),
    ) {
        let numbered = (200..).zip(guests).map(|(vmid, (mut desired, mut there))| {
            desired.guest = guest_id(desired.guest.kind, vmid);
            there.id = desired.guest;
            desired.resource_id = format!("r{vmid}");
            (desired, there)
        });
        let numbered: Vec<(DesiredGuest, Guest)> = numbered.collect();
        let mut other = numbered.clone();
        if !other.is_empty() {
            let middle = order.index(other.len());
            other.rotate_left(middle);
            other.reverse();
        }
        prop_assert_eq!(plan_all(&numbered), plan_all(&other));
    }

    #[test]
    fn a_guest_that_is_not_named_is_not_touched(guests in prop::collection::vec(pair(), 1..5)) {
        let mut guests: Vec<(DesiredGuest, Guest)> = (200..).zip(guests).map(|(vmid, (mut desired, mut there))| {
            desired.guest = guest_id(desired.guest.kind, vmid);
            there.id = desired.guest;
            (desired, there)
        }).collect();
        let (unnamed, unnamed_there) = guests.remove(0);
        let state = state(&guests);
        let mut seen = seen(&guests);
        let Presence::Listed(listed) = unnamed_there.look().presence else { panic!() };
        seen.listed.push(listed);
        let plan = plan(&state, &seen, &Settings::default());
        prop_assert!(plan.guests.iter().all(|planned| planned.guest != unnamed.guest));
        prop_assert_eq!(plan.unmanaged.len(), 1);
        prop_assert!(plan.guests.iter().flat_map(|planned| &planned.steps).all(|step| step.step.guest() != unnamed.guest));
    }
}

fn plan_all(guests: &[(DesiredGuest, Guest)]) -> super::Plan {
    plan(&state(guests), &seen(guests), &Settings::default())
}

fn state(guests: &[(DesiredGuest, Guest)]) -> DesiredState {
    let guests = guests.iter().map(|(desired, _)| desired.clone()).collect();
    DesiredState {
        generation: 1,
        sha256: String::new(),
        guests,
        refused: Vec::new(),
        claimed: Vec::new(),
        places: Map::new(),
    }
}

fn seen(guests: &[(DesiredGuest, Guest)]) -> NodeObservation {
    let guests = guests.iter().map(|(desired, there)| (desired.guest.vmid, there.look())).collect();
    NodeObservation { guests, ..NodeObservation::default() }
}

//! Signed operations and the clocks: what was accepted in time and is not begun in time is not begun at all, whichever clock says so.
//! In process, with a journal that has no past: in a new one on disk nothing is valid for less than some minutes.

use felhom_agent::authz::{self, Keyring, Policy, Situation, Trust};
use felhom_agent::consent::{ident, state_sha256};
use felhom_agent::control::{Bearer, Event, Order as Errand};
use felhom_agent::journal::OpState;
use felhom_agent::model::guest::{GuestId, GuestKind, Vmid};
use felhom_agent::model::op::{ClockTrust, OpEnd, OpId, OpResult, Via};
use felhom_agent::model::time::Timestamp;
use felhom_agent::observe;
use felhom_agent::ops::Door;
use felhom_agent::paths::guarded;
use felhom_sim::sign::{self, Key, Order};
use serde_json::json;

use crate::rig::{HOST, Rig, lxc, manifest};

fn otto() -> Key {
    Key::named("otto", &["operator"])
}

/// A rig that trusts Otto and has looked at guest 101.
fn rig() -> Rig {
    let rig = Rig::new();
    let keyring = sign::keyring(1, 1, &[&otto()]).to_string();
    guarded::replace(&rig.state.path().join("keyring.json"), keyring.as_bytes()).unwrap();
    rig.desire(&manifest(1, &[lxc("db", json!({"vmid": 101}))]));
    rig.settle();
    rig
}

fn guest() -> GuestId {
    GuestId::new(GuestKind::Lxc, Vmid::new(101).unwrap())
}

fn stop(rig: &Rig) -> Order {
    let image = observe::image(&rig.client(), guest()).unwrap();
    Order::new("guest.stop_hard", "operator", HOST, "pve").guest(
        "lxc",
        101,
        &ident(&image),
        &state_sha256(&image),
    )
}

fn lock(rig: &Rig, lock: Option<&str>) {
    rig.sim.world(|world| {
        world.guest_mut(101).set_lock(lock);
    });
}

fn end(rig: &Rig, order: &Order) -> Option<OpEnd> {
    let record = rig.journal.op(&OpId::parse(&order.op_id()).unwrap())?;
    match record.state {
        OpState::Ended(end) => Some(end),
        OpState::Accepted | OpState::Running { .. } => None,
    }
}

fn ends(rig: &Rig, order: &Order) -> (OpResult, String) {
    rig.until("the end of the operation", |_| end(rig, order).is_some());
    let end = end(rig, order).unwrap();
    (end.result, end.code)
}

/// An order that was accepted and expires soon; the slower the machine, the later.
fn in_time(rig: &Rig, door: &Door) -> (Order, u64) {
    for seconds in [3, 9, 27, 81] {
        let exp = sign::now() + seconds;
        let order = stop(rig).set("exp", json!(exp));
        match door.submit(order.signed(&[&otto()]).text().into_bytes(), Via::Socket) {
            Ok(taken) => {
                assert!(taken.is_new);
                return (order, exp);
            }
            Err(refused) => assert_eq!(refused.code.to_string(), "Expired"),
        }
    }
    panic!("81 s are not enough to bring an order");
}

#[test]
fn e08_an_operation_that_expires_while_it_waits_is_not_carried_out_and_its_nonce_is_used_up() {
    let rig = rig();
    let door = rig.door();
    lock(&rig, Some("backup"));
    let (order, exp) = in_time(&rig, &door);
    assert_eq!(ends(&rig, &order), (OpResult::Rejected, "Expired".to_owned()));
    assert!(sign::now() >= exp);
    lock(&rig, None);
    let again = stop(&rig).set("nonce", order.0["nonce"].clone());
    let refused = door.submit(again.signed(&[&otto()]).text().into_bytes(), Via::Socket).unwrap_err();
    assert_eq!(refused.code.to_string(), "Replay");
    // And the same once more is known, although it could not be accepted any more.
    let known = door.submit(order.signed(&[&otto()]).text().into_bytes(), Via::Hub).unwrap();
    assert!(!known.is_new);
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

#[test]
fn e09_what_was_begun_in_time_goes_on_when_its_operation_expires_meanwhile() {
    let rig = rig();
    let door = rig.door();
    rig.sim.world(|world| world.faults.hung_types.insert("vzstop".to_owned()));
    let begun = || !rig.mutations().is_empty();
    // What a slow machine does not begin in time is another story: then once more.
    let (order, exp) = loop {
        let (order, exp) = in_time(&rig, &door);
        rig.until("it is begun, or too late", |_| begun() || end(&rig, &order).is_some());
        if begun() {
            break (order, exp);
        }
    };
    rig.until("it has expired", |_| sign::now() > exp);
    assert_eq!(end(&rig, &order), None);
    rig.sim.world(|world| world.faults.hung_types.clear());
    assert_eq!(ends(&rig, &order), (OpResult::Done, String::new()));
}

#[test]
fn e07_a_clock_that_is_set_back_while_an_operation_waits_ends_it() {
    let rig = rig();
    let door = rig.door();
    let order = stop(&rig);
    lock(&rig, Some("backup"));
    door.submit(order.signed(&[&otto()]).text().into_bytes(), Via::Socket).unwrap();
    // As if it had been an hour later already.
    rig.journal.note_clock(Timestamp::from_unix(sign::now() + 3_600));
    assert_eq!(ends(&rig, &order), (OpResult::Rejected, "ClockUntrusted".to_owned()));
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

#[test]
fn e12_what_the_machine_slept_through_has_expired_whatever_the_wall_clock_says() {
    let rig = rig();
    let order = stop(&rig);
    let trust = Trust {
        keyring: Keyring::parse(sign::keyring(1, 1, &[&otto()]).to_string().as_bytes()).unwrap(),
        policy: Policy::built_in(),
    };
    let now = Timestamp::from_unix(sign::now());
    let floor = Timestamp::from_unix(0);
    let situation = Situation { host_id: HOST, node: "pve", now, clock: &ClockTrust::Trusted, floor };
    let op = authz::verify(order.signed(&[&otto()]).text().as_bytes(), &trust, &situation).unwrap();
    rig.journal.accept(&op, Via::Socket, now).unwrap();
    let op_id = op.op().op_id.clone();
    let bearer = Bearer::Verified { op: Box::new(op), expires_uptime_s: Some(0) };
    rig.events.send(Event::Operate(Box::new(Errand { op_id, guest: guest(), bearer }))).unwrap();
    assert_eq!(ends(&rig, &order), (OpResult::Rejected, "Expired".to_owned()));
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
}

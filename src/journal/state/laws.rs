//! What holds of the state whatever was recorded.

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{collection, option, proptest};

use super::{Place, State};
use crate::authz::testing::NOW;
use crate::journal::record::{
    Accept, Ack, Damage, Decision, Ended, Fields, Floor, Intent, Issued, Made, Record, Settled, StepEnd,
    StepResult, Trust,
};
use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::op::{OpEnd, OpId, OpKind, OpResult, Via};
use crate::model::step::{Purpose, Step};
use crate::model::time::Timestamp;

fn at(unix: u64) -> Timestamp {
    Timestamp::from_unix(unix)
}

fn guest(number: u64) -> GuestId {
    GuestId::new(GuestKind::Lxc, Vmid::new(number).unwrap())
}

fn upid(number: u64) -> String {
    format!("UPID:pve:00005B5F:0004C76F:6B010DEF:vzstart:{number}:root@pam!agent:")
}

fn ended(result: OpResult) -> OpEnd {
    OpEnd {
        result,
        code: String::new(),
        message: String::new(),
        upid: None,
        volumes_left: Vec::new(),
        at: at(NOW),
    }
}

fn place_of(seq: u64) -> Place {
    Place { seq, at: at(NOW + seq), boot: "12345678".to_owned(), hash: format!("{seq:016x}") }
}

fn op_id(number: u8) -> OpId {
    OpId::parse(&format!("0192f0c1-7d1e-7d53-9a51-{number:012x}")).unwrap()
}

fn accept(number: u8, exp: u64) -> Record {
    Record::Accept(Box::new(Accept {
        op_id: op_id(number),
        kind: OpKind::GuestDestroy,
        guest: Some(guest(100 + u64::from(number))),
        payload_sha256: format!("{number:064x}"),
        keyids: vec![format!("{:032x}", number % 2)],
        nonce: format!("{number:032x}"),
        iat: at(NOW),
        exp: at(exp),
        via: Via::Hub,
        envelope: Some(serde_json::json!({ "payload": number.to_string() })),
        accepted_at: None,
        running: None,
    }))
}

#[test]
fn a_replay_record_is_forgotten_only_when_no_clock_could_make_it_valid_again() {
    let outlived = NOW + 3_600 + 2 * 300 + 3_600;
    for (clock, is_ended, known) in
        [(outlived, true, true), (outlived + 1, true, false), (outlived + 1, false, true)]
    {
        let mut state = State::default();
        state.apply(&place_of(1), accept(1, NOW + 3_600), false);
        if is_ended {
            let end = Ended { op_id: op_id(1), guest: None, end: ended(OpResult::Done) };
            state.apply(&place_of(2), Record::Ended(end), false);
        }
        state.saw_clock(at(clock));
        state.forget();
        assert!(state.op(&op_id(1)).is_some(), "the hub has not heard of its end");
        state.apply(&place_of(3), Record::Ack(Ack { op_id: op_id(1) }), false);
        state.forget();
        assert_eq!(state.op(&op_id(1)).is_some(), known, "{clock} {is_ended}");
        let nonce = format!("{:032x}", 1);
        assert_eq!(state.nonce_used(std::slice::from_ref(&nonce), &nonce).is_some(), known);
    }
}

#[test]
fn a_full_store_takes_nothing_new_and_forgets_nothing_that_could_come_again() {
    let mut state = State::default();
    for number in 0..2_000_u64 {
        let Record::Accept(mut accept) = accept(1, NOW + 3_600) else { panic!("it is one") };
        accept.op_id = OpId::parse(&format!("0192f0c1-7d1e-7d53-9a51-{number:012x}")).unwrap();
        accept.nonce = format!("{number:032x}");
        accept.via = Via::Socket;
        let op_id = accept.op_id.clone();
        assert!(state.has_room(), "{number}");
        state.apply(&place_of(1), Record::Accept(accept), false);
        let end = Ended { op_id, guest: None, end: ended(OpResult::Done) };
        state.apply(&place_of(2), Record::Ended(end), false);
    }
    assert!(!state.has_room());
    assert_eq!(state.ops(|_| true).len(), 2_000);
    state.saw_clock(at(NOW + 100_000));
    assert!(state.has_room());
}

fn step_end(intent: u64, number: u8, result: StepResult) -> StepEnd {
    StepEnd {
        intent,
        guest: guest(100 + u64::from(number)),
        what: "start".to_owned(),
        op_id: (number % 2 == 0).then(|| op_id(number)),
        result,
        code: String::new(),
        message: format!("{number}"),
        upid: None,
        left: Vec::new(),
        ended_at: None,
    }
}

/// Any record, about few things, so that they meet.
fn records() -> impl Strategy<Value = Vec<Record>> {
    let number = 0_u8..6;
    let intent = 1_u64..30;
    let record = prop_oneof![
        number.clone().prop_map(|number| accept(number, NOW + 100)),
        (number.clone(), any::<bool>(), any::<bool>()).prop_map(|(number, of_op, destructive)| {
            let guest = guest(100 + u64::from(number));
            Record::Intent(Box::new(Intent {
                guest,
                what: "start".to_owned(),
                step: Step::Start { guest },
                op_id: of_op.then(|| op_id(number)),
                destructive,
                volumes: vec![format!("store:{number}")],
                began: at(NOW + u64::from(number)),
                uptime_s: Some(7),
                intent: None,
                boot_then: None,
            }))
        }),
        (intent.clone(), number.clone()).prop_map(|(intent, number)| {
            let guest = guest(100 + u64::from(number));
            Record::Issued(Issued { intent, guest, upid: upid(intent) })
        }),
        (intent.clone(), number.clone()).prop_map(|(intent, number)| Record::Done(step_end(
            intent,
            number,
            StepResult::Warned
        ))),
        (intent, number.clone()).prop_map(|(intent, number)| Record::Uncertain(step_end(
            intent,
            number,
            StepResult::Uncertain
        ))),
        number.clone().prop_map(|number| {
            let end = ended(OpResult::PartialCleanup);
            Record::Ended(Ended { op_id: op_id(number), guest: None, end })
        }),
        number.clone().prop_map(|number| Record::Ack(Ack { op_id: op_id(number) })),
        number.clone().prop_map(|number| {
            Record::Settled(Settled { guest: guest(100 + u64::from(number)), why: String::new() })
        }),
        (any::<u16>(), any::<bool>(), any::<bool>()).prop_map(|(iat, damage_seen, is_due)| {
            let iat = at(NOW + u64::from(iat));
            Record::Floor(Floor { iat, why: "x".to_owned(), damage_seen, is_due })
        }),
        any::<u8>().prop_map(|version| Record::Trust(Trust { version: u64::from(version) })),
        any::<u16>().prop_map(|floor| {
            let floor = at(NOW + u64::from(floor));
            Record::Damage(Damage { why: "x".to_owned(), floor, is_due: false })
        }),
        (number.clone(), any::<bool>()).prop_map(|(number, half)| {
            Record::Made(Made {
                guest: guest(100 + u64::from(number)),
                purpose: Purpose::Scratch,
                half,
                upid: None,
                ident: "i".to_owned(),
                at: at(NOW),
            })
        }),
        number.clone().prop_map(|number| {
            Record::Gone(Settled { guest: guest(100 + u64::from(number)), why: String::new() })
        }),
        (number, option::of(Just("all of it".to_owned()))).prop_map(|(number, loss)| {
            Record::Decision(Decision { guest: guest(100 + u64::from(number)), what: "x".to_owned(), loss })
        }),
    ];
    collection::vec(record, 0..40)
}

fn folded(records: &[(&'static str, Fields)], last: u64) -> State {
    let mut state = State::default();
    for (kind, fields) in records {
        let place = Place { seq: last + 1_000, ..place_of(last) };
        state.fold(&place, kind, fields.clone());
    }
    state
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 512, ..Default::default() })]

    #[test]
    fn a_snapshot_folds_back_to_the_state_it_was_made_of(records in records()) {
        let mut state = State::default();
        let mut last = 0;
        for (seq, mut record) in (1..).zip(records) {
            // Nothing is begun for an operation that was not accepted.
            if let Record::Intent(intent) = &mut record {
                intent.op_id = intent.op_id.take().filter(|op_id| state.op(op_id).is_some());
            }
            state.fold(&place_of(seq), record.kind(), record.fields());
            last = seq;
        }
        assert_eq!(state.unreadable(), None);
        let once = folded(&state.snapshot(), last);
        assert_eq!(once, state);
        assert_eq!(folded(&once.snapshot(), last), state, "and again");
    }
}

//! E: clock, times, floor, and the age of the keyring (B16).

use serde_json::json;

use super::super::testing::{NOW, keyring_document, sign, situation, trust, verified};
use super::super::{Keyring, Policy, Situation, Trust, clock, verify};
use super::{good, payload_with, refused_by, refused_payload};
use crate::model::op::{ClockTrust, Operation, RejectCode, Role};
use crate::model::time::Timestamp;

/// What becomes of the operation with these times, in seconds from `NOW`, at `NOW`.
fn judged(iat: i64, nbf: i64, exp: i64) -> Result<(), RejectCode> {
    judged_at(&timed(iat, nbf, exp), &situation(NOW))
}

fn timed(iat: i64, nbf: i64, exp: i64) -> Operation {
    let at = |seconds: i64| Timestamp::from_unix(NOW.checked_add_signed(seconds).unwrap());
    Operation { iat: at(iat), nbf: at(nbf), exp: at(exp), ..good() }
}

fn judged_at(op: &Operation, here: &Situation<'_>) -> Result<(), RejectCode> {
    let envelope = sign(op, &[Role::Custodian]);
    verify(&envelope, &trust(), here).map(drop).map_err(|rejected| {
        super::repeats_nothing(&envelope, &rejected);
        rejected.code
    })
}

#[test]
fn e01_an_operation_from_the_future_is_refused() {
    assert_eq!(judged(300, 0, 3_600), Ok(()));
    assert_eq!(judged(301, 0, 3_600), Err(RejectCode::NotYetValid));
    assert_eq!(judged(86_400, 0, 90_000), Err(RejectCode::NotYetValid));
}

#[test]
fn e02_an_operation_that_is_not_valid_yet_is_refused() {
    assert_eq!(judged(0, 300, 3_600), Ok(()));
    assert_eq!(judged(0, 301, 3_600), Err(RejectCode::NotYetValid));
}

#[test]
fn e03_an_operation_expires_at_its_exp_and_not_after_it() {
    assert_eq!(judged(-60, -60, 1), Ok(()));
    assert_eq!(judged(-60, -60, 0), Err(RejectCode::Expired));
    assert_eq!(judged(-60, -60, -1), Err(RejectCode::Expired));
}

#[test]
fn e04_a_validity_that_is_turned_around_or_too_long_is_refused() {
    assert_eq!(judged(0, 0, 86_400), Ok(()));
    assert_eq!(judged(0, 0, 86_401), Err(RejectCode::TtlTooLong));
    for (iat, nbf, exp) in [(10, 0, 10), (10, 0, 9), (0, 10, 10), (0, 20, 10)] {
        assert_eq!(judged(iat, nbf, exp), Err(RejectCode::PayloadValue), "{iat} {nbf} {exp}");
    }
    let zero = payload_with(|document| document["iat"] = json!(0));
    assert_eq!(refused_payload(zero), RejectCode::PayloadValue);
    let one = payload_with(|document| document["iat"] = json!(1));
    assert_eq!(refused_payload(one), RejectCode::TtlTooLong);
    let endless = payload_with(|document| document["exp"] = json!((1_u64 << 53) - 1));
    assert_eq!(refused_payload(endless), RejectCode::PayloadValue);
    let short = Trust { policy: Policy::narrowed(b"{\"v\":1,\"max_ttl_s\":3599}").unwrap(), ..trust() };
    let rejected = refused_by(sign(&good(), &[Role::Custodian]), &short, &situation(NOW));
    assert_eq!(rejected.code, RejectCode::TtlTooLong);
}

#[test]
fn e05_with_a_clock_a_day_ahead_an_operation_is_expired() {
    assert_eq!(judged_at(&good(), &situation(NOW + 86_400)), Err(RejectCode::Expired));
}

#[test]
fn e06_e10_with_a_clock_that_cannot_be_believed_nothing_is_taken() {
    let op = good();
    for (now, high_water) in
        [(NOW - 86_400, Some(NOW)), (0, None), (2_085_978_496, None), (clock::EARLIEST - 1, None)]
    {
        let trust = clock::judge(Timestamp::from_unix(now), high_water.map(Timestamp::from_unix));
        assert!(matches!(trust, ClockTrust::Untrusted(_)), "{now}");
        // The keys' own windows come before the clock in the order of the checks: widened here.
        let mut document: serde_json::Value = serde_json::from_slice(&keyring_document()).unwrap();
        document["keys"][1]["not_before"] = json!(1);
        document["keys"][1]["not_after"] = json!(9_000_000_000_u64);
        let keyring = Keyring::parse(document.to_string().as_bytes()).unwrap();
        let here = Situation { clock: &trust, now: Timestamp::from_unix(now.max(2)), ..situation(NOW) };
        let trusted = Trust { keyring, policy: Policy::built_in() };
        let rejected = refused_by(sign(&op, &[Role::Custodian]), &trusted, &here);
        assert_eq!(rejected.code, RejectCode::ClockUntrusted, "{now}");
    }
}

#[test]
fn e06_an_old_operation_does_not_come_back_with_a_clock_set_back() {
    let clock = clock::judge(Timestamp::from_unix(NOW), Some(Timestamp::from_unix(NOW + 86_400)));
    let here = Situation { clock: &clock, ..situation(NOW) };
    assert_eq!(judged_at(&good(), &here), Err(RejectCode::ClockUntrusted));
}

#[test]
fn e07_e08_times_and_clock_are_judged_again_later() {
    let op = verified(&good());
    assert_eq!(op.recheck(&trust(), &situation(NOW + 3_599)), Ok(()));
    let code = |here: &Situation<'_>| op.recheck(&trust(), here).unwrap_err().code;
    assert_eq!(code(&situation(NOW + 3_600)), RejectCode::Expired);
    let untrusted = ClockTrust::Untrusted("stepped back".to_owned());
    assert_eq!(code(&Situation { clock: &untrusted, ..situation(NOW) }), RejectCode::ClockUntrusted);
    assert_eq!(
        code(&Situation { floor: Timestamp::from_unix(NOW), ..situation(NOW) }),
        RejectCode::BelowFloor
    );
}

#[test]
fn e11_times_are_unix_seconds_and_nothing_else() {
    for wrong in [json!("2026-11-21T14:00:00Z"), json!(-1), json!(NOW * 1_000), json!(1.5), json!([NOW])] {
        for name in ["iat", "nbf", "exp"] {
            let text = payload_with(|document| document[name] = wrong.clone());
            assert_eq!(refused_payload(text), RejectCode::PayloadValue, "{name} {wrong}");
        }
    }
}

#[test]
fn what_was_issued_at_the_floor_or_before_it_must_be_signed_again() {
    for (floor, code) in
        [(NOW - 1, Ok(())), (NOW, Err(RejectCode::BelowFloor)), (NOW + 1, Err(RejectCode::BelowFloor))]
    {
        let here = Situation { floor: Timestamp::from_unix(floor), ..situation(NOW) };
        assert_eq!(judged_at(&good(), &here), code, "{floor}");
    }
}

#[test]
fn b16_with_a_keyring_past_its_day_nothing_destructive_is_taken() {
    for (expires, code) in
        [(NOW + 1, Ok(())), (NOW, Err(RejectCode::StaleTrust)), (NOW - 1, Err(RejectCode::StaleTrust))]
    {
        let mut document: serde_json::Value = serde_json::from_slice(&keyring_document()).unwrap();
        document["expires"] = json!(expires);
        let keyring = Keyring::parse(document.to_string().as_bytes()).unwrap();
        let stale = Trust { keyring, policy: Policy::built_in() };
        let result = verify(&sign(&good(), &[Role::Custodian]), &stale, &situation(NOW));
        assert_eq!(result.map(drop).map_err(|rejected| rejected.code), code, "{expires}");
        let again = verified(&good()).recheck(&stale, &situation(NOW)).map_err(|rejected| rejected.code);
        assert_eq!(again, code, "{expires}");
    }
}

//! The matrix of rejections, in process: each test is named by its row. Tables where a row has many cases; whatever is
//! refused anywhere here is also held to repeat nothing of payload and signatures.
#![expect(clippy::string_slice, reason = "what is cut here is ASCII")]

use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

use super::testing::{NOW, operation, seal, sign, signing_key, situation, trust, verified};
use super::{Situation, Trust, VerifiedOp, verify, write};
use crate::model::op::{Action, Operation, RejectCode, Rejected, Role};

mod audience;
mod crypto;
mod envelope;
mod keys;
mod laws;
mod manifest;
mod payload;
mod times;
mod update;
mod vectors;

/// The destroy that the mutations start from.
fn good() -> Operation {
    operation(Action::GuestDestroy { purge: true }, Role::Custodian, NOW, 1)
}

fn payload() -> String {
    String::from_utf8(write::payload(&good())).unwrap()
}

/// Its envelope without the line feed.
fn envelope() -> String {
    String::from_utf8(sign(&good(), &[Role::Custodian])).unwrap().trim_end().to_owned()
}

/// The payload after a change of its JSON; serde's maps have their keys sorted, which is as good an order as any.
fn payload_with(change: impl FnOnce(&mut Value)) -> String {
    let mut document: Value = serde_json::from_str(&payload()).unwrap();
    change(&mut document);
    document.to_string()
}

/// `from` stands in the text exactly once.
#[track_caller]
fn swap(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replace(from, to)
}

/// Any payload, well signed by the custodian.
fn sealed(payload: impl AsRef<[u8]>) -> Vec<u8> {
    seal(payload.as_ref(), &[signing_key(Role::Custodian)])
}

#[track_caller]
fn refused(envelope: impl AsRef<[u8]>) -> RejectCode {
    refused_by(envelope, &trust(), &situation(NOW)).code
}

#[track_caller]
fn refused_payload(payload: impl AsRef<[u8]>) -> RejectCode {
    refused(sealed(payload))
}

#[track_caller]
fn refused_by(envelope: impl AsRef<[u8]>, trust: &Trust, situation: &Situation<'_>) -> Rejected {
    let envelope = envelope.as_ref();
    let rejected = verify(envelope, trust, situation).expect_err("it was accepted");
    repeats_nothing(envelope, &rejected);
    rejected
}

/// No text of payload or envelope, beyond the words of the format and what names a key.
#[track_caller]
fn repeats_nothing(envelope: &[u8], rejected: &Rejected) {
    let shown = format!("{rejected} {rejected:?}");
    let Ok(envelope) = serde_json::from_slice::<Value>(envelope) else { return };
    let mut secrets = vec![envelope["payload"].clone()];
    if let Some(list) = envelope["signatures"].as_array() {
        secrets.extend(list.iter().map(|signature| signature["sig"].clone()));
    }
    if let Ok((payload, _)) = write::open(envelope.to_string().as_bytes()) {
        if let Ok(payload) = serde_json::from_slice::<Value>(&payload) {
            let of = |pointer: &str| payload.pointer(pointer).cloned().unwrap_or_default();
            let places = [
                "/nonce",
                "/note",
                "/guest/ident",
                "/bind/state_sha256",
                "/params/volid",
                "/params/snapshot",
            ];
            secrets.extend(places.map(of));
        }
        assert!(!shown.contains(&format!("{payload:?}")), "{shown}");
    }
    for secret in secrets.iter().filter_map(Value::as_str).filter(|secret| secret.len() > 5) {
        assert!(!shown.contains(secret), "{shown} repeats {secret}");
    }
}

#[test]
fn an_operation_signed_by_a_trusted_key_is_accepted() {
    let verified = verify(envelope().as_bytes(), &trust(), &situation(NOW)).unwrap();
    assert_eq!(verified.op(), &good());
    assert_eq!(verified.envelope(), envelope().as_bytes());
    assert_eq!(verified.payload_sha256(), super::sha256(payload().as_bytes()));
    let names: Vec<&str> = verified.signers().iter().map(|signer| signer.name.as_str()).collect();
    assert_eq!(names, ["the custodian"]);
    verified.recheck(&trust(), &situation(NOW + 60)).unwrap();
}

#[test]
fn the_order_and_the_blanks_of_the_payload_are_the_signers_own() {
    let document: Value = serde_json::from_str(&payload()).unwrap();
    for text in [document.to_string(), format!("{document:#}")] {
        assert_eq!(verify(&sealed(&text), &trust(), &situation(NOW)).unwrap().op(), &good(), "{text}");
    }
}

#[test]
fn a_refusal_names_the_operation_only_once_its_signature_was_good() {
    let op = good();
    let here = situation(NOW + 86_400);
    let rejected = refused_by(sign(&op, &[Role::Custodian]), &trust(), &here);
    assert_eq!(rejected.code, RejectCode::Expired);
    assert_eq!(rejected.op_id, Some(op.op_id.clone()));
    assert_eq!(rejected.payload_sha256, Some(super::sha256(&write::payload(&op))));
    let wrong_value = refused_by(sealed(swap(&payload(), "105", "99")), &trust(), &situation(NOW));
    assert_eq!(wrong_value.op_id, Some(op.op_id));
    let stranger = seal(payload().as_bytes(), &[SigningKey::from_bytes(&[9; 32])]);
    let rejected = refused_by(stranger, &trust(), &situation(NOW));
    assert_eq!((rejected.code, rejected.op_id), (RejectCode::UnknownKey, None));
}

#[test]
fn what_is_wrong_first_in_the_order_of_the_checks_is_what_is_told() {
    // For another host, by a role that may not, expired: and each told once the one before is mended.
    let mut op = good();
    (op.host_id, op.role) = ("elsewhere".to_owned(), Role::Operator);
    let later = situation(NOW + 86_400);
    let told =
        |op: &Operation, here: &Situation<'_>| refused_by(sign(op, &[Role::Operator]), &trust(), here).code;
    assert_eq!(told(&op, &later), RejectCode::WrongHost);
    op.host_id = good().host_id;
    assert_eq!(told(&op, &later), RejectCode::RoleNotAllowed);
    op.action = Action::GuestStopHard;
    assert_eq!(told(&op, &later), RejectCode::Expired);
    assert_eq!(verified_at(&op, NOW).op(), &op);
}

fn verified_at(op: &Operation, now: u64) -> VerifiedOp {
    verify(&sign(op, &[op.role]), &trust(), &situation(now)).unwrap()
}

#[test]
fn a_verified_operation_keeps_its_envelope_so_that_it_can_be_verified_anew() {
    let first = verified(&good());
    assert_eq!(verify(first.envelope(), &trust(), &situation(NOW)), Ok(first.clone()));
    assert_eq!(json!(first.op().op_id.as_str()), json!(good().op_id.as_str()));
}

//! B: keys, as far as the keyring decides; what the curve decides is in `crypto`.

use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};

use super::super::testing::{
    NOW, key, keyring_document, seal, sign, signing_key, situation, trust, verified,
};
use super::super::{Keyring, KeyringError, Policy, Trust, write};
use super::{envelope, good, payload, refused, refused_by, swap};
use crate::model::op::{RejectCode, Role};
use crate::model::time::Timestamp;

/// The keyring document after a change of its JSON.
fn keyring_with(change: impl FnOnce(&mut Value)) -> Result<Keyring, KeyringError> {
    let mut document: Value = serde_json::from_slice(&keyring_document()).unwrap();
    change(&mut document);
    Keyring::parse(document.to_string().as_bytes())
}

fn trust_with(change: impl FnOnce(&mut Value)) -> Trust {
    Trust { keyring: keyring_with(change).unwrap(), policy: Policy::built_in() }
}

/// The custodian's entry.
const CUSTODIAN: usize = 1;

#[test]
fn b01_an_unknown_keyid_is_refused() {
    let keyid = key(Role::Custodian).keyid;
    let (upper, long) = (keyid.to_uppercase(), "a".repeat(10_000));
    for other in ["", "fedcba9876543210fedcba9876543210", &keyid[..31], &upper, &long] {
        let rejected = refused_by(swap(&envelope(), &keyid, other), &trust(), &situation(NOW));
        assert_eq!(rejected.code, RejectCode::UnknownKey, "{other:?}");
        assert!(rejected.detail.len() < 200);
    }
}

#[test]
fn b02_a_signature_is_tried_with_the_key_it_names_and_no_other() {
    let (custodian, operator) = (key(Role::Custodian).keyid, key(Role::Operator).keyid);
    assert_eq!(refused(swap(&envelope(), &custodian, &operator)), RejectCode::BadSignature);
}

#[test]
fn b03_two_keys_with_one_keyid_are_refused_at_load() {
    let twice = keyring_with(|document| {
        document["keys"][CUSTODIAN]["keyid"] = document["keys"][0]["keyid"].clone();
    });
    assert_eq!(twice, Err(KeyringError::DuplicateKeyId { keyid: key(Role::Operator).keyid }));
    assert_eq!(twice.unwrap_err().code(), "DuplicateKeyId");
    let other = keyring_with(|document| {
        document["keys"][0]["keyid"] = json!("0123456789abcdef0123456789abcdef");
    });
    assert_eq!(other.unwrap_err().code(), "KeyIdMismatch");
}

#[test]
fn b11_a_revoked_key_is_refused_whenever_it_signed() {
    let revoked = trust_with(|document| document["keys"][CUSTODIAN]["revoked"] = json!(true));
    let rejected = refused_by(envelope(), &revoked, &situation(NOW));
    assert_eq!(rejected.code, RejectCode::RevokedKey);
    let mut old = good();
    (old.iat, old.nbf) = (Timestamp::from_unix(NOW - 3_000), Timestamp::from_unix(NOW - 3_000));
    let rejected = refused_by(sign(&old, &[Role::Custodian]), &revoked, &situation(NOW));
    assert_eq!(rejected.code, RejectCode::RevokedKey);
}

#[test]
fn b12_a_key_revoked_or_removed_after_verification_is_refused_when_checked_again() {
    let verified = verified(&good());
    let here = situation(NOW);
    let revoked = trust_with(|document| document["keys"][CUSTODIAN]["revoked"] = json!(true));
    let rejected = verified.recheck(&revoked, &here).unwrap_err();
    assert_eq!(rejected.code, RejectCode::RevokedKey);
    assert_eq!(rejected.op_id, Some(good().op_id));
    let removed = trust_with(|document| {
        document["keys"].as_array_mut().unwrap().remove(CUSTODIAN);
    });
    assert_eq!(verified.recheck(&removed, &here).unwrap_err().code, RejectCode::UnknownKey);
    let other_role = trust_with(|document| document["keys"][CUSTODIAN]["roles"] = json!(["operator"]));
    assert_eq!(verified.recheck(&other_role, &here).unwrap_err().code, RejectCode::RoleNotHeld);
}

#[test]
fn b13_a_key_is_good_in_its_window_alone() {
    for (from, until, sound) in [
        (NOW, NOW + 1, true),
        (NOW - 10, NOW + 10, true),
        (NOW + 1, NOW + 10, false),
        (NOW - 10, NOW, false),
        (NOW - 10, NOW - 5, false),
    ] {
        let trust = trust_with(|document| {
            document["keys"][CUSTODIAN]["not_before"] = json!(from);
            document["keys"][CUSTODIAN]["not_after"] = json!(until);
        });
        let result = super::verify(envelope().as_bytes(), &trust, &situation(NOW));
        let code = result.map(drop).map_err(|rejected| rejected.code);
        assert_eq!(code, if sound { Ok(()) } else { Err(RejectCode::KeyWindow) }, "{from} {until}");
    }
}

#[test]
fn b17_a_key_counts_once() {
    let custodian = signing_key(Role::Custodian);
    let twice = seal(payload().as_bytes(), &[custodian.clone(), custodian]);
    assert_eq!(refused(twice), RejectCode::Threshold);
    let same_key = keyring_with(|document| {
        let mut again = document["keys"][CUSTODIAN].clone();
        again["keyid"] = json!("0123456789abcdef0123456789abcdef");
        document["keys"].as_array_mut().unwrap().push(again);
    });
    assert_eq!(same_key.unwrap_err().code(), "DuplicatePublicKey");
}

#[test]
fn b18_no_field_of_the_envelope_chooses_algorithm_or_key() {
    for name in ["alg", "jwk", "x5u", "kid", "x5c", "crit"] {
        for place in ["{\"payloadType\"", "{\"keyid\""] {
            let text = swap(&envelope(), place, &place.replace('{', &format!("{{\"{name}\":\"none\",")));
            assert_eq!(refused(&text), RejectCode::EnvelopeField, "{name}");
        }
    }
}

#[test]
fn one_bad_signature_among_good_ones_spoils_the_envelope() {
    let (bytes, mut signatures) = write::open(&sign(&good(), &[Role::Custodian, Role::Root])).unwrap();
    signatures[1].bytes[0] ^= 1;
    assert_eq!(refused(write::envelope(&bytes, &signatures)), RejectCode::BadSignature);
    let stranger = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let with_a_stranger = seal(&bytes, &[signing_key(Role::Custodian), stranger]);
    assert_eq!(refused(with_a_stranger), RejectCode::UnknownKey);
}

#[test]
fn a_keyring_that_is_not_right_in_every_part_is_refused_whole() {
    type Change = fn(&mut Value);
    let table: [(&str, Change); 18] = [
        ("v", |document| document["v"] = json!(2)),
        ("version", |document| document["version"] = json!(0)),
        ("version", |document| document["version"] = json!("1")),
        ("threshold", |document| document["threshold"] = json!(0)),
        ("threshold", |document| document["threshold"] = json!(5)),
        ("expires", |document| document["expires"] = json!(0)),
        ("expires", |document| document["expires"] = json!(1.5)),
        ("x", |document| document["x"] = json!(1)),
        ("keys", |document| document["keys"] = json!([])),
        ("keys", |document| document["keys"] = json!({})),
        ("keys[0]", |document| document["keys"][0] = json!([])),
        ("keys[0].x", |document| document["keys"][0]["x"] = json!(1)),
        ("keys[0].name", |document| document["keys"][0]["name"] = json!("a\u{202e}b")),
        ("keys[0].roles[0]", |document| document["keys"][0]["roles"] = json!(["admin"])),
        ("keys[0].roles[1]", |document| document["keys"][0]["roles"] = json!(["root", "root"])),
        ("keys[0].not_after", |document| document["keys"][0]["not_after"] = json!(1)),
        ("keys[0].revoked", |document| document["keys"][0]["revoked"] = json!(null)),
        ("keys[0].public_key", |document| document["keys"][0]["public_key"] = json!("AAAA")),
    ];
    for (place, change) in table {
        match keyring_with(change) {
            Err(KeyringError::Invalid { path, .. }) => assert_eq!(path, place),
            other => panic!("{place}: {other:?}"),
        }
    }
    let text = String::from_utf8(keyring_document()).unwrap();
    let code = |text: &str| Keyring::parse(text.as_bytes()).unwrap_err().code();
    assert_eq!(code(&text[..text.len() / 2]), "KeyringSyntax");
    assert_eq!(code(""), "KeyringSyntax");
    assert_eq!(code(&format!("{text}{text}")), "KeyringSyntax");
    assert_eq!(code(&swap(&text, "{\"v\":1", "{\"v\":1,\"\\u0076\":1")), "KeyringField");
    assert_eq!(code(&text.replace("}\n", &" ".repeat(30_000))), "TooLarge");
}

#[test]
fn a_keyring_is_read_back_as_it_was_written() {
    let read = Keyring::parse(&keyring_document()).unwrap();
    assert_eq!(read.keys().cloned().collect::<Vec<_>>(), Role::ALL.map(key));
    assert_eq!((read.version(), read.threshold()), (1, 1));
    let again = write::keyring(read.version(), read.threshold(), read.expires(), &Role::ALL.map(key));
    assert_eq!(again, keyring_document());
    assert!(Base64::encode_string(&again).len() < 4_096);
}

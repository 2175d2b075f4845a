//! B: signatures that are none, and keys that may not.

use felhom_sim::sign::{self, Envelope, Key, PAYLOAD_TYPE, Signature, base64, now, pae};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::json;

use super::{Bed, Orders, Row, refused_from_the_hub, row, set};

pub(super) fn rows(orders: &Orders) -> Vec<Row> {
    let anna = orders.anna();
    let with = |change: &dyn Fn(&[u8], &mut Signature)| {
        let bytes = orders.order().bytes();
        let mut envelope = Envelope::over(&bytes, &[anna]);
        change(&bytes, &mut envelope.signatures[0]);
        envelope.text()
    };
    let keyid = |id: &str| with(&|_, signature| id.clone_into(&mut signature.keyid));
    let over = |message: &dyn Fn(&[u8]) -> Vec<u8>| {
        with(&|bytes, signature| signature.sig = base64(&anna.sign(&message(bytes))))
    };
    let stranger = Key::named("a stranger", &["custodian", "root"]);
    let text = orders.signed(&orders.order()).text();
    let letters = |bytes: &[u8]| pae("vnd.felhom/\u{e9}", bytes);
    let mut rows = vec![
        row("B1", "a key that nobody knows", orders.order().signed(&[&stranger]).text(), &["UnknownKey"]),
        row("B1", "no key", keyid(""), &["UnknownKey", "EnvelopeField"]),
        row("B1", "ten thousand letters", keyid(&"a".repeat(10_000)), &["UnknownKey", "EnvelopeField"]),
        row(
            "B1",
            "the beginning of the right one",
            keyid(&anna.id()[..16]),
            &["UnknownKey", "EnvelopeField"],
        ),
        row(
            "B2",
            "anna's key, carl's signature",
            with(&|bytes, signature| signature.sig = orders.people.carl.signature(bytes).sig),
            &["BadSignature"],
        ),
        row("B4", "over the payload alone", over(&<[u8]>::to_vec), &["BadSignature"]),
        row("B4", "over its base64", over(&|bytes| base64(bytes).into_bytes()), &["BadSignature"]),
        row(
            "B4",
            "over the base64 in its frame",
            over(&|bytes| pae(PAYLOAD_TYPE, base64(bytes).as_bytes())),
            &["BadSignature"],
        ),
        row(
            "B5",
            "another type in the frame",
            over(&|bytes| pae("application/json", bytes)),
            &["BadSignature"],
        ),
        row("B5", "the type is not ASCII", over(&letters), &["BadSignature"]),
        row("B5", "a leading zero", over(&|bytes| reframed(bytes, "DSSEv1 0")), &["BadSignature"]),
        row("B5", "another version", over(&|bytes| reframed(bytes, "DSSEv2 ")), &["BadSignature"]),
        row(
            "B6",
            "the order of the group added to S",
            with(&|bytes, signature| {
                let mut sig = anna.sign(&pae(PAYLOAD_TYPE, bytes));
                add_order(&mut sig[32..]);
                signature.sig = base64(&sig);
            }),
            &["BadSignature"],
        ),
        row(
            "B7",
            "R and S are zero",
            with(&|_, signature| signature.sig = base64(&[0; 64])),
            &["BadSignature"],
        ),
        row(
            "B7",
            "R is the neutral point",
            with(&|bytes, signature| {
                let mut sig = anna.sign(&pae(PAYLOAD_TYPE, bytes));
                sig[..32].fill(0);
                sig[0] = 1;
                signature.sig = base64(&sig);
            }),
            &["BadSignature"],
        ),
        row(
            "B10",
            "a signature of P-256",
            with(&|bytes, signature| signature.sig = base64(&of_p256(&pae(PAYLOAD_TYPE, bytes)))),
            &["BadSignature"],
        ),
        row(
            "B17",
            "the same signature twice",
            orders.order().without("evidence").signed(&[anna, anna]).text(),
            &["Threshold", "BadSigCount", "EnvelopeDup"],
        ),
    ];
    for field in ["alg", "jwk", "x5u", "kid"] {
        let smuggled = text.replacen("{\"keyid\"", &format!("{{\"{field}\":\"none\",\"keyid\""), 1);
        rows.push(row("B18", field, smuggled, &["EnvelopeField"]));
    }
    rows
}

fn reframed(bytes: &[u8], head: &str) -> Vec<u8> {
    let frame = pae(PAYLOAD_TYPE, bytes);
    [head.as_bytes(), frame.strip_prefix(b"DSSEv1 ").unwrap()].concat()
}

/// S + L: the same signature to whoever does not look closely.
fn add_order(s: &mut [u8]) {
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (digit, more) in s.iter_mut().zip(L) {
        let sum = u16::from(*digit) + u16::from(more) + carry;
        *digit = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
}

fn of_p256(message: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
    pair.sign(&random, message).unwrap().as_ref().to_vec()
}

#[test]
fn b_a_signature_that_is_none_is_refused_from_the_hub() {
    refused_from_the_hub(rows);
}

#[test]
fn b_a_signature_that_is_none_is_refused_at_the_socket() {
    let bed = Bed::new();
    bed.refuses_at_the_socket(&rows(&bed.orders));
    bed.still_obeys();
}

#[test]
fn b11_b13_a_key_that_may_not_sign_now_is_refused() {
    let (stage, people) = set(|_| {}, |_| {});
    let mut revoked = Key::named("revoked", &["custodian"]);
    revoked.row["revoked"] = json!(true);
    let mut early = Key::named("early", &["custodian"]);
    early.row["not_before"] = json!(now() + 3_600);
    let mut late = Key::named("late", &["custodian"]);
    late.row["not_after"] = json!(now() - 3_600);
    let mut keys = people.all();
    keys.extend([&revoked, &early, &late]);
    stage.install_keyring(&sign::keyring(1, 1, &keys));
    let bed = Bed::on(stage, people);
    let by = |id, key: &Key, codes| {
        row(id, "signed by a key that may not now", bed.orders.order().signed(&[key]).text(), codes)
    };
    let rows = [
        by("B11", &revoked, &["RevokedKey"]),
        by("B13", &early, &["KeyWindow"]),
        by("B13", &late, &["KeyWindow"]),
    ];
    bed.refuses_from_the_hub(&rows);
    bed.refuses_at_the_socket(&rows);
    bed.still_obeys();
}

#[test]
fn b16_an_expired_keyring_lets_nothing_be_destroyed_and_the_rest_goes_on() {
    let (stage, people) = set(|_| {}, |_| {});
    let mut keyring = sign::keyring(1, 1, &people.all());
    keyring["expires"] = json!(now() - 60);
    stage.install_keyring(&keyring);
    let bed = Bed::on(stage, people);
    let rows = [bed.orders.misordered("B16", "an expired keyring", &bed.orders.order(), &["StaleTrust"])];
    bed.refuses_from_the_hub(&rows);
    bed.refuses_at_the_socket(&rows);
    let sent = bed.stage.reports().len();
    bed.stage.configure(|config| {
        bed.stage.with_ops(config);
        config["agent"]["log"] = json!("debug");
    });
    bed.daemon.signal("HUP");
    bed.daemon.until("reports go on", || bed.stage.reports().len() > sent);
    bed.daemon.stop();
}

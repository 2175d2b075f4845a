//! `tests/vectors/signed-ops.json`: keys, payloads, the bytes that are signed, envelopes, and what becomes of each, for
//! whoever writes a signer or a verifier in another language. Written here, once; committed; and read back by the second test,
//! which knows nothing of how they were made.

use ed25519_dalek::SigningKey;
use expect_test::expect_file;
use serde_json::{Value, json};

use super::super::testing::{
    HOST_ID, NODE, NOW, keyring_document, operation, seal, sign, signing_key, trust,
};
use super::super::{Keyring, Policy, Situation, Trust, verify, write};
use super::payload::one_of_each;
use super::{envelope, good, payload, payload_with, swap};
use crate::model::digest::hex;
use crate::model::op::{ClockTrust, Operation, Role};
use crate::model::time::Timestamp;

struct Case {
    name: String,
    envelope: Vec<u8>,
    now: u64,
    floor: u64,
}

fn case(name: &str, envelope: impl AsRef<[u8]>) -> Case {
    Case { name: name.to_owned(), envelope: envelope.as_ref().to_vec(), now: NOW, floor: 0 }
}

fn accepted() -> Vec<Case> {
    let mut cases: Vec<Case> = one_of_each()
        .into_iter()
        .map(|(action, role)| {
            let op = operation(action, role, NOW, 1);
            case(op.action.kind().as_str(), sign(&op, &[role]))
        })
        .collect();
    cases.push(case("two keys with two roles", sign(&good(), &[Role::Custodian, Role::Root])));
    let pretty = format!("{:#}", serde_json::from_str::<Value>(&payload()).unwrap());
    cases.push(case(
        "fields in another order, with blanks",
        seal(pretty.as_bytes(), &[signing_key(Role::Custodian)]),
    ));
    cases.push(case("no line feed at the end", envelope()));
    cases
}

fn custodian(payload: impl AsRef<[u8]>) -> Vec<u8> {
    seal(payload.as_ref(), &[signing_key(Role::Custodian)])
}

fn with(change: impl FnOnce(&mut Operation)) -> Vec<u8> {
    let mut op = good();
    change(&mut op);
    sign(&op, &[Role::Custodian])
}

fn rejected_envelopes() -> Vec<Case> {
    let text = envelope();
    let keyid = super::super::testing::key(Role::Custodian).keyid;
    let mut bare = write::open(text.as_bytes()).unwrap();
    bare.1[0].bytes =
        ed25519_dalek::Signer::sign(&signing_key(Role::Custodian), payload().as_bytes()).to_bytes();
    let stranger = SigningKey::from_bytes(&[9; 32]);
    let ending = text[text.len() - 60..].to_owned();
    vec![
        case("cut", &text[..text.len() - 1]),
        case("a second line feed", format!("{text}\n\n")),
        case("a byte order mark", format!("\u{feff}{text}")),
        case("a key twice", swap(&text, "{\"payloadType\"", "{\"\\u0070ayload\":\"\",\"payloadType\"")),
        case("a field too many", swap(&text, "{\"keyid\"", "{\"alg\":\"none\",\"keyid\"")),
        case("another type", swap(&text, "signed-op.v1", "desired-state.v1")),
        case("payload without padding", swap(&text, "=\",\"signatures\"", "\",\"signatures\"")),
        case("a signature of one byte", swap(&text, &ending, "AA==\"}]}")),
        case("no signature", write::envelope(payload().as_bytes(), &[])),
        case(
            "five signatures",
            seal(payload().as_bytes(), &[1, 2, 3, 4, 5].map(|seed| SigningKey::from_bytes(&[seed; 32]))),
        ),
        case("a stranger", seal(payload().as_bytes(), &[stranger])),
        case("the keyid in upper case", swap(&text, &keyid, &keyid.to_uppercase())),
        case("the key of another", swap(&text, &keyid, &super::super::testing::key(Role::Root).keyid)),
        case("signed without the encoding", write::envelope(&bare.0, &bare.1)),
        case(
            "one key twice",
            seal(payload().as_bytes(), &[signing_key(Role::Custodian), signing_key(Role::Custodian)]),
        ),
    ]
}

fn rejected_payloads() -> Vec<Case> {
    let text = payload();
    vec![
        case("empty", custodian("")),
        case("a line feed after the payload", custodian(format!("{text}\n"))),
        case("vmid twice", custodian(swap(&text, "\"vmid\":105", "\"vmid\":106,\"vmid\":105"))),
        case(
            "an unknown parameter",
            custodian(payload_with(|document| document["params"]["force"] = json!(true))),
        ),
        case(
            "null for what is optional",
            custodian(payload_with(|document| document["evidence"] = json!(null))),
        ),
        case("a fraction", custodian(swap(&text, "105", "105.0"))),
        case("a vmid out of range", custodian(swap(&text, "105", "99"))),
        case(
            "a host of any name",
            custodian(payload_with(|document| document["aud"]["host_id"] = json!("*"))),
        ),
        case("version 2", custodian(swap(&text, "\"v\":1", "\"v\":2"))),
        case("an unknown kind", custodian(swap(&text, "guest.destroy", "guest.explode"))),
        case("another host", with(|op| op.host_id = "another".to_owned())),
        case("another node", with(|op| op.node = "pve2".to_owned())),
        case("a role nobody holds", with(|op| op.role = Role::Recovery)),
        case("a role that may not", {
            let op = Operation { role: Role::Operator, ..good() };
            sign(&op, &[Role::Operator])
        }),
        case("valid for too long", with(|op| op.exp = Timestamp::from_unix(NOW + 86_401))),
        Case { now: NOW - 301, ..case("not valid yet", with(|_| {})) },
        Case { now: NOW + 3_600, ..case("expired", with(|_| {})) },
        Case { floor: NOW, ..case("at the floor", with(|_| {})) },
    ]
}

/// What the document says of each case; the expectation is written by hand nowhere, and reviewed where it is committed.
fn described(case: &Case) -> Value {
    let clock = ClockTrust::Trusted;
    let here = Situation {
        host_id: HOST_ID,
        node: NODE,
        now: Timestamp::from_unix(case.now),
        clock: &clock,
        floor: Timestamp::from_unix(case.floor),
    };
    let expected = match verify(&case.envelope, &trust(), &here) {
        Ok(verified) => json!({"result": "accepted", "op_id": verified.op().op_id.as_str()}),
        Err(rejected) => json!({"result": "rejected", "code": rejected.code.to_string()}),
    };
    let mut described = json!({"name": case.name, "now": case.now, "floor": case.floor,
        "envelope": String::from_utf8(case.envelope.clone()).unwrap(), "expected": expected});
    if let Ok((payload, _)) = write::open(&case.envelope) {
        described["pae_hex"] = json!(hex(&write::pae(&payload)));
        described["payload"] = json!(String::from_utf8(payload).unwrap());
    }
    described
}

#[test]
fn code_and_vectors_say_the_same() {
    let keys: Vec<Value> = Role::ALL
        .map(|role| {
            let key = super::super::testing::key(role);
            json!({"name": key.name, "role": role.as_str(), "keyid": key.keyid, "public_key_hex": hex(&key.public_key),
                "seed_hex": hex(&signing_key(role).to_bytes())})
        })
        .to_vec();
    let groups = [accepted(), rejected_envelopes(), rejected_payloads()];
    let cases: Vec<Value> = groups.iter().flatten().map(described).collect();
    let document = json!({
        "about": "Signed operations: a verifier that trusts `keyring`, for this host and node, at `now` and with `floor`, does as `expected`. The keys are for tests: their seeds are here for all to see.",
        "host_id": HOST_ID, "node": NODE, "keys": keys,
        "keyring": String::from_utf8(keyring_document()).unwrap(), "cases": cases});
    expect_file!["../../../tests/vectors/signed-ops.json"].assert_eq(&format!("{document:#}\n"));
}

#[test]
fn every_vector_is_judged_as_it_says() {
    let document: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/signed-ops.json")).unwrap();
    let keyring = Keyring::parse(document["keyring"].as_str().unwrap().as_bytes()).unwrap();
    let trust = Trust { keyring, policy: Policy::built_in() };
    let mut counts = [0, 0];
    for case in document["cases"].as_array().unwrap() {
        let at = |name: &str| Timestamp::from_unix(case[name].as_u64().unwrap());
        let here = Situation {
            host_id: document["host_id"].as_str().unwrap(),
            node: document["node"].as_str().unwrap(),
            now: at("now"),
            clock: &ClockTrust::Trusted,
            floor: at("floor"),
        };
        let envelope = case["envelope"].as_str().unwrap();
        match verify(envelope.as_bytes(), &trust, &here) {
            Ok(verified) => {
                assert_eq!(case["expected"]["result"], "accepted", "{case}");
                assert_eq!(case["expected"]["op_id"], verified.op().op_id.as_str());
                assert_eq!(case["pae_hex"], hex(&write::pae(case["payload"].as_str().unwrap().as_bytes())));
                counts[0] += 1;
            }
            Err(rejected) => {
                assert_eq!(case["expected"]["result"], "rejected", "{case}");
                assert_eq!(case["expected"]["code"], rejected.code.to_string(), "{case}");
                counts[1] += 1;
            }
        }
    }
    assert!(counts[0] >= 15 && counts[1] >= 30, "{counts:?}");
}

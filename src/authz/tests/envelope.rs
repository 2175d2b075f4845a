//! A: transport and envelope. A1 and A2 are the couriers' own tests; only the size is judged here.

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};

use super::super::testing::{seal, sign};
use super::super::{MAX_ENVELOPE, MAX_PAYLOAD, write};
use super::{envelope, good, payload, refused, sealed, signing_key, swap};
use crate::model::op::{RejectCode, Role};

#[test]
fn a01_an_envelope_of_more_than_64_kib_is_refused() {
    let mut padded = envelope().into_bytes();
    padded.resize(MAX_ENVELOPE + 1, b' ');
    assert_eq!(refused(&padded), RejectCode::TooLarge);
    padded.truncate(MAX_ENVELOPE);
    assert_eq!(refused(&padded), RejectCode::EnvelopeSyntax);
}

#[test]
fn a05_what_is_no_object_is_refused() {
    let deep = "[".repeat(200);
    for text in ["", "null", "[]", "\"\"", "0", "true", "{", "}", "{]", &deep] {
        assert_eq!(refused(text), RejectCode::EnvelopeSyntax, "{text:?}");
    }
    let nested = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
    assert_eq!(refused(nested), RejectCode::EnvelopeSyntax);
}

#[test]
fn a06_an_array_in_place_of_an_object_is_refused() {
    let (bytes, signatures) = write::open(envelope().as_bytes()).unwrap();
    let payload = Base64::encode_string(&bytes);
    let (keyid, sig) = (&signatures[0].keyid, Base64::encode_string(&signatures[0].bytes));
    let kind = write::PAYLOAD_TYPE;
    let whole = format!("[\"{kind}\",\"{payload}\",[{{\"keyid\":\"{keyid}\",\"sig\":\"{sig}\"}}]]");
    assert_eq!(refused(whole), RejectCode::EnvelopeSyntax);
    let inner = format!(
        "{{\"payloadType\":\"{kind}\",\"payload\":\"{payload}\",\"signatures\":[[\"{keyid}\",\"{sig}\"]]}}"
    );
    assert_eq!(refused(inner), RejectCode::EnvelopeField);
}

#[test]
fn a07_a_key_given_twice_is_refused() {
    let text = envelope();
    for again in [
        swap(&text, "{\"payloadType\"", "{\"payload\":\"\",\"payloadType\""),
        swap(&text, "{\"payloadType\"", "{\"\\u0070ayload\":\"\",\"payloadType\""),
        swap(&text, "{\"keyid\"", "{\"keyid\":\"\",\"keyid\""),
        swap(&text, "{\"keyid\"", "{\"s\\u0069g\":\"\",\"keyid\""),
        swap(&text, "{\"payloadType\"", "{\"x\":{\"y\":1,\"y\":2},\"payloadType\""),
    ] {
        assert_eq!(refused(&again), RejectCode::EnvelopeDup, "{again}");
    }
}

#[test]
fn a08_an_unknown_field_is_refused() {
    let text = envelope();
    for more in [
        swap(&text, "{\"payloadType\"", "{\"x\":1,\"payloadType\""),
        swap(&text, "{\"payloadType\"", "{\"Payload\":\"\",\"payloadType\""),
        swap(&text, "{\"keyid\"", "{\"x\":1,\"keyid\""),
    ] {
        assert_eq!(refused(&more), RejectCode::EnvelopeField, "{more}");
    }
}

#[test]
fn a09_a_missing_field_and_a_wrong_type_are_refused() {
    let text = envelope();
    for name in ["payloadType", "payload", "signatures", "keyid", "sig"] {
        let renamed = swap(&text, &format!("\"{name}\":"), "\"x\":");
        assert_eq!(refused(&renamed), RejectCode::EnvelopeField, "{name}");
    }
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for pointer in [
        "/payloadType",
        "/payload",
        "/signatures",
        "/signatures/0",
        "/signatures/0/keyid",
        "/signatures/0/sig",
    ] {
        for wrong in ["1", "null", "[]", "{}", "true"] {
            if pointer == "/signatures" && wrong == "[]" {
                continue;
            }
            let right = document.pointer(pointer).unwrap().clone();
            *document.pointer_mut(pointer).unwrap() = serde_json::from_str(wrong).unwrap();
            assert_eq!(refused(document.to_string()), RejectCode::EnvelopeField, "{pointer} {wrong}");
            *document.pointer_mut(pointer).unwrap() = right;
        }
    }
}

#[test]
fn a10_nothing_stands_before_or_after_the_object_but_one_line_feed() {
    let text = envelope();
    for around in [
        format!("\u{feff}{text}"),
        format!(" {text}"),
        format!("{text} "),
        format!("{text}\n\n"),
        format!("{text}\r\n"),
        format!("{text}\0"),
        format!("{text}{text}"),
        format!("{text},"),
    ] {
        assert_eq!(refused(&around), RejectCode::EnvelopeSyntax, "{around:?}");
    }
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(refused(utf16), RejectCode::EnvelopeSyntax);
    let mut not_utf8 = text.clone().into_bytes();
    not_utf8[2] = 0xff;
    assert_eq!(refused(not_utf8), RejectCode::EnvelopeSyntax);
    assert_eq!(refused(format!("{text}{}", " ".repeat(1024 * 1024))), RejectCode::TooLarge);
}

#[test]
fn a11_another_type_is_refused() {
    let kind = write::PAYLOAD_TYPE;
    for other in [
        "application/vnd.felhom.desired-state.v1+json".to_owned(),
        kind.to_uppercase(),
        format!("{kind} "),
        kind.replace('o', "\u{43e}"),
        "application/json".to_owned(),
        String::new(),
    ] {
        assert_eq!(refused(swap(&envelope(), kind, &other)), RejectCode::WrongType, "{other:?}");
    }
}

#[test]
fn a12_base64_that_is_not_standard_padded_and_canonical_is_refused() {
    let bytes = payload().into_bytes();
    let payload = Base64::encode_string(&bytes);
    assert!(Base64::decode_vec("aGk=").is_ok_and(|text| text == b"hi"));
    let unpadded = Base64UrlUnpadded::encode_string(b"hi?>");
    for wrong in [
        unpadded.as_str(),
        "-_-_",
        "aGk",
        "aGl=",
        "aGk==",
        "aG k=",
        " aGk=",
        "aGk= ",
        "aGk=\\n",
        "aG\\nk=",
        "=aGk",
        "aGk=aGk=",
        "a",
        "\u{e4}Gk=",
    ] {
        assert_eq!(refused(swap(&envelope(), &payload, wrong)), RejectCode::BadBase64, "{wrong:?}");
    }
}

#[test]
fn a13_an_empty_payload_and_one_of_more_than_32_kib_are_refused() {
    assert_eq!(refused(sealed("")), RejectCode::PayloadSyntax);
    assert_eq!(refused(sealed(" ".repeat(MAX_PAYLOAD + 1))), RejectCode::TooLarge);
    assert_eq!(refused(sealed(" ".repeat(MAX_PAYLOAD))), RejectCode::PayloadSyntax);
}

#[test]
fn a14_there_are_one_to_four_signatures() {
    // By keys that nobody knows: the count is told, so nothing was looked up and nothing computed.
    let strangers = |count: u8| -> Vec<_> {
        (0..count).map(|seed| ed25519_dalek::SigningKey::from_bytes(&[100 + seed; 32])).collect()
    };
    for (count, code) in [
        (0, RejectCode::BadSigCount),
        (4, RejectCode::UnknownKey),
        (5, RejectCode::BadSigCount),
        (100, RejectCode::BadSigCount),
    ] {
        assert_eq!(refused(seal(payload().as_bytes(), &strangers(count))), code, "{count}");
    }
    let many = "{\"keyid\":\"\",\"sig\":\"\"},".repeat(100_000);
    let text = swap(&envelope(), "\"signatures\":[", &format!("\"signatures\":[{many}"));
    assert_eq!(refused(text), RejectCode::TooLarge);
}

#[test]
fn a15_a_signature_has_64_bytes_in_base64() {
    let (bytes, signatures) = write::open(&sign(&good(), &[Role::Custodian])).unwrap();
    let (payload, whole) = (Base64::encode_string(&bytes), signatures[0].bytes);
    let keyid = &signatures[0].keyid;
    let with = |sig: &str| {
        format!(
            "{{\"payloadType\":\"{}\",\"payload\":\"{payload}\",\"signatures\":[{{\"keyid\":\"{keyid}\",\"sig\":\"{sig}\"}}]}}",
            write::PAYLOAD_TYPE
        )
    };
    let long = [&whole[..], &[0]].concat();
    for wrong in [&whole[..63], &long, &[]] {
        assert_eq!(refused(with(&Base64::encode_string(wrong))), RejectCode::BadSigLen, "{}", wrong.len());
    }
    assert_eq!(refused(with(&crate::model::digest::hex(&whole))), RejectCode::BadSigLen);
    assert_eq!(refused(with(&crate::model::digest::hex(&whole)[..127])), RejectCode::BadBase64);
    assert!(signing_key(Role::Custodian).verifying_key().to_bytes() != [0; 32]);
}

//! A: what is wrong with the envelope.

use felhom_sim::sign::{Envelope, base64};

use super::{Bed, Orders, Row, refused_from_the_hub, row};

/// Rows that are JSON and so can come in the hub's list.
pub(super) fn rows(orders: &Orders) -> Vec<Row> {
    let order = orders.order();
    let good = orders.signed(&order);
    let text = good.text();
    let with = |change: &dyn Fn(&mut Envelope)| {
        let mut envelope = orders.signed(&orders.order());
        change(&mut envelope);
        envelope.text()
    };
    let typed = |name: &str| with(&|envelope| name.clone_into(&mut envelope.payload_type));
    let sig = |sig: &str| with(&|envelope| sig.clone_into(&mut envelope.signatures[0].sig));
    let many =
        |count: usize| with(&|envelope| envelope.signatures = vec![envelope.signatures[0].clone(); count]);
    let mut rows = vec![
        row("A1", "64 KiB and one byte", padded(&text, 64 * 1024 + 1), &["TooLarge"]),
        row("A5", "null", "null", &["EnvelopeSyntax"]),
        row("A5", "an empty array", "[]", &["EnvelopeSyntax"]),
        row("A5", "an empty text", "\"\"", &["EnvelopeSyntax"]),
        row("A5", "zero", "0", &["EnvelopeSyntax"]),
        row(
            "A5",
            "200 arrays in each other",
            format!("{}{}", "[".repeat(200), "]".repeat(200)),
            &["EnvelopeSyntax"],
        ),
        row(
            "A6",
            "an array in the place of the object",
            format!(
                r#"["{}","{}",[{{"keyid":"{}","sig":"{}"}}]]"#,
                good.payload_type, good.payload, good.signatures[0].keyid, good.signatures[0].sig
            ),
            &["EnvelopeSyntax"],
        ),
        row(
            "A6",
            "a signature as an array",
            format!(
                r#"{{"payloadType":"{}","payload":"{}","signatures":[["{}","{}"]]}}"#,
                good.payload_type, good.payload, good.signatures[0].keyid, good.signatures[0].sig
            ),
            &["EnvelopeSyntax", "EnvelopeField"],
        ),
        row("A7", "payload twice", text.replacen('{', r#"{"payload":"e30=","#, 1), &["EnvelopeDup"]),
        row(
            "A7",
            "payload twice, escaped",
            text.replacen('{', r#"{"\u0070ayload":"e30=","#, 1),
            &["EnvelopeDup"],
        ),
        row("A7", "sig twice", text.replacen(r#""sig":"#, r#""sig":"e30=","sig":"#, 1), &["EnvelopeDup"]),
        row(
            "A8",
            "a field that nobody knows",
            text.replacen('{', r#"{"comment":"x","#, 1),
            &["EnvelopeField"],
        ),
        row("A9", "no payload", text.replacen(r#""payload":"#, r#""payl0ad":"#, 1), &["EnvelopeField"]),
        row(
            "A9",
            "no signatures",
            text.split(r#","signatures""#).next().unwrap_or_default().to_owned() + "}",
            &["EnvelopeField"],
        ),
        row(
            "A9",
            "a number as signature",
            text.replacen(&format!("\"{}\"", good.signatures[0].sig), "7", 1),
            &["EnvelopeField"],
        ),
        row(
            "A9",
            "null as payload",
            text.replacen(&format!("\"{}\"", good.payload), "null", 1),
            &["EnvelopeField"],
        ),
    ];
    for (what, name) in [
        ("another document", "application/vnd.felhom.desired-state.v1+json"),
        ("upper case", "APPLICATION/VND.FELHOM.SIGNED-OP.V1+JSON"),
        ("a space behind", "application/vnd.felhom.signed-op.v1+json "),
        ("a letter that looks alike", "application/vnd.felhom.signed-\u{43e}p.v1+json"),
        ("plain JSON", "application/json"),
        ("nothing", ""),
    ] {
        rows.push(row("A11", what, typed(name), &["WrongType"]));
    }
    let payload =
        |change: &dyn Fn(&str) -> String| with(&|envelope| envelope.payload = change(&envelope.payload));
    for (what, broken) in [
        ("the other alphabet", payload(&|text| format!("_-{}", text.get(2..).unwrap_or_default()))),
        ("no padding", with(&|envelope| envelope.payload = "e30".to_owned())),
        ("not canonical", with(&|envelope| envelope.payload = "aGl=".to_owned())),
        ("a space in it", payload(&|text| text.replacen('e', "e ", 1))),
        ("a line feed in it", payload(&|text| format!("{text}\n"))),
        ("padding in the middle", payload(&|text| format!("e30={text}"))),
    ] {
        rows.push(row("A12", what, broken, &["BadBase64"]));
    }
    rows.push(row("A13", "no byte", Envelope::over(b"", &[orders.anna()]).text(), &["PayloadSyntax"]));
    rows.push(row(
        "A13",
        "32 KiB and one byte",
        Envelope::over(&vec![b' '; 32 * 1024 + 1], &[orders.anna()]).text(),
        &["TooLarge"],
    ));
    rows.push(row("A14", "no signature", many(0), &["BadSigCount"]));
    rows.push(row("A14", "five signatures", many(5), &["BadSigCount"]));
    for length in [0, 63, 65] {
        rows.push(row(
            "A15",
            &format!("a signature of {length} bytes"),
            sig(&base64(&vec![7; length])),
            &["BadSigLen"],
        ));
    }
    rows.push(row("A15", "in hex", sig(&"ab".repeat(64)), &["BadSigLen"]));
    rows.push(row("A15", "no base64", sig("%%%%"), &["BadBase64"]));
    rows
}

/// The same JSON, so long.
fn padded(text: &str, length: usize) -> String {
    let spaces = " ".repeat(length - text.len());
    text.replacen("{", &format!("{{{spaces}"), 1)
}

/// Rows that are no JSON, or not only: they can come at the socket alone.
pub(super) fn raw_rows(orders: &Orders) -> Vec<Row> {
    let text = orders.signed(&orders.order()).text();
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let joined = |head: &[u8], tail: &[u8]| [head, text.as_bytes(), tail].concat();
    let mut rows = vec![
        row("A1", "a megabyte", vec![b'['; 1024 * 1024], &["TooLarge"]),
        row("A5", "nothing", "", &["EnvelopeSyntax"]),
        row("A5", "200 arrays that are not closed", "[".repeat(200), &["EnvelopeSyntax"]),
        row("A10", "a byte order mark", joined(b"\xef\xbb\xbf", b""), &["EnvelopeSyntax"]),
        row("A10", "UTF-16", utf16, &["EnvelopeSyntax"]),
        row("A10", "a byte that is no UTF-8", joined(b"", b"\xff"), &["EnvelopeSyntax"]),
        row("A10", "a NUL behind it", joined(b"", b"\0"), &["EnvelopeSyntax"]),
        row("A10", "a second document", joined(b"", b"{}"), &["EnvelopeSyntax"]),
        row("A10", "two line feeds", joined(b"", b"\n\n"), &["EnvelopeSyntax"]),
        row("A10", "a megabyte of spaces", joined(b"", &vec![b' '; 1024 * 1024]), &["TooLarge"]),
    ];
    for at in [1, 2, text.len() / 2, text.len() - 1] {
        rows.push(row(
            "A3",
            &format!("cut after {at} bytes"),
            text.as_bytes()[..at].to_vec(),
            &["EnvelopeSyntax"],
        ));
    }
    rows
}

#[test]
fn a_an_envelope_that_is_not_as_it_should_be_is_refused_from_the_hub() {
    refused_from_the_hub(rows);
}

#[test]
fn a_an_envelope_that_is_not_as_it_should_be_is_refused_at_the_socket() {
    let bed = Bed::new();
    bed.refuses_at_the_socket(&rows(&bed.orders));
    bed.refuses_at_the_socket(&raw_rows(&bed.orders));
    bed.still_obeys();
}

/// A4 in full is a loop in process; here some of each part of an envelope.
#[test]
fn a04_no_flipped_bit_is_accepted() {
    let bed = Bed::new();
    let text = bed.orders.signed(&bed.orders.order()).text().into_bytes();
    for at in (0..text.len() * 8).step_by(97) {
        let mut flipped = text.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        let (status, answer) = bed.stage.submit(&flipped);
        assert!((400..500).contains(&status), "bit {at}: {status} {answer}");
    }
    assert_eq!(bed.stage.mutation_lines(), [""; 0]);
    assert_eq!(bed.stage.journal_of("accept").len(), 0);
    bed.still_obeys();
}

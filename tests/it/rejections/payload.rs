//! C: a payload that is rightly signed and wrong in itself, as a broken or malicious signer makes it.

use felhom_sim::sign::Envelope;
use serde_json::{Value, json};

use super::{Bed, Orders, Row, refused_from_the_hub, row};

/// The payload's text, changed, and signed again.
fn resigned(orders: &Orders, change: impl FnOnce(String) -> String) -> String {
    let text = orders.order().0.to_string();
    let changed = change(text.clone());
    assert_ne!(text, changed, "the change found its place");
    Envelope::over(changed.as_bytes(), &[orders.anna()]).text()
}

fn edits(orders: &Orders) -> Vec<Row> {
    let edit = |id, what: &str, from: &str, to: &str, codes| {
        row(id, what, resigned(orders, |text| text.replacen(from, to, 1)), codes)
    };
    let opened = |id, what: &str, head: &str, codes| {
        row(id, what, resigned(orders, |text| text.replacen('{', &format!("{{{head}"), 1)), codes)
    };
    vec![
        edit("C1", "vmid twice", "\"vmid\":", "\"vmid\":101,\"vmid\":", &["PayloadDup"]),
        edit("C1", "vmid twice, escaped", "\"vmid\":", "\"\\u0076mid\":101,\"vmid\":", &["PayloadDup"]),
        edit("C1", "purge twice", "\"purge\":", "\"purge\":true,\"purge\":", &["PayloadDup"]),
        row("C2", "an array", resigned(orders, |text| format!("[{text}]")), &["PayloadSyntax"]),
        edit(
            "C2",
            "params as an array",
            "\"params\":{",
            "\"params\":[1],\"p\":{",
            &["PayloadField", "PayloadSyntax"],
        ),
        opened("C3", "a field that nobody knows", "\"force\":true,", &["PayloadField"]),
        edit("C3", "one in params", "\"params\":{", "\"params\":{\"force\":true,", &["PayloadField"]),
        edit("C3", "one in guest", "\"guest\":{", "\"guest\":{\"name\":\"web\",", &["PayloadField"]),
        edit("C3", "one in aud", "\"aud\":{", "\"aud\":{\"cluster\":\"c\",", &["PayloadField"]),
        edit("C3", "one in evidence", "\"evidence\":{", "\"evidence\":{\"waived\":true,", &["PayloadField"]),
        row(
            "C10",
            "200 arrays in each other",
            resigned(orders, |text| {
                text.replacen("\"a test\"", &format!("{}{}", "[".repeat(200), "]".repeat(200)), 1)
            }),
            &["PayloadSyntax", "PayloadValue"],
        ),
        row(
            "C10",
            "ten thousand elements",
            resigned(orders, |text| text.replacen("\"a test\"", &format!("[{}0]", "0,".repeat(9_999)), 1)),
            &["PayloadSyntax", "PayloadValue", "TooLarge"],
        ),
        row("C14", "a byte behind it", resigned(orders, |text| text + "x"), &["PayloadSyntax"]),
        row("C14", "a second document", resigned(orders, |text| text + "{}"), &["PayloadSyntax"]),
        row(
            "C6",
            "a NUL",
            resigned(orders, |text| text.replacen("host-1", "host-1\\u0000", 1)),
            &["PayloadValue", "PayloadSyntax"],
        ),
        row(
            "C6",
            "half a surrogate pair",
            resigned(orders, |text| text.replacen("host-1", "host\\ud800", 1)),
            &["PayloadValue", "PayloadSyntax"],
        ),
        row(
            "C6",
            "a text from right to left",
            resigned(orders, |text| text.replacen("a test", "a \u{202e}test", 1)),
            &["PayloadValue"],
        ),
        row(
            "C6",
            "no width",
            resigned(orders, |text| text.replacen("host-1", "host\u{200b}-1", 1)),
            &["PayloadValue"],
        ),
        row(
            "C6",
            "a letter that looks alike",
            resigned(orders, |text| text.replacen("\"pve\"", "\"pv\u{435}\"", 1)),
            &["PayloadValue"],
        ),
        row(
            "C6",
            "a letter in two parts",
            resigned(orders, |text| text.replacen("\"pve\"", "\"pve\u{301}\"", 1)),
            &["PayloadValue"],
        ),
    ]
}

fn numbers(orders: &Orders) -> Vec<Row> {
    let vmid = |number: &str| {
        let text = resigned(orders, |text| text.replacen("\"vmid\":100", &format!("\"vmid\":{number}"), 1));
        row("C5", &format!("vmid {number}"), text, &["PayloadValue", "PayloadSyntax", "PayloadField"])
    };
    [
        "100.0",
        "1e2",
        "-0",
        "\"100\"",
        "0100",
        "4294967396",
        "9007199254740993",
        "18446744073709551616",
        "-1",
        "99",
        "1000000000",
        "true",
        "null",
        "[100]",
    ]
    .map(vmid)
    .into()
}

fn values(orders: &Orders) -> Vec<Row> {
    let set = |id, path: &str, value: Value, codes| {
        let what = format!("{path} = {value}");
        orders.misordered(id, &what, &orders.order().set(path, value), codes)
    };
    let lost = |path: &str| {
        orders.misordered("C4", &format!("no {path}"), &orders.order().without(path), &["PayloadField"])
    };
    let mut rows = vec![
        lost("nonce"),
        lost("exp"),
        lost("aud"),
        lost("bind"),
        lost("guest"),
        lost("params"),
        lost("v"),
        lost("params.purge"),
        set("C4", "nonce", Value::Null, &["PayloadField", "PayloadValue"]),
        set("C4", "evidence", Value::Null, &["PayloadField", "PayloadValue"]),
        set("C11", "v", json!(2), &["UnsupportedVersion"]),
        set("C11", "v", json!(0), &["UnsupportedVersion", "PayloadValue"]),
        set("C11", "v", json!("1"), &["PayloadValue"]),
        set("C12", "kind", json!("guest.exterminate"), &["UnknownKind"]),
        set("C12", "kind", json!("Guest.Destroy"), &["UnknownKind"]),
        set("C12", "kind", json!("guest.stop_hard"), &["PayloadField"]),
        set("C13", "params", json!({"snapshot": "s1"}), &["PayloadField"]),
        set("C13", "params", json!({"purge": false, "snapshot": "s1"}), &["PayloadField"]),
        set("D4", "aud.host_id", json!("*"), &["PayloadValue"]),
        set("D4", "aud.host_id", json!(""), &["PayloadValue"]),
        set("D4", "aud.host_id", json!(["host-1"]), &["PayloadValue"]),
        set("C9", "nonce", json!("0".repeat(31)), &["PayloadValue"]),
        set("C9", "nonce", json!("a".repeat(33)), &["PayloadValue"]),
        set("C9", "nonce", json!("AB".repeat(16)), &["PayloadValue"]),
        set("C9", "nonce", json!("0".repeat(32)), &["PayloadValue"]),
        set("C8", "op_id", json!("4711"), &["PayloadValue"]),
        set("C8", "op_id", json!("7b0a3c52-5d0e-4f4e-9d5c-2f6a1f0c9e11"), &["PayloadValue"]),
        set("C8", "op_id", json!(orders.order().op_id().to_uppercase()), &["PayloadValue"]),
        set("C5", "params.purge", json!("yes"), &["PayloadValue", "PayloadField"]),
        set("C5", "params.purge", json!(1), &["PayloadValue", "PayloadField"]),
    ];
    let snapshot = |name: &str| {
        let order = orders
            .order()
            .set("kind", json!("guest.rollback"))
            .params(json!({"snapshot": name, "start": false}))
            .without("evidence");
        orders.misordered("C7", &format!("snapshot {name:?}"), &order, &["PayloadValue"])
    };
    for name in ["../s1", "s1;reboot", "s1\n", "-s1", "s1%0a", "s 1", "", "--force"] {
        rows.push(snapshot(name));
    }
    for name in ["../etc/passwd", "store:backup/../../x", "store:;x", "-x:backup/y", "store:a b"] {
        let order = orders
            .order()
            .set("kind", json!("backup.delete"))
            .params(json!({"volid": name}))
            .without("evidence");
        rows.push(orders.misordered("C7", &format!("volid {name:?}"), &order, &["PayloadValue"]));
    }
    rows
}

pub(super) fn rows(orders: &Orders) -> Vec<Row> {
    [edits(orders), numbers(orders), values(orders)].into_iter().flatten().collect()
}

#[test]
fn c_a_payload_that_is_not_as_it_should_be_is_refused_from_the_hub() {
    refused_from_the_hub(rows);
}

#[test]
fn c_a_payload_that_is_not_as_it_should_be_is_refused_at_the_socket() {
    let bed = Bed::new();
    bed.refuses_at_the_socket(&rows(&bed.orders));
    bed.still_obeys();
}

//! C: the payload, each well signed: what a careless or malicious signer could send.

use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};

use super::super::testing::{NOW, keyring_document, operation, seal, signing_key};
use super::{payload, payload_with, refused, refused_payload, swap};
use crate::model::op::{Action, OpKind, RejectCode, Role};
use crate::model::time::Timestamp;

const PLACES: [&str; 23] = [
    "/v",
    "/op_id",
    "/kind",
    "/role",
    "/aud",
    "/aud/host_id",
    "/aud/node",
    "/guest",
    "/guest/type",
    "/guest/vmid",
    "/guest/ident",
    "/params",
    "/params/purge",
    "/bind",
    "/bind/state_sha256",
    "/iat",
    "/nbf",
    "/exp",
    "/nonce",
    "/note",
    "/evidence/backup",
    "/evidence/backup/volid",
    "/evidence/backup/covers",
];

fn with_evidence(document: &mut Value) {
    document["evidence"] = json!({"backup": {"volid": "pbs:backup/ct/105/2026-11-21T10:00:00Z", "ctime": NOW - 60,
        "size": 1000, "covers": ["rootfs", "mp0"]}});
}

/// One value of each kind of operation, in the role that may sign it.
pub(super) fn one_of_each() -> Vec<(Action, Role)> {
    let text = str::to_owned;
    vec![
        (Action::GuestDestroy { purge: false }, Role::Custodian),
        (Action::GuestRollback { snapshot: text("before"), start: true }, Role::Recovery),
        (
            Action::GuestRestoreOver {
                volid: text("local:backup/vzdump-lxc-105-2026_11_21-10_00_00.tar.zst"),
                storage: text("local-zfs"),
            },
            Role::Recovery,
        ),
        (Action::GuestStopHard, Role::Operator),
        (Action::GuestUnlock { lock: text("backup") }, Role::Operator),
        (Action::SnapshotDelete { snapshot: text("before") }, Role::Operator),
        (Action::BackupDelete { volid: text("pbs:backup/ct/105/2026-11-21T10:00:00Z") }, Role::Custodian),
        (
            Action::VolumeDelete { key: text("unused0"), volid: text("local-zfs:subvol-105-disk-1") },
            Role::Custodian,
        ),
        (Action::VolumeDetach { key: text("mp0") }, Role::Custodian),
        (
            Action::ConfigDestructive {
                set: [(text("memory"), text("512"))].into(),
                delete: [text("net1")].into(),
            },
            Role::Custodian,
        ),
        (Action::ResourceDelete { resource_id: text("nas-mount") }, Role::Custodian),
        (Action::JobShell { command_sha256: "cd".repeat(32), timeout_s: 60 }, Role::Shell),
        (Action::LimitRelease { generation: 17 }, Role::Operator),
        (Action::FloorRaise { iat: Timestamp::from_unix(NOW) }, Role::Root),
        (Action::TrustUpdate { keyring: super::update::next_document() }, Role::Root),
    ]
}

#[test]
fn every_kind_has_its_own_parameters_and_is_read_back() {
    let all = one_of_each();
    assert_eq!(all.iter().map(|(action, _)| action.kind()).collect::<Vec<_>>(), OpKind::ALL);
    for (action, role) in all {
        let op = operation(action, role, NOW, 1);
        assert_eq!(super::verified_at(&op, NOW).op(), &op);
    }
}

#[test]
fn c01_a_key_given_twice_at_any_depth_is_refused() {
    let text = payload();
    for (from, to) in [
        ("\"vmid\":105", "\"vmid\":106,\"vmid\":105"),
        ("\"purge\":true", "\"purge\":false,\"purge\":true"),
        ("\"purge\":true", "\"purge\":true,\"p\\u0075rge\":false"),
        ("\"v\":1", "\"v\":1,\"v\":1"),
        ("\"note\":", "\"n\\u006fte\":\"\",\"note\":"),
    ] {
        assert_eq!(refused_payload(swap(&text, from, to)), RejectCode::PayloadDup, "{to}");
    }
}

#[test]
fn c02_a_payload_that_is_no_object_is_refused() {
    let values: Value = serde_json::from_str(&payload()).unwrap();
    let list: Vec<&Value> = values.as_object().unwrap().values().collect();
    for text in
        [json!(list).to_string(), "[]".to_owned(), "null".to_owned(), "1".to_owned(), "\"\"".to_owned()]
    {
        assert_eq!(refused_payload(&text), RejectCode::PayloadSyntax, "{text}");
    }
    for place in ["/aud", "/guest", "/params", "/bind", "/evidence/backup"] {
        let text = payload_with(|document| {
            with_evidence(document);
            let object = document.pointer_mut(place).unwrap();
            *object = object.as_object().unwrap().values().cloned().collect();
        });
        assert_eq!(refused_payload(&text), RejectCode::PayloadValue, "{place}");
    }
}

#[test]
fn c03_an_unknown_field_at_any_depth_is_refused() {
    for place in ["", "/aud", "/guest", "/params", "/bind", "/evidence", "/evidence/backup"] {
        for name in ["x", "Vmid", "force", ""] {
            let text = payload_with(|document| {
                with_evidence(document);
                document.pointer_mut(place).unwrap()[name] = json!(1);
            });
            assert_eq!(refused_payload(&text), RejectCode::PayloadField, "{place} {name:?}");
        }
    }
}

#[test]
fn c04_a_field_that_is_missing_or_null_is_refused() {
    for place in PLACES {
        let (parent, name) = place.rsplit_once('/').unwrap();
        let missing = payload_with(|document| {
            with_evidence(document);
            document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
        });
        assert_eq!(refused_payload(&missing), RejectCode::PayloadField, "{place} missing");
        let null = payload_with(|document| {
            with_evidence(document);
            *document.pointer_mut(place).unwrap() = Value::Null;
        });
        assert_eq!(refused_payload(&null), RejectCode::PayloadField, "{place} null");
    }
    let optional = payload_with(|document| document["evidence"] = Value::Null);
    assert_eq!(refused_payload(optional), RejectCode::PayloadField);
}

#[test]
fn c05_a_number_is_whole_plain_and_in_its_range() {
    for wrong in [
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
        "0",
        "1.5",
        "true",
        "[105]",
        "{}",
        "1e999",
    ] {
        let text = swap(&payload(), "\"vmid\":105", &format!("\"vmid\":{wrong}"));
        assert_eq!(refused_payload(&text), RejectCode::PayloadValue, "{wrong}");
    }
    for (place, wrong) in [
        ("/evidence/backup/size", json!(9_007_199_254_740_992_u64)),
        ("/evidence/backup/size", json!(-1)),
        ("/evidence/backup/ctime", json!(0)),
        ("/iat", json!(-1)),
        ("/nbf", json!(1.0)),
        ("/exp", json!("1795269600")),
    ] {
        let text = payload_with(|document| {
            with_evidence(document);
            *document.pointer_mut(place).unwrap() = wrong.clone();
        });
        assert_eq!(refused_payload(&text), RejectCode::PayloadValue, "{place} {wrong}");
    }
}

#[test]
fn c06_text_beyond_printable_ascii_is_refused() {
    for text in [
        "caf\u{e9}",
        "cafe\u{301}",
        "\u{430}nna",
        "a\u{202e}b",
        "a\u{200b}b",
        "a\u{0}b",
        "a\nb",
        "a\tb",
        "\u{7f}",
    ] {
        for place in
            ["/note", "/nonce", "/aud/host_id", "/aud/node", "/guest/ident", "/op_id", "/role", "/guest/type"]
        {
            let payload = payload_with(|document| *document.pointer_mut(place).unwrap() = json!(text));
            assert_eq!(refused_payload(&payload), RejectCode::PayloadValue, "{place} {text:?}");
        }
    }
    for lone in ["\\ud800", "\\udc00", "\\ud800\\u0041"] {
        let text = swap(&payload(), "a test", lone);
        assert_eq!(refused_payload(&text), RejectCode::PayloadSyntax, "{lone}");
    }
    for bytes in [&[0xff][..], &[0xc0, 0x80], &[0xed, 0xa0, 0x80], &[0], &[0x0a]] {
        let text = payload().into_bytes();
        let at = text.windows(6).position(|window| window == b"a test").unwrap();
        let text = [&text[..at], bytes, &text[at + 6..]].concat();
        assert_eq!(refused_payload(&text), RejectCode::PayloadSyntax, "{bytes:?}");
    }
    assert_eq!(
        refused_payload(payload_with(|document| document["note"] = json!("a".repeat(257)))),
        RejectCode::PayloadValue
    );
}

/// A payload of this kind with these parameters.
fn of_kind(kind: OpKind, params: &Value) -> (String, Role) {
    let (action, role) = one_of_each().into_iter().find(|(action, _)| action.kind() == kind).unwrap();
    let op = operation(action, role, NOW, 1);
    let mut document: Value = serde_json::from_slice(&super::write::payload(&op)).unwrap();
    document["params"] = params.clone();
    (document.to_string(), role)
}

#[track_caller]
fn refused_params(kind: OpKind, params: &Value, code: RejectCode) {
    let (text, role) = of_kind(kind, params);
    assert_eq!(refused(seal(text.as_bytes(), &[signing_key(role)])), code, "{kind} {params}");
}

#[test]
fn c07_what_a_shell_or_a_path_would_understand_is_refused_in_names() {
    let wrong = [
        "../x", "a/../b", "a;b", "a\nb", "-x", "--force", "a%0ab", "a b", " a", "a ", "", "a\u{0}b", "a'b",
        "a\"b", "a$b", "a`b", "a|b", "a&b", "a*b", "a\\b", "a,b", "a=b;c",
    ];
    for text in wrong {
        refused_params(
            OpKind::GuestRollback,
            &json!({"snapshot": text, "start": true}),
            RejectCode::PayloadValue,
        );
        refused_params(OpKind::SnapshotDelete, &json!({"snapshot": text}), RejectCode::PayloadValue);
        refused_params(OpKind::VolumeDetach, &json!({"key": text}), RejectCode::PayloadValue);
        refused_params(OpKind::GuestUnlock, &json!({"lock": text}), RejectCode::PayloadValue);
        refused_params(OpKind::ResourceDelete, &json!({"resource_id": text}), RejectCode::PayloadValue);
        let restore = json!({"volid": "local:backup/x.tar", "storage": text});
        refused_params(OpKind::GuestRestoreOver, &restore, RejectCode::PayloadValue);
        for volid in
            [text.to_owned(), format!("local:{text}"), format!("local:backup/{text}"), format!("{text}:x")]
        {
            refused_params(OpKind::BackupDelete, &json!({"volid": volid}), RejectCode::PayloadValue);
        }
        let config = json!({"set": {text: "1"}, "delete": []});
        refused_params(OpKind::ConfigDestructive, &config, RejectCode::PayloadValue);
        let config = json!({"set": {}, "delete": [text]});
        refused_params(OpKind::ConfigDestructive, &config, RejectCode::PayloadValue);
    }
}

#[test]
fn c07_each_text_has_its_own_pattern() {
    for (kind, params) in [
        (OpKind::GuestRollback, json!({"snapshot": "a", "start": true})),
        (OpKind::GuestRollback, json!({"snapshot": "a".repeat(41), "start": true})),
        (OpKind::GuestRollback, json!({"snapshot": "1a", "start": true})),
        (OpKind::GuestRollback, json!({"snapshot": "before", "start": 1})),
        (OpKind::GuestRestoreOver, json!({"volid": "local", "storage": "local"})),
        (OpKind::GuestRestoreOver, json!({"volid": "local:", "storage": "local"})),
        (OpKind::GuestRestoreOver, json!({"volid": "local:/etc/passwd", "storage": "local"})),
        (OpKind::GuestRestoreOver, json!({"volid": "local:a//b", "storage": "local"})),
        (OpKind::GuestRestoreOver, json!({"volid": "local:.hidden", "storage": "local"})),
        (OpKind::GuestRestoreOver, json!({"volid": "local:a", "storage": "l"})),
        (OpKind::GuestRestoreOver, json!({"volid": "local:a", "storage": "local."})),
        (OpKind::GuestUnlock, json!({"lock": "Backup"})),
        (OpKind::GuestUnlock, json!({"lock": "everything"})),
        (OpKind::VolumeDetach, json!({"key": "mp"})),
        (OpKind::VolumeDetach, json!({"key": "mp00"})),
        (OpKind::VolumeDetach, json!({"key": "mp256"})),
        (OpKind::VolumeDetach, json!({"key": "mp1x"})),
        (OpKind::VolumeDetach, json!({"key": "rootfs0"})),
        (OpKind::VolumeDetach, json!({"key": "efidisk1"})),
        (OpKind::VolumeDetach, json!({"key": "net0"})),
        (OpKind::ConfigDestructive, json!({"set": {}, "delete": []})),
        (OpKind::ConfigDestructive, json!({"set": {"memory": "1"}, "delete": ["memory"]})),
        (OpKind::ConfigDestructive, json!({"set": {"memory": 1}, "delete": []})),
        (OpKind::ConfigDestructive, json!({"set": {"memory": ""}, "delete": []})),
        (OpKind::ConfigDestructive, json!({"set": {"memory": "1\n2"}, "delete": []})),
        (OpKind::ConfigDestructive, json!({"set": {}, "delete": ["mp0", "mp0"]})),
        (OpKind::ConfigDestructive, json!({"set": {"skiplock": "1"}, "delete": []})),
        (OpKind::ConfigDestructive, json!({"set": {"force": "1"}, "delete": []})),
        (OpKind::ConfigDestructive, json!({"set": {"delete": "mp0"}, "delete": []})),
        (OpKind::ConfigDestructive, json!({"set": {}, "delete": ["digest"]})),
        (OpKind::JobShell, json!({"command_sha256": "AB".repeat(32), "timeout_s": 1})),
        (OpKind::JobShell, json!({"command_sha256": "ab".repeat(32), "timeout_s": 0})),
        (OpKind::JobShell, json!({"command_sha256": "ab".repeat(32), "timeout_s": 86_401})),
        (OpKind::LimitRelease, json!({"generation": 9_007_199_254_740_992_u64})),
        (OpKind::FloorRaise, json!({"iat": 0})),
        (OpKind::FloorRaise, json!({"iat": NOW + 3_601})),
        (OpKind::TrustUpdate, json!({"keyring": ""})),
        (OpKind::TrustUpdate, json!({"keyring": "e30="})),
        (OpKind::TrustUpdate, json!({"keyring": Base64::encode_string(&keyring_document()[1..])})),
    ] {
        refused_params(kind, &params, RejectCode::PayloadValue);
    }
    for key in
        ["rootfs", "mp0", "mp255", "scsi30", "virtio15", "sata5", "ide2", "unused9", "efidisk0", "tpmstate0"]
    {
        let op = operation(Action::VolumeDetach { key: key.to_owned() }, Role::Custodian, NOW, 1);
        assert_eq!(super::verified_at(&op, NOW).op(), &op);
    }
}

#[test]
fn c08_an_op_id_is_a_uuid_of_version_7_in_lower_case() {
    for wrong in [
        "0192F0C1-7D1E-7D53-9A51-000000000001",
        "0192f0c1-7d1e-4d53-9a51-000000000001",
        "0192f0c1-7d1e-7d53-ca51-000000000001",
        "0192f0c1-7d1e-7d53-9a51-00000000001",
        "0192f0c1-7d1e-7d53-9a51-0000000000011",
        "{0192f0c1-7d1e-7d53-9a51-000000000001}",
        "0192f0c17d1e7d539a51000000000001",
        "",
    ] {
        let text = payload_with(|document| document["op_id"] = json!(wrong));
        assert_eq!(refused_payload(text), RejectCode::PayloadValue, "{wrong}");
    }
}

#[test]
fn c09_a_nonce_is_32_lower_hex_digits_and_not_all_zero() {
    for wrong in
        ["a".repeat(31), "a".repeat(33), "A".repeat(32), "0".repeat(32), "g".repeat(32), String::new()]
    {
        let text = payload_with(|document| document["nonce"] = json!(wrong));
        assert_eq!(refused_payload(text), RejectCode::PayloadValue, "{wrong}");
    }
}

#[test]
fn c10_depth_and_length_have_limits() {
    for depth in [9, 126, 129, 3_000] {
        let deep = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let text = swap(&payload(), "\"purge\":true", &format!("\"purge\":{deep}"));
        assert_eq!(refused_payload(&text), RejectCode::PayloadSyntax, "{depth}");
    }
    let long = json!(vec![1; 10_000]).to_string();
    let text = swap(&payload(), "\"purge\":true", &format!("\"purge\":{long}"));
    assert_eq!(refused_payload(&text), RejectCode::PayloadValue);
    let long = json!(vec![1; 100_000]).to_string();
    let text = swap(&payload(), "\"purge\":true", &format!("\"purge\":{long}"));
    assert!(matches!(refused_payload(&text), RejectCode::TooLarge));
    let covers: Vec<String> = (0..65).map(|number| format!("mp{number}")).collect();
    let text = payload_with(|document| {
        with_evidence(document);
        document["evidence"]["backup"]["covers"] = json!(covers);
    });
    assert_eq!(refused_payload(text), RejectCode::PayloadValue);
}

#[test]
fn c11_another_version_is_refused() {
    for (wrong, code) in [
        ("2", RejectCode::UnsupportedVersion),
        ("0", RejectCode::UnsupportedVersion),
        ("\"1\"", RejectCode::PayloadValue),
        ("1.0", RejectCode::PayloadValue),
        ("null", RejectCode::PayloadField),
    ] {
        assert_eq!(refused_payload(swap(&payload(), "\"v\":1", &format!("\"v\":{wrong}"))), code, "{wrong}");
    }
}

#[test]
fn c12_an_unknown_kind_is_refused() {
    for kind in [
        "guest.explode",
        "Guest.Destroy",
        "GUEST.DESTROY",
        "guest.destroy ",
        "guest",
        "",
        "key.rotate",
        "\u{0}",
    ] {
        let text = payload_with(|document| document["kind"] = json!(kind));
        assert_eq!(refused_payload(text), RejectCode::UnknownKind, "{kind:?}");
    }
    refused_params(OpKind::GuestStopHard, &json!({"purge": true}), RejectCode::PayloadField);
    refused_params(
        OpKind::SnapshotDelete,
        &json!({"snapshot": "before", "force": true}),
        RejectCode::PayloadField,
    );
}

#[test]
fn c13_the_parameters_of_one_kind_are_none_of_another() {
    let all = one_of_each();
    for (action, role) in &all {
        for (other, _) in &all {
            let shape = |action: &Action| -> Vec<String> {
                let op = operation(action.clone(), *role, NOW, 1);
                let document: Value = serde_json::from_slice(&super::write::payload(&op)).unwrap();
                document["params"].as_object().unwrap().keys().cloned().collect()
            };
            if shape(action) == shape(other) {
                continue;
            }
            let op = operation(other.clone(), *role, NOW, 1);
            let params: Value =
                serde_json::from_slice::<Value>(&super::write::payload(&op)).unwrap()["params"].clone();
            refused_params(action.kind(), &params, RejectCode::PayloadField);
        }
    }
}

#[test]
fn c13_what_belongs_to_a_guest_stands_exactly_where_the_kind_concerns_one() {
    for (action, role) in one_of_each() {
        let about_a_guest = action.kind().concerns_a_guest();
        let op = operation(action, role, NOW, 1);
        let mut document: Value = serde_json::from_slice(&super::write::payload(&op)).unwrap();
        for name in ["guest", "bind"] {
            let before = document.clone();
            if about_a_guest {
                document.as_object_mut().unwrap().remove(name);
            } else {
                document[name] = serde_json::from_str::<Value>(&payload()).unwrap()[name].clone();
            }
            let sealed = seal(document.to_string().as_bytes(), &[signing_key(role)]);
            assert_eq!(refused(sealed), RejectCode::PayloadField, "{} {name}", op.action.kind());
            document = before;
        }
        with_evidence(&mut document);
        let sealed = seal(document.to_string().as_bytes(), &[signing_key(role)]);
        let result = super::verify(&sealed, &super::trust(), &super::situation(NOW));
        let code = result.map(drop).map_err(|rejected| rejected.code);
        assert_eq!(code, if about_a_guest { Ok(()) } else { Err(RejectCode::PayloadField) });
    }
}

#[test]
fn c14_nothing_stands_before_or_after_the_payload() {
    let text = payload();
    for around in [
        format!("{text}\n"),
        format!("{text} "),
        format!("{text}{text}"),
        format!("{text}\0"),
        format!(" {text}"),
        format!("\u{feff}{text}"),
    ] {
        assert_eq!(refused_payload(&around), RejectCode::PayloadSyntax, "{around:?}");
    }
}

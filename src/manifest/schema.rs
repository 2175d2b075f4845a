//! Holds `etc/schema/manifest.json` and the parser together: what one takes the other takes, on a grid of
//! values and on documents made at random. The schema's keywords are judged here by a small validator, which refuses
//! a keyword it does not know, so that the schema cannot promise what nobody checks.

use std::sync::LazyLock;

use proptest::prelude::{Just, Strategy, prop, prop_assert_eq, proptest};
use serde_json::{Map, Value, json};

use super::{parse, proof, provision, resource, volume};
use crate::model::desired::Field;
use crate::model::guest::{GuestKind, Vmid};
use crate::model::sorted::Set;
use crate::model::time::Timestamp;
use crate::normalize::{self, form, tags};

const SCHEMA: &str = include_str!("../../etc/schema/manifest.json");

type Matches = fn(&str) -> bool;

/// Each pattern of the schema beside the code that it stands for.
const PATTERNS: [(&str, Matches); 37] = [
    (r"^[A-Za-z0-9_.-]+$", |text| takes(&form::WORD, text)),
    (r"^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$", |text| takes(&form::MAC, text)),
    (r"^[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?$", |text| takes(&form::IP, text)),
    (r"^([0-9]{1,3}\.){3}[0-9]{1,3}$", |text| takes(&form::IP4, text)),
    (r"^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$", |text| takes(&form::IP6, text)),
    (r"^(dhcp|manual|([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2})$", |text| takes(&form::NET4, text)),
    (r"^(auto|dhcp|manual|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*/[0-9]{1,3})$", |text| takes(&form::NET6, text)),
    (r"^[1-9][0-9]{0,3}$", |text| takes(&form::VLAN, text)),
    (r"^[+-][A-Za-z0-9_.-]+$", |text| takes(&form::FLAG, text)),
    (r"^(ide|sata|scsi|virtio|net|hostpci|usb)[0-9]+$", |text| takes(&form::DEVICE, text)),
    (r"^[^\u0000-\u001f\u007f-\u009f]+$", |text| takes(&form::LINE, text)),
    (r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$", |text| takes(&form::PATH, text)),
    (r"^[^ ]* AAAA[^ ]{17,}( .*)?$", |text| takes(&form::SSH_KEY, text)),
    (r"^(pc|q35|virt|(pc|virt)-[A-Za-z0-9.+-]*)$", |text| takes(&form::MACHINE, text)),
    (r"^[A-Za-z0-9_]+$", |text| takes(&form::FILE_SYSTEM, text)),
    (r"^[0-9]+(\.[0-9]*)?$", |text| normalize::sort::fraction(text).is_some()),
    (r"^net([0-9]|[12][0-9]|3[01])$", |text| matches!(Field::numbered(text), Some(Field::Net(_)))),
    (r"^ipconfig([0-9]|[12][0-9]|3[01])$", |text| matches!(Field::numbered(text), Some(Field::IpConfig(_)))),
    (r"^(net|ipconfig)([0-9]|[12][0-9]|3[01])$", |text| Field::numbered(text).is_some()),
    (r"^[A-Za-z][A-Za-z0-9._-]*$", proof::is_name),
    (r"^/[^\p{Cc}]*$", |text| text.starts_with('/') && proof::is_line(text)),
    (r"^[^\p{Cc}]+$", proof::is_line),
    (r"^[A-Za-z0-9._-]+$", |text| resource::is_id(text)),
    (r"^[A-Za-z0-9_][A-Za-z0-9_+.-]*$", |text| tags::is_tag(text)),
    (r"^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$", |text| {
        form::is_dns_name(text)
    }),
    (r"^[^\u0000]*$", |text| !text.contains('\0')),
    (r"^0\s*$", |text| normalize::description::is_lost(text)),
    (r"^[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]$", |text| volume::is_storage(text)),
    (r"^/[^,\u0000-\u001f\u007f-\u009f]+$", |text| volume::is_path(text) || volume::climbs(text)),
    (r"(^|/)\.\.?(/|$)", |text| volume::climbs(text)),
    (r"^mp([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])$", |text| volume::is_key(GuestKind::Lxc, text)),
    (r"^scsi([0-9]|[12][0-9]|30)$", |text| text.starts_with("scsi") && is_disk(text)),
    (r"^virtio([0-9]|1[0-5])$", |text| text.starts_with("virtio") && is_disk(text)),
    (r"^(sata[0-5]|ide[0-3])$", |text| {
        (text.starts_with("sata") || text.starts_with("ide")) && is_disk(text)
    }),
    (r"^[A-Za-z][A-Za-z0-9._-]*:vztmpl/[A-Za-z0-9._+:/-]+$", |text| provision::is_template(text)),
    (r"^[A-Za-z][A-Za-z0-9._-]*:backup/[A-Za-z0-9._+:/-]+$", |text| provision::is_backup(text)),
    (r"^[1-9][0-9]{2,8}$", |text| provision::is_vmid(text)),
];

fn is_disk(key: &str) -> bool {
    volume::is_key(GuestKind::Qemu, key)
}

fn takes(form: &form::Form, text: &str) -> bool {
    (form.take)(text).is_some()
}

fn schema() -> &'static Value {
    static PARSED: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(SCHEMA).unwrap());
    &PARSED
}

fn holds(root: &Value, schema: &Value, found: &Value) -> bool {
    schema
        .as_object()
        .unwrap()
        .iter()
        .all(|(keyword, rule)| keyword_holds(root, schema, keyword, rule, found))
}

fn keyword_holds(root: &Value, schema: &Value, keyword: &str, rule: &Value, found: &Value) -> bool {
    let length = |found: &Value| found.as_str().map(|text| text.chars().count() as u64);
    let at_least = |count: Option<u64>| count.is_none_or(|count| count >= rule.as_u64().unwrap());
    let at_most = |count: Option<u64>| count.is_none_or(|count| count <= rule.as_u64().unwrap());
    match keyword {
        "$schema" | "$defs" | "title" | "description" => true,
        "$ref" => holds(root, root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap(), found),
        "type" => match rule.as_str().unwrap() {
            "object" => found.is_object(),
            "array" => found.is_array(),
            "string" => found.is_string(),
            "boolean" => found.is_boolean(),
            "integer" => found.is_u64() || found.is_i64(),
            "number" => found.is_number(),
            other => panic!("type {other}"),
        },
        "const" => found == rule,
        "enum" => rule.as_array().unwrap().contains(found),
        "minimum" => found.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
        "maximum" => found.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
        "maxLength" => at_most(length(found)),
        "maxItems" => at_most(found.as_array().map(|items| items.len() as u64)),
        "minProperties" => at_least(found.as_object().map(|members| members.len() as u64)),
        "pattern" => {
            let (_, matches) = PATTERNS.iter().find(|(pattern, _)| rule == pattern).expect("a known pattern");
            found.as_str().is_none_or(matches)
        }
        "not" => !holds(root, rule, found),
        "anyOf" => rule.as_array().unwrap().iter().any(|one| holds(root, one, found)),
        "items" => found.as_array().is_none_or(|items| items.iter().all(|item| holds(root, rule, item))),
        "required" => found.as_object().is_none_or(|members| {
            rule.as_array().unwrap().iter().all(|name| members.contains_key(name.as_str().unwrap()))
        }),
        "properties" => found.as_object().is_none_or(|members| {
            members.iter().all(|(name, member)| rule.get(name).is_none_or(|rule| holds(root, rule, member)))
        }),
        "additionalProperties" => {
            assert_eq!(rule, false);
            found
                .as_object()
                .is_none_or(|members| members.keys().all(|name| schema["properties"].get(name).is_some()))
        }
        other => panic!("the validator does not know {other}"),
    }
}

pub(super) fn schema_takes(document: &Value) -> bool {
    holds(schema(), schema(), document)
}

/// The whole of it, with no resource refused but for what it depends on, which no schema can tell.
fn parser_takes(document: &Value) -> bool {
    match parse(document.to_string().as_bytes(), "h", Timestamp::from_unix(0)) {
        Ok(state) => state.refused.iter().all(|refused| refused.message.contains("the ids of resources")),
        Err(error) => error.code() == "dependency_cycle",
    }
}

fn document(resource: Value) -> Value {
    json!({"api_version": "felhom/v1", "host_id": "h", "generation": 1, "resources": [resource]})
}

fn with(mut base: Value, pointer: &str, name: &str, member: Value) -> Value {
    base.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert(name.to_owned(), member);
    base
}

/// Values that are right for one member and wrong for others.
fn values() -> Vec<Value> {
    let mut values = vec![
        json!(null),
        json!(true),
        json!([]),
        json!({}),
        json!(""),
        json!("absent"),
        json!("running"),
        json!("keep"),
        json!("stop"),
        json!("report"),
        json!("window"),
        json!("allowed"),
        json!("web"),
        json!("a_b"),
        json!("a.b-c"),
        json!("-a"),
        json!("a."),
        json!("0"),
        json!("0 \n"),
        json!("00"),
        json!("two\nlines"),
        json!("nul\u{0}"),
        json!("ä"),
        json!("felhom/v1"),
        json!(["a", "B_+.-"]),
        json!(["a b"]),
        json!([1]),
        json!(["cores"]),
        json!(["swap_mb"]),
        json!(["run_state"]),
        json!(["db"]),
        json!({"order": 1}),
        json!({"order": 1, "up_s": 0, "down_s": 4_294_967_295_u64}),
        json!({"order": 4_294_967_296_u64}),
        json!({"order": "1"}),
        json!({"up": 1}),
        json!({"vmid": 101}),
        json!({"from": "template", "source": "local:vztmpl/a_1.tar.zst", "storage": "local-zfs"}),
        json!({"from": "template", "source": "local:vztmpl/a_1.tar.zst"}),
        json!({"from": "backup", "source": "pbs:backup/ct/105/2026-01-01T00:00:00Z", "storage": "store"}),
        json!({"from": "backup", "source": "store:iso/a", "storage": "store"}),
        json!({"from": "backup", "source": "store:backup/a,force=1", "storage": "store"}),
        json!({"from": "clone", "source": "104"}),
        json!({"from": "clone", "source": "104", "storage": "st:ore"}),
        json!({"from": "clone", "source": "0104"}),
        json!({"from": "clone", "source": 104}),
        json!({"from": "clone", "source": "104", "full": false}),
        json!({"from": "iso", "source": "104"}),
        json!({"drift": "report"}),
        json!({"drift": "no"}),
        json!({"on_remove": "keep"}),
        json!({"other": 1}),
        json!(1.5),
        json!("x".repeat(128)),
        json!("x".repeat(129)),
        json!("x".repeat(255)),
        json!("x".repeat(256)),
        json!("é".repeat(8_192)),
        json!("é".repeat(8_193)),
        json!("lxc_guest"),
        json!("vm_guest"),
        json!("file"),
        json!("absent "),
        json!("10.0.0.1"),
        json!("10.0.0.1/24"),
        json!("fd00::1"),
        json!("fd00::1/64"),
        json!("fe80::1%eth0"),
        json!("auto"),
        json!("bc:24:11:00:00:01"),
        json!("virtio"),
        json!("q35"),
        json!("pc-q35-9.0"),
        json!("host"),
        json!("tty"),
        json!("vnc"),
        json!("ovmf"),
        json!("l26"),
        json!("debian"),
        json!("present"),
        json!("net0"),
        json!("net32"),
        json!("ipconfig31"),
        json!("+aes"),
        json!("usb"),
        json!("0.5"),
        json!("a/b"),
        json!("ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB x"),
        json!(["net0", "scsi0"]),
        json!(["rootfs", "mp255"]),
        json!(["mp256"]),
        json!(["mp01"]),
        json!(["scsi30", "ide3"]),
        json!(["rootfs.size_gb"]),
        json!(["1.1.1.1", "::1"]),
        json!(["a.b", "c"]),
        json!(["ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB x"]),
        json!(["+aes", "-x"]),
        json!(["disk"]),
        json!(["7", "4094"]),
        json!(["ipconfig0"]),
        json!([{"key": "net0"}]),
        json!([{"key": "ipconfig3", "ip": "dhcp"}]),
        json!([{"key": "net0", "ensure": "absent"}]),
        json!([{"key": "net0", "ensure": "absent", "vlan": 1}]),
        json!({"type": "virtio"}),
        json!({"type": "host", "flags": ["+aes"]}),
        json!({"nesting": true, "mount": "nfs"}),
        json!({"enabled": "absent"}),
        json!({"user": "me"}),
    ];
    let volumes = [
        json!({"storage": "local-lvm", "size_gb": 8, "acl": false}),
        json!({"storage": "l"}),
        json!({"size_gb": 0}),
        json!({"backup": true}),
        json!({"read_only": "absent", "quota": 1}),
        json!([{"key": "mp0", "storage": "tank", "size_gb": 100, "path": "/data", "backup": true}]),
        json!([{"key": "mp255", "bind": "/srv", "path": "/srv"}, {"key": "mp1", "ensure": "absent"}]),
        json!([{"key": "mp256"}]),
        json!([{"key": "mp01"}]),
        json!([{"path": "/data"}]),
        json!([{"key": "mp0", "bind": "/srv", "size_gb": 1}]),
        json!([{"key": "mp0", "path": "/a/../b"}]),
        json!([{"key": "mp0", "path": "/a,b"}]),
        json!([{"key": "mp0", "path": "absent"}]),
        json!([{"key": "mp0", "ssd": true}]),
        json!([{"key": "mp0", "ensure": "gone"}]),
        json!([{"key": "scsi30", "storage": "tank", "size_gb": 131_072, "ssd": true, "iothread": true}]),
        json!([{"key": "scsi31"}]),
        json!([{"key": "virtio15", "discard": true, "cache": "writeback", "aio": "absent", "read_only": true}]),
        json!([{"key": "virtio0", "ssd": true}]),
        json!([{"key": "virtio0", "cache": "fast"}]),
        json!([{"key": "ide2", "ssd": false, "backup": "absent"}, {"key": "sata5", "discard": 1}]),
        json!([{"key": "ide4"}]),
        json!([{"key": "efidisk0"}]),
    ];
    values.extend(volumes);
    let numbers = [
        0,
        1,
        2,
        15,
        16,
        99,
        100,
        8_192,
        8_193,
        67_108_864,
        67_108_865,
        999_999_999,
        1_000_000_000,
        u64::MAX,
    ];
    values.extend(numbers.map(|number| json!(number)));
    values.push(json!(-1));
    values
}

fn bases() -> [Value; 2] {
    ["lxc_guest", "vm_guest"].map(|kind| document(json!({"id": "a", "kind": kind, "spec": {"vmid": 101}})))
}

const RESOURCE: [&str; 12] = [
    "id",
    "kind",
    "spec",
    "suspend",
    "drift",
    "ignore",
    "depends_on",
    "on_remove",
    "restart",
    "force_stop",
    "ensure",
    "other",
];

/// Every member the format knows, and some it does not, with the place it stands in.
fn members() -> Vec<(&'static str, &'static str)> {
    let mut members = vec![
        ("", "api_version"),
        ("", "generation"),
        ("", "resources"),
        ("", "defaults"),
        ("", "of_a_later_version"),
        ("/resources/0/spec", "vmid"),
        ("/resources/0/spec", "run_state"),
        ("/resources/0/spec", "data_bearing"),
        ("/resources/0/spec", "ensure"),
        ("/resources/0/spec", "provision"),
        ("/resources/0/spec", "rootfs"),
        ("/resources/0/spec", "mounts"),
        ("/resources/0/spec", "disks"),
        ("/resources/0/spec", "nets"),
        ("/resources/0/spec", "cloud_init"),
        ("/resources/0/spec", "hostname"),
    ];
    members.extend(names().into_iter().map(|name| ("/resources/0/spec", name)));
    for name in RESOURCE {
        members.push(("/resources/0", name));
    }
    members.extend(["backup", "restore_test"].map(|name| ("/resources/0", name)));
    members.extend(["storage", "every_hours", "other"].map(|name| ("/resources/0/backup", name)));
    for name in ["every_days", "up_s", "bridge", "file", "command", "guest_agent", "other"] {
        members.push(("/resources/0/restore_test", name));
    }
    members
}

#[test]
fn schema_and_parser_agree_on_every_member_with_every_value() {
    for base in bases() {
        assert!(schema_takes(&base) && parser_takes(&base));
        for (pointer, name) in members() {
            let base = match pointer.strip_prefix("/resources/0/") {
                Some(inner @ ("backup" | "restore_test")) => {
                    with(base.clone(), "/resources/0", inner, json!({}))
                }
                _ => base.clone(),
            };
            for value in values() {
                let document = with(base.clone(), pointer, name, value);
                assert_eq!(schema_takes(&document), parser_takes(&document), "{pointer}/{name}: {document}");
            }
        }
    }
}

/// The fields of a spec that stand in no object of their own.
fn names() -> Vec<&'static str> {
    Field::ALL.map(Field::as_str).into_iter().filter(|name| !name.contains('.')).collect()
}

#[test]
fn schema_and_parser_agree_on_every_part_with_every_value() {
    for (base, kind) in bases().into_iter().zip([GuestKind::Lxc, GuestKind::Qemu]) {
        for row in normalize::rows(kind) {
            let normalize::Sort::Map(map) = &row.sort else { continue };
            let place = match row.field {
                Field::Net(_) => ("nets", json!([{"key": "net3"}]), "nets/0"),
                Field::IpConfig(_) => {
                    ("cloud_init", json!({"ip": [{"key": "ipconfig3"}]}), "cloud_init/ip/0")
                }
                field => (field.as_str(), json!({}), field.as_str()),
            };
            let base = with(base.clone(), "/resources/0/spec", place.0, place.1);
            let pointer = format!("/resources/0/spec/{}", place.2);
            for name in map.parts.iter().map(|part| part.name).chain(["key", "ensure", "other"]) {
                for value in values() {
                    let document = with(base.clone(), &pointer, name, value);
                    assert_eq!(schema_takes(&document), parser_takes(&document), "{document}");
                }
            }
        }
    }
}

#[test]
fn schema_and_parser_ask_for_the_same_members() {
    for base in bases() {
        for (pointer, name) in members() {
            let mut document = base.clone();
            let Some(Value::Object(object)) = document.pointer_mut(pointer) else { continue };
            if object.remove(name).is_some() {
                assert_eq!(schema_takes(&document), parser_takes(&document), "without {name}");
            }
        }
    }
}

#[test]
fn the_schema_names_exactly_the_fields_of_each_kind() {
    let root = schema();
    for (kind, definition) in [(GuestKind::Lxc, "lxc_spec"), (GuestKind::Qemu, "vm_spec")] {
        let properties = root["$defs"][definition]["properties"].as_object().unwrap();
        let named: Set<&str> = properties.keys().map(String::as_str).collect();
        let fields = normalize::rows(kind).iter().map(|row| match row.field {
            Field::Net(_) => "nets",
            Field::IpConfig(_) => "cloud_init",
            field => field.as_str().split('.').next().unwrap(),
        });
        let volumes: &[&str] = if kind == GuestKind::Lxc { &["rootfs", "mounts"] } else { &["disks"] };
        let fields = fields.chain(volumes.iter().copied());
        assert_eq!(
            named,
            fields.chain(["vmid", "run_state", "data_bearing", "ensure", "provision"]).collect()
        );
    }
    let vmid = &root["$defs"]["lxc_spec"]["properties"]["vmid"];
    assert_eq!((&vmid["minimum"], &vmid["maximum"]), (&json!(Vmid::MIN), &json!(Vmid::MAX)));
}

fn spec() -> impl Strategy<Value = Value> {
    let mut names = names();
    names.extend(["vmid", "run_state", "data_bearing", "ensure", "nets", "cloud_init"]);
    let member = (prop::sample::select(names), prop::sample::select(values()));
    (Just(()), prop::collection::vec(member, 0..6)).prop_map(|((), members)| {
        let mut spec = Map::from_iter([("vmid".to_owned(), json!(101))]);
        spec.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Value::Object(spec)
    })
}

proptest! {
    #[test]
    fn schema_and_parser_agree_on_specs_made_at_random(spec in spec(), kind in prop::sample::select(vec!["lxc_guest", "vm_guest"])) {
        let document = document(json!({"id": "a", "kind": kind, "spec": spec}));
        prop_assert_eq!(schema_takes(&document), parser_takes(&document), "{}", document);
    }
}

//! What is accepted, what one resource is refused for, and what the whole document is refused for.

use proptest::prelude::{any, prop, proptest};
use serde_json::{Value as Free, json};

use super::{MAX_BYTES, ManifestError, goes_back, parse};
use crate::model::desired::{
    DesiredGuest, DesiredState, DriftPolicy, Ensure, Field, RefusedState, Startup, Value, WantedRun,
};
use crate::model::guest::GuestKind;
use crate::model::sorted::{Map, Set};
use crate::model::time::Timestamp;
use crate::normalize;

const NOW: u64 = 1_795_242_415;

fn read(text: &str) -> Result<DesiredState, ManifestError> {
    parse(text.as_bytes(), "host-1", Timestamp::from_unix(NOW))
}

fn document(resources: &Free) -> String {
    json!({"api_version": "felhom/v1", "host_id": "host-1", "generation": 7, "resources": resources})
        .to_string()
}

fn lxc(spec: &Free) -> Free {
    json!({"id": "web", "kind": "lxc_guest", "spec": spec})
}

/// The one guest of a document with this spec.
fn guest(kind: &str, spec: &Free) -> DesiredGuest {
    let state = read(&document(&json!([{"id": "web", "kind": kind, "spec": spec}]))).unwrap();
    assert_eq!(state.refused, []);
    state.guests.into_iter().next().unwrap()
}

/// The one refusal of a document with this one resource.
fn refusal(resource: &Free) -> (RefusedState, String) {
    refusal_in(&document(&json!([resource])))
}

fn refusal_in(document: &str) -> (RefusedState, String) {
    let state = read(document).unwrap();
    assert_eq!(state.guests, []);
    let refused = state.refused.into_iter().next().unwrap();
    (refused.state, refused.message)
}

#[test]
fn every_field_of_a_container_is_read() {
    let web = guest(
        "lxc_guest",
        &json!({"vmid": 101, "run_state": "running", "name": "Web.example", "description": "two\nlines\n",
            "tags": ["prod", "B+.x"], "cores": 2, "memory_mb": 1024, "swap_mb": 0, "on_boot": true,
            "startup": {"order": 1, "up_s": 30, "down_s": 60}, "protection": false, "data_bearing": false}),
    );
    assert_eq!(web.guest.to_string(), "lxc/101");
    assert_eq!(web.run_state, Some(WantedRun::Running));
    assert!(!web.data_bearing);
    let tags = Set::from(["prod".to_owned(), "B+.x".to_owned()]);
    let expected = Map::from([
        (Field::Name, Value::Text("Web.example".to_owned())),
        (Field::Description, Value::Text("two\nlines\n".to_owned())),
        (Field::Tags, Value::Tags(tags)),
        (Field::Cores, Value::Number(2)),
        (Field::MemoryMb, Value::Number(1024)),
        (Field::SwapMb, Value::Number(0)),
        (Field::OnBoot, Value::Flag(true)),
        (Field::Startup, Value::Startup(Startup { order: Some(1), up_s: Some(30), down_s: Some(60) })),
        (Field::Protection, Value::Flag(false)),
    ]);
    assert_eq!(web.fields, expected);
}

#[test]
fn nets_cloud_init_and_shorthands_are_read() {
    let db = guest(
        "vm_guest",
        &json!({"vmid": 200, "cpu": "host", "agent": true, "machine": {"type": "q35", "viommu": "absent"},
            "boot": ["scsi0", "net0"], "cpu_limit": 1.50, "hotplug": ["usb", "disk", "usb"], "nameserver": "1.1.1.1",
            "nets": [{"key": "net0", "mac": "bc:24:11:00:00:01", "vlan": 30, "ensure": "present"},
                {"key": "net1", "ensure": "absent"}],
            "cloud_init": {"user": "me", "ip": [{"key": "ipconfig0", "ip6": "FD00:0::1/64"}]}}),
    );
    let text = |text: &str| Value::Text(text.to_owned());
    let list = |items: &[&str]| Value::List(items.iter().map(|item| (*item).to_owned()).collect());
    let expected = Map::from([
        (Field::Cpu, Value::Map(vec![("type", text("host"))])),
        (Field::Agent, Value::Map(vec![("enabled", Value::Flag(true))])),
        (Field::Machine, Value::Map(vec![("type", text("q35")), ("viommu", Value::Absent)])),
        (Field::Boot, list(&["scsi0", "net0"])),
        (Field::CpuLimit, text("1.5")),
        (Field::Hotplug, list(&["disk", "usb"])),
        (Field::Nameserver, list(&["1.1.1.1"])),
        (Field::CloudInitUser, text("me")),
        (Field::Net(0), Value::Map(vec![("mac", text("BC:24:11:00:00:01")), ("vlan", Value::Number(30))])),
        (Field::Net(1), Value::Absent),
        (Field::IpConfig(0), Value::Map(vec![("ip6", text("fd00::1/64"))])),
    ]);
    assert_eq!(db.fields, expected);
}

#[test]
fn what_is_not_named_is_not_managed() {
    let db = guest("vm_guest", &json!({"vmid": 200}));
    assert_eq!(db.guest.kind, GuestKind::Qemu);
    assert_eq!((db.run_state, db.fields.len(), db.suspend, db.drift), (None, 0, false, DriftPolicy::Correct));
    assert!(db.data_bearing, "a guest holds data unless the manifest says that it does not");
}

#[test]
fn absent_is_a_value_of_every_field_but_no_other() {
    for (name, kind) in [("lxc_guest", GuestKind::Lxc), ("vm_guest", GuestKind::Qemu)] {
        let mut spec = json!({"vmid": 101});
        for row in normalize::rows(kind) {
            match (row.field, row.field.as_str().split_once('.')) {
                (Field::Net(_), _) => spec["nets"] = json!([{"key": "net0", "ensure": "absent"}]),
                (Field::IpConfig(_), _) => {
                    spec["cloud_init"]["ip"] = json!([{"key": "ipconfig0", "ensure": "absent"}]);
                }
                (_, Some((outer, inner))) => spec[outer][inner] = json!("absent"),
                (field, None) => spec[field.as_str()] = json!("absent"),
            }
        }
        let web = guest(name, &spec);
        assert_eq!(web.fields.len(), normalize::rows(kind).len());
        assert!(web.fields.values().all(|value| *value == Value::Absent));
    }
    for member in ["run_state", "data_bearing", "vmid"] {
        let mut spec = json!({"vmid": 101});
        spec[member] = json!("absent");
        let (state, message) = refusal(&lxc(&spec));
        assert_eq!(state, RefusedState::InvalidSpec);
        assert!(message.starts_with(&format!("spec.{member}: found \"absent\"")), "{message}");
    }
}

#[test]
fn a_bad_value_is_refused_with_its_path_what_was_found_and_what_is_allowed() {
    let long = "x".repeat(8_193);
    for (spec, path, found) in [
        (json!({}), "spec.vmid", "is missing"),
        (json!({"vmid": 99}), "spec.vmid", "allowed are 100 to 999999999"),
        (json!({"vmid": "101"}), "spec.vmid", "found \"101\", allowed is a whole number"),
        (json!({"vmid": 101.5}), "spec.vmid", "found 101.5"),
        (json!({"vmid": 101, "run_state": "up"}), "spec.run_state", "\"running\" or \"stopped\""),
        (json!({"vmid": 101, "cores": 0}), "spec.cores", "found 0, allowed is a whole number from 1 to 8192"),
        (json!({"vmid": 101, "cores": 8193}), "spec.cores", "found 8193"),
        (json!({"vmid": 101, "cores": 2.0}), "spec.cores", "found 2"),
        (json!({"vmid": 101, "cores": "2"}), "spec.cores", "found \"2\""),
        (json!({"vmid": 101, "cores": -1}), "spec.cores", "found -1"),
        (json!({"vmid": 101, "cores": null}), "spec.cores", "found null"),
        (json!({"vmid": 101, "memory_mb": 15}), "spec.memory_mb", "from 16 to"),
        (json!({"vmid": 101, "swap_mb": u64::MAX}), "spec.swap_mb", "from 0 to"),
        (json!({"vmid": 101, "on_boot": 1}), "spec.on_boot", "found 1, allowed is true or false"),
        (json!({"vmid": 101, "name": ""}), "spec.name", "DNS name"),
        (json!({"vmid": 101, "name": "a_b"}), "spec.name", "DNS name"),
        (json!({"vmid": 101, "name": "-a"}), "spec.name", "DNS name"),
        (json!({"vmid": 101, "name": "a..b"}), "spec.name", "DNS name"),
        (json!({"vmid": 101, "name": "a\nb"}), "spec.name", "DNS name"),
        (json!({"vmid": 101, "name": "x".repeat(256)}), "spec.name", "(256 characters)"),
        (json!({"vmid": 101, "description": "0"}), "spec.description", "takes \"0\" for no description"),
        (json!({"vmid": 101, "description": "0\n"}), "spec.description", "takes \"0\""),
        (json!({"vmid": 101, "description": long}), "spec.description", "at most 8192 characters"),
        (json!({"vmid": 101, "tags": "a;b"}), "spec.tags", "an array"),
        (json!({"vmid": 101, "tags": ["a", "b;c"]}), "spec.tags[1]", "found \"b;c\", allowed is a tag"),
        (json!({"vmid": 101, "tags": [""]}), "spec.tags[0]", "found \"\""),
        (json!({"vmid": 101, "tags": ["-a"]}), "spec.tags[0]", "found \"-a\""),
        (json!({"vmid": 101, "tags": ["ä"]}), "spec.tags[0]", "found \"ä\""),
        (json!({"vmid": 101, "startup": {}}), "spec.startup", "at least one of"),
        (json!({"vmid": 101, "startup": [1, 2]}), "spec.startup", "found an array, allowed is an object"),
        (
            json!({"vmid": 101, "startup": {"order": 4_294_967_296_u64}}),
            "spec.startup.order",
            "found 4294967296",
        ),
        (
            json!({"vmid": 101, "startup": {"up": 1}}),
            "spec.startup.up",
            "unknown field, allowed are order, up_s, down_s",
        ),
        (
            json!({"vmid": 101, "hostname": "web"}),
            "spec.hostname",
            "unknown field, allowed are vmid, ensure, run_state",
        ),
        (json!({"vmid": 101, "mounts": [{"key": "scsi0"}]}), "spec.mounts[0].key", "allowed is mp0 to mp255"),
        (
            json!({"vmid": 101, "mounts": [{"key": "mp0"}, {"key": "mp0"}]}),
            "spec.mounts[1].key",
            "stands there twice",
        ),
        (json!({"vmid": 101, "nets": {}}), "spec.nets", "allowed is an array"),
        (json!({"vmid": 101, "nets": [{}]}), "spec.nets[0].key", "is missing"),
        (json!({"vmid": 101, "nets": [{"key": "eth0"}]}), "spec.nets[0].key", "allowed is net0 to net31"),
        (
            json!({"vmid": 101, "nets": [{"key": "ipconfig0"}]}),
            "spec.nets[0].key",
            "allowed is net0 to net31",
        ),
        (
            json!({"vmid": 101, "nets": [{"key": "net0"}, {"key": "net0"}]}),
            "spec.nets[1].key",
            "net0 stands there twice",
        ),
        (
            json!({"vmid": 101, "nets": [{"key": "net0", "vlan": "x"}]}),
            "spec.nets[0].vlan",
            "found \"x\", allowed is a whole number from 1 to 4094",
        ),
        (
            json!({"vmid": 101, "nets": [{"key": "net0", "mac": "absent"}]}),
            "spec.nets[0].mac",
            "never without",
        ),
        (
            json!({"vmid": 101, "nets": [{"key": "net0", "mac": "01:00:00:00:00:00"}]}),
            "spec.nets[0].mac",
            "multicast",
        ),
        (
            json!({"vmid": 101, "nets": [{"key": "net0", "bridge": "a,b"}]}),
            "spec.nets[0].bridge",
            "letters, digits",
        ),
        (
            json!({"vmid": 101, "nets": [{"key": "net0", "ip": "10.0.0.1"}]}),
            "spec.nets[0].ip",
            "with its prefix",
        ),
        (
            json!({"vmid": 101, "nets": [{"key": "net0", "model": "virtio"}]}),
            "spec.nets[0].model",
            "unknown field",
        ),
        (
            json!({"vmid": 101, "nets": [{"key": "net0", "ensure": "absent", "vlan": 1}]}),
            "spec.nets[0].vlan",
            "unknown field, allowed are key, ensure",
        ),
        (json!({"vmid": 101, "features": {}}), "spec.features", "at least one member"),
        (json!({"vmid": 101, "features": true}), "spec.features", "allowed is an object"),
        (json!({"vmid": 101, "features": {"nesting": 1}}), "spec.features.nesting", "true or false"),
        (
            json!({"vmid": 101, "features": {"mount": ["nfs;cifs"]}}),
            "spec.features.mount[0]",
            "letters, digits",
        ),
        (json!({"vmid": 101, "nameserver": ["1.1.1.1", "one"]}), "spec.nameserver[1]", "an IP address"),
        (json!({"vmid": 101, "search_domain": "a b"}), "spec.search_domain", "DNS name"),
        (json!({"vmid": 101, "timezone": "Europe/\nBudapest"}), "spec.timezone", "parts separated by '/'"),
        (json!({"vmid": 101, "entrypoint": "/init\r"}), "spec.entrypoint", "without control characters"),
        (json!({"vmid": 101, "os_type": "l26"}), "spec.os_type", "one of debian, devuan"),
        (json!({"vmid": 101, "cpu_limit": "1,5"}), "spec.cpu_limit", "a number from 0 to 8192"),
        (json!({"vmid": 101, "cloud_init": {}}), "spec.cloud_init", "a container has no such field"),
        (json!({"vmid": 101, "bios": "ovmf"}), "spec.bios", "a container has no such field"),
        (json!({"vmid": 101, "provision": {}}), "spec.provision.from", "is missing"),
        (
            json!({"vmid": 101, "provision": {"from": "clone", "source": "101"}}),
            "spec.provision.source",
            "of another guest",
        ),
        (json!([101]), "spec", "found an array, allowed is an object"),
    ] {
        let (state, message) = refusal(&lxc(&spec));
        assert_eq!(state, RefusedState::InvalidSpec, "{spec}");
        assert!(message.starts_with(&format!("{path}: ")), "{spec}: {message}");
        assert!(message.contains(found), "{spec}: {message}");
    }
}

#[test]
fn a_vm_has_no_swap() {
    let (state, message) =
        refusal(&json!({"id": "db", "kind": "vm_guest", "spec": {"vmid": 200, "swap_mb": 0}}));
    assert_eq!(
        (state, message.as_str()),
        (RefusedState::InvalidSpec, "spec.swap_mb: a VM has no such field")
    );
}

#[test]
fn a_kind_that_is_not_managed_is_an_unknown_resource_and_never_ignored() {
    for (kind, said) in [
        ("file", "is not managed by this version"),
        ("shell_job", "is not managed by this version"),
        ("LXC_guest", "allowed are \"lxc_guest\" and \"vm_guest\""),
        ("", "allowed are"),
    ] {
        let (state, message) =
            refusal(&json!({"id": "x", "kind": kind, "spec": {"whatever": [1, {"a": null}]}}));
        assert_eq!(state, RefusedState::UnknownResource);
        assert!(message.starts_with("kind: ") && message.contains(said), "{message}");
    }
}

#[test]
fn a_bad_resource_leaves_the_others_alone() {
    let state = read(&document(&json!([
        {"id": "db", "kind": "vm_guest", "spec": {"vmid": 200, "cores": 4}},
        {"id": "bad", "kind": "lxc_guest", "spec": {"vmid": 102, "cores": "many"}},
        {"id": "conf", "kind": "file", "spec": {}},
        7,
        {"id": "web", "kind": "lxc_guest", "spec": {"vmid": 101}},
    ])))
    .unwrap();
    let guests: Vec<String> = state.guests.iter().map(|guest| guest.guest.to_string()).collect();
    assert_eq!(guests, ["lxc/101", "qemu/200"], "by vmid");
    let refused: Vec<&str> = state.refused.iter().map(|refused| refused.resource_id.as_str()).collect();
    assert_eq!(refused, ["bad", "conf", "resources[3]"]);
}

#[test]
fn a_guest_that_should_not_exist_is_said_so_in_the_resource_or_in_its_spec() {
    let in_resource =
        |ensure: &str, spec: Free| json!({"id": "web", "kind": "lxc_guest", "ensure": ensure, "spec": spec});
    for (resource, expected) in [
        (in_resource("absent", json!({"vmid": 101})), Ensure::Absent),
        (in_resource("absent", json!({"vmid": 101, "ensure": "absent", "cores": 2})), Ensure::Absent),
        (in_resource("absent", json!({"vmid": 101, "ensure": "present"})), Ensure::Absent),
        (in_resource("present", json!({"vmid": 101})), Ensure::Present),
        (lxc(&json!({"vmid": 101, "ensure": "absent"})), Ensure::Absent),
        (lxc(&json!({"vmid": 101})), Ensure::Present),
    ] {
        let desired = read(&document(&json!([resource]))).unwrap();
        assert_eq!(desired.guests[0].ensure, expected);
    }
    let (_, message) = refusal(&in_resource("present", json!({"vmid": 101, "ensure": "absent"})));
    assert!(message.contains("spec.ensure"), "{message}");
}

#[test]
fn members_of_a_resource_are_as_strict_as_its_spec() {
    let with = |member: &str, value: Free| {
        let mut resource = lxc(&json!({"vmid": 101}));
        resource[member] = value;
        resource
    };
    for (resource, path) in [
        (with("suspend", json!("yes")), "suspend: found \"yes\""),
        (with("drift", json!("ignore")), "drift: found \"ignore\""),
        (
            with("ignore", json!(["cores", "nets"])),
            "ignore[1]: found \"nets\", allowed is run_state, the name of",
        ),
        (
            with("ignore", json!(["mp256"])),
            "ignore[0]: found \"mp256\", allowed is run_state, the name of a field, a card as in net0, or a volume",
        ),
        (with("ignore", json!(["scsi0"])), "ignore[0]: found \"scsi0\""),
        (with("ignore", json!("cores")), "ignore: found \"cores\", allowed is an array"),
        (with("depends_on", json!(["db"])), "depends_on: found \"db\", allowed are the ids of resources"),
        (with("depends_on", json!(["a b"])), "depends_on[0]: found \"a b\""),
        (with("depends_on", json!(vec!["db"; 65])), "depends_on: allowed are at most 64"),
        (with("ensure", json!("gone")), "ensure: found \"gone\", allowed is"),
        (
            with("on_remove", json!("destroy")),
            "on_remove: found \"destroy\", allowed is \"keep\" or \"stop\"",
        ),
        (with("susspend", json!(true)), "susspend: unknown field, allowed are id, kind, suspend, drift"),
        (with("id", json!("a b")), "id: found \"a b\""),
        (with("id", json!(7)), "id: found 7"),
        (json!({"kind": "lxc_guest", "spec": {"vmid": 101}}), "id: is missing"),
        (json!({"id": "x", "spec": {"vmid": 101}}), "kind: is missing"),
        (json!({"id": "x", "kind": "lxc_guest"}), "spec: is missing"),
        (json!(["x", "lxc_guest"]), "resource: found an array"),
    ] {
        let (state, message) = refusal(&resource);
        assert_eq!(state, RefusedState::InvalidSpec);
        assert!(message.starts_with(path), "{message}");
    }
}

#[test]
fn drift_ignore_and_suspend_are_read() {
    let text = json!({"api_version": "felhom/v1", "host_id": "host-1", "generation": 0,
        "defaults": {"drift": "report", "on_remove": "keep"}, "a_member_of_a_later_version": {},
        "resources": [
            {"id": "a", "kind": "lxc_guest", "spec": {"vmid": 101, "run_state": "running"},
             "ignore": ["tags", "run_state", "rootfs", "mp0"], "suspend": true, "depends_on": []},
            {"id": "b", "kind": "lxc_guest", "spec": {"vmid": 102}, "drift": "correct"}]});
    let state = read(&text.to_string()).unwrap();
    let [a, b] = state.guests.as_slice() else { panic!("{state:?}") };
    assert_eq!((a.drift, a.suspend, a.run_state), (DriftPolicy::Report, true, None));
    assert_eq!(a.ignore, Set::from([Field::Tags]));
    assert_eq!(a.ignored_volumes, Set::from(["mp0".to_owned(), "rootfs".to_owned()]));
    assert_eq!((b.drift, b.suspend), (DriftPolicy::Correct, false));
}

#[test]
fn a_key_that_stands_twice_is_refused_at_every_depth() {
    let whole = |resource: &str| {
        format!(r#"{{"api_version":"felhom/v1","host_id":"host-1","generation":1,"resources":[{resource}]}}"#)
    };
    for (resource, path) in [
        (r#"{"id":"a","id":"b","kind":"lxc_guest","spec":{"vmid":101}}"#, "id:"),
        (r#"{"id":"a","kind":"lxc_guest","spec":{"vmid":101,"cores":1,"cores":2}}"#, "spec.cores:"),
        (
            r#"{"id":"a","kind":"lxc_guest","spec":{"vmid":101,"startup":{"order":1,"order":1}}}"#,
            "spec.startup.order:",
        ),
        (r#"{"id":"a","kind":"file","spec":{"x":[0,{"y":1,"y":1}]}}"#, "spec.x[1].y:"),
    ] {
        let (state, message) = refusal_in(&whole(resource));
        assert_eq!(state, RefusedState::InvalidSpec);
        assert!(message.starts_with(path) && message.contains("twice"), "{message}");
    }
    for text in [
        r#"{"api_version":"felhom/v1","host_id":"host-1","generation":1,"generation":2,"resources":[]}"#,
        r#"{"api_version":"felhom/v1","host_id":"host-1","generation":1,"resources":[],"defaults":{"drift":"report","drift":"correct"}}"#,
    ] {
        assert!(read(text).is_err_and(|error| error.to_string().contains("twice")), "{text}");
    }
}

/// A document of resources that depend on others.
fn depending(resources: &[(&str, &[&str])]) -> String {
    let resource = |(index, (id, depends_on)): (usize, &(&str, &[&str]))| json!({"id": id, "kind": "lxc_guest", "depends_on": depends_on, "spec": {"vmid": 100 + index}});
    document(&json!(resources.iter().enumerate().map(resource).collect::<Vec<_>>()))
}

#[test]
fn what_a_resource_depends_on_is_read_once_each_and_may_come_later_or_by_two_ways() {
    let state =
        read(&depending(&[("a", &["d", "b", "d"]), ("b", &["c"]), ("c", &[]), ("d", &["c"])])).unwrap();
    assert!(state.refused.is_empty(), "{state:?}");
    assert_eq!(state.guests[0].policy.depends_on, ["b", "d"]);
}

#[test]
fn a_chain_as_long_as_a_document_can_hold_is_gone_through_in_time() {
    let resources: Vec<Free> = (0..20_000)
        .map(|number| {
            let next: Vec<String> =
                (number < 19_999).then(|| format!("r{}", number + 1)).into_iter().collect();
            json!({"id": format!("r{number}"), "kind": "lxc_guest", "depends_on": next,
                "spec": {"vmid": 100 + number}})
        })
        .collect();
    assert_eq!(read(&document(&json!(resources))).unwrap().guests.len(), 20_000);
}

#[test]
fn whether_a_resource_is_stopped_when_it_leaves_is_said_by_itself_or_by_the_defaults() {
    for (default, own, stops) in [
        (json!({}), json!({}), false),
        (json!({}), json!({"on_remove": "stop"}), true),
        (json!({"on_remove": "stop"}), json!({}), true),
        (json!({"on_remove": "stop"}), json!({"on_remove": "keep"}), false),
    ] {
        let mut resource = lxc(&json!({"vmid": 101}));
        resource.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        let mut text: Free = serde_json::from_str(&document(&json!([resource]))).unwrap();
        text["defaults"] = default;
        assert_eq!(read(&text.to_string()).unwrap().guests[0].policy.stop_on_remove, stops, "{text}");
    }
}

#[test]
fn a_document_that_cannot_be_trusted_is_refused_whole() {
    let with = |member: &str, value: Free| {
        let mut document: Free = serde_json::from_str(&document(&json!([]))).unwrap();
        document[member] = value;
        document.to_string()
    };
    let two = |one: Free, other: Free| document(&json!([one, other]));
    let without = |member: &str| {
        let mut document: Free = serde_json::from_str(&document(&json!([]))).unwrap();
        document.as_object_mut().unwrap().remove(member);
        document.to_string()
    };
    for (text, code, said) in [
        (String::new(), "not_json", "not JSON"),
        ("[]".to_owned(), "invalid_manifest", "found an array, allowed is an object"),
        (format!("{} x", document(&json!([]))), "not_json", "trailing"),
        ("[".repeat(100_000), "not_json", "recursion"),
        (with("host_id", json!("host-2")), "wrong_host", "\"host-2\", this is \"host-1\""),
        (with("host_id", json!(["host-1"])), "invalid_manifest", "host_id: found an array"),
        (with("api_version", json!("felhom/v2")), "api_version", "found \"felhom/v2\""),
        (with("generation", json!(-1)), "invalid_manifest", "generation: found -1"),
        (with("generation", json!("7")), "invalid_manifest", "generation: found \"7\""),
        (with("expires_at", json!("2026-11-21T06:26:55Z")), "expired", "expired at 2026-11-21T06:26:55Z"),
        (
            with("expires_at", json!("soon")),
            "invalid_manifest",
            "expires_at: \"soon\" is not an RFC 3339 time",
        ),
        (with("expires_at", json!(null)), "invalid_manifest", "expires_at: found null"),
        (with("resources", json!({})), "invalid_manifest", "resources: found an object, allowed is an array"),
        (with("defaults", json!({"drfit": "report"})), "invalid_manifest", "defaults.drfit: unknown field"),
        (with("defaults", json!({"drift": true})), "invalid_manifest", "defaults.drift: found true"),
        (with("defaults", json!({"on_remove": true})), "invalid_manifest", "defaults.on_remove: found true"),
        (
            depending(&[("a", &["b"]), ("b", &["c"]), ("c", &["d", "b"]), ("d", &[])]),
            "dependency_cycle",
            "none could ever begin: b, c",
        ),
        (depending(&[("a", &["a"])]), "dependency_cycle", "begin: a"),
        (without("generation"), "invalid_manifest", "generation: is missing"),
        (without("host_id"), "invalid_manifest", "host_id: is missing"),
        (without("api_version"), "invalid_manifest", "api_version: is missing"),
        (without("resources"), "invalid_manifest", "resources: is missing"),
        (
            two(lxc(&json!({"vmid": 101})), lxc(&json!({"vmid": 102}))),
            "duplicate_id",
            "two resources have the id \"web\"",
        ),
        (
            two(lxc(&json!({"vmid": 101})), json!({"id": "web", "kind": "file", "spec": {}})),
            "duplicate_id",
            "\"web\"",
        ),
        (
            two(
                lxc(&json!({"vmid": 101})),
                json!({"id": "b", "kind": "vm_guest", "spec": {"vmid": 101, "cores": 0}}),
            ),
            "duplicate_vmid",
            "\"web\" and \"b\" both name vmid 101",
        ),
    ] {
        let error = read(&text).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn a_document_over_the_limit_is_not_even_read() {
    let bytes = vec![b' '; MAX_BYTES + 1];
    assert_eq!(
        parse(&bytes, "host-1", Timestamp::from_unix(NOW)),
        Err(ManifestError::TooLarge { found: MAX_BYTES + 1 })
    );
}

#[test]
fn a_spec_with_a_great_many_unknown_fields_is_refused_in_time() {
    let fields: serde_json::Map<String, Free> =
        (0..200_000).map(|number| (format!("f{number}"), json!(0))).collect();
    let (state, message) = refusal(&lxc(&Free::Object(fields)));
    assert_eq!(state, RefusedState::InvalidSpec);
    assert!(message.starts_with("spec.vmid: is missing"), "{message}");
}

#[test]
fn a_document_is_in_force_until_its_last_second() {
    let text = |at: &str| {
        let mut document: Free = serde_json::from_str(&document(&json!([]))).unwrap();
        document["expires_at"] = json!(at);
        document.to_string()
    };
    assert_eq!(read(&text("2026-11-21T06:26:56Z")).unwrap().generation, 7);
    assert_eq!(read(&text("2026-11-21T06:26:55Z")).unwrap_err().code(), "expired");
}

#[test]
fn the_digest_is_of_the_bytes_as_they_came() {
    let text = document(&json!([]));
    let state = read(&text).unwrap();
    assert_eq!(state.sha256.len(), 64);
    assert_ne!(state.sha256, read(&format!("{text} ")).unwrap().sha256);
    assert_eq!(state.generation, 7);
}

#[test]
fn a_generation_may_stay_and_rise_but_not_fall() {
    let state = read(&document(&json!([]))).unwrap();
    for (in_force, accepted) in [(None, true), (Some(6), true), (Some(7), true), (Some(8), false)] {
        assert_eq!(goes_back(&state, in_force).is_ok(), accepted, "{in_force:?}");
    }
}

proptest! {
    /// Whatever the bytes, the parser ends with an answer.
    #[test]
    fn no_bytes_bring_the_parser_down(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        parse(&bytes, "host-1", Timestamp::from_unix(NOW)).ok();
    }

    /// One byte of a good document changed: parsed or refused, and never a value out of bounds.
    #[test]
    fn a_damaged_document_gives_no_value_out_of_bounds(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = document(&json!([lxc(&json!({"vmid": 101, "cores": 2, "memory_mb": 512, "tags": ["a"]}))])).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(state) = parse(&bytes, "host-1", Timestamp::from_unix(NOW)) {
            for guest in state.guests {
                for (field, value) in guest.fields {
                    match (field, value) {
                        (Field::Cores, Value::Number(cores)) => assert!((1..=8_192).contains(&cores)),
                        (Field::MemoryMb, Value::Number(memory)) => assert!(memory >= 16),
                        (_, value) => assert!(!matches!(value, Value::Raw(_))),
                    }
                }
            }
        }
    }
}

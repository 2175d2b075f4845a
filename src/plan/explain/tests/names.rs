//! The names by which a resource and its fields are asked for.

use serde_json::{Value as Free, json};

use super::super::{Known, explain, member, target};
use super::{Scene, state, words};
use crate::model::guest::{GuestKind, RunState};
use crate::model::sorted::Map;
use crate::plan::Settings;

#[test]
fn every_field_of_the_schema_and_every_member_of_a_resource_can_be_explained() {
    let schema: Free = serde_json::from_str(include_str!("../../../../etc/schema/manifest.json")).unwrap();
    for (kind, definition) in [(GuestKind::Lxc, "lxc_spec"), (GuestKind::Qemu, "vm_spec")] {
        let scene = Scene::of(kind, RunState::Running, &[], json!({"spec": {}}));
        let names = |path: String| schema.pointer(&path).and_then(Free::as_object).unwrap().keys().cloned();
        let spec = names(format!("/$defs/{definition}/properties"));
        let resource = member::all().filter(|member| !member.in_spec).map(|member| member.name.to_owned());
        for name in spec.chain(resource) {
            let told = scene.tell(&name);
            let is_group = told.get("group").is_some();
            assert!(
                is_group || told["rule"].as_array().is_some_and(|rule| !rule.is_empty()),
                "{name}: {told:#}"
            );
        }
        for row in crate::normalize::rows(kind) {
            let name = target::Target::Row(row.field, None).name();
            for part in row.parts() {
                assert!(scene.tell(&format!("{name}.{part}"))["rule"].is_array(), "{name}.{part}");
            }
        }
    }
    let beside: Vec<&str> = member::all().map(|member| member.name).collect();
    let known = ["id", "kind", "spec"];
    for definition in ["lxc_guest", "vm_guest"] {
        if let Some(members) =
            schema.pointer(&format!("/$defs/{definition}/properties")).and_then(Free::as_object)
        {
            for name in members.keys() {
                assert!(known.contains(&name.as_str()) || beside.contains(&name.as_str()), "{name}");
            }
        }
    }
}

#[test]
fn an_unknown_field_is_told_with_the_names_next_to_it() {
    let scene = Scene::lxc(RunState::Running, &[], json!({"spec": {}}));
    for (field, near) in [
        ("memory", "memory_mb"),
        ("nets.net0.brigde", "nets.net0.bridge"),
        ("nets.net77", "nets.net0"),
        ("mounts.net0", "mounts.mp0"),
        ("nets.mp0", "nets.net0"),
        ("bios", "a container has no field"),
        ("cipassword", "a container has no field"),
        ("rootfs.size", "rootfs.size_gb"),
        ("\u{1b}[2J", "\\u{1b}[2J"),
    ] {
        let unknown = scene.ask(&format!("web.{field}")).unwrap_err();
        assert_eq!(unknown.code, "unknown_field", "{field}");
        assert!(unknown.message.contains(near), "{field}: {}", unknown.message);
        assert!(unknown.message.contains("etc/schema/manifest.json"), "{}", unknown.message);
    }
}

#[test]
fn of_ids_with_dots_the_longest_that_exists_is_meant_and_a_number_is_as_good() {
    let desired = state(&json!([
        {"id": "web", "kind": "lxc_guest", "spec": {"vmid": 101}},
        {"id": "web.cores", "kind": "lxc_guest", "spec": {"vmid": 102}},
        {"id": "103", "kind": "lxc_guest", "spec": {"vmid": 104}},
        {"id": "odd", "kind": "pod", "spec": {}},
    ]));
    let known = Known {
        desired: &desired,
        source: "x",
        settings: &Settings::default(),
        look: None,
        statuses: &Map::new(),
        halt: None,
        busy: &[],
        outdated: &[],
    };
    for (name, guest, field) in [
        ("web", "lxc/101", ""),
        ("web.memory_mb", "lxc/101", "memory_mb"),
        ("web.cores", "lxc/102", ""),
        ("web.cores.cores", "lxc/102", "cores"),
        ("102.cores", "lxc/102", "cores"),
        ("103", "lxc/104", ""),
        ("104.nets.net0.ip", "lxc/104", "nets.net0.ip"),
    ] {
        let told = explain(&known, name).unwrap();
        assert_eq!((words(&told, "/guest"), words(&told, "/field")), (guest, field), "{name}");
    }
    let odd = explain(&known, "odd.cores").unwrap();
    assert!(words(&odd, "/refused").contains("pod"), "{odd:#}");
    for name in ["", "nobody", "we", "webb", "web2.cores", "10", "1021"] {
        let unknown = explain(&known, name).unwrap_err();
        assert_eq!(unknown.code, "unknown_resource", "{name}");
        assert!(unknown.message.contains("103, odd, web, web.cores"), "{}", unknown.message);
    }
    let unread = explain(&known, "web.run_state").unwrap();
    assert_eq!(words(&unread, "/standing"), "unmanaged");
}

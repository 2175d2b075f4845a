//! `explain`, of a resource and of its fields, by the daemon and without one: the same is told, and what is announced is what is done.

use serde_json::{Value, json};

use crate::schema::Schema;
use crate::socket::get;
use crate::stage::{Daemon, HOST_ID, Stage, lxc, manifest, vm};

fn ignoring(mut resource: Value, fields: &[&str]) -> Value {
    resource["ignore"] = json!(fields);
    resource
}

/// One of everything: in order, to be corrected, held, ignored, waiting for a restart once it is written.
fn wanted() -> Value {
    json!([
        lxc(100, json!({"memory_mb": 128, "cores": 2, "tags": ["B", "a"]})),
        ignoring(lxc(101, json!({"memory_mb": 256})), &["memory_mb"]),
        lxc(107, json!({"cores": "absent", "memory_mb": 256})),
        vm(200, json!({"run_state": "running", "memory_mb": 128, "cloud_init": {"user": "me"}})),
        {"id": "odd", "kind": "pod", "spec": {}},
    ])
}

fn stage() -> Stage {
    let stage = Stage::new(|_| {});
    stage.set_key(200, "cipassword", "c4n4ry-of-a-guest");
    stage.desire(3, &wanted());
    stage
}

fn told(stage: &Stage, name: &str) -> Value {
    let told = stage.run(&["explain", "--json", name]).json(0);
    assert_eq!(Schema::explanation().faults(&told), [""; 0], "{name}: {told:#}");
    told
}

/// Standing, and the reason against it if there is one.
fn standing(told: &Value) -> (&str, &str) {
    let word = |path: &str| told.pointer(path).and_then(Value::as_str).unwrap_or_default();
    (word("/standing"), word("/why_not/reason"))
}

/// Looks, holds its peace: what is told stays true while it is asked for.
fn observing(stage: &Stage) -> Daemon {
    stage.configure(|config| config["agent"]["mode"] = json!("observe"));
    let daemon = stage.daemon();
    stage.listens(&daemon);
    daemon.until("everything is looked at", || {
        get(stage, "/v1/status").json()["observed_generation"] == json!(3)
    });
    daemon
}

#[test]
fn each_field_is_told_with_where_it_was_said_what_was_read_the_rule_and_what_happens() {
    let stage = stage();
    let source = stage.path("desired.json");
    let source = source.to_str().expect("a temporary folder has a plain name");
    stage.run(&["explain", "guest-100.cores"]).expect(
        0,
        &[
            "guest-100.cores  lxc/100 on pve  differs",
            &format!("{source}, generation 3, resources[0].spec.cores"),
            "not set (no key cores)",
            "GET /nodes/pve/lxc/100/pending",
            "a whole number from 1 to 8192",
            "without it the guest has all cores of the node",
            "VM.Config.CPU on /vms/100",
            "step 1 of 1: set cores=2, tags=a;b of lxc/100, by PUT /nodes/pve/lxc/100/config",
        ],
    );
    for (name, expected) in [
        ("guest-100.memory_mb", ("equal", "")),
        ("100.tags", ("differs", "")),
        ("guest-101.memory_mb", ("ignored", "")),
        ("guest-107.memory_mb", ("differs", "lock")),
        ("guest-107.cores", ("equal", "")),
        ("guest-100.swap_mb", ("unmanaged", "")),
        ("guest-100.rootfs.size_gb", ("unmanaged", "")),
        ("guest-100.run_state", ("unmanaged", "")),
        ("guest-200.run_state", ("equal", "")),
        ("guest-200.memory_mb", ("differs", "")),
        ("guest-200.cloud_init.user", ("differs", "")),
    ] {
        let told = told(&stage, name);
        assert_eq!(standing(&told), expected, "{name}: {told:#}");
    }
    let unmanaged = told(&stage, "100.swap_mb");
    assert_eq!((unmanaged.get("wanted"), &unmanaged["read"]["value"]), (None, &json!(512)));
    let tags = told(&stage, "100.tags");
    assert_eq!((&tags["wanted"], &tags["kept_as"]), (&json!(["B", "a"]), &json!(["a", "b"])));
    stage.run(&["explain", "guest-107.memory_mb"]).expect(0, &["(lock)", "to go on: ", "pct unlock 107"]);
    assert_eq!(stage.mutation_lines(), [""; 0]);
}

#[test]
fn a_resource_is_told_in_a_line_for_each_field_with_what_is_not_managed() {
    let stage = stage();
    stage.run(&["explain", "guest-100"]).expect(
        0,
        &[
            "guest-100  lxc/100 on pve  stopped",
            "what happens",
            "as it should be",
            "step 1 of 1",
            "not managed",
        ],
    );
    let whole = told(&stage, "guest-100");
    let fields: Vec<&str> = whole["fields"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|field| field["field"].as_str())
        .collect();
    assert_eq!(fields, ["tags", "cores", "memory_mb"]);
    assert!(
        whole["plan"]["unmanaged"].as_array().is_some_and(|names| names.contains(&json!("swap_mb"))),
        "{whole:#}"
    );
    stage.run(&["explain", "odd"]).expect(0, &["refused", "pod", "resources[4]"]);
    let group = told(&stage, "guest-200.cloud_init");
    assert_eq!(group["fields"].as_array().map(Vec::len), Some(1), "{group:#}");
}

#[test]
fn the_daemon_tells_the_same_and_who_stops_it() {
    let stage = stage();
    let names =
        ["guest-100", "guest-100.memory_mb", "guest-101.memory_mb", "guest-107.memory_mb", "200.run_state"];
    let alone: Vec<Value> = names.iter().map(|name| told(&stage, name)).collect();
    let daemon = observing(&stage);
    for (name, alone) in names.iter().zip(alone) {
        let by_daemon = told(&stage, name);
        assert_eq!(by_daemon.get("said_in"), alone.get("said_in"), "{name}");
        for member in ["wanted", "key", "read", "rule", "standing", "unmanaged"] {
            assert_eq!(by_daemon.get(member), alone.get(member), "{name} {member}");
        }
        assert_eq!(get(&stage, &format!("/v1/explain/{name}")).json()["resource"], by_daemon["resource"]);
    }
    let held = told(&stage, "guest-100.cores");
    assert_eq!(standing(&held), ("differs", "blocked"), "{held:#}");
    assert!(held["call"].is_string(), "and what would be done: {held:#}");
    told(&stage, "odd");
    let whole = told(&stage, "guest-107");
    assert_eq!(whole["status"]["state"], json!("held"));
    stage
        .run(&["explain", "guest-100"])
        .expect(0, &["halted", "agent.mode is observe", "state", "held since"]);
    let unknown = get(&stage, "/v1/explain/guest-100.memory");
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["error"]["code"], json!("unknown_field"));
    for (name, part) in [("nobody", "guest-100, guest-101"), ("guest-100.memory", "memory_mb")] {
        stage.run(&["explain", name]).expect(1, &[part]);
    }
    daemon.stop();
    for (name, part) in [("nobody", "guest-100, guest-101"), ("guest-100.memory", "memory_mb")] {
        stage.run(&["explain", name]).expect(1, &[part]);
    }
    assert_eq!(stage.mutation_lines(), [""; 0]);
}

#[test]
fn the_call_that_is_announced_is_the_one_that_is_made_and_then_it_waits_for_the_restart_or_is_equal() {
    let stage = Stage::new(|_| {});
    stage.desire(
        1,
        &json!([
            lxc(101, json!({"memory_mb": 256})),
            vm(200, json!({"run_state": "running", "memory_mb": 128})),
        ]),
    );
    let mut announced: Vec<Value> =
        ["101.memory_mb", "200.memory_mb"].iter().map(|name| told(&stage, name)["call"].clone()).collect();
    stage.run(&["apply"]).expect(0, &["2 in order"]);
    let mut made: Vec<Value> = stage.mutation_lines().into_iter().map(Value::from).collect();
    announced.sort_unstable_by_key(Value::to_string);
    made.sort_unstable_by_key(Value::to_string);
    assert_eq!(made, announced);
    assert_eq!(standing(&told(&stage, "101.memory_mb")), ("equal", ""));
    let waits = told(&stage, "200.memory_mb");
    assert_eq!(standing(&waits), ("pending_reboot", "restart_never"), "{waits:#}");
    assert_eq!((&waits["read"]["value"], &waits["read"]["next_start"]["value"]), (&json!(64), &json!(128)));
    stage.run(&["explain", "200.memory_mb"]).expect(0, &["next start  128", "to go on: restart it by hand"]);
}

#[test]
fn what_was_done_after_the_look_is_not_told_as_still_to_be_done() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| config["agent"]["reconcile_seconds"] = json!(3600));
    stage.desire(1, &json!([lxc(101, json!({"memory_mb": 256}))]));
    let daemon = stage.daemon();
    stage.listens(&daemon);
    daemon.says("guest-101 (lxc/101) is in order");
    let old = told(&stage, "101.memory_mb");
    assert_eq!((standing(&old), &old["outdated"]), (("differs", "outdated"), &json!(true)), "{old:#}");
    assert_eq!(old.get("step"), None, "{old:#}");
    stage.run(&["explain", "101"]).expect(0, &["a job of this agent has ended since"]);
    stage.run(&["apply"]).expect(0, &["in order"]);
    let new = told(&stage, "101.memory_mb");
    assert_eq!((standing(&new), &new["outdated"]), (("equal", ""), &json!(false)), "{new:#}");
    daemon.stop();
}

#[test]
fn where_it_was_said_is_a_file_of_a_folder_or_the_hub() {
    let stage = Stage::new(|_| {});
    let one = |vmid: u32| manifest(4, &json!([lxc(vmid, json!({"cores": 2}))])).to_string();
    std::fs::create_dir(stage.path("desired.d")).expect("a folder can be made");
    stage.write("desired.d/10-web.json", &one(100));
    stage.write("desired.d/20-db.json", &one(101));
    let folder = stage.path("desired.d");
    stage.configure(|config| config["desired"] = json!({"folder": folder}));
    let said = format!("{}/20-db.json, generation 4, resources[0].spec.cores", folder.display());
    stage.run(&["explain", "101.cores"]).expect(0, &[&said]);
    stage.configure(|config| config["desired"] = json!({}));
    stage.hub.publish(HOST_ID, &manifest(4, &json!([lxc(100, json!({"cores": 2}))])));
    let said = format!("the hub {}", stage.hub.url());
    stage.run(&["explain", "100.cores"]).expect(0, &[said.trim_end_matches('/'), "resources[0].spec.cores"]);
}

#[test]
fn no_secret_of_a_guest_is_told() {
    let stage = stage();
    let daemon = observing(&stage);
    for with_daemon in [true, false] {
        if !with_daemon {
            daemon.signal("TERM");
            stage.run(&["explain", "200", "--socket", "nowhere"]).expect(75, &["no daemon answers"]);
        }
        for name in ["200", "200.cloud_init", "200.cloud_init.user", "200.cipassword", "100"] {
            for json in [&[][..], &["--json"]] {
                let ended = stage.run(&[&["explain", name], json].concat());
                let all = format!("{}{}", ended.stdout, ended.stderr);
                assert!(!all.contains("c4n4ry-of-a-guest"), "{name}: {all}");
                assert_eq!(ended.code, Some(i32::from(name == "200.cipassword")), "{ended:?}");
            }
        }
    }
}

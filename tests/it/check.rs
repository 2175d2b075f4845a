//! `manifest check` as a process: every fault of a document or of a folder in one run, with nobody to ask.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::stage::{Ended, HOST_ID, Stage, lxc, manifest, vm};

const MOST: usize = 4 * 1024 * 1024;

/// Without a configuration: whoever writes a document need not have a node.
fn check(stage: &Stage, options: &[&str], file: &str) -> Ended {
    Ended::of(stage.bare().args(["manifest", "check"]).args(options).arg(file))
}

/// Nothing in it is right, and each of it in its own way.
fn all_wrong() -> Value {
    let resource = |id: &str, on: &[&str], spec: Value| {
        let kind = if spec["vmid"] == 200 { "vm_guest" } else { "lxc_guest" };
        json!({"id": id, "kind": kind, "depends_on": on, "spec": spec})
    };
    let mut held = resource("held", &["nobody", "nowhere"], json!({"vmid": 102, "rootfs": {"size_gb": 0}}));
    held["ignore"] = json!(["mp256"]);
    held["restore_test"] = json!({"up_s": "long"});
    json!({
        "api_version": "felhom/v0", "host_id": HOST_ID, "generation": -1, "expires_at": "2020-01-01T00:00:00Z",
        "defaults": {"drift": "no"}, "resources": [
            resource("web", &["db"], json!({"vmid": 101, "cores": "two", "colour": "red", "nets": [{"key": "net99"}]})),
            resource("db", &["web"], json!({"vmid": 200, "provision": {"from": "iso", "source": "x"}})),
            resource("self", &["self"], json!({"vmid": 101})),
            held,
            {"id": "web", "kind": "time_machine", "spec": {}},
        ]
    })
}

const FAULTS: [&str; 19] = [
    "api_version: found \"felhom/v0\", this agent reads \"felhom/v1\"",
    "the manifest is for host \"host-1\", this is \"host-2\"",
    "generation: found -1, allowed is a whole number",
    "the manifest expired at 2020-01-01T00:00:00Z",
    "defaults.drift: found \"no\"",
    "web: spec.cores: found \"two\"",
    "web: spec.colour: unknown field, allowed are vmid,",
    "web: spec.nets[0].key: found \"net99\"",
    "db: spec.provision.from: found \"iso\"",
    "resources \"web\" and \"self\" both name vmid 101",
    "held: spec.rootfs.size_gb: found 0",
    "held: ignore[0]: found \"mp256\", allowed is run_state, the name of a field, a card as in net0, or a volume",
    "held: restore_test.up_s: found \"long\"",
    "two resources have the id \"web\"",
    "web: kind: found \"time_machine\", allowed are \"lxc_guest\" and \"vm_guest\"",
    "none could ever begin: web, db",
    "none could ever begin: self",
    "held: depends_on: found \"nobody\", allowed are the ids of resources in the manifest",
    "held: depends_on: found \"nowhere\"",
];

#[test]
fn every_fault_of_a_document_is_named_in_one_run_in_words_and_as_json() {
    let stage = Stage::new(|_| {});
    stage.write("wrong.json", &all_wrong().to_string());
    let found = check(&stage, &["--host-id", "host-2"], "wrong.json");
    let lines: Vec<&str> = found.stdout.lines().collect();
    for fault in FAULTS {
        let count = lines.iter().filter(|line| line.starts_with(fault) || line.ends_with(fault)).count();
        assert_eq!(count, 1, "{fault}\n{}", found.stdout);
    }
    assert_eq!((found.code, lines.len()), (Some(1), FAULTS.len() + 1), "{}", found.stdout);
    assert_eq!((lines.last(), found.stderr.as_str()), (Some(&"19 faults"), ""));

    let listed = check(&stage, &["--host-id", "host-2", "--json"], "wrong.json").json(1);
    assert_eq!(listed["ok"], json!(false));
    let faults = listed["faults"].as_array().expect("a list");
    let said = |fault: &Value| {
        let (of, message) = (fault["resource"].as_str(), fault["message"].as_str().expect("a text"));
        of.map_or_else(|| message.to_owned(), |of| format!("{of}: {message}"))
    };
    assert_eq!(faults.iter().map(said).collect::<Vec<_>>(), lines[..FAULTS.len()], "the same, for programs");
    assert!(stage.node.calls().is_empty() && stage.hub.calls().is_empty());
}

#[test]
fn a_document_in_order_ends_with_0_from_a_file_and_from_standard_input() {
    let stage = Stage::new(|_| {});
    let mut document = manifest(7, &json!([lxc(101, json!({"cores": 2})), vm(200, json!({}))]));
    document["resources"][0]["ignore"] = json!(["rootfs", "mp0", "net0", "tags"]);
    document["resources"][1]["ignore"] = json!(["scsi0", "ipconfig1"]);
    stage.write("good.json", &document.to_string());
    let good = check(&stage, &["--host-id", HOST_ID], "good.json");
    assert_eq!((good.code, good.stdout.as_str(), good.stderr.as_str()), (Some(0), "in order\n", ""));
    assert_eq!(check(&stage, &["--json"], "good.json").json(0), json!({"ok": true, "faults": []}));
    check(&stage, &["--host-id", "host-2"], "good.json").expect(1, &["this is \"host-2\"", "1 fault\n"]);

    for (text, code, said) in [(document.to_string(), 0, "in order\n"), ("[]".to_owned(), 1, "1 fault\n")] {
        let mut command = stage.bare();
        command.args(["manifest", "check", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the agent starts");
        child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it reads");
        let ended = child.wait_with_output().expect("it is our child");
        let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(ended.status.code() == Some(code) && stdout.ends_with(said), "{stdout}");
    }
}

#[test]
fn what_is_no_document_is_named_with_its_place() {
    let stage = Stage::new(|_| {});
    stage.write("broken.json", "{\"api_version\": \"felhom/v1\",\n \"generation\": }");
    stage.write("twice.json", "{\"generation\": 1,\n \"generation\": 2}");
    stage.write("empty.json", "");
    stage.write("large.json", &" ".repeat(MOST + 4096));
    stage.write("signed.json", "{\"payloadType\": \"x\", \"payload\": \"\", \"signatures\": []}");
    for (file, code, part) in [
        ("broken.json", 1, "the manifest is not JSON: expected value at line 2 column 16"),
        ("twice.json", 1, "generation: the key stands there twice, allowed is once"),
        ("empty.json", 1, "the manifest is not JSON: EOF"),
        ("large.json", 1, "bytes or more, allowed are 4194304"),
        ("signed.json", 1, "it is signed: check it before it is signed"),
        ("nothing.json", 74, "cannot read nothing.json: No such file"),
        ("--nonsense", 2, "--nonsense"),
    ] {
        check(&stage, &[], file).expect(code, &[part]);
    }
    let refused = check(&stage, &["--json"], "broken.json").json(1);
    assert_eq!((&refused["ok"], &refused["faults"][0]["resource"]), (&json!(false), &Value::Null));
}

#[test]
fn a_folder_is_checked_as_the_daemon_would_read_it_and_each_file_is_named() {
    let stage = Stage::new(|_| {});
    fs::create_dir(stage.path("desired")).expect("the folder is new");
    check(&stage, &[], "desired").expect(74, &["holds no document"]);
    let write = |name: &str, resources: Value| {
        stage.write(&format!("desired/{name}"), &manifest(1, &resources).to_string());
    };
    let mut web = lxc(101, json!({}));
    web["depends_on"] = json!(["guest-200"]);
    write("10-web.json", json!([web]));
    write("20-db.json", json!([vm(200, json!({}))]));
    stage.write("desired/notes.txt", "not read");
    check(&stage, &[], "desired").expect(0, &["in order"]);

    write("30-more.json", json!([lxc(200, json!({"cores": 0}))]));
    stage.write("desired/40-broken.json", "{\n");
    let found = check(&stage, &[], "desired");
    found.expect(
        1,
        &[
            "30-more.json: two resources have the id \"guest-200\"",
            "30-more.json: guest-200: spec.cores: found 0",
            "40-broken.json: the manifest is not JSON: EOF while parsing an object at line 2 column 0",
        ],
    );
    let listed = check(&stage, &["--json"], "desired").json(1);
    assert_eq!(listed["faults"][1]["file"], json!("30-more.json"), "{listed}");
}

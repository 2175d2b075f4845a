//! When something is done about a guest, and when not: dependencies, the node's boot, the limit on what one generation may stop, guests
//! that leave, sources, signatures, two agents of one name.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use felhom_agent::model::hold::HoldReason;
use felhom_agent::status::{ConditionStatus, ConditionType, ResourceState};
use felhom_sim::node::World;
use felhom_sim::pve::{Options, PveSim};
use felhom_sim::server::{Action, Rule};
use felhom_sim::sign::{self, Key};
use serde_json::{Value, json};

use crate::rig::{Kit, Rig, condition, lxc, manifest};
use crate::stage::consent::{People, signed_manifest};
use crate::stage::{self, HOST_ID, Stage};

fn with(mut resource: Value, name: &str, member: Value) -> Value {
    resource[name] = member;
    resource
}

fn reason(rig: &Rig, id: &str) -> (Option<HoldReason>, String) {
    let hold = rig.resource(id).hold;
    (hold.as_ref().map(|hold| hold.reason), hold.map(|hold| hold.detail).unwrap_or_default())
}

fn set_key(rig: &Rig, vmid: u32, key: &str, value: &str) {
    rig.sim.world(|world| {
        let guest = world.guest_mut(vmid);
        let mut config = guest.config();
        config.main.keys.insert(key.to_owned(), value.to_owned());
        guest.save(&config);
    });
}

#[test]
fn a_guest_waits_for_those_it_depends_on_and_goes_on_by_itself() {
    let rig = Rig::new();
    let web = lxc("web", json!({"vmid": 100, "run_state": "running"}));
    let db = lxc("db", json!({"vmid": 107, "cores": 2}));
    rig.desire(&manifest(1, &[with(web, "depends_on", json!(["db"])), db]));
    rig.round();
    for _ in 0..2 {
        rig.round();
        let (reason, detail) = reason(&rig, "web");
        assert_eq!(reason, Some(HoldReason::Dependency));
        assert!(detail.contains("db, which is held"), "{detail}");
    }
    assert_eq!(rig.mutation_lines(), Vec::<String>::new());
    rig.sim.world(|world| world.guest_mut(107).set_lock(None));
    rig.round();
    // No tick any more: what comes in order has those looked at that wait for it.
    rig.settle();
    assert_eq!(
        rig.mutation_lines(),
        ["PUT /nodes/pve/lxc/107/config", "POST /nodes/pve/lxc/100/status/start"]
    );
}

#[test]
fn whoever_is_to_stop_waits_for_those_that_depend_on_it() {
    let sim = PveSim::start(Options { world: World::with_guests(4), ..Options::default() });
    let rig = Rig::on(sim);
    let stopped = |id: &str, vmid: u32| lxc(id, json!({"vmid": vmid, "run_state": "stopped"}));
    rig.desire(&manifest(1, &[stopped("db", 100), with(stopped("web", 102), "depends_on", json!(["db"]))]));
    rig.wait("web to stop", |_| !rig.runs(102));
    rig.wait("db to stop", |answer| {
        answer.busy.is_empty() && !rig.runs(100) || {
            rig.round();
            false
        }
    });
    let shutdown = |vmid: u32| format!("POST /nodes/pve/lxc/{vmid}/status/shutdown");
    assert_eq!(rig.mutation_lines(), [shutdown(102), shutdown(100)]);
}

#[test]
fn a_circle_of_dependencies_is_refused_whole_and_the_last_one_stays_in_force() {
    let rig = Rig::new();
    let web = || lxc("web", json!({"vmid": 100, "cores": 2}));
    rig.desire(&manifest(1, &[web()]));
    rig.settle();
    let db = lxc("db", json!({"vmid": 101}));
    let around = [with(web(), "depends_on", json!(["db"])), with(db, "depends_on", json!(["web"]))];
    rig.desire(&manifest(2, &around));
    let answer = rig.wait("the refusal", |answer| {
        condition(answer, ConditionType::StaleManifest) == ConditionStatus::True
    });
    assert_eq!(answer.status.manifest_generation, Some(1));
    let said = answer.status.history.last().unwrap().result.clone();
    assert!(said.contains("depend on each other") && said.ends_with("web, db"), "{said}");
    assert_eq!(rig.resource("web").state, ResourceState::Ready);
}

#[test]
fn a_guest_that_leaves_is_shut_down_once_where_that_was_said_and_is_then_its_owner_s() {
    let rig = Rig::new();
    let db = lxc("db", json!({"vmid": 101, "run_state": "running"}));
    rig.desire(&manifest(1, &[with(db, "on_remove", json!("stop"))]));
    rig.settle();
    rig.desire(&manifest(2, &[]));
    rig.wait("it to be left", |answer| {
        let is_left = !rig.runs(101) && answer.busy.is_empty() && answer.managed.is_empty();
        is_left && answer.status.resources.is_empty()
    });
    rig.sim.world(|world| {
        world.set_running(101, true);
    });
    rig.round();
    rig.round();
    assert!(rig.runs(101), "it is not stopped again");
    assert_eq!(rig.mutation_lines(), ["POST /nodes/pve/lxc/101/status/shutdown"]);
}

#[test]
fn while_the_node_boots_what_it_starts_by_itself_is_left_to_it() {
    let sim = PveSim::start(Options { world: World::with_guests(4), ..Options::default() });
    let grace = Some(Duration::from_secs(3_600));
    let rig = Rig::with(sim, Kit { boot_grace: grace, ..Kit::default() });
    set_key(&rig, 101, "onboot", "1");
    let running = |id: &str, vmid: u32| lxc(id, json!({"vmid": vmid, "run_state": "running"}));
    rig.desire(&manifest(1, &[running("by-the-node", 101), running("by-hand", 103)]));
    rig.wait("the other one to run", |_| rig.runs(103));
    rig.round();
    assert_eq!(reason(&rig, "by-the-node").0, Some(HoldReason::BootGrace));
    assert_eq!(rig.mutation_lines(), ["POST /nodes/pve/lxc/103/status/start"]);
}

#[test]
fn a_field_that_somebody_brings_back_again_and_again_is_left_alone_until_the_generation_changes() {
    let rig = Rig::new();
    let web = |cores: u32| lxc("web", json!({"vmid": 100, "cores": cores}));
    rig.desire(&manifest(1, &[web(2)]));
    rig.settle();
    for _again in 1..5 {
        set_key(&rig, 100, "cores", "4");
        rig.round();
        rig.wait("it to be brought back", |answer| {
            answer.busy.is_empty() && rig.config(100, "cores").as_deref() == Some("2")
        });
    }
    set_key(&rig, 100, "cores", "4");
    for _ in 0..3 {
        rig.round();
    }
    let error = rig.resource("web").error.unwrap();
    assert_eq!(error.code, "oscillation");
    assert!(error.message.contains("cores was brought back to 2") && error.message.contains("is 4 again"));
    assert_eq!(rig.config(100, "cores").as_deref(), Some("4"));
    rig.desire(&manifest(2, &[web(2)]));
    rig.wait("another try", |_| rig.config(100, "cores").as_deref() == Some("2"));
}

const EIGHT: std::ops::Range<u32> = 110..118;

/// Eight containers that run, all wanted stopped, and a person who may release the limit.
fn eight(people: &People) -> Stage {
    let stage = Stage::new(|world| {
        for vmid in EIGHT {
            world.add_lxc(
                vmid,
                &format!("arch: amd64\ncores: 1\nhostname: guest-{vmid}\nmemory: 256\nostype: debian\n"),
            );
            world.set_running(vmid, true);
        }
    });
    stage.trust(people);
    let guests: Vec<Value> = EIGHT.map(|vmid| stage::lxc(vmid, json!({"run_state": "stopped"}))).collect();
    stage.desire(7, &json!(guests));
    stage
}

fn stopped(stage: &Stage) -> usize {
    EIGHT.filter(|vmid| !stage.runs(*vmid)).count()
}

fn held(stage: &Stage) -> usize {
    let status = stage.run(&["status", "--json", "--socket", stage.socket().to_str().unwrap()]);
    status.stdout.matches("\"blast_radius\"").count()
}

#[test]
fn one_generation_stops_three_of_eight_and_a_crash_gives_nothing_back_until_somebody_releases_it() {
    let people = People::new();
    let stage = eight(&people);
    let daemon = stage.daemon();
    daemon.until("three to be stopped", || stopped(&stage) == 3);
    daemon.until("the others to be held", || held(&stage) >= 5);
    daemon.crash();
    let daemon = stage.daemon();
    daemon.until("the same ones to be held", || held(&stage) >= 5);
    stage.looks(&daemon, 2);
    assert_eq!((stopped(&stage), stage.mutations().len()), (3, 3));
    let release = stage.order("limit.release", "operator").params(json!({"generation": 7}));
    stage.offer_signed(&release.signed(&[&people.otto]));
    let outcome = stage.outcome(&daemon, &release.op_id());
    assert_eq!(outcome["result"], "done", "{outcome}");
    daemon.until("all to be stopped", || stopped(&stage) == 8);
    let other = stage.order("limit.release", "operator").params(json!({"generation": 6}));
    stage.offer_signed(&other.signed(&[&people.otto]));
    let outcome = stage.outcome(&daemon, &other.op_id());
    assert!(outcome["message"].as_str().unwrap().contains("generation 6 is not in force"), "{outcome}");
}

#[test]
fn a_folder_is_one_desired_state_and_a_bad_file_is_named_and_changes_nothing() {
    let stage = Stage::new(|_| {});
    let folder = stage.path("desired.d");
    fs::create_dir(&folder).unwrap();
    let put = |name: &str, text: &str| {
        // Whole or not at all, under a name that is not read.
        stage::write(&folder.join(".beside"), text);
        fs::rename(folder.join(".beside"), folder.join(name)).unwrap();
    };
    let one = |generation: u64, vmid: u32, cores: u32| {
        stage::manifest(generation, &json!([stage::lxc(vmid, json!({"cores": cores}))])).to_string()
    };
    put("10.json", &one(3, 100, 2));
    put("20.json", &one(5, 101, 3));
    stage.configure(|config| {
        config["desired"] = json!({"folder": folder, "poll_seconds": 1});
    });
    let daemon = stage.daemon();
    let cores = |vmid| stage.key(vmid, "cores");
    daemon.until("both files", || cores(100).as_deref() == Some("2") && cores(101).as_deref() == Some("3"));
    put("20.json", &one(6, 100, 4));
    daemon.says("20.json: two resources have the id \"guest-100\"");
    put("20.json", "{");
    daemon.says("20.json: the manifest is not JSON");
    stage.looks(&daemon, 2);
    assert_eq!(cores(100).as_deref(), Some("2"));
    put("20.json", &one(6, 101, 1));
    daemon.until("the good one", || cores(101).as_deref() == Some("1"));
    stage.run(&["plan"]).expect(0, &["generation 6"]);
}

#[test]
fn where_a_signature_is_asked_for_only_a_signed_document_counts() {
    let stage = Stage::new(|_| {});
    let (mara, otto) = (Key::named("mara", &["manifest"]), Key::named("otto", &["operator"]));
    stage.install_keyring(&sign::keyring(1, 1, &[&mara, &otto]));
    stage.configure(|config| {
        stage.with_ops(config);
        config["desired"]["require_signed"] = json!(true);
    });
    let wanted = |generation: u64, cores: u32| {
        stage::manifest(generation, &json!([stage::lxc(100, json!({"cores": cores}))]))
    };
    let put = |text: &str| {
        stage.write("beside", text);
        fs::rename(stage.path("beside"), stage.path("desired.json")).unwrap();
    };
    let daemon = stage.daemon();
    put(&wanted(1, 4).to_string());
    daemon.says("desired.require_signed asks for one");
    put(&signed_manifest(&wanted(1, 4), &otto));
    daemon.says("none of its keys holds the role manifest");
    put(&signed_manifest(&wanted(1, 2), &mara).replace(&mara.id(), &otto.id()));
    daemon.says("is not one over this payload");
    assert_eq!(stage.mutation_lines(), Vec::<String>::new());
    put(&signed_manifest(&wanted(1, 2), &mara));
    daemon.until("the good one", || stage.key(100, "cores").as_deref() == Some("2"));
    daemon.stop();
    // It was accepted: the next start needs nobody to bring it again.
    fs::remove_file(stage.path("desired.json")).unwrap();
    stage.set_key(100, "cores", "1");
    let daemon = stage.daemon();
    daemon.until("the kept one", || stage.key(100, "cores").as_deref() == Some("2"));
}

#[test]
fn desired_state_is_signed_by_a_command_and_taken_by_a_host() {
    let stage = Stage::new(|_| {});
    stage.secret("passphrase", "correct horse\n");
    let make = ["keygen", "--out", "mara.pem", "--name", "mara", "--roles", "manifest,root"];
    let entry = stage.run(&[&make[..], &["--passphrase-file", "passphrase"]].concat());
    stage.write("mara.json", &entry.stdout);
    let keyring = stage.run(&["keyring", "draft", "--add", "mara.json"]).json(0);
    stage.install_keyring(&keyring);
    stage.configure(|config| {
        stage.with_ops(config);
        config["desired"]["require_signed"] = json!(true);
    });
    let sign = ["manifest", "sign", "--key", "mara.pem", "--passphrase-file", "passphrase", "plain.json"];
    stage
        .write("plain.json", &stage::manifest(3, &json!([stage::lxc(100, json!({"cores": 2}))])).to_string());
    let signed = stage.run(&sign);
    signed.expect(0, &["generation 3 for host host-1, 1 guests"]);
    stage.write("desired.json", &signed.stdout);
    stage.run(&["plan"]).expect(0, &["generation 3"]);
    stage.write("plain.json", &signed.stdout);
    stage.run(&sign).expect(1, &["this key's among them"]);
    stage.write("plain.json", "{\"host_id\": \"host-1\"}");
    stage.run(&sign).expect(1, &["api_version: is missing"]);
}

#[test]
fn what_another_one_wrote_is_read_merged_and_written_over() {
    let stage = Stage::new(|_| {});
    let entry =
        json!({"generation": 1, "manifest_sha256": "", "at": "2026-01-01T00:00:00Z", "result": "accepted"});
    let resource = json!({"state": "ready", "since": "2026-01-01T00:00:00Z", "generation": 9,
        "details": {"pending_reboot": [], "warnings": []}, "drift": []});
    stage.hub.board(|board| {
        let host = board.host(HOST_ID);
        host.revision = 7;
        host.actual =
            Some(json!({"instance": "another", "history": [entry], "resources": {"new": resource}}));
    });
    stage.desire(2, &json!([stage::lxc(100, json!({"cores": 2}))]));
    let daemon = stage.daemon();
    let actual = || stage.hub.board(|board| board.host(HOST_ID).actual.clone().unwrap_or_default());
    daemon.until("the agent's own", || actual()["resources"]["guest-100"]["state"] == "ready");
    let actual = actual();
    assert_eq!(actual["resources"]["new"], resource, "of a generation that this agent does not know");
    assert_eq!(actual["history"][0], entry);
    assert_eq!(actual["history"][1]["generation"], 2);
    assert_eq!(actual["instance"].as_str().map(str::len), Some(36));
    assert!(!daemon.said().contains("another agent"), "the one before may have been this one's predecessor");
}

#[test]
fn two_agents_under_one_host_id_are_found_out_and_named() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &json!([]));
    let one = stage.daemon();
    one.says("arrived at the hub");
    stage.configure(|config| {
        config["agent"]["state_dir"] = json!(stage.path("other-state"));
        config["agent"]["socket"] = json!(stage.path("other.sock"));
    });
    let other = stage.daemon();
    other.says("arrived at the hub");
    let mut generation = 1;
    let mut provoke = || {
        generation += 1;
        stage.desire(generation, &json!([]));
        let (before, puts) =
            (stage.hub.calls().len(), |call: &felhom_sim::server::Call| call.method == "PUT");
        one.until("both to put something new", || {
            stage.hub.calls().iter().skip(before).filter(|call| puts(call)).count() >= 2
        });
    };
    let is_named = |said: &str| said.contains("another agent reports as host \"host-1\"");
    while !is_named(&one.said()) || !is_named(&other.said()) {
        provoke();
    }
    one.says("DuplicateAgent");
    other.says("DuplicateAgent");
}

#[test]
fn a_hub_that_asks_to_be_left_alone_is_not_asked_for_desired_state_meanwhile() {
    let stage = Stage::new(|_| {});
    stage.hub.fault(Rule::new(Action::too_many(3_600)).method("GET").path("/desired"));
    stage.configure(|config| config["desired"] = json!({"source": "hub"}));
    let daemon = stage.daemon();
    daemon.says("the hub answered 429");
    stage.looks(&daemon, 5);
    let asked = stage.hub.calls().iter().filter(|call| call.path.ends_with("/desired")).count();
    assert_eq!(asked, 1);
}

#[test]
fn a_limit_that_was_used_up_is_so_for_whoever_starts_next_to_it() {
    let state = Arc::new(tempfile::tempdir().unwrap());
    let rig = |state: &Arc<tempfile::TempDir>| {
        let sim = PveSim::start(Options { world: World::with_guests(16), ..Options::default() });
        Rig::with(sim, Kit { state: Arc::clone(state), ..Kit::default() })
    };
    let guests = |vmids: &[u32]| -> Vec<Value> {
        let stopped = |vmid: &u32| lxc(&format!("g{vmid}"), json!({"vmid": vmid, "run_state": "stopped"}));
        vmids.iter().map(stopped).collect()
    };
    let first = rig(&state);
    first.desire(&manifest(1, &guests(&[100, 102, 104])));
    first.settle();
    drop(first);
    let second = rig(&state);
    second.desire(&manifest(1, &guests(&[106])));
    second.round();
    second.round();
    assert_eq!(reason(&second, "g106").0, Some(HoldReason::BlastRadius));
    second.desire(&manifest(2, &guests(&[106])));
    second.settle();
    assert_eq!(second.mutation_lines(), ["POST /nodes/pve/lxc/106/status/shutdown"]);
}

//! Backups that are looked at, and restore tests that leave nothing behind, however they end.

use std::collections::BTreeSet;

use felhom_sim::node::World;
use felhom_sim::server::{Action, Rule};
use serde_json::{Value, json};

use crate::schema::Schema;
use crate::socket::{get, post};
use crate::stage::{Daemon, Stage, lxc, vm};

/// The first number of the scratch range.
const SCRATCH: u32 = 990_000;
const VZDUMP: &str = "POST /nodes/pve/vzdump";

/// Guest 100 with a network and a data volume that backups leave out.
fn with_excluded_mount(world: &mut World) {
    world.guests.remove(&100);
    world.add_lxc(
        100,
        "arch: amd64\nhostname: web\nmemory: 128\nmp0: store:100/vm-100-disk-1.raw,mp=/data,size=1G\n\
         net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:64,ip=dhcp,type=veth\nostype: alpine\n\
         rootfs: store:100/vm-100-disk-0.raw,size=1G\nswap: 512\n",
    );
}

/// A guest with its backup of today.
fn backed_up(world: &mut World) {
    with_excluded_mount(world);
    world.add_backup("store", 100, 3_600);
}

fn numbers(stage: &Stage) -> BTreeSet<u32> {
    stage.node.world(|world| world.guests.keys().copied().collect())
}

/// What was ever done to a guest, by its number.
fn touched(stage: &Stage) -> BTreeSet<String> {
    let lines = stage.mutation_lines();
    lines.iter().map(|line| line.split('/').filter(|part| part.parse::<u32>().is_ok()).collect()).collect()
}

fn with_test(vmid: u32, test: Value) -> Value {
    let mut resource = lxc(vmid, json!({}));
    resource["restore_test"] = test;
    resource
}

/// Asks for a restore test of 100 and does not wait for it.
fn ask_test(stage: &Stage, daemon: &Daemon) {
    stage.listens(daemon);
    assert_eq!(post(stage, "/v1/restore-test/100", b"").status, 202);
}

/// The restore tests that the daemon knows.
fn tests(stage: &Stage) -> Vec<Value> {
    get(stage, "/v1/proof").json()["restore_tests"].as_array().expect("a list").clone()
}

#[test]
fn a_backup_on_demand_is_made_and_looked_at_and_what_it_leaves_out_is_named() {
    let stage = Stage::new(with_excluded_mount);
    let daemon = stage.daemon();
    stage.listens(&daemon);
    let result = stage.run(&["backup", "100", "--storage", "store", "--json"]).json(0);
    assert_eq!((&result["result"], &result["covers"]), (&json!("done"), &json!(["rootfs"])), "{result}");
    assert_eq!(result["excluded"], json!(["mp0"]), "{result}");
    let volid = result["volid"].as_str().expect("a volume");
    assert!(stage.node.world(|world| world.volume(volid).is_some()), "{result}");
    assert_eq!(stage.mutation_lines(), [VZDUMP]);
    let call = &stage.mutations()[0];
    assert_eq!(call.params.get("remove").map(String::as_str), Some("0"), "it never prunes");

    let shown = stage.run(&["backups", "--json"]);
    let rows: Vec<Value> = serde_json::from_str(&shown.stdout).expect("rows");
    let row = rows.iter().find(|row| row["vmid"] == 100).expect("each guest is in it");
    assert_eq!(
        (&row["state"], &row["volid"], &row["incarnation_ok"]),
        (&json!("ok"), &json!(volid), &json!(true)),
        "{row}"
    );
    assert_eq!(shown.code, Some(1), "other guests have none: {shown:?}");
    let old = stage.node.world(|world| world.add_backup("local", 100, 30 * 86_400));
    let report = get(&stage, "/v1/report").json();
    assert_eq!(Schema::host_report().faults(&report), Vec::<String>::new());
    let incarnation = |volid: &str| {
        let backups = report["backups"].as_array().expect("backups").iter();
        backups.into_iter().find(|backup| backup["volid"] == volid).expect("it is listed")["incarnation"]
            .clone()
    };
    assert_eq!(incarnation(volid), result["ident"], "it is of the guest as it is");
    assert_eq!(incarnation(&old), Value::Null, "nobody looked into it");
    stage.run(&["backups"]).expect(1, &["rootfs without mp0", "never", "missing"]);
    daemon.stop();
}

#[test]
fn ok_without_a_file_is_a_failure() {
    let stage = Stage::new(|world| world.faults.backups_leave_nothing = true);
    let daemon = stage.daemon();
    stage.listens(&daemon);
    let result = stage.run(&["backup", "100", "--storage", "store", "--json"]).json(1);
    assert_eq!(
        (&result["result"], &result["code"]),
        (&json!("failed"), &json!("backup_missing")),
        "{result}"
    );
    daemon.stop();
}

#[test]
fn a_backup_is_made_without_a_daemon_too() {
    let stage = Stage::new(|_| {});
    stage
        .run(&["backup", "100", "--storage", "store"])
        .expect(0, &["backup of 100: done", "holds:    rootfs"]);
    stage.run(&["backup", "999"]).expect(1, &["no guest 999"]);
    stage.run(&["backup", "101"]).expect(75, &["--storage", "local, store"]);
    assert_eq!(stage.mutation_lines(), [VZDUMP]);
}

#[test]
fn a_restore_test_passes_leaves_nothing_behind_and_is_in_the_report() {
    let stage = Stage::new(backed_up);
    stage.desire(1, &json!([with_test(100, json!({"up_s": 1, "file": "/etc/passwd"}))]));
    let before = numbers(&stage);
    let daemon = stage.daemon();
    daemon.says("guest-100 (lxc/100) is in order");
    let result = stage.run(&["restore-test", "100", "--json"]).json(0);
    assert_eq!(result["result"], json!("passed"), "{result}");
    assert_eq!(result["scratch"], json!(SCRATCH));
    assert_eq!(result["config_sha256"].as_str().map(str::len), Some(64), "{result}");
    let checks: Vec<(&str, bool)> = result["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .map(|check| (check["name"].as_str().expect("a name"), check["ok"] == true))
        .collect();
    let expected = [
        ("restored", true),
        ("isolated", true),
        ("boots", true),
        ("stays_up", true),
        ("file", false),
        ("cleaned", true),
    ];
    assert_eq!(checks, expected, "{result}");
    assert_eq!(numbers(&stage), before);
    let left = stage.node.world(|world| {
        let volumes = world.storages.iter().flat_map(|storage| storage.volumes.values());
        volumes.filter(|volume| volume.vmid == Some(SCRATCH)).count()
    });
    assert_eq!(left, 0);
    let restore = &stage.mutations()[0];
    let param = |name: &str| restore.params.get(name).map(String::as_str).unwrap_or_default();
    assert_eq!(
        (restore.line().as_str(), param("unique"), param("onboot"), param("force")),
        ("POST /nodes/pve/lxc", "1", "0", "0")
    );
    assert!(param("net0").contains("link_down=1") && !param("net0").contains("hwaddr"), "{restore:?}");
    assert_eq!(stage.journal_of("made").len(), 1);
    assert_eq!(stage.journal_of("gone").len(), 1);

    let report = stage.run(&["report"]).json(0);
    assert_eq!(report["restore_tests"], json!([]), "whoever collects without the daemon does not know");
    let report = get(&stage, "/v1/report").json();
    assert_eq!(Schema::host_report().faults(&report), Vec::<String>::new());
    assert_eq!(report["restore_tests"][0]["volid"], result["volid"]);
    daemon.stop();

    let daemon = stage.daemon();
    stage.listens(&daemon);
    assert_eq!(tests(&stage)[0]["result"], json!("passed"), "it is known over a restart");
    stage.run(&["backups"]).expect(1, &["passed 20"]);
    daemon.stop();
}

#[test]
fn a_vm_s_guest_agent_must_answer() {
    for silent in [false, true] {
        let stage = Stage::new(|world| {
            let guest = world.guest_mut(201);
            let mut config = guest.config();
            config.main.keys.insert("agent".to_owned(), "1".to_owned());
            guest.save(&config);
            world.add_backup("store", 201, 3_600);
            world.faults.agents_are_silent = silent;
        });
        let mut resource = vm(201, json!({}));
        resource["restore_test"] = json!({"up_s": 1, "guest_agent": true});
        stage.desire(1, &json!([resource]));
        let daemon = stage.daemon();
        daemon.says("guest-201 (qemu/201) is in order");
        let ended = stage.run(&["restore-test", "201"]);
        if silent {
            ended.expect(1, &["failed", "QEMU guest agent is not running", "ok cleaned"]);
        } else {
            ended.expect(0, &["passed", "ok guest_agent", "ok cleaned"]);
        }
        assert!(!numbers(&stage).contains(&SCRATCH));
        daemon.stop();
    }
}

#[test]
fn a_test_that_could_do_harm_is_skipped_and_nothing_is_called() {
    type Arrange = fn(&mut World);
    let cases: [(&str, Arrange, Value); 4] = [
        (
            "no_space",
            |world| {
                let storage =
                    world.storages.iter_mut().find(|storage| storage.name == "store").expect("it is there");
                storage.used = storage.total / 100 * 85;
            },
            json!({}),
        ),
        ("bridge_in_use", |_| {}, json!({"bridge": "vmbr0"})),
        (
            "reaches_out",
            |world| {
                let guest = world.guest_mut(100);
                let mut config = guest.config();
                config.main.keys.insert("mp1".to_owned(), "/mnt/real,mp=/real".to_owned());
                guest.save(&config);
                world.add_backup("store", 100, 60);
            },
            json!({}),
        ),
        (
            "taken",
            |world| {
                for number in 990_000..=990_099 {
                    world
                        .guests_elsewhere
                        .insert(number, (felhom_sim::node::GuestKind::Lxc, "other".to_owned()));
                }
            },
            json!({}),
        ),
    ];
    for (code, arrange, test) in cases {
        let stage = Stage::new(|world| {
            backed_up(world);
            arrange(world);
        });
        stage.desire(1, &json!([with_test(100, test)]));
        let daemon = stage.daemon();
        daemon.says("guest-100 (lxc/100) is in order");
        let result = stage.run(&["restore-test", "100", "--json"]).json(75);
        assert_eq!((&result["result"], &result["code"]), (&json!("skipped"), &json!(code)), "{result}");
        assert_eq!(stage.mutation_lines(), [""; 0], "{code}");
        daemon.stop();
    }
}

#[test]
fn a_scratch_guest_that_somebody_made_his_own_is_not_destroyed() {
    let stage = Stage::new(backed_up);
    stage.desire(1, &json!([with_test(100, json!({"up_s": 3_600}))]));
    let daemon = stage.daemon();
    ask_test(&stage, &daemon);
    daemon.until("it is watched", || {
        stage.count("GET /nodes/pve/lxc/990000/status/current") > 3 && stage.runs(SCRATCH)
    });
    daemon.crash();
    stage.node.world(|world| {
        let guest = world.guest_mut(SCRATCH);
        let mut config = guest.config();
        config.main.description = Some("mine now".to_owned());
        guest.save(&config);
    });
    let before = stage.mutation_lines();
    let daemon = stage.daemon();
    daemon.says("what a restore test left at lxc/990000 is left where it is");
    stage.looks(&daemon, 2);
    assert_eq!(stage.mutation_lines(), before);
    assert!(stage.runs(SCRATCH));
    assert_eq!(tests(&stage)[0]["result"], json!("uncertain"));
    daemon.stop();
}

#[test]
fn killed_at_each_step_the_next_start_cleans_up_and_touches_nothing_else() {
    for step in 1..=4 {
        let stage = Stage::new(backed_up);
        stage.desire(1, &json!([with_test(100, json!({"up_s": 1}))]));
        let before = numbers(&stage);
        // This step is not begun before the agent is gone.
        let path = ["/nodes/pve/lxc", "/status/start", "/status/stop", "/nodes/pve/lxc/990000"][step - 1];
        let method = if step == 4 { "DELETE" } else { "POST" };
        let held = stage.node.fault(Rule::new(Action::HoldWork).method(method).path(path).once());
        let daemon = stage.daemon();
        ask_test(&stage, &daemon);
        daemon.until("the step is asked for", || stage.mutations().len() == step);
        daemon.crash();
        stage.node.remove_fault(held);
        let daemon = stage.daemon();
        daemon.until("nothing is left", || stage.journal_of("gone").len() == 1 && numbers(&stage) == before);
        stage.looks(&daemon, 2);
        let touched = touched(&stage);
        assert!(touched.iter().all(|number| number.is_empty() || number == "990000"), "{touched:?}");
        assert_eq!(
            stage.mutation_lines().iter().filter(|line| **line == "POST /nodes/pve/lxc").count(),
            1,
            "step {step}"
        );
        assert_eq!(tests(&stage)[0]["result"], json!("uncertain"), "step {step}");
        daemon.stop();
    }
}

#[test]
fn what_is_due_is_done_once_and_a_young_backup_does_as_well() {
    let stage = Stage::new(backed_up);
    let mut old = with_test(103, json!({}));
    old["backup"] = json!({"storage": "store", "every_hours": 24});
    let mut young = with_test(100, json!({"up_s": 1, "every_days": 7}));
    young["backup"] = json!({"storage": "store", "every_hours": 24});
    stage.desire(1, &json!([young, old]));
    let daemon = stage.daemon();
    let proof = || get(&stage, "/v1/proof").json();
    daemon.says("guest-100 (lxc/100) is in order");
    daemon.until("both backups and the test", || {
        let proof = proof();
        proof["restore_tests"][0]["result"] == "passed"
            && ["100", "103"].iter().all(|vmid| proof["backups"][vmid]["result"] == "done")
    });
    stage.looks(&daemon, 3);
    let lines = stage.mutation_lines();
    assert_eq!(
        lines.iter().filter(|line| **line == VZDUMP).count(),
        1,
        "100 has a backup of today: {lines:?}"
    );
    assert_eq!(lines.iter().filter(|line| **line == "POST /nodes/pve/lxc").count(), 1, "{lines:?}");
    daemon.stop();
}

/// Nobody says of these guests how often: the configuration does, for all.
#[test]
fn by_the_schedule_of_all_the_guest_that_was_never_tested_comes_before_the_one_that_was() {
    let stage = Stage::new(|world| {
        with_excluded_mount(world);
        for vmid in [100, 103] {
            world.add_backup("store", vmid, 3_600);
        }
    });
    stage.configure(|config| config["proof"]["every_days"] = json!(7));
    let long_ago = "2020-01-01T00:00:00Z";
    let known = json!({"backups": {}, "testing": null, "restore_tests": [
        {"vmid": 100, "volid": "store:backup/x", "result": "passed", "started_at": long_ago, "finished_at": long_ago,
         "seconds": 1, "checks": []}]});
    std::fs::create_dir_all(stage.state_dir()).expect("a folder");
    std::fs::write(stage.state_dir().join("proof.json"), known.to_string()).expect("a file");
    stage.desire(1, &json!([with_test(100, json!({"up_s": 1})), with_test(103, json!({"up_s": 1}))]));
    let daemon = stage.daemon();
    stage.listens(&daemon);
    daemon.until("both to be tested", || tests(&stage).len() == 3);
    stage.looks(&daemon, 2);
    let tested: Vec<Value> = tests(&stage).iter().map(|test| json!([test["vmid"], test["result"]])).collect();
    assert_eq!(tested, [json!([100, "passed"]), json!([103, "passed"]), json!([100, "passed"])]);
    daemon.stop();
}

/// What was restored is looked at once more before it is started: whoever plugged the cable in meanwhile, or gave it the address of
/// the guest that it was made of, has it destroyed and not started.
#[test]
fn what_would_meet_a_real_guest_s_address_is_never_started() {
    for (from, to) in [(",link_down=1", ""), ("hwaddr=", "hwaddr=BC:24:11:00:00:64,was=")] {
        let stage = Stage::new(backed_up);
        stage.desire(1, &json!([with_test(100, json!({"up_s": 1}))]));
        let before = numbers(&stage);
        stage.hang("vzrestore");
        let daemon = stage.daemon();
        daemon.says("guest-100 (lxc/100) is in order");
        ask_test(&stage, &daemon);
        daemon.until("the task is known", || !stage.journal_of("issued").is_empty());
        let read = Rule::new(Action::HoldWork).method("GET").path("/nodes/pve/lxc/990000/pending");
        let held = stage.node.fault(read);
        stage.let_go();
        let net = |stage: &Stage| {
            stage.node.world(|world| {
                let guest = world.guest(SCRATCH).filter(|guest| guest.lock().is_none())?;
                guest.config().main.get("net0").map(str::to_owned)
            })
        };
        daemon.until("it is restored", || net(&stage).is_some());
        stage.node.world(|world| {
            let guest = world.guest_mut(SCRATCH);
            let mut config = guest.config();
            let card = config.main.keys["net0"].replace(from, to);
            let card: Vec<&str> = card.split(',').filter(|part| !part.starts_with("was=")).collect();
            config.main.keys.insert("net0".to_owned(), card.join(","));
            guest.save(&config);
        });
        stage.node.remove_fault(held);
        daemon.until("its end", || !tests(&stage).is_empty());
        let test = tests(&stage).remove(0);
        assert_eq!(
            (&test["result"], &test["code"]),
            (&json!("failed"), &json!("not_isolated")),
            "{from}: {test}"
        );
        assert_eq!(numbers(&stage), before, "{from}");
        assert_eq!(stage.mutation_lines(), ["POST /nodes/pve/lxc", "DELETE /nodes/pve/lxc/990000"], "{from}");
        daemon.stop();
    }
}

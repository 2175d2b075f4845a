//! The backup that a destructive operation is drafted with: made first where there is none, and told of where it is gone again.

use serde_json::{Value, json};

use super::Desk;
use crate::cli::words;
use crate::stage::lxc;

const VZDUMP: &str = "POST /nodes/pve/vzdump";
const DRAFT: &str = "destroy --vmid 100 --backup";

/// A desk at which guest 100, stopped and without a backup, is managed, and backups go to `store`.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.stage.secret("keyring.json", &desk.read("keyring"));
    desk.stage.configure(|config| {
        desk.stage.with_ops(config);
        config["proof"]["backup_storage"] = json!("store");
    });
    desk.stage.desire(1, &json!([lxc(100, json!({"run_state": "stopped"}))]));
    desk
}

fn payload(desk: &Desk) -> Value {
    serde_json::from_str(&desk.read("op.json")).unwrap()
}

#[test]
fn a_draft_makes_the_backup_that_is_missing_and_the_operation_is_carried_out_with_it() {
    let desk = desk();
    let daemon = desk.stage.daemon();
    desk.stage.listens(&daemon);
    desk.stage.looks(&daemon, 1);

    desk.draft("destroy --vmid 100").expect(
        0,
        &[
            "Threshold",
            "draft again: felhom-agent op draft destroy --vmid 100 --backup",
            "two keys with two roles",
        ],
    );
    assert!(desk.stage.mutations().is_empty(), "without --backup a draft only reads");

    let drafted = desk.draft(DRAFT);
    drafted.expect(0, &["backup of 100: done", "holds:    rootfs"]);
    assert!(!drafted.stderr.contains("would be rejected"), "{}", drafted.stderr);
    assert_eq!(desk.stage.mutation_lines(), [VZDUMP]);
    let op = payload(&desk);
    let volid = op["evidence"]["backup"]["volid"].as_str().expect("it is the evidence").to_owned();
    assert!(desk.stage.node.world(|world| world.volume(&volid).is_some()), "{volid}");

    desk.draft(DRAFT).expect(0, &[&volid]);
    assert_eq!(desk.stage.mutation_lines(), [VZDUMP], "one that will do is there");

    desk.sign("anna", "op.json", "signed.json");
    let op_id = payload(&desk)["op_id"].as_str().unwrap().to_owned();
    let end = desk.submitted(&daemon, &op_id);
    assert_eq!(end["result"], "done", "{end}");
    daemon.stop();
}

#[test]
fn an_operation_whose_backup_is_gone_says_how_to_make_one_and_draft_again() {
    let desk = desk();
    let volid = desk.stage.node.world(|world| world.add_backup("store", 100, 3_600));
    let daemon = desk.stage.daemon();
    desk.stage.listens(&daemon);
    desk.stage.looks(&daemon, 1);
    desk.draft("destroy --vmid 100 --purge").expect(0, &[&volid]);
    desk.sign("anna", "op.json", "signed.json");
    let op_id = payload(&desk)["op_id"].as_str().unwrap().to_owned();
    desk.stage.node.world(|world| world.storage_mut("store").volumes.remove(&volid));

    let end = desk.submitted(&daemon, &op_id);
    assert_eq!((&end["result"], &end["code"]), (&json!("rejected"), &json!("EvidenceMissing")), "{end}");
    let line = "draft again: felhom-agent op draft destroy --vmid 100 --purge --backup";
    desk.stage.run(&["op", "status", &op_id]).expect(1, &[line]);
    assert!(desk.stage.mutations().is_empty());
    daemon.stop();
}

#[test]
fn a_backup_that_cannot_be_made_is_no_draft() {
    let desk = desk();
    desk.stage.node.world(|world| world.faults.backups_leave_nothing = true);
    // No daemon runs: the backup is made in the foreground.
    let ended = desk.stage.run(&words("op draft destroy --vmid 100 --backup"));
    ended.expect(1, &["backup of 100: failed", "backup_missing"]);
    assert_eq!(ended.stdout, "");
    assert_eq!(desk.stage.mutation_lines(), [VZDUMP]);
}

#[test]
fn a_backup_that_will_not_do_is_named_in_the_warning_and_not_in_the_draft() {
    let desk = desk();
    let old = desk.stage.node.world(|world| world.add_backup("store", 100, 30 * 86_400));
    desk.draft("destroy --vmid 100").expect(0, &["EvidenceStale", &old, "NONE is named"]);
    assert!(
        payload(&desk)["evidence"].get("backup").is_none_or(Value::is_null),
        "two signers may do without"
    );
}

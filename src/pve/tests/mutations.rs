//! Every mutation: what is sent, and what it comes to.

use std::collections::BTreeMap;

use felhom_sim::pve::PveSim;
use felhom_sim::server::{Action, Rule};

use super::rig::{Rig, code, exactly, lxc, qemu, recorded};
use crate::model::guest::{GuestId, RunState};
use crate::model::sorted::Set;
use crate::model::step::{ConfigChange, Origin, Purpose, Step};
use crate::pve::{BackupMode, BackupOrder, ContentKind, PveError, Submitted, TaskEnd};

fn change(rig: &Rig, guest: GuestId, set: &[(&str, &str)], delete: &[&str]) -> ConfigChange {
    let own = |text: &str| text.to_owned();
    ConfigChange {
        set: set.iter().map(|(key, value)| (own(key), own(value))).collect(),
        delete: delete.iter().map(|key| own(key)).collect::<Set<_>>(),
        digest: rig.client.pending(guest).unwrap().digest,
    }
}

fn make(guest: GuestId, origin: Origin, source: &str, params: &[(&str, &str)]) -> Step {
    let params = params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Step::Make { guest, origin, source: source.to_owned(), purpose: Purpose::Scratch, params }
}

fn finish(rig: &Rig, submitted: Submitted) -> TaskEnd {
    match submitted {
        Submitted::Task(upid) => rig.wait(&upid),
        Submitted::Done => TaskEnd::Ok,
    }
}

fn params(sim: &PveSim, line: &str) -> BTreeMap<String, String> {
    sim.calls().into_iter().rev().find(|call| call.line() == line).expect(line).params
}

#[test]
fn a_container_s_configuration_is_written_at_once() {
    let rig = Rig::new();
    let guest = lxc(100);
    let description = "a;b&c=d%\nűrhajó + more";
    let change =
        change(&rig, guest, &[("description", description), ("cores", "2"), ("tags", "a;b")], &["swap"]);
    let done = rig.client.set_config(&recorded(guest), guest, &change).unwrap();
    assert_eq!(done, Submitted::Done);
    let config = rig.client.pending(guest).unwrap();
    assert_eq!(config.current["description"].trim_end(), description);
    assert_eq!((config.current["cores"].as_str(), config.current["tags"].as_str()), ("2", "a;b"));
    assert_ne!(config.digest, change.digest);
    let sent = params(&rig.sim, "PUT /nodes/pve/lxc/100/config");
    assert_eq!((sent["delete"].as_str(), sent["digest"].as_str()), ("swap", change.digest.as_str()));
}

#[test]
fn a_vm_s_configuration_is_written_by_a_task() {
    let rig = Rig::new();
    let guest = qemu(201);
    let change = change(&rig, guest, &[("description", "hello")], &[]);
    let submitted = rig.client.set_config(&recorded(guest), guest, &change).unwrap();
    assert!(matches!(submitted, Submitted::Task(_)));
    assert_eq!(finish(&rig, submitted), TaskEnd::Ok);
    assert_eq!(rig.client.pending(guest).unwrap().current["description"], "hello");
}

#[test]
fn both_kinds_refuse_a_write_against_an_old_digest() {
    let rig = Rig::new();
    for guest in [lxc(100), qemu(201)] {
        let mut change = change(&rig, guest, &[("description", "x")], &[]);
        change.digest = "0".repeat(40);
        let refused = rig.client.set_config(&recorded(guest), guest, &change);
        assert!(matches!(&refused, Err(PveError::DigestConflict { .. })), "{guest}: {refused:?}");
        assert!(!rig.client.pending(guest).unwrap().current.contains_key("description"));
    }
}

#[test]
#[should_panic(expected = "is not what is to be done")]
fn what_was_recorded_for_one_guest_cannot_be_done_to_another() {
    let rig = Rig::new();
    drop(rig.client.start(&recorded(lxc(100)), lxc(101)));
}

#[test]
fn power_calls_are_tasks() {
    let rig = Rig::new();
    let guest = lxc(102);
    let run = |rig: &Rig| rig.client.status(guest).unwrap().run;
    let upid = rig.client.start(&recorded(guest), guest).unwrap();
    assert_eq!((upid.kind(), upid.vmid()), ("vzstart", Some(guest.vmid)));
    assert_eq!((rig.wait(&upid), run(&rig)), (TaskEnd::Ok, RunState::Running));
    let upid = rig.client.reboot(&recorded(guest), guest, 30).unwrap();
    assert_eq!((rig.wait(&upid), run(&rig)), (TaskEnd::Ok, RunState::Running));
    let upid = rig.client.shutdown_guest(&recorded(guest), guest, 30).unwrap();
    assert_eq!((rig.wait(&upid), run(&rig)), (TaskEnd::Ok, RunState::Stopped));
    assert_eq!(params(&rig.sim, "POST /nodes/pve/lxc/102/status/shutdown")["timeout"], "30");
    let upid = rig.client.start(&recorded(guest), guest).unwrap();
    rig.wait(&upid);
    let upid = rig.client.stop(&exactly(Step::Stop { guest }), guest).unwrap();
    assert_eq!((rig.wait(&upid), run(&rig)), (TaskEnd::Ok, RunState::Stopped));
}

#[test]
fn snapshots_come_back_and_go() {
    let rig = Rig::new();
    let guest = lxc(102);
    let names =
        |rig: &Rig| rig.client.snapshots(guest).unwrap().into_iter().map(|row| row.name).collect::<Vec<_>>();
    let upid = rig.client.snapshot(&recorded(guest), guest, "before", "two\nlines").unwrap();
    assert_eq!((rig.wait(&upid), names(&rig)), (TaskEnd::Ok, vec!["before".to_owned()]));
    let step = Step::Rollback { guest, snapshot: "before".to_owned(), start: false };
    let upid = rig.client.rollback(&exactly(step), guest, "before", false).unwrap();
    assert_eq!(rig.wait(&upid), TaskEnd::Ok);
    let upid = rig.client.delete_snapshot(&recorded(guest), guest, "before").unwrap();
    assert_eq!((rig.wait(&upid), names(&rig)), (TaskEnd::Ok, Vec::new()));
}

#[test]
fn a_backup_is_made_restored_under_another_number_and_deleted() {
    let rig = Rig::new();
    let guest = lxc(102);
    let order = BackupOrder {
        vmid: guest.vmid,
        storage: "store".to_owned(),
        mode: BackupMode::Stop,
        notes: Some("by the test".to_owned()),
        protected: false,
        lock_wait_minutes: 5,
        prune: false,
    };
    let upid = rig.client.vzdump(&recorded(guest), &order).unwrap();
    assert_eq!(rig.wait(&upid), TaskEnd::Ok);
    let sent = params(&rig.sim, "POST /nodes/pve/vzdump");
    assert_eq!((sent["remove"].as_str(), sent["lockwait"].as_str()), ("0", "5"));
    let volumes = rig.client.content("store", Some(ContentKind::Backup), Some(guest.vmid)).unwrap();
    assert_eq!((volumes.len(), volumes[0].vmid, volumes[0].protected), (1, Some(102), false));
    assert!(volumes[0].size > Some(0) && volumes[0].ctime.is_some());

    let target = lxc(150);
    let restore =
        exactly(make(target, Origin::Backup, &volumes[0].volid, &[("storage", "store"), ("unique", "1")]));
    let upid = rig.client.make(&restore).unwrap();
    assert_eq!(rig.wait(&upid), TaskEnd::Ok);
    rig.client.pending(target).unwrap();
    assert_eq!(code(rig.client.make(&restore)), "proxmox_error");

    let volid = volumes[0].volid.clone();
    let step = Step::DeleteBackup { guest, volid: volid.clone() };
    let deleted = rig.client.delete_backup(&exactly(step), guest, &volid).unwrap();
    assert_eq!(finish(&rig, deleted), TaskEnd::Ok);
    assert_eq!(rig.client.content("store", Some(ContentKind::Backup), None).unwrap(), Vec::new());
}

#[test]
fn a_backup_of_nothing_is_not_a_success() {
    let rig = Rig::new();
    rig.sim.fault(Rule::new(Action::Body { body: r#"{"data":"OK"}"#.to_owned() }).path("/vzdump"));
    let order = BackupOrder {
        vmid: lxc(102).vmid,
        storage: "store".to_owned(),
        mode: BackupMode::Snapshot,
        notes: None,
        protected: true,
        lock_wait_minutes: 5,
        prune: false,
    };
    let nothing = rig.client.vzdump(&recorded(lxc(102)), &order);
    assert!(matches!(nothing, Err(PveError::NothingDone { .. })));
}

#[test]
fn guests_are_made_cloned_grown_and_destroyed() {
    let rig = Rig::new();
    let (copy, made) = (lxc(151), lxc(152));
    let upid = rig
        .client
        .make(&exactly(make(copy, Origin::Clone, "103", &[("storage", "store"), ("hostname", "copy")])))
        .unwrap();
    assert_eq!(rig.wait(&upid), TaskEnd::Ok);
    let config = rig.client.pending(copy).unwrap();
    assert_eq!(config.current["hostname"], "copy");

    let template = "local:vztmpl/alpine-mini_3.20_amd64.tar.gz";
    let upid = rig
        .client
        .make(&exactly(make(
            made,
            Origin::Template,
            template,
            &[("storage", "store"), ("description", "hello")],
        )))
        .unwrap();
    assert_eq!(rig.wait(&upid), TaskEnd::Ok);
    let described = rig.client.pending(made).unwrap().current["description"].clone();
    assert_eq!(described.trim_end(), "hello\nfelhom-incarnation: 0-0");

    let digest = rig.client.pending(lxc(100)).unwrap().digest;
    let grown = rig.client.resize(&recorded(lxc(100)), lxc(100), "rootfs", "+1G", &digest).unwrap();
    assert_eq!(finish(&rig, grown), TaskEnd::Ok);
    assert!(rig.client.pending(lxc(100)).unwrap().current["rootfs"].contains("size=2G"));

    for guest in [copy, made] {
        let upid = rig.client.destroy(&exactly(Step::Destroy { guest, purge: false }), guest, false).unwrap();
        assert_eq!(rig.wait(&upid), TaskEnd::Ok);
        assert!(matches!(rig.client.pending(guest), Err(PveError::GuestMissing { .. })));
    }
    let sent = params(&rig.sim, "DELETE /nodes/pve/lxc/151");
    assert!(!sent.contains_key("force") && !sent.contains_key("purge"));
}

#[test]
fn a_task_can_be_asked_to_end() {
    let rig = Rig::new();
    rig.sim.world(|world| world.faults.hung_types.insert("vzshutdown".to_owned()));
    let upid = rig.client.shutdown_guest(&recorded(lxc(105)), lxc(105), 60).unwrap();
    rig.client.stop_task(&recorded(lxc(105)), &upid).unwrap();
    assert!(matches!(rig.wait(&upid), TaskEnd::Failed { text, .. } if text == "received interrupt"),);
}

#[test]
fn an_answer_that_is_neither_a_task_nor_nothing_is_an_error() {
    let rig = Rig::new();
    // So that the guest can be started again and again.
    rig.sim.world(|world| world.faults.hung_types.insert("vzstart".to_owned()));
    for body in [r#"{"data":"UPID:nonsense"}"#, r#"{"data":null}"#, r#"{"data":{"a":1}}"#, "{}", "[]", ""] {
        rig.sim.clear_faults();
        rig.sim.fault(Rule::new(Action::Body { body: body.to_owned() }).path("/status/start"));
        let error = rig.client.start(&recorded(lxc(102)), lxc(102)).unwrap_err();
        assert_eq!((error.code(), error.may_have_happened()), ("bad_answer", true), "{body}");
    }
}

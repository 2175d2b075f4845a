//! Every kind of error, as it comes over the wire.

use felhom_sim::server::{Action, Rule};

use super::rig::{Rig, code, lxc, qemu, recorded};
use crate::model::guest::GuestKind;
use crate::model::sorted::Map;
use crate::model::step::ConfigChange;
use crate::pve::{Denied, PveError, TaskEnd};

fn set(rig: &Rig, vmid: u64, key: &str, value: &str) -> Result<(), PveError> {
    let guest = lxc(vmid);
    let change = ConfigChange {
        set: Map::from([(key.to_owned(), value.to_owned())]),
        digest: rig.client.pending(guest)?.digest,
        ..ConfigChange::default()
    };
    rig.client.set_config(&recorded(guest), guest, &change).map(|_| ())
}

#[test]
fn a_token_that_is_not_accepted_is_told_so() {
    let rig = Rig::new();
    for (id, secret) in [
        ("root@pam!agent", "99999999-9999-4999-8999-999999999999"),
        ("nobody@pve!x", "99999999-9999-4999-8999-999999999999"),
        ("agent@pve!expired", "66666666-6666-4666-8666-666666666666"),
        ("gone@pve!t", "77777777-7777-4777-8777-777777777777"),
    ] {
        let error = rig.client_as(id, secret).version().unwrap_err();
        assert_eq!(error, PveError::Unauthorized { reason: "Authentication failed!".to_owned() }, "{id}");
    }
}

#[test]
fn a_refusal_names_privilege_and_path() {
    let rig = Rig::new();
    let limited = rig.client_as("agent@pve!full", "33333333-3333-4333-8333-333333333333");
    let error = limited.start(&recorded(lxc(100)), lxc(100)).unwrap_err();
    assert_eq!(error.to_string(), "the token may not do this: it lacks VM.PowerMgmt on /vms/100");
    assert!(error.advice().contains("VM.PowerMgmt on /vms/100"));
    let blind = rig.client_as("agent@pve!none", "55555555-5555-4555-8555-555555555555");
    let Err(PveError::Forbidden(Denied { path, privileges, .. })) = blind.content("store", None, None) else {
        panic!("not refused");
    };
    assert_eq!(path.as_deref(), Some("/storage/store"));
    assert_eq!(privileges, ["Datastore.Audit", "Datastore.AllocateSpace"]);
}

#[test]
fn every_bad_parameter_is_named() {
    let rig = Rig::new();
    let guest = lxc(100);
    let change = ConfigChange {
        set: [("memory", "abc"), ("nosuch", "1")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        digest: rig.client.pending(guest).unwrap().digest,
        ..ConfigChange::default()
    };
    let error = rig.client.set_config(&recorded(guest), guest, &change).unwrap_err();
    let PveError::Parameter { errors, .. } = &error else { panic!("{error:?}") };
    assert_eq!(errors.keys().collect::<Vec<_>>(), ["memory", "nosuch"]);
    assert!(error.to_string().contains("memory: type check ('integer') failed - got 'abc'"));
}

#[test]
fn a_lock_is_the_same_error_at_once_and_in_a_task() {
    let rig = Rig::new();
    let locked = PveError::Locked { lock: "backup".to_owned() };
    assert_eq!(set(&rig, 107, "cores", "2"), Err(locked.clone()));
    let upid = rig.client.start(&recorded(lxc(107)), lxc(107)).unwrap();
    let end = rig.wait(&upid);
    assert!(matches!(&end, TaskEnd::Failed { text, .. } if text == "CT is locked (backup)"));
    assert_eq!(end.into_result(&upid), Err(locked));
}

#[test]
fn a_missing_guest_is_told_from_other_errors() {
    let rig = Rig::new();
    assert_eq!(code(rig.client.pending(lxc(999))), "guest_missing");
    assert_eq!(code(rig.client.status(qemu(999))), "guest_missing");
    // Asked as the other kind.
    assert_eq!(code(rig.client.pending(lxc(200))), "guest_missing");
    assert_eq!(code(rig.client.content("nosuch", None, None)), "proxmox_error");
}

#[test]
fn a_busy_configuration_is_told_from_a_lock() {
    let rig = Rig::new();
    rig.sim.world(|world| world.guest_mut(100).foreign_flock = true);
    assert_eq!(code(set(&rig, 100, "cores", "2")), "config_busy");
}

#[test]
fn a_proxy_that_gets_no_answer_may_have_done_it() {
    let rig = Rig::new();
    rig.client.node().unwrap();
    for (status, reason) in [
        (595, "Connection refused"),
        (596, "Connection timed out"),
        (597, "Broken pipe"),
        (599, "Something else"),
    ] {
        rig.sim.clear_faults();
        rig.sim.fault(Rule::new(Action::status(status, reason)).path("/status/start"));
        let error = rig.client.start(&recorded(lxc(102)), lxc(102)).unwrap_err();
        assert!(error.may_have_happened());
        assert_eq!(
            error,
            PveError::Proxy {
                call: "POST /nodes/pve/lxc/102/status/start".to_owned(),
                status,
                text: reason.to_owned()
            }
        );
    }
}

#[test]
fn a_dead_pvedaemon_leaves_the_other_reads() {
    let rig = Rig::new();
    rig.client.node().unwrap();
    rig.sim.conditions(|conditions| conditions.pvedaemon_down = true);
    assert_eq!(code(rig.client.guests(GuestKind::Lxc)), "proxy");
    assert_eq!(code(rig.client.pending(lxc(100))), "ok");
    assert_eq!(code(rig.client.version()), "ok");
}

#[test]
fn a_dead_pmxcfs_is_told_as_such() {
    let rig = Rig::new();
    rig.sim.conditions(|conditions| conditions.pmxcfs_down = true);
    let error = rig.client.version().unwrap_err();
    assert_eq!(error.code(), "cluster_fs");
    assert!(error.advice().contains("pve-cluster"));
}

#[test]
fn the_reason_is_read_where_the_body_has_no_message() {
    let rig = Rig::new();
    rig.sim.conditions(|conditions| conditions.old_errors = true);
    assert_eq!(code(rig.client.pending(lxc(999))), "guest_missing");
    assert_eq!(set(&rig, 107, "cores", "2"), Err(PveError::Locked { lock: "backup".to_owned() }));
    let limited = rig.client_as("agent@pve!full", "33333333-3333-4333-8333-333333333333");
    assert_eq!(code(limited.start(&recorded(lxc(100)), lxc(100))), "permission");
}

#[test]
fn a_500_after_the_write_is_an_error_that_may_have_happened() {
    let rig = Rig::new();
    rig.sim.fault(
        Rule::new(Action::refusal(500, "bridge 'vmbr9' does not exist", true)).method("PUT").path("/config"),
    );
    let error = set(&rig, 100, "cores", "3").unwrap_err();
    assert!(error.may_have_happened());
    assert!(error.to_string().ends_with("Proxmox answered 500: bridge 'vmbr9' does not exist"));
    assert_eq!(rig.client.pending(lxc(100)).unwrap().current["cores"], "3");
}

#[test]
fn a_call_that_this_version_does_not_know_is_told_as_such() {
    let rig = Rig::new();
    rig.sim
        .fault(Rule::new(Action::refusal(501, "Method 'GET /pools' not implemented", false)).path("/pools"));
    assert_eq!(code(rig.client.pools(None)), "not_implemented");
}

#[test]
fn a_task_that_lacks_a_privilege_says_which() {
    let rig = Rig::new();
    let text = "Permission check failed (/storage/store, Datastore.AllocateSpace)";
    rig.sim.world(|world| world.faults.failing_types.insert("vzstart".to_owned(), text.to_owned()));
    let upid = rig.client.start(&recorded(lxc(102)), lxc(102)).unwrap();
    let error = rig.wait(&upid).into_result(&upid).unwrap_err();
    assert_eq!(error.code(), "permission");
    assert!(error.advice().contains("Datastore.AllocateSpace on /storage/store"));
}

//! Every read, as a real node answers it.

use felhom_sim::node::World;
use felhom_sim::pve::Options;
use felhom_sim::server::{Action, Rule};

use super::rig::{Rig, connection, exactly, lxc, qemu};
use crate::model::guest::{GuestKind, RunState};
use crate::model::observed::{HaState, PendingChange};
use crate::model::step::Step;
use crate::pve::{Client, Connection, ContentKind, PveError, TaskFilter, TaskSource, View};

#[test]
fn the_node_says_who_and_what_it_is() {
    let rig = Rig::new();
    assert!(rig.client.version().unwrap().version.starts_with("9."));
    assert_eq!(rig.client.node().unwrap(), "pve");
    let status = rig.client.node_status().unwrap();
    assert!(status.version().unwrap().starts_with("9."));
    assert!(status.kernel().is_some() && status.load().is_some() && status.cpu_count().is_some());
    assert!(status.memory.total > status.memory.used && status.rootfs.total.is_some());
    assert!(rig.client.time().unwrap().time > Some(1_700_000_000));
    let nodes = rig.client.nodes().unwrap();
    assert_eq!((nodes.len(), nodes[0].node.as_str()), (1, "pve"));
    assert!(rig.client.cluster_status().unwrap().iter().any(|entry| entry.local && entry.name == "pve"));
    rig.client.cluster_options().unwrap();
}

#[test]
fn the_node_s_name_is_asked_once_or_taken_from_the_configuration() {
    let rig = Rig::new();
    rig.client.guests(GuestKind::Lxc).unwrap();
    rig.client.guests(GuestKind::Qemu).unwrap();
    let asked = |rig: &Rig| rig.sim.calls().iter().filter(|call| call.path == "/cluster/status").count();
    assert_eq!(asked(&rig), 1);
    let named = Connection { node: Some("pve".to_owned()), ..connection(&rig.sim) };
    Client::new(&named).unwrap().guests(GuestKind::Lxc).unwrap();
    assert_eq!(asked(&rig), 1);
}

#[test]
fn a_token_that_may_not_see_the_cluster_still_finds_the_only_node() {
    let rig = Rig::new();
    let blind = rig.client_as("agent@pve!none", "55555555-5555-4555-8555-555555555555");
    assert!(matches!(blind.cluster_status(), Err(PveError::Forbidden(_))));
    assert_eq!(blind.node().unwrap(), "pve");
}

#[test]
fn both_lists_of_guests_are_read() {
    let rig = Rig::new();
    let containers = rig.client.guests(GuestKind::Lxc).unwrap();
    let of = |vmid| containers.iter().find(|row| row.guest == lxc(vmid)).unwrap();
    assert_eq!(containers.len(), 8);
    assert_eq!((of(100).run, of(100).uptime_seconds), (RunState::Stopped, None));
    assert_eq!((of(101).run, of(101).name.as_deref()), (RunState::Running, Some("db")));
    assert!(of(104).template && !of(100).template);
    assert_eq!((of(107).lock.as_deref(), of(100).lock.as_deref()), (Some("backup"), None));
    let machines = rig.client.guests(GuestKind::Qemu).unwrap();
    assert_eq!(machines.iter().map(|row| row.guest).collect::<Vec<_>>().len(), 2);
    assert!(machines.iter().any(|row| row.guest == qemu(200) && row.run == RunState::Running));
}

#[test]
fn a_token_that_sees_nothing_gets_an_empty_list_and_no_error() {
    let rig = Rig::new();
    let blind = rig.client_as("agent@pve!none", "55555555-5555-4555-8555-555555555555");
    assert_eq!(blind.guests(GuestKind::Lxc).unwrap(), Vec::new());
    assert!(matches!(blind.pending(lxc(100)), Err(PveError::Forbidden(_))));
}

#[test]
fn one_call_gives_the_configuration_in_both_views_and_the_digest() {
    let rig = Rig::new();
    let config = rig.client.pending(lxc(101)).unwrap();
    assert_eq!(config.current["memory"], "128");
    assert_eq!(config.current["hostname"], "db");
    assert_eq!(config.digest.len(), 40);
    assert!(!config.current.contains_key("digest"));
    assert_eq!(rig.client.config(lxc(101), View::Current).unwrap().digest, config.digest);
    // A VM's memory is a text on the wire, a container's a number: both are text here.
    assert_eq!(rig.client.pending(qemu(200)).unwrap().current["memory"], "64");
}

#[test]
fn what_is_pending_is_told_from_what_runs() {
    let rig = Rig::new();
    let body = r#"{"data":[{"key":"digest","value":"75f568db6a70cf20abd7bf4e056cdaf9a1ed88ae"},
        {"key":"cores","value":2,"pending":"4"},{"key":"cmode","pending":"shell"},
        {"key":"mp0","value":"store:1,mp=/a","delete":1},{"key":"mp1","value":"store:2,mp=/b","delete":"2"},
        {"key":"lxc","value":[["lxc.cap.drop","sys_admin"]]},{"key":"swap","value":"abc"}]}"#;
    rig.sim.fault(Rule::new(Action::Body { body: body.to_owned() }).path("/pending"));
    let config = rig.client.pending(lxc(100)).unwrap();
    assert_eq!(config.current["cores"], "2");
    assert_eq!(config.pending["cores"], PendingChange::Set("4".to_owned()));
    assert_eq!(config.pending["cmode"], PendingChange::Set("shell".to_owned()));
    assert_eq!(config.pending["mp0"], PendingChange::Delete);
    assert_eq!(config.pending["mp1"], PendingChange::Delete);
    assert_eq!(config.current["lxc"], r#"[["lxc.cap.drop","sys_admin"]]"#);
    assert_eq!(config.current["swap"], "abc");
    assert_eq!((config.merged("cores"), config.merged("mp0")), (Some("4"), None));
}

#[test]
fn a_configuration_without_a_digest_counts_as_not_read() {
    let rig = Rig::new();
    for body in
        [r#"{"data":[]}"#, r#"{"data":[{"key":"digest","value":""}]}"#, r#"{"data":[{"key":"digest"}]}"#]
    {
        rig.sim.clear_faults();
        rig.sim.fault(Rule::new(Action::Body { body: body.to_owned() }).path("/pending"));
        assert!(matches!(rig.client.pending(lxc(100)), Err(PveError::Body { .. })), "{body}");
    }
}

#[test]
fn the_live_status_tells_lock_template_and_ha() {
    let mut world = World::facts_world();
    world.guest_mut(102).ha = Some("started".to_owned());
    let rig = Rig::of(world);
    assert_eq!(rig.client.status(lxc(101)).unwrap().run, RunState::Running);
    assert_eq!(rig.client.status(lxc(107)).unwrap().lock.as_deref(), Some("backup"));
    assert!(rig.client.status(lxc(104)).unwrap().template);
    assert!(matches!(rig.client.status(lxc(102)).unwrap().ha, HaState::Managed(_)));
    assert_eq!(rig.client.status(lxc(101)).unwrap().ha, HaState::NotManaged);
}

#[test]
fn a_paused_vm_does_not_run() {
    let rig = Rig::new();
    let body = r#"{"data":{"vmid":200,"status":"running","qmpstatus":"paused","ha":{"managed":0}}}"#;
    rig.sim.fault(Rule::new(Action::Body { body: body.to_owned() }).path("/status/current"));
    assert_eq!(rig.client.status(qemu(200)).unwrap().run, RunState::Paused);
}

#[test]
fn the_list_of_snapshots_holds_only_snapshots() {
    let rig = Rig::new();
    let snapshots = rig.client.snapshots(lxc(101)).unwrap();
    assert_eq!(snapshots.len(), 1);
    assert_eq!((snapshots[0].name.as_str(), snapshots[0].taken_at), ("s1", Some(1_795_230_876)));
}

#[test]
fn what_else_there_is_is_read() {
    let rig = Rig::of(World::demo());
    let storages = rig.client.storages().unwrap();
    assert!(
        storages.iter().any(|storage| storage.holds(ContentKind::Backup) && storage.total > storage.used)
    );
    let jobs = rig.client.backup_jobs().unwrap();
    assert_eq!((jobs[0].enabled, jobs[0].schedule.as_deref()), (Some(true), Some("02:30")));
    assert_eq!(rig.client.pools(None).unwrap()[0].id, "home");
    assert!(rig.client.cluster_resources().unwrap().iter().any(|row| row.id == "lxc/100"));
    let backups = rig.client.content("store", Some(ContentKind::Backup), None).unwrap();
    assert!(
        !backups.is_empty() && backups.iter().all(|backup| backup.vmid.is_some() && backup.size > Some(0))
    );
    assert_eq!(
        rig.client.content("store", Some(ContentKind::Backup), Some(qemu(200).vmid)).unwrap(),
        Vec::new()
    );
    assert!(rig.client.next_id(None).unwrap().number() >= 100);
    let taken = rig.client.next_id(Some(lxc(100).vmid));
    assert!(matches!(taken, Err(PveError::Parameter { .. })));
    assert_eq!(rig.client.tasks(&TaskFilter::default()).unwrap(), Vec::new());
}

#[test]
fn permissions_are_read_with_their_paths() {
    let rig = Rig::new();
    assert!(rig.client.permissions().unwrap().allows("/vms/100", "VM.PowerMgmt"));
    let limited = rig.client_as("agent@pve!full", "33333333-3333-4333-8333-333333333333");
    let permissions = limited.permissions().unwrap();
    assert!(
        permissions.allows("/vms/101", "VM.PowerMgmt") && !permissions.allows("/vms/100", "VM.PowerMgmt")
    );
    assert!(permissions.allows("/vms/100", "VM.Audit") && permissions.all().contains(&"VM.Backup"));
    // A deeper path's roles replace what it would inherit.
    assert!(permissions.allows("/", "Sys.Audit") && !permissions.allows("/vms/101", "Sys.Audit"));
}

#[test]
fn tasks_are_listed_running_and_ended() {
    let rig = Rig::new();
    rig.sim.world(|world| world.faults.hung_types.insert("vzstop".to_owned()));
    let started = rig.client.start(&super::rig::recorded(lxc(102)), lxc(102)).unwrap();
    rig.wait(&started);
    let hung = rig.client.stop(&exactly(Step::Stop { guest: lxc(101) }), lxc(101)).unwrap();
    let all = TaskFilter { source: TaskSource::All, ..TaskFilter::default() };
    let of = |upid: &crate::pve::Upid| {
        rig.client.tasks(&all).unwrap().into_iter().find(|task| task.upid == *upid).unwrap()
    };
    assert!(of(&hung).is_running());
    assert_eq!((of(&started).is_running(), of(&started).exit.as_deref()), (false, Some("OK")));
    let narrow =
        TaskFilter { vmid: Some(lxc(101).vmid), source: TaskSource::Active, ..TaskFilter::default() };
    assert!(rig.client.tasks(&narrow).unwrap().iter().all(|task| task.upid.vmid() == Some(lxc(101).vmid)));
}

#[test]
fn a_tick_runs_over_one_kept_connection() {
    let rig = Rig::with(Options { world: World::with_guests(100), ..Options::default() });
    rig.client.node().unwrap();
    for kind in GuestKind::ALL {
        rig.client.guests(kind).unwrap();
    }
    for vmid in 100..200 {
        rig.client.pending(lxc(vmid)).unwrap();
        if vmid % 10 == 0 {
            // Proxied: answered with both `Connection: close` and `Connection: Keep-Alive`.
            rig.client.status(lxc(vmid)).unwrap();
        }
    }
    let calls = rig.sim.calls();
    assert_eq!(calls.len(), 1 + 2 + 100 + 10);
    assert!(calls.iter().all(|call| call.connection == 1), "more than one connection");
    assert_eq!(rig.sim.connections().0, 1);
}

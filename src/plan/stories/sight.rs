//! What was not seen, or not as it should be: nothing is planned, and nothing is called gone.

use expect_test::expect;
use serde_json::json;

use super::{check, check_seen, container, fault, missing, vm, web};
use crate::model::guest::{GuestId, GuestKind, RunState, Vmid};
use crate::model::observed::{GuestConfig, GuestObservation, Presence, Reading};
use crate::model::step::Step;

#[test]
fn a_guest_of_the_other_kind_is_never_touched() {
    let mut there = vm(RunState::Running, &[]);
    there.id = GuestId::new(GuestKind::Qemu, Vmid::new(101).unwrap());
    check(
        &web(json!({"run_state": "stopped", "cores": 2})),
        &there,
        expect![[r#"
        lxc/101 web  unknown  cannot be planned
          ! kind_mismatch: the desired state names lxc/101, but on this node it is qemu/101
    "#]],
    );
}

#[test]
fn absence_is_not_evidence() {
    let desired = web(json!({"run_state": "running"}));
    let there = container(RunState::Running, &[]).observe();
    let with =
        |presence: Presence, config: Reading<GuestConfig>| GuestObservation { presence, config, live: None };
    // The list lacks it, and its configuration is said not to exist.
    check_seen(
        &desired,
        &with(Presence::NotListed, Reading::Unknown(missing())),
        expect![[r#"
        lxc/101 web  unknown  cannot be planned
          ! guest_missing: there is no lxc/101 on this node: Configuration file 'nodes/pve/lxc/101.conf' does not exist. It may have moved to another node
    "#]],
    );
    // The list lacks it, and the token may not read it.
    let forbidden = fault("permission", "Permission check failed (/vms/101, VM.Audit)");
    check_seen(
        &desired,
        &with(Presence::NotListed, Reading::Unknown(forbidden)),
        expect![[r#"
        lxc/101 web  unknown  cannot be planned
          ! guest_not_visible: lxc/101 is not in the node's list, which proves nothing: a token without VM.Audit on /vms/101 sees the same list (Permission check failed (/vms/101, VM.Audit))
    "#]],
    );
    // The list lacks it, and its configuration can be read.
    check_seen(
        &desired,
        &with(Presence::NotListed, there.config.clone()),
        expect![[r#"
        lxc/101 web  unknown  cannot be planned
          ! guest_not_visible: lxc/101 is not in the node's list, which proves nothing: a token without VM.Audit on /vms/101 sees the same list (its configuration can be read, but the guest list does not have it)
    "#]],
    );
    // The list has it, and its configuration is said not to exist: it is being made, moved or destroyed.
    check_seen(
        &desired,
        &with(there.presence.clone(), Reading::Unknown(missing())),
        expect![[r#"
        lxc/101 web  unknown  cannot be planned
          ! unreadable: its configuration could not be read: Configuration file 'nodes/pve/lxc/101.conf' does not exist
    "#]],
    );
    // The list cannot be read.
    let refused = || fault("unreachable", "connection refused");
    check_seen(
        &desired,
        &with(Presence::Unknown(refused()), Reading::Unknown(missing())),
        expect![[r#"
        lxc/101 web  unknown  cannot be planned
          ! unreadable: its configuration could not be read: Configuration file 'nodes/pve/lxc/101.conf' does not exist
    "#]],
    );
    check_seen(
        &desired,
        &with(Presence::Unknown(refused()), there.config),
        expect![[r#"
        lxc/101 web  unknown  cannot be planned
          ! unreadable: the guest list could not be read: connection refused
    "#]],
    );
}

#[test]
fn what_could_not_be_read_is_never_written() {
    let desired = web(json!({"cores": 2}));
    let there = container(RunState::Running, &[("cores", "1")]);
    let unread = GuestObservation {
        config: Reading::Unknown(fault("proxy", "596 Connection timed out")),
        ..there.observe()
    };
    check_seen(
        &desired,
        &unread,
        expect![[r#"
        lxc/101 web  unknown  cannot be planned
          ! unreadable: its configuration could not be read: 596 Connection timed out
    "#]],
    );
    let mut without_digest = there.observe();
    without_digest.config = Reading::Known(GuestConfig::default());
    check_seen(
        &desired,
        &without_digest,
        expect![[r#"
        lxc/101 web  unknown  cannot be planned
          ! unreadable: its configuration came without a digest, so that no write could be safe
    "#]],
    );
    let blind = GuestObservation {
        live: Some(Reading::Unknown(fault("proxy", "595 Connection refused"))),
        ..there.observe()
    };
    check_seen(
        &desired,
        &blind,
        expect![[r#"
        lxc/101 web  unknown  cannot be planned
          ! unreadable: its status could not be read: 595 Connection refused
    "#]],
    );
    let mut grey = there;
    grey.run = RunState::Unknown;
    check(
        &desired,
        &grey,
        expect![[r#"
        lxc/101 web  unknown  cannot be planned
          ! unreadable: the node does not say whether it runs
    "#]],
    );
}

#[test]
fn a_look_without_the_live_status_says_what_it_did_not_check() {
    let there = container(RunState::Stopped, &[]);
    check_seen(
        &web(json!({"run_state": "running"})),
        &there.look(),
        expect![[r#"
        lxc/101 web  stopped  1 step
            run_state    "stopped" -> "running"
          1. start lxc/101
             because it is stopped and should run
          - whether HA manages it or a backup runs is looked at again right before each step
    "#]],
    );
}

#[test]
fn a_guest_that_is_nowhere_is_made_where_it_is_said_from_what() {
    let nowhere =
        |presence: Presence| GuestObservation { presence, config: Reading::Unknown(missing()), live: None };
    let template = json!({"from": "template", "source": "local:vztmpl/a.tar.zst", "storage": "store"});
    let spec = json!({"run_state": "running", "name": "web", "protection": true, "provision": template});
    let desired = web(spec.clone());
    check_seen(
        &desired,
        &nowhere(Presence::Nowhere),
        expect![[r#"
            lxc/101 web  unknown  1 step
                ensure       not set -> "present"
              1. make lxc/101 from template local:vztmpl/a.tar.zst
                 because it is nowhere in the cluster; what else is wanted of it follows once it is there
        "#]],
    );
    let plan = super::plan_guest(&desired, &nowhere(Presence::Nowhere), &super::Settings::default());
    let Some(Step::Make { params, .. }) = plan.steps.first().map(|planned| &planned.step) else { panic!() };
    let params: Vec<String> = params.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(params, ["hostname=web", "storage=store", "unprivileged=1"]);
    // Nobody said from what; another node has it; nobody can say.
    for (desired, presence) in [
        (web(json!({"run_state": "running"})), Presence::Nowhere),
        (desired.clone(), Presence::Elsewhere("pve2".to_owned())),
        (desired, Presence::NotListed),
    ] {
        let plan = super::plan_guest(&desired, &nowhere(presence), &super::Settings::default());
        assert!(plan.steps.is_empty() && !plan.is_in_order(), "{plan:?}");
    }
    // It is not wanted now, or only to be reported, or not at all.
    let with = |name: &str, value: serde_json::Value| {
        let mut resource = json!({"id": "web", "kind": "lxc_guest", "spec": spec.clone()});
        resource["spec"]["vmid"] = json!(101);
        resource[name] = value;
        let desired = super::wanted(resource);
        super::plan_guest(&desired, &nowhere(Presence::Nowhere), &super::Settings::default())
    };
    assert!(with("suspend", json!(true)).hold.is_some());
    for (name, value) in [("drift", json!("report")), ("ensure", json!("absent"))] {
        let plan = with(name, value);
        assert!(plan.is_in_order() && !plan.notes.is_empty(), "{plan:?}");
    }
}

//! D: host, roles, policy.

use serde_json::json;

use super::super::testing::{
    NOW, keyring_document, operation, sign, situation, trust, verified, verified_by,
};
use super::super::{Keyring, Policy, PolicyError, Situation, Trust};
use super::{good, payload_with, refused, refused_by, refused_payload};
use crate::model::op::{Action, OpKind, RejectCode, Role};

#[test]
fn d01_an_operation_for_another_host_is_refused() {
    let mut op = good();
    op.host_id = "another".to_owned();
    assert_eq!(refused(sign(&op, &[Role::Custodian])), RejectCode::WrongHost);
    // This host was installed anew and is called as before.
    let again = Situation { host_id: "0192f0c1-7d1e-4d53-9a51-000000000000", ..situation(NOW) };
    let rejected = refused_by(sign(&good(), &[Role::Custodian]), &trust(), &again);
    assert_eq!(rejected.code, RejectCode::WrongHost);
}

#[test]
fn d02_an_operation_for_another_node_name_is_refused() {
    for node in ["pve2", "PVE1", "pve11"] {
        let mut op = good();
        op.node = node.to_owned();
        assert_eq!(refused(sign(&op, &[Role::Custodian])), RejectCode::WrongHost, "{node}");
    }
}

#[test]
fn d03_an_audience_beyond_host_and_node_is_refused() {
    for name in ["cluster", "hub", "hub_id"] {
        let text = payload_with(|document| document["aud"][name] = json!("other"));
        assert_eq!(refused_payload(text), RejectCode::PayloadField, "{name}");
    }
}

#[test]
fn d04_a_wildcard_an_empty_and_a_listed_host_are_refused() {
    for wrong in [json!("*"), json!(""), json!(["a"]), json!("a b"), json!("-a"), json!(".."), json!(1)] {
        for name in ["host_id", "node"] {
            let text = payload_with(|document| document["aud"][name] = wrong.clone());
            assert_eq!(refused_payload(text), RejectCode::PayloadValue, "{name} {wrong}");
        }
    }
}

#[test]
fn d05_a_role_that_no_signer_holds_is_refused() {
    let snapshot = "before".to_owned();
    let op = operation(Action::GuestRollback { snapshot, start: false }, Role::Recovery, NOW, 1);
    assert_eq!(refused(sign(&op, &[Role::Operator])), RejectCode::RoleNotHeld);
    assert_eq!(refused(sign(&op, &[Role::Custodian])), RejectCode::RoleNotHeld);
    assert_eq!(verified_by(&op, &[Role::Operator, Role::Recovery]).op(), &op);
}

#[test]
fn d06_a_role_that_may_not_sign_the_kind_is_refused() {
    let op = operation(Action::FloorRaise { iat: good().iat }, Role::Operator, NOW, 1);
    assert_eq!(refused(sign(&op, &[Role::Operator])), RejectCode::RoleNotAllowed);
    // Nor does a second signer lend his role to the one that is claimed.
    assert_eq!(refused(sign(&op, &[Role::Operator, Role::Root])), RejectCode::RoleNotAllowed);
}

#[test]
fn d06_the_built_in_table_is_exactly_this() {
    let policy = Policy::built_in();
    let table: Vec<String> = OpKind::ALL
        .iter()
        .map(|kind| {
            let roles: Vec<&str> = policy.roles_for(*kind).iter().map(|role| role.as_str()).collect();
            format!("{kind}: {}", roles.join(" "))
        })
        .collect();
    expect_test::expect![[r#"
        guest.destroy: custodian
        guest.rollback: custodian recovery
        guest.restore_over: custodian recovery
        guest.stop_hard: operator custodian
        guest.unlock: operator custodian
        snapshot.delete: operator
        backup.delete: custodian
        volume.delete: custodian
        volume.detach: custodian
        config.destructive: custodian
        resource.delete: custodian
        job.shell: shell
        limit.release: operator
        floor.raise: root
        trust.update: root"#]]
    .assert_eq(&table.join("\n"));
}

#[test]
fn d07_one_signature_does_not_waive_the_backup_and_two_roles_do() {
    let snapshot = || "before".to_owned();
    let rollback =
        operation(Action::GuestRollback { snapshot: snapshot(), start: true }, Role::Recovery, NOW, 1);
    let destroy = good();
    for (op, by, waived) in [
        (&destroy, &[Role::Custodian][..], false),
        (&destroy, &[Role::Custodian, Role::Operator], false),
        (&destroy, &[Role::Custodian, Role::Recovery], false),
        (&destroy, &[Role::Custodian, Role::Root], true),
        (&destroy, &[Role::Root, Role::Custodian], true),
        (&rollback, &[Role::Recovery], false),
        (&rollback, &[Role::Recovery, Role::Shell], false),
        (&rollback, &[Role::Recovery, Role::Custodian], true),
        (&rollback, &[Role::Recovery, Role::Shell, Role::Custodian], true),
    ] {
        assert_eq!(verified_by(op, by).evidence_waived_by_two(), waived, "{} {by:?}", op.action.kind());
    }
}

#[test]
fn d07_one_key_with_two_roles_and_two_keys_with_one_role_waive_nothing() {
    let both = |second: &str| {
        let mut document: serde_json::Value = serde_json::from_slice(&keyring_document()).unwrap();
        document["keys"][1]["roles"] = json!(["custodian", "recovery"]);
        document["keys"][2]["roles"] = json!([second]);
        let keyring = Keyring::parse(document.to_string().as_bytes()).unwrap();
        Trust { keyring, policy: Policy::built_in() }
    };
    let snapshot = "before".to_owned();
    let op = operation(Action::GuestRollback { snapshot, start: true }, Role::Custodian, NOW, 1);
    let waived = |by: &[Role], trust: &Trust| {
        super::verify(&sign(&op, by), trust, &situation(NOW)).unwrap().evidence_waived_by_two()
    };
    assert!(!waived(&[Role::Custodian], &both("custodian")));
    assert!(!waived(&[Role::Custodian], &both("recovery")));
    assert!(waived(&[Role::Custodian, Role::Recovery], &both("recovery")));
    // The second holds custodian alone, and the first can stand for recovery.
    assert!(waived(&[Role::Custodian, Role::Recovery], &both("custodian")));
}

#[test]
fn d08_a_key_that_may_sign_nothing_destructive_signs_nothing_destructive() {
    for kind in OpKind::ALL {
        let allowed = Policy::built_in().allows(Role::Operator, kind);
        let harmless =
            [OpKind::GuestStopHard, OpKind::GuestUnlock, OpKind::SnapshotDelete, OpKind::LimitRelease];
        assert_eq!(allowed, harmless.contains(&kind), "{kind}");
    }
    let mut op = good();
    op.role = Role::Operator;
    assert_eq!(refused(sign(&op, &[Role::Operator])), RejectCode::RoleNotAllowed);
    let muted = Policy::narrowed(b"{\"v\":1,\"roles\":{\"operator\":[]}}").unwrap();
    let trust = Trust { policy: muted, ..trust() };
    let stop = operation(Action::GuestStopHard, Role::Operator, NOW, 1);
    let rejected = refused_by(sign(&stop, &[Role::Operator]), &trust, &situation(NOW));
    assert_eq!(rejected.code, RejectCode::RoleNotAllowed);
    assert!(rejected.detail.contains("custodian"), "{}", rejected.detail);
}

#[test]
fn a_policy_file_takes_away_and_never_adds() {
    let narrowed =
        Policy::narrowed(b"{\"v\":1,\"max_ttl_s\":900,\"roles\":{\"custodian\":[\"guest.destroy\"]}}")
            .unwrap();
    assert_eq!(narrowed.max_ttl_s(), 900);
    for kind in OpKind::ALL {
        for role in Role::ALL {
            let before = Policy::built_in().allows(role, kind);
            let expected = before && (role != Role::Custodian || kind == OpKind::GuestDestroy);
            assert_eq!(narrowed.allows(role, kind), expected, "{role} {kind}");
        }
    }
    let wider = Policy::narrowed(b"{\"v\":1,\"roles\":{\"operator\":[\"guest.destroy\"]}}");
    assert_eq!(wider, Err(PolicyError::Widened { role: Role::Operator, kind: OpKind::GuestDestroy }));
    for wrong in [
        "{\"v\":2}",
        "{\"v\":1,\"max_ttl_s\":86401}",
        "{\"v\":1,\"max_ttl_s\":1}",
        "{\"v\":1,\"roles\":[]}",
        "{\"v\":1,\"roles\":{\"admin\":[]}}",
        "{\"v\":1,\"roles\":{\"root\":[\"*\"]}}",
        "{\"v\":1,\"x\":1}",
        "{\"v\":1,\"v\":1}",
        "{\"v\":1} ",
        "",
    ] {
        let error = Policy::narrowed(wrong.as_bytes()).unwrap_err();
        assert!(!matches!(error, PolicyError::Widened { .. }), "{wrong}");
    }
    assert_eq!(Policy::narrowed(b"{\"v\":1}\n"), Ok(Policy::built_in()));
}

#[test]
fn a_policy_narrowed_after_verification_holds_when_checked_again() {
    let op = verified(&good());
    let policy = Policy::narrowed(b"{\"v\":1,\"roles\":{\"custodian\":[]}}").unwrap();
    let rejected = op.recheck(&Trust { policy, ..trust() }, &situation(NOW)).unwrap_err();
    assert_eq!(rejected.code, RejectCode::RoleNotAllowed);
    let other = Situation { node: "pve2", ..situation(NOW) };
    assert_eq!(op.recheck(&trust(), &other).unwrap_err().code, RejectCode::WrongHost);
}

#[test]
fn a_second_key_that_lost_its_role_after_verification_waives_nothing() {
    let op = verified_by(&good(), &[Role::Custodian, Role::Root]);
    assert_eq!(op.recheck(&trust(), &situation(NOW)), Ok(()));
    let mut document: serde_json::Value = serde_json::from_slice(&keyring_document()).unwrap();
    document["keys"][4]["roles"] = json!(["operator"]);
    let keyring = Keyring::parse(document.to_string().as_bytes()).unwrap();
    let later = Trust { keyring, policy: Policy::built_in() };
    assert_eq!(op.recheck(&later, &situation(NOW)).unwrap_err().code, RejectCode::Threshold);
    // What needs no backup needs nobody to waive it.
    let stop = operation(Action::GuestStopHard, Role::Custodian, NOW, 1);
    let stop = verified_by(&stop, &[Role::Custodian, Role::Root]);
    assert_eq!(stop.recheck(&later, &situation(NOW)), Ok(()));
}

//! The matrix of rejections, in process: each test is named by its row.

use super::testing::{NOW, operation, sign, situation, trust, verified, verified_by};
use super::verify;
use crate::model::op::{Action, Role};

#[test]
fn an_operation_signed_by_a_trusted_key_is_accepted() {
    let op = operation(Action::GuestDestroy { purge: true }, Role::Custodian, NOW, 1);
    let verified = verify(&sign(&op, &[Role::Custodian]), &trust(), &situation(NOW)).unwrap();
    assert_eq!(verified.op(), &op);
    verified.recheck(&trust(), &situation(NOW)).unwrap();
}

#[test]
fn two_keys_with_two_roles_waive_the_backup() {
    let op = operation(Action::GuestDestroy { purge: true }, Role::Custodian, NOW, 1);
    assert!(!verified(&op).evidence_waived_by_two());
    assert!(verified_by(&op, &[Role::Custodian, Role::Root]).evidence_waived_by_two());
    assert!(!verified_by(&op, &[Role::Custodian, Role::Operator]).evidence_waived_by_two());
}

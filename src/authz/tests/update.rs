//! B14: a new keyring.

use ed25519_dalek::SigningKey;

use super::super::keyring::{Key, keyid};
use super::super::testing::{
    NOW, key, keyring_document, operation, seal, sign, signing_key, situation, trust, verified,
};
use super::super::{Keyring, Policy, Trust, VerifiedOp, next_keyring, verify, write};
use super::{good, refused_by};
use crate::model::op::{Action, Operation, RejectCode, Rejected, Role};
use crate::model::time::Timestamp;

const LATER: u64 = NOW + 10_000_000;

/// Version 2 of the keyring of the tests.
pub(super) fn next_document() -> Vec<u8> {
    document(2, 1, &Role::ALL.map(key))
}

fn document(version: u64, threshold: usize, keys: &[Key]) -> Vec<u8> {
    write::keyring(version, threshold, Timestamp::from_unix(LATER), keys)
}

/// A root of the number, not among the tests' own keys.
fn root(number: u8) -> (SigningKey, Key) {
    let signing = SigningKey::from_bytes(&[50 + number; 32]);
    let public_key = signing.verifying_key().to_bytes();
    let entry =
        Key { keyid: keyid(&public_key), public_key, name: format!("root {number}"), ..key(Role::Root) };
    (signing, entry)
}

fn trusting(document: &[u8]) -> Trust {
    Trust { keyring: Keyring::parse(document).unwrap(), policy: Policy::built_in() }
}

fn update(keyring: Vec<u8>) -> Operation {
    operation(Action::TrustUpdate { keyring }, Role::Root, NOW, 1)
}

fn judged(trust: &Trust, new: &[u8], by: &[&SigningKey]) -> Result<VerifiedOp, Rejected> {
    let keys: Vec<SigningKey> = by.iter().map(|key| (*key).clone()).collect();
    let envelope = seal(&write::payload(&update(new.to_vec())), &keys);
    let result = verify(&envelope, trust, &situation(NOW));
    if let Err(rejected) = &result {
        super::repeats_nothing(&envelope, rejected);
    }
    result
}

fn code(result: Result<VerifiedOp, Rejected>) -> Result<(), RejectCode> {
    result.map(drop).map_err(|rejected| rejected.code)
}

#[test]
fn b14_the_next_version_takes_over_and_no_other() {
    let root = signing_key(Role::Root);
    for (version, expected) in [
        (2, Ok(())),
        (1, Err(RejectCode::TrustRollback)),
        (3, Err(RejectCode::TrustGap)),
        (4, Err(RejectCode::TrustGap)),
    ] {
        let new = document(version, 1, &Role::ALL.map(key));
        assert_eq!(code(judged(&trust(), &new, &[&root])), expected, "{version}");
    }
    let old = Trust { keyring: Keyring::parse(&document(5, 1, &Role::ALL.map(key))).unwrap(), ..trust() };
    assert_eq!(
        code(judged(&old, &document(4, 1, &Role::ALL.map(key)), &[&root])),
        Err(RejectCode::TrustRollback)
    );
}

#[test]
fn b14_old_and_new_roots_have_to_sign() {
    let ((one, first), (two, second), (three, third)) = (root(1), root(2), root(3));
    let old = trusting(&document(1, 2, &[first.clone(), second.clone()]));
    let new = document(2, 2, &[second, third]);
    for (by, expected) in [
        (&[&one, &two, &three][..], Ok(())),
        (&[&three, &two, &one], Ok(())),
        (&[&one, &two], Err(RejectCode::Threshold)),
        (&[&two, &three], Err(RejectCode::Threshold)),
        (&[&one, &three], Err(RejectCode::Threshold)),
        (&[&three], Err(RejectCode::UnknownKey)),
        (&[&one, &one], Err(RejectCode::Threshold)),
        (&[&one, &one, &two, &three], Err(RejectCode::Threshold)),
        (&[&two, &three, &three], Err(RejectCode::Threshold)),
    ] {
        assert_eq!(code(judged(&old, &new, by)), expected, "{}", by.len());
    }
    let verified = judged(&old, &new, &[&one, &two, &three]).unwrap();
    let next = next_keyring(&old.keyring, &new, &verified).unwrap();
    assert_eq!(next.version(), 2);
    assert!(next.key(&first.keyid).is_none());
    verified.recheck(&old, &situation(NOW)).unwrap();
    // Once it is in force it cannot be brought again.
    let again = Trust { keyring: next, policy: Policy::built_in() };
    assert_eq!(code(judged(&again, &new, &[&two, &three])), Err(RejectCode::TrustRollback));
}

#[test]
fn b14_a_key_that_only_the_new_keyring_knows_lends_its_roles_to_nothing_else() {
    let (stranger, entry) = root(1);
    let mut keys = Role::ALL.map(key).to_vec();
    keys.push(entry);
    let new = document(2, 1, &keys);
    // The operator brings a keyring of his own, in which he is root, and signs with that key too.
    let operator = signing_key(Role::Operator);
    assert_eq!(code(judged(&trust(), &new, &[&operator, &stranger])), Err(RejectCode::RoleNotHeld));
    // And with a signature that is not his.
    let (bytes, mut signatures) =
        write::open(&seal(&write::payload(&update(new)), &[signing_key(Role::Root), stranger.clone()]))
            .unwrap();
    signatures[1].bytes[3] ^= 1;
    let rejected = refused_by(write::envelope(&bytes, &signatures), &trust(), &situation(NOW));
    assert_eq!(rejected.code, RejectCode::BadSignature);
    // Another kind of operation gets no key from anywhere.
    let other = seal(&write::payload(&good()), &[signing_key(Role::Custodian), stranger]);
    assert_eq!(refused_by(other, &trust(), &situation(NOW)).code, RejectCode::UnknownKey);
}

#[test]
fn b14_a_root_that_is_revoked_on_one_side_does_not_count_there() {
    let ((one, first), (two, second)) = (root(1), root(2));
    let old = trusting(&document(1, 1, &[first.clone(), second.clone()]));
    let revoked = Key { revoked: true, ..second };
    let new = document(2, 2, &[first, revoked]);
    assert_eq!(code(judged(&old, &new, &[&one, &two])), Err(RejectCode::Threshold));
}

#[test]
fn b16_a_stale_keyring_takes_its_own_replacement_and_only_a_fresh_one() {
    let root = signing_key(Role::Root);
    let stale = write::keyring(1, 1, Timestamp::from_unix(NOW - 5), &Role::ALL.map(key));
    let stale = trusting(&stale);
    assert_eq!(code(judged(&stale, &next_document(), &[&root])), Ok(()));
    let stale_too = write::keyring(2, 1, Timestamp::from_unix(NOW), &Role::ALL.map(key));
    assert_eq!(code(judged(&trust(), &stale_too, &[&root])), Err(RejectCode::StaleTrust));
}

#[test]
fn only_the_bytes_that_the_operation_carries_take_over() {
    let op = judged(&trust(), &next_document(), &[&signing_key(Role::Root)]).unwrap();
    let old = &trust().keyring;
    assert_eq!(next_keyring(old, &next_document(), &op).map(|next| next.version()), Ok(2));
    let code = |result: Result<Keyring, Rejected>| result.unwrap_err().code;
    assert_eq!(code(next_keyring(old, &keyring_document(), &op)), RejectCode::BindParams);
    assert_eq!(code(next_keyring(old, &next_document(), &verified(&good()))), RejectCode::BindAction);
    let later = Keyring::parse(&next_document()).unwrap();
    assert_eq!(code(next_keyring(&later, &next_document(), &op)), RejectCode::TrustRollback);
    assert!(!sign(&good(), &[Role::Custodian]).is_empty());
}

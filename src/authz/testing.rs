//! Operations for the tests of other modules: signed with fixed keys and taken through [`verify`], as everything is.

use ed25519_dalek::{Signer as _, SigningKey};

use super::keyring::{Key, keyid};
use super::{Keyring, Policy, Situation, Trust, VerifiedOp, verify, write};
use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::op::{Action, ClockTrust, OpId, Operation, Role, Subject};
use crate::model::sorted::Set;
use crate::model::time::Timestamp;

pub(crate) const HOST_ID: &str = "0192f0c1-7d1e-4d53-9a51-3a3b1c0d9e01";
pub(crate) const NODE: &str = "pve1";
/// 2026-11-21T14:00:00Z
pub(crate) const NOW: u64 = 1_795_269_600;

/// One key for each role.
pub(crate) fn signing_key(role: Role) -> SigningKey {
    let seed = match role {
        Role::Operator => 1,
        Role::Custodian => 2,
        Role::Recovery => 3,
        Role::Shell => 4,
        Role::Root => 5,
        Role::Manifest => 6,
    };
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn key(role: Role) -> Key {
    let public_key = signing_key(role).verifying_key().to_bytes();
    Key {
        keyid: keyid(&public_key),
        public_key,
        name: format!("the {role}"),
        roles: Set::from([role]),
        not_before: Timestamp::from_unix(NOW - 1_000_000),
        not_after: Timestamp::from_unix(NOW + 10_000_000),
        revoked: false,
    }
}

/// A document with one key for each role, version 1, threshold 1.
pub(crate) fn keyring_document() -> Vec<u8> {
    write::keyring(1, 1, Timestamp::from_unix(NOW + 10_000_000), &Role::ALL.map(key))
}

pub(crate) fn trust() -> Trust {
    Trust { keyring: Keyring::parse(&keyring_document()).unwrap(), policy: Policy::built_in() }
}

/// [`HOST_ID`], [`NODE`], a trusted clock, no floor.
pub(crate) fn situation(now: u64) -> Situation<'static> {
    Situation {
        host_id: HOST_ID,
        node: NODE,
        now: Timestamp::from_unix(now),
        clock: &ClockTrust::Trusted,
        floor: Timestamp::from_unix(0),
    }
}

/// An operation of an hour from `now` on, with some id and nonce made from `number`; about `lxc/105` where the kind
/// concerns a guest. Tests change what they are about.
pub(crate) fn operation(action: Action, role: Role, now: u64, number: u32) -> Operation {
    let about_a_guest = action.kind().concerns_a_guest();
    let guest = GuestId::new(GuestKind::Lxc, Vmid::new(105).unwrap());
    Operation {
        op_id: OpId::parse(&format!("0192f0c1-7d1e-7d53-9a51-{number:012x}")).unwrap(),
        action,
        role,
        host_id: HOST_ID.to_owned(),
        node: NODE.to_owned(),
        subject: about_a_guest
            .then(|| Subject { guest, ident: "0123456789abcdef0123456789abcdef".to_owned() }),
        state_sha256: about_a_guest.then(|| "ab".repeat(32)),
        evidence: None,
        iat: Timestamp::from_unix(now),
        nbf: Timestamp::from_unix(now),
        exp: Timestamp::from_unix(now + 3_600),
        nonce: format!("ffffffffffffffffffffffff{number:08x}"),
        note: "a test".to_owned(),
    }
}

/// The envelope, signed by the keys of these roles.
pub(crate) fn sign(op: &Operation, roles: &[Role]) -> Vec<u8> {
    seal(&write::payload(op), &roles.iter().map(|role| signing_key(*role)).collect::<Vec<_>>())
}

/// Any bytes, signed by any keys.
pub(crate) fn seal(payload: &[u8], keys: &[SigningKey]) -> Vec<u8> {
    let message = write::pae(payload);
    let signature = |key: &SigningKey| write::Signature {
        keyid: keyid(&key.verifying_key().to_bytes()),
        bytes: key.sign(&message).to_bytes(),
    };
    write::envelope(payload, &keys.iter().map(signature).collect::<Vec<_>>())
}

/// The operation, signed in its role and verified at the instant it was issued at.
pub(crate) fn verified(op: &Operation) -> VerifiedOp {
    verified_by(op, &[op.role])
}

pub(crate) fn verified_by(op: &Operation, roles: &[Role]) -> VerifiedOp {
    let mut here = situation(op.iat.unix());
    (here.host_id, here.node) = (&op.host_id, &op.node);
    verify(&sign(op, roles), &trust(), &here).unwrap()
}

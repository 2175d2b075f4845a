//! Desired state in an envelope: of its own type, by a key with its own role.

use ed25519_dalek::Signer as _;

use super::super::testing::{NOW, key, seal, signing_key};
use super::super::write::{self, Signature};
use super::super::{Keyring, MANIFEST, Policy, Trust, keyring, open_manifest};
use crate::model::op::{RejectCode, Role};
use crate::model::time::Timestamp;

const TEXT: &[u8] = b"{\"generation\": 7}\n";

fn sealed(roles: &[Role]) -> Vec<u8> {
    let message = write::pae_as(&MANIFEST, TEXT);
    let signatures: Vec<Signature> = roles
        .iter()
        .map(|role| Signature {
            keyid: key(*role).keyid,
            bytes: signing_key(*role).sign(&message).to_bytes(),
        })
        .collect();
    write::envelope_as(&MANIFEST, TEXT, &signatures)
}

fn trust(change: impl Fn(&mut keyring::Key), expires: u64) -> Trust {
    let mut keys = Role::ALL.map(key);
    keys.iter_mut().for_each(change);
    let document = write::keyring(1, 1, Timestamp::from_unix(expires), &keys);
    Trust { keyring: Keyring::parse(&document).unwrap(), policy: Policy::built_in() }
}

fn opened(envelope: &[u8], trust: &Trust) -> Result<Vec<u8>, RejectCode> {
    open_manifest(envelope, trust, Timestamp::from_unix(NOW)).map_err(|rejected| rejected.code)
}

#[test]
fn desired_state_is_taken_from_a_key_with_the_role_and_byte_for_byte() {
    let usual = trust(|_| {}, NOW + 1);
    assert_eq!(opened(&sealed(&[Role::Manifest]), &usual).unwrap(), TEXT);
    assert_eq!(opened(&sealed(&[Role::Root, Role::Manifest]), &usual).unwrap(), TEXT);
    let text = String::from_utf8(sealed(&[Role::Manifest])).unwrap();
    let other = text.replace(&key(Role::Manifest).keyid, &key(Role::Root).keyid);
    let revoked = trust(|key| key.revoked = key.roles.contains(&Role::Manifest), NOW + 1);
    let past = trust(|key| key.not_after = Timestamp::from_unix(NOW), NOW + 1);
    for (what, envelope, trust, code) in [
        ("another role", sealed(&[Role::Root]), &usual, RejectCode::RoleNotHeld),
        ("another's name", other.into_bytes(), &usual, RejectCode::BadSignature),
        ("nobody", sealed(&[]), &usual, RejectCode::BadSigCount),
        ("revoked", sealed(&[Role::Manifest]), &revoked, RejectCode::RevokedKey),
        ("past its time", sealed(&[Role::Manifest]), &past, RejectCode::KeyWindow),
        ("an old keyring", sealed(&[Role::Manifest]), &trust(|_| {}, NOW), RejectCode::StaleTrust),
        ("an operation", seal(TEXT, &[signing_key(Role::Manifest)]), &usual, RejectCode::WrongType),
        ("no envelope", TEXT.to_vec(), &usual, RejectCode::EnvelopeField),
    ] {
        assert_eq!(opened(&envelope, trust), Err(code), "{what}");
    }
}

#[test]
fn signed_desired_state_is_no_operation_even_under_the_other_type() {
    let text = String::from_utf8(sealed(&[Role::Manifest])).unwrap();
    let as_operation = text.replace(MANIFEST.payload_type, write::PAYLOAD_TYPE);
    let usual = trust(|_| {}, NOW + 1);
    let here = super::super::testing::situation(NOW);
    let code = |envelope: &str| super::super::verify(envelope.as_bytes(), &usual, &here).unwrap_err().code;
    assert_eq!((code(&text), code(&as_operation)), (RejectCode::WrongType, RejectCode::BadSignature));
}

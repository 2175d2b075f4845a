//! Writing what `verify` reads, for the tools: payload, bytes to sign, envelope, keyring. Whoever signs needs a key; nothing
//! here has one. Reading back what was written gives the same operation.

use base64ct::{Base64, Encoding as _};
use serde_json::Value;

use super::keyring::Key;
use super::pae::{Form, OPERATION};
use super::{keyring, pae};
use crate::model::op::{Action, BackupEvidence, Operation, Rejected};
use crate::model::time::Timestamp;

pub use super::pae::PAYLOAD_TYPE;

/// The payload, compact, fields in the order of the format's description.
pub fn payload(op: &Operation) -> Vec<u8> {
    let mut members = vec![
        ("v", "1".to_owned()),
        ("op_id", text(op.op_id.as_str())),
        ("kind", text(op.action.kind().as_str())),
        ("role", text(op.role.as_str())),
        ("aud", object(&[("host_id", text(&op.host_id)), ("node", text(&op.node))])),
    ];
    if let Some(subject) = &op.subject {
        let (kind, vmid) = (subject.guest.kind.as_str(), subject.guest.vmid.to_string());
        let guest = [("type", text(kind)), ("vmid", vmid), ("ident", text(&subject.ident))];
        members.push(("guest", object(&guest)));
    }
    members.push(("params", params(&op.action)));
    if let Some(state) = &op.state_sha256 {
        members.push(("bind", object(&[("state_sha256", text(state))])));
    }
    if let Some(backup) = &op.evidence {
        members.push(("evidence", object(&[("backup", evidence(backup))])));
    }
    members.extend([
        ("iat", op.iat.unix().to_string()),
        ("nbf", op.nbf.unix().to_string()),
        ("exp", op.exp.unix().to_string()),
        ("nonce", text(&op.nonce)),
        ("note", text(&op.note)),
    ]);
    object(&members).into_bytes()
}

/// An object of values that are JSON already, in this order.
fn object(members: &[(&str, String)]) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{}:{value}", text(name))).collect();
    format!("{{{}}}", members.join(","))
}

fn text(text: &str) -> String {
    Value::from(text).to_string()
}

fn texts<'a>(items: impl IntoIterator<Item = &'a String>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| text(item)).collect();
    format!("[{}]", items.join(","))
}

fn evidence(backup: &BackupEvidence) -> String {
    object(&[
        ("volid", text(&backup.volid)),
        ("ctime", backup.ctime.unix().to_string()),
        ("size", backup.size.to_string()),
        ("covers", texts(&backup.covers)),
    ])
}

fn params(action: &Action) -> String {
    match action {
        Action::GuestDestroy { purge } => object(&[("purge", purge.to_string())]),
        Action::GuestRollback { snapshot, start } => {
            object(&[("snapshot", text(snapshot)), ("start", start.to_string())])
        }
        Action::GuestRestoreOver { volid, storage } => {
            object(&[("volid", text(volid)), ("storage", text(storage))])
        }
        Action::GuestStopHard => object(&[]),
        Action::GuestUnlock { lock } => object(&[("lock", text(lock))]),
        Action::SnapshotDelete { snapshot } => object(&[("snapshot", text(snapshot))]),
        Action::BackupDelete { volid } => object(&[("volid", text(volid))]),
        Action::VolumeDelete { key, volid } => object(&[("key", text(key)), ("volid", text(volid))]),
        Action::VolumeDetach { key } => object(&[("key", text(key))]),
        Action::ConfigDestructive { set, delete } => {
            let set: Vec<(&str, String)> =
                set.iter().map(|(key, value)| (key.as_str(), text(value))).collect();
            object(&[("set", object(&set)), ("delete", texts(delete))])
        }
        Action::ResourceDelete { resource_id } => object(&[("resource_id", text(resource_id))]),
        Action::JobShell { command_sha256, timeout_s } => {
            object(&[("command_sha256", text(command_sha256)), ("timeout_s", timeout_s.to_string())])
        }
        Action::LimitRelease { generation } => object(&[("generation", generation.to_string())]),
        Action::FloorRaise { iat } => object(&[("iat", iat.unix().to_string())]),
        Action::TrustUpdate { keyring } => object(&[("keyring", text(&Base64::encode_string(keyring)))]),
    }
}

/// The bytes of an operation to sign with Ed25519.
pub fn pae(payload: &[u8]) -> Vec<u8> {
    pae_as(&OPERATION, payload)
}

/// The same of any signed document.
pub fn pae_as(form: &Form, payload: &[u8]) -> Vec<u8> {
    pae::encode(form, payload)
}

/// One signature and the key it is by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub keyid: String,
    pub bytes: [u8; 64],
}

/// Payload and signatures of an operation in one document, one line.
pub fn envelope(payload: &[u8], signatures: &[Signature]) -> Vec<u8> {
    envelope_as(&OPERATION, payload, signatures)
}

/// The same of any signed document.
pub fn envelope_as(form: &Form, payload: &[u8], signatures: &[Signature]) -> Vec<u8> {
    let signature = |signature: &Signature| {
        object(&[("keyid", text(&signature.keyid)), ("sig", text(&Base64::encode_string(&signature.bytes)))])
    };
    let signatures: Vec<String> = signatures.iter().map(signature).collect();
    let mut envelope = object(&[
        ("payloadType", text(form.payload_type)),
        ("payload", text(&Base64::encode_string(payload))),
        ("signatures", format!("[{}]", signatures.join(","))),
    ]);
    envelope.push('\n');
    envelope.into_bytes()
}

/// Payload and signatures of an envelope that nobody has verified: to show it, and to add a signature to it.
pub fn open(envelope: &[u8]) -> Result<(Vec<u8>, Vec<Signature>), Rejected> {
    open_as(&OPERATION, envelope)
}

/// The same of any signed document.
pub fn open_as(form: &Form, envelope: &[u8]) -> Result<(Vec<u8>, Vec<Signature>), Rejected> {
    let read = super::envelope::read(envelope, form)?;
    let signature =
        |signature: super::envelope::Signature| Signature { keyid: signature.keyid, bytes: signature.bytes };
    Ok((read.payload, read.signatures.into_iter().map(signature).collect()))
}

/// A payload that nobody has signed yet, held to every rule that needs no key: to show it, and before it is signed.
pub fn draft(payload: &[u8]) -> Result<Operation, Rejected> {
    super::payload::read(payload)
}

/// The keyring document; [`keyring::Keyring::parse`] says whether it is a good one.
pub fn keyring(version: u64, threshold: usize, expires: Timestamp, keys: &[Key]) -> Vec<u8> {
    let keys: Vec<String> = keys.iter().map(|entry| format!("  {}", key(entry))).collect();
    format!(
        "{{\"v\":1,\"version\":{version},\"threshold\":{threshold},\"expires\":{},\n \"keys\":[\n{}\n ]}}\n",
        expires.unix(),
        keys.join(",\n")
    )
    .into_bytes()
}

fn key(key: &Key) -> String {
    let roles: Vec<String> = key.roles.iter().map(|role| text(role.as_str())).collect();
    object(&[
        ("keyid", text(&key.keyid)),
        ("public_key", text(&Base64::encode_string(&key.public_key))),
        ("name", text(&key.name)),
        ("roles", format!("[{}]", roles.join(","))),
        ("not_before", key.not_before.unix().to_string()),
        ("not_after", key.not_after.unix().to_string()),
        ("revoked", key.revoked.to_string()),
    ])
}

/// The name of a public key, as it stands in keyring and envelope.
pub fn keyid(public_key: &[u8; 32]) -> String {
    keyring::keyid(public_key)
}

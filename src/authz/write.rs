//! Writing what `verify` reads, for the tools: payload, bytes to sign, envelope, keyring. Whoever signs needs a key; nothing
//! here has one. Reading back what was written gives the same operation.

use base64ct::{Base64, Encoding as _};
use serde_json::{Map, Value, json};

use super::keyring::Key;
use super::{keyring, pae};
use crate::model::op::{Action, Operation, Rejected};
use crate::model::time::Timestamp;

pub use super::pae::PAYLOAD_TYPE;

/// The payload, compact, fields in the order of the format's description.
pub fn payload(op: &Operation) -> Vec<u8> {
    let mut text = String::from("{");
    let mut member = |name: &str, value: Value| {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&format!("\"{name}\":{value}"));
    };
    member("v", json!(1));
    member("op_id", json!(op.op_id.as_str()));
    member("kind", json!(op.action.kind().as_str()));
    member("role", json!(op.role.as_str()));
    member("aud", json!({"host_id": op.host_id, "node": op.node}));
    if let Some(subject) = &op.subject {
        let guest = subject.guest;
        let value = json!({"type": guest.kind.as_str(), "vmid": guest.vmid.number(), "ident": subject.ident});
        member("guest", value);
    }
    member("params", params(&op.action));
    if let Some(state) = &op.state_sha256 {
        member("bind", json!({"state_sha256": state}));
    }
    if let Some(backup) = &op.evidence {
        let covers: Vec<&str> = backup.covers.iter().map(String::as_str).collect();
        let value = json!({"volid": backup.volid, "ctime": backup.ctime.unix(), "size": backup.size, "covers": covers});
        member("evidence", json!({"backup": value}));
    }
    member("iat", json!(op.iat.unix()));
    member("nbf", json!(op.nbf.unix()));
    member("exp", json!(op.exp.unix()));
    member("nonce", json!(op.nonce));
    member("note", json!(op.note));
    text.push('}');
    text.into_bytes()
}

fn params(action: &Action) -> Value {
    match action {
        Action::GuestDestroy { purge } => json!({"purge": purge}),
        Action::GuestRollback { snapshot, start } => json!({"snapshot": snapshot, "start": start}),
        Action::GuestRestoreOver { volid, storage } => json!({"volid": volid, "storage": storage}),
        Action::GuestStopHard => json!({}),
        Action::GuestUnlock { lock } => json!({"lock": lock}),
        Action::SnapshotDelete { snapshot } => json!({"snapshot": snapshot}),
        Action::BackupDelete { volid } => json!({"volid": volid}),
        Action::VolumeDelete { key, volid } => json!({"key": key, "volid": volid}),
        Action::VolumeDetach { key } => json!({"key": key}),
        Action::ConfigDestructive { set, delete } => {
            let set: Map<String, Value> =
                set.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
            let delete: Vec<&str> = delete.iter().map(String::as_str).collect();
            json!({"set": set, "delete": delete})
        }
        Action::ResourceDelete { resource_id } => json!({"resource_id": resource_id}),
        Action::JobShell { command_sha256, timeout_s } => {
            json!({"command_sha256": command_sha256, "timeout_s": timeout_s})
        }
        Action::LimitRelease { generation } => json!({"generation": generation}),
        Action::FloorRaise { iat } => json!({"iat": iat.unix()}),
        Action::TrustUpdate { keyring } => json!({"keyring": Base64::encode_string(keyring)}),
    }
}

/// The bytes to sign with Ed25519.
pub fn pae(payload: &[u8]) -> Vec<u8> {
    pae::encode(payload)
}

/// One signature and the key it is by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub keyid: String,
    pub bytes: [u8; 64],
}

/// Payload and signatures in one document, one line.
pub fn envelope(payload: &[u8], signatures: &[Signature]) -> Vec<u8> {
    let signatures: Vec<String> = signatures
        .iter()
        .map(|signature| {
            let sig = Base64::encode_string(&signature.bytes);
            format!("{{\"keyid\":{},\"sig\":\"{sig}\"}}", json!(signature.keyid))
        })
        .collect();
    let payload = Base64::encode_string(payload);
    format!(
        "{{\"payloadType\":\"{PAYLOAD_TYPE}\",\"payload\":\"{payload}\",\"signatures\":[{}]}}\n",
        signatures.join(",")
    )
    .into_bytes()
}

/// Payload and signatures of an envelope that nobody has verified: to show it, and to add a signature to it.
pub fn open(envelope: &[u8]) -> Result<(Vec<u8>, Vec<Signature>), Rejected> {
    let read = super::envelope::read(envelope)?;
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
    let roles: Vec<&str> = key.roles.iter().map(|role| role.as_str()).collect();
    format!(
        "{{\"keyid\":{},\"public_key\":{},\"name\":{},\"roles\":{},\"not_before\":{},\"not_after\":{},\"revoked\":{}}}",
        json!(key.keyid),
        json!(Base64::encode_string(&key.public_key)),
        json!(key.name),
        json!(roles),
        key.not_before.unix(),
        key.not_after.unix(),
        key.revoked
    )
}

/// The name of a public key, as it stands in keyring and envelope.
pub fn keyid(public_key: &[u8; 32]) -> String {
    keyring::keyid(public_key)
}

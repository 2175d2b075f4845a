//! Whether an operation is one that a trusted person signed for this host, now: bytes in, [`VerifiedOp`] or a refusal out.
//! Pure: no file, no clock, no network; whoever calls says what is trusted and what time it is.
//! Invariant: nothing of the payload is looked at before a signature over exactly these bytes was found good, and the
//! payload is read from those same bytes. [`VerifiedOp`] has one maker, [`verify`].
//!
//! The checks, in this order, the first that fails naming the refusal: size; envelope; type; base64 and signatures' form;
//! keys; signatures; payload; version and kind; host; roles; clock, times, floor and the age of the keyring.

use crate::model::digest::sha256;
use crate::model::op::{ClockTrust, Operation, Rejected, Role};
use crate::model::time::Timestamp;

mod check;
pub mod clock;
mod envelope;
pub mod keyring;
mod pae;
mod pattern;
mod payload;
pub mod policy;
mod update;
pub mod write;

pub use keyring::{Keyring, KeyringError};
pub use pae::{Form, MANIFEST, OPERATION};
pub use pattern::LOCKS;
pub use policy::{Policy, PolicyError};
pub use update::next_keyring;

/// No envelope is larger.
pub const MAX_ENVELOPE: usize = 64 * 1024;
/// No payload is larger, decoded.
pub const MAX_PAYLOAD: usize = 32 * 1024;
pub const MAX_SIGNATURES: usize = 4;
/// How far two clocks may be apart, in seconds.
pub const SKEW_S: u64 = 300;
/// No operation is valid for longer, whatever the policy says.
pub const MAX_TTL_S: u64 = 24 * 3600;
/// The largest number a payload may hold: the largest that every JSON reader reads exactly.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Where and when an operation is judged.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    pub host_id: &'a str,
    pub node: &'a str,
    pub now: Timestamp,
    pub clock: &'a ClockTrust,
    /// Whatever was issued at this instant or before it must be signed again.
    pub floor: Timestamp,
}

/// Who may sign what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    pub keyring: Keyring,
    pub policy: Policy,
}

/// One key that signed, as the keyring knew it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    pub keyid: String,
    pub name: String,
    pub roles: Vec<Role>,
}

/// An operation whose signatures, keys, audience, roles and times were found good. [`verify`] alone makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedOp {
    op: Operation,
    payload_sha256: String,
    signers: Vec<Signer>,
    waived_by_two: bool,
    envelope: Vec<u8>,
}

impl VerifiedOp {
    pub fn op(&self) -> &Operation {
        &self.op
    }

    /// 64 lower hex digits.
    pub fn payload_sha256(&self) -> &str {
        &self.payload_sha256
    }

    /// In the order of the envelope; of a `trust.update` those too that only the new keyring knows.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// Whether the signers together may do without a backup: two distinct keys with two distinct roles, each allowed for
    /// this kind, or one of them `root`.
    pub fn evidence_waived_by_two(&self) -> bool {
        self.waived_by_two
    }

    /// The very bytes that were verified, for keeping them until the operation has ended.
    pub fn envelope(&self) -> &[u8] {
        &self.envelope
    }

    /// Keys, host, roles, clock, times, floor and keyring again, by what is trusted and true now.
    pub fn recheck(&self, trust: &Trust, situation: &Situation<'_>) -> Result<(), Rejected> {
        check::again(self, trust, situation).map_err(|rejected| self.named(rejected))
    }

    /// A refusal of this operation.
    fn named(&self, rejected: Rejected) -> Rejected {
        Rejected {
            op_id: Some(self.op.op_id.clone()),
            payload_sha256: Some(self.payload_sha256.clone()),
            ..rejected
        }
    }
}

/// Judges an envelope: checks 1 to 11. What it returns may be accepted; whether it was seen before, only the journal knows.
pub fn verify(envelope: &[u8], trust: &Trust, situation: &Situation<'_>) -> Result<VerifiedOp, Rejected> {
    let read = envelope::read(envelope, &OPERATION)?;
    let payload_sha256 = sha256(&read.payload);
    let named = |rejected: Rejected| Rejected { payload_sha256: Some(payload_sha256.clone()), ..rejected };
    let signed = check::signatures(&read, trust, situation.now).map_err(named)?;
    let op = payload::read(&read.payload)
        .map_err(|rejected| named(check::held(rejected, signed, &read, trust)))?;
    let named = |rejected: Rejected| Rejected { op_id: Some(op.op_id.clone()), ..named(rejected) };
    let signers = check::signed(&op, &read, signed, trust, situation).map_err(named)?;
    check::audience(&op, situation).map_err(named)?;
    let keyids: Vec<&str> = signers.iter().map(|signer| signer.keyid.as_str()).collect();
    check::authority(&op, &keyids, trust).map_err(named)?;
    check::times(&op, trust, situation).map_err(named)?;
    let waived_by_two = trust.policy.waives(op.action.kind(), &signers);
    Ok(VerifiedOp { op, payload_sha256, signers, waived_by_two, envelope: envelope.to_vec() })
}

/// Judges the envelope of a desired-state document, and gives the document. Of what it says nothing is judged here.
pub fn open_manifest(envelope: &[u8], trust: &Trust, now: Timestamp) -> Result<Vec<u8>, Rejected> {
    let read = envelope::read(envelope, &MANIFEST)?;
    check::manifest(&read, trust, now)?;
    Ok(read.payload)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

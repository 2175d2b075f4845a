//! Checks 5, 6 and 9 to 11: keys, signatures, audience, roles, clock and times. All but the signatures are made again
//! whenever an operation that was accepted goes on.

use ed25519_dalek::{Signature, VerifyingKey};

use super::envelope::Envelope;
use super::keyring::{Key, Keyring};
use super::{SKEW_S, Signer, Situation, Trust, VerifiedOp, pae, pattern, update};
use crate::model::op::{Action, ClockTrust, Operation, RejectCode, Rejected, Role};
use crate::model::time::Timestamp;

/// Signatures by keys of the keyring were found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    All,
    /// Some, and the others are by keys that the keyring does not know. Only a `trust.update` may bring such keys.
    AllButStrangers,
}

/// Checks 5 and 6 by the keyring in force. Every signature counts: one that is not good spoils the envelope.
pub(super) fn signatures(read: &Envelope, trust: &Trust, now: Timestamp) -> Result<Signed, Rejected> {
    let keyids: Vec<&str> = read.signatures.iter().map(|signature| signature.keyid.as_str()).collect();
    let (known, strangers): (Vec<&str>, Vec<&str>) =
        keyids.iter().partition(|keyid| trust.keyring.key(keyid).is_some());
    let message = pae::encode(&pae::OPERATION, &read.payload);
    let good = standing(&trust.keyring, &known, now).and_then(|()| signed_by(read, &trust.keyring, &message));
    match strangers.first() {
        None => good.map(|()| Signed::All),
        Some(stranger) if known.is_empty() || good.is_err() => Err(unknown(stranger)),
        Some(_) => Ok(Signed::AllButStrangers),
    }
}

/// Who signed. Of a `trust.update` the keys that only the new keyring knows are checked by that one; of any other kind a
/// key that is not known ends it here.
pub(super) fn signed(
    op: &Operation,
    read: &Envelope,
    signed: Signed,
    trust: &Trust,
    situation: &Situation<'_>,
) -> Result<Vec<Signer>, Rejected> {
    let carried = update::carried(op)?;
    if signed == Signed::AllButStrangers {
        let keyids: Vec<&str> = strangers(read, trust).collect();
        let Some(new) = &carried else {
            return Err(unknown(keyids.first().copied().unwrap_or_default()));
        };
        standing(new, &keyids, situation.now)?;
        let message = pae::encode(&pae::OPERATION, &read.payload);
        let only_strangers = |keyid: &str| trust.keyring.key(keyid).is_none();
        each_signed(read, new, &message, only_strangers)?;
    }
    let find = |keyid: &str| {
        trust.keyring.key(keyid).or_else(|| carried.as_ref().and_then(|new| new.key(keyid))).map(signer)
    };
    read.signatures
        .iter()
        .map(|signature| find(&signature.keyid).ok_or_else(|| unknown(&signature.keyid)))
        .collect()
}

/// What is wrong with a payload is told only where every signature is good; with a stranger's among them, that is told.
pub(super) fn held(rejected: Rejected, signed: Signed, read: &Envelope, trust: &Trust) -> Rejected {
    match (signed, strangers(read, trust).next()) {
        (Signed::AllButStrangers, Some(stranger)) => unknown(stranger),
        _ => rejected,
    }
}

/// A desired-state document: every signature by a key that is known, in order and holds the role, over exactly these bytes, and
/// the keyring no older than it may be.
pub(super) fn manifest(read: &Envelope, trust: &Trust, now: Timestamp) -> Result<(), Rejected> {
    let keyids: Vec<&str> = read.signatures.iter().map(|signature| signature.keyid.as_str()).collect();
    standing(&trust.keyring, &keyids, now)?;
    signed_by(read, &trust.keyring, &pae::encode(&pae::MANIFEST, &read.payload))?;
    let holds =
        |keyid: &&str| trust.keyring.key(keyid).is_some_and(|key| key.roles.contains(&Role::Manifest));
    if !keyids.iter().any(holds) {
        let detail = format!("none of its keys holds the role {}", Role::Manifest);
        return Err(Rejected::new(RejectCode::RoleNotHeld, detail));
    }
    fresh(&trust.keyring, now, "the keyring")
}

fn strangers<'a>(read: &'a Envelope, trust: &'a Trust) -> impl Iterator<Item = &'a str> {
    let keyids = read.signatures.iter().map(|signature| signature.keyid.as_str());
    keyids.filter(|keyid| trust.keyring.key(keyid).is_none())
}

fn signer(key: &Key) -> Signer {
    Signer { keyid: key.keyid.clone(), name: key.name.clone(), roles: key.roles.iter().copied().collect() }
}

fn unknown(keyid: &str) -> Rejected {
    let shown = if (pattern::KEYID.holds)(keyid) { keyid } else { "that is none (32 lower-case hex digits)" };
    Rejected::new(RejectCode::UnknownKey, format!("the keyring has no key with the keyid {shown}"))
}

/// Check 5 of each key; what is wrong with the first of the codes' order is told.
fn standing(keyring: &Keyring, keyids: &[&str], now: Timestamp) -> Result<(), Rejected> {
    let keys: Vec<&Key> = keyids
        .iter()
        .map(|keyid| keyring.key(keyid).ok_or_else(|| unknown(keyid)))
        .collect::<Result<_, _>>()?;
    if let Some(key) = keys.iter().find(|key| key.revoked) {
        return Err(Rejected::new(
            RejectCode::RevokedKey,
            format!("the key {} ({}) is revoked; sign with another", key.keyid, key.name),
        ));
    }
    if let Some(key) = keys.iter().find(|key| now < key.not_before || now >= key.not_after) {
        let message = format!(
            "the key {} ({}) is good from {} until {}, and it is {now}",
            key.keyid, key.name, key.not_before, key.not_after
        );
        return Err(Rejected::new(RejectCode::KeyWindow, message));
    }
    Ok(())
}

/// Check 6 of the keys that this keyring knows.
fn signed_by(read: &Envelope, keyring: &Keyring, message: &[u8]) -> Result<(), Rejected> {
    each_signed(read, keyring, message, |_| true)
}

/// The key is the one that is named, and no other is tried.
fn each_signed(
    read: &Envelope,
    keyring: &Keyring,
    message: &[u8],
    concerns: impl Fn(&str) -> bool,
) -> Result<(), Rejected> {
    for signature in read.signatures.iter().filter(|signature| concerns(&signature.keyid)) {
        let Some(key) = keyring.verifying(&signature.keyid) else { continue };
        if !is_good(key, message, &signature.bytes) {
            return Err(Rejected::new(
                RejectCode::BadSignature,
                format!("the signature of the key {} is not one over this payload", signature.keyid),
            ));
        }
    }
    Ok(())
}

pub(super) fn is_good(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
}

/// Check 9.
pub(super) fn audience(op: &Operation, situation: &Situation<'_>) -> Result<(), Rejected> {
    if op.host_id == situation.host_id && op.node == situation.node {
        return Ok(());
    }
    Err(Rejected::new(
        RejectCode::WrongHost,
        format!(
            "it is for another host or node, this is host {} with node {}",
            situation.host_id, situation.node
        ),
    ))
}

/// Check 10.
pub(super) fn authority(op: &Operation, keyids: &[&str], trust: &Trust) -> Result<(), Rejected> {
    let (kind, role) = (op.action.kind(), op.role);
    let holds = |keyid: &&str| trust.keyring.key(keyid).is_some_and(|key| key.roles.contains(&role));
    if !keyids.iter().any(holds) {
        return Err(Rejected::new(
            RejectCode::RoleNotHeld,
            format!("it is signed in the role {role}, which none of its keys holds"),
        ));
    }
    if !trust.policy.allows(role, kind) {
        let roles: Vec<&str> = trust.policy.roles_for(kind).iter().map(|role| role.as_str()).collect();
        let allowed = if roles.is_empty() { "nobody here".to_owned() } else { roles.join(", ") };
        return Err(Rejected::new(
            RejectCode::RoleNotAllowed,
            format!("the role {role} may not sign {kind}, allowed is {allowed}"),
        ));
    }
    let twice = |(index, keyid): (usize, &&str)| keyids.iter().skip(index + 1).any(|other| other == keyid);
    if keyids.iter().enumerate().any(twice) {
        let message = "one key signed twice; every signature must be by a key of its own";
        return Err(Rejected::new(RejectCode::Threshold, message));
    }
    match update::carried(op)? {
        Some(new) => update::thresholds(&trust.keyring, &new, keyids),
        None => Ok(()),
    }
}

/// Check 11.
pub(super) fn times(op: &Operation, trust: &Trust, situation: &Situation<'_>) -> Result<(), Rejected> {
    let now = situation.now;
    if let ClockTrust::Untrusted(why) = situation.clock {
        return Err(Rejected::new(RejectCode::ClockUntrusted, why.clone()));
    }
    let latest = now.unix().saturating_add(SKEW_S);
    for (what, at) in [("issued", op.iat), ("to be valid from", op.nbf)] {
        if at.unix() > latest {
            let message =
                format!("it was {what} {at}, and it is {now}; allowed is a difference of {SKEW_S} s");
            return Err(Rejected::new(RejectCode::NotYetValid, message));
        }
    }
    if now >= op.exp {
        let message = format!("it expired at {}, and it is {now}; sign a new one", op.exp);
        return Err(Rejected::new(RejectCode::Expired, message));
    }
    let (ttl, allowed) = (op.exp.seconds_since(op.iat), trust.policy.max_ttl_s());
    if ttl > allowed {
        let message = format!("it is valid for {ttl} s, allowed are {allowed}");
        return Err(Rejected::new(RejectCode::TtlTooLong, message));
    }
    if op.iat <= situation.floor {
        let message = format!(
            "it was issued at {}, and whatever was issued until {} must be signed again",
            op.iat, situation.floor
        );
        return Err(Rejected::new(RejectCode::BelowFloor, message));
    }
    keyring_age(op, trust, now)
}

/// A stale keyring takes nothing but its own replacement.
fn keyring_age(op: &Operation, trust: &Trust, now: Timestamp) -> Result<(), Rejected> {
    match (&op.action, update::carried(op)?) {
        (Action::TrustUpdate { .. }, Some(new)) => {
            update::is_fresh(&new, now)?;
            update::version(&trust.keyring, &new)
        }
        _ => fresh(&trust.keyring, now, "the keyring"),
    }
}

pub(super) fn fresh(keyring: &Keyring, now: Timestamp, which: &str) -> Result<(), Rejected> {
    if now < keyring.expires() {
        return Ok(());
    }
    let message = format!("{which} expired at {}; send a newer one by trust.update", keyring.expires());
    Err(Rejected::new(RejectCode::StaleTrust, message))
}

/// Checks 5 and 9 to 11 of an operation that was verified before.
pub(super) fn again(verified: &VerifiedOp, trust: &Trust, situation: &Situation<'_>) -> Result<(), Rejected> {
    let op = verified.op();
    let keyids: Vec<&str> = verified.signers().iter().map(|signer| signer.keyid.as_str()).collect();
    let (known, strangers): (Vec<&str>, Vec<&str>) =
        keyids.iter().partition(|keyid| trust.keyring.key(keyid).is_some());
    standing(&trust.keyring, &known, situation.now)?;
    if let Some(stranger) = strangers.first() {
        let new = update::carried(op)?.ok_or_else(|| unknown(stranger))?;
        standing(&new, &strangers, situation.now)?;
    }
    audience(op, situation)?;
    authority(op, &keyids, trust)?;
    still_waived(verified, trust)?;
    times(op, trust, situation)
}

/// Two keys did without a backup; both must still be able to.
fn still_waived(verified: &VerifiedOp, trust: &Trust) -> Result<(), Rejected> {
    let op = verified.op();
    if op.evidence.is_some() || !op.action.needs_evidence() || !verified.evidence_waived_by_two() {
        return Ok(());
    }
    let keys = verified.signers().iter().filter_map(|signer| trust.keyring.key(&signer.keyid));
    let signers: Vec<Signer> = keys.map(signer).collect();
    if trust.policy.waives(op.action.kind(), &signers) {
        return Ok(());
    }
    let message = "it names no backup, and its second key no longer has a role that allows that";
    Err(Rejected::new(RejectCode::Threshold, message))
}

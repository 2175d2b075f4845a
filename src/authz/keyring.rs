//! The keys that may sign, with their roles and their time. A keyring that is not right in every part is refused whole:
//! what was in force stays so.

use base64ct::{Base64, Encoding as _};
use ed25519_dalek::VerifyingKey;

use super::pattern::{self, Pattern};
use super::{MAX_NUMBER, MAX_SIGNATURES};
use crate::model::digest::hex;
use crate::model::op::Role;
use crate::model::sorted::Set;
use crate::model::time::Timestamp;
use crate::strict_json::object::{At, Fault, Object};
use crate::strict_json::{self, Ending};

/// No keyring document is larger; in base64 it still fits into a payload.
pub const MAX_BYTES: usize = 20 * 1024;
const MAX_KEYS: usize = 64;
const DEEPEST: usize = 8;

/// Why a keyring was refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyringError {
    #[error("the keyring has {found} bytes, allowed are {MAX_BYTES}")]
    TooLarge { found: usize },
    #[error("the keyring is no JSON object from the first byte to the last")]
    Syntax,
    #[error("the keyring's {path}: {message}")]
    Invalid { path: String, message: String },
    #[error("two keys of the keyring have the keyid {keyid}")]
    DuplicateKeyId { keyid: String },
    #[error("the keys {first} and {second} of the keyring are the same key")]
    DuplicatePublicKey { first: String, second: String },
    #[error("the keyid {found} does not belong to its public key, whose keyid is {expected}")]
    KeyIdMismatch { found: String, expected: String },
    #[error(
        "the key {keyid} ({name}) is weak or not in canonical form: anyone could sign for it; make a new one"
    )]
    WeakKey { keyid: String, name: String },
}

impl KeyringError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "TooLarge",
            Self::Syntax => "KeyringSyntax",
            Self::Invalid { .. } => "KeyringField",
            Self::DuplicateKeyId { .. } => "DuplicateKeyId",
            Self::DuplicatePublicKey { .. } => "DuplicatePublicKey",
            Self::KeyIdMismatch { .. } => "KeyIdMismatch",
            Self::WeakKey { .. } => "WeakKey",
        }
    }
}

/// One key as the document has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// 32 lower hex digits: the first 16 bytes of SHA-256 of the public key.
    pub keyid: String,
    pub public_key: [u8; 32],
    pub name: String,
    pub roles: Set<Role>,
    /// Good from here …
    pub not_before: Timestamp,
    /// … until just before here.
    pub not_after: Timestamp,
    pub revoked: bool,
}

/// The document, parsed and found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    pub(super) version: u64,
    pub(super) threshold: usize,
    pub(super) expires: Timestamp,
    keys: Vec<(Key, VerifyingKey)>,
}

/// The name of a public key.
pub fn keyid(public_key: &[u8; 32]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, public_key);
    hex(digest.as_ref().get(..16).unwrap_or_default())
}

impl Keyring {
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyringError> {
        if bytes.len() > MAX_BYTES {
            return Err(KeyringError::TooLarge { found: bytes.len() });
        }
        let document = strict_json::document(bytes, DEEPEST, Ending::OneLineFeed)
            .map_err(|_no_document| KeyringError::Syntax)?;
        if let Some(fault) = strict_json::object::twice(&document, "keyring") {
            return Err(invalid(fault));
        }
        let mut members = Object::read(&document, "keyring").map_err(invalid)?;
        let (version, threshold, expires) = head(&mut members).map_err(invalid)?;
        let list = members.required("keys").map_err(invalid)?;
        members.nothing_else().map_err(invalid)?;
        let keys = key_list(&list).map_err(invalid)?;
        Ok(Self { version, threshold, expires, keys: sound(keys)? })
    }

    /// Counts up by one with every `trust.update`.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many root keys a `trust.update` takes.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// From here on it is stale: nothing but a `trust.update` is taken.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// In the order of the document.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().map(|(key, _)| key)
    }

    pub fn key(&self, keyid: &str) -> Option<&Key> {
        self.keys().find(|key| key.keyid == keyid)
    }

    pub(super) fn verifying(&self, keyid: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|(key, _)| key.keyid == keyid).map(|(_, verifying)| verifying)
    }
}

fn invalid(fault: Fault) -> KeyringError {
    KeyringError::Invalid { path: fault.path, message: fault.message }
}

fn head(members: &mut Object<'_>) -> Result<(u64, usize, Timestamp), Fault> {
    number(&members.required("v")?, 1, 1)?;
    let version = number(&members.required("version")?, 1, MAX_NUMBER)?;
    let at = members.required("threshold")?;
    let threshold = number(&at, 1, MAX_SIGNATURES as u64)?;
    let threshold = usize::try_from(threshold).map_err(|_range| at.refused("a small number"))?;
    let expires = time(&members.required("expires")?)?;
    Ok((version, threshold, expires))
}

fn key_list(list: &At<'_>) -> Result<Vec<Key>, Fault> {
    if !(1..=MAX_KEYS).contains(&list.array()?.len()) {
        return Err(list.refused("an array of 1 to 64 keys"));
    }
    list.items()?.map(|item| key(&item)).collect()
}

fn key(at: &At<'_>) -> Result<Key, Fault> {
    let mut members = Object::read(at.value, &at.path)?;
    let keyid = text(&members.required("keyid")?, pattern::KEYID)?;
    let public_key = public_key(&members.required("public_key")?)?;
    let name = text(&members.required("name")?, pattern::KEY_NAME)?;
    let roles = roles(&members.required("roles")?)?;
    let not_before = time(&members.required("not_before")?)?;
    let until = members.required("not_after")?;
    let not_after = time(&until)?;
    let revoked = members.required("revoked")?.flag()?;
    members.nothing_else()?;
    if not_after <= not_before {
        return Err(until.refused("a time after not_before"));
    }
    Ok(Key { keyid, public_key, name, roles, not_before, not_after, revoked })
}

fn public_key(at: &At<'_>) -> Result<[u8; 32], Fault> {
    let bytes = Base64::decode_vec(at.text()?).ok();
    bytes
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .ok_or_else(|| at.refused("base64 of 32 bytes, padded and canonical"))
}

fn roles(at: &At<'_>) -> Result<Set<Role>, Fault> {
    let mut roles = Set::new();
    for item in at.items()? {
        let allowed = "each role once: operator, custodian, recovery, shell, root, manifest";
        let role = Role::parse(item.text()?).ok_or_else(|| item.refused(allowed))?;
        if !roles.insert(role) {
            return Err(item.refused(allowed));
        }
    }
    Ok(roles)
}

pub(super) fn text(at: &At<'_>, pattern: Pattern) -> Result<String, Fault> {
    let text = at.text().map_err(|_sort| at.refused(pattern.allowed))?;
    if (pattern.holds)(text) { Ok(text.to_owned()) } else { Err(at.refused(pattern.allowed)) }
}

pub(super) fn number(at: &At<'_>, lowest: u64, highest: u64) -> Result<u64, Fault> {
    let allowed = || at.refused(&format!("a whole number from {lowest} to {highest}"));
    let number = at.whole().map_err(|_sort| allowed())?;
    if (lowest..=highest).contains(&number) { Ok(number) } else { Err(allowed()) }
}

/// The last second that can be written is the last that can be read: no time is bent to fit.
pub(super) fn time(at: &At<'_>) -> Result<Timestamp, Fault> {
    number(at, 1, Timestamp::from_unix(u64::MAX).unix()).map(Timestamp::from_unix)
}

/// Each key is one key, and one that only its holder can sign with.
fn sound(keys: Vec<Key>) -> Result<Vec<(Key, VerifyingKey)>, KeyringError> {
    let mut taken: Vec<(Key, VerifyingKey)> = Vec::new();
    for key in keys {
        if taken.iter().any(|(other, _)| other.keyid == key.keyid) {
            return Err(KeyringError::DuplicateKeyId { keyid: key.keyid });
        }
        if let Some((other, _)) = taken.iter().find(|(other, _)| other.public_key == key.public_key) {
            return Err(KeyringError::DuplicatePublicKey { first: other.keyid.clone(), second: key.keyid });
        }
        let Some(verifying) = strong(&key.public_key) else {
            return Err(KeyringError::WeakKey { keyid: key.keyid, name: key.name });
        };
        taken.push((key, verifying));
    }
    for (key, _) in &taken {
        let expected = keyid(&key.public_key);
        if key.keyid != expected {
            return Err(KeyringError::KeyIdMismatch { found: key.keyid.clone(), expected });
        }
    }
    Ok(taken)
}

/// A point of the curve, of large order, in the one form the standard allows: y below 2^255 - 19.
pub(super) fn strong(bytes: &[u8; 32]) -> Option<VerifyingKey> {
    let verifying = VerifyingKey::from_bytes(bytes).ok()?;
    let canonical = verifying.to_edwards().compress().as_bytes() == bytes;
    (canonical && !verifying.is_weak()).then_some(verifying)
}

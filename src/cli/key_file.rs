//! A private key at rest: PKCS#8 in PEM, encrypted with a passphrase; scrypt and AES-256-CBC, as openssl reads and writes it.
//!
//! scrypt with N 2^14, r 8, p 5: 16 MiB of memory, which a machine of 512 MiB has and openssl allows without being asked to;
//! p makes up for the small N. The file is made with mode 0600 and never over another one.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signer, SigningKey};
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode, Encode};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{self, Kdf, ScryptParams};
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{EncryptedPrivateKeyInfo, LineEnding, ObjectIdentifier, PrivateKeyInfo, SecretDocument};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::exit::Exit;
use super::{Failure, private_file};
use crate::authz;
use crate::secret::Secret;

/// id-Ed25519 of RFC 8410.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

const LABEL: &str = "ENCRYPTED PRIVATE KEY";

const SCRYPT_N: u64 = 1 << 14;
const SCRYPT_R: u16 = 8;
const SCRYPT_P: u16 = 5;

/// A file of ours has 430 bytes.
const MAX_BYTES: usize = 8 * 1024;

/// What a key file from elsewhere may ask of this machine: 256 MiB, and about a minute.
const MAX_SCRYPT_MEMORY: u64 = 256 * 1024 * 1024;
const MAX_SCRYPT_P: u16 = 16;
const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;

/// A private key in memory; wiped when dropped.
pub(super) struct PrivateKey(SigningKey);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl PrivateKey {
    pub(super) fn generate() -> Result<Self, Failure> {
        Ok(Self(SigningKey::from_bytes(&*random::<32>()?)))
    }

    pub(super) fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// 32 lower hex digits: the first 16 bytes of SHA-256 of the public key.
    pub(super) fn keyid(&self) -> String {
        authz::keyring::keyid(&self.public())
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// Writes the key into a new file.
    pub(super) fn write(&self, path: &Path, passphrase: &Secret) -> Result<(), Failure> {
        let pem = self.to_pem(passphrase)?;
        create(path, pem.as_bytes())
    }

    fn to_pem(&self, passphrase: &Secret) -> Result<Zeroizing<String>, Failure> {
        let cannot = |_detail| Failure::text(Exit::Failed, "cannot encrypt the private key");
        let seed = Zeroizing::new(self.0.to_bytes());
        let inner = OctetStringRef::new(&*seed).and_then(|seed| seed.to_der()).map_err(cannot)?;
        let inner = Zeroizing::new(inner);
        let algorithm = AlgorithmIdentifierRef { oid: ED25519, parameters: None };
        let (salt, iv) = (random::<16>()?, random::<16>()?);
        let parameters = pbes2::Parameters {
            kdf: Kdf::Scrypt(ScryptParams {
                salt: &*salt,
                cost_parameter: SCRYPT_N,
                block_size: SCRYPT_R,
                parallelization: SCRYPT_P,
                key_length: None,
            }),
            encryption: pbes2::EncryptionScheme::Aes256Cbc { iv: &iv },
        };
        PrivateKeyInfo::new(algorithm, &inner)
            .encrypt_with_params(parameters, passphrase.expose())
            .map_err(|_detail| Failure::text(Exit::Failed, "cannot encrypt the private key"))?
            .to_pem(LABEL, LineEnding::LF)
            .map_err(cannot)
    }

    /// Reads and decrypts a key file. `ask` is called only when the file is worth a passphrase.
    pub(super) fn read(path: &Path, ask: impl FnOnce() -> Result<Secret, Failure>) -> Result<Self, Failure> {
        let failed = |what: String| {
            Failure::text(Exit::Failed, format!("cannot use the private key {}: {what}", path.display()))
        };
        let bytes = private_file::read("the private key", path, MAX_BYTES)?;
        let document = encrypted(&bytes).map_err(failed)?;
        let info = EncryptedPrivateKeyInfo::from_der(document.as_bytes()).map_err(|_detail| {
            failed(format!("it is damaged, or not encrypted in a way known here; {EXPECTED}"))
        })?;
        bearable(&info.encryption_algorithm).map_err(failed)?;
        let passphrase = ask()?;
        let wrong = || failed("the passphrase is wrong, or the file is damaged".to_owned());
        let opened = info.decrypt(passphrase.expose()).map_err(|_detail| wrong())?;
        let key = PrivateKeyInfo::from_der(opened.as_bytes()).map_err(|_detail| wrong())?;
        if key.algorithm.oid != ED25519 {
            return Err(failed(format!("it is a key of another algorithm ({})", key.algorithm.oid)));
        }
        let seed = OctetStringRef::from_der(key.private_key).ok();
        let seed: Option<&[u8; 32]> = seed.and_then(|seed| seed.as_bytes().try_into().ok());
        let seed = seed.ok_or_else(|| failed("its inside is no Ed25519 key".to_owned()))?;
        let private = Self(SigningKey::from_bytes(seed));
        if key.public_key.is_some_and(|public| public != private.public()) {
            return Err(failed("its public part is another key's".to_owned()));
        }
        Ok(private)
    }
}

const EXPECTED: &str = "expected a file of `felhom-agent keygen` (PEM, BEGIN ENCRYPTED PRIVATE KEY)";

/// The DER of a PEM text that says it is encrypted.
fn encrypted(bytes: &[u8]) -> Result<SecretDocument, String> {
    let text = std::str::from_utf8(bytes).map_err(|_bytes| format!("it is no PEM text; {EXPECTED}"))?;
    if text.contains("-----BEGIN PRIVATE KEY-----") {
        return Err(
            "it is not encrypted, and such a key is not used; encrypt it with `openssl pkcs8 -topk8 -scrypt \
                    -in OLD -out NEW`"
                .to_owned(),
        );
    }
    match SecretDocument::from_pem(text) {
        Ok((LABEL, document)) => Ok(document),
        Ok((label, _)) => {
            Err(format!("it holds {:?}; {EXPECTED}", label.chars().take(40).collect::<String>()))
        }
        Err(_detail) => Err(format!("it is truncated or no PEM text; {EXPECTED}")),
    }
}

/// Whether this machine can bear what the file asks for.
fn bearable(scheme: &EncryptionScheme<'_>) -> Result<(), String> {
    let EncryptionScheme::Pbes2(parameters) = scheme else {
        return Err(format!("it is encrypted in a way that is not safe (PBES1); {EXPECTED}"));
    };
    match &parameters.kdf {
        Kdf::Scrypt(scrypt) => {
            let memory =
                scrypt.cost_parameter.saturating_mul(u64::from(scrypt.block_size)).saturating_mul(128);
            if memory > MAX_SCRYPT_MEMORY
                || scrypt.parallelization > MAX_SCRYPT_P
                || scrypt.cost_parameter < 2
            {
                return Err(format!(
                    "its scrypt parameters are out of bounds: N {}, r {}, p {}; allowed are {MAX_SCRYPT_MEMORY} bytes of \
                     memory (128 N r) and p of {MAX_SCRYPT_P}",
                    scrypt.cost_parameter, scrypt.block_size, scrypt.parallelization
                ));
            }
        }
        Kdf::Pbkdf2(pbkdf2) => {
            if pbkdf2.iteration_count > MAX_PBKDF2_ROUNDS {
                let found = pbkdf2.iteration_count;
                return Err(format!("it wants {found} rounds of PBKDF2; allowed are {MAX_PBKDF2_ROUNDS}"));
            }
        }
        _ => return Err(format!("its key derivation is not known here; {EXPECTED}")),
    }
    Ok(())
}

pub(super) fn base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

pub(super) fn random<const LENGTH: usize>() -> Result<Zeroizing<[u8; LENGTH]>, Failure> {
    let mut bytes = Zeroizing::new([0_u8; LENGTH]);
    match SystemRandom::new().fill(&mut *bytes) {
        Ok(()) => Ok(bytes),
        Err(_no_detail) => Err(Failure::text(Exit::InputOutput, "the system gave no random bytes")),
    }
}

/// Whether there is something already, a dangling link included.
pub(super) fn refuse_existing(path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(exists(path)),
        Err(_) => Ok(()),
    }
}

fn exists(path: &Path) -> Failure {
    let what =
        format!("{} exists already, and a key file is never overwritten; name another", path.display());
    Failure::text(Exit::InputOutput, what)
}

/// Makes the file, all of it or nothing.
fn create(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        ErrorKind::PermissionDenied => {
            Failure::text(Exit::Permission, format!("cannot make {}: {error}", path.display()))
        }
        _ => Failure::text(Exit::InputOutput, format!("cannot write {}: {error}", path.display())),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_folder_of(path));
    if written.is_err() {
        // It is ours and incomplete. That it cannot be removed either changes nothing about the answer.
        fs::remove_file(path).ok();
    }
    written.map_err(failed)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;

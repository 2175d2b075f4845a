//! Key files: what is written can be read again; what is wrong with one is said, and never what is inside.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::super::exit::Exit;
use super::super::{Failure, private_file};
use super::PrivateKey;
use crate::secret::Secret;

const PASSPHRASE: &str = "canary of the passphrase";

fn passphrase() -> Secret {
    Secret::new(PASSPHRASE.to_owned())
}

fn read(path: &Path) -> Result<PrivateKey, Failure> {
    PrivateKey::read(path, || Ok(passphrase()))
}

fn not_asked() -> Result<Secret, Failure> {
    panic!("asked for a passphrase that is of no use")
}

/// A key in a file of mode 0600.
fn made(folder: &Path) -> (PrivateKey, PathBuf) {
    let (key, path) = (PrivateKey::generate().unwrap(), folder.join("key.pem"));
    key.write(&path, &passphrase()).unwrap();
    (key, path)
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn a_key_that_was_written_is_read_again_and_the_file_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let (key, path) = made(folder.path());
    assert_eq!(read(&path).unwrap().public(), key.public());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{text}");
    assert_eq!(format!("{key:?}"), "[redacted]");
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = made(folder.path());
    let before = fs::read(&path).unwrap();
    let dangling = folder.path().join("dangling");
    symlink(folder.path().join("nowhere"), &dangling).unwrap();
    for path in [&path, &dangling] {
        let failure = PrivateKey::generate().unwrap().write(path, &passphrase()).unwrap_err();
        assert!(failure.message.contains("exists already"), "{}", failure.message);
        super::refuse_existing(path).unwrap_err();
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(!folder.path().join("nowhere").exists());
}

#[test]
fn what_is_wrong_with_a_key_file_is_said_before_a_passphrase_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = made(folder.path());
    let text = fs::read(&path).unwrap();
    let cut = |name, length| file(folder.path(), name, &text[..length]);
    let open = file(folder.path(), "open", &text);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    for (path, exit, part) in [
        (open, Exit::Permission, "mode 0644, so that others can read it; run: chmod 0600"),
        (cut("empty", 0), Exit::Failed, "truncated"),
        (cut("half", text.len() / 2), Exit::Failed, "truncated"),
        (cut("head", 38), Exit::Failed, "truncated"),
        (
            file(folder.path(), "plain", b"-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n"),
            Exit::Failed,
            "not encrypted",
        ),
        (file(folder.path(), "binary", &[0xff; 40]), Exit::Failed, "no PEM text"),
        (file(folder.path(), "long", &vec![b'a'; 9000]), Exit::InputOutput, "longer than 8192 bytes"),
        (folder.path().join("missing"), Exit::InputOutput, "No such file"),
        (folder.path().to_owned(), Exit::InputOutput, "a directory"),
    ] {
        let failure = PrivateKey::read(&path, not_asked).unwrap_err();
        assert!(failure.message.contains(part), "{}", failure.message);
        assert!(failure.message.contains(path.to_str().unwrap()), "{}", failure.message);
        assert_eq!(failure.exit, exit, "{}", failure.message);
    }
}

#[test]
fn a_wrong_passphrase_is_called_that_and_nothing_inside_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = made(folder.path());
    let wrong = Secret::new("canary that does not fit".to_owned());
    let failure = PrivateKey::read(&path, || Ok(wrong)).unwrap_err();
    assert!(failure.message.contains("the passphrase is wrong, or the file is damaged"), "{failure:?}");
    assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
}

#[test]
fn a_file_that_asks_too_much_of_the_machine_is_refused() {
    use pkcs8::pkcs5::pbes2::{EncryptionScheme, Kdf, Parameters, Pbkdf2Params, ScryptParams};
    let scrypt = |cost_parameter, block_size, parallelization| {
        let (salt, key_length) = ([0; 16].as_slice(), None);
        Kdf::Scrypt(ScryptParams { salt, cost_parameter, block_size, parallelization, key_length })
    };
    for (kdf, is_bearable) in [
        (scrypt(1 << 14, 8, 5), true),
        (scrypt(1 << 17, 8, 1), true),
        (scrypt(1 << 20, 8, 1), false),
        (scrypt(u64::MAX, u16::MAX, 1), false),
        (scrypt(1 << 14, 8, 100), false),
        (scrypt(0, 8, 1), false),
        (Kdf::Pbkdf2(Pbkdf2Params::hmac_with_sha256(600_000, &[0; 16]).unwrap()), true),
        (Kdf::Pbkdf2(Pbkdf2Params::hmac_with_sha256(20_000_000, &[0; 16]).unwrap()), false),
    ] {
        let encryption = EncryptionScheme::Aes256Cbc { iv: &[0; 16] };
        let scheme = Parameters { kdf: kdf.clone(), encryption }.into();
        assert_eq!(super::bearable(&scheme).is_ok(), is_bearable, "{kdf:?}");
    }
}

#[test]
fn a_private_file_is_a_file_or_a_pipe_that_only_we_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "secret", b"canary");
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    for path in [&path, &link] {
        assert_eq!(private_file::read("the secret", path, 6).unwrap().as_slice(), b"canary");
    }
    let failure = private_file::read("the secret", &path, 5).unwrap_err();
    assert!(failure.message.contains("longer than 5 bytes"), "{}", failure.message);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let failure = private_file::read("the secret", &link, 6).unwrap_err();
    assert_eq!(failure.exit, Exit::Permission);
    assert!(!failure.message.contains("canary"), "{}", failure.message);
}

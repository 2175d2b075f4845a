//! Who is trusted: the keyring and the role policy, as they stand on disk.
//!
//! The files are looked at whenever somebody asks, and read when they have changed: a revoked key is revoked at once. A file that
//! is not in order changes nothing: what was in force stays, and the fault is told. No keyring comes into force that is older
//! than the newest that ever was.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::authz::keyring::MAX_BYTES as MAX_KEYRING;
use crate::authz::policy::MAX_BYTES as MAX_POLICY;
use crate::authz::{self, Keyring, Policy, Trust};
use crate::config::Config;
use crate::journal::Journal;
use crate::manifest::{self, ManifestError};
use crate::model::desired::DesiredState;
use crate::model::time::Timestamp;
use crate::paths::guarded::{self, Stamp};

#[derive(Debug)]
pub struct TrustStore {
    keyring: PathBuf,
    policy: Option<PathBuf>,
    journal: Arc<Journal>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// What is in force.
    trust: Option<Arc<Trust>>,
    /// Of both files when they were last read, whatever came of it.
    stamps: Option<[Option<Stamp>; 2]>,
    /// What is wrong with the files as they are now.
    fault: Option<String>,
}

impl TrustStore {
    pub fn new(keyring: PathBuf, policy: Option<PathBuf>, journal: Arc<Journal>) -> Self {
        Self { keyring, policy, journal, kept: Mutex::default() }
    }

    /// What is in force now; the error says why nothing is.
    pub fn current(&self) -> Result<Arc<Trust>, String> {
        let mut kept = self.lock();
        let stamps = self.stamps();
        if kept.stamps.as_ref() != Some(&stamps) {
            self.read_into(&mut kept);
            kept.stamps = Some(stamps);
        }
        let nothing = || kept.fault.clone().unwrap_or_else(|| "no keyring is in force".to_owned());
        kept.trust.clone().ok_or_else(nothing)
    }

    /// Reads both files, whether or not they have changed.
    pub fn reread(&self) {
        self.lock().stamps = None;
        // Whatever is news of it is told where it is read.
        self.current().ok();
    }

    /// What is wrong with the files, although they are there or something else is in force.
    pub fn fault(&self) -> Option<String> {
        // Looks at the files, too.
        self.current().ok();
        let kept = self.lock();
        let is_there = kept.trust.is_some() || kept.stamps.iter().flatten().any(Option::is_some);
        kept.fault.clone().filter(|_fault| is_there)
    }

    /// Puts a new keyring in force: on disk, in the journal, and for whoever asks next.
    pub fn replace(&self, bytes: &[u8], keyring: Keyring) -> Result<(), String> {
        let mut kept = self.lock();
        guarded::replace(&self.keyring, bytes)?;
        let version = keyring.version();
        let policy = match &kept.trust {
            Some(trust) => trust.policy.clone(),
            None => Policy::built_in(),
        };
        kept.trust = Some(Arc::new(Trust { keyring, policy }));
        kept.stamps = None;
        // The file is there: even if this fails, the version goes down at no later start.
        self.journal.keep_trust_version(version).map_err(|error| error.to_string())?;
        log::info!("keyring version {version} is in force");
        Ok(())
    }

    /// Takes a desired-state document out of its envelope, by what is in force now.
    pub fn open_manifest(&self, envelope: &[u8], now: Timestamp) -> Result<Vec<u8>, String> {
        let trust = self.current().map_err(|fault| format!("no key is trusted: {fault}"))?;
        authz::open_manifest(envelope, &trust, now).map_err(|rejected| rejected.to_string())
    }

    /// Whether these are the bytes of the keyring on disk.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        matches!(guarded::read(&self.keyring, limit(MAX_KEYRING)), Ok(Some((found, _))) if found == bytes)
    }

    /// Whether it is about these files.
    pub fn is_of(&self, keyring: &Path, policy: Option<&Path>) -> bool {
        self.keyring == keyring && self.policy.as_deref() == policy
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stamps(&self) -> [Option<Stamp>; 2] {
        [Stamp::of(&self.keyring), self.policy.as_deref().and_then(Stamp::of)]
    }

    fn read_into(&self, kept: &mut Kept) {
        match self.read(kept.trust.as_deref()) {
            Ok(trust) => {
                if kept.trust.as_deref() != Some(&trust) {
                    log::info!("keyring version {} is in force", trust.keyring.version());
                }
                (kept.trust, kept.fault) = (Some(Arc::new(trust)), None);
            }
            Err(fault) => {
                if kept.fault.as_ref() != Some(&fault) {
                    match &kept.trust {
                        Some(trust) => {
                            log::error!("{fault}; keyring version {} stays in force", trust.keyring.version())
                        }
                        None => log::info!("no signed operation is accepted: {fault}"),
                    }
                }
                kept.fault = Some(fault);
            }
        }
    }

    fn read(&self, before: Option<&Trust>) -> Result<Trust, String> {
        let shown = self.keyring.display();
        let Some((bytes, _)) = guarded::read(&self.keyring, limit(MAX_KEYRING))? else {
            return Err(format!("there is no keyring at {shown} (ops.keyring)"));
        };
        let keyring =
            Keyring::parse(&bytes).map_err(|error| format!("{shown}: {error} ({})", error.code()))?;
        self.admit(&keyring, before)?;
        let policy = match &self.policy {
            None => Policy::built_in(),
            Some(path) => role_policy(path)?,
        };
        Ok(Trust { keyring, policy })
    }

    fn admit(&self, keyring: &Keyring, before: Option<&Trust>) -> Result<(), String> {
        let found = keyring.version();
        let newest = self.journal.trust_version().max(before.map(|trust| trust.keyring.version()));
        match newest {
            Some(newest) if found < newest => Err(format!(
                "{} has version {found}, but version {newest} was in force already (TrustRollback); put that one back",
                self.keyring.display()
            )),
            Some(newest) if found == newest => Ok(()),
            Some(_) | None => self
                .journal
                .keep_trust_version(found)
                .map_err(|error| format!("the keyring's version cannot be kept: {error}")),
        }
    }
}

/// What the files say, whatever was in force before; `None` where there is no keyring.
pub fn on_disk(keyring: &Path, policy: Option<&Path>) -> Result<Option<Trust>, String> {
    let shown = keyring.display();
    let policy = policy.map_or_else(|| Ok(Policy::built_in()), role_policy)?;
    let Some((bytes, _)) = guarded::read(keyring, limit(MAX_KEYRING))? else { return Ok(None) };
    let keyring = Keyring::parse(&bytes).map_err(|error| format!("{shown}: {error} ({})", error.code()))?;
    Ok(Some(Trust { keyring, policy }))
}

/// A desired-state document, judged by what the files say, for whoever is not the daemon.
pub fn read_manifest(
    config: &Config,
    bytes: &[u8],
    host_id: &str,
    now: Timestamp,
) -> Result<DesiredState, ManifestError> {
    let open = |envelope: &[u8]| {
        let trust = on_disk(&config.ops.keyring, config.ops.role_policy.as_deref())?;
        let trust = trust.ok_or_else(|| "there is no keyring to judge it by".to_owned())?;
        authz::open_manifest(envelope, &trust, now).map_err(|rejected| rejected.to_string())
    };
    manifest::read(bytes, host_id, now, config.agent.require_signed, &open)
}

fn role_policy(path: &Path) -> Result<Policy, String> {
    let shown = path.display();
    match guarded::read(path, limit(MAX_POLICY))? {
        Some((bytes, _)) => Policy::narrowed(&bytes).map_err(|error| format!("{shown}: {error}")),
        None => Err(format!("there is no role policy at {shown} (ops.role_policy)")),
    }
}

fn limit(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::TrustStore;
    use crate::authz::{keyring, testing, write};
    use crate::journal::Journal;
    use crate::model::op::Role;
    use crate::model::time::Timestamp;
    use crate::paths::guarded;

    struct Place {
        _folder: tempfile::TempDir,
        path: PathBuf,
        journal: Arc<Journal>,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("keyring.json");
            Self { _folder: folder, path, journal: Arc::default() }
        }

        fn store(&self) -> TrustStore {
            TrustStore::new(self.path.clone(), None, Arc::clone(&self.journal))
        }

        fn put(&self, version: u64) {
            guarded::replace(&self.path, &document(version, false)).unwrap();
        }
    }

    fn document(version: u64, revoked: bool) -> Vec<u8> {
        let keys = Role::ALL.map(|role| keyring::Key { revoked, ..testing::key(role) });
        write::keyring(version, 1, Timestamp::from_unix(testing::NOW + 1_000), &keys)
    }

    fn version(store: &TrustStore) -> Option<u64> {
        store.current().ok().map(|trust| trust.keyring.version())
    }

    #[test]
    fn a_keyring_is_in_force_as_soon_as_it_is_there_and_a_revocation_at_once() {
        let place = Place::new();
        let store = place.store();
        assert!(store.current().unwrap_err().contains("no keyring"));
        assert_eq!(store.fault(), None, "a host without signed operations is in order");
        place.put(1);
        assert!(store.current().unwrap().keyring.keys().all(|key| !key.revoked));
        guarded::replace(&place.path, &document(1, true)).unwrap();
        assert!(store.current().unwrap().keyring.keys().all(|key| key.revoked));
    }

    #[test]
    fn a_file_that_is_not_in_order_leaves_the_last_good_one_in_force_and_is_told() {
        let place = Place::new();
        let store = place.store();
        place.put(2);
        assert_eq!(version(&store), Some(2));
        for bytes in [b"".as_slice(), b"{", b"[]", &document(1, false)] {
            guarded::replace(&place.path, bytes).unwrap();
            assert_eq!(version(&store), Some(2), "{bytes:?}");
            assert!(store.fault().is_some(), "{bytes:?}");
        }
        place.put(3);
        fs::set_permissions(&place.path, Permissions::from_mode(0o666)).unwrap();
        assert_eq!(version(&store), Some(2));
        assert!(store.fault().unwrap().contains("0666"));
        fs::set_permissions(&place.path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!((version(&store), store.fault()), (Some(3), None));
        fs::remove_file(&place.path).unwrap();
        assert_eq!(version(&store), Some(3));
        assert!(store.fault().is_some());
        assert_eq!(version(&place.store()), None, "and after a restart nothing is");
    }

    #[test]
    fn no_keyring_older_than_the_newest_that_ever_was_comes_into_force_even_after_a_restart() {
        let place = Place::new();
        place.put(4);
        assert_eq!(version(&place.store()), Some(4));
        place.put(3);
        let store = place.store();
        assert!(store.current().unwrap_err().contains("TrustRollback"));
        assert!(store.fault().is_some());
    }

    #[test]
    fn a_keyring_put_in_force_here_is_on_disk_and_its_version_is_kept() {
        let place = Place::new();
        let store = place.store();
        place.put(1);
        let bytes = document(2, false);
        store.replace(&bytes, keyring::Keyring::parse(&bytes).unwrap()).unwrap();
        assert!(store.holds(&bytes));
        assert_eq!((version(&store), place.journal.trust_version()), (Some(2), Some(2)));
    }
}

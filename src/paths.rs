//! The state directory and what is kept there: made private, written durably, held by one instance.

pub mod guarded;

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fs2::FileExt;
use ring::rand::{SecureRandom, SystemRandom};
use thiserror::Error;

const LOCK: &str = "lock";
const HOST_ID: &str = "host_id";

#[derive(Debug, Error)]
pub enum StateError {
    #[error("cannot use the state directory {path}; it must be a directory that only this user can enter")]
    Directory { path: String, source: io::Error },
    #[error(
        "the state directory {path} has mode {mode:04o}, so that others can write into it; look at what is there, then \
         run: chmod 0700 {path}"
    )]
    Open { path: String, mode: u32 },
    #[error("another instance holds {path}{}", holder_text(.holder))]
    Locked { path: String, holder: Option<String> },
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error("cannot write {path}")]
    Write { path: String, source: io::Error },
    #[error("{path} holds {found:?}, which is no host id; put the right one there, or remove the file")]
    HostId { path: String, found: String },
    #[error("the system gave no random bytes")]
    Random,
}

fn holder_text(holder: &Option<String>) -> String {
    holder.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// The directory for what must survive a restart; mode 0700.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
}

/// Held as long as it lives; the kernel lets go when the process ends, however it ends.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

impl StateDir {
    /// Makes the directory if it is missing, closes it to others, and refuses one that others could have written into.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let shown = || path.display().to_string();
        let failed = |source| StateError::Directory { path: shown(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let metadata = fs::symlink_metadata(path).map_err(failed)?;
        if !metadata.is_dir() {
            return Err(failed(io::Error::from(ErrorKind::NotADirectory)));
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(StateError::Open { path: shown(), mode });
        }
        if mode & 0o077 != 0 {
            fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed)?;
        }
        Ok(Self { path: path.to_owned() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Takes the one-instance lock, without waiting. The process id inside is for people only.
    pub fn lock(&self) -> Result<InstanceLock, StateError> {
        let path = self.file(LOCK);
        let failed = |source| StateError::Write { path: path.display().to_string(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match FileExt::try_lock_exclusive(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut holder = String::new();
                let known = file.take(32).read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
                let holder = known.then(|| holder.trim().to_owned());
                return Err(StateError::Locked { path: path.display().to_string(), holder });
            }
            Err(error) => return Err(failed(error)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(InstanceLock { _file: file })
    }

    /// Replaces a file of this directory: after a crash at any instant it holds the old bytes or the new ones.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        write_durably(&self.path, name, bytes)
            .map_err(|source| StateError::Write { path: self.file(name).display().to_string(), source })
    }

    /// Reads a file of this directory, up to `max_bytes`; `None` when there is none.
    pub fn read(&self, name: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, StateError> {
        let path = self.file(name);
        let failed = |source| StateError::Read { path: path.display().to_string(), source };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max_bytes {
            return Err(failed(io::Error::new(
                ErrorKind::InvalidData,
                format!("larger than {max_bytes} bytes"),
            )));
        }
        Ok(Some(bytes))
    }

    /// The host id kept here; minted at the first call, and the same ever after.
    pub fn host_id(&self) -> Result<String, StateError> {
        if let Some(host_id) = self.known_host_id()? {
            return Ok(host_id);
        }
        let host_id = new_uuid()?;
        self.write(HOST_ID, format!("{host_id}\n").as_bytes())?;
        Ok(host_id)
    }

    /// The host id kept in a directory that may not be there yet; makes and changes nothing.
    pub fn known_host_id_in(path: &Path) -> Result<Option<String>, StateError> {
        Self::to_read(path).known_host_id()
    }

    /// A directory that may not be there, for reading what is kept in it; makes and changes nothing.
    pub fn to_read(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The host id kept here, if one was minted already.
    pub fn known_host_id(&self) -> Result<Option<String>, StateError> {
        let Some(bytes) = self.read(HOST_ID, 256)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        let sound = !text.is_empty()
            && text.len() <= 128
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            && !text.starts_with('.');
        if sound {
            return Ok(Some(text.to_owned()));
        }
        let path = self.file(HOST_ID).display().to_string();
        Err(StateError::HostId { path, found: text.chars().take(80).collect() })
    }
}

/// Writes beside, syncs, renames over, syncs the directory.
fn write_durably(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = directory.join(format!(".{name}.new"));
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, directory.join(name))?;
    File::open(directory)?.sync_all()
}

/// A random UUID, version 4.
pub(crate) fn new_uuid() -> Result<String, StateError> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_no_detail| StateError::Random)?;
    Ok(uuid(u128::from_be_bytes(bytes)))
}

fn uuid(random: u128) -> String {
    let version_4 = (random & !(0xf << 76)) | (0x4 << 76);
    let variant_1 = (version_4 & !(0b11 << 62)) | (0b10 << 62);
    let hex = format!("{variant_1:032x}");
    let mut text = String::with_capacity(36);
    for (index, digit) in hex.chars().enumerate() {
        if [8, 12, 16, 20].contains(&index) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use proptest::prelude::{any, proptest};

    use super::{StateDir, StateError, uuid};

    #[test]
    fn the_directory_is_made_private() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        StateDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_that_others_can_read_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        StateDir::open(directory.path()).unwrap();
        assert_eq!(fs::metadata(directory.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_that_others_can_write_into_or_swap_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("open");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(StateDir::open(&path), Err(StateError::Open { mode: 0o770, .. })));
        let link = parent.path().join("link");
        symlink(parent.path(), &link).unwrap();
        assert!(matches!(StateDir::open(&link), Err(StateError::Directory { .. })));
    }

    #[test]
    fn one_instance_holds_the_lock_and_the_second_is_told_who() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDir::open(directory.path()).unwrap();
        let held = state.lock().unwrap();
        let refusal = state.lock().unwrap_err().to_string();
        assert!(refusal.contains(&format!("process {}", std::process::id())), "{refusal}");
        drop(held);
        state.lock().unwrap();
    }

    #[test]
    fn what_was_written_is_read_and_leftovers_of_a_crash_do_not_matter() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDir::open(directory.path()).unwrap();
        assert_eq!(state.read("thing", 10).unwrap(), None);
        #[expect(clippy::disallowed_methods, reason = "what a crash in the middle leaves")]
        fs::write(directory.path().join(".thing.new"), "half").unwrap();
        state.write("thing", b"one").unwrap();
        state.write("thing", b"two").unwrap();
        assert_eq!(state.read("thing", 3).unwrap().as_deref(), Some(b"two".as_slice()));
        state.read("thing", 2).unwrap_err();
        assert!(!directory.path().join(".thing.new").exists());
    }

    #[test]
    fn the_host_id_is_minted_once() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDir::open(directory.path()).unwrap();
        assert_eq!(state.known_host_id().unwrap(), None);
        let minted = state.host_id().unwrap();
        assert_eq!(StateDir::open(directory.path()).unwrap().host_id().unwrap(), minted);
        state.write("host_id", b"not one\x07").unwrap();
        assert!(matches!(state.host_id(), Err(StateError::HostId { .. })));
    }

    proptest! {
        #[test]
        fn every_minted_id_is_a_uuid_of_version_4(random in any::<u128>()) {
            let id = uuid(random);
            let parts: Vec<&str> = id.split('-').collect();
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
            assert!(parts[2].starts_with('4'));
            assert!(parts[3].starts_with(['8', '9', 'a', 'b']));
        }
    }
}

//! Files that decide whom the agent obeys: read only when nobody but their owner could have written or swapped them.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// What tells one state of a file from another without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    mode: u32,
    owner: u32,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of the file as it stands there, links not followed; `None` when it cannot be seen.
    pub fn of(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().map(|metadata| Self::from(&metadata))
    }
}

impl From<&fs::Metadata> for Stamp {
    fn from(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            mode: metadata.mode(),
            owner: metadata.uid(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The bytes of a regular file of mode 0600 (or less) that belongs to us or to root, with the stamp they were read at; `None`
/// when there is no file. The error names the path, what was found and what to do.
pub fn read(path: &Path, max_bytes: u64) -> Result<Option<(Vec<u8>, Stamp)>, String> {
    let shown = path.display();
    // Not waiting: opening a pipe that nobody writes into would never end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => {
            return Err(format!("{shown} is a symbolic link, which is refused; name the file itself"));
        }
        Err(error) => return Err(format!("cannot open {shown}: {error}")),
    };
    let failed = |error: std::io::Error| format!("cannot read {shown}: {error}");
    let metadata = file.metadata().map_err(failed)?;
    check(path, &metadata)?;
    let mut bytes = Vec::new();
    (&file).take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max_bytes {
        return Err(format!("{shown} is larger than {max_bytes} bytes"));
    }
    let stamp = Stamp::from(&metadata);
    if Stamp::from(&file.metadata().map_err(failed)?) != stamp {
        return Err(format!(
            "{shown} was written while it was read; put it there whole (write beside, rename)"
        ));
    }
    Ok(Some((bytes, stamp)))
}

fn check(path: &Path, metadata: &fs::Metadata) -> Result<(), String> {
    let shown = path.display();
    if !metadata.is_file() {
        return Err(format!("{shown} is no regular file"));
    }
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me && metadata.uid() != 0 {
        return Err(format!(
            "{shown} belongs to user {}; expected user {me} (who runs this) or root",
            metadata.uid()
        ));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!("{shown} has mode {mode:04o}; expected 0600, so that nobody else can touch it"));
    }
    Ok(())
}

/// Replaces a file, or makes it, with mode 0600: after a crash at any instant it holds the old bytes or the new ones.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let parts = path.parent().zip(path.file_name().and_then(|name| name.to_str()));
    let Some((folder, name)) = parts else { return Err(format!("{} is no file's name", path.display())) };
    super::write_durably(folder, name, bytes).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "; put it where the agent may write, or give it the new file by hand"
            }
            _ => "",
        };
        format!("cannot replace {}: {error}{hint}", path.display())
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::{Stamp, read, replace};

    fn bytes(path: &Path) -> Vec<u8> {
        read(path, 100).unwrap().unwrap().0
    }

    #[test]
    fn what_was_written_is_read_and_has_another_stamp_after_each_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.json");
        assert_eq!(read(&path, 100).unwrap(), None);
        replace(&path, b"one").unwrap();
        let stamp = Stamp::of(&path);
        assert_eq!(bytes(&path), b"one");
        assert_eq!(Stamp::of(&path), stamp);
        replace(&path, b"two").unwrap();
        assert_eq!(bytes(&path), b"two");
        assert_ne!(Stamp::of(&path), stamp);
    }

    #[test]
    fn what_others_could_have_written_or_swapped_is_refused_and_its_path_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        replace(&path("good"), b"good").unwrap();
        symlink(path("good"), path("link")).unwrap();
        fs::create_dir(path("folder")).unwrap();
        for (name, mode) in [("writable", 0o666), ("group", 0o620), ("readable", 0o644)] {
            replace(&path(name), b"x").unwrap();
            fs::set_permissions(path(name), Permissions::from_mode(mode)).unwrap();
        }
        File::create(path("long")).unwrap().set_len(101).unwrap();
        fs::set_permissions(path("long"), Permissions::from_mode(0o600)).unwrap();
        for (name, part) in [
            ("link", "symbolic link"),
            ("folder", "no regular file"),
            ("writable", "0666"),
            ("group", "0620"),
            ("readable", "0644"),
            ("long", "larger"),
        ] {
            let message = read(&path(name), 100).unwrap_err();
            assert!(message.contains(part) && message.contains(name), "{name}: {message}");
        }
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(read(&path("pipe"), 100).unwrap_err().contains("no regular file"));
    }
}

//! What the journal asks of a file system, call by call, so that a test can stand between any two of them.
//!
//! Two implementors: [`Disk`], and the simulated one of the proofs, which enumerates what a crash may leave.

use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, OFlags, StatxFlags};

use super::error::LogError;

/// What a file is opened for. None of them follows a link or waits for the other end of a FIFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Read,
    /// Every write goes to the end.
    Append,
    /// Writes go where they are told.
    Update,
}

/// What an open file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub regular: bool,
    pub links: u64,
    pub uid: u32,
    /// In bytes.
    pub length: u64,
    /// Tells this file from a copy of it, even one that was given its inode number: the inode and the time of birth.
    pub birth: String,
}

pub trait Fs {
    type File: Debug;

    /// Makes a private directory; one that is there is in order.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;
    fn free_bytes(&self, folder: &Path) -> io::Result<u64>;
    /// Whose files are ours.
    fn uid(&self) -> u32;
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Self::File>;
    /// A new file, mode 0600, for appending; refuses one that exists.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    fn facts(&self, file: &Self::File) -> io::Result<Facts>;
    /// From the start, up to `limit` bytes.
    fn read(&self, file: &Self::File, limit: u64) -> io::Result<Vec<u8>>;
    /// One write(2); may take less than all.
    fn write(&self, file: &Self::File, bytes: &[u8]) -> io::Result<usize>;
    /// One pwrite(2), for a file opened with [`Mode::Update`].
    fn write_at(&self, file: &Self::File, bytes: &[u8], offset: u64) -> io::Result<usize>;
    fn cut(&self, file: &Self::File, length: u64) -> io::Result<()>;
    /// One fdatasync(2).
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

fn flags() -> i32 {
    // The bits fit: open(2) takes an int.
    i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits()).unwrap_or_default()
}

impl Fs for Disk {
    type File = File;

    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let is_folder = fs::symlink_metadata(folder)?.is_dir();
                if is_folder { Ok(()) } else { Err(io::Error::from(io::ErrorKind::NotADirectory)) }
            }
            Err(error) => Err(error),
            // So that the directory itself outlives a crash.
            Ok(()) => folder.parent().map_or(Ok(()), |parent| self.sync_folder(parent)),
        }
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let name = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name());
        let names: Vec<_> = fs::read_dir(folder)?.map(name).collect::<io::Result<_>>()?;
        // A name that is no text is none of ours.
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(folder)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn uid(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags());
        match mode {
            Mode::Read => &mut options,
            Mode::Append => options.append(true),
            Mode::Update => options.write(true),
        };
        options.open(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(flags())
            .open(path)
    }

    fn facts(&self, file: &File) -> io::Result<Facts> {
        let metadata = file.metadata()?;
        Ok(Facts {
            regular: metadata.is_file(),
            links: metadata.nlink(),
            uid: metadata.uid(),
            length: metadata.len(),
            birth: birth(file, metadata.ino()),
        })
    }

    fn read(&self, file: &File, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut at = 0;
        let mut chunk = vec![0_u8; 64 * 1024];
        while at < limit {
            let read = match file.read_at(&mut chunk, at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            let part = chunk.get(..read).unwrap_or_default();
            if part.is_empty() {
                break;
            }
            bytes.extend_from_slice(part);
            at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        }
        bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(bytes)
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        // Not `File::sync_data`, which tries again where the journal wants to decide.
        Ok(rustix::fs::fdatasync(file)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        Ok(rustix::fs::fsync(File::open(folder)?)?)
    }
}

/// `7340034-1763712000.123456789`; the inode alone where the file system keeps no time of birth.
fn birth(file: &File, inode: u64) -> String {
    match rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME) {
        Ok(found) if StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME) => {
            format!("{inode}-{}.{:09}", found.stx_btime.tv_sec, found.stx_btime.tv_nsec)
        }
        Ok(_) | Err(_) => inode.to_string(),
    }
}

/// File systems that a journal must not be on: their `fsync` and locks do not say what a disk's say, or they go away with the quorum.
const UNFIT: [(u32, &str); 8] = [
    (0x6573_5546, "FUSE (as /etc/pve is)"),
    (0x0000_6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x0000_517b, "SMB"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "CephFS"),
    (0x0102_1997, "9P"),
];

const FORGETFUL: [(u32, &str); 2] = [(0x0102_1994, "tmpfs"), (0x8584_58f6, "ramfs")];

/// Refuses a directory on a file system that cannot keep a journal; says so of one that forgets everything at a reboot.
pub fn refuse_unfit_file_system(path: &Path) -> Result<Option<String>, LogError> {
    let shown = path.display().to_string();
    let found = rustix::fs::statfs(path).map_err(|error| LogError::Io {
        what: "ask what file system this is on",
        path: shown.clone(),
        source: error.into(),
    })?;
    // The kernel's numbers have 32 bits, whatever the word is that carries them.
    let kind = u32::try_from(i128::from(found.f_type) & 0xffff_ffff).unwrap_or_default();
    judge(kind, &shown)
}

fn judge(kind: u32, shown: &str) -> Result<Option<String>, LogError> {
    if let Some((_, name)) = UNFIT.iter().find(|(magic, _)| *magic == kind) {
        return Err(LogError::Refused {
            path: shown.to_owned(),
            found: format!("it is on {name}, which cannot promise that what was written stays written"),
            allowed: "a local file system; set agent.state_dir to one".to_owned(),
        });
    }
    let forgetful = FORGETFUL.iter().find(|(magic, _)| *magic == kind);
    Ok(forgetful.map(|(_, name)| {
        format!(
            "{shown} is on {name}: a reboot empties it, and with it what the agent knows of its operations"
        )
    }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::{Disk, FORGETFUL, Fs, Mode, UNFIT, judge, refuse_unfit_file_system};

    #[test]
    fn a_network_s_file_system_is_refused_and_a_forgetful_one_is_named() {
        for (kind, name) in UNFIT {
            assert!(judge(kind, "/x").is_err_and(|error| error.to_string().contains(name)));
        }
        for (kind, name) in FORGETFUL {
            assert!(judge(kind, "/x").unwrap().is_some_and(|warning| warning.contains(name)));
        }
        assert_eq!(judge(0xef53, "/x").unwrap(), None);
        assert!(refuse_unfit_file_system(Path::new("/proc")).unwrap().is_none());
        refuse_unfit_file_system(Path::new("/nowhere/at/all")).unwrap_err();
    }

    #[test]
    fn a_copy_of_a_file_is_another_file_even_with_its_inode_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let birth = |create: bool| {
            let file = if create { Disk.create(&path) } else { Disk.open(&path, Mode::Read) }.unwrap();
            Disk.facts(&file).unwrap().birth
        };
        let first = birth(true);
        assert_eq!(birth(false), first);
        Disk.remove(&path).unwrap();
        assert_ne!(birth(true), first);
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        Disk.create(&real).unwrap();
        symlink(&real, &link).unwrap();
        for mode in [Mode::Read, Mode::Append, Mode::Update] {
            Disk.open(&link, mode).unwrap_err();
        }
        Disk.create(&link).unwrap_err();
    }
}

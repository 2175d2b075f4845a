//! The socket's file: made for this user and his group, in a folder that nobody else can put things into. What is in its place
//! is replaced only if it is a socket of this user's that nobody answers on any more; and it goes when we go.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::net::{
    AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, shutdown,
    socket_with,
};
use rustix::process::geteuid;
use thiserror::Error;

/// Its owner and his group may ask.
const MODE: u32 = 0o660;
const FOLDER_MODE: u32 = 0o750;
/// Connections that wait to be taken.
const BACKLOG: i32 = 32;

#[derive(Debug, Error)]
pub enum ListenError {
    #[error("cannot use the folder {path}; agent.socket must lie in a folder that this user can write into")]
    Folder { path: String, source: io::Error },
    #[error(
        "the folder {path} has mode {mode:04o}, so that others can put a socket of theirs there; give agent.socket a folder \
         of its own, as in /run/felhom-agent"
    )]
    OpenFolder { path: String, mode: u32 },
    #[error("{path} is no socket; look at what it is, and remove it or change agent.socket")]
    NoSocket { path: String },
    #[error("{path} is a socket of the user {uid}; remove it or change agent.socket")]
    NotOurs { path: String, uid: u32 },
    #[error("another process answers at {path}; stop it, or give this agent an agent.socket of its own")]
    Taken { path: String },
    #[error("cannot listen at {path}")]
    Listen { path: String, source: io::Error },
}

/// Listens for as long as it lives; then the file goes, if it is still ours.
#[derive(Debug)]
pub(super) struct Listening {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file.
    file: (u64, u64),
}

impl Listening {
    pub(super) fn at(path: &Path) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Listen { path: path.display().to_string(), source };
        prepare_folder(path)?;
        remove_stale(path)?;
        let address = SocketAddrUnix::new(path).map_err(|error| failed(error.into()))?;
        let socket = stream_socket(SocketFlags::empty()).map_err(failed)?;
        bind(&socket, &address).map_err(|error| failed(error.into()))?;
        // Between these two nobody is answered: the mode is right before the first connection.
        fs::set_permissions(path, Permissions::from_mode(MODE)).map_err(failed)?;
        listen(&socket, BACKLOG).map_err(|error| failed(error.into()))?;
        let metadata = fs::symlink_metadata(path).map_err(failed)?;
        let file = (metadata.dev(), metadata.ino());
        Ok(Self { listener: UnixListener::from(socket), path: path.to_owned(), file })
    }

    /// For the thread that takes the connections.
    pub(super) fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Wakes whoever waits for a connection, and refuses those that wait to be taken.
        if let Err(error) = shutdown(&self.listener, Shutdown::Both) {
            log::debug!("the local socket was not shut down: {error}");
        }
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.file);
        if is_ours {
            if let Err(error) = fs::remove_file(&self.path) {
                log::warn!("{} stays behind: {error}", self.path.display());
            }
        }
    }
}

fn stream_socket(flags: SocketFlags) -> io::Result<std::os::fd::OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, flags | SocketFlags::CLOEXEC, None)?)
}

fn prepare_folder(path: &Path) -> Result<(), ListenError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    let shown = || folder.display().to_string();
    let failed = |source| ListenError::Folder { path: shown(), source };
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(failed)?;
    let metadata = fs::metadata(folder).map_err(failed)?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(ListenError::OpenFolder { path: shown(), mode });
    }
    Ok(())
}

/// What a daemon that was killed has left behind goes; anything else stays and is named.
fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let shown = || path.display().to_string();
    let failed = |source| ListenError::Listen { path: shown(), source };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NoSocket { path: shown() });
    }
    if metadata.uid() != geteuid().as_raw() {
        return Err(ListenError::NotOurs { path: shown(), uid: metadata.uid() });
    }
    // Not to wait for a place in the queue of whoever is there.
    let probe = stream_socket(SocketFlags::NONBLOCK).map_err(failed)?;
    let address = SocketAddrUnix::new(path).map_err(|error| failed(error.into()))?;
    match connect(&probe, &address).map_err(io::Error::from) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // An answer, a full queue, or anything else that only somebody alive gives.
        Ok(()) | Err(_) => Err(ListenError::Taken { path: shown() }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::{ListenError, Listening};

    #[test]
    fn the_folder_and_the_socket_are_for_the_user_and_his_group_and_the_socket_goes_with_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/agent.sock");
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let listening = Listening::at(&path).unwrap();
        // Whatever mask this runs under takes away, it adds nothing.
        assert_eq!((mode(path.parent().unwrap()) & 0o027, mode(&path)), (0, 0o660));
        UnixStream::connect(&path).unwrap();
        drop(listening);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_that_nobody_answers_on_is_replaced_and_one_that_is_answered_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        drop(UnixListener::bind(&path).unwrap());
        let first = Listening::at(&path).unwrap();
        assert!(matches!(Listening::at(&path), Err(ListenError::Taken { .. })));
        UnixStream::connect(&path).unwrap();
        drop(first);
        Listening::at(&path).unwrap();
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        File::create(&file).unwrap();
        symlink(&file, &link).unwrap();
        for path in [&file, &link, &folder.path().to_owned()] {
            assert!(Listening::at(path).is_err(), "{}", path.display());
            fs::symlink_metadata(path).unwrap();
        }
        assert!(matches!(Listening::at(&link), Err(ListenError::NoSocket { .. })));
    }

    #[test]
    fn a_folder_that_others_can_write_into_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o770, 0o702, 0o1777] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            let refused = Listening::at(&folder.path().join("agent.sock"));
            assert!(matches!(refused, Err(ListenError::OpenFolder { .. })), "{mode:o}");
        }
    }

    #[test]
    fn a_socket_that_was_put_in_our_place_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let listening = Listening::at(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        drop(listening);
        assert!(path.exists());
        drop(other);
    }
}

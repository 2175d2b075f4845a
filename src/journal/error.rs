//! Why the journal could not do what it was asked, with the file and what to do.

use std::io;

use thiserror::Error;

#[derive(Debug, Error)]
pub enum LogError {
    #[error(
        "the journal {path} takes nothing new: {free} bytes are free on its file system and {wanted} are wanted; free \
         some space there"
    )]
    Full { path: String, free: u64, wanted: u64 },
    #[error(
        "the file system of the journal {path} is read-only; look into the kernel's log, then mount it writable"
    )]
    ReadOnly { path: String, source: io::Error },
    #[error(
        "the journal {path} is closed: the disk did not confirm a write, so nobody can say what is on it; look into the \
         kernel's log, then restart the agent, which reads the journal anew and goes on in a new file"
    )]
    Poisoned { path: String },
    #[error("cannot {what}: {path}")]
    Io { what: &'static str, path: String, source: io::Error },
    #[error(
        "a record of {bytes} bytes does not fit into a line of the journal {path}; allowed are {allowed} bytes"
    )]
    TooLong { path: String, bytes: usize, allowed: usize },
    #[error("a record of kind {kind:?} cannot be written: {why}")]
    Record { kind: String, why: String },
    #[error("the journal {path} is damaged and takes nothing more: {why}; run: felhom-agent journal salvage")]
    Corrupt { path: String, why: String },
    #[error("{path} cannot be part of the journal: {found}; allowed is {allowed}")]
    Refused { path: String, found: String, allowed: String },
}

impl LogError {
    /// Sorts an error of the system by what can be done about it.
    pub(super) fn of(what: &'static str, path: &std::path::Path, source: io::Error) -> Self {
        let path = path.display().to_string();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path, free: 0, wanted: 1 }
            }
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, source },
            _ => Self::Io { what, path, source },
        }
    }
}

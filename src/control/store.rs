//! What control keeps over a restart, in the state directory: the last accepted manifest, byte for byte, and a small note
//! with the blocked flag, the generation floor and when the manifest was accepted.
//!
//! A note that is there but cannot be read counts as blocked, for nobody knows that it did not say so.

use serde::{Deserialize, Serialize};

use crate::model::time::Timestamp;
use crate::paths::{StateDir, StateError};
use crate::source::MAX_MANIFEST_BYTES;

const MANIFEST: &str = "desired.json";
const NOTE: &str = "control.json";
const MAX_NOTE_BYTES: u64 = 64 * 1024;

/// What must survive beside the manifest itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The hub's word, lifted only by an envelope that says `false`.
    pub blocked: bool,
    /// No manifest below this generation is accepted.
    #[serde(default)]
    pub generation: u64,
    /// When the kept manifest was accepted; it was not expired then.
    #[serde(default)]
    pub accepted_at: Option<Timestamp>,
    /// Guests that left the manifest and are to be shut down once: `lxc/101 web`.
    #[serde(default)]
    pub leaving: Vec<String>,
}

/// The note as it was found at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundNote {
    /// None was ever written.
    None,
    Read(Note),
    /// It is there and says nothing that can be understood.
    Unreadable(String),
}

#[derive(Clone, Debug)]
pub struct Store {
    folder: StateDir,
}

impl Store {
    pub fn new(folder: StateDir) -> Self {
        Self { folder }
    }

    pub fn note(&self) -> FoundNote {
        let bytes = match self.folder.read(NOTE, MAX_NOTE_BYTES) {
            Ok(None) => return FoundNote::None,
            Ok(Some(bytes)) => bytes,
            Err(error) => return FoundNote::Unreadable(error.to_string()),
        };
        match serde_json::from_slice(&bytes) {
            Ok(note) => FoundNote::Read(note),
            Err(error) => FoundNote::Unreadable(format!("{}: {error}", self.folder.file(NOTE).display())),
        }
    }

    pub fn keep_note(&self, note: &Note) -> Result<(), StateError> {
        let bytes = serde_json::to_vec(note).expect("a note has no map and no float in it");
        self.folder.write(NOTE, &bytes)
    }

    /// The last accepted manifest's bytes, if one was kept.
    pub fn manifest(&self) -> Result<Option<Vec<u8>>, StateError> {
        self.folder.read(MANIFEST, MAX_MANIFEST_BYTES)
    }

    pub fn keep_manifest(&self, bytes: &[u8]) -> Result<(), StateError> {
        self.folder.write(MANIFEST, bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::{FoundNote, MANIFEST, NOTE, Note, Store};
    use crate::model::time::Timestamp;
    use crate::paths::StateDir;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(StateDir::open(folder.path()).unwrap());
        (folder, store)
    }

    fn put(folder: &tempfile::TempDir, name: &str, text: &str) {
        File::create(folder.path().join(name)).unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn what_was_kept_is_read_back() {
        let (_folder, store) = store();
        assert_eq!((store.note(), store.manifest().unwrap()), (FoundNote::None, None));
        let note = Note {
            blocked: true,
            generation: 7,
            accepted_at: Some(Timestamp::from_unix(1_795_242_415)),
            leaving: vec!["lxc/101 web".to_owned()],
        };
        store.keep_note(&note).unwrap();
        store.keep_manifest(b"{}").unwrap();
        assert_eq!((store.note(), store.manifest().unwrap()), (FoundNote::Read(note), Some(b"{}".to_vec())));
    }

    #[test]
    fn a_note_that_makes_no_sense_is_not_taken_for_no_note() {
        let (folder, store) = store();
        for text in ["", "{", "[]", "{\"blocked\":1}", "{}"] {
            put(&folder, NOTE, text);
            assert!(matches!(store.note(), FoundNote::Unreadable(_)), "{text:?}");
        }
    }

    #[test]
    fn a_manifest_beyond_the_limit_is_refused() {
        let (folder, store) = store();
        put(&folder, MANIFEST, &" ".repeat(4 * 1024 * 1024 + 1));
        store.manifest().unwrap_err();
    }
}

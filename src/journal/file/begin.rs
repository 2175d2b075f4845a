//! Beginning a segment, and what must be true of the one before.

use std::io;
use std::path::Path;

use super::{Log, State, length};
use crate::journal::error::LogError;
use crate::journal::fs::Fs;
use crate::journal::line::{Kept, Link};
use crate::journal::reading::{self, POISONED};
use crate::journal::segment::{self, Header, Origin};
use crate::model::time::Timestamp;
use crate::paths;

/// Leaves room below what is read back.
const MAX_SNAPSHOT: usize = 12 * 1024 * 1024;

impl<F: Fs> Log<F> {
    /// Begins the next segment with these records; durable when this returns.
    pub(in crate::journal) fn begin(
        &mut self,
        origin: Origin,
        records: &[Kept],
        now: Timestamp,
    ) -> Result<(), LogError> {
        if origin == Origin::Continued {
            self.copy_suspects()?;
        }
        if self.journal.is_empty() {
            self.journal = paths::new_uuid()
                .map_err(|_no_detail| self.failed("draw random bytes for", io::Error::other("none")))?;
        }
        let number = self.segment.saturating_add(1);
        let path = self.path(number);
        let beside = self.beside(number);
        let written = self.write_segment(number, origin, records, &beside, now);
        let written = written.and_then(|made| self.rename(&beside, &path).map(|()| made));
        let (file, link, length) = match written {
            Ok(made) => made,
            Err(error) => {
                // If this fails too it is removed at the next start.
                self.fs.remove(&beside).ok();
                return Err(error);
            }
        };
        if let Err(source) = self.sync_folder() {
            self.poison(number);
            return Err(LogError::of("sync the journal's folder", &self.folder, source));
        }
        self.state = State::Open(file);
        (self.segment, self.link, self.length) = (number, link, length);
        self.segments.push(number);
        self.forget_suspects();
        // The record stands, whatever becomes of the superblock; without one there is no second record.
        self.superblock_due = true;
        if let Err(error) = self.renew_superblock() {
            log::warn!("the journal's superblock could not be renewed: {error}");
        }
        Ok(())
    }

    fn write_segment(
        &mut self,
        number: u64,
        origin: Origin,
        records: &[Kept],
        beside: &Path,
        now: Timestamp,
    ) -> Result<(F::File, Link, u64), LogError> {
        self.remove(beside)?;
        let failed = |source| LogError::of("begin a segment of the journal", beside, source);
        let file = self.fs.create(beside).map_err(failed)?;
        let facts = self.fs.facts(&file).map_err(failed)?;
        let header = Header {
            journal: self.journal.clone(),
            segment: number,
            origin,
            prev_len: self.length,
            prev_h: self.link.h.clone(),
            host: self.identity.host_id.clone(),
            machine: self.identity.machine.clone(),
            file: facts.birth,
        };
        let record = |why| LogError::Record { kind: segment::HEADER.to_owned(), why };
        let first = header.line(&self.link, &self.identity, now).map_err(record)?;
        let (mut text, mut link) = (first.text, first.link);
        for kept in records {
            let line = self.line(&link, kept, now)?;
            text.push_str(&line.text);
            link = line.link;
            if text.len() > MAX_SNAPSHOT {
                return Err(LogError::TooLong {
                    path: self.shown(),
                    bytes: text.len(),
                    allowed: MAX_SNAPSHOT,
                });
            }
        }
        self.write_all(&file, text.as_bytes()).map_err(failed)?;
        if let Err(source) = self.sync(&file) {
            self.poison(self.segment);
            return Err(failed(source));
        }
        Ok((file, link, length(&text)))
    }

    /// Puts what can be read of a segment whose sync failed into a file of its own that is synced, and keeps the other beside it.
    fn copy_suspects(&mut self) -> Result<(), LogError> {
        for number in self.suspect.clone() {
            if !self.segments.contains(&number) {
                continue;
            }
            let path = self.path(number);
            let Some((file, facts)) = reading::open(&self.fs, &path)? else { continue };
            let failed = |source| LogError::of("copy a segment of the journal", &path, source);
            let mut bytes = self.fs.read(&file, reading::MAX_SEGMENT).map_err(failed)?;
            // So that the mark is found again, should this not come to its end.
            self.sync_folder().map_err(failed)?;
            let broken = self.folder.join(format!("{}.broken", segment::name(number)));
            self.copy(&bytes, number, &broken)?;
            if number == self.segment && self.length < facts.length {
                bytes.truncate(usize::try_from(self.length).unwrap_or(usize::MAX));
            }
            self.copy(&bytes, number, &path)?;
        }
        Ok(())
    }

    /// Writes beside, syncs, renames over, syncs the folder.
    pub(super) fn copy(&mut self, bytes: &[u8], number: u64, to: &Path) -> Result<(), LogError> {
        let beside = self.beside(number);
        self.remove(&beside)?;
        let failed = |source| LogError::of("write a file of the journal", to, source);
        let file = self.fs.create(&beside).map_err(failed)?;
        self.write_all(&file, bytes).map_err(failed)?;
        if let Err(source) = self.sync(&file) {
            self.poison(self.segment);
            return Err(failed(source));
        }
        self.rename(&beside, to)?;
        if let Err(source) = self.sync_folder() {
            self.poison(self.segment);
            return Err(failed(source));
        }
        Ok(())
    }

    fn forget_suspects(&mut self) {
        for number in std::mem::take(&mut self.suspect) {
            if let Err(error) = self.remove(&self.folder.join(format!("{number:08}{POISONED}"))) {
                log::warn!("a mark of the journal stays for now: {error}");
            }
        }
    }
}

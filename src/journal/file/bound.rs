//! The superblock's file: which slot is written when, and when all of it is made anew.

use std::io;

use super::{Log, State, uninterrupted};
use crate::journal::error::LogError;
use crate::journal::fs::{Fs, Mode};
use crate::journal::{reading, superblock};
use crate::model::time::Timestamp;

/// The clock's high-water mark alone is not worth a write more often than this.
const CLOCK_EVERY_S: u64 = 60;

impl<F: Fs> Log<F> {
    /// Puts both into the superblock, if the floor has changed or a minute has passed. Before the first record that is appended
    /// after [`Log::open`] has found something amiss, they are kept for the superblock that is written with that record.
    pub fn note_floor_and_clock(&mut self, floor: Timestamp, clock_hw: Timestamp) -> Result<(), LogError> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let passed =
            self.superblock.clock_hw.is_none_or(|last| clock_hw.seconds_since(last) >= CLOCK_EVERY_S);
        if self.superblock.floor_iat == Some(floor) && !passed {
            return Ok(());
        }
        let clock_hw = self.superblock.clock_hw.map_or(clock_hw, |last| last.max(clock_hw));
        let before = self.superblock.clone();
        self.superblock.floor_iat = Some(floor);
        self.superblock.clock_hw = Some(clock_hw);
        // Where a record is still to come that says what was found, the superblock must not forget it before.
        if matches!(self.state, State::Due(_)) {
            return Ok(());
        }
        let written = self.write_superblock();
        if written.is_err() {
            self.superblock.floor_iat = before.floor_iat;
            self.superblock.clock_hw = before.clock_hw;
        }
        written
    }

    pub(super) fn renew_superblock(&mut self) -> Result<(), LogError> {
        self.advance_superblock();
        let bytes = self
            .superblock
            .file()
            .map_err(|why| self.failed("form the superblock of", io::Error::other(why)))?;
        self.copy(&bytes, 0, &self.folder.join(superblock::NAME))?;
        self.superblock_due = false;
        Ok(())
    }

    /// Into the slot that was not written last.
    fn write_superblock(&mut self) -> Result<(), LogError> {
        if self.superblock_due {
            return self.renew_superblock();
        }
        self.advance_superblock();
        let path = self.folder.join(superblock::NAME);
        let (slot, at) = self
            .superblock
            .slot()
            .map_err(|why| self.failed("form the superblock of", io::Error::other(why)))?;
        let failed = |source| LogError::of("write the journal's superblock", &path, source);
        // Whatever fails from here on leaves a file that is made anew before it is used again.
        self.superblock_due = true;
        let file = self.fs.open(&path, Mode::Update).map_err(|source| reading::unopened(&path, source))?;
        let mut written = 0;
        while let Some(rest) = slot.get(written..).filter(|rest| !rest.is_empty()) {
            let offset = at.saturating_add(u64::try_from(written).unwrap_or_default());
            match uninterrupted(|| self.fs.write_at(&file, rest, offset)).map_err(failed)? {
                0 => return Err(failed(io::Error::from(io::ErrorKind::WriteZero))),
                more => written += more,
            }
        }
        if let Err(source) = self.sync(&file) {
            self.poison(self.segment);
            return Err(failed(source));
        }
        self.superblock_due = false;
        Ok(())
    }

    fn advance_superblock(&mut self) {
        self.superblock.generation = self.superblock.generation.saturating_add(1);
        self.superblock.segment = self.segment;
        self.superblock.seq = self.link.seq;
        self.superblock.h = self.link.h.clone();
    }

    /// Makes sure of what was read, which an earlier life may have written without syncing it.
    pub(super) fn sync_superblock(&self) -> io::Result<()> {
        match self.fs.open(&self.folder.join(superblock::NAME), Mode::Update) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => self.sync(&opened?),
        }
    }
}

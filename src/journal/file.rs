//! The journal's file: an append-only chain of records in segments, one write and one sync each.
//!
//! *Owns* the folder `journal/` of the state directory; the caller holds the one-instance lock. *Never* changes a byte that was
//! written: what a crash cut off is left where it is, and the next segment's header says how much of this one counts. *Never* syncs
//! a file again whose sync has failed: the kernel may have dropped what it could not write, and would say yes to the second call.

mod begin;
mod bound;

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::model::sorted::Set;
use crate::model::time::Timestamp;

use super::error::LogError;
use super::fs::{Fs, Mode};
use super::identity::Identity;
use super::line::{self, Entry, Kept, Line, Link, MAX_LINE};
use super::reading::{self, Found, NEW, POISONED, Reading};
use super::segment::{self, Origin};
use super::superblock::Superblock;

/// The folder in the state directory.
pub const FOLDER: &str = "journal";
/// How many interruptions of one call are borne.
const PATIENCE: u32 = 100;
const RESERVE: &str = "reserve";

/// How much of the disk the journal takes and leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nothing new is begun with less than this free, in bytes.
    pub min_free: u64,
    /// A segment that has grown to this is the last one's predecessor, in bytes.
    pub segment: u64,
    /// With so many segments a compaction is due.
    pub keep: usize,
    /// Set aside so that what was begun can be ended on a full disk, in bytes.
    pub reserve: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { min_free: 16 << 20, segment: 1 << 20, keep: 8, reserve: 1 << 20 }
    }
}

/// A journal that was opened, and what was in it.
#[derive(Debug)]
pub struct Opened<F: Fs> {
    pub log: Log<F>,
    /// Stays as it is until something is appended: whoever is told of [`Found::Torn`] or [`Found::Lost`] puts down what follows
    /// from it with the first record, and after a crash before that is told again.
    pub found: Found,
    pub entries: Vec<Entry>,
    pub superblock: Superblock,
}

/// A record that the disk has confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub seq: u64,
    /// 16 lower hex digits.
    pub hash: String,
}

#[derive(Debug)]
enum State<File> {
    /// The current segment.
    Open(File),
    /// The next record begins a segment, chained as this says.
    Due(Origin),
    Poisoned,
    Corrupt(String),
}

#[derive(Debug)]
pub struct Log<F: Fs> {
    fs: F,
    folder: PathBuf,
    identity: Identity,
    limits: Limits,
    state: State<F::File>,
    /// The journal's UUID.
    journal: String,
    link: Link,
    segment: u64,
    /// How many bytes of the current segment count.
    length: u64,
    /// The segments that count.
    segments: Vec<u64>,
    superblock: Superblock,
    /// The superblock's file is to be made anew.
    superblock_due: bool,
    /// Segments whose sync failed in an earlier life; to be copied before anything builds on them.
    suspect: Set<u64>,
}

impl<F: Fs> Log<F> {
    /// Opens the journal in `folder`, which is made if it is missing. The caller holds the one-instance lock.
    pub fn open(fs: F, folder: &Path, identity: Identity) -> Result<Opened<F>, LogError> {
        Self::open_with(fs, folder, identity, Limits::default())
    }

    pub fn open_with(
        fs: F,
        folder: &Path,
        identity: Identity,
        limits: Limits,
    ) -> Result<Opened<F>, LogError> {
        fs.make_folder(folder).map_err(|source| LogError::of("make the journal's folder", folder, source))?;
        let reading = reading::read(&fs, folder, &identity)?;
        let mut log = Self::at_end_of(fs, folder, identity, limits, &reading);
        if let Found::Corrupt { segment, why } = &reading.found {
            log.state = State::Corrupt(format!("{}: {why}", log.path(*segment).display()));
        } else {
            log.tidy(&reading)?;
            log.take_up(&reading)?;
            log.set_aside();
        }
        let superblock = log.superblock.clone();
        Ok(Opened { log, found: reading.found, entries: reading.entries, superblock })
    }

    /// Stands behind what was read, with nothing open yet.
    pub(super) fn at_end_of(
        fs: F,
        folder: &Path,
        identity: Identity,
        limits: Limits,
        reading: &Reading,
    ) -> Self {
        let superblock = reading.superblock.clone().unwrap_or_default();
        let tail = reading.tail.as_ref();
        let origin = if matches!(reading.found, Found::Fresh) { Origin::Fresh } else { Origin::Lost };
        // What is gone may have had these numbers.
        let known = Link { seq: superblock.seq, h: superblock.h.clone() };
        let before = if superblock.h.is_empty() { Link::start() } else { known };
        Self {
            fs,
            folder: folder.to_owned(),
            identity,
            limits,
            state: State::Due(if tail.is_some() { Origin::Continued } else { origin }),
            journal: tail.map(|tail| tail.journal.clone()).unwrap_or_default(),
            link: tail.map_or(before, |tail| tail.link.clone()),
            segment: tail.map_or(0, |tail| tail.segment).max(superblock.segment),
            length: tail.map_or(0, |tail| tail.length),
            segments: reading.segments.clone(),
            superblock_due: reading.superblock.is_none(),
            superblock,
            suspect: reading.poisoned.clone(),
        }
    }

    /// Removes what an earlier life did not get to remove.
    fn tidy(&self, reading: &Reading) -> Result<(), LogError> {
        for name in &reading.unfinished {
            self.remove(&self.folder.join(name))?;
        }
        if reading.origin == Origin::Salvage && !reading.outdated.is_empty() {
            return self.put_aside(&reading.outdated);
        }
        for number in &reading.outdated {
            self.remove(&self.path(*number))?;
        }
        Ok(())
    }

    /// Goes on in the last segment, if it ends as it should and is the one that was written here.
    fn take_up(&mut self, reading: &Reading) -> Result<(), LogError> {
        let Some(tail) = &reading.tail else { return Ok(()) };
        let path = self.path(tail.segment);
        let file = self.fs.open(&path, Mode::Append).map_err(|source| reading::unopened(&path, source))?;
        let facts = self.fs.facts(&file).map_err(|source| LogError::of("look at a file", &path, source))?;
        if facts.uid != self.fs.uid() {
            return Err(reading::refused(&path, format!("it belongs to user {}", facts.uid)));
        }
        if self.suspect.contains(&tail.segment) {
            return Ok(());
        }
        // Whoever was killed may have written or renamed and not synced: what was read now stays, whatever happens.
        let synced = self.sync(&file).and_then(|()| self.sync_superblock());
        if let Err(source) = synced.and_then(|()| self.sync_folder()) {
            self.poison(tail.segment);
            return Err(LogError::of("sync the journal", &path, source));
        }
        if reading.found == Found::Sound {
            self.state = State::Open(file);
        }
        Ok(())
    }

    /// One write and one sync; the record is on disk when this returns.
    pub fn append(
        &mut self,
        kind: &str,
        fields: &impl Serialize,
        now: Timestamp,
    ) -> Result<Sealed, LogError> {
        let kept = self.kept(kind, Kept::new(kind, fields))?;
        self.room_for(0)?;
        self.put(&kept, now)
    }

    /// As [`Log::append`], and on a full disk uses up the reserve: for the end of what was begun.
    pub fn append_ending(
        &mut self,
        kind: &str,
        fields: &impl Serialize,
        now: Timestamp,
    ) -> Result<Sealed, LogError> {
        let kept = self.kept(kind, Kept::new(kind, fields))?;
        match self.put(&kept, now) {
            Err(LogError::Full { .. }) if self.fs.remove(&self.folder.join(RESERVE)).is_ok() => {
                log::warn!("the disk is full: the journal has used up what it had set aside");
                self.put(&kept, now)
            }
            done => done,
        }
    }

    /// Whether what begins now can also be ended: this many bytes, and what is always left free.
    pub fn room_for(&self, bytes: u64) -> Result<(), LogError> {
        let free = self.fs.free_bytes(&self.folder);
        let free = free.map_err(|source| LogError::of("ask for the free space of", &self.folder, source))?;
        let wanted = self.limits.min_free.saturating_add(bytes);
        if free >= wanted {
            return Ok(());
        }
        Err(LogError::Full { path: self.shown(), free, wanted })
    }

    pub fn wants_compaction(&self) -> bool {
        self.segments.len() >= self.limits.keep && self.refusal().is_none()
    }

    /// Begins a segment with `snapshot`, which stands for all there was, and removes the others.
    pub fn compact(&mut self, snapshot: &[Kept], now: Timestamp) -> Result<(), LogError> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let old = std::mem::take(&mut self.segments);
        if let Err(error) = self.begin(Origin::Compaction, snapshot, now) {
            self.segments = old;
            return Err(error);
        }
        for number in old {
            // What is still there is removed at the next start.
            if let Err(error) = self.remove(&self.path(number)) {
                log::warn!("a journal segment that is no longer needed stays for now: {error}");
            }
        }
        Ok(())
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Why nothing can be appended, if that is so for good.
    fn refusal(&self) -> Option<LogError> {
        match &self.state {
            State::Poisoned => Some(LogError::Poisoned { path: self.shown() }),
            State::Corrupt(why) => Some(LogError::Corrupt { path: self.shown(), why: why.clone() }),
            State::Open(_) | State::Due(_) => None,
        }
    }

    fn kept<T>(&self, kind: &str, kept: Result<T, String>) -> Result<T, LogError> {
        self.refusal().map_or(Ok(()), Err)?;
        kept.map_err(|why| LogError::Record { kind: kind.to_owned(), why })
    }

    fn put(&mut self, kept: &Kept, now: Timestamp) -> Result<Sealed, LogError> {
        self.refusal().map_or(Ok(()), Err)?;
        if self.superblock_due && matches!(self.state, State::Open(_)) {
            self.renew_superblock()?;
        }
        match &self.state {
            State::Due(origin) => self.begin(*origin, std::slice::from_ref(kept), now)?,
            _ if self.length >= self.limits.segment => {
                self.begin(Origin::Continued, std::slice::from_ref(kept), now)?;
            }
            _ => {
                let line = self.line(&self.link, kept, now)?;
                self.write(&line)?;
            }
        }
        Ok(Sealed { seq: self.link.seq, hash: self.link.h.clone() })
    }

    fn line(&self, before: &Link, kept: &Kept, now: Timestamp) -> Result<Line, LogError> {
        let line = line::record(before, self.identity.boot(), kept, now)
            .map_err(|why| LogError::Record { kind: kept.kind.clone(), why })?;
        let bytes = line.text.len();
        if bytes > MAX_LINE {
            return Err(LogError::TooLong { path: self.shown(), bytes, allowed: MAX_LINE });
        }
        Ok(line)
    }

    /// Appends to the current segment.
    fn write(&mut self, line: &Line) -> Result<(), LogError> {
        let State::Open(file) = &self.state else { return Err(LogError::Poisoned { path: self.shown() }) };
        let path = self.path(self.segment);
        if let Err(source) = self.write_all(file, line.text.as_bytes()) {
            // A part may be in the file: out with it, or nobody knows where the next record would begin.
            if self.fs.cut(file, self.length).is_err() {
                self.poison(self.segment);
            }
            return Err(LogError::of("write a record to the journal", &path, source));
        }
        if let Err(source) = self.sync(file) {
            log::error!("the disk did not confirm a record of the journal {}: {source}", path.display());
            self.poison(self.segment);
            return Err(LogError::Poisoned { path: self.shown() });
        }
        self.link = line.link.clone();
        self.length = self.length.saturating_add(length(&line.text));
        Ok(())
    }

    /// Puts segments beside the journal that are no part of it any more.
    pub(super) fn put_aside(&self, numbers: &[u64]) -> Result<(), LogError> {
        for number in numbers {
            self.rename(&self.path(*number), &self.folder.join(damaged(*number)))?;
        }
        self.sync_folder().map_err(|source| LogError::of("sync the journal's folder", &self.folder, source))
    }

    /// Makes the reserve, if there is none and there is room for it.
    fn set_aside(&self) {
        let path = self.folder.join(RESERVE);
        if self.limits.reserve == 0 || self.room_for(self.limits.reserve).is_err() {
            return;
        }
        let Ok(file) = self.fs.create(&path) else { return };
        // What cannot be compressed away: a chain of digests would do, and so does a counter mixed well.
        let mixed = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        let bytes: Vec<u8> = (1..=self.limits.reserve / 8).flat_map(mixed).collect();
        let made = self.write_all(&file, &bytes).and_then(|()| self.sync(&file));
        if let Err(error) = made {
            log::warn!("the journal could set nothing aside for a full disk: {error}");
            self.fs.remove(&path).ok();
        }
    }

    fn write_all(&self, file: &F::File, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match uninterrupted(|| self.fs.write(file, rest))? {
                0 => return Err(io::Error::from(io::ErrorKind::WriteZero)),
                written => rest = rest.get(written..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        uninterrupted(|| self.fs.sync_folder(&self.folder))
    }

    fn sync(&self, file: &F::File) -> io::Result<()> {
        uninterrupted(|| self.fs.sync(file))
    }

    /// Nothing more is written in this life; the mark tells the next one which file not to believe.
    fn poison(&mut self, number: u64) {
        self.state = State::Poisoned;
        let mark = self.folder.join(format!("{number:08}{POISONED}"));
        let made = self.fs.create(&mark).map(drop);
        if let Err(error) = made.and_then(|()| self.sync_folder()) {
            log::error!("the journal is closed, and even that could not be written down: {error}");
        }
    }

    /// Removes a file that may not be there.
    fn remove(&self, path: &Path) -> Result<(), LogError> {
        match self.fs.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LogError::of("remove a file of the journal", path, error))
            }
            _ => Ok(()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), LogError> {
        self.fs.rename(from, to).map_err(|source| LogError::of("rename a file of the journal to", to, source))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(segment::name(number))
    }

    fn beside(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{}{NEW}", segment::name(number)))
    }

    fn shown(&self) -> String {
        self.folder.display().to_string()
    }

    fn failed(&self, what: &'static str, source: io::Error) -> LogError {
        LogError::of(what, &self.folder, source)
    }
}

/// `00000003.jsonl.damaged`
pub(super) fn damaged(number: u64) -> String {
    format!("{}.damaged", segment::name(number))
}

/// An interrupted call has neither failed nor succeeded; one that is interrupted without end has failed.
fn uninterrupted<T>(call: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..PATIENCE {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
    call()
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

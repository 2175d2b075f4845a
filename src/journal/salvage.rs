//! Goes on from a damaged journal: copies what can be proven into a new segment and puts the damaged files aside. Edits nothing.
//!
//! A record is kept if its hash is that of its content after the line before it, as that line itself says: damage to one line
//! costs that line, and the next one only if the damage hit the hash. Behind the copies stands a record of kind [`SALVAGED`], from
//! which the agent raises its floor. The rename of the new segment is the one instant at which the journal becomes the new one.

use std::path::Path;

use serde::Serialize;

use crate::model::sorted::Set;
use crate::model::time::Timestamp;

use super::error::LogError;
use super::file::{Limits, Log, damaged};
use super::fs::Fs;
use super::identity::Identity;
use super::line::{self, Entry, Kept};
use super::reading::{self, Found, MAX_SEGMENT, Reading};
use super::segment::{self, HEADER, Header, Origin};

/// The `t` of the record that says that this journal was salvaged.
pub const SALVAGED: &str = "salvaged";

/// What a salvage did; also the fields of the record it leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Salvaged {
    /// Records that were copied.
    pub kept: usize,
    /// Bytes of records that could not be proven.
    pub lost_bytes: u64,
    /// What was wrong.
    pub why: String,
    /// The damaged files, as they are called now.
    pub files: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Salvage {
    /// The journal is not damaged; nothing was changed.
    Needless(Found),
    Done(Salvaged),
}

/// Salvages a journal that is corrupt. The caller holds the one-instance lock.
pub fn salvage<F: Fs>(fs: F, folder: &Path, identity: Identity, now: Timestamp) -> Result<Salvage, LogError> {
    let reading = reading::read(&fs, folder, &identity)?;
    let Found::Corrupt { segment, why } = &reading.found else {
        return Ok(Salvage::Needless(reading.found));
    };
    let all = reading::listed(&fs, folder)?.segments;
    let mut harvest = Harvest::default();
    for number in &all {
        harvest.segment(&fs, folder, *number)?;
    }
    let report = Salvaged {
        kept: harvest.kept.len(),
        lost_bytes: harvest.lost_bytes,
        why: format!("{}: {why}", segment::name(*segment)),
        files: all.iter().map(|number| damaged(*number)).collect(),
    };
    let record = |why| LogError::Record { kind: SALVAGED.to_owned(), why };
    let mut records: Vec<Kept> = harvest.kept.into_iter().map(Kept::from).collect();
    records.push(Kept::new(SALVAGED, &report).map_err(record)?);
    let reading = Reading {
        segments: all.clone(),
        tail: harvest
            .tail
            .map(|tail| reading::Tail { segment: all.last().copied().unwrap_or_default(), ..tail }),
        ..reading
    };
    // The caller may not know what the host is called at the hub; the journal does.
    let host_id = harvest.host.unwrap_or(identity.host_id);
    let identity = Identity { host_id, ..identity };
    let mut log = Log::at_end_of(fs, folder, identity, Limits::default(), &reading);
    log.begin(Origin::Salvage, &records, now)?;
    log.put_aside(&all)?;
    Ok(Salvage::Done(report))
}

#[derive(Default)]
struct Harvest {
    kept: Vec<Entry>,
    /// Copies that a compaction did not get to remove are not kept twice.
    known: Set<(u64, String)>,
    lost_bytes: u64,
    host: Option<String>,
    /// The highest place in the chain that was seen.
    tail: Option<reading::Tail>,
}

impl Harvest {
    fn segment<F: Fs>(&mut self, fs: &F, folder: &Path, number: u64) -> Result<(), LogError> {
        let path = folder.join(segment::name(number));
        let Some((file, facts)) = reading::open(fs, &path)? else { return Ok(()) };
        if facts.uid != fs.uid() {
            let found = format!("it belongs to user {}, and this is user {}", facts.uid, fs.uid());
            return Err(reading::refused(&path, found));
        }
        // What cannot be read is lost, and the next file may be whole.
        let Ok(bytes) = fs.read(&file, MAX_SEGMENT) else {
            self.lost_bytes = self.lost_bytes.saturating_add(facts.length);
            return Ok(());
        };
        let header = Header::at_start_of(&bytes);
        let journal = header.as_ref().map(|(header, _)| header.journal.clone());
        if let Some((header, _)) = &header {
            self.host = Some(header.host.clone());
        }
        if header.as_ref().is_some_and(|(header, _)| header.origin != Origin::Continued) {
            // It stands for all before it.
            self.kept.clear();
            self.known.clear();
            self.lost_bytes = 0;
        }
        let mut before = header.map(|(header, _)| header.prev_h);
        for one in bytes.split(|byte| *byte == b'\n').filter(|one| !one.is_empty()) {
            let read = before.as_deref().and_then(|before| line::read_after(one, before).ok());
            before = line::seal_of(one).map(|(_, h)| h.to_owned());
            match read {
                Some(read) => self.take(read, number, journal.as_deref()),
                None => {
                    let lost = u64::try_from(one.len()).unwrap_or(u64::MAX);
                    self.lost_bytes = self.lost_bytes.saturating_add(lost);
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, read: line::Read, segment: u64, journal: Option<&str>) {
        if self.tail.as_ref().is_none_or(|tail| tail.link.seq <= read.link.seq) {
            let journal = journal.map(str::to_owned).or_else(|| self.tail.take().map(|tail| tail.journal));
            self.tail = Some(reading::Tail {
                segment,
                length: 0,
                link: read.link,
                journal: journal.unwrap_or_default(),
            });
        }
        let new = self.known.insert((read.entry.seq, read.entry.hash.clone()));
        if read.entry.kind != HEADER && new {
            self.kept.push(read.entry);
        }
    }
}

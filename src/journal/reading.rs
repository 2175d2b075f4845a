//! Reads a journal's folder and says what it is worth. Changes nothing, so it can run beside the agent that writes it.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::error::LogError;
use super::fs::{Facts, Fs, Mode};
use super::identity::Identity;
use super::line::{Entry, Link};
use super::segment::{self, Content, End, Header, Origin};
use super::superblock::{self, Superblock};
use crate::model::sorted::Set;

/// More than any segment can have: a snapshot, and the segment's own bytes.
pub(super) const MAX_SEGMENT: u64 = 16 * 1024 * 1024;
/// More than a header can have.
const MAX_HEADER: u64 = 8 * 1024;
/// Marks a segment whose sync failed: `00000003.poisoned`.
pub(super) const POISONED: &str = ".poisoned";
/// What was not finished: `00000003.jsonl.new`.
pub(super) const NEW: &str = ".new";
/// How far a journal may have come before it must have a superblock: header and first record.
const YOUNG: u64 = 2;

/// What the journal was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is none yet.
    Fresh,
    Sound,
    /// The last write was cut off, or not confirmed by the disk. Nothing that was acknowledged is missing.
    Torn {
        dropped_bytes: u64,
    },
    /// Damaged where it was whole: nothing is appended, and only `journal salvage` goes on from here.
    Corrupt {
        segment: u64,
        why: String,
    },
    /// Whole in itself, and not the journal that was last written here: something is missing, or it is a copy.
    Lost {
        why: String,
    },
}

/// The end of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) segment: u64,
    /// How many of its bytes count.
    pub(super) length: u64,
    pub(super) link: Link,
    /// The journal's UUID.
    pub(super) journal: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) found: Found,
    pub(super) entries: Vec<Entry>,
    pub(super) superblock: Option<Superblock>,
    /// The segments that count, ascending.
    pub(super) segments: Vec<u64>,
    /// The segments before the newest snapshot.
    pub(super) outdated: Vec<u64>,
    /// What made the snapshot.
    pub(super) origin: Origin,
    /// The segments whose sync failed.
    pub(super) poisoned: Set<u64>,
    /// Files that were not finished.
    pub(super) unfinished: Vec<String>,
    pub(super) tail: Option<Tail>,
    pub(super) bytes: u64,
}

/// Reads all of it. An error is what stands in the way of reading; damage is not one.
pub(super) fn read<F: Fs>(fs: &F, folder: &Path, identity: &Identity) -> Result<Reading, LogError> {
    // First, so that what is appended meanwhile makes no journal look behind it.
    let (superblock, has_superblock) = read_superblock(fs, folder)?;
    let mut reading = Reading { superblock, ..listed(fs, folder)? };
    if reading.segments.is_empty() {
        if has_superblock {
            let why = "its segments are gone, and the superblock is still there".to_owned();
            reading.found = Found::Lost { why };
        }
        return Ok(reading);
    }
    let mut chain = Chain { fs, folder, reading, links: Vec::new(), last: None };
    match chain.follow() {
        Ok(()) => {}
        Err(Stop::Refused(error)) => return Err(error),
        Err(Stop::Corrupt { segment, why }) => chain.reading.found = Found::Corrupt { segment, why },
    }
    let Chain { mut reading, links, last, .. } = chain;
    if matches!(reading.found, Found::Corrupt { .. }) {
        return Ok(reading);
    }
    if let Some(why) = lost(&reading, &links, last.as_ref(), identity) {
        reading.found = Found::Lost { why };
    }
    Ok(reading)
}

fn read_superblock<F: Fs>(fs: &F, folder: &Path) -> Result<(Option<Superblock>, bool), LogError> {
    let path = folder.join(superblock::NAME);
    let Some((file, _)) = open(fs, &path)? else { return Ok((None, false)) };
    let limit = u64::try_from(superblock::BYTES).unwrap_or(u64::MAX);
    match fs.read(&file, limit) {
        Ok(bytes) => Ok((Superblock::read(&bytes), true)),
        // As good as one that is damaged.
        Err(_unreadable) => Ok((None, true)),
    }
}

/// What the names of the folder tell.
pub(super) fn listed<F: Fs>(fs: &F, folder: &Path) -> Result<Reading, LogError> {
    let mut reading = Reading {
        found: Found::Fresh,
        entries: Vec::new(),
        superblock: None,
        segments: Vec::new(),
        outdated: Vec::new(),
        origin: Origin::Fresh,
        poisoned: Set::new(),
        unfinished: Vec::new(),
        tail: None,
        bytes: 0,
    };
    let names = match fs.names(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(reading),
        names => names.map_err(|source| LogError::of("list the journal's folder", folder, source))?,
    };
    for name in names {
        if let Some(number) = segment::number(&name) {
            reading.segments.push(number);
        } else if let Some(number) = name.strip_suffix(POISONED) {
            reading.poisoned.extend(number.parse::<u64>().ok());
        } else if name.ends_with(NEW) {
            reading.unfinished.push(name);
        }
    }
    reading.segments.sort_unstable();
    Ok(reading)
}

/// Opens a file to read it; `None` if there is none. Refuses what is no file of ours.
pub(super) fn open<F: Fs>(fs: &F, path: &Path) -> Result<Option<(F::File, Facts)>, LogError> {
    let file = match fs.open(path, Mode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unopened(path, error)),
        Ok(file) => file,
    };
    let facts = fs.facts(&file).map_err(|source| LogError::of("look at a file", path, source))?;
    let found = match &facts {
        Facts { regular: false, .. } => "it is no regular file".to_owned(),
        Facts { links, .. } if *links != 1 => format!("it has {links} names"),
        _ => return Ok(Some((file, facts))),
    };
    Err(refused(path, found))
}

pub(super) fn refused(path: &Path, found: String) -> LogError {
    let allowed = "a regular file with one name that belongs to the agent's user; look at who put this there, and move it \
                   away";
    LogError::Refused { path: path.display().to_string(), found, allowed: allowed.to_owned() }
}

pub(super) fn unopened(path: &Path, error: io::Error) -> LogError {
    if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
        return refused(path, "it is a symbolic link".to_owned());
    }
    if error.kind() == io::ErrorKind::IsADirectory {
        return refused(path, "it is a directory".to_owned());
    }
    LogError::of("open a file of the journal", path, error)
}

/// Why the chain is not followed any further.
enum Stop {
    Refused(LogError),
    Corrupt { segment: u64, why: String },
}

struct Chain<'a, F: Fs> {
    fs: &'a F,
    folder: &'a Path,
    reading: Reading,
    links: Vec<Link>,
    /// The last segment's header and its file's facts.
    last: Option<(Header, Facts)>,
}

impl<F: Fs> Chain<'_, F> {
    fn follow(&mut self) -> Result<(), Stop> {
        let mut headers = Vec::new();
        for number in self.reading.segments.clone() {
            let bytes = self.bytes(number, MAX_HEADER)?.0;
            headers.push((number, Header::at_start_of(&bytes)));
        }
        // From the newest that needs nothing before it.
        let is_root = |header: &Option<(Header, Link)>| matches!(header, Some((header, _)) if header.origin != Origin::Continued);
        let root = headers.iter().rposition(|(_, header)| is_root(header)).unwrap_or_default();
        let live = headers.split_off(root);
        self.reading.outdated = headers.into_iter().map(|(number, _)| number).collect();
        self.reading.segments = live.iter().map(|(number, _)| *number).collect();
        self.reading.found = Found::Sound;
        let mut before = Link::start();
        if let Some((_, Some((header, link)))) = live.first() {
            if header.origin != Origin::Continued {
                before = link.clone();
            }
            self.reading.origin = header.origin;
        }
        let mut after = live.iter().skip(1);
        for (number, header) in &live {
            let next = after.next();
            before = self.segment(*number, header.as_ref(), next, &before)?;
        }
        Ok(())
    }

    /// Reads one segment and says where the chain stands behind it.
    fn segment(
        &mut self,
        number: u64,
        header: Option<&(Header, Link)>,
        next: Option<&(u64, Option<(Header, Link)>)>,
        before: &Link,
    ) -> Result<Link, Stop> {
        let corrupt = |why: String| Stop::Corrupt { segment: number, why };
        let (mut bytes, facts) = self.bytes(number, MAX_SEGMENT)?;
        self.reading.bytes = self.reading.bytes.saturating_add(facts.length);
        let limit = match next {
            None => facts.length,
            Some((_, Some((next, _)))) => next.prev_len,
            Some((next, None)) => {
                return Err(Stop::Corrupt { segment: *next, why: "its first line is damaged".to_owned() });
            }
        };
        if facts.length > MAX_SEGMENT || limit > facts.length {
            return Err(corrupt(format!("it has {} bytes, of which {limit} count", facts.length)));
        }
        bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        if header.is_some_and(|(header, _)| header.segment != number) {
            return Err(corrupt("its file has another segment's name".to_owned()));
        }
        let content = segment::read(&bytes, before);
        let link = content.links.last().unwrap_or(before).clone();
        match (&content.end, next) {
            (End::Corrupt { why }, _) => return Err(corrupt(format!("{why}, behind record {}", link.seq))),
            (End::Torn { .. }, Some(_)) => {
                return Err(corrupt(format!("it ends early, behind record {}", link.seq)));
            }
            (End::Unfinished, None) => {
                let dropped_bytes = limit.saturating_sub(content.length);
                self.reading.found = Found::Torn { dropped_bytes };
            }
            (End::Torn { bytes }, None) => self.reading.found = Found::Torn { dropped_bytes: *bytes },
            (End::Whole, None) if self.reading.poisoned.contains(&number) => {
                self.reading.found = Found::Torn { dropped_bytes: 0 };
            }
            (End::Whole, _) | (End::Unfinished, Some(_)) => {}
        }
        self.take(number, header, facts, content, link.clone());
        Ok(link)
    }

    fn take(
        &mut self,
        segment: u64,
        header: Option<&(Header, Link)>,
        facts: Facts,
        content: Content,
        link: Link,
    ) {
        let known = self.reading.tail.take().map(|tail| tail.journal);
        let journal = header.map(|(header, _)| header.journal.clone()).or(known).unwrap_or_default();
        self.last = header.map(|(header, _)| (header.clone(), facts));
        self.reading.tail = Some(Tail { segment, length: content.length, link, journal });
        self.reading.entries.extend(content.entries);
        self.links.extend(content.links);
    }

    fn bytes(&self, number: u64, limit: u64) -> Result<(Vec<u8>, Facts), Stop> {
        let path = self.path(number);
        let corrupt = |why: String| Stop::Corrupt { segment: number, why };
        let (file, facts) = open(self.fs, &path)
            .map_err(Stop::Refused)?
            .ok_or_else(|| corrupt("it went away while it was read".to_owned()))?;
        let bytes = self
            .fs
            .read(&file, limit)
            .map_err(|error| corrupt(format!("{} cannot be read: {error}", path.display())))?;
        Ok((bytes, facts))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(segment::name(number))
    }
}

/// Why this whole journal is not the one that was last written here, if it is not.
fn lost(
    reading: &Reading,
    links: &[Link],
    last: Option<&(Header, Facts)>,
    identity: &Identity,
) -> Option<String> {
    let tail = reading.tail.as_ref()?;
    let Some(superblock) = &reading.superblock else {
        let young = reading.segments == [1] && tail.link.seq <= YOUNG;
        return (!young).then(|| "its superblock is gone or damaged".to_owned());
    };
    if superblock.seq > tail.link.seq {
        let (known, there) = (superblock.seq, tail.link.seq);
        return Some(format!("record {known} was written, and the journal ends with record {there}"));
    }
    if links.iter().any(|link| link.seq == superblock.seq && link.h != superblock.h) {
        return Some(format!("record {} is not the one that was written", superblock.seq));
    }
    let (header, facts) = last?;
    if !header.host.is_empty() && !identity.host_id.is_empty() && header.host != identity.host_id {
        return Some(format!("it is the journal of host {}, and this is {}", header.host, identity.host_id));
    }
    if !identity.may_be(&header.machine) {
        return Some("it was written on another machine, of which this is a clone".to_owned());
    }
    // The repair of a segment whose sync failed replaces its file.
    if header.file != facts.birth && !reading.poisoned.contains(&tail.segment) {
        return Some("its last file is a copy of the one that was written, as after a restore".to_owned());
    }
    None
}

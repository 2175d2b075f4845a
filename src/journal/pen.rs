//! The pen: whoever holds it writes to the journal's file, and nobody else does. What is on the disk is taken into the state
//! that everybody reads; a reader never waits for the disk.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::record::{Clock, Damage, Ending, Floor, Record};
use super::state::{Place, State};
use super::{Disk, Entry, Found, Health, Identity, JournalError, Kept, Log, LogError, Opened, Sealed, whole};
use crate::authz::{self, SKEW_S};
use crate::model::op::ClockTrust;
use crate::model::time::Timestamp;

/// After a compaction that failed, so many records are written before it is tried again.
const COMPACT_AGAIN: u64 = 1_000;

/// Where records go.
#[derive(Debug, Default)]
pub(super) enum Body {
    /// Nowhere but into the state, for a run that keeps nothing.
    #[default]
    Memory,
    File(Box<Log<Disk>>),
    /// It could not be opened, and why.
    Closed(String),
}

#[derive(Debug, Default)]
pub(super) struct Writer {
    body: Body,
    /// The number of the last record, where there is no file that counts.
    last: u64,
    pub(super) refusals: super::operations::Refusals,
    compact_from: u64,
    /// The minute in which it was last tried whether a journal that took nothing takes something again.
    tried: u64,
}

/// What everybody may look at.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) state: State,
    /// Why the last record could not be written.
    fault: Option<String>,
}

#[derive(Debug)]
pub(super) struct Pen<'a> {
    pub(super) writer: MutexGuard<'a, Writer>,
    shown: &'a Mutex<Shown>,
    boot: &'a str,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shown {
    pub(super) fn health(&self) -> Health {
        if let Some(fault) = &self.fault {
            return Health::Unwritable(fault.clone());
        }
        match self.state.damage().or_else(|| self.state.unreadable()) {
            Some(why) => Health::NoDestructive(why.to_owned()),
            None => Health::Sound,
        }
    }
}

/// Opens the file and reads all of it.
pub(super) fn open(folder: &std::path::Path, identity: Identity) -> (Writer, Shown, Option<Found>) {
    match Log::open(Disk, folder, identity) {
        Ok(Opened { log, found, entries, superblock }) => {
            let mut state = State::default();
            for Entry { seq, at, boot, kind, fields, hash } in entries {
                state.fold(&Place { seq, at, boot, hash }, &kind, fields);
            }
            state.at_least(superblock.floor_iat, superblock.clock_hw);
            let fault = match &found {
                Found::Corrupt { segment, why } => Some(format!(
                    "segment {segment} of the journal is damaged ({why}); look at the disk, then run: felhom-agent journal salvage"
                )),
                Found::Fresh | Found::Sound | Found::Torn { .. } | Found::Lost { .. } => None,
            };
            let writer = Writer { body: Body::File(Box::new(log)), ..Writer::default() };
            (writer, Shown { state, fault }, Some(found))
        }
        Err(error) => {
            let why = format!("{}; once that is put right, restart the agent", whole(&error));
            let writer = Writer { body: Body::Closed(why.clone()), ..Writer::default() };
            (writer, Shown { state: State::default(), fault: Some(why) }, None)
        }
    }
}

impl<'a> Pen<'a> {
    pub(super) fn new(writer: &'a Mutex<Writer>, shown: &'a Mutex<Shown>, boot: &'a str) -> Self {
        Self { writer: lock(writer), shown, boot }
    }

    /// Not to be held while writing.
    pub(super) fn shown(&self) -> MutexGuard<'a, Shown> {
        lock(self.shown)
    }

    /// Writes a record durably and takes it in; gives its number.
    pub(super) fn write(&mut self, record: Record, now: Timestamp) -> Result<u64, JournalError> {
        let sealed = match self.writer.put(&record, now) {
            Ok(sealed) => sealed,
            Err(error) => {
                self.note_fault(&error);
                return Err(error);
            }
        };
        let place = Place { seq: sealed.seq, at: now, boot: self.boot.to_owned(), hash: sealed.hash };
        {
            let mut shown = self.shown();
            // The reserve may have taken the end of something, while there is no room to begin anything.
            if record.ending() == Ending::No {
                shown.fault = None;
            }
            shown.state.apply(&place, record, false);
        }
        self.compact(now);
        Ok(place.seq)
    }

    /// Loudly once: as long as it lasts there are many records to miss.
    fn note_fault(&self, error: &JournalError) {
        let (mut shown, text) = (self.shown(), error.to_string());
        if shown.fault.as_ref() != Some(&text) {
            log::error!("{text}");
        }
        shown.fault = Some(text);
    }

    /// For what may be missing from the journal without harm.
    pub(super) fn write_or_say(&mut self, record: Record, now: Timestamp) {
        let kind = record.kind();
        if let Err(error) = self.write(record, now) {
            log::debug!("a record ({kind}) is missing from the journal: {error}");
        }
    }

    /// Whether a journal that took nothing takes something again; tried now and then, for nobody else may have anything to write.
    pub(super) fn try_again(&mut self, now: Timestamp) {
        let minute = now.unix() / 60;
        if self.shown().fault.is_some() && self.writer.tried != minute {
            self.writer.tried = minute;
            let clock_hw = self.shown().state.clock_hw();
            self.write_or_say(Record::Clock(Clock { clock_hw }), now);
        }
    }

    /// Whether what begins now can be ended, too.
    pub(super) fn room_for(&self, bytes: u64) -> Result<(), LogError> {
        match &self.writer.body {
            Body::File(log) => log.room_for(bytes),
            Body::Memory | Body::Closed(_) => Ok(()),
        }
    }

    /// Writes down what was found at the start, so that no crash can make it forgotten.
    pub(super) fn note_found(&mut self, found: &Found, now: Timestamp) {
        let why = match found {
            Found::Sound | Found::Corrupt { .. } => return self.raise_due_floor(now),
            Found::Fresh => None,
            Found::Torn { dropped_bytes } => {
                log::warn!(
                    "the end of the journal was cut off: {dropped_bytes} bytes that were never confirmed are dropped"
                );
                None
            }
            Found::Lost { why } => Some(format!(
                "the journal is not the one that was written here last ({why}), so that operations may be carried out that were \
                 carried out already; see what happened, then have a floor.raise signed: felhom-agent op draft floor-raise"
            )),
        };
        let word = if matches!(found, Found::Torn { .. }) {
            "the end of the journal was cut off"
        } else {
            "a new journal"
        };
        let (iat, is_due) = self.next_floor(now);
        let record = match why {
            Some(why) => Record::Damage(Damage { why, floor: iat, is_due }),
            None => Record::Floor(Floor { iat, why: word.to_owned(), damage_seen: false, is_due }),
        };
        self.write_or_say(record, now);
        self.note_clock(now);
    }

    /// The floor that nothing signed before now passes; and whether it has to be set anew once the clock can be believed.
    fn next_floor(&self, now: Timestamp) -> (Timestamp, bool) {
        let high = self.shown().state.clock_hw();
        let is_due = authz::clock::judge(now, Some(high)) != ClockTrust::Trusted;
        let base = if is_due { now.max(high) } else { now };
        (Timestamp::from_unix(base.unix().saturating_add(SKEW_S)), is_due)
    }

    /// The clock could not be believed when the floor was to be raised, and now it can.
    pub(super) fn raise_due_floor(&mut self, now: Timestamp) {
        let is_due = self.shown().state.floor_is_due();
        let (iat, not_yet) = self.next_floor(now);
        if is_due && !not_yet {
            let why = "the clock was set".to_owned();
            self.write_or_say(Record::Floor(Floor { iat, why, damage_seen: false, is_due: false }), now);
        }
    }

    /// Keeps the clock's high-water mark and the floor beside the records; not more often than each is worth.
    pub(super) fn note_clock(&mut self, now: Timestamp) {
        let (floor, clock_hw) = {
            let mut shown = self.shown();
            if authz::clock::judge(now, Some(shown.state.clock_hw())) == ClockTrust::Trusted {
                shown.state.saw_clock(now);
            }
            (shown.state.floor(), shown.state.clock_hw())
        };
        if let Body::File(log) = &mut self.writer.body {
            if let Err(error) = log.note_floor_and_clock(floor, clock_hw) {
                log::debug!("the journal's superblock: {error}");
            }
        }
    }

    fn compact(&mut self, now: Timestamp) {
        let Writer { body: Body::File(log), compact_from, last, .. } = &mut *self.writer else { return };
        if !log.wants_compaction() || *last < *compact_from {
            return;
        }
        let snapshot = {
            let mut shown = lock(self.shown);
            shown.state.forget();
            shown.state.snapshot()
        };
        let kept: Vec<Kept> = snapshot
            .into_iter()
            .map(|(kind, fields)| Kept { kind: kind.to_owned(), fields, of: None })
            .collect();
        if let Err(error) = log.compact(&kept, now) {
            log::warn!("the journal could not be made shorter; it is tried again later: {error}");
            *compact_from = last.saturating_add(COMPACT_AGAIN);
        }
    }
}

impl Writer {
    fn put(&mut self, record: &Record, now: Timestamp) -> Result<Sealed, JournalError> {
        let fields = record.fields();
        let sealed = match &mut self.body {
            Body::Memory => Sealed { seq: self.last.saturating_add(1), hash: String::new() },
            Body::Closed(why) => return Err(JournalError::Closed(why.clone())),
            Body::File(log) => match record.ending() {
                Ending::Yes => log.append_ending(record.kind(), &fields, now)?,
                Ending::No => log.append(record.kind(), &fields, now)?,
            },
        };
        self.last = sealed.seq;
        Ok(sealed)
    }
}

//! Looks at a journal without touching it, beside the agent that writes it or without one.

use std::path::Path;

use serde::Serialize;

use crate::model::time::Timestamp;

use super::error::LogError;
use super::fs::Fs;
use super::identity::Identity;
use super::line::Entry;
use super::reading::{self, Found, Reading};
use super::segment;

/// How often a journal that looks torn is read again: the agent may be writing to it.
const LOOKS: usize = 4;

/// What a journal is worth, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `ok`, `torn`, `corrupt` or `lost`.
    pub state: &'static str,
    /// How many records can be read, headers not counted.
    pub records: usize,
    pub segments: usize,
    pub bytes: u64,
    /// The last line's place in the chain; 0 while there is none.
    pub last_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor_iat: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_hw: Option<Timestamp>,
    /// Of a write that was cut off.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped_bytes: u64,
    /// The damaged file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// A journal as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    pub verdict: Verdict,
    pub entries: Vec<Entry>,
}

/// Reads all of it and changes nothing. An empty host id in `identity` is not compared.
pub fn verify<F: Fs>(fs: &F, folder: &Path, identity: &Identity) -> Result<Look, LogError> {
    let mut reading = reading::read(fs, folder, identity)?;
    for _ in 1..LOOKS {
        if matches!(reading.found, Found::Sound | Found::Fresh) {
            break;
        }
        let again = reading::read(fs, folder, identity)?;
        if again == reading {
            break;
        }
        reading = again;
    }
    Ok(Look { verdict: verdict(&reading), entries: reading.entries })
}

fn verdict(reading: &Reading) -> Verdict {
    let (state, dropped_bytes, file, why) = match &reading.found {
        Found::Fresh | Found::Sound => ("ok", 0, None, None),
        Found::Torn { dropped_bytes } => ("torn", *dropped_bytes, None, None),
        Found::Corrupt { segment, why } => ("corrupt", 0, Some(segment::name(*segment)), Some(why.clone())),
        Found::Lost { why } => ("lost", 0, None, Some(why.clone())),
    };
    let superblock = reading.superblock.as_ref();
    Verdict {
        state,
        records: reading.entries.len(),
        segments: reading.segments.len(),
        bytes: reading.bytes,
        last_seq: reading.tail.as_ref().map_or(0, |tail| tail.link.seq),
        last_at: reading.entries.last().map(|entry| entry.at),
        floor_iat: superblock.and_then(|found| found.floor_iat),
        clock_hw: superblock.and_then(|found| found.clock_hw),
        dropped_bytes,
        file,
        why,
    }
}

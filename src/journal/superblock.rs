//! What the chain cannot know of itself: how far it went. Two slots of 512 bytes, written in turn, so that one is always whole. Pure.

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::model::time::Timestamp;

use super::line::hex;

pub(super) const NAME: &str = "journal.sb";
pub(super) const SLOT: usize = 512;
pub(super) const BYTES: usize = 2 * SLOT;

/// A lower bound of what the journal holds, and what must outlive even its loss.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Superblock {
    /// Counts the writes.
    pub generation: u64,
    pub segment: u64,
    /// The last record at that time.
    pub seq: u64,
    pub h: String,
    /// Operations signed earlier are refused.
    pub floor_iat: Option<Timestamp>,
    /// The latest time the clock has shown.
    pub clock_hw: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(rename = "gen")]
    generation: u64,
    segment: u64,
    seq: u64,
    h: String,
    floor_iat: Option<u64>,
    clock_hw: Option<u64>,
    crc: String,
}

impl Superblock {
    fn written(&self) -> Written {
        let unix = |time: Option<Timestamp>| time.map(Timestamp::unix);
        let (floor_iat, clock_hw) = (unix(self.floor_iat), unix(self.clock_hw));
        let sum = format!(
            "{} {} {} {} {floor_iat:?} {clock_hw:?}",
            self.generation, self.segment, self.seq, self.h
        );
        Written {
            generation: self.generation,
            segment: self.segment,
            seq: self.seq,
            h: self.h.clone(),
            floor_iat,
            clock_hw,
            crc: hex(digest(&SHA256, sum.as_bytes()).as_ref()),
        }
    }

    /// The slot's bytes, and where in the file they belong.
    pub(super) fn slot(&self) -> Result<(Vec<u8>, u64), String> {
        let mut bytes = serde_json::to_vec(&self.written()).map_err(|error| error.to_string())?;
        if bytes.len() >= SLOT {
            return Err("the superblock does not fit into its slot".to_owned());
        }
        bytes.resize(SLOT - 1, b' ');
        bytes.push(b'\n');
        let at = if self.generation % 2 == 0 { 0 } else { SLOT };
        Ok((bytes, u64::try_from(at).unwrap_or_default()))
    }

    /// A whole file with this in its slot and nothing in the other.
    pub(super) fn file(&self) -> Result<Vec<u8>, String> {
        let (slot, at) = self.slot()?;
        let mut bytes = vec![b' '; BYTES];
        let at = usize::try_from(at).unwrap_or_default();
        for (to, from) in bytes.iter_mut().skip(at).zip(slot) {
            *to = from;
        }
        Ok(bytes)
    }

    /// The newest slot that is whole.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        bytes.chunks(SLOT).take(2).filter_map(Self::of_slot).max_by_key(|found| found.generation)
    }

    fn of_slot(bytes: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(bytes).ok()?;
        let found = Self {
            generation: written.generation,
            segment: written.segment,
            seq: written.seq,
            h: written.h.clone(),
            floor_iat: written.floor_iat.map(Timestamp::from_unix),
            clock_hw: written.clock_hw.map(Timestamp::from_unix),
        };
        (found.written().crc == written.crc).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES, SLOT, Superblock};
    use crate::model::time::Timestamp;

    fn some(generation: u64) -> Superblock {
        Superblock {
            generation,
            segment: 3,
            seq: 812,
            h: "0123456789abcdef".to_owned(),
            floor_iat: Some(Timestamp::from_unix(1_795_242_415)),
            clock_hw: None,
        }
    }

    /// Both slots full: the older in the first, the newer in the second.
    fn file() -> Vec<u8> {
        let mut bytes = some(6).file().unwrap();
        let (slot, at) = some(7).slot().unwrap();
        assert_eq!(at, 512);
        bytes[SLOT..].copy_from_slice(&slot);
        bytes
    }

    #[test]
    fn the_newer_slot_counts_and_the_other_stands_in_for_it() {
        let bytes = file();
        assert_eq!(bytes.len(), BYTES);
        assert_eq!(Superblock::read(&bytes), Some(some(7)));
        for torn in 0..SLOT - 200 {
            let mut bytes = bytes.clone();
            bytes[SLOT + torn / 8] = 0;
            assert_eq!(Superblock::read(&bytes), Some(some(6)), "{torn}");
        }
        assert_eq!(Superblock::read(&[0; BYTES]), None);
        assert_eq!(Superblock::read(b""), None);
    }

    #[test]
    fn no_flipped_bit_gives_a_superblock_that_was_never_written() {
        let bytes = file();
        for at in 0..BYTES {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                let found = Superblock::read(&bytes).unwrap();
                assert!(found == some(6) || found == some(7), "byte {at}, bit {bit}: {found:?}");
            }
        }
    }
}

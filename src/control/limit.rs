//! The blast radius: how many guests one generation may stop or restart before somebody says that it is meant.
//!
//! A guest counts once, before its step is taken, and what was counted is on disk by then: a crash gives nothing back. Shared by
//! the lanes, which ask before each such step, and the intake, which releases the limit by a signed operation.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::model::guest::{GuestId, Vmid};
use crate::model::hold::{Hold, HoldReason};
use crate::model::step::Step;
use crate::paths::{StateDir, StateError};

const FILE: &str = "limit.json";
const MAX_BYTES: u64 = 1024 * 1024;

/// Where nobody says otherwise: so many, or a quarter of the managed guests if that is more.
const AT_LEAST: usize = 3;

/// Whether a step takes a guest that runs out of service.
pub(super) fn disrupts(step: &Step) -> bool {
    matches!(
        step,
        Step::Shutdown { .. }
            | Step::Stop { .. }
            | Step::Reboot { .. }
            | Step::HaState { running: false, .. }
    )
}

#[derive(Clone, Debug)]
pub struct Limit {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: StateDir,
    /// 0: by the number of managed guests.
    configured: usize,
    kept: Mutex<Kept>,
}

/// Of the generation in force.
#[derive(Clone, Debug, Default)]
struct Kept {
    /// `None` until control has said which one it is.
    generation: Option<u64>,
    managed: usize,
    /// Those that were stopped or restarted, or were about to be.
    guests: Vec<Vmid>,
    is_released: bool,
    /// What is on disk cannot be understood: nobody knows how many it were.
    fault: Option<String>,
}

impl Limit {
    /// As it was when the agent last ran.
    pub fn recall(folder: StateDir, configured: u32) -> Self {
        let kept = match folder.read(FILE, MAX_BYTES) {
            Ok(None) => Kept::default(),
            Ok(Some(bytes)) => Kept::read(&bytes).unwrap_or_else(|| {
                Kept::unreadable(format!(
                    "{} says nothing that can be understood",
                    folder.file(FILE).display()
                ))
            }),
            Err(error) => Kept::unreadable(error.to_string()),
        };
        if let Some(fault) = &kept.fault {
            log::error!(
                "no guest is stopped or restarted until another generation or a limit.release: {fault}"
            );
        }
        let configured = usize::try_from(configured).unwrap_or(usize::MAX);
        Self { shared: Arc::new(Shared { folder, configured, kept: Mutex::new(kept) }) }
    }

    /// For whoever only looks: as it would be in force for this generation. What may not be read says so.
    pub(super) fn ahead(
        state_dir: &Path,
        configured: u32,
        generation: u64,
        managed: usize,
    ) -> Result<Self, StateError> {
        let folder = StateDir::to_read(state_dir);
        folder.read(FILE, MAX_BYTES)?;
        let limit = Self::recall(folder, configured);
        limit.adopt(generation, managed);
        Ok(limit)
    }

    /// Counts the guest here alone, or says why it will have to wait.
    pub(super) fn foresee(&self, guest: GuestId) -> Option<Hold> {
        let mut kept = self.lock();
        let hold = kept.hold(guest, self.shared.configured);
        if hold.is_none() {
            kept.guests.push(guest.vmid);
        }
        hold
    }

    /// What is in force now. Another generation starts with nothing counted.
    pub(super) fn adopt(&self, generation: u64, managed: usize) {
        let mut kept = self.lock();
        let before = kept.generation.replace(generation);
        kept.managed = managed;
        let was_unknown = before.is_none() && kept.fault.is_some();
        if before != Some(generation) && !was_unknown {
            *kept = Kept { generation: Some(generation), managed, ..Kept::default() };
        }
    }

    /// Why this guest may not be stopped or restarted now, if so; nothing is counted.
    pub(super) fn hold(&self, guest: GuestId) -> Option<Hold> {
        self.lock().hold(guest, self.shared.configured)
    }

    /// Counts the guest, for good, or says why not.
    pub(super) fn claim(&self, guest: GuestId) -> Result<(), Hold> {
        let mut kept = self.lock();
        if let Some(hold) = kept.hold(guest, self.shared.configured) {
            return Err(hold);
        }
        if kept.guests.contains(&guest.vmid) {
            return Ok(());
        }
        let mut counted = kept.clone();
        counted.guests.push(guest.vmid);
        self.keep(&mut kept, counted).map_err(|error| {
            let remedy = "make room in the state directory, or repair it".to_owned();
            held(format!("that it is stopped or restarted cannot be kept: {error}"), remedy)
        })
    }

    /// Whoever may, has said that this generation may stop and restart what it wants.
    pub fn release(&self, generation: u64) -> Result<(), String> {
        let mut kept = self.lock();
        if kept.generation != Some(generation) {
            let in_force =
                kept.generation.map_or_else(|| "none".to_owned(), |generation| generation.to_string());
            return Err(format!("generation {generation} is not in force, but {in_force}"));
        }
        let released = Kept { is_released: true, fault: None, ..kept.clone() };
        self.keep(&mut kept, released).map_err(|error| error.to_string())
    }

    /// On disk first: what cannot be kept there does not hold here.
    fn keep(&self, kept: &mut Kept, next: Kept) -> Result<(), StateError> {
        let guests: Vec<u32> = next.guests.iter().map(|vmid| vmid.number()).collect();
        let note = json!({"generation": next.generation, "guests": guests, "released": next.is_released});
        self.shared.folder.write(FILE, note.to_string().as_bytes())?;
        *kept = next;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn read(bytes: &[u8]) -> Option<Self> {
        let note: Value = serde_json::from_slice(bytes).ok()?;
        let guests = note.get("guests")?.as_array()?.iter();
        Some(Self {
            generation: Some(note.get("generation")?.as_u64()?),
            guests: guests.map(|vmid| Vmid::new(vmid.as_u64()?).ok()).collect::<Option<_>>()?,
            is_released: note.get("released")?.as_bool()?,
            ..Self::default()
        })
    }

    fn unreadable(fault: String) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }

    fn hold(&self, guest: GuestId, configured: usize) -> Option<Hold> {
        let allowed = if configured == 0 { AT_LEAST.max(self.managed / 4) } else { configured };
        if self.is_released || (self.fault.is_none() && self.guests.contains(&guest.vmid)) {
            return None;
        }
        let generation = self.generation.unwrap_or_default();
        let detail = match &self.fault {
            Some(fault) => {
                format!("how many guests generation {generation} has stopped is not known: {fault}")
            }
            None if self.guests.len() < allowed => return None,
            None => format!(
                "generation {generation} has stopped or restarted {} guests, allowed are {allowed}",
                self.guests.len()
            ),
        };
        let remedy = format!(
            "if that is meant: felhom-agent op draft limit-release --generation {generation}, and have it signed; or raise \
             agent.blast_radius"
        );
        Some(held(detail, remedy))
    }
}

fn held(detail: String, remedy: String) -> Hold {
    Hold { reason: HoldReason::BlastRadius, detail, remedy }
}

#[cfg(test)]
mod tests {
    use super::{FILE, Limit};
    use crate::model::guest::{GuestId, GuestKind, Vmid};
    use crate::paths::StateDir;

    fn guest(number: u64) -> GuestId {
        GuestId::new(GuestKind::Lxc, Vmid::new(number).unwrap())
    }

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn folder(&self) -> StateDir {
            StateDir::open(self.0.path()).unwrap()
        }

        /// As after a start.
        fn limit(&self, configured: u32, generation: u64, managed: usize) -> Limit {
            let limit = Limit::recall(self.folder(), configured);
            limit.adopt(generation, managed);
            limit
        }
    }

    fn claimed(limit: &Limit, of: u64) -> usize {
        (100..100 + of).filter(|number| limit.claim(guest(*number)).is_ok()).count()
    }

    #[test]
    fn it_is_three_or_a_quarter_unless_the_configuration_says_otherwise() {
        for (configured, managed, allowed) in
            [(0, 0, 3), (0, 8, 3), (0, 15, 3), (0, 16, 4), (0, 100, 25), (1, 100, 1), (50, 8, 50)]
        {
            let place = Place::new();
            let limit = place.limit(configured, 7, managed);
            assert_eq!(claimed(&limit, 60), allowed, "{configured} of {managed}");
        }
    }

    #[test]
    fn what_was_counted_stays_so_over_a_restart_and_until_another_generation() {
        let place = Place::new();
        assert_eq!(claimed(&place.limit(0, 7, 8), 8), 3);
        let limit = place.limit(0, 7, 8);
        assert_eq!(claimed(&limit, 8), 3, "the same ones, and no other");
        assert!(limit.hold(guest(103)).unwrap().detail.contains("has stopped or restarted 3 guests"));
        limit.adopt(8, 8);
        assert_eq!(limit.hold(guest(107)), None);
        limit.claim(guest(107)).unwrap();
        assert_eq!(claimed(&place.limit(0, 8, 8), 7), 2);
    }

    #[test]
    fn a_release_is_for_one_generation_and_survives_a_restart() {
        let place = Place::new();
        let limit = place.limit(0, 7, 8);
        assert_eq!(claimed(&limit, 8), 3);
        assert!(limit.release(6).unwrap_err().contains("not in force, but 7"));
        limit.release(7).unwrap();
        assert_eq!(claimed(&place.limit(0, 7, 8), 8), 8);
        assert_eq!(claimed(&place.limit(0, 8, 8), 8), 3);
    }

    #[test]
    fn a_note_that_makes_no_sense_lets_nothing_through_until_somebody_or_another_generation_says_so() {
        for text in ["", "{}", r#"{"generation":7,"guests":[1],"released":false}"#] {
            let place = Place::new();
            place.folder().write(FILE, text.as_bytes()).unwrap();
            let limit = place.limit(0, 7, 8);
            assert_eq!(claimed(&limit, 8), 0, "{text}");
            limit.adopt(8, 8);
            assert_eq!(claimed(&limit, 8), 3, "{text}");
            place.folder().write(FILE, text.as_bytes()).unwrap();
            let limit = place.limit(0, 7, 8);
            limit.release(7).unwrap();
            assert_eq!(claimed(&limit, 8), 8, "{text}");
        }
    }
    #[test]
    fn what_does_not_reach_the_disk_is_neither_counted_nor_released() {
        let place = Place::new();
        place.folder().write(FILE, b"{}").unwrap();
        let unreadable = place.limit(0, 7, 8);
        let other = Place::new();
        let counting = other.limit(0, 7, 8);
        for place in [&place, &other] {
            std::fs::remove_dir_all(place.0.path()).unwrap();
        }
        assert!(unreadable.release(7).is_err());
        assert!(unreadable.hold(guest(100)).unwrap().detail.contains("is not known"));
        for number in 100..105 {
            let hold = counting.claim(guest(number)).unwrap_err();
            assert!(hold.detail.contains("cannot be kept"), "{}", hold.detail);
        }
        assert!(counting.release(7).is_err());
        assert_eq!(claimed(&counting, 8), 0);
    }
}

//! What a panic leaves behind. The shipped binary ends with it: the journal knows what was begun, and the service manager starts the
//! agent anew. So that one guest cannot take the agent down again and again, the guest whose lane panicked is left alone at the
//! next start, until it looks different or something else is wanted of it.

use std::panic;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::lanes;
use crate::model::guest::Vmid;
use crate::paths::StateDir;

const NOTE: &str = "panicked.json";
const MAX_NOTE_BYTES: u64 = 64 * 1024;
const LONGEST: usize = 1_000;

/// Whose lane panicked, and with which text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Panicked {
    pub(super) vmid: Vmid,
    pub(super) message: String,
}

/// Has every panic of a lane noted in the state directory, after it was said on standard error.
pub(super) fn watch(state: StateDir) {
    let say = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        say(panicked);
        note(&state, thread::current().name(), &lanes::panic_text(panicked.payload()));
    }));
}

fn note(state: &StateDir, thread: Option<&str>, text: &str) {
    let Some(vmid) = thread.and_then(lanes::vmid_of_thread) else { return };
    let note = Panicked { vmid, message: text.chars().take(LONGEST).collect() };
    let bytes = serde_json::to_vec(&note).unwrap_or_default();
    // There is nobody left to tell of a fault.
    state.write(NOTE, &bytes).ok();
}

/// The note of the run before, taken away: it counts once.
pub(super) fn take(state: &StateDir) -> Option<Panicked> {
    let bytes = match state.read(NOTE, MAX_NOTE_BYTES) {
        Ok(bytes) => bytes?,
        Err(error) => {
            log::warn!("what panicked before cannot be read: {error}");
            return None;
        }
    };
    if let Err(error) = std::fs::remove_file(state.file(NOTE)) {
        log::warn!("{}: {error}", state.file(NOTE).display());
    }
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{Panicked, note, take};
    use crate::model::guest::Vmid;
    use crate::paths::StateDir;

    #[test]
    fn a_panic_of_a_lane_is_noted_with_its_guest_and_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        for thread in [None, Some("reporter"), Some("lane-"), Some("lane-7"), Some("lane-x")] {
            note(&state, thread, "boom");
            assert_eq!(take(&state), None, "{thread:?}");
        }
        note(&state, Some("lane-101"), "boom");
        let expected = Panicked { vmid: Vmid::new(101).unwrap(), message: "boom".to_owned() };
        assert_eq!((take(&state), take(&state)), (Some(expected), None));
    }
}

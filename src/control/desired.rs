//! Keeps the desired state in force: accepts a new document or says why not, and remembers the accepted one over a restart.
//! A refused document changes nothing but what is said about it.

use std::sync::Arc;

use super::store::{FoundNote, Note, Store};
use crate::manifest::{self, ManifestError};
use crate::model::desired::{DesiredGuest, DesiredState, DriftPolicy, RefusedResource, WantedRun};
use crate::model::guest::GuestId;
use crate::model::sorted::Map;
use crate::model::time::Timestamp;
use crate::ops::trust::TrustStore;
use crate::source::Found;
use crate::status::condition::ManifestState;
use crate::status::{HistoryEntry, ResourceStatus};

/// What became of something the source found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    New,
    /// The document in force, once more.
    Same,
    /// The source has what it had: whatever was said of that still holds.
    AsBefore,
    Nothing,
    Unavailable(String),
    Refused {
        message: String,
        entry: HistoryEntry,
    },
}

#[derive(Debug)]
pub(super) struct Keeper {
    host_id: String,
    store: Store,
    signatures: Signatures,
    note: Note,
    current: Option<Current>,
    /// The note was there and could not be read: it is written anew at the next word about it.
    note_lost: bool,
    /// What could not be recalled at the start.
    fault: Option<String>,
}

/// Who may sign desired state, and whether somebody must.
#[derive(Clone, Debug)]
pub(super) struct Signatures {
    pub(super) are_required: bool,
    pub(super) trust: Arc<TrustStore>,
}

impl Signatures {
    fn read(&self, bytes: &[u8], host_id: &str, at: Timestamp) -> Result<DesiredState, ManifestError> {
        manifest::read(bytes, host_id, at, self.are_required, &|envelope| {
            self.trust.open_manifest(envelope, at)
        })
    }
}

/// How a guest that has left the manifest is called while it is still to be stopped: no resource can have such an id.
const LEAVING: &str = "removed/";

#[derive(Debug)]
struct Current {
    state: DesiredState,
    guests: Vec<Arc<DesiredGuest>>,
}

impl Current {
    /// With the guests that have left it and are still to be stopped.
    fn new(mut state: DesiredState, leaving: &[String]) -> Self {
        state.guests.extend(leaving.iter().filter_map(|entry| leaving_guest(entry)));
        state.guests.sort_by_key(|guest| guest.guest);
        let guests = state.guests.iter().cloned().map(Arc::new).collect();
        Self { state, guests }
    }
}

impl Keeper {
    /// As it was when the agent last ran.
    pub(super) fn recall(host_id: String, store: Store, signatures: Signatures) -> Self {
        let (note, mut fault) = match store.note() {
            FoundNote::None => (Note::default(), None),
            FoundNote::Read(note) => (note, None),
            FoundNote::Unreadable(message) => {
                log::error!("counting as blocked until the hub says otherwise: {message}");
                (Note { blocked: true, ..Note::default() }, Some(message))
            }
        };
        let note_lost = fault.is_some();
        let mut current = None;
        match store.manifest() {
            Ok(None) => {}
            // As of when it was accepted: that it has expired since then does not unmake it.
            Ok(Some(bytes)) => {
                let accepted_at = note.accepted_at.unwrap_or_else(|| Timestamp::from_unix(0));
                match signatures.read(&bytes, &host_id, accepted_at) {
                    Ok(state) => current = Some(Current::new(state, &note.leaving)),
                    Err(error) => fault = Some(format!("the kept desired state: {error}")),
                }
            }
            Err(error) => fault = Some(format!("the kept desired state: {error}")),
        }
        if let Some(fault) = &fault {
            log::error!("{fault}");
        }
        Self { host_id, store, signatures, note, current, note_lost, fault }
    }

    pub(super) fn state_at_start(&self) -> ManifestState {
        match (&self.fault, &self.current) {
            (Some(fault), _) => ManifestState::Unavailable(fault.clone()),
            (None, Some(_)) => ManifestState::Current,
            (None, None) => ManifestState::None,
        }
    }

    /// The floor counts as ours even if the manifest itself was lost: a lower one is not asked for.
    pub(super) fn generation(&self) -> u64 {
        self.current.as_ref().map_or(self.note.generation, |current| current.state.generation)
    }

    pub(super) fn identity(&self) -> (Option<u64>, Option<String>) {
        let state = self.current.as_ref().map(|current| &current.state);
        (state.map(|state| state.generation), state.map(|state| state.sha256.clone()))
    }

    /// The desired state in force.
    pub(super) fn state(&self) -> Option<&DesiredState> {
        self.current.as_ref().map(|current| &current.state)
    }

    pub(super) fn guests(&self) -> &[Arc<DesiredGuest>] {
        self.current.as_ref().map_or(&[], |current| &current.guests)
    }

    pub(super) fn refused(&self) -> &[RefusedResource] {
        self.current.as_ref().map_or(&[], |current| &current.state.refused)
    }

    pub(super) fn names(&self, resource_id: &str) -> bool {
        self.guests().iter().any(|guest| guest.resource_id == resource_id)
            || self.refused().iter().any(|refused| refused.resource_id == resource_id)
    }

    /// The generation that every guest resource was looked at under, if it is one.
    pub(super) fn observed(&self, statuses: &Map<String, ResourceStatus>) -> Option<u64> {
        let generation = self.current.as_ref()?.state.generation;
        let looked_at = |guest: &Arc<DesiredGuest>| {
            statuses.get(&guest.resource_id).is_some_and(|status| status.generation == generation)
        };
        self.guests().iter().all(looked_at).then_some(generation)
    }

    /// Whether the generation in force names a guest that was not looked at under it.
    pub(super) fn is_unseen(&self, statuses: &Map<String, ResourceStatus>) -> bool {
        self.current.is_some() && self.observed(statuses).is_none()
    }

    pub(super) fn history_entry(&self, result: &str, at: Timestamp) -> HistoryEntry {
        let (generation, sha256) = self.identity();
        HistoryEntry {
            generation: generation.unwrap_or(self.note.generation),
            manifest_sha256: sha256.unwrap_or_default(),
            at,
            result: result.to_owned(),
        }
    }

    pub(super) fn offer(&mut self, found: Found, now: Timestamp) -> Accepted {
        match found {
            Found::Unchanged => Accepted::AsBefore,
            Found::Nothing => match &self.current {
                None => Accepted::Nothing,
                Some(current) => Accepted::Unavailable(format!(
                    "the source has no desired state any more; generation {} stays in force",
                    current.state.generation
                )),
            },
            Found::Unavailable(message) => Accepted::Unavailable(message),
            Found::Document(bytes) => match self.signatures.read(&bytes, &self.host_id, now) {
                Ok(state) => self.take(state, &bytes, now),
                Err(error) => self.refuse(None, error.to_string(), now),
            },
        }
    }

    fn take(&mut self, state: DesiredState, bytes: &[u8], now: Timestamp) -> Accepted {
        let in_force = self.current.as_ref().map(|current| &current.state);
        if in_force.is_some_and(|current| current.sha256 == state.sha256) {
            return Accepted::Same;
        }
        let floor = self.generation().max(self.note.generation);
        if let Err(error) = manifest::goes_back(&state, Some(floor)) {
            return self.refuse(Some(&state), error.to_string(), now);
        }
        let leaving = self.leaving(&state);
        let note =
            Note { generation: state.generation, accepted_at: Some(now), leaving, ..self.note.clone() };
        // The note first: with it lost and the manifest kept, an older manifest could come back.
        let kept = self.store.keep_note(&note).and_then(|()| self.store.keep_manifest(bytes));
        if let Err(error) = kept {
            log::error!("the desired state is in force but will not survive a restart: {error}");
        }
        log::info!("desired state: generation {}, {} guests", state.generation, state.guests.len());
        self.current = Some(Current::new(state, &note.leaving));
        self.note = note;
        self.fault = None;
        Accepted::New
    }

    /// The guests that `next` does not name any more and that are to be stopped for it. One whose resource or number is still named
    /// has not left, whatever is wrong with it; one that was not to be changed is not stopped either.
    fn leaving(&self, next: &DesiredState) -> Vec<String> {
        let goes = |guest: &&Arc<DesiredGuest>| {
            guest.policy.stop_on_remove && !guest.suspend && guest.drift == DriftPolicy::Correct
        };
        let entry = |guest: &Arc<DesiredGuest>| format!("{} {}", guest.guest, guest.resource_id);
        let mut leaving = self.note.leaving.clone();
        leaving.extend(self.guests().iter().filter(goes).map(entry));
        leaving.retain(|entry| {
            leaving_guest(entry).is_some_and(|guest| {
                let id = guest.resource_id.trim_start_matches(LEAVING);
                let is_named = next.guests.iter().any(|guest| guest.resource_id == id)
                    || next.refused.iter().any(|refused| refused.resource_id == id);
                !is_named && !next.claimed.contains(&guest.guest.vmid)
            })
        });
        leaving
    }

    /// Whether it has left the manifest and is only there to be stopped.
    pub(super) fn is_leaving(guest: &DesiredGuest) -> bool {
        guest.resource_id.starts_with(LEAVING)
    }

    /// Nothing is to be done about the guest any more; `false` if that could not be kept.
    pub(super) fn has_left(&mut self, guest: GuestId) -> bool {
        let mut note = self.note.clone();
        note.leaving.retain(|entry| leaving_guest(entry).is_some_and(|leaving| leaving.guest != guest));
        if let Err(error) = self.store.keep_note(&note) {
            log::error!("cannot keep that {guest} is stopped: {error}");
            return false;
        }
        self.note = note;
        if let Some(current) = &mut self.current {
            let stays = |other: &DesiredGuest| other.guest != guest || !Self::is_leaving(other);
            current.state.guests.retain(stays);
            current.guests.retain(|other| stays(other));
        }
        true
    }

    fn refuse(&self, state: Option<&DesiredState>, message: String, at: Timestamp) -> Accepted {
        let entry = HistoryEntry {
            generation: state.map_or_else(|| self.generation(), |state| state.generation),
            manifest_sha256: state.map(|state| state.sha256.clone()).unwrap_or_default(),
            at,
            result: message.clone(),
        };
        Accepted::Refused { message, entry }
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.note.blocked
    }

    /// Keeps the flag for the next start; `false` if that did not succeed.
    pub(super) fn block(&mut self, blocked: bool) -> bool {
        if self.note.blocked == blocked && !self.note_lost {
            return true;
        }
        let note = Note { blocked, ..self.note.clone() };
        match self.store.keep_note(&note) {
            Ok(()) => {
                log::warn!(
                    "{}",
                    if blocked { "blocked by the hub: nothing is changed" } else { "no longer blocked" }
                );
                (self.note, self.note_lost) = (note, false);
                true
            }
            Err(error) => {
                log::error!("cannot keep that the hub says blocked={blocked}: {error}");
                false
            }
        }
    }
}

/// `lxc/101 web`: wanted of it is that it is stopped, and nothing else.
fn leaving_guest(entry: &str) -> Option<DesiredGuest> {
    let (guest, resource_id) = entry.split_once(' ')?;
    let guest = DesiredGuest::new(&format!("{LEAVING}{resource_id}"), guest.parse().ok()?);
    Some(DesiredGuest { run_state: Some(WantedRun::Stopped), ..guest })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Accepted, Keeper, Signatures};
    use crate::control::store::Store;
    use crate::model::time::Timestamp;
    use crate::ops::trust::TrustStore;
    use crate::paths::StateDir;
    use crate::source::Found;
    use crate::status::condition::ManifestState;

    const NOW: u64 = 1_795_242_415;

    fn now() -> Timestamp {
        Timestamp::from_unix(NOW)
    }

    fn later() -> Timestamp {
        Timestamp::from_unix(NOW + 100_000)
    }

    struct Place {
        folder: tempfile::TempDir,
        must_be_signed: bool,
    }

    impl Place {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), must_be_signed: false }
        }

        fn store(&self) -> Store {
            Store::new(StateDir::open(self.folder.path()).unwrap())
        }

        fn keeper(&self) -> Keeper {
            let trust = TrustStore::new(self.folder.path().join("keyring.json"), None, Arc::default());
            let signatures = Signatures { are_required: self.must_be_signed, trust: Arc::new(trust) };
            Keeper::recall("h1".to_owned(), self.store(), signatures)
        }

        fn state_dir(&self) -> StateDir {
            StateDir::open(self.folder.path()).unwrap()
        }
    }

    fn manifest(generation: u64, cores: u64) -> Found {
        let expires = Timestamp::from_unix(NOW + 1_000);
        Found::Document(
            format!(
                r#"{{"api_version":"felhom/v1","host_id":"h1","generation":{generation},"expires_at":"{expires}",
                "resources":[{{"id":"web","kind":"lxc_guest","spec":{{"vmid":101,"cores":{cores}}}}}]}}"#
            )
            .into_bytes(),
        )
    }

    fn for_host(host_id: &str) -> Found {
        let Found::Document(bytes) = manifest(9, 1) else { panic!("a manifest is a document") };
        Found::Document(
            String::from_utf8(bytes).unwrap().replace("\"h1\"", &format!("{host_id:?}")).into_bytes(),
        )
    }

    #[test]
    fn the_accepted_document_is_in_force_after_a_restart_even_if_it_has_expired_meanwhile() {
        let place = Place::new();
        let mut keeper = place.keeper();
        assert_eq!(keeper.state_at_start(), ManifestState::None);
        assert_eq!(keeper.offer(manifest(7, 2), now()), Accepted::New);
        let again = place.keeper();
        assert_eq!((again.generation(), again.guests().len()), (7, 1));
        assert_eq!(again.state_at_start(), ManifestState::Current);
        assert_eq!(again.identity(), keeper.identity());
    }

    #[test]
    fn the_same_document_is_nothing_new_and_the_same_generation_may_be_corrected() {
        let place = Place::new();
        let mut keeper = place.keeper();
        assert_eq!(keeper.offer(manifest(7, 2), now()), Accepted::New);
        assert_eq!(keeper.offer(manifest(7, 2), now()), Accepted::Same);
        assert_eq!(keeper.offer(manifest(7, 3), now()), Accepted::New);
    }

    #[test]
    fn a_refused_document_leaves_the_accepted_one_in_force() {
        let place = Place::new();
        let mut keeper = place.keeper();
        keeper.offer(manifest(7, 2), now());
        let before = keeper.identity();
        for (found, at) in [
            (manifest(6, 2), now()),
            (for_host("h2"), now()),
            (manifest(8, 2), later()),
            (Found::Document(b"{".to_vec()), now()),
            (Found::Document(vec![b' '; 4 * 1024 * 1024 + 1]), now()),
        ] {
            let accepted = keeper.offer(found, at);
            assert!(matches!(accepted, Accepted::Refused { .. }), "{accepted:?}");
            assert_eq!(keeper.identity(), before);
        }
        assert_eq!(place.keeper().identity(), before);
    }

    #[test]
    fn a_source_that_has_nothing_any_more_takes_nothing_away() {
        let place = Place::new();
        let mut keeper = place.keeper();
        assert_eq!(keeper.offer(Found::Nothing, now()), Accepted::Nothing);
        keeper.offer(manifest(7, 2), now());
        assert!(matches!(keeper.offer(Found::Nothing, now()), Accepted::Unavailable(_)));
        assert_eq!(keeper.generation(), 7);
    }

    #[test]
    fn the_generation_does_not_go_back_even_if_the_kept_document_is_lost() {
        let place = Place::new();
        place.keeper().offer(manifest(7, 2), now());
        place.state_dir().write("desired.json", b"rubbish").unwrap();
        let mut keeper = place.keeper();
        assert!(matches!(keeper.state_at_start(), ManifestState::Unavailable(_)));
        assert!(matches!(keeper.offer(manifest(6, 2), now()), Accepted::Refused { .. }));
        assert_eq!(keeper.offer(manifest(7, 2), now()), Accepted::New);
    }

    fn of(resources: &[(&str, u32, &str)], generation: u64) -> Found {
        let resource = |(id, vmid, more): &(&str, u32, &str)| {
            format!(r#"{{"id":"{id}","kind":"lxc_guest"{more},"spec":{{"vmid":{vmid}}}}}"#)
        };
        let resources: Vec<String> = resources.iter().map(resource).collect();
        let text = format!(
            r#"{{"api_version":"felhom/v1","host_id":"h1","generation":{generation},"resources":[{}]}}"#,
            resources.join(",")
        );
        Found::Document(text.into_bytes())
    }

    fn names(keeper: &Keeper) -> Vec<String> {
        keeper.guests().iter().map(|guest| format!("{} {}", guest.guest, guest.resource_id)).collect()
    }

    #[test]
    fn a_guest_that_leaves_is_stopped_once_where_that_was_said_and_over_a_restart_too() {
        const STOP: &str = r#","on_remove":"stop""#;
        let place = Place::new();
        let mut keeper = place.keeper();
        let suspended = format!(r#"{STOP},"suspend":true"#);
        let reported = format!(r#"{STOP},"drift":"report""#);
        let first = [
            ("web", 101, STOP),
            ("db", 102, ""),
            ("moved", 103, STOP),
            ("broken", 104, STOP),
            ("renamed", 105, STOP),
            ("left-alone", 106, &suspended),
            ("watched", 107, &reported),
        ];
        assert_eq!(keeper.offer(of(&first, 1), now()), Accepted::New);
        let second = [("moved", 203, ""), ("broken", 104, r#","no":1"#), ("other", 105, "")];
        assert_eq!(keeper.offer(of(&second, 2), now()), Accepted::New);
        let mut again = place.keeper();
        for keeper in [&keeper, &again] {
            assert_eq!(names(keeper), ["lxc/101 removed/web", "lxc/105 other", "lxc/203 moved"]);
        }
        let web = again.guests()[0].clone();
        assert!(Keeper::is_leaving(&web) && again.has_left(web.guest));
        assert_eq!(names(&place.keeper()), ["lxc/105 other", "lxc/203 moved"]);
    }

    #[test]
    fn a_guest_that_comes_back_before_it_was_stopped_is_not_stopped() {
        let place = Place::new();
        let mut keeper = place.keeper();
        keeper.offer(of(&[("web", 101, r#","on_remove":"stop""#)], 1), now());
        keeper.offer(of(&[], 2), now());
        assert_eq!(names(&keeper), ["lxc/101 removed/web"]);
        keeper.offer(of(&[("front", 101, "")], 3), now());
        assert_eq!(names(&keeper), ["lxc/101 front"]);
        keeper.offer(of(&[], 4), now());
        assert_eq!(names(&keeper), Vec::<String>::new(), "keep is what it says now");
    }

    #[test]
    fn a_document_that_must_be_signed_and_is_not_leaves_the_accepted_one_in_force() {
        let place = Place { must_be_signed: true, ..Place::new() };
        let mut keeper = place.keeper();
        let refused = |accepted| match accepted {
            Accepted::Refused { message, .. } => message,
            other => panic!("{other:?}"),
        };
        assert!(refused(keeper.offer(manifest(7, 2), now())).contains("desired.require_signed"));
        let envelope = r#"{"payloadType":"x","payload":"","signatures":[]}"#;
        let said = refused(keeper.offer(Found::Document(envelope.into()), now()));
        assert!(said.contains("no key is trusted"), "{said}");
        let mut lax = Place { must_be_signed: false, ..place };
        assert_eq!(lax.keeper().offer(manifest(7, 2), now()), Accepted::New);
        lax.must_be_signed = true;
        assert!(lax.keeper().guests().is_empty(), "nor is what was taken before a signature was asked for");
    }

    #[test]
    fn being_blocked_survives_a_restart_and_only_the_hub_lifts_it() {
        let place = Place::new();
        let mut keeper = place.keeper();
        assert!(!keeper.is_blocked());
        assert!(keeper.block(true));
        keeper.offer(manifest(7, 2), now());
        let mut again = place.keeper();
        assert!(again.is_blocked());
        assert!(again.block(false));
        assert!(!place.keeper().is_blocked());
        assert_eq!(place.keeper().generation(), 7);
    }

    #[test]
    fn a_note_that_cannot_be_read_counts_as_blocked() {
        let place = Place::new();
        place.state_dir().write("control.json", b"{").unwrap();
        assert!(place.keeper().is_blocked());
        assert!(place.keeper().block(false));
        assert!(!place.keeper().is_blocked());
    }
}

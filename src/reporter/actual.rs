//! The actual state at the hub: put when it says something new, and with each report that arrived, so that its time tells that the
//! agent lives; and only over the revision we know. That it fails holds up nothing: the next report tries again.
//!
//! Whoever else has written since is read first: what he says of resources under a newer generation than ours is kept, and his
//! history with ours. If it was another agent, there are two under one host id, and somebody has to know.

use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use serde_json::Value;

use crate::control::Event;
use crate::hub::client::Put;
use crate::hub::{Client, Desired, HubError};
use crate::status::AgentStatus;

/// So often the hub's document may change between our reading it and our putting ours.
const TRIES: usize = 3;

/// What the hub has of ours.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    /// The tag of the revision there; `None` while we do not know of any.
    revision: Option<String>,
    has_failed: bool,
    /// What another one had there, a run of ours before included: it goes along from then on.
    others: Option<Value>,
    /// When another agent had last written after we had.
    duplicate_seen: Option<Instant>,
}

impl Mirror {
    /// `interval` is how often this is done at least.
    pub(super) fn follow(
        &mut self,
        hub: &Client,
        status: &AgentStatus,
        interval: Duration,
        control: &Sender<Event>,
    ) {
        match self.put(hub, status, control) {
            Ok(()) => self.has_failed = false,
            Err(error) => {
                // Loudly once: a hub that does not keep it says so at every report.
                let level = if self.has_failed { log::Level::Debug } else { log::Level::Warn };
                log::log!(level, "the actual state was not put to the hub: {error}");
                self.has_failed = true;
            }
        }
        // Long enough for the other one to have written again.
        if self.duplicate_seen.is_some_and(|seen| seen.elapsed() > interval * 3) {
            self.duplicate_seen = None;
            control.send(Event::Duplicate(None)).ok();
        }
    }

    fn put(&mut self, hub: &Client, status: &AgentStatus, control: &Sender<Event>) -> Result<(), HubError> {
        let mut document = serde_json::to_vec(status).map_err(|error| HubError::Body {
            what: format!("the actual state cannot be written: {error}"),
        })?;
        if let Some(others) = &self.others {
            document = merged(&document, others);
        }
        for _ in 0..TRIES {
            match hub.put_actual(&document, self.revision.as_deref())? {
                Put::Stored { etag } => {
                    self.revision = etag;
                    return Ok(());
                }
                Put::Outdated => {}
            }
            let knew_one = self.revision.take().is_some();
            let Desired::Document { etag, bytes } = hub.actual()? else { continue };
            self.revision = etag;
            let Ok(theirs) = serde_json::from_slice::<Value>(&bytes) else { continue };
            let other = theirs.get("instance").and_then(Value::as_str).unwrap_or_default();
            if knew_one && other != status.instance {
                self.tell_of(other, status, &theirs, control);
            }
            document = merged(&document, &theirs);
            self.others = Some(theirs);
        }
        Err(HubError::Http { status: 412, retry_after: None })
    }

    /// He has written after we had: before that he may have been the one whom this process replaced.
    fn tell_of(&mut self, other: &str, ours: &AgentStatus, theirs: &Value, control: &Sender<Event>) {
        if self.duplicate_seen.replace(Instant::now()).is_some() {
            return;
        }
        let at = theirs.get("at").and_then(Value::as_str).unwrap_or("an unknown time");
        let message = format!(
            "another agent reports as host {:?}: its instance {other:?} wrote at {at}, this one is {:?}; give each host an id of its own \
             (hub.host_id)",
            ours.host_id, ours.instance
        );
        log::error!("{message}");
        control.send(Event::Duplicate(Some(message))).ok();
    }
}

/// Our document with what only the other one can know. One that cannot be read adds nothing.
fn merged(ours: &[u8], theirs: &Value) -> Vec<u8> {
    let Ok(mut document) = serde_json::from_slice::<Value>(ours) else { return ours.to_vec() };
    let generation = document.get("manifest_generation").and_then(Value::as_u64).unwrap_or_default();
    let their_resources = theirs.get("resources").and_then(Value::as_object);
    if let Some(Value::Object(resources)) = document.get_mut("resources") {
        for (id, resource) in their_resources.into_iter().flatten() {
            let is_newer = resource.get("generation").and_then(Value::as_u64) > Some(generation);
            if is_newer && !resources.contains_key(id) {
                resources.insert(id.clone(), resource.clone());
            }
        }
    }
    let their_history = theirs.get("history").and_then(Value::as_array);
    if let Some(Value::Array(history)) = document.get_mut("history") {
        for entry in their_history.into_iter().flatten() {
            if !history.contains(entry) {
                history.push(entry.clone());
            }
        }
        // Times are written so that they sort as texts.
        history.sort_by_cached_key(|entry| {
            entry.get("at").and_then(Value::as_str).unwrap_or_default().to_owned()
        });
        let excess = history.len().saturating_sub(AgentStatus::HISTORY);
        history.drain(..excess);
    }
    document.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::merged;

    fn entry(generation: u64, minute: u64) -> Value {
        json!({"generation": generation, "manifest_sha256": "", "at": format!("2026-11-21T06:{minute:02}:00Z"),
            "result": "accepted"})
    }

    #[test]
    fn ours_wins_and_what_only_a_newer_generation_knows_is_kept() {
        let resource = |state: &str, generation: u64| json!({"state": state, "generation": generation});
        let ours = json!({"instance": "ours", "manifest_generation": 7, "resources": {"web": resource("ready", 7)},
            "history": [entry(6, 1), entry(7, 3)]});
        let theirs = json!({"instance": "theirs", "manifest_generation": 8, "history": [entry(5, 0), entry(7, 3), entry(8, 2)],
            "resources": {"web": resource("failed", 8), "gone": resource("ready", 7), "new": resource("held", 8)}});
        let merged: Value = serde_json::from_slice(&merged(ours.to_string().as_bytes(), &theirs)).unwrap();
        assert_eq!(
            merged,
            json!({"instance": "ours", "manifest_generation": 7,
                "resources": {"web": resource("ready", 7), "new": resource("held", 8)},
                "history": [entry(5, 0), entry(6, 1), entry(8, 2), entry(7, 3)]})
        );
    }

    #[test]
    fn a_document_that_makes_no_sense_takes_nothing_from_ours_and_a_long_history_is_cut() {
        let ours = json!({"resources": {}, "history": (0..20).map(|at| entry(at, at)).collect::<Vec<_>>()});
        for theirs in [json!(null), json!([1]), json!({"resources": [], "history": 7})] {
            let merged: Value =
                serde_json::from_slice(&merged(ours.to_string().as_bytes(), &theirs)).unwrap();
            assert_eq!(merged, ours);
        }
        let theirs = json!({"history": [entry(30, 30)]});
        let merged: Value = serde_json::from_slice(&merged(ours.to_string().as_bytes(), &theirs)).unwrap();
        let history = merged["history"].as_array().unwrap();
        assert_eq!((history.len(), &history[0], &history[19]), (20, &entry(1, 1), &entry(30, 30)));
    }
}

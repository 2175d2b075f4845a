//! What the agent says of its own work: one state per resource, a fixed list of conditions, a short history.
//! Pure: the wire types (`AgentStatus`) and the rules that make them. `since` changes only when the state or its
//! reason does, so that a reader sees how long something has lasted and not when it was last looked at.

use serde::{Deserialize, Serialize};

use crate::model::desired::{RefusedResource, RefusedState};
use crate::model::drift::Drift;
use crate::model::guest::{RunState, Vmid};
use crate::model::hold::Hold;
use crate::model::sorted::Map;
use crate::model::time::Timestamp;

pub mod condition;
pub mod resource;

pub use condition::{Condition, ConditionReason, ConditionStatus, ConditionType};

/// The actual state, as the hub keeps it and `status --json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentStatus {
    pub schema: u32,
    pub host_id: String,
    pub agent_version: String,
    /// Which run of which agent wrote it: another for every start.
    #[serde(default)]
    pub instance: String,
    /// Of the accepted manifest; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_generation: Option<u64>,
    /// The newest generation that every resource was looked at under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_sha256: Option<String>,
    pub at: Timestamp,
    /// Nothing is changed at present, because the hub or a kill switch said so.
    pub paused: bool,
    /// By resource id.
    #[serde(default)]
    pub resources: Map<String, ResourceStatus>,
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// Newest last.
    #[serde(default)]
    pub history: Vec<HistoryEntry>,
}

impl AgentStatus {
    pub const SCHEMA: u32 = 1;
    /// How many generations the history remembers.
    pub const HISTORY: usize = 20;

    /// Adds an entry, unless it says of the same document what the last one said; forgets the oldest.
    pub fn remember(&mut self, entry: HistoryEntry) {
        let said = |last: &HistoryEntry| {
            (last.generation, &last.manifest_sha256, &last.result)
                == (entry.generation, &entry.manifest_sha256, &entry.result)
        };
        if self.history.last().is_some_and(said) {
            return;
        }
        self.history.push(entry);
        let excess = self.history.len().saturating_sub(Self::HISTORY);
        self.history.drain(..excess);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceState {
    /// There is something to do and it has not begun.
    Pending,
    Reconciling,
    Ready,
    Held,
    Failed,
    UnknownResource,
    InvalidSpec,
}

impl ResourceState {
    /// As the wire writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Reconciling => "reconciling",
            Self::Ready => "ready",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::UnknownResource => "unknown_resource",
            Self::InvalidSpec => "invalid_spec",
        }
    }
}

impl From<RefusedState> for ResourceState {
    fn from(refused: RefusedState) -> Self {
        match refused {
            RefusedState::UnknownResource => Self::UnknownResource,
            RefusedState::InvalidSpec => Self::InvalidSpec,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceStatus {
    pub state: ResourceState,
    /// Since when the state, with its hold's reason or its error's code, has been this one.
    pub since: Timestamp,
    pub generation: u64,
    pub details: Details,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ResourceError>,
    /// Absent for an error that no retry cures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_action: Option<LastAction>,
    #[serde(default)]
    pub drift: Vec<Drift>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_state: Option<RunState>,
    /// Absent for a resource that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vmid: Option<Vmid>,
    #[serde(default)]
    pub pending_reboot: Vec<String>,
    #[serde(default)]
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceError {
    pub code: String,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastAction {
    pub what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upid: Option<String>,
    /// `done`, `warnings`, `failed`, `conflict`, `uncertain`, `running`.
    pub result: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    pub generation: u64,
    pub manifest_sha256: String,
    pub at: Timestamp,
    /// `accepted`, or why not.
    pub result: String,
}

/// A resource that the manifest's parser refused.
pub fn refused(
    resource: &RefusedResource,
    generation: u64,
    previous: Option<&ResourceStatus>,
    now: Timestamp,
) -> ResourceStatus {
    let state = ResourceState::from(resource.state);
    let code = match resource.state {
        RefusedState::UnknownResource => "unknown_resource",
        RefusedState::InvalidSpec => "invalid_spec",
    };
    let status = ResourceStatus {
        state,
        since: now,
        generation,
        details: Details::default(),
        hold: None,
        error: Some(ResourceError { code: code.to_owned(), message: resource.message.clone() }),
        retry_after: None,
        last_action: previous.and_then(|previous| previous.last_action.clone()),
        drift: Vec::new(),
    };
    status.keeping_since(previous)
}

impl ResourceStatus {
    /// Takes over `since` from before if the state and its reason are the same.
    fn keeping_since(self, previous: Option<&Self>) -> Self {
        let since = previous
            .filter(|previous| previous.standing() == self.standing())
            .map_or(self.since, |previous| previous.since);
        Self { since, ..self }
    }

    /// The state with its hold's reason or its error's code: what has changed when `since` does.
    pub fn standing(&self) -> (ResourceState, Option<&str>) {
        let hold = self.hold.as_ref().map(|hold| hold.reason.as_str());
        (self.state, hold.or_else(|| self.error.as_ref().map(|error| error.code.as_str())))
    }
}

#[cfg(test)]
mod tests;

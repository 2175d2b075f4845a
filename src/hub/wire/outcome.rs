//! How a signed operation ended, as the hub hears it; told again until the hub has acknowledged it.

use serde::{Deserialize, Serialize};

use crate::model::op::{OpId, OpKind, OpResult};
use crate::model::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpOutcome {
    pub schema: u32,
    pub op_id: OpId,
    /// Of the payload that was verified: tells this operation from another that borrows its id.
    pub payload_sha256: String,
    pub result: OpResult,
    /// Empty when done; a rejection's code when it was refused.
    pub code: String,
    /// What happened and what to do, for people.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upid: Option<String>,
    /// Volumes that should be gone and are not, or of which nobody knows.
    pub volumes_left: Vec<String>,
    /// Absent, as the kind is, for an operation that was refused before it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<OpKind>,
    pub ended_at: Timestamp,
}

impl OpOutcome {
    pub const SCHEMA: u32 = 1;
}

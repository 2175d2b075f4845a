//! The journal's records as typed values, to and from what a line holds: its type `t` and its fields.
//! A record that [`State::snapshot`](super::state::State::snapshot) makes again carries `kept`, and what it was in its first
//! life (its number, its time) as fields of its own.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::AuditEntry;
use crate::model::guest::GuestId;
use crate::model::op::{OpEnd, OpId, OpKind, OpResult, RejectCode, Via};
use crate::model::outcome::Outcome;
use crate::model::step::{Purpose, Step};
use crate::model::time::Timestamp;

/// A line has a limit, and Proxmox may have much to say.
pub(super) const MOST_CHARS: usize = 2_000;

pub(super) type Fields = Map<String, Value>;

/// One record. The word of each is [`Record::kind`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Record {
    Accept(Box<Accept>),
    Reject(Reject),
    Intent(Box<Intent>),
    Issued(Issued),
    /// The end of an intent that is known, or is known not to be known.
    Done(StepEnd),
    Uncertain(StepEnd),
    /// The end of an operation.
    Ended(Ended),
    Ack(Ack),
    /// The doubt about a guest is over.
    Settled(Settled),
    Floor(Floor),
    Clock(Clock),
    Trust(Trust),
    /// The journal itself was found damaged or lost.
    Damage(Damage),
    Salvaged(Salvaged),
    Decision(Decision),
    /// A guest was made by this agent; and: it is no more.
    Made(Made),
    Gone(Settled),
    /// Only in a snapshot: what is past and still tells something.
    Past(Past),
}

/// An operation was accepted; this is its replay record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Accept {
    pub(super) op_id: OpId,
    pub(super) kind: OpKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) guest: Option<GuestId>,
    pub(super) payload_sha256: String,
    pub(super) keyids: Vec<String>,
    pub(super) nonce: String,
    pub(super) iat: Timestamp,
    pub(super) exp: Timestamp,
    pub(super) via: Via,
    /// The envelope as it was verified; absent once the operation has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) envelope: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) accepted_at: Option<Timestamp>,
    /// In a snapshot: a step of it was begun; the task, or nothing while it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) running: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reject {
    pub(super) code: RejectCode,
    pub(super) detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) op_id: Option<OpId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payload_sha256: Option<String>,
    pub(super) via: Via,
    /// Rejections since the one written before that were only counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) uncounted: u64,
}

/// What is about to be sent to the node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) guest: GuestId,
    pub(super) what: String,
    pub(super) step: Step,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) op_id: Option<OpId>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) destructive: bool,
    /// The guest's volumes, to see afterwards whether they are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) volumes: Vec<String>,
    pub(super) began: Timestamp,
    /// Seconds since this boot, which no step of the clock touches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) uptime_s: Option<u64>,
    /// Its number and its boot, if this is not its first record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) intent: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) boot_then: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Issued {
    pub(super) intent: u64,
    pub(super) guest: GuestId,
    pub(super) upid: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StepResult {
    Done,
    Warned,
    /// The guest is gone and some of its volumes are not.
    Partial,
    Conflict,
    Failed,
    Uncertain,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StepEnd {
    pub(super) intent: u64,
    pub(super) guest: GuestId,
    pub(super) what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) op_id: Option<OpId>,
    pub(super) result: StepResult,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) code: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upid: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) left: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) op_id: OpId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) guest: Option<GuestId>,
    pub(super) end: OpEnd,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ack {
    pub(super) op_id: OpId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Settled {
    pub(super) guest: GuestId,
    pub(super) why: String,
}

/// A guest that this agent made, whole or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    pub guest: GuestId,
    pub purpose: Purpose,
    /// It did not become whole.
    #[serde(default, skip_serializing_if = "is_false")]
    pub half: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upid: Option<String>,
    /// Its incarnation; empty where that could not be told, and then nothing follows from this record.
    pub ident: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Floor {
    pub(super) iat: Timestamp,
    pub(super) why: String,
    /// Somebody entitled to it has seen that the journal was damaged.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) damage_seen: bool,
    /// The clock cannot be believed: once it can, the floor is to be raised again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) is_due: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Clock {
    pub(super) clock_hw: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Trust {
    pub(super) version: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Damage {
    pub(super) why: String,
    pub(super) floor: Timestamp,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) is_due: bool,
}

/// The last record of a journal that was salvaged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Salvaged {
    pub(super) why: String,
}

/// Whether a record ends something, and so may use what was set aside for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Yes,
    No,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Decision {
    pub(super) guest: GuestId,
    pub(super) what: String,
    /// What would be lost; absent when the step is no longer refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) loss: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Past {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) audit: Vec<AuditEntry>,
    /// When destructive steps began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) destructive: Vec<Timestamp>,
    /// Tasks that belong to steps of before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) upids: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Record {
    /// The line's `t`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Accept(_) => "accept",
            Self::Reject(_) => "reject",
            Self::Intent(_) => "intent",
            Self::Issued(_) => "issued",
            Self::Done(_) => "done",
            Self::Uncertain(_) => "uncertain",
            Self::Ended(_) => "ended",
            Self::Ack(_) => "ack",
            Self::Settled(_) => "settled",
            Self::Floor(_) => "floor",
            Self::Clock(_) => "hw",
            Self::Trust(_) => "trust",
            Self::Damage(_) => "damage",
            Self::Salvaged(_) => "salvaged",
            Self::Decision(_) => "decision",
            Self::Made(_) => "made",
            Self::Gone(_) => "gone",
            Self::Past(_) => "past",
        }
    }

    pub(super) fn ending(&self) -> Ending {
        match self {
            Self::Issued(_)
            | Self::Done(_)
            | Self::Uncertain(_)
            | Self::Ended(_)
            | Self::Made(_)
            | Self::Gone(_) => Ending::Yes,
            Self::Accept(_)
            | Self::Reject(_)
            | Self::Intent(_)
            | Self::Ack(_)
            | Self::Settled(_)
            | Self::Floor(_)
            | Self::Clock(_)
            | Self::Trust(_)
            | Self::Damage(_)
            | Self::Salvaged(_)
            | Self::Decision(_)
            | Self::Past(_) => Ending::No,
        }
    }

    pub(super) fn fields(&self) -> Fields {
        let value = match self {
            Self::Accept(record) => serde_json::to_value(record),
            Self::Reject(record) => serde_json::to_value(record),
            Self::Intent(record) => serde_json::to_value(record),
            Self::Issued(record) => serde_json::to_value(record),
            Self::Done(record) | Self::Uncertain(record) => serde_json::to_value(record),
            Self::Ended(record) => serde_json::to_value(record),
            Self::Ack(record) => serde_json::to_value(record),
            Self::Settled(record) | Self::Gone(record) => serde_json::to_value(record),
            Self::Floor(record) => serde_json::to_value(record),
            Self::Clock(record) => serde_json::to_value(record),
            Self::Trust(record) => serde_json::to_value(record),
            Self::Damage(record) => serde_json::to_value(record),
            Self::Salvaged(record) => serde_json::to_value(record),
            Self::Decision(record) => serde_json::to_value(record),
            Self::Made(record) => serde_json::to_value(record),
            Self::Past(record) => serde_json::to_value(record),
        };
        match value {
            Ok(Value::Object(fields)) => fields,
            Ok(_) | Err(_) => unreachable!("a record is an object with keys of text"),
        }
    }

    /// `None`: a record of another version, which says nothing to this one.
    pub(super) fn read(kind: &str, fields: Fields) -> Option<Result<Self, String>> {
        let record = match kind {
            "accept" => parse(fields).map(Self::Accept),
            "reject" => parse(fields).map(Self::Reject),
            "intent" => parse(fields).map(Self::Intent),
            "issued" => parse(fields).map(Self::Issued),
            "done" => parse(fields).map(Self::Done),
            "uncertain" => parse(fields).map(Self::Uncertain),
            "ended" => parse(fields).map(Self::Ended),
            "ack" => parse(fields).map(Self::Ack),
            "settled" => parse(fields).map(Self::Settled),
            "floor" => parse(fields).map(Self::Floor),
            "hw" => parse(fields).map(Self::Clock),
            "trust" => parse(fields).map(Self::Trust),
            "damage" => parse(fields).map(Self::Damage),
            "salvaged" => parse(fields).map(Self::Salvaged),
            "decision" => parse(fields).map(Self::Decision),
            "made" => parse(fields).map(Self::Made),
            "gone" => parse(fields).map(Self::Gone),
            "past" => parse(fields).map(Self::Past),
            _ => return None,
        };
        Some(record)
    }
}

fn parse<T: DeserializeOwned>(fields: Fields) -> Result<T, String> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())
}

impl StepEnd {
    /// `None` while the end is still open.
    pub(super) fn of(
        outcome: &Outcome,
        (intent, guest, what, op_id): (u64, GuestId, String, Option<OpId>),
    ) -> Option<Self> {
        let end = |result, code: &str, message: String, upid: Option<String>, left| Self {
            intent,
            guest,
            what,
            op_id,
            result,
            code: code.to_owned(),
            message: cut(&message, MOST_CHARS),
            upid,
            left,
            ended_at: None,
        };
        Some(match outcome {
            Outcome::Done { upid } => end(StepResult::Done, "", String::new(), upid.clone(), Vec::new()),
            Outcome::Warned { upid, lines } => {
                end(StepResult::Warned, "", lines.join("; "), Some(upid.clone()), Vec::new())
            }
            Outcome::Conflict { message } => {
                end(StepResult::Conflict, "conflict", message.clone(), None, Vec::new())
            }
            Outcome::Failed(failure) => end(
                StepResult::Failed,
                failure.code,
                failure.message.clone(),
                failure.upid.clone(),
                Vec::new(),
            ),
            Outcome::Uncertain { upid, message } => {
                end(StepResult::Uncertain, "uncertain", message.clone(), upid.clone(), Vec::new())
            }
            Outcome::Partial { upid, left } => {
                end(StepResult::Partial, "partial_cleanup", left_over(left), upid.clone(), left.clone())
            }
            Outcome::StillRunning { .. } | Outcome::Interrupted { .. } => return None,
        })
    }

    /// What it means for the operation the step was taken for.
    pub(super) fn op_end(&self, at: Timestamp) -> OpEnd {
        let result = match self.result {
            StepResult::Done | StepResult::Warned => OpResult::Done,
            StepResult::Partial => OpResult::PartialCleanup,
            StepResult::Conflict | StepResult::Failed => OpResult::Failed,
            StepResult::Uncertain => OpResult::Uncertain,
        };
        OpEnd {
            result,
            code: self.code.clone(),
            message: self.message.clone(),
            upid: self.upid.clone(),
            volumes_left: self.left.clone(),
            at,
        }
    }
}

/// The start of a text, at most so long.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => text.get(..end).unwrap_or_default().chars().chain(['…']).collect(),
        None => text.to_owned(),
    }
}

fn left_over(left: &[String]) -> String {
    format!(
        "the guest is gone and these volumes of it are not: {}; nothing removes them by itself: look at each, then free it by \
         hand (pvesm free)",
        left.join(", ")
    )
}

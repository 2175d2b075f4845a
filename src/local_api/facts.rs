//! What `/v1/status` says beside the agent's status: the process, the node, the journal, the reports, the signed operations.

use serde::{Deserialize, Serialize};
use serde_json::{Map as Object, Value};

use crate::control::Answer;
use crate::journal::{Doubt, Health, Journal, OpRecord, OpState, OpenIntent};
use crate::model::guest::GuestId;
use crate::model::hold::Halt;
use crate::model::op::{ClockTrust, OpId, OpKind};
use crate::model::time::Timestamp;
use crate::status::condition::Reach;

/// The member `local` of the document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Local {
    pub pid: u32,
    pub started_at: Timestamp,
    /// Who stops every change at present; absent while nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt: Option<HaltFacts>,
    pub proxmox: Standing,
    /// How often the node was looked at since the configuration was read, and when last.
    pub looks: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<Timestamp>,
    /// It is being looked at now.
    pub looking: bool,
    /// How often the source of the desired state has looked because it was asked to.
    pub reads: u64,
    /// Guests that are being worked on.
    pub busy: Vec<GuestId>,
    /// Steps that have begun and not ended, with their tasks.
    pub tasks: Vec<Value>,
    /// Backups and restore tests that have not ended, with their phases.
    #[serde(default)]
    pub jobs: Vec<Value>,
    pub reports: ReportFacts,
    pub journal: Standing,
    pub clock: Standing,
    /// Guests of which nobody can say whether a step happened.
    pub doubts: Vec<DoubtFacts>,
    pub ops: OpsFacts,
}

/// Nothing is changed at present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaltFacts {
    /// `hub`, `kill_switch`, `observing`.
    pub by: String,
    pub message: String,
    pub remedy: String,
}

/// Something that is in order or is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub state: String,
    /// Why, and what to do; absent where all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Of this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFacts {
    pub arrived: u64,
    pub failed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_arrived_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoubtFacts {
    pub guest: GuestId,
    pub at: Timestamp,
    pub what: String,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpsFacts {
    /// Operations signed before this are not accepted.
    pub floor: Timestamp,
    /// Accepted and not ended.
    pub open: Vec<OpFacts>,
}

/// An accepted operation; what `/v1/ops/{op_id}` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpFacts {
    pub op_id: OpId,
    pub kind: OpKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<GuestId>,
    /// `accepted`, `running`, `ended`.
    pub state: String,
    /// The task, once the node named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upid: Option<String>,
    pub payload_sha256: String,
    /// Whose signatures counted.
    pub keyids: Vec<String>,
    pub accepted_at: Timestamp,
    pub exp: Timestamp,
    pub via: crate::model::op::Via,
    /// Once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<crate::model::op::OpEnd>,
    /// The hub has the outcome.
    pub acknowledged: bool,
}

impl Local {
    pub(super) fn of(answer: &Answer, journal: &Journal, started_at: Timestamp) -> Self {
        let doubts = journal.doubts().into_iter();
        Self {
            pid: std::process::id(),
            started_at,
            halt: answer.halt.as_ref().map(HaltFacts::of),
            proxmox: Standing::of_reach(&answer.proxmox),
            looks: answer.looks,
            looked_at: answer.looked_at,
            looking: answer.looking,
            reads: answer.reads,
            busy: answer.busy.clone(),
            tasks: journal.open_intents().iter().map(task).collect(),
            jobs: Vec::new(),
            reports: ReportFacts {
                arrived: answer.reports.arrived,
                failed: answer.reports.failed,
                last_arrived_at: answer.reports.last_arrived,
            },
            journal: Standing::of_health(journal.health()),
            clock: Standing::of_clock(journal.clock(answer.status.at)),
            doubts: doubts.map(|(guest, doubt)| DoubtFacts::of(guest, doubt)).collect(),
            ops: OpsFacts {
                floor: journal.floor(),
                open: journal.ops_open().into_iter().map(OpFacts::of).collect(),
            },
        }
    }
}

/// A step under way.
fn task(intent: &OpenIntent) -> Value {
    let mut members = vec![
        ("guest", intent.guest.to_string()),
        ("what", intent.step.to_string()),
        ("since", intent.began.to_string()),
    ];
    members.extend(intent.upid.clone().map(|upid| ("upid", upid)));
    members
        .into_iter()
        .map(|(name, text)| (name.to_owned(), Value::from(text)))
        .collect::<Object<_, _>>()
        .into()
}

impl HaltFacts {
    fn of(halt: &Halt) -> Self {
        let by = match halt {
            Halt::Hub => "hub",
            Halt::KillSwitch { .. } => "kill_switch",
            Halt::Observing => "observing",
        };
        Self { by: by.to_owned(), message: halt.detail(), remedy: halt.remedy() }
    }
}

impl Standing {
    fn new(state: &str, message: Option<String>) -> Self {
        Self { state: state.to_owned(), message }
    }

    fn of_reach(reach: &Reach) -> Self {
        match reach {
            Reach::NotConfigured => Self::new("not_configured", None),
            Reach::NotYetTried => Self::new("not_yet_tried", None),
            Reach::Reachable => Self::new("reachable", None),
            Reach::Unreachable(why) => Self::new("unreachable", Some(why.clone())),
        }
    }

    pub(super) fn of_health(health: Health) -> Self {
        match health {
            Health::Sound => Self::new("sound", None),
            Health::NoDestructive(why) => Self::new("no_destructive", Some(why)),
            Health::Unwritable(why) => Self::new("unwritable", Some(why)),
        }
    }

    pub(super) fn of_clock(clock: ClockTrust) -> Self {
        match clock {
            ClockTrust::Trusted => Self::new("trusted", None),
            ClockTrust::Untrusted(why) => Self::new("untrusted", Some(why)),
        }
    }
}

impl DoubtFacts {
    pub(super) fn of(guest: GuestId, doubt: Doubt) -> Self {
        let Doubt { at, what, message } = doubt;
        Self { guest, at, what, message }
    }
}

impl OpFacts {
    pub fn of(record: OpRecord) -> Self {
        let (state, upid, end) = match record.state {
            OpState::Accepted => ("accepted", None, None),
            OpState::Running { upid } => ("running", upid, None),
            OpState::Ended(end) => ("ended", end.upid.clone(), Some(end)),
        };
        Self {
            op_id: record.op_id,
            kind: record.kind,
            guest: record.guest,
            state: state.to_owned(),
            upid,
            payload_sha256: record.payload_sha256,
            keyids: record.keyids,
            accepted_at: record.accepted_at,
            exp: record.exp,
            via: record.via,
            end,
            acknowledged: record.acknowledged,
        }
    }
}

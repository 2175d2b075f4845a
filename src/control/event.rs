//! What can happen to the control loop.

use std::sync::Arc;

use super::asked::Query;
use super::converge::Converged;
use super::observer::Look;
use super::operate::{Operated, Order};
use crate::execute::Settling;
use crate::hub::wire::ControlEnvelope;
use crate::lanes::Resolution;
use crate::model::desired::DesiredGuest;
use crate::model::guest::{GuestId, Vmid};
use crate::model::op::OpId;
use crate::source::Found;

/// Everything that can happen to the control loop.
#[derive(Debug)]
pub enum Event {
    Tick,
    /// A pause after a failure is over, or a lane has been idle for long enough to look after it.
    Alarm,
    /// The source has something to say.
    Desired(Found),
    /// The source has looked because it was poked; whatever was new was told before.
    SourceLooked,
    /// The observer has looked at the node.
    Observed(Look),
    /// A guest's job has ended.
    LaneDone(Box<LaneDone>),
    /// What came of a guest's steps of before is found out, or cannot be now.
    Settled(GuestId, Box<Resolution<Settling>>),
    /// An operation was accepted.
    Operate(Box<Order>),
    /// An operation's job has ended.
    Operated(Box<OperationDone>),
    /// A backup or a restore test is asked for.
    Prove(Asked),
    /// One of them has ended, or what one left was looked after.
    Proved {
        job: u64,
        lane: GuestId,
    },
    /// The hub answered a report.
    Envelope(ControlEnvelope),
    /// The hub did not answer a report, or not with an envelope.
    HubFault(String),
    /// Another agent reports under this host's id, or does so no more.
    Duplicate(Option<String>),
    Signal(Signal),
    Query(Query),
}

/// What somebody asked for, already on the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub job: u64,
    pub what: What,
    pub vmid: Vmid,
    /// Where a backup is to go.
    pub storage: Option<String>,
    /// By nobody but the plan: a young backup will do.
    pub scheduled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Backup,
    RestoreTest,
}

#[derive(Debug)]
pub struct LaneDone {
    pub(super) guest: Arc<DesiredGuest>,
    pub(super) generation: u64,
    pub(super) end: Resolution<Converged>,
}

#[derive(Debug)]
pub struct OperationDone {
    pub(super) op_id: OpId,
    pub(super) guest: GuestId,
    pub(super) end: Resolution<Operated>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Accept nothing more, bring the lanes to a safe point, end.
    Stop,
    /// The same, because another configuration takes over in this process: no call may be left under way, or it would be
    /// made again before anybody could know that it was made.
    HandOver,
    /// Look at the desired state again.
    Refresh,
}

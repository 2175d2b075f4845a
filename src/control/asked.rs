//! What control answers to other threads: the reporter and the local socket. From memory, and never waiting for them.

use std::time::Instant;

use crossbeam_channel::Sender;
use serde_json::Value;

use super::{AUDIT_TAIL, Control, Looking};
use crate::clock;
use crate::journal::AuditEntry;
use crate::model::guest::{GuestId, Vmid};
use crate::model::hold::Halt;
use crate::model::op::ClockTrust;
use crate::model::sorted::{Map, Set};
use crate::model::time::Timestamp;
use crate::plan::explain::{Known, Unknown, explain};
use crate::plan::{self, NodeObservation, Plan};
use crate::status::AgentStatus;
use crate::status::condition::Reach;

/// A question from another thread. Whoever asks waits a bounded time and does without an answer. Each sender has room for the
/// one answer, so that control never waits.
#[derive(Debug)]
pub enum Query {
    State(Sender<Answer>),
    /// What would be done, by the last look at the node; nothing before the first.
    Plan(Sender<Option<Planned>>),
    /// One resource, or one of its fields: `web`, `web.memory_mb`.
    Explain(String, Sender<Result<Value, Unknown>>),
    /// Look at the desired state and the node now.
    Refresh(Sender<Due>),
}

/// When everything has been looked at that was asked for: once so many looks have come back and the source has looked so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Due {
    pub looks: u64,
    pub reads: u64,
}

/// What control knows at the moment.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: AgentStatus,
    /// The guests that the desired state names.
    pub managed: Set<Vmid>,
    /// Those of them of which it says that they hold nothing that could be lost.
    pub expendable: Set<Vmid>,
    /// How many looks at the node have come back, and when the last one did.
    pub looks: u64,
    /// Whether one is under way.
    pub looking: bool,
    pub looked_at: Option<Timestamp>,
    /// How often the source of the desired state has looked because it was asked to.
    pub reads: u64,
    /// The guests with a job in their lane.
    pub busy: Vec<GuestId>,
    pub reports: Reports,
    pub proxmox: Reach,
    /// Who stops every change now, if anybody does.
    pub halt: Option<Halt>,
    /// The end of the history, oldest first.
    pub audit: Vec<AuditEntry>,
    pub clock: ClockTrust,
    /// Oldest first.
    pub restore_tests: Vec<Value>,
    /// Which incarnation of its guest a backup is of, by volume, as far as the agent looked into it.
    pub incarnations: Map<String, String>,
}

/// The reports of this process, by whether the hub took them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    pub arrived: u64,
    pub failed: u64,
    pub last_arrived: Option<Timestamp>,
}

/// A plan and when the node looked like that.
#[derive(Clone, Debug)]
pub struct Planned {
    pub plan: Plan,
    pub looked_at: Timestamp,
}

/// The last look at the node.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) node: NodeObservation,
    pub(super) at: Timestamp,
    pub(super) began: Instant,
}

impl Control {
    pub(super) fn asked(&mut self, query: Query) {
        match query {
            Query::State(reply) => drop(reply.try_send(self.answer())),
            Query::Plan(reply) => drop(reply.try_send(self.planned())),
            Query::Explain(name, reply) => drop(reply.try_send(self.explained(&name))),
            Query::Refresh(reply) => {
                self.refresh();
                // The look that is under way may have begun before.
                let more = if self.look == (Looking::Yes { again: true }) { 2 } else { 1 };
                reply.try_send(Due { looks: self.looks + more, reads: self.pokes }).ok();
            }
        }
    }

    fn answer(&self) -> Answer {
        let journal = &self.setup.work.journal;
        let expendable = self.keeper.guests().iter().filter(|guest| !guest.data_bearing);
        Answer {
            expendable: expendable.map(|guest| guest.guest.vmid).collect(),
            status: AgentStatus { at: clock::now(), ..self.status.clone() },
            managed: self.keeper.guests().iter().map(|guest| guest.guest.vmid).collect(),
            looks: self.looks,
            reads: self.reads,
            looking: self.look != Looking::No,
            looked_at: self.seen.as_ref().map(|seen| seen.at),
            busy: self.book.busy(),
            reports: self.reports,
            proxmox: self.proxmox.clone(),
            halt: self.brake.halt(),
            audit: journal.audit_tail(AUDIT_TAIL),
            clock: journal.clock(clock::now()),
            restore_tests: self.setup.work.board.restore_tests(),
            incarnations: self.setup.work.board.incarnations(),
        }
    }

    fn explained(&self, name: &str) -> Result<Value, Unknown> {
        let Some(desired) = self.keeper.state() else {
            let message = "there is no desired state".to_owned();
            return Err(Unknown { code: "unknown_resource", message });
        };
        let planned = self.planned();
        let look = self.seen.as_ref().zip(planned.as_ref());
        let known = Known {
            desired,
            source: &self.setup.source,
            settings: &self.setup.plan,
            look: look.map(|(seen, planned)| (&seen.node, &planned.plan, seen.at)),
            statuses: &self.status.resources,
            halt: self.brake.halt().map(Halt::into_hold),
            busy: &self.book.busy(),
            outdated: &self.seen.as_ref().map(|seen| self.book.ended_since(seen.began)).unwrap_or_default(),
        };
        explain(&known, name)
    }

    fn planned(&self) -> Option<Planned> {
        let Seen { node, at, .. } = self.seen.as_ref()?;
        let look = self.plans(node);
        let guests = look.iter().map(|(_, plan)| plan.clone()).collect();
        let mut plan = plan::whole(self.keeper.state()?, node, guests);
        for guest in &mut plan.guests {
            self.worker.rights.check_known(guest, &self.setup.work.connection.token_id);
        }
        for guest in &mut plan.guests {
            let wanted = self.keeper.guests().iter().find(|wanted| wanted.guest == guest.guest);
            let (Some(wanted), Some(seen)) = (wanted, node.guests.get(&guest.guest.vmid)) else { continue };
            if let Some(hold) = self.restraint(wanted, seen, guest, &look) {
                guest.steps.clear();
                guest.hold = Some(hold);
            }
        }
        Some(Planned { plan, looked_at: *at })
    }
}

//! The courier: fetches signed operations from the hub and takes their outcomes there. Trusted with nothing.
//!
//! *Owns* a hub client of its own. *Fed by* control (an envelope that tells of operations; one that has ended), by the intake (one
//! that has ended) and by its own clock. *Emits* what it fetched to the [`Door`], as the bytes that stand in the hub's answer.
//! *Never* forgets an outcome: the journal has them until the hub has acknowledged them, over every restart.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, at, select};

use super::Door;
use crate::clock;
use crate::hub::wire::OpOutcome;
use crate::hub::{Client, HubError};
use crate::journal::{Journal, OpRecord, OpState};
use crate::model::op::{OpId, OpResult, RejectCode, Rejected, Via};
use crate::model::sorted::Map;

const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Outcomes that are told to the hub beside those that the journal keeps for it; the oldest goes first.
const MORE: usize = 64;

/// A hub that offers again what it was told the outcome of is told once more after this.
const AGAIN: Duration = Duration::from_secs(900);

/// What the courier is given at its start.
#[derive(Debug)]
pub struct Setup {
    pub hub: Client,
    pub journal: Arc<Journal>,
    pub door: Door,
    /// Between two looks at the hub, whatever its envelopes say.
    pub poll: Duration,
}

/// The courier's channels.
#[derive(Debug)]
pub struct Wires {
    /// The hub told of operations.
    pub offered: Receiver<()>,
    /// An operation has ended.
    pub ended: Receiver<()>,
    /// Disconnected when the agent is ending.
    pub stop: Receiver<()>,
}

/// Goes back and forth until the agent is ending.
pub fn run(setup: Setup, wires: &Wires) {
    let now = Instant::now();
    let mut courier = Courier {
        setup,
        fetch_at: now,
        fetched: Pause::default(),
        told: Pause::default(),
        more: VecDeque::new(),
        taken: Map::new(),
        last_offer: (0, 0, 0),
    };
    let mut tell_at = Some(now);
    loop {
        if courier.fetch_at <= Instant::now() {
            courier.fetch();
            tell_at = Some(tell_at.map_or_else(Instant::now, |at| at.min(Instant::now())));
        }
        if tell_at.is_some_and(|at| at <= Instant::now()) {
            tell_at = courier.tell();
        }
        let wake = tell_at.map_or(courier.fetch_at, |at| at.min(courier.fetch_at));
        select! {
            recv(wires.offered) -> poke => match poke {
                // A hub that fails is not asked more often because it goes on telling.
                Ok(()) if courier.fetched.failures == 0 => courier.fetch_at = Instant::now(),
                Ok(()) => {}
                Err(_control_is_gone) => return,
            },
            recv(wires.ended) -> poke => match poke {
                Ok(()) if courier.told.failures == 0 => tell_at = Some(Instant::now()),
                Ok(()) => {}
                Err(_control_is_gone) => return,
            },
            recv(at(wake)) -> _time => {}
            recv(wires.stop) -> _ended => return,
        }
    }
}

struct Courier {
    setup: Setup,
    fetch_at: Instant,
    fetched: Pause,
    told: Pause,
    /// Refusals that nobody keeps, and outcomes that the hub has forgotten.
    more: VecDeque<OpOutcome>,
    /// What the hub took lately.
    taken: Map<OpId, Instant>,
    /// Accepted, known, refused: what is offered again and again is told once.
    last_offer: (u32, u32, u32),
}

/// How long to leave the hub alone after a failure: doubling, and at least as long as it asks.
#[derive(Debug, Default)]
struct Pause {
    failures: u32,
}

impl Pause {
    fn failed(&mut self, what: &str, error: &HubError) -> Duration {
        // Loudly once: the reports tell as well that the hub does not answer.
        let level = if self.failures == 0 { log::Level::Warn } else { log::Level::Debug };
        log::log!(level, "{what}: {error}");
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        doubled.min(LONGEST_PAUSE).max(error.retry_after().unwrap_or_default().min(LONGEST_PAUSE))
    }
}

impl Courier {
    fn fetch(&mut self) {
        let pause = match self.setup.hub.signed_ops() {
            Ok(envelopes) => {
                self.fetched = Pause::default();
                self.bring(envelopes);
                self.setup.poll
            }
            Err(error) => {
                self.fetched.failed("signed operations cannot be fetched", &error).min(self.setup.poll)
            }
        };
        self.fetch_at = Instant::now() + pause;
    }

    fn bring(&mut self, envelopes: Vec<Vec<u8>>) {
        let (mut new, mut known, mut refused) = (0, 0, 0);
        for envelope in envelopes {
            match self.setup.door.submit(envelope, Via::Hub) {
                Ok(submitted) if submitted.is_new => new += 1,
                Ok(submitted) => {
                    known += 1;
                    if submitted.record.acknowledged {
                        self.tell_more(outcome(&submitted.record));
                    }
                }
                Err(rejected) => {
                    refused += 1;
                    self.tell_more(self.refusal(&rejected));
                }
            }
        }
        let offer = (new, known, refused);
        if new > 0 || (refused > 0 && self.last_offer != offer) {
            log::info!("the hub offered operations: {new} accepted, {known} known, {refused} refused");
        }
        self.last_offer = offer;
    }

    /// A refusal that stands for good, of an operation that can be named.
    fn refusal(&self, rejected: &Rejected) -> Option<OpOutcome> {
        // Where another operation of this name was accepted, that one's outcome is the one to hear.
        refusal(rejected).filter(|refusal| self.setup.door.status(&refusal.op_id).is_none())
    }

    /// For an operation that is offered again and again, now and then.
    fn tell_more(&mut self, outcome: Option<OpOutcome>) {
        self.taken.retain(|_, at| at.elapsed() < AGAIN);
        let Some(outcome) = outcome else { return };
        let is_waiting = self.more.iter().any(|waiting| waiting.op_id == outcome.op_id);
        if is_waiting || self.taken.contains_key(&outcome.op_id) {
            return;
        }
        if self.more.len() >= MORE {
            self.more.pop_front();
        }
        self.more.push_back(outcome);
    }

    /// Tells all that is to be told; when to try again, if something is left.
    fn tell(&mut self) -> Option<Instant> {
        match self.tell_all() {
            Ok(()) => {
                self.told = Pause::default();
                None
            }
            Err(error) => Some(
                Instant::now()
                    + self.told.failed("the outcome of an operation was not taken by the hub", &error),
            ),
        }
    }

    fn tell_all(&mut self) -> Result<(), HubError> {
        let mut ended = self.setup.journal.ops_unacknowledged();
        ended.sort_unstable_by(|a, b| (a.accepted_at, &a.op_id).cmp(&(b.accepted_at, &b.op_id)));
        for record in ended {
            let Some(outcome) = outcome(&record) else { continue };
            match self.setup.hub.post_outcome(&record.op_id, &outcome) {
                Ok(()) => {}
                // It came by the socket, and the hub has no place for what it does not know.
                Err(HubError::Http { status: 404, .. }) if record.via == Via::Socket => {}
                Err(error) => return Err(error),
            }
            self.setup.journal.acknowledged(&record.op_id);
            self.taken.insert(record.op_id, Instant::now());
        }
        while let Some(outcome) = self.more.front() {
            self.setup.hub.post_outcome(&outcome.op_id, outcome)?;
            self.taken.insert(outcome.op_id.clone(), Instant::now());
            self.more.pop_front();
        }
        Ok(())
    }
}

fn outcome(record: &OpRecord) -> Option<OpOutcome> {
    let OpState::Ended(end) = &record.state else { return None };
    let end = end.clone();
    Some(OpOutcome {
        schema: OpOutcome::SCHEMA,
        op_id: record.op_id.clone(),
        payload_sha256: record.payload_sha256.clone(),
        result: end.result,
        code: end.code,
        message: end.message,
        upid: end.upid,
        volumes_left: end.volumes_left,
        accepted_at: Some(record.accepted_at),
        kind: Some(record.kind),
        ended_at: end.at,
    })
}

/// `None` where the operation cannot be named, or might be accepted yet.
fn refusal(rejected: &Rejected) -> Option<OpOutcome> {
    if !stands_for_good(rejected.code) {
        return None;
    }
    Some(OpOutcome {
        schema: OpOutcome::SCHEMA,
        op_id: rejected.op_id.clone()?,
        payload_sha256: rejected.payload_sha256.clone()?,
        result: OpResult::Rejected,
        code: rejected.code.to_string(),
        message: rejected.detail.clone(),
        upid: None,
        volumes_left: Vec::new(),
        accepted_at: None,
        kind: None,
        ended_at: clock::now(),
    })
}

/// Whether no later look at the same bytes could end otherwise. A clock, a keyring or a full disk can be put right.
fn stands_for_good(code: RejectCode) -> bool {
    use RejectCode::{
        BelowFloor, Expired, Replay, RoleNotAllowed, RoleNotHeld, Threshold, TrustRollback, TtlTooLong,
        WrongHost,
    };
    matches!(
        code,
        BelowFloor
            | Expired
            | Replay
            | RoleNotAllowed
            | RoleNotHeld
            | Threshold
            | TrustRollback
            | TtlTooLong
            | WrongHost
    )
}

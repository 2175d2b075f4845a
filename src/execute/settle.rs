//! Steps of before whose end is not known: found out before anything else is done to their guest. Issues nothing, and could
//! not: it never holds what the client's mutations ask for.
//!
//! A task that was named is waited for again. An intent without one is searched in the node's task list and adopted; or the
//! guest shows that it was done; or nothing of it is found for so long that the request cannot be under way any more, and then it
//! was not sent; or nobody can say, which is an operator's matter. What cannot be asked now stays open and is asked again.

use std::time::{Duration, Instant};

use super::search::{Sought, repeatable};
use super::verdict::{Effect, Repeatable};
use super::{Executor, Paused, Sent, effect, interrupted};
use crate::clock;
use crate::journal::OpenIntent;
use crate::model::guest::GuestId;
use crate::model::outcome::{Failure, Outcome, Recourse};
use crate::pve::Upid;

/// After this no request is under way any more: the node gives up on one after 30 s, and a lock is waited for 10 s.
const UNDER_WAY_S: u64 = 45;

/// How often what cannot be read is asked before it is left for later.
const ASKED: u32 = 5;

const PAUSE_MS: u64 = 1_000;

/// The code of a step of which nothing reached the node: it may be planned again at once.
pub const NOT_SENT: &str = "not_sent";

/// What came of a guest's open steps.
#[derive(Debug)]
pub struct Settling {
    /// What was done, and how it ended; in order.
    pub ended: Vec<(String, Outcome)>,
    /// Why there may still be something under way: nothing else may be done to the guest.
    pub open: Option<Open>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    StillRunning {
        upid: String,
    },
    /// The agent is ending.
    Stopping,
    /// The node could not be asked, with the reason.
    Unresolved(String),
}

impl Executor<'_> {
    /// Finds out what came of the steps of before, and writes it down. Blocks while something may be under way, at most as long
    /// as a task is waited for.
    pub fn settle(&self, guest: GuestId) -> Settling {
        let mut settling = Settling { ended: Vec::new(), open: None };
        for intent in self.journal.open_intents_of(guest) {
            let (step, volumes) = (&intent.step, intent.volumes.as_slice());
            let signed = intent.op_id.is_some();
            let sent = Sent { seq: intent.seq, step, volumes, signed, began: intent.began };
            let outcome = match self.resolve(&intent, sent) {
                Ok(outcome) => outcome,
                Err(why) => {
                    settling.open = Some(Open::Unresolved(why));
                    return settling;
                }
            };
            match &outcome {
                Outcome::Interrupted { .. } => settling.open = Some(Open::Stopping),
                Outcome::StillRunning { .. } if self.pause(0) == Paused::Stopping => {
                    settling.open = Some(Open::Stopping);
                }
                Outcome::StillRunning { upid } => {
                    settling.open = Some(Open::StillRunning { upid: upid.clone() });
                }
                Outcome::Done { .. }
                | Outcome::Warned { .. }
                | Outcome::Partial { .. }
                | Outcome::Conflict { .. }
                | Outcome::Failed(_)
                | Outcome::Uncertain { .. } => {}
            }
            if settling.open.is_some() {
                return settling;
            }
            self.note_end(sent, &outcome);
            self.end_op(&intent);
            settling.ended.push((intent.step.to_string(), outcome));
        }
        settling
    }

    /// `Err`: the node cannot be asked now.
    fn resolve(&self, intent: &OpenIntent, sent: Sent<'_>) -> Result<Outcome, String> {
        if let Some(text) = &intent.upid {
            return match text.parse::<Upid>() {
                Ok(upid) => {
                    log::info!(
                        "{}: begun before; a task of ours is under way ({upid}), waiting for it",
                        sent.step
                    );
                    Ok(self.follow(sent, &upid))
                }
                Err(error) => Ok(Outcome::Uncertain { upid: intent.upid.clone(), message: error }),
            };
        }
        log::info!("{}: begun before, and no task of it is known; searching", sent.step);
        let since = Instant::now();
        let mut unread = 0;
        loop {
            let sought = self.task_of(sent);
            if let Sought::Found(upid) = sought {
                log::warn!("{}: begun before; adopting its task {upid}", sent.step);
                return Ok(self.adopt(sent, &upid));
            }
            let effect = effect::of(self.client, sent);
            if effect == Effect::There {
                return Ok(Outcome::Done { upid: None });
            }
            // A later write is planned anew, and the digest lets at most one of the two be taken.
            let is_guarded = repeatable(sent.step) == Repeatable::ByDigest && intent.op_id.is_none();
            let is_over = is_guarded || self.age(intent).max(since.elapsed()).as_secs() >= UNDER_WAY_S;
            match (sought, effect) {
                (Sought::Unreadable(why), _) => {
                    unread += 1;
                    if unread >= ASKED {
                        return Err(format!(
                            "{}: begun before, and the list of tasks cannot be read to see what came of it: {why}",
                            sent.step
                        ));
                    }
                }
                (_, Effect::NotThere(found)) if is_over => return Ok(not_sent(&found)),
                (_, Effect::Unseen(why)) if is_over => return Ok(unseen(sent, &why)),
                (_, Effect::Left(left)) if is_over => return Ok(Outcome::Partial { upid: None, left }),
                (_, Effect::Untouched(found)) if is_over => return Ok(not_sent(&found)),
                (_, Effect::Doubt(why)) if is_over => return Ok(unseen(sent, &why)),
                (_, Effect::Whole) if is_over => {
                    return Ok(unseen(sent, "it is whole, and nothing in it shows whether it was done"));
                }
                (
                    _,
                    Effect::There
                    | Effect::NotThere(_)
                    | Effect::Unseen(_)
                    | Effect::Left(_)
                    | Effect::Untouched(_)
                    | Effect::Doubt(_)
                    | Effect::Whole,
                ) => {}
            }
            if self.pause(PAUSE_MS) == Paused::Stopping {
                return Ok(interrupted(sent.step));
            }
        }
    }

    /// How long ago it began, as far as that is certain: by the clock that nobody sets, or over a reboot by the wall clock.
    fn age(&self, intent: &OpenIntent) -> Duration {
        let seconds = match (intent.uptime_s, clock::uptime_s()) {
            (Some(then), Some(now)) if intent.boot == self.journal.boot() => now.saturating_sub(then),
            _ => clock::now().seconds_since(intent.began),
        };
        Duration::from_secs(seconds)
    }

    /// An operation ends with the step that was interrupted: none of it is tried again.
    fn end_op(&self, intent: &OpenIntent) {
        let Some(op_id) = &intent.op_id else { return };
        if let Err(error) = self.journal.end_interrupted(op_id) {
            log::error!("the end of operation {op_id} is not in the journal: {error}");
        }
    }
}

fn not_sent(found: &str) -> Outcome {
    Outcome::Failed(Failure {
        code: NOT_SENT,
        message: format!(
            "the agent ended before the request reached the node: no task of it was found, and the guest does not show it ({found}); \
             nothing was done, so it can be ordered again: what was signed needs a new signature"
        ),
        upid: None,
        recourse: Recourse::Retry,
    })
}

fn unseen(sent: Sent<'_>, why: &str) -> Outcome {
    let guest = sent.step.guest();
    Outcome::Uncertain {
        upid: None,
        message: format!(
            "the agent ended while this was begun ({}); no task of it was found, and the guest cannot be read ({why}): look at {guest} \
             and at its tasks since {}",
            sent.step, sent.began
        ),
    }
}

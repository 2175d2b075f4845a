//! What a record says to somebody who reads the history: who did what to whom, and what came of it. Pure.

use super::record::{self, Record, StepEnd, StepResult};
use super::state::State;
use crate::model::op::OpId;

/// Longer texts are cut: the whole of it is in the journal.
const MOST_CHARS: usize = 300;

/// What, to whom, with which result, by whom; `None` for bookkeeping.
pub(super) fn told(record: &Record, state: &State) -> Option<(String, String, String, String)> {
    let told = match record {
        Record::Accept(accept) => (
            accept.kind.to_string(),
            accept.guest.map_or_else(|| "host".to_owned(), |guest| guest.to_string()),
            format!("accepted as {}", accept.op_id),
            accept.keyids.join(" "),
        ),
        Record::Reject(reject) => (
            "operation".to_owned(),
            reject.op_id.as_ref().map_or_else(|| "unnamed".to_owned(), ToString::to_string),
            format!("rejected, {}", reject.code),
            format!("{:?}", reject.via).to_lowercase(),
        ),
        Record::Done(end) | Record::Uncertain(end) => {
            (end.what.clone(), end.guest.to_string(), step_result(end), by(end.op_id.as_ref()))
        }
        Record::Ended(ended) => {
            let op = state.op(&ended.op_id);
            (
                op.as_ref().map_or_else(|| "operation".to_owned(), |op| op.kind.to_string()),
                ended.guest.map_or_else(|| "host".to_owned(), |guest| guest.to_string()),
                with_reason(&format!("{:?}", ended.end.result), &ended.end.code),
                by(Some(&ended.op_id)),
            )
        }
        Record::Decision(decision) => (
            decision.what.clone(),
            decision.guest.to_string(),
            decision
                .loss
                .as_ref()
                .map_or_else(|| "no longer refused".to_owned(), |loss| format!("refused: {loss}")),
            "gate".to_owned(),
        ),
        Record::Settled(settled) => {
            ("doubt".to_owned(), settled.guest.to_string(), settled.why.clone(), "agent".to_owned())
        }
        Record::Floor(floor) => {
            ("raise floor".to_owned(), "host".to_owned(), floor.iat.to_string(), floor.why.clone())
        }
        Record::Trust(trust) => (
            "keyring".to_owned(),
            "host".to_owned(),
            format!("version {}", trust.version),
            "agent".to_owned(),
        ),
        Record::Damage(damage) => {
            ("journal".to_owned(), "host".to_owned(), damage.why.clone(), "agent".to_owned())
        }
        Record::Salvaged(salvaged) => (
            "journal".to_owned(),
            "host".to_owned(),
            format!("salvaged: {}", salvaged.why),
            "operator".to_owned(),
        ),
        Record::Gone(gone) => {
            ("guest of its own".to_owned(), gone.guest.to_string(), gone.why.clone(), "agent".to_owned())
        }
        Record::Made(_)
        | Record::Intent(_)
        | Record::Issued(_)
        | Record::Ack(_)
        | Record::Clock(_)
        | Record::Past(_) => return None,
    };
    let (what, subject, result, by) = told;
    let cut = |text: &str| record::cut(text, MOST_CHARS);
    Some((cut(&what), subject, cut(&result), cut(&by)))
}

fn step_result(end: &StepEnd) -> String {
    let word = match end.result {
        StepResult::Done => "done",
        StepResult::Warned => "done, with warnings",
        StepResult::Partial => "done in part",
        StepResult::Conflict => "not done, conflict",
        StepResult::Failed => "failed",
        StepResult::Uncertain => "uncertain",
    };
    with_reason(word, &end.message)
}

fn with_reason(word: &str, reason: &str) -> String {
    if reason.is_empty() { word.to_owned() } else { format!("{word}: {reason}") }
}

fn by(op_id: Option<&OpId>) -> String {
    op_id.map_or_else(|| "reconcile".to_owned(), |op_id| format!("op {op_id}"))
}

//! What Proxmox said of a step, and what the guest looks like afterwards, to one outcome. Pure.
//! The guest's state decides; the word only explains it. A success that cannot be seen is no success, and an error does not
//! prove that nothing happened.

use crate::model::outcome::{Failure, Outcome, Recourse};

/// What Proxmox said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Done {
        upid: Option<String>,
    },
    Warned {
        upid: String,
        lines: Vec<String>,
    },
    Refused(Failure),
    /// The task has ended, and nobody can say how.
    Unknown {
        upid: String,
        message: String,
    },
    /// There was no answer, and no task can be found that came of the request.
    Lost {
        message: String,
        repeatable: Repeatable,
    },
}

/// Whether the same request, still under way somewhere, could do harm together with a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeatable {
    /// Each carries the digest of what it was planned against: at most one of the two is taken.
    ByDigest,
    No,
}

/// Whether the guest is now as the step wanted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    There,
    /// With what was found instead.
    NotThere(String),
    /// It could not be read, and why.
    Unseen(String),
    /// Of what cannot be undone: the guest is gone, or the write is there, and these volumes are not gone.
    Left(Vec<String>),
    /// Of what cannot be undone: nothing of it was done.
    Untouched(String),
    /// Of what cannot be undone: half done, or not to be seen.
    Doubt(String),
    /// Of what leaves no trace in the guest: nothing is half done.
    Whole,
}

impl Effect {
    /// Looking again would show the same.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::There | Self::Whole => true,
            Self::NotThere(_) | Self::Unseen(_) | Self::Left(_) | Self::Untouched(_) | Self::Doubt(_) => {
                false
            }
        }
    }
}

pub(super) fn verdict(word: Word, effect: Effect) -> Outcome {
    match (word, effect) {
        (Word::Done { upid }, Effect::There) => Outcome::Done { upid },
        (Word::Warned { upid, lines }, Effect::There) => Outcome::Warned { upid, lines },
        // An error, and yet it is as wanted: by this step, or by somebody before it.
        (Word::Refused(failure), Effect::There) => done_although(failure.upid, failure.message),
        (Word::Unknown { upid, message }, Effect::There) => done_although(Some(upid), message),
        (Word::Lost { message, .. }, Effect::There) => done_although(None, message),

        (word, Effect::Left(left)) => left_behind(word, left),
        // Proxmox refused, and nothing was done: the one certain failure of what cannot be undone.
        (Word::Refused(failure), Effect::Untouched(_) | Effect::Whole) => Outcome::Failed(failure),
        (Word::Done { upid }, Effect::Whole) => Outcome::Done { upid },
        (Word::Warned { upid, lines }, Effect::Whole) => Outcome::Warned { upid, lines },
        (word, Effect::Untouched(found) | Effect::Doubt(found)) => doubt(word, &found),
        (word @ (Word::Unknown { .. } | Word::Lost { .. }), Effect::Whole) => {
            doubt(word, "the guest is whole, and nothing in it shows whether it was done")
        }

        (Word::Done { upid }, Effect::NotThere(found)) => no_effect(upid, "Proxmox says it is done", &found),
        (Word::Warned { upid, lines }, Effect::NotThere(found)) => {
            no_effect(Some(upid), &format!("Proxmox says it is done ({})", lines.join("; ")), &found)
        }
        (Word::Refused(failure), Effect::NotThere(_)) => Outcome::Failed(failure),
        (Word::Unknown { upid, message }, Effect::NotThere(found)) => Outcome::Failed(Failure {
            code: "task_lost",
            message: format!("{message}, and the guest shows that it was not done: {found}"),
            upid: Some(upid),
            recourse: Recourse::Retry,
        }),
        (Word::Lost { message, repeatable: Repeatable::ByDigest }, Effect::NotThere(found)) => {
            Outcome::Failed(Failure {
                code: "answer_lost",
                message: format!("{message}, and the guest shows that it was not done: {found}"),
                upid: None,
                recourse: Recourse::Retry,
            })
        }
        (Word::Lost { message, repeatable: Repeatable::No }, Effect::NotThere(found)) => Outcome::Uncertain {
            upid: None,
            message: format!(
                "{message}; no task of it was found and the guest does not show it ({found}), but it may be under way still"
            ),
        },

        (Word::Done { upid }, Effect::Unseen(why)) => ended_unseen(upid, "Proxmox says it is done", &why),
        (Word::Warned { upid, .. }, Effect::Unseen(why)) => {
            ended_unseen(Some(upid), "Proxmox says it is done, with warnings", &why)
        }
        (Word::Refused(failure), Effect::Unseen(why)) => unseen(failure.upid, &failure.message, &why),
        (Word::Unknown { upid, message }, Effect::Unseen(why)) => unseen(Some(upid), &message, &why),
        (Word::Lost { message, .. }, Effect::Unseen(why)) => unseen(None, &message, &why),
    }
}

fn done_although(upid: Option<String>, message: String) -> Outcome {
    match upid {
        Some(upid) => Outcome::Warned { upid, lines: vec![message] },
        None => {
            log::warn!("it is as wanted, although Proxmox said: {message}");
            Outcome::Done { upid: None }
        }
    }
}

/// Proxmox takes the volumes away first and the configuration last: nothing is under way any more.
fn left_behind(word: Word, left: Vec<String>) -> Outcome {
    let (upid, said) = told(word);
    log::error!("{said}; volumes are left: {}", left.join(", "));
    Outcome::Partial { upid, left }
}

fn doubt(word: Word, found: &str) -> Outcome {
    let (upid, said) = told(word);
    Outcome::Uncertain { upid, message: format!("{said}; {found}") }
}

/// The task, and Proxmox's word in words.
fn told(word: Word) -> (Option<String>, String) {
    match word {
        Word::Done { upid } => (upid, "Proxmox says it is done".to_owned()),
        Word::Warned { upid, lines } => {
            (Some(upid), format!("Proxmox says it is done, with warnings ({})", lines.join("; ")))
        }
        Word::Refused(failure) => (failure.upid, failure.message),
        Word::Unknown { upid, message } => (Some(upid), message),
        Word::Lost { message, .. } => {
            (None, format!("{message}; no task of it was found, but it may be under way still"))
        }
    }
}

fn no_effect(upid: Option<String>, word: &str, found: &str) -> Outcome {
    Outcome::Failed(Failure {
        code: "no_effect",
        message: format!("{word}, but the guest does not show it: {found}"),
        upid,
        recourse: Recourse::Retry,
    })
}

fn unseen(upid: Option<String>, word: &str, why: &str) -> Outcome {
    Outcome::Uncertain { upid, message: unseen_text(word, why) }
}

/// Nothing of it is under way any more, so that the next look at the guest can decide.
fn ended_unseen(upid: Option<String>, word: &str, why: &str) -> Outcome {
    Outcome::Failed(Failure {
        code: "unseen",
        message: unseen_text(word, why),
        upid,
        recourse: Recourse::Retry,
    })
}

fn unseen_text(word: &str, why: &str) -> String {
    format!("{word}; the guest could not be read afterwards: {why}")
}

#[cfg(test)]
mod tests {
    use super::{Effect, Repeatable, Word, verdict};
    use crate::model::outcome::{Failure, Outcome, Recourse};

    fn words() -> [Word; 6] {
        let upid = "UPID:x".to_owned();
        [
            Word::Done { upid: Some(upid.clone()) },
            Word::Warned { upid: upid.clone(), lines: vec!["low on space".to_owned()] },
            Word::Refused(Failure {
                code: "locked",
                message: "CT is locked (backup)".to_owned(),
                upid: None,
                recourse: Recourse::Wait,
            }),
            Word::Unknown { upid, message: "unexpected status".to_owned() },
            Word::Lost { message: "595".to_owned(), repeatable: Repeatable::ByDigest },
            Word::Lost { message: "595".to_owned(), repeatable: Repeatable::No },
        ]
    }

    fn name(outcome: &Outcome) -> &'static str {
        match outcome {
            Outcome::Done { .. } => "done",
            Outcome::Warned { .. } => "warned",
            Outcome::Conflict { .. } => "conflict",
            Outcome::Failed(failure) => failure.code,
            Outcome::Uncertain { .. } => "uncertain",
            Outcome::Partial { .. } => "partial",
            Outcome::StillRunning { .. } => "running",
            Outcome::Interrupted { .. } => "interrupted",
        }
    }

    #[test]
    fn the_state_decides_and_the_word_explains() {
        let table = [
            (Effect::There, ["done", "warned", "done", "warned", "done", "done"]),
            (
                Effect::NotThere("stopped".to_owned()),
                ["no_effect", "no_effect", "locked", "task_lost", "answer_lost", "uncertain"],
            ),
            (
                Effect::Unseen("595".to_owned()),
                ["unseen", "unseen", "uncertain", "uncertain", "uncertain", "uncertain"],
            ),
        ];
        for (effect, expected) in table {
            let found = words().map(|word| name(&verdict(word, effect.clone())));
            assert_eq!(found, expected, "{effect:?}");
        }
    }

    /// `Left` is the only end of a doubt about volumes; `Whole` proves nothing by itself.
    #[test]
    fn what_cannot_be_undone_failed_only_if_proxmox_refused_and_nothing_was_touched() {
        let table = [
            (Effect::Left(vec!["a:b".to_owned()]), ["partial"; 6]),
            (
                Effect::Untouched("there".to_owned()),
                ["uncertain", "uncertain", "locked", "uncertain", "uncertain", "uncertain"],
            ),
            (Effect::Doubt("half".to_owned()), ["uncertain"; 6]),
            (Effect::Whole, ["done", "warned", "locked", "uncertain", "uncertain", "uncertain"]),
        ];
        for (effect, expected) in table {
            let found = words().map(|word| name(&verdict(word, effect.clone())));
            assert_eq!(found, expected, "{effect:?}");
        }
    }

    #[test]
    fn what_could_not_be_seen_is_never_a_success() {
        for word in words() {
            let outcome = verdict(word, Effect::Unseen("no answer".to_owned()));
            let (Outcome::Uncertain { message, .. } | Outcome::Failed(Failure { message, .. })) = outcome
            else {
                panic!("{outcome:?}")
            };
            assert!(message.contains("no answer"), "{message}");
        }
    }
}

//! A planned step as `plan --json` prints it: in words, and in members for programs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

use super::PlannedStep;
use crate::model::step::Step;

#[derive(Serialize)]
struct Line<'a> {
    what: String,
    reason: &'a str,
    #[serde(flatten)]
    members: Members<'a>,
}

/// The guest is told one level up; the digest is nobody's business outside.
#[derive(Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
enum Members<'a> {
    SetConfig { set: &'a BTreeMap<String, String>, delete: &'a BTreeSet<String> },
    Start,
    Shutdown { timeout_s: u32 },
    Snapshot { name: &'a str },
    DeleteSnapshot { name: &'a str },
}

impl Serialize for PlannedStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = match &self.step {
            Step::SetConfig { guest: _, change } => {
                Members::SetConfig { set: &change.set, delete: &change.delete }
            }
            Step::Start { guest: _ } => Members::Start,
            Step::Shutdown { guest: _, timeout_s } => Members::Shutdown { timeout_s: *timeout_s },
            Step::Snapshot { guest: _, name } => Members::Snapshot { name },
            Step::DeleteSnapshot { guest: _, name } => Members::DeleteSnapshot { name },
        };
        Line { what: self.step.to_string(), reason: &self.reason, members }.serialize(serializer)
    }
}

//! A planned step as `plan --json` prints it: in words, and in members for programs.

use serde::{Serialize, Serializer};

use super::PlannedStep;
use crate::model::sorted::{Map, Set};
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
    SetConfig { set: &'a Map<String, String>, delete: &'a Set<String> },
    Start,
    Shutdown { timeout_s: u32 },
    Reboot { timeout_s: u32 },
    HaState { running: bool },
    Snapshot { name: &'a str },
    DeleteSnapshot { name: &'a str },
    Stop,
    Backup { storage: &'a str, prune: bool },
    Resize { key: &'a str, to: u64 },
    Destroy { purge: bool },
    Rollback { snapshot: &'a str, start: bool },
    RestoreOver { volid: &'a str, storage: &'a str },
    DeleteBackup { volid: &'a str },
    Make { origin: &'a str, source: &'a str, params: &'a Map<String, String> },
}

impl Serialize for PlannedStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Line { what: self.step.to_string(), reason: &self.reason, members: members(&self.step) }
            .serialize(serializer)
    }
}

fn members(step: &Step) -> Members<'_> {
    match step {
        Step::SetConfig { guest: _, change } => {
            Members::SetConfig { set: &change.set, delete: &change.delete }
        }
        Step::Start { guest: _ } => Members::Start,
        Step::Shutdown { guest: _, timeout_s } => Members::Shutdown { timeout_s: *timeout_s },
        Step::Reboot { guest: _, timeout_s } => Members::Reboot { timeout_s: *timeout_s },
        Step::HaState { guest: _, running } => Members::HaState { running: *running },
        Step::Snapshot { guest: _, name } => Members::Snapshot { name },
        Step::DeleteSnapshot { guest: _, name } => Members::DeleteSnapshot { name },
        Step::Stop { guest: _ } => Members::Stop,
        Step::Backup { guest: _, storage, prune } => Members::Backup { storage, prune: *prune },
        Step::Resize { guest: _, key, from: _, to, digest: _ } => Members::Resize { key, to: *to },
        Step::Destroy { guest: _, purge } => Members::Destroy { purge: *purge },
        Step::Rollback { guest: _, snapshot, start } => Members::Rollback { snapshot, start: *start },
        Step::RestoreOver { guest: _, volid, storage } => Members::RestoreOver { volid, storage },
        Step::DeleteBackup { guest: _, volid } => Members::DeleteBackup { volid },
        Step::Make { guest: _, origin, source, purpose: _, params } => {
            Members::Make { origin: origin.as_str(), source, params }
        }
    }
}

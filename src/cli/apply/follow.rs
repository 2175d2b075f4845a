//! How one pass goes on, read off the status from one moment to the next. Pure: documents come in, lines go out.

use serde_json::{Value, json};

use crate::clock;
use crate::plan::safe;

use super::super::Failure;
use super::super::document::{list, number, text, word};
use super::super::exit::Exit;
use super::super::in_hand::InHand;
use super::super::print::Output;
use super::super::status::{Paint, resources};

/// When everything has been looked at that was asked for.
#[derive(Debug)]
pub(super) struct Due {
    looks: u64,
    reads: u64,
    /// As many looks as there had been when it was last asked.
    before: u64,
}

impl Due {
    /// From the answer to the wish.
    pub(super) fn of(answer: &Value) -> Self {
        let member = |path| number(answer, path).unwrap_or_default();
        Self { looks: member("/until/looks"), reads: member("/until/reads"), before: 0 }
    }

    /// Whoever counts from the beginning again has read another configuration meanwhile, and nothing of the wish is left.
    pub(super) fn is_forgotten(&mut self, status: &Value) -> bool {
        let looks = number(status, "/local/looks").unwrap_or_default();
        looks < std::mem::replace(&mut self.before, looks)
    }

    /// It was looked, nothing is in hand, and no look is under way that would find something to do.
    pub(super) fn is_over(&self, status: &Value) -> bool {
        let reached = |path, due| number(status, path).unwrap_or_default() >= due;
        reached("/local/looks", self.looks)
            && reached("/local/reads", self.reads)
            && status.pointer("/local/looking") == Some(&Value::Bool(false))
            && list(status, "/local/busy").is_empty()
    }
}

#[derive(Debug)]
pub(super) struct Follow {
    only: Vec<String>,
    /// What was said, or was so before it began.
    said: Vec<String>,
    in_hand: InHand,
}

impl Follow {
    /// What is so before the beginning is no news.
    pub(super) fn of(status: &Value, only: &[String], in_hand: InHand) -> Self {
        let mut follow = Self { only: only.to_owned(), said: Vec::new(), in_hand };
        follow.said = follow.deeds(status).into_iter().map(|(key, _)| key).collect();
        follow
    }

    /// What was done to each resource: a key that no other deed has, and the line.
    fn deeds(&self, status: &Value) -> Vec<(String, String)> {
        let all = status.get("resources").and_then(Value::as_object).into_iter().flatten();
        all.filter(|(id, _)| self.only.is_empty() || self.only.contains(id))
            .filter_map(|(id, resource)| {
                let action = resource.get("last_action")?;
                let line = format!("{}: {}: {}", safe(id), text(action, "/what"), text(action, "/result"));
                Some((format!("{line} {}", word(action, "/at")), line))
            })
            .collect()
    }

    /// The lines that are new, and how far it is with what is in hand.
    pub(super) fn news(&mut self, status: &Value) -> String {
        let mut news = String::new();
        for (key, line) in self.deeds(status) {
            if !self.said.contains(&key) {
                self.said.push(key);
                news.push_str(&line);
                news.push('\n');
            }
        }
        if !news.is_empty() {
            news.insert_str(0, &self.over());
        }
        let tasks = list(status, "/local/tasks").iter();
        let tasks: Vec<_> = tasks.map(|task| (text(task, "/what"), number(task, "/percent"))).collect();
        news + &self.in_hand.news(&tasks)
    }

    /// Takes the line away that shows what is in hand.
    pub(super) fn over(&mut self) -> String {
        self.in_hand.over()
    }

    pub(super) fn summary(
        &self,
        status: &Value,
        json: bool,
        paint: Paint,
        output: &mut Output,
    ) -> Result<Exit, Failure> {
        let mut chosen = status.get("resources").and_then(Value::as_object).cloned().unwrap_or_default();
        if let Some(unknown) = self.only.iter().find(|id| !chosen.contains_key(*id)) {
            let what = format!("the desired state in force names no resource {}", safe(unknown));
            return Err(Failure::text(Exit::Failed, what));
        }
        chosen.retain(|id, _| self.only.is_empty() || self.only.contains(id));
        let count = |states: &[&str]| {
            chosen.values().filter(|resource| states.contains(&word(resource, "/state"))).count()
        };
        let (ready, failed) = (count(&["ready"]), count(&["failed", "unknown_resource", "invalid_spec"]));
        let waiting = chosen.len() - ready - failed;
        let generation = number(status, "/manifest_generation");
        if json {
            let counts = json!({ "ready": ready, "waiting": waiting, "failed": failed });
            output.json(&json!({ "generation": generation, "summary": counts, "resources": chosen }));
        } else {
            output.text(&resources(&chosen, clock::now(), paint));
            let generation =
                generation.map_or_else(|| "no desired state".to_owned(), |n| format!("generation {n}"));
            output.text(&format!("{generation}: {ready} in order, {waiting} waiting, {failed} failed"));
        }
        let faults = list(status, "/conditions").iter().filter(|condition| {
            matches!(
                word(condition, "/reason"),
                "ManifestRefused" | "ManifestUnavailable" | "ProxmoxUnreachable"
            ) && word(condition, "/type") != "Ready"
        });
        let faults: Vec<String> = faults.map(|condition| text(condition, "/message")).collect();
        for fault in &faults {
            output.complain(fault);
        }
        if word(status, "/local/proxmox/state") == "unreachable" {
            return Ok(Exit::TryAgain);
        }
        Ok(match (generation, failed + faults.len(), waiting) {
            (None, _, _) => Exit::Configuration,
            (_, 0, 0) => Exit::InOrder,
            (_, 0, _) => Exit::Differences,
            _ => Exit::Failed,
        })
    }
}

//! The blast radius: a document that stops more than a slip should is held until somebody signs that it is meant.

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::keys::Keys;
use crate::stage::{PATIENCE, Stage, seen, title};

const ALL: [(&str, u32); 4] = [("database", 101), ("files", 102), ("shop", 104), ("media", 200)];
/// What one generation may stop of so few guests.
const ALLOWED: usize = 3;

pub(crate) fn play(stage: &Stage, daemon: &Daemon, keys: &Keys) -> Result<(), String> {
    title("A desired state that stops more guests than a slip should");
    let names: Vec<&str> = ALL.iter().map(|(id, _)| *id).collect();
    println!("  the next generation wants four guests stopped: {}", names.join(", "));
    let stop = json!({"run_state": "stopped"});
    daemon.is_to_want(stage, &ALL.map(|(id, _)| (id, stop.clone())))?;
    stage.sees("three of them stop, and the fourth is held", PATIENCE, |stage| {
        let hold = held(stage)?;
        (stopped(stage) == ALLOWED).then(|| hold["detail"].as_str().unwrap_or_default().to_owned())
    })?;
    let hold = held(stage).ok_or("the hold")?;
    let remedy = hold["remedy"].as_str().unwrap_or_default();
    seen(remedy.contains("op draft limit-release"), &format!("what to do about it: {remedy}"))?;
    released(stage, keys)?;
    let shutdowns = stage.changing(|call| call.path.ends_with("/status/shutdown"));
    seen(shutdowns.len() == ALL.len(), "each of the four was asked to stop once")
}

/// Otto may not destroy anything; for this his role does.
fn released(stage: &Stage, keys: &Keys) -> Result<(), String> {
    let generation = stage.wanted.generation().to_string();
    stage.keep("release.json", &["op", "draft", "limit-release", "--generation", &generation])?;
    let signed = keys.sign(stage, "otto", "release.json")?;
    stage.says(&["op", "submit", &signed])?;
    stage.sees("signed by otto, who may do this: the fourth stops too", PATIENCE, |stage| {
        (stopped(stage) == ALL.len()).then(|| "four of four".to_owned())
    })?;
    stage.sees("nothing is held any more", PATIENCE, |stage| {
        let resources = stage.resources();
        ALL.iter().all(|(id, _)| resources[id]["state"] == "ready").then(|| "ready, all of them".to_owned())
    })
}

fn stopped(stage: &Stage) -> usize {
    ALL.iter().filter(|(_, vmid)| stage.runs(*vmid) == Some(false)).count()
}

/// Why the one that waits for the limit does.
fn held(stage: &Stage) -> Option<Value> {
    let resources = stage.resources();
    let holds = ALL.iter().map(|(id, _)| &resources[id]["hold"]);
    holds.into_iter().find(|hold| hold["reason"] == "blast_radius").cloned()
}

//! What cannot be undone: held without consent, refused with the wrong signature, done once with the right one.

use std::fs;

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::keys::Keys;
use crate::stage::{HOST, PATIENCE, Stage, in_words, title};

const VOLUMES: [&str; 2] = ["store:103/vm-103-disk-0.raw", "store:103/vm-103-disk-1.raw"];

pub(crate) fn play(stage: &Stage, keys: &Keys) -> Result<(), String> {
    drafted(stage)?;
    refused(stage, keys)?;
    let signed = done(stage, keys)?;
    again(stage, &signed)
}

/// What the desired state alone comes to.
pub(crate) fn held(stage: &Stage, daemon: &Daemon) -> Result<(), String> {
    title("A desired state that drops a guest with data on it");
    println!(
        "  the next generation says of archive (lxc/103): \"ensure\": \"absent\". The hub may want that; it holds no key."
    );
    daemon.is_to_want(stage, &[("archive", json!({"ensure": "absent"}))])?;
    let why = daemon
        .hears(PATIENCE, |line| line.contains("lxc/103) is held (needs_signature)"))
        .ok_or("the hold on the archive")?;
    println!("  seen: held, with the loss named: {why}");
    touched_nothing(stage)?;
    println!("  seen: not one changing call reached it, and both of its volumes are there");
    let status = stage.says(&["status"])?;
    let line = status
        .lines()
        .find(|line| line.contains("felhom-agent op draft destroy --vmid 103"))
        .ok_or("the line to run in the status")?;
    println!("  seen: the status says what to do: {}", line.trim());
    Ok(())
}

fn drafted(stage: &Stage) -> Result<(), String> {
    stage.keep("op.json", &["op", "draft", "destroy", "--vmid", "103", "--note", "moved to the new box"])?;
    println!(
        "  seen: `op draft` bound the operation to this guest as it is now, with its backup as evidence"
    );
    Ok(())
}

fn refused(stage: &Stage, keys: &Keys) -> Result<(), String> {
    let signed = keys.sign(stage, "otto", "op.json")?;
    let output = stage.agent(&["op", "submit", &signed]).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() != Some(1) || !said.contains("RoleNotHeld") {
        return Err(format!("a refusal of the operator's signature; it said: {said}"));
    }
    println!("  seen: signed by otto: {}", said.lines().next().unwrap_or_default());
    touched_nothing(stage)
}

fn done(stage: &Stage, keys: &Keys) -> Result<String, String> {
    let signed = keys.sign(stage, "anna", "op.json")?;
    stage.says(&["op", "submit", &signed])?;
    let id = op_id(stage)?;
    stage.sees("signed by anna: accepted, carried out, and proven", PATIENCE, |stage| {
        let status: Value = serde_json::from_str(&stage.says(&["op", "status", "--json", &id]).ok()?).ok()?;
        let text = status.to_string();
        text.contains("\"done\"").then(|| format!("op {id}"))
    })?;
    for call in stage.node.calls().iter().filter(|call| call.is_mutation() && call.path.contains("/103")) {
        println!("       the call: {}", in_words(call));
    }
    let left: Vec<&str> = VOLUMES.into_iter().filter(|volid| stage.has_volume(volid)).collect();
    if !left.is_empty() || stage.node.world(|world| world.guest(103).is_some()) {
        return Err(format!("that guest and volumes are gone, but there is {left:?}"));
    }
    println!("  seen: guest and volumes are gone from the node: {}", VOLUMES.join(", "));
    stage.sees("the hub heard how it ended", PATIENCE, |stage| {
        let outcomes = stage.hub.board(|board| board.host(HOST).outcomes.clone());
        outcomes.get(&id).map(|outcome| format!("result {}", outcome["result"]))
    })?;
    Ok(signed)
}

fn again(stage: &Stage, signed: &str) -> Result<(), String> {
    title("The same envelope again");
    let before = stage.changes();
    let records = records(stage)?;
    let said = stage.says(&["op", "submit", signed])?;
    for line in said.lines() {
        println!("       {line}");
    }
    if stage.changes() != before || records != self::records(stage)? || !said.contains("done") {
        return Err(format!("the stored outcome and nothing else; it said: {said}"));
    }
    println!("  seen: the outcome that is stored; no call, and not one record more in the journal");
    Ok(())
}

/// How often the journal has accepted an operation.
fn records(stage: &Stage) -> Result<usize, String> {
    Ok(stage.says(&["journal", "show", "--json"])?.matches("\"t\":\"accept\"").count())
}

fn op_id(stage: &Stage) -> Result<String, String> {
    let draft = fs::read(stage.folder.join("op.json")).map_err(|error| error.to_string())?;
    let draft: Value = serde_json::from_slice(&draft).map_err(|error| error.to_string())?;
    draft["op_id"].as_str().map(str::to_owned).ok_or_else(|| "the draft's op id".to_owned())
}

fn touched_nothing(stage: &Stage) -> Result<(), String> {
    let calls = stage.node.calls();
    let touched: Vec<String> =
        calls.iter().filter(|call| call.is_mutation() && call.path.contains("/103")).map(in_words).collect();
    let lost: Vec<&str> = VOLUMES.into_iter().filter(|volid| !stage.has_volume(volid)).collect();
    if touched.is_empty() && lost.is_empty() {
        Ok(())
    } else {
        Err(format!("that the archive was left alone, but: {touched:?}, lost {lost:?}"))
    }
}

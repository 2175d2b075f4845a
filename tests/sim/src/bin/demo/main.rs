//! `make demo`: a simulated node and hub, the real daemon between them, and what can be seen of it, in plain words.
//! Exits 0 only if every line that starts with "seen" was really seen. Everything talks to loopback and ends by itself.

use std::process::ExitCode;
use std::time::Duration;

mod consent;
mod crash;
mod stage;

use self::stage::{Daemon, HOST, PATIENCE, Stage, count, in_words, title};

/// The shortest interval that the agent lets a hub ask for, with its jitter and a little room.
const TWO_REPORTS: Duration = Duration::from_secs(80);

fn main() -> ExitCode {
    match run() {
        Ok(()) => {
            println!("\nAll of it was seen.");
            ExitCode::SUCCESS
        }
        Err(what) => {
            println!("\nNOT SEEN: {what}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let stage = Stage::set()?;
    stage.introduce();
    stage.show_the_plan()?;
    let mut daemon = Daemon::start(&stage)?;
    play(&stage, &daemon)?;
    consent::play(&stage, &daemon)?;
    crash::play(&stage, &mut daemon)?;
    daemon.end()
}

/// The acts, one after the other.
fn play(stage: &Stage, daemon: &Daemon) -> Result<(), String> {
    title("3. The daemon at work");
    stage.sees("a first report reached the hub", PATIENCE, |stage| {
        let reports = stage.hub.reports(HOST);
        reports.first().map(|report| {
            format!("{} guests, {} conditions", count(report, "guests"), count(report, "conditions"))
        })
    })?;
    stage.sees("web (lxc/100) was stopped and now runs, with 2 cores", PATIENCE, |stage| {
        stage.config_shows(100, "cores: 2", true)
    })?;
    stage.sees("media (qemu/200) got its new description while it ran on", PATIENCE, |stage| {
        stage.config_shows(200, "films and music", true)
    })?;

    title("4. Somebody edits a guest in the web page");
    let before = stage.node.calls().len();
    stage.edit_by_hand(101, "cores: 1", "cores: 4");
    println!("  database (lxc/101): cores 1 became 4 behind the agent's back");
    stage.sees("it was put back to 1 core", PATIENCE, |stage| stage.config_shows(101, "cores: 1", true))?;
    for call in stage.node.calls().iter().skip(before).filter(|call| call.is_mutation()) {
        println!("       the call: {}", in_words(call));
    }

    title("5. A guest that must not be touched");
    println!("  files (lxc/102) should have 4 cores, but Proxmox has it locked for a backup.");
    let reason = daemon
        .hears(PATIENCE, |line| line.contains("lxc/102) is held (lock)"))
        .ok_or("the hold's reason in the log")?;
    println!("  seen: the daemon says why: {reason}");
    let touched: Vec<String> = stage
        .node
        .calls()
        .iter()
        .filter(|call| call.is_mutation() && call.path.contains("/102/"))
        .map(in_words)
        .collect();
    if !touched.is_empty() {
        return Err(format!("that the locked guest was left alone, but: {touched:?}"));
    }
    println!("  seen: not one changing call reached it");

    title("6. The report is the heartbeat");
    stage.sees("a second report came, 60 s after the first, as the hub asked", TWO_REPORTS, |stage| {
        let reports = stage.hub.reports(HOST);
        let last = reports.get(1)?;
        let running = last["guests"].as_array()?.iter().filter(|guest| guest["status"] == "running").count();
        Some(format!(
            "seq {}, {running} guests running, {} calls changed the node in all",
            last["seq"],
            stage.changes()
        ))
    })?;
    println!("  (calls that only read, since the start: {})", stage.node.calls().len() - stage.changes());
    Ok(())
}

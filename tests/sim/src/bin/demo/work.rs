//! The daemon converges, puts an edit by hand back, and leaves a locked guest alone until it is free.

use crate::daemon::Daemon;
use crate::stage::{HOST, PATIENCE, Stage, count, in_words, seen, title};

pub(crate) fn play(stage: &Stage, daemon: &Daemon) -> Result<(), String> {
    converges(stage)?;
    edited(stage)?;
    locked(stage, daemon)
}

fn converges(stage: &Stage) -> Result<(), String> {
    title("The daemon at work");
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
    })
}

fn edited(stage: &Stage) -> Result<(), String> {
    title("Somebody edits a guest in the web page");
    stage.edit_by_hand(101, "cores: 1", "cores: 4");
    println!("  database (lxc/101): cores 1 became 4 behind the agent's back");
    stage.sees("it was put back to 1 core", PATIENCE, |stage| stage.config_shows(101, "cores: 1", true))?;
    for call in &stage.changing(|call| call.path.contains("/101/")) {
        println!("       the call: {}", in_words(call));
    }
    Ok(())
}

fn locked(stage: &Stage, daemon: &Daemon) -> Result<(), String> {
    title("A guest that must not be touched");
    println!("  files (lxc/102) should have 4 cores, but Proxmox has it locked for a backup.");
    let reason = daemon
        .hears(PATIENCE, |line| line.contains("lxc/102) is held (lock)"))
        .ok_or("the hold's reason in the log")?;
    println!("  seen: the daemon says why: {reason}");
    let touched = stage.changing(|call| call.path.contains("/102/"));
    seen(touched.is_empty(), "not one changing call reached it")?;
    let told = stage.shows(0, &["explain", "files.cores"])?;
    seen(told.contains("(lock)"), "the field is explained: wanted, there, by whom, and what it waits for")?;
    stage.node.world(|world| world.guest_mut(102).set_lock(None));
    println!("  the backup ends, and the lock with it");
    stage.sees("files has its 4 cores, without anybody's doing", PATIENCE, |stage| {
        stage.config_shows(102, "cores: 4", true)
    })
}

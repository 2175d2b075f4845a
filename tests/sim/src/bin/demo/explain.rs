//! Why a field is as it is, and why nothing is done about it now.

use serde_json::json;

use crate::daemon::Daemon;
use crate::stage::{PATIENCE, Stage, seen, title};

pub(crate) fn play(stage: &Stage, daemon: &Daemon) -> Result<(), String> {
    title("What waits, and why");
    println!(
        "  the next generation gives media (qemu/200) 2048 MiB; a running machine takes that at its next start"
    );
    daemon.is_to_want(stage, &[("media", json!({"memory_mb": 2_048}))])?;
    let line = ["explain", "media.memory_mb"];
    let both = |told: &str| told.contains("1024 (memory: 1024)") && told.contains("2048 (memory: 2048)");
    // It is told as the last look saw it; the one after the write sees both.
    stage.sees("it is written, and the machine runs on", PATIENCE, |stage| {
        let waiting = &stage.resources()["media"]["details"]["pending_reboot"];
        let is_written = both(&stage.says(&line).ok()?) && stage.runs(200) == Some(true);
        is_written.then(|| format!("pending until a restart: {waiting}"))
    })?;
    let told = stage.shows(0, &line)?;
    let says = |text: &str| told.contains(text);
    seen(both(&told), "both values, what runs and what will")?;
    seen(
        says("generation") && says("GET /nodes/pve/qemu/200/pending"),
        "who said so, and from which call it is read",
    )?;
    seen(says("to go on"), "and what would let it go on")
}

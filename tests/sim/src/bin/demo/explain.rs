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
    stage.sees("it is written, and the machine runs on", PATIENCE, |stage| {
        let media = &stage.resources()["media"];
        let waiting = &media["details"]["pending_reboot"];
        let is_written = waiting.to_string().contains("memory_mb") && media["state"] == "ready";
        (is_written && stage.runs(200) == Some(true)).then(|| format!("pending until a restart: {waiting}"))
    })?;
    let told = stage.shows(0, &["explain", "media.memory_mb"])?;
    let says = |text: &str| told.contains(text);
    seen(says("1024 (memory: 1024)") && says("2048 (memory: 2048)"), "both values, what runs and what will")?;
    seen(
        says("generation") && says("GET /nodes/pve/qemu/200/pending"),
        "who said so, and from which call it is read",
    )?;
    seen(says("restart it by hand"), "and what would let it go on")
}

//! The report is the heartbeat, and tells what is known of the backups.

use std::time::Duration;

use crate::stage::{HOST, Stage, seen, title};

/// The shortest interval that the agent lets a hub ask for, with its jitter and a little room.
const TWO_REPORTS: Duration = Duration::from_secs(80);

pub(crate) fn play(stage: &Stage) -> Result<(), String> {
    title("The report is the heartbeat");
    stage.sees("a second report came, 60 s after the first, as the hub asked", TWO_REPORTS, |stage| {
        let reports = stage.hub.reports(HOST);
        let last = reports.get(1)?;
        let guests = last["guests"].as_array()?;
        let running = guests.iter().filter(|guest| guest["status"] == "running").count();
        Some(format!("seq {}, {} guests, {running} of them running", last["seq"], guests.len()))
    })?;
    let report = stage.hub.reports(HOST).pop().unwrap_or_default();
    let test = &report["restore_tests"][0];
    seen(
        test["result"] == "passed",
        &format!("the restore test is in it: {}, {}", test["vmid"], test["volid"]),
    )?;
    let (all, changes) = (stage.node.calls().len(), stage.changes());
    println!("  (calls since the start: {} that only read, {changes} that changed something)", all - changes);
    Ok(())
}

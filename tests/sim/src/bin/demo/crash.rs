//! Power cut in mid-task: the agent is killed with a task under way, and the next one goes on with that task.

use serde_json::json;

use crate::daemon::Daemon;
use crate::stage::{PATIENCE, Stage, title};

const SHUTDOWN: &str = "/nodes/pve/lxc/100/status/shutdown";

pub(crate) fn play(stage: &Stage, daemon: &mut Daemon) -> Result<(), String> {
    title("kill -9 in the middle of a task");
    // It takes as long as we want: the agent is killed in it, and started again.
    stage.node.world(|world| world.faults.hung_types.insert("vzshutdown".to_owned()));
    daemon.is_to_want(stage, &[("web", json!({"run_state": "stopped"}))])?;
    stage.sees("web (lxc/100) should now be stopped; its shutdown has begun", PATIENCE, |stage| {
        (shutdowns(stage) == 1).then(|| "one task under way".to_owned())
    })?;
    daemon
        .hears(PATIENCE, |line| line.contains("intent") && line.contains("shut down"))
        .ok_or("the intent")?;
    daemon.kill();
    println!("  the agent was killed with SIGKILL; the task goes on in Proxmox");
    if stage.runs(100) != Some(true) {
        return Err("a task that is still under way".to_owned());
    }
    *daemon = Daemon::start(stage)?;
    let adopted = daemon
        .hears(PATIENCE, |line| line.contains("lxc/100") && line.contains("UPID:"))
        .ok_or("that the next agent knows of the task")?;
    println!("  seen: the next one found it in its journal: {adopted}");
    stage.node.world(|world| world.faults.hung_types.clear());
    stage.sees("web is stopped, and it was asked to stop exactly once", PATIENCE, |stage| {
        (stage.runs(100) == Some(false) && shutdowns(stage) == 1).then(|| "one POST in all".to_owned())
    })?;
    daemon.hears(PATIENCE, |line| line.contains("web (lxc/100) is in order")).ok_or("web in order")?;
    if shutdowns(stage) != 1 {
        return Err(format!("one shutdown, but there were {}", shutdowns(stage)));
    }
    let verdict = stage.says(&["journal", "verify"])?;
    println!("  seen: the journal is whole: {}", verdict.lines().next().unwrap_or_default());
    Ok(())
}

fn shutdowns(stage: &Stage) -> usize {
    stage.changing(|call| call.path.ends_with(SHUTDOWN)).len()
}

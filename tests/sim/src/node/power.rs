//! Start, stop, shutdown, reboot: what fails at once, what fails only in the task, and what a lock does to each.

use serde_json::json;

use super::ask::{Ask, failure, find_guest, locked_text, no_such_guest};
use super::config_file::Kind;
use super::tasks::{Next, TaskId, Work};
use super::world::{Running, World};
use crate::api::{ApiError, Caller, Reply};

/// Seconds a shutdown waits when the call names none.
const DEFAULT_SHUTDOWN_S: f64 = 60.0;

/// `POST …/status/start`
pub fn start(world: &mut World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    refuse_skiplock(ask)?;
    let vmid = ask.vmid();
    if kind == Kind::Lxc && is_running(world, kind, vmid) {
        return Err(failure(format!("CT {vmid} already running")));
    }
    if let Some(upid) = hand_to_ha(world, kind, vmid, ask.caller, "hastart") {
        return Ok(upid);
    }
    let upid = world.fork_locked(&task_type(kind, "start"), vmid, ask.caller, move |world, task| {
        begin_start(world, kind, vmid, task)
    });
    Ok(Reply::data(json!(upid)))
}

/// `POST …/status/stop`
pub fn stop(world: &mut World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    refuse_skiplock(ask)?;
    let vmid = ask.vmid();
    if kind == Kind::Lxc && !is_running(world, kind, vmid) {
        return Err(failure(format!("CT {vmid} not running")));
    }
    if let Some(upid) = hand_to_ha(world, kind, vmid, ask.caller, "hastop") {
        return Ok(upid);
    }
    if ask.flag("overrule-shutdown") {
        world.abort_all(&task_type(kind, "shutdown"), &vmid.to_string(), &ask.caller.auth_id);
    }
    let upid = world.fork_locked(&task_type(kind, "stop"), vmid, ask.caller, move |world, _| {
        if let Some(refusal) = refuse_change(world, kind, vmid) {
            return refusal;
        }
        let pace = world.pace.stop;
        Next::Wait(pace, Work::new(move |world, _| halt(world, vmid)))
    });
    Ok(Reply::data(json!(upid)))
}

/// `POST …/status/shutdown`
pub fn shutdown(world: &mut World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    refuse_skiplock(ask)?;
    let vmid = ask.vmid();
    if kind == Kind::Lxc && !is_running(world, kind, vmid) {
        return Err(failure(format!("CT {vmid} not running")));
    }
    if let Some(upid) = hand_to_ha(world, kind, vmid, ask.caller, "hastop") {
        return Ok(upid);
    }
    let patience = Patience { timeout_s: timeout(ask), force: ask.flag("forceStop") };
    let upid = world.fork_locked(&task_type(kind, "shutdown"), vmid, ask.caller, move |world, task| {
        if let Some(refusal) = refuse_change(world, kind, vmid) {
            return refusal;
        }
        begin_shutdown(world, kind, vmid, task, patience, Work::new(|_, _| Next::Done))
    });
    Ok(Reply::data(json!(upid)))
}

/// `POST …/status/reboot`. A container's stops without looking at the lock, and then cannot start.
pub fn reboot(world: &mut World, kind: Kind, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let vmid = ask.vmid();
    if !is_running(world, kind, vmid) {
        return Err(failure(format!("VM {vmid} not running")));
    }
    let patience = Patience { timeout_s: timeout(ask), force: false };
    let upid = world.fork_locked(&task_type(kind, "reboot"), vmid, ask.caller, move |world, task| {
        if kind == Kind::Qemu
            && let Some(refusal) = refuse_change(world, kind, vmid)
        {
            return refusal;
        }
        let restart = Work::new(move |world, task| {
            let locked = world.guest(vmid).and_then(super::world::Guest::lock).is_some();
            if locked {
                world.log(task, "run_buffer: 322 Script exited with status 255");
                world.log(
                    task,
                    format!("lxc_init: 844 Failed to run lxc.hook.pre-start for container \"{vmid}\""),
                );
                world.log(task, format!("__lxc_start: 2027 Failed to initialize container \"{vmid}\""));
                return Next::Fail(format!("startup for container '{vmid}' failed"));
            }
            begin_start(world, kind, vmid, task)
        });
        begin_shutdown(world, kind, vmid, task, patience, restart)
    });
    Ok(Reply::data(json!(upid)))
}

/// `suspend`, `resume` and `reset`: a container cannot be suspended here, a machine is paused and goes on.
pub fn pause(world: &mut World, kind: Kind, ask: &Ask<'_>, verb: &'static str) -> Result<Reply, ApiError> {
    let vmid = ask.vmid();
    find_guest(world, kind, vmid)?;
    if kind == Kind::Lxc && !is_running(world, kind, vmid) {
        return Err(failure(format!("CT {vmid} not running")));
    }
    let upid = world.fork_locked(&task_type(kind, verb), vmid, ask.caller, move |world, _| {
        if kind == Kind::Lxc {
            return Next::Fail(format!(
                "command 'lxc-checkpoint -n {vmid} -s -D /var/lib/vz/dump' failed: exit code 1"
            ));
        }
        let Some(running) = world.guests.get_mut(&vmid).and_then(|guest| guest.running.as_mut()) else {
            return Next::Fail(format!("VM {vmid} not running"));
        };
        running.qmp = if verb == "suspend" { "paused" } else { "running" };
        Next::Done
    });
    Ok(Reply::data(json!(upid)))
}

#[derive(Clone, Copy)]
struct Patience {
    timeout_s: f64,
    force: bool,
}

pub fn task_type(kind: Kind, verb: &str) -> String {
    format!("{}{verb}", kind.task_prefix())
}

pub fn is_running(world: &World, kind: Kind, vmid: u32) -> bool {
    world.guest(vmid).is_some_and(|guest| guest.kind == kind && guest.running.is_some())
}

fn timeout(ask: &Ask<'_>) -> f64 {
    ask.text("timeout").and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_SHUTDOWN_S)
}

/// `skiplock` is for root itself; its tokens may not.
pub fn refuse_skiplock(ask: &Ask<'_>) -> Result<(), ApiError> {
    if ask.flag("skiplock") && !ask.is_root() {
        return Err(ApiError::parameter("skiplock", "Only root may use this option."));
    }
    Ok(())
}

/// In a task: the guest is gone, or locked. A stopped machine is left alone whatever its lock, as there is nothing to do.
fn refuse_change(world: &World, kind: Kind, vmid: u32) -> Option<Next> {
    let Ok(guest) = find_guest(world, kind, vmid) else {
        return Some(Next::Fail(no_such_guest(world, kind, vmid)));
    };
    if kind == Kind::Qemu && guest.running.is_none() {
        return Some(Next::Done);
    }
    locked_text(guest).map(Next::Fail)
}

/// An HA manager takes the call: the task ends at once and the work begins later.
fn hand_to_ha(
    world: &mut World,
    kind: Kind,
    vmid: u32,
    caller: &Caller,
    verb: &'static str,
) -> Option<Reply> {
    world.guest(vmid).filter(|guest| guest.kind == kind)?.ha.as_ref()?;
    let upid = world.fork(verb, &vmid.to_string(), caller, move |world, _| {
        ha_does(world, kind, vmid, verb == "hastart");
        Next::Done
    });
    Some(Reply::data(json!(upid)))
}

/// The manager has the guest started or stopped, in a task of its own.
fn ha_does(world: &mut World, kind: Kind, vmid: u32, running: bool) {
    let manager = Caller { auth_id: "root@pam".to_owned() };
    if running {
        world.edit(vmid, |guest| guest.ha = Some("started".to_owned()));
        world.fork_locked(&task_type(kind, "start"), vmid, &manager, move |world, task| {
            begin_start(world, kind, vmid, task)
        });
    } else {
        world.edit(vmid, |guest| guest.ha = Some("stopped".to_owned()));
        world.fork_locked(&task_type(kind, "stop"), vmid, &manager, move |world, _| {
            let pace = world.pace.stop;
            Next::Wait(pace, Work::new(move |world, _| halt(world, vmid)))
        });
    }
}

/// `GET` and `PUT /cluster/ha/resources/{sid}`: what the manager was told, and to tell it otherwise, which answers at once.
pub fn ha_resource(world: &mut World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let sid = ask.text("sid").unwrap_or_default();
    let vmid = sid.split_once(':').and_then(|(_, vmid)| vmid.parse().ok()).unwrap_or_default();
    let known = world.guest(vmid).and_then(|guest| Some((guest.kind, guest.ha.clone()?)));
    let Some((kind, state)) = known else { return Err(failure(format!("no such resource '{sid}'"))) };
    let Some(wanted) = ask.text("state") else {
        let service = if kind == Kind::Lxc { "ct" } else { "vm" };
        return Ok(Reply::data(json!({"sid": sid, "type": service, "state": state, "digest": "0"})));
    };
    if wanted != state {
        ha_does(world, kind, vmid, wanted == "started");
    }
    Ok(Reply::data(serde_json::Value::Null))
}

/// The start of a guest within a task that holds its lock.
pub fn begin_start(world: &mut World, kind: Kind, vmid: u32, task: TaskId) -> Next {
    let Ok(guest) = find_guest(world, kind, vmid) else {
        return Next::Fail(no_such_guest(world, kind, vmid));
    };
    let template = guest.config().main.flag("template");
    let refusal = match kind {
        Kind::Lxc if template => Some("you can't start a CT if it's a template".to_owned()),
        Kind::Qemu if template => Some("you can't start a vm if it's a template".to_owned()),
        _ if guest.running.is_some() => Some(format!("{} {vmid} already running", kind.noun())),
        _ => locked_text(guest),
    };
    if let Some(refusal) = refusal {
        return Next::Fail(refusal);
    }
    world.apply_pending(vmid);
    if kind == Kind::Lxc && !world.root_exists(vmid) {
        return end_start(world, kind, vmid, task, true);
    }
    let habits = world.guest(vmid).map(|guest| guest.habits.clone()).unwrap_or_default();
    for line in &habits.start_warnings {
        world.warn(task, line);
    }
    let pace = world.pace.start;
    Next::Wait(pace, Work::new(move |world, task| end_start(world, kind, vmid, task, habits.fails_to_start)))
}

fn end_start(world: &mut World, kind: Kind, vmid: u32, task: TaskId, fails: bool) -> Next {
    if fails {
        return match kind {
            Kind::Lxc => {
                world.log(
                    task,
                    "sync_wait: 34 An error occurred in another process (expected sequence number 7)",
                );
                world.log(task, format!("__lxc_start: 2107 Failed to spawn container \"{vmid}\""));
                Next::Fail(format!("startup for container '{vmid}' failed"))
            }
            Kind::Qemu => Next::Fail("start failed: QEMU exited with code 1".to_owned()),
        };
    }
    let (pid, since_ms) = (world.tasks.next_pid(), world.now_ms());
    if let Some(guest) = world.guests.get_mut(&vmid) {
        guest.running = Some(Running { pid, since_ms, qmp: "running" });
    }
    Next::Done
}

fn begin_shutdown(
    world: &World,
    kind: Kind,
    vmid: u32,
    _task: TaskId,
    patience: Patience,
    then: Work,
) -> Next {
    let Ok(guest) = find_guest(world, kind, vmid) else {
        return Next::Fail(no_such_guest(world, kind, vmid));
    };
    let Patience { timeout_s, force } = patience;
    let deaf = guest.habits.ignores_shutdown;
    if !deaf && timeout_s >= world.pace.shutdown {
        return Next::Wait(
            world.pace.shutdown,
            Work::new(move |world, task| {
                halt(world, vmid);
                then.run(world, task)
            }),
        );
    }
    Next::Wait(
        timeout_s,
        Work::new(move |world, task| {
            if force {
                if kind == Kind::Qemu {
                    world.log(task, "VM still running - terminating now with SIGTERM");
                }
                halt(world, vmid);
                return then.run(world, task);
            }
            if kind == Kind::Qemu {
                return Next::Fail("VM quit/powerdown failed - got timeout".to_owned());
            }
            world.log(
                task,
                format!("command 'lxc-stop -n {vmid} --nokill --timeout {timeout_s:.0}' failed: exit code 1"),
            );
            Next::Fail("container did not stop".to_owned())
        }),
    )
}

/// The guest is down; a machine takes its pending changes as it leaves.
fn halt(world: &mut World, vmid: u32) -> Next {
    let kind = world.guests.get_mut(&vmid).map(|guest| {
        guest.running = None;
        guest.kind
    });
    if kind == Some(Kind::Qemu) {
        world.apply_pending(vmid);
    }
    Next::Done
}

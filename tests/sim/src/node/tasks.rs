//! Tasks: workers that take time, without a thread. Each is a chain of stages; [`World::advance`] runs those whose time has come.
//!
//! Owns: UPIDs, logs, exit texts, and who waits for a guest's file lock.
//! Never: waits. A stage returns what comes next and after how long.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::config_file::Kind;
use super::world::World;
use crate::api::Caller;

/// The number of a task within this world, in order of start.
pub type TaskId = usize;

/// What follows a stage.
pub enum Next {
    Done,
    Fail(String),
    /// After so many of the node's seconds.
    Wait(f64, Work),
    /// Not its turn: asked again whenever time advances.
    Blocked(Work),
}

type Stage = dyn FnOnce(&mut World, TaskId) -> Next + Send;

/// One stage of a worker.
pub struct Work(Box<Stage>);

impl Work {
    pub fn new(stage: impl FnOnce(&mut World, TaskId) -> Next + Send + 'static) -> Self {
        Self(Box::new(stage))
    }

    pub fn run(self, world: &mut World, task: TaskId) -> Next {
        (self.0)(world, task)
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Work")
    }
}

#[derive(Debug)]
pub struct Task {
    pub upid: String,
    pub pid: u32,
    pub pstart: u32,
    pub start: u64,
    pub kind: String,
    pub id: String,
    /// `root@pam!agent`.
    pub auth_id: String,
    pub log: Vec<String>,
    pub warnings: u32,
    /// The exit text and the second of the end.
    pub ended: Option<(String, u64)>,
    /// Its log and its entry are gone.
    pub vanished: bool,
    stages_run: u32,
    blocked: bool,
    stage: Option<(u64, Work)>,
    /// What an abort must tidy: run with the log still open, it returns the exit text.
    on_abort: Option<Cleanup>,
}

#[derive(Debug, Default)]
pub struct Tasks {
    list: Vec<Task>,
    by_upid: BTreeMap<String, TaskId>,
    /// Those that have not ended.
    live: BTreeSet<TaskId>,
    pids: u32,
}

/// What an abort must tidy; returns the exit text.
struct Cleanup(Box<Tidy>);

type Tidy = dyn FnOnce(&mut World, TaskId) -> String + Send;

impl fmt::Debug for Cleanup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Cleanup")
    }
}

impl Tasks {
    pub fn get(&self, id: TaskId) -> Option<&Task> {
        self.list.get(id)
    }

    pub fn find(&self, upid: &str) -> Option<(TaskId, &Task)> {
        let id = *self.by_upid.get(upid)?;
        self.list.get(id).filter(|task| !task.vanished).map(|task| (id, task))
    }

    /// All that are not forgotten, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Task> {
        self.list.iter().rev().filter(|task| !task.vanished)
    }

    pub fn next_pid(&mut self) -> u32 {
        self.pids += 1;
        20_000 + self.pids
    }
}

impl Task {
    pub fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    /// `root@pam` and `agent`.
    pub fn user_and_token(&self) -> (&str, Option<&str>) {
        self.auth_id
            .split_once('!')
            .map_or((self.auth_id.as_str(), None), |(user, token)| (user, Some(token)))
    }
}

impl World {
    /// Starts a worker and returns its UPID; its first stage runs as soon as time advances.
    pub fn fork(
        &mut self,
        kind: &str,
        id: &str,
        caller: &Caller,
        stage: impl FnOnce(&mut Self, TaskId) -> Next + Send + 'static,
    ) -> String {
        let task_id = self.tasks.list.len();
        let pid = self.tasks.next_pid();
        let (now_ms, start) = (self.now_ms(), self.now());
        let pstart = u32::try_from((now_ms / 10) % 0x7fff_ffff).unwrap_or_default();
        let upid =
            format!("UPID:{}:{pid:08X}:{pstart:08X}:{start:08X}:{kind}:{id}:{}:", self.name, caller.auth_id);
        let stage = if let Some(text) = self.faults.failing_types.get(kind) {
            let text = text.clone();
            Work::new(move |_, _| Next::Fail(text))
        } else {
            Work::new(stage)
        };
        self.tasks.by_upid.insert(upid.clone(), task_id);
        self.tasks.live.insert(task_id);
        self.tasks.list.push(Task {
            upid: upid.clone(),
            pid,
            pstart,
            start,
            kind: kind.to_owned(),
            id: id.to_owned(),
            auth_id: caller.auth_id.clone(),
            log: Vec::new(),
            warnings: 0,
            ended: None,
            vanished: false,
            stages_run: 0,
            blocked: false,
            stage: Some((now_ms, stage)),
            on_abort: None,
        });
        upid
    }

    /// Like [`World::fork`] for a worker that needs the guest's file lock from beginning to end.
    pub fn fork_locked(
        &mut self,
        kind: &str,
        vmid: u32,
        caller: &Caller,
        stage: impl FnOnce(&mut Self, TaskId) -> Next + Send + 'static,
    ) -> String {
        self.fork(kind, &vmid.to_string(), caller, move |world, task| {
            world.with_flock(vmid, task, None, Work::new(stage))
        })
    }

    /// Runs a stage once the guest's file lock is free, or fails with `got timeout`.
    pub fn with_flock(&mut self, vmid: u32, task: TaskId, waiting_since: Option<u64>, stage: Work) -> Next {
        let now_ms = self.now_ms();
        let wait_ms = self.clock.scaled(self.pace.flock_wait);
        let Some(guest) = self.guests.get_mut(&vmid) else { return (stage.0)(self, task) };
        let held = guest.foreign_flock || guest.flock.is_some_and(|holder| holder != task);
        if !held {
            guest.flock = Some(task);
            if waiting_since.is_some() {
                self.log(task, " OK");
            }
            return (stage.0)(self, task);
        }
        let kind = guest.kind;
        let since = waiting_since.unwrap_or_else(|| {
            self.log(task, "trying to acquire lock...");
            now_ms
        });
        if now_ms >= since + wait_ms {
            return Next::Fail(flock_timeout(kind, vmid));
        }
        Next::Blocked(Work::new(move |world, task| world.with_flock(vmid, task, Some(since), stage)))
    }

    pub fn log(&mut self, task: TaskId, line: impl Into<String>) {
        if let Some(task) = self.tasks.list.get_mut(task) {
            task.log.push(line.into());
        }
    }

    pub fn warn(&mut self, task: TaskId, line: &str) {
        if let Some(task) = self.tasks.list.get_mut(task) {
            task.log.push(format!("WARN: {line}"));
            task.warnings += 1;
        }
    }

    /// Says what an abort of this task has to tidy up; the closure returns the exit text.
    pub fn on_abort(
        &mut self,
        task: TaskId,
        cleanup: impl FnOnce(&mut Self, TaskId) -> String + Send + 'static,
    ) {
        if let Some(task) = self.tasks.list.get_mut(task) {
            task.on_abort = Some(Cleanup(Box::new(cleanup)));
        }
    }

    /// Runs every stage whose time has come, until nothing moves.
    pub fn advance(&mut self) {
        loop {
            let now_ms = self.now_ms();
            let is_due = |id: &TaskId| {
                self.tasks
                    .list
                    .get(*id)
                    .and_then(|task| task.stage.as_ref())
                    .is_some_and(|(at, _)| *at <= now_ms)
            };
            let due: Vec<TaskId> = self.tasks.live.iter().copied().filter(is_due).collect();
            let mut moved = false;
            for id in due {
                moved |= self.run_stage(id, now_ms);
            }
            if !moved {
                return;
            }
        }
    }

    /// Runs one stage; false when the task is only waiting for its turn.
    fn run_stage(&mut self, id: TaskId, now_ms: u64) -> bool {
        let Some(task) = self.tasks.list.get_mut(id) else { return false };
        if self.faults.hung_types.contains(&task.kind) {
            return false;
        }
        let Some((at, stage)) = task.stage.take() else { return false };
        if self.faults.killed_types.contains(&task.kind) && task.stages_run > 0 {
            self.kill_worker(id);
            return true;
        }
        // A stage that waited for its turn begins when it gets it; any other when it was due, however late the call that runs it.
        let began = if self.tasks.list.get(id).is_some_and(|task| task.blocked) { now_ms } else { at };
        let next = (stage.0)(self, id);
        let stage = match next {
            Next::Done => {
                self.finish(id, None, began / 1000);
                return true;
            }
            Next::Fail(text) => {
                self.finish(id, Some(text), began / 1000);
                return true;
            }
            Next::Wait(seconds, work) => Some((began + self.clock.scaled(seconds), work, true)),
            Next::Blocked(work) => Some((at, work, false)),
        };
        let Some((at, work, moved)) = stage else { return true };
        if let Some(task) = self.tasks.list.get_mut(id) {
            task.stage = Some((at, work));
            task.stages_run += u32::from(moved);
            task.blocked = !moved;
        }
        moved
    }

    fn finish(&mut self, id: TaskId, failure: Option<String>, end: u64) {
        self.release_locks(id);
        let Some(task) = self.tasks.list.get_mut(id) else { return };
        let (line, exit) = match failure {
            Some(text) => (format!("TASK ERROR: {text}"), text),
            None if task.warnings > 0 => {
                (format!("TASK WARNINGS: {}", task.warnings), format!("WARNINGS: {}", task.warnings))
            }
            None => ("TASK OK".to_owned(), "OK".to_owned()),
        };
        task.log.push(line);
        task.ended = Some((exit, end));
        task.stage = None;
        task.on_abort = None;
        task.vanished = self.faults.vanish_types.contains(&task.kind);
    }

    fn release_locks(&mut self, id: TaskId) {
        for guest in self.guests.values_mut() {
            if guest.flock == Some(id) {
                guest.flock = None;
            }
        }
        self.tasks.live.remove(&id);
        if self.backup_lock == Some(id) {
            self.backup_lock = None;
        }
    }

    /// `DELETE` of a task: an interrupt the worker sees, tidies up after and reports.
    pub fn abort(&mut self, id: TaskId) {
        let Some(task) = self.tasks.list.get_mut(id) else { return };
        if task.ended.is_some() {
            return;
        }
        let cleanup = task.on_abort.take();
        let text = cleanup.map_or_else(|| "received interrupt".to_owned(), |cleanup| (cleanup.0)(self, id));
        let end = self.now();
        self.finish(id, Some(text), end);
    }

    /// Aborts the caller's own running tasks of a type for a guest.
    pub fn abort_all(&mut self, kind: &str, id: &str, auth_id: &str) {
        let mine = |task: &Task| task.kind == kind && task.id == id && task.auth_id == auth_id;
        let doomed: Vec<TaskId> = self
            .tasks
            .live
            .iter()
            .copied()
            .filter(|live| self.tasks.list.get(*live).is_some_and(mine))
            .collect();
        for task in doomed {
            self.abort(task);
        }
    }

    /// SIGKILL or a power cut: no last line, no cleanup, locks of the configuration stay.
    pub fn kill_worker(&mut self, id: TaskId) {
        let end = self.now();
        self.release_locks(id);
        if let Some(task) = self.tasks.list.get_mut(id)
            && task.ended.is_none()
        {
            task.ended = Some(("unexpected status".to_owned(), end));
            task.stage = None;
            task.on_abort = None;
        }
    }

    /// Kills the worker of a UPID; false when there is none.
    pub fn kill_task(&mut self, upid: &str) -> bool {
        let id = self.tasks.find(upid).map(|(id, _)| id);
        id.inspect(|id| self.kill_worker(*id)).is_some()
    }

    /// Makes the node forget a task.
    pub fn vanish_task(&mut self, upid: &str) -> bool {
        let Some((id, _)) = self.tasks.find(upid) else { return false };
        self.tasks.list.get_mut(id).map(|task| task.vanished = true).is_some()
    }
}

/// The error of a call or a task that waited too long for a guest's file lock.
pub fn flock_timeout(kind: Kind, vmid: u32) -> String {
    match kind {
        Kind::Lxc => format!("can't lock file '/run/lock/lxc/pve-config-{vmid}.lock' - got timeout"),
        Kind::Qemu => format!("can't lock file '/var/lock/qemu-server/lock-{vmid}.conf' - got timeout"),
    }
}

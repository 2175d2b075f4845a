//! Tasks: the list, one task's state and log, and the waiter.
//!
//! The waiter polls at once, then after 100 ms, and ever more slowly up to 5 s. Faults of transport, a restarted pvedaemon,
//! a pmxcfs that is away: it goes on asking until its deadline, for the worker outlives them all. It never ends a task.
//! What a task says of itself is not yet the truth: the guest is read again by the caller.

use std::fmt;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use serde::Deserialize;

use super::classify;
use super::client::{Client, Intent, LIST, SMALL};
use super::error::PveError;
use super::form::{Form, segment};
use super::perl;
use super::upid::Upid;
use crate::http::Method;
use crate::journal::Recorded;
use crate::model::guest::Vmid;

/// Where a task stands, by one reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    Running,
    /// With Proxmox's exit text; `None` when it gave none, which can be a moment between two states.
    Stopped(Option<String>),
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    Ok,
    /// It succeeded and had something to say.
    Warnings(Vec<String>),
    /// `text` is its exit text, `log` the end of its log.
    Failed {
        text: String,
        log: Vec<String>,
    },
    /// Nobody can say how it ended: the worker was killed, its log is gone, or we may not ask.
    Unknown(String),
    /// The deadline passed and the task was not seen to end: it runs, or its node cannot be asked and it may.
    TimedOut,
    /// We were told to stop waiting; the task goes on.
    Stopped,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskSource {
    /// Finished ones.
    #[default]
    Archive,
    /// Running ones, and those that just ended.
    Active,
    All,
}

/// Which tasks to list. A token without Sys.Audit sees only its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    pub source: TaskSource,
    pub vmid: Option<Vmid>,
    /// `vzdump`, `qmstart`, …
    pub kind: Option<String>,
    /// Seconds since 1970.
    pub since: Option<u64>,
    /// Proxmox's default is 50.
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTask {
    pub upid: Upid,
    /// Seconds since 1970; `None` while it runs.
    pub ended: Option<u64>,
    /// `None` while it runs.
    pub exit: Option<String>,
}

impl ListedTask {
    pub fn is_running(&self) -> bool {
        self.ended.is_none() && self.exit.is_none()
    }
}

#[derive(Deserialize)]
struct Row {
    #[serde(deserialize_with = "perl::text")]
    upid: Option<String>,
    #[serde(default, deserialize_with = "perl::unsigned")]
    endtime: Option<u64>,
    #[serde(default, deserialize_with = "perl::text")]
    status: Option<String>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default, deserialize_with = "perl::text")]
    status: Option<String>,
    #[serde(default, deserialize_with = "perl::text")]
    exitstatus: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default, rename = "t", deserialize_with = "perl::text")]
    text: Option<String>,
}

/// Lines of a log a page.
const PAGE: u64 = 500;
/// Lines that are kept of a long log: its end.
const TAIL: u64 = 50;
/// Lines of a log that are read in search of warnings.
const MOST: u64 = 20_000;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Client {
    /// Newest first. A row whose task id cannot be read is passed over.
    pub fn tasks(&self, filter: &TaskFilter) -> Result<Vec<ListedTask>, PveError> {
        let source = match filter.source {
            TaskSource::Archive => "archive",
            TaskSource::Active => "active",
            TaskSource::All => "all",
        };
        let form = Form::new()
            .with("source", source)
            .with_some("vmid", filter.vmid)
            .with_some("typefilter", filter.kind.as_ref())
            .with_some("since", filter.since)
            .with_some("limit", filter.limit);
        let rows: Vec<Row> = self.get(&self.on_node("/tasks")?, &form, LIST)?;
        Ok(rows.into_iter().filter_map(listed).collect())
    }

    pub fn task_status(&self, upid: &Upid) -> Result<TaskState, PveError> {
        let status: Result<Status, PveError> = self.get(&self.of_task(upid, "/status")?, &Form::new(), SMALL);
        let status = status.map_err(|error| match error {
            PveError::NoSuchTask { .. } => PveError::NoSuchTask { upid: upid.to_string() },
            error => error,
        })?;
        match status.status.as_deref() {
            Some("running") => Ok(TaskState::Running),
            Some("stopped") => Ok(TaskState::Stopped(status.exitstatus.filter(|exit| !exit.is_empty()))),
            _ => Err(PveError::Body {
                call: format!("status of {upid}"),
                what: "the task is neither running nor stopped".to_owned(),
            }),
        }
    }

    /// The whole log, read to its end page by page (at most its first 20 000 lines).
    pub fn task_log(&self, upid: &Upid) -> Result<Vec<String>, PveError> {
        let mut lines = Vec::new();
        let mut start = 0;
        loop {
            let (mut page, total) = self.log_page(upid, start, PAGE)?;
            let is_last = page.is_empty();
            start = start.saturating_add(u64::try_from(page.len()).unwrap_or(PAGE));
            lines.append(&mut page);
            if is_last || start >= total.unwrap_or(start) || start >= MOST {
                return Ok(lines);
            }
        }
    }

    /// The end of the log, at most 50 lines.
    pub fn task_log_tail(&self, upid: &Upid) -> Result<Vec<String>, PveError> {
        let (page, total) = self.log_page(upid, 0, TAIL)?;
        match total {
            Some(total) if total > TAIL => {
                Ok(self.log_page(upid, total.saturating_sub(TAIL), TAIL.saturating_mul(2))?.0)
            }
            _ => Ok(page),
        }
    }

    /// Asks Proxmox to end a task. It answers at once, whether the task obeys or has long ended.
    pub fn stop_task(&self, recorded: &Recorded, upid: &Upid) -> Result<(), PveError> {
        let path = self.of_task(upid, "")?;
        self.submit(&Intent::of_no_guest(recorded), &Method::DELETE, &path, &Form::new())?;
        Ok(())
    }

    /// Waits for a task's end, at most until `deadline` from now, or until `stop` says something or is dropped.
    pub fn wait(&self, upid: &Upid, deadline: Duration, stop: &Receiver<()>) -> TaskEnd {
        let until = Instant::now() + deadline;
        let mut pause = FIRST_PAUSE;
        // The last doubtful reading: it must be had twice.
        let mut doubt: Option<String> = None;
        loop {
            let mut fault = None;
            match self.task_status(upid) {
                Ok(TaskState::Running) => doubt = None,
                Ok(TaskState::Stopped(exit)) => match Exit::of(exit) {
                    Exit::Ok => return TaskEnd::Ok,
                    Exit::Warnings => return self.warnings(upid),
                    Exit::Failed(text) => return self.failure(upid, text),
                    Exit::Doubtful(text) => match doubt {
                        Some(before) if before == text => return TaskEnd::Unknown(text),
                        _ => {
                            doubt = Some(text);
                            pause = FIRST_PAUSE;
                        }
                    },
                },
                Err(error) if is_final(&error) => return TaskEnd::Unknown(error.to_string()),
                Err(error) => {
                    log::debug!("waiting for {upid}: {error}");
                    fault = Some(error);
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                if let Some(text) = fault {
                    // Not heard of is not ended: the task may well run on.
                    log::warn!("waited long enough for {upid}, whose node could not be asked: {text}");
                    return TaskEnd::TimedOut;
                }
                return doubt.map_or(TaskEnd::TimedOut, TaskEnd::Unknown);
            }
            match stop.recv_timeout(pause.min(left)) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return TaskEnd::Stopped,
                Err(RecvTimeoutError::Timeout) => {}
            }
            pause = pause.saturating_mul(3).checked_div(2).unwrap_or(pause).min(LONGEST_PAUSE);
        }
    }

    fn warnings(&self, upid: &Upid) -> TaskEnd {
        let log = match self.task_log(upid) {
            Ok(log) => log,
            Err(error) => return TaskEnd::Warnings(vec![format!("its log could not be read: {error}")]),
        };
        let is_warning = |line: &String| line.to_ascii_uppercase().starts_with("WARN");
        let found: Vec<String> = log.iter().filter(|line| is_warning(line)).cloned().collect();
        TaskEnd::Warnings(if found.is_empty() { tail(log) } else { found })
    }

    fn failure(&self, upid: &Upid, text: String) -> TaskEnd {
        let log = match self.task_log_tail(upid) {
            Ok(log) => tail(log),
            Err(error) => vec![format!("its log could not be read: {error}")],
        };
        TaskEnd::Failed { text, log }
    }

    fn log_page(&self, upid: &Upid, start: u64, limit: u64) -> Result<(Vec<String>, Option<u64>), PveError> {
        let form = Form::new().with("start", start).with("limit", limit);
        let (lines, total): (Vec<Line>, _) = self.get_page(&self.of_task(upid, "/log")?, &form, LIST)?;
        Ok((lines.into_iter().map(|line| line.text.unwrap_or_default()).collect(), total))
    }

    fn of_task(&self, upid: &Upid, rest: &str) -> Result<String, PveError> {
        self.on_node(&format!("/tasks/{}{rest}", segment(upid.as_str())))
    }
}

impl TaskEnd {
    /// The task's end as a result: the lines of its warnings, or why it did not succeed.
    pub fn into_result(self, upid: &Upid) -> Result<Vec<String>, PveError> {
        match self {
            Self::Ok => Ok(Vec::new()),
            Self::Warnings(lines) => Ok(lines),
            Self::Failed { text, log } => Err(classify::failed_task(upid, text, log)),
            end @ (Self::Unknown(_) | Self::TimedOut | Self::Stopped) => {
                Err(PveError::TaskUndecided { upid: upid.to_string(), end: end.to_string() })
            }
        }
    }

    /// The one line that says why: the exit text, or the log's `ERROR:` line where the text only says `job errors`.
    pub fn cause(&self) -> Option<&str> {
        let Self::Failed { text, log } = self else { return None };
        let told = || log.iter().rev().find_map(|line| line.strip_prefix("ERROR: "));
        Some(if text == "job errors" { told().unwrap_or(text) } else { text })
    }
}

impl fmt::Display for TaskEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("it succeeded"),
            Self::Warnings(lines) => write!(f, "it succeeded with {} warnings", lines.len()),
            Self::Failed { .. } => write!(f, "it failed: {}", self.cause().unwrap_or_default()),
            Self::Unknown(text) => write!(f, "nobody can say how it ended: {text}"),
            Self::TimedOut => f.write_str("it still runs"),
            Self::Stopped => f.write_str("it was left running"),
        }
    }
}

/// What an exit text means, as Proxmox itself reads it.
#[derive(Debug, PartialEq, Eq)]
enum Exit {
    Ok,
    Warnings,
    Failed(String),
    /// To be read twice before it is believed, and then it is only known that nothing is known.
    Doubtful(String),
}

impl Exit {
    fn of(exit: Option<String>) -> Self {
        let Some(text) = exit else {
            return Self::Doubtful("it ended without saying how".to_owned());
        };
        let warnings = text.strip_prefix("WARNINGS: ");
        if text == "OK" {
            Self::Ok
        } else if warnings.is_some_and(|count| !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit()))
        {
            Self::Warnings
        } else if text == "unexpected status" || text.starts_with("unable to get last line from task log") {
            Self::Doubtful(text)
        } else {
            Self::Failed(text)
        }
    }
}

/// Errors that no waiting cures.
fn is_final(error: &PveError) -> bool {
    matches!(
        error,
        PveError::NoSuchTask { .. }
            | PveError::Forbidden(_)
            | PveError::Parameter { .. }
            | PveError::NotImplemented { .. }
            | PveError::Setup(_)
    )
}

fn listed(row: Row) -> Option<ListedTask> {
    let text = row.upid?;
    match text.parse() {
        Ok(upid) => {
            // A running one has no status, or `RUNNING`, as the list of active ones puts it.
            let exit = row.status.filter(|status| status != "RUNNING");
            Some(ListedTask { upid, ended: row.endtime, exit })
        }
        Err(error) => {
            log::warn!("the list of tasks: {error}");
            None
        }
    }
}

fn tail(mut lines: Vec<String>) -> Vec<String> {
    let keep = usize::try_from(TAIL).unwrap_or(usize::MAX);
    lines.drain(..lines.len().saturating_sub(keep));
    lines
}

#[cfg(test)]
mod tests {
    use super::{Exit, TaskEnd, listed};

    #[test]
    fn an_exit_text_means_what_proxmox_means_by_it() {
        let doubtful = |text: &str| Exit::Doubtful(text.to_owned());
        let failed = |text: &str| Exit::Failed(text.to_owned());
        for (text, expected) in [
            ("OK", Exit::Ok),
            ("WARNINGS: 1", Exit::Warnings),
            ("WARNINGS: 12", Exit::Warnings),
            ("WARNINGS: ", failed("WARNINGS: ")),
            ("WARNINGS: x", failed("WARNINGS: x")),
            ("ok", failed("ok")),
            ("job errors", failed("job errors")),
            ("received interrupt", failed("received interrupt")),
            ("CT is locked (backup)", failed("CT is locked (backup)")),
            ("unexpected status", doubtful("unexpected status")),
            (
                "unable to get last line from task log - no such file",
                doubtful("unable to get last line from task log - no such file"),
            ),
        ] {
            assert_eq!(Exit::of(Some(text.to_owned())), expected);
        }
        assert!(matches!(Exit::of(None), Exit::Doubtful(_)));
    }

    #[test]
    fn a_backup_s_cause_is_in_its_log() {
        let log = ["INFO: x", "ERROR: Backup of VM 103 failed - CT is locked (backup)", "INFO: y"];
        let end = TaskEnd::Failed { text: "job errors".to_owned(), log: log.map(str::to_owned).to_vec() };
        assert_eq!(end.cause(), Some("Backup of VM 103 failed - CT is locked (backup)"));
        let end = TaskEnd::Failed { text: "no".to_owned(), log: log.map(str::to_owned).to_vec() };
        assert_eq!(end.cause(), Some("no"));
    }

    #[test]
    fn a_running_task_has_no_end_in_either_list() {
        for (row, is_running) in [
            (
                r#"{"upid":"UPID:pve:00005B5F:0004C76F:6B010DEF:qmshutdown:200:root@pam!agent:","status":"RUNNING","saved":"0"}"#,
                true,
            ),
            (r#"{"upid":"UPID:pve:00005B5F:0004C76F:6B010DEF:qmshutdown:200:root@pam!agent:"}"#, true),
            (
                r#"{"upid":"UPID:pve:00005B5F:0004C76F:6B010DEF:qmstart:200:root@pam!agent:","status":"OK","endtime":"5","saved":1}"#,
                false,
            ),
        ] {
            let task = listed(serde_json::from_str(row).unwrap()).unwrap();
            assert_eq!(task.is_running(), is_running, "{row}");
        }
        assert!(listed(serde_json::from_str(r#"{"upid":"nonsense"}"#).unwrap()).is_none());
    }
}

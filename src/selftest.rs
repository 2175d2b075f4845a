//! The selftest: checks as values, each a name and a function that gives findings. The read-only ones change nothing.

mod checks;
mod privileges;
mod task;

use serde::Serialize;

use crate::config::Config;
use crate::model::guest::Vmid;
use crate::pve::{Client, PveError};

pub use self::checks::{HUB, READ_ONLY};

/// What a check found: one thing, how grave it is, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub severity: Severity,
    pub what: String,
    /// Absent where there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    Failed,
    /// Not checked: what it needs is not configured, or failed before.
    Skipped,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        }
    }
}

/// A check: its name, and what it does.
pub type Check = (&'static str, fn(&mut Bench) -> Vec<Verdict>);

/// A finding before its check's name is put to it.
pub type Verdict = (Severity, String, Option<String>);

/// What the checks share: the configuration, and the client once it was proven to reach the node.
#[derive(Debug)]
pub struct Bench {
    config: Config,
    client: Option<Client>,
}

impl Bench {
    pub fn new(config: Config) -> Self {
        Self { config, client: None }
    }
}

/// Runs checks in order and tells each finding as it comes.
pub fn run(checks: &[Check], bench: &mut Bench, tell: &mut impl FnMut(Finding)) {
    for (check, run) in checks {
        for (severity, what, remedy) in run(bench) {
            tell(Finding { check, severity, what, remedy });
        }
    }
}

/// Proves on one guest that tasks and descriptions work, and leaves the guest as it was.
pub fn run_task(vmid: Vmid, bench: &mut Bench, tell: &mut impl FnMut(Finding)) {
    run(checks::BEFORE_TASK, bench, tell);
    let mut tell_verdict = |check, (severity, what, remedy): Verdict| {
        tell(Finding { check, severity, what, remedy });
    };
    task::run(vmid, bench, &mut tell_verdict);
}

fn ok(what: impl Into<String>) -> Verdict {
    (Severity::Ok, what.into(), None)
}

fn skipped(what: impl Into<String>) -> Verdict {
    (Severity::Skipped, what.into(), None)
}

fn warning(what: impl Into<String>, remedy: impl Into<String>) -> Verdict {
    (Severity::Warning, what.into(), Some(remedy.into()))
}

fn failed(what: impl Into<String>, remedy: impl Into<String>) -> Verdict {
    (Severity::Failed, what.into(), Some(remedy.into()))
}

fn refused(error: &PveError) -> Verdict {
    failed(error.to_string(), error.advice())
}

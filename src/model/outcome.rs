//! How a step ended.

/// The end of one step, judged by re-reading the guest and not by the task's word alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The guest was read again and is as the step wanted it.
    Done { upid: Option<String> },
    /// Done, and the task had something to say.
    Warned { upid: String, lines: Vec<String> },
    /// The configuration changed between plan and write: nothing was written, plan again.
    Conflict { message: String },
    /// Nothing was changed.
    Failed(Failure),
    /// Nobody can say whether it happened: an operator's matter, never a retry.
    Uncertain { upid: Option<String>, message: String },
    /// The guest is gone and these volumes of it are not. Nothing removes them by itself.
    Partial { upid: Option<String>, left: Vec<String> },
    /// The task still runs in Proxmox; the next look at the guest decides.
    StillRunning { upid: String },
    /// The agent is ending and has not found out: the next start does.
    Interrupted { message: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Stable, for programs: `permission`, `locked`, `task_failed`, `unreachable`, …
    pub code: &'static str,
    pub message: String,
    pub upid: Option<String>,
    pub recourse: Recourse,
}

/// What can be done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recourse {
    /// It may go away by itself: try again, with back-off.
    Retry,
    /// Somebody else works on the guest: hold it and look again.
    Wait,
    /// No retry cures it: wait for a new generation or a changed world.
    Terminal,
}

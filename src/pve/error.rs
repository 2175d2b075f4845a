//! What can go wrong between us and Proxmox, told apart by what can be done about it.
//! Texts hold Proxmox's own words and the call, never the token. For each error: [`PveError::code`] for programs,
//! [`PveError::recourse`] for the control loop, [`PveError::advice`] for people.

use std::fmt;

use crate::http::{HttpError, UnsentFault};
use crate::model::observed::ReadFault;
use crate::model::outcome::Recourse;
use crate::model::sorted::Map;

/// `call` is the method and the path: `PUT /nodes/pve/lxc/101/config`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PveError {
    /// Our own configuration cannot be used; nothing was sent.
    #[error("{0}")]
    Setup(String),
    /// The request never reached the node: nothing was done.
    #[error("{call} was not sent: {fault}")]
    Unsent { call: String, fault: HttpError },
    /// The request may have reached the node, and no answer came.
    #[error("{call}: {fault}")]
    Unknown { call: String, fault: HttpError },
    /// An answer came that cannot be read: too large, cut, not JSON, not the promised shape.
    #[error("{call}: the answer cannot be used: {what}")]
    Body { call: String, what: String },
    /// 401: `No ticket`, or `Authentication failed!` for a wrong secret, an unknown, expired or disabled token alike.
    #[error("Proxmox does not accept the token: {reason}")]
    Unauthorized { reason: String },
    #[error("the token may not do this: {0}")]
    Forbidden(Denied),
    /// 400, with what is wrong with each parameter.
    #[error("Proxmox refused the parameters of {call}: {}", Listed(errors, text))]
    Parameter { call: String, errors: Map<String, String>, text: String },
    /// Somebody else works on the guest: `backup`, `snapshot`, `migrate`, …
    #[error("the guest is locked ({lock})")]
    Locked { lock: String },
    /// The configuration is no longer the one the change was planned against; nothing was written.
    #[error("the configuration was changed meanwhile: {text}")]
    DigestConflict { text: String },
    /// The node has no configuration of this guest. A guest of the other kind, or on another node, reads the same.
    #[error("the node has no such guest: {text}")]
    GuestMissing { text: String },
    /// Another process held the guest's configuration file for 10 s; nothing was done.
    #[error("the guest's configuration is busy: {text}")]
    ConfigBusy { text: String },
    /// 595 to 599: pveproxy could not get an answer from pvedaemon or the other node. What was begun may go on.
    #[error("{call}: pveproxy got no answer ({status}: {text})")]
    Proxy { call: String, status: u16, text: String },
    /// pmxcfs does not answer, or the cluster has no quorum.
    #[error("the cluster file system does not work: {text}")]
    ClusterFs { text: String },
    #[error("Proxmox knows no task {upid}")]
    NoSuchTask { upid: String },
    /// The task ran and failed. `log` is its end.
    #[error("the task failed: {text}")]
    TaskFailed { upid: String, text: String, denied: Option<Box<Denied>>, log: Vec<String> },
    /// The wait ended before the task did, or nobody can say how the task ended.
    #[error("the end of the task is not known: {end}")]
    TaskUndecided { upid: String, end: String },
    /// Proxmox answered `OK` where it should have begun a task: no guest of the request is on this node.
    #[error("{call}: Proxmox found nothing to do")]
    NothingDone { call: String },
    /// 501: this version of Proxmox does not know the call.
    #[error("Proxmox does not know this call: {text}")]
    NotImplemented { text: String },
    /// Everything else, in Proxmox's own words.
    #[error("{call}: Proxmox answered {status}: {text}")]
    Other { call: String, status: u16, text: String },
}

/// Why Proxmox refused: which privilege is missing where. Both are `None` where it gave only prose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// `/vms/101`
    pub path: Option<String>,
    /// `VM.PowerMgmt`, or several of which one is enough.
    pub privileges: Vec<String>,
    /// Proxmox's words.
    pub text: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "it lacks {} on {path}", self.privileges.join(" or ")),
            None => f.write_str(&self.text),
        }
    }
}

/// The errors of the parameters, or the text if there are none.
struct Listed<'a>(&'a Map<String, String>, &'a str);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(self.1);
        }
        for (index, (name, what)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "; " };
            write!(f, "{comma}{name}: {}", what.trim_end())?;
        }
        Ok(())
    }
}

impl PveError {
    /// From a call that got no whole answer.
    pub(super) fn of_transport(call: String, fault: HttpError) -> Self {
        match fault {
            HttpError::Setup { what } => Self::Setup(what),
            HttpError::Body { what, .. } => Self::Body { call, what },
            HttpError::Unsent { .. } => Self::Unsent { call, fault },
            HttpError::Unknown { .. } => Self::Unknown { call, fault },
        }
    }

    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setup(_) => "configuration",
            Self::Unsent { fault: HttpError::Unsent { fault: UnsentFault::Pin(_), .. }, .. } => "wrong_pin",
            Self::Unsent { fault: HttpError::Unsent { fault: UnsentFault::Certificate(_), .. }, .. } => {
                "certificate"
            }
            Self::Unsent { .. } => "unreachable",
            Self::Unknown { .. } => "no_answer",
            Self::Body { .. } => "bad_answer",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden(_) | Self::TaskFailed { denied: Some(_), .. } => "permission",
            Self::Parameter { .. } => "parameter",
            Self::Locked { .. } => "locked",
            Self::DigestConflict { .. } => "digest_conflict",
            Self::GuestMissing { .. } => "guest_missing",
            Self::ConfigBusy { .. } => "config_busy",
            Self::Proxy { .. } => "proxy",
            Self::ClusterFs { .. } => "cluster_fs",
            Self::NoSuchTask { .. } => "no_such_task",
            Self::TaskFailed { .. } => "task_failed",
            Self::TaskUndecided { .. } => "task_undecided",
            Self::NothingDone { .. } => "nothing_done",
            Self::NotImplemented { .. } => "not_implemented",
            Self::Other { .. } => "proxmox_error",
        }
    }

    pub fn recourse(&self) -> Recourse {
        match self {
            Self::Unsent { .. } if matches!(self.code(), "wrong_pin" | "certificate") => Recourse::Terminal,
            Self::TaskFailed { denied: Some(_), .. }
            | Self::Setup(_)
            | Self::Unauthorized { .. }
            | Self::Forbidden(_)
            | Self::Parameter { .. }
            | Self::GuestMissing { .. }
            | Self::NoSuchTask { .. }
            | Self::NothingDone { .. }
            | Self::NotImplemented { .. } => Recourse::Terminal,
            Self::Locked { .. } => Recourse::Wait,
            Self::Unsent { .. }
            | Self::Unknown { .. }
            | Self::Body { .. }
            | Self::DigestConflict { .. }
            | Self::ConfigBusy { .. }
            | Self::Proxy { .. }
            | Self::ClusterFs { .. }
            | Self::TaskFailed { .. }
            | Self::TaskUndecided { .. }
            | Self::Other { .. } => Recourse::Retry,
        }
    }

    /// Whether a mutation that ended so may have changed something: if so, read again before anything else. A 500 proves
    /// nothing: some of Proxmox's checks come after the write.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Setup(_)
            | Self::Unsent { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden(_)
            | Self::Parameter { .. }
            | Self::Locked { .. }
            | Self::DigestConflict { .. }
            | Self::GuestMissing { .. }
            | Self::ConfigBusy { .. }
            | Self::NoSuchTask { .. }
            | Self::NothingDone { .. }
            | Self::NotImplemented { .. } => false,
            Self::Unknown { .. }
            | Self::Body { .. }
            | Self::Proxy { .. }
            | Self::ClusterFs { .. }
            | Self::TaskFailed { .. }
            | Self::TaskUndecided { .. }
            | Self::Other { .. } => true,
        }
    }

    /// What to do about it, for a person.
    pub fn advice(&self) -> String {
        match self {
            Self::Setup(_) => "correct the configuration".to_owned(),
            Self::Unsent { .. } => match self.code() {
                "wrong_pin" => "if the node's certificate was renewed, compare with `felhom-agent pin` on the node and \
                                configure the new pin"
                    .to_owned(),
                "certificate" => {
                    "configure the pin that `felhom-agent pin` prints on the node, or the right CA file".to_owned()
                }
                _ => "see whether the address is right and pveproxy runs (systemctl status pveproxy)".to_owned(),
            },
            Self::Unknown { .. } => "see whether the node is overloaded; the state is read again".to_owned(),
            Self::Body { .. } => "see what answers at this address, and whether anything stands in between".to_owned(),
            Self::Unauthorized { .. } => {
                "see whether the token exists, has not expired, and its secret is right (pveum user token list)"
                    .to_owned()
            }
            Self::Forbidden(denied) => denied.advice(),
            Self::TaskFailed { denied: Some(denied), .. } => denied.advice(),
            Self::Parameter { .. } => "correct the value in the desired state".to_owned(),
            Self::Locked { lock } => format!(
                "wait until the {lock} is over; if no task of that kind runs, see `pct unlock` or `qm unlock`"
            ),
            Self::DigestConflict { .. } => "none: it is read and planned again".to_owned(),
            Self::GuestMissing { .. } => {
                "see whether the guest still exists, on this node and of this kind".to_owned()
            }
            Self::ConfigBusy { .. } => "none: it is tried again".to_owned(),
            Self::Proxy { .. } => {
                "see whether pvedaemon runs (systemctl status pvedaemon); the state is read again".to_owned()
            }
            Self::ClusterFs { .. } => {
                "see whether pmxcfs runs and the cluster has quorum (systemctl status pve-cluster, pvecm status)"
                    .to_owned()
            }
            Self::NoSuchTask { .. } => "none: its log is gone; the state of the guest decides".to_owned(),
            Self::TaskFailed { upid, .. } | Self::TaskUndecided { upid, .. } => format!("read the task's log in Proxmox: {upid}"),
            Self::NothingDone { .. } => "see whether the guest is on this node".to_owned(),
            Self::NotImplemented { .. } => "see which version of Proxmox VE the node runs".to_owned(),
            Self::Other { .. } => "read Proxmox's words; the node's journal may say more".to_owned(),
        }
    }

    /// As an observation keeps it.
    pub fn as_read_fault(&self) -> ReadFault {
        ReadFault { code: self.code(), message: self.to_string() }
    }
}

impl Denied {
    fn advice(&self) -> String {
        match (&self.path, self.privileges.first()) {
            (Some(path), Some(privilege)) => format!(
                "give the token's user and the token a role with {privilege} on {path} (pveum acl modify {path} …)"
            ),
            _ => "Proxmox reserves this for root@pam itself: do it by hand, or take it out of the desired state".to_owned(),
        }
    }
}

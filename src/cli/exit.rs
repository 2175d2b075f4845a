//! How a command ends: the codes scripts and service managers act on.

use std::process::ExitCode;

/// The codes follow sysexits where it has one; a unit's `RestartPreventExitStatus=78` relies on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    InOrder,
    Failed,
    Usage,
    /// `plan --exit-code` found differences.
    Differences,
    /// Another instance holds the lock.
    Locked,
    InputOutput,
    /// Nobody answered; it may be different in a minute.
    TryAgain,
    Permission,
    Configuration,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::InOrder => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Differences => 3,
            Self::Locked => 73,
            Self::InputOutput => 74,
            Self::TryAgain => 75,
            Self::Permission => 77,
            Self::Configuration => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

//! `daemon`: runs until it is told to end.

use crate::config;
use crate::daemon::{self, DaemonError};

use super::exit::Exit;
use super::page::Page;
use super::{Failure, Global, http_exit, logging};

pub(super) static PAGE: Page = Page {
    name: "daemon",
    commands: &[],
    options: &[],
    text: "\
Runs until it is told to end: observes guests, converges them to the desired
state, reports to the hub.

Usage: felhom-agent daemon

SIGTERM and SIGINT end it in order, a second one at once. SIGHUP reads
configuration and desired state again.

Ends with 73 when another instance runs, 78 when the configuration is not in order.

Example: felhom-agent daemon --set agent.log=debug
",
};

pub(super) fn run(global: &Global) -> Result<Exit, Failure> {
    let sources = global.sources();
    let config = config::load(&sources, daemon::NEEDS)?;
    let _until_the_end = logging::start_queued(&config.agent.log);
    match daemon::run(config, &sources) {
        Ok(()) => Ok(Exit::InOrder),
        Err(error) => Err(failure(error)),
    }
}

pub(super) fn failure(error: DaemonError) -> Failure {
    let exit = match error {
        DaemonError::State(error) => return error.into(),
        DaemonError::NoProxmox | DaemonError::Journal(_) => Exit::Configuration,
        DaemonError::Hub(ref fault) => http_exit(fault),
        _ => Exit::Failed,
    };
    Failure::new(exit, &error)
}

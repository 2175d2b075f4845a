//! `report`: collects the host report and prints it; with `--send` posts it as the daemon would.

use crate::config::{self, Config, Needs};
use crate::hub::Client;
use crate::paths::StateDir;
use crate::reporter::{Collector, Source};

use super::exit::Exit;
use super::line::{Given, Line, Stop};
use super::page::Page;
use super::print::Output;
use super::{Failure, Global, chain, http_exit, hub_failure};

pub(super) static PAGE: Page = Page {
    name: "report",
    commands: &[],
    options: &["--send"],
    text: "\
Collects the host report and prints it as JSON. Needs no hub.

Usage: felhom-agent report [--send]

Options:
  --send  posts the report to the hub, too, and prints its answer

Ends with 75 when the node did not answer; the report then says so.

Example: felhom-agent report
",
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ReportArguments {
    /// Posts the report to the hub, too, and prints its answer.
    pub(super) send: bool,
}

impl ReportArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let mut arguments = Self::default();
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--send") => arguments.send = true,
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        Ok(arguments)
    }
}

pub(super) fn run(
    global: &Global,
    arguments: &ReportArguments,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let needs = if arguments.send { Needs::BOTH } else { Needs::PROXMOX };
    let config = config::load(&global.sources(), needs)?;
    super::begin(&config, output);
    let host_id = host_id(&config, arguments.send, output)?;
    let Some(proxmox) = &config.proxmox else {
        return Err(Failure::text(Exit::Configuration, "proxmox is not configured"));
    };
    let source = Source {
        host_id: host_id.clone(),
        connection: proxmox.connection(),
        cloudflared: config.cloudflared.clone(),
    };
    let mut collector = Collector::start(source)
        .map_err(|error| Failure::text(Exit::InputOutput, format!("cannot start a thread: {error}")))?;
    let report = collector.collect(None);
    output.json(&report);
    if let (true, Some(hub)) = (arguments.send, &config.hub) {
        let client = Client::new(hub, &host_id).map_err(|error| Failure::new(http_exit(&error), &error))?;
        let answer = client.report(&report, None).map_err(|error| hub_failure(&error))?;
        output.json(&answer.envelope);
    }
    for problem in &report.problems {
        output.complain(&format!("{}: {}", problem.part, problem.message));
    }
    Ok(if report.host.is_some() { Exit::InOrder } else { Exit::TryAgain })
}

/// The host id; only a report that is sent mints one.
fn host_id(config: &Config, mint: bool, output: &mut Output) -> Result<String, Failure> {
    if mint && config.host_id.is_none() {
        return Ok(StateDir::open(&config.agent.state_dir)?.host_id()?);
    }
    match config.known_host_id() {
        Ok(Some(host_id)) => Ok(host_id),
        Ok(None) => Ok("not-minted-yet".to_owned()),
        Err(error) => {
            output.complain(&chain(&error));
            Ok("not-readable".to_owned())
        }
    }
}

//! `plan`: what the daemon would do, and why; reads only.

use std::path::Path;
use std::time::Duration;

use crate::clock;
use crate::config::{self, Config, DesiredSource, Needs};
use crate::control::ahead::{self, Beside};
use crate::daemon;
use crate::hub::{Client as HubClient, Desired};
use crate::model::desired::DesiredState;
use crate::model::guest::GuestId;
use crate::observe;
use crate::ops::trust;
use crate::plan::{self, NodeObservation, Plan, Settings, preflight, text};
use crate::pve::Client;
use crate::source::Found;
use crate::source::file::FileSource;

use super::exit::Exit;
use super::line::{Given, Line, Stop};
use super::page::Page;
use super::print::Output;
use super::status::Paint;
use super::{Failure, Global, http_exit, hub_failure, pve_failure};

pub(super) static PAGE: Page = Page {
    name: "plan",
    commands: &[],
    options: &["--json", "--exit-code"],
    text: "\
Prints what the daemon would do, and why, and why not; changes nothing. Of each
guest: the fields that differ or wait for its next start (wanted, running, and
pending where that is another), the steps in order, who has to wait and what to
do about it, and what is not managed.

It looks for itself and needs no daemon: who waits for another guest, for the
limit on how many guests one generation may stop, or for the node's boot is told
from this look and the state folder. What was tried before and when it is tried
again, a stop by the hub or the kill switch, and steps whose end is not known,
the daemon alone knows: see felhom-agent status.

Usage: felhom-agent plan [--json] [--exit-code]

Options:
  --json       as JSON
  --exit-code  ends with 3 when there is something to do

Ends with 0 whether or not there is something to do, unless --exit-code is given.

Example: felhom-agent plan --set desired.file=/root/desired.json
",
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PlanArguments {
    pub(super) json: bool,
    /// Ends with 3 when there is something to do.
    pub(super) exit_code: bool,
}

impl PlanArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let mut arguments = Self::default();
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--json") => arguments.json = true,
                Given::Option("--exit-code") => arguments.exit_code = true,
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        Ok(arguments)
    }
}

pub(super) fn run(global: &Global, arguments: &PlanArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = config::load(&global.sources(), Needs::PROXMOX)?;
    super::begin(&config, output);
    let desired = desired(&config)?;
    let Looked { plan, .. } = looked(&config, &desired)?;
    if arguments.json {
        output.json(&plan);
    } else {
        let paint = Paint::of_output();
        output.text(&paint.plan(&text::render(&plan)));
    }
    let differs = plan.guests.iter().any(|guest| !guest.is_in_order());
    Ok(if arguments.exit_code && differs { Exit::Differences } else { Exit::InOrder })
}

/// The desired state, from where the configuration says.
pub(super) fn desired(config: &Config) -> Result<DesiredState, Failure> {
    let host_id = host_id(config)?;
    let bytes = match &config.desired {
        DesiredSource::File { path, is_folder, poll: _ } => from_file(path, *is_folder)?,
        DesiredSource::Hub => from_hub(config, &host_id)?,
        DesiredSource::None => {
            let what =
                "there is no desired state: set desired.file, or hub.url (as in --set desired.file=/path)";
            return Err(Failure::text(Exit::Configuration, what));
        }
    };
    trust::read_manifest(config, &bytes, &host_id, clock::now())
        .map_err(|error| Failure::new(Exit::Failed, &error))
}

pub(super) fn host_id(config: &Config) -> Result<String, Failure> {
    config.known_host_id()?.ok_or_else(|| {
        let what = "this host has no id yet, and a desired state names the host it is for: set hub.host_id, or start \
                    the daemon once, which mints one";
        Failure::text(Exit::Configuration, what)
    })
}

/// What it holds now.
pub(super) fn from_file(path: &Path, is_folder: bool) -> Result<Vec<u8>, Failure> {
    let failed = |what: String| Failure::text(Exit::InputOutput, format!("the desired state: {what}"));
    match FileSource::at(path.to_owned(), is_folder, Duration::ZERO).read() {
        Found::Document(bytes) => Ok(bytes),
        Found::Unavailable(what) => Err(failed(what)),
        Found::Nothing | Found::Unchanged => Err(failed(format!("{} holds no document", path.display()))),
    }
}

fn from_hub(config: &Config, host_id: &str) -> Result<Vec<u8>, Failure> {
    let Some(hub) = &config.hub else {
        return Err(Failure::text(
            Exit::Configuration,
            "the desired state is the hub's, and no hub is configured",
        ));
    };
    let client = HubClient::new(hub, host_id).map_err(|error| Failure::new(http_exit(&error), &error))?;
    match client.desired(None) {
        Ok(Desired::Document { bytes, .. }) => Ok(bytes),
        Ok(Desired::Nothing | Desired::Unchanged) => {
            Err(Failure::text(Exit::Failed, format!("the hub has no desired state for host {host_id}")))
        }
        Err(error) => Err(hub_failure(&error)),
    }
}

/// A look at the node, and what would be done by it.
pub(super) struct Looked {
    pub(super) node: NodeObservation,
    pub(super) settings: Settings,
    pub(super) plan: Plan,
}

pub(super) fn looked(config: &Config, desired: &DesiredState) -> Result<Looked, Failure> {
    let Some(proxmox) = &config.proxmox else {
        return Err(Failure::text(Exit::Configuration, "proxmox is not configured"));
    };
    let client = Client::new(&proxmox.connection()).map_err(|error| pve_failure(&error))?;
    client.node().map_err(|error| pve_failure(&error))?;
    let managed: Vec<GuestId> = desired.guests.iter().map(|guest| guest.guest).collect();
    let seen = observe::node(&client, &managed);
    let mut settings = Settings {
        shutdown_timeout_s: config.agent.guest_shutdown_s,
        ha_through: config.agent.ha_through,
        in_window: config.agent.window.holds(clock::now()),
        ..Settings::default()
    };
    if let Ok(tag_case) = observe::tag_case(&client) {
        settings.tag_case = tag_case;
    }
    let mut plan = plan::plan(desired, &seen, &settings);
    if let Some(granted) = plan.has_steps().then(|| client.permissions().ok()).flatten() {
        for guest in &mut plan.guests {
            preflight::check(guest, &granted, &proxmox.token_id);
        }
    }
    let beside = Beside {
        state_dir: &config.agent.state_dir,
        blast_radius: config.agent.blast_radius,
        boot_grace_until: daemon::boot_grace_until(config),
    };
    ahead::restrain(&mut plan, desired, &seen, beside);
    Ok(Looked { node: seen, settings, plan })
}

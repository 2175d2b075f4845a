//! `config check` names every fault at once; `config show` prints what is in force, redacted.

use crate::config::{self, Config, Needs};
use crate::hub;
use crate::ops::trust::on_disk;
use crate::paths::StateDir;
use crate::pve;

use super::exit::Exit;
use super::line::{Given, Line, Stop};
use super::page::Page;
use super::print::Output;
use super::{Failure, Global, chain};

pub(super) static PAGE: Page = Page {
    name: "config",
    commands: &["check", "show"],
    options: &[],
    text: "\
Checks or shows the configuration. What each setting is stands in felhom-agent(8),
SETTINGS.

Usage: felhom-agent config COMMAND

Commands:
  check  names every fault of the configuration at once
  show   prints every setting, its value and where it came from

Example: felhom-agent config check --config /root/agent.json
",
};

pub(super) static CHECK: Page = Page {
    name: "config check",
    commands: &[],
    options: &[],
    text: "\
Checks the whole configuration, and the files it names, and names every fault at
once, with its line. Asks nobody and makes nothing.

Usage: felhom-agent config check

Ends with 0 when the configuration is in order, else with 78.

Example: felhom-agent config check --config /root/agent.json
",
};

pub(super) static SHOW: Page = Page {
    name: "config show",
    commands: &[],
    options: &["--json"],
    text: "\
Prints every setting, its value and where it came from; secrets are redacted.

Usage: felhom-agent config show [--json]

Options:
  --json  as JSON

Example: felhom-agent config show --set hub.poll_seconds=60
",
};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ConfigCommand {
    /// Checks the whole configuration and names every fault at once.
    Check,
    /// Prints every setting, its value and where it came from; secrets are redacted.
    Show { json: bool },
}

impl ConfigCommand {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        match line.next(&PAGE)? {
            None => Err(PAGE.usage("a command is missing: check or show")),
            Some(Given::Word(word)) if PAGE.command(&word)? == "check" => {
                line.end(&CHECK)?;
                Ok(Self::Check)
            }
            Some(Given::Word(_)) => Self::show(line),
            Some(other) => Err(PAGE.unexpected(&other)),
        }
    }

    fn show(line: &mut Line) -> Result<Self, Stop> {
        let mut json = false;
        while let Some(given) = line.next(&SHOW)? {
            match given {
                Given::Option("--json") => json = true,
                other => return Err(SHOW.unexpected(&other)),
            }
        }
        Ok(Self::Show { json })
    }
}

pub(super) fn run(global: &Global, command: &ConfigCommand, output: &mut Output) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Check => {
            let config = config::load(&global.sources(), Needs::PROXMOX)?;
            for warning in &config.warnings {
                output.complain(&format!("warning: {warning}"));
            }
            let faults = beyond_the_text(&config);
            if !faults.is_empty() {
                let message = format!("the configuration is not in order\n{}", faults.join("\n"));
                return Err(Failure::text(Exit::Configuration, message));
            }
            output.text("the configuration is in order");
        }
        ConfigCommand::Show { json } => {
            let config = config::load(&global.sources(), Needs::NOTHING)?;
            for warning in &config.warnings {
                output.complain(&format!("warning: {warning}"));
            }
            if *json {
                output.json(config.show());
            } else {
                output.text(&config.show().to_string());
            }
        }
    }
    Ok(Exit::InOrder)
}

/// What only shows when it is used: certificate files, the keyring, the state directory. Nothing is sent and nothing made.
fn beyond_the_text(config: &Config) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(Err(error)) = config.proxmox.as_ref().map(|proxmox| pve::Client::new(&proxmox.connection())) {
        faults.push(format!("proxmox: {}", chain(&error)));
    }
    if let Some(Err(error)) = config.hub.as_ref().map(|settings| hub::Client::new(settings, "check")) {
        faults.push(format!("hub: {}", chain(&error)));
    }
    if let Err(fault) = on_disk(&config.ops.keyring, config.ops.role_policy.as_deref()) {
        faults.push(format!("ops: {fault}"));
    }
    if let Err(error) = StateDir::known_host_id_in(&config.agent.state_dir) {
        faults.push(format!("agent.state_dir: {}", chain(&error)));
    }
    faults
}

//! `selftest`: prints what the checks found; ends with 1 when one failed.

use crate::config::{self, Needs};
use crate::model::guest::Vmid;
use crate::selftest::{self, Bench, Finding, Severity};

use super::exit::Exit;
use super::line::{Given, Line, Stop};
use super::page::{Page, repeated};
use super::print::Output;
use super::{Failure, Global};

pub(super) static PAGE: Page = Page {
    name: "selftest",
    commands: &["task", "hub"],
    options: &["--json"],
    text: "\
Checks reach, TLS, token, privileges, clock, storage and hub; names what is
missing and the command that grants it. Changes nothing.

Usage: felhom-agent selftest [--json] [COMMAND]

Commands:
  task  proves on one guest that tasks work, and leaves it as it was
  hub   checks the hub alone

Options:
  --json  as JSON

Ends with 1 when a check failed.

Example: felhom-agent selftest
",
};

pub(super) static TASK: Page = Page {
    name: "selftest task",
    commands: &[],
    options: &["--vmid N", "--json"],
    text: "\
Proves on one guest that tasks work: makes a snapshot and deletes it, writes a
description and restores it.

Usage: felhom-agent selftest task --vmid N [--json]

Options:
  --vmid N  the guest to prove it on
  --json    as JSON

Ends with 1 when it failed.

Example: felhom-agent selftest task --vmid 101
",
};

pub(super) static HUB: Page = Page {
    name: "selftest hub",
    commands: &[],
    options: &["--json"],
    text: "\
Checks the hub alone: reach, TLS, key, desired state.

Usage: felhom-agent selftest hub [--json]

Options:
  --json  as JSON

Ends with 1 when a check failed.

Example: felhom-agent selftest hub
",
};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct SelftestArguments {
    pub(super) json: bool,
    pub(super) command: Option<SelftestCommand>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum SelftestCommand {
    /// Proves on one guest that tasks work.
    Task { vmid: Vmid },
    /// Checks the hub alone.
    Hub,
}

impl SelftestArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        Self::parse_below(line, &PAGE)
    }

    /// The earlier agent's `--selftest`, `--selftest=task` and `--selftest=hub`, which scripts still use.
    pub(super) fn parse_earlier(line: &mut Line) -> Result<Self, Stop> {
        let page = match line.attached() {
            None => &PAGE,
            Some(what) if what == "task" => &TASK,
            Some(what) if what == "hub" => &HUB,
            Some(_) => {
                return Err(PAGE.usage("--selftest stands alone, or is --selftest=task or --selftest=hub"));
            }
        };
        Self::parse_below(line, page)
    }

    fn parse_below(line: &mut Line, page: &'static Page) -> Result<Self, Stop> {
        let (mut page, mut json, mut vmid) = (page, false, None);
        while let Some(given) = line.next(page)? {
            match given {
                Given::Option("--json") => json = true,
                Given::Option("--vmid") if vmid.is_none() => vmid = Some(parse_vmid(line)?),
                Given::Word(word) if page.name == PAGE.name => {
                    page = if PAGE.command(&word)? == "task" { &TASK } else { &HUB };
                }
                other => return Err(page.unexpected(&other)),
            }
        }
        let command = match (page.name, vmid) {
            (name, Some(vmid)) if name == TASK.name => Some(SelftestCommand::Task { vmid }),
            (name, _) if name == TASK.name => {
                return Err(TASK.usage("--vmid N is missing: the guest to prove it on"));
            }
            (name, _) if name == HUB.name => Some(SelftestCommand::Hub),
            _ => None,
        };
        Ok(Self { json, command })
    }
}

fn parse_vmid(line: &mut Line) -> Result<Vmid, Stop> {
    let value = line.value(&TASK, "--vmid N")?.to_string_lossy().into_owned();
    value.parse().map_err(|_echo: String| {
        let allowed = format!("allowed are {} to {}", Vmid::MIN, Vmid::MAX);
        TASK.usage(&format!("--vmid {} is no guest's number\n{allowed}", repeated(&value)))
    })
}

pub(super) fn run(
    global: &Global,
    arguments: &SelftestArguments,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let needs = match &arguments.command {
        Some(SelftestCommand::Hub) => Needs::HUB,
        None | Some(SelftestCommand::Task { .. }) => Needs::PROXMOX,
    };
    let config = config::load(&global.sources(), needs)?;
    super::begin(&config, output);
    let mut bench = Bench::new(config);
    let mut findings = Vec::new();
    let mut show = |finding: Finding| {
        if !arguments.json {
            output.text(&text(&finding));
        }
        findings.push(finding);
    };
    match &arguments.command {
        None => selftest::run(selftest::READ_ONLY, &mut bench, &mut show),
        Some(SelftestCommand::Hub) => selftest::run(selftest::HUB, &mut bench, &mut show),
        Some(SelftestCommand::Task { vmid }) => selftest::run_task(*vmid, &mut bench, &mut show),
    }
    if arguments.json {
        output.json(&findings);
    }
    let failed = findings.iter().filter(|finding| finding.severity == Severity::Failed).count();
    if !arguments.json {
        let warned = findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
        output.text(&format!("{} checks, {failed} failed, {warned} to look at", findings.len()));
    }
    Ok(if failed == 0 { Exit::InOrder } else { Exit::Failed })
}

/// `ok       reach        Proxmox VE 9.2.11 answers`, and the remedy below it.
fn text(finding: &Finding) -> String {
    let mut text = format!("{:<8} {:<12} {}", finding.severity.as_str(), finding.check, finding.what);
    if let Some(remedy) = &finding.remedy {
        text.push_str(&format!("\n{:21} -> {remedy}", ""));
    }
    text
}

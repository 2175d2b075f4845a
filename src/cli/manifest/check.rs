//! `manifest check`: every fault of a desired-state document at once, without a node or a hub.

use std::path::PathBuf;

use serde_json::json;

use crate::clock;
use crate::manifest;
use crate::plan::safe;

use super::super::Failure;
use super::super::exit::Exit;
use super::super::line::{Given, Line, Stop};
use super::super::op::{bytes_of, only_file};
use super::super::page::Page;
use super::super::print::Output;

pub(in crate::cli) static PAGE: Page = Page {
    name: "manifest check",
    commands: &[],
    options: &["--host-id ID", "--json"],
    text: "\
Finds every fault of a desired-state document, not only the first. Needs neither
a node nor a hub.

Usage: felhom-agent manifest check [--host-id ID] [--json] FILE

FILE is a document, - is standard input.

Options:
  --host-id ID  the host it must be for [the one it names]
  --json        as JSON

Ends with 1 when there is a fault.

Example: felhom-agent manifest check desired.json
",
};

#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct CheckArguments {
    host_id: Option<String>,
    json: bool,
    file: PathBuf,
}

impl CheckArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let (mut host_id, mut json, mut file) = (None, false, None);
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--host-id") if host_id.is_none() => {
                    host_id = Some(line.text(&PAGE, "--host-id ID")?);
                }
                Given::Option("--json") => json = true,
                Given::Word(word) if file.is_none() => file = Some(PathBuf::from(word)),
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        Ok(Self { host_id, json, file: only_file(&PAGE, file)? })
    }
}

pub(super) fn run(arguments: &CheckArguments, output: &mut Output) -> Result<Exit, Failure> {
    let bytes = bytes_of(&arguments.file, manifest::MAX_BYTES)?;
    let faults = manifest::faults(&bytes, arguments.host_id.as_deref(), clock::now());
    if arguments.json {
        let listed = faults.iter().map(|(id, message)| json!({ "resource": id, "message": message }));
        output.json(&json!({ "ok": faults.is_empty(), "faults": listed.collect::<Vec<_>>() }));
    } else if faults.is_empty() {
        output.text("in order");
    } else {
        for (id, message) in &faults {
            let id = id.as_ref().map(|id| format!("{}: ", safe(id)));
            output.text(&format!("{}{}", id.unwrap_or_default(), safe(message)));
        }
        output.text(&format!("{} faults", faults.len()));
    }
    Ok(if faults.is_empty() { Exit::InOrder } else { Exit::Failed })
}

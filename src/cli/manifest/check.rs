//! `manifest check`: every fault of a desired-state document at once, without a node or a hub.

use std::path::PathBuf;

use serde_json::json;

use crate::clock;
use crate::manifest::{self, Finding};
use crate::plan::safe;
use crate::proof::document::put;

use super::super::Failure;
use super::super::exit::Exit;
use super::super::line::{Given, Line, Stop};
use super::super::op::{bytes_of, only_file};
use super::super::page::Page;
use super::super::plan;
use super::super::print::Output;

pub(in crate::cli) static PAGE: Page = Page {
    name: "manifest check",
    commands: &[],
    options: &["--host-id ID", "--json"],
    text: "\
Finds every fault of a desired-state document, not only the first. Needs neither
a node nor a hub.

Usage: felhom-agent manifest check [--host-id ID] [--json] FILE

FILE is a document, or a folder whose files *.json together are one; - is
standard input. The rules are those of the daemon; all that a manifest may say is
in felhom-agent(8), MANIFEST. A signed document is checked before it is signed.

Options:
  --host-id ID  the host it must be for [the one it names]
  --json        as JSON

Ends with 1 when there is a fault, 74 when nothing can be read.

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
    let file = &arguments.file;
    let bytes =
        if file.is_dir() { plan::from_file(file, true)? } else { bytes_of(file, manifest::MAX_BYTES)? };
    let faults = manifest::faults(&bytes, arguments.host_id.as_deref(), clock::now());
    if arguments.json {
        let listed = faults.iter().map(|fault| {
            let mut listed = json!({ "resource": fault.resource, "message": fault.message });
            if let Some(file) = &fault.file {
                put(&mut listed, "file", json!(file));
            }
            listed
        });
        output.json(&json!({ "ok": faults.is_empty(), "faults": listed.collect::<Vec<_>>() }));
    } else if faults.is_empty() {
        output.text("in order");
    } else {
        for Finding { file, resource, message } in &faults {
            let parts = [file.as_deref(), resource.as_deref(), Some(message)];
            output.text(&parts.into_iter().flatten().map(safe).collect::<Vec<_>>().join(": "));
        }
        let s = if faults.len() == 1 { "" } else { "s" };
        output.text(&format!("{} fault{s}", faults.len()));
    }
    Ok(if faults.is_empty() { Exit::InOrder } else { Exit::Failed })
}

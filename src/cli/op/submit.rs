//! `op submit`: hands a signed operation to the daemon of this host. The daemon trusts the signatures, not who brings them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::authz::MAX_ENVELOPE;

use super::super::exit::Exit;
use super::super::line::{Given, Line, Stop};
use super::super::page::Page;
use super::super::print::Output;
use super::super::socket::Socket;
use super::super::{Failure, Global};
use super::status;
use super::{bytes_of, only_file};

pub(in crate::cli) static PAGE: Page = Page {
    name: "op submit",
    commands: &[],
    options: &["--socket PATH", "--json"],
    text: "\
Hands a signed operation to the daemon of this host, and says whether it accepted
it. Bringing the same operation again does nothing twice.

Usage: felhom-agent op submit [--socket PATH] [--json] FILE

FILE is a signed operation, - is standard input.

Options:
  --socket PATH  the daemon's socket [agent.socket of the configuration]
  --json         as JSON

Accepted is not done: op status tells how it goes on. Ends with 1 when it was
rejected, 75 when no daemon answers, 77 when this user may not.

Example: felhom-agent op submit signed.json
",
};

#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct SubmitArguments {
    socket: Option<PathBuf>,
    json: bool,
    file: PathBuf,
}

impl SubmitArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let (mut socket, mut json, mut file) = (None, false, None);
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--socket") if socket.is_none() => {
                    socket = Some(PathBuf::from(line.value(&PAGE, "--socket PATH")?));
                }
                Given::Option("--json") => json = true,
                Given::Word(word) if file.is_none() => file = Some(PathBuf::from(word)),
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        Ok(Self { socket, json, file: only_file(&PAGE, file)? })
    }
}

pub(super) fn run(
    global: &Global,
    arguments: &SubmitArguments,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let envelope = bytes_of(Path::new(&arguments.file), MAX_ENVELOPE)?;
    let reply = Socket::of(global, arguments.socket.clone())?.post("/v1/ops", &envelope)?;
    let (code, message) = reply.error();
    if !reply.is_good() && !code.is_empty() && reply.status != 403 {
        if arguments.json {
            output.json(&reply.json()?);
        }
        // What a code in capitals names is the operation's fault or the moment's; the daemon has answered either way.
        let exit = if reply.status >= 500 { Exit::TryAgain } else { Exit::Failed };
        return Err(Failure::text(exit, format!("not accepted: {code}: {message}")));
    }
    let record = reply.good()?;
    if arguments.json {
        output.json(&record);
        return Ok(Exit::InOrder);
    }
    output.text(&status::describe(&record));
    if let Some(op_id) = record.get("op_id").and_then(Value::as_str) {
        output.text(&format!("follow it with: felhom-agent op status {op_id}"));
    }
    Ok(Exit::InOrder)
}

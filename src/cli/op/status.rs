//! `op status`: what became of an operation that was accepted.

use std::path::PathBuf;

use serde_json::Value;

use crate::model::op::OpId;

use super::super::exit::Exit;
use super::super::line::{Given, Line, Stop};
use super::super::page::{Page, repeated};
use super::super::print::Output;
use super::super::socket::Socket;
use super::super::{Failure, Global};

pub(in crate::cli) static PAGE: Page = Page {
    name: "op status",
    commands: &[],
    options: &["--socket PATH", "--json"],
    text: "\
Says what became of an operation that the daemon of this host accepted: waiting,
running, or how it ended and what to do.

Usage: felhom-agent op status [--socket PATH] [--json] ID

ID is the operation's op_id.

Options:
  --socket PATH  the daemon's socket [agent.socket of the configuration]
  --json         as JSON

Ends with 1 when it ended otherwise than done, or when no operation with this id
was accepted; 75 when no daemon answers.

Example: felhom-agent op status 01a1fcc9-5398-7abc-8def-0123456789ab
",
};

#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct StatusArguments {
    socket: Option<PathBuf>,
    json: bool,
    op_id: OpId,
}

impl StatusArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let (mut socket, mut json, mut op_id) = (None, false, None);
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--socket") if socket.is_none() => {
                    socket = Some(PathBuf::from(line.value(&PAGE, "--socket PATH")?));
                }
                Given::Option("--json") => json = true,
                Given::Word(word) if op_id.is_none() => {
                    let word = word.to_string_lossy();
                    let expected = "an op id is a UUID, version 7, in lower case";
                    op_id = Some(OpId::parse(&word).map_err(|_echo| {
                        PAGE.usage(&format!("{} is no op id\n{expected}", repeated(&word)))
                    })?);
                }
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        let op_id = op_id.ok_or_else(|| PAGE.usage("ID is missing: the op_id of the operation"))?;
        Ok(Self { socket, json, op_id })
    }
}

pub(super) fn run(
    global: &Global,
    arguments: &StatusArguments,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let path = format!("/v1/ops/{}", arguments.op_id);
    let reply = Socket::of(global, arguments.socket.clone())?.get(&path)?;
    if reply.status == 404 {
        let what = format!("no operation {} was accepted here, or its record was let go", arguments.op_id);
        return Err(Failure::text(Exit::Failed, what));
    }
    let record = reply.good()?;
    if arguments.json {
        output.json(&record);
    } else {
        output.text(&describe(&record));
    }
    let result = record.pointer("/end/result").and_then(Value::as_str);
    Ok(if result.is_none_or(|result| result == "done") { Exit::InOrder } else { Exit::Failed })
}

/// The record in plain words. What is not there is not said.
pub(super) fn describe(record: &Value) -> String {
    let text = |path: &str| record.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut lines =
        vec![format!("{}: {}", text("/op_id").unwrap_or("?"), text("/state").unwrap_or("unknown"))];
    let mut say = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            lines.push(format!("  {:<10} {value}", format!("{name}:")));
        }
    };
    say("kind", text("/kind"));
    say("guest", text("/guest"));
    say("accepted", text("/accepted_at"));
    say("expires", text("/exp"));
    say("task", text("/upid"));
    say("result", text("/end/result"));
    say("code", text("/end/code"));
    say("message", text("/end/message"));
    say("ended", text("/end/at"));
    for volume in record.pointer("/end/volumes_left").and_then(Value::as_array).into_iter().flatten() {
        say("left", volume.as_str());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::describe;

    #[test]
    fn a_record_is_said_in_plain_words() {
        let record = json!({
            "op_id": "01a1fcc9-5398-7abc-8def-0123456789ab", "kind": "guest.destroy", "guest": "lxc/105", "state": "ended",
            "end": {"result": "partial_cleanup", "code": "VolumesLeft", "message": "one is left", "volumes_left": ["a:b"]}
        });
        let text = describe(&record);
        for part in [": ended", "lxc/105", "partial_cleanup", "one is left", "left:      a:b"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

//! `explain`: why a guest, or one field of it, is treated as it is. Asked of the daemon where one runs, else found out by a
//! look of its own.

use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::clock;
use crate::config::{self, Needs};
use crate::model::sorted::Map;
use crate::plan::explain::{Known, explain};
use crate::proof::document::put;

use self::words::render;
use super::exit::Exit;
use super::line::{Given, Line, Stop};
use super::page::Page;
use super::plan::{Looked, desired, looked};
use super::print::Output;
use super::socket::Socket;
use super::status::Paint;
use super::{Failure, Global};

mod words;

pub(super) static PAGE: Page = Page {
    name: "explain",
    commands: &[],
    options: &["--json", "--socket PATH"],
    text: "\
Tells of a resource, or of one of its fields: what is wanted and where that was
said, what was read and by which call, the rule by which the two are compared,
what will happen, and why not. Changes nothing.

Usage: felhom-agent explain [--json] [--socket PATH] RESOURCE[.FIELD]

RESOURCE is a resource's id or its guest's number; FIELD is named as in the
desired state: memory_mb, nets.net0, nets.net0.bridge, cloud_init.user, rootfs,
mounts.mp0.size_gb, run_state. Also what the desired state does not name.

Options:
  --json         as JSON
  --socket PATH  the daemon's socket [agent.socket of the configuration]

Asks the daemon where one runs; else reads the desired state and the node itself,
as plan does.

Ends with 0 whatever is told, 1 when there is no such resource or field.

Example: felhom-agent explain web.memory_mb
",
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ExplainArguments {
    pub(super) json: bool,
    pub(super) socket: Option<PathBuf>,
    pub(super) name: String,
}

impl ExplainArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let mut arguments = Self::default();
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--json") => arguments.json = true,
                Given::Option("--socket") if arguments.socket.is_none() => {
                    arguments.socket = Some(PathBuf::from(line.value(&PAGE, "--socket PATH")?));
                }
                Given::Word(word) if arguments.name.is_empty() => {
                    arguments.name =
                        word.into_string().map_err(|_bytes| PAGE.usage("RESOURCE[.FIELD] is not UTF-8"))?;
                }
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        if arguments.name.is_empty() {
            return Err(PAGE.usage("RESOURCE[.FIELD] is missing"));
        }
        Ok(arguments)
    }
}

pub(super) fn run(
    global: &Global,
    arguments: &ExplainArguments,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let asked = Socket::of(global, arguments.socket.clone()).and_then(|socket| {
        socket.get(&format!("/v1/explain/{}", utf8_percent_encode(&arguments.name, NON_ALPHANUMERIC)))
    });
    let told = match asked {
        Ok(reply) if reply.status == 404 => return Err(Failure::text(Exit::Failed, reply.error().1)),
        Ok(reply) => reply.good()?,
        // Unless a daemon was named, it is found out here when none answers and when none is to be asked.
        Err(Failure { exit: Exit::TryAgain | Exit::Configuration, .. }) if arguments.socket.is_none() => {
            alone(global, &arguments.name, output)?
        }
        Err(failure) => return Err(failure),
    };
    if arguments.json {
        output.json(&told);
    } else {
        let paint = Paint::of_output();
        output.text(&paint.plan(&render(&told, clock::now())));
    }
    Ok(Exit::InOrder)
}

/// By a look of its own, as `plan` has it.
fn alone(global: &Global, name: &str, output: &mut Output) -> Result<Value, Failure> {
    let config = config::load(&global.sources(), Needs::PROXMOX)?;
    super::begin(&config, output);
    let desired = desired(&config)?;
    let Looked { node, settings, plan } = looked(&config, &desired)?;
    let known = Known {
        desired: &desired,
        source: &config.desired_from(),
        settings: &settings,
        look: Some((&node, &plan, clock::now())),
        statuses: &Map::new(),
        halt: None,
        busy: &[],
        outdated: &[],
    };
    let mut told = explain(&known, name).map_err(|unknown| Failure::text(Exit::Failed, unknown.message))?;
    put(&mut told, "daemon", false.into());
    Ok(told)
}

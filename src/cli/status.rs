//! `status`: what the daemon of this host knows of itself and its guests, asked over the local socket.

mod screen;

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::time::Duration;

use crate::clock;

pub(super) use self::screen::{Paint, resources};
use super::exit::Exit;
use super::indent::indent;
use super::line::{Given, Line, Stop};
use super::page::Page;
use super::print::Output;
use super::socket::{Reply, Socket};
use super::{Failure, Global};

/// Between two screens of `--watch`.
const EVERY: Duration = Duration::from_secs(2);
/// Puts the cursor home and clears what is below.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

pub(super) static PAGE: Page = Page {
    name: "status",
    commands: &[],
    options: &["--json", "--watch", "--socket PATH"],
    text: "\
Shows on one screen what the daemon of this host knows: whether it may change
anything, conditions, each resource with what it waits for and what to do, work
in hand, signed operations, journal, reports.

Usage: felhom-agent status [--json] [--watch] [--socket PATH]

Options:
  --json         as JSON: the actual state as the hub gets it, and local facts
  --watch        again every 2 seconds, until it is interrupted
  --socket PATH  the daemon's socket [agent.socket of the configuration]

Ends with 0 when the daemon answered, whatever it said; 75 when none answers, 77
when this user may not ask. For a script: --json, or curl on /healthz.

Example: felhom-agent status --watch
",
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StatusArguments {
    pub(super) json: bool,
    pub(super) watch: bool,
    /// The configuration's if absent.
    pub(super) socket: Option<PathBuf>,
}

impl StatusArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let mut arguments = Self::default();
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--json") => arguments.json = true,
                Given::Option("--watch") => arguments.watch = true,
                Given::Option("--socket") if arguments.socket.is_none() => {
                    arguments.socket = Some(PathBuf::from(line.value(&PAGE, "--socket PATH")?));
                }
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        Ok(arguments)
    }
}

pub(super) fn run(
    global: &Global,
    arguments: &StatusArguments,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let socket = Socket::of(global, arguments.socket.clone())?;
    let on_terminal = stdout().is_terminal();
    let paint = Paint::of_output();
    if !arguments.watch {
        output.text(&shown(&socket, arguments.json, paint)?);
        return Ok(Exit::InOrder);
    }
    while !output.is_over() {
        // A daemon that is away for a moment is part of the picture.
        let screen = shown(&socket, arguments.json, paint).unwrap_or_else(|failure| failure.message);
        let is_screen = on_terminal && !arguments.json;
        let before = if is_screen { CLEAR } else { "" };
        let after = if is_screen || arguments.json { "" } else { "\n" };
        output.text(&format!("{before}{}\n{after}", screen.trim_end()));
        // Nobody sends: it is the waiting that is wanted.
        crossbeam_channel::after(EVERY).recv().ok();
    }
    Ok(Exit::InOrder)
}

fn shown(socket: &Socket, json: bool, paint: Paint) -> Result<String, Failure> {
    let reply = socket.get("/v1/status")?;
    let status = reply.good()?;
    Ok(if json { laid_out(&reply) } else { screen::render(&status, clock::now(), paint) })
}

/// As the daemon wrote it, with whatever a newer one says beyond what this program knows.
fn laid_out(reply: &Reply) -> String {
    indent(String::from_utf8_lossy(&reply.body).trim_end())
}

//! `apply`: one pass in the foreground: has the daemon look and follows what it does; where none runs, is one for that long.

mod follow;

use std::io::stdout;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use serde_json::Value;

use crate::config;
use crate::daemon::{self, DaemonError};

use self::follow::{Due, Follow};
use super::exit::Exit;
use super::in_hand::InHand;
use super::line::{Given, Line, Stop};
use super::page::Page;
use super::print::Output;
use super::socket::Socket;
use super::status::Paint;
use super::{Failure, Global};

/// Between two questions.
const EVERY: Duration = Duration::from_millis(250);

pub(super) static PAGE: Page = Page {
    name: "apply",
    commands: &[],
    options: &["--json", "--socket PATH"],
    text: "\
Reads the desired state, looks at the node, carries out what the plan says, and
shows how it goes on, until nothing is left to do or what is left waits.

Usage: felhom-agent apply [--json] [--socket PATH] [RESOURCE...]

RESOURCE is a resource's id; with some, only they are told of, and only they are
carried out where no daemon runs.

Options:
  --json         prints the resources' status at the end as JSON, no progress
  --socket PATH  the daemon's socket [agent.socket of the configuration]

Through the daemon where one runs, which goes on with everything in any case;
else by itself, as the daemon would, with the lock that keeps a second one out.

Ends with 0 when all is in order, 1 when something failed or was refused, 3 when
something is held, 73 when a daemon without a socket runs, 75 when it broke off.

Example: felhom-agent apply web
",
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ApplyArguments {
    pub(super) json: bool,
    pub(super) socket: Option<PathBuf>,
    pub(super) resources: Vec<String>,
}

impl ApplyArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let mut arguments = Self::default();
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--json") => arguments.json = true,
                Given::Option("--socket") if arguments.socket.is_none() => {
                    arguments.socket = Some(PathBuf::from(line.value(&PAGE, "--socket PATH")?));
                }
                Given::Word(word) => {
                    let word = word.into_string();
                    arguments.resources.push(word.map_err(|_bytes| PAGE.usage("RESOURCE is not UTF-8"))?);
                }
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        Ok(arguments)
    }
}

pub(super) fn run(global: &Global, arguments: &ApplyArguments, output: &mut Output) -> Result<Exit, Failure> {
    let there = Socket::of(global, arguments.socket.clone()).and_then(|socket| {
        socket.get("/v1/status")?;
        Ok(socket)
    });
    match there {
        Ok(socket) => pass(&socket, &socket.get("/v1/status")?.good()?, arguments, output),
        // Unless a daemon was named, the work is done here when none answers and when none is to be asked.
        Err(Failure { exit: Exit::TryAgain | Exit::Configuration, .. }) if arguments.socket.is_none() => {
            alone(global, arguments, output)
        }
        Err(failure) => Err(failure),
    }
}

/// `before`: the status from when on what is done is news.
fn pass(
    socket: &Socket,
    before: &Value,
    arguments: &ApplyArguments,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let mut follow = Follow::of(before, &arguments.resources, InHand::on(&stdout()));
    let passed = followed(socket, &mut follow, arguments, output);
    output.piece(&follow.over());
    let Some(status) = passed? else { return Ok(Exit::InputOutput) };
    let paint = Paint::of_output();
    follow.summary(&status, arguments.json, paint, output)
}

/// The status at the end; `None`: nobody reads any more.
fn followed(
    socket: &Socket,
    follow: &mut Follow,
    arguments: &ApplyArguments,
    output: &mut Output,
) -> Result<Option<Value>, Failure> {
    let mut due = Due::of(&socket.post("/v1/reconcile", &[])?.good()?);
    loop {
        let status = socket.get("/v1/status")?.good()?;
        if due.is_forgotten(&status) {
            due = Due::of(&socket.post("/v1/reconcile", &[])?.good()?);
        }
        if !arguments.json {
            output.piece(&follow.news(&status));
        }
        if due.is_over(&status) {
            return Ok(Some(status));
        }
        if output.is_over() {
            return Ok(None);
        }
        // Nobody sends: it is the waiting that is wanted.
        crossbeam_channel::after(EVERY).recv().ok();
    }
}

/// The daemon in this process, for one pass, on a socket of its own.
fn alone(global: &Global, arguments: &ApplyArguments, output: &mut Output) -> Result<Exit, Failure> {
    let sources = global.sources();
    let mut config = config::load(&sources, daemon::NEEDS)?;
    super::begin(&config, output);
    let path = config.agent.state_dir.join("apply.sock");
    config.agent.socket = Some(path.clone());
    config.agent.only.clone_from(&arguments.resources);
    let agent = std::thread::Builder::new()
        .name("agent".to_owned())
        .spawn(move || daemon::run(config, &sources))
        .map_err(|error| Failure::text(Exit::InputOutput, format!("cannot start a thread: {error}")))?;
    let socket = Socket::of(global, Some(path))?;
    while !agent.is_finished() && socket.get("/v1/status").is_err() {
        crossbeam_channel::after(EVERY).recv().ok();
    }
    if agent.is_finished() {
        return ended(agent).map(|()| Exit::Failed);
    }
    // It may have done something before it could be asked for the first time.
    let passed = pass(&socket, &Value::Null, arguments, output);
    // Who was interrupted is ending already, and a second signal would end it at once.
    if socket.get("/v1/status").is_ok() {
        kill_process(getpid(), Signal::TERM)
            .map_err(|error| Failure::text(Exit::Failed, format!("cannot end the pass: {error}")))?;
    }
    ended(agent)?;
    passed
}

fn ended(agent: JoinHandle<Result<(), DaemonError>>) -> Result<(), Failure> {
    match agent.join() {
        Ok(ended) => ended.map_err(super::daemon::failure),
        Err(_panic) => Err(Failure::text(Exit::Failed, "the pass panicked; see above")),
    }
}

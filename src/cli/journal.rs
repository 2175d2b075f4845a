//! `journal`: what the agent did, whether that can be believed, and how to go on when it cannot.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock;
use crate::config::{self, Needs};
use crate::journal::{self, Disk, Entry, Found, Identity, LogError, Look, Salvage, Salvaged, Verdict};
use crate::model::guest::Vmid;
use crate::model::op::OpId;
use crate::model::sorted::Set;
use crate::paths::StateDir;

use super::exit::Exit;
use super::line::{Given, Line, Stop};
use super::page::{Page, repeated};
use super::print::Output;
use super::{Failure, Global, chain};

pub(super) static PAGE: Page = Page {
    name: "journal",
    commands: &["verify", "show", "salvage"],
    options: &[],
    text: "\
Looks at the journal: what the agent did, and whether that can be believed.

Usage: felhom-agent journal COMMAND

Commands:
  verify   says whether the journal is whole; changes nothing
  show     prints its records
  salvage  goes on from a damaged one: copies what can be proven

Example: felhom-agent journal verify
",
};

pub(super) static VERIFY: Page = Page {
    name: "journal verify",
    commands: &[],
    options: &["--state-dir DIR", "--json"],
    text: "\
Says whether the journal is whole: ok, torn (the last write was cut off, which is
no loss), corrupt (damaged), or lost (something is missing, or it is a copy).
Changes nothing, and may run beside the agent.

Usage: felhom-agent journal verify [--state-dir DIR] [--json]

Options:
  --state-dir DIR  the agent's state directory [agent.state_dir]
  --json           as JSON

Ends with 0 when it is ok or torn, else with 1.

Example: felhom-agent journal verify --state-dir /var/lib/felhom-agent
",
};

pub(super) static SHOW: Page = Page {
    name: "journal show",
    commands: &[],
    options: &["--state-dir DIR", "--guest N", "--op ID", "--follow", "--json"],
    text: "\
Prints the journal's records, the oldest first.

Usage: felhom-agent journal show [--guest N] [--op ID] [--follow] [--json]
                                 [--state-dir DIR]

Options:
  --guest N        only what concerns the guest of that number
  --op ID          only what concerns the operation of that id
  --follow         goes on with what is written, until it is interrupted
  --json           one JSON object a line
  --state-dir DIR  the agent's state directory [agent.state_dir]

Ends with 1 when a part of the journal cannot be believed; what can is printed.

Example: felhom-agent journal show --guest 101 --follow
",
};

pub(super) static SALVAGE: Page = Page {
    name: "journal salvage",
    commands: &[],
    options: &["--state-dir DIR"],
    text: "\
Goes on from a damaged journal: copies the records that can be proven into a new
file, puts the damaged files beside it, and says what was lost. Edits nothing. The
agent must not run. At its next start it accepts no operation that was signed
before the salvage.

Usage: felhom-agent journal salvage [--state-dir DIR]

Options:
  --state-dir DIR  the agent's state directory [agent.state_dir]

Ends with 73 while the agent runs.

Example: felhom-agent journal salvage
",
};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum JournalCommand {
    Verify { state_dir: Option<PathBuf>, json: bool },
    Show(ShowArguments),
    Salvage { state_dir: Option<PathBuf> },
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ShowArguments {
    pub(super) state_dir: Option<PathBuf>,
    pub(super) guest: Option<Vmid>,
    pub(super) op: Option<OpId>,
    pub(super) follow: bool,
    pub(super) json: bool,
}

impl JournalCommand {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let word = match line.next(&PAGE)? {
            None => return Err(PAGE.usage("a command is missing: verify, show or salvage")),
            Some(Given::Word(word)) => word,
            Some(other) => return Err(PAGE.unexpected(&other)),
        };
        match PAGE.command(&word)? {
            "verify" => {
                let ShowArguments { state_dir, json, .. } = ShowArguments::parse(line, &VERIFY)?;
                Ok(Self::Verify { state_dir, json })
            }
            "show" => ShowArguments::parse(line, &SHOW).map(Self::Show),
            _ => {
                let state_dir = ShowArguments::parse(line, &SALVAGE)?.state_dir;
                Ok(Self::Salvage { state_dir })
            }
        }
    }
}

impl ShowArguments {
    /// Reads what the page has; the pages of the other two have less.
    fn parse(line: &mut Line, page: &'static Page) -> Result<Self, Stop> {
        let mut arguments = Self::default();
        while let Some(given) = line.next(page)? {
            match given {
                Given::Option("--state-dir") if arguments.state_dir.is_none() => {
                    arguments.state_dir = Some(PathBuf::from(line.value(page, "--state-dir DIR")?));
                }
                Given::Option("--guest") if arguments.guest.is_none() => {
                    let value = line.value(page, "--guest N")?.to_string_lossy().into_owned();
                    let vmid = value.parse().map_err(|_echo: String| {
                        let allowed = format!("allowed are {} to {}", Vmid::MIN, Vmid::MAX);
                        page.usage(&format!("--guest {} is no guest's number\n{allowed}", repeated(&value)))
                    })?;
                    arguments.guest = Some(vmid);
                }
                Given::Option("--op") if arguments.op.is_none() => {
                    let value = line.value(page, "--op ID")?.to_string_lossy().into_owned();
                    let op = OpId::parse(&value).map_err(|_echo| {
                        let expected = "expected a UUID, version 7, in lower case";
                        page.usage(&format!("--op {} is no operation's id\n{expected}", repeated(&value)))
                    })?;
                    arguments.op = Some(op);
                }
                Given::Option("--follow") => arguments.follow = true,
                Given::Option("--json") => arguments.json = true,
                other => return Err(page.unexpected(&other)),
            }
        }
        Ok(arguments)
    }
}

pub(super) fn run(global: &Global, command: &JournalCommand, output: &mut Output) -> Result<Exit, Failure> {
    match command {
        JournalCommand::Verify { state_dir, json } => {
            let place = Place::of(global, state_dir.as_deref())?;
            let verdict = place.look()?.verdict;
            if *json {
                output.json(&verdict);
            } else {
                output.text(&told(&verdict));
            }
            Ok(ending(&verdict))
        }
        JournalCommand::Show(arguments) => show(global, arguments, output),
        JournalCommand::Salvage { state_dir } => {
            let place = Place::of(global, state_dir.as_deref())?;
            salvage(place, output)
        }
    }
}

fn ending(verdict: &Verdict) -> Exit {
    if matches!(verdict.state, "ok" | "torn") { Exit::InOrder } else { Exit::Failed }
}

/// Where the journal is and whose it should be.
struct Place {
    state_dir: PathBuf,
    folder: PathBuf,
    identity: Identity,
}

impl Place {
    fn of(global: &Global, state_dir: Option<&Path>) -> Result<Self, Failure> {
        // Without a configuration nobody knows what this host is called at the hub, and an empty name proves nothing.
        let (state_dir, host_id) = match state_dir {
            Some(state_dir) => (state_dir.to_owned(), String::new()),
            None => {
                let config = config::load(&global.sources(), Needs::NOTHING)?;
                let host_id = config.known_host_id()?.unwrap_or_default();
                (config.agent.state_dir, host_id)
            }
        };
        if !state_dir.is_dir() {
            let what = format!("there is no state directory {}", state_dir.display());
            return Err(Failure::text(Exit::InputOutput, what));
        }
        let folder = state_dir.join(journal::FOLDER);
        Ok(Self { state_dir, folder, identity: Identity::of_this_machine(&host_id) })
    }

    fn look(&self) -> Result<Look, Failure> {
        journal::verify(&Disk, &self.folder, &self.identity).map_err(|error| failure(&error))
    }
}

fn failure(error: &LogError) -> Failure {
    let exit = match error {
        LogError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Exit::Permission
        }
        LogError::Refused { .. } => Exit::Configuration,
        _ => Exit::InputOutput,
    };
    Failure::text(exit, chain(error))
}

/// The verdict in words, and what to do.
fn told(verdict: &Verdict) -> String {
    let Verdict { records, segments, bytes, .. } = verdict;
    let size = format!("{records} records in {segments} files, {bytes} bytes");
    let why = verdict.why.as_deref().unwrap_or_default();
    match verdict.state {
        "ok" if *segments == 0 => "ok: there is no record yet".to_owned(),
        "torn" => {
            let dropped = verdict.dropped_bytes;
            format!(
                "torn: {size}; the last write was cut off ({dropped} bytes do not count), nothing that was confirmed is \
                 missing"
            )
        }
        "corrupt" => {
            let file = verdict.file.as_deref().unwrap_or_default();
            format!(
                "corrupt: {file}: {why}\nreadable before that: {size}\n-> stop the agent, run: felhom-agent journal salvage"
            )
        }
        "lost" => format!(
            "lost: {why}\nreadable: {size}\n-> the agent refuses operations that were signed until now; once you know why, \
             send it a floor.raise"
        ),
        _ => format!("ok: {size}"),
    }
}

fn salvage(place: Place, output: &mut Output) -> Result<Exit, Failure> {
    let _lock = StateDir::open(&place.state_dir)?.lock()?;
    let found = journal::salvage(Disk, &place.folder, place.identity, clock::now());
    match found.map_err(|error| failure(&error))? {
        Salvage::Needless(Found::Lost { why }) => {
            output.text(&format!(
                "nothing was changed: the journal is not damaged, but not the one that was last written here: {why}\n\
                 -> start the agent; it refuses operations that were signed until now; then send it a floor.raise"
            ));
        }
        Salvage::Needless(_) => output.text("nothing was changed: the journal is not damaged"),
        Salvage::Done(Salvaged { kept, lost_bytes, why, files }) => output.text(&format!(
            "damaged was {why}\nkept {kept} records; lost {lost_bytes} bytes of others\nthe damaged files are in {}: {}\n\
             -> look at the guests yourself: what was lost may have been an operation under way\n\
             -> start the agent; it refuses operations that were signed until now; then send it a floor.raise",
            place.folder.display(),
            files.join(", "),
        )),
    }
    Ok(Exit::InOrder)
}

fn show(global: &Global, arguments: &ShowArguments, output: &mut Output) -> Result<Exit, Failure> {
    let place = Place::of(global, arguments.state_dir.as_deref())?;
    let mut shown = Shown::default();
    loop {
        let look = place.look()?;
        shown.print(&look.entries, arguments, output);
        if !arguments.follow || output.is_gone() {
            if let Some(why) = &look.verdict.why {
                output.complain(&format!("the journal is {}: {why}", look.verdict.state));
            }
            return Ok(ending(&look.verdict));
        }
        // Nothing is ever sent: this is a wait that a signal ends with the process.
        crossbeam_channel::after(Duration::from_millis(500)).recv().ok();
    }
}

/// What was printed already, and which steps belong to what was asked for.
#[derive(Default)]
struct Shown {
    hashes: Set<String>,
    intents: Set<u64>,
}

impl Shown {
    fn print(&mut self, entries: &[Entry], arguments: &ShowArguments, output: &mut Output) {
        for entry in entries {
            if self.hashes.insert(entry.hash.clone()) && self.concerns(entry, arguments) {
                output.text(&if arguments.json { object(entry) } else { words(entry) });
            }
        }
    }

    fn concerns(&mut self, entry: &Entry, arguments: &ShowArguments) -> bool {
        let text = |name: &str| entry.fields.get(name).and_then(Value::as_str);
        let guest = |vmid: &Vmid| {
            text("guest").and_then(|guest| guest.rsplit('/').next()) == Some(vmid.to_string().as_str())
        };
        let step = entry.fields.get("intent").and_then(Value::as_u64);
        let named = arguments.guest.as_ref().is_none_or(guest)
            && arguments.op.as_ref().is_none_or(|op| text("op_id") == Some(op.as_str()));
        if named && entry.kind == "intent" {
            self.intents.insert(entry.seq);
        }
        named || step.is_some_and(|step| self.intents.contains(&step))
    }
}

fn object(entry: &Entry) -> String {
    let mut object = Map::new();
    object.insert("seq".to_owned(), Value::from(entry.seq));
    object.insert("ts".to_owned(), Value::from(entry.at.to_string()));
    object.insert("boot".to_owned(), Value::from(entry.boot.as_str()));
    object.insert("t".to_owned(), Value::from(entry.kind.as_str()));
    object.extend(entry.fields.clone());
    object.insert("h".to_owned(), Value::from(entry.hash.as_str()));
    Value::Object(object).to_string()
}

/// `2026-11-21T06:26:55Z    12 intent    guest=lxc/101 what="start"`
fn words(entry: &Entry) -> String {
    let mut text = format!("{} {:>6} {:<9}", entry.at, entry.seq, entry.kind);
    for (name, value) in &entry.fields {
        // Long and for programs; --json has it.
        if name == "envelope" {
            continue;
        }
        let plain =
            value.as_str().filter(|text| !text.contains(|c: char| c.is_whitespace() || c.is_control()));
        let shown = plain.map_or_else(|| value.to_string(), str::to_owned);
        text.push_str(&format!(" {name}={shown}"));
    }
    text
}

//! `op`: signed operations, from the draft on the node over the signature elsewhere to what came of it.

pub(super) mod draft;
mod kind;
pub(super) mod order;
pub(super) mod show;
pub(super) mod sign;
pub(super) mod status;
pub(super) mod submit;
pub(super) mod verify;
pub(super) mod words;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::authz::write::{self, Signature};
use crate::authz::{self, MAX_ENVELOPE, keyring, policy};
use crate::model::op::Rejected;

use super::exit::Exit;
use super::line::{Given, Line, Stop};
use super::page::Page;
use super::print::Output;
use super::{Failure, Global};

use self::draft::DraftArguments;
use self::show::ShowArguments;
use self::sign::SignArguments;
pub(super) use self::sign::signed;
use self::status::StatusArguments;
use self::submit::SubmitArguments;
use self::verify::VerifyArguments;

pub(super) static PAGE: Page = Page {
    name: "op",
    commands: &["draft", "show", "sign", "verify", "submit", "status"],
    options: &[],
    text: "\
Signed operations: what cannot be undone is done only when an operation orders it
that a trusted person has signed.

Usage: felhom-agent op COMMAND

Commands:
  draft   on the node: writes down an operation, bound to what is there now
  show    says in plain words what an operation orders and what is lost by it
  sign    where the private key is: signs an operation
  verify  says whether a host would accept it; needs no daemon and no Proxmox
  submit  on the node: hands a signed operation to the daemon
  status  on the node: says what became of one

Example: felhom-agent op show op.json
",
};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum OpCommand {
    Draft(Box<DraftArguments>),
    Show(ShowArguments),
    Sign(SignArguments),
    Verify(VerifyArguments),
    Submit(SubmitArguments),
    Status(StatusArguments),
}

impl OpCommand {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let word = match line.next(&PAGE)? {
            None => {
                let commands = PAGE.commands.join(", ");
                return Err(PAGE.usage(&format!("a command is missing: {commands}")));
            }
            Some(Given::Word(word)) => word,
            Some(other) => return Err(PAGE.unexpected(&other)),
        };
        match PAGE.command(&word)? {
            "draft" => DraftArguments::parse(line).map(|arguments| Self::Draft(Box::new(arguments))),
            "show" => ShowArguments::parse(line).map(Self::Show),
            "sign" => SignArguments::parse(line, &sign::PAGE).map(Self::Sign),
            "verify" => VerifyArguments::parse(line).map(Self::Verify),
            "submit" => SubmitArguments::parse(line).map(Self::Submit),
            _ => StatusArguments::parse(line).map(Self::Status),
        }
    }
}

pub(super) fn run(global: &Global, command: &OpCommand, output: &mut Output) -> Result<Exit, Failure> {
    match command {
        OpCommand::Draft(arguments) => draft::run(global, arguments, output),
        OpCommand::Show(arguments) => show::run(arguments, output),
        OpCommand::Sign(arguments) => sign::run(arguments, output),
        OpCommand::Verify(arguments) => verify::run(arguments, output),
        OpCommand::Submit(arguments) => submit::run(global, arguments, output),
        OpCommand::Status(arguments) => status::run(global, arguments, output),
    }
}

/// What `-` in place of a file means.
pub(super) const STANDARD_INPUT: &str = "-";

/// At most `max_bytes` and one more, so that what is too large is known to be; from standard input if the path is `-`.
pub(super) fn bytes_of(path: &Path, max_bytes: usize) -> Result<Vec<u8>, Failure> {
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = if path == Path::new(STANDARD_INPUT) {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => {
            Err(Failure::text(Exit::InputOutput, format!("cannot read {}: {error}", path.display())))
        }
    }
}

/// A payload that nobody or somebody has signed.
#[derive(Debug)]
pub(super) struct Document {
    /// The very bytes that are or will be signed.
    pub(super) payload: Vec<u8>,
    pub(super) signatures: Vec<Signature>,
}

impl Document {
    /// Reads a draft or an envelope. The line feed that a shell or an editor put behind a draft is no part of it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Rejected> {
        if is_envelope(bytes) || bytes.len() > MAX_ENVELOPE {
            let (payload, signatures) = write::open(bytes)?;
            return Ok(Self { payload, signatures });
        }
        let payload = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        Ok(Self { payload: payload.to_vec(), signatures: Vec::new() })
    }
}

fn is_envelope(bytes: &[u8]) -> bool {
    let document: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(bytes).ok();
    document.is_some_and(|members| {
        ["payloadType", "payload", "signatures"].iter().any(|name| members.contains_key(*name))
    })
}

/// What is wrong with a file, by its name.
pub(super) fn unreadable(path: &Path, rejected: &Rejected) -> Failure {
    Failure::text(Exit::Failed, format!("{} cannot be read as an operation: {rejected}", path.display()))
}

pub(super) fn keyring(path: &Path) -> Result<authz::Keyring, Failure> {
    let bytes = bytes_of(path, keyring::MAX_BYTES)?;
    authz::Keyring::parse(&bytes).map_err(|error| {
        Failure::text(Exit::Configuration, format!("{} is no good keyring: {error}", path.display()))
    })
}

pub(super) fn role_policy(path: Option<&Path>) -> Result<authz::Policy, Failure> {
    let Some(path) = path else { return Ok(authz::Policy::built_in()) };
    let bytes = bytes_of(path, policy::MAX_BYTES)?;
    authz::Policy::narrowed(&bytes).map_err(|error| {
        Failure::text(Exit::Configuration, format!("{} is no good role policy: {error}", path.display()))
    })
}

/// The one file that a command is about.
pub(super) fn only_file(page: &'static Page, file: Option<PathBuf>) -> Result<PathBuf, Stop> {
    file.ok_or_else(|| page.usage("FILE is missing; - is standard input"))
}

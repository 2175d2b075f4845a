//! `keyring`: the keys that may sign, from the entries that `keygen` prints to the `trust.update` that brings a new one.

pub(super) mod draft;
pub(super) mod show;
pub(super) mod sign;

use super::exit::Exit;
use super::line::{Given, Line, Stop};
use super::page::Page;
use super::print::Output;
use super::{Failure, op};

use self::draft::DraftArguments;
use self::show::ShowArguments;
use self::sign::SignArguments;

pub(super) static PAGE: Page = Page {
    name: "keyring",
    commands: &["show", "draft", "sign"],
    options: &[],
    text: "\
Keyrings: the keys that may sign operations for a host, with roles and times.

Usage: felhom-agent keyring COMMAND

Commands:
  show   prints a keyring for people, and says whether it is in order
  draft  makes a keyring, or the next version of one
  sign   makes the signed operation that brings a new version to a host

A host gets its first keyring by hand: copied to keyring.json in the state
directory, as in /var/lib/felhom-agent/keyring.json, or to where ops.keyring says;
owner root or the agent's user, mode 0600. Later versions come as signed operations.

Example: felhom-agent keyring show keyring.json
",
};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyringCommand {
    Show(ShowArguments),
    Draft(DraftArguments),
    Sign(SignArguments),
}

impl KeyringCommand {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let word = match line.next(&PAGE)? {
            None => return Err(PAGE.usage("a command is missing: show, draft, sign")),
            Some(Given::Word(word)) => word,
            Some(other) => return Err(PAGE.unexpected(&other)),
        };
        match PAGE.command(&word)? {
            "show" => ShowArguments::parse(line).map(Self::Show),
            "draft" => DraftArguments::parse(line).map(Self::Draft),
            _ => SignArguments::parse(line).map(Self::Sign),
        }
    }
}

pub(super) fn run(command: &KeyringCommand, output: &mut Output) -> Result<Exit, Failure> {
    match command {
        KeyringCommand::Show(arguments) => show::run(arguments, output),
        KeyringCommand::Draft(arguments) => draft::run(arguments, output),
        KeyringCommand::Sign(arguments) => sign::run(arguments, output),
    }
}

//! `keyring show`: a keyring for people; whoever can read it to the letter, the host can.

use std::path::PathBuf;

use crate::clock;

use super::super::Failure;
use super::super::exit::Exit;
use super::super::line::{Given, Line, Stop};
use super::super::page::Page;
use super::super::print::Output;
use super::op::{keyring, only_file, words};

pub(in crate::cli) static PAGE: Page = Page {
    name: "keyring show",
    commands: &[],
    options: &[],
    text: "\
Prints a keyring for people: version, how long it is good, each key with name,
roles, time, and whether it is revoked.

Usage: felhom-agent keyring show FILE

FILE is a keyring, - is standard input.

Ends with 78 when it is not in order: a host would refuse it, too.

Example: felhom-agent keyring show /var/lib/felhom-agent/keyring.json
",
};

#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct ShowArguments {
    file: PathBuf,
}

impl ShowArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let mut file = None;
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Word(word) if file.is_none() => file = Some(PathBuf::from(word)),
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        Ok(Self { file: only_file(&PAGE, file)? })
    }
}

pub(super) fn run(arguments: &ShowArguments, output: &mut Output) -> Result<Exit, Failure> {
    let keyring = keyring(&arguments.file)?;
    output.text(&format!("keyring {}\n{}", arguments.file.display(), words::table(&keyring)));
    let now = clock::now();
    if now >= keyring.expires() {
        output.complain("it has expired: a host with it takes nothing but a newer keyring");
    }
    Ok(Exit::InOrder)
}

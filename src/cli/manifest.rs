//! `manifest`: desired-state documents, away from any node.

pub(super) mod check;
pub(super) mod sign;

use super::Failure;
use super::exit::Exit;
use super::line::{Given, Line, Stop};
use super::page::Page;
use super::print::Output;

use self::check::CheckArguments;
use self::sign::SignArguments;

pub(super) static PAGE: Page = Page {
    name: "manifest",
    commands: &["check", "sign"],
    options: &[],
    text: "\
Desired-state documents: what a host's guests should be like.

Usage: felhom-agent manifest COMMAND

Commands:
  check  finds every fault of a document
  sign   where the private key is: signs a document

Example: felhom-agent manifest check desired.json
",
};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ManifestCommand {
    Check(CheckArguments),
    Sign(SignArguments),
}

impl ManifestCommand {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let word = match line.next(&PAGE)? {
            None => return Err(PAGE.usage("a command is missing: check or sign")),
            Some(Given::Word(word)) => word,
            Some(other) => return Err(PAGE.unexpected(&other)),
        };
        match PAGE.command(&word)? {
            "check" => CheckArguments::parse(line).map(Self::Check),
            _ => SignArguments::parse(line, &sign::PAGE).map(Self::Sign),
        }
    }
}

pub(super) fn run(command: &ManifestCommand, output: &mut Output) -> Result<Exit, Failure> {
    match command {
        ManifestCommand::Check(arguments) => check::run(arguments, output),
        ManifestCommand::Sign(arguments) => sign::run(arguments, output),
    }
}

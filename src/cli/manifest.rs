//! `manifest`: desired-state documents, away from any node.

pub(super) mod sign;

use super::Failure;
use super::exit::Exit;
use super::line::{Given, Line, Stop};
use super::page::Page;
use super::print::Output;

use self::sign::SignArguments;

pub(super) static PAGE: Page = Page {
    name: "manifest",
    commands: &["sign"],
    options: &[],
    text: "\
Desired-state documents: what a host's guests should be like.

Usage: felhom-agent manifest COMMAND

Commands:
  sign   where the private key is: signs a document

Example: felhom-agent help manifest sign
",
};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ManifestCommand {
    Sign(SignArguments),
}

impl ManifestCommand {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let word = match line.next(&PAGE)? {
            None => return Err(PAGE.usage("a command is missing: sign")),
            Some(Given::Word(word)) => word,
            Some(other) => return Err(PAGE.unexpected(&other)),
        };
        PAGE.command(&word)?;
        SignArguments::parse(line, &sign::PAGE).map(Self::Sign)
    }
}

pub(super) fn run(command: &ManifestCommand, output: &mut Output) -> Result<Exit, Failure> {
    match command {
        ManifestCommand::Sign(arguments) => sign::run(arguments, output),
    }
}

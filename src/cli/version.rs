//! `version`: which build this is.

use super::exit::Exit;
use super::page::Page;
use super::print::Output;

pub(super) static PAGE: Page = Page {
    name: "version",
    commands: &[],
    options: &[],
    text: "\
Prints the version.

Usage: felhom-agent version

Example: felhom-agent version
",
};

/// As the reports carry it.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn run(output: &mut Output) -> Exit {
    output.text(&format!("felhom-agent {VERSION}"));
    Exit::InOrder
}

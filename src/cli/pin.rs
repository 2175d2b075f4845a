//! `pin`: what to put into `pin_sha256`, so that nobody needs `insecure`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::http;

use super::exit::Exit;
use super::line::{Given, Line, Stop};
use super::page::Page;
use super::print::Output;
use super::{Failure, http_exit};

/// Where a node keeps the certificate that it shows.
const NODE: &str = "/etc/pve/local";

pub(super) static PAGE: Page = Page {
    name: "pin",
    commands: &[],
    options: &[],
    text: "\
Prints the SHA-256 of a certificate, for proxmox.pin_sha256 or hub.pin_sha256.

Usage: felhom-agent pin [WHERE]

WHERE is a PEM file, a folder as on a node [/etc/pve/local], or an https address.
What answers over the network is not proven to be the node: compare it with what
this command prints on the node itself.

Ends with 75 when nobody answers there.

Example: felhom-agent pin /etc/pve/local/pve-ssl.pem
",
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PinArguments {
    /// An https address, a PEM file, or a folder as on a node.
    pub(super) place: Option<String>,
}

impl PinArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let mut arguments = Self::default();
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Word(word) if arguments.place.is_none() => {
                    let place = word.into_string();
                    arguments.place = Some(place.map_err(|_bytes| PAGE.usage("WHERE is not UTF-8"))?);
                }
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        Ok(arguments)
    }
}

pub(super) fn run(arguments: &PinArguments, output: &mut Output) -> Result<Exit, Failure> {
    let place = arguments.place.as_deref().unwrap_or(NODE);
    let failed = |error: http::HttpError| Failure::new(http_exit(&error), &error);
    let pin = if place.contains("://") {
        let pin = http::fetch_pin(place, Duration::from_secs(10)).map_err(failed)?;
        output.complain(
            "this is what answered over the network; compare it with `felhom-agent pin` run on the node itself",
        );
        pin
    } else {
        let path = PathBuf::from(place);
        if path.is_dir() { http::pin_of_node(&path) } else { http::pin_of_file(Path::new(place)) }
            .map_err(failed)?
    };
    output.text(&pin.to_string());
    Ok(Exit::InOrder)
}

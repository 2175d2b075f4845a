//! `keyring sign`: the signed operation that brings a new keyring to one host.

use std::path::{Path, PathBuf};

use crate::authz::keyring::MAX_BYTES;
use crate::authz::{Keyring, write};
use crate::clock;
use crate::model::op::{Action, Role};

use super::super::Failure;
use super::super::exit::Exit;
use super::super::line::{Given, Line, Stop};
use super::super::page::Page;
use super::super::passphrase::Source;
use super::super::print::Output;
use super::op::order::{EXPIRES, EXPIRES_USUALLY, Order};
use super::op::{Document, STANDARD_INPUT, bytes_of, only_file, signed};

pub(in crate::cli) static PAGE: Page = Page {
    name: "keyring sign",
    commands: &[],
    options: &[
        "--key FILE",
        "--host-id ID",
        "--node NAME",
        "--passphrase-file FILE",
        "--expires SECONDS",
        "--note TEXT",
    ],
    text: "\
Makes the operation (trust.update) that brings a new keyring to one host, signs it
with a root key and prints it. Further root keys sign it with op sign: it takes the
threshold of the old keyring and of the new one. Bring it with op submit or the hub.

Usage: felhom-agent keyring sign --key FILE --host-id ID --node NAME
                                 [--passphrase-file FILE] [--expires SECONDS]
                                 [--note TEXT] FILE

FILE is the new keyring, as keyring draft makes it; - is standard input.

Options:
  --key FILE              a root key, as keygen makes it (mode 0600, or a pipe)
  --host-id ID            the id of the host it is for
  --node NAME             the Proxmox node of that host
  --passphrase-file FILE  its passphrase (mode 0600), - for standard input; without
                          it the terminal is asked
  --expires SECONDS       how long it is valid, 60 to 86400 [3600]
  --note TEXT             why, for people; 256 printable ASCII characters at most

The first keyring of a host is not signed but copied there by hand, mode 0600.

Example: felhom-agent keyring sign --key root.pem --host-id h1 --node pve next.json
",
};

#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct SignArguments {
    key: PathBuf,
    host_id: String,
    node: String,
    passphrase: Source,
    expires_s: u64,
    note: String,
    file: PathBuf,
}

impl SignArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let (mut key, mut host_id, mut node, mut passphrase) = (None, None, None, None);
        let (mut expires_s, mut note, mut file) = (None, None, None);
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--key") if key.is_none() => {
                    key = Some(PathBuf::from(line.value(&PAGE, "--key FILE")?));
                }
                Given::Option("--host-id") if host_id.is_none() => {
                    host_id = Some(line.text(&PAGE, "--host-id ID")?);
                }
                Given::Option("--node") if node.is_none() => node = Some(line.text(&PAGE, "--node NAME")?),
                Given::Option("--passphrase-file") if passphrase.is_none() => {
                    passphrase = Some(Source::of_option(line.value(&PAGE, "--passphrase-file FILE")?));
                }
                Given::Option("--expires") if expires_s.is_none() => {
                    expires_s = Some(line.number(&PAGE, "--expires SECONDS", EXPIRES)?);
                }
                Given::Option("--note") if note.is_none() => note = Some(line.text(&PAGE, "--note TEXT")?),
                Given::Word(word) if file.is_none() => file = Some(PathBuf::from(word)),
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        let arguments = Self {
            key: key.ok_or_else(|| PAGE.usage("--key FILE is missing: the private key"))?,
            host_id: host_id.ok_or_else(|| PAGE.usage("--host-id ID is missing: the host it is for"))?,
            node: node.ok_or_else(|| PAGE.usage("--node NAME is missing: the node it is for"))?,
            passphrase: passphrase.unwrap_or_default(),
            expires_s: expires_s.unwrap_or(EXPIRES_USUALLY),
            note: note.unwrap_or_default(),
            file: only_file(&PAGE, file)?,
        };
        if arguments.passphrase == Source::StandardInput && arguments.file == Path::new(STANDARD_INPUT) {
            return Err(PAGE.usage("passphrase and keyring cannot both come from standard input"));
        }
        Ok(arguments)
    }
}

pub(super) fn run(arguments: &SignArguments, output: &mut Output) -> Result<Exit, Failure> {
    let keyring = bytes_of(&arguments.file, MAX_BYTES)?;
    Keyring::parse(&keyring).map_err(|error| {
        let what = format!("{} is no good keyring: {error}", arguments.file.display());
        Failure::text(Exit::Configuration, what)
    })?;
    let order = Order {
        action: Action::TrustUpdate { keyring },
        role: Role::Root,
        host_id: arguments.host_id.clone(),
        node: arguments.node.clone(),
        bound: None,
        expires_s: arguments.expires_s,
        note: arguments.note.clone(),
    };
    let payload = write::payload(&order.operation(clock::now())?);
    let document = Document { payload, signatures: Vec::new() };
    let envelope = signed(document, &arguments.file, &arguments.key, &arguments.passphrase, output)?;
    output.text(&envelope);
    Ok(Exit::InOrder)
}

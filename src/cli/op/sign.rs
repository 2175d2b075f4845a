//! `op sign`: puts a signature under an operation. Nobody signs what he cannot read: a payload that the host would not read is
//! not signed, and what it says is shown first.

use std::path::{Path, PathBuf};

use crate::authz::write::{self, Signature};
use crate::authz::{MAX_ENVELOPE, MAX_SIGNATURES};
use crate::clock;

use super::super::Failure;
use super::super::exit::Exit;
use super::super::key_file::PrivateKey;
use super::super::line::{Given, Line, Stop};
use super::super::page::Page;
use super::super::passphrase::Source;
use super::super::print::Output;
use super::{Document, STANDARD_INPUT, bytes_of, only_file, unreadable, words};

pub(in crate::cli) static PAGE: Page = Page {
    name: "op sign",
    commands: &[],
    options: &["--key FILE", "--passphrase-file FILE"],
    text: "\
Signs an operation, and prints it signed. What is signed is shown on standard error;
what cannot be read to the letter is not signed. An operation that is signed already
gets one more signature.

Usage: felhom-agent op sign --key FILE [--passphrase-file FILE] FILE

FILE is a draft or a signed operation, - is standard input.

Options:
  --key FILE              the private key, as keygen makes it (mode 0600, or a pipe)
  --passphrase-file FILE  its passphrase (mode 0600), - for standard input; without
                          it the terminal is asked

Example: felhom-agent op sign --key anna.pem op.json > signed.json
",
};

#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct SignArguments {
    pub(in crate::cli) key: PathBuf,
    pub(in crate::cli) passphrase: Source,
    pub(in crate::cli) file: PathBuf,
}

impl SignArguments {
    /// Of `op sign`, and of whatever else signs one document with one key.
    pub(in crate::cli) fn parse(line: &mut Line, page: &'static Page) -> Result<Self, Stop> {
        let (mut key, mut passphrase, mut file) = (None, None, None);
        while let Some(given) = line.next(page)? {
            match given {
                Given::Option("--key") if key.is_none() => {
                    key = Some(PathBuf::from(line.value(page, "--key FILE")?));
                }
                Given::Option("--passphrase-file") if passphrase.is_none() => {
                    passphrase = Some(Source::of_option(line.value(page, "--passphrase-file FILE")?));
                }
                Given::Word(word) if file.is_none() => file = Some(PathBuf::from(word)),
                other => return Err(page.unexpected(&other)),
            }
        }
        let arguments = Self {
            key: key.ok_or_else(|| page.usage("--key FILE is missing: the private key"))?,
            passphrase: passphrase.unwrap_or_default(),
            file: only_file(page, file)?,
        };
        if arguments.passphrase == Source::StandardInput && arguments.file == Path::new(STANDARD_INPUT) {
            return Err(page.usage("passphrase and document cannot both come from standard input"));
        }
        Ok(arguments)
    }
}

pub(super) fn run(arguments: &SignArguments, output: &mut Output) -> Result<Exit, Failure> {
    let path = Path::new(&arguments.file);
    let document = bytes_of(path, MAX_ENVELOPE)?;
    let document = Document::read(&document).map_err(|rejected| unreadable(path, &rejected))?;
    let envelope = signed(document, path, &arguments.key, &arguments.passphrase, output)?;
    output.text(&envelope);
    Ok(Exit::InOrder)
}

/// The envelope with one more signature.
pub(in crate::cli) fn signed(
    document: Document,
    path: &Path,
    key: &Path,
    passphrase: &Source,
    output: &mut Output,
) -> Result<String, Failure> {
    let Document { payload, mut signatures } = document;
    let op = write::draft(&payload).map_err(|rejected| unreadable(path, &rejected))?;
    if signatures.len() >= MAX_SIGNATURES {
        let what =
            format!("{} bears {} signatures already, which is the most", path.display(), signatures.len());
        return Err(Failure::text(Exit::Failed, what));
    }
    let others = signatures.len();
    let more = if others == 0 { String::new() } else { format!(" ({others} signature(s) already)") };
    output.complain(&format!("to be signed{more}:\n{}", words::describe(&op, clock::now())));
    let private = PrivateKey::read(key, || passphrase.read(&format!("Passphrase for {}: ", key.display())))?;
    let keyid = private.keyid();
    if signatures.iter().any(|signature| signature.keyid == keyid) {
        return Err(Failure::text(
            Exit::Failed,
            format!("the key {keyid} has signed {} already", path.display()),
        ));
    }
    let bytes = private.sign(&write::pae(&payload));
    signatures.push(Signature { keyid: keyid.clone(), bytes });
    output.complain(&format!("signed with the key {keyid}"));
    let envelope = write::envelope(&payload, &signatures);
    String::from_utf8(envelope).map_err(|_bytes| {
        Failure::text(Exit::Failed, "the envelope is not UTF-8, which is a fault of this program")
    })
}

//! `manifest sign`: puts a signature under desired state. What no host would read is not signed.

use std::path::Path;

use crate::authz::write::{self, Signature};
use crate::authz::{MANIFEST, MAX_SIGNATURES};
use crate::clock;
use crate::manifest;

use super::super::Failure;
use super::super::exit::Exit;
use super::super::key_file::PrivateKey;
use super::super::op::{bytes_of, sign};
use super::super::page::Page;
use super::super::print::Output;

pub(in crate::cli) use sign::SignArguments;

pub(in crate::cli) static PAGE: Page = Page {
    name: "manifest sign",
    commands: &[],
    options: &["--key FILE", "--passphrase-file FILE"],
    text: "\
Signs a desired-state document, and prints it signed. One that is signed already
gets one more signature. A host takes it if a key has the role manifest.

Usage: felhom-agent manifest sign --key FILE [--passphrase-file FILE] FILE

FILE is a manifest or a signed one, - is standard input.

Options:
  --key FILE              the private key, as keygen makes it (mode 0600, or a pipe)
  --passphrase-file FILE  its passphrase (mode 0600), - for standard input; without
                          it the terminal is asked

Example: felhom-agent manifest sign --key mara.pem desired.json > signed.json
",
};

pub(super) fn run(arguments: &SignArguments, output: &mut Output) -> Result<Exit, Failure> {
    let SignArguments { key, passphrase, file } = arguments;
    let failed = |what: String| Failure::text(Exit::Failed, format!("{}: {what}", file.display()));
    let bytes = bytes_of(file, manifest::MAX_BYTES)?;
    let (payload, mut signatures) = match manifest::is_envelope(&bytes) {
        true => write::open_as(&MANIFEST, &bytes).map_err(|rejected| failed(rejected.to_string()))?,
        false => (bytes, Vec::new()),
    };
    if payload.len() > MANIFEST.max_payload {
        return Err(failed(format!("larger than {} bytes", MANIFEST.max_payload)));
    }
    output.complain(&said(&payload, file).map_err(failed)?);
    let private = PrivateKey::read(key, || passphrase.read(&format!("Passphrase for {}: ", key.display())))?;
    let keyid = private.keyid();
    if signatures.len() >= MAX_SIGNATURES || signatures.iter().any(|signature| signature.keyid == keyid) {
        return Err(failed(format!(
            "it bears {} signatures, this key's among them or as many as can be",
            signatures.len()
        )));
    }
    let signature = private.sign(&write::pae_as(&MANIFEST, &payload));
    signatures.push(Signature { keyid: keyid.clone(), bytes: signature });
    output.complain(&format!("signed with the key {keyid}"));
    output.text(&String::from_utf8_lossy(&write::envelope_as(&MANIFEST, &payload, &signatures)));
    Ok(Exit::InOrder)
}

/// What is about to be signed, held to every rule but the host's own.
fn said(payload: &[u8], file: &Path) -> Result<String, String> {
    let host_id = manifest::host_id(payload).ok_or("it names no host_id")?;
    let desired = manifest::parse(payload, &host_id, clock::now()).map_err(|error| error.to_string())?;
    let mut said = format!(
        "to be signed: {}, generation {} for host {host_id}, {} guests, sha256 {}",
        file.display(),
        desired.generation,
        desired.guests.len(),
        desired.sha256
    );
    for refused in &desired.refused {
        said.push_str(&format!(
            "\nwarning: resource {} would be refused: {}",
            refused.resource_id, refused.message
        ));
    }
    Ok(said)
}

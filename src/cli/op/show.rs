//! `op show`: an operation in plain words, and whose signatures it bears if a keyring is at hand.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::authz::write;
use crate::authz::{self, MAX_ENVELOPE, Situation, Trust, VerifiedOp};
use crate::clock;
use crate::model::op::{ClockTrust, Operation, Rejected};
use crate::model::time::Timestamp;

use super::super::Failure;
use super::super::exit::Exit;
use super::super::line::{Given, Line, Stop};
use super::super::page::Page;
use super::super::print::Output;
use super::{Document, bytes_of, keyring, only_file, unreadable, verify, words};

pub(in crate::cli) static PAGE: Page = Page {
    name: "op show",
    commands: &[],
    options: &["--keyring FILE", "--json"],
    text: "\
Says in plain words what an operation orders, of which guest, what is lost by it
and until when it is valid. Takes a draft or a signed operation.

Usage: felhom-agent op show [--keyring FILE] [--json] FILE

FILE is a draft or a signed operation, - is standard input.

Options:
  --keyring FILE  also says who signed, and whether the host it is for would accept
                  it now; without a keyring signatures are not checked
  --json          as JSON

Ends with 1 when it cannot be read, or when a keyring is given and it would be
rejected.

Example: felhom-agent op show --keyring keyring.json signed.json
",
};

#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct ShowArguments {
    keyring: Option<PathBuf>,
    json: bool,
    file: PathBuf,
}

impl ShowArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let (mut keyring, mut json, mut file) = (None, false, None);
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--keyring") if keyring.is_none() => {
                    keyring = Some(PathBuf::from(line.value(&PAGE, "--keyring FILE")?));
                }
                Given::Option("--json") => json = true,
                Given::Word(word) if file.is_none() => file = Some(PathBuf::from(word)),
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        Ok(Self { keyring, json, file: only_file(&PAGE, file)? })
    }
}

pub(super) fn run(arguments: &ShowArguments, output: &mut Output) -> Result<Exit, Failure> {
    let path = Path::new(&arguments.file);
    let bytes = bytes_of(path, MAX_ENVELOPE)?;
    let document = Document::read(&bytes).map_err(|rejected| unreadable(path, &rejected))?;
    let op = write::draft(&document.payload).map_err(|rejected| unreadable(path, &rejected))?;
    let now = clock::now();
    let verdict = match &arguments.keyring {
        Some(path) if !document.signatures.is_empty() => Some(judged(&bytes, &op, now, path)?),
        _ => None,
    };
    if arguments.json {
        output.json(&as_json(&document, &op, verdict.as_ref()));
    } else {
        output.text(&words::describe(&op, now));
        output.text(&signatures(&document, verdict.as_ref()));
    }
    Ok(if matches!(verdict, Some(Err(_))) { Exit::Failed } else { Exit::InOrder })
}

/// As the host that it is for would judge it now.
fn judged(
    bytes: &[u8],
    op: &Operation,
    now: Timestamp,
    path: &Path,
) -> Result<Result<VerifiedOp, Rejected>, Failure> {
    let trust = Trust { keyring: keyring(path)?, policy: authz::Policy::built_in() };
    let (host_id, node, clock) = (op.host_id.as_str(), op.node.as_str(), ClockTrust::Trusted);
    let situation = Situation { host_id, node, now, clock: &clock, floor: Timestamp::from_unix(0) };
    Ok(authz::verify(bytes, &trust, &situation))
}

fn signatures(document: &Document, verdict: Option<&Result<VerifiedOp, Rejected>>) -> String {
    if document.signatures.is_empty() {
        return "  signed by: nobody yet".to_owned();
    }
    match verdict {
        None => {
            let keyids: Vec<&str> =
                document.signatures.iter().map(|signature| signature.keyid.as_str()).collect();
            let keyids: Vec<String> = keyids.into_iter().map(plain).collect();
            format!("  signed by: {} (NOT CHECKED: no keyring was given)", keyids.join(", "))
        }
        Some(Ok(verified)) => {
            let named = |signer: &authz::Signer| format!("{} ({})", signer.name, signer.keyid);
            let names: Vec<String> = verified.signers().iter().map(named).collect();
            format!("  signed by: {}; with this keyring it would be accepted now", names.join(", "))
        }
        Some(Err(rejected)) => format!("  signatures: with this keyring it would be REJECTED: {rejected}"),
    }
}

/// What an envelope that nobody has checked calls a key may be anything.
fn plain(keyid: &str) -> String {
    let is_keyid = keyid.len() == 32 && keyid.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_keyid { keyid.to_owned() } else { "no keyid".to_owned() }
}

fn as_json(document: &Document, op: &Operation, verdict: Option<&Result<VerifiedOp, Rejected>>) -> Value {
    let payload: Value = serde_json::from_slice(&document.payload).unwrap_or_default();
    let keyids: Vec<&str> = document.signatures.iter().map(|signature| signature.keyid.as_str()).collect();
    let mut shown = json!({
        "operation": payload,
        "payload_sha256": crate::model::digest::sha256(&document.payload),
        "lost": words::lost(&op.action),
        "keyids": keyids,
    });
    if let (Some(members), Some(verdict)) = (shown.as_object_mut(), verdict) {
        let verdict = match verdict {
            Ok(verified) => verify::accepted(verified),
            Err(rejected) => verify::refusal(rejected),
        };
        members.insert("verdict".to_owned(), verdict);
    }
    shown
}

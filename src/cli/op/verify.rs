//! `op verify`: what a host would say to an envelope. Needs no daemon, no Proxmox and no configuration.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::authz::{self, MAX_ENVELOPE, Situation, Trust, VerifiedOp};
use crate::clock;
use crate::model::op::{ClockTrust, Rejected};
use crate::model::time::Timestamp;

use super::super::Failure;
use super::super::exit::Exit;
use super::super::line::{Given, Line, Stop};
use super::super::page::Page;
use super::super::print::Output;
use super::{bytes_of, keyring, only_file, role_policy};

pub(in crate::cli) static PAGE: Page = Page {
    name: "op verify",
    commands: &[],
    options: &[
        "--keyring FILE",
        "--host-id ID",
        "--node NAME",
        "--at UNIX",
        "--floor UNIX",
        "--role-policy FILE",
    ],
    text: "\
Says whether a host with this keyring would accept a signed operation: the checks
that need no journal and no look at the guest. Needs no daemon, no Proxmox and no
configuration. Prints {\"result\":\"accepted\",\"op_id\":...} or
{\"result\":\"rejected\",\"code\":...,\"detail\":...}.

Usage: felhom-agent op verify --keyring FILE --host-id ID --node NAME
                              [--at UNIX] [--floor UNIX] [--role-policy FILE] FILE

FILE is a signed operation, - is standard input.

Options:
  --keyring FILE      the keys that may sign
  --host-id ID        the id of the host it would be brought to
  --node NAME         the Proxmox node of that host
  --at UNIX           the time to judge by, in seconds since 1970 [now]
  --floor UNIX        refuses what was issued then or before [0]
  --role-policy FILE  what each role may sign, if that host has such a file

Ends with 0 when accepted, 1 when rejected, 74 when a file cannot be read, 78 when
the keyring or the role policy is not in order.

Example: felhom-agent op verify --keyring keys.json --host-id h1 --node pve op.json
",
};

/// 9999-12-31.
const LAST: u64 = 253_402_300_799;

#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct VerifyArguments {
    keyring: PathBuf,
    host_id: String,
    node: String,
    at: Option<u64>,
    floor: u64,
    role_policy: Option<PathBuf>,
    file: PathBuf,
}

impl VerifyArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let (mut keyring, mut host_id, mut node, mut file) = (None, None, None, None);
        let (mut at, mut floor, mut role_policy) = (None, None, None);
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--keyring") if keyring.is_none() => {
                    keyring = Some(PathBuf::from(line.value(&PAGE, "--keyring FILE")?));
                }
                Given::Option("--host-id") if host_id.is_none() => {
                    host_id = Some(line.text(&PAGE, "--host-id ID")?);
                }
                Given::Option("--node") if node.is_none() => node = Some(line.text(&PAGE, "--node NAME")?),
                Given::Option("--at") if at.is_none() => {
                    at = Some(line.number(&PAGE, "--at UNIX", 0..=LAST)?)
                }
                Given::Option("--floor") if floor.is_none() => {
                    floor = Some(line.number(&PAGE, "--floor UNIX", 0..=LAST)?);
                }
                Given::Option("--role-policy") if role_policy.is_none() => {
                    role_policy = Some(PathBuf::from(line.value(&PAGE, "--role-policy FILE")?));
                }
                Given::Word(word) if file.is_none() => file = Some(PathBuf::from(word)),
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        Ok(Self {
            keyring: keyring
                .ok_or_else(|| PAGE.usage("--keyring FILE is missing: whose signatures count"))?,
            host_id: host_id.ok_or_else(|| PAGE.usage("--host-id ID is missing: the host it is for"))?,
            node: node.ok_or_else(|| PAGE.usage("--node NAME is missing: the node it is for"))?,
            at,
            floor: floor.unwrap_or(0),
            role_policy,
            file: only_file(&PAGE, file)?,
        })
    }
}

pub(super) fn run(arguments: &VerifyArguments, output: &mut Output) -> Result<Exit, Failure> {
    let keyring = keyring(&arguments.keyring)?;
    let policy = role_policy(arguments.role_policy.as_deref())?;
    let trust = Trust { keyring, policy };
    let envelope = bytes_of(Path::new(&arguments.file), MAX_ENVELOPE)?;
    let now = arguments.at.map_or_else(clock::now, Timestamp::from_unix);
    // A time that was named is meant.
    let clock = if arguments.at.is_some() { ClockTrust::Trusted } else { authz::clock::judge(now, None) };
    let situation = Situation {
        host_id: &arguments.host_id,
        node: &arguments.node,
        now,
        clock: &clock,
        floor: Timestamp::from_unix(arguments.floor),
    };
    match authz::verify(&envelope, &trust, &situation) {
        Ok(verified) => {
            output.text(&accepted(&verified).to_string());
            Ok(Exit::InOrder)
        }
        Err(rejected) => {
            output.text(&refusal(&rejected).to_string());
            Ok(Exit::Failed)
        }
    }
}

pub(super) fn accepted(verified: &VerifiedOp) -> serde_json::Value {
    let signers: Vec<_> =
        verified.signers().iter().map(|signer| json!({"keyid": signer.keyid, "name": signer.name})).collect();
    json!({
        "result": "accepted",
        "op_id": verified.op().op_id,
        "kind": verified.op().action.kind(),
        "payload_sha256": verified.payload_sha256(),
        "signers": signers,
    })
}

pub(super) fn refusal(rejected: &Rejected) -> serde_json::Value {
    let mut document = json!({"result": "rejected", "code": rejected.code, "detail": rejected.detail});
    if let Some(members) = document.as_object_mut() {
        if let Some(op_id) = &rejected.op_id {
            members.insert("op_id".to_owned(), json!(op_id));
        }
        if let Some(payload_sha256) = &rejected.payload_sha256 {
            members.insert("payload_sha256".to_owned(), json!(payload_sha256));
        }
    }
    document
}

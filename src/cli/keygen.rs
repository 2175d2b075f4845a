//! `keygen`: makes a key that signs operations. The private part goes into a file, the public part to standard output.

use std::path::PathBuf;

use serde_json::json;

use crate::clock;
use crate::model::op::Role;

use super::Failure;
use super::exit::Exit;
use super::key_file::{self, PrivateKey};
use super::line::{Given, Line, Stop};
use super::page::{Page, repeated};
use super::passphrase;
use super::print::Output;

pub(super) static PAGE: Page = Page {
    name: "keygen",
    commands: &[],
    options: &["--out FILE", "--name NAME", "--roles ROLE,...", "--days N", "--passphrase-file FILE"],
    text: "\
Makes a key that signs operations: the private key, encrypted with a passphrase,
into a new file; its public part, as an entry for a keyring, to standard output.
Do this where operations are signed, not on the node.

Usage: felhom-agent keygen --out FILE --name NAME [--roles ROLE,...] [--days N]
                           [--passphrase-file FILE]

Options:
  --out FILE              the new file; one that exists is never overwritten
  --name NAME             whose key it is: letters, digits and . _ - (64 at most)
  --roles ROLE,...        what it may sign: operator, custodian, recovery, shell,
                          root, manifest [custodian]
  --days N                for how many days it may be used, 1 to 3660 [730]
  --passphrase-file FILE  the passphrase (mode 0600), - for standard input;
                          without it the terminal is asked

Ends with 74 when the file exists or cannot be written.

Example: felhom-agent keygen --out anna.pem --name anna > anna.json
",
};

const DAY: u64 = 86_400;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeygenArguments {
    pub(super) out: PathBuf,
    pub(super) name: String,
    pub(super) roles: Vec<Role>,
    pub(super) days: u64,
    pub(super) passphrase: passphrase::Source,
}

impl KeygenArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let (mut out, mut name, mut roles, mut days, mut passphrase) = (None, None, None, None, None);
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--out") if out.is_none() => {
                    out = Some(PathBuf::from(line.value(&PAGE, "--out FILE")?));
                }
                Given::Option("--name") if name.is_none() => name = Some(parse_name(line)?),
                Given::Option("--roles") if roles.is_none() => {
                    roles = Some(parse_roles(&PAGE, &line.text(&PAGE, "--roles ROLE,...")?)?);
                }
                Given::Option("--days") if days.is_none() => {
                    days = Some(line.number(&PAGE, "--days N", 1..=3660)?);
                }
                Given::Option("--passphrase-file") if passphrase.is_none() => {
                    let value = line.value(&PAGE, "--passphrase-file FILE")?;
                    passphrase = Some(passphrase::Source::of_option(value));
                }
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        Ok(Self {
            out: out.ok_or_else(|| PAGE.usage("--out FILE is missing: where the private key goes"))?,
            name: name.ok_or_else(|| PAGE.usage("--name NAME is missing: whose key it is"))?,
            roles: roles.unwrap_or_else(|| vec![Role::Custodian]),
            days: days.unwrap_or(730),
            passphrase: passphrase.unwrap_or_default(),
        })
    }
}

fn parse_name(line: &mut Line) -> Result<String, Stop> {
    let name = line.text(&PAGE, "--name NAME")?;
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.len() <= 64 && name.bytes().all(sound) {
        return Ok(name);
    }
    let found = format!("--name {} is no name", repeated(&name));
    Err(PAGE.usage(&format!("{found}\nallowed are letters, digits and . _ - (64 at most)")))
}

/// `custodian,recovery`
pub(super) fn parse_roles(page: &Page, text: &str) -> Result<Vec<Role>, Stop> {
    let mut roles = Vec::new();
    for word in text.split(',') {
        let role = Role::ALL.into_iter().find(|role| role.as_str() == word).ok_or_else(|| {
            let all = Role::ALL.map(Role::as_str).join(", ");
            page.usage(&format!("{} is no role\nthere are {all}", repeated(word)))
        })?;
        if roles.contains(&role) {
            return Err(page.usage(&format!("the role {role} is given twice")));
        }
        roles.push(role);
    }
    Ok(roles)
}

pub(super) fn run(arguments: &KeygenArguments, output: &mut Output) -> Result<Exit, Failure> {
    key_file::refuse_existing(&arguments.out)?;
    let passphrase = arguments.passphrase.choose()?;
    let key = PrivateKey::generate()?;
    key.write(&arguments.out, &passphrase)?;
    // From midnight, so that a node whose clock is a little behind takes it too.
    let now = clock::now().unix();
    let today = now - now % DAY;
    output.json(&json!({
        "keyid": key.keyid(),
        "public_key": key_file::base64(&key.public()),
        "name": arguments.name,
        "roles": arguments.roles,
        "not_before": today,
        "not_after": today + (arguments.days + 1) * DAY,
        "revoked": false,
    }));
    output.complain(&format!(
        "the private key {} is in {}; without it or its passphrase nothing can be signed: keep a copy of both",
        key.keyid(),
        arguments.out.display()
    ));
    Ok(Exit::InOrder)
}

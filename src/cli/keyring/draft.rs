//! `keyring draft`: a keyring from entries, or the next version of one. Writes nothing into place.

use std::path::{Path, PathBuf};

use crate::authz::keyring::{Key, MAX_BYTES};
use crate::authz::write;
use crate::authz::{Keyring, MAX_SIGNATURES};
use crate::clock;
use crate::model::op::Role;
use crate::model::time::Timestamp;

use super::super::Failure;
use super::super::exit::Exit;
use super::super::keygen::parse_roles;
use super::super::line::{Given, Line, Stop};
use super::super::page::{Page, repeated};
use super::super::print::Output;
use super::op::{bytes_of, keyring, words};

pub(in crate::cli) static PAGE: Page = Page {
    name: "keyring draft",
    commands: &[],
    options: &[
        "--from FILE",
        "--add FILE",
        "--revoke KEYID",
        "--roles KEYID=ROLE,...",
        "--threshold N",
        "--days N",
    ],
    text: "\
Makes a keyring from the entries that keygen prints, or the next version of an old
one, and prints it. A key that is revoked stays in it, so that nobody adds it again.

Usage: felhom-agent keyring draft [--from FILE] [--add FILE]... [--revoke KEYID]...
                                  [--roles KEYID=ROLE,...]... [--threshold N]
                                  [--days N]

Options:
  --from FILE             the keyring in force; without it a first one is made
  --add FILE              an entry, as keygen prints it
  --revoke KEYID          takes every right from a key, at once and for good
  --roles KEYID=ROLE,...  what a key may sign from now on; none after =: no role
  --threshold N           how many root keys a new keyring takes, 1 to 4 [as before]
  --days N                for how many days it is good, 1 to 3660 [730]

Example: felhom-agent keyring draft --from keyring.json --add bela.json > next.json
",
};

const DAY: u64 = 86_400;

#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct DraftArguments {
    from: Option<PathBuf>,
    add: Vec<PathBuf>,
    revoke: Vec<String>,
    roles: Vec<(String, Vec<Role>)>,
    threshold: Option<usize>,
    days: Option<u64>,
}

impl DraftArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let mut arguments = Self::default();
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--from") if arguments.from.is_none() => {
                    arguments.from = Some(PathBuf::from(line.value(&PAGE, "--from FILE")?));
                }
                Given::Option("--add") => arguments.add.push(PathBuf::from(line.value(&PAGE, "--add FILE")?)),
                Given::Option("--revoke") => {
                    arguments.revoke.push(keyid(&line.text(&PAGE, "--revoke KEYID")?)?);
                }
                Given::Option("--roles") => {
                    arguments.roles.push(roles(&line.text(&PAGE, "--roles KEYID=ROLE,...")?)?);
                }
                Given::Option("--threshold") if arguments.threshold.is_none() => {
                    let most = u64::try_from(MAX_SIGNATURES).unwrap_or(1);
                    let threshold = line.number(&PAGE, "--threshold N", 1..=most)?;
                    arguments.threshold = usize::try_from(threshold).ok();
                }
                Given::Option("--days") if arguments.days.is_none() => {
                    arguments.days = Some(line.number(&PAGE, "--days N", 1..=3660)?);
                }
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        if arguments.from.is_none() && arguments.add.is_empty() {
            return Err(PAGE.usage("--add FILE is missing: a keyring needs a key"));
        }
        Ok(arguments)
    }
}

fn keyid(text: &str) -> Result<String, Stop> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() == 32 && text.bytes().all(digit) {
        return Ok(text.to_owned());
    }
    Err(PAGE.usage(&format!("{} is no keyid\na keyid is 32 lower-case hex digits", repeated(text))))
}

fn roles(text: &str) -> Result<(String, Vec<Role>), Stop> {
    let Some((key, roles)) = text.split_once('=') else {
        return Err(PAGE.usage("the value of --roles is not KEYID=ROLE,..."));
    };
    let roles = if roles.is_empty() { Vec::new() } else { parse_roles(&PAGE, roles)? };
    Ok((keyid(key)?, roles))
}

pub(super) fn run(arguments: &DraftArguments, output: &mut Output) -> Result<Exit, Failure> {
    let old = arguments.from.as_deref().map(keyring).transpose()?;
    let mut keys: Vec<Key> = old.iter().flat_map(Keyring::keys).cloned().collect();
    for path in &arguments.add {
        keys.extend(entries(path)?);
    }
    for keyid in &arguments.revoke {
        find(&mut keys, keyid)?.revoked = true;
    }
    for (keyid, roles) in &arguments.roles {
        find(&mut keys, keyid)?.roles = roles.iter().copied().collect();
    }
    let version = old.as_ref().map_or(1, |old| old.version().saturating_add(1));
    let threshold = arguments.threshold.or_else(|| old.as_ref().map(Keyring::threshold)).unwrap_or(1);
    let days = arguments.days.unwrap_or(730);
    let expires = Timestamp::from_unix(clock::now().unix().saturating_add(days.saturating_mul(DAY)));
    let document = write::keyring(version, threshold, expires, &keys);
    let keyring = Keyring::parse(&document)
        .map_err(|error| Failure::text(Exit::Failed, format!("such a keyring would be refused: {error}")))?;
    output.text(&String::from_utf8_lossy(&document));
    output.complain(&format!("drafted:\n{}", words::table(&keyring)));
    warn(&keyring, output);
    Ok(Exit::InOrder)
}

/// What a keyring cannot do any more is seen too late otherwise.
fn warn(keyring: &Keyring, output: &mut Output) {
    let roots = keyring.keys().filter(|key| !key.revoked && key.roles.contains(&Role::Root)).count();
    if roots < keyring.threshold() {
        output.complain(&format!(
            "warning: it has {roots} root key(s) and a trust.update takes {}: no newer keyring can ever be signed, only \
             copied to the host by hand",
            keyring.threshold()
        ));
    }
}

/// One entry, or several with a comma between.
fn entries(path: &Path) -> Result<Vec<Key>, Failure> {
    let bytes = bytes_of(path, MAX_BYTES)?;
    let failed = |what: String| {
        Failure::text(Exit::Failed, format!("{} is no entry as keygen prints it: {what}", path.display()))
    };
    let entry = std::str::from_utf8(&bytes).map_err(|error| failed(error.to_string()))?;
    // Read as the only key of a keyring, so that an entry is held to the same rules.
    let whole = format!(r#"{{"v":1,"version":1,"threshold":1,"expires":1,"keys":[{}]}}"#, entry.trim());
    let keyring = Keyring::parse(whole.as_bytes()).map_err(|error| failed(error.to_string()))?;
    Ok(keyring.keys().cloned().collect())
}

fn find<'a>(keys: &'a mut [Key], keyid: &str) -> Result<&'a mut Key, Failure> {
    keys.iter_mut()
        .find(|key| key.keyid == keyid)
        .ok_or_else(|| Failure::text(Exit::Failed, format!("there is no key {keyid} in this keyring")))
}

//! `op draft`: writes down an operation, bound to the host and to the guest as it is now. Reads only; signs nothing.

use crate::authz::{MAX_NUMBER, Policy, SKEW_S, keyring, write};
use crate::clock;
use crate::config::{self, Config, Needs};
use crate::consent;
use crate::journal;
use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::image::GuestImage;
use crate::model::op::{Action, OpKind, Operation, Role, Subject};
use crate::model::sorted::Map;
use crate::model::time::Timestamp;
use crate::observe;
use crate::pve::Client;

use super::super::exit::Exit;
use super::super::indent::indent;
use super::super::keygen::parse_roles;
use super::super::line::{Given, Line, Stop};
use super::super::page::{Page, named};
use super::super::plan;
use super::super::print::Output;
use super::super::socket::Socket;
use super::super::{Failure, Global, pve_failure};
use super::order::{Bound, EXPIRES, EXPIRES_USUALLY, Order};
use super::{bytes_of, kind, words};

mod prospects;

use self::prospects::Prospects;

pub(in crate::cli) static PAGE: Page = Page {
    name: "op draft",
    commands: &[],
    options: &[
        "--vmid N",
        "--purge",
        "--snapshot NAME",
        "--start",
        "--volid VOLID",
        "--storage NAME",
        "--lock NAME",
        "--key KEY",
        "--put KEY=VALUE",
        "--delete KEY",
        "--resource ID",
        "--command-sha256 HEX",
        "--timeout SECONDS",
        "--generation N",
        "--iat UNIX",
        "--keyring FILE",
        "--backup",
        "--role ROLE",
        "--expires SECONDS",
        "--note TEXT",
    ],
    text: "\
Writes down an operation for this host and prints it, unsigned. Of a guest it takes
identity and state as they are now, and the newest backup as evidence; what is
missing is said on standard error. Changes nothing; with --backup it makes the
backup that is missing.

Usage: felhom-agent op draft KIND [OPTION]...

Kinds, and what they take:
  destroy          --vmid N [--purge] [--backup]
  rollback         --vmid N --snapshot NAME [--start] [--backup]
  restore-over     --vmid N --volid VOLID --storage NAME [--backup]
  stop-hard        --vmid N
  unlock           --vmid N --lock NAME
  snapshot-delete  --vmid N --snapshot NAME
  backup-delete    --vmid N --volid VOLID
  volume-delete    --vmid N --key KEY [--volid VOLID]
  volume-detach    --vmid N --key KEY
  config           --vmid N [--put KEY=VALUE]... [--delete KEY]... [--backup]
  resource-delete  --resource ID
  job-shell        --command-sha256 HEX --timeout SECONDS
  limit-release    --generation N
  floor-raise      [--iat UNIX]
  trust-update     --keyring FILE

Options:
  --vmid N              the guest
  --purge               also takes it out of backup jobs, replication and HA
  --snapshot NAME       the snapshot
  --start               starts it afterwards
  --volid VOLID         the backup or volume, as in local:backup/vzdump-...
  --storage NAME        where its volumes go
  --lock NAME           the lock that is on it
  --key KEY             the key that holds the volume, as in unused0 or mp1
  --put KEY=VALUE       a key of its configuration and its new value
  --delete KEY          a key of its configuration that goes
  --resource ID         the resource of the manifest
  --command-sha256 HEX  the command's SHA-256
  --timeout SECONDS     how long the command may take
  --generation N        the generation whose changes were held back
  --iat UNIX            what was issued then or before counts no more [now]
  --keyring FILE        the new keyring
  --backup              where no backup stands for what is lost, makes one first,
                        as felhom-agent backup does, and waits for it
  --role ROLE           the role it is signed in [custodian where it may]
  --expires SECONDS     how long it is valid, 60 to 86400 [3600]
  --note TEXT           why, for people; 256 printable ASCII characters at most

Example: felhom-agent op draft destroy --vmid 105 > op.json
",
};

const FLAGS: [&str; 3] = ["--purge", "--start", "--backup"];
const REPEATED: [&str; 2] = ["--put", "--delete"];
const COMMON: [&str; 3] = ["--role", "--expires", "--note"];

#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct DraftArguments {
    kind: OpKind,
    vmid: Option<Vmid>,
    role: Role,
    expires_s: u64,
    /// By option; a flag has an empty value.
    given: Map<&'static str, Vec<String>>,
}

impl DraftArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let mut kind = None;
        let mut given: Map<&'static str, Vec<String>> = Map::new();
        while let Some(word) = line.next(&PAGE)? {
            match word {
                Given::Option(name) if REPEATED.contains(&name) || !given.contains_key(name) => {
                    let value =
                        if FLAGS.contains(&name) { String::new() } else { line.text(&PAGE, option(name))? };
                    given.get_or_insert_with(name, Vec::new).push(value);
                }
                Given::Word(word) if kind.is_none() => kind = Some(kind::parse(&PAGE, &word)?),
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        let kind = kind.ok_or_else(|| PAGE.usage("KIND is missing: what is to be done, as in destroy"))?;
        fits(kind, &given)?;
        let first = |name: &str| given.get(name).and_then(|values| values.first()).map(String::as_str);
        let vmid = first("--vmid").map(parse_vmid).transpose()?;
        let role = first("--role").map_or_else(|| usual_role(kind), single_role)?;
        let expires_s = match first("--expires") {
            Some(text) => within(text, "--expires", &EXPIRES)?,
            None => EXPIRES_USUALLY,
        };
        for (name, bounds) in
            [("--timeout", 1..=86_400), ("--generation", 0..=MAX_NUMBER), ("--iat", 1..=MAX_NUMBER)]
        {
            if let Some(text) = first(name) {
                within(text, name, &bounds)?;
            }
        }
        let is_pair = |text: &String| text.split_once('=').is_some_and(|(key, _)| !key.is_empty());
        if !given.get("--put").into_iter().flatten().all(is_pair) {
            return Err(PAGE.usage("the value of --put is not KEY=VALUE"));
        }
        Ok(Self { kind, vmid, role, expires_s, given })
    }

    fn text(&self, name: &str) -> String {
        self.given.get(name).and_then(|values| values.first()).cloned().unwrap_or_default()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.given.get(name)?.first()?.parse().ok()
    }

    fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &String> {
        self.given.get(name).into_iter().flatten()
    }

    fn action(&self, image: Option<&GuestImage>, now: Timestamp) -> Result<Action, Failure> {
        Ok(match self.kind {
            OpKind::GuestDestroy => Action::GuestDestroy { purge: self.has("--purge") },
            OpKind::GuestRollback => {
                Action::GuestRollback { snapshot: self.text("--snapshot"), start: self.has("--start") }
            }
            OpKind::GuestRestoreOver => {
                Action::GuestRestoreOver { volid: self.text("--volid"), storage: self.text("--storage") }
            }
            OpKind::GuestStopHard => Action::GuestStopHard,
            OpKind::GuestUnlock => Action::GuestUnlock { lock: self.text("--lock") },
            OpKind::SnapshotDelete => Action::SnapshotDelete { snapshot: self.text("--snapshot") },
            OpKind::BackupDelete => Action::BackupDelete { volid: self.text("--volid") },
            OpKind::VolumeDelete => self.volume(image)?,
            OpKind::VolumeDetach => Action::VolumeDetach { key: self.text("--key") },
            OpKind::ConfigDestructive => {
                let pair = |text: &String| {
                    text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))
                };
                let set = self.all("--put").filter_map(pair).collect();
                Action::ConfigDestructive { set, delete: self.all("--delete").cloned().collect() }
            }
            OpKind::ResourceDelete => Action::ResourceDelete { resource_id: self.text("--resource") },
            OpKind::JobShell => {
                let timeout_s = self.number("--timeout").and_then(|seconds| u32::try_from(seconds).ok());
                let timeout_s = timeout_s.unwrap_or_default();
                Action::JobShell { command_sha256: self.text("--command-sha256"), timeout_s }
            }
            OpKind::LimitRelease => {
                Action::LimitRelease { generation: self.number("--generation").unwrap_or_default() }
            }
            OpKind::FloorRaise => {
                Action::FloorRaise { iat: self.number("--iat").map_or(now, Timestamp::from_unix) }
            }
            OpKind::TrustUpdate => {
                let path = self.text("--keyring");
                Action::TrustUpdate { keyring: bytes_of(path.as_ref(), keyring::MAX_BYTES)? }
            }
        })
    }

    /// Which volume it is, if that was not said, the guest says.
    fn volume(&self, image: Option<&GuestImage>) -> Result<Action, Failure> {
        let key = self.text("--key");
        if self.has("--volid") {
            return Ok(Action::VolumeDelete { key, volid: self.text("--volid") });
        }
        let held = image.and_then(|image| image.volumes.iter().find(|volume| volume.key == key));
        let held =
            held.ok_or_else(|| Failure::text(Exit::Failed, format!("the guest has no volume at {key:?}")))?;
        Ok(Action::VolumeDelete { volid: held.volid.clone(), key })
    }
}

/// `--vmid N` of `--vmid`.
fn option(name: &str) -> &'static str {
    PAGE.options.iter().copied().find(|option| named(option) == name).unwrap_or_default()
}

/// What a kind takes: what it must have, and what it may.
fn takes(kind: OpKind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        OpKind::GuestDestroy => (&["--vmid"], &["--purge", "--backup"]),
        OpKind::GuestRollback => (&["--vmid", "--snapshot"], &["--start", "--backup"]),
        OpKind::GuestRestoreOver => (&["--vmid", "--volid", "--storage"], &["--backup"]),
        OpKind::GuestStopHard => (&["--vmid"], &[]),
        OpKind::GuestUnlock => (&["--vmid", "--lock"], &[]),
        OpKind::SnapshotDelete => (&["--vmid", "--snapshot"], &[]),
        OpKind::BackupDelete => (&["--vmid", "--volid"], &[]),
        OpKind::VolumeDelete => (&["--vmid", "--key"], &["--volid"]),
        OpKind::VolumeDetach => (&["--vmid", "--key"], &[]),
        OpKind::ConfigDestructive => (&["--vmid"], &["--put", "--delete", "--backup"]),
        OpKind::ResourceDelete => (&["--resource"], &[]),
        OpKind::JobShell => (&["--command-sha256", "--timeout"], &[]),
        OpKind::LimitRelease => (&["--generation"], &[]),
        OpKind::FloorRaise => (&[], &["--iat"]),
        OpKind::TrustUpdate => (&["--keyring"], &[]),
    }
}

fn fits(kind: OpKind, given: &Map<&'static str, Vec<String>>) -> Result<(), Stop> {
    let (required, optional) = takes(kind);
    let known = |name: &str| [required, optional, &COMMON].iter().any(|names| names.contains(&name));
    if let Some(name) = given.keys().find(|name| !known(name)) {
        let takes: Vec<&str> = [required, optional, &COMMON].concat();
        return Err(PAGE.usage(&format!(
            "{name} does not belong to {}\nallowed are {}",
            kind::short(kind),
            takes.join(", ")
        )));
    }
    if let Some(name) = required.iter().find(|name| !given.contains_key(*name)) {
        return Err(PAGE.usage(&format!("{} is missing: {} needs it", option(name), kind::short(kind))));
    }
    if kind == OpKind::ConfigDestructive && !given.contains_key("--put") && !given.contains_key("--delete") {
        return Err(PAGE.usage("--put KEY=VALUE or --delete KEY is missing: config needs one at least"));
    }
    Ok(())
}

fn parse_vmid(text: &str) -> Result<Vmid, Stop> {
    text.parse().map_err(|_echo: String| {
        PAGE.usage(&format!("--vmid is no guest's number\nallowed are {} to {}", Vmid::MIN, Vmid::MAX))
    })
}

fn within(text: &str, name: &str, bounds: &std::ops::RangeInclusive<u64>) -> Result<u64, Stop> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && bounds.contains(number)).ok_or_else(|| {
        PAGE.usage(&format!("{name} is out of bounds\nallowed are {} to {}", bounds.start(), bounds.end()))
    })
}

/// The role that most keys have, where it may sign this.
fn usual_role(kind: OpKind) -> Result<Role, Stop> {
    let roles = Policy::built_in().roles_for(kind);
    let usual = roles.iter().find(|role| **role == Role::Custodian).or_else(|| roles.first());
    usual.copied().ok_or_else(|| PAGE.usage("no role may sign this kind"))
}

fn single_role(text: &str) -> Result<Role, Stop> {
    match parse_roles(&PAGE, text)?.as_slice() {
        [role] => Ok(*role),
        _ => Err(PAGE.usage("an operation is signed in one role")),
    }
}

pub(super) fn run(global: &Global, arguments: &DraftArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = config::load(&global.sources(), Needs::PROXMOX)?;
    super::super::begin(&config, output);
    let Some(proxmox) = &config.proxmox else {
        return Err(Failure::text(Exit::Configuration, "proxmox is not configured"));
    };
    let client = Client::new(&proxmox.connection()).map_err(|error| pve_failure(&error))?;
    let floor = floor(global, &config);
    let (mut operation, mut prospects) = drafted(&client, &config, arguments, floor)?;
    if let Some(vmid) = arguments.vmid.filter(|_| arguments.has("--backup") && prospects.lacks_backup) {
        super::super::backup::make(global, vmid, output)?;
        // The guest as it is now, with the backup that it has now, from now on.
        (operation, prospects) = drafted(&client, &config, arguments, floor)?;
    }
    for warning in prospects.warnings {
        output.complain(&format!("warning: {warning}"));
    }
    print(&operation, operation.iat, output)
}

fn drafted(
    client: &Client,
    config: &Config,
    arguments: &DraftArguments,
    floor: Option<Timestamp>,
) -> Result<(Operation, Prospects), Failure> {
    let node = client.node().map_err(|error| pve_failure(&error))?.to_owned();
    let host_id = plan::host_id(config)?;
    let now = issued(floor, clock::now());
    let image = arguments.vmid.map(|vmid| image(client, vmid)).transpose()?;
    let action = arguments.action(image.as_ref(), now)?;
    let order = Order {
        action,
        role: arguments.role,
        host_id,
        node,
        bound: image.as_ref().map(bound),
        expires_s: arguments.expires_s,
        note: arguments.text("--note"),
    };
    let mut operation = order.operation(now)?;
    let prospects = match &image {
        Some(image) => prospects::look(client, config, &mut operation, image),
        None => {
            let why = consent::not_supported(&operation.action);
            let warnings = why.map(|why| format!("it will not be carried out: {why}")).into_iter().collect();
            Prospects { warnings, lacks_backup: false }
        }
    };
    Ok((operation, prospects))
}

/// Whatever was issued at the floor or before is refused; a host that has just begun has its floor a little in the future.
fn issued(floor: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let above = floor.map(|floor| Timestamp::from_unix(floor.unix().saturating_add(1)));
    // What is a little too far ahead is valid by the time it is signed; a floor beyond that is a fault that the host names.
    let near = SKEW_S + 60;
    above.filter(|above| above.seconds_since(now) <= near).map_or(now, |above| above.max(now))
}

/// The daemon knows it; where none runs, its journal does. Who may read neither drafts as of now.
fn floor(global: &Global, config: &Config) -> Option<Timestamp> {
    told(global).or_else(|| {
        let folder = config.agent.state_dir.join(journal::FOLDER);
        let look = journal::verify(&journal::Disk, &folder, &journal::Identity::of_this_machine("")).ok()?;
        look.verdict.floor_iat
    })
}

fn told(global: &Global) -> Option<Timestamp> {
    let reply = Socket::of(global, None).ok()?.get("/v1/status").ok()?;
    let status = reply.good().ok()?;
    Timestamp::parse(status.pointer("/local/ops/floor")?.as_str()?).ok()
}

fn print(operation: &Operation, now: Timestamp, output: &mut Output) -> Result<Exit, Failure> {
    let payload = String::from_utf8(write::payload(operation))
        .map_err(|_bytes| Failure::text(Exit::Failed, "the operation is not UTF-8"))?;
    output.text(&indent(&payload));
    output.complain(&format!("drafted, not signed:\n{}", words::describe(operation, now)));
    Ok(Exit::InOrder)
}

fn bound(image: &GuestImage) -> Bound {
    Bound {
        subject: Subject { guest: image.guest, ident: consent::ident(image) },
        state_sha256: consent::state_sha256(image),
        evidence: None,
    }
}

/// The guest of that number, whichever kind it is of.
fn image(client: &Client, vmid: Vmid) -> Result<GuestImage, Failure> {
    let mut found = None;
    for kind in GuestKind::ALL {
        let listed = client.guests(kind).map_err(|error| pve_failure(&error))?;
        if listed.iter().any(|row| row.guest.vmid == vmid) {
            found = Some(GuestId::new(kind, vmid));
        }
    }
    let guest = found.ok_or_else(|| {
        let what = format!("there is no guest {vmid} on this node, or the token may not see it (VM.Audit)");
        Failure::text(Exit::Failed, what)
    })?;
    observe::image(client, guest)
        .map_err(|rejected| Failure::text(Exit::Failed, format!("{guest} cannot be bound: {rejected}")))
}

#[cfg(test)]
mod tests;

//! `adopt`: guests that are there as the manifest would write them, so that a node is brought under management without writing it by
//! hand. Reads only, by itself: no daemon is needed, and none is asked.
//!
//! What is printed is parsed and planned against what was just read before it is printed: it must come to nothing.

use serde_json::Value;

use crate::clock;
use crate::config::{self, Config, DesiredSource, Needs};
use crate::control::store::{FoundNote, Store};
use crate::manifest;
use crate::model::desired::{DesiredState, WantedRun};
use crate::model::guest::{GuestId, GuestKind, RunState, Vmid};
use crate::model::observed::{GuestConfig, ListedGuest, Presence, Reading};
use crate::model::sorted::{Map, Set};
use crate::observe;
use crate::ops::trust;
use crate::paths::StateDir;
use crate::plan::{self, NodeObservation, Settings, safe};
use crate::pve::{Client, PveError, View};

use super::exit::Exit;
use super::line::{Given, Line, Stop};
use super::page::{Page, repeated};
use super::print::Output;
use super::{Failure, Global, chain, pve_failure};

pub(super) static PAGE: Page = Page {
    name: "adopt",
    commands: &[],
    options: &["--all", "--json"],
    text: "\
Prints guests of this node as a desired state would name them, each as it is: one
resource, or a whole document of several. Changes nothing; the plan of what is
printed is empty. What the manifest has no words for is named on standard error:
it is not managed and stays as it is.

Usage: felhom-agent adopt (VMID... | --all) [--json]

Options:
  --all   every guest of this node but templates and restore tests
  --json  as JSON, which it is in any case

What waits for a guest's next start is told as that start will have it. Whether a
guest runs is told as it is now; of one that is locked or paused it is left out.

Ends with 1 when a guest is not there, 75 when one could not be read; the others
are printed.

Example: felhom-agent adopt --all > desired.json
",
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AdoptArguments {
    pub(super) all: bool,
    pub(super) vmids: Set<Vmid>,
}

impl AdoptArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let mut arguments = Self::default();
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--all") => arguments.all = true,
                Given::Option("--json") => {}
                Given::Word(word) => {
                    let word = word.to_string_lossy();
                    let wrong = |_echo| PAGE.usage(&format!("{} is no number of a guest", repeated(&word)));
                    arguments.vmids.insert(word.parse().map_err(wrong)?);
                }
                other @ Given::Option(_) => return Err(PAGE.unexpected(&other)),
            }
        }
        if arguments.all == arguments.vmids.is_empty() {
            return Ok(arguments);
        }
        Err(PAGE.usage("wanted are the numbers of guests, or --all, and not both"))
    }
}

pub(super) fn run(global: &Global, arguments: &AdoptArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = config::load(&global.sources(), Needs::PROXMOX)?;
    super::begin(&config, output);
    let Some(proxmox) = &config.proxmox else {
        return Err(Failure::text(Exit::Configuration, "proxmox is not configured"));
    };
    let is_document = arguments.all || arguments.vmids.len() > 1;
    let host_id = match super::plan::host_id(&config) {
        Err(failure) if is_document => return Err(failure),
        found => found.ok(),
    };
    let client = Client::new(&proxmox.connection()).map_err(|error| pve_failure(&error))?;
    client.node().map_err(|error| pve_failure(&error))?;
    let mut listed = Vec::new();
    for kind in GuestKind::ALL {
        listed.extend(client.guests(kind).map_err(|error| pve_failure(&error))?);
    }
    let wanted = wanted(arguments, &config, &listed, output);
    let seen = observe::node(&client, &wanted);
    let mut adoption = Adoption::of(&config, host_id.as_deref(), output);
    for guest in &wanted {
        adoption.take(&client, *guest, &seen, output);
    }
    if wanted.is_empty() {
        adoption.miss(
            Exit::Failed,
            "there is no guest to be told. A token without VM.Audit sees no guest either",
            output,
        );
    }
    let Adoption { generation, resources, .. } = &adoption;
    let document = manifest::document(host_id.as_deref().unwrap_or(UNNAMED), generation + 1, resources);
    adoption.check(&document, &seen, output)?;
    match adoption.resources.first() {
        None => {}
        Some(_) if is_document => output.json(&document),
        Some(resource) => output.json(resource),
    }
    Ok(adoption.exit)
}

/// Stands for the host where it has no id yet and none is printed.
const UNNAMED: &str = "unnamed";

/// Which guests are to be told, by number. One that is in no list is looked for as a container, which is as good as the other.
fn wanted(
    arguments: &AdoptArguments,
    config: &Config,
    listed: &[ListedGuest],
    output: &mut Output,
) -> Vec<GuestId> {
    if !arguments.all {
        let known = |vmid: &Vmid| listed.iter().map(|row| row.guest).find(|guest| guest.vmid == *vmid);
        let id = |vmid: &Vmid| known(vmid).unwrap_or_else(|| GuestId::new(GuestKind::Lxc, *vmid));
        return arguments.vmids.iter().map(id).collect();
    }
    let mut wanted = Vec::new();
    for row in listed {
        let why = if row.template {
            "a template cannot run, and every change of it is held"
        } else if config.proof.scratch.contains(&row.guest.vmid.number()) {
            "its number is one of proof.scratch_vmids, where backups are tested"
        } else {
            wanted.push(row.guest);
            continue;
        };
        output.complain(&format!("{}: left out: {why} (adopt {} prints it)", row.guest, row.guest.vmid));
    }
    wanted.sort_unstable();
    wanted
}

/// What has come together so far.
#[derive(Debug)]
struct Adoption {
    /// The last that this host accepted.
    generation: u64,
    /// What the manifest in force calls the guests that it names.
    managed: Map<Vmid, String>,
    /// Ids that are given away.
    ids: Set<String>,
    resources: Vec<Value>,
    exit: Exit,
}

impl Adoption {
    /// Beside what is in force, which need not be there or readable.
    fn of(config: &Config, host_id: Option<&str>, output: &mut Output) -> Self {
        let mut adoption = Self {
            generation: 0,
            managed: Map::new(),
            ids: Set::new(),
            resources: Vec::new(),
            exit: Exit::InOrder,
        };
        let store = Store::new(StateDir::to_read(&config.agent.state_dir));
        let mut accepted_at = clock::now();
        match store.note() {
            FoundNote::None => {}
            FoundNote::Read(note) => {
                adoption.generation = note.generation;
                accepted_at = note.accepted_at.unwrap_or(accepted_at);
            }
            FoundNote::Unreadable(why) => {
                output.complain(&format!("which generation was accepted last is not known: {why}"));
            }
        }
        let Some(host_id) = host_id else { return adoption };
        let in_force = match store.manifest() {
            Ok(Some(bytes)) => trust::read_manifest(config, &bytes, host_id, accepted_at)
                .map(Some)
                .map_err(|error| chain(&error)),
            Ok(None) => not_accepted_yet(config),
            Err(error) => Err(chain(&error)),
        };
        match in_force {
            Ok(None) => {}
            Ok(Some(state)) => {
                adoption.generation = adoption.generation.max(state.generation);
                adoption.ids.extend(state.refused.into_iter().map(|refused| refused.resource_id));
                for guest in state.guests {
                    adoption.ids.insert(guest.resource_id.clone());
                    adoption.managed.insert(guest.guest.vmid, guest.resource_id);
                }
            }
            Err(why) => output.complain(&format!("which guests are managed already is not known: {why}")),
        }
        adoption
    }

    /// What was asked for could not be told; who is not there weighs more than who could not be read.
    fn miss(&mut self, exit: Exit, why: &str, output: &mut Output) {
        output.complain(why);
        if self.exit != Exit::Failed {
            self.exit = exit;
        }
    }

    fn take(&mut self, client: &Client, guest: GuestId, seen: &NodeObservation, output: &mut Output) {
        let Some(look) = seen.guests.get(&guest.vmid) else { return };
        let (row, config) = match (&look.presence, &look.config) {
            (Presence::Listed(row), Reading::Known(config)) => (row, config),
            (presence, config) => {
                let (exit, why) = not_told(guest.vmid, presence, config);
                return self.miss(exit, &format!("{}: {why}", guest.vmid), output);
            }
        };
        let mut say = |what: &str| output.complain(&format!("{guest}: {what}"));
        let id = self.id(guest, config, &seen.listed);
        if self.managed.contains_key(&guest.vmid) {
            say(&format!(
                "is managed already, as {id}; printed is what it is now, which need not be what is wanted"
            ));
        }
        if row.template {
            say("is a template: it cannot run, and every change of it is held");
        }
        let lock = row.lock.as_deref().or_else(|| config.merged("lock"));
        let run = match (lock, row.run) {
            (Some(lock), _) => {
                let lock = safe(lock);
                say(&format!(
                    "has the lock \"{lock}\": what is printed may be halfway, and whether it should run is left out"
                ));
                None
            }
            (None, RunState::Running) => Some(WantedRun::Running),
            (None, RunState::Stopped) => Some(WantedRun::Stopped),
            (None, RunState::Paused | RunState::Unknown) => {
                say(&format!("is {}: whether it should run is left out", row.run));
                None
            }
        };
        let mut told = manifest::told(guest, config);
        match raw_lines(client, guest) {
            Ok(lines) => told.unsaid.extend(lines),
            Err(error) => say(&format!("whether it has raw lxc lines could not be read: {error}")),
        }
        if !told.unsaid.is_empty() {
            let unsaid = safe(&told.unsaid.join(", "));
            say(&format!("not managed, because a manifest cannot say it, and stays as it is: {unsaid}"));
        }
        self.resources.push(told.resource(&id, run));
    }

    /// As the manifest in force has it; else its name, if it is one and no other guest has it; else with its number.
    fn id(&mut self, guest: GuestId, config: &GuestConfig, listed: &[ListedGuest]) -> String {
        if let Some(id) = self.managed.get(&guest.vmid) {
            return id.clone();
        }
        let name = config.merged(if guest.kind == GuestKind::Lxc { "hostname" } else { "name" });
        let is_of_another = |row: &ListedGuest| row.guest.vmid != guest.vmid && row.name.as_deref() == name;
        let alone = name.filter(|_| !listed.iter().any(is_of_another));
        let numbered = name.map(|name| format!("{name}-{}", guest.vmid));
        let plain = format!("{}-{}", guest.kind, guest.vmid);
        let more = (2_u32..).map(|number| format!("{plain}-{number}"));
        let free = |id: &String| manifest::is_id(id) && !self.ids.contains(id);
        let mut candidates =
            alone.map(str::to_owned).into_iter().chain(numbered).chain([plain.clone()]).chain(more);
        let id = candidates.find(free).unwrap_or_else(|| plain.clone());
        self.ids.insert(id.clone());
        id
    }

    /// Holds that what was printed is taken, and that its plan is empty; says what the plan has to say of it.
    fn check(
        &mut self,
        document: &Value,
        seen: &NodeObservation,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let host_id = document.get("host_id").and_then(Value::as_str).unwrap_or(UNNAMED);
        let state = manifest::parse(document.to_string().as_bytes(), host_id, clock::now());
        let state = state.map_err(|error| Failure::new(Exit::Failed, &error))?;
        let plan = plan::plan(&state, seen, &Settings::default());
        for refused in &plan.refused {
            let why =
                format!("{}: what is printed would be refused: {}", refused.resource_id, refused.message);
            self.miss(Exit::Failed, &why, output);
        }
        for guest in &plan.guests {
            if !guest.is_in_order() || !guest.drift.is_empty() {
                let why =
                    format!("{}: what is printed is not what is there; see the plan of it", guest.guest);
                self.miss(Exit::Failed, &why, output);
            }
            for warning in guest.warnings() {
                output.complain(&format!("{}: {warning}", guest.guest));
            }
        }
        Ok(())
    }
}

/// The names of a container's raw `lxc.*` lines, which Proxmox leaves out where it tells what is pending.
fn raw_lines(client: &Client, guest: GuestId) -> Result<Set<String>, PveError> {
    let lines = match guest.kind {
        GuestKind::Lxc => client.config(guest, View::Current)?.values.remove("lxc"),
        GuestKind::Qemu => None,
    };
    let lines: Value = lines.and_then(|lines| serde_json::from_str(&lines).ok()).unwrap_or_default();
    let name = |line: &Value| Some(line.get(0)?.as_str()?.to_owned());
    Ok(lines.as_array().into_iter().flatten().filter_map(name).collect())
}

/// The desired state of the configuration, if it is a file that is there. A hub is not asked: it may be away.
fn not_accepted_yet(config: &Config) -> Result<Option<DesiredState>, String> {
    match &config.desired {
        DesiredSource::File { path, .. } if path.exists() => {
            super::plan::desired(config).map(Some).map_err(|failure| failure.message)
        }
        DesiredSource::File { .. } | DesiredSource::Hub | DesiredSource::None => Ok(None),
    }
}

/// Why nothing can be told of a guest, and whether another try may help.
fn not_told(vmid: Vmid, presence: &Presence, config: &Reading<GuestConfig>) -> (Exit, String) {
    match (presence, config) {
        (Presence::Elsewhere(node), _) => (Exit::Failed, format!("is on node {node}: ask its agent")),
        (Presence::Nowhere, _) => {
            (Exit::Failed, "there is no such guest, on this node or any other of the cluster".to_owned())
        }
        (Presence::NotListed, _) => (
            Exit::Failed,
            format!(
                "is not in this node's list, which proves nothing: a token without VM.Audit on /vms/{vmid} sees the same"
            ),
        ),
        (_, Reading::Unknown(fault)) | (Presence::Unknown(fault), _) => {
            (Exit::TryAgain, format!("could not be read: {}", fault.message))
        }
        (Presence::Listed(_), Reading::Known(_)) => (Exit::InOrder, String::new()),
    }
}

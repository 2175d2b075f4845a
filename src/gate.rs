//! The reversibility gate: which steps may run without the owner's consent.
//! Pure. The only maker of [`Approved`], and the executor takes nothing else. The question is what would be lost and
//! whose it is, not which verb is used; what is not known counts as the worse answer.
//! Invariant: a step that cannot be undone passes only with an operation whose kind, guest, parameters and state equal it.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::authz::VerifiedOp;
use crate::consent::{self, Guards, quoted};
use crate::model::desired::Field;
use crate::model::guest::{GuestId, GuestKind};
use crate::model::hold::{Hold, HoldReason};
use crate::model::image::GuestImage;
use crate::model::observed::{GuestConfig, GuestObservation, PendingChange, Presence, Reading};
use crate::model::op::{OpId, Rejected};
use crate::model::sorted::Map;
use crate::model::step::{ConfigChange, Purpose, Step};
use crate::model::volume::{first_part, holds_volume, is_removable, is_unused_key, size, volid};
use crate::normalize::net;

/// A step that may run. Made only here.
#[derive(Debug)]
pub struct Approved {
    step: Step,
    op_id: Option<OpId>,
    destructive: bool,
    volumes: Vec<String>,
}

impl Approved {
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// The operation that consents to the loss; `None` where nothing is lost.
    pub fn op_id(&self) -> Option<&OpId> {
        self.op_id.as_ref()
    }

    /// It cannot be undone.
    pub fn destructive(&self) -> bool {
        self.destructive
    }

    /// The volumes that this step takes away, and that must be gone from their storages afterwards.
    pub fn volumes(&self) -> &[String] {
        &self.volumes
    }

    pub(crate) fn into_step(self) -> Step {
        self.step
    }
}

/// What the gate must know beside the step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub pending: PendingVolumes,
    pub snapshot: SnapshotProvenance,
    /// The guest's volumes in words, `mp0 (store:101/vm-101-disk-1.raw, 8G)`; `None` where they could not be read.
    pub volumes: Option<Vec<String>>,
    /// What stands at each key that holds a volume; `None` where it could not be read.
    pub held: Option<Map<String, String>>,
    /// The owner said of a guest that bears no data that it may be ended at once, and it did not shut down in its time.
    pub expendable: bool,
    pub made: Made,
    /// Whether the guest's number is free in the whole cluster; `Err` says why it may not be.
    pub free: Result<(), String>,
}

impl Default for Facts {
    /// Nothing is known.
    fn default() -> Self {
        Self {
            pending: PendingVolumes::Unknown,
            snapshot: SnapshotProvenance::Unknown,
            volumes: None,
            held: None,
            expendable: false,
            made: Made::Unknown,
            free: Err("nobody looked".to_owned()),
        }
    }
}

/// Whose work the guest is, by the journal and by what is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// Somebody else's, or nobody looked.
    Unknown,
    /// The journal says that this agent made a guest of this number.
    Ours {
        guest: GuestId,
        purpose: Purpose,
        /// It never became whole.
        half: bool,
        /// Its incarnation when it was made, and the one that is there now.
        then: String,
        now: String,
        /// Nothing is missing in the journal.
        sound: bool,
        /// That the guest names now, `store:101/vm-101-disk-1.raw`.
        volumes: Vec<String>,
    },
}

/// What a start, or any write, would do to volumes because it was left pending: Proxmox applies all that is pending
/// together with what we asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PendingVolumes {
    /// The configuration could not be read: counted as a loss.
    Unknown,
    /// The keys whose volume would be detached or freed; empty when nothing would.
    Known(Vec<String>),
}

/// Who made the snapshot that a step wants to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotProvenance {
    /// Not known, or somebody else.
    Unknown,
    /// This very run of this program made it and saw it made.
    OursThisRun { guest: GuestId, name: String },
}

impl Facts {
    /// What an observation tells; who made the guest or a snapshot of it does not show.
    pub fn observed(seen: &GuestObservation) -> Self {
        let pending = match &seen.config {
            Reading::Known(config) => PendingVolumes::Known(volumes_lost_when_pending_is_applied(config)),
            Reading::Unknown(_) => PendingVolumes::Unknown,
        };
        let config = seen.config.known();
        Self {
            pending,
            snapshot: SnapshotProvenance::Unknown,
            volumes: config.map(volumes),
            held: config.map(held),
            expendable: false,
            made: Made::Unknown,
            free: match &seen.presence {
                Presence::Nowhere => Ok(()),
                Presence::Elsewhere(node) => Err(format!("it is on node {node}")),
                Presence::Listed(_) | Presence::NotListed | Presence::Unknown(_) => {
                    Err("nobody can say that it is free".to_owned())
                }
            },
        }
    }
}

/// A step that was refused: what would be lost, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    pub step: Step,
    pub what: String,
    pub remedy: String,
}

impl Loss {
    /// As the status shows it.
    pub fn into_hold(self) -> Hold {
        Hold {
            reason: if matches!(self.step, Step::Make { .. }) {
                HoldReason::Taken
            } else {
                HoldReason::NeedsSignature
            },
            detail: format!("{}: {}", self.step, self.what),
            remedy: self.remedy,
        }
    }
}

/// Lets a step through, or names what it would lose.
pub fn judge(step: Step, facts: &Facts) -> Result<Approved, Box<Loss>> {
    match refusal(&step, facts) {
        None => {
            let (destructive, volumes) = match (&step, &facts.made) {
                (Step::Destroy { .. }, Made::Ours { volumes, .. }) => (true, volumes.clone()),
                _ => (false, Vec::new()),
            };
            Ok(Approved { step, op_id: None, destructive, volumes })
        }
        Some((what, remedy)) => Err(Box::new(Loss { step, what, remedy })),
    }
}

/// Lets a step through that its owner signed for: the one that the operation orders, of the guest it names, in the incarnation
/// and the state it was drafted for, and in a world in which it may be done. Otherwise the first check that failed.
pub fn judge_consented(
    step: Step,
    op: &VerifiedOp,
    image: &GuestImage,
    guards: &Guards,
) -> Result<Approved, Rejected> {
    let waived = op.evidence_waived_by_two();
    match consent::permits(&step, op.op(), waived, image, guards) {
        Ok(volumes) => Ok(Approved { step, op_id: Some(op.op().op_id.clone()), destructive: true, volumes }),
        Err(rejected) => Err(Rejected {
            op_id: Some(op.op().op_id.clone()),
            payload_sha256: Some(op.payload_sha256().to_owned()),
            ..rejected
        }),
    }
}

/// Of what takes bytes away that a backup could bring back: one is made where there is none.
const BACKUP: &str = " --backup";

/// What is lost and what to do instead; `None` if the step can be undone.
fn refusal(step: &Step, facts: &Facts) -> Option<(String, String)> {
    match step {
        Step::SetConfig { guest, change } => irreversible_keys(*guest, change, facts.held.as_ref())
            .or_else(|| applied_with_it(*guest, &facts.pending)),
        // What HA is told to stop ends by HA's own rules, which whoever manages the host chose (`agent.ha`).
        Step::HaState { guest: _, running: false } => None,
        Step::Start { guest }
        | Step::Reboot { guest, timeout_s: _ }
        | Step::HaState { guest, running: true } => applied_with_it(*guest, &facts.pending),
        // The guest ends by its own will; what is pending waits for its next start.
        Step::Shutdown { guest: _, timeout_s: _ } => None,
        Step::Snapshot { guest: _, name: _ } => None,
        Step::DeleteSnapshot { guest, name } => foreign_snapshot(*guest, name, &facts.snapshot),
        Step::Stop { guest: _ } if facts.expendable => None,
        Step::Stop { guest } => disown(*guest, Purpose::Scratch, &facts.made).err().map(|doubt| {
            loss(&format!("whatever it has not written to disk yet{doubt}"), draft(*guest, "stop-hard", ""))
        }),
        Step::Backup { guest, storage: _, prune } => prune.then(|| {
            loss(
                "older backups, which Proxmox would remove",
                format!(
                    "remove old backups of {guest} one by one: {}",
                    draft(*guest, "backup-delete", " --volid VOLID")
                ),
            )
        }),
        Step::Resize { guest, key, from, to, digest: _ } => shrinks(*guest, key, *from, *to),
        Step::Destroy { guest, purge: _ } => disown(*guest, Purpose::Provision, &facts.made)
            .err()
            .map(|doubt| (destroyed(facts.volumes.as_deref()) + &doubt, draft(*guest, "destroy", BACKUP))),
        Step::Rollback { guest, snapshot, start: _ } => Some(loss(
            &format!("all that came after snapshot {snapshot}"),
            draft(*guest, "rollback", &format!(" --snapshot {snapshot}{BACKUP}")),
        )),
        Step::RestoreOver { guest, volid, storage } => Some(loss(
            "the guest as it is, with all its volumes and snapshots",
            draft(*guest, "restore-over", &format!(" --volid {volid} --storage {storage}{BACKUP}")),
        )),
        Step::DeleteBackup { guest, volid } => Some(loss(
            &format!("backup {volid}"),
            draft(*guest, "backup-delete", &format!(" --volid {volid}")),
        )),
        // Nothing is lost where nothing is.
        Step::Make { guest, .. } => facts.free.as_ref().err().map(|why| {
            loss(
                &format!("the number {} is not free: {why}", guest.vmid),
                "give the resource a vmid that is free, or remove by hand what is left of an older guest"
                    .to_owned(),
            )
        }),
    }
}

/// Whether this agent may end what it made: a guest that only proves something; or, where `purpose` says so, one that was to
/// stay and never became whole. `Err`: in doubt it is somebody's, and what the doubt is, for the end of a sentence.
fn disown(guest: GuestId, purpose: Purpose, made: &Made) -> Result<(), String> {
    let Made::Ours { guest: ours, purpose: made_for, half, then, now, sound, volumes: _ } = made else {
        return Err(String::new());
    };
    let doubt = if *ours != guest || then.is_empty() || then != now {
        "it is no longer the one"
    } else if !sound {
        "the journal is not sound"
    } else if *made_for == Purpose::Provision && (purpose != Purpose::Provision || !half) {
        "it was made to stay"
    } else {
        return Ok(());
    };
    Err(format!(" (this agent made a guest of this number, but {doubt})"))
}

fn loss(what: &str, remedy: String) -> (String, String) {
    (what.to_owned(), remedy)
}

fn destroyed(volumes: Option<&[String]>) -> String {
    match volumes {
        Some([]) => "the guest with its snapshots; it names no volume".to_owned(),
        Some(volumes) => format!("the guest with its snapshots and its volumes {}", volumes.join(", ")),
        None => "the guest with its snapshots and its volumes, which could not be read".to_owned(),
    }
}

fn volumes(config: &GuestConfig) -> Vec<String> {
    let held = config.current.iter().filter(|(key, _)| holds_volume(key));
    held.filter_map(|(key, value)| {
        let volid = volid(value)?;
        let size = value.split(',').find_map(|part| part.strip_prefix("size="));
        Some(format!("{key} ({volid}, {})", size.unwrap_or("size not told")))
    })
    .collect()
}

/// What stands at each volume's key; where only a pending change put something there, that. And the network cards as they will be
/// once what is pending is applied.
pub fn held(config: &GuestConfig) -> Map<String, String> {
    let current = config.current.iter().filter(|(key, _)| holds_volume(key));
    let pending = config.pending.iter().filter_map(|(key, change)| match change {
        PendingChange::Set(text) if holds_volume(key) => Some((key, text)),
        PendingChange::Set(_) | PendingChange::Delete => None,
    });
    // The current volume last: with its own size.
    let volumes = pending.chain(current).map(|(key, text)| (key.clone(), text.clone()));
    let cards = config.current.keys().chain(config.pending.keys()).filter(|key| is_card(key));
    let cards = cards.filter_map(|key| Some((key.clone(), config.merged(key)?.to_owned())));
    volumes.chain(cards).collect()
}

/// The line that begins the way to consent.
pub fn draft(guest: GuestId, what: &str, rest: &str) -> String {
    format!("`felhom-agent op draft {what} --vmid {}{rest}`, then have it signed", guest.vmid)
}

/// A size that is not known may be the larger one.
fn shrinks(guest: GuestId, key: &str, from: Option<u64>, to: u64) -> Option<(String, String)> {
    match from {
        Some(from) if to >= from => None,
        Some(from) => Some(loss(
            &format!("what lies in the last {} bytes of {key}", from.saturating_sub(to)),
            format!("none: Proxmox shrinks nothing; restore {guest} to smaller volumes"),
        )),
        None => Some(loss(
            &format!("perhaps the end of {key}, whose size is not known"),
            format!("see why the size of {key} of {guest} cannot be read"),
        )),
    }
}

/// The keys whose old value can simply be written back, of both kinds and of one. A closed list: a key that is not here may
/// hold a volume or a device, and is refused until somebody has thought about it.
const REVERSIBLE: [&str; 11] = [
    "description",
    "tags",
    "cores",
    "cpulimit",
    "cpuunits",
    "memory",
    "onboot",
    "startup",
    "protection",
    "nameserver",
    "searchdomain",
];
/// Without `arch` and `ostype`, which Proxmox would take without complaint.
const REVERSIBLE_LXC: [&str; 8] =
    ["hostname", "swap", "features", "cmode", "tty", "console", "entrypoint", "timezone"];
const REVERSIBLE_VM: [&str; 15] = [
    "name", "sockets", "vcpus", "cpu", "balloon", "boot", "agent", "machine", "bios", "scsihw", "ostype",
    "vga", "hotplug", "ciuser", "sshkeys",
];

fn is_card(key: &str) -> bool {
    matches!(Field::numbered(key), Some(Field::Net(_)))
}

/// Whether the gate lets this key be written at all; for the test that holds the normaliser's table to this list.
pub fn is_reversible_key(kind: GuestKind, key: &str) -> bool {
    let of_kind: &[&str] = match kind {
        GuestKind::Lxc => &REVERSIBLE_LXC,
        GuestKind::Qemu => &REVERSIBLE_VM,
    };
    let numbered = match Field::numbered(key) {
        Some(Field::IpConfig(_)) => kind == GuestKind::Qemu,
        Some(_) => true,
        None => false,
    };
    numbered || REVERSIBLE.contains(&key) || of_kind.contains(&key)
}

/// Whether this write of a volume's key takes no volume away: a new one at a key that is free in both views, or the options of the
/// one that is there, with its size as it is.
fn keeps_volume(held: Option<&Map<String, String>>, key: &str, value: &str) -> bool {
    if !holds_volume(key) || is_unused_key(key) {
        return false;
    }
    match held.map(|held| held.get(key)) {
        None => false,
        Some(None) => is_allocation(value),
        Some(Some(there)) => {
            volid(there).is_some() && first_part(there) == first_part(value) && size(there) == size(value)
        }
    }
}

/// `store:100`: a volume that is to be made, its size in GiB.
fn is_allocation(value: &str) -> bool {
    let size = first_part(value).split_once(':').map(|(_, size)| size);
    size.is_some_and(|size| !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A card that is taken away, or given another hardware address than it has, loses its address lease and whatever else is
/// bound to it; a new card has nothing to lose.
fn loses_address(key: &str, written: Option<&String>, held: Option<&Map<String, String>>) -> bool {
    if !is_card(key) {
        return false;
    }
    let Some(held) = held else { return true };
    held.get(key).is_some_and(|now| match (net::address(now), written.and_then(|text| net::address(text))) {
        (Some(now), Some(written)) => now != written,
        _ => true,
    })
}

fn irreversible_keys(
    guest: GuestId,
    change: &ConfigChange,
    held: Option<&Map<String, String>>,
) -> Option<(String, String)> {
    if change.digest.is_empty() {
        return Some((
            "the write carries no digest, so that a change made meanwhile by somebody else would be lost"
                .to_owned(),
            "none: this is a fault of the agent, please report it".to_owned(),
        ));
    }
    let kept = |key: &&str| !change.set.get(*key).is_some_and(|value| keeps_volume(held, key, value));
    let keys = change.set.keys().chain(&change.delete);
    let other: Vec<&str> = keys
        .map(String::as_str)
        .filter(|key| !is_reversible_key(guest.kind, key) || loses_address(key, change.set.get(*key), held))
        .filter(kept)
        .collect();
    if other.is_empty() {
        return None;
    }
    let volumes = other.iter().any(|key| holds_volume(key));
    let lines = other.iter().map(|key| match change.set.get(*key) {
        Some(value) => format!(" --put {}", quoted(&format!("{key}={value}"))),
        None => format!(" --delete {key}"),
    });
    let is_lost = if other.iter().all(|key| is_card(key)) {
        "would lose the hardware address, and the address lease with it"
    } else {
        "may free or detach something that cannot be brought back"
    };
    Some((
        format!("{} {is_lost}", other.join(", ")),
        draft(guest, "config", &(lines.collect::<String>() + if volumes { BACKUP } else { "" })),
    ))
}

/// Proxmox applies what is pending at every start, and with every write as far as the guest's state allows.
fn applied_with_it(guest: GuestId, pending: &PendingVolumes) -> Option<(String, String)> {
    match pending {
        PendingVolumes::Known(keys) if keys.is_empty() => None,
        PendingVolumes::Known(keys) => Some((
            format!(
                "a pending change that somebody left would be applied with it and detach or free {}",
                keys.join(", ")
            ),
            format!(
                "look at `{} pending {}`, then take the change back in Proxmox (Revert), or apply it by hand",
                tool(guest),
                guest.vmid
            ),
        )),
        PendingVolumes::Unknown => Some((
            "what is pending on it could not be read, and might free a volume".to_owned(),
            format!("see why the configuration of {guest} cannot be read"),
        )),
    }
}

fn tool(guest: GuestId) -> &'static str {
    match guest.kind {
        GuestKind::Lxc => "pct",
        GuestKind::Qemu => "qm",
    }
}

fn foreign_snapshot(guest: GuestId, name: &str, provenance: &SnapshotProvenance) -> Option<(String, String)> {
    match provenance {
        SnapshotProvenance::OursThisRun { guest: made_on, name: made }
            if *made_on == guest && made == name =>
        {
            None
        }
        SnapshotProvenance::OursThisRun { guest: _, name: _ } | SnapshotProvenance::Unknown => Some((
            format!("the state that snapshot {name} keeps; this run of the agent did not make it"),
            draft(guest, "snapshot-delete", &format!(" --snapshot {name}")),
        )),
    }
}

/// The volume keys that lose their volume once all that is pending is applied.
fn volumes_lost_when_pending_is_applied(config: &GuestConfig) -> Vec<String> {
    let lost = |(key, change): (&String, &PendingChange)| {
        let current = config.current.get(key).map(String::as_str);
        (holds_volume(key) && loses_volume(current, change)).then(|| key.clone())
    };
    config.pending.iter().filter_map(lost).collect()
}

fn loses_volume(current: Option<&str>, change: &PendingChange) -> bool {
    match change {
        // Even if the key is not in the current view: what it freed is then unknown.
        PendingChange::Delete => true,
        PendingChange::Set(next) => {
            current.is_some_and(|current| first_part(current) != first_part(next) && !is_removable(current))
        }
    }
}

#[cfg(test)]
mod tests;

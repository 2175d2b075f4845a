//! `selftest task`: on one guest that the operator names, proves that a task can be started, followed and judged, and
//! that a description comes back as it was written. Everything goes the way of the daemon's own changes: gate, journal,
//! executor. What was changed is changed back, also after a failure in between, and what could not be is said.

use std::time::Duration;

use crossbeam_channel::bounded;

use crate::clock;
use crate::execute::Executor;
use crate::gate::{self, Facts, PendingVolumes, SnapshotProvenance};
use crate::journal::Journal;
use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::observed::{GuestConfig, GuestObservation, Presence, Reading};
use crate::model::outcome::Outcome;
use crate::model::sorted::{Map, Set};
use crate::model::step::{ConfigChange, Step};
use crate::pve::Client;

use super::checks::lacks;
use super::{Bench, Verdict, failed, ok, privileges, refused, skipped, warning};

const WITHIN: Duration = Duration::from_secs(300);
const DESCRIPTION: &str = "description";

/// Tells each finding with the check it belongs to.
type Tell<'a> = &'a mut dyn FnMut(&'static str, Verdict);

pub(super) fn run(vmid: Vmid, bench: &Bench, tell: Tell<'_>) {
    let (Some(client), Some(proxmox)) = (&bench.client, &bench.config.proxmox) else {
        tell("guest", skipped("nobody answered"));
        return;
    };
    let guest = match find(client, vmid) {
        Ok(guest) => guest,
        Err(verdict) => return tell("guest", verdict),
    };
    tell("guest", ok(format!("{guest} is there, and not locked")));
    let needs = privileges::of_task(vmid);
    match client.permissions() {
        Ok(granted) => {
            let missing = privileges::missing(&needs, &granted);
            for need in &missing {
                tell("privileges", lacks(need, &needs, &proxmox.token_id));
            }
            if !missing.is_empty() {
                return;
            }
        }
        Err(error) => return tell("privileges", refused(&error)),
    }
    // Nobody interrupts a selftest but by ending it.
    let (_never_dropped_before_the_end, stop) = bounded(0);
    let journal = Journal::default();
    let proof =
        Proof { client, guest, executor: Executor::new(client, &journal, &proxmox.token_id, WITHIN, &stop) };
    proof.description(tell);
    proof.snapshot(tell);
}

fn find(client: &Client, vmid: Vmid) -> Result<GuestId, Verdict> {
    for kind in GuestKind::ALL {
        let guests = client.guests(kind).map_err(|error| refused(&error))?;
        let Some(row) = guests.into_iter().find(|row| row.guest.vmid == vmid) else { continue };
        return match row.lock {
            None => Ok(row.guest),
            Some(lock) => Err(failed(
                format!("{} is locked ({lock})", row.guest),
                "wait until it is free, or name another guest",
            )),
        };
    }
    Err(failed(
        format!("the token sees no guest {vmid} on this node"),
        "name another, or give the token VM.Audit on it",
    ))
}

struct Proof<'a> {
    client: &'a Client,
    guest: GuestId,
    executor: Executor<'a>,
}

impl Proof<'_> {
    /// Writes a description that is hard to keep, reads it, and puts the old one back.
    fn description(&self, tell: Tell<'_>) {
        let check = "description";
        let before = match self.client.pending(self.guest) {
            Ok(config) => config,
            Err(error) => return tell(check, refused(&error)),
        };
        let old = before.merged(DESCRIPTION).map(str::to_owned);
        let probe = format!("felhom-agent selftest {}\n# 100% äöü: a=b\n", clock::now());
        let written = self.write(&before, Some(&probe));
        let after = self.client.pending(self.guest);
        let same = |config: &GuestConfig, wanted: Option<&str>| {
            config.merged(DESCRIPTION).unwrap_or_default().trim_end() == wanted.unwrap_or_default().trim_end()
        };
        match (written, &after) {
            (Ok(()), Ok(config)) if same(config, Some(&probe)) => {
                tell(check, ok("a description came back as it was written"));
            }
            (Ok(()), Ok(_)) => tell(
                check,
                failed(
                    "a description came back as another text",
                    "please report this, with the version of Proxmox VE",
                ),
            ),
            (Err(verdict), _) => tell(check, verdict),
            (Ok(()), Err(error)) => tell(check, refused(error)),
        }
        let restored = match &after {
            Ok(config) if same(config, old.as_deref()) => return,
            Ok(config) => self.write(config, old.as_deref()),
            Err(error) => Err(refused(error)),
        };
        let is_back = self.client.pending(self.guest).is_ok_and(|config| same(&config, old.as_deref()));
        if is_back {
            tell(check, ok("and the old one is back"));
        } else {
            let why = restored.err().map_or_else(String::new, |(_, what, _)| format!(": {what}"));
            let old = old.as_deref().unwrap_or("(empty)");
            tell(
                check,
                failed(format!("the old description is not back{why}"), format!("write it by hand: {old}")),
            );
        }
    }

    fn write(&self, seen: &GuestConfig, description: Option<&str>) -> Result<(), Verdict> {
        let mut change = ConfigChange { digest: seen.digest.clone(), ..ConfigChange::default() };
        match description {
            Some(text) => change.set = Map::from([(DESCRIPTION.to_owned(), text.to_owned())]),
            None => change.delete = Set::from([DESCRIPTION.to_owned()]),
        }
        let facts = Facts::observed(&GuestObservation {
            presence: Presence::NotListed,
            config: Reading::Known(seen.clone()),
            live: None,
        });
        self.carry_out(Step::SetConfig { guest: self.guest, change }, &facts)
    }

    /// Makes a snapshot, waits for its task, looks at it, deletes it.
    fn snapshot(&self, tell: Tell<'_>) {
        let check = "snapshot";
        let name = format!("felhomtest{}", clock::now().unix());
        let of =
            |snapshot| Facts { pending: PendingVolumes::Known(Vec::new()), snapshot, ..Facts::default() };
        let none = of(SnapshotProvenance::Unknown);
        let made = self.carry_out(Step::Snapshot { guest: self.guest, name: name.clone() }, &none);
        let is_there = self.has_snapshot(&name);
        match (&made, is_there) {
            (Ok(()), Some(true)) => {
                tell(check, ok(format!("snapshot {name} was made by a task that was followed to its end")))
            }
            (Ok(()), _) => tell(
                check,
                failed(
                    format!("the task ended well, and snapshot {name} is not there"),
                    "read the task's log in Proxmox",
                ),
            ),
            (Err(verdict), _) => tell(check, verdict.clone()),
        }
        if is_there == Some(false) || (made.is_err() && is_there.is_none()) {
            return;
        }
        let ours = SnapshotProvenance::OursThisRun { guest: self.guest, name: name.clone() };
        let facts = of(ours);
        let deleted = self.carry_out(Step::DeleteSnapshot { guest: self.guest, name: name.clone() }, &facts);
        match (deleted, self.has_snapshot(&name)) {
            (_, Some(false)) => tell(check, ok("and it was deleted again")),
            (Ok(()), None) => tell(
                check,
                warning(
                    "it was deleted again, and its absence could not be seen",
                    "look at the guest's snapshots",
                ),
            ),
            (Ok(()), Some(true)) => tell(
                check,
                failed(
                    format!("the task ended well, and snapshot {name} is still there"),
                    "delete it by hand",
                ),
            ),
            (Err((_, what, _)), _) => {
                tell(check, failed(format!("snapshot {name} was not deleted: {what}"), "delete it by hand"))
            }
        }
    }

    fn has_snapshot(&self, name: &str) -> Option<bool> {
        let snapshots = self.client.snapshots(self.guest).ok()?;
        Some(snapshots.iter().any(|snapshot| snapshot.name == name))
    }

    fn carry_out(&self, step: Step, facts: &Facts) -> Result<(), Verdict> {
        let approved = gate::judge(step, facts)
            .map_err(|loss| failed(format!("{}: {}", loss.step, loss.what), loss.remedy))?;
        match self.executor.carry_out(approved) {
            Outcome::Done { .. } => Ok(()),
            Outcome::Warned { upid, lines } => {
                log::warn!("{upid}: {}", lines.join("; "));
                Ok(())
            }
            Outcome::Conflict { message } => {
                Err(failed(message, "somebody works on this guest; try again, or name another"))
            }
            Outcome::Failed(failure) => {
                Err(failed(failure.message, "see what Proxmox says in the task list"))
            }
            Outcome::Uncertain { message, .. } => {
                Err(failed(format!("nobody can say whether it happened: {message}"), "look at the guest"))
            }
            Outcome::Partial { left, .. } => {
                Err(failed(format!("volumes are left: {}", left.join(", ")), "remove them by hand"))
            }
            Outcome::Interrupted { message } => Err(failed(message, "look at the guest")),
            Outcome::StillRunning { upid } => {
                Err(failed(format!("the task still runs: {upid}"), "wait for it, then look at the guest"))
            }
        }
    }
}

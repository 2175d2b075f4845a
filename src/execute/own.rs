//! Guests that this agent makes itself, and may end itself: what the journal knows of them, held against what is there.
//!
//! A guest is ours by the mark of the intent that made it, or because the last task that made a guest of its number is that
//! intent's. Both are compared again before anything is ended, and any doubt makes it somebody else's.

use super::verdict::Effect;
use super::{Executor, Sent, loss};
use crate::consent;
use crate::gate::{self, Facts, Loss, Made};
use crate::journal::{self, Health, marker};
use crate::model::guest::GuestId;
use crate::model::image::GuestImage;
use crate::model::observed::GuestObservation;
use crate::model::outcome::Outcome;
use crate::model::step::Step;
use crate::model::volume;
use crate::observe;
use crate::pve::Client;

/// The locks of a guest that is not whole yet.
const MAKING: [&str; 2] = ["create", "clone"];

impl Executor<'_> {
    /// Takes one step at a guest that this agent is about to make or has made: looked at, judged by where the guest comes from,
    /// recorded and carried out like every other. The loss, if the gate refuses.
    pub fn own(&self, step: Step) -> Result<Outcome, Box<Loss>> {
        let seen = observe::guest(self.client, step.guest(), self.token_id).seen;
        let facts = self.facts(&step, &seen);
        Ok(self.carry_out(gate::judge(step, &facts)?))
    }

    /// What the gate must know of a step: from a look at the guest, and where it matters from the journal and the storage.
    pub fn facts(&self, step: &Step, seen: &GuestObservation) -> Facts {
        let mut facts = Facts::observed(seen);
        if let Step::Make { guest, params, .. } = step {
            if let (Ok(()), Some(storage)) = (&facts.free, params.get("storage")) {
                facts.free = nothing_left(self.client, *guest, storage);
            }
        }
        if let Step::Stop { guest } | Step::Destroy { guest, .. } = step {
            facts.made = self.made(*guest);
        }
        facts
    }

    fn made(&self, guest: GuestId) -> Made {
        let Some(made) = self.journal.made().into_iter().find(|made| made.guest == guest) else {
            return Made::Unknown;
        };
        let journal::Made { purpose, half, ident: then, .. } = made;
        let (now, volumes) = match observe::image(self.client, guest) {
            Ok(image) => {
                (fingerprint(&image, half), image.volumes.into_iter().map(|volume| volume.volid).collect())
            }
            Err(rejected) => {
                log::warn!("whether {guest} is what this agent made cannot be seen: {rejected}");
                (String::new(), Vec::new())
            }
        };
        Made::Ours { guest, purpose, half, then, now, sound: self.journal.health() == Health::Sound, volumes }
    }

    /// Whether this agent began to make the guest, and it is as it was left then, not whole. What somebody went on with by hand is
    /// his.
    pub fn is_half_made(&self, guest: GuestId) -> bool {
        if !self.journal.made().iter().any(|made| made.guest == guest && made.half) {
            return false;
        }
        match self.made(guest) {
            Made::Ours { then, now, .. } if !now.is_empty() && then != now => {
                self.journal.note_gone(guest, "it is no longer as it was left");
                false
            }
            Made::Ours { .. } | Made::Unknown => true,
        }
    }

    /// Before the end of a step is written down: what it made, and what is no more.
    pub(super) fn note_made(&self, sent: Sent<'_>, outcome: &Outcome) {
        let guest = sent.step.guest();
        let (half, upid) = match (sent.step, outcome) {
            (
                Step::Destroy { .. },
                Outcome::Done { .. } | Outcome::Warned { .. } | Outcome::Partial { .. },
            ) => {
                return self.journal.note_gone(guest, "destroyed");
            }
            (Step::Make { .. }, Outcome::Done { upid }) => (false, upid.clone()),
            (Step::Make { .. }, Outcome::Warned { upid, .. }) => (false, Some(upid.clone())),
            (Step::Make { .. }, Outcome::Failed(failure)) => (true, failure.upid.clone()),
            (Step::Make { .. }, Outcome::Uncertain { upid, .. }) => (true, upid.clone()),
            _ => return,
        };
        let Step::Make { purpose, .. } = sent.step else { return };
        let ident = match observe::image(self.client, guest) {
            Ok(image) if is_ours(&image, upid.as_deref(), &marker(sent.seq, sent.began)) => {
                fingerprint(&image, half)
            }
            Ok(_) if half => return,
            Ok(_) => String::new(),
            Err(_) if half => return,
            Err(rejected) => {
                log::warn!("{guest} was made, and its incarnation cannot be told: {rejected}");
                String::new()
            }
        };
        let made = journal::Made { guest, purpose: *purpose, half, upid, ident, at: crate::clock::now() };
        if let Err(error) = self.journal.note_made(made) {
            log::error!("{guest} was made, which is not in the journal: {error}");
        }
    }
}

/// What must be the same still. Of what never became whole its whole state: somebody may have gone on with it by hand.
fn fingerprint(image: &GuestImage, half: bool) -> String {
    let ident = consent::ident(image);
    if half { format!("{ident} {}", consent::state_sha256(image)) } else { ident }
}

fn is_ours(image: &GuestImage, upid: Option<&str>, marker: &str) -> bool {
    let last = image.incarnations.iter().max_by_key(|(upid, started)| (**started, *upid));
    let by_task = upid.is_some() && last.map(|(upid, _)| upid.as_str()) == upid;
    by_task || has_line(&image.config.current, marker)
}

fn has_line(config: &crate::model::sorted::Map<String, String>, marker: &str) -> bool {
    config.get("description").is_some_and(|text| text.lines().any(|line| line.trim() == marker))
}

/// Whether the guest is there and is what this very step made.
pub(super) fn effect(client: &Client, sent: Sent<'_>) -> Effect {
    let guest = sent.step.guest();
    match loss::presence(client, guest) {
        Ok(false) => return Effect::NotThere(format!("there is no {guest}")),
        Ok(true) => {}
        Err(why) => return Effect::Unseen(why),
    }
    match client.pending(guest) {
        Err(error) => Effect::Unseen(error.to_string()),
        Ok(config) => match config.current.get("lock") {
            Some(lock) if MAKING.contains(&lock.as_str()) => {
                Effect::NotThere(format!("{guest} is not whole, it has the lock {lock:?}"))
            }
            _ if has_line(&config.current, &marker(sent.seq, sent.began)) => Effect::There,
            // Another's mark, or one that Proxmox did not take: only its own word tells.
            _ => Effect::Whole,
        },
    }
}

/// Volumes under a free number are those of a guest whose configuration is gone, and may be all that is left of it.
pub(super) fn nothing_left(client: &Client, guest: GuestId, storage: &str) -> Result<(), String> {
    let rows = client.content(storage, None, Some(guest.vmid)).map_err(|error| error.to_string())?;
    let left: Vec<String> = rows
        .into_iter()
        .map(|row| row.volid)
        .filter(|volid| volume::is_named_for(volid, guest.vmid))
        .collect();
    if left.is_empty() { Ok(()) } else { Err(format!("these volumes are left: {}", left.join(", "))) }
}

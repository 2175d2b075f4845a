//! The managed volumes of one guest: what differs, the calls that grow one, the write that adds one or changes its options, and
//! what only a person may do. Never a smaller size, never another volume at the same key, never a key taken away.

use crate::model::sorted::Map;

use serde_json::{Value, json};

use super::diff::{diff, shown};
use super::sight::{Sight, unreadable};
use super::words::{quoted, shortened};
use super::{Note, PlanFailure, PlannedStep};
use crate::consent;
use crate::gate;
use crate::model::desired::{DesiredGuest, Volume, Wanted};
use crate::model::drift::Drift;
use crate::model::guest::{GuestId, GuestKind, RunState};
use crate::model::hold::{Hold, HoldReason};
use crate::model::observed::PendingChange;
use crate::model::outcome::Recourse;
use crate::model::step::{ConfigChange, Step};
use crate::model::volume::{first_part, part, parts, size, storage, volid};
use crate::normalize::volume::options;

const GIB: u64 = 1 << 30;

#[derive(Debug, Default)]
pub(super) struct Volumes {
    pub(super) drift: Vec<Drift>,
    /// The same in its views, and what waits for the next start.
    pub(super) diff: Vec<Value>,
    pub(super) resizes: Vec<PlannedStep>,
    set: Map<String, String>,
    reasons: Vec<String>,
    /// What is written takes effect at the next start only.
    pub(super) late: bool,
    /// Keys whose written value waits for the next start.
    pub(super) waiting: Vec<String>,
    pub(super) notes: Vec<Note>,
    /// What only a person may do. The rest is done first.
    pub(super) hold: Option<Hold>,
    /// What no retry makes possible, or what could not be read: then nothing at all is done.
    pub(super) failure: Option<PlanFailure>,
    pub(super) managed: usize,
}

/// One volume, and the guest around it.
struct Spot<'a> {
    guest: GuestId,
    key: &'a str,
    sight: &'a Sight<'a>,
}

impl<'a> Spot<'a> {
    /// As Proxmox has it until the next start.
    fn current(&self) -> Option<&'a str> {
        self.sight.config.current.get(self.key).map(String::as_str)
    }
}

impl Volumes {
    pub(super) fn compare(desired: &DesiredGuest, sight: &Sight<'_>) -> Self {
        let mut volumes = Self { managed: desired.volumes.len(), ..Self::default() };
        for (key, wanted) in &desired.volumes {
            let spot = Spot { guest: desired.guest, key, sight };
            if desired.ignored_volumes.contains(key) {
                volumes.ignore(&spot, wanted);
                continue;
            }
            let differing = volumes.drift.len();
            if let Err(failure) = volumes.volume(&spot, wanted) {
                volumes.failure = Some(failure);
            }
            let waits = sight.run != RunState::Stopped && sight.config.pending.contains_key(key);
            if waits && volumes.drift.len() == differing {
                let view = |text: Option<&str>| Value::from(text.unwrap_or("absent"));
                let pending = view(sight.config.merged(key));
                volumes.diff.push(diff(key, &pending, &view(spot.current()), &pending));
                volumes.wait(
                    key,
                    "a change of it is written, which takes effect when the guest is next started",
                );
            }
        }
        // Proxmox lets nobody write a volume's key of a protected container.
        let is_protected = sight.config.current.get("protection").is_some_and(|flag| flag == "1");
        if is_protected && desired.guest.kind == GuestKind::Lxc && !volumes.set.is_empty() {
            let keys: Vec<&str> = volumes.set.keys().map(String::as_str).collect();
            volumes.hold = Some(Hold {
                reason: HoldReason::Protection,
                detail: format!("{} is protected: {} cannot be written", desired.guest, keys.join(", ")),
                remedy: "set `protection` to false in the resource, and back to true afterwards".to_owned(),
            });
            volumes.set.clear();
        }
        volumes
    }

    fn volume(&mut self, spot: &Spot<'_>, wanted: &Wanted<Volume>) -> Result<(), PlanFailure> {
        match (wanted, spot.sight.config.merged(spot.key)) {
            (Wanted::Absent, None) => Ok(()),
            (Wanted::Absent, Some(text)) => {
                self.should_be_detached(spot, text);
                Ok(())
            }
            (Wanted::Like(wanted), Some(text)) => self.is_there(spot, wanted, text),
            (Wanted::Like(wanted), None) => self.is_not_there(spot, wanted),
        }
    }

    /// What differs of it is told and nothing more.
    fn ignore(&mut self, spot: &Spot<'_>, wanted: &Wanted<Volume>) {
        let mut aside = Self::default();
        let failure = aside.volume(spot, wanted).err();
        let differs = |drift: &Drift| {
            let (is, wanted) = (shown(&drift.actual), shown(&drift.desired));
            format!("{} is {is} instead of {wanted}, which is to be ignored", drift.field)
        };
        let mut found: Vec<String> = aside.drift.iter().map(differs).collect();
        if found.is_empty() {
            found.extend(failure.map(|failure| format!("to be ignored: {}", failure.message)));
        }
        self.managed = self.managed.saturating_sub(usize::from(!found.is_empty()));
        self.notes.extend(found.into_iter().map(|message| Note { code: "ignored", message }));
    }

    /// One write for all that is added or changed.
    pub(super) fn write(&self, guest: GuestId, digest: &str) -> Option<PlannedStep> {
        let change =
            ConfigChange { set: self.set.clone(), digest: digest.to_owned(), ..ConfigChange::default() };
        (!self.set.is_empty())
            .then(|| PlannedStep { step: Step::SetConfig { guest, change }, reason: self.reasons.join("; ") })
    }

    fn wait(&mut self, key: &str, why: &str) {
        self.waiting.push(key.to_owned());
        self.notes.push(Note { code: "pending_reboot", message: format!("{key}: {why}") });
    }

    /// `running`: what the guest has of it until its next start.
    fn differs(&mut self, field: String, desired: Value, running: Value, actual: Value) {
        self.diff.push(diff(&field, &desired, &running, &actual));
        self.drift.push(Drift { field, desired, actual });
    }

    fn should_be_detached(&mut self, spot: &Spot<'_>, text: &str) {
        let key = spot.key;
        let running = spot.current().unwrap_or("absent");
        self.differs(key.to_owned(), "absent".into(), running.into(), text.into());
        self.hold = Some(Hold {
            reason: HoldReason::NeedsSignature,
            detail: format!("{key} ({}) should not be there; to detach it needs consent", shortened(text)),
            remedy: gate::draft(spot.guest, "volume-detach", &format!(" --key {key}")),
        });
    }

    fn is_not_there(&mut self, spot: &Spot<'_>, wanted: &Volume) -> Result<(), PlanFailure> {
        let (guest, key) = (spot.guest, spot.key);
        if let Some(text) = spot.sight.config.current.get(key) {
            let there = || Value::from(text.as_str());
            self.differs(key.to_owned(), there(), there(), "absent".into());
            self.hold = Some(Hold {
                reason: HoldReason::NeedsSignature,
                detail: format!("somebody left {key} to be detached at the next start of {guest}"),
                remedy: "take that change back in Proxmox (Revert), or want it absent".to_owned(),
            });
            return Ok(());
        }
        if key == "rootfs" {
            return Err(unreadable("its configuration names no rootfs"));
        }
        let options = printed(key, wanted);
        if let Some(bind) = &wanted.bind {
            self.differs(key.to_owned(), bind.as_str().into(), "absent".into(), "absent".into());
            self.hold = Some(root_only(spot, &format!("{bind}{options}")));
            return Ok(());
        }
        let path_is_missing = guest.kind == GuestKind::Lxc && !wanted.options.contains_key("mp");
        let (Some(storage), Some(size_gb), false) = (&wanted.storage, wanted.size_gb, path_is_missing) else {
            return Err(terminal(
                "incomplete",
                format!(
                    "there is no {key}, and to make it storage, size_gb and, of a mount, path must be said"
                ),
            ));
        };
        let text = format!("{storage}:{size_gb}{options}");
        self.differs(key.to_owned(), text.as_str().into(), "absent".into(), "absent".into());
        self.reasons.push(format!("there is no {key}, and one is wanted with {size_gb} GiB on {storage}"));
        self.set.insert(key.to_owned(), text);
        Ok(())
    }

    fn is_there(&mut self, spot: &Spot<'_>, wanted: &Volume, merged: &str) -> Result<(), PlanFailure> {
        let key = spot.key;
        let held = first_part(merged);
        let current = spot.sight.config.with_size(key).unwrap_or(merged);
        if let Some(bind) = wanted.bind.as_deref().filter(|bind| *bind != held) {
            return Err(other(spot, held, bind));
        }
        if let Some(storage) = wanted.storage.as_deref() {
            if volid(merged).map(self::storage) != Some(storage) {
                return Err(other(spot, held, &format!("a volume on {storage}")));
            }
        }
        if let Some(size_gb) = wanted.size_gb {
            self.size(spot, size_gb, current)?;
        }
        let is_no_size = |(name, value): &(&str, Option<&str>)| *name != "size" || value.is_none();
        let mut parts: Vec<(&str, Option<&str>)> = parts(merged).filter(is_no_size).collect();
        let mut rewritten = false;
        for option in options(key) {
            let Some(wanted) = wanted.options.get(option.key) else { continue };
            let read = parts.iter().find(|(name, _)| *name == option.key).and_then(|(_, value)| *value);
            let is = option.canonical(read);
            if is == wanted {
                continue;
            }
            let (shown_is, shown_wanted) = (option.shown(is), option.shown(wanted));
            self.reasons.push(format!("{} of {key} is {shown_is}, should be {shown_wanted}", option.name));
            let runs = spot.current().filter(|text| first_part(text) == held);
            let runs = runs.map(|text| option.shown(option.canonical(part(text, option.key))));
            let runs = runs.unwrap_or_else(|| spot.current().unwrap_or("absent").into());
            self.differs(format!("{key}.{}", option.name), shown_wanted, runs, shown_is);
            parts.retain(|(name, _)| *name != option.key);
            if wanted != option.default {
                parts.push((option.key, Some(wanted)));
            }
            rewritten = true;
        }
        if !rewritten {
            return Ok(());
        }
        let mut text = current.split(',').next().unwrap_or(held).to_owned();
        let size = current.split(',').find_map(|part| part.strip_prefix("size="));
        for (name, value) in parts.into_iter().chain(size.map(|size| ("size", Some(size)))) {
            text.push(',');
            text.push_str(name);
            if let Some(value) = value {
                text.push('=');
                text.push_str(value);
            }
        }
        if volid(merged).is_none() {
            self.hold = Some(root_only(spot, &text));
            return Ok(());
        }
        self.late = true;
        self.set.insert(key.to_owned(), text);
        Ok(())
    }

    fn size(&mut self, spot: &Spot<'_>, wanted_gb: u64, text: &str) -> Result<(), PlanFailure> {
        let key = spot.key;
        // A subvolume without a quota has `size=0T`.
        let Some(from) = size(text).filter(|bytes| *bytes > 0) else {
            return Err(unreadable(&format!("the size of {key} is not told ({})", quoted(text))));
        };
        let to = wanted_gb.saturating_mul(GIB);
        if to == from {
            return Ok(());
        }
        let (is, actual) = match from % GIB {
            0 => (format!("{} GiB", from / GIB), json!(from / GIB)),
            _ => (format!("{from} bytes"), json!(format!("{from} bytes"))),
        };
        self.differs(format!("{key}.size_gb"), wanted_gb.into(), actual.clone(), actual);
        if to < from {
            return Err(terminal(
                "shrink_refused",
                format!("{key} has {is} and should have {wanted_gb}: a volume is never made smaller"),
            ));
        }
        if let Some(change) = spot.sight.config.pending.get(key) {
            // With the change pending, Proxmox would put the old size back at the next start.
            let what = if *change == PendingChange::Delete { "its removal" } else { "a change of it" };
            self.wait(
                key,
                &format!("it is to grow to {wanted_gb} GiB once the guest was restarted: {what} is pending"),
            );
            return Ok(());
        }
        let digest = spot.sight.config.digest.clone();
        let step = Step::Resize { guest: spot.guest, key: key.to_owned(), from: Some(from), to, digest };
        let reason = format!("{key} has {is}, should have {wanted_gb}");
        self.resizes.push(PlannedStep { step, reason });
        Ok(())
    }
}

/// `,mp=/data,backup=1`: what is wanted and is no default.
fn printed(key: &str, wanted: &Volume) -> String {
    let said = options(key).filter_map(|option| {
        let value = wanted.options.get(option.key).filter(|value| *value != option.default)?;
        Some(format!(",{}={value}", option.key))
    });
    said.collect()
}

fn terminal(code: &'static str, message: String) -> PlanFailure {
    PlanFailure { code, message, recourse: Recourse::Terminal }
}

/// To move a volume, or to put another one in its place, is not done here.
fn other(spot: &Spot<'_>, is: &str, wanted: &str) -> PlanFailure {
    terminal(
        "immutable",
        format!("{} is {}, should be {wanted}: volumes are not moved", spot.key, shortened(is)),
    )
}

/// What Proxmox takes from root itself and from no token.
fn root_only(spot: &Spot<'_>, text: &str) -> Hold {
    let (vmid, key) = (spot.guest.vmid, spot.key);
    Hold {
        reason: HoldReason::Permission,
        detail: format!(
            "{key} is a folder or a device of the node, which only root himself may set, and no token"
        ),
        remedy: format!("`pct set {vmid} -{key} {}` as root on the node", consent::quoted(text)),
    }
}

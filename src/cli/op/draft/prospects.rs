//! What would become of a draft if it were signed and brought now: the evidence that it finds, and what stands in its way.

use crate::config::{Config, DesiredSource};
use crate::consent::{self, Guards};
use crate::model::image::{GuestImage, SeenBackup};
use crate::model::op::{Action, BackupEvidence, Operation, RejectCode, Rejected};
use crate::model::sorted::Set;
use crate::model::time::Timestamp;
use crate::observe;
use crate::pve::Client;

use super::super::super::plan;

/// What there is to say of a draft.
#[derive(Debug)]
pub(super) struct Prospects {
    pub(super) warnings: Vec<String>,
    /// It could be carried out, but for a backup that stands for what is lost.
    pub(super) lacks_backup: bool,
}

/// Puts the evidence into the operation, and says what is missing. A backup that will not do is not named: two signers may do
/// without one, but not with one that is refused.
pub(super) fn look(client: &Client, config: &Config, op: &mut Operation, image: &GuestImage) -> Prospects {
    let mut warnings = Vec::new();
    let mut guards = Guards {
        managed: true,
        data_bearing: true,
        protected: config.ops.protected.clone(),
        evidence_max_age_s: config.ops.evidence_max_age.as_secs(),
        backups: Vec::new(),
        now: op.iat,
    };
    desired(config, image, &mut guards, &mut warnings);
    if let Some(volid) = named_backup(&op.action) {
        guards.backups.extend(observe::named_backups(client, image, &Set::from([volid])));
    }
    if op.action.needs_evidence() {
        match observe::newest_backup(client, image) {
            Ok(Some(backup)) => {
                op.evidence = evidence(&backup);
                guards.backups.push(backup);
            }
            Ok(None) => {}
            Err(error) => warnings.push(format!("the backups could not be listed: {error}")),
        }
    }
    let steps = match consent::steps_of(op, image) {
        Ok(steps) => steps,
        Err(rejected) => {
            warnings.push(format!("it will not be carried out: {rejected}"));
            return Prospects { warnings, lacks_backup: false };
        }
    };
    let lacks = consent::evidence_lacks(op, image, &guards);
    if lacks.is_some() {
        op.evidence = None;
    }
    let other =
        steps.iter().find_map(|step| consent::permits(step, op, lacks.is_some(), image, &guards).err());
    let mut warn = |refused: &Rejected, remedy: &str| {
        warnings.push(format!("as things are now it would be rejected: {refused}{remedy}"));
    };
    if let Some(other) = other {
        let is_running = other.code == RejectCode::GuestRunning;
        warn(&other, if is_running { "; stop it before the signed operation is brought" } else { "" });
    }
    if let Some(lacks) = &lacks {
        warn(lacks, &without(image));
    }
    Prospects { warnings, lacks_backup: lacks.is_some() }
}

/// The other way, and why a backup may not be enough.
fn without(image: &GuestImage) -> String {
    let mut way = "; or have it signed by two keys with two roles".to_owned();
    let left_out = observe::excluded(image);
    if !left_out.is_empty() {
        let left_out = left_out.join(", ");
        way +=
            &format!(", for its configuration leaves out of every backup: {left_out} (backup=1 takes it in)");
    }
    way
}

/// What the desired state says of the guest, if it can be read.
fn desired(config: &Config, image: &GuestImage, guards: &mut Guards, warnings: &mut Vec<String>) {
    if config.desired == DesiredSource::None {
        guards.managed = false;
        return;
    }
    match plan::desired(config) {
        Ok(desired) => {
            let guest = desired.guests.iter().find(|guest| guest.guest == image.guest);
            guards.managed = guest.is_some();
            guards.data_bearing = guest.is_none_or(|guest| guest.data_bearing);
        }
        Err(failure) => {
            warnings.push(format!("whether the guest is managed cannot be told: {}", failure.message));
        }
    }
}

fn named_backup(action: &Action) -> Option<String> {
    match action {
        Action::BackupDelete { volid } | Action::GuestRestoreOver { volid, .. } => Some(volid.clone()),
        _ => None,
    }
}

/// A backup of which the storage does not tell age or size is none.
fn evidence(backup: &SeenBackup) -> Option<BackupEvidence> {
    Some(BackupEvidence {
        volid: backup.volid.clone(),
        ctime: Timestamp::from_unix(backup.ctime?),
        size: backup.size?,
        covers: backup.covers.clone(),
    })
}

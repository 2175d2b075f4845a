//! What would become of a draft if it were signed and brought now: the evidence that it finds, and what stands in its way.

use crate::config::{Config, DesiredSource};
use crate::consent::{self, Guards};
use crate::model::image::{GuestImage, SeenBackup};
use crate::model::op::{Action, BackupEvidence, Operation, RejectCode};
use crate::model::sorted::Set;
use crate::model::time::Timestamp;
use crate::observe;
use crate::pve::Client;

use super::super::super::plan;

/// Puts the evidence into the operation, and says what is missing.
pub(super) fn look(client: &Client, config: &Config, op: &mut Operation, image: &GuestImage) -> Vec<String> {
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
    warnings.extend(obstacle(op, image, &guards));
    warnings
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

/// The first thing that would refuse it as things are now.
fn obstacle(op: &Operation, image: &GuestImage, guards: &Guards) -> Option<String> {
    let steps = match consent::steps_of(op, image) {
        Ok(steps) => steps,
        Err(rejected) => return Some(format!("it will not be carried out: {rejected}")),
    };
    let refused = steps.iter().find_map(|step| consent::permits(step, op, false, image, guards).err())?;
    let remedy = match refused.code {
        RejectCode::EvidenceMissing | RejectCode::EvidenceStale | RejectCode::Threshold => {
            "; make the backup and draft again, or have it signed by two keys with two roles"
        }
        RejectCode::GuestRunning => "; stop it before the signed operation is brought",
        _ => "",
    };
    Some(format!("as things are now it would be rejected: {refused}{remedy}"))
}

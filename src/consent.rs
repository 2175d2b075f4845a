//! What a signed operation is bound to, what it orders, and what must hold right before it is carried out.
//! Pure. A signature consents to one loss: of one incarnation of one guest, in the state its signer saw. All three are computed
//! here, once for the draft and again immediately before the call.

use crate::model::guest::Vmid;
use crate::model::image::{GuestImage, SeenBackup};
use crate::model::observed::PendingChange;
use crate::model::op::{Operation, RejectCode, Rejected};
use crate::model::sorted::Set;
use crate::model::step::Step;
use crate::model::time::Timestamp;
use crate::model::volume;

mod again;
mod normal;
mod order;
mod world;

pub use self::again::quoted;
pub use self::normal::{ident, ident_text, state_sha256, state_text};
pub use self::order::{not_supported, steps_of};
pub use self::world::is_of_another;

/// What must be known beside the image of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guards {
    /// The desired state in force names the guest.
    pub managed: bool,
    /// Only a desired state that says `"data_bearing": false` makes this false.
    pub data_bearing: bool,
    /// Guests that the configuration of this host puts out of reach of every operation.
    pub protected: Set<Vmid>,
    /// In seconds: how old a backup may be to count as evidence.
    pub evidence_max_age_s: u64,
    /// The backups of this guest that the storages list now; see `observe::backups`.
    pub backups: Vec<SeenBackup>,
    pub now: Timestamp,
}

/// Whether this operation orders this step, of this guest, and may be carried out now: the binding (check 12), then the world
/// (check 15), the first that fails. Gives the volumes that the step takes away.
///
/// `waived`: two signers of two roles do without evidence.
pub fn permits(
    step: &Step,
    op: &Operation,
    waived: bool,
    image: &GuestImage,
    guards: &Guards,
) -> Result<Vec<String>, Rejected> {
    bound(step, op, image)?;
    world::check(op, waived, image, guards)?;
    let freed = freed_by(step, image);
    applies_nothing_else(step, image)?;
    Ok(freed)
}

/// What the evidence of an operation lacks; `None` where it will do, or none is needed.
pub fn evidence_lacks(op: &Operation, image: &GuestImage, guards: &Guards) -> Option<Rejected> {
    world::evidence(op, false, image, guards).err()
}

/// Check 12: the step is what was signed for, to the letter.
fn bound(step: &Step, op: &Operation, image: &GuestImage) -> Result<(), Rejected> {
    let subject = op.subject.as_ref().map(|subject| subject.guest);
    let ordered = steps_of(op, image)?;
    if !ordered.iter().any(|ordered| std::mem::discriminant(ordered) == std::mem::discriminant(step)) {
        let detail = format!("{} was signed for, not: {step}", op.action.kind());
        return Err(Rejected::new(RejectCode::BindAction, detail));
    }
    if subject != Some(step.guest()) || subject != Some(image.guest) {
        let signed = subject.map_or_else(|| "no guest".to_owned(), |guest| guest.to_string());
        let detail = format!("{signed} was signed for, not: {step}");
        return Err(Rejected::new(RejectCode::BindGuest, detail));
    }
    if ordered.contains(step) {
        return Ok(());
    }
    let ordered: Vec<String> = ordered.iter().map(Step::to_string).collect();
    Err(Rejected::new(
        RejectCode::BindParams,
        format!("{} was signed for, not: {step}", ordered.join(", then ")),
    ))
}

/// The volumes that are gone once the step is done.
fn freed_by(step: &Step, image: &GuestImage) -> Vec<String> {
    let volids = |is_freed: &dyn Fn(&str) -> bool| {
        let freed = image.volumes.iter().filter(|volume| is_freed(&volume.key));
        let freed: Set<String> = freed.map(|volume| volume.volid.clone()).collect();
        freed.into_iter().collect()
    };
    match step {
        Step::Destroy { .. } => volids(&|_| true),
        // Deleting the key of a volume in use only detaches it.
        Step::SetConfig { change, .. } => {
            volids(&|key| volume::is_unused_key(key) && change.delete.contains(key))
        }
        Step::DeleteBackup { volid, .. } => vec![volid.clone()],
        Step::Start { .. }
        | Step::Shutdown { .. }
        | Step::Reboot { .. }
        | Step::HaState { .. }
        | Step::Snapshot { .. }
        | Step::DeleteSnapshot { .. }
        | Step::Stop { .. }
        | Step::Backup { .. }
        | Step::Resize { .. }
        | Step::Rollback { .. }
        | Step::RestoreOver { .. }
        | Step::Make { .. } => Vec::new(),
    }
}

/// A write applies what is pending too; a volume that would go with it is not among what was signed for.
fn applies_nothing_else(step: &Step, image: &GuestImage) -> Result<(), Rejected> {
    let Step::SetConfig { change, .. } = step else { return Ok(()) };
    let named = |key: &String| change.delete.contains(key) || change.set.contains_key(key);
    let other = image.config.pending.iter().find(|(key, pending)| {
        volume::holds_volume(key)
            && !named(key)
            && (**pending == PendingChange::Delete || image.config.current.contains_key(*key))
    });
    match other {
        Some((key, _)) => {
            let detail =
                format!("a pending change of {key}, which was not signed for, would be applied with it");
            Err(Rejected::new(RejectCode::BindParams, detail))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests;

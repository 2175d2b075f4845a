//! What a signed operation is bound to, what it orders, and what must hold right before it is carried out.
//! Pure. A signature consents to one loss: of one incarnation of one guest, in the state its signer saw. All three are computed
//! here, once for the draft and again immediately before the call.

use std::collections::BTreeSet;

use crate::model::guest::Vmid;
use crate::model::image::SeenBackup;
use crate::model::time::Timestamp;

mod normal;
mod order;

pub use self::normal::{ident, ident_text, state_sha256, state_text};
pub use self::order::{not_supported, steps_of};

/// What must be known beside the image of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guards {
    /// The desired state in force names the guest.
    pub managed: bool,
    /// Only a desired state that says `"data_bearing": false` makes this false.
    pub data_bearing: bool,
    /// Guests that the configuration of this host puts out of reach of every operation.
    pub protected: BTreeSet<Vmid>,
    /// In seconds: how old a backup may be to count as evidence.
    pub evidence_max_age_s: u64,
    /// The backups of this guest that the storages list now; see `observe::backups`.
    pub backups: Vec<SeenBackup>,
    pub now: Timestamp,
}

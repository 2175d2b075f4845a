//! From what a guest is made that is not there yet.

use crate::model::step::Origin;

/// `"provision"` of a guest's spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provision {
    pub from: Origin,
    /// `local:vztmpl/….tar.zst`, `store:backup/…`, or the number of the guest that is cloned.
    pub source: String,
    /// Where its volumes go; a clone's may go where those of its source are.
    pub storage: Option<String>,
}

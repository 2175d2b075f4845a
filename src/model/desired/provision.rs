//! From what a guest is made that is not there yet.

/// `"provision"` of a guest's spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provision {}

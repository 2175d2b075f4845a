//! What the owner of a resource allows beside what he wants of it.

/// The members of a resource beside its spec that decide when something is done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {}

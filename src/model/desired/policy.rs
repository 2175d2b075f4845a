//! What the owner of a resource allows beside what he wants of it.

/// The members of a resource beside its spec that decide when something is done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Ids of the resources that must be in order before anything is done about this one; each once.
    pub depends_on: Vec<String>,
    /// It is shut down, once, when it leaves the manifest; otherwise it stays as it is.
    pub stop_on_remove: bool,
}

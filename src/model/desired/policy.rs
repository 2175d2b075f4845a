//! What the owner of a resource allows beside what he wants of it.

/// The members of a resource beside its spec that decide when something is done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Ids of the resources that must be in order before anything is done about this one; each once.
    pub depends_on: Vec<String>,
    /// It is shut down, once, when it leaves the manifest; otherwise it stays as it is.
    pub stop_on_remove: bool,
    pub restart: Restart,
    /// A guest that does not shut down in its time may be ended at once, unless it bears data.
    pub force_stop: bool,
}

/// When a guest may be restarted so that it takes what waits for its next start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    #[default]
    Never,
    /// In the node's maintenance window.
    Window,
    Allowed,
}

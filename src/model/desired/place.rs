//! Where in the desired state a resource was said, so that it can be told of each value.

/// One resource of one document. Kept apart from what is wanted: a resource that only moved in its file wants nothing new.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Of a folder, which of its files.
    pub file: Option<String>,
    /// Of that document.
    pub generation: u64,
    pub index: usize,
    /// The members beside id, kind and spec.
    pub beside: Vec<String>,
    /// The keys of what stands in lists, each with its place there: `net0`, `ipconfig1`, `mp0`, `scsi0`.
    pub listed: Vec<(String, usize)>,
}

impl Place {
    /// `resources[2].spec.memory_mb`
    pub fn path(&self, below: &str) -> String {
        let dot = if below.is_empty() { "" } else { "." };
        format!("resources[{}]{dot}{below}", self.index)
    }

    /// The place in its list of what has this key.
    pub fn number(&self, key: &str) -> Option<usize> {
        self.listed.iter().find(|(listed, _)| listed == key).map(|(_, number)| *number)
    }
}

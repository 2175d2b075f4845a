//! Which backups of a guest are made, and which of them are proven.

/// `"backup"` and `"restore_test"` of a guest resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {}

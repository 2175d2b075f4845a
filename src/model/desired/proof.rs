//! Which backups of a guest are made, and which of them are proven.

/// `"backup"` and `"restore_test"` of a guest resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    pub backup: Option<BackupPlan>,
    pub restore_test: Option<TestPlan>,
}

/// A backup is made so often; the age of the newest one on any storage counts, whoever made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupPlan {
    /// The one the configuration or the guest's other backups name, if absent.
    pub storage: Option<String>,
    /// `None`: on demand only.
    pub every_hours: Option<u64>,
}

/// What a restored guest must show. What is absent is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestPlan {
    /// `None`: as often as the configuration says, or on demand only.
    pub every_days: Option<u64>,
    /// It must stay up for so long.
    pub up_s: u64,
    /// An isolated bridge to start it on; without one its network is unplugged.
    pub bridge: Option<String>,
    /// A file that must be there.
    pub file: Option<String>,
    /// A command that must succeed in it.
    pub command: Option<String>,
    /// A VM's guest agent must answer.
    pub guest_agent: bool,
}

impl Default for TestPlan {
    fn default() -> Self {
        Self { every_days: None, up_s: 30, bridge: None, file: None, command: None, guest_agent: false }
    }
}

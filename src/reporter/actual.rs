//! The actual state at the hub: put after a report that arrived, when it says something new, and only over the revision
//! we know. That it fails holds up nothing: the next report tries again.

use crate::hub::client::Put;
use crate::hub::{Client, HubError};
use crate::model::time::Timestamp;
use crate::status::AgentStatus;

/// What the hub has of ours.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    /// The tag of the revision there; `None` while we do not know of any.
    revision: Option<String>,
    /// As it was put, but for the time.
    put: Option<AgentStatus>,
    has_failed: bool,
}

impl Mirror {
    pub(super) fn follow(&mut self, hub: &Client, status: &AgentStatus) {
        let timeless = AgentStatus { at: Timestamp::from_unix(0), ..status.clone() };
        if self.put.as_ref() == Some(&timeless) {
            return;
        }
        match self.put(hub, status) {
            Ok(()) => {
                self.put = Some(timeless);
                self.has_failed = false;
            }
            Err(error) => {
                // Loudly once: a hub that does not keep it says so at every report.
                let level = if self.has_failed { log::Level::Debug } else { log::Level::Warn };
                log::log!(level, "the actual state was not put to the hub: {error}");
                self.has_failed = true;
            }
        }
    }

    fn put(&mut self, hub: &Client, status: &AgentStatus) -> Result<(), HubError> {
        for _ in 0..2 {
            match hub.put_actual(status, self.revision.as_deref())? {
                Put::Stored { etag } => {
                    self.revision = etag;
                    return Ok(());
                }
                // Another revision is there than we know: learn which, and put ours over it.
                Put::Outdated => self.revision = hub.actual_revision()?,
            }
        }
        Err(HubError::Http { status: 412, retry_after: None })
    }
}

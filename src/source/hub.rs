//! Desired state from the hub: fetched with the ETag of what was fetched last, and not before the hub wants to be asked again.

use std::time::{Duration, Instant};

use super::Found;
use crate::hub::{Client, Desired};

/// However long the hub asks to be left alone: by then it is asked again.
const LONGEST_REST: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub struct HubSource {
    client: Client,
    etag: Option<String>,
    /// Until when the hub asked to be left alone, and what it had said.
    rest: Option<(Instant, String)>,
}

impl HubSource {
    pub fn new(client: Client) -> Self {
        Self { client, etag: None, rest: None }
    }

    pub(super) fn look(&mut self) -> Found {
        if let Some((until, said)) = &self.rest {
            if Instant::now() < *until {
                return Found::Unavailable(said.clone());
            }
        }
        self.rest = None;
        match self.client.desired(self.etag.as_deref()) {
            Ok(Desired::Unchanged) => Found::Unchanged,
            Ok(Desired::Nothing) => {
                self.etag = None;
                Found::Nothing
            }
            Ok(Desired::Document { etag, bytes }) => {
                self.etag = etag;
                Found::Document(bytes)
            }
            Err(error) => {
                let said = format!("the hub's desired state: {error}");
                let rest = error.retry_after().map(|rest| rest.min(LONGEST_REST));
                self.rest = rest.map(|rest| (Instant::now() + rest, said.clone()));
                Found::Unavailable(said)
            }
        }
    }
}

//! Desired state from the hub: fetched with the ETag of what was fetched last.

use super::Found;
use crate::hub::{Client, Desired};

#[derive(Debug)]
pub struct HubSource {
    client: Client,
    etag: Option<String>,
}

impl HubSource {
    pub fn new(client: Client) -> Self {
        Self { client, etag: None }
    }

    pub(super) fn look(&mut self) -> Found {
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
            Err(error) => Found::Unavailable(format!("the hub's desired state: {error}")),
        }
    }
}

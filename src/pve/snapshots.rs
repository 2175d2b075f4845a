//! Snapshots of a guest. All three mutations are tasks, and fail in the task.

use serde::Deserialize;

use super::client::{Client, Intent, SMALL};
use super::error::PveError;
use super::form::Form;
use super::perl;
use super::upid::Upid;
use crate::http::Method;
use crate::journal::Recorded;
use crate::model::guest::GuestId;
use crate::model::step::Step;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Snapshot {
    pub name: String,
    #[serde(default, deserialize_with = "perl::text")]
    pub description: Option<String>,
    /// Seconds since 1970.
    #[serde(default, rename = "snaptime", deserialize_with = "perl::unsigned")]
    pub taken_at: Option<u64>,
    /// The snapshot before it.
    #[serde(default, deserialize_with = "perl::text")]
    pub parent: Option<String>,
    /// With the memory of a running VM.
    #[serde(default, rename = "vmstate", deserialize_with = "perl::switch")]
    pub with_memory: bool,
}

impl Client {
    /// Proxmox's list without its last row, `current`, which is no snapshot. Not sorted.
    pub fn snapshots(&self, guest: GuestId) -> Result<Vec<Snapshot>, PveError> {
        let mut rows: Vec<Snapshot> = self.get(&self.of_guest(guest, "/snapshot")?, &Form::new(), SMALL)?;
        rows.retain(|row| row.name != "current");
        Ok(rows)
    }

    /// `name`: 2 to 40 letters, digits, `-` and `_`, a letter first.
    pub fn snapshot(
        &self,
        recorded: &Recorded,
        guest: GuestId,
        name: &str,
        description: &str,
    ) -> Result<Upid, PveError> {
        let form = Form::new().with("snapname", name).with("description", description);
        let intent = Intent::new(recorded, guest.vmid);
        self.begin(&intent, &Method::POST, &self.of_guest(guest, "/snapshot")?, &form)
    }

    pub fn delete_snapshot(&self, recorded: &Recorded, guest: GuestId, name: &str) -> Result<Upid, PveError> {
        let path = self.of_snapshot(guest, name, "")?;
        self.begin(&Intent::new(recorded, guest.vmid), &Method::DELETE, &path, &Form::new())
    }

    /// Everything since the snapshot is lost, and a running guest is killed; it stays stopped unless `start` says otherwise.
    pub fn rollback(
        &self,
        recorded: &Recorded,
        guest: GuestId,
        name: &str,
        start: bool,
    ) -> Result<Upid, PveError> {
        let step = Step::Rollback { guest, snapshot: name.to_owned(), start };
        let path = self.of_snapshot(guest, name, "/rollback")?;
        let form = Form::new().with_some("start", start.then_some(1));
        self.begin(&Intent::exactly(recorded, &step), &Method::POST, &path, &form)
    }
}

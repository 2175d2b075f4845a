//! Making a guest: from a template, from a backup, as a copy of another. One call each, and each answers with a task.

use super::client::{Client, Intent};
use super::error::PveError;
use super::form::{Form, segment};
use super::upid::Upid;
use crate::http::Method;
use crate::journal::Recorded;
use crate::model::guest::GuestKind;
use crate::model::step::{Origin, Step};

impl Client {
    /// Sends what was recorded, and beside it the mark of this very intent: a line in its description.
    /// Proxmox refuses a number that is taken anywhere in the cluster.
    pub fn make(&self, recorded: &Recorded) -> Result<Upid, PveError> {
        let Step::Make { guest, origin, source, purpose: _, params } = recorded.step() else {
            return Err(PveError::Setup(format!("{} makes no guest", recorded.step())));
        };
        let mut form = Form::new();
        let mut path = format!("/{}", guest.kind);
        form.set(if *origin == Origin::Clone { "newid" } else { "vmid" }, guest.vmid);
        match (origin, guest.kind) {
            (Origin::Clone, _) => {
                path = format!("{path}/{}/clone", segment(source));
                form.set("full", 1);
            }
            (Origin::Backup, GuestKind::Qemu) => form.set("archive", source),
            (Origin::Backup | Origin::Template, _) => form.set("ostemplate", source),
        }
        if (*origin, guest.kind) == (Origin::Backup, GuestKind::Lxc) {
            form.set("restore", 1);
        }
        for (key, value) in params {
            form.set(key, value);
        }
        let marker = recorded.marker();
        form.set(
            "description",
            params.get("description").map_or_else(|| marker.clone(), |text| format!("{text}\n{marker}")),
        );
        if *origin == Origin::Backup {
            // Restoring over a guest is destroying it.
            form.set("force", 0);
        }
        self.begin(&Intent::new(recorded, guest.vmid), &Method::POST, &self.on_node(&path)?, &form)
    }
}

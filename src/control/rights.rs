//! What the token may, as last read: asked only when there is something to do, and not for every step anew.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::permissions::Permissions;
use crate::plan::{GuestPlan, preflight};
use crate::pve::Client;

/// Rights that were enough are trusted for so long. Those that were not are read again, except by a crowd at once.
const GOOD_FOR: Duration = Duration::from_secs(300);
const SHARED_FOR: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Rights {
    read: Mutex<Option<(Instant, Permissions)>>,
}

impl Rights {
    /// Holds a plan that the token may not carry out. Where nobody can say what it may, Proxmox will.
    pub(super) fn check(&self, plan: &mut GuestPlan, client: &Client, token_id: &str) {
        if plan.steps.is_empty() {
            return;
        }
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let is_enough = |(at, granted): &(Instant, Permissions)| {
            at.elapsed() < SHARED_FOR
                || at.elapsed() < GOOD_FOR && preflight::lacking(plan, granted).is_empty()
        };
        if !read.as_ref().is_some_and(is_enough) {
            *read = match client.permissions() {
                Ok(granted) => Some((Instant::now(), granted)),
                Err(error) => {
                    log::debug!("what the token may cannot be read: {error}");
                    None
                }
            };
        }
        if let Some((_, granted)) = &*read {
            preflight::check(plan, granted, token_id);
        }
    }

    /// By what was last read, if anything was.
    pub(super) fn check_known(&self, plan: &mut GuestPlan, token_id: &str) {
        if let Some((_, granted)) = &*self.read.lock().unwrap_or_else(PoisonError::into_inner) {
            preflight::check(plan, granted, token_id);
        }
    }

    /// Proxmox refused what these rights seemed to allow.
    pub(super) fn forget(&self) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

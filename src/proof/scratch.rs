//! The end of what this agent restored to test it: stopped and destroyed by its provenance alone, which the gate compares again
//! before each of the two steps. In any doubt it is left where it is, and said.

use super::{End, Prover};
use crate::lanes::Class;
use crate::model::guest::{GuestId, RunState};
use crate::model::observed::{Presence, Reading};
use crate::model::step::{Purpose, Step};
use crate::observe;

impl Prover<'_> {
    /// Clears a number of what this agent made under it, if it made anything.
    pub fn clear(&self, guest: GuestId) -> Result<(), String> {
        self.cleaned(guest).map_err(|end| end.message)
    }

    pub(super) fn cleaned(&self, guest: GuestId) -> Result<(), End> {
        self.settle(guest)?;
        let is_it = |made: &crate::journal::Made| made.guest == guest && made.purpose == Purpose::Scratch;
        if !self.journal.made().iter().any(is_it) {
            return Ok(());
        }
        let Some(_permit) = self.permits.acquire(&Class::Destructive, self.stop) else {
            return Err(End::stopping());
        };
        let look = observe::guest(self.client(), guest, self.token_id);
        if look.seen.presence == Presence::Nowhere {
            self.journal.note_gone(guest, "it is not there any more");
            return Ok(());
        }
        match look.seen.live {
            Some(Reading::Known(live)) if live.run == RunState::Stopped => {}
            Some(Reading::Known(_)) => self.must(Step::Stop { guest })?,
            Some(Reading::Unknown(fault)) => return Err(End::uncertain("unseen", fault.message)),
            None => return Err(End::uncertain("unseen", "its status was not read")),
        }
        self.must(Step::Destroy { guest, purge: false })
    }
}

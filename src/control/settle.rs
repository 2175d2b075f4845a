//! Control's part in finding out what came of the steps of before: it sends the lanes out, and keeps the doubt that is left.

use std::sync::Arc;

use super::{Control, Event};
use crate::execute::{Open, Settling};
use crate::journal::Health;
use crate::lanes::Resolution;
use crate::model::guest::GuestId;
use crate::model::outcome::Outcome;
use crate::model::sorted::Set;

impl Control {
    /// After a look: what could not be found out before. What could not be written down would be found out again for ever.
    pub(super) fn settle_again(&mut self) {
        if !matches!(self.setup.work.journal.health(), Health::Unwritable(_)) {
            self.settle();
        }
    }

    /// Has the lanes find out what came of the steps of before. A guest with a job in its lane needs no other for that.
    pub(super) fn settle(&mut self) {
        let open: Set<GuestId> =
            self.setup.work.journal.open_intents().into_iter().map(|intent| intent.guest).collect();
        for guest in open {
            if self.book.is_busy(guest.vmid) || !self.settling.insert(guest) {
                continue;
            }
            let (worker, tell) = (Arc::clone(&self.worker), self.wires.tell.clone());
            self.lanes.submit_then(
                guest.vmid,
                move || worker.settle(guest),
                move |end| {
                    tell.send(Event::Settled(guest, Box::new(end))).ok();
                },
            );
        }
    }

    pub(super) fn settled(&mut self, guest: GuestId, end: Resolution<Settling>) {
        self.settling.remove(&guest);
        if let Some(courier) = &self.wires.courier {
            // One of them may have been an operation's. Full: word of it is on its way already.
            courier.ended.try_send(()).ok();
        }
        match end {
            Resolution::Done(Settling { ended, open }) => {
                if let Some(Open::Unresolved(why)) = open {
                    log::warn!("{why}");
                }
                let doubt = ended.iter().find_map(|(_, outcome)| match outcome {
                    Outcome::Uncertain { message, .. } => Some(message),
                    _ => None,
                });
                match doubt {
                    Some(message) => self.book.doubt(guest.vmid, message),
                    None if ended.is_empty() => return,
                    None => self.book.certain(guest.vmid),
                }
                self.look();
            }
            Resolution::Panicked(message) => {
                log::error!("finding out what came of the steps of {guest} panicked: {message}");
            }
            Resolution::Closed | Resolution::NoThread(_) => {}
        }
    }

    /// That a doubt is over must be known after a restart, too.
    pub(super) fn tell_settled(&mut self) {
        for (guest, why) in self.book.take_settled() {
            self.setup.work.journal.settled(guest, why);
        }
    }
}

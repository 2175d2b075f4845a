//! The observer: looks at the node when control asks, so that control itself never waits for Proxmox.
//!
//! *Fed by* one [`Request`] at a time. *Emits* one [`Look`] for each. Ends when control is gone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crossbeam_channel::Receiver;

use crate::model::guest::GuestId;
use crate::model::observed::{GuestObservation, Presence, ReadFault, Reading};
use crate::model::outcome::Recourse;
use crate::normalize::tags::TagCase;
use crate::observe;
use crate::plan::NodeObservation;
use crate::pve;
use crate::status::condition::Reach;

/// The guests whose configuration is wanted beside the lists.
#[derive(Debug)]
pub struct Request {
    pub guests: Vec<GuestId>,
}

#[derive(Debug)]
pub struct Look {
    pub node: NodeObservation,
    pub reach: Reach,
    /// `None` while the datacenter's options could not be read.
    pub tag_case: Option<TagCase>,
    /// What was done after this is not in it.
    pub began: Instant,
}

pub fn run(connection: &pve::Connection, requests: &Receiver<Request>, mut tell: impl FnMut(Look)) {
    let mut eye = Eye { connection, client: None, tag_case: None, named: false };
    for request in requests {
        let began = Instant::now();
        let look = catch_unwind(AssertUnwindSafe(|| eye.look(&request, began)));
        tell(look.unwrap_or_else(|_panic| {
            eye.client = None;
            blind(
                &request,
                began,
                ReadFault { code: "panicked", message: "the observer panicked".to_owned() },
            )
        }));
    }
}

struct Eye<'a> {
    connection: &'a pve::Connection,
    client: Option<pve::Client>,
    tag_case: Option<TagCase>,
    /// Whether the log has the node's name.
    named: bool,
}

impl Eye<'_> {
    fn look(&mut self, request: &Request, began: Instant) -> Look {
        let client = match &self.client {
            Some(client) => client,
            None => match pve::Client::new(self.connection) {
                Ok(client) => self.client.insert(client),
                Err(error) => return blind(request, began, error.as_read_fault()),
            },
        };
        let node = observe::node(client, &request.guests);
        let reach = reach(&node);
        if self.tag_case.is_none() && reach == Reach::Reachable {
            self.tag_case = match observe::tag_case(client) {
                Ok(tag_case) => Some(tag_case),
                // Asked once and no more: each look would be refused again.
                Err(error) if error.recourse() == Recourse::Terminal => {
                    log::info!(
                        "taking it that tags are lowered, for the datacenter's options say nothing: {error}"
                    );
                    Some(TagCase::Lowered)
                }
                Err(_for_now) => None,
            };
        }
        if let (false, Reach::Reachable, Ok(name)) = (self.named, &reach, client.node()) {
            log::info!("node {name} answers: {} guests on it", node.listed.len());
            self.named = true;
        }
        Look { node, reach, tag_case: self.tag_case, began }
    }
}

/// Nothing could be seen at all.
fn blind(request: &Request, began: Instant, fault: ReadFault) -> Look {
    let unseen = || GuestObservation {
        presence: Presence::Unknown(fault.clone()),
        config: Reading::Unknown(fault.clone()),
        live: None,
    };
    let node = NodeObservation {
        guests: request.guests.iter().map(|guest| (guest.vmid, unseen())).collect(),
        faults: vec![fault.clone()],
        ..NodeObservation::default()
    };
    Look { node, reach: Reach::Unreachable(fault.message), tag_case: None, began }
}

/// The node counts as reached if it gave at least one of its two lists.
fn reach(node: &NodeObservation) -> Reach {
    match node.faults.as_slice() {
        [first, _second, ..] => Reach::Unreachable(first.message.clone()),
        [] | [_] => Reach::Reachable,
    }
}

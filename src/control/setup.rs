//! What control is made of: settings, and channels to everybody else.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use super::brake::LocalBrake;
use super::observer::Request;
use super::{Event, Work, store};
use crate::plan;

/// What control is given at its start.
#[derive(Debug)]
pub struct Setup {
    pub host_id: String,
    pub store: store::Store,
    /// Where the desired state comes from, in words.
    pub source: String,
    /// The resources that are converged; all if empty.
    pub only: Vec<String>,
    pub plan: plan::Settings,
    /// From one look at the node to the next.
    pub reconcile: Duration,
    /// Whether a hub is configured.
    pub hub: bool,
    /// Desired state is taken only with a signature.
    pub require_signed: bool,
    pub brake: LocalBrake,
    /// How long the lanes may take to reach a safe point at the end.
    pub stop_within: Duration,
    /// What the lanes' jobs need; shared by all of them.
    pub work: Work,
}

/// Control's channels.
#[derive(Debug)]
pub struct Wires {
    pub ticks: Receiver<()>,
    pub events: Receiver<Event>,
    /// For the lanes, to say that they are done.
    pub tell: Sender<Event>,
    pub looks: Sender<Request>,
    /// `None` without a source of desired state.
    pub pokes: Option<Sender<()>>,
    /// To the courier: the hub has operations for us; one has ended. `None` without a hub.
    pub courier: Option<Courier>,
    /// To the reporter: the status says something new. `None` without a hub.
    pub changed: Option<Sender<()>>,
    /// Dropped to make everything in a lane that waits stop waiting.
    pub stop: Option<Sender<()>>,
}

/// What the courier is told; each a poke.
#[derive(Debug)]
pub struct Courier {
    pub offered: Sender<()>,
    pub ended: Sender<()>,
}

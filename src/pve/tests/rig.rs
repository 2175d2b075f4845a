//! A simulated node and a client for it.

use std::time::Duration;

use crossbeam_channel::never;
use felhom_sim::node::World;
use felhom_sim::pve::{Options, PveSim};

use crate::http::Trust;
use crate::journal::Recorded;
use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::step::Step;
use crate::pve::{Client, Connection, PveError, TaskEnd, Upid};
use crate::secret::Secret;

pub(super) struct Rig {
    pub(super) sim: PveSim,
    pub(super) client: Client,
}

impl Rig {
    /// The recorded node, a hundred times faster than real.
    pub(super) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(super) fn of(world: World) -> Self {
        Self::with(Options { world, ..Options::default() })
    }

    pub(super) fn with(options: Options) -> Self {
        let sim = PveSim::start(options);
        let client = Client::new(&connection(&sim)).unwrap();
        Self { sim, client }
    }

    pub(super) fn client_as(&self, token_id: &str, secret: &str) -> Client {
        let token_secret = Secret::new(secret.to_owned());
        Client::new(&Connection { token_id: token_id.to_owned(), token_secret, ..connection(&self.sim) })
            .unwrap()
    }

    pub(super) fn wait(&self, upid: &Upid) -> TaskEnd {
        self.client.wait(upid, Duration::from_secs(20), &never())
    }

    /// The calls as `GET /version`, without what the client asks to learn the node's name.
    pub(super) fn lines(&self) -> Vec<String> {
        let calls = self.sim.calls().into_iter().map(|call| call.line());
        calls.filter(|line| line != "GET /cluster/status").collect()
    }
}

pub(super) fn connection(sim: &PveSim) -> Connection {
    let (id, secret) = sim.token();
    Connection {
        url: sim.url(),
        node: None,
        token_id: id.to_owned(),
        token_secret: Secret::new(secret.to_owned()),
        trust: Trust::Pin(sim.pin()),
        timeout: Duration::from_secs(10),
    }
}

pub(super) fn lxc(vmid: u64) -> GuestId {
    GuestId::new(GuestKind::Lxc, Vmid::new(vmid).unwrap())
}

pub(super) fn qemu(vmid: u64) -> GuestId {
    GuestId::new(GuestKind::Qemu, Vmid::new(vmid).unwrap())
}

/// The journal's pass for some change of this guest.
pub(super) fn recorded(guest: GuestId) -> Recorded {
    Recorded::for_test(Step::Start { guest })
}

/// The journal's pass for this step and no other.
pub(super) fn exactly(step: Step) -> Recorded {
    Recorded::for_test(step)
}

pub(super) fn code<T>(result: Result<T, PveError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(error) => error.code(),
    }
}

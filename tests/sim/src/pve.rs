//! The simulated Proxmox VE node on real sockets: what pveproxy and pvedaemon do around the [`World`].
//!
//! Owns: the HTTPS server, the admin address, the world under one lock. A test holds a [`PveSim`], arranges the world,
//! sets faults, and reads the log of calls; everything ends when it is dropped.

mod access_calls;
mod admin;
mod answer;
mod cost;
mod formats;
mod front;
mod params;
mod permission;
mod schema;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::access::ROOT_SECRET;
use crate::node::{Clock, World};
use crate::server::{Call, Host, Identity, Rule, TlsChoice, serve_admin};
use admin::Controls;
pub use front::Conditions;
use front::Front;

/// How a node is started.
#[derive(Debug)]
pub struct Options {
    pub world: World,
    /// Real seconds a second of the node takes: tasks, the delay of a 401, waiting for a lock. The idle time of a
    /// connection is not scaled.
    pub time_scale: f64,
    /// What each call costs, as a factor of what was measured on a real node; 0 is nothing.
    pub cost: f64,
    pub tls: TlsChoice,
    /// Plain HTTP, which no real node speaks: so that a trace of the caller shows what it sends.
    pub plain: bool,
    pub listen: SocketAddr,
    /// How long an idle connection is kept; 5 s on a real node.
    pub idle: Duration,
}

impl Default for Options {
    /// The recorded node, a hundred times faster, calls for free, on a port of 127.0.0.1.
    fn default() -> Self {
        Self {
            world: World::facts_world(),
            time_scale: 0.01,
            cost: 0.0,
            tls: TlsChoice::Default,
            plain: false,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            idle: Duration::from_secs(5),
        }
    }
}

/// A running node.
#[derive(Debug)]
pub struct PveSim {
    controls: Arc<Controls>,
    admin: Host,
}

impl PveSim {
    /// Listens when this returns.
    ///
    /// # Panics
    /// If no socket can be opened on loopback.
    pub fn start(options: Options) -> Self {
        Self::try_start(options).expect("loopback has a free port")
    }

    pub fn try_start(mut options: Options) -> io::Result<Self> {
        if let Clock::System { scale } = &mut options.world.clock {
            *scale = options.time_scale;
        }
        let identity = Identity::new(options.tls);
        let front = Arc::new(Front::new(options.world, options.time_scale, options.cost, options.idle));
        let tls = (!options.plain).then(|| identity.config());
        let host = Host::start(options.listen, tls, Arc::clone(&front) as Arc<_>)?;
        let controls =
            Arc::new(Controls { front, host, identity: Mutex::new(identity), plain: options.plain });
        let admin = serve_admin(Arc::clone(&controls) as Arc<_>)?;
        Ok(Self { controls, admin })
    }

    /// `https://127.0.0.1:41234`.
    pub fn url(&self) -> String {
        let scheme = if self.controls.plain { "http" } else { "https" };
        format!("{scheme}://{}", self.controls.host.address())
    }

    pub fn address(&self) -> SocketAddr {
        self.controls.host.address()
    }

    /// `http://127.0.0.1:41235`: see the server's admin module for its calls.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin.address())
    }

    /// Id and secret of a token that may everything.
    pub fn token(&self) -> (&'static str, &'static str) {
        ("root@pam!agent", ROOT_SECRET)
    }

    /// SHA-256 of the leaf certificate it presents now.
    pub fn pin(&self) -> [u8; 32] {
        self.controls.identity.lock().unwrap().pin()
    }

    pub fn pin_hex(&self) -> String {
        self.controls.identity.lock().unwrap().pin_hex()
    }

    pub fn cert_pem(&self) -> String {
        self.controls.identity.lock().unwrap().cert_pem().to_owned()
    }

    /// The authority that signed the certificate.
    pub fn ca_pem(&self) -> String {
        self.controls.identity.lock().unwrap().ca_pem().to_owned()
    }

    /// Presents a new certificate from now on; open connections are broken.
    pub fn rotate_certificate(&self, choice: TlsChoice) {
        self.controls.rotate(choice);
    }

    /// Every call received so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.controls.front.log.all()
    }

    pub fn clear_calls(&self) {
        self.controls.front.log.clear();
    }

    /// Adds a fault; the number takes it away again.
    pub fn fault(&self, rule: Rule) -> u64 {
        self.controls.front.faults.add(rule)
    }

    pub fn remove_fault(&self, id: u64) {
        self.controls.front.faults.remove(id);
    }

    pub fn clear_faults(&self) {
        self.controls.front.faults.clear();
    }

    /// Changes what is down: pvedaemon, pmxcfs.
    pub fn conditions(&self, change: impl FnOnce(&mut Conditions)) {
        change(&mut self.controls.front.conditions.lock().unwrap());
    }

    /// Looks at the world or changes it, between two calls.
    pub fn world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.controls.front.world.lock().unwrap();
        world.advance();
        look(&mut world)
    }

    /// pveproxy restarts: every connection breaks, new ones are taken at once.
    pub fn restart(&self) {
        self.controls.host.break_connections();
    }

    /// The port refuses until [`Self::come_back`]; tasks go on.
    pub fn go_down(&self) {
        self.controls.host.go_down();
    }

    /// # Panics
    /// If the port was taken meanwhile.
    pub fn come_back(&self) {
        self.controls.host.come_back().expect("the port is still free");
    }

    /// Connections accepted so far, and open now.
    pub fn connections(&self) -> (u64, usize) {
        (self.controls.host.accepted(), self.controls.host.open())
    }
}

impl Drop for PveSim {
    fn drop(&mut self) {
        self.admin.go_down();
        self.controls.host.go_down();
    }
}

#[cfg(test)]
mod tests;

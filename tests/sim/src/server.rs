//! The HTTP/1.1 server under both simulators, written here because the habits of the simulated peers are the point:
//! reason phrases, answers without a length, two `Connection` headers, and every way of breaking off.
//! One thread a connection; a [`Service`] says what is answered, this module how it goes over the wire.

mod admin;
#[cfg(test)]
pub(crate) mod client;
mod fault;
mod listen;
mod log;
mod tls;
mod wire;

pub use admin::{Admin, serve_admin};
pub use fault::{Action, Faults, Hit, Rule};
pub use listen::{Host, Service, loopback};
pub use log::{Call, Log, Pending};
pub use tls::{Identity, TlsChoice};
pub use wire::{Answer, Delivery, Limits, Request, Response};

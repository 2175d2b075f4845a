//! A Proxmox VE node and a hub, simulated: what the tests and the demo talk to over real sockets.
//! It shares no type with the agent, so that a misunderstanding in one is not repeated in the other.

pub mod access;
pub mod api;
pub mod hub;
pub mod lifetime;
pub mod node;
pub mod pve;
pub mod server;
pub mod sign;

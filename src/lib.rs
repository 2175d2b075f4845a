//! The agent that keeps a Proxmox VE node as it should be.
//!
//! Facts come in, a pure function decides, a closed list of steps goes out, one thread per guest carries them out.
//! ARCHITECTURE.md has the map; a block imports only from itself and from the blocks below it.

pub mod cli;
pub mod daemon;
pub mod selftest;
// threads: each owns its state and one receiver
pub mod control;
pub mod lanes;
pub mod local_api;
pub mod ops;
pub mod proof;
pub mod reporter;
pub mod timer;
// edges: I/O without decisions
pub mod clock;
pub mod config;
pub mod execute;
pub mod http;
pub mod hub;
pub mod journal;
pub mod observe;
pub mod paths;
pub mod pve;
pub mod secret;
pub mod source;
// pure core: no I/O, no clock, no channel, no lock
pub mod authz;
pub mod backoff;
pub mod consent;
pub mod gate;
pub mod manifest;
pub mod normalize;
pub mod plan;
pub mod status;
pub mod strict_json;
// values
pub mod model;

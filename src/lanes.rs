//! Lanes: one blocking worker thread for each guest that has work.
//!
//! *Owns* the worker threads and their queues. *Fed by* its one owner, the control loop: [`Lanes`] is neither shared nor locked.
//! *Emits* one resolution for each job. *Knows nothing* of Proxmox: a job is a closure.
//!
//! - Strictly first in, first out within a vmid; vmids do not wait for each other.
//! - `submit` never blocks. Queues have no bound of their own: what feeds them is bounded (one reconcile job a guest).
//! - Each accepted job is resolved exactly once: done, panicked, or refused because the lanes are closed or no thread
//!   could be started. This holds by construction: the resolver is used up by resolving, and resolves when it is dropped.
//! - A job that panics ends alone; its lane lives on. (In the shipped binary a panic ends the process: see `daemon/panicked.rs`.)
//! - A lane is retired by its owner's `sweep`, never by its worker. Only the owner sends, and it counts what it sent; the
//!   worker counts what it finished. Equal counts mean an empty queue, and nobody else can fill it before the owner drops
//!   the sender. An emptiness check and a removal that another thread can come between do not exist here.
//! - Closing drops the senders: what was accepted is run, then the workers end.
//!
//! The engine is compiled twice: here over crossbeam channels and named threads, and in the tests over `shuttle`'s, which
//! explores its schedules. The seam is `sync`, the few primitives that both offer; crossbeam's own channel is taken as correct.

mod engine;
mod permits;
mod sync;

#[cfg(test)]
mod claims;
#[cfg(test)]
mod shuttled;

pub use engine::{Closed, Lanes, Receipt, Resolution, Settings, panic_text, vmid_of_thread};
pub use permits::{Class, Limits, Permit, Permits};

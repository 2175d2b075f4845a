//! The engine's primitives, as the shipped agent has them: crossbeam channels and named threads.
//! `shuttled::sync` offers the same names over `shuttle`.

use std::io;
use std::time::Duration;

pub(super) use crossbeam_channel::{Receiver, Sender, unbounded};
pub(super) use std::sync::Arc;
pub(super) use std::sync::atomic::{AtomicU64, Ordering};

/// A waiting receiver's news.
pub(super) enum Received<T> {
    Message(T),
    /// Nothing came in time.
    Nothing,
    /// Nothing can come any more.
    Disconnected,
}

pub(super) fn receive<T>(receiver: &Receiver<T>, within: Duration) -> Received<T> {
    match receiver.recv_timeout(within) {
        Ok(message) => Received::Message(message),
        Err(crossbeam_channel::RecvTimeoutError::Timeout) => Received::Nothing,
        Err(crossbeam_channel::RecvTimeoutError::Disconnected) => Received::Disconnected,
    }
}

/// Starts a thread that nobody joins: it says that it has ended by dropping what it holds.
pub(super) fn start(
    name: String,
    stack_bytes: usize,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    std::thread::Builder::new().name(name).stack_size(stack_bytes).spawn(body).map(drop)
}

//! The local socket: HTTP/1.1 over a Unix socket, for `felhom-agent status`, for curl, for monitoring, and for signed operations
//! that a person brings to the machine himself.
//!
//! *Owns* the socket's file, the thread that takes connections, and one short-lived thread for each of them.
//! *Fed by* whoever may open the socket: the kernel says who that is. Reading is for all of them, changing for root and the
//! daemon's own user. *Emits* questions to control, wishes to look now, and envelopes to the door of signed operations.
//! *Never* holds the daemon up: every request is bounded in size and time, connections in number, and at the end all of them
//! are cut. Nothing is decided here: a signed operation is worth what its signatures are worth, whoever brings it.

mod answer;
mod calls;
pub mod facts;
mod listen;
mod metrics;
mod request;
mod serve;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use thiserror::Error;

pub use self::calls::Desk;
pub use self::listen::ListenError;
use self::listen::Listening;

/// A handler collects a report and writes JSON.
const STACK_BYTES: usize = 512 * 1024;

/// What a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From a request's first chance to come until it is whole; and again for its answer to be taken.
    pub within: Duration,
    /// Connections at once; one more is answered with 503.
    pub connections: usize,
    /// Requests over one connection.
    pub requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { within: Duration::from_secs(10), connections: 16, requests: 100 }
    }
}

#[derive(Debug, Error)]
pub enum LocalApiError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("cannot start the thread of the local socket")]
    Thread(#[source] io::Error),
}

/// The running socket. Dropping it closes the socket and cuts every connection.
#[derive(Debug)]
pub struct LocalApi {
    stop: Option<Sender<()>>,
    listening: Option<Listening>,
    thread: Option<JoinHandle<()>>,
}

impl LocalApi {
    pub fn start(path: &Path, desk: Desk, limits: Limits) -> Result<Self, LocalApiError> {
        let listening = Listening::at(path)?;
        let listener = listening.listener().map_err(LocalApiError::Thread)?;
        let (stop, stopped) = bounded(0);
        let desk = Arc::new(desk);
        let thread = std::thread::Builder::new()
            .name("local-api".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || serve::run(&listener, &desk, limits, &stopped))
            .map_err(LocalApiError::Thread)?;
        Ok(Self { stop: Some(stop), listening: Some(listening), thread: Some(thread) })
    }
}

impl Drop for LocalApi {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.listening.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the thread of the local socket panicked");
        }
    }
}

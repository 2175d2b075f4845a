//! Signals to messages: one thread that sleeps until one comes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, unbounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals as Arriving};

const STACK_BYTES: usize = 128 * 1024;

/// The exit code of whoever has no patience: as if the signal had done it.
const AT_ONCE: i32 = 143;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    End,
    Reload,
}

pub(super) struct Signals {
    heard: Receiver<Heard>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Signals {
    /// From here on the first SIGTERM or SIGINT is a message, and the second ends the process at once.
    pub(super) fn listen() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first arms, the second finds it armed.
            signal_hook::flag::register_conditional_shutdown(signal, AT_ONCE, Arc::clone(&asked))?;
            signal_hook::flag::register(signal, Arc::clone(&asked))?;
        }
        let mut signals = Arriving::new([SIGTERM, SIGINT, SIGHUP])?;
        let handle = signals.handle();
        // A person sends a few of them.
        let (tell, heard) = unbounded();
        let thread = std::thread::Builder::new().name("signals".to_owned()).stack_size(STACK_BYTES).spawn(
            move || {
                for signal in signals.forever() {
                    let heard = if signal == SIGHUP { Heard::Reload } else { Heard::End };
                    if tell.send(heard).is_err() {
                        return;
                    }
                }
            },
        )?;
        Ok(Self { heard, handle, thread: Some(thread) })
    }

    pub(super) fn heard(&self) -> &Receiver<Heard> {
        &self.heard
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the signal thread panicked");
        }
    }
}

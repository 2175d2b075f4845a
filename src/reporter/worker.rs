//! A thread that reads one part of the report, so that nobody waits for it longer than he wants to.
//! At most one reading is under way: while one hangs, no second is begun.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

/// Enough for a TLS handshake and deep JSON, also in a debug build.
const STACK_BYTES: usize = 512 * 1024;

/// Ends when it is dropped and what it reads at the moment has come to its own end.
#[derive(Debug)]
pub(super) struct Worker<T> {
    asks: Sender<Instant>,
    answers: Receiver<T>,
    busy_since: Option<Instant>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// Since so long it has been reading.
    Reading(Duration),
    /// The thread has ended, which it should not.
    Gone,
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reading(since) => write!(f, "no answer yet after {} s", since.as_secs()),
            Self::Gone => f.write_str("the thread that reads it has ended; restart the agent"),
        }
    }
}

impl<T: Send + 'static> Worker<T> {
    /// `read` is told until when its answer is waited for.
    pub(super) fn start(name: &str, mut read: impl FnMut(Instant) -> T + Send + 'static) -> io::Result<Self> {
        let (asks, asked) = bounded::<Instant>(1);
        let (answer, answers) = bounded(1);
        std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(move || {
            for until in asked {
                if answer.send(read(until)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { asks, answers, busy_since: None })
    }

    /// Begins a reading, unless one is under way.
    pub(super) fn begin(&mut self, until: Instant) {
        if self.busy_since.is_some() && self.answers.try_recv().is_ok() {
            // It came too late for the one who asked, and is too old for this one.
            self.busy_since = None;
        }
        if self.busy_since.is_none() && self.asks.try_send(until).is_ok() {
            self.busy_since = Some(Instant::now());
        }
    }

    /// Waits for the reading that is under way.
    pub(super) fn finish(&mut self, until: Instant) -> Result<T, Late> {
        match self.answers.recv_deadline(until) {
            Ok(answer) => {
                self.busy_since = None;
                Ok(answer)
            }
            Err(RecvTimeoutError::Timeout) => {
                Err(Late::Reading(self.busy_since.map(|since| since.elapsed()).unwrap_or_default()))
            }
            Err(RecvTimeoutError::Disconnected) => Err(Late::Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crossbeam_channel::bounded;

    use super::{Late, Worker};

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[test]
    fn a_reading_that_hangs_is_not_waited_for_and_not_begun_twice() {
        let (go, gate) = bounded::<u32>(10);
        let mut worker = Worker::start("test", move |_until| gate.recv()).unwrap();
        for _ in 0..3 {
            worker.begin(soon());
            assert!(matches!(worker.finish(soon()), Err(Late::Reading(_))));
        }
        go.send(1).unwrap();
        assert_eq!(worker.finish(later()), Ok(Ok(1)), "what comes while it is waited for is taken");
        go.send(2).unwrap();
        worker.begin(later());
        assert_eq!(worker.finish(later()), Ok(Ok(2)), "one reading each");
    }

    #[test]
    fn an_answer_that_came_too_late_is_not_given_to_the_next() {
        let (go, gate) = bounded::<u32>(10);
        let (done, dones) = bounded::<()>(10);
        let mut worker = Worker::start("test", move |_until| {
            let number = gate.recv();
            done.send(()).ok();
            number
        })
        .unwrap();
        worker.begin(soon());
        worker.finish(soon()).unwrap_err();
        go.send(1).unwrap();
        dones.recv().unwrap();
        go.send(2).unwrap();
        // The first answer is on its way into the channel; from there on it is old.
        while worker.answers.is_empty() {
            std::thread::yield_now();
        }
        worker.begin(later());
        assert_eq!(worker.finish(later()), Ok(Ok(2)));
    }

    #[test]
    fn a_reader_that_panics_is_gone_and_not_waited_for() {
        let mut worker = Worker::<()>::start("test", |_until| panic!("as this test wants")).unwrap();
        worker.begin(later());
        assert_eq!(worker.finish(later()), Err(Late::Gone));
    }
}

//! Takes connections and serves each on a thread of its own, for as long as it behaves.
//!
//! The taking thread remembers who is there without keeping him: a connection belongs to its thread, and is gone with it.

use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rustix::net::sockopt::socket_peercred;

use super::answer::{Answer, Manner, send};
use super::calls::{Desk, Peer};
use super::request::{Fault, Head, Inbox};
use super::{Limits, STACK_BYTES};

/// After an error of the system, such as too many open files, until it is tried again.
const PAUSE: Duration = Duration::from_millis(200);
const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

pub(super) fn run(listener: &UnixListener, desk: &Arc<Desk>, limits: Limits, stopped: &Receiver<()>) {
    let mut open: Vec<Weak<UnixStream>> = Vec::new();
    let mut is_broken = false;
    loop {
        let taken = listener.accept();
        // An error pauses; a connection only asks whether this is the end.
        let pause = if taken.is_ok() { Duration::ZERO } else { PAUSE };
        if stopped.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
        open.retain(|stream| stream.strong_count() > 0);
        match taken {
            Ok((stream, _unnamed)) if open.len() >= limits.connections => turn_away(&stream),
            Ok((stream, _unnamed)) => {
                is_broken = false;
                let stream = Arc::new(stream);
                open.push(Arc::downgrade(&stream));
                begin(stream, Arc::clone(desk), limits);
            }
            Err(error) => {
                if !is_broken {
                    log::warn!("the local socket takes no connection at present: {error}");
                }
                is_broken = true;
            }
        }
    }
    for stream in open.iter().filter_map(Weak::upgrade) {
        cut(&stream);
    }
}

fn begin(stream: Arc<UnixStream>, desk: Arc<Desk>, limits: Limits) {
    let body = move || {
        converse(&stream, &desk, limits);
        cut(&stream);
    };
    let thread =
        std::thread::Builder::new().name("local-call".to_owned()).stack_size(STACK_BYTES).spawn(body);
    if let Err(error) = thread {
        // The connection went with the thread's body: whoever asked sees that it is closed.
        log::warn!("a connection to the local socket was dropped: {error}");
    }
}

/// The other side is told that it is over, whoever else still holds the connection.
fn cut(stream: &UnixStream) {
    // Whoever went first cannot be told any more.
    stream.shutdown(std::net::Shutdown::Both).ok();
}

/// Without waiting: what does not fit into his buffer at once he does not get.
fn turn_away(stream: &UnixStream) {
    let answer = Answer::error(503, "busy", "too many connections to the local socket at once; try again");
    let manner = Manner { with_body: true, keep_alive: false };
    let sent =
        stream.set_nonblocking(true).and_then(|()| answer.send(stream, manner, Instant::now() + PAUSE));
    if let Err(error) = sent {
        log::debug!("a connection too many was not answered: {error}");
    }
}

fn converse(stream: &UnixStream, desk: &Desk, limits: Limits) {
    let peer = match socket_peercred(stream) {
        Ok(credentials) => Peer { uid: credentials.uid.as_raw() },
        Err(error) => {
            log::warn!(
                "a connection to the local socket was dropped, for the kernel does not say whose it is: {error}"
            );
            return;
        }
    };
    let mut inbox = Inbox::new(stream);
    for number in 1..=limits.requests {
        let until = Instant::now() + limits.within;
        let head = match inbox.head(until) {
            Ok(head) => head,
            Err(fault) => return tell_fault(stream, &fault, limits),
        };
        let (answer, is_whole) = match desk.find(&head.method, &head.target, peer) {
            Err(refusal) => (refusal, !head.has_body()),
            Ok(call) => match body(&mut inbox, &head, until, stream) {
                Ok(body) => (desk.answer(&call, body), true),
                Err(fault) => {
                    desk.note(&call, &fault);
                    return tell_fault(stream, &fault, limits);
                }
            },
        };
        let manner = Manner {
            with_body: head.method != "HEAD",
            keep_alive: head.keep_alive && is_whole && number < limits.requests,
        };
        let sent = answer.send(stream, manner, Instant::now() + limits.within);
        if sent.is_err() || !manner.keep_alive {
            return;
        }
    }
}

fn body(inbox: &mut Inbox<'_>, head: &Head, until: Instant, stream: &UnixStream) -> Result<Vec<u8>, Fault> {
    if head.awaits_go && head.has_body() && !head.is_too_large() {
        send(stream, GO_ON, until).map_err(|_nobody_there| Fault::Gone)?;
    }
    inbox.body(head, until)
}

fn tell_fault(stream: &UnixStream, fault: &Fault, limits: Limits) {
    let Some(answer) = Answer::to_fault(fault) else { return };
    let manner = Manner { with_body: true, keep_alive: false };
    if let Err(error) = answer.send(stream, manner, Instant::now() + limits.within) {
        log::debug!("a refused request was not answered: {error}");
    }
}

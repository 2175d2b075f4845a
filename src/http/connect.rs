//! The one way out: TCP, then TLS unless the address is plain, then the head of each answer rewritten (see head.rs).
//! What fails before the request left whole comes out as an [`UnsentFault`], so that the caller can say "nothing was done".

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, TcpConnector, Transport,
    TransportAdapter,
};

use super::error::{StaleConnection, UnsentFault, tls_fault};
use super::head;
use super::resolve::bare_host;

#[derive(Debug)]
pub(super) struct Dialler {
    tcp: TcpConnector,
    tls: Arc<ClientConfig>,
}

impl Dialler {
    pub(super) fn new(tls: Arc<ClientConfig>) -> Self {
        Self { tcp: TcpConnector::default(), tls }
    }
}

impl Connector<()> for Dialler {
    type Out = Link;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<Link>, ureq::Error> {
        let tcp = Connector::<()>::connect(&self.tcp, details, None)
            .map_err(|error| unsent(UnsentFault::Connect(plain_text(&error))))?;
        let Some(tcp) = tcp else { return Ok(None) };
        let mut socket = TransportAdapter::new(tcp.boxed(), Arc::clone(&details.current_time));
        socket.set_timeout(remaining(details));
        let stream = if details.needs_tls() {
            let session = self.shake_hands(details, &mut socket)?;
            Stream::Tls(Box::new(session), socket)
        } else {
            Stream::Plain(socket)
        };
        let buffers =
            LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Link {
            stream,
            buffers,
            expected: Part::Head,
            head: Vec::new(),
            ready: Vec::new(),
            answers: 0,
        }))
    }
}

impl Dialler {
    fn shake_hands(
        &self,
        details: &ConnectionDetails<'_>,
        socket: &mut TransportAdapter,
    ) -> Result<ClientConnection, ureq::Error> {
        let host = bare_host(details.uri);
        let name = ServerName::try_from(host.to_owned()).map_err(|error| {
            unsent(UnsentFault::Tls(format!("{host:?} cannot be a server's name: {error}")))
        })?;
        let mut session = ClientConnection::new(Arc::clone(&self.tls), name)
            .map_err(|error| unsent(UnsentFault::Tls(error.to_string())))?;
        while session.is_handshaking() {
            session.complete_io(socket).map_err(|error| unsent(handshake_fault(&error)))?;
        }
        Ok(session)
    }
}

/// What is left of the time allowed for connecting, of which TCP has used a part.
fn remaining(details: &ConnectionDetails<'_>) -> NextTimeout {
    let after = match (details.timeout.after, details.now) {
        (Duration::Exact(allowed), Instant::Exact(since)) => {
            Duration::Exact(allowed.saturating_sub(since.elapsed()))
        }
        (after, _) => after,
    };
    NextTimeout { after, ..details.timeout }
}

fn unsent(fault: UnsentFault) -> ureq::Error {
    ureq::Error::Other(Box::new(fault))
}

fn handshake_fault(error: &io::Error) -> UnsentFault {
    let inner = error.get_ref();
    if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls_fault(tls);
    }
    match inner.and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        Some(error) => UnsentFault::Tls(plain_text(error)),
        None => UnsentFault::Tls(error.to_string()),
    }
}

/// A cause in plain words.
pub(super) fn plain_text(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer within the time allowed".to_owned(),
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            io::ErrorKind::UnexpectedEof => "the other end closed the connection".to_owned(),
            _ => error.to_string(),
        },
        other => other.to_string(),
    }
}

/// One connection, as ureq's pool keeps it.
pub(super) struct Link {
    stream: Stream,
    buffers: LazyBuffers,
    expected: Part,
    /// The head of an answer as far as it has come.
    head: Vec<u8>,
    /// The rewritten head and what came with it, on the way to ureq.
    ready: Vec<u8>,
    /// How many answers this connection has given.
    answers: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head,
    Body,
}

enum Stream {
    Plain(TransportAdapter),
    Tls(Box<ClientConnection>, TransportAdapter),
}

impl Stream {
    fn socket(&mut self) -> &mut TransportAdapter {
        match self {
            Self::Plain(socket) | Self::Tls(_, socket) => socket,
        }
    }

    /// Returns only when the whole of `bytes` is in the kernel's hands: an error means that some of it never left.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(session, socket) => {
                session.writer().write_all(bytes)?;
                while session.wants_write() {
                    session.write_tls(socket)?;
                }
                Ok(())
            }
        }
    }

    fn receive(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(into),
            Self::Tls(session, socket) => rustls::Stream::new(&mut **session, socket).read(into),
        }
    }
}

impl Link {
    /// Reads until the head of an answer is whole, and makes it ready for ureq.
    fn await_head(&mut self) -> Result<(), ureq::Error> {
        let mut chunk = [0; 4096];
        loop {
            while let Some(end) = head::end(&self.head) {
                let rest = self.head.split_off(end);
                let whole = std::mem::replace(&mut self.head, rest);
                if head::is_informational(&whole) {
                    continue;
                }
                self.ready = head::rewrite(&whole);
                self.ready.append(&mut self.head);
                self.expected = Part::Body;
                self.answers = self.answers.saturating_add(1);
                return Ok(());
            }
            if self.head.len() > head::LIMIT {
                return Err(ureq::Error::LargeResponseHeader(self.head.len(), head::LIMIT));
            }
            match self.stream.receive(&mut chunk) {
                Ok(0) => return Err(self.ended(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => self.head.extend_from_slice(chunk.get(..read).unwrap_or_default()),
                Err(error) => return Err(self.ended(error)),
            }
        }
    }

    /// What it means that the connection ended while a head was expected.
    fn ended(&self, error: io::Error) -> ureq::Error {
        let is_closed = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
        );
        if is_closed && self.head.is_empty() && self.answers > 0 {
            return ureq::Error::Other(Box::new(StaleConnection));
        }
        ureq::Error::from(error)
    }

    fn hand_over(&mut self) -> bool {
        let room = self.buffers.input_append_buf();
        let fits = room.len().min(self.ready.len());
        for (slot, byte) in room.iter_mut().zip(self.ready.drain(..fits)) {
            *slot = byte;
        }
        self.buffers.input_appended(fits);
        fits > 0
    }
}

impl Transport for Link {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.socket().set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream
            .send(output)
            .map_err(|error| unsent(UnsentFault::Send(plain_text(&ureq::Error::from(error)))))?;
        self.expected = Part::Head;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if self.ready.is_empty() {
            self.stream.socket().set_timeout(timeout);
            match self.expected {
                Part::Head => self.await_head()?,
                Part::Body => {
                    let amount = self.stream.receive(self.buffers.input_append_buf())?;
                    self.buffers.input_appended(amount);
                    return Ok(amount > 0);
                }
            }
        }
        Ok(self.hand_over())
    }

    fn is_open(&mut self) -> bool {
        self.stream.socket().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(..))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("tls", &self.is_tls())
            .field("answers", &self.answers)
            .finish_non_exhaustive()
    }
}

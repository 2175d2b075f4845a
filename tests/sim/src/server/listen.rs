//! A listening address and its connections.
//! Owns the socket, one thread that accepts, and one thread a connection. It can go away (connections broken, the port
//! refusing) and come back on the same port. Everything ends when it is dropped.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::wire::{Ahead, Answer, Limits, NoRequest, Request, Response, write_answer};

/// What a server answers.
pub trait Service: Send + Sync + 'static {
    fn limits(&self) -> Limits;

    /// Looks at a request before its body is read; an answer here ends the connection.
    fn head(&self, _request: &Request, _connection: u64) -> Option<Answer> {
        None
    }

    fn answer(&self, request: &Request, connection: u64) -> Answer;

    /// What a client gets that speaks plain HTTP to a TLS port.
    fn plain_on_tls(&self, _request: &Request) -> Option<Response> {
        None
    }
}

/// A server on one address.
pub struct Host {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    service: Arc<dyn Service>,
    tls: RwLock<Option<Arc<ServerConfig>>>,
    leaving: AtomicBool,
    connections: Mutex<HashMap<u64, TcpStream>>,
    next: AtomicU64,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Host {
    /// Listens on `address` (port 0 picks one), with TLS if a configuration is given.
    pub fn start(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        service: Arc<dyn Service>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let shared = Arc::new(Shared {
            service,
            tls: RwLock::new(tls),
            leaving: AtomicBool::new(false),
            connections: Mutex::default(),
            next: AtomicU64::new(1),
        });
        let host = Self { address: listener.local_addr()?, shared, accepting: Mutex::default() };
        host.accept_from(listener);
        Ok(host)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.next.load(Ordering::SeqCst) - 1
    }

    /// How many are open now.
    pub fn open(&self) -> usize {
        self.shared.connections.lock().unwrap().len()
    }

    /// Presents another certificate to every new connection; the open ones are broken.
    pub fn set_tls(&self, tls: Arc<ServerConfig>) {
        *self.shared.tls.write().unwrap() = Some(tls);
        self.break_connections();
    }

    /// Breaks every open connection, whatever it is doing.
    pub fn break_connections(&self) {
        for (_, stream) in self.shared.connections.lock().unwrap().drain() {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Stops listening and breaks every connection: a client is refused.
    pub fn go_down(&self) {
        self.shared.leaving.store(true, Ordering::SeqCst);
        if let Some(thread) = self.accepting.lock().unwrap().take() {
            // The thread sits in accept(); a connection of our own wakes it.
            TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).ok();
            thread.join().ok();
        }
        self.break_connections();
    }

    /// Listens again on the same port.
    pub fn come_back(&self) -> io::Result<()> {
        if self.accepting.lock().unwrap().is_some() {
            return Ok(());
        }
        let listener = TcpListener::bind(self.address)?;
        self.shared.leaving.store(false, Ordering::SeqCst);
        self.accept_from(listener);
        Ok(())
    }

    fn accept_from(&self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::spawn(move || accept(&listener, &shared));
        *self.accepting.lock().unwrap() = Some(thread);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.go_down();
    }
}

/// Reads the address of a `--listen`. Loopback only: these servers are for tests.
///
/// # Errors
/// What was found and what is expected.
pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| format!("--listen {text}: expected 127.0.0.1:PORT"))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!("--listen {text}: only loopback addresses"))
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.leaving.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let number = shared.next.fetch_add(1, Ordering::SeqCst);
        let Ok(copy) = stream.try_clone() else { continue };
        shared.connections.lock().unwrap().insert(number, copy);
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            serve(&shared, stream, number);
            shared.connections.lock().unwrap().remove(&number);
        });
    }
}

/// One connection from its first byte to its last. Errors of the peer end it and concern nobody else.
fn serve(shared: &Shared, stream: TcpStream, number: u64) {
    let limits = shared.service.limits();
    stream.set_nodelay(true).ok();
    stream.set_read_timeout(Some(limits.idle)).ok();
    let Ok(mut raw) = stream.try_clone() else { return };
    let tls = shared.tls.read().unwrap().clone();
    match tls {
        None => talk(shared, stream, number),
        Some(_) if !starts_like_tls(&stream) => refuse_plain(shared, stream),
        Some(config) => {
            let Ok(connection) = ServerConnection::new(config) else { return };
            let mut stream = StreamOwned::new(connection, stream);
            talk(shared, &mut stream, number);
            stream.conn.send_close_notify();
            stream.flush().ok();
        }
    }
    linger(&mut raw);
}

/// A TLS record of type handshake starts with 22; a request in clear text with a letter.
fn starts_like_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    !matches!(stream.peek(&mut first), Ok(1) if first[0].is_ascii_alphabetic())
}

fn refuse_plain(shared: &Shared, mut stream: TcpStream) {
    let limits = shared.service.limits();
    let Ok(request) = Ahead::default().read_head(&mut stream, limits.head_bytes) else { return };
    if let Some(response) = shared.service.plain_on_tls(&request) {
        write_answer(&mut stream, &request, &Answer::close(response)).ok();
    }
}

fn talk(shared: &Shared, mut stream: impl Read + Write, number: u64) {
    let service = &shared.service;
    let limits = service.limits();
    let mut ahead = Ahead::default();
    loop {
        let mut request = match ahead.read_head(&mut stream, limits.head_bytes) {
            Ok(request) => request,
            Err(NoRequest::End | NoRequest::HeadTooLarge) => return,
        };
        if let Some(mut answer) = service.head(&request, number) {
            answer.close = true;
            std::thread::sleep(answer.delay);
            write_answer(&mut stream, &request, &answer).ok();
            return;
        }
        let length = request.content_length();
        if length > limits.body_bytes {
            return;
        }
        if request.header("expect").is_some() && stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_err() {
            return;
        }
        request.body = match ahead.read_body(&mut stream, length) {
            Ok(body) => body,
            Err(_) => return,
        };
        let answer = service.answer(&request, number);
        std::thread::sleep(answer.delay);
        if !write_answer(&mut stream, &request, &answer).unwrap_or(false) {
            return;
        }
    }
}

/// Reads what the peer still sends for a moment, so that closing does not destroy an answer on its way.
fn linger(stream: &mut TcpStream) {
    stream.shutdown(Shutdown::Write).ok();
    stream.set_read_timeout(Some(Duration::from_millis(100))).ok();
    let mut rest = [0; 16 * 1024];
    for _ in 0..64 {
        if !matches!(stream.read(&mut rest), Ok(count) if count > 0) {
            return;
        }
    }
}

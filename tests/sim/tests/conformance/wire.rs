//! A raw HTTP/1.1 client: what comes over the wire is kept as it came, header by header, because that is what is compared.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// One open connection.
pub struct Wire {
    stream: Stream,
    /// Read but not yet consumed.
    rest: Vec<u8>,
}

enum Stream {
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Plain(TcpStream),
}

#[derive(Clone, Debug, Default)]
pub struct Response {
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether the server means to go on with this connection: `Keep-Alive` counts, even beside a `close`.
    pub fn goes_on(&self) -> bool {
        self.header("Connection").iter().any(|value| value.eq_ignore_ascii_case("keep-alive"))
    }
}

/// Trusts exactly the authority given.
pub fn trust(ca_pem: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate.expect("the simulator writes PEM")).expect("the simulator makes certificates");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

impl Wire {
    pub fn open(address: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> io::Result<Self> {
        let tcp = TcpStream::connect_timeout(&address, PATIENCE)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_nodelay(true)?;
        let stream = match tls {
            None => Stream::Plain(tcp),
            Some(config) => {
                let name = ServerName::IpAddress(address.ip().into());
                let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
                Stream::Tls(Box::new(StreamOwned::new(session, tcp)))
            }
        };
        Ok(Self { stream, rest: Vec::new() })
    }

    /// Sends the whole request and reads the whole answer; `None` if the connection ended without one.
    pub fn exchange(&mut self, request: &[u8]) -> io::Result<Option<Response>> {
        // A server that has refused in mid-request closes while we still write; its answer is what counts.
        let sent = self.write(request);
        match self.response() {
            Ok(None) => sent.map(|()| None).or_else(|err| if broken(&err) { Ok(None) } else { Err(err) }),
            other => other,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Stream::Plain(stream) => stream.write_all(bytes),
        }
    }

    /// Appends what comes next; false at the end of the connection.
    fn more(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let read = match &mut self.stream {
            Stream::Tls(stream) => stream.read(&mut chunk),
            Stream::Plain(stream) => stream.read(&mut chunk),
        };
        match read {
            Ok(count) => {
                self.rest.extend_from_slice(&chunk[..count]);
                Ok(count > 0)
            }
            Err(err) if broken(&err) => Ok(false),
            Err(err) => Err(err),
        }
    }

    fn response(&mut self) -> io::Result<Option<Response>> {
        let head = loop {
            if let Some(end) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.rest[..end]).into_owned();
                self.rest.drain(..end + 4);
                break head;
            }
            if !self.more()? {
                return Ok(None);
            }
        };
        let mut response = parse_head(&head);
        let length =
            response.header("Content-Length").first().and_then(|length| length.parse::<usize>().ok());
        while length.is_none_or(|length| self.rest.len() < length) && self.more()? {}
        let end = length.unwrap_or(usize::MAX).min(self.rest.len());
        response.body = self.rest.drain(..end).collect();
        Ok(Some(response))
    }

    /// Waits until the server closes; false if it says something or does not.
    pub fn ends(&mut self) -> bool {
        self.rest.is_empty() && matches!(self.more(), Ok(false))
    }
}

fn broken(err: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(err.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

fn parse_head(head: &str) -> Response {
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let mut parts = first.splitn(3, ' ');
    let _version = parts.next();
    let status = parts.next().and_then(|status| status.parse().ok()).unwrap_or(0);
    let reason = parts.next().unwrap_or_default().to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Response { status, reason, headers, body: Vec::new() }
}

//! A raw HTTP/1.1 client over TLS, for the simulators' own tests: it shows an answer as it came, header by header.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// One connection.
pub(crate) struct Client(Box<dyn Duplex>);

trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

impl Client {
    pub(crate) fn plain(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self(Box::new(stream))
    }

    pub(crate) fn tls(address: SocketAddr, ca_pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self(Box::new(StreamOwned::new(connection, stream)))
    }

    /// Sends the lines of a head (the first is `GET /path`) and a body; `None` if the connection ended without an answer.
    pub(crate) fn send(&mut self, head: &[&str], body: &str) -> Option<Seen> {
        let mut text = format!("{} HTTP/1.1\r\nHost: sim\r\n", head[0]);
        for line in &head[1..] {
            text.push_str(&format!("{line}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.0.write_all(format!("{text}\r\n{body}").as_bytes()).ok()?;
        self.0.flush().ok()?;
        self.read()
    }

    fn read(&mut self) -> Option<Seen> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let mut one = [0];
            if !matches!(self.0.read(&mut one), Ok(1)) {
                return None;
            }
            bytes.push(one[0]);
        }
        let head = String::from_utf8(bytes).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let mut first = lines.next()?.splitn(3, ' ').skip(1);
        let status = first.next()?.parse().unwrap();
        let reason = first.next().unwrap_or_default().to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "Content-Length");
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
        self.0.read_exact(&mut body).ok()?;
        Some(Seen { status, reason, headers, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

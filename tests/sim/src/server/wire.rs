//! Requests as they are read from a connection, answers as they are written to it.

use std::io::{self, Read, Write};
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// A request; in [`crate::server::Service::head`] still without its body.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// As sent, before decoding, without the query.
    pub path: String,
    /// As sent, after the `?`.
    pub query: Option<String>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn content_length(&self) -> usize {
        self.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The decoded path with runs of slashes folded and none at the end: `/api2/json/nodes`.
    pub fn tidy_path(&self) -> String {
        let decoded = percent_decode_str(&self.path).decode_utf8_lossy();
        let parts: Vec<&str> = decoded.split('/').filter(|part| !part.is_empty()).collect();
        format!("/{}", parts.join("/"))
    }

    fn wants_close(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// What a service reads at most, and how long it keeps an idle connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub head_bytes: usize,
    pub body_bytes: usize,
    pub idle: Duration,
}

/// An answer before it is written. `body: None` has neither length nor type and ends by closing.
#[derive(Clone, Debug, Default)]
pub struct Response {
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
}

impl Response {
    pub fn new(status: u16, reason: &str) -> Self {
        Self { status, reason: reason.to_owned(), ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub fn json(status: u16, reason: &str, value: &serde_json::Value) -> Self {
        Self::new(status, reason).header("Content-Type", "application/json").body(value.to_string())
    }
}

/// How an answer goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Whole,
    /// The connection breaks without a byte.
    Nothing,
    /// The connection breaks after this many bytes of the body.
    Cut(usize),
    /// A body of the right length that is neither JSON nor UTF-8.
    Garbled,
    /// A body of ten declared gigabytes, sent until the peer has had enough.
    Endless,
    /// One byte at a time with a pause between.
    Drip(Duration),
    /// The whole body under a false `Content-Length`.
    FalseLength(u64),
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub response: Response,
    pub delay: Duration,
    pub delivery: Delivery,
    /// Close the connection afterwards.
    pub close: bool,
}

impl Answer {
    pub fn keep(response: Response) -> Self {
        Self { response, delay: Duration::ZERO, delivery: Delivery::Whole, close: false }
    }

    pub fn close(response: Response) -> Self {
        Self { close: true, ..Self::keep(response) }
    }

    pub fn nothing() -> Self {
        Self { delivery: Delivery::Nothing, ..Self::close(Response::new(0, "")) }
    }
}

/// Why no request came.
#[derive(Debug)]
pub(super) enum NoRequest {
    /// Closed, idle for too long, or not HTTP.
    End,
    HeadTooLarge,
}

/// Bytes of a connection that were read ahead.
#[derive(Debug, Default)]
pub(super) struct Ahead(Vec<u8>);

impl Ahead {
    pub(super) fn read_head(&mut self, stream: &mut impl Read, limit: usize) -> Result<Request, NoRequest> {
        loop {
            if let Some(end) = find(&self.0, b"\r\n\r\n") {
                if end > limit {
                    return Err(NoRequest::HeadTooLarge);
                }
                let head: Vec<u8> = self.0.drain(..end + 4).collect();
                return parse_head(&String::from_utf8_lossy(&head[..end])).ok_or(NoRequest::End);
            }
            if self.0.len() > limit {
                return Err(NoRequest::HeadTooLarge);
            }
            self.fill(stream).map_err(|_| NoRequest::End)?;
        }
    }

    pub(super) fn read_body(&mut self, stream: &mut impl Read, length: usize) -> Result<Vec<u8>, NoRequest> {
        while self.0.len() < length {
            self.fill(stream).map_err(|_| NoRequest::End)?;
        }
        Ok(self.0.drain(..length).collect())
    }

    fn fill(&mut self, stream: &mut impl Read) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.0.extend_from_slice(&buffer[..count]);
        Ok(())
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn parse_head(text: &str) -> Option<Request> {
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let method = first.next()?.to_owned();
    let target = first.next()?;
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (target.to_owned(), None),
    };
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    Some(Request { method, path, query, headers, body: Vec::new() })
}

/// Writes the answer; `Ok(true)` when the connection may carry another request.
pub(super) fn write_answer(stream: &mut impl Write, request: &Request, answer: &Answer) -> io::Result<bool> {
    if answer.delivery == Delivery::Nothing {
        return Ok(false);
    }
    let response = &answer.response;
    let body = body_to_send(answer);
    let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, response.reason);
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = &body {
        let length = match answer.delivery {
            Delivery::Endless => 10 * 1024 * 1024 * 1024,
            Delivery::FalseLength(length) => length,
            _ => body.len() as u64,
        };
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    head.push_str("\r\n");
    let body = body.unwrap_or_default();
    let mut message = head.into_bytes();
    match answer.delivery {
        Delivery::Cut(at) => {
            message.extend_from_slice(&body[..at.min(body.len())]);
            stream.write_all(&message)?;
            stream.flush()?;
            return Ok(false);
        }
        Delivery::Drip(pause) => {
            stream.write_all(&message)?;
            for byte in body {
                stream.write_all(&[byte])?;
                stream.flush()?;
                std::thread::sleep(pause);
            }
        }
        Delivery::Endless => {
            stream.write_all(&message)?;
            stream.write_all(&body)?;
            endless(stream)?;
            return Ok(false);
        }
        _ => {
            message.extend_from_slice(&body);
            stream.write_all(&message)?;
        }
    }
    stream.flush()?;
    Ok(!answer.close && !request.wants_close() && !matches!(answer.delivery, Delivery::FalseLength(_)))
}

fn body_to_send(answer: &Answer) -> Option<Vec<u8>> {
    match answer.delivery {
        Delivery::Garbled => {
            let length = answer.response.body.as_ref().map_or(64, Vec::len).max(8);
            Some((0..length).map(|at| if at % 2 == 0 { 0xff } else { b'{' }).collect())
        }
        Delivery::Endless => Some(answer.response.body.clone().unwrap_or_default()),
        _ => answer.response.body.clone(),
    }
}

/// Blanks, which are harmless to a JSON reader, until the peer closes or ten gigabytes are through.
fn endless(stream: &mut impl Write) -> io::Result<()> {
    let blanks = [b' '; 64 * 1024];
    for _ in 0..(10 * 1024 * 1024 * 1024_u64 / 65536) {
        stream.write_all(&blanks)?;
    }
    Ok(())
}

//! What is answered: a status, a kind of text, a body; and how it goes out within a deadline.

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use super::request::Fault;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    kind: &'static str,
    pub(super) body: Vec<u8>,
    /// The methods of a path that was asked with another one.
    allow: Option<&'static str>,
    /// How many seconds ago that was true.
    age: Option<u64>,
}

/// How it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// `HEAD` wants no body.
    pub(super) with_body: bool,
    pub(super) keep_alive: bool,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Answer {
    fn new(status: u16, kind: &'static str, body: Vec<u8>) -> Self {
        Self { status, kind, body, allow: None, age: None }
    }

    pub(super) fn json(status: u16, document: &impl Serialize) -> Self {
        match serde_json::to_vec(document) {
            Ok(mut body) => {
                body.push(b'\n');
                Self::new(status, JSON, body)
            }
            Err(error) => Self::error(500, "internal", &format!("this cannot be written as JSON: {error}")),
        }
    }

    pub(super) fn text(text: &str) -> Self {
        Self::new(200, TEXT, text.as_bytes().to_vec())
    }

    pub(super) fn metrics(text: String) -> Self {
        Self::new(200, METRICS, text.into_bytes())
    }

    /// `{"error":{"code","message"}}`
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::refusal(status, json!({ "code": code, "message": message }))
    }

    /// The same with more members.
    pub(super) fn refusal(status: u16, error: Value) -> Self {
        let mut body = json!({ "error": error }).to_string().into_bytes();
        body.push(b'\n');
        Self::new(status, JSON, body)
    }

    pub(super) fn allowing(self, methods: &'static str) -> Self {
        Self { allow: Some(methods), ..self }
    }

    pub(super) fn aged(self, seconds: u64) -> Self {
        Self { age: Some(seconds), ..self }
    }

    /// What is said about a request that could not be read; `None`: there is nobody to say it to.
    pub(super) fn to_fault(fault: &Fault) -> Option<Self> {
        Some(match fault {
            Fault::Gone => return None,
            Fault::Slow => Self::error(408, "Slow", "the request was not whole in time"),
            Fault::HeadTooLarge => {
                Self::error(431, "HeadTooLarge", "at most 8 KiB of request line and headers")
            }
            Fault::BodyTooLarge => Self::error(413, "TooLarge", "a body has at most 65536 bytes"),
            Fault::Bad(what) => Self::error(400, "bad_request", what),
            Fault::Expectation => Self::error(417, "expectation", "nothing but 100-continue can be expected"),
        })
    }

    fn head(&self, manner: Manner) -> String {
        let Self { status, kind, body, allow, age } = self;
        let reason = reason(*status);
        let connection = if manner.keep_alive { "keep-alive" } else { "close" };
        let mut head = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             Connection: {connection}\r\n",
            body.len()
        );
        if let Some(methods) = allow {
            head.push_str(&format!("Allow: {methods}\r\n"));
        }
        if let Some(age) = age {
            head.push_str(&format!("Age: {age}\r\n"));
        }
        head.push_str("\r\n");
        head
    }

    /// Sends it whole, or not in time.
    pub(super) fn send(&self, stream: &UnixStream, manner: Manner, until: Instant) -> io::Result<()> {
        let mut bytes = self.head(manner).into_bytes();
        if manner.with_body {
            bytes.extend_from_slice(&self.body);
        }
        send(stream, &bytes, until)
    }
}

pub(super) fn send(mut stream: &UnixStream, mut bytes: &[u8], until: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        match stream.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

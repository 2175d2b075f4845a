//! One request read from a connection, within bounds: head and body have a size, and the whole has a deadline.
//!
//! What is one byte too large is read no further. Nothing is believed of a request until its head is whole; a body is read
//! only for whoever wants it, so that who may not ask is told before he has sent it.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use httparse::{EMPTY_HEADER, Header, Status};

/// Request line and headers.
pub(super) const MAX_HEAD: usize = 8 * 1024;
/// The largest envelope of a signed operation; one byte more is read at most, to know that there is more.
pub(super) const MAX_BODY: usize = 64 * 1024;
const MAX_HEADERS: usize = 32;
const PIECE: usize = 4 * 1024;

/// Why there is no request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The other side ended, or said nothing: nobody is to be answered.
    Gone,
    /// It was not whole in time.
    Slow,
    HeadTooLarge,
    BodyTooLarge,
    /// It is no HTTP that is understood here; the text says why.
    Bad(String),
    /// It expects of us what we do not do.
    Expectation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Bytes(u64),
    Chunked,
}

/// A request without its body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: String,
    /// As it was sent: not decoded, with whatever stands behind a `?`.
    pub(super) target: String,
    /// The other side wants to ask more on this connection.
    pub(super) keep_alive: bool,
    /// It waits for a word before it sends the body.
    pub(super) awaits_go: bool,
    length: Length,
}

impl Head {
    pub(super) fn has_body(&self) -> bool {
        self.length != Length::Bytes(0)
    }

    /// It says itself that its body is too large.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self.length, Length::Bytes(length) if usize::try_from(length).is_ok_and(|length| length > MAX_BODY))
    }
}

/// The bytes that came and were not used yet.
#[derive(Debug)]
pub(super) struct Inbox<'a> {
    stream: &'a UnixStream,
    bytes: Vec<u8>,
}

impl<'a> Inbox<'a> {
    pub(super) fn new(stream: &'a UnixStream) -> Self {
        Self { stream, bytes: Vec::new() }
    }

    /// The next request's head.
    pub(super) fn head(&mut self, until: Instant) -> Result<Head, Fault> {
        loop {
            if let Some((head, length)) = parse(&self.bytes)? {
                self.bytes.drain(..length);
                return Ok(head);
            }
            let room = MAX_HEAD.saturating_sub(self.bytes.len());
            if room == 0 {
                return Err(Fault::HeadTooLarge);
            }
            match self.fill(room, until) {
                // A connection that is kept and not used is no fault of anybody's.
                Err(Fault::Slow) if self.bytes.is_empty() => return Err(Fault::Gone),
                filled => filled?,
            }
        }
    }

    /// The body that belongs to a head.
    pub(super) fn body(&mut self, head: &Head, until: Instant) -> Result<Vec<u8>, Fault> {
        match head.length {
            Length::Chunked => self.chunks(until),
            Length::Bytes(length) => {
                let fits = usize::try_from(length).ok().filter(|length| *length <= MAX_BODY);
                let length = fits.ok_or(Fault::BodyTooLarge)?;
                self.fill_to(length, until)?;
                Ok(self.bytes.drain(..length).collect())
            }
        }
    }

    /// A body in pieces. Their sizes count, too: no more than [`MAX_BODY`] and a byte is read, whatever it is made of.
    fn chunks(&mut self, until: Instant) -> Result<Vec<u8>, Fault> {
        let mut body = Vec::new();
        let mut read = 0;
        loop {
            let (line, size) = loop {
                match httparse::parse_chunk_size(&self.bytes) {
                    Ok(Status::Complete(chunk)) => break chunk,
                    Ok(Status::Partial) => {
                        let room = (MAX_BODY + 1).saturating_sub(read + self.bytes.len());
                        if room == 0 {
                            return Err(Fault::BodyTooLarge);
                        }
                        self.fill(room.min(PIECE), until)?;
                    }
                    Err(_invalid) => return Err(Fault::Bad("the size of a chunk cannot be read".to_owned())),
                }
            };
            let size = usize::try_from(size).ok().filter(|size| *size <= MAX_BODY);
            let end = line + size.ok_or(Fault::BodyTooLarge)?;
            let whole = end + b"\r\n".len();
            read += whole;
            if read > MAX_BODY {
                return Err(Fault::BodyTooLarge);
            }
            self.fill_to(whole, until)?;
            let chunk: Vec<u8> = self.bytes.drain(..whole).collect();
            if chunk.get(end..) != Some(b"\r\n") {
                return Err(Fault::Bad("a chunk does not end where it says, or trailers follow".to_owned()));
            }
            if end == line {
                return Ok(body);
            }
            body.extend_from_slice(chunk.get(line..end).unwrap_or_default());
        }
    }

    fn fill_to(&mut self, length: usize, until: Instant) -> Result<(), Fault> {
        while self.bytes.len() < length {
            self.fill(length - self.bytes.len(), until)?;
        }
        Ok(())
    }

    /// Reads once, at most so many bytes and at most until then.
    fn fill(&mut self, most: usize, until: Instant) -> Result<(), Fault> {
        let mut piece = [0; PIECE];
        let mut stream = self.stream;
        loop {
            stream.set_read_timeout(Some(left(until)?)).map_err(|error| fault(&error))?;
            let room = piece.get_mut(..most.min(PIECE)).unwrap_or_default();
            match stream.read(room) {
                Ok(0) => return Err(Fault::Gone),
                Ok(count) => {
                    self.bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(&error)),
            }
        }
    }
}

fn left(until: Instant) -> Result<Duration, Fault> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Fault::Slow) } else { Ok(left) }
}

fn fault(error: &io::Error) -> Fault {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Fault::Slow,
        _ => Fault::Gone,
    }
}

/// A head and how long it is, once it is whole.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Fault> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Fault::HeadTooLarge),
        Err(error) => return Err(Fault::Bad(format!("the request cannot be read: {error}"))),
    };
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let is_1_1 = request.version == Some(1);
    let connection = words(request.headers, "connection");
    let names = |word: &str| connection.iter().any(|named| named.eq_ignore_ascii_case(word));
    let head = Head {
        method: method.to_owned(),
        target: target.to_owned(),
        keep_alive: !names("close") && (is_1_1 || names("keep-alive")),
        awaits_go: awaits_go(request.headers)? && is_1_1,
        length: length_of(request.headers, is_1_1)?,
    };
    Ok(Some((head, length)))
}

/// The values of every header of that name, at their commas.
fn words<'a>(headers: &[Header<'a>], name: &str) -> Vec<&'a str> {
    let of_name = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
    // What is no text is a word that nobody knows.
    let values = of_name.map(|header| std::str::from_utf8(header.value).unwrap_or("?"));
    values.flat_map(|value| value.split(',')).map(str::trim).collect()
}

fn awaits_go(headers: &[Header<'_>]) -> Result<bool, Fault> {
    match words(headers, "expect").as_slice() {
        [] => Ok(false),
        [word] if word.eq_ignore_ascii_case("100-continue") => Ok(true),
        _ => Err(Fault::Expectation),
    }
}

/// Two lengths, or a length and chunks, mean that two readers would understand two requests: refused.
fn length_of(headers: &[Header<'_>], is_1_1: bool) -> Result<Length, Fault> {
    let bad = |what: &str| Err(Fault::Bad(what.to_owned()));
    match (words(headers, "content-length").as_slice(), words(headers, "transfer-encoding").as_slice()) {
        ([], []) => Ok(Length::Bytes(0)),
        ([length], []) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            // More digits than a number has are too much in any case.
            Ok(Length::Bytes(length.parse().unwrap_or(u64::MAX)))
        }
        ([], [coding]) if is_1_1 && coding.eq_ignore_ascii_case("chunked") => Ok(Length::Chunked),
        ([_, ..], []) => bad("Content-Length is not one number"),
        ([], _) => bad("Transfer-Encoding is not chunked alone"),
        (_, _) => bad("Content-Length and Transfer-Encoding exclude each other"),
    }
}

#[cfg(test)]
mod tests;

//! The client of the daemon's local socket: one request a connection, under one deadline, with errors that say what to do.
//!
//! An answer of any status is a [`Reply`]; whether it is good news is the caller's matter. Only the lack of an answer is a
//! [`Failure`]: 75 where no daemon answers, 77 where this user may not ask, 78 where there is to be no socket, 1 for the rest.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use serde_json::Value;

use crate::config;

use super::exit::Exit;
use super::{Failure, Global};

/// A report is collected for up to 20 s before it is answered.
const WITHIN: Duration = Duration::from_secs(30);

/// Far above any answer.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 32;

/// Where the daemon listens.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    within: Duration,
}

/// What the daemon answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let what = format!(
                "the daemon's answer cannot be read ({error}); is it of another version than this program?"
            );
            Failure::text(Exit::Failed, what)
        })
    }

    /// `(code, message)` of an answer that is no good news: `{"error":{"code","message"}}`.
    pub(super) fn error(&self) -> (String, String) {
        let document: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let member = |name: &str| {
            let text = document.pointer(&format!("/error/{name}")).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        (member("code"), member("message"))
    }

    /// The body of good news as JSON; of other news the failure that it is.
    pub(super) fn good(&self) -> Result<Value, Failure> {
        if self.is_good() {
            return self.json();
        }
        let (code, message) = self.error();
        let exit = match self.status {
            403 => Exit::Permission,
            408 | 429 | 500..=599 => Exit::TryAgain,
            _ => Exit::Failed,
        };
        Err(Failure::text(exit, format!("the daemon refused this ({} {code}): {message}", self.status)))
    }
}

impl Socket {
    /// The socket at `path`, or the one that the configuration names.
    pub(super) fn of(global: &Global, path: Option<PathBuf>) -> Result<Self, Failure> {
        let path = match path {
            Some(path) => Some(path),
            None => config::socket(&global.sources())?,
        };
        path.map(|path| Self { path, within: WITHIN }).ok_or_else(|| {
            let what = "agent.socket is none: the daemon has no socket; name one with --socket, or set agent.socket and \
                        restart the daemon";
            Failure::text(Exit::Configuration, what)
        })
    }

    /// Asks for a document, as in `/v1/status`.
    pub(super) fn get(&self, path: &str) -> Result<Reply, Failure> {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nHost: felhom-agent\r\nConnection: close\r\n\r\n"), &[])
    }

    /// Sends a body to a call, as in `/v1/ops`. Only root and the daemon's own user may.
    pub(super) fn post(&self, path: &str, body: &[u8]) -> Result<Reply, Failure> {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: felhom-agent\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        self.exchange(&head, body)
    }

    fn exchange(&self, head: &str, body: &[u8]) -> Result<Reply, Failure> {
        let until = Instant::now() + self.within;
        let stream = self.connect(until).map_err(|error| self.not_there(&error))?;
        // A daemon that has read enough closes its end and has answered already: the answer decides.
        let sent = send(&stream, head.as_bytes(), until).and_then(|()| send(&stream, body, until));
        match (receive(&stream, until), sent) {
            (Ok(reply), _) => Ok(reply),
            (Err(_), Err(error)) | (Err(error), Ok(())) => Err(self.no_answer(&error)),
        }
    }

    fn connect(&self, until: Instant) -> io::Result<UnixStream> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        let stream = UnixStream::from(socket);
        // The kernel bounds the waiting for a place in the daemon's queue by this.
        stream.set_write_timeout(Some(left(until)?))?;
        connect(&stream, &SocketAddrUnix::new(&self.path)?)?;
        Ok(stream)
    }

    fn not_there(&self, error: &io::Error) -> Failure {
        let path = self.path.display();
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Failure::text(
                Exit::TryAgain,
                format!(
                    "no daemon answers at {path} ({error}); see `systemctl status felhom-agent`, and agent.socket in \
                     its configuration"
                ),
            ),
            ErrorKind::PermissionDenied => Failure::text(
                Exit::Permission,
                format!("this user may not use {path}{}; run it as root", self.whose()),
            ),
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Failure::text(
                Exit::TryAgain,
                format!("the daemon at {path} takes no connection; see `systemctl status felhom-agent`"),
            ),
            _ => Failure::text(Exit::InputOutput, format!("cannot connect to {path}: {error}")),
        }
    }

    /// Who may, as far as this user can see it.
    fn whose(&self) -> String {
        let seen = |path: &Path| fs::metadata(path).ok().map(|metadata| (metadata.gid(), metadata.mode()));
        seen(&self.path).or_else(|| seen(self.path.parent()?)).map_or_else(String::new, |(gid, mode)| {
            format!(", which is for the group {gid} (mode {:04o})", mode & 0o7777)
        })
    }

    fn no_answer(&self, error: &io::Error) -> Failure {
        let path = self.path.display();
        let what = match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("the daemon at {path} has not answered within {} s", self.within.as_secs())
            }
            ErrorKind::InvalidData => {
                return Failure::text(
                    Exit::Failed,
                    format!("what answers at {path} is no daemon of ours: {error}"),
                );
            }
            _ => format!("the daemon at {path} broke off before it answered ({error})"),
        };
        Failure::text(Exit::TryAgain, format!("{what}; see `systemctl status felhom-agent`"))
    }
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn send(mut stream: &UnixStream, mut bytes: &[u8], until: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(until)?))?;
        match stream.write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until the answer is whole.
fn receive(mut stream: &UnixStream, until: Instant) -> io::Result<Reply> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 16 * 1024];
    loop {
        if let Some(reply) = reply(&bytes)? {
            return Ok(reply);
        }
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut piece) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The answer, once all of it is there.
fn reply(bytes: &[u8]) -> io::Result<Option<Reply>> {
    let wrong = |what: String| io::Error::new(ErrorKind::InvalidData, what);
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let begin = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() <= MAX_HEAD => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(wrong("its head does not end".to_owned())),
        Err(error) => return Err(wrong(format!("its head cannot be read ({error})"))),
    };
    let length = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
        .filter(|length| *length <= MAX_ANSWER)
        .ok_or_else(|| wrong(format!("it does not say a length of at most {MAX_ANSWER} bytes")))?;
    let status = head.code.ok_or_else(|| wrong("it has no status".to_owned()))?;
    let body = bytes.get(begin..).and_then(|rest| rest.get(..length));
    Ok(body.map(|body| Reply { status, body: body.to_vec() }))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::time::Duration;

    use super::{Reply, Socket, reply};
    use crate::cli::exit::Exit;

    const ANSWER: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 5\r\n\r\n{\"a\":";

    fn socket(path: &Path) -> Socket {
        Socket { path: path.to_owned(), within: Duration::from_secs(60) }
    }

    #[test]
    fn an_answer_is_whole_when_its_last_byte_is_there() {
        for cut in 0..ANSWER.len() {
            assert_eq!(reply(&ANSWER.as_bytes()[..cut]).unwrap(), None, "{cut}");
        }
        let whole = reply(format!("{ANSWER} and more").as_bytes()).unwrap();
        assert_eq!(whole, Some(Reply { status: 202, body: b"{\"a\":".to_vec() }));
    }

    #[test]
    fn what_is_no_answer_of_ours_is_refused() {
        for text in [
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        ] {
            reply(text.as_bytes()).unwrap_err();
        }
        reply(format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(20_000)).as_bytes()).unwrap_err();
    }

    #[test]
    fn a_refusal_is_told_with_its_code_and_the_exit_code_that_fits() {
        for (status, exit) in [(403, Exit::Permission), (503, Exit::TryAgain), (404, Exit::Failed)] {
            let body = br#"{"error":{"code":"forbidden","message":"only root may"}}"#.to_vec();
            let failure = Reply { status, body }.good().unwrap_err();
            assert_eq!(failure.exit, exit);
            assert!(failure.message.contains("forbidden): only root may"), "{}", failure.message);
        }
    }

    #[test]
    fn no_daemon_is_said_with_the_path_and_where_to_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let missing = socket(&path).get("/v1/status").unwrap_err();
        drop(UnixListener::bind(&path).unwrap());
        let dead = socket(&path).get("/v1/status").unwrap_err();
        for failure in [missing, dead] {
            assert_eq!(failure.exit, Exit::TryAgain);
            assert!(failure.message.contains(path.to_str().unwrap()), "{}", failure.message);
            assert!(failure.message.contains("systemctl status felhom-agent"), "{}", failure.message);
        }
    }

    #[test]
    fn an_answer_that_comes_before_all_was_sent_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::Builder::new().spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            stream.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n").unwrap();
        });
        let answer = socket(&path).post("/v1/ops", &vec![b'x'; 8 * 1024 * 1024]).unwrap();
        server.unwrap().join().unwrap();
        assert_eq!(answer.status, 413);
    }

    #[test]
    fn a_daemon_that_breaks_off_or_is_silent_is_told_apart_from_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let silent = Socket { path: path.clone(), within: Duration::from_millis(50) };
        let failure = silent.get("/v1/status").unwrap_err();
        assert!(failure.message.contains("has not answered within"), "{}", failure.message);
        drop(listener.accept().unwrap());
        let server = std::thread::Builder::new().spawn(move || drop(listener.accept().unwrap()));
        let failure = socket(&path).get("/v1/status").unwrap_err();
        server.unwrap().join().unwrap();
        assert!(failure.message.contains("broke off"), "{}", failure.message);
        assert_eq!(failure.exit, Exit::TryAgain);
    }
}

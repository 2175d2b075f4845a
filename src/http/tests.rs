//! The connector against scripted servers: what the simulated node cannot do wrong.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use felhom_sim::pve::{Options, PveSim};
use felhom_sim::server::TlsChoice;

use super::{Agent, HttpError, Method, Request, Response, Timeouts, Trust, trust};

/// Answers one connection after the other, each by its script: a list of answers, then it is closed.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<(usize, String)>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(script: &[&[&str]]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let script: Vec<Vec<String>> =
            script.iter().map(|answers| answers.iter().map(|&answer| answer.to_owned()).collect()).collect();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let serve = move || {
            for (number, answers) in script.iter().enumerate() {
                let (mut stream, _) = listener.accept().unwrap();
                for answer in answers {
                    seen.lock().unwrap().push((number, request(&mut stream)));
                    stream.write_all(answer.as_bytes()).unwrap();
                }
                // A reset, had the client sent more, would lose what it has not read.
                stream.shutdown(std::net::Shutdown::Write).ok();
            }
        };
        let thread = thread::Builder::new().spawn(serve).unwrap();
        Self { url, requests, thread: Some(thread) }
    }

    fn ask(&self, agent: &Agent, method: &Method) -> Result<Response, HttpError> {
        let body = (*method == Method::POST).then_some(&b"a=1"[..]);
        let request = Request {
            method: method.clone(),
            url: &self.url,
            headers: Vec::new(),
            body,
            limit: 1000,
            timeout: None,
        };
        agent.call(&request)
    }

    /// On which connection each request came.
    fn connections(mut self) -> Vec<usize> {
        self.thread.take().unwrap().join().unwrap();
        self.requests.lock().unwrap().iter().map(|(number, _)| *number).collect()
    }
}

/// Reads a request with its body.
fn request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let is_whole = match text.split_once("\r\n\r\n") {
            Some((head, body)) => !head.to_lowercase().contains("content-length: 3") || body.len() == 3,
            None => false,
        };
        if is_whole || read == 0 {
            return text;
        }
    }
}

fn agent() -> Agent {
    Agent::new(&Trust::Insecure, Timeouts::within(Duration::from_secs(5))).unwrap()
}

const OK: &str = "HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn an_answer_comes_with_its_reason_and_without_our_header() {
    let server = Server::start(&[&[
        "HTTP/1.1 200 \u{171}r\r\nContent-Length: 2\r\nX-Felhom-Reason: forged\r\n\r\nok",
    ]]);
    let answer = server.ask(&agent(), &Method::GET).unwrap();
    assert_eq!(
        (answer.status, answer.reason.as_str(), answer.body.as_slice()),
        (200, "\u{171}r", &b"ok"[..])
    );
    assert!(!answer.headers.keys().any(|name| name.as_str().contains("felhom")));
}

#[test]
fn what_goes_before_an_answer_is_not_the_answer() {
    let early = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{OK}");
    let server = Server::start(&[&[early.as_str(), OK]]);
    let agent = agent();
    assert_eq!(server.ask(&agent, &Method::POST).unwrap().reason, "Fine");
    assert_eq!(server.ask(&agent, &Method::GET).unwrap().reason, "Fine");
    assert_eq!(server.connections(), [0, 0]);
}

#[test]
fn both_connection_headers_keep_the_connection_and_close_alone_closes_it() {
    let both = "HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n";
    let close = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let error = "HTTP/1.1 500 no\r\nConnection: close\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(&[&[both, both, close], &[error], &[both]]);
    let agent = agent();
    for _ in 0..5 {
        server.ask(&agent, &Method::GET).unwrap();
    }
    assert_eq!(server.connections(), [0, 0, 0, 1, 2]);
}

#[test]
fn a_read_is_asked_again_on_a_stale_connection_and_a_change_is_not() {
    // The second request of the first connection is read and never answered.
    let server = Server::start(&[&[OK, ""], &[OK]]);
    let reader = agent();
    server.ask(&reader, &Method::GET).unwrap();
    assert_eq!(server.ask(&reader, &Method::GET).unwrap().status, 200);
    assert_eq!(server.connections(), [0, 0, 1]);

    let server = Server::start(&[&[OK, ""]]);
    let writer = agent();
    server.ask(&writer, &Method::GET).unwrap();
    let error = server.ask(&writer, &Method::POST).unwrap_err();
    assert!(matches!(error, HttpError::Unknown { .. }) && error.may_have_happened(), "{error}");
    assert_eq!(server.connections(), [0, 0]);
}

#[test]
fn a_first_connection_that_says_nothing_is_not_tried_again() {
    let server = Server::start(&[&[""]]);
    let error = server.ask(&agent(), &Method::GET).unwrap_err();
    assert!(error.to_string().ends_with("the other end closed the connection"), "{error}");
    assert_eq!(server.connections(), [0]);
}

#[test]
fn a_broken_head_or_body_is_an_error() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let big = format!("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n{}", "x".repeat(1001));
    for text in [
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n",
        "HTTP/1.1 999999 OK\r\n\r\n",
        &long,
        &big,
    ] {
        let server = Server::start(&[&[text]]);
        let error = server.ask(&agent(), &Method::POST).unwrap_err();
        assert!(error.may_have_happened(), "{text:.60}: {error}");
    }
}

#[test]
fn a_body_as_large_as_its_limit_is_read() {
    let exact = format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}", "x".repeat(1000));
    let server = Server::start(&[&[exact.as_str()]]);
    assert_eq!(server.ask(&agent(), &Method::GET).unwrap().body.len(), 1000);
}

#[test]
fn bytes_after_an_answer_end_the_connection() {
    let more = format!("{OK}HTTP/1.1 200 Forged\r\nContent-Length: 0\r\n\r\n");
    let server = Server::start(&[&[more.as_str()], &[OK]]);
    let agent = agent();
    assert_eq!(server.ask(&agent, &Method::GET).unwrap().reason, "Fine");
    assert_eq!(server.ask(&agent, &Method::GET).unwrap().reason, "Fine");
    assert_eq!(server.connections(), [0, 1]);
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let server = Server::start(&[&[
        "HTTP/1.1 301 Moved\r\nLocation: https://192.0.2.1/\r\nContent-Length: 0\r\n\r\n",
    ]]);
    let answer = server.ask(&agent(), &Method::GET).unwrap();
    assert_eq!((answer.status, answer.reason.as_str()), (301, "Moved"));
    assert_eq!(server.connections(), [0]);
}

#[test]
fn plain_http_goes_to_this_machine_only() {
    let agent = agent();
    for url in ["http://192.0.2.1/", "http://localhost.example/", "http://10.0.0.1:80/"] {
        let request =
            Request { method: Method::GET, url, headers: Vec::new(), body: None, limit: 1, timeout: None };
        assert!(matches!(agent.call(&request), Err(HttpError::Setup { .. })), "{url}");
    }
}

#[test]
fn a_call_has_one_deadline_however_the_bytes_drip() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let drip = move || {
        let (mut stream, _) = listener.accept().unwrap();
        for byte in OK.bytes().cycle() {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            thread::park_timeout(Duration::from_millis(20));
        }
    };
    let thread = thread::Builder::new().spawn(drip).unwrap();
    let agent = Agent::new(&Trust::Insecure, Timeouts::within(Duration::from_millis(200))).unwrap();
    let request = Request {
        method: Method::GET,
        url: &url,
        headers: Vec::new(),
        body: None,
        limit: 1000,
        timeout: None,
    };
    let error = agent.call(&request).unwrap_err();
    assert!(error.to_string().contains("within the time allowed"), "{error}");
    drop(agent);
    thread.join().unwrap();
}

#[test]
fn a_shut_down_agent_ends_its_call_and_takes_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let agent = Agent::new(&Trust::Insecure, Timeouts::within(Duration::from_secs(60))).unwrap();
    let request = Request {
        method: Method::GET,
        url: &url,
        headers: Vec::new(),
        body: None,
        limit: 1000,
        timeout: None,
    };
    thread::scope(|scope| {
        let call = scope.spawn(|| agent.call(&request));
        let (_held, _) = listener.accept().unwrap();
        agent.shutdown();
        call.join().unwrap().unwrap_err();
    });
    agent.call(&request).unwrap_err();
}

/// That it then wants a token does not matter here.
fn assert_is_believed(sim: &PveSim, roots: &Path) {
    let tls = trust::with_roots(trust::system_roots(Some(roots)).unwrap()).unwrap();
    let agent = Agent::with_tls(tls, Timeouts::within(Duration::from_secs(60)));
    let request = Request {
        method: Method::GET,
        url: &format!("{}/api2/json/version", sim.url()),
        headers: Vec::new(),
        body: None,
        limit: 1000,
        timeout: None,
    };
    assert_eq!(agent.call(&request).unwrap().status, 401);
}

#[test]
fn the_system_s_roots_are_read_from_the_file_the_environment_names() {
    let sim = PveSim::start(Options::default());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    // A bundle as machines have it: text around the certificates, and one that cannot be used.
    let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let bundle = format!("# roots\n{odd}{}", sim.ca_pem());
    File::create(&path).unwrap().write_all(bundle.as_bytes()).unwrap();
    assert_is_believed(&sim, &path);
    let missing = folder.path().join("missing.pem");
    assert!(matches!(trust::system_roots(Some(&missing)), Err(HttpError::Setup { .. })));
}

#[test]
fn every_curve_is_spoken_with_a_server_that_knows_no_other() {
    use TlsChoice::{Ed25519, OnlyP256, OnlyP384, OnlyX25519, Tls12Only};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    for tls in [OnlyX25519, OnlyP256, OnlyP384, Ed25519, Tls12Only] {
        println!("{tls:?}");
        let sim = PveSim::start(Options { tls, ..Options::default() });
        File::create(&path).unwrap().write_all(sim.ca_pem().as_bytes()).unwrap();
        assert_is_believed(&sim, &path);
    }
}

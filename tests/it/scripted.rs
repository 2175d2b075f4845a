//! A server that says what it is told, byte for byte: for answers that no honest server gives.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What it does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, then the same byte without end.
    Endless(Vec<u8>),
    /// These bytes, one each 20 ms.
    Drip(Vec<u8>),
    /// Silence, with the connection open.
    Silence,
    /// The end of the connection.
    Close,
}

impl Answer {
    /// A whole answer with its length.
    pub(crate) fn http(status: &str, headers: &str, body: &str) -> Self {
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len());
        Self::Bytes(text.into_bytes())
    }
}

/// Listens on loopback until it is dropped; every connection is answered once, by the answer of that moment.
#[derive(Debug)]
pub(crate) struct Scripted {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    requests: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    pub(crate) fn new(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (answer, requests) = (Arc::new(Mutex::new(answer)), Arc::new(Mutex::new(Vec::new())));
        let ends = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (answer, requests, ends) = (answer.clone(), requests.clone(), ends.clone());
            move || {
                let mut open = Vec::new();
                for stream in listener.incoming() {
                    if ends.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(stream) = stream else { continue };
                    open.extend(stream.try_clone());
                    let (answer, requests, ends) = (answer.clone(), requests.clone(), ends.clone());
                    thread::spawn(move || serve(stream, &answer, &requests, &ends));
                }
            }
        });
        Self { address, answer, requests, ends, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn say(&self, answer: Answer) {
        *self.answer.lock().expect("no test panics while it holds this") = answer;
    }

    /// Every request so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no test panics while it holds this").clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        TcpStream::connect(self.address).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn serve(mut stream: TcpStream, answer: &Mutex<Answer>, requests: &Mutex<Vec<String>>, ends: &AtomicBool) {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok();
    let Some(request) = read_request(&mut stream) else { return };
    requests.lock().expect("no test panics while it holds this").push(request);
    let answer = answer.lock().expect("no test panics while it holds this").clone();
    match answer {
        Answer::Bytes(bytes) => {
            stream.write_all(&bytes).ok();
        }
        Answer::Endless(bytes) => {
            let mut open = stream.write_all(&bytes).is_ok();
            while open && !ends.load(Ordering::SeqCst) {
                open = stream.write_all(&[b'x'; 65536]).is_ok();
            }
        }
        Answer::Drip(bytes) => {
            for byte in bytes {
                if ends.load(Ordering::SeqCst) || stream.write_all(&[byte]).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        Answer::Silence => {
            // Until the other end goes away or its read times out.
            stream.read_exact(&mut [0]).ok();
        }
        Answer::Close => {}
    }
    stream.shutdown(Shutdown::Both).ok();
}

fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, length)| length.trim().parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

//! Requests cut at every byte, garbled, too large, too slow; over real sockets, written by the test.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use proptest::prelude::{any, proptest};

use super::{Fault, Head, Inbox, MAX_BODY, MAX_HEAD};

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Writes all of it from a thread of its own and ends; what is not read is nobody's matter.
fn arriving(bytes: &[u8]) -> UnixStream {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let bytes = bytes.to_vec();
    std::thread::Builder::new()
        .spawn(move || {
            theirs.write_all(&bytes).ok();
            theirs.shutdown(Shutdown::Write).ok();
            // Holds the connection until the other end is gone.
            theirs.read_to_end(&mut Vec::new()).ok();
        })
        .unwrap();
    ours
}

fn read(bytes: &[u8]) -> Result<(Head, Vec<u8>), Fault> {
    let stream = arriving(bytes);
    let mut inbox = Inbox::new(&stream);
    let head = inbox.head(later())?;
    let body = inbox.body(&head, later())?;
    Ok((head, body))
}

fn fault(text: &str) -> Fault {
    read(text.as_bytes()).unwrap_err()
}

const POST: &str = "POST /v1/ops HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody";
const CHUNKED: &str =
    "POST /v1/ops HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbod\r\n1;a=b\r\ny\r\n0\r\n\r\n";

#[test]
fn a_request_is_read_with_its_body_whichever_way_it_comes() {
    for text in [POST, CHUNKED] {
        let (head, body) = read(text.as_bytes()).unwrap();
        assert_eq!((head.method.as_str(), head.target.as_str()), ("POST", "/v1/ops"));
        assert_eq!(body, b"body");
        assert!(head.keep_alive && head.has_body() && !head.awaits_go);
    }
}

#[test]
fn a_request_cut_at_any_byte_is_no_request() {
    for text in [POST, CHUNKED] {
        for cut in 0..text.len() {
            assert_eq!(read(&text.as_bytes()[..cut]).unwrap_err(), Fault::Gone, "{cut} of {text:?}");
        }
    }
}

#[test]
fn a_request_in_single_bytes_is_the_same_request() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (step, steps) = crossbeam_channel::bounded::<()>(0);
    let writer = std::thread::Builder::new().spawn(move || {
        for byte in POST.bytes() {
            steps.recv().unwrap();
            theirs.write_all(&[byte]).unwrap();
        }
        theirs
    });
    let pacer = std::thread::Builder::new().spawn(move || while step.send(()).is_ok() {});
    let mut inbox = Inbox::new(&ours);
    let head = inbox.head(later()).unwrap();
    assert_eq!(inbox.body(&head, later()).unwrap(), b"body");
    drop(writer.unwrap().join().unwrap());
    pacer.unwrap().join().unwrap();
}

#[test]
fn two_requests_in_one_piece_are_two() {
    let stream = arriving(format!("{POST}{CHUNKED}GET /healthz HTTP/1.1\r\n\r\n").as_bytes());
    let mut inbox = Inbox::new(&stream);
    for _ in 0..2 {
        let head = inbox.head(later()).unwrap();
        assert_eq!(inbox.body(&head, later()).unwrap(), b"body");
    }
    assert_eq!(inbox.head(later()).unwrap().target, "/healthz");
    assert_eq!(inbox.head(later()).unwrap_err(), Fault::Gone);
}

#[test]
fn what_is_no_http_is_refused() {
    for text in [
        "SSH-2.0-x\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\na\0b: c\r\n\r\n",
        "G\u{e9}T / HTTP/1.1\r\n\r\n",
        "\u{1}\u{2}\u{3}\r\n\r\n",
        "{\"not\": \"http\"}\r\n\r\n",
    ] {
        assert!(matches!(fault(text), Fault::Bad(_)), "{text:?}: {:?}", fault(text));
    }
}

#[test]
fn a_body_whose_length_could_be_read_in_two_ways_is_refused() {
    for headers in [
        "Content-Length: 4\r\nContent-Length: 4",
        "Content-Length: 4, 4",
        "Content-Length: +4",
        "Content-Length: -1",
        "Content-Length: 0x4",
        "Content-Length:",
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ] {
        let text = format!("POST / HTTP/1.1\r\n{headers}\r\n\r\nbody");
        assert!(matches!(fault(&text), Fault::Bad(_)), "{headers}");
    }
    for chunks in ["x\r\n", "3\r\nbodyXX", "1\r\na\r\n0\r\nTrailer: x\r\n\r\n", "fffffffffffffffff\r\n"] {
        let text = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        assert!(matches!(fault(&text), Fault::Bad(_)), "{chunks:?}: {:?}", fault(&text));
    }
}

#[test]
fn a_head_beyond_the_limit_is_refused_and_read_no_further() {
    let endless = format!("GET / HTTP/1.1\r\na: {}", "b".repeat(4 * MAX_HEAD));
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(endless.as_bytes()).unwrap();
    let mut inbox = Inbox::new(&ours);
    assert_eq!(inbox.head(later()).unwrap_err(), Fault::HeadTooLarge);
    assert_eq!(inbox.bytes.len(), MAX_HEAD, "not a byte more was taken");
    let blank = "\r\n".repeat(MAX_HEAD);
    assert_eq!(fault(&blank), Fault::HeadTooLarge);
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(33));
    assert_eq!(fault(&many), Fault::HeadTooLarge);
}

/// How many bytes were taken of those that wait.
fn left_in(mut stream: UnixStream) -> usize {
    stream.set_nonblocking(true).unwrap();
    let (mut left, mut piece) = (0, [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        left += count;
    }
    left
}

#[test]
fn a01_a_body_of_one_byte_too_many_is_refused_and_one_that_fits_is_taken() {
    let post =
        |length: usize| format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length));
    assert_eq!(read(post(MAX_BODY).as_bytes()).unwrap().1.len(), MAX_BODY);
    for length in [MAX_BODY + 1, 1 << 30] {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        theirs.write_all(format!("{head}{}", "x".repeat(MAX_BODY + 1)).as_bytes()).unwrap();
        let mut inbox = Inbox::new(&ours);
        let head = inbox.head(later()).unwrap();
        assert!(head.is_too_large());
        assert_eq!(inbox.body(&head, later()).unwrap_err(), Fault::BodyTooLarge);
        drop(inbox);
        assert!(left_in(ours) > MAX_BODY - 4096, "it was refused by its length, and not read");
    }
    assert_eq!(
        fault("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
        Fault::BodyTooLarge
    );
}

#[test]
fn a01_an_endless_body_is_read_to_the_limit_and_no_further() {
    for chunk in ["1\r\nx\r\n", "1000\r\n", "ffffffff\r\n", "10001\r\n", "00000001\r\nx\r\n"] {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let filler =
            if chunk == "1000\r\n" { format!("{chunk}{}\r\n", "x".repeat(0x1000)) } else { chunk.to_owned() };
        let sent = std::thread::Builder::new().spawn(move || {
            let mut sent = 0;
            let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
            theirs.write_all(head.as_bytes()).unwrap();
            // Ends only because nobody reads any more.
            while let Ok(count) = theirs.write(filler.as_bytes()) {
                sent += count;
            }
            sent
        });
        let mut inbox = Inbox::new(&ours);
        let head = inbox.head(later()).unwrap();
        assert_eq!(inbox.body(&head, later()).unwrap_err(), Fault::BodyTooLarge, "{chunk:?}");
        let held = inbox.bytes.len();
        drop(inbox);
        ours.shutdown(Shutdown::Both).unwrap();
        assert!(held <= MAX_BODY + 1, "{chunk:?}");
        sent.unwrap().join().unwrap();
    }
}

#[test]
fn a02_a_request_that_is_not_whole_in_time_is_slow_however_it_drips() {
    for (sent, expected) in [
        ("", Fault::Gone),
        ("GET / HT", Fault::Slow),
        ("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbo", Fault::Slow),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo", Fault::Slow),
    ] {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(sent.as_bytes()).unwrap();
        let soon = Instant::now() + Duration::from_millis(30);
        let mut inbox = Inbox::new(&ours);
        let fault = match inbox.head(soon) {
            Ok(head) => inbox.body(&head, soon).unwrap_err(),
            Err(fault) => fault,
        };
        assert_eq!(fault, expected, "{sent:?}");
    }
}

#[test]
fn a02_the_deadline_is_the_request_s_and_not_the_byte_s() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let dripping = std::thread::Builder::new().spawn(move || {
        let tick = crossbeam_channel::tick(Duration::from_millis(5));
        while tick.recv().is_ok() && theirs.write_all(b"G").is_ok() {}
    });
    let soon = Instant::now() + Duration::from_millis(60);
    let fault = Inbox::new(&ours).head(soon).unwrap_err();
    assert_eq!(fault, Fault::Slow);
    drop(ours);
    dripping.unwrap().join().unwrap();
}

#[test]
fn what_is_expected_of_us_is_understood_or_refused() {
    let with = |line: &str| format!("POST / HTTP/1.1\r\n{line}\r\nContent-Length: 0\r\n\r\n");
    assert!(read(with("Expect: 100-Continue").as_bytes()).unwrap().0.awaits_go);
    assert_eq!(fault(&with("Expect: a miracle")), Fault::Expectation);
}

#[test]
fn a_connection_is_kept_where_both_versions_say_so() {
    for (version, line, kept) in [
        ("1.1", "A: b", true),
        ("1.1", "Connection: close", false),
        ("1.1", "Connection: x, Close", false),
        ("1.0", "A: b", false),
        ("1.0", "Connection: Keep-Alive", true),
    ] {
        let head = read(format!("GET / HTTP/{version}\r\n{line}\r\n\r\n").as_bytes()).unwrap().0;
        assert_eq!(head.keep_alive, kept, "{version} {line}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0..120_usize) {
        // Bare, and behind the beginning of something sound.
        for text in [POST, CHUNKED] {
            let sound = text.as_bytes().get(..cut).unwrap_or(text.as_bytes());
            for start in [b"".as_slice(), sound] {
                let stream = arriving(&[start, &bytes].concat());
                let mut inbox = Inbox::new(&stream);
                while let Ok(head) = inbox.head(later()) {
                    if inbox.body(&head, later()).is_err() {
                        break;
                    }
                }
            }
        }
    }
}

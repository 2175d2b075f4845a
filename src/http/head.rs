//! The head of an answer, between the socket and ureq. Pure.
//! Two things ureq cannot give are taken here: the reason phrase, in which Proxmox puts its error texts, and the kept
//! connection: pveproxy answers what it proxied with both `Connection: close` and `Connection: Keep-Alive` and keeps it.

/// The header in which the reason phrase travels through ureq; one that the other end sends by this name is dropped.
pub(super) const REASON: &str = "x-felhom-reason";

/// An answer's head may be this large.
pub(super) const LIMIT: usize = 16 * 1024;

/// Where the head ends, if it is all there.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at.saturating_add(4))
}

/// Whether this is one of the informational heads (1xx) that precede an answer.
pub(super) fn is_informational(head: &[u8]) -> bool {
    status(head).is_some_and(|digits| digits.first() == Some(&b'1') && digits != b"101")
}

/// The head as ureq is to see it. What is not a head of HTTP/1 comes back unchanged, for ureq to refuse.
pub(super) fn rewrite(head: &[u8]) -> Vec<u8> {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (Some(first), Some(digits)) = (lines.next(), status(head)) else { return head.to_vec() };
    let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty() && !is_named(line, REASON)).collect();
    // An error closes, whatever its headers say.
    let is_kept = matches!(digits.first(), Some(b'2' | b'3')) && lines.iter().any(|line| is_keep_alive(line));
    let mut out = Vec::with_capacity(head.len().saturating_add(first.len()).saturating_add(REASON.len()));
    push(&mut out, first);
    for line in lines {
        if !(is_kept && is_close(line)) {
            push(&mut out, line);
        }
    }
    let reason = first.splitn(3, |byte| *byte == b' ').nth(2).unwrap_or_default();
    out.extend_from_slice(REASON.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n\r\n");
    out
}

fn push(out: &mut Vec<u8>, line: &[u8]) {
    out.extend_from_slice(line);
    out.extend_from_slice(b"\r\n");
}

/// The three digits of the status line.
fn status(head: &[u8]) -> Option<&[u8]> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    let digits = rest.get(2..5)?;
    digits.iter().all(u8::is_ascii_digit).then_some(digits)
}

fn is_named(line: &[u8], name: &str) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        && line.get(name.len()) == Some(&b':')
}

fn is_close(line: &[u8]) -> bool {
    is_connection(line, "close")
}

fn is_keep_alive(line: &[u8]) -> bool {
    is_connection(line, "keep-alive")
}

fn is_connection(line: &[u8], value: &str) -> bool {
    is_named(line, "connection")
        && line
            .get("connection:".len()..)
            .is_some_and(|rest| rest.trim_ascii().eq_ignore_ascii_case(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{end, is_informational, rewrite};

    fn rewritten(head: &str) -> String {
        String::from_utf8(rewrite(head.replace('\n', "\r\n").as_bytes())).unwrap().replace("\r\n", "\n")
    }

    #[test]
    fn the_reason_phrase_becomes_a_header() {
        assert_eq!(
            rewritten("HTTP/1.1 500 CT 100 already running\nContent-Length: 0\n\n"),
            "HTTP/1.1 500 CT 100 already running\nContent-Length: 0\nx-felhom-reason: CT 100 already running\n\n"
        );
        assert_eq!(rewritten("HTTP/1.1 204\n\n"), "HTTP/1.1 204\nx-felhom-reason: \n\n");
    }

    #[test]
    fn a_reason_that_the_other_end_forges_is_dropped() {
        assert_eq!(
            rewritten("HTTP/1.1 401 No ticket\nX-Felhom-Reason: OK\n\n"),
            "HTTP/1.1 401 No ticket\nx-felhom-reason: No ticket\n\n"
        );
    }

    #[test]
    fn a_kept_connection_is_not_closed_because_of_the_second_header() {
        let both = "Connection: close\nConnection: Keep-Alive\n";
        assert!(!rewritten(&format!("HTTP/1.1 200 OK\n{both}\n")).contains("close"));
        assert!(rewritten(&format!("HTTP/1.1 500 no\n{both}\n")).contains("Connection: close"));
        assert!(rewritten("HTTP/1.1 200 OK\nConnection: close\n\n").contains("Connection: close"));
    }

    #[test]
    fn what_is_no_head_is_left_to_ureq() {
        for text in ["", "nonsense\n\n", "HTTP/2 200 OK\n\n", "HTTP/1.1 2x0 OK\n\n"] {
            assert_eq!(rewritten(text), text);
        }
    }

    #[test]
    fn a_head_ends_at_the_first_empty_line() {
        assert_eq!(end(b"HTTP/1.1 200 OK\r\n\r\nbody\r\n\r\n"), Some(19));
        assert_eq!(end(b"HTTP/1.1 200 OK\r\n\r"), None);
    }

    #[test]
    fn informational_heads_are_told_from_answers() {
        assert!(is_informational(b"HTTP/1.1 100 Continue\r\n\r\n"));
        assert!(is_informational(b"HTTP/1.1 103 Early Hints\r\n\r\n"));
        assert!(!is_informational(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"));
        assert!(!is_informational(b"HTTP/1.1 200 OK\r\n\r\n"));
    }
}

//! The hub's client against hubs that are down, slow, broken, greedy or pointing elsewhere.

use std::net::TcpListener;
use std::time::Duration;

use felhom_agent::config::{Config, Needs, Sources, load};
use felhom_agent::hub::wire::HostReport;
use felhom_agent::hub::{Client, Desired, HubError};
use felhom_sim::hub::{HubSim, Options as HubOptions};
use serde_json::json;

use crate::scripted::{Answer, Scripted};

const KEY: &str = "c4n4ry-hub-k3y";

fn config(url: &str) -> Config {
    config_with(url, &[])
}

fn config_with(url: &str, more: &[(&str, &str)]) -> Config {
    let environment = [
        ("FELHOM_AGENT_HUB_URL", url),
        ("FELHOM_AGENT_HUB_API_KEY", KEY),
        ("FELHOM_AGENT_HUB_TIMEOUT_SECONDS", "1"),
    ];
    let environment = environment.iter().chain(more);
    let environment = environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let empty = tempfile::NamedTempFile::new().expect("a temporary file");
    std::io::Write::write_all(&mut empty.as_file(), b"{}").expect("it takes two bytes");
    let sources = Sources { file: Some(empty.path().to_owned()), environment, flags: Vec::new() };
    load(&sources, Needs::HUB).expect("this is a configuration")
}

fn client(url: &str) -> Client {
    let config = config(url);
    Client::new(&config.hub.expect("a hub is configured"), "host-1").expect("a client can be made")
}

fn report() -> HostReport {
    serde_json::from_value(json!({
        "schema": 1, "host_id": "host-1", "agent_version": "0", "controller_version": "",
        "collected_at": "2026-11-21T06:26:55Z", "seq": 1, "complete": false, "problems": [], "guests": [],
        "cloudflared": {"status": "unknown"}, "storage_targets": [], "backups": [], "restore_tests": [],
        "pbs_snapshots": [], "audit_tail": [], "conditions": [], "privileges": {"api": [], "root_cli": false},
        "clock": {"trusted": true},
    }))
    .expect("this is a report")
}

fn refusal(answer: Answer) -> HubError {
    let hub = Scripted::new(answer);
    let error = client(&hub.url()).report(&report(), None).expect_err("this is no acknowledgement");
    assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
    assert_eq!(hub.requests().len(), 1, "a report is posted once");
    error
}

#[test]
fn a_report_carries_the_key_and_brings_back_an_envelope() {
    let body = r#"{"poll_interval_seconds":300,"blocked":true,"desired_generation":7,"new":[]}"#;
    let hub = Scripted::new(Answer::http("200 OK", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", body));
    let client = client(&format!("{}/base/", hub.url()));
    let answer = client.report(&report(), None).expect("it is taken");
    assert_eq!(answer.envelope.blocked, Some(true));
    assert_eq!(answer.envelope.interval(), Some(Duration::from_secs(300)));
    assert_eq!(answer.hub_time.map(|time| time.unix()), Some(784_111_777));
    let request = hub.requests().concat();
    assert!(request.starts_with("POST /base/api/v1/hosts/host-1/report HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains(&format!("authorization: bearer {KEY}")), "{request}");
    assert!(request.contains(r#""restore_tests":[],"#), "typed empty lists are sent: {request}");
    assert!(!format!("{client:?}").contains(KEY));
}

#[test]
fn a_hub_that_is_down_or_silent_is_a_transport_error_in_bounded_time() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let error = client(&format!("http://{port}")).report(&report(), None).expect_err("nobody listens");
    assert!(matches!(error, HubError::Transport(_)), "{error:?}");
    for answer in [Answer::Silence, Answer::Close, Answer::Drip(b"HTTP/1.1 200 OK\r\n".repeat(100))] {
        let error = refusal(answer);
        assert!(matches!(error, HubError::Transport(_)), "{error:?}");
    }
}

#[test]
fn a_refusal_keeps_its_status_and_how_long_to_wait() {
    for (status, header, expected) in [
        ("500 Internal Server Error", "", (500, None)),
        ("503 Service Unavailable", "Retry-After: 120\r\n", (503, Some(120))),
        ("429 Too Many Requests", "retry-after: 7\r\n", (429, Some(7))),
        ("401 c4n4ry-hub-k3y", "", (401, None)),
        ("304 Not Modified", "", (304, None)),
    ] {
        let error = refusal(Answer::http(status, header, KEY));
        let HubError::Http { status, retry_after } = error else { panic!("{error:?}") };
        assert_eq!((status, retry_after.map(|wait| wait.as_secs())), expected);
    }
}

#[test]
fn a_redirect_is_not_followed_and_only_its_host_is_named() {
    let elsewhere = Scripted::new(Answer::http("200 OK", "", "{}"));
    let location = format!("Location: {}/?k=c4n4ry-hub-k3y\r\n", elsewhere.url());
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let error = refusal(Answer::http(status, &location, ""));
        assert!(matches!(&error, HubError::Redirect { to, .. } if to == "127.0.0.1"), "{error:?}");
    }
    assert_eq!(elsewhere.requests().len(), 0, "the key went nowhere else");
}

#[test]
fn a_body_that_is_endless_cut_or_garbage_is_refused_and_not_repeated() {
    let ten_gigabytes = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n".to_vec();
    let without_length = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    for answer in [
        Answer::Endless(ten_gigabytes),
        Answer::Endless(without_length),
        Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"blocked\":".to_vec()),
        Answer::Bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec()),
        Answer::http("200 OK", "", ""),
        Answer::http("200 OK", "", "<html>c4n4ry-hub-k3y</html>"),
        Answer::http("200 OK", "", "\"c4n4ry-hub-k3y\""),
        Answer::http("200 OK", "", "{\"blocked\":tru"),
    ] {
        let error = refusal(answer.clone());
        assert!(matches!(error, HubError::Body { .. }), "{answer:?}: {error:?}");
    }
}

#[test]
fn what_is_no_http_at_all_is_a_transport_error() {
    for garbage in [&b"\x16\x03\x01\x02\x00"[..], b"SSH-2.0-OpenSSH\r\n", b"\0\0\0\0\0\0\0\0\r\n\r\n"] {
        let error = refusal(Answer::Bytes(garbage.to_vec()));
        assert!(matches!(error, HubError::Transport(_)), "{error:?}");
    }
}

#[test]
fn desired_state_is_a_document_nothing_or_unchanged() {
    let hub = Scripted::new(Answer::http("200 OK", "ETag: \"7\"\r\n", "{\"generation\":7}"));
    let client = client(&hub.url());
    let Ok(Desired::Document { etag, bytes }) = client.desired(None) else { panic!("a document") };
    assert_eq!((etag.as_deref(), bytes.as_slice()), (Some("\"7\""), &b"{\"generation\":7}"[..]));
    hub.say(Answer::http("304 Not Modified", "", ""));
    assert_eq!(client.desired(etag.as_deref()), Ok(Desired::Unchanged));
    assert!(matches!(client.desired(None), Err(HubError::Http { status: 304, .. })), "unasked for");
    hub.say(Answer::http("404 Not Found", "", "{}"));
    assert_eq!(client.desired(Some("\"7\"")), Ok(Desired::Nothing));
    hub.say(Answer::http("200 OK", "", ""));
    assert!(matches!(client.desired(None), Err(HubError::Body { .. })), "an empty document");
    let requests = hub.requests();
    assert!(!requests[0].to_lowercase().contains("if-none-match"));
    assert!(requests[1].to_lowercase().contains("if-none-match: \"7\""));
}

#[test]
fn a_manifest_beyond_its_limit_is_refused_and_one_within_it_is_taken() {
    let hub = Scripted::new(Answer::http("200 OK", "", &"x".repeat(4 * 1024 * 1024)));
    let client = client(&hub.url());
    let taken = client.desired(None);
    assert!(matches!(taken, Ok(Desired::Document { .. })), "{:?}", taken.err());
    hub.say(Answer::http("200 OK", "", &"x".repeat(4 * 1024 * 1024 + 1)));
    assert!(matches!(client.desired(None), Err(HubError::Body { .. })));
}

#[test]
fn a_hub_over_tls_is_believed_by_pin_or_authority_and_by_nothing_else() {
    let hub = HubSim::start(HubOptions { key: KEY.to_owned(), ..HubOptions::default() });
    let identity = hub.identity().expect("it speaks TLS");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, identity.ca_pem()).expect("the folder takes a file");
    let ca = ca.to_str().expect("text").to_owned();
    for (variable, value, is_believed) in [
        ("FELHOM_AGENT_HUB_PIN_SHA256", identity.pin_hex(), true),
        ("FELHOM_AGENT_HUB_CA_FILE", ca, true),
        ("FELHOM_AGENT_HUB_PIN_SHA256", "ab".repeat(32), false),
        ("FELHOM_AGENT_HUB_HOST_ID", "host-1".to_owned(), false),
    ] {
        let config = config_with(&hub.url(), &[(variable, &value)]);
        let answer = Client::new(&config.hub.expect("a hub is configured"), "host-1")
            .map_err(HubError::Transport)
            .and_then(|client| client.report(&report(), None));
        assert_eq!(answer.is_ok(), is_believed, "{variable}: {answer:?}");
        assert!(is_believed || matches!(answer, Err(HubError::Transport(_))), "{answer:?}");
    }
    assert_eq!(hub.reports("host-1").len(), 2, "the key went to nobody who was not believed");
}

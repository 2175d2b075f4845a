//! Which calls there are, with which methods, for whom; and what is answered while control is silent.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::unbounded;
use rustix::process::geteuid;
use serde_json::Value;

use super::{Call, Desk, Peer, rejection};
use crate::config::address::Address;
use crate::http::Trust;
use crate::journal::Journal;
use crate::model::op::{RejectCode, Rejected};
use crate::model::time::Timestamp;
use crate::ops::Door;
use crate::pve::Connection;
use crate::reporter::Source;
use crate::secret::Secret;

const ROOT: Peer = Peer { uid: 0 };
const STRANGER: Peer = Peer { uid: 4_000_000 };

fn desk() -> Desk {
    let (control, _gone) = unbounded();
    let url = Address::parse("https://127.0.0.1:9").unwrap();
    let connection = Connection {
        url: url.to_string(),
        node: None,
        token_id: "a@b!c".to_owned(),
        token_secret: Secret::new("x".to_owned()),
        trust: Trust::SystemRoots,
        timeout: Duration::from_secs(1),
    };
    let report = Source { host_id: "h".to_owned(), connection, cloudflared: None };
    let journal = Arc::new(Journal::default());
    let (door, _closed) = Door::new(Arc::clone(&journal));
    let board = Arc::new(crate::proof::Board::recall(None));
    Desk::new(control, door, journal, report, board, Timestamp::from_unix(1))
}

fn error(body: &[u8]) -> (String, String) {
    let document: Value = serde_json::from_slice(body).unwrap();
    let member = |name: &str| document["error"][name].as_str().unwrap().to_owned();
    (member("code"), member("message"))
}

#[test]
fn each_path_has_its_call_and_methods() {
    for (method, target, call) in [
        ("GET", "/v1/status", Call::Status),
        ("HEAD", "/v1/status?x=y", Call::Status),
        ("GET", "/v1/plan", Call::Plan),
        ("GET", "/v1/explain/web", Call::Explain("web".to_owned())),
        ("GET", "/v1/explain/a%2fb%20c", Call::Explain("a/b c".to_owned())),
        ("GET", "/v1/report", Call::Report),
        ("GET", "/v1/ops/x", Call::Op("x".to_owned())),
        ("POST", "/v1/ops", Call::Submit),
        ("POST", "/v1/reconcile", Call::Reconcile),
        ("GET", "/metrics", Call::Metrics),
        ("GET", "/healthz", Call::Health),
    ] {
        assert_eq!(desk().find(method, target, ROOT).unwrap(), call, "{method} {target}");
        let others = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "get"];
        for other in others.iter().filter(|other| **other != method) {
            match desk().find(other, target, ROOT) {
                Ok(_) => assert!([method, other].iter().all(|one| ["GET", "HEAD"].contains(one))),
                Err(refusal) => {
                    assert_eq!(refusal.status, 405, "{other} {target}");
                    assert_eq!(error(&refusal.body).0, "method_not_allowed");
                }
            }
        }
    }
}

#[test]
fn an_unknown_path_is_not_found_and_told_what_there_is() {
    for target in [
        "/",
        "",
        "*",
        "/v1",
        "/v1/",
        "/v1/statuss",
        "/v1/status/",
        "/v1/explain/",
        "/v1/explain/a/b",
        "/v1/ops/",
        "/v1/ops/a/b",
        "/v1/explain/%ff",
        "//v1/status",
        "/../v1/status",
        "http://x/v1/status",
    ] {
        let refusal = desk().find("GET", target, ROOT).unwrap_err();
        assert_eq!(refusal.status, 404, "{target}");
        assert!(error(&refusal.body).1.contains("/v1/status"), "{target}");
    }
}

#[test]
fn a_stranger_may_read_and_change_nothing() {
    let own = Peer { uid: geteuid().as_raw() };
    for target in ["/v1/ops", "/v1/reconcile"] {
        for peer in [ROOT, own] {
            desk().find("POST", target, peer).unwrap();
        }
        let refusal = desk().find("POST", target, STRANGER).unwrap_err();
        assert_eq!(refusal.status, 403);
        assert!(error(&refusal.body).1.contains("this is uid 4000000"));
    }
    desk().find("GET", "/v1/status", STRANGER).unwrap();
}

#[test]
fn without_control_there_is_no_health_and_the_metrics_say_so() {
    let desk = desk();
    for call in [Call::Status, Call::Plan, Call::Explain("x".to_owned()), Call::Health, Call::Reconcile] {
        let answer = desk.answer(&call, Vec::new());
        assert_eq!((answer.status, error(&answer.body).0.as_str()), (503, "control_silent"), "{call:?}");
    }
    let metrics = desk.answer(&Call::Metrics, Vec::new());
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(text.contains("\nfelhom_agent_control_answers 0\n"), "{text}");
    assert!(!text.contains("felhom_agent_condition"), "what is not known has no sample");
}

#[test]
fn a_rejection_names_its_code_and_is_the_request_s_fault() {
    for (code, status) in [
        (RejectCode::TooLarge, 413),
        (RejectCode::EnvelopeSyntax, 400),
        (RejectCode::PayloadValue, 400),
        (RejectCode::BadSignature, 422),
        (RejectCode::Threshold, 422),
        (RejectCode::RateLimited, 429),
        (RejectCode::Replay, 409),
        (RejectCode::StoreUnavailable, 409),
        (RejectCode::NotSupported, 409),
    ] {
        let answer = rejection(&Rejected::new(code, "why"));
        assert_eq!(answer.status, status, "{code}");
        assert_eq!(error(&answer.body), (code.to_string(), "why".to_owned()));
    }
}

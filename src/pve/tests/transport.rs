//! Broken answers and broken connections: what was sent once is not sent again, and what is not whole is not believed.

use std::net::TcpListener;
use std::time::Duration;

use felhom_sim::pve::Options;
use felhom_sim::server::{Action, Rule};

use super::rig::{Rig, code, connection, exactly, lxc, recorded};
use crate::http::Trust;
use crate::model::guest::GuestKind;
use crate::model::step::Step;
use crate::pve::{Client, Connection, PveError};

#[test]
fn a_body_that_is_not_whole_is_no_answer() {
    let rig = Rig::new();
    rig.client.node().unwrap();
    for action in [
        Action::Cut { at: 0 },
        Action::Cut { at: 1 },
        Action::Cut { at: 40 },
        Action::Garble,
        Action::FalseLength { length: 100_000 },
        Action::FalseLength { length: 5 },
        Action::Body { body: r#"{"data":null}"#.to_owned() },
        Action::Body { body: r#"{"data":[1]}"#.to_owned() },
        Action::Body { body: r#"{"nodata":[]}"#.to_owned() },
        Action::Body { body: "<html>busy</html>".to_owned() },
    ] {
        rig.sim.clear_faults();
        rig.sim.fault(Rule::new(action.clone()).path("/lxc"));
        let error = rig.client.guests(GuestKind::Lxc).unwrap_err();
        assert!(["bad_answer", "no_answer"].contains(&error.code()), "{action:?}: {error}");
    }
    rig.sim.clear_faults();
    assert_eq!(rig.client.guests(GuestKind::Lxc).unwrap().len(), 8);
}

#[test]
fn ten_gigabytes_are_not_read() {
    let rig = Rig::new();
    rig.client.node().unwrap();
    rig.sim.fault(Rule::new(Action::Endless).path("/pending"));
    let error = rig.client.pending(lxc(100)).unwrap_err();
    assert!(error.to_string().contains("larger than 1048576 bytes"), "{error}");
}

#[test]
fn a_dripping_body_ends_at_the_deadline() {
    let rig = Rig::new();
    let hasty = Connection {
        timeout: Duration::from_millis(300),
        node: Some("pve".to_owned()),
        ..connection(&rig.sim)
    };
    rig.sim.fault(Rule::new(Action::Drip { ms: 50 }).path("/lxc"));
    let error = Client::new(&hasty).unwrap().guests(GuestKind::Lxc).unwrap_err();
    assert!(error.to_string().contains("within the time allowed"), "{error}");
}

#[test]
fn a_mutation_whose_answer_is_lost_is_unknown_and_sent_once() {
    let rig = Rig::new();
    rig.client.node().unwrap();
    for action in [Action::DropBefore, Action::DropAfter] {
        rig.sim.clear_faults();
        rig.sim.clear_calls();
        rig.sim.fault(Rule::new(action).path("/status/start"));
        let error = rig.client.start(&recorded(lxc(102)), lxc(102)).unwrap_err();
        assert_eq!((error.code(), error.may_have_happened()), ("no_answer", true), "{error}");
        assert_eq!(rig.lines(), ["POST /nodes/pve/lxc/102/status/start"]);
    }
}

#[test]
fn a_read_survives_a_kept_connection_that_was_closed() {
    let rig = Rig::new();
    rig.client.version().unwrap();
    rig.sim.restart();
    rig.client.version().unwrap();
    // Closed while the request was on its way: asked again, once.
    rig.sim.fault(Rule::new(Action::DropBefore).path("/version").once());
    rig.client.version().unwrap();
    rig.sim.fault(Rule::new(Action::DropBefore).path("/version"));
    assert_eq!(code(rig.client.version()), "no_answer");
}

#[test]
fn an_idle_connection_is_not_used_past_its_time() {
    let rig = Rig::with(Options { idle: Duration::from_millis(50), ..Options::default() });
    let upid = rig.client.start(&recorded(lxc(102)), lxc(102)).unwrap();
    for _ in 0..3 {
        // The server closes meanwhile.
        rig.sim.world(|_| std::thread::park_timeout(Duration::from_millis(150)));
        rig.client.task_status(&upid).unwrap();
    }
    let stop = rig.client.stop(&exactly(Step::Stop { guest: lxc(102) }), lxc(102));
    assert!(stop.is_ok(), "{stop:?}");
}

#[test]
fn a_node_that_is_not_there_got_nothing() {
    let rig = Rig::new();
    rig.client.node().unwrap();
    rig.sim.go_down();
    let error = rig.client.start(&recorded(lxc(102)), lxc(102)).unwrap_err();
    assert_eq!((error.code(), error.may_have_happened()), ("unreachable", false), "{error}");
    assert!(error.to_string().contains("connection refused"), "{error}");
    rig.sim.come_back();
    assert_eq!(code(rig.client.version()), "ok");
}

#[test]
fn a_port_that_accepts_and_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let rig = Rig::new();
    let deaf = Connection {
        url: format!("https://{}", listener.local_addr().unwrap()),
        trust: Trust::Insecure,
        timeout: Duration::from_millis(200),
        ..connection(&rig.sim)
    };
    let error = Client::new(&deaf).unwrap().version().unwrap_err();
    assert_eq!((error.code(), error.may_have_happened()), ("unreachable", false), "{error}");
}

#[test]
fn a_name_that_does_not_resolve_got_nothing() {
    let rig = Rig::new();
    let nowhere = Connection { url: "https://pve.invalid:8006".to_owned(), ..connection(&rig.sim) };
    let error = Client::new(&nowhere).unwrap().version().unwrap_err();
    assert!(matches!(&error, PveError::Unsent { .. }), "{error:?}");
    assert!(!error.may_have_happened());
}

#[test]
fn a_slow_answer_to_a_mutation_is_unknown() {
    let rig = Rig::new();
    let hasty = Connection {
        timeout: Duration::from_millis(1500),
        node: Some("pve".to_owned()),
        ..connection(&rig.sim)
    };
    rig.sim.fault(Rule::new(Action::Delay { ms: 4000 }).path("/status/start"));
    let error = Client::new(&hasty).unwrap().start(&recorded(lxc(102)), lxc(102)).unwrap_err();
    assert_eq!((error.code(), error.may_have_happened()), ("no_answer", true), "{error}");
}

#[test]
fn an_address_that_cannot_be_used_is_refused_before_anything_is_sent() {
    let rig = Rig::new();
    for url in ["http://192.0.2.1:8006", "ftp://127.0.0.1", "https://", "not an address"] {
        let wrong = Connection { url: url.to_owned(), ..connection(&rig.sim) };
        assert_eq!(code(Client::new(&wrong).unwrap().version()), "configuration", "{url}");
    }
    let wrong = Connection { node: Some("../etc".to_owned()), ..connection(&rig.sim) };
    assert_eq!(code(Client::new(&wrong).map(|_| ())), "configuration");
}

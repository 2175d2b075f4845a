//! The token's secret appears nowhere but on the wire.

use std::sync::Mutex;
use std::thread::{self, ThreadId};

use felhom_sim::server::{Action, Rule};

use super::rig::{Rig, connection, lxc, recorded};
use crate::http::Trust;
use crate::pve::{Client, Connection};
use crate::secret::Secret;

const CANARY: &str = "canary-0b5e55ed";

#[test]
fn no_error_and_no_debug_shows_the_secret() {
    let rig = Rig::new();
    let with = |change: fn(&mut Connection)| {
        let mut connection =
            Connection { token_secret: Secret::new(CANARY.to_owned()), ..connection(&rig.sim) };
        change(&mut connection);
        connection
    };
    let connections = [
        with(|_| {}),
        with(|connection| connection.trust = Trust::Pin([0; 32])),
        with(|connection| connection.url = "https://127.0.0.1:1".to_owned()),
        with(|connection| connection.url = "nonsense".to_owned()),
        with(|connection| connection.token_secret = Secret::new(format!("{CANARY}\n"))),
        with(|connection| connection.node = Some("a/b".to_owned())),
    ];
    let mut seen = Vec::new();
    for connection in &connections {
        seen.push(format!("{connection:?}"));
        match Client::new(connection) {
            Ok(client) => {
                seen.push(format!("{client:?}"));
                seen.extend(
                    client.version().err().map(|error| format!("{error:?} {error} {}", error.advice())),
                );
                let started = client.start(&recorded(lxc(100)), lxc(100));
                seen.extend(started.err().map(|error| format!("{error:?} {error} {}", error.advice())));
            }
            Err(error) => seen.push(format!("{error:?} {error} {}", error.advice())),
        }
    }
    assert!(seen.len() > 12);
    for text in seen {
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[test]
fn a_redirect_is_not_followed_so_the_token_goes_nowhere_else() {
    let (rig, other) = (Rig::new(), Rig::new());
    let elsewhere = format!("{}/api2/json/version", other.sim.url());
    rig.sim.fault(Rule::new(Action::redirect(&elsewhere)).path("/version"));
    let error = rig.client.version().unwrap_err();
    assert!(error.to_string().contains("answered 302"), "{error}");
    assert!(other.sim.calls().is_empty());
}

/// Keeps what one thread logs.
struct Ear {
    thread: Mutex<Option<ThreadId>>,
    lines: Mutex<Vec<String>>,
}

static EAR: Ear = Ear { thread: Mutex::new(None), lines: Mutex::new(Vec::new()) };

impl log::Log for Ear {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        *self.thread.lock().unwrap() == Some(thread::current().id())
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.lines.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

#[test]
fn no_line_of_the_log_shows_the_secret_even_at_the_loudest() {
    *EAR.thread.lock().unwrap() = Some(thread::current().id());
    log::set_logger(&EAR).expect("no other test of this binary takes the log");
    log::set_max_level(log::LevelFilter::Trace);
    let rig = Rig::new();
    let secret = rig.sim.token().1;
    let upid = rig.client.start(&recorded(lxc(102)), lxc(102)).unwrap();
    rig.wait(&upid);
    rig.sim.restart();
    rig.client.version().unwrap();
    log::set_max_level(log::LevelFilter::Off);
    let lines = EAR.lines.lock().unwrap();
    assert!(lines.iter().any(|line| line.contains("POST")), "the loggers below us were heard");
    for line in lines.iter() {
        assert!(!line.contains(secret), "{line}");
    }
}

//! The log of every call a simulator received, in the order it received them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

/// One call. `Authorization` is never kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Call {
    /// Position in the log, from 0.
    pub number: usize,
    /// Which connection, from 1.
    pub connection: u64,
    pub method: String,
    /// Decoded, without query and without `/api2/json`.
    pub path: String,
    /// Query and body together. A body that is not a form is under `""`.
    pub params: BTreeMap<String, String>,
    /// `root@pam!agent`, if authenticated.
    pub caller: Option<String>,
    /// Milliseconds since the simulator started.
    pub at_ms: u64,
    /// When the answer was ready to go out.
    pub answered_ms: Option<u64>,
    /// What was answered; 0 if the connection broke instead.
    pub status: Option<u16>,
    pub reason: String,
    /// Whether the call reached the node's own work.
    pub worked: bool,
    /// Whether a fault rule hit it.
    pub faulted: bool,
}

impl Call {
    /// `POST /nodes/pve/lxc/101/status/start`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    /// Anything but GET.
    pub fn is_mutation(&self) -> bool {
        self.method != "GET" && self.method != "HEAD"
    }
}

/// Shared by the server's threads and the test.
#[derive(Debug)]
pub struct Log {
    start: Instant,
    calls: Mutex<Vec<Call>>,
}

impl Default for Log {
    fn default() -> Self {
        Self { start: Instant::now(), calls: Mutex::default() }
    }
}

/// A call whose answer is not known yet.
#[derive(Debug)]
pub struct Pending<'a> {
    log: &'a Log,
    number: usize,
}

impl Log {
    pub fn begin(&self, connection: u64, method: &str, path: &str) -> Pending<'_> {
        let at_ms = self.now();
        let mut calls = self.calls.lock().unwrap();
        let number = calls.last().map_or(0, |last| last.number + 1);
        calls.push(Call {
            number,
            connection,
            method: method.to_owned(),
            path: path.to_owned(),
            params: BTreeMap::new(),
            caller: None,
            at_ms,
            answered_ms: None,
            status: None,
            reason: String::new(),
            worked: false,
            faulted: false,
        });
        Pending { log: self, number }
    }

    pub fn all(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// From this number on.
    pub fn since(&self, number: usize) -> Vec<Call> {
        self.calls.lock().unwrap().iter().filter(|call| call.number >= number).cloned().collect()
    }

    /// Forgets the calls so far; numbers start again.
    pub fn clear(&self) {
        self.calls.lock().unwrap().clear();
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Pending<'_> {
    pub fn note(&self, change: impl FnOnce(&mut Call)) {
        let mut calls = self.log.calls.lock().unwrap();
        if let Some(call) = calls.iter_mut().rev().find(|call| call.number == self.number) {
            change(call);
        }
    }

    /// What is about to be answered.
    pub fn answered(&self, status: u16, reason: &str) {
        let now = self.log.now();
        self.note(|call| {
            call.status = Some(status);
            reason.clone_into(&mut call.reason);
            call.answered_ms = Some(now);
        });
    }
}

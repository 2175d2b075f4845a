//! The client itself: one address, one token, one kept connection; every call goes through [`Client::ask`].
//!
//! Cheap to make and meant for one thread. A read is at most one request on the wire (a second only where the kept
//! connection had gone stale), a mutation exactly one. Answers are read up to a limit and parsed into typed values.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::classify;
use super::error::PveError;
use super::form::Form;
use super::upid::{Upid, is_node};
use crate::http::{Agent, HeaderName, HeaderValue, Method, Request, Response, Timeouts, Trust};
use crate::journal::Recorded;
use crate::model::guest::Vmid;
use crate::model::step::Step;
use crate::secret::Secret;

/// How to reach a node and as whom.
#[derive(Clone, Debug)]
pub struct Connection {
    /// `https://127.0.0.1:8006`, without a path.
    pub url: String,
    /// The node's name; without it the node says which one it is.
    pub node: Option<String>,
    /// `user@realm!name`
    pub token_id: String,
    pub token_secret: Secret,
    pub trust: Trust,
    /// For one whole call. Proxmox itself gives up on a call after 30 s.
    pub timeout: Duration,
}

/// What a mutation came to that Proxmox may do at once or in the background.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    Task(Upid),
    /// Done already, without a task.
    Done,
}

/// A list of all guests of a large node is some hundred kilobytes.
pub(super) const LIST: usize = 8 * 1024 * 1024;
pub(super) const SMALL: usize = 1024 * 1024;

pub struct Client {
    agent: Agent,
    url: String,
    authorization: HeaderValue,
    secret: Secret,
    node: OnceLock<String>,
}

/// What stands around every answer.
#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
    #[serde(default)]
    total: Option<u64>,
}

impl Client {
    /// Makes a client; reads the CA file, sends nothing.
    pub fn new(connection: &Connection) -> Result<Self, PveError> {
        let trust = &connection.trust;
        let agent = Agent::new(trust, Timeouts::within(connection.timeout))
            .map_err(|fault| PveError::of_transport(String::new(), fault))?;
        let token = format!("PVEAPIToken={}={}", connection.token_id, connection.token_secret.expose());
        // The text of the error would hold the secret.
        let Ok(mut authorization) = HeaderValue::try_from(token) else {
            return Err(PveError::Setup("the token holds letters that cannot be sent".to_owned()));
        };
        authorization.set_sensitive(true);
        let client = Self {
            agent,
            url: format!("{}/api2/json", connection.url.trim_end_matches('/')),
            authorization,
            secret: connection.token_secret.clone(),
            node: OnceLock::new(),
        };
        if let Some(name) = &connection.node {
            client.keep_node(name)?;
        }
        Ok(client)
    }

    /// The name of the node we speak to: as configured, or as the node itself says. Asked once.
    pub fn node(&self) -> Result<&str, PveError> {
        match self.node.get() {
            Some(name) => Ok(name),
            None => self.keep_node(&self.local_node()?),
        }
    }

    /// The node's name, if it was said or asked for already.
    pub fn known_node(&self) -> Option<&str> {
        self.node.get().map(String::as_str)
    }

    /// Ends a call in progress on another thread, and refuses new ones.
    pub fn shutdown(&self) {
        self.agent.shutdown();
    }

    fn keep_node(&self, name: &str) -> Result<&str, PveError> {
        if !is_node(name) {
            return Err(PveError::Setup(format!("{name:?} cannot be the name of a node")));
        }
        Ok(self.node.get_or_init(|| name.to_owned()))
    }

    /// `/nodes/{node}` and what follows.
    pub(super) fn on_node(&self, rest: &str) -> Result<String, PveError> {
        Ok(format!("/nodes/{}{rest}", self.node()?))
    }

    pub(super) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Form,
        limit: usize,
    ) -> Result<T, PveError> {
        Ok(self.get_page(path, query, limit)?.0)
    }

    /// A part of a list, and how long the whole of it is.
    pub(super) fn get_page<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Form,
        limit: usize,
    ) -> Result<(T, Option<u64>), PveError> {
        let envelope: Envelope<T> = self.ask(&Method::GET, path, query, limit)?;
        Ok((envelope.data, envelope.total))
    }

    /// A call that changes nothing, whatever its method, and whose answer says no more than that it was one.
    pub(super) fn look(&self, method: &Method, path: &str) -> Result<(), PveError> {
        let _answer: Envelope<serde::de::IgnoredAny> = self.ask(method, path, &Form::new(), SMALL)?;
        Ok(())
    }

    /// A mutation, which may answer with a task or be done at once.
    pub(super) fn submit(
        &self,
        intent: &Intent<'_>,
        method: &Method,
        path: &str,
        form: &Form,
    ) -> Result<Submitted, PveError> {
        log::debug!("intent {}: {method} {path}", intent.recorded.seq());
        let envelope: Envelope<Option<String>> = self.ask(method, path, form, SMALL)?;
        let call = || format!("{method} {path}");
        match envelope.data.as_deref() {
            None | Some("") => Ok(Submitted::Done),
            Some("OK") => Err(PveError::NothingDone { call: call() }),
            Some(text) => match text.parse() {
                Ok(upid) => Ok(Submitted::Task(upid)),
                Err(what) => Err(PveError::Body { call: call(), what }),
            },
        }
    }

    /// A mutation that always answers with a task.
    pub(super) fn begin(
        &self,
        intent: &Intent<'_>,
        method: &Method,
        path: &str,
        form: &Form,
    ) -> Result<Upid, PveError> {
        match self.submit(intent, method, path, form)? {
            Submitted::Task(upid) => Ok(upid),
            Submitted::Done => {
                Err(PveError::Body { call: format!("{method} {path}"), what: "it names no task".to_owned() })
            }
        }
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        form: &Form,
        limit: usize,
    ) -> Result<Envelope<T>, PveError> {
        let call = || format!("{method} {path}");
        let answer = self.exchange(method, path, form, limit)?;
        if !(200..300).contains(&answer.status) {
            let body = self.redacted(&String::from_utf8_lossy(&answer.body));
            let reason = self.redacted(&answer.reason);
            return Err(classify::error(call(), answer.status, &reason, body.as_bytes()));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| PveError::Body { call: call(), what: self.redacted(&error.to_string()) })
    }

    /// Words of the other end that may be told. A proxy in between may say what it was sent, the token included.
    fn redacted(&self, text: &str) -> String {
        match self.secret.expose() {
            "" => text.to_owned(),
            secret => text.replace(secret, "[redacted]"),
        }
    }

    /// A form goes in the body of POST and PUT, and in the address of GET and DELETE: Proxmox refuses a body there.
    fn exchange(&self, method: &Method, path: &str, form: &Form, limit: usize) -> Result<Response, PveError> {
        let has_body = matches!(*method, Method::POST | Method::PUT);
        let mut url = format!("{}{path}", self.url);
        let encoded = form.encoded();
        let mut headers = vec![(HeaderName::from_static("authorization"), self.authorization.clone())];
        if has_body {
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.push((HeaderName::from_static("content-type"), kind));
        } else if !form.is_empty() {
            url.push('?');
            url.push_str(&encoded);
        }
        let body = has_body.then_some(encoded.as_bytes());
        let request = Request { method: method.clone(), url: &url, headers, body, limit, timeout: None };
        self.agent.call(&request).map_err(|fault| PveError::of_transport(format!("{method} {path}"), fault))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.url).field("node", &self.node).finish_non_exhaustive()
    }
}

/// The pass a mutation needs: what was recorded, held to the guest that is about to be changed.
pub(super) struct Intent<'a> {
    recorded: &'a Recorded,
}

impl<'a> Intent<'a> {
    pub(super) fn new(recorded: &'a Recorded, vmid: Vmid) -> Self {
        assert!(
            recorded.step().guest().vmid == vmid,
            "what was recorded ({}) is not what is to be done (guest {vmid})",
            recorded.step()
        );
        Self { recorded }
    }

    /// For what cannot be undone: the step that was recorded, to the letter.
    pub(super) fn exactly(recorded: &'a Recorded, step: &Step) -> Self {
        assert!(
            recorded.step() == step,
            "what was recorded ({}) is not what is to be done ({step})",
            recorded.step()
        );
        Self { recorded }
    }

    /// For what concerns no one guest: a volume, a task.
    pub(super) fn of_no_guest(recorded: &'a Recorded) -> Self {
        Self { recorded }
    }
}

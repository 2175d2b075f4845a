//! The hub's client: blocking, https only except to this machine, one deadline a call, no redirect followed.
//! Never: shows the key, repeats a report by itself, reads more than the limit of each answer.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock;
use crate::config::HubSettings;
use crate::http::{
    Agent, HeaderMap, HeaderName, HeaderValue, HttpError, Method, Request, Response, Timeouts, Uri,
};
use crate::model::op::OpId;
use crate::model::time::Timestamp;

use super::error::HubError;
use super::wire::{ControlEnvelope, HostReport, OpOutcome};

/// The largest answer to a report, in bytes.
pub const MAX_ENVELOPE: usize = 256 * 1024;
/// The largest manifest, in bytes.
pub const MAX_MANIFEST: usize = 4 * 1024 * 1024;

/// The largest list of signed operations, in bytes.
pub const MAX_SIGNED_OPS: usize = 1024 * 1024;
/// So many of them are taken at once; the rest is there the next time.
pub const MAX_OFFERED: usize = 256;

/// A hub, as this host sees it. A clone shares its connections.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    /// `https://hub.example/base/api/v1/hosts/{host_id}`
    base: String,
    bearer: HeaderValue,
}

/// What the hub said to a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    pub envelope: ControlEnvelope,
    /// The hub's clock when it answered, if it told.
    pub hub_time: Option<Timestamp>,
}

/// What the hub has as desired or actual state of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Desired {
    /// The same as at the last answer, whose tag was sent along.
    Unchanged,
    /// The hub answers, and has none.
    Nothing,
    Document {
        /// To be sent along next time.
        etag: Option<String>,
        bytes: Vec<u8>,
    },
}

/// What became of an actual state that was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    Stored {
        /// Of the revision it is now.
        etag: Option<String>,
    },
    /// The hub has another revision than the one named: nothing was stored.
    Outdated,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client with connections of its own; nothing is sent.
    pub fn new(settings: &HubSettings, host_id: &str) -> Result<Self, HttpError> {
        let key = settings.api_key.expose();
        let mut bearer = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_its_text_is_secret| {
            HttpError::Setup { what: "hub.api_key holds what no HTTP header can carry".to_owned() }
        })?;
        bearer.set_sensitive(true);
        Ok(Self {
            agent: Agent::new(&settings.trust, Timeouts::within(settings.timeout))?,
            base: format!("{}/api/v1/hosts/{host_id}", settings.url),
            bearer,
        })
    }

    /// Posts a report. `within` shortens the deadline of the settings.
    pub fn report(&self, report: &HostReport, within: Option<Duration>) -> Result<Acknowledged, HubError> {
        let body = json(report)?;
        let answer = self.call(Method::POST, "report", Vec::new(), Some(&body), MAX_ENVELOPE, within)?;
        let answer = successful(answer)?;
        let envelope = serde_json::from_slice::<ControlEnvelope>(&answer.body).map_err(|error| {
            HubError::Body { what: format!("it is no control envelope ({})", position(&error)) }
        })?;
        Ok(Acknowledged { envelope, hub_time: hub_time(&answer.headers) })
    }

    /// Asks for the desired state, unless it is still the one `etag` came with.
    pub fn desired(&self, etag: Option<&str>) -> Result<Desired, HubError> {
        let mut headers = Vec::new();
        if let Some(tag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            headers.push((HeaderName::from_static("if-none-match"), tag));
        }
        let was_conditional = !headers.is_empty();
        let answer = self.call(Method::GET, "desired", headers, None, MAX_MANIFEST, None)?;
        match answer.status {
            304 if was_conditional => return Ok(Desired::Unchanged),
            404 => return Ok(Desired::Nothing),
            _ => {}
        }
        let answer = successful(answer)?;
        if answer.body.is_empty() {
            return Err(HubError::Body { what: "it is empty where a manifest was expected".to_owned() });
        }
        Ok(Desired::Document { etag: tag_of(&answer.headers), bytes: answer.body })
    }

    /// Puts the actual state over the revision that `revision` names; without one only where there is none yet.
    pub fn put_actual(&self, status: &[u8], revision: Option<&str>) -> Result<Put, HubError> {
        let condition = match revision.and_then(|revision| HeaderValue::from_str(revision).ok()) {
            Some(revision) => (HeaderName::from_static("if-match"), revision),
            None => (HeaderName::from_static("if-none-match"), HeaderValue::from_static("*")),
        };
        let answer = self.call(Method::PUT, "actual", vec![condition], Some(status), MAX_ENVELOPE, None)?;
        if answer.status == 412 {
            return Ok(Put::Outdated);
        }
        Ok(Put::Stored { etag: tag_of(&successful(answer)?.headers) })
    }

    /// The actual state that the hub has, whoever wrote it.
    pub fn actual(&self) -> Result<Desired, HubError> {
        let answer = self.call(Method::GET, "actual", Vec::new(), None, MAX_MANIFEST, None)?;
        if answer.status == 404 {
            return Ok(Desired::Nothing);
        }
        let answer = successful(answer)?;
        Ok(Desired::Document { etag: tag_of(&answer.headers), bytes: answer.body })
    }

    /// The signed operations that the hub has for this host, each as the bytes that stand in its answer: what they are is for the
    /// verification to tell, one by one.
    pub fn signed_ops(&self) -> Result<Vec<Vec<u8>>, HubError> {
        let answer = self.call(Method::GET, "signed-ops", Vec::new(), None, MAX_SIGNED_OPS, None)?;
        // A hub that knows no signed operations has none for us.
        if answer.status == 404 {
            return Ok(Vec::new());
        }
        offered(&successful(answer)?.body)
    }

    /// Tells how an operation ended.
    pub fn post_outcome(&self, op_id: &OpId, outcome: &OpOutcome) -> Result<(), HubError> {
        let path = format!("signed-ops/{op_id}/outcome");
        let body = json(outcome)?;
        let answer = self.call(Method::POST, &path, Vec::new(), Some(&body), MAX_ENVELOPE, None)?;
        successful(answer).map(drop)
    }

    /// Ends a call in progress; for the end of the program.
    pub fn shutdown(&self) {
        self.agent.shutdown();
    }

    fn call(
        &self,
        method: Method,
        path: &str,
        mut headers: Vec<(HeaderName, HeaderValue)>,
        body: Option<&[u8]>,
        limit: usize,
        timeout: Option<Duration>,
    ) -> Result<Response, HubError> {
        headers.push((HeaderName::from_static("authorization"), self.bearer.clone()));
        headers.push((HeaderName::from_static("accept"), HeaderValue::from_static("application/json")));
        if body.is_some() {
            headers.push((
                HeaderName::from_static("content-type"),
                HeaderValue::from_static("application/json"),
            ));
        }
        let url = format!("{}/{path}", self.base);
        Ok(self.agent.call(&Request { method, url: &url, headers, body, limit, timeout })?)
    }
}

fn offered(body: &[u8]) -> Result<Vec<Vec<u8>>, HubError> {
    #[derive(Deserialize)]
    struct Offered<'a> {
        #[serde(borrow)]
        ops: Vec<&'a RawValue>,
    }
    let offered: Offered<'_> = serde_json::from_slice(body).map_err(|error| HubError::Body {
        what: format!("it is no list of signed operations ({})", position(&error)),
    })?;
    Ok(offered.ops.into_iter().take(MAX_OFFERED).map(|raw| raw.get().as_bytes().to_vec()).collect())
}

fn json<T: Serialize>(document: &T) -> Result<Vec<u8>, HubError> {
    serde_json::to_vec(document)
        .map_err(|error| HubError::Body { what: format!("the document cannot be written: {error}") })
}

/// Where a document goes wrong, without what stands there.
fn position(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => "unreadable",
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Data => "not of its shape",
        serde_json::error::Category::Eof => "cut off",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

fn successful(answer: Response) -> Result<Response, HubError> {
    match answer.status {
        200..=299 => Ok(answer),
        status @ 300..=399 if answer.headers.contains_key("location") => {
            Err(HubError::Redirect { status, to: redirect_host(&answer.headers) })
        }
        status => Err(HubError::Http { status, retry_after: retry_after(&answer.headers, clock::now()) }),
    }
}

fn tag_of(headers: &HeaderMap) -> Option<String> {
    headers.get("etag").and_then(|tag| tag.to_str().ok()).map(str::to_owned)
}

/// Only the host: the rest of an address may hold a secret.
fn redirect_host(headers: &HeaderMap) -> String {
    let location = headers.get("location").and_then(|value| value.to_str().ok());
    match location.and_then(|text| text.parse::<Uri>().ok()) {
        Some(uri) => uri.host().map_or_else(|| "another path of its own".to_owned(), str::to_owned),
        None => "somewhere unreadable".to_owned(),
    }
}

/// `Retry-After`: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_no_number) => http_date(text)?.seconds_since(now),
    };
    Some(Duration::from_secs(seconds))
}

fn hub_time(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get("date")?.to_str().ok()?)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that is still sent.
fn http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let parts: Vec<&str> = text.split(' ').collect();
    let [_weekday, day, month, year, time, "GMT"] = parts.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    Timestamp::parse(&format!("{year}-{month:02}-{day}T{time}Z")).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{MAX_OFFERED, http_date, offered, redirect_host, retry_after};
    use crate::http::{HeaderMap, HeaderValue};
    use crate::model::time::Timestamp;

    #[test]
    fn an_http_date_is_read_in_the_form_that_is_sent() {
        for (text, unix) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Nox 1994 08:49:37 GMT", None),
            ("", None),
        ] {
            assert_eq!(http_date(text).map(Timestamp::unix), unix, "{text}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::from_unix(784_111_777 - 90);
        for (text, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(90)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", HeaderValue::from_str(text).unwrap());
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn each_offered_operation_keeps_its_own_bytes_whatever_they_are() {
        let body = br#"{"v":1,"ops":[ {"a":1,  "a":"\u0070"} ,[1],null,"x",1e400],"more":{}}"#;
        let ops: Vec<String> =
            offered(body).unwrap().into_iter().map(|op| String::from_utf8(op).unwrap()).collect();
        assert_eq!(ops, [r#"{"a":1,  "a":"\u0070"}"#, "[1]", "null", "\"x\"", "1e400"]);
        let many = format!("{{\"ops\":[{}0]}}", "0,".repeat(MAX_OFFERED));
        assert_eq!(offered(many.as_bytes()).unwrap().len(), MAX_OFFERED);
        for body in ["", "[]", "{}", "{\"ops\":{}}", "{\"ops\":[{]}", "{\"ops\":[1]} x"] {
            offered(body.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn of_a_redirect_only_the_host_is_named() {
        for (location, named) in [
            ("https://evil.example:8443/x?token=canary", "evil.example"),
            ("/elsewhere", "another path of its own"),
            ("http://[", "somewhere unreadable"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("location", HeaderValue::from_str(location).unwrap());
            assert_eq!(redirect_host(&headers), named);
        }
    }
}

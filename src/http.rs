//! HTTP out: the one TLS connector, resolver, limits and deadlines that the Proxmox client and the hub's client share.
//!
//! Owns: a pool of at most one idle connection per address, and the trust it was made with.
//! Every call has one deadline for everything (name, connection, request, answer, body) and one limit for its body.
//! Never: follows a redirect, reads a proxy from the environment, speaks plain HTTP to another machine, falls back to less
//! trust, sends a request twice unless the first provably was not sent or is a read that a stale connection swallowed.

mod connect;
mod error;
mod head;
mod provider;
mod resolve;
mod trust;
mod verify;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::config::{AutoHeaderValue, Config};
pub use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use self::connect::{Dialler, plain_text};
use self::error::StaleConnection;
pub use self::error::{HttpError, UnsentFault};
pub use self::resolve::is_loopback;
use self::resolve::{Names, bare_host};
pub use self::trust::{Pin, Trust, pin_of_file};
use self::verify::ByPin;
pub use self::verify::WrongPin;

/// pveproxy closes a connection that was idle for 5 s; one that is nearly that old is not used any more.
const IDLE: Duration = Duration::from_secs(4);
const INPUT_BUFFER: usize = 32 * 1024;
const OUTPUT_BUFFER: usize = 8 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the name, and again for TCP and TLS together.
    pub connect: Duration,
    /// For the whole call, to the last byte of the answer's body.
    pub call: Duration,
}

impl Timeouts {
    /// `call` for everything, at most 3 s of it for the connection.
    pub fn within(call: Duration) -> Self {
        Self { connect: call.min(Duration::from_secs(3)), call }
    }
}

/// A client with its connections; a clone shares them.
#[derive(Clone)]
pub struct Agent {
    inner: ureq::Agent,
    call: Duration,
}

/// One call. `headers` that hold a secret are to be marked sensitive.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub method: Method,
    pub url: &'a str,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Sent with its length. `None` for GET and DELETE.
    pub body: Option<&'a [u8]>,
    /// The largest body of an answer that is accepted, in bytes.
    pub limit: usize,
    /// A deadline of its own; without it the agent's.
    pub timeout: Option<Duration>,
}

/// An answer of any status, whole.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// The text of the status line, in which Proxmox puts its errors.
    pub reason: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Agent {
    /// Makes a client; reads the CA file or the system's roots, once. Nothing is sent.
    pub fn new(trust: &Trust, timeouts: Timeouts) -> Result<Self, HttpError> {
        Ok(Self::with_tls(trust::client_config(trust)?, timeouts))
    }

    fn with_tls(tls: Arc<rustls::ClientConfig>, timeouts: Timeouts) -> Self {
        let config = Config::builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("felhom-agent/", env!("CARGO_PKG_VERSION")))
            .accept(AutoHeaderValue::None)
            .accept_encoding(AutoHeaderValue::None)
            .timeout_resolve(Some(timeouts.connect))
            .timeout_connect(Some(timeouts.connect))
            .timeout_global(Some(timeouts.call))
            .max_idle_connections(2)
            .max_idle_connections_per_host(1)
            .max_idle_age(IDLE)
            .input_buffer_size(INPUT_BUFFER)
            .output_buffer_size(OUTPUT_BUFFER)
            .build();
        let inner = ureq::Agent::with_parts(config, Dialler::new(tls), Names::default());
        Self { inner, call: timeouts.call }
    }

    /// Makes one call. An answer of any status is `Ok`; what has no whole answer is an error.
    pub fn call(&self, request: &Request<'_>) -> Result<Response, HttpError> {
        let uri = checked(request.url)?;
        let deadline = Instant::now() + request.timeout.unwrap_or(self.call);
        match self.once(request, &uri, deadline) {
            Ok(response) => Ok(response),
            Err(failure) if failure.may_repeat(&request.method) => {
                self.once(request, &uri, deadline).map_err(|failure| failure.error)
            }
            Err(failure) => Err(failure.error),
        }
    }

    /// Ends every call in progress on this agent and its clones, and refuses new ones.
    pub fn shutdown(&self) {
        self.inner.clone().shutdown();
    }

    fn once(&self, request: &Request<'_>, uri: &Uri, deadline: Instant) -> Result<Response, Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        let origin = || origin(uri);
        let mut builder = ureq::http::Request::builder().method(request.method.clone()).uri(uri.clone());
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let unusable = |error: ureq::http::Error| HttpError::Setup { what: format!("{}: {error}", origin()) };
        let answer = match request.body {
            Some(body) => {
                let whole = builder.body(body).map_err(unusable)?;
                self.inner.run(self.inner.configure_request(whole).timeout_global(Some(left)).build())
            }
            None => {
                let whole = builder.body(()).map_err(unusable)?;
                self.inner.run(self.inner.configure_request(whole).timeout_global(Some(left)).build())
            }
        };
        let mut answer = answer.map_err(|error| Failure::of_call(error, origin()))?;
        let status = answer.status().as_u16();
        // ureq refuses a body as large as its limit, too.
        let limit = u64::try_from(request.limit).unwrap_or(u64::MAX).saturating_add(1);
        let body = answer.body_mut().with_config().limit(limit).read_to_vec().map_err(|error| {
            let what = match error {
                ureq::Error::BodyExceedsLimit(_) => format!("it is larger than {} bytes", request.limit),
                ureq::Error::Timeout(_) => "it did not arrive within the time allowed".to_owned(),
                other => format!("it was cut: {}", plain_text(&other)),
            };
            HttpError::Body { origin: origin(), status, what }
        })?;
        let mut headers = std::mem::take(answer.headers_mut());
        let reason = headers.remove(head::REASON);
        let reason = reason.map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned());
        Ok(Response { status, reason: reason.unwrap_or_default(), headers, body })
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("call", &self.call).finish_non_exhaustive()
    }
}

/// A call that failed, and whether the connection it was sent on had been closed by the other end before.
struct Failure {
    error: HttpError,
    was_stale: bool,
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self { error, was_stale: false }
    }
}

impl Failure {
    fn of_call(error: ureq::Error, origin: String) -> Self {
        let other = match error {
            ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => {
                let fault = UnsentFault::Connect(plain_text(&error));
                return HttpError::Unsent { origin, fault }.into();
            }
            ureq::Error::Other(other) => other,
            error => return HttpError::Unknown { origin, what: plain_text(&error) }.into(),
        };
        match other.downcast::<UnsentFault>() {
            Ok(fault) => HttpError::Unsent { origin, fault: *fault }.into(),
            Err(other) => {
                let was_stale = other.is::<StaleConnection>();
                Self { error: HttpError::Unknown { origin, what: other.to_string() }, was_stale }
            }
        }
    }

    /// What was provably not sent may be sent; a read may be asked again when its kept connection had gone stale.
    fn may_repeat(&self, method: &Method) -> bool {
        let was_cut_off = matches!(self.error, HttpError::Unsent { fault: UnsentFault::Send(_), .. });
        was_cut_off || (self.was_stale && *method == Method::GET)
    }
}

fn checked(url: &str) -> Result<Uri, HttpError> {
    let refuse = |why: &str| HttpError::Setup { what: format!("{url:?} {why}") };
    let uri: Uri = url.parse().map_err(|error| refuse(&format!("is no address: {error}")))?;
    let host = bare_host(&uri);
    match uri.scheme_str() {
        _ if host.is_empty() => Err(refuse("names no host")),
        Some("https") => Ok(uri),
        Some("http") if is_loopback(host) => Ok(uri),
        Some("http") => Err(refuse("is not encrypted, which is allowed only to this machine itself")),
        _ => Err(refuse("is neither https nor http")),
    }
}

/// `https://host:port`, without a path that may say more than a log should.
fn origin(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{}://{host}", uri.scheme_str().unwrap_or("https"))
}

/// The pin of the certificate that an address shows, whoever signed it: to be compared by a person, then configured.
pub fn fetch_pin(url: &str, within: Duration) -> Result<Pin, HttpError> {
    let any = Arc::new(ByPin::any(provider::provider()));
    let verifier = Arc::clone(&any) as Arc<dyn rustls::client::danger::ServerCertVerifier>;
    let agent = Agent::with_tls(trust::with_verifier(verifier)?, Timeouts::within(within));
    let request = Request {
        method: Method::GET,
        url,
        headers: Vec::new(),
        body: None,
        limit: 64 * 1024,
        timeout: None,
    };
    // What it answers does not matter, once it has shown its certificate.
    let answer = agent.call(&request);
    match (any.seen(), answer) {
        (Some(pin), _) => Ok(pin),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(HttpError::Setup { what: format!("{url} does not speak TLS") }),
    }
}

/// The pin of a node's own certificate, as `felhom-agent pin` reads it on the node: the file that pveproxy serves.
pub fn pin_of_node(directory: &Path) -> Result<Pin, HttpError> {
    let uploaded = directory.join("pveproxy-ssl.pem");
    if uploaded.exists() { pin_of_file(&uploaded) } else { pin_of_file(&directory.join("pve-ssl.pem")) }
}

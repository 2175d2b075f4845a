//! The simulated hub: the hub's side of the wire over HTTP and HTTPS, with faults, a log, and a board to publish on and read from.

mod board;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

pub use board::{Board, Host as HostRecord, Published};

use crate::server::{
    Admin, Answer, Call, Faults, Host, Identity, Limits, Log, Request, Response, Rule, Service, TlsChoice,
    serve_admin,
};

/// How a hub is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// 127.0.0.1 and a free port unless said otherwise.
    pub listen: SocketAddr,
    /// Plain HTTP if absent.
    pub tls: Option<TlsChoice>,
    /// The bearer key that every call must carry.
    pub key: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: Some(TlsChoice::Default),
            key: "hub-key".to_owned(),
        }
    }
}

/// A running hub; ends when dropped.
#[derive(Debug)]
pub struct HubSim {
    host: Host,
    admin: Host,
    identity: Option<Identity>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    key: String,
    board: Mutex<Board>,
    faults: Faults,
    log: Log,
}

impl HubSim {
    /// Listens when this returns.
    ///
    /// # Panics
    /// If no socket can be opened on loopback.
    pub fn start(options: Options) -> Self {
        Self::try_start(options).expect("loopback has a free port")
    }

    pub fn try_start(options: Options) -> io::Result<Self> {
        let identity = options.tls.map(Identity::new);
        let shared = Arc::new(Shared {
            key: options.key,
            board: Mutex::new(Board::new()),
            faults: Faults::default(),
            log: Log::default(),
        });
        let service: Arc<dyn Service> = Arc::new(HubService(Arc::clone(&shared)));
        let host = Host::start(options.listen, identity.as_ref().map(Identity::config), service)?;
        let admin = serve_admin(Arc::new(HubAdmin(Arc::clone(&shared))))?;
        Ok(Self { host, admin, identity, shared })
    }

    pub fn clear_calls(&self) {
        self.shared.log.clear();
    }

    /// `https://127.0.0.1:port`, or `http://…` without TLS.
    pub fn url(&self) -> String {
        let scheme = if self.identity.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.host.address())
    }

    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin.address())
    }

    /// The certificate it presents; `None` without TLS.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    pub fn key(&self) -> &str {
        &self.shared.key
    }

    /// Looks at what the hub remembers, or changes it.
    pub fn board<T>(&self, look: impl FnOnce(&mut Board) -> T) -> T {
        look(&mut self.shared.board.lock().unwrap())
    }

    /// Every report of this host so far, oldest first.
    pub fn reports(&self, host_id: &str) -> Vec<Value> {
        self.board(|board| board.host(host_id).reports.clone())
    }

    pub fn publish(&self, host_id: &str, manifest: &Value) {
        self.board(|board| board.publish(host_id, manifest));
    }

    pub fn fault(&self, rule: Rule) -> u64 {
        self.shared.faults.add(rule)
    }

    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    pub fn calls(&self) -> Vec<Call> {
        self.shared.log.all()
    }

    /// Refuses connections until `come_back`.
    pub fn go_down(&self) {
        self.host.go_down();
    }

    /// # Panics
    /// If the port was taken meanwhile.
    pub fn come_back(&self) {
        self.host.come_back().expect("the port is still free");
    }
}

struct HubService(Arc<Shared>);

impl Service for HubService {
    fn limits(&self) -> Limits {
        Limits { head_bytes: 16 * 1024, body_bytes: 8 * 1024 * 1024, idle: Duration::from_secs(60) }
    }

    fn answer(&self, request: &Request, connection: u64) -> Answer {
        let shared = &self.0;
        let path = request.tidy_path();
        let call = shared.log.begin(connection, &request.method, &path);
        let hit = shared.faults.hit(&request.method, &path);
        call.note(|call| {
            call.faulted = !hit.is_empty();
            call.params.insert(String::new(), String::from_utf8_lossy(&request.body).into_owned());
        });
        let answer = hit.before().unwrap_or_else(|| {
            shared.faults.before_work(&hit);
            call.note(|call| call.worked = true);
            hit.after(Answer::keep(shared.authenticated(request)))
        });
        call.answered(answer.response.status, &answer.response.reason);
        shared.faults.before_answer(&hit);
        answer
    }
}

impl Shared {
    fn authenticated(&self, request: &Request) -> Response {
        if request.header("authorization") != Some(format!("Bearer {}", self.key).as_str()) {
            return Response::json(401, "Unauthorized", &json!({"error": "no such key"}));
        }
        self.board.lock().unwrap().answer(request)
    }
}

struct HubAdmin(Arc<Shared>);

impl Admin for HubAdmin {
    fn log(&self) -> &Log {
        &self.0.log
    }

    fn faults(&self) -> &Faults {
        &self.0.faults
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Option<Result<Value, String>> {
        let mut board = self.0.board.lock().unwrap();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        Some(match (method, parts.as_slice()) {
            ("GET", ["envelope"]) => Ok(board.envelope.clone()),
            ("PUT", ["envelope"]) => {
                board.envelope = body.clone();
                Ok(Value::Null)
            }
            ("PUT", ["hosts", id, "manifest"]) => {
                board.publish(id, body);
                Ok(Value::Null)
            }
            ("GET", ["hosts", id, "reports"]) => Ok(json!(board.host(id).reports)),
            ("GET", ["hosts", id, "actual"]) => Ok(board.host(id).actual.clone().unwrap_or_default()),
            ("PUT", ["hosts", id, "signed-ops"]) => match body.as_array() {
                Some(ops) => {
                    ops.clone_into(&mut board.host(id).signed_ops);
                    Ok(Value::Null)
                }
                None => Err("expected an array of envelopes".to_owned()),
            },
            ("GET", ["hosts", id, "outcomes"]) => Ok(json!(board.host(id).outcomes)),
            _ => return None,
        })
    }
}

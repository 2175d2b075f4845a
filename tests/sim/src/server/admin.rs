//! The admin address: plain HTTP with JSON on loopback, by which the demo and other processes set faults and read the log.
//! What both simulators share is answered here, the rest by the simulator itself.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::fault::{Faults, Rule};
use super::listen::{Host, Service};
use super::log::Log;
use super::wire::{Answer, Limits, Request, Response};

/// What a simulator answers on its admin address beyond `/calls` and `/faults`. `None` is 404.
pub trait Admin: Send + Sync + 'static {
    fn log(&self) -> &Log;
    fn faults(&self) -> &Faults;
    fn call(&self, method: &str, path: &str, body: &Value) -> Option<Result<Value, String>>;
}

/// Serves on a port of its own.
pub fn serve_admin(admin: Arc<dyn Admin>) -> io::Result<Host> {
    Host::start(SocketAddr::from(([127, 0, 0, 1], 0)), None, Arc::new(AdminService(admin)))
}

struct AdminService(Arc<dyn Admin>);

impl Service for AdminService {
    fn limits(&self) -> Limits {
        Limits { head_bytes: 16 * 1024, body_bytes: 16 * 1024 * 1024, idle: Duration::from_secs(30) }
    }

    fn answer(&self, request: &Request, _connection: u64) -> Answer {
        let body = match serde_json::from_slice(&request.body) {
            Ok(value) => value,
            Err(_) if request.body.is_empty() => Value::Null,
            Err(err) => return bad_request(&err.to_string()),
        };
        let path = request.tidy_path();
        let shared = self.shared(&request.method, &path, request.query.as_deref(), &body);
        match shared.or_else(|| self.0.call(&request.method, &path, &body)) {
            Some(Ok(value)) => Answer::keep(Response::json(200, "OK", &value)),
            Some(Err(text)) => bad_request(&text),
            None => Answer::keep(Response::json(404, "Not Found", &json!({ "error": "no such admin call" }))),
        }
    }
}

impl AdminService {
    fn shared(
        &self,
        method: &str,
        path: &str,
        query: Option<&str>,
        body: &Value,
    ) -> Option<Result<Value, String>> {
        let faults = self.0.faults();
        Some(match (method, path) {
            ("GET", "/calls") => Ok(json!(self.0.log().since(since(query)))),
            ("DELETE", "/calls") => {
                self.0.log().clear();
                Ok(Value::Null)
            }
            ("GET", "/faults") => Ok(faults
                .list()
                .into_iter()
                .map(|(id, rule, seen)| json!({ "id": id, "rule": rule, "seen": seen }))
                .collect()),
            ("POST", "/faults") => serde_json::from_value::<Rule>(body.clone())
                .map(|rule| json!({ "id": faults.add(rule) }))
                .map_err(|err| err.to_string()),
            ("DELETE", "/faults") => {
                faults.clear();
                Ok(Value::Null)
            }
            ("DELETE", path) => {
                faults.remove(path.strip_prefix("/faults/")?.parse().ok()?);
                Ok(Value::Null)
            }
            _ => return None,
        })
    }
}

/// `since=17`.
fn since(query: Option<&str>) -> usize {
    query.and_then(|query| query.strip_prefix("since=")).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn bad_request(text: &str) -> Answer {
    Answer::keep(Response::json(400, "Bad Request", &json!({ "error": text })))
}

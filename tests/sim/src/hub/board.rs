//! What the simulated hub remembers: reports, manifests, statuses, signed operations and their outcomes, by host.
//! Pure: a request in, a response out. It keeps the hub's side of the wire, status codes and entity tags included.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::server::{Request, Response};

/// The hub's memory. Tests read it and write it as they like.
#[derive(Debug, Default)]
pub struct Board {
    /// What every report is answered with.
    pub envelope: Value,
    pub hosts: BTreeMap<String, Host>,
}

/// What is kept of one host.
#[derive(Debug, Default)]
pub struct Host {
    /// Every report that came, oldest first.
    pub reports: Vec<Value>,
    /// The manifest as its bytes are served, and its generation.
    pub manifest: Option<Published>,
    pub actual: Option<Value>,
    /// Counts up with every accepted status; its entity tag.
    pub revision: u64,
    pub signed_ops: Vec<Value>,
    /// More of them, as their exact texts: what is broken on purpose goes out as it is.
    pub raw_ops: Vec<String>,
    pub outcomes: BTreeMap<String, Value>,
}

#[derive(Clone, Debug)]
pub struct Published {
    pub bytes: Vec<u8>,
    pub generation: u64,
}

impl Board {
    pub fn new() -> Self {
        let envelope = json!({"poll_interval_seconds": 300, "blocked": false, "desired_generation": 0, "has_signed_ops": false});
        Self { envelope, hosts: BTreeMap::new() }
    }

    pub fn host(&mut self, id: &str) -> &mut Host {
        self.hosts.entry(id.to_owned()).or_default()
    }

    /// Serves this manifest to the host from now on, and says so in every envelope.
    pub fn publish(&mut self, id: &str, manifest: &Value) {
        let generation = manifest["generation"].as_u64().unwrap_or_default();
        self.publish_bytes(id, manifest.to_string().into_bytes(), generation);
    }

    /// As `publish`, for documents that are no manifest at all.
    pub fn publish_bytes(&mut self, id: &str, bytes: Vec<u8>, generation: u64) {
        self.host(id).manifest = Some(Published { bytes, generation });
        self.envelope["desired_generation"] = json!(generation);
    }

    /// The answer to an authenticated request.
    pub fn answer(&mut self, request: &Request) -> Response {
        let path = request.tidy_path();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let ["api", "v1", "hosts", id, rest @ ..] = parts.as_slice() else {
            return not_found("no such path");
        };
        match (request.method.as_str(), rest) {
            ("POST", ["report"]) => self.report(id, &request.body),
            ("GET", ["desired"]) => self.desired(id, request.header("if-none-match")),
            ("PUT", ["actual"]) => self.put_actual(id, request),
            ("GET", ["actual"]) => self.actual(id),
            ("GET", ["signed-ops"]) => self.signed_ops(id),
            ("POST", ["signed-ops", op, "outcome"]) => self.outcome(id, op, &request.body),
            _ => not_found("no such path"),
        }
    }

    fn report(&mut self, id: &str, body: &[u8]) -> Response {
        let Ok(report) = serde_json::from_slice::<Value>(body) else {
            return bad_request("the report is not JSON");
        };
        if report["host_id"] != json!(id) {
            return bad_request("host_id is not that of the path");
        }
        self.host(id).reports.push(report);
        Response::json(200, "OK", &self.envelope)
    }

    fn desired(&mut self, id: &str, known: Option<&str>) -> Response {
        let Some(published) = &self.host(id).manifest else { return not_found("no desired state") };
        let tag = format!("\"{}\"", published.generation);
        if known == Some(tag.as_str()) {
            return Response::new(304, "Not Modified").header("ETag", &tag).body(Vec::new());
        }
        Response::new(200, "OK")
            .header("Content-Type", "application/json")
            .header("ETag", &tag)
            .body(published.bytes.clone())
    }

    fn put_actual(&mut self, id: &str, request: &Request) -> Response {
        let Ok(status) = serde_json::from_slice::<Value>(&request.body) else {
            return bad_request("the status is not JSON");
        };
        let host = self.host(id);
        let fits = match (&host.actual, request.header("if-match"), request.header("if-none-match")) {
            (None, None, Some("*")) => true,
            (Some(_), Some(tag), None) => tag == format!("\"{}\"", host.revision),
            _ => false,
        };
        if !fits {
            return Response::json(
                412,
                "Precondition Failed",
                &json!({"error": "the status was written by another"}),
            );
        }
        host.revision += 1;
        host.actual = Some(status);
        Response::new(204, "No Content").header("ETag", &format!("\"{}\"", host.revision)).body(Vec::new())
    }

    fn actual(&mut self, id: &str) -> Response {
        let host = self.host(id);
        let Some(actual) = &host.actual else { return not_found("no status yet") };
        Response::json(200, "OK", actual).header("ETag", &format!("\"{}\"", host.revision))
    }

    fn signed_ops(&mut self, id: &str) -> Response {
        let host = self.host(id);
        let whole = host.signed_ops.iter().map(Value::to_string);
        let all: Vec<String> = whole.chain(host.raw_ops.iter().cloned()).collect();
        Response::new(200, "OK")
            .header("Content-Type", "application/json")
            .body(format!("{{\"ops\":[{}]}}", all.join(",")).into_bytes())
    }

    fn outcome(&mut self, id: &str, op: &str, body: &[u8]) -> Response {
        let Ok(outcome) = serde_json::from_slice::<Value>(body) else {
            return bad_request("the outcome is not JSON");
        };
        self.host(id).outcomes.insert(op.to_owned(), outcome);
        Response::new(204, "No Content").body(Vec::new())
    }
}

fn not_found(why: &str) -> Response {
    Response::json(404, "Not Found", &json!({"error": why}))
}

fn bad_request(why: &str) -> Response {
    Response::json(400, "Bad Request", &json!({"error": why}))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Board;
    use crate::server::{Request, Response};

    fn ask(board: &mut Board, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        board.answer(&Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: None,
            headers,
            body: body.as_bytes().to_vec(),
        })
    }

    #[test]
    fn a_manifest_is_served_once_and_then_known() {
        let mut board = Board::new();
        assert_eq!(ask(&mut board, "GET", "/api/v1/hosts/h/desired", &[], "").status, 404);
        board.publish("h", &json!({"generation": 7}));
        assert_eq!(ask(&mut board, "GET", "/api/v1/hosts/h/desired", &[], "").status, 200);
        let again = ask(&mut board, "GET", "/api/v1/hosts/h/desired", &[("If-None-Match", "\"7\"")], "");
        assert_eq!(again.status, 304);
        assert_eq!(board.envelope["desired_generation"], json!(7));
    }

    #[test]
    fn a_status_is_written_by_compare_and_swap() {
        let mut board = Board::new();
        let put =
            |board: &mut Board, header| ask(board, "PUT", "/api/v1/hosts/h/actual", &[header], "{}").status;
        assert_eq!(put(&mut board, ("If-Match", "\"0\"")), 412);
        assert_eq!(put(&mut board, ("If-None-Match", "*")), 204);
        assert_eq!(put(&mut board, ("If-None-Match", "*")), 412);
        assert_eq!(put(&mut board, ("If-Match", "\"1\"")), 204);
        assert_eq!(put(&mut board, ("If-Match", "\"1\"")), 412);
    }

    #[test]
    fn an_envelope_goes_out_to_the_letter() {
        let mut board = Board::new();
        board.host("h").signed_ops.push(json!({"a": 1}));
        board.host("h").raw_ops.push(r#"{"a":1, "a" :2}"#.to_owned());
        let answer = ask(&mut board, "GET", "/api/v1/hosts/h/signed-ops", &[], "");
        assert_eq!(answer.body.as_deref(), Some(r#"{"ops":[{"a":1},{"a":1, "a" :2}]}"#.as_bytes()));
    }

    #[test]
    fn a_report_for_another_host_is_refused() {
        let mut board = Board::new();
        let post = |board: &mut Board, body| ask(board, "POST", "/api/v1/hosts/h/report", &[], body).status;
        assert_eq!(post(&mut board, r#"{"host_id":"other"}"#), 400);
        assert_eq!(post(&mut board, "no json"), 400);
        assert_eq!(post(&mut board, r#"{"host_id":"h"}"#), 200);
        assert_eq!(board.host("h").reports.len(), 1);
    }
}

//! Plays a scene on a node of its own and collects every difference, instead of stopping at the first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use felhom_sim::pve::PveSim;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::arrange;
use crate::matching::{Difference, differences};
use crate::suite::{Call, Scene, Source, Step, Task, text};
use crate::wire::{Response, Wire, trust};

/// How long a task, a state or a close is waited for. Generous: it decides nothing but how long a failure takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A difference and where in the suite.
#[derive(Debug)]
pub struct Mismatch {
    pub scene: String,
    pub step: String,
    pub difference: Difference,
}

/// What a wait for a task found: the last status, and its log.
type Ended = (Value, Value);

pub struct Stage<'a> {
    callers: &'a BTreeMap<String, Option<String>>,
    sim: PveSim,
    tls: Arc<ClientConfig>,
    wire: Option<Wire>,
    kept: BTreeMap<String, String>,
}

/// Every mismatch of one scene.
pub fn play(scene: &Scene, callers: &BTreeMap<String, Option<String>>) -> Vec<Mismatch> {
    let sim = arrange::start(scene);
    let tls = trust(&sim.ca_pem());
    let mut stage = Stage { callers, sim, tls, wire: None, kept: BTreeMap::new() };
    let mut all = Vec::new();
    for (index, step) in scene.steps.iter().enumerate() {
        match step {
            Step::World { world } => arrange::apply(&stage.sim, world),
            Step::Call(call) => {
                let record = call.rec.map_or_else(String::new, |rec| format!(" (answer {rec})"));
                let step = format!("step {}: {}{record}", index + 1, call.call);
                all.extend(stage.step(call).into_iter().map(|difference| Mismatch {
                    scene: format!("{}: {}", scene.file, scene.scene),
                    step: step.clone(),
                    difference,
                }));
            }
        }
    }
    all
}

impl Stage<'_> {
    fn step(&mut self, call: &Call) -> Vec<Difference> {
        let deadline = Instant::now() + PATIENCE;
        let mut all = match call.call.as_str() {
            "wait" => Vec::new(),
            // Two backups of one second would have the same name.
            "pause" => {
                sleep(Duration::from_millis(1100));
                Vec::new()
            }
            "idle" => self.idle(),
            _ => loop {
                let all = self.ask(call);
                if all.is_empty() || !call.until || Instant::now() > deadline {
                    break all;
                }
                sleep(Duration::from_millis(10));
            },
        };
        if let Some(task) = &call.task {
            all.extend(self.follow(call, task));
        }
        all
    }

    /// The server closes the connection by itself.
    fn idle(&mut self) -> Vec<Difference> {
        match self.wire.take().map(|mut wire| wire.ends()) {
            Some(true) => Vec::new(),
            Some(false) => {
                vec![Difference::new("connection", "closed by the server", "still open, or noisy")]
            }
            None => vec![Difference::new("connection", "open before this step", "closed")],
        }
    }

    fn ask(&mut self, call: &Call) -> Vec<Difference> {
        let request = self.request(call);
        let response = match self.exchange(&request, call.plain) {
            Ok(response) => response,
            Err(err) => return vec![Difference::new("exchange", "an answer", err.to_string())],
        };
        let gets = call.gets.as_deref().unwrap_or("200 OK");
        let Some(response) = response else {
            self.wire = None;
            let expected = gets == "dropped";
            return if expected { Vec::new() } else { vec![Difference::new("answer", gets, "none")] };
        };
        let mut all = self.compare(call, gets, &response);
        self.keep(call, &response, &mut all);
        all
    }

    fn exchange(&mut self, request: &[u8], plain: bool) -> std::io::Result<Option<Response>> {
        let tls = (!plain).then(|| Arc::clone(&self.tls));
        let mut wire = match self.wire.take() {
            Some(wire) if !plain => wire,
            _ => Wire::open(self.sim.address(), tls.as_ref())?,
        };
        let response = wire.exchange(request)?;
        self.wire = (!plain).then_some(wire);
        Ok(response)
    }

    fn compare(&mut self, call: &Call, gets: &str, response: &Response) -> Vec<Difference> {
        let mut all = Vec::new();
        let found = format!("{} {}", response.status, response.reason);
        let as_expected = if gets.ends_with(' ') { found.starts_with(gets) } else { found == gets };
        if !as_expected {
            let body = String::from_utf8_lossy(&response.body).chars().take(400).collect::<String>();
            all.push(Difference::new("status", gets, format!("{found} with {body}")));
        }
        if let Some(location) = &call.location {
            let found = response.header("Location").concat();
            if !found.starts_with(location.as_str()) {
                all.push(Difference::new("Location", location, found));
            }
            return all;
        }
        self.compare_connection(call, response, &mut all);
        if !as_expected {
            return all;
        }
        compare_headers(call, response, &mut all);
        compare_body(call, &self.kept, response, &mut all);
        all
    }

    /// What the `Connection` headers say, and that the server does it.
    fn compare_connection(&mut self, call: &Call, response: &Response, all: &mut Vec<Difference>) {
        let found = response.header("Connection");
        let expected: &[&str] = match call.from {
            _ if response.status >= 400 => &["close"],
            Some(Source::Pveproxy) => &["Keep-Alive"],
            Some(Source::Pvedaemon) => &["close", "Keep-Alive"],
            None => &found.clone(),
        };
        if found != expected {
            all.push(Difference::new("Connection", expected.join(", "), found.join(", ")));
        }
        if !response.goes_on() && !self.wire.take().is_none_or(|mut wire| wire.ends()) {
            all.push(Difference::new("connection", "closed by the server", "still open"));
        }
    }

    fn keep(&mut self, call: &Call, response: &Response, all: &mut Vec<Difference>) {
        let Some(body) = response.json() else { return };
        if let Some(upid) = body["data"].as_str().filter(|data| data.starts_with("UPID:")) {
            self.kept.insert("task".to_owned(), upid.to_owned());
        }
        for (name, pointer) in &call.keep {
            match body.pointer(pointer).and_then(Value::as_str) {
                Some(value) => {
                    self.kept.insert(name.clone(), value.to_owned());
                }
                None => all.push(Difference::new(pointer, "a text to keep", body.to_string())),
            }
        }
    }

    fn request(&self, call: &Call) -> Vec<u8> {
        let (method, path) = call.call.split_once(' ').expect("a method and a path");
        let path = self.path(path);
        let path = if path.starts_with("/api2/") { path } else { format!("/api2/json{path}") };
        let query: Vec<String> =
            call.query.iter().map(|(name, value)| pair(name, &fill(&self.kept, value))).collect();
        let target = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
        let (kind, body) = match (&call.form, &call.json) {
            (Some(form), _) => ("application/x-www-form-urlencoded", self.form(form)),
            (None, Some(json)) => ("application/json", json.clone()),
            (None, None) => ("", String::new()),
        };
        let mut head: Vec<(String, String)> = vec![("Host".to_owned(), self.sim.address().to_string())];
        let caller = call.caller.as_deref().unwrap_or("root");
        let authorization =
            self.callers.get(caller).unwrap_or_else(|| panic!("no caller {caller} in callers.json"));
        if let Some(authorization) = authorization {
            head.push(("Authorization".to_owned(), authorization.clone()));
        }
        if !kind.is_empty() {
            head.push(("Content-Type".to_owned(), kind.to_owned()));
        }
        let chunked = call.head.contains_key("Transfer-Encoding");
        let has_length = !body.is_empty() || matches!(method, "POST" | "PUT");
        if has_length && !call.no_length && !chunked {
            head.push(("Content-Length".to_owned(), body.len().to_string()));
        }
        for (name, value) in &call.head {
            head.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            head.push((name.clone(), text(value)));
        }
        let head: String = head.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{method} {target} HTTP/1.1\r\n{head}\r\n{body}").into_bytes()
    }

    fn form(&self, form: &BTreeMap<String, Value>) -> String {
        let mut pairs = Vec::new();
        for (name, value) in form {
            match value {
                Value::Array(values) => pairs.extend(values.iter().map(|value| pair(name, &text(value)))),
                value => pairs.push(pair(name, &fill(&self.kept, &text(value)))),
            }
        }
        pairs.join("&")
    }

    /// `${name}` escaped, `${name!}` as it is.
    fn path(&self, path: &str) -> String {
        self.kept.iter().fold(path.to_owned(), |path, (name, value)| {
            let escaped = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
            path.replace(&format!("${{{name}}}"), &escaped).replace(&format!("${{{name}!}}"), value)
        })
    }

    /// Waits for the task and compares its end.
    fn follow(&mut self, call: &Call, task: &Task) -> Vec<Difference> {
        let name = call.of.as_deref().unwrap_or("task");
        let Some(upid) = self.kept.get(name).cloned() else {
            return vec![Difference::new("task", "a UPID", "none")];
        };
        let (status, log) = match self.ended(&upid, task) {
            Ok(ended) => ended,
            Err(what) => return vec![Difference::new("task", "its end", what)],
        };
        let expected = expected_status(&upid, task);
        let mut all = differences("task status", &expected, &status["data"]);
        if let Some(lines) = &task.lines {
            let rows = log["data"].as_array().cloned().unwrap_or_default();
            let numbers: Vec<Value> = rows.iter().map(|row| row["n"].clone()).collect();
            let texts: Vec<Value> = rows.iter().map(|row| row["t"].clone()).collect();
            all.extend(differences("task log", lines, &Value::Array(texts)));
            all.extend(differences("task log numbers", &(1..=rows.len()).collect(), &numbers.into()));
            all.extend(differences("task log total", &json!(rows.len()), &log["total"]));
        }
        all
    }

    fn ended(&mut self, upid: &str, task: &Task) -> Result<Ended, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.read(upid, "status", task)?;
            if status["data"]["status"] == "stopped" {
                return self.read(upid, "log?limit=500", task).map(|log| (status, log));
            }
            if Instant::now() > deadline {
                return Err(format!("still {status}"));
            }
            sleep(Duration::from_millis(5));
        }
    }

    fn read(&mut self, upid: &str, what: &str, task: &Task) -> Result<Value, String> {
        let caller = task.caller.as_deref().unwrap_or("root");
        let escaped = utf8_percent_encode(upid, NON_ALPHANUMERIC);
        let (target, host) = (format!("/api2/json/nodes/pve/tasks/{escaped}/{what}"), self.sim.address());
        let authorization = self.callers[caller].clone().unwrap_or_default();
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n\r\n");
        let response = self.exchange(request.as_bytes(), false).map_err(|err| err.to_string())?;
        let response = response.ok_or("no answer")?;
        if !response.goes_on() {
            self.wire = None;
        }
        let body = response.json().filter(|_| response.status == 200);
        body.ok_or_else(|| format!("{} {}", response.status, response.reason))
    }
}

/// The whole document of a stopped task.
fn expected_status(upid: &str, task: &Task) -> Value {
    let parts: Vec<&str> = upid.split(':').collect();
    let number = |index: usize| parts.get(index).and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let auth_id = parts.get(7).copied().unwrap_or_default();
    let (user, token) = auth_id.split_once('!').unwrap_or((auth_id, ""));
    json!({
        "upid": upid, "node": "pve", "pid": number(2), "pstart": number(3), "starttime": number(4),
        "type": parts.get(5), "id": parts.get(6), "user": user, "tokenid": token,
        "status": "stopped", "exitstatus": task.exit,
    })
}

fn compare_headers(call: &Call, response: &Response, all: &mut Vec<Difference>) {
    let mut one = |name: &str, expected: &[&str]| {
        let found = response.header(name);
        if found != expected {
            all.push(Difference::new(name, expected.join(", "), found.join(", ")));
        }
    };
    one("Server", &["pve-api-daemon/3.0"]);
    one("Cache-Control", &["max-age=0"]);
    one("Pragma", &["no-cache"]);
    one("Transfer-Encoding", &[]);
    one("Content-Encoding", &[]);
    if call.loose_body {
        return;
    }
    let length = response.body.len().to_string();
    let lengths = [length.as_str()];
    one("Content-Length", if call.empty { &[] } else { &lengths });
    let json = ["application/json;charset=UTF-8"];
    one("Content-Type", if call.empty || call.text.is_some() { &[] } else { &json });
}

fn compare_body(
    call: &Call,
    kept: &BTreeMap<String, String>,
    response: &Response,
    all: &mut Vec<Difference>,
) {
    let body = String::from_utf8_lossy(&response.body);
    if call.loose_body {
        return;
    }
    if call.empty || call.text.is_some() {
        let expected = call.text.as_deref().unwrap_or_default();
        if body != expected {
            all.push(Difference::new("body", expected, body));
        }
        return;
    }
    let Some(found) = response.json() else {
        all.push(Difference::new("body", "JSON", body));
        return;
    };
    let expected = if let Some(keys) = &call.bodyhas {
        let mut keys = json!(keys);
        keys["..."] = json!(true);
        keys
    } else if response.status >= 400 {
        let message = call.message.clone().unwrap_or_else(|| format!("{}\n", response.reason));
        let mut body = json!({ "data": null, "message": message });
        if let Some(errors) = &call.errors {
            body["errors"] = errors.clone();
        }
        body
    } else {
        let Some(data) = &call.data else { return };
        let mut body = json!({ "data": filled(kept, data) });
        if let Some(total) = &call.total {
            body["total"] = total.clone();
        }
        body
    };
    all.extend(differences("", &expected, &found));
}

fn pair(name: &str, value: &str) -> String {
    format!(
        "{}={}",
        utf8_percent_encode(name, NON_ALPHANUMERIC),
        utf8_percent_encode(value, NON_ALPHANUMERIC)
    )
}

/// A text with `${name}` (or `${name!}`) replaced by what was kept.
fn fill(kept: &BTreeMap<String, String>, text: &str) -> String {
    if !text.contains("${") {
        return text.to_owned();
    }
    kept.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), value).replace(&format!("${{{name}!}}"), value)
    })
}

fn filled(kept: &BTreeMap<String, String>, value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(fill(kept, text)),
        Value::Array(values) => values.iter().map(|value| filled(kept, value)).collect(),
        Value::Object(keys) => keys.iter().map(|(key, value)| (key.clone(), filled(kept, value))).collect(),
        other => other.clone(),
    }
}

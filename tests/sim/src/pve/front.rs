//! What stands between a socket and the [`World`]: pveproxy's and the REST handler's checks, in their order.
//! Method, authentication, body, route, declared permission, node, pvedaemon, parameters; then the call itself.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::answer::{self, Formatter, From};
use super::params::{Param, Params, parse_form, parse_json};
use super::schema::{Method, Route, schema};
use super::{access_calls, cost, permission};
use crate::api::{ApiError, Call, Caller, Reply};
use crate::node::{self, World};
use crate::server::{Answer, Faults, Limits, Log, Pending, Request, Response, Service};

/// What of the node is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// Every protected call answers 595; reads that pveproxy answers itself go on.
    pub pvedaemon_down: bool,
    /// Every request answers 500 after a while, whatever its token.
    pub pmxcfs_down: bool,
    /// Answers errors as nodes did before 2025: the text is in the reason phrase only.
    pub old_errors: bool,
}

/// The web server's side of the node.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) world: Mutex<World>,
    pub(super) faults: Faults,
    pub(super) log: Log,
    pub(super) conditions: Mutex<Conditions>,
    time_scale: f64,
    cost: f64,
    idle: Duration,
}

impl Front {
    pub(super) fn new(world: World, time_scale: f64, cost: f64, idle: Duration) -> Self {
        Self {
            world: Mutex::new(world),
            faults: Faults::default(),
            log: Log::default(),
            conditions: Mutex::default(),
            time_scale,
            cost,
            idle,
        }
    }

    fn scaled(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds * self.time_scale)
    }

    fn now(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    /// The refusals of the HTTP layer before and after authentication, which look at the head only.
    fn refuse_head(&self, request: &Request) -> Option<(Answer, Option<Caller>)> {
        let now = self.now();
        let bare = |status, reason: &str| Some((answer::bare(status, reason, now), None));
        let method = request.method.as_str();
        if !["GET", "POST", "PUT", "DELETE"].contains(&method) {
            return bare(501, &format!("method '{method}' not available"));
        }
        if request.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return bare(501, "chunked transfer encoding not supported");
        }
        if !request.tidy_path().starts_with("/api2/") {
            return bare(404, &format!("no such file '{}'", request.path));
        }
        if self.conditions.lock().unwrap().pmxcfs_down {
            let reason =
                "RPCEnvironment init request failed: Unable to load access control list: Connection refused";
            let mut late = answer::bare(500, reason, now);
            late.delay = self.scaled(3.0);
            return Some((late, None));
        }
        let caller = match self.authenticate(request) {
            Ok(caller) => caller,
            Err(refused) => return Some((refused, None)),
        };
        let refusal = self.refuse_body(request, now)?;
        Some((refusal, Some(caller)))
    }

    fn authenticate(&self, request: &Request) -> Result<Caller, Answer> {
        let mut world = self.world.lock().unwrap();
        world.advance();
        let now = world.now();
        world.access.authenticate(request.header("authorization"), now).map_err(|refused| {
            // Always late, so that secrets cannot be tried out quickly.
            let mut late = answer::bare(401, refused.reason(), self.now());
            late.delay = self.scaled(3.0);
            late
        })
    }

    fn refuse_body(&self, request: &Request, now: u64) -> Option<Answer> {
        let length = request.content_length();
        if length == 0 {
            return None;
        }
        if matches!(request.method.as_str(), "GET" | "DELETE") {
            let reason = format!("Unexpected content for method '{}'", request.method);
            return Some(answer::bare(501, &reason, now));
        }
        if length > MOST_BODY {
            return Some(answer::bare(501, "for data too large", now));
        }
        let kind = request.header("content-type").unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if matches!(essence, "" | FORM | JSON) {
            return None;
        }
        Some(answer::bare(506, &format!("upload 'Content-Type '{kind}' not implemented"), now))
    }

    /// The rest, for a request that has come in whole.
    fn call(&self, request: &Request, pending: &Pending<'_>) -> Answer {
        let now = self.now();
        let old = self.conditions.lock().unwrap().old_errors;
        let (formatter, path) = split_path(&request.tidy_path());
        let Some(formatter) = formatter else {
            return answer::bare(501, &format!("no such uri '{}'", request.path), now);
        };
        let given = match read_params(request) {
            Ok(given) => given,
            Err(perl) => return answer::text(500, &perl, now),
        };
        pending.note(|call| {
            call.params = given.iter().map(|(key, value)| (key.clone(), as_text(value))).collect()
        });
        let caller = match self.authenticate(request) {
            Ok(caller) => caller,
            Err(refused) => return refused,
        };
        pending.note(|call| call.caller = Some(caller.auth_id.clone()));
        match self.checked(request, &path, given, caller) {
            Ok((call, method)) => match self.work(&call, method, pending) {
                Ok(reply) => {
                    let from = if method.is_protected() { From::Daemon } else { From::Proxy };
                    answer::success(&reply, from, formatter, now)
                }
                Err(error) => answer::refusal(&error, formatter, old, now),
            },
            Err(error) => answer::refusal(&error, formatter, old, now),
        }
    }

    fn checked(
        &self,
        request: &Request,
        path: &str,
        mut params: Params,
        caller: Caller,
    ) -> Result<(Call, &'static Method), ApiError> {
        let method = request.method.as_str();
        let found = schema().find(method, path);
        let (route, declared, variables) =
            found.ok_or_else(|| ApiError::new(501, format!("Method '{method} {path}' not implemented")))?;
        for (name, value) in variables {
            if params.insert(name.clone(), Param::Text(value)).is_some() {
                return Err(ApiError::parameter(&name, "duplicate parameter (already defined in URI)"));
            }
        }
        if declared.needs_ticket() {
            let text = format!(
                "Permission check failed (URI '{path}' not available with API token, need proper ticket.)"
            );
            return Err(ApiError::new(403, text));
        }
        let mut texts: BTreeMap<String, String> =
            params.iter().map(|(key, value)| (key.clone(), as_text(value))).collect();
        let name = {
            let world = self.world.lock().unwrap();
            permission::check(&world.access, &caller, &declared.permissions, &texts)?;
            find_node(&world, route, &texts)?;
            world.name.clone()
        };
        if declared.is_protected() && self.conditions.lock().unwrap().pvedaemon_down {
            return Err(ApiError { empty_body: true, ..ApiError::new(595, "Connection refused") });
        }
        schema().check(declared, &params)?;
        if texts.get("node").is_some_and(|node| node == "localhost") {
            texts.insert("node".to_owned(), name);
        }
        let call = Call { method: method.to_owned(), route: route.path.clone(), params: texts, caller };
        Ok((call, declared))
    }

    /// Waits for what a real node waits for, works, and charges what it costs; never under the world's lock.
    fn work(&self, call: &Call, method: &Method, pending: &Pending<'_>) -> Result<Reply, ApiError> {
        let start = Instant::now();
        let result = loop {
            let mut world = self.world.lock().unwrap();
            let patience = self.scaled(world.pace.flock_wait);
            if start.elapsed() >= patience || !node::would_wait(&mut world, call) {
                pending.note(|call| call.worked = true);
                break match access_calls::dispatch(&mut world, call) {
                    Some(result) => result,
                    None => node::dispatch(&mut world, call),
                };
            }
            drop(world);
            std::thread::sleep(Duration::from_millis(2).min(patience));
        };
        if self.cost > 0.0 {
            let whole = cost::of(call, method.is_protected(), result.as_ref().ok()).mul_f64(self.cost);
            std::thread::sleep(whole.saturating_sub(start.elapsed()));
        }
        result
    }
}

const MOST_BODY: usize = 512 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

impl Service for Front {
    fn limits(&self) -> Limits {
        Limits { head_bytes: 8 * 1024, body_bytes: MOST_BODY, idle: self.idle }
    }

    fn head(&self, request: &Request, connection: u64) -> Option<Answer> {
        let (answer, caller) = self.refuse_head(request)?;
        let (_, path) = split_path(&request.tidy_path());
        let pending = self.log.begin(connection, &request.method, &path);
        pending.note(|call| call.caller = caller.map(|caller| caller.auth_id));
        let hit = self.faults.hit(&request.method, &path);
        pending.note(|call| call.faulted = !hit.is_empty());
        let answer = hit.before().unwrap_or_else(|| hit.after(answer));
        pending.answered(answer.response.status, &answer.response.reason);
        Some(answer)
    }

    fn answer(&self, request: &Request, connection: u64) -> Answer {
        let (_, path) = split_path(&request.tidy_path());
        let pending = self.log.begin(connection, &request.method, &path);
        let hit = self.faults.hit(&request.method, &path);
        pending.note(|call| call.faulted = !hit.is_empty());
        let answer = match hit.before() {
            Some(answer) => answer,
            None => {
                self.faults.before_work(&hit);
                hit.after(self.call(request, &pending))
            }
        };
        pending.answered(answer.response.status, &answer.response.reason);
        self.faults.before_answer(&hit);
        answer
    }

    fn plain_on_tls(&self, request: &Request) -> Option<Response> {
        let host = request.header("host").unwrap_or("localhost");
        let location = format!("https://{host}{}", request.path);
        Some(answer::dressed(301, "Moved Permanently", &["close"], self.now()).header("Location", &location))
    }
}

/// `/api2/json/nodes` is `/nodes` in JSON.
fn split_path(tidy: &str) -> (Option<Formatter>, String) {
    let whole = |rest: &str| if rest.is_empty() { "/".to_owned() } else { rest.to_owned() };
    for (prefix, formatter) in [("/api2/json", Formatter::Json), ("/api2/extjs", Formatter::ExtJs)] {
        match tidy.strip_prefix(prefix) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => return (Some(formatter), whole(rest)),
            _ => {}
        }
    }
    (None, tidy.to_owned())
}

/// Query and body together; what both name becomes an array.
fn read_params(request: &Request) -> Result<Params, String> {
    let query = request.query.as_deref().unwrap_or_default();
    if request.header("content-type").is_some_and(|kind| kind.starts_with(JSON)) && !request.body.is_empty() {
        let mut params = parse_json(&request.body)?;
        params.extend(parse_form(query));
        return Ok(params);
    }
    let body = String::from_utf8_lossy(&request.body);
    Ok(parse_form(&format!("{query}&{body}")))
}

fn as_text(value: &Param) -> String {
    match value {
        Param::Text(text) => text.clone(),
        Param::Many(values) => values.join(","),
        Param::Object => String::new(),
    }
}

/// The call goes to another node if it names one.
fn find_node(world: &World, route: &Route, params: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let Some(node) = params.get("node").filter(|_| route.path.starts_with("/nodes/{node}/")) else {
        return Ok(());
    };
    if node == "localhost" || *node == world.name {
        return Ok(());
    }
    if world.other_nodes.iter().any(|other| other.name == *node) {
        return Err(ApiError { empty_body: true, ..ApiError::new(595, "Connection refused") });
    }
    let text = format!(
        "hostname lookup '{node}' failed - failed to get address info for: {node}: Name or service not known"
    );
    Err(ApiError::new(500, text))
}

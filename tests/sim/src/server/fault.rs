//! Faults by rule: which calls go wrong, how, and how often.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::wire::{Answer, Delivery, Response};

/// Which calls, from which on, how many of them, and what happens to them. As JSON:
/// `{"method":"POST","path":"/status/start","nth":2,"count":1,"action":"drop_after"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Every method if absent.
    #[serde(default)]
    pub method: Option<String>,
    /// A part of the path (without `/api2/json`, decoded); empty is every path.
    #[serde(default)]
    pub path: String,
    /// The first matching call that is hit, from 1.
    #[serde(default = "first")]
    pub nth: u32,
    /// How many are hit; all from then on if absent.
    #[serde(default)]
    pub count: Option<u32>,
    #[serde(flatten)]
    pub action: Action,
}

fn first() -> u32 {
    1
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// The answer comes this much later (real time); the work is done at once.
    Delay { ms: u64 },
    /// The work is done this much later (real time).
    DelayWork { ms: u64 },
    /// The work is done at once; the answer comes when the rule is taken away, and not before.
    Hold,
    /// The work is done when the rule is taken away.
    HoldWork,
    /// The connection breaks and nothing was done.
    DropBefore,
    /// The work is done and the connection breaks without an answer.
    DropAfter,
    /// This status instead of an answer; the work is done if `after`. 595 and its kin have no body.
    Status {
        status: u16,
        #[serde(default)]
        reason: String,
        /// Absent: no body, no length, and the connection ends.
        #[serde(default)]
        body: Option<String>,
        #[serde(default)]
        headers: Vec<(String, String)>,
        #[serde(default)]
        after: bool,
    },
    /// The answer's own status with this body.
    Body { body: String },
    /// The answer's reason phrase is replaced (and `message` with it is not: older nodes have none).
    Reason { reason: String },
    /// The connection breaks after this many bytes of the body.
    Cut { at: usize },
    /// A body of the right length that is neither JSON nor UTF-8.
    Garble,
    /// Ten gigabytes.
    Endless,
    /// One byte of the body at a time.
    Drip { ms: u64 },
    /// The body under a false `Content-Length`.
    FalseLength { length: u64 },
}

const DRESS: [(&str, &str); 3] =
    [("Cache-Control", "max-age=0"), ("Pragma", "no-cache"), ("Server", "pve-api-daemon/3.0")];

impl Rule {
    /// Hits every call; narrow it with the methods below.
    pub fn new(action: Action) -> Self {
        Self { method: None, path: String::new(), nth: 1, count: None, action }
    }

    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    pub fn path(mut self, part: &str) -> Self {
        part.clone_into(&mut self.path);
        self
    }

    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = nth;
        self
    }

    pub fn times(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    pub fn once(self) -> Self {
        self.times(1)
    }
}

impl Action {
    /// This status with an empty body, without doing the work: `595 Connection refused`.
    pub fn status(status: u16, reason: &str) -> Self {
        Self::Status { status, reason: reason.to_owned(), body: None, headers: Vec::new(), after: false }
    }

    /// The same after the work was done.
    pub fn status_after(status: u16, reason: &str) -> Self {
        Self::Status { status, reason: reason.to_owned(), body: None, headers: Vec::new(), after: true }
    }

    /// A refusal as Proxmox words it, with `message` in the body; `after` says whether the work was done all the same.
    pub fn refusal(status: u16, reason: &str, after: bool) -> Self {
        let body = serde_json::json!({ "data": null, "message": format!("{reason}\n") }).to_string();
        let headers = vec![("Content-Type".to_owned(), "application/json;charset=UTF-8".to_owned())];
        Self::Status { status, reason: reason.to_owned(), body: Some(body), headers, after }
    }

    /// `302` to another address.
    pub fn redirect(to: &str) -> Self {
        Self::Status {
            status: 302,
            reason: "Found".to_owned(),
            body: Some(String::new()),
            headers: vec![("Location".to_owned(), to.to_owned())],
            after: false,
        }
    }

    /// `429` with `Retry-After`.
    pub fn too_many(retry_after_s: u64) -> Self {
        Self::Status {
            status: 429,
            reason: "Too Many Requests".to_owned(),
            body: Some(String::new()),
            headers: vec![("Retry-After".to_owned(), retry_after_s.to_string())],
            after: false,
        }
    }

    fn stands_before_work(&self) -> bool {
        matches!(self, Self::DropBefore | Self::Status { after: false, .. })
    }

    fn apply(&self, answer: &mut Answer) {
        match self {
            Self::Delay { ms } => answer.delay += Duration::from_millis(*ms),
            Self::DelayWork { .. } | Self::Hold | Self::HoldWork => {}
            Self::DropBefore | Self::DropAfter => {
                *answer = Answer { delay: answer.delay, ..Answer::nothing() }
            }
            Self::Status { status, reason, body, headers, .. } => {
                // A status of pveproxy's own is dressed as its answers are; others are of whoever stands between.
                let own: &[(&str, &str)] = if matches!(status, 595..=599) { &DRESS } else { &[] };
                let response = Response {
                    status: *status,
                    reason: reason.clone(),
                    headers: headers
                        .iter()
                        .cloned()
                        .chain([("Connection".to_owned(), "close".to_owned())])
                        .chain(own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
                        .collect(),
                    body: body.clone().map(String::into_bytes),
                };
                *answer = Answer { delay: answer.delay, ..Answer::close(response) };
            }
            Self::Body { body } => answer.response.body = Some(body.clone().into_bytes()),
            Self::Reason { reason } => reason.clone_into(&mut answer.response.reason),
            Self::Cut { at } => answer.delivery = Delivery::Cut(*at),
            Self::Garble => answer.delivery = Delivery::Garbled,
            Self::Endless => answer.delivery = Delivery::Endless,
            Self::Drip { ms } => answer.delivery = Delivery::Drip(Duration::from_millis(*ms)),
            Self::FalseLength { length } => answer.delivery = Delivery::FalseLength(*length),
        }
    }
}

/// The rules in force. Shared by the server's threads and the test.
#[derive(Debug, Default)]
pub struct Faults {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    rules: Vec<Active>,
}

#[derive(Debug)]
struct Active {
    id: u64,
    rule: Rule,
    /// Matching calls so far.
    seen: u32,
}

/// The actions that hit one call, each with its rule.
#[derive(Clone, Debug, Default)]
pub struct Hit(Vec<(u64, Action)>);

/// A rule that nobody takes away holds nothing for ever.
const LONGEST_HOLD: Duration = Duration::from_secs(300);

impl Faults {
    pub fn add(&self, rule: Rule) -> u64 {
        let mut inner = self.inner.lock().unwrap();
        inner.next += 1;
        let id = inner.next;
        inner.rules.push(Active { id, rule, seen: 0 });
        id
    }

    pub fn remove(&self, id: u64) {
        self.inner.lock().unwrap().rules.retain(|active| active.id != id);
    }

    pub fn clear(&self) {
        self.inner.lock().unwrap().rules.clear();
    }

    /// How many matching calls a rule has seen, hit or not; `None` if there is no such rule.
    pub fn seen(&self, id: u64) -> Option<u32> {
        self.inner.lock().unwrap().rules.iter().find(|active| active.id == id).map(|active| active.seen)
    }

    pub fn list(&self) -> Vec<(u64, Rule, u32)> {
        let inner = self.inner.lock().unwrap();
        inner.rules.iter().map(|active| (active.id, active.rule.clone(), active.seen)).collect()
    }

    /// Counts the call and says what hits it.
    pub fn hit(&self, method: &str, path: &str) -> Hit {
        let mut inner = self.inner.lock().unwrap();
        let mut actions = Vec::new();
        for active in &mut inner.rules {
            let rule = &active.rule;
            if rule.method.as_deref().is_some_and(|wanted| wanted != method) || !path.contains(&rule.path) {
                continue;
            }
            active.seen += 1;
            let past = rule.count.is_some_and(|count| active.seen >= rule.nth.saturating_add(count));
            if active.seen >= rule.nth && !past {
                actions.push((active.id, rule.action.clone()));
            }
        }
        Hit(actions)
    }

    /// Waits as long as the call's work is delayed or held.
    pub fn before_work(&self, hit: &Hit) {
        let delays = hit.0.iter().map(|(_, action)| match action {
            Action::DelayWork { ms } => Duration::from_millis(*ms),
            _ => Duration::ZERO,
        });
        std::thread::sleep(delays.sum());
        self.while_held(hit, &Action::HoldWork);
    }

    /// Waits as long as the call's answer is held.
    pub fn before_answer(&self, hit: &Hit) {
        self.while_held(hit, &Action::Hold);
    }

    fn while_held(&self, hit: &Hit, by: &Action) {
        let end = Instant::now() + LONGEST_HOLD;
        let is_held = || hit.0.iter().any(|(id, action)| action == by && self.seen(*id).is_some());
        while is_held() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Hit {
    /// The answer of a call that is never worked on.
    pub fn before(&self) -> Option<Answer> {
        self.0.iter().find(|(_, action)| action.stands_before_work())?;
        let mut answer = Answer::nothing();
        self.0.iter().for_each(|(_, action)| action.apply(&mut answer));
        Some(answer)
    }

    /// Changes the answer of a call that was worked on.
    pub fn after(&self, mut answer: Answer) -> Answer {
        self.0.iter().for_each(|(_, action)| action.apply(&mut answer));
        answer
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Faults, Rule};

    #[test]
    fn a_rule_hits_the_calls_it_names_and_no_other() {
        let faults = Faults::default();
        let id = faults.add(Rule::new(Action::DropAfter).method("POST").path("/start").nth(2).once());
        let hits: Vec<bool> = [
            ("GET", "/lxc/101/status/start"),
            ("POST", "/lxc/101/status/start"),
            ("POST", "/lxc/101/status/stop"),
            ("POST", "/lxc/102/status/start"),
            ("POST", "/lxc/103/status/start"),
        ]
        .into_iter()
        .map(|(method, path)| !faults.hit(method, path).is_empty())
        .collect();
        assert_eq!(hits, [false, false, false, true, false]);
        assert_eq!(faults.seen(id), Some(3));
    }

    #[test]
    fn rules_are_read_from_json() {
        let text =
            r#"{"path":"/config","count":1,"action":"status","status":595,"reason":"Connection refused"}"#;
        let rule: Rule = serde_json::from_str(text).unwrap();
        assert_eq!(rule, Rule::new(Action::status(595, "Connection refused")).path("/config").once());
    }
}

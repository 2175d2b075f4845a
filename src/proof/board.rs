//! What is known of backups and restore tests: the jobs under way, and how the last ones ended.
//!
//! *Owns* `proof.json` in the state directory, which holds the results and the restore test that is under way. A private lock; it
//! calls nobody back. Jobs and results are JSON from the start: they are told as they are.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use super::document::{member, put, text};
use crate::clock;
use crate::model::guest::{GuestId, Vmid};
use crate::model::sorted;
use crate::model::time::Timestamp;
use crate::paths::StateDir;

const FILE: &str = "proof.json";
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Jobs that are remembered once they have ended, for whoever asked for them.
const ENDED: usize = 32;

/// Restore tests of one guest that are kept, and of all.
const OF_ONE: usize = 3;
const TESTS: usize = 500;

/// Backups of which it is remembered what they were made of.
const BOUND: usize = 1_000;

#[derive(Debug)]
pub struct Board {
    /// `None`: nothing is kept.
    state: Option<StateDir>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    next: u64,
    jobs: VecDeque<Value>,
    /// By vmid: the last backup that was ordered, and how it ended.
    backups: Map<String, Value>,
    /// Oldest first.
    tests: Vec<Value>,
    /// Of backups that were looked into: `{"volid", "ident"}`, the incarnation that each was made of. The newest look last.
    bound: Vec<Value>,
    /// The restore test that is under way.
    testing: Value,
}

/// A job that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    New(u64),
    /// The same is under way already.
    Known(u64),
}

impl Board {
    /// As it was when the agent last ran. A test that was under way then is of unknown end.
    pub fn recall(state: Option<StateDir>) -> Self {
        let kept = state.as_ref().map(|state| state.read(FILE, MAX_BYTES));
        let document: Value = match kept {
            Some(Ok(Some(bytes))) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                log::error!(
                    "{FILE} cannot be read, and no backup or restore test of before is known: {error}"
                );
                Value::Null
            }),
            Some(Err(error)) => {
                log::error!("no backup or restore test of before is known: {error}");
                Value::Null
            }
            Some(Ok(None)) | None => Value::Null,
        };
        let kept = |name: &str| member(&document, name).clone();
        let list = |name: &str| if let Value::Array(list) = kept(name) { list } else { Vec::new() };
        let backups = kept("backups");
        let mut inner = Inner {
            // Not 1 again: whoever asked before a restart must not take another job for his own.
            next: clock::now().unix(),
            jobs: VecDeque::new(),
            backups: if let Value::Object(backups) = backups { backups } else { Map::new() },
            tests: list("restore_tests"),
            bound: list("incarnations"),
            testing: Value::Null,
        };
        let testing = kept("testing");
        let board = |inner| Self { state, inner: Mutex::new(inner) };
        if let Value::Object(mut interrupted) = testing {
            let now = clock::now();
            let began = interrupted
                .get("started_at")
                .and_then(Value::as_str)
                .and_then(|text| Timestamp::parse(text).ok());
            interrupted.insert("finished_at".to_owned(), json!(now));
            interrupted
                .insert("seconds".to_owned(), json!(began.map_or(0, |began| now.seconds_since(began))));
            interrupted.insert("result".to_owned(), json!(super::UNCERTAIN));
            interrupted.insert("code".to_owned(), json!("interrupted"));
            interrupted.insert("message".to_owned(), json!("the agent ended while it was under way"));
            interrupted.insert("checks".to_owned(), json!([]));
            inner.keep_test(Value::Object(interrupted));
            let board = board(inner);
            board.write(&board.lock());
            return board;
        }
        board(inner)
    }

    /// The restore tests that a daemon keeps; for whoever only reads.
    pub fn kept(state_dir: &Path) -> Vec<Value> {
        let document: Value = std::fs::read(state_dir.join(FILE))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        member(&document, "restore_tests").as_array().cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a job that was asked for, `backup` or `restore_test` of a guest.
    pub fn open(&self, what: &'static str, vmid: Vmid) -> Opened {
        let mut inner = self.lock();
        let is_it = |job: &&Value| {
            text(job, "what") == what
                && *member(job, "vmid") == json!(vmid)
                && member(job, "result").is_null()
        };
        if let Some(id) = inner.jobs.iter().find(is_it).and_then(|job| member(job, "job").as_u64()) {
            return Opened::Known(id);
        }
        let job = inner.next;
        inner.next += 1;
        inner.jobs.push_back(
            json!({"job": job, "what": what, "vmid": vmid, "phase": "waiting", "since": clock::now()}),
        );
        let mut ended = inner.jobs.iter().filter(|job| !member(job, "result").is_null()).count();
        inner.jobs.retain(|job| {
            let goes = ended > ENDED && !member(job, "result").is_null();
            ended -= usize::from(goes);
            !goes
        });
        Opened::New(job)
    }

    pub fn phase(&self, job: u64, phase: &str) {
        self.tell(job, "phase", json!(phase));
    }

    /// Whose task tells how far it is.
    pub fn works_on(&self, job: u64, guest: GuestId) {
        self.tell(job, "guest", json!(guest));
    }

    fn tell(&self, job: u64, name: &str, value: Value) {
        let mut inner = self.lock();
        if let Some(Value::Object(job)) = inner.jobs.iter_mut().find(|one| *member(one, "job") == json!(job))
        {
            job.insert(name.to_owned(), value);
        }
    }

    /// Before the first step of a restore test.
    pub(super) fn begin_test(&self, about: Value) {
        let mut inner = self.lock();
        inner.testing = about;
        self.write(&inner);
    }

    /// The end of a job; it is durable when this returns.
    pub fn end(&self, job: u64, result: Value) {
        let mut inner = self.lock();
        let Some(ended) = inner.jobs.iter_mut().find(|one| *member(one, "job") == json!(job)) else { return };
        let is_backup = text(ended, "what") == "backup";
        put(ended, "phase", json!("ended"));
        put(ended, "result", result.clone());
        say(ended);
        if is_backup {
            inner.backups.insert(member(&result, "vmid").to_string(), result);
        } else {
            inner.testing = Value::Null;
            inner.keep_test(result);
        }
        self.write(&inner);
    }

    /// The end of a job that was not begun.
    pub fn refuse(&self, job: u64, code: &'static str, message: String) {
        let vmid = self.job(job).map(|job| member(&job, "vmid").clone());
        if let Some(vmid) = vmid {
            self.end(job, super::refused(&vmid, code, message));
        }
    }

    /// What a backup is a backup of, as it was found out. Durable with the end of the job that looked.
    pub(super) fn bind(&self, volid: &str, ident: &str) {
        let bound = &mut self.lock().bound;
        bound.retain(|one| text(one, "volid") != volid);
        bound.push(json!({"volid": volid, "ident": ident}));
        let old = bound.len().saturating_sub(BOUND);
        bound.drain(..old);
    }

    /// The incarnations that backups are known to be of, by volume.
    pub fn incarnations(&self) -> sorted::Map<String, String> {
        let inner = self.lock();
        inner.bound.iter().map(|one| (text(one, "volid").to_owned(), text(one, "ident").to_owned())).collect()
    }

    /// Whether a restore test found that somebody has this number whom the node does not list.
    pub fn was_taken(&self, vmid: Vmid) -> bool {
        let inner = self.lock();
        inner
            .tests
            .iter()
            .any(|test| text(test, "code") == "taken" && *member(test, "scratch") == json!(vmid))
    }

    /// Whether a job of this sort has not ended.
    pub fn is_busy(&self, what: &str) -> bool {
        self.lock().jobs.iter().any(|job| text(job, "what") == what && member(job, "result").is_null())
    }

    pub fn job(&self, job: u64) -> Option<Value> {
        self.lock().jobs.iter().find(|one| *member(one, "job") == json!(job)).cloned()
    }

    /// The jobs that have not ended.
    pub fn under_way(&self) -> Vec<Value> {
        self.lock().jobs.iter().filter(|job| member(job, "result").is_null()).cloned().collect()
    }

    /// Everything: `{"jobs": […], "backups": {…}, "restore_tests": […]}`.
    pub fn document(&self) -> Value {
        let inner = self.lock();
        json!({"jobs": inner.jobs, "backups": inner.backups, "restore_tests": inner.tests})
    }

    pub fn restore_tests(&self) -> Vec<Value> {
        self.lock().tests.clone()
    }

    /// When this was last done for a guest, well or badly, and when it was last tried; in unix seconds, 0 for never.
    pub fn last(&self, what: &str, vmid: Vmid) -> (u64, u64) {
        let inner = self.lock();
        let ended = |result: &Value| {
            member(result, "finished_at")
                .as_str()
                .and_then(|text| Timestamp::parse(text).ok())
                .map_or(0, Timestamp::unix)
        };
        let is_done =
            |result: &Value| matches!(member(result, "result").as_str(), Some("passed" | "done" | "failed"));
        let of_it: Vec<&Value> = match what {
            "backup" => inner.backups.get(&vmid.to_string()).into_iter().collect(),
            _ => inner.tests.iter().filter(|test| *member(test, "vmid") == json!(vmid)).collect(),
        };
        let tried = of_it.iter().map(|result| ended(result)).max().unwrap_or(0);
        let done =
            of_it.iter().filter(|result| is_done(result)).map(|result| ended(result)).max().unwrap_or(0);
        (done, tried)
    }

    fn write(&self, inner: &Inner) {
        let Some(state) = &self.state else { return };
        let kept = json!({"backups": inner.backups, "restore_tests": inner.tests, "testing": inner.testing,
            "incarnations": inner.bound});
        if let Err(error) = state.write(FILE, kept.to_string().as_bytes()) {
            log::error!("the results of backups and restore tests are not kept: {error}");
        }
    }
}

impl Inner {
    fn keep_test(&mut self, test: Value) {
        let vmid = member(&test, "vmid").clone();
        self.tests.push(test);
        let mut of_it = self.tests.iter().filter(|test| *member(test, "vmid") == vmid).count();
        let mut all = self.tests.len();
        self.tests.retain(|test| {
            let goes = all > TESTS || (of_it > OF_ONE && *member(test, "vmid") == vmid);
            if goes {
                all -= 1;
                of_it -= usize::from(*member(test, "vmid") == vmid);
            }
            !goes
        });
    }
}

/// Into the log: what became of a job.
fn say(job: &Value) {
    let ended = member(job, "result");
    let (result, message) = (text(ended, "result"), text(ended, "message"));
    let level = if matches!(result, "done" | "passed") { log::Level::Info } else { log::Level::Warn };
    let more = if message.is_empty() { text(ended, "volid") } else { message };
    log::log!(level, "{} of {}: {result}: {more}", text(job, "what").replace('_', " "), member(job, "vmid"));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Board, Opened};
    use crate::model::guest::Vmid;
    use crate::paths::StateDir;

    fn vmid(number: u64) -> Vmid {
        Vmid::new(number).unwrap()
    }

    fn ended(vmid: u64, result: &str) -> Value {
        json!({"vmid": vmid, "result": result, "finished_at": "2026-11-21T06:26:55Z"})
    }

    #[test]
    fn results_outlive_the_process_and_a_test_under_way_is_of_unknown_end() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        let board = Board::recall(Some(state.clone()));
        let Opened::New(backup) = board.open("backup", vmid(101)) else { panic!("it is new") };
        assert_eq!(board.open("backup", vmid(101)), Opened::Known(backup));
        board.end(backup, ended(101, "done"));
        assert!(matches!(board.open("backup", vmid(101)), Opened::New(next) if next > backup));
        board.begin_test(
            json!({"vmid": 102, "volid": "store:backup/x", "started_at": "2026-11-21T06:26:55Z"}),
        );
        drop(board);

        let board = Board::recall(Some(state.clone()));
        assert_eq!(board.last("backup", vmid(101)), (1_795_242_415, 1_795_242_415));
        let tests = board.restore_tests();
        assert_eq!(
            (tests.len(), &tests[0]["result"], &tests[0]["volid"]),
            (1, &json!("uncertain"), &json!("store:backup/x"))
        );
        assert_eq!(board.last("restore_test", vmid(102)).0, 0, "it was tried and not done");
        assert_ne!(board.last("restore_test", vmid(102)).1, 0);
        assert_eq!(Board::recall(Some(state)).restore_tests(), tests, "once and for all");
    }

    #[test]
    fn what_a_backup_is_of_outlives_the_process_and_the_oldest_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        let board = Board::recall(Some(state.clone()));
        for number in 0..=super::BOUND {
            board.bind(&format!("store:backup/{number}"), "old");
        }
        board.bind("store:backup/1", "new");
        let Opened::New(job) = board.open("backup", vmid(101)) else { panic!("it is new") };
        board.end(job, ended(101, "done"));
        let known = Board::recall(Some(state)).incarnations();
        assert_eq!(known.len(), super::BOUND);
        let of = |number: usize| known.get(&format!("store:backup/{number}")).map(String::as_str);
        assert_eq!((of(0), of(1), of(2)), (None, Some("new"), Some("old")));
    }

    #[test]
    fn of_each_guest_the_newest_tests_are_kept() {
        let board = Board::recall(None);
        for (number, vmid_number) in [(1, 101), (2, 102), (3, 101), (4, 101), (5, 101)] {
            let Opened::New(job) = board.open("restore_test", vmid(vmid_number)) else { panic!("it is new") };
            let mut result = ended(vmid_number, "passed");
            result["seconds"] = json!(number);
            board.end(job, result);
        }
        let left: Vec<u64> =
            board.restore_tests().iter().filter_map(|test| test["seconds"].as_u64()).collect();
        assert_eq!(left, [2, 3, 4, 5]);
    }

    #[test]
    fn what_cannot_be_read_is_nothing_known() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        for text in ["", "[]", "{\"backups\":1,\"restore_tests\":{},\"testing\":[]}"] {
            state.write(super::FILE, text.as_bytes()).unwrap();
            assert_eq!(Board::recall(Some(state.clone())).restore_tests(), Vec::<Value>::new());
        }
    }
}

//! The calls: which there are, who may make them, and what each answers. No sockets here.

use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use percent_encoding::percent_decode_str;
use rustix::process::geteuid;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::facts::{DoubtFacts, Local, OpFacts};
use super::metrics;
use super::request::Fault;
use crate::control::asked::Planned;
use crate::control::{self, Asked, Event, Query, What};
use crate::journal::Journal;
use crate::model::guest::{GuestId, Vmid};
use crate::model::op::{OpId, RejectCode, Rejected, Via};
use crate::model::time::Timestamp;
use crate::ops::{Door, Submitted};
use crate::proof::document::{member, put, text as told};
use crate::proof::{Board, Opened, Progress};
use crate::reporter::{Collector, Sequence, Source};
use crate::status::AgentStatus;

/// Control answers from memory: if it cannot within this, it is not well.
const CONTROL_WITHIN: Duration = Duration::from_secs(2);

/// Who asks, as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) uid: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Status,
    Plan,
    Explain(String),
    Report,
    Op(String),
    Submit,
    Reconcile,
    /// The guest's number, and the storage if one is named.
    Prove(What, Vmid, Option<String>),
    Proof,
    Metrics,
    Health,
}

/// What the calls are answered from.
#[derive(Debug)]
pub struct Desk {
    control: Sender<Event>,
    /// Where operations are brought to.
    door: Door,
    journal: Arc<Journal>,
    report: Source,
    board: Arc<Board>,
    progress: Progress,
    started_at: Timestamp,
    /// One report is collected at a time; they are counted apart from those for the hub.
    reporting: Mutex<Sequence>,
}

/// The document of `/v1/status`: the agent's status, and what only this machine is told.
#[derive(Serialize)]
struct StatusDocument<'a> {
    #[serde(flatten)]
    status: &'a AgentStatus,
    local: Local,
}

impl Desk {
    pub fn new(
        control: Sender<Event>,
        door: Door,
        journal: Arc<Journal>,
        report: Source,
        board: Arc<Board>,
        started_at: Timestamp,
    ) -> Self {
        let progress = Progress::new(report.connection.clone());
        Self { control, door, journal, report, board, progress, started_at, reporting: Mutex::default() }
    }

    /// Which call is meant, if there is one and this peer may make it.
    pub(super) fn find(&self, method: &str, target: &str, peer: Peer) -> Result<Call, Answer> {
        let call = route(target)?;
        let (allowed, is_change) = match call {
            Call::Submit | Call::Reconcile | Call::Prove(..) => ("POST", true),
            _ => ("GET, HEAD", false),
        };
        if !allowed.split(", ").any(|allowed| allowed == method) {
            let message = format!("this path takes {allowed}");
            return Err(Answer::error(405, "method_not_allowed", &message).allowing(allowed));
        }
        let own = geteuid().as_raw();
        if is_change && peer.uid != 0 && peer.uid != own {
            let message = format!(
                "only root and the daemon's own user (uid {own}) may do this, and this is uid {}",
                peer.uid
            );
            return Err(Answer::error(403, "forbidden", &message));
        }
        Ok(call)
    }

    /// An operation that could not even be read was refused, too.
    pub(super) fn note(&self, call: &Call, fault: &Fault) {
        let (code, detail) = match fault {
            Fault::BodyTooLarge => (RejectCode::TooLarge, "more than 65536 bytes; not read further"),
            Fault::Slow => (RejectCode::Slow, "it was not whole in time"),
            Fault::Gone | Fault::HeadTooLarge | Fault::Bad(_) | Fault::Expectation => return,
        };
        if *call == Call::Submit {
            self.journal.reject(&Rejected::new(code, detail), Via::Socket, crate::clock::now());
        }
    }

    pub(super) fn answer(&self, call: &Call, body: Vec<u8>) -> Answer {
        match call {
            Call::Status => self.status(),
            Call::Plan => self.plan(),
            Call::Explain(resource) => self.explain(resource),
            Call::Report => self.report(),
            Call::Op(op_id) => self.op(op_id),
            Call::Submit => self.submit(body),
            Call::Reconcile => self.reconcile(),
            Call::Prove(what, vmid, storage) => self.prove(*what, *vmid, storage.clone()),
            Call::Proof => self.proof(),
            Call::Metrics => {
                Answer::metrics(metrics::render(self.state().as_ref(), &self.journal, self.started_at))
            }
            Call::Health => match self.state() {
                Some(_) => Answer::text("ok\n"),
                None => silent(),
            },
        }
    }

    fn ask<T>(&self, query: impl FnOnce(Sender<T>) -> Query) -> Option<T> {
        let (reply, replies): (Sender<T>, Receiver<T>) = bounded(1);
        self.control.send(Event::Query(query(reply))).ok()?;
        replies.recv_timeout(CONTROL_WITHIN).ok()
    }

    fn state(&self) -> Option<control::Answer> {
        self.ask(Query::State)
    }

    fn status(&self) -> Answer {
        let Some(state) = self.state() else { return silent() };
        let mut local = Local::of(&state, &self.journal, self.started_at);
        local.jobs = self.board.under_way();
        let percents = self.progress.of(&self.journal.open_intents());
        for task in &mut local.tasks {
            let percent = percents.iter().find(|(upid, _)| upid == told(task, "upid"));
            if let Some((_, percent)) = percent {
                put(task, "percent", json!(percent));
            }
        }
        Answer::json(200, &StatusDocument { status: &state.status, local })
    }

    fn plan(&self) -> Answer {
        match self.ask(Query::Plan) {
            None => silent(),
            Some(None) => Answer::error(
                503,
                "not_yet_observed",
                "there is no desired state, or the node has not been looked at yet",
            ),
            Some(Some(Planned { plan, looked_at })) => {
                Answer::json(200, &plan).aged(crate::clock::now().seconds_since(looked_at))
            }
        }
    }

    /// What control knows of it, and what the journal does: a step in doubt, accepted operations that have not ended.
    fn explain(&self, name: &str) -> Answer {
        let mut told = match self.ask(|reply| Query::Explain(name.to_owned(), reply)) {
            None => return silent(),
            Some(Err(unknown)) => return Answer::error(404, unknown.code, &unknown.message),
            Some(Ok(told)) => told,
        };
        let guest: Option<GuestId> = member(&told, "guest").as_str().and_then(|guest| guest.parse().ok());
        let doubt = self.journal.doubts().into_iter().find(|(doubted, _)| Some(*doubted) == guest);
        if let Some((guest, doubt)) = doubt {
            put(&mut told, "doubt", json!(DoubtFacts::of(guest, doubt)));
        }
        let ops = self.journal.ops_open().into_iter().filter(|op| op.guest.is_some() && op.guest == guest);
        put(&mut told, "ops", json!(ops.map(OpFacts::of).collect::<Vec<_>>()));
        Answer::json(200, &told)
    }

    /// Collected now, apart from the reporter's: whoever asks here delays no heartbeat, and the hub hears nothing of it.
    fn report(&self) -> Answer {
        let sequence = match self.reporting.try_lock() {
            Ok(sequence) => sequence,
            // A collection that panicked left nothing behind but a count.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Answer::error(503, "busy", "a report is being collected already; try again");
            }
        };
        match Collector::start(self.report.clone()) {
            Ok(collector) => {
                let mut collector = collector.counting(sequence.clone());
                Answer::json(200, &collector.collect(self.state()))
            }
            Err(error) => Answer::error(503, "no_thread", &format!("cannot start a thread: {error}")),
        }
    }

    fn op(&self, op_id: &str) -> Answer {
        match OpId::parse(op_id).map(|op_id| self.journal.op(&op_id)) {
            Ok(Some(record)) => Answer::json(200, &OpFacts::of(record)),
            Ok(None) => Answer::error(404, "unknown_op", "no such operation was accepted here"),
            Err(what) => Answer::error(400, "bad_request", &what),
        }
    }

    /// 202 for an operation that was accepted now, 200 for one that was accepted before.
    fn submit(&self, envelope: Vec<u8>) -> Answer {
        match self.door.submit(envelope, Via::Socket) {
            Ok(Submitted { record, is_new }) => {
                Answer::json(if is_new { 202 } else { 200 }, &OpFacts::of(record))
            }
            Err(rejected) => rejection(&rejected),
        }
    }

    fn reconcile(&self) -> Answer {
        match self.ask(Query::Refresh) {
            Some(due) => {
                log::info!("asked over the local socket to look at the node and the desired state now");
                Answer::json(202, &json!({ "looking": true, "until": due }))
            }
            None => silent(),
        }
    }

    /// 202 for a job that was begun now, 200 for one that is under way already.
    fn prove(&self, what: What, vmid: Vmid, storage: Option<String>) -> Answer {
        let (job, is_new) = match self.board.open(what.as_str(), vmid) {
            Opened::New(job) => (job, true),
            Opened::Known(job) => (job, false),
        };
        let asked = Asked { job, what, vmid, storage, scheduled: false };
        if is_new && self.control.send(Event::Prove(asked)).is_err() {
            self.board.refuse(job, "interrupted", "the agent is ending".to_owned());
            return silent();
        }
        Answer::json(if is_new { 202 } else { 200 }, &json!({ "job": job }))
    }

    /// What is known of backups and restore tests; how far a task has come is asked of the node now.
    fn proof(&self) -> Answer {
        let mut document = self.board.document();
        let intents = self.journal.open_intents();
        let percents = self.progress.of(&intents);
        let jobs = document.get_mut("jobs").and_then(Value::as_array_mut);
        for job in jobs.into_iter().flatten().filter(|job| member(job, "result").is_null()) {
            let guest = told(job, "guest");
            let mut its = intents.iter().filter(|intent| intent.guest.to_string() == guest);
            let upid = its.find_map(|intent| intent.upid.as_ref());
            if let Some((_, percent)) = percents.iter().find(|(task, _)| Some(task) == upid) {
                put(job, "percent", json!(percent));
            }
        }
        Answer::json(200, &document)
    }
}

fn silent() -> Answer {
    let message = format!(
        "the control loop does not answer within {} s; see the daemon's log",
        CONTROL_WITHIN.as_secs()
    );
    Answer::error(503, "control_silent", &message)
}

fn route(target: &str) -> Result<Call, Answer> {
    let path = target.split('?').next().unwrap_or_default();
    let unknown = || {
        let message = "no such path; there are /v1/status, /v1/plan, /v1/explain/{resource}, /v1/report, /v1/ops, \
                       /v1/ops/{op_id}, /v1/reconcile, \
                       /v1/backup/{vmid}, /v1/restore-test/{vmid}, /v1/proof, /metrics and /healthz";
        Answer::error(404, "not_found", message)
    };
    let last = |text: &str| {
        let is_one = !text.is_empty() && !text.contains('/');
        let decoded = percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
        decoded.filter(|_| is_one).ok_or_else(unknown)
    };
    Ok(match path {
        "/v1/status" => Call::Status,
        "/v1/plan" => Call::Plan,
        "/v1/report" => Call::Report,
        "/v1/ops" => Call::Submit,
        "/v1/reconcile" => Call::Reconcile,
        "/v1/proof" => Call::Proof,
        "/metrics" => Call::Metrics,
        "/healthz" => Call::Health,
        _ if path.starts_with("/v1/backup/") || path.starts_with("/v1/restore-test/") => {
            let (what, number) = match path.strip_prefix("/v1/backup/") {
                Some(number) => (What::Backup, number),
                None => (What::RestoreTest, path.trim_start_matches("/v1/restore-test/")),
            };
            let vmid = number.parse().map_err(|what: String| Answer::error(400, "bad_request", &what))?;
            let storage = target.split_once("?storage=").map(|(_, storage)| last(storage)).transpose()?;
            Call::Prove(what, vmid, storage)
        }
        _ => match (path.strip_prefix("/v1/explain/"), path.strip_prefix("/v1/ops/")) {
            (Some(resource), _) => Call::Explain(last(resource)?),
            (_, Some(op_id)) => Call::Op(last(op_id)?),
            (None, None) => return Err(unknown()),
        },
    })
}

/// A rejection with the status that fits; always one that says that the request was at fault, or the moment. 403 is left to
/// those who may not ask at all.
pub(super) fn rejection(rejected: &Rejected) -> Answer {
    use RejectCode as Code;
    let status = match rejected.code {
        Code::TooLarge => 413,
        Code::Slow => 408,
        Code::RateLimited => 429,
        Code::EnvelopeSyntax
        | Code::EnvelopeDup
        | Code::EnvelopeField
        | Code::WrongType
        | Code::BadBase64
        | Code::BadSigLen
        | Code::BadSigCount
        | Code::PayloadSyntax
        | Code::PayloadDup
        | Code::PayloadField
        | Code::PayloadValue
        | Code::UnsupportedVersion
        | Code::UnknownKind => 400,
        Code::UnknownKey
        | Code::RevokedKey
        | Code::KeyWindow
        | Code::BadSignature
        | Code::RoleNotHeld
        | Code::RoleNotAllowed
        | Code::Threshold => 422,
        _ => 409,
    };
    Answer::refusal(
        status,
        json!({
            "code": rejected.code,
            "message": rejected.detail,
            "op_id": rejected.op_id,
            "payload_sha256": rejected.payload_sha256,
        }),
    )
}

#[cfg(test)]
mod tests;

//! What the journal promises those who use it, over real files.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::{Acceptance, Disk, FloorWhy, Health, Identity, Journal, Log, OpState, Recorded, Recovered};
use crate::authz::testing::{NOW, operation, verified, verified_by};
use crate::gate::{self, Facts, PendingVolumes};
use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::op::{Action, ClockTrust, OpEnd, OpResult, RejectCode, Rejected, Role, Via};
use crate::model::outcome::{Failure, Outcome, Recourse};
use crate::model::step::Step;
use crate::model::time::Timestamp;
use crate::paths::StateDir;

const DESTROY: Action = Action::GuestDestroy { purge: false };

fn at(unix: u64) -> Timestamp {
    Timestamp::from_unix(unix)
}

fn guest(number: u64) -> GuestId {
    GuestId::new(GuestKind::Lxc, Vmid::new(number).unwrap())
}

/// A state directory whose journal is opened again and again, as after a restart.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> (Journal, Recovered) {
        self.open_at(NOW)
    }

    fn open_at(&self, now: u64) -> (Journal, Recovered) {
        let state = StateDir::open(self.folder.path()).unwrap();
        Journal::open(&state, Identity::of_this_machine("h"), at(now))
    }

    fn segments(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.folder.path().join("journal")).unwrap();
        let mut segments: Vec<PathBuf> = files
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        segments.sort();
        segments
    }

    fn last_segment(&self) -> fs::File {
        let path = self.segments().pop().unwrap();
        fs::OpenOptions::new().read(true).write(true).open(path).unwrap()
    }
}

fn facts() -> Facts {
    Facts { pending: PendingVolumes::Known(Vec::new()), volumes: Some(Vec::new()), ..Facts::default() }
}

fn start(journal: &Journal, number: u64) -> Recorded {
    let approved = gate::judge(Step::Start { guest: guest(number) }, &facts()).unwrap();
    journal.record(approved).unwrap()
}

fn upid(number: u64) -> String {
    format!("UPID:pve:00005B5F:0004C76F:6B010DEF:vzstart:{number}:root@pam!agent:")
}

fn done(upid: Option<String>) -> Outcome {
    Outcome::Done { upid }
}

fn ended(result: OpResult) -> OpEnd {
    OpEnd {
        result,
        code: String::new(),
        message: String::new(),
        upid: None,
        volumes_left: Vec::new(),
        at: at(NOW),
    }
}

fn code(result: Result<Acceptance, Rejected>) -> Option<RejectCode> {
    result.err().map(|rejected| {
        assert!(rejected.op_id.is_some() && rejected.payload_sha256.is_some(), "{rejected:?}");
        rejected.code
    })
}

#[test]
fn an_operation_is_accepted_once_whoever_brings_it_again() {
    let place = Home::new();
    let first = operation(DESTROY, Role::Custodian, NOW, 1);
    {
        let (journal, _) = place.open();
        assert_eq!(journal.accept(&verified(&first), Via::Hub, at(NOW)), Ok(Acceptance::Accepted));
    }
    let (journal, _) = place.open();
    for op in [verified(&first), verified_by(&first, &[Role::Custodian, Role::Root])] {
        let Ok(Acceptance::Known(known)) = journal.accept(&op, Via::Socket, at(NOW)) else {
            panic!("the same payload is the same operation")
        };
        assert_eq!((known.via, &known.state), (Via::Hub, &OpState::Accepted));
        assert_eq!(known.payload_sha256, op.payload_sha256());
    }
    let mut other = operation(DESTROY, Role::Custodian, NOW, 1);
    other.note = "another".to_owned();
    assert_eq!(code(journal.accept(&verified(&other), Via::Hub, at(NOW))), Some(RejectCode::OpConflict));
    let mut other = operation(DESTROY, Role::Custodian, NOW, 2);
    other.nonce.clone_from(&first.nonce);
    assert_eq!(code(journal.accept(&verified(&other), Via::Hub, at(NOW))), Some(RejectCode::Replay));
    assert_eq!(journal.ops_open().len(), 1);
}

#[test]
fn of_two_who_bring_the_same_operation_at_once_one_is_the_first() {
    let place = Home::new();
    let (journal, _) = place.open();
    let op = verified(&operation(DESTROY, Role::Custodian, NOW, 1));
    let accepted = std::thread::scope(|scope| {
        let bring = || scope.spawn(|| journal.accept(&op, Via::Hub, at(NOW)));
        let all: Vec<_> = (0..8).map(|_| bring()).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    let firsts = accepted.iter().filter(|result| **result == Ok(Acceptance::Accepted)).count();
    assert_eq!((firsts, accepted.iter().filter(|result| result.is_ok()).count()), (1, 8));
}

#[test]
fn an_accepted_envelope_can_be_verified_again_after_a_restart_and_goes_once_it_has_ended() {
    let place = Home::new();
    let op = verified(&operation(DESTROY, Role::Custodian, NOW, 1));
    let (journal, _) = place.open();
    journal.accept(&op, Via::Hub, at(NOW)).unwrap();
    drop(journal);
    let (journal, _) = place.open();
    let kept = journal.ops_open().pop().unwrap();
    let again = crate::authz::verify(
        &kept.envelope,
        &crate::authz::testing::trust(),
        &crate::authz::testing::situation(NOW),
    )
    .unwrap();
    assert_eq!((again.op(), again.payload_sha256()), (op.op(), op.payload_sha256()));

    journal.op_ended(&kept.op_id, &ended(OpResult::Done)).unwrap();
    journal.op_ended(&kept.op_id, &ended(OpResult::Failed)).unwrap();
    drop(journal);
    let (journal, _) = place.open();
    let record = journal.ops_unacknowledged().pop().unwrap();
    assert_eq!(record.state, OpState::Ended(ended(OpResult::Done)), "the first end stands");
    assert_eq!(record.envelope, b"");
    journal.acknowledged(&record.op_id);
    drop(journal);
    assert!(place.open().0.ops_unacknowledged().is_empty());
}

#[test]
fn a_step_is_open_from_its_intent_to_its_end_over_every_restart() {
    let place = Home::new();
    let (journal, recovered) = place.open();
    assert_eq!(recovered, Recovered::default());
    let intent = start(&journal, 101);
    drop(journal);
    let (journal, recovered) = place.open();
    let open = &recovered.open[0];
    assert_eq!((open.seq, open.guest, open.upid.as_deref()), (intent.seq(), guest(101), None));
    assert_eq!(open.boot, journal.boot());
    assert!(open.uptime_s.is_some());
    journal.issued(&intent, &upid(101)).unwrap();
    drop(journal);
    let (journal, recovered) = place.open();
    assert_eq!(recovered.open[0].upid, Some(upid(101)));
    assert!(journal.is_known_task(&upid(101)));
    for open in [Outcome::StillRunning { upid: upid(101) }, Outcome::Interrupted { message: String::new() }] {
        journal.ended(intent.seq(), &open).unwrap();
        assert_eq!(journal.open_intents_of(guest(101)).len(), 1, "{open:?} is no end");
    }
    journal.ended(intent.seq(), &done(Some(upid(101)))).unwrap();
    drop(journal);
    let (journal, recovered) = place.open();
    assert_eq!(recovered.open, []);
    assert!(journal.is_known_task(&upid(101)), "no later step takes it for its own");
}

#[test]
fn a_doubt_outlives_a_restart_until_it_is_settled() {
    let place = Home::new();
    let (journal, _) = place.open();
    let intent = start(&journal, 101);
    journal
        .ended(intent.seq(), &Outcome::Uncertain { upid: None, message: "nobody knows".to_owned() })
        .unwrap();
    drop(journal);
    let (journal, _) = place.open();
    assert_eq!(journal.doubts()[&guest(101)].message, "nobody knows");
    journal.settled(guest(101), "it looks different now");
    drop(journal);
    let (journal, _) = place.open();
    assert!(journal.doubts().is_empty());
    let tail: Vec<String> = journal.audit_tail(20).into_iter().map(|entry| entry.result).collect();
    assert_eq!(tail.last().map(String::as_str), Some("it looks different now"), "{tail:?}");
}

#[test]
fn the_floor_of_a_new_journal_lies_five_minutes_ahead_and_never_goes_down() {
    let place = Home::new();
    let (journal, _) = place.open();
    assert_eq!(journal.floor(), at(NOW + 300));
    journal.raise_floor(at(NOW), &FloorWhy::Damaged).unwrap();
    assert_eq!(journal.floor(), at(NOW + 300));
    drop(journal);
    assert_eq!(place.open_at(NOW + 10_000).0.floor(), at(NOW + 300), "nothing happened to it");
}

#[test]
fn a_floor_that_no_clock_could_set_is_set_by_the_first_one_that_can() {
    let place = Home::new();
    let (journal, _) = place.open_at(1_000);
    assert!(matches!(journal.clock(at(1_000)), ClockTrust::Untrusted(_)));
    let op = verified(&operation(DESTROY, Role::Custodian, NOW, 1));
    assert_eq!(code(journal.accept(&op, Via::Hub, at(NOW))), Some(RejectCode::StoreUnavailable));
    journal.note_clock(at(2_000));
    assert!(journal.floor() < at(10_000));
    journal.note_clock(at(NOW));
    assert_eq!(journal.floor(), at(NOW + 300));
    assert_eq!(journal.accept(&op, Via::Hub, at(NOW)), Ok(Acceptance::Accepted));
}

#[test]
fn a_journal_that_was_cut_goes_on_with_a_raised_floor() {
    let place = Home::new();
    // Steps are recorded by the clock of this machine.
    let now = crate::clock::now().unix();
    let (journal, _) = place.open_at(now);
    start(&journal, 101);
    let torn = start(&journal, 102);
    drop(journal);
    let file = place.last_segment();
    file.set_len(file.metadata().unwrap().len() - 20).unwrap();
    // Without the superblock's word on it the last record counts as never confirmed.
    let (journal, recovered) = place.open_at(now + 1_000);
    assert_eq!(journal.floor(), at(now + 1_300));
    assert!(recovered.open.iter().all(|intent| intent.seq != torn.seq()));
    start(&journal, 103);
    drop(journal);
    assert_eq!(place.open_at(now + 5_000).0.floor(), at(now + 1_300), "once");
}

#[test]
fn a_journal_that_is_not_the_last_one_written_stops_what_cannot_be_undone_until_somebody_has_seen_it() {
    let place = Home::new();
    drop(place.open());
    let journal = |now| place.open_at(now).0;
    start(&journal(NOW), 101);
    for segment in place.segments() {
        fs::remove_file(segment).unwrap();
    }
    let lost = journal(NOW + 1_000);
    let Health::NoDestructive(why) = lost.health() else { panic!("{:?}", lost.health()) };
    assert!(why.contains("op draft floor-raise"), "{why}");
    assert_eq!(lost.floor(), at(NOW + 1_300));
    start(&lost, 101);
    let destroy = verified(&operation(DESTROY, Role::Custodian, NOW + 1_299, 1));
    assert_eq!(
        code(lost.accept(&destroy, Via::Hub, at(NOW + 1_299))),
        Some(RejectCode::StoreUnavailable),
        "it could not be known whether it was done before"
    );
    drop(lost);
    let lost = journal(NOW + 1_001);
    assert!(matches!(lost.health(), Health::NoDestructive(_)), "a restart cures nothing");
    let raise = operation(Action::FloorRaise { iat: at(NOW + 2_000) }, Role::Root, NOW + 1_299, 2);
    assert_eq!(lost.accept(&verified(&raise), Via::Hub, at(NOW + 1_299)), Ok(Acceptance::Accepted));
    lost.raise_floor(at(NOW + 2_000), &FloorWhy::Signed(raise.op_id)).unwrap();
    assert_eq!(lost.health(), Health::Sound);
    drop(lost);
    let journal = journal(NOW + 1_002);
    assert_eq!((journal.health(), journal.floor()), (Health::Sound, at(NOW + 2_000)));
}

#[test]
fn a_damaged_journal_takes_nothing_so_that_nothing_is_done() {
    let place = Home::new();
    let (journal, _) = place.open();
    let op = verified(&operation(DESTROY, Role::Custodian, NOW, 1));
    journal.accept(&op, Via::Hub, at(NOW)).unwrap();
    start(&journal, 101);
    drop(journal);
    place.last_segment().write_at(b"#", 40).unwrap();
    let (journal, recovered) = place.open();
    let Health::Unwritable(why) = journal.health() else { panic!("{:?}", journal.health()) };
    assert!(why.contains("journal salvage") && recovered.damage.is_some(), "{why}");
    let approved = gate::judge(Step::Start { guest: guest(101) }, &facts()).unwrap();
    journal.record(approved).unwrap_err();
    let raise = operation(Action::FloorRaise { iat: at(NOW) }, Role::Root, NOW, 2);
    for op in [&op, &verified(&raise)] {
        let result = journal.accept(op, Via::Hub, at(NOW));
        assert!(!matches!(result, Ok(Acceptance::Accepted)), "{result:?}");
    }
}

#[test]
fn a_record_that_should_be_understood_and_is_not_stops_what_cannot_be_undone() {
    let place = Home::new();
    drop(place.open());
    let folder = place.folder.path().join("journal");
    let mut log = Log::open(Disk, &folder, Identity::of_this_machine("h")).unwrap().log;
    log.append("intent", &serde_json::json!({ "guest": "moon/1" }), at(NOW)).unwrap();
    log.append("of a later version", &serde_json::json!({}), at(NOW)).unwrap();
    drop(log);
    let (journal, recovered) = place.open();
    assert!(matches!(journal.health(), Health::NoDestructive(_)));
    assert!(recovered.damage.is_some_and(|why| why.contains("intent") && why.contains("floor-raise")));
    start(&journal, 101);
    let op_id = operation(DESTROY, Role::Root, NOW, 1).op_id;
    journal.raise_floor(at(NOW), &FloorWhy::Signed(op_id)).unwrap();
    assert_eq!(journal.health(), Health::Sound);
}

#[test]
fn a_folder_that_cannot_be_opened_keeps_nobody_from_starting_and_everybody_from_changing_anything() {
    let place = Home::new();
    StateDir::open(place.folder.path()).unwrap().write("journal", b"not a folder").unwrap();
    let (journal, recovered) = place.open();
    assert!(matches!(journal.health(), Health::Unwritable(_)));
    assert!(recovered.damage.is_some_and(|why| why.contains("journal")));
    let op = verified(&operation(DESTROY, Role::Custodian, NOW, 1));
    assert_eq!(code(journal.accept(&op, Via::Hub, at(NOW))), Some(RejectCode::StoreUnavailable));
}

#[test]
fn a_clock_behind_what_it_was_is_not_believed_over_a_restart_either() {
    let place = Home::new();
    let (journal, _) = place.open();
    journal.note_clock(at(NOW + 100_000));
    drop(journal);
    let (journal, _) = place.open();
    assert_eq!(journal.clock(at(NOW + 99_800)), ClockTrust::Trusted);
    assert!(matches!(journal.clock(at(NOW)), ClockTrust::Untrusted(_)));
    journal.note_clock(at(NOW));
    assert!(matches!(journal.clock(at(NOW)), ClockTrust::Untrusted(_)), "being told again changes nothing");
}

#[test]
fn of_a_flood_of_refusals_some_are_written_and_the_rest_are_counted() {
    let place = Home::new();
    let (journal, _) = place.open();
    for _ in 0..200 {
        journal.reject(&Rejected::new(RejectCode::BadSignature, "no"), Via::Hub, at(NOW));
    }
    journal.reject(&Rejected::new(RejectCode::BadSignature, "no"), Via::Hub, at(NOW + 60));
    let written = fs::read_to_string(place.segments().pop().unwrap()).unwrap();
    assert_eq!(written.matches("\"t\":\"reject\"").count(), 31);
    assert!(written.contains("\"uncounted\":170"), "{written}");
}

#[test]
fn a_refusal_of_the_gate_is_written_once_for_each_change() {
    let place = Home::new();
    let (journal, _) = place.open();
    let step = Step::Stop { guest: guest(101) };
    let loss = gate::judge(step.clone(), &facts()).unwrap_err();
    for _ in 0..3 {
        journal.decision(guest(101), &step.to_string(), Some(&loss));
    }
    drop(journal);
    let (journal, _) = place.open();
    journal.decision(guest(101), &step.to_string(), Some(&loss));
    for _ in 0..2 {
        journal.decision(guest(101), "start lxc/101", None);
    }
    let decisions: Vec<_> = journal.audit_tail(20).into_iter().filter(|entry| entry.by == "gate").collect();
    assert_eq!(decisions.len(), 2, "{decisions:#?}");
    assert_eq!(decisions[1].result, "no longer refused");
}

#[test]
fn a_journal_that_has_grown_is_made_shorter_and_still_knows_what_counts() {
    let place = Home::new();
    let (journal, _) = place.open();
    let op = verified(&operation(DESTROY, Role::Custodian, NOW, 1));
    journal.accept(&op, Via::Hub, at(NOW)).unwrap();
    let open = start(&journal, 101);
    journal.issued(&open, &upid(101)).unwrap();
    let long = "x".repeat(50_000);
    for number in 0..200 {
        let mut rejected = Rejected::new(RejectCode::BadSignature, long.clone());
        rejected.op_id = Some(op.op().op_id.clone());
        journal.reject(&rejected, Via::Hub, at(NOW + 60 * number));
    }
    let bytes: u64 = place.segments().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes < 9 << 20, "{bytes}");
    let tail = journal.audit_tail(20);
    drop(journal);
    let (journal, recovered) = place.open_at(NOW + 12_000);
    assert_eq!((journal.health(), journal.audit_tail(20)), (Health::Sound, tail));
    assert_eq!((recovered.open[0].seq, &recovered.open[0].upid), (open.seq(), &Some(upid(101))));
    assert!(matches!(journal.accept(&op, Via::Hub, at(NOW)), Ok(Acceptance::Known(_))));
}

#[test]
fn a_failed_step_says_why_and_a_long_tale_is_cut() {
    let place = Home::new();
    let (journal, _) = place.open();
    let intent = start(&journal, 101);
    let failure = Failure {
        code: "task_failed",
        message: "é".repeat(100_000),
        upid: Some(upid(101)),
        recourse: Recourse::Retry,
    };
    journal.ended(intent.seq(), &Outcome::Failed(failure)).unwrap();
    let entry = journal.audit_tail(1).pop().unwrap();
    assert!(entry.result.starts_with("failed: éé") && entry.result.chars().count() < 400, "{entry:?}");
    assert_eq!((entry.subject.as_str(), entry.by.as_str(), entry.hash.len()), ("lxc/101", "reconcile", 16));
}

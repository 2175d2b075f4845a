//! Control's part in backups and restore tests: whose turn it is, on which lane, and that what a test left is cleared away.
//! One scheduled backup at a time, and one restore test on the node at a time, whoever asked for it.

use std::sync::Arc;

use super::converge::Worker;
use super::event::{Asked, What};
use super::{Control, Event};
use crate::clock;
use crate::lanes::Resolution;
use crate::model::desired::{DesiredGuest, Ensure};
use crate::model::guest::{GuestId, Vmid};
use crate::model::step::Purpose;
use crate::proof::{self, BackupOrder, Board, Candidate, Opened, Prover, TestOrder};

const DAY_S: u64 = 86_400;
const HOUR_S: u64 = 3_600;

impl What {
    /// As the board and the local socket name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::RestoreTest => "restore_test",
        }
    }
}

/// A job as its lane gets it.
enum Order {
    Backup(BackupOrder),
    Test(Box<TestOrder>),
    /// What a test left under this number.
    Clear,
}

impl Worker {
    fn prove(&self, job: u64, guest: GuestId, order: &Order) {
        let board = &self.work.board;
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return board.refuse(job, error.code(), error.to_string()),
        };
        let halt = || self.brake.halt();
        let prover = Prover {
            executor: self.executor(client),
            journal: &self.work.journal,
            token_id: &self.work.connection.token_id,
            permits: &self.work.permits,
            settings: &self.work.proof,
            board,
            job,
            stop: &self.stop,
            halt: &halt,
        };
        match order {
            Order::Backup(order) => prover.back_up(order),
            Order::Test(order) => prover.test(order),
            Order::Clear => match prover.clear(guest) {
                Ok(()) => log::info!("what a restore test left at {guest} is gone"),
                Err(why) => log::warn!("what a restore test left at {guest} is left where it is: {why}"),
            },
        }
    }
}

impl Control {
    /// After a look: clears what was left, and begins what is due.
    pub(super) fn prove(&mut self) {
        let board = Arc::clone(&self.setup.work.board);
        for asked in std::mem::take(&mut self.early) {
            self.ask(asked);
        }
        if self.brake.halt().is_some() {
            return;
        }
        let testing = board.is_busy(What::RestoreTest.as_str());
        if !testing {
            self.clear();
        }
        for what in [What::Backup, What::RestoreTest] {
            if board.is_busy(what.as_str()) {
                continue;
            }
            let Some(vmid) = proof::due(&self.candidates(what, &board), clock::now().unix()) else {
                continue;
            };
            if let Opened::New(job) = board.open(what.as_str(), vmid) {
                self.ask(Asked { job, what, vmid, storage: None, scheduled: true });
            }
        }
    }

    fn candidates(&self, what: What, board: &Board) -> Vec<Candidate> {
        let every_s = |guest: &DesiredGuest| match what {
            What::Backup => guest.proof.backup.as_ref()?.every_hours.map(|hours| hours * HOUR_S),
            What::RestoreTest => {
                let own = guest.proof.restore_test.as_ref().and_then(|plan| plan.every_days);
                let every = own.unwrap_or(self.setup.work.proof.every_days);
                (every > 0).then_some(every * DAY_S)
            }
        };
        let wanted =
            self.keeper.guests().iter().filter(|guest| guest.ensure == Ensure::Present && !guest.suspend);
        let candidate = |guest: &Arc<DesiredGuest>| {
            let (every_s, vmid) = (every_s(guest)?, guest.guest.vmid);
            let (done, tried) = board.last(what.as_str(), vmid);
            self.guest_of(vmid).map(|_there| Candidate { vmid, every_s, done, tried })
        };
        wanted.filter_map(candidate).collect()
    }

    /// The guest of that number that the last look saw.
    fn guest_of(&self, vmid: Vmid) -> Option<GuestId> {
        let listed = self.seen.as_ref()?.node.listed.iter();
        listed.map(|row| row.guest).find(|guest| guest.vmid == vmid)
    }

    /// A backup at once, for its lane and its permit bound it; a restore test when the one before is over.
    /// Before the first look nobody knows which guests there are.
    pub(super) fn ask(&mut self, asked: Asked) {
        match asked.what {
            _ if self.seen.is_none() => self.early.push(asked),
            What::Backup => {
                self.begin(&asked);
            }
            What::RestoreTest => {
                self.tests.push_back(asked);
                if self.tests.len() == 1 {
                    self.next_test();
                }
            }
        }
    }

    fn next_test(&mut self) {
        while let Some(asked) = self.tests.front().cloned() {
            if self.begin(&asked) {
                return;
            }
            self.tests.pop_front();
        }
    }

    /// Sends a job to its lane; false if it ended before it began.
    fn begin(&mut self, asked: &Asked) -> bool {
        let Asked { job, what, vmid, ref storage, scheduled } = *asked;
        let board = Arc::clone(&self.setup.work.board);
        let made =
            || self.setup.work.journal.made().iter().map(|made| made.guest).find(|made| made.vmid == vmid);
        // What was made since the last look is not in its list yet.
        let Some(guest) = self.guest_of(vmid).or_else(made) else {
            board.refuse(job, "unknown_guest", format!("this node lists no guest {vmid}"));
            return false;
        };
        let desired = self.keeper.guests().iter().find(|desired| desired.guest == guest);
        let proof = desired.map(|desired| desired.proof.clone()).unwrap_or_default();
        match what {
            What::Backup => {
                let named = proof.backup.as_ref().and_then(|plan| plan.storage.clone());
                let every = proof.backup.and_then(|plan| plan.every_hours).filter(|_| scheduled);
                let storage = storage.clone().or(named);
                let order = BackupOrder { guest, storage, younger_s: every.map(|hours| hours * HOUR_S) };
                self.dispatch_proof(job, guest, Order::Backup(order));
            }
            What::RestoreTest => {
                let Some(scratch) = self.scratch() else {
                    board.refuse(job, "taken", "no number of proof.scratch_vmids is free".to_owned());
                    return false;
                };
                let scratch = GuestId::new(guest.kind, scratch);
                let plan = proof.restore_test.unwrap_or_default();
                self.dispatch_proof(job, scratch, Order::Test(Box::new(TestOrder { guest, scratch, plan })));
            }
        }
        true
    }

    /// A number that neither the node has, nor the desired state, nor the journal.
    fn scratch(&self) -> Option<Vmid> {
        let made = self.setup.work.journal.made();
        let taken = |vmid: Vmid| {
            self.guest_of(vmid).is_some()
                || self.keeper.guests().iter().any(|guest| guest.guest.vmid == vmid)
                || made.iter().any(|made| made.guest.vmid == vmid)
                || self.setup.work.board.was_taken(vmid)
        };
        proof::free_number(&self.setup.work.proof.scratch, &taken)
    }

    /// What restore tests of before left: their steps that are open are settled first, on the same lane.
    fn clear(&mut self) {
        for made in self.setup.work.journal.made() {
            if made.purpose == Purpose::Scratch && self.clearing.insert(made.guest.vmid) {
                self.dispatch_proof(0, made.guest, Order::Clear);
            }
        }
    }

    fn dispatch_proof(&mut self, job: u64, lane: GuestId, order: Order) {
        let worker = Arc::clone(&self.worker);
        let (board, tell) = (Arc::clone(&self.setup.work.board), self.wires.tell.clone());
        self.lanes.submit_then(
            lane.vmid,
            move || worker.prove(job, lane, &order),
            move |end| {
                if let Resolution::Panicked(message) | Resolution::NoThread(message) = end {
                    board.refuse(job, "panicked", message);
                }
                tell.send(Event::Proved { job, lane }).ok();
            },
        );
    }

    /// Job 0 was no job: what could not be cleared is tried again after the next tick, and not at once.
    pub(super) fn proved(&mut self, job: u64, lane: GuestId) {
        self.clearing.remove(&lane.vmid);
        if job == 0 {
            return;
        }
        if self.tests.front().is_some_and(|asked| asked.job == job) {
            self.tests.pop_front();
            self.next_test();
        }
        self.look();
    }
}

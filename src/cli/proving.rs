//! A backup or a restore test in the foreground, where no daemon runs: under its lock, with its journal and its board, so that
//! what a crash leaves is found by whoever comes next.

use std::io::stderr;
use std::thread;

use crossbeam_channel::RecvTimeoutError;
use serde_json::{Value, json};

use crate::clock;
use crate::config::{self, Mode, Needs};
use crate::control::What;
use crate::control::brake::{Brake, LocalBrake};
use crate::control::store::{FoundNote, Store};
use crate::execute::Executor;
use crate::journal::{Identity, Journal, OpenIntent};
use crate::lanes::{Limits, Permits};
use crate::model::guest::{GuestId, GuestKind};
use crate::model::step::Purpose;
use crate::paths::{StateDir, StateError};
use crate::proof::document::put;
use crate::proof::{self, BackupOrder, Board, Opened, Progress, Prover, TestOrder};
use crate::pve::Client;

use super::backup::ProveArguments;
use super::exit::Exit;
use super::in_hand::InHand;
use super::print::Output;
use super::{Failure, Global, backup, plan, pve_failure};

/// The job as it ended; `None`: somebody else holds the lock.
pub(super) fn run(
    global: &Global,
    what: What,
    arguments: &ProveArguments,
    output: &mut Output,
) -> Result<Option<Value>, Failure> {
    let config = config::load(&global.sources(), Needs::PROXMOX)?;
    let state = StateDir::open(&config.agent.state_dir)?;
    let _lock = match state.lock() {
        Ok(lock) => lock,
        Err(StateError::Locked { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // What becomes of it is said at the end.
    super::logging::start(if config.agent.log == "info" { "error" } else { &config.agent.log });
    let host_id = plan::host_id(&config)?;
    let (journal, _recovered) = Journal::open(&state, Identity::of_this_machine(&host_id), clock::now());
    let blocked = match Store::new(state.clone()).note() {
        FoundNote::None => false,
        FoundNote::Read(note) => note.blocked,
        FoundNote::Unreadable(_) => true,
    };
    let observing = config.agent.mode == Mode::Observe;
    let brake =
        Brake::new(blocked, LocalBrake { kill_switch: Some(config.ops.kill_switch.clone()), observing });
    let Some(proxmox) = &config.proxmox else {
        return Err(Failure::text(Exit::Configuration, "proxmox is not configured"));
    };
    let connection = proxmox.connection();
    let client = Client::new(&connection).map_err(|error| pve_failure(&error))?;
    let mut listed = Vec::new();
    for kind in GuestKind::ALL {
        listed.extend(client.guests(kind).map_err(|error| pve_failure(&error))?);
    }
    let vmid = arguments.vmid;
    let Some(guest) = listed.iter().map(|row| row.guest).find(|guest| guest.vmid == vmid) else {
        return Err(Failure::text(Exit::Failed, format!("this node lists no guest {vmid}")));
    };
    let board = Board::recall(Some(state));
    let (Opened::New(job) | Opened::Known(job)) = board.open(what.as_str(), vmid);
    let (_running, stop) = crossbeam_channel::bounded(0);
    let permits = Permits::new(Limits::default());
    let halt = || brake.halt();
    let prover = Prover {
        executor: Executor::new(&client, &journal, &connection.token_id, config.agent.task, &stop),
        journal: &journal,
        token_id: &connection.token_id,
        permits: &permits,
        settings: &config.proof,
        board: &board,
        job,
        stop: &stop,
        halt: &halt,
    };
    for open in journal.open_intents() {
        prover.clear(open.guest).map_err(|why| Failure::text(Exit::TryAgain, why))?;
    }
    for made in journal.made().iter().filter(|made| made.purpose == Purpose::Scratch) {
        if let Err(why) = prover.clear(made.guest) {
            log::warn!("what a restore test left at {} is left where it is: {why}", made.guest);
        }
    }
    // What is desired of the guest may be out of reach; then nothing is.
    let desired = plan::desired(&config).ok();
    let desired = desired.iter().flat_map(|state| &state.guests);
    let proof = desired.clone().find(|desired| desired.guest == guest).map(|desired| desired.proof.clone());
    let proof = proof.unwrap_or_default();
    let prove = || match what {
        What::Backup => {
            let named = proof.backup.and_then(|plan| plan.storage);
            let storage = arguments.storage.clone().or(named);
            prover.back_up(&BackupOrder { guest, storage, younger_s: None });
            Ok(())
        }
        What::RestoreTest => {
            let made = journal.made();
            let taken = |vmid| {
                listed.iter().any(|row| row.guest.vmid == vmid)
                    || desired.clone().any(|desired| desired.guest.vmid == vmid)
                    || made.iter().any(|made| made.guest.vmid == vmid)
                    || board.was_taken(vmid)
            };
            let Some(scratch) = proof::free_number(&config.proof.scratch, &taken) else {
                return Err(Failure::text(Exit::TryAgain, "no number of proof.scratch_vmids is free"));
            };
            let scratch = GuestId::new(guest.kind, scratch);
            prover.test(&TestOrder { guest, scratch, plan: proof.restore_test.unwrap_or_default() });
            Ok(())
        }
    };
    if arguments.json {
        prove()?;
    } else {
        let progress = Progress::new(connection.clone());
        let told = || (board.job(job), journal.open_intents());
        beside(&told, &progress, output, prove)?;
    }
    Ok(board.job(job))
}

/// Does the work, and says beside it how far it is.
fn beside(
    told: &(dyn Fn() -> (Option<Value>, Vec<OpenIntent>) + Sync),
    progress: &Progress,
    output: &mut Output,
    work: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    thread::scope(|scope| {
        let (done, is_done) = crossbeam_channel::bounded::<()>(0);
        let teller = move || {
            let mut in_hand = InHand::on(&stderr());
            // Nobody sends: what is waited for is the end.
            while is_done.recv_timeout(backup::EVERY) == Err(RecvTimeoutError::Timeout) {
                let (Some(mut job), intents) = told() else { continue };
                if let Some((_, percent)) = progress.of(&intents).first() {
                    put(&mut job, "percent", json!(percent));
                }
                output.aside(&backup::told(&job, &mut in_hand));
            }
            output.aside(&in_hand.over());
        };
        // Without a thread it is done in silence.
        let teller = thread::Builder::new().name("progress".to_owned()).spawn_scoped(scope, teller);
        let ended = work();
        drop((done, teller));
        ended
    })
}

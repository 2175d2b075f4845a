//! The reporter: collects the host report and posts it. The report is the heartbeat; nothing but its own end stops it.
//!
//! *Owns* the collector, a hub client of its own and the schedule. *Fed by* the timer's report tick. *Emits* the hub's
//! envelope, or that there was none, to control, and the next interval to the timer.
//! *Never* waits for Proxmox, a storage or control longer than its own deadline: a part that is late is a problem in the
//! report, and the report goes.

mod actual;
mod cloudflared;
mod collect;
mod local;
mod node;
mod schedule;
mod spec;
mod storage;
mod worker;

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, after, bounded, never, select};

use crate::control::{Answer, Event, Query};
use crate::hub::client::Acknowledged;
use crate::hub::wire::HostReport;
use crate::hub::wire::report::Problem;
use crate::hub::{Client, HubError};
use crate::timer::{Intervals, Tick};

use self::actual::Mirror;
pub use self::collect::{Collector, Sequence, Source};
use self::schedule::Schedule;

/// Control answers from memory: if it cannot within this, the report goes without its word.
const CONTROL_WITHIN: Duration = Duration::from_secs(2);

/// A status that has changed is put to the hub after this, with what has changed meanwhile.
const SETTLES: Duration = Duration::from_secs(2);

/// What the reporter is given at its start.
#[derive(Debug)]
pub struct Setup {
    pub collector: Collector,
    /// A client of its own: nothing else waits on its connection, and it on nothing else.
    pub hub: Client,
    /// Until the hub asks for another.
    pub interval: Duration,
}

/// Reports at each tick until `ticks` is disconnected.
pub fn run(
    setup: Setup,
    (ticks, changes): (&Receiver<()>, &Receiver<()>),
    intervals: &Intervals,
    control: &Sender<Event>,
) {
    let Setup { mut collector, hub, interval } = setup;
    let mut schedule = Schedule::new(interval);
    let mut mirror = Mirror::default();
    let mut was_reached = None;
    // When what has changed is told, unless a report goes out before.
    let mut telling = None;
    loop {
        let alarm = telling.clone().unwrap_or_else(never);
        select! {
            recv(ticks) -> tick => if tick.is_err() { return },
            recv(changes) -> change => {
                if change.is_err() {
                    return;
                }
                telling.get_or_insert_with(|| after(SETTLES));
                continue;
            }
            recv(alarm) -> _time => {
                telling = None;
                // A hub that takes no report is left alone until it does.
                if let (Some(true), Some(told)) = (was_reached, ask_control(control)) {
                    mirror.follow(&hub, &told.status, schedule.interval(), control);
                }
                continue;
            }
        }
        telling = None;
        let told = ask_control(control);
        let is_silent = told.is_none();
        let status = told.as_ref().map(|told| told.status.clone());
        let mut report = collector.collect(told);
        if is_silent {
            let message = format!("it did not answer within {} s", CONTROL_WITHIN.as_secs());
            report.problems.push(Problem { part: "control".to_owned(), message });
            report.complete = false;
        }
        let answer = hub.report(&report, None);
        say(&answer, &report, was_reached);
        was_reached = Some(answer.is_ok());
        let wait = match answer {
            Ok(answer) => {
                collector.saw_hub_time(answer.hub_time);
                adopt(&mut schedule, &answer);
                control.send(Event::Envelope(answer.envelope)).ok();
                if let Some(status) = &status {
                    mirror.follow(&hub, status, schedule.interval(), control);
                }
                schedule.arrived()
            }
            Err(error) => {
                let wait = schedule.failed(error.retry_after());
                control.send(Event::HubFault(error.to_string())).ok();
                wait
            }
        };
        intervals.set(Tick::Report, wait);
    }
}

/// What control knows, if it says so in time.
fn ask_control(control: &Sender<Event>) -> Option<Answer> {
    let (reply, replies) = bounded(1);
    control.send(Event::Query(Query::State(reply))).ok()?;
    replies.recv_timeout(CONTROL_WITHIN).ok()
}

fn adopt(schedule: &mut Schedule, answer: &Acknowledged) {
    let Some(interval) = answer.envelope.interval() else { return };
    if schedule.adopt(interval) {
        log::info!("the hub asks for a report every {} s", interval.as_secs());
    }
}

/// One line for each report; a failure loudly when it is news.
fn say(answer: &Result<Acknowledged, HubError>, report: &HostReport, was_reached: Option<bool>) {
    for problem in &report.problems {
        log::debug!("report {}: {}: {}", report.seq, problem.part, problem.message);
    }
    let problems = report.problems.len();
    match (answer, was_reached) {
        (Ok(_), Some(true)) => log::debug!("report {} arrived, {problems} problems", report.seq),
        (Ok(_), _) => log::info!("report {} arrived at the hub, {problems} problems", report.seq),
        (Err(error), Some(false)) => log::info!("report {} did not arrive: {error}", report.seq),
        (Err(error), _) => log::warn!("report {} did not arrive: {error}", report.seq),
    }
}

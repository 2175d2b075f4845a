//! How far tasks have come, where their logs tell it. The node is asked only when somebody looks, and then seldom.
//!
//! *Owns* a connection of its own, so that nobody who works waits for whoever looks. Two private locks; it calls nobody back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::journal::OpenIntent;
use crate::model::step::Step;
use crate::pve::{Client, Connection};

/// No call to a node that is slow takes longer than this, and after it none is begun: somebody waits.
const WITHIN: Duration = Duration::from_secs(3);
/// Between two questions to the node, however often somebody looks; and after one that was not answered.
const EVERY: Duration = Duration::from_secs(1);
const AFTER_SILENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Progress {
    connection: Connection,
    /// Held by whoever asks the node.
    client: Mutex<Option<Client>>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    asked_again: Option<Instant>,
    /// By task.
    percents: Vec<(String, u64)>,
}

impl Progress {
    pub fn new(mut connection: Connection) -> Self {
        connection.timeout = connection.timeout.min(WITHIN);
        Self { connection, client: Mutex::new(None), known: Mutex::default() }
    }

    /// The percentage of each task of these that tells one.
    pub fn of(&self, intents: &[OpenIntent]) -> Vec<(String, u64)> {
        let tasks: Vec<&str> = intents.iter().filter(|one| is_long(&one.step)).filter_map(upid).collect();
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = || known().asked_again.is_none_or(|again| again <= Instant::now());
        if !tasks.is_empty() && is_due() {
            // While somebody else asks, what was told last is good enough.
            if let Ok(mut client) = self.client.try_lock() {
                let told = self.ask(&mut client, &tasks);
                let pause = if told.is_some() { EVERY } else { AFTER_SILENCE };
                *known() = Known {
                    asked_again: Instant::now().checked_add(pause),
                    percents: told.unwrap_or_default(),
                };
            }
        }
        let mut percents = known().percents.clone();
        percents.retain(|(upid, _)| tasks.contains(&upid.as_str()));
        percents
    }

    fn ask(&self, client: &mut Option<Client>, tasks: &[&str]) -> Option<Vec<(String, u64)>> {
        if client.is_none() {
            *client = Client::new(&self.connection).ok();
        }
        let client = client.as_ref()?;
        let mut told = Vec::new();
        let begun = Instant::now();
        for upid in tasks.iter().take_while(|_| begun.elapsed() < WITHIN) {
            let Ok(task) = upid.parse() else { continue };
            let log = client.task_log_tail(&task).ok()?;
            told.extend(percent(&log).map(|percent| ((*upid).to_owned(), percent)));
        }
        Some(told)
    }
}

fn upid(intent: &OpenIntent) -> Option<&str> {
    intent.upid.as_deref()
}

/// What moves a guest's data.
fn is_long(step: &Step) -> bool {
    matches!(step, Step::Backup { .. } | Step::Make { .. } | Step::RestoreOver { .. })
}

/// The last percentage that the log tells: `INFO:  12% (1.2 GiB of 10.0 GiB) in 3s, …` of a VM's backup, `progress 12% (read …)`
/// of its restore, `transferred 1.0 GiB of 8.0 GiB (12.50%)` of a clone. A container's archive tells none.
fn percent(log: &[String]) -> Option<u64> {
    log.iter().rev().find_map(|line| {
        let whole = |number: &str| number.parse().ok().filter(|percent| *percent <= 100);
        if let Some((_, rest)) = line.split_once("transferred ") {
            let (_, percent) = rest.split_once('(')?;
            return whole(percent.split_once("%)")?.0.split('.').next()?);
        }
        let rest = line.strip_prefix("INFO:").or_else(|| line.strip_prefix("progress"))?;
        let (number, rest) = rest.trim_start().split_once('%')?;
        whole(number).filter(|_| rest.starts_with(' '))
    })
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn the_last_percentage_of_the_log_counts() {
        for (log, expected) in [
            (&[][..], None),
            (&["INFO: creating vzdump archive 'a.tar.zst'", "INFO: Total bytes written: 20480 (2%)"], None),
            (
                &[
                    "INFO:   0% (0.0 B of 1.0 GiB) in 0s, read: 0 B/s",
                    "INFO:  12% (123.0 MiB of 1.0 GiB) in 3s",
                ],
                Some(12),
            ),
            (
                &[
                    "INFO: 100% (1.0 GiB of 1.0 GiB) in 9s",
                    "INFO: backup is sparse: 1 MiB (0%) total zero data",
                ],
                Some(100),
            ),
            (&["progress 1% (read 10747904 bytes, duration 0 sec)"], Some(1)),
            (&["transferred 0.0 B of 8.0 GiB (0.00%)", "transferred 1.0 GiB of 8.0 GiB (12.50%)"], Some(12)),
            (&["drive-scsi0: transferred 8.0 GiB of 8.0 GiB (100.00%) in 9s, ready"], Some(100)),
            (&["transferred all of it"], None),
            (&["INFO: 101% (more than all)"], None),
            (&["INFO: 12%"], None),
        ] {
            let log: Vec<String> = log.iter().map(|line| (*line).to_owned()).collect();
            assert_eq!(percent(&log), expected, "{log:?}");
        }
    }
}

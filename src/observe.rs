//! The node's answers to values of ours; says what it could not see, and decides nothing.
//!
//! A tick reads the two lists and the configuration of each managed guest, over the one connection that the client keeps.
//! A lane that is about to act also asks for the guest's live status and for the tasks that are under way.

mod backups;
mod image;

pub use self::backups::{backup_rows, config_lines, excluded, looked_into, named_backups, newest_backup};
pub(crate) use self::image::elsewhere;
pub use self::image::image;

use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::observed::{
    GuestConfig, GuestObservation, HaState, ListedGuest, LiveStatus, Presence, ReadFault, Reading,
};
use crate::normalize::tags::TagCase;
use crate::plan::NodeObservation;
use crate::pve::{Client, GuestStatus, ListedTask, PveError, TaskFilter, TaskSource, Upid};

/// After so many configurations in a row without any answer, the rest is not asked for: each would cost a timeout.
const SILENT: usize = 3;

/// More tasks than this do not run at once on one node.
const RUNNING: u32 = 500;

/// What a lane sees of its guest right before it acts.
#[derive(Debug)]
pub struct GuestLook {
    pub seen: GuestObservation,
    /// A task of this agent's own token that works on the guest now.
    pub ours: Option<Upid>,
}

/// Looks at the node: both lists, and the configuration of each of `managed`.
pub fn node(client: &Client, managed: &[GuestId]) -> NodeObservation {
    let mut node = NodeObservation::default();
    let mut unread = Vec::new();
    for kind in GuestKind::ALL {
        match client.guests(kind) {
            Ok(guests) => node.listed.extend(guests),
            Err(error) => {
                unread.push((kind, error.as_read_fault()));
                node.faults.push(error.as_read_fault());
            }
        }
    }
    let mut silent = if unread.len() == GuestKind::ALL.len() { SILENT } else { 0 };
    for guest in managed {
        let config = if silent < SILENT {
            let config = client.pending(*guest);
            silent = if config.as_ref().is_err_and(is_silence) { silent + 1 } else { 0 };
            reading(config)
        } else {
            Reading::Unknown(not_asked("the node did not answer before"))
        };
        let mut presence = presence(*guest, &node.listed, &unread);
        if presence == Presence::NotListed && is_missing(&config) {
            presence = whereabouts(client, *guest);
        }
        node.guests.insert(guest.vmid, GuestObservation { presence, config, live: None });
    }
    node.name = client.known_node().unwrap_or_default().to_owned();
    node
}

/// Looks at one guest as closely as the API lets us. The lists are not asked for: its own status tells more.
pub fn guest(client: &Client, guest: GuestId, token_id: &str) -> GuestLook {
    // The tasks first: one that ends right after is then waited for, and what one that has ended did is in all that follows.
    let tasks = running_tasks(client)
        .and_then(|tasks| backup_of(client, guest.vmid, &tasks).map(|backup_task| (tasks, backup_task)));
    let config = reading(client.pending(guest));
    let mut ours = None;
    let live = match (client.status(guest), tasks) {
        (Ok(status), Ok((tasks, backup_task))) => {
            ours = tasks
                .into_iter()
                .map(|task| task.upid)
                .find(|upid| upid.vmid() == Some(guest.vmid) && upid.user() == token_id);
            let GuestStatus { run, lock, template, ha, .. } = status;
            let ha_asked = match ha {
                HaState::NotManaged => None,
                HaState::Managed(_) => client.ha_state(guest).unwrap_or_else(|error| {
                    log::warn!("what HA was asked to make of {guest} is not known: {error}");
                    None
                }),
            };
            Reading::Known(LiveStatus { run, lock, template, ha, ha_asked, backup_task })
        }
        // Without the task list, and the log of a job of several guests, nobody knows whether a backup is at the guest.
        (Ok(_), Err(error)) | (Err(error), _) => Reading::Unknown(error.as_read_fault()),
    };
    let presence = if is_missing(&config) {
        whereabouts(client, guest)
    } else {
        Presence::Unknown(not_asked("its own status tells more than the list"))
    };
    GuestLook { seen: GuestObservation { presence, config, live: Some(live) }, ours }
}

/// What `tag-style` of the datacenter does to capitals.
pub fn tag_case(client: &Client) -> Result<TagCase, PveError> {
    let options = client.cluster_options()?;
    Ok(options.tag_style.map_or(TagCase::Lowered, |style| case_of(&style)))
}

/// Proxmox prints the option as a property string or as an object, and its flags as `1`, `"1"` or `true`.
fn case_of(tag_style: &serde_json::Value) -> TagCase {
    let kept = match tag_style {
        serde_json::Value::String(text) => text.split(',').any(|part| part.trim() == "case-sensitive=1"),
        serde_json::Value::Object(style) => style
            .get("case-sensitive")
            .is_some_and(|flag| matches!(flag.to_string().trim_matches('"'), "1" | "true")),
        _ => false,
    };
    if kept { TagCase::Kept } else { TagCase::Lowered }
}

/// Nobody answered, or somebody who cannot answer anything at present.
fn is_silence(error: &PveError) -> bool {
    matches!(error, PveError::Unsent { .. } | PveError::Unknown { .. } | PveError::ClusterFs { .. })
}

fn not_asked(why: &str) -> ReadFault {
    ReadFault { code: "not_asked", message: format!("not read: {why}") }
}

fn reading(config: Result<GuestConfig, PveError>) -> Reading<GuestConfig> {
    match config {
        Ok(config) => Reading::Known(config),
        Err(error) => Reading::Unknown(error.as_read_fault()),
    }
}

/// Looked for by number in both lists, so that a guest of the other kind shows. Not listed means that both were read.
fn presence(guest: GuestId, listed: &[ListedGuest], unread: &[(GuestKind, ReadFault)]) -> Presence {
    if let Some(row) = listed.iter().find(|row| row.guest.vmid == guest.vmid) {
        return Presence::Listed(row.clone());
    }
    let own = unread.iter().find(|(kind, _)| *kind == guest.kind);
    match own.or_else(|| unread.first()) {
        Some((_, fault)) => Presence::Unknown(fault.clone()),
        None => Presence::NotListed,
    }
}

fn is_missing(config: &Reading<GuestConfig>) -> bool {
    matches!(config, Reading::Unknown(fault) if fault.code == ReadFault::GUEST_MISSING)
}

/// Of a guest that has no configuration here: where it is. That it is nowhere is believed when all say so who could know: both
/// lists of this node, the resources of the cluster, and the cluster itself, which tells of a number whether it is free even to
/// a token that may see none of the guests.
fn whereabouts(client: &Client, guest: GuestId) -> Presence {
    let look = || {
        for kind in GuestKind::ALL {
            let listed = client.guests(kind)?;
            if let Some(row) = listed.into_iter().find(|row| row.guest.vmid == guest.vmid) {
                return Ok(Presence::Listed(row));
            }
        }
        if let Some(node) = elsewhere(client, guest)? {
            return Ok(Presence::Elsewhere(node));
        }
        match client.next_id(Some(guest.vmid)) {
            Ok(_) => Ok(Presence::Nowhere),
            Err(PveError::Parameter { .. }) => Ok(Presence::NotListed),
            Err(error) => Err(error),
        }
    };
    look().unwrap_or_else(|error: PveError| Presence::Unknown(error.as_read_fault()))
}

/// The running backup that works on this guest: its id names the guest, or names none because the job has several guests.
fn backup_of(client: &Client, vmid: Vmid, tasks: &[ListedTask]) -> Result<Option<String>, PveError> {
    for upid in tasks.iter().map(|task| &task.upid).filter(|upid| upid.kind() == "vzdump") {
        let is_at_it = match upid.vmid() {
            Some(named) => named == vmid,
            // A log that cannot be read is no sign that the job is elsewhere.
            None => is_in_backup(vmid, &client.task_log(upid)?),
        };
        if is_at_it {
            return Ok(Some(upid.to_string()));
        }
    }
    Ok(None)
}

/// At most as many as Proxmox keeps in its list of active ones.
fn running_tasks(client: &Client) -> Result<Vec<ListedTask>, PveError> {
    let filter = TaskFilter { source: TaskSource::Active, limit: Some(RUNNING), ..TaskFilter::default() };
    let mut tasks = client.tasks(&filter)?;
    tasks.retain(ListedTask::is_running);
    Ok(tasks)
}

/// Whether a backup job's log has begun with this guest and not ended with it.
fn is_in_backup(vmid: Vmid, log: &[String]) -> bool {
    // What the node answers with status 200 when it cannot read a log: no sign that the job is elsewhere.
    if log.first().is_some_and(|line| line.starts_with("unable to open file")) {
        return true;
    }
    let begun = format!("INFO: Starting Backup of VM {vmid} (");
    let ended =
        [format!("INFO: Finished Backup of VM {vmid} ("), format!("ERROR: Backup of VM {vmid} failed - ")];
    let last = log.iter().rposition(|line| line.starts_with(&begun));
    last.is_some_and(|begun| {
        !log.iter().skip(begun).any(|line| ended.iter().any(|ended| line.starts_with(ended)))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{case_of, is_in_backup, presence};
    use crate::model::guest::{GuestId, GuestKind, RunState, Vmid};
    use crate::model::observed::{ListedGuest, Presence, ReadFault};
    use crate::normalize::tags::TagCase;

    fn vmid(number: u64) -> Vmid {
        Vmid::new(number).unwrap()
    }

    #[test]
    fn a_backup_job_whose_log_is_gone_may_be_at_any_guest() {
        let log = ["unable to open file - No such file or directory".to_owned()];
        assert!(is_in_backup(vmid(101), &log));
        assert!(!is_in_backup(vmid(101), &["no content".to_owned()]));
    }

    #[test]
    fn a_backup_job_works_on_the_guest_it_has_begun_and_not_finished() {
        let log: Vec<String> = [
            "INFO: starting new backup job: vzdump 101 102 103 104 --storage store",
            "INFO: Starting Backup of VM 101 (lxc)",
            "INFO: Finished Backup of VM 101 (00:00:03)",
            "INFO: Starting Backup of VM 102 (lxc)",
            "ERROR: Backup of VM 102 failed - CT is locked (backup)",
            "INFO: Starting Backup of VM 103 (qemu)",
        ]
        .map(str::to_owned)
        .to_vec();
        let at = [101, 102, 103, 104, 10].map(|number| number >= 100 && is_in_backup(vmid(number), &log));
        assert_eq!(at, [false, false, true, false, false]);
    }

    #[test]
    fn capitals_are_kept_only_where_the_datacenter_says_so() {
        for (style, case) in [
            (json!("case-sensitive=1,ordering=config"), TagCase::Kept),
            (json!({"case-sensitive": "1"}), TagCase::Kept),
            (json!({"case-sensitive": 1}), TagCase::Kept),
            (json!({"case-sensitive": 0}), TagCase::Lowered),
            (json!("ordering=config"), TagCase::Lowered),
            (json!(null), TagCase::Lowered),
        ] {
            assert_eq!(case_of(&style), case, "{style}");
        }
    }

    #[test]
    fn not_listed_needs_both_lists() {
        let guest = GuestId::new(GuestKind::Lxc, vmid(101));
        let fault = ReadFault { code: "unreachable", message: "no".to_owned() };
        let other = ListedGuest {
            guest: GuestId::new(GuestKind::Qemu, vmid(101)),
            name: None,
            run: RunState::Stopped,
            template: false,
            lock: None,
            tags: Vec::new(),
            uptime_seconds: None,
        };
        for kind in GuestKind::ALL {
            assert_eq!(presence(guest, &[], &[(kind, fault.clone())]), Presence::Unknown(fault.clone()));
        }
        assert_eq!(presence(guest, &[], &[]), Presence::NotListed);
        assert_eq!(presence(guest, std::slice::from_ref(&other), &[]), Presence::Listed(other));
    }
}

//! Whether a guest is now as a step wanted it: read again, compared in normal form.

use super::verdict::Effect;
use super::{Sent, loss, own};
use crate::clock;
use crate::model::guest::{GuestId, RunState};
use crate::model::observed::GuestConfig;
use crate::model::step::{ConfigChange, Step, ha_word};
use crate::model::time::Timestamp;
use crate::model::volume;
use crate::normalize::tags::TagCase;
use crate::normalize::{self, Context};
use crate::pve::{Client, ContentKind, Volume};

pub(super) fn of(client: &Client, sent: Sent<'_>) -> Effect {
    match sent.step {
        Step::SetConfig { guest, change } => {
            let effect = match client.pending(*guest) {
                Ok(config) => written(*guest, change, &config),
                Err(error) => Effect::Unseen(error.to_string()),
            };
            if !sent.signed { effect } else { loss::freed(client, *guest, sent.volumes, effect) }
        }
        Step::Start { guest } => run_state(client, *guest, RunState::Running),
        Step::Shutdown { guest, timeout_s: _ } => run_state(client, *guest, RunState::Stopped),
        Step::Reboot { guest, timeout_s: _ } => rebooted(client, *guest, sent.began),
        Step::HaState { guest, running } => ha_state(client, *guest, *running),
        Step::Snapshot { guest, name } => match snapshot_exists(client, *guest, name) {
            Ok(true) => Effect::There,
            Ok(false) => Effect::NotThere(format!("there is no snapshot {name}")),
            Err(why) => Effect::Unseen(why),
        },
        Step::DeleteSnapshot { guest, name } => match snapshot_exists(client, *guest, name) {
            Ok(false) => Effect::There,
            Ok(true) => loss::snapshot_still_there(client, *guest, name),
            Err(why) => Effect::Unseen(why),
        },
        Step::Stop { guest } => run_state(client, *guest, RunState::Stopped),
        Step::Backup { guest, storage, prune: _ } => backed_up(client, *guest, storage, sent.began),
        Step::Resize { guest, key, from: _, to, digest: _ } => resized(client, *guest, key, *to),
        Step::Destroy { guest, purge: _ } => loss::destroyed(client, *guest, sent.volumes),
        Step::Rollback { guest, snapshot, start } => loss::rolled_back(client, *guest, snapshot, *start),
        Step::RestoreOver { guest, volid: _, storage: _ } => loss::restored(client, *guest),
        Step::DeleteBackup { guest: _, volid } => loss::backup_deleted(client, volid),
        Step::Make { .. } => own::effect(client, sent),
    }
}

fn run_state(client: &Client, guest: GuestId, wanted: RunState) -> Effect {
    match client.status(guest) {
        Ok(status) if status.run == wanted => Effect::There,
        Ok(status) if status.run == RunState::Unknown => {
            Effect::Unseen("the node does not say whether it runs".to_owned())
        }
        Ok(status) => Effect::NotThere(format!("it is {}", status.run)),
        Err(error) => Effect::Unseen(error.to_string()),
    }
}

/// It runs, and has begun to after the request.
fn rebooted(client: &Client, guest: GuestId, began: Timestamp) -> Effect {
    let status = match client.status(guest) {
        Ok(status) => status,
        Err(error) => return Effect::Unseen(error.to_string()),
    };
    let since = clock::now().seconds_since(began) + BEHIND_S;
    match (status.run, status.uptime_seconds) {
        (RunState::Running, None) => Effect::There,
        (RunState::Running, Some(up_s)) if up_s <= since => Effect::There,
        (RunState::Running, Some(up_s)) => Effect::NotThere(format!("it has been running for {up_s} s")),
        (RunState::Unknown, _) => Effect::Unseen("the node does not say whether it runs".to_owned()),
        (run, _) => Effect::NotThere(format!("it is {run}")),
    }
}

/// That HA was told; what it makes of it is for the next looks at the guest to tell.
fn ha_state(client: &Client, guest: GuestId, running: bool) -> Effect {
    match client.ha_state(guest) {
        Ok(Some(state)) if state == ha_word(running) => Effect::There,
        Ok(state) => Effect::NotThere(format!("HA is told {}", state.as_deref().unwrap_or("nothing of it"))),
        Err(error) => Effect::Unseen(error.to_string()),
    }
}

fn snapshot_exists(client: &Client, guest: GuestId, name: &str) -> Result<bool, String> {
    let snapshots = client.snapshots(guest).map_err(|error| error.to_string())?;
    Ok(snapshots.iter().any(|snapshot| snapshot.name == name))
}

/// A storage's clock may be this much behind ours, in seconds.
const BEHIND_S: u64 = 5;

fn backed_up(client: &Client, guest: GuestId, storage: &str, began: Timestamp) -> Effect {
    let since = began.unix().saturating_sub(BEHIND_S);
    let is_new = |row: &Volume| row.ctime >= Some(since) && row.size > Some(0);
    match client.content(storage, Some(ContentKind::Backup), Some(guest.vmid)) {
        Ok(rows) if rows.iter().any(is_new) => Effect::There,
        Ok(_) => Effect::NotThere(format!("storage {storage} has no backup of {guest} that is new")),
        Err(error) => Effect::Unseen(error.to_string()),
    }
}

fn resized(client: &Client, guest: GuestId, key: &str, to: u64) -> Effect {
    let config = match client.pending(guest) {
        Ok(config) => config,
        Err(error) => return Effect::Unseen(error.to_string()),
    };
    let Some(value) = config.current.get(key) else {
        return Effect::NotThere(format!("there is no {key}"));
    };
    match volume::size(value) {
        Some(size) if size >= to => Effect::There,
        Some(size) => Effect::NotThere(format!("{key} has {size} bytes")),
        None => Effect::Unseen(format!("the size of {key} is not told")),
    }
}

/// Every key of the change, as the next start will see it.
fn written(guest: GuestId, change: &ConfigChange, config: &GuestConfig) -> Effect {
    let set = change.set.iter().map(|(key, value)| (key, Some(value.as_str())));
    let deleted = change.delete.iter().map(|key| (key, None));
    let missing: Vec<&str> = set
        .chain(deleted)
        .filter(|(key, value)| !same(guest, key, *value, config.merged(key)))
        .map(|(key, _)| key.as_str())
        .collect();
    if missing.is_empty() {
        Effect::There
    } else {
        Effect::NotThere(format!("{} not as written", missing.join(", ")))
    }
}

/// Whether what was written and what is read are one value. Which tags keep their capitals is the planner's matter.
fn same(guest: GuestId, key: &str, written: Option<&str>, read: Option<&str>) -> bool {
    let context = Context { guest, tag_case: TagCase::Lowered };
    let field = normalize::field_of(key, guest.kind);
    match field.and_then(|field| normalize::row(field, guest.kind)) {
        Some(row) => !row.differs(&row.read(written, context), &row.read(read, context), context),
        None => same_text(written, read),
    }
}

/// Proxmox sorts the parts of a value, adds some, and puts the volume that it made where `storage:size` was asked for.
fn same_text(written: Option<&str>, read: Option<&str>) -> bool {
    let (Some(written), Some(read)) = (written, read) else { return written == read };
    let parts: Vec<&str> = read.split(',').collect();
    let stands = |part: &str| parts.contains(&part) || is_made(part, volume::first_part(read));
    written == read || (!written.is_empty() && written.split(',').all(stands))
}

fn is_made(part: &str, read: &str) -> bool {
    let Some((storage, size)) = volume::first_part(part).split_once(':') else { return false };
    let is_number = size.starts_with(|c: char| c.is_ascii_digit())
        && !size.contains(|c: char| c != '.' && !c.is_ascii_digit());
    is_number && volume::storage(read) == storage && read != storage
}

#[cfg(test)]
mod tests {
    use super::{Effect, written};
    use crate::model::guest::{GuestId, GuestKind, Vmid};
    use crate::model::observed::{GuestConfig, PendingChange};
    use crate::model::step::ConfigChange;

    fn change(set: &[(&str, &str)], delete: &[&str]) -> ConfigChange {
        ConfigChange {
            set: set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            delete: delete.iter().map(|key| (*key).to_owned()).collect(),
            digest: "d".to_owned(),
        }
    }

    fn effect(change: &ConfigChange, current: &[(&str, &str)], pending: &[(&str, Option<&str>)]) -> Effect {
        let pending = pending.iter().map(|(key, value)| {
            let change = value.map_or(PendingChange::Delete, |value| PendingChange::Set(value.to_owned()));
            ((*key).to_owned(), change)
        });
        let config = GuestConfig {
            current: current.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            pending: pending.collect(),
            digest: "e".to_owned(),
        };
        written(GuestId::new(GuestKind::Lxc, Vmid::new(101).unwrap()), change, &config)
    }

    #[test]
    fn a_write_is_found_again_in_the_form_proxmox_gives_it() {
        let wanted = change(&[("description", "hello"), ("tags", "B;a"), ("memory", "512")], &["swap"]);
        let current = [("description", "hello\n"), ("tags", "a;b"), ("memory", "512")];
        assert_eq!(effect(&wanted, &current, &[]), Effect::There);
    }

    #[test]
    fn a_write_that_waits_for_the_next_start_has_been_taken() {
        let wanted = change(&[("cores", "4")], &[]);
        assert_eq!(effect(&wanted, &[("cores", "2")], &[("cores", Some("4"))]), Effect::There);
    }

    #[test]
    fn a_key_that_is_not_as_written_is_named() {
        let wanted = change(&[("cores", "4"), ("memory", "512")], &["onboot"]);
        let current = [("cores", "4"), ("memory", "256"), ("onboot", "1")];
        assert_eq!(
            effect(&wanted, &current, &[]),
            Effect::NotThere("memory, onboot not as written".to_owned())
        );
    }
}

//! An operation in plain words: what is ordered, what is lost by it, for whom and until when.

use crate::authz::Keyring;
use crate::model::op::{Action, BackupEvidence, Operation};
use crate::model::time::Timestamp;

/// One statement a line.
pub(in crate::cli) fn describe(op: &Operation, now: Timestamp) -> String {
    let mut lines = vec![ordered(op)];
    lines.push(format!("  lost:      {}", lost(&op.action)));
    if op.subject.is_some() {
        lines.push(format!(
            "  backup:    {}",
            op.evidence.as_ref().map_or_else(|| without(op), |backup| with(backup, now))
        ));
    }
    lines.push(format!("  valid:     {}", window(op, now)));
    lines.push(format!("  in role:   {}", op.role));
    if !op.note.is_empty() {
        lines.push(format!("  note:      {}", op.note));
    }
    if let Some(subject) = &op.subject {
        let state = op.state_sha256.as_deref().unwrap_or("-");
        lines.push(format!("  bound to:  {} as ident {} and state {state}", subject.guest, subject.ident));
    }
    lines.push(format!("  op id:     {}", op.op_id));
    lines.join("\n")
}

/// `guest.destroy of lxc/105 on node pve of host h1: purge no`
fn ordered(op: &Operation) -> String {
    let of = op.subject.as_ref().map(|subject| format!(" of {}", subject.guest)).unwrap_or_default();
    let parameters = parameters(&op.action);
    let separator = if parameters.is_empty() { "" } else { ": " };
    format!("{}{of} on node {} of host {}{separator}{parameters}", op.action.kind(), op.node, op.host_id)
}

fn parameters(action: &Action) -> String {
    let yes_no = |flag: bool| if flag { "yes" } else { "no" };
    match action {
        Action::GuestDestroy { purge } => format!("purge {}", yes_no(*purge)),
        Action::GuestRollback { snapshot, start } => {
            format!("to snapshot {snapshot}, start afterwards {}", yes_no(*start))
        }
        Action::GuestRestoreOver { volid, storage } => format!("from {volid} onto storage {storage}"),
        Action::GuestStopHard => String::new(),
        Action::GuestUnlock { lock } => format!("lock {lock}"),
        Action::SnapshotDelete { snapshot } => format!("snapshot {snapshot}"),
        Action::BackupDelete { volid } => format!("backup {volid}"),
        Action::VolumeDelete { key, volid } => format!("{key}, which is {volid}"),
        Action::VolumeDetach { key } => key.clone(),
        Action::ConfigDestructive { set, delete } => {
            let set = set.iter().map(|(key, value)| format!("{key} becomes {value}"));
            let delete = delete.iter().map(|key| format!("{key} is deleted"));
            set.chain(delete).collect::<Vec<_>>().join("; ")
        }
        Action::ResourceDelete { resource_id } => format!("resource {resource_id}"),
        Action::JobShell { command_sha256, timeout_s } => {
            format!("the command with SHA-256 {command_sha256}, for {timeout_s} s at most")
        }
        Action::LimitRelease { generation } => format!("generation {generation}"),
        Action::FloorRaise { iat } => format!("to {iat} ({})", iat.unix()),
        Action::TrustUpdate { keyring } => new_keyring(keyring),
    }
}

/// Whoever signs this decides who may sign from then on: every key is named.
fn new_keyring(bytes: &[u8]) -> String {
    match Keyring::parse(bytes) {
        Ok(keyring) => format!("to the keyring\n{}", table(&keyring)),
        Err(error) => format!("to a keyring that would be refused: {error}"),
    }
}

/// A keyring as people read it.
pub(in crate::cli) fn table(keyring: &Keyring) -> String {
    let mut lines = vec![format!(
        "  version {}, good until {}; a trust.update takes {} root signature(s)",
        keyring.version(),
        keyring.expires(),
        keyring.threshold()
    )];
    for key in keyring.keys() {
        let roles: Vec<&str> = key.roles.iter().map(|role| role.as_str()).collect();
        let roles = if roles.is_empty() { "no role".to_owned() } else { roles.join(",") };
        let revoked = if key.revoked { ", REVOKED" } else { "" };
        let window = format!("{} to {}", key.not_before, key.not_after);
        lines.push(format!("  {}  {:<20} {roles}, {window}{revoked}", key.keyid, key.name));
    }
    lines.join("\n")
}

/// What does not come back.
pub(in crate::cli) fn lost(action: &Action) -> &'static str {
    match action {
        Action::GuestDestroy { purge: false } => "the guest, all its volumes and all its snapshots",
        Action::GuestDestroy { purge: true } => {
            "the guest, all its volumes and snapshots, and its place in backup jobs, replication and HA"
        }
        Action::GuestRollback { .. } => "all that came after the snapshot",
        Action::GuestRestoreOver { .. } => "the guest as it is, with all its volumes and snapshots",
        Action::GuestStopHard => "what the guest has not written to disk yet",
        Action::GuestUnlock { .. } => "the lock, and with it what a task that still works would need it for",
        Action::SnapshotDelete { .. } => "the snapshot",
        Action::BackupDelete { .. } => "the backup",
        Action::VolumeDelete { .. } => "the volume and what is on it",
        Action::VolumeDetach { .. } => "nothing: the volume is kept, the guest no longer sees it",
        Action::ConfigDestructive { .. } => "what the keys named here hold now",
        Action::ResourceDelete { .. } => "the resource",
        Action::JobShell { .. } => "whatever the command destroys; read it",
        Action::LimitRelease { .. } => "the pause that the limit on changes at once has made",
        Action::FloorRaise { .. } => "every operation that was issued before; it must be signed again",
        Action::TrustUpdate { .. } => "the keyring in force: from then on only the keys named here may sign",
    }
}

fn with(backup: &BackupEvidence, now: Timestamp) -> String {
    let covers: Vec<&str> = backup.covers.iter().map(String::as_str).collect();
    let covers = if covers.is_empty() { "no volume".to_owned() } else { covers.join(", ") };
    format!(
        "{} of {} ({} old, {} bytes) with {covers}",
        backup.volid,
        backup.ctime,
        span(now.seconds_since(backup.ctime)),
        backup.size
    )
}

fn without(op: &Operation) -> String {
    if op.action.needs_evidence() {
        "NONE is named: what is lost is lost, and the host wants two signers with two roles, unless the guest is \
         declared to hold no data"
            .to_owned()
    } else {
        "none is needed".to_owned()
    }
}

fn window(op: &Operation, now: Timestamp) -> String {
    let from = if op.nbf > now { format!("from {} ", op.nbf) } else { String::new() };
    if now >= op.exp {
        return format!("{from}until {}: EXPIRED {} ago", op.exp, span(now.seconds_since(op.exp)));
    }
    format!("{from}until {} ({} from now)", op.exp, span(op.exp.seconds_since(now)))
}

/// `2 d 3 h`, `59 min`, `12 s`
pub(in crate::cli) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600, seconds / 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn a_span_is_said_in_two_units_at_most() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_660, "1 h 1 min"),
            (183_600, "2 d 3 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}

//! The normal forms: a guest's identity and its state as text that any language can build again, and their hashes.
//!
//! Both are lines that end in a line feed, in the order given here; within a group of lines sorted by their bytes. In a value a
//! backslash becomes `\\`, a line feed `\n`, a carriage return `\r`; everything else stands as UTF-8. `-` is what is not there.
//! `contrib/signed-operations.md` documents them for other programs.

use std::fmt::Write;

use crate::model::digest::sha256;
use crate::model::guest::GuestKind;
use crate::model::image::GuestImage;
use crate::model::observed::{HaState, PendingChange};
use crate::model::step::MARKER;

/// Keys of a configuration that keep books and are no property of the guest.
/// - `digest`: a hash over the whole file; any other change of it is seen for itself.
/// - `lock`: whether somebody works on the guest now; looked at by itself, and it comes and goes.
/// - `parent`: the snapshot the present state came from; the list of snapshots says more.
/// - `snaptime`, `snapstate`: belong to a snapshot; the list of snapshots has them.
/// - `runningmachine`, `runningcpu`: what a VM with saved memory ran on; Proxmox writes them.
const BOOKKEEPING: [&str; 7] =
    ["digest", "lock", "parent", "snaptime", "snapstate", "runningmachine", "runningcpu"];

/// The incarnation of the guest: the first 16 bytes of SHA-256 over [`ident_text`], in hex.
pub fn ident(image: &GuestImage) -> String {
    let mut hex = sha256(ident_text(image).as_bytes());
    hex.truncate(32);
    hex
}

/// SHA-256 over [`state_text`], in hex.
pub fn state_sha256(image: &GuestImage) -> String {
    sha256(state_text(image).as_bytes())
}

/// What stays the same as long as it is the same guest, and no longer. A VM: the UUID of its BIOS, the generation id and the
/// time of its making, which Proxmox gives it. A container has nothing of the kind: our marker if it has one, the volume of
/// its root, and when that was made where the storage knows. Of both, the last task that made, restored, moved or destroyed a
/// guest of this number: one that was made anew, word for word, has another.
pub fn ident_text(image: &GuestImage) -> String {
    let current = |key: &str| image.config.current.get(key).map(String::as_str);
    let mut text = format!("felhom-ident-v1\nguest {}\n", image.guest);
    match image.guest.kind {
        GuestKind::Qemu => {
            line(&mut text, "uuid", part(current("smbios1"), "uuid"));
            line(&mut text, "vmgenid", current("vmgenid"));
            line(&mut text, "made", part(current("meta"), "ctime"));
        }
        GuestKind::Lxc => {
            let root = image.volumes.iter().find(|volume| volume.key == "rootfs");
            line(&mut text, "marker", current("description").and_then(marker));
            line(&mut text, "root", root.map(|root| root.volid.as_str()));
            line(&mut text, "made", root.and_then(|root| root.made_at).map(|at| at.to_string()).as_deref());
        }
    }
    let last = image.incarnations.iter().max_by_key(|(upid, started)| (**started, *upid));
    line(&mut text, "task", last.map(|(upid, _)| upid.as_str()));
    text
}

/// All that the operation's signer saw and that must be so still.
pub fn state_text(image: &GuestImage) -> String {
    let mut text = format!("felhom-state-v1\nguest {}\n", image.guest);
    for (key, value) in &image.config.current {
        if !BOOKKEEPING.contains(&key.as_str()) {
            line(&mut text, &format!("config {key}"), Some(value));
        }
    }
    for (key, change) in &image.config.pending {
        match change {
            PendingChange::Set(value) => line(&mut text, &format!("pending {key} set"), Some(value)),
            PendingChange::Delete => line(&mut text, &format!("pending {key} delete"), None),
        }
    }
    let snapshots = image.snapshots.iter().map(|snapshot| {
        let parent = snapshot.parent.as_deref().unwrap_or("-");
        format!("{} parent {parent} taken {}", snapshot.name, number(snapshot.taken_at))
    });
    sorted(&mut text, "snapshot", snapshots);
    let volumes = image
        .volumes
        .iter()
        .map(|volume| format!("{} {} size {}", volume.key, volume.volid, number(volume.size)));
    sorted(&mut text, "volume", volumes);
    let protection = image.config.current.get("protection").is_some_and(|value| value == "1");
    line(&mut text, "protection", Some(if protection { "1" } else { "0" }));
    line(&mut text, "template", Some(if image.template { "1" } else { "0" }));
    let ha = match &image.ha {
        HaState::NotManaged => None,
        HaState::Managed(state) => Some(state.as_deref().unwrap_or("managed")),
    };
    line(&mut text, "ha", ha);
    text
}

fn line(text: &mut String, name: &str, value: Option<&str>) {
    let value = value.unwrap_or("-").replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let written = writeln!(text, "{name} {value}");
    debug_assert!(written.is_ok(), "a String takes every write");
}

fn sorted(text: &mut String, name: &str, rows: impl Iterator<Item = String>) {
    let mut rows: Vec<String> = rows.collect();
    rows.sort_unstable();
    for row in rows {
        line(text, name, Some(&row));
    }
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// `x` of `…,uuid=x,…`
pub(super) fn part<'a>(value: Option<&'a str>, name: &str) -> Option<&'a str> {
    value?.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
}

/// The word in the line that an agent put into a description: `felhom-incarnation: <word>`.
fn marker(description: &str) -> Option<&str> {
    description.lines().find_map(|line| line.trim().strip_prefix(MARKER)).map(str::trim)
}

#[cfg(test)]
mod tests;

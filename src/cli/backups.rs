//! `backups`: of each guest the newest backup, what is in it, and whether it was ever restored.

use serde_json::{Value, json};

use crate::clock;
use crate::config::{self, Needs};
use crate::consent;
use crate::model::guest::{GuestId, GuestKind};
use crate::observe;
use crate::proof::Board;
use crate::proof::document::{member, put, text, texts};
use crate::pve::Client;

use super::exit::Exit;
use super::line::{Given, Line, Stop};
use super::page::Page;
use super::print::Output;
use super::{Failure, Global, pve_failure};

pub(super) static PAGE: Page = Page {
    name: "backups",
    commands: &[],
    options: &["--json"],
    text: "\
Shows of each guest of this node its newest backup: how old and large it is, what
it holds and what is left out, whether it is of the guest as it is now, and how
its last restore test ended. Reads only.

Usage: felhom-agent backups [--json]

Options:
  --json  as JSON

Ends with 1 when a guest has no backup that could be relied on, or failed its
last restore test; 75 when a storage or a guest could not be read.

Example: felhom-agent backups
",
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct BackupsArguments {
    pub(super) json: bool,
}

impl BackupsArguments {
    pub(super) fn parse(line: &mut Line) -> Result<Self, Stop> {
        let mut arguments = Self::default();
        while let Some(given) = line.next(&PAGE)? {
            match given {
                Given::Option("--json") => arguments.json = true,
                other => return Err(PAGE.unexpected(&other)),
            }
        }
        Ok(arguments)
    }
}

pub(super) fn run(
    global: &Global,
    arguments: &BackupsArguments,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let config = config::load(&global.sources(), Needs::PROXMOX)?;
    super::begin(&config, output);
    let Some(proxmox) = &config.proxmox else {
        return Err(Failure::text(Exit::Configuration, "proxmox is not configured"));
    };
    let client = Client::new(&proxmox.connection()).map_err(|error| pve_failure(&error))?;
    // What the daemon keeps is read as it is; nothing is made here.
    let tests = Board::kept(&config.agent.state_dir);
    let mut rows = Vec::new();
    for kind in GuestKind::ALL {
        for listed in client.guests(kind).map_err(|error| pve_failure(&error))? {
            let scratch = config.proof.scratch.contains(&listed.guest.vmid.number());
            if !listed.template && !scratch {
                rows.push(row(&client, listed.guest, listed.name, &tests));
            }
        }
    }
    rows.sort_unstable_by_key(|row| member(row, "vmid").as_u64());
    if arguments.json {
        output.json(&rows);
    } else {
        output.text(&rendered(&rows));
    }
    let any = |state: &str| rows.iter().any(|row| text(row, "state") == state);
    Ok(match (any("missing") || any("faulty") || any("unproven"), any("unknown")) {
        (true, _) => Exit::Failed,
        (false, true) => Exit::TryAgain,
        (false, false) => Exit::InOrder,
    })
}

fn row(client: &Client, guest: GuestId, name: Option<String>, tests: &[Value]) -> Value {
    let test = tests.iter().rev().find(|test| *member(test, "vmid") == json!(guest.vmid));
    let mut row = json!({"vmid": guest.vmid, "type": guest.kind, "name": name, "state": "unknown", "restore_test": test});
    let seen = observe::image(client, guest).map_err(|rejected| rejected.detail).and_then(|image| {
        let (backups, unread) = observe::backup_rows(client, guest).map_err(|error| error.to_string())?;
        Ok((image, backups, unread))
    });
    let (image, backups, unread) = match seen {
        Ok(seen) => seen,
        Err(why) => {
            put(&mut row, "message", json!(why));
            return row;
        }
    };
    let excluded = observe::excluded(&image);
    put(&mut row, "excluded", json!(excluded));
    let Some(newest) = backups.into_iter().next() else {
        if unread.is_empty() {
            put(&mut row, "state", json!("missing"));
        } else {
            put(&mut row, "message", json!(unread.join("; ")));
        }
        return row;
    };
    let backup = observe::looked_into(client, &image, newest);
    put(&mut row, "volid", json!(backup.volid));
    put(&mut row, "size", json!(backup.size));
    put(&mut row, "ctime_unix", json!(backup.ctime));
    put(&mut row, "age_seconds", json!(backup.ctime.map(|ctime| clock::now().unix().saturating_sub(ctime))));
    put(&mut row, "covers", json!(backup.covers));
    put(&mut row, "incarnation_ok", json!(!consent::is_of_another(&backup, &image)));
    let fault = crate::proof::fault_of(&backup, &image, &excluded);
    let failed = test.is_some_and(|test| text(test, "result") == "failed");
    put(
        &mut row,
        "state",
        json!(match (&fault, failed) {
            (Some(_), _) => "faulty",
            (None, true) => "unproven",
            (None, false) => "ok",
        }),
    );
    put(&mut row, "message", json!(fault));
    row
}

/// One line a guest, and one more where there is something to say.
fn rendered(rows: &[Value]) -> String {
    let mut lines = vec![format!(
        "{:>9}  {:<16} {:<9} {:>6} {:>9}  {:<24} LAST RESTORE TEST",
        "GUEST", "NAME", "BACKUP", "AGE", "SIZE", "HOLDS"
    )];
    for row in rows {
        let shown = |name: &str| member(row, name).as_str().unwrap_or("-");
        let test = member(row, "restore_test");
        let tested =
            member(test, "result").as_str().map(|result| format!("{result} {}", text(test, "finished_at")));
        let left_out = texts(row, "excluded");
        let left_out = if left_out.is_empty() { left_out } else { format!(" without {left_out}") };
        lines.push(format!(
            "{:>9}  {:<16} {:<9} {:>6} {:>9}  {:<24} {}",
            member(row, "vmid").to_string(),
            shown("name"),
            shown("state"),
            member(row, "age_seconds").as_u64().map_or_else(|| "-".to_owned(), age),
            member(row, "size").as_u64().map_or_else(|| "-".to_owned(), size),
            format!("{}{left_out}", texts(row, "covers")),
            tested.as_deref().unwrap_or("never"),
        ));
        if let Some(message) = member(row, "message").as_str() {
            lines.push(format!("{:>9}  {message}", ""));
        }
    }
    lines.join("\n")
}

/// `3 h`; the largest unit that fits.
fn age(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let (unit, name) = units.into_iter().find(|(unit, _)| seconds >= *unit).unwrap_or((1, "s"));
    format!("{} {name}", seconds / unit)
}

/// `12 MiB`; the largest unit that fits.
fn size(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let (unit, name) = units.into_iter().find(|(unit, _)| bytes >= *unit).unwrap_or((1, "B"));
    format!("{} {name}", bytes / unit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::rendered;

    #[test]
    fn a_guest_is_a_line_with_what_it_has_and_what_it_lacks() {
        let text = rendered(&[
            json!({"vmid": 101, "name": "web", "state": "ok", "age_seconds": 7_200, "size": 5 << 20, "covers": ["rootfs"],
                   "excluded": ["mp0"], "restore_test": {"result": "passed", "finished_at": "2026-11-21T06:26:55Z"}}),
            json!({"vmid": 102, "name": null, "state": "missing", "restore_test": null}),
        ]);
        for part in
            ["web", "2 h", "5 MiB", "rootfs without mp0", "passed 2026-11-21T06:26:55Z", "missing", "never"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

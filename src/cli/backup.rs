//! `backup`: makes a backup of one guest now, and looks at what was made. Through the daemon when it runs, else by itself.
//! What asking, waiting and telling have in common with `restore-test` is here.

use std::io::stderr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::control::What;
use crate::model::guest::Vmid;
use crate::proof::document::{member, text, texts};

use super::exit::Exit;
use super::in_hand::InHand;
use super::line::{Given, Line, Stop};
use super::page::{Page, repeated};
use super::print::Output;
use super::socket::Socket;
use super::{Failure, Global, proving};

/// Between two looks at how far it is.
pub(super) const EVERY: Duration = Duration::from_millis(500);

pub(super) static PAGE: Page = Page {
    name: "backup",
    commands: &[],
    options: &["--storage STORAGE", "--json", "--socket PATH"],
    text: "\
Makes a backup of a guest now, and then looks for it: that the storage has it, of
this incarnation of the guest, of a sane size, with every volume in it that is
not left out by the guest's own configuration. Removes no other backup.

Usage: felhom-agent backup [--storage STORAGE] [--json] VMID

Options:
  --storage STORAGE  where it goes [backup.storage of the guest,
                     proof.backup_storage, or where its newest backup is]
  --json             as JSON
  --socket PATH      the daemon's socket [agent.socket of the configuration]

Through the daemon when it runs, else in the foreground. Ends with 1 when there
is no backup to rely on afterwards, whatever Proxmox says; 75 when nothing could
be tried.

Example: felhom-agent backup 101 --storage pbs
",
};

/// What `backup` and `restore-test` are asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProveArguments {
    pub(super) vmid: Vmid,
    pub(super) storage: Option<String>,
    pub(super) json: bool,
    pub(super) socket: Option<PathBuf>,
}

impl ProveArguments {
    pub(super) fn parse(line: &mut Line, page: &'static Page) -> Result<Self, Stop> {
        let (mut vmid, mut storage, mut json, mut socket) = (None, None, false, None);
        while let Some(given) = line.next(page)? {
            match given {
                Given::Option("--storage") if storage.is_none() => {
                    storage = Some(line.text(page, "--storage STORAGE")?);
                }
                Given::Option("--json") => json = true,
                Given::Option("--socket") if socket.is_none() => {
                    socket = Some(PathBuf::from(line.value(page, "--socket PATH")?));
                }
                Given::Word(word) if vmid.is_none() => {
                    let word = word.to_string_lossy();
                    let number: Result<Vmid, String> = word.parse();
                    let wrong = |_echo| page.usage(&format!("{} is no number of a guest", repeated(&word)));
                    vmid = Some(number.map_err(wrong)?);
                }
                other => return Err(page.unexpected(&other)),
            }
        }
        let vmid = vmid.ok_or_else(|| page.usage("VMID is missing: the number of the guest"))?;
        Ok(Self { vmid, storage, json, socket })
    }
}

/// Asks the daemon, or does it here where none runs, and says how it ended.
pub(super) fn run(
    global: &Global,
    what: What,
    arguments: &ProveArguments,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let job = ended(global, what, arguments, output)?;
    let result = member(&job, "result");
    if arguments.json {
        output.json(result);
    } else {
        output.text(&described(what, result));
    }
    Ok(exit(result))
}

/// A backup for whoever goes on with it: what came of it is said on standard error, and it is there when this returns.
pub(super) fn make(global: &Global, vmid: Vmid, output: &mut Output) -> Result<(), Failure> {
    let arguments = ProveArguments { vmid, storage: None, json: false, socket: None };
    let job = ended(global, What::Backup, &arguments, output)?;
    let result = member(&job, "result");
    match exit(result) {
        Exit::InOrder => {
            output.complain(&described(What::Backup, result));
            Ok(())
        }
        other => Err(Failure::text(other, described(What::Backup, result))),
    }
}

fn exit(result: &Value) -> Exit {
    match text(result, "result") {
        "done" | "passed" => Exit::InOrder,
        "skipped" => Exit::TryAgain,
        _ => Exit::Failed,
    }
}

/// The job as it ended, through the daemon or done here.
fn ended(
    global: &Global,
    what: What,
    arguments: &ProveArguments,
    output: &mut Output,
) -> Result<Value, Failure> {
    match asked(global, what, arguments, output) {
        // No daemon: whoever gets the lock does it himself.
        Err(failure) if matches!(failure.exit, Exit::TryAgain | Exit::Configuration) => {
            proving::run(global, what, arguments, output)?.ok_or(failure)
        }
        job => job,
    }
}

/// Through the daemon: the job as it ended.
fn asked(
    global: &Global,
    what: What,
    arguments: &ProveArguments,
    output: &mut Output,
) -> Result<Value, Failure> {
    let socket = Socket::of(global, arguments.socket.clone())?;
    let call = match what {
        What::Backup => "backup",
        What::RestoreTest => "restore-test",
    };
    let storage = arguments.storage.as_ref().map(|storage| format!("?storage={}", encoded(storage)));
    let path = format!("/v1/{call}/{}{}", arguments.vmid, storage.unwrap_or_default());
    let asked: Value = socket.post(&path, &[])?.good()?;
    let mut in_hand = InHand::on(&stderr());
    let ended = loop {
        let document: Value = socket.get("/v1/proof")?.good()?;
        let mut jobs = member(&document, "jobs").as_array().into_iter().flatten();
        let Some(job) = jobs.find(|job| member(job, "job") == member(&asked, "job")) else {
            let what =
                "the daemon was started anew meanwhile; see felhom-agent backups for what became of it";
            break Err(Failure::text(Exit::Failed, what));
        };
        if !member(job, "result").is_null() {
            break Ok(job.clone());
        }
        if !arguments.json {
            output.aside(&told(job, &mut in_hand));
        }
        // Nobody sends: it is the waiting that is wanted.
        crossbeam_channel::after(EVERY).recv().ok();
    };
    output.aside(&in_hand.over());
    ended
}

/// How far it is, for standard error.
pub(super) fn told(job: &Value, in_hand: &mut InHand) -> String {
    in_hand.news(&[(text(job, "phase").to_owned(), member(job, "percent").as_u64())])
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A result in words.
fn described(what: What, result: &Value) -> String {
    let noun = if what == What::Backup { "backup" } else { "restore test" };
    let mut lines = vec![format!("{noun} of {}: {}", member(result, "vmid"), text(result, "result"))];
    let mut say = |name: &str, value: &str| {
        if !value.is_empty() {
            lines.push(format!("  {:<9} {value}", format!("{name}:")));
        }
    };
    say("code", text(result, "code"));
    say("message", text(result, "message"));
    say("volume", text(result, "volid"));
    say("size", &member(result, "size").as_u64().map(|size| format!("{size} bytes")).unwrap_or_default());
    say("holds", &texts(result, "covers"));
    say("left out", &texts(result, "excluded"));
    for check in member(result, "checks").as_array().into_iter().flatten() {
        let mark = match (member(check, "ok").as_bool(), member(check, "skipped").is_null()) {
            (Some(true), _) => "ok",
            (_, false) => "--",
            _ => "NO",
        };
        let (name, detail) = (text(check, "name"), text(check, "detail"));
        say("check", format!("{mark} {name} {detail}").trim_end());
    }
    say("seconds", &member(result, "seconds").to_string());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::described;
    use crate::control::What;

    #[test]
    fn a_result_is_said_with_its_evidence() {
        let result = json!({
            "vmid": 101, "result": "failed", "code": "stays_up", "message": "it is stopped", "volid": "store:backup/x",
            "size": 4096, "covers": ["rootfs"], "excluded": ["mp0"], "seconds": 7,
            "checks": [{"name": "boots", "ok": true, "detail": ""}, {"name": "stays_up", "ok": false, "detail": "it is stopped"},
                       {"name": "file", "ok": false, "skipped": true, "detail": "skipped: why"}]
        });
        let text = described(What::RestoreTest, &result);
        for part in [
            "restore test of 101: failed",
            "left out: mp0",
            "ok boots",
            "NO stays_up it is",
            "-- file skipped: why",
            "4096 bytes",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

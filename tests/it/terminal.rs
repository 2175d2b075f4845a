//! What a person sees at a real terminal, and what goes into a pipe: colour, a line that is drawn anew, and how far a long task is.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use felhom_sim::node::World;
use felhom_sim::server::{Action, Rule};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::{Value, json};

use crate::socket::get;
use crate::stage::{Daemon, Stage, lxc, program, vm};

const PATIENCE: Duration = Duration::from_secs(120);
/// Cursor home and all cleared; the line begun anew; a colour.
const SCREEN: &str = "\u{1b}[H\u{1b}[2J";
const LINE: &str = "\r\u{1b}[K";
const COLOUR: &str = "\u{1b}[3";

/// A command at a terminal of its own.
struct Terminal {
    child: Child,
    keys: File,
    /// Open as long as this is, so that what stands on it is not lost with the command.
    line: File,
    seen: Arc<Mutex<String>>,
    modes: LocalModes,
}

impl Terminal {
    /// `environment`: `NAME=VALUE`, or nothing.
    fn of(stage: &Stage, environment: &str, arguments: &[&str]) -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("the kernel has one left");
        grantpt(&screen).expect("it is ours");
        unlockpt(&screen).expect("it is ours");
        let size = Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&screen, size).expect("it is a terminal");
        let path = ptsname(&screen, Vec::new()).expect("it has a name");
        let path = PathBuf::from(path.to_str().expect("of ASCII letters"));
        let line = OpenOptions::new().read(true).write(true).open(path).expect("it is unlocked");
        // Its controlling terminal, so that its keys reach it; what stands before the program is replaced by it.
        let mut command = program("/usr/bin/setsid");
        command.env_clear().envs(environment.split_once('=')).current_dir(stage.folder.path());
        command.args(["--ctty", env!("CARGO_BIN_EXE_felhom-agent"), "--config"]).arg(stage.config_file());
        let end = || line.try_clone().expect("a descriptor is left");
        command.args(arguments).stdin(end()).stdout(end()).stderr(end());
        let modes = tcgetattr(&line).expect("it is a terminal").local_modes;
        let child = command.spawn().expect("setsid is there");
        let seen = Arc::new(Mutex::new(String::new()));
        let mut reader = File::from(screen.try_clone().expect("a descriptor is left"));
        let into = Arc::clone(&seen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { child, keys: File::from(screen), line, seen, modes }
    }

    fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }

    fn until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.seen()) {
            assert!(Instant::now() < deadline, "waited in vain for: {what}\nseen:\n{:?}", self.seen());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn types(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).expect("the terminal takes keys");
    }

    /// All that was seen in the end, and how it ended. The terminal is as it was, and its cursor is shown.
    fn end(mut self) -> (String, ExitStatus) {
        let status = self.child.wait().expect("it is our child");
        // What was written last is read once this is.
        (&self.line).write_all(b"<end>").expect("the terminal is there");
        self.until("the end", |seen| seen.ends_with("<end>"));
        let modes = tcgetattr(&self.line).expect("it is a terminal").local_modes;
        assert_eq!(modes, self.modes);
        let seen = self.seen();
        assert!(!seen.contains("\u{1b}[?"), "no cursor is hidden, no other screen opened: {seen:?}");
        (seen.trim_end_matches("<end>").to_owned(), status)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Something to do, and something that waits.
fn drifted() -> Value {
    json!([lxc(101, json!({"memory_mb": 256})), lxc(107, json!({"memory_mb": 256}))])
}

/// A guest that is to be made from a backup, and the task that does it stands still.
fn restoring(stage: &Stage, daemon: &Daemon, backup: &str) {
    stage.hang("qmrestore");
    let provision = json!({"from": "backup", "source": backup, "storage": "store"});
    stage.desire(2, &json!([vm(250, json!({"provision": provision}))]));
    daemon.until("it is restored", || task(stage).is_some());
    tells(stage, "progress 12% (read 128 bytes, duration 1 sec)");
}

fn task(stage: &Stage) -> Option<String> {
    let is_it = |world: &World| {
        let mut tasks = world.tasks.newest_first();
        tasks.find(|task| task.kind == "qmrestore").map(|task| task.upid.clone())
    };
    stage.node.world(|world| is_it(world))
}

/// Adds a line to the log of that task.
fn tells(stage: &Stage, line: &str) {
    let upid = task(stage).expect("it was begun");
    stage.node.world(|world| {
        let (id, _) = world.tasks.find(&upid).expect("it is there");
        world.log(id, line);
    });
}

#[test]
fn a_plan_has_colours_at_a_terminal_and_nowhere_else() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &drifted());
    let piped = stage.run(&["plan"]);
    assert!(piped.code == Some(0) && !piped.stdout.contains('\u{1b}'), "{piped:?}");
    for (environment, coloured) in [("", true), ("NO_COLOR=", true), ("NO_COLOR=1", false)] {
        let (seen, status) = Terminal::of(&stage, environment, &["plan"]).end();
        assert_eq!((status.code(), seen.contains(COLOUR)), (Some(0), coloured), "{environment}: {seen}");
        let bare = ["31m", "32m", "33m", "0m"]
            .iter()
            .fold(seen, |text, code| text.replace(&format!("\u{1b}[{code}"), ""));
        assert_eq!(bare.replace("\r\n", "\n"), piped.stdout, "colour adds nothing but colour");
    }
    let (seen, _) = Terminal::of(&stage, "", &["plan", "--json"]).end();
    assert!(!seen.contains('\u{1b}'), "JSON is for programs: {seen}");
}

#[test]
fn the_status_is_drawn_anew_until_ctrl_c_and_leaves_the_terminal_as_it_was() {
    let stage = Stage::new(|_| {});
    stage.desire(1, &drifted());
    let daemon = stage.daemon();
    daemon.says("guest-101 (lxc/101) is in order");
    let mut watch = Terminal::of(&stage, "", &["status", "--watch"]);
    watch.until("a second screen", |seen| seen.matches(SCREEN).count() > 1 && seen.contains("to go on: "));
    watch.types(b"\x03");
    let (seen, status) = watch.end();
    assert_eq!(status.signal(), Some(2), "{seen}");
    assert!(seen.starts_with(SCREEN) && seen.contains(COLOUR), "{seen}");
    daemon.stop();
}

#[test]
fn how_far_a_long_task_is_shows_at_a_terminal_in_one_line_and_in_a_pipe_in_a_line_for_each_change() {
    let mut backup = String::new();
    let stage = Stage::new(|world| backup = world.add_backup("store", 201, 3_600));
    stage.desire(1, &json!([]));
    let daemon = stage.daemon();
    stage.looks(&daemon, 1);
    let logs = || stage.node.calls().iter().filter(|call| call.path.ends_with("/log")).count();
    restoring(&stage, &daemon, &backup);
    stage.looks(&daemon, 2);
    assert_eq!(logs(), 0, "nobody has asked how far it is");

    let piped = stage.start(stage.command(&["apply"]));
    let shown = Terminal::of(&stage, "", &["apply"]);
    let of_task = || get(&stage, "/v1/status").json()["local"]["tasks"][0].clone();
    daemon.until("the status tells it", || of_task()["percent"] == 12);
    stage.run(&["status"]).expect(0, &["qemu/250", ", 12 %, for "]);
    shown.until("12 per cent", |seen| seen.contains(", 12 %"));
    daemon.until("the pipe has it", || piped.printed().contains(", 10 %\n"));
    tells(&stage, "progress 57% (read 600 bytes, duration 9 sec)");
    shown.until("57 per cent", |seen| seen.contains(", 57 %"));
    daemon.until("the pipe has it", || piped.printed().contains(", 50 %\n"));
    stage.let_go();

    let (seen, status) = shown.end();
    assert_eq!(status.code(), Some(0), "{seen}");
    let (before, after) = seen.rsplit_once(LINE).expect("the line is drawn anew");
    assert!(before.contains("in hand: make qemu/250") && !before.contains("%\r\n"), "{seen:?}");
    assert!(!after.contains("in hand") && after.contains("1 in order"), "the line is taken away: {seen:?}");
    daemon.until("the pipe has its summary", || piped.printed().contains("1 in order"));
    let printed = piped.printed();
    assert!(!printed.contains('\u{1b}') && !printed.contains('\r'), "{printed}");
    assert_eq!(printed.matches(", 10 %\n").count(), 1, "a line for each change: {printed}");
    assert!(of_task().is_null(), "it is over");
    daemon.stop();
}

#[test]
fn a_log_that_is_not_told_keeps_nobody_who_looks_from_the_rest() {
    let mut backup = String::new();
    let stage = Stage::new(|world| backup = world.add_backup("store", 201, 3_600));
    stage.desire(1, &json!([]));
    let daemon = stage.daemon();
    stage.looks(&daemon, 1);
    restoring(&stage, &daemon, &backup);
    let held = stage.node.fault(Rule::new(Action::Hold).method("GET").path("/log"));
    let task = || get(&stage, "/v1/status").json()["local"]["tasks"][0].clone();
    // The first look gives the question up, the next one asks none.
    for _ in 0..2 {
        let task = task();
        assert!(task["what"].to_string().contains("make qemu/250") && task["percent"].is_null(), "{task}");
    }
    stage.node.remove_fault(held);
    daemon.until("it is told once it can be", || task()["percent"] == 12);
    stage.let_go();
    daemon.says("guest-250 (qemu/250) is in order");
    daemon.stop();
}

#[test]
fn a_pass_that_is_broken_off_at_the_keyboard_takes_its_line_away_and_leaves_no_agent_behind() {
    let mut backup = String::new();
    let stage = Stage::new(|world| backup = world.add_backup("store", 201, 3_600));
    let provision = json!({"from": "backup", "source": backup, "storage": "store"});
    stage.desire(1, &json!([vm(250, json!({"provision": provision}))]));
    stage.hang("qmrestore");
    let mut shown = Terminal::of(&stage, "", &["apply"]);
    shown.until("the task", |seen| seen.contains("in hand: make qemu/250"));
    shown.types(b"\x03");
    let (seen, status) = shown.end();
    assert_ne!(status.code(), Some(0), "{seen}");
    let (_, after) = seen.rsplit_once(LINE).expect("the line is taken away");
    assert!(!after.contains("in hand"), "{seen:?}");
    stage.let_go();
    // Nobody has the lock any more, and the next one knows what was begun.
    stage.run(&["apply"]).expect(0, &["1 in order"]);
    assert_eq!(stage.mutation_lines(), ["POST /nodes/pve/qemu"]);
}

#[test]
fn a_backup_says_its_phase_beside_its_answer_with_a_daemon_and_without() {
    let stage = Stage::new(|_| {});
    // Two guests: a backup is called by its second, and two of one guest may be of the same.
    let backup = |vmid| ["backup", vmid, "--storage", "store"];
    let begun = |vmid| {
        stage.hang("vzdump");
        let shown = Terminal::of(&stage, "", &backup(vmid));
        shown.until("its phase", |seen| seen.contains("in hand: backing up"));
        shown
    };
    let ended = |shown: Terminal, vmid| {
        stage.let_go();
        let (seen, status) = shown.end();
        assert_eq!(status.code(), Some(0), "{seen}");
        let (_, after) = seen.rsplit_once(LINE).expect("the line is taken away");
        assert!(after.starts_with(&format!("backup of {vmid}: done")), "{seen:?}");
    };
    ended(begun("100"), "100");

    let daemon = stage.daemon();
    stage.listens(&daemon);
    let shown = begun("103");
    // The same job: whoever asks meanwhile is told of it.
    let piped = stage.start(stage.command(&backup("103")));
    daemon.until("the pipe has it", || piped.said().contains("in hand: backing up\n"));
    stage.run(&["status"]).expect(0, &["backup of 103: backing up"]);
    ended(shown, "103");
    daemon.until("the pipe has its answer", || piped.printed().contains("backup of 103: done"));
    assert!(!piped.said().contains('\u{1b}'), "{}", piped.said());
    daemon.stop();
}

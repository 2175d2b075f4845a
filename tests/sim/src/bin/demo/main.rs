//! `make demo`: a simulated node and hub, the real daemon between them, and what can be seen of it, in plain words.
//! Exits 0 only if every line that starts with "seen" was really seen. Everything talks to loopback and ends by itself.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use felhom_sim::hub::{self, HubSim};
use felhom_sim::node::World;
use felhom_sim::pve::{self, PveSim};
use felhom_sim::server::Call;
use serde_json::{Value, json};

const HOST: &str = "7b0a3c52-5d0e-4f4e-9d5c-2f6a1f0c9e11";
/// No single thing may take longer than this.
const PATIENCE: Duration = Duration::from_secs(30);
/// The shortest interval that the agent lets a hub ask for, with its jitter and a little room.
const TWO_REPORTS: Duration = Duration::from_secs(80);

fn main() -> ExitCode {
    match run() {
        Ok(()) => {
            println!("\nAll of it was seen.");
            ExitCode::SUCCESS
        }
        Err(what) => {
            println!("\nNOT SEEN: {what}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let stage = Stage::set()?;
    stage.introduce();
    stage.show_the_plan()?;
    let mut daemon = Daemon::start(&stage)?;
    let played = play(&stage, &daemon);
    let ended = daemon.end();
    played?;
    ended
}

/// The acts, one after the other.
fn play(stage: &Stage, daemon: &Daemon) -> Result<(), String> {
    title("3. The daemon at work");
    stage.sees("a first report reached the hub", PATIENCE, |stage| {
        let reports = stage.hub.reports(HOST);
        reports.first().map(|report| {
            format!("{} guests, {} conditions", count(report, "guests"), count(report, "conditions"))
        })
    })?;
    stage.sees("web (lxc/100) was stopped and now runs, with 2 cores", PATIENCE, |stage| {
        stage.config_shows(100, "cores: 2", true)
    })?;
    stage.sees("media (qemu/200) got its new description while it ran on", PATIENCE, |stage| {
        stage.config_shows(200, "films and music", true)
    })?;

    title("4. Somebody edits a guest in the web page");
    let before = stage.node.calls().len();
    stage.edit_by_hand(101, "cores: 1", "cores: 4");
    println!("  database (lxc/101): cores 1 became 4 behind the agent's back");
    stage.sees("it was put back to 1 core", PATIENCE, |stage| stage.config_shows(101, "cores: 1", true))?;
    for call in stage.node.calls().iter().skip(before).filter(|call| call.is_mutation()) {
        println!("       the call: {}", in_words(call));
    }

    title("5. A guest that must not be touched");
    println!("  files (lxc/102) should have 4 cores, but Proxmox has it locked for a backup.");
    let reason = daemon
        .hears(PATIENCE, |line| line.contains("lxc/102) is held (lock)"))
        .ok_or("the hold's reason in the log")?;
    println!("  seen: the daemon says why: {reason}");
    let touched: Vec<String> = stage
        .node
        .calls()
        .iter()
        .filter(|call| call.is_mutation() && call.path.contains("/102/"))
        .map(in_words)
        .collect();
    if !touched.is_empty() {
        return Err(format!("that the locked guest was left alone, but: {touched:?}"));
    }
    println!("  seen: not one changing call reached it");

    title("6. The report is the heartbeat");
    stage.sees("a second report came, 60 s after the first, as the hub asked", TWO_REPORTS, |stage| {
        let reports = stage.hub.reports(HOST);
        let last = reports.get(1)?;
        let running = last["guests"].as_array()?.iter().filter(|guest| guest["status"] == "running").count();
        Some(format!(
            "seq {}, {running} guests running, {} calls changed the node in all",
            last["seq"],
            stage.changes()
        ))
    })?;
    println!("  (calls that only read, since the start: {})", stage.node.calls().len() - stage.changes());
    Ok(())
}

/// The simulators and the files of one performance.
struct Stage {
    node: PveSim,
    hub: HubSim,
    folder: Folder,
}

impl Stage {
    fn set() -> Result<Self, String> {
        let world = World::demo().at_scale(0.2);
        let node = PveSim::start(pve::Options { world, time_scale: 0.2, ..pve::Options::default() });
        let hub = HubSim::start(hub::Options::default());
        hub.board(|board| board.envelope["poll_interval_seconds"] = json!(60));
        hub.publish(HOST, &manifest());
        let stage = Self { node, hub, folder: Folder::new().map_err(|err| err.to_string())? };
        stage.write_files().map_err(|err| err.to_string())?;
        Ok(stage)
    }

    fn write_files(&self) -> std::io::Result<()> {
        let hub_pin = self.hub.identity().map(|identity| identity.pin_hex());
        secret(&self.folder.join("token"), self.node.token().1)?;
        secret(&self.folder.join("hub.key"), self.hub.key())?;
        let config = json!({
            "hub": {"url": self.hub.url(), "host_id": HOST, "api_key_file": self.folder.join("hub.key"), "pin_sha256": hub_pin},
            "proxmox": {
                "url": self.node.url(),
                "token_id": self.node.token().0,
                "token_secret_file": self.folder.join("token"),
                "pin_sha256": self.node.pin_hex(),
            },
            "desired": {"source": "hub"},
            "agent": {
                "state_dir": self.folder.join("state"),
                "socket": self.folder.join("agent.sock"),
                "reconcile_seconds": 2,
                "log": "info",
            },
        });
        fs::write(self.folder.join("agent.json"), serde_json::to_vec_pretty(&config)?)
    }

    fn introduce(&self) {
        title("1. The stage");
        println!(
            "  a simulated Proxmox node at {}, its certificate pinned: {}",
            self.node.url(),
            self.node.pin_hex()
        );
        println!("  a simulated hub at {}, which publishes this desired state:", self.hub.url());
        println!("    web       lxc/100   running, 2 cores     (it is stopped and has 1)");
        println!("    database  lxc/101   running, 1 core      (as it is)");
        println!("    files     lxc/102   4 cores              (it is locked by a backup)");
        println!("    media     qemu/200  a description        (it has none)");
    }

    fn show_the_plan(&self) -> Result<(), String> {
        title("2. `felhom-agent plan`, before anything is done");
        let output = self.agent(&["plan"]).output().map_err(|err| err.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        for line in text.lines() {
            println!("  {line}");
        }
        for wanted in ["lxc/100", "lxc/102", "lock"] {
            if !text.contains(wanted) {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(format!("{wanted} in the plan; it said: {said}"));
            }
        }
        if self.changes() != 0 {
            return Err("a plan that changes nothing".to_owned());
        }
        Ok(())
    }

    fn agent(&self, args: &[&str]) -> Command {
        let mut command = Command::new(beside_this_program("felhom-agent"));
        command.arg("--config").arg(self.folder.join("agent.json")).args(args).stdin(Stdio::null());
        command
    }

    /// Waits until `look` finds it, and says so.
    fn sees(
        &self,
        what: &str,
        longest: Duration,
        look: impl Fn(&Self) -> Option<String>,
    ) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < longest {
            if let Some(found) = look(self) {
                println!("  seen: {what} ({found})");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(what.to_owned())
    }

    /// Whether the guest's own configuration file holds this text, and whether it runs.
    fn config_shows(&self, vmid: u32, text: &str, runs: bool) -> Option<String> {
        self.node.world(|world| {
            let guest = world.guest(vmid)?;
            let line = guest.file.lines().find(|line| line.contains(text))?;
            (guest.running.is_some() == runs).then(|| line.to_owned())
        })
    }

    fn edit_by_hand(&self, vmid: u32, from: &str, to: &str) {
        self.node.world(|world| {
            let guest = world.guest_mut(vmid);
            guest.file = guest.file.replace(from, to);
        });
    }

    fn changes(&self) -> usize {
        self.node.calls().iter().filter(|call| call.is_mutation()).count()
    }
}

/// The daemon, and what it writes to standard error.
struct Daemon {
    child: Child,
    lines: Receiver<String>,
}

impl Daemon {
    fn start(stage: &Stage) -> Result<Self, String> {
        let mut child =
            stage.agent(&["daemon"]).stderr(Stdio::piped()).spawn().map_err(|err| err.to_string())?;
        let stderr = child.stderr.take().ok_or("the daemon's standard error")?;
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                println!("       agent │ {line}");
                send.send(line).ok();
            }
        });
        Ok(Self { child, lines })
    }

    /// The first line so far, or within this time, that is what we listen for.
    fn hears(&self, longest: Duration, what: impl Fn(&str) -> bool) -> Option<String> {
        let end = Instant::now() + longest;
        loop {
            let line = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())).ok()?;
            if what(&line) {
                return Some(line);
            }
        }
    }

    /// SIGTERM, and a clean end.
    fn end(&mut self) -> Result<(), String> {
        title("7. SIGTERM");
        let pid = self.child.id().to_string();
        Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().map_err(|err| err.to_string())?;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().map_err(|err| err.to_string())? {
                std::thread::sleep(Duration::from_millis(100));
                println!("  seen: the daemon ended after {} ms with {status}", start.elapsed().as_millis());
                return if status.success() { Ok(()) } else { Err(format!("a clean end, but {status}")) };
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("the end of the daemon".to_owned())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A folder of this run; removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("felhom-demo-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn manifest() -> Value {
    let guest = |id: &str, kind: &str, spec: Value| json!({"id": id, "kind": kind, "spec": spec});
    json!({
        "api_version": "felhom/v1",
        "host_id": HOST,
        "generation": 1,
        "resources": [
            guest("web", "lxc_guest", json!({"vmid": 100, "run_state": "running", "cores": 2, "tags": ["prod", "web"]})),
            guest("database", "lxc_guest", json!({"vmid": 101, "run_state": "running", "cores": 1})),
            guest("files", "lxc_guest", json!({"vmid": 102, "cores": 4})),
            guest("media", "vm_guest", json!({"vmid": 200, "run_state": "running", "description": "films and music"})),
        ],
    })
}

/// `PUT /nodes/pve/lxc/101/config cores=1 digest=…`
fn in_words(call: &Call) -> String {
    let params: Vec<String> = call
        .params
        .iter()
        .filter(|(name, _)| !["node", "vmid"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{} {}", call.line(), params.join(" "))
}

fn count(report: &Value, list: &str) -> usize {
    report[list].as_array().map_or(0, Vec::len)
}

fn title(text: &str) {
    println!("\n{text}");
    std::io::stdout().flush().ok();
}

fn beside_this_program(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    this.with_file_name(name)
}

fn secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

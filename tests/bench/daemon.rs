//! The shipped binary as a process: its size, its memory with a hundred guests, and how soon after its start the hub has a report.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use felhom_sim::hub::{HubSim, Options};
use serde_json::{Value, json};

use crate::node::Node;

const HOST: &str = "bench";
const GUESTS: usize = 100;
/// Long enough for a report and some ticks, after which nothing new is allocated.
const SETTLE: Duration = Duration::from_secs(20);

pub(crate) fn print() {
    let binary = shipped();
    let size = fs::metadata(&binary).unwrap().len();
    println!("{}: {:.2} MB", binary.display(), size as f64 / 1e6);
    let node = Node::start(GUESTS);
    let hub = HubSim::start(Options::default());
    hub.publish(HOST, &crate::tick::manifest(HOST, GUESTS));
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path(), &node, &hub);
    let start = Instant::now();
    let daemon = Daemon::start(&binary, &config);
    let first = first_report(&hub, start);
    println!(
        "start to first report, {GUESTS} guests: {} ms (the node itself takes {} ms for its two lists and {GUESTS} configurations)",
        first.as_millis(),
        lists_and_configs(&node).as_millis()
    );
    thread::sleep(SETTLE);
    println!(
        "idle with {GUESTS} guests: RSS {} kB (peak {} kB), {} threads",
        daemon.status("VmRSS:"),
        daemon.status("VmHWM:"),
        daemon.status("Threads:")
    );
}

/// `dist/felhom-agent`, as `make musl` leaves it; the benchmark's own build if that is not there.
fn shipped() -> PathBuf {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/felhom-agent");
    if dist.exists() { dist } else { PathBuf::from(env!("CARGO_BIN_EXE_felhom-agent")) }
}

fn configure(folder: &Path, node: &Node, hub: &HubSim) -> PathBuf {
    secret(&folder.join("token"), node.said("token_secret"));
    secret(&folder.join("key"), hub.key());
    let state = folder.join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    let document = json!({
        "hub": {"url": hub.url(), "host_id": HOST, "api_key_file": folder.join("key"),
            "pin_sha256": hub.identity().map(|identity| identity.pin_hex())},
        "proxmox": {"url": node.said("url"), "token_id": node.said("token_id"), "token_secret_file": folder.join("token"),
            "pin_sha256": node.said("pin_sha256")},
        "desired": {"source": "hub"},
        "agent": {"state_dir": state, "socket": "none", "reconcile_seconds": 5},
    });
    let file = folder.join("agent.json");
    fs::write(&file, document.to_string()).unwrap();
    file
}

fn secret(path: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    std::io::Write::write_all(
        &mut options.write(true).create(true).mode(0o600).open(path).unwrap(),
        text.as_bytes(),
    )
    .unwrap();
}

fn first_report(hub: &HubSim, start: Instant) -> Duration {
    while hub.reports(HOST).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "no report came");
        thread::sleep(Duration::from_millis(1));
    }
    let report: Value = hub.reports(HOST).remove(0);
    assert_eq!(report["guests"].as_array().map(Vec::len), Some(GUESTS), "the report names every guest");
    start.elapsed()
}

/// What any client would have to wait for.
fn lists_and_configs(node: &Node) -> Duration {
    let client = node.client();
    client.version().unwrap();
    let start = Instant::now();
    crate::tick::look_at(&client, GUESTS);
    start.elapsed()
}

struct Daemon(Child);

impl Daemon {
    fn start(binary: &Path, config: &Path) -> Self {
        let mut command = Command::new(binary);
        command
            .arg("--config")
            .arg(config)
            .arg("daemon")
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// A number of `/proc/PID/status`.
    fn status(&self, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

//! A stage for whole-process tests: a simulated node and hub in this process, and the real binary beside them.
//!
//! *Owns* the two servers and a temporary directory with configuration, secrets, desired state and state directory. The binary
//! runs with an empty environment; what it says on standard error goes into a file and is read while it runs.
//! *Never* asserts a time: whoever waits, waits long and says what it was for. A process ends, by its id, when its value is dropped.

pub(crate) mod consent;

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use felhom_sim::hub::{self, HubSim};
use felhom_sim::node::World;
use felhom_sim::pve::{self, PveSim};
use felhom_sim::server::Call;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const HOST_ID: &str = "host-1";
pub(crate) const HUB_KEY: &str = "c4n4ry-0f-the-hub-5f1d";

/// Far beyond anything a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) node: PveSim,
    pub(crate) hub: HubSim,
    started: Cell<u32>,
}

impl Stage {
    /// The recorded node, arranged by `arrange`, 50 times faster than a real one, and a hub that has no desired state.
    /// Desired state comes from a file, which is not there yet.
    pub(crate) fn new(arrange: impl FnOnce(&mut World)) -> Self {
        Self::on(arrange, |_| {})
    }

    /// The same with a node that is served otherwise.
    pub(crate) fn on(arrange: impl FnOnce(&mut World), serve: impl FnOnce(&mut pve::Options)) -> Self {
        let mut world = World::facts_world();
        arrange(&mut world);
        // A real node closes a connection that is idle for 5 s, and the agent keeps none for so long; on a machine that stands still at
        // times the one could meet the other, and a call would be lost that no test has taken away.
        let idle = Duration::from_secs(60);
        let mut options = pve::Options { world, time_scale: 0.02, idle, ..pve::Options::default() };
        serve(&mut options);
        let node = PveSim::start(options);
        let hub = HubSim::start(hub::Options { key: HUB_KEY.to_owned(), ..hub::Options::default() });
        let folder = tempfile::tempdir().expect("a temporary directory");
        let stage = Self { folder, node, hub, started: Cell::new(0) };
        stage.secret("token", stage.node.token().1);
        stage.secret("key", HUB_KEY);
        stage.configure(|_| {});
        stage
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("agent.sock")
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.path("agent.json")
    }

    /// A file of mode 0600 that holds a secret.
    pub(crate) fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .expect("a file can be made");
        file.write_all(text.as_bytes()).expect("it takes a few bytes");
        path
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        write(&path, text);
        path
    }

    /// Everything right: pins, secrets in files, a look each second.
    pub(crate) fn usual(&self) -> Value {
        let hub_pin = self.hub.identity().map(|identity| identity.pin_hex());
        json!({
            "hub": {
                "url": self.hub.url(), "host_id": HOST_ID, "api_key_file": self.path("key"), "pin_sha256": hub_pin,
                "timeout_seconds": 5
            },
            "proxmox": {
                "url": self.node.url(), "token_id": self.node.token().0, "token_secret_file": self.path("token"),
                "pin_sha256": self.node.pin_hex()
            },
            "agent": { "state_dir": self.state_dir(), "reconcile_seconds": 1, "socket": self.socket() },
            "desired": { "file": self.path("desired.json"), "poll_seconds": 1 }
        })
    }

    /// Writes the usual configuration with a change.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut Value)) {
        let mut config = self.usual();
        change(&mut config);
        let text = serde_json::to_string_pretty(&config).expect("values are JSON");
        self.replace(&self.config_file(), &text);
    }

    /// Puts a desired state into the file: whole or not at all, as a careful editor does.
    pub(crate) fn desire(&self, generation: u64, resources: &Value) {
        self.replace(&self.path("desired.json"), &manifest(generation, resources).to_string());
    }

    fn replace(&self, path: &Path, text: &str) {
        let beside = self.path("beside");
        write(&beside, text);
        fs::rename(&beside, path).expect("a file can be renamed");
    }

    /// The binary with this stage's configuration under a tracer: `strace` with these options. The tracer is beside it: the child,
    /// and whoever a signal reaches, is the agent.
    pub(crate) fn traced(&self, options: &[String], arguments: &[&str]) -> Command {
        let mut command = program("/usr/bin/strace");
        command.env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        command.arg("-D").args(options).args(["--", env!("CARGO_BIN_EXE_felhom-agent")]);
        command.arg("--config").arg(self.config_file()).args(arguments);
        command
    }

    /// The binary with an empty environment, in the temporary directory; no arguments yet.
    pub(crate) fn bare(&self) -> Command {
        let mut command = program(env!("CARGO_BIN_EXE_felhom-agent"));
        command.env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// The binary with this stage's configuration and these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare();
        command.arg("--config").arg(self.config_file()).args(arguments);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(arguments))
    }

    pub(crate) fn daemon(&self) -> Daemon {
        self.start(self.command(&["daemon"]))
    }

    pub(crate) fn start(&self, mut command: Command) -> Daemon {
        self.started.set(self.started.get() + 1);
        let said = self.said(self.started());
        command.stderr(File::create(&said).expect("a file can be made"));
        self.spawn(&mut command, said)
    }

    /// How many daemons were started so far.
    pub(crate) fn started(&self) -> u32 {
        self.started.get()
    }

    /// Where the standard error of that one is, the first being 1.
    pub(crate) fn said(&self, number: u32) -> PathBuf {
        self.path(&format!("said-{number}"))
    }

    /// Starts a daemon whose standard error goes where the command says.
    pub(crate) fn start_into(&self, command: &mut Command) -> Daemon {
        let nothing = self.write("nothing", "");
        self.spawn(command, nothing)
    }

    fn spawn(&self, command: &mut Command, said: PathBuf) -> Daemon {
        let out = self.path(&format!("out-{}", self.started.get()));
        command.stdout(File::create(&out).expect("a file can be made"));
        let child = command.spawn().expect("the agent starts");
        Daemon { child, said, out }
    }

    /// The calls that wanted to change something at the node.
    pub(crate) fn mutations(&self) -> Vec<Call> {
        self.node.calls().into_iter().filter(Call::is_mutation).collect()
    }

    /// `POST /nodes/pve/lxc/101/status/start` and so on, in order.
    pub(crate) fn mutation_lines(&self) -> Vec<String> {
        self.mutations().iter().map(Call::line).collect()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.node.calls().iter().filter(|call| call.line() == line).count()
    }

    pub(crate) fn reports(&self) -> Vec<Value> {
        self.hub.reports(HOST_ID)
    }

    pub(crate) fn runs(&self, vmid: u32) -> bool {
        self.node.world(|world| world.guest(vmid).is_some_and(|guest| guest.running.is_some()))
    }

    pub(crate) fn key(&self, vmid: u32, key: &str) -> Option<String> {
        self.node.world(|world| world.guest(vmid)?.config().main.get(key).map(str::to_owned))
    }

    /// Changes one key of a guest's configuration, as an operator does behind our back.
    pub(crate) fn set_key(&self, vmid: u32, key: &str, value: &str) {
        self.node.world(|world| {
            let guest = world.guest_mut(vmid);
            let mut config = guest.config();
            config.main.keys.insert(key.to_owned(), value.to_owned());
            guest.save(&config);
        });
    }

    /// Lets no task of this type go on from here: `vzstart`.
    pub(crate) fn hang(&self, kind: &str) {
        self.node.world(|world| world.faults.hung_types.insert(kind.to_owned()));
    }

    /// Lets the tasks go on that hang.
    pub(crate) fn let_go(&self) {
        self.node.world(|world| world.faults.hung_types.clear());
    }

    /// Takes the state directory away from whoever uses it, at one blow.
    pub(crate) fn lose_state(&self) {
        fs::rename(self.state_dir(), self.path("lost")).expect("it was there");
        // Somebody may still write into what is open there.
        let deadline = Instant::now() + PATIENCE;
        while fs::remove_dir_all(self.path("lost")).is_err() {
            assert!(Instant::now() < deadline, "somebody goes on making files in a folder that is gone");
            pause();
        }
    }

    /// Waits although no daemon may be there.
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < deadline, "waited in vain for: {what}");
            pause();
        }
    }

    /// Waits until somebody who asks at the socket is heard: its file is there a moment before.
    pub(crate) fn listens(&self, daemon: &Daemon) {
        daemon.until("the socket", || UnixStream::connect(self.socket()).is_ok());
    }

    /// Waits until the daemon has begun and ended some more looks at the node.
    pub(crate) fn looks(&self, daemon: &Daemon, count: usize) {
        let lists = || self.count("GET /nodes/pve/lxc");
        let before = lists();
        daemon.until("more looks at the node", || lists() >= before + count);
    }
}

/// What a failed test is found out from: what each daemon said, which calls there were.
impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        println!("{}", story("node", &self.node.calls()));
        println!("{}", story("hub", &self.hub.calls()));
        for number in 1..=self.started() {
            let said = fs::read(self.said(number)).unwrap_or_default();
            println!("daemon {number} said:\n{}", String::from_utf8_lossy(&said));
        }
    }
}

/// The last calls, and whatever would change something.
pub(crate) fn story(whose: &str, calls: &[Call]) -> String {
    let last = calls.len().saturating_sub(60);
    let told = calls.iter().enumerate().filter(|(at, call)| *at >= last || call.is_mutation());
    let lines: Vec<String> = told
        .map(|(_, call)| {
            let Call { at_ms, answered_ms, connection, status, reason, .. } = call;
            format!(
                "{at_ms:>7} ms to {answered_ms:?} on {connection}: {} -> {status:?} {reason}",
                call.line()
            )
        })
        .collect();
    format!("{} calls to the {whose}:\n{}", calls.len(), lines.join("\n"))
}

/// A desired state for this host.
pub(crate) fn manifest(generation: u64, resources: &Value) -> Value {
    json!({ "api_version": "felhom/v1", "host_id": HOST_ID, "generation": generation, "resources": resources })
}

/// One container of a desired state.
pub(crate) fn lxc(vmid: u32, spec: Value) -> Value {
    guest("lxc_guest", vmid, spec)
}

/// One virtual machine of a desired state.
pub(crate) fn vm(vmid: u32, spec: Value) -> Value {
    guest("vm_guest", vmid, spec)
}

fn guest(kind: &str, vmid: u32, mut spec: Value) -> Value {
    spec["vmid"] = json!(vmid);
    json!({ "id": format!("guest-{vmid}"), "kind": kind, "spec": spec })
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file can be written");
}

pub(crate) fn program(path: &str) -> Command {
    Command::new(path)
}

fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    said: PathBuf,
    out: PathBuf,
}

impl Daemon {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// All of its standard error so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.said).expect("its standard error is a file")).into_owned()
    }

    pub(crate) fn printed(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.out).expect("its standard output is a file")).into_owned()
    }

    /// Waits until it has said this.
    pub(crate) fn says(&self, text: &str) {
        self.until(text, || self.said().contains(text));
    }

    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(
                Instant::now() < deadline,
                "waited in vain for: {what}\nthe agent said:\n{}",
                self.said()
            );
            pause();
        }
    }

    /// `TERM`, `INT`, `HUP`, `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.id());
        let status = program("/bin/sh").arg("-c").arg(line).status().expect("there is a shell");
        assert!(status.success(), "the process was there");
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end\nthe agent said:\n{}", self.said());
            pause();
        }
    }

    /// SIGTERM, and a clean end.
    pub(crate) fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.end();
        assert_eq!(status.code(), Some(0), "{}", self.said());
        self.said()
    }

    /// `kill -9`, as the kernel does when memory is short.
    pub(crate) fn crash(mut self) {
        self.child.kill().expect("it is our child");
        self.end();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A command that came to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().expect("the agent starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Its standard output as JSON, and its end with this code.
    pub(crate) fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Holds that it ended with this code and said all of this somewhere.
    pub(crate) fn expect(&self, code: i32, parts: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in parts {
            assert!(
                self.stdout.contains(part) || self.stderr.contains(part),
                "{part:?} is missing\n{}\n{}",
                self.stdout,
                self.stderr
            );
        }
        self
    }
}

//! The stage of the demo: the simulated node and hub, the agent's files, the agent itself as a process, and ways to look.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use felhom_sim::hub::{self, HubSim};
use felhom_sim::node::World;
use felhom_sim::pve::{self, PveSim};
use felhom_sim::server::Call;
use serde_json::{Value, json};

use crate::wanted::Wanted;

pub(crate) const HOST: &str = "7b0a3c52-5d0e-4f4e-9d5c-2f6a1f0c9e11";
/// No single thing may take longer than this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The simulators and the files of one performance.
pub(crate) struct Stage {
    pub(crate) node: PveSim,
    pub(crate) hub: HubSim,
    pub(crate) folder: Folder,
    pub(crate) wanted: Wanted,
}

impl Stage {
    pub(crate) fn set() -> Result<Self, String> {
        let mut world = World::demo().at_scale(0.2);
        add_archive(&mut world);
        let node = PveSim::start(pve::Options { world, time_scale: 0.2, ..pve::Options::default() });
        let hub = HubSim::start(hub::Options::default());
        hub.board(|board| board.envelope["poll_interval_seconds"] = json!(60));
        let (folder, wanted) = (Folder::new().map_err(|err| err.to_string())?, Wanted::at_first());
        hub.publish(HOST, &wanted.document());
        let stage = Self { node, hub, folder, wanted };
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
            "ops": {
                "keyring": self.folder.join("keyring.json"),
                "kill_switch": self.folder.join("KILL"),
                "poll_seconds": 5,
            },
        });
        fs::write(self.folder.join("agent.json"), serde_json::to_vec_pretty(&config)?)
    }

    pub(crate) fn introduce(&self) {
        title("The stage");
        println!(
            "  a simulated Proxmox node at {}, its certificate pinned: {}",
            self.node.url(),
            self.node.pin_hex()
        );
        println!("  a simulated hub at {}, which publishes this desired state:", self.hub.url());
        println!("    web       lxc/100   running, 2 cores     (it is stopped and has 1)");
        println!("    database  lxc/101   running, 1 core      (as it is)");
        println!("    files     lxc/102   4 cores              (it is locked by a backup)");
        println!("    archive   lxc/103   stopped              (as it is; with data on a volume of its own)");
        println!("    media     qemu/200  a description        (it has none)");
    }

    pub(crate) fn show_the_plan(&self) -> Result<(), String> {
        title("`felhom-agent plan`, before anything is done");
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

    pub(crate) fn agent(&self, args: &[&str]) -> Command {
        let mut command = Command::new(beside_this_program("felhom-agent"));
        command.arg("--config").arg(self.folder.join("agent.json")).args(args).stdin(Stdio::null());
        command
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// What the agent prints for these words, which must succeed.
    pub(crate) fn says(&self, args: &[&str]) -> Result<String, String> {
        self.ends_with(0, args)
    }

    /// What it prints, to end with this code.
    pub(crate) fn ends_with(&self, code: i32, args: &[&str]) -> Result<String, String> {
        let Output { status, stdout, stderr } = self.agent(args).output().map_err(|err| err.to_string())?;
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        if status.code() == Some(code) {
            return Ok(stdout.into_owned());
        }
        Err(format!(
            "`felhom-agent {}` to end with {code}, not with {status}: {stdout}{stderr}",
            args.join(" ")
        ))
    }

    /// The same, shown as on a terminal.
    pub(crate) fn shows(&self, code: i32, args: &[&str]) -> Result<String, String> {
        println!("       $ felhom-agent {}", shown(args).join(" "));
        let text = self.ends_with(code, args)?;
        text.lines().for_each(|line| println!("       {line}"));
        Ok(text)
    }

    /// The same, kept in a file as `>` does.
    pub(crate) fn keep(&self, name: &str, args: &[&str]) -> Result<(), String> {
        println!("       $ felhom-agent {} > {name}", shown(args).join(" "));
        fs::write(self.folder.join(name), self.says(args)?).map_err(|err| err.to_string())
    }

    pub(crate) fn has_volume(&self, volid: &str) -> bool {
        self.node.world(|world| world.volume(volid).is_some())
    }

    pub(crate) fn runs(&self, vmid: u32) -> Option<bool> {
        self.node.world(|world| world.guest(vmid).map(|guest| guest.running.is_some()))
    }

    /// Waits until `look` finds it, and says so.
    pub(crate) fn sees(
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
    pub(crate) fn config_shows(&self, vmid: u32, text: &str, runs: bool) -> Option<String> {
        self.node.world(|world| {
            let guest = world.guest(vmid)?;
            let line = guest.file.lines().find(|line| line.contains(text))?;
            (guest.running.is_some() == runs).then(|| line.to_owned())
        })
    }

    pub(crate) fn edit_by_hand(&self, vmid: u32, from: &str, to: &str) {
        self.node.world(|world| {
            let guest = world.guest_mut(vmid);
            guest.file = guest.file.replace(from, to);
        });
    }

    pub(crate) fn changes(&self) -> usize {
        self.changing(|_| true).len()
    }

    /// The calls so far that change something, as far as they are such ones.
    pub(crate) fn changing(&self, which: impl Fn(&Call) -> bool) -> Vec<Call> {
        let mut calls = self.node.calls();
        calls.retain(|call| call.is_mutation() && which(call));
        calls
    }

    /// What the daemon says of each resource, by its id; null where it does not answer.
    pub(crate) fn resources(&self) -> Value {
        let text = self.says(&["status", "--json"]).unwrap_or_default();
        let status: Value = serde_json::from_str(&text).unwrap_or_default();
        status["resources"].clone()
    }
}

/// A container that holds data on a volume of its own, stopped, with a backup of this morning.
fn add_archive(world: &mut World) {
    world.add_lxc(
        103,
        "arch: amd64\ncores: 1\nhostname: archive\nmemory: 256\nmp0: store:103/vm-103-disk-1.raw,mp=/data,backup=1,size=4G\n\
         ostype: debian\nrootfs: store:103/vm-103-disk-0.raw,size=2G\nswap: 256\nunprivileged: 1\n",
    );
    world.add_backup("store", 103, 3 * 3_600);
}

/// A folder of this run; removed at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("felhom-demo-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// `PUT /nodes/pve/lxc/101/config cores=1 digest=…`
pub(crate) fn in_words(call: &Call) -> String {
    let params: Vec<String> = call
        .params
        .iter()
        .filter(|(name, _)| !["node", "vmid"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{} {}", call.line(), params.join(" "))
}

pub(crate) fn count(report: &Value, list: &str) -> usize {
    report[list].as_array().map_or(0, Vec::len)
}

/// The next act.
pub(crate) fn title(text: &str) {
    static ACTS: AtomicU32 = AtomicU32::new(1);
    println!("\n{}. {text}", ACTS.fetch_add(1, Ordering::Relaxed));
    std::io::stdout().flush().ok();
}

/// What is true, is said; what is not ends the performance.
pub(crate) fn seen(is_so: bool, what: &str) -> Result<(), String> {
    if !is_so {
        return Err(what.to_owned());
    }
    println!("  seen: {what}");
    Ok(())
}

/// Paths by their last part.
fn shown(args: &[&str]) -> Vec<String> {
    args.iter().map(|word| word.rsplit('/').next().unwrap_or(word).to_owned()).collect()
}

fn beside_this_program(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    this.with_file_name(name)
}

pub(crate) fn secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

//! A simulated node in a process of its own, so that what is measured here is the agent's work and not the simulator's.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use felhom_agent::http::Trust;
use felhom_agent::pve::{Client, Connection};
use felhom_agent::secret::Secret;
use serde_json::Value;

pub(crate) struct Node {
    child: Child,
    ready: Value,
}

impl Node {
    /// Charges each call what it costs on a real node.
    pub(crate) fn start(guests: usize) -> Self {
        let mut child = Command::new(beside_this_program("pve-sim"))
            .args([
                "--seed-guests",
                &guests.to_string(),
                "--cost",
                "--time-scale",
                "1",
                "--max-seconds",
                "300",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, ready: serde_json::from_str(&line).unwrap() }
    }

    pub(crate) fn said(&self, key: &str) -> &str {
        self.ready[key].as_str().unwrap_or_else(|| panic!("pve-sim did not say its {key}: {}", self.ready))
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&Connection {
            url: self.said("url").to_owned(),
            node: Some("pve".to_owned()),
            token_id: self.said("token_id").to_owned(),
            token_secret: Secret::new(self.said("token_secret").to_owned()),
            trust: Trust::Pin(pin(self.said("pin_sha256"))),
            timeout: Duration::from_secs(35),
        })
        .unwrap()
    }

    pub(crate) fn calls(&self) -> Vec<Value> {
        let text = ureq::get(format!("{}/calls", self.said("admin_url")))
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn forget_calls(&self) {
        ureq::delete(format!("{}/calls", self.said("admin_url"))).call().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The simulators are built next to the benchmark: `target/release/deps/figures-…` and `target/release/pve-sim`.
fn beside_this_program(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    this.parent().and_then(|deps| deps.parent()).unwrap().join(name)
}

fn pin(hex: &str) -> [u8; 32] {
    let bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

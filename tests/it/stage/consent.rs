//! What a stage needs for signed operations: keys and a keyring, orders bound to a guest as it is, the hub as courier and as attacker,
//! and what came of it: outcomes at the hub, lines in the journal, calls at the node.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use felhom_sim::sign::{self, Envelope, Key, Order, Signature};
use serde_json::{Value, json};

use super::{Daemon, HOST_ID, Stage};

/// The people of a stage.
#[derive(Debug)]
pub(crate) struct People {
    /// May everything that concerns guests.
    pub(crate) anna: Key,
    /// May stop, unlock, delete snapshots.
    pub(crate) otto: Key,
    /// May roll back and restore over.
    pub(crate) rita: Key,
    /// May run a command.
    pub(crate) sven: Key,
    /// May change who may what.
    pub(crate) ruth: Key,
    /// Another custodian.
    pub(crate) carl: Key,
}

impl People {
    pub(crate) fn new() -> Self {
        Self {
            anna: Key::named("anna", &["custodian"]),
            otto: Key::named("otto", &["operator"]),
            rita: Key::named("rita", &["recovery"]),
            sven: Key::named("sven", &["shell"]),
            ruth: Key::named("ruth", &["root"]),
            carl: Key::named("carl", &["custodian"]),
        }
    }

    pub(crate) fn all(&self) -> Vec<&Key> {
        vec![&self.anna, &self.otto, &self.rita, &self.sven, &self.ruth, &self.carl]
    }
}

/// A new journal counts nothing that was made within the tolerance of the clocks: what is made for it lies as far in the future as
/// is tolerated, and a second more.
fn in_time(iat: u64) {
    while iat > sign::now() + 300 {
        thread::sleep(Duration::from_millis(20));
    }
}

/// See [`Stage::submit`].
pub(crate) fn submit(socket: &Path, body: &[u8]) -> (u16, Value) {
    let mut stream = UnixStream::connect(socket).expect("the agent listens");
    let head = format!("POST /v1/ops HTTP/1.1\r\nHost: agent\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut answer = Vec::new();
    // Whoever sends too much is cut off; what was answered before that counts.
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let came = stream.shutdown(Shutdown::Write).and_then(|()| stream.read_to_end(&mut answer));
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let document = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
    (status.unwrap_or_else(|| panic!("no answer: {sent:?} {came:?} {text}")), document.unwrap_or_default())
}

/// A desired state in the envelope that the agent's own description asks for.
pub(crate) fn signed_manifest(document: &Value, key: &Key) -> String {
    const TYPE: &str = "application/vnd.felhom.manifest.v1+json";
    let payload = document.to_string();
    let sig = sign::base64(&key.sign(&sign::pae(TYPE, payload.as_bytes())));
    let signatures = vec![Signature { keyid: key.id(), sig }];
    let payload = sign::base64(payload.as_bytes());
    Envelope { payload_type: TYPE.to_owned(), payload, signatures }.text()
}

impl Stage {
    /// Installs a keyring as a careful administrator does: of mode 0600, whole or not at all.
    pub(crate) fn install_keyring(&self, document: &Value) {
        let beside = self.secret("keyring-beside", &document.to_string());
        fs::rename(beside, self.path("keyring.json")).expect("a file can be renamed");
    }

    /// Everybody in a keyring of version 1, and a configuration that knows it.
    pub(crate) fn trust(&self, people: &People) {
        self.install_keyring(&sign::keyring(1, 1, &people.all()));
        self.configure(|config| self.with_ops(config));
    }

    /// The settings of signed operations, for `configure`.
    pub(crate) fn with_ops(&self, config: &mut Value) {
        config["ops"] = json!({
            "keyring": self.path("keyring.json"),
            "kill_switch": self.path("KILL"),
            "poll_seconds": 1,
            "lock_wait_seconds": 1,
            "rate_per_hour": 100,
        });
    }

    /// The payload that the agent itself drafts: `draft(&["destroy", "--vmid", "105"])`.
    pub(crate) fn draft(&self, arguments: &[&str]) -> Value {
        let mut line = vec!["op", "draft"];
        line.extend_from_slice(arguments);
        self.run(&line).json(0)
    }

    /// Orders of then or before must be signed again; 0 while no journal says more.
    pub(crate) fn floor(&self) -> u64 {
        let floors = self.journal_of("floor");
        let unix = |line: &Value| {
            let time = humantime::parse_rfc3339(line["iat"].as_str()?).ok()?;
            time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
        };
        floors.iter().filter_map(unix).max().unwrap_or_default()
    }

    /// An order for this host and node that concerns no guest, made so late that it counts.
    pub(crate) fn order(&self, kind: &str, role: &str) -> Order {
        let iat = sign::now().max(self.floor() + 1);
        in_time(iat);
        Order::new(kind, role, HOST_ID, "pve")
            .set("iat", json!(iat))
            .set("nbf", json!(iat))
            .set("exp", json!(iat + 3_600))
    }

    /// An order about a guest, bound to it as it is now. Only the binding and the evidence are of the agent's draft.
    pub(crate) fn order_about(&self, kind: &str, role: &str, vmid: u32, draft: &[&str]) -> Order {
        let number = vmid.to_string();
        let mut line = draft.to_vec();
        line.extend_from_slice(&["--vmid", &number]);
        let drafted = self.draft(&line);
        let text =
            |pointer: &str| drafted.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let iat = drafted["iat"].as_u64().unwrap_or_default().max(self.floor() + 1);
        in_time(iat);
        let order = Order::new(kind, role, HOST_ID, "pve")
            .set("iat", json!(iat))
            .set("nbf", json!(iat))
            .set("exp", json!(iat + 3_600))
            .guest(&text("/guest/type"), vmid, &text("/guest/ident"), &text("/bind/state_sha256"))
            .params(drafted["params"].clone());
        match drafted.get("evidence") {
            Some(evidence) => order.set("evidence", evidence.clone()),
            None => order,
        }
    }

    /// Lays an envelope, to the letter, before the agent at the hub, and says so in every answer to a report.
    pub(crate) fn offer(&self, envelope: &str) {
        self.offer_all(&[envelope.to_owned()]);
    }

    /// Several in one list.
    pub(crate) fn offer_all(&self, envelopes: &[String]) {
        self.hub.board(|board| {
            board.host(HOST_ID).raw_ops.extend_from_slice(envelopes);
            board.envelope["has_signed_ops"] = json!(true);
        });
    }

    pub(crate) fn offer_signed(&self, envelope: &Envelope) {
        self.offer(&envelope.text());
    }

    /// Takes everything away again that was laid before the agent.
    pub(crate) fn withdraw(&self) {
        self.hub.board(|board| board.host(HOST_ID).raw_ops.clear());
    }

    /// Brings bytes to the local socket as an operation; the status of the answer and its document.
    pub(crate) fn submit(&self, body: &[u8]) -> (u16, Value) {
        submit(&self.socket(), body)
    }

    /// By op id.
    pub(crate) fn outcomes(&self) -> BTreeMap<String, Value> {
        self.hub.board(|board| board.host(HOST_ID).outcomes.clone())
    }

    /// Waits until the hub has heard how this one ended.
    pub(crate) fn outcome(&self, daemon: &Daemon, op_id: &str) -> Value {
        daemon.until(&format!("the outcome of {op_id}"), || self.outcomes().contains_key(op_id));
        self.outcomes().remove(op_id).expect("it was there")
    }

    /// Every record of the journal in the order it was written. A line that is half written is left out.
    pub(crate) fn journal(&self) -> Vec<Value> {
        let Ok(entries) = fs::read_dir(self.state_dir().join("journal")) else { return Vec::new() };
        let mut lines: Vec<Value> = entries
            .flatten()
            .filter_map(|entry| fs::read(entry.path()).ok())
            .flat_map(|bytes| {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<Value>>()
            })
            .filter(|line: &Value| line["seq"].is_u64() && line["t"].is_string())
            .collect();
        lines.sort_by_key(|line| line["seq"].as_u64());
        lines
    }

    /// The records of one type.
    pub(crate) fn journal_of(&self, kind: &str) -> Vec<Value> {
        self.journal().into_iter().filter(|line| line["t"] == kind).collect()
    }
}

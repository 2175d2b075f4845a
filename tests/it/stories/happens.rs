//! What happens in a story, line by line.
//!
//! `== node`: see `stories/node.rs`.
//!
//! `== agent`: `config SECTION.KEY JSON`, `start`, `stop`, `crash`, `says TEXT` (is waited for), `file NAME` and `no-file NAME` beside the
//! configuration, `part NAME RESOURCES` (a file of the folder `desired.d`), `writes TEXT` (as desired state), `in-order` (calls are told
//! as they came, not by guest), `trust` (there are keys: mara's, who may sign manifests, and otto's, who is an operator), `signs WHO` (what
//! is desired, from here on), `orders WHO KIND PARAMETERS` (signed, and waited for), `run ARGUMENTS`.
//!
//! `== hub`: `envelope JSON`, `down`, `up`, `manifest` (what is desired comes from the hub from here on), `another` (agent puts what it
//! knows of this host).
//!
//! `== meanwhile`, after a manifest and before anything is waited for: lines of all three, `called METHOD PATH` and `answered METHOD PATH`
//! (are waited for; `PATH … PART` is of a path with that part), `gone VMID` (is waited for), `desire RESOURCES`, `ask PATH` of the local
//! socket, and `run ARGUMENTS` of a command, what it says being told.
//!
//! `== manifest`: the list of resources; or an object, whose members stand in the place of the usual ones, generation and so on.
//! `$BACKUP` is the volume of the newest backup.

use felhom_sim::server::Call;
use felhom_sim::sign::{Key, keyring, sha256_hex};
use serde_json::{Value, json};

use super::{Part, node, seen};
use crate::socket::{get, post};
use crate::stage::consent::signed_manifest;
use crate::stage::{Daemon, HOST_ID, Stage, manifest};

/// A stage on which a story is played.
pub(super) struct Theatre {
    stage: Stage,
    daemon: Option<Daemon>,
    /// Section, key and value of what is configured otherwise.
    settings: Vec<(String, String, Value)>,
    hub: bool,
    /// Whose signatures the agent knows.
    keys: Vec<(&'static str, Key)>,
    /// Who signs what is desired.
    signer: Option<String>,
    /// Calls are told as they came, and not by guest.
    in_order: bool,
    generation: u64,
    /// The digest of what is wanted.
    document: String,
    /// Calls that were told already.
    calls: usize,
    /// What commands said in this round.
    told: String,
}

pub(super) fn word(line: &str) -> (&str, &str) {
    line.split_once(' ').unwrap_or((line, ""))
}

pub(super) fn number(text: &str) -> u32 {
    text.parse().unwrap_or_else(|_| panic!("no number: {text:?}"))
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

impl Theatre {
    pub(super) fn new(parts: &[Part]) -> Self {
        let hub = parts.iter().any(|part| part.heading == "hub");
        let stage = Stage::new(|_| {});
        if !hub {
            // Who has no hub to be known to mints an id; here it is one that the manifests name.
            std::fs::create_dir_all(stage.state_dir()).unwrap();
            stage.write("state/host_id", &format!("{HOST_ID}\n"));
        }
        Self {
            stage,
            daemon: None,
            settings: Vec::new(),
            hub,
            keys: Vec::new(),
            signer: None,
            in_order: false,
            generation: 0,
            document: String::new(),
            calls: 0,
            told: String::new(),
        }
    }

    /// Lets these happen, waits until nothing more does, and says what was seen.
    pub(super) fn round(&mut self, parts: &[Part]) -> String {
        let mut plan = String::new();
        let mut is_new = false;
        for part in parts {
            match part.heading.as_str() {
                "node" => part.body.lines().for_each(|line| node::happens(&self.stage, line)),
                "agent" => part.body.lines().for_each(|line| self.agent(line)),
                "hub" => part.body.lines().for_each(|line| self.hub(line)),
                "manifest" => {
                    let text = part.body.replace("$BACKUP", &node::newest_backup(&self.stage));
                    plan = self.desire(&value(&text));
                    is_new = true;
                }
                "meanwhile" => {
                    if self.daemon.is_none() {
                        self.configure();
                        self.daemon = Some(self.stage.daemon());
                    }
                    part.body.lines().for_each(|line| self.meanwhile(line));
                }
                "then" => {}
                other => panic!("== {other}?"),
            }
        }
        if self.daemon.is_none() {
            self.configure();
            self.daemon = Some(self.stage.daemon());
        }
        let mended = parts.iter().any(|part| part.body.lines().any(|line| ["mend", "up"].contains(&line)));
        let status = self.until_calm(is_new, mended);
        let calls = seen::calls(&self.stage.mutations()[self.calls..], self.in_order);
        self.calls = self.stage.mutations().len();
        let status = seen::status(&self.stage, &status);
        if !plan.is_empty() {
            plan.insert_str(0, "== plan\n");
        }
        if !self.told.is_empty() {
            plan.push_str(&format!("== told\n{}", std::mem::take(&mut self.told)));
        }
        format!("{plan}== calls\n{calls}== status\n{status}")
    }

    pub(super) fn end(self) {
        if let Some(daemon) = self.daemon {
            daemon.stop();
        }
    }

    fn is_from_hub(&self) -> bool {
        self.settings.iter().any(|(section, key, value)| {
            (section.as_str(), key.as_str(), value) == ("desired", "source", &json!("hub"))
        })
    }

    fn configure(&self) {
        self.stage.configure(|config| {
            if !self.hub {
                config["hub"] = json!({"host_id": HOST_ID});
            }
            if !self.keys.is_empty() {
                self.stage.with_ops(config);
            }
            for (section, key, value) in &self.settings {
                config[section][key] = value.clone();
            }
            for section in config.as_object_mut().unwrap().values_mut() {
                section.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            }
        });
    }

    /// Says what this is, and what would be done.
    fn desire(&mut self, wanted: &Value) -> String {
        self.configure();
        self.generation += 1;
        let mut document =
            manifest(self.generation, if wanted.is_array() { wanted } else { &wanted["resources"] });
        for (key, value) in wanted.as_object().into_iter().flatten() {
            document[key] = value.clone();
        }
        self.generation = document["generation"].as_u64().unwrap();
        let text = match &self.signer {
            Some(signer) => signed_manifest(&document, self.key(signer)),
            None => document.to_string(),
        };
        self.document = sha256_hex(text.as_bytes());
        let draft = self.stage.write("draft.json", &text);
        let plan = seen::plan(&self.stage, &draft);
        if self.is_from_hub() {
            self.stage.hub.publish(HOST_ID, &document);
        } else {
            std::fs::rename(draft, self.stage.path("desired.json")).unwrap();
        }
        plan
    }

    fn meanwhile(&mut self, line: &str) {
        let (verb, rest) = word(line);
        match verb {
            "called" | "answered" => {
                let (begin, more) = rest.split_once(" … ").unwrap_or((rest, ""));
                let is_meant = |call: &Call| {
                    let text = call.line();
                    let is_far_enough = verb == "called" || call.status.is_some();
                    is_far_enough && text.starts_with(begin) && text.contains(more)
                };
                let is_seen = || self.stage.node.calls().iter().any(is_meant);
                self.stage.until(line, is_seen);
            }
            "start" | "stop" | "crash" | "says" | "file" | "no-file" | "part" | "writes" | "orders" => {
                self.agent(line)
            }
            "envelope" | "another" => self.hub(line),
            "gone" => {
                let vmid = number(rest);
                self.stage.until(line, || self.stage.node.world(|world| world.guest(vmid).is_none()));
            }
            "ask" => assert_eq!(post(&self.stage, rest, b"").status, 202),
            "run" => self.told.push_str(&seen::command(&self.stage, rest)),
            "desire" => drop(self.desire(&value(rest))),
            _ => node::happens(&self.stage, line),
        }
    }

    fn agent(&mut self, line: &str) {
        let (verb, rest) = word(line);
        match verb {
            "config" => {
                let (name, json) = word(rest);
                let (section, key) = name.split_once('.').unwrap();
                let text = json.replace("$DIR", self.stage.folder.path().to_str().unwrap());
                self.settings.push((section.to_owned(), key.to_owned(), value(&text)));
            }
            "start" => {
                self.configure();
                self.daemon = Some(self.stage.daemon());
            }
            "run" => {
                self.configure();
                self.told.push_str(&seen::command(&self.stage, rest));
            }
            "stop" => drop(self.daemon.take().unwrap().stop()),
            "crash" => self.daemon.take().unwrap().crash(),
            "says" => self.daemon.as_ref().unwrap().says(rest),
            "file" => drop(self.stage.write(rest, "")),
            "no-file" => std::fs::remove_file(self.stage.path(rest)).unwrap(),
            "part" => {
                let (name, resources) = word(rest);
                let folder = self.stage.path("desired.d");
                std::fs::create_dir_all(&folder).unwrap();
                self.generation += 1;
                let document = manifest(self.generation, &value(resources)).to_string();
                // Whole or not at all.
                std::fs::rename(self.stage.write("beside", &document), folder.join(name)).unwrap();
            }
            "trust" => {
                let key = |name, roles: &[&str]| (name, Key::named(name, roles));
                self.keys = vec![key("mara", &["manifest"]), key("otto", &["operator"])];
                let rows: Vec<&Key> = self.keys.iter().map(|(_, key)| key).collect();
                self.stage.install_keyring(&keyring(1, 1, &rows));
            }
            "writes" => {
                // Whole or not at all.
                std::fs::rename(self.stage.write("beside", rest), self.stage.path("desired.json")).unwrap();
            }
            "in-order" => self.in_order = true,
            "signs" => self.signer = Some(rest.to_owned()),
            "orders" => self.orders(rest),
            other => panic!("the agent cannot {other}"),
        }
    }

    fn key(&self, name: &str) -> &Key {
        let key = self.keys.iter().find(|(other, _)| *other == name);
        &key.unwrap_or_else(|| panic!("nobody trusts {name}")).1
    }

    /// `otto limit.release {"generation":1}`: signed, brought, and waited for.
    fn orders(&mut self, line: &str) {
        let (who, rest) = word(line);
        let (kind, params) = word(rest);
        let order = self.stage.order(kind, "operator").params(value(params));
        let (status, answer) = self.stage.submit(order.signed(&[self.key(who)]).text().as_bytes());
        assert_eq!(status, 202, "{answer}");
        let outcome = || self.stage.run(&["op", "status", "--json", &order.op_id()]).json(0)["end"].clone();
        self.daemon.as_ref().unwrap().until("the outcome", || outcome().is_object());
        let outcome = outcome();
        self.told.push_str(&format!("{line}: {}: {}\n", outcome["result"], outcome["message"]));
    }

    fn hub(&mut self, line: &str) {
        let (verb, rest) = word(line);
        match verb {
            "envelope" => self.stage.hub.board(|board| board.envelope = value(rest)),
            "down" => self.stage.hub.go_down(),
            "up" => self.stage.hub.come_back(),
            "another" => {
                let known = || self.stage.hub.board(|board| board.host(HOST_ID).actual.is_some());
                self.daemon.as_ref().unwrap().until("this one to have put its own", known);
                self.stage.hub.board(|board| {
                    let host = board.host(HOST_ID);
                    host.revision += 1;
                    host.actual = Some(json!({"instance": "another", "at": "2026-01-01T00:00:00Z"}));
                });
            }
            "manifest" => self.settings.push(("desired".to_owned(), "source".to_owned(), json!("hub"))),
            other => panic!("the hub cannot {other}"),
        }
    }

    fn status(&self) -> Value {
        get(&self.stage, "/v1/status").json()
    }

    /// Until what is wanted was taken or refused, and three looks in a row found nothing new; where something was mended, nothing waits
    /// to be tried again either. The status as it is then.
    fn until_calm(&self, is_new: bool, mended: bool) -> Value {
        let daemon = self.daemon.as_ref().unwrap();
        daemon.until("the socket", || std::os::unix::net::UnixStream::connect(self.stage.socket()).is_ok());
        let (mut before, mut since, mut is_looked_at) = (String::new(), 0, false);
        let mut status = Value::Null;
        daemon.until("nothing more happens", || {
            // There is a look a second; whoever asks more often only takes time from those who look.
            std::thread::sleep(std::time::Duration::from_millis(40));
            status = self.status();
            let taken = status["manifest_sha256"] == json!(self.document)
                || seen::condition(&status, "StaleManifest") == "true";
            let reports = &status["local"]["reports"];
            let told = !self.hub || reports["arrived"] != json!(0) || reports["failed"] != json!(0);
            let resources = || status["resources"].as_object().into_iter().flatten();
            let count = |state: &str| resources().filter(|(_, resource)| resource["state"] == state).count();
            let busy = status["local"]["busy"].as_array().map_or(1, Vec::len);
            // A lane looks at what is held again and again, and for longer where it may be about to act.
            is_looked_at |= busy > 0;
            let at_work = busy > count("held")
                || count("pending") + count("reconciling") > 0
                || (mended && resources().any(|(_, resource)| !resource["retry_after"].is_null()));
            let calls = seen::calls(&self.stage.mutations()[self.calls..], true);
            let now = format!("{calls}{}", seen::status(&self.stage, &status));
            let looks = status["local"]["looks"].as_u64().unwrap();
            if at_work || !told || (is_new && !taken) || now != before {
                (before, since, is_looked_at) = (now, looks, false);
            }
            looks >= since + if is_looked_at { 8 } else { 3 }
        });
        status
    }
}

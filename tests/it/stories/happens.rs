//! What happens in a story, line by line.
//!
//! `== node`: `set VMID KEY=VALUE`, `unset VMID KEY`, `append VMID TEXT` (to its configuration file, `\n` being a line's end),
//! `lxc VMID TEXT` and `qemu VMID TEXT` (a new guest), `lock VMID [LOCK]`, `run VMID`, `halt VMID`, `pause VMID`, `ha VMID STATE`, `deaf VMID`,
//! `remove VMID`, `elsewhere VMID`, `backup STORAGE VMID HOURS`, `working TYPE VMID LINE` (somebody's task, with this line in its log), `fails|dies|hangs|vanishes TYPE [TEXT]`, `unreadable VMID TEXT`,
//! `empty-lists`, `leaves-nothing` (backups), `option KEY VALUE`, `storage NAME offline|online|full`, `allow ROLE PRIVILEGES PATH…` (the agent's token may that and
//! no more), `fault JSON` (of the simulator's rules), `down`, `up`, `answer` (no fault in calls is left), `mend` (no fault is left, and all is done).
//!
//! `== agent`: `config SECTION.KEY JSON`, `start`, `stop`, `crash`, `says TEXT` (is waited for), `file NAME` and `no-file NAME` beside the configuration.
//!
//! `== hub`: `envelope JSON`, `down`, `up`, `manifest` (what is desired comes from the hub from here on).
//!
//! `== meanwhile`, after a manifest and before anything is waited for: lines of all three, `called METHOD PATH`
//! (is waited for), `desire RESOURCES`, `ask PATH` of the local socket, and `run ARGUMENTS` of a command, what it says being told.
//!
//! `== manifest`: the list of resources; or an object, whose members stand in the place of the usual ones, generation and so on.

use felhom_sim::api::Caller;
use felhom_sim::node::tasks::{Next, Work};
use felhom_sim::node::{GuestKind as Kind, World};
use felhom_sim::server::Rule;
use felhom_sim::sign::sha256_hex;
use serde_json::{Value, json};

use super::{Part, seen};
use crate::socket::{get, post};
use crate::stage::{Daemon, HOST_ID, Stage, manifest};

/// A stage on which a story is played.
pub(super) struct Theatre {
    stage: Stage,
    daemon: Option<Daemon>,
    /// Section, key and value of what is configured otherwise.
    settings: Vec<(String, String, Value)>,
    hub: bool,
    generation: u64,
    /// The digest of what is wanted.
    document: String,
    /// Calls that were told already.
    calls: usize,
    /// What commands said in this round.
    told: String,
}

fn word(line: &str) -> (&str, &str) {
    line.split_once(' ').unwrap_or((line, ""))
}

fn number(text: &str) -> u32 {
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
                "node" => part.body.lines().for_each(|line| node(&self.stage, line)),
                "agent" => part.body.lines().for_each(|line| self.agent(line)),
                "hub" => part.body.lines().for_each(|line| self.hub(line)),
                "manifest" => {
                    plan = self.desire(&value(&part.body));
                    is_new = true;
                }
                "meanwhile" => {
                    if self.daemon.is_none() {
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
        self.until_calm(is_new, mended);
        let calls = seen::calls(&self.stage.mutations()[self.calls..]);
        self.calls = self.stage.mutations().len();
        let status = seen::status(&self.stage, &self.status());
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
            for (section, key, value) in &self.settings {
                config[section][key] = value.clone();
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
        self.document = sha256_hex(document.to_string().as_bytes());
        let draft = self.stage.write("draft.json", &document.to_string());
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
            "called" => {
                let is_called = || self.stage.node.calls().iter().any(|call| call.line().starts_with(rest));
                self.daemon.as_ref().unwrap().until(line, is_called);
            }
            "start" | "stop" | "crash" | "says" | "file" | "no-file" => self.agent(line),
            "envelope" => self.hub(line),
            "ask" => assert_eq!(post(&self.stage, rest, b"").status, 202),
            "run" => self.told.push_str(&seen::command(&self.stage, rest)),
            "desire" => drop(self.desire(&value(rest))),
            _ => node(&self.stage, line),
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
            "run" => self.told.push_str(&seen::command(&self.stage, rest)),
            "stop" => drop(self.daemon.take().unwrap().stop()),
            "crash" => self.daemon.take().unwrap().crash(),
            "says" => self.daemon.as_ref().unwrap().says(rest),
            "file" => drop(self.stage.write(rest, "")),
            "no-file" => std::fs::remove_file(self.stage.path(rest)).unwrap(),
            other => panic!("the agent cannot {other}"),
        }
    }

    fn hub(&mut self, line: &str) {
        let (verb, rest) = word(line);
        match verb {
            "envelope" => self.stage.hub.board(|board| board.envelope = value(rest)),
            "down" => self.stage.hub.go_down(),
            "up" => self.stage.hub.come_back(),
            "manifest" => self.settings.push(("desired".to_owned(), "source".to_owned(), json!("hub"))),
            other => panic!("the hub cannot {other}"),
        }
    }

    fn status(&self) -> Value {
        get(&self.stage, "/v1/status").json()
    }

    /// Until what is wanted was taken or refused, and three looks in a row found nothing new; where something was mended, nothing waits
    /// to be tried again either.
    fn until_calm(&self, is_new: bool, mended: bool) {
        let daemon = self.daemon.as_ref().unwrap();
        daemon.until("the socket", || std::os::unix::net::UnixStream::connect(self.stage.socket()).is_ok());
        let (mut before, mut since) = (String::new(), 0);
        daemon.until("nothing more happens", || {
            let status = self.status();
            let taken = status["manifest_sha256"] == json!(self.document)
                || seen::condition(&status, "StaleManifest") == "true";
            let reports = &status["local"]["reports"];
            let told = !self.hub || reports["arrived"] != json!(0) || reports["failed"] != json!(0);
            let at_work = status["local"]["busy"].as_array().is_none_or(|busy| !busy.is_empty())
                || status["resources"].as_object().into_iter().flatten().any(|(_, resource)| {
                    ["pending", "reconciling"].contains(&resource["state"].as_str().unwrap_or_default())
                        || (mended && !resource["retry_after"].is_null())
                });
            let calls = seen::calls(&self.stage.mutations()[self.calls..]);
            let now = format!("{calls}{}", seen::status(&self.stage, &status));
            let looks = status["local"]["looks"].as_u64().unwrap();
            if at_work || !told || (is_new && !taken) || now != before {
                (before, since) = (now, looks);
            }
            looks >= since + 3
        });
    }
}

fn node(stage: &Stage, line: &str) {
    let (verb, rest) = word(line);
    let (first, more) = word(rest);
    let sim = &stage.node;
    match verb {
        "fault" => drop(
            sim.fault(serde_json::from_str::<Rule>(rest).unwrap_or_else(|error| panic!("{error}: {rest}"))),
        ),
        "down" => sim.go_down(),
        "up" => sim.come_back(),
        "answer" => sim.clear_faults(),
        "mend" => {
            sim.clear_faults();
            sim.world(|world| world.faults = felhom_sim::node::Faults::default());
        }
        "allow" => {
            let secret = "77777777-7777-4777-8777-777777777777";
            let (privileges, paths) = word(more);
            sim.world(|world| {
                world.access.add_role(first, &privileges.split(',').collect::<Vec<_>>());
                world.access.add_user("felhom@pve");
                world.access.add_token("felhom@pve!agent", secret, false);
                paths.split(' ').for_each(|path| world.access.grant(path, "felhom@pve", first));
            });
            stage.secret("narrow", secret);
        }
        _ => sim.world(|world| change(world, verb, first, &more.replace("\\n", "\n"))),
    }
}

fn change(world: &mut World, verb: &str, first: &str, more: &str) {
    let vmid = || number(first);
    let edit = |world: &mut World, change: &dyn Fn(&mut felhom_sim::node::config_file::Config)| {
        let guest = world.guest_mut(vmid());
        let mut config = guest.config();
        change(&mut config);
        guest.save(&config);
    };
    match verb {
        "set" => {
            let (key, value) = more.split_once('=').unwrap();
            edit(world, &|config| config.put(key, value));
        }
        "unset" => edit(world, &|config| drop(config.main.keys.remove(more))),
        "append" => world.guest_mut(vmid()).file.push_str(more),
        "lxc" => drop(world.add_lxc(vmid(), more)),
        "qemu" => drop(world.add_qemu(vmid(), more)),
        "lock" => world.guest_mut(vmid()).set_lock(Some(more).filter(|lock| !lock.is_empty())),
        "run" | "halt" => drop(world.set_running(vmid(), verb == "run")),
        "pause" => {
            world.set_running(vmid(), true).running.iter_mut().for_each(|running| running.qmp = "paused")
        }
        "ha" => world.guest_mut(vmid()).ha = Some(more.to_owned()),
        "deaf" => world.guest_mut(vmid()).habits.ignores_shutdown = true,
        "remove" => drop(world.remove_guest(vmid())),
        "elsewhere" => {
            let kind = world.guest(vmid()).map_or(Kind::Lxc, |guest| guest.kind);
            world.remove_guest(vmid());
            world.guests_elsewhere.insert(vmid(), (kind, "pve2".to_owned()));
        }
        "backup" => {
            drop(world.add_backup(first, number(word(more).0), u64::from(number(word(more).1)) * 3_600))
        }
        "working" => {
            let (id, line) = word(more);
            let (id, line) = (id.replace('-', ""), line.to_owned());
            let caller = Caller { auth_id: "root@pam".to_owned() };
            world.fork(first, &id, &caller, move |world, task| {
                world.log(task, line);
                Next::Wait(1e9, Work::new(|_, _| Next::Done))
            });
        }
        "fails" => drop(world.faults.failing_types.insert(first.to_owned(), more.to_owned())),
        "dies" => drop(world.faults.killed_types.insert(first.to_owned())),
        "hangs" => drop(world.faults.hung_types.insert(first.to_owned())),
        "vanishes" => drop(world.faults.vanish_types.insert(first.to_owned())),
        "unreadable" => drop(world.faults.unreadable_configs.insert(vmid(), more.to_owned())),
        "leaves-nothing" => world.faults.backups_leave_nothing = true,
        "empty-lists" => world.faults.empty_guest_lists = true,
        "option" => drop(world.options.insert(first.to_owned(), more.to_owned())),
        "storage" => {
            let storage = world.storage_mut(first);
            match more {
                "full" => storage.used = storage.total,
                state => storage.online = state == "online",
            }
        }
        other => panic!("the node cannot {other}"),
    }
}

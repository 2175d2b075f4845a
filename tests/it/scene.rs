//! One thing the agent does from beginning to end, to be spoilt in every way: a guest that is to run, or one that is destroyed by a
//! signed operation. Whatever happened meanwhile, a clean run follows, and then the same must hold.
//!
//! - at most one call for each step, however often the agent was killed;
//! - no call without an intent in the journal;
//! - no secret in anything it wrote;
//! - the clean run ends in order, or in doubt that says what to do.

use std::fs;
use std::time::{Duration, Instant};

use felhom_sim::server::Call;
use serde_json::{Value, json};

use crate::stage::consent::People;
use crate::stage::{Daemon, HUB_KEY, Stage, lxc};

/// The guest it is about: stopped, with a disk of its own and a backup of today.
pub(crate) const VMID: u32 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Play {
    /// The guest gets two cores and is started.
    Reconcile,
    /// The guest is destroyed, as a custodian has signed.
    Destroy,
    /// Another guest is made from a template, and started.
    Provision,
}

impl Play {
    /// Those that are spoilt at random.
    pub(crate) const ALL: [Self; 2] = [Self::Reconcile, Self::Destroy];

    fn vmid(self) -> u32 {
        if self == Self::Provision { crate::provision::VMID } else { VMID }
    }
}

#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) play: Play,
    /// Of the operation, if there is one.
    pub(crate) op_id: Option<String>,
}

/// How a scene ended, for the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Uncertain,
    /// The operation was refused after all, or found not to have been sent: nothing was done, and it must be ordered again.
    Refused,
}

impl Scene {
    pub(crate) fn set(play: Play) -> Self {
        Self::served(play, false)
    }

    /// The node speaks plain HTTP, so that a trace shows what it is sent.
    pub(crate) fn served(play: Play, plain: bool) -> Self {
        let arrange = |world: &mut felhom_sim::node::World| {
            for volume in world.storage_mut("store").volumes.values_mut() {
                volume.ctime -= 30 * 24 * 3_600;
            }
            world.add_backup("store", VMID, 3_600);
        };
        let stage = Stage::on(arrange, |options| options.plain = plain);
        let op_id = match play {
            Play::Reconcile => {
                stage.desire(1, &json!([lxc(VMID, json!({"run_state": "running", "cores": 2}))]));
                None
            }
            Play::Provision => {
                stage.desire(1, &json!([crate::provision::from_template()]));
                None
            }
            Play::Destroy => {
                let people = People::new();
                stage.trust(&people);
                let mut resource = lxc(VMID, json!({}));
                resource["ensure"] = json!("absent");
                stage.desire(1, &json!([resource]));
                // A new journal takes nothing that was signed before it: the order is made for one that is there already.
                let daemon = stage.daemon();
                daemon.until("a journal with a floor", || stage.floor() > 0);
                daemon.crash();
                let order = stage.order_about("guest.destroy", "custodian", VMID, &["destroy"]);
                stage.offer_signed(&order.signed(&[&people.anna]));
                Some(order.op_id())
            }
        };
        Self { stage, play, op_id }
    }

    /// What can be seen of it from outside.
    pub(crate) fn is_over(&self) -> bool {
        match (&self.op_id, self.play) {
            (Some(op_id), _) => self.stage.outcomes().contains_key(op_id),
            (None, _) => self.is_converged(),
        }
    }

    fn is_converged(&self) -> bool {
        let vmid = self.play.vmid();
        self.stage.runs(vmid) && self.stage.key(vmid, "cores").as_deref() == Some("2")
    }

    fn is_there(&self) -> bool {
        self.stage.node.world(|world| world.guest(VMID).is_some())
    }

    /// Lets a spoilt daemon go as far as it comes: until it is over, has ended or a while has passed.
    pub(crate) fn let_go(&self, daemon: &mut Daemon, longest: Duration) {
        let end = Instant::now() + longest;
        while Instant::now() < end && !self.is_over() && !daemon.has_ended() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A clean run after whatever was done to the agent before, and what must hold then.
    pub(crate) fn resolve(&self, what: &str) -> Ending {
        let daemon = self.stage.daemon();
        let ending = self.ending(&daemon, what);
        // Whoever is in doubt about what was done must not do it again a moment later either.
        self.stage.looks(&daemon, 1);
        daemon.stop();
        self.judge(what);
        ending
    }

    fn ending(&self, daemon: &Daemon, what: &str) -> Ending {
        let Some(op_id) = &self.op_id else {
            let doubts = || daemon.said().contains("uncertain");
            daemon.until(&format!("{what}: in order or in doubt"), || self.is_converged() || doubts());
            return if self.is_converged() { Ending::Done } else { Ending::Uncertain };
        };
        let outcome = self.stage.outcome(daemon, op_id);
        let says_what_to_do = outcome["message"].as_str().is_some_and(|text| text.len() > 20);
        let nothing_happened = says_what_to_do && self.stage.mutations().is_empty() && self.is_there();
        match outcome["result"].as_str() {
            Some("done") => {
                assert!(!self.is_there(), "{what}: done, and the guest is there\n{outcome}");
                let left = self.stage.node.world(|world| {
                    let volumes = &world.storage("store").expect("it is there").volumes;
                    volumes.values().filter(|one| one.vmid == Some(VMID) && one.content != "backup").count()
                });
                assert_eq!(left, 0, "{what}: done, and volumes are there\n{outcome}");
                Ending::Done
            }
            Some("uncertain") if says_what_to_do => Ending::Uncertain,
            Some("rejected") if nothing_happened => Ending::Refused,
            Some("failed") if nothing_happened && outcome["code"] == "not_sent" => Ending::Refused,
            _ => panic!("{what}: {outcome}\n{:?}\n{}", self.stage.mutation_lines(), daemon.said()),
        }
    }

    /// What must hold at any moment.
    pub(crate) fn judge(&self, what: &str) {
        let calls = self.stage.mutations();
        let allowed: &[&str] = match self.play {
            Play::Reconcile => &["PUT /nodes/pve/lxc/100/config", "POST /nodes/pve/lxc/100/status/start"],
            Play::Destroy => &["DELETE /nodes/pve/lxc/100"],
            Play::Provision => &["POST /nodes/pve/lxc", "POST /nodes/pve/lxc/150/status/start"],
        };
        for call in &calls {
            assert!(allowed.contains(&call.line().as_str()), "{what}: {call:?}");
        }
        for line in allowed {
            // A write that carries a digest can be sent again: at most one of the two is taken.
            let took = |call: &&Call| {
                call.line() == **line
                    && (call.method != "PUT" || call.status.is_none_or(|status| status == 200))
            };
            let count = calls.iter().filter(took).count();
            assert!(count <= 1, "{what}: {line} was called {count} times");
        }
        let intents = self.stage.journal_of("intent").len();
        assert!(intents >= calls.len(), "{what}: {} calls, {intents} intents", calls.len());
        self.no_secret_is_shown(what);
    }

    fn no_secret_is_shown(&self, what: &str) {
        let secrets = [HUB_KEY, self.stage.node.token().1];
        let mut folders = vec![self.stage.state_dir()];
        let mut files: Vec<_> = (1..=self.stage.started()).map(|number| self.stage.said(number)).collect();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
            }
        }
        for file in files {
            let text = String::from_utf8_lossy(&fs::read(&file).unwrap_or_default()).into_owned();
            for secret in secrets {
                assert!(!text.contains(secret), "{what}: {} shows a secret", file.display());
            }
        }
    }

    /// For the lines of a failed assertion.
    pub(crate) fn story(&self) -> String {
        let journal: Vec<String> = self.stage.journal().iter().map(Value::to_string).collect();
        format!("{:?}\n{:?}\n{}", self.stage.mutation_lines(), self.stage.outcomes(), journal.join("\n"))
    }
}

/// Numbers that can be had again: the same seed, the same numbers.
#[derive(Debug)]
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

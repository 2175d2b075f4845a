//! What an attacker can lay before the agent, and what it must get: against the built binary, with the hub as the attacker or at the
//! local socket. The same rows are held in process beside the code that refuses them; `tests/REJECTIONS.md` says where.
//!
//! In every row: a typed rejection, in the journal; not one changing call at the node; nothing else new in the journal; no payload
//! and no signature repeated. And one daemon takes all rows of a table, so that what came before spoils nothing: in the end it still
//! carries out what was signed as it should be.

mod audience;
mod envelope;
mod keys;
pub(crate) mod matrix;
mod payload;
mod replay;
mod trust;
mod world;

use std::sync::Mutex;
use std::thread;

use felhom_agent::authz::{Keyring, Policy, Situation, Trust, verify};
use felhom_agent::model::op::ClockTrust;
use felhom_agent::model::time::Timestamp;
use felhom_sim::node::World;
use felhom_sim::sign::{Envelope, Key, Order, nonce, op_id, sha256_hex};
use serde_json::{Value, json};

use crate::stage::consent::People;
use crate::stage::{Daemon, HOST_ID, Stage, lxc};

/// The guest that every order is about: stopped, with a backup of an hour ago.
const VMID: u32 = 100;

/// One row of a table.
#[derive(Debug)]
struct Row {
    /// Its name in the matrix, and what is wrong.
    id: &'static str,
    what: String,
    /// To the letter.
    envelope: Vec<u8>,
    /// The rejections that are right.
    codes: &'static [&'static str],
}

fn row(id: &'static str, what: &str, envelope: impl Into<Vec<u8>>, codes: &'static [&'static str]) -> Row {
    Row { id, what: what.to_owned(), envelope: envelope.into(), codes }
}

/// People, and an order of theirs that would be carried out.
#[derive(Debug)]
struct Orders {
    people: People,
    /// To destroy the guest.
    base: Order,
}

impl Orders {
    fn anna(&self) -> &Key {
        &self.people.anna
    }

    /// Another order like the base one: with an id and a nonce of its own.
    fn order(&self) -> Order {
        self.base.clone().set("op_id", json!(op_id())).set("nonce", json!(nonce()))
    }

    fn signed(&self, order: &Order) -> Envelope {
        order.signed(&[self.anna()])
    }

    /// A row about an order that the right person signed.
    fn misordered(&self, id: &'static str, what: &str, order: &Order, codes: &'static [&'static str]) -> Row {
        row(id, what, self.signed(order).text(), codes)
    }
}

/// A stage with a guest that may be destroyed, people whose keys are known, and a daemon.
#[derive(Debug)]
struct Bed {
    stage: Stage,
    daemon: Daemon,
    orders: Orders,
}

impl Bed {
    fn new() -> Self {
        Self::arranged(|_| {}, |_| {})
    }

    /// With a world and a configuration that are otherwise.
    fn arranged(arrange: impl FnOnce(&mut World), configure: impl FnOnce(&mut Value)) -> Self {
        let (stage, people) = set(arrange, configure);
        Self::on(stage, people)
    }

    /// Starts a daemon; the order is made when its journal is there, and so late that it counts.
    fn on(stage: Stage, people: People) -> Self {
        let daemon = stage.daemon();
        daemon.until("it has looked", || stage.count("GET /nodes/pve/lxc") > 0);
        let base = stage.order_about("guest.destroy", "custodian", VMID, &["destroy"]);
        Self { stage, daemon, orders: Orders { people, base } }
    }

    /// Brings every row to the socket, one after the other.
    fn refuses_at_the_socket(&self, rows: &[Row]) {
        let mut journal = self.stage.journal().len();
        for one in rows {
            let (status, answer) = self.stage.submit(&one.envelope);
            let code = answer["error"]["code"].as_str().unwrap_or_default();
            assert!(one.codes.contains(&code), "{} {}: {status} {answer}", one.id, one.what);
            assert!((400..500).contains(&status), "{} {}: {status} {answer}", one.id, one.what);
            journal = self.nothing_but_rejections_since(journal, one);
        }
    }

    /// Lays every row before the agent at the hub, all at once, and waits until each is in the journal.
    fn refuses_from_the_hub(&self, rows: &[Row]) {
        assert!(rows.len() <= AT_ONCE);
        let before = self.stage.journal().len();
        let texts: Vec<String> =
            rows.iter().map(|one| String::from_utf8_lossy(&one.envelope).into_owned()).collect();
        self.stage.offer_all(&texts);
        for one in rows {
            let payload = payload_sha256(&one.envelope);
            self.daemon.until(&format!("{} {}: {:?}", one.id, one.what, one.codes), || {
                self.stage.journal_of("reject").iter().any(|line| {
                    let code = line["code"].as_str().unwrap_or_default();
                    let same = line["payload_sha256"].is_null() || line["payload_sha256"] == json!(payload);
                    one.codes.contains(&code) && same && line["via"] == "hub"
                })
            });
        }
        for one in rows {
            self.nothing_but_rejections_since(before, one);
        }
        self.stage.withdraw();
    }

    /// What must hold after every row; how long the journal is now.
    fn nothing_but_rejections_since(&self, before: usize, one: &Row) -> usize {
        let what = format!("{} {}", one.id, one.what);
        assert_eq!(self.stage.mutation_lines(), [""; 0], "{what}");
        let journal = self.stage.journal();
        for line in &journal[before..] {
            let kind = line["t"].as_str().unwrap_or_default();
            assert!(["reject", "hw", "hdr", "decision"].contains(&kind), "{what}: {line}");
            let text = line.to_string();
            for secret in secrets(&one.envelope) {
                assert!(!text.contains(&secret), "{what}: {line}");
            }
        }
        journal.len()
    }

    /// And yet what is signed as it should be is done: without this the rows would prove nothing.
    fn still_obeys(self) {
        let order = self.orders.order();
        self.stage.offer_signed(&self.orders.signed(&order));
        let outcome = self.stage.outcome(&self.daemon, &order.op_id());
        assert_eq!(outcome["result"], "done", "{outcome}\n{}", self.daemon.said());
        assert_eq!(self.stage.mutation_lines(), [format!("DELETE /nodes/pve/lxc/{VMID}")]);
        self.daemon.stop();
    }
}

/// So many refusals are written down within a minute; of a flood the rest is counted.
const AT_ONCE: usize = 28;

/// Lays a whole table before agents at their hubs, part by part, each on a bed of its own.
fn refused_from_the_hub(rows: impl Fn(&Orders) -> Vec<Row> + Sync) {
    let count = rows(&unbound()).len();
    let parts = Mutex::new((0..count).step_by(AT_ONCE));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(first) = parts.lock().unwrap().next() else { return };
                    let bed = Bed::new();
                    let mut part = rows(&bed.orders).split_off(first);
                    part.truncate(AT_ONCE);
                    bed.refuses_from_the_hub(&part);
                    bed.still_obeys();
                }
            });
        }
    });
}

/// A stage with a guest that should be absent, and people in its keyring. No daemon yet.
fn set(arrange: impl FnOnce(&mut World), configure: impl FnOnce(&mut Value)) -> (Stage, People) {
    let people = People::new();
    let stage = Stage::new(|world| {
        for volume in world.storage_mut("store").volumes.values_mut() {
            volume.ctime -= 30 * 24 * 3_600;
        }
        world.add_backup("store", VMID, 3_600);
        arrange(world);
    });
    stage.trust(&people);
    stage.configure(|config| {
        stage.with_ops(config);
        configure(config);
    });
    let mut resource = lxc(VMID, json!({}));
    resource["ensure"] = json!("absent");
    stage.desire(1, &json!([resource]));
    (stage, people)
}

/// The verification alone: the same rows in process, as the agent judges them before it accepts anything.
fn refuses_in_process(orders: &Orders, rows: &[Row]) {
    let keyring = felhom_sim::sign::keyring(1, 1, &orders.people.all()).to_string();
    let trust = Trust { keyring: Keyring::parse(keyring.as_bytes()).unwrap(), policy: Policy::built_in() };
    let situation = Situation {
        host_id: HOST_ID,
        node: "pve",
        now: Timestamp::from_unix(felhom_sim::sign::now()),
        clock: &ClockTrust::Trusted,
        floor: Timestamp::from_unix(0),
    };
    let mut wrong = Vec::new();
    for one in rows {
        match verify(&one.envelope, &trust, &situation) {
            Ok(_) => wrong.push(format!("{} {}: accepted", one.id, one.what)),
            Err(rejected) if !one.codes.contains(&rejected.code.to_string().as_str()) => {
                wrong.push(format!("{} {}: {rejected}; expected {:?}", one.id, one.what, one.codes));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let good = orders.signed(&orders.order()).text();
    verify(good.as_bytes(), &trust, &situation).expect("what is as it should be");
}

/// An order about a guest that is bound to nothing real.
fn unbound() -> Orders {
    let base = Order::new("guest.destroy", "custodian", HOST_ID, "pve")
        .guest("lxc", VMID, &"5a".repeat(16), &"a5".repeat(32))
        .params(json!({"purge": false}))
        .set(
            "evidence",
            json!({"backup": {
                "volid": "store:backup/vzdump-lxc-100-2026_11_21-10_00_00.tar.zst", "ctime": 1_795_000_000_u64,
                "size": 734_003_200, "covers": ["rootfs"]
            }}),
        );
    Orders { people: People::new(), base }
}

#[test]
fn every_table_is_refused_by_the_verification_alone() {
    let orders = unbound();
    let tables = [
        envelope::rows(&orders),
        envelope::raw_rows(&orders),
        keys::rows(&orders),
        payload::rows(&orders),
        audience::rows(&orders),
    ];
    for rows in tables {
        refuses_in_process(&orders, &rows);
    }
}

/// Of the payload, where it can be read out of the envelope at all.
fn payload_sha256(envelope: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(envelope).ok()?;
    felhom_sim::sign::unbase64(value["payload"].as_str()?).map(|bytes| sha256_hex(&bytes))
}

/// What a rejection may not repeat.
fn secrets(envelope: &[u8]) -> Vec<String> {
    let value: Value = serde_json::from_slice(envelope).unwrap_or_default();
    let mut secrets: Vec<&Value> = vec![&value["payload"]];
    secrets.extend(value["signatures"].as_array().into_iter().flatten().map(|one| &one["sig"]));
    secrets
        .iter()
        .filter_map(|text| text.as_str())
        .filter(|text| text.len() > 20)
        .map(str::to_owned)
        .collect()
}

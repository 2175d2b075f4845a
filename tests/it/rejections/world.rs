//! D, G and E: the order is right, and the world is not, or not any more. One daemon, a guest for each row: every order is bound to
//! its guest as it was, then the world changes, then all are laid before the agent.

use felhom_sim::api::Caller;
use felhom_sim::node::World;
use felhom_sim::node::tasks::Next;
use felhom_sim::server::{Action, Rule};
use felhom_sim::sign::{Envelope, Order};
use serde_json::{Value, json};

use super::Bed;
use crate::stage::consent::People;
use crate::stage::{Stage, lxc};

type Change = fn(&mut World, u32);
type Reorder = fn(Order) -> Order;

/// A row: before the order is made, after it was, what is changed in the order, and the refusals that are right.
struct Case {
    id: &'static str,
    what: &'static str,
    before: Change,
    after: Change,
    order: Reorder,
    codes: &'static [&'static str],
}

const NO_CHANGE: Change = |_, _| {};
const AS_IT_IS: Reorder = |order| order;

fn case(id: &'static str, what: &'static str, codes: &'static [&'static str]) -> Case {
    Case { id, what, before: NO_CHANGE, after: NO_CHANGE, order: AS_IT_IS, codes }
}

fn text(vmid: u32) -> String {
    format!(
        "arch: amd64\nhostname: ct{vmid}\nmemory: 128\nostype: alpine\nrootfs: store:{vmid}/vm-{vmid}-disk-0.raw,size=1G\nswap: 512\n"
    )
}

fn add_key(world: &mut World, vmid: u32, key: &str, value: &str) {
    let guest = world.guest_mut(vmid);
    let mut config = guest.config();
    config.main.keys.insert(key.to_owned(), value.to_owned());
    guest.save(&config);
}

fn without_backups(world: &mut World, vmid: u32) {
    world
        .storage_mut("store")
        .volumes
        .retain(|_, volume| volume.vmid != Some(vmid) || volume.content != "backup");
}

/// Not in the desired state.
const UNMANAGED: u32 = 190;
/// In the configuration's list of those that no operation may touch.
const PROTECTED: u32 = 191;

fn cases() -> Vec<Case> {
    vec![
        Case {
            after: |world, vmid| {
                world.remove_guest(vmid);
                world.add_lxc(vmid, &text(vmid));
                // Only the node's tasks tell, where the storage does not know when a volume was made.
                let somebody = Caller { auth_id: "root@pam".to_owned() };
                world.fork("vzcreate", &vmid.to_string(), &somebody, |_, _| Next::Done);
            },
            ..case("G5", "destroyed and made again, word for word", &["IdentChanged"])
        },
        Case {
            after: |world, vmid| {
                let guest = world.guest_mut(vmid);
                guest.file.push_str(&format!("\n[late]\n{}snaptime: 1795230876\n", text(vmid)));
            },
            ..case("G6", "a snapshot was taken", &["StateChanged"])
        },
        Case {
            after: |world, vmid| add_key(world, vmid, "memory", "256"),
            ..case("G6", "more memory", &["StateChanged"])
        },
        Case {
            after: |world, vmid| {
                add_key(world, vmid, "mp0", &format!("store:{vmid}/vm-{vmid}-disk-1.raw,mp=/data,size=1G"))
            },
            ..case("G6", "a mount point more", &["StateChanged"])
        },
        Case {
            after: |world, vmid| {
                world.set_running(vmid, true);
            },
            ..case("G7", "it was started", &["GuestRunning"])
        },
        Case {
            after: |world, vmid| world.guest_mut(vmid).set_lock(Some("backup")),
            ..case("G8", "a backup has it locked", &["Locked"])
        },
        Case {
            before: |world, vmid| world.guest_mut(vmid).ha = Some("stopped".to_owned()),
            ..case("G9", "the HA manager has it", &["HaManaged"])
        },
        Case {
            after: |world, vmid| world.guest_mut(vmid).ha = Some("stopped".to_owned()),
            ..case("G9", "the HA manager got it", &["HaManaged", "StateChanged"])
        },
        Case {
            before: |world, vmid| add_key(world, vmid, "protection", "1"),
            ..case("D11", "it is protected", &["Protected"])
        },
        Case {
            after: |world, vmid| {
                world.remove_guest(vmid);
            },
            ..case("G10", "it is gone", &["GuestGone"])
        },
        Case { after: without_backups, ..case("G11", "the backup is gone", &["EvidenceMissing"]) },
        Case {
            after: |world, vmid| {
                for volume in world.storage_mut("store").volumes.values_mut() {
                    if volume.vmid == Some(vmid) && volume.content == "backup" {
                        volume.size = 0;
                    }
                }
            },
            ..case("G11", "the backup is empty", &["EvidenceMissing"])
        },
        Case {
            order: |order| order.set("evidence.backup.size", json!(1)),
            ..case("G11", "the backup is another one", &["EvidenceMissing"])
        },
        Case {
            order: |order| {
                let volid = order.0["evidence"]["backup"]["volid"].as_str().unwrap_or_default().to_owned();
                order.set("evidence.backup.volid", json!(volid.replace("lxc-1", "lxc-2")))
            },
            ..case("G11", "the backup is another guest's", &["EvidenceMissing"])
        },
        Case {
            order: |order| {
                let ctime = order.0["evidence"]["backup"]["ctime"].as_u64().unwrap_or_default();
                order.set("evidence.backup.ctime", json!(ctime - 72 * 3_600))
            },
            after: |world, vmid| {
                for volume in world.storage_mut("store").volumes.values_mut() {
                    if volume.vmid == Some(vmid) && volume.content == "backup" {
                        volume.ctime -= 72 * 3_600;
                    }
                }
            },
            ..case("G11", "the backup is three days old", &["EvidenceStale", "EvidenceMissing"])
        },
        Case {
            before: |world, vmid| {
                let data = format!("store:{vmid}/vm-{vmid}-disk-1.raw,backup=1,mp=/data,size=1G");
                add_key(world, vmid, "mp0", &data);
                without_backups(world, vmid);
                world.add_backup("store", vmid, 3_600);
            },
            order: |order| order.set("evidence.backup.covers", json!(["rootfs"])),
            ..case("G11", "a mount point is not in the backup", &["EvidenceMissing"])
        },
        Case {
            after: |world, vmid| {
                world.faults.unreadable_configs.insert(vmid, "unable to open file".to_owned());
            },
            ..case("G12", "its configuration cannot be read", &["ObservationUntrusted"])
        },
        Case {
            order: |order| order.set("guest.type", json!("qemu")),
            ..case(
                "G4",
                "a machine is named, it is a container",
                &["GuestGone", "IdentChanged", "BindGuest", "NotManaged"],
            )
        },
        Case {
            order: |order| order.set("guest.vmid", json!(102)),
            ..case("G3", "another guest's number", &["IdentChanged", "NotManaged", "BindGuest"])
        },
        Case {
            order: |order| order.set("guest.ident", json!("0f".repeat(16))),
            ..case("G5", "another incarnation", &["IdentChanged"])
        },
        Case {
            order: |order| order.without("evidence"),
            ..case("D7", "no evidence, and one signature", &["Threshold", "EvidenceMissing"])
        },
        Case {
            order: |order| {
                order.set("kind", json!("guest.unlock")).params(json!({"lock": "backup"})).without("evidence")
            },
            ..case("G1", "what no token can do", &["NotSupported"])
        },
    ]
}

#[test]
fn d_g_an_order_that_the_world_has_overtaken_is_refused_and_nothing_is_touched() {
    let cases = cases();
    let vmids: Vec<u32> = (110..).take(cases.len()).collect();
    let all: Vec<u32> = vmids.iter().copied().chain([UNMANAGED, PROTECTED]).collect();
    let people = People::new();
    let stage = Stage::new(|world| {
        for vmid in &all {
            world.add_lxc(*vmid, &text(*vmid));
        }
        for volume in world.storage_mut("store").volumes.values_mut() {
            volume.ctime -= 30 * 24 * 3_600;
        }
        for vmid in &all {
            world.add_backup("store", *vmid, 3_600);
        }
        for (case, vmid) in cases.iter().zip(&vmids) {
            (case.before)(world, *vmid);
        }
    });
    stage.trust(&people);
    stage.configure(|config| {
        stage.with_ops(config);
        config["ops"]["protected_vmids"] = json!(PROTECTED.to_string());
    });
    let absent = |vmid: &u32| {
        let mut resource = lxc(*vmid, json!({}));
        resource["ensure"] = json!("absent");
        resource
    };
    let managed: Vec<Value> = all.iter().filter(|vmid| **vmid != UNMANAGED).map(absent).collect();
    stage.desire(1, &json!(managed));
    let daemon = stage.daemon();
    daemon.until("it has looked", || stage.count("GET /nodes/pve/lxc") > 0);

    let draft = |vmid: u32| stage.order_about("guest.destroy", "custodian", vmid, &["destroy"]);
    let mut rows: Vec<(String, Order, &[&str])> = Vec::new();
    for (case, vmid) in cases.iter().zip(&vmids) {
        rows.push((format!("{} {}", case.id, case.what), (case.order)(draft(*vmid)), case.codes));
    }
    rows.push((format!("{} not ours", "D12"), draft(UNMANAGED), &["NotManaged"]));
    rows.push((format!("{} out of reach", "D11"), draft(PROTECTED), &["Protected"]));
    stage.node.world(|world| {
        for (case, vmid) in cases.iter().zip(&vmids) {
            (case.after)(world, *vmid);
        }
    });
    for (_, order, _) in &rows {
        stage.offer_signed(&order.signed(&[&people.anna]));
    }
    let mut wrong = Vec::new();
    for (what, order, codes) in &rows {
        let outcome = stage.outcome(&daemon, &order.op_id());
        let code = outcome["code"].as_str().unwrap_or_default();
        let refused = ["rejected", "failed"].contains(&outcome["result"].as_str().unwrap_or_default());
        if !refused || !codes.contains(&code) {
            wrong.push(format!("{what}: {outcome}; expected {codes:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(stage.mutation_lines(), [""; 0]);
    assert_eq!(stage.journal_of("intent").len(), 0);
    daemon.stop();
}

#[test]
fn d07_two_keys_of_two_roles_may_do_without_a_backup() {
    let bed = Bed::new();
    let order = bed.orders.order().without("evidence");
    let people = &bed.orders.people;
    bed.stage.offer_signed(&order.signed(&[&people.anna, &people.ruth]));
    assert_eq!(bed.stage.outcome(&bed.daemon, &order.op_id())["result"], "done");
    bed.daemon.stop();
}

/// What the refusal of one order on a bed of its own is.
fn refused(bed: &Bed, order: &Order) -> String {
    bed.stage.offer_signed(&bed.orders.signed(order));
    let outcome = bed.stage.outcome(&bed.daemon, &order.op_id());
    assert!(["rejected", "failed"].contains(&outcome["result"].as_str().unwrap_or_default()), "{outcome}");
    assert_eq!(bed.stage.mutation_lines(), [""; 0], "{outcome}");
    outcome["code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn d09_one_more_than_the_rate_allows_is_refused_and_kept() {
    let bed = Bed::arranged(|_| {}, |config| config["ops"]["rate_per_hour"] = json!(0));
    assert_eq!(refused(&bed, &bed.orders.order()), "RateLimited");
    assert_eq!(bed.stage.journal_of("accept").len(), 1);
}

#[test]
fn d10_while_the_kill_switch_is_there_nothing_is_destroyed() {
    let bed = Bed::new();
    bed.stage.write("KILL", "");
    assert_eq!(refused(&bed, &bed.orders.order()), "KillSwitch");
    std::fs::remove_file(bed.stage.path("KILL")).unwrap();
    bed.still_obeys();
}

#[test]
fn d10_an_agent_that_only_observes_destroys_nothing() {
    let bed = Bed::arranged(|_| {}, |config| config["agent"]["mode"] = json!("observe"));
    assert_eq!(refused(&bed, &bed.orders.order()), "KillSwitch");
}

#[test]
fn g12_an_empty_list_of_guests_is_no_evidence_that_one_is_gone() {
    let bed = Bed::new();
    bed.stage.node.world(|world| world.faults.empty_guest_lists = true);
    let code = refused(&bed, &bed.orders.order());
    assert_eq!(code, "ObservationUntrusted");
}

#[test]
fn g11_a_storage_that_is_away_holds_no_evidence() {
    let bed = Bed::new();
    bed.stage.node.world(|world| world.storage_mut("store").online = false);
    let code = refused(&bed, &bed.orders.order());
    assert!(["EvidenceMissing", "ObservationUntrusted"].contains(&code.as_str()), "{code}");
}

#[test]
fn g15_an_answer_that_is_lost_is_looked_for_and_never_asked_for_again() {
    for action in [Action::DropAfter, Action::status_after(596, "Connection timed out")] {
        let bed = Bed::new();
        bed.stage.node.fault(Rule::new(action).method("DELETE").once());
        let order = bed.orders.order();
        bed.stage.offer_signed(&bed.orders.signed(&order));
        let outcome = bed.stage.outcome(&bed.daemon, &order.op_id());
        assert!(["done", "uncertain"].contains(&outcome["result"].as_str().unwrap_or_default()), "{outcome}");
        bed.stage.looks(&bed.daemon, 2);
        assert_eq!(bed.stage.mutations().len(), 1, "{:?}", bed.stage.mutation_lines());
    }
}

#[test]
fn g17_a_task_that_was_killed_is_a_matter_of_doubt_and_not_repeated() {
    let bed = Bed::arranged(|world| world.faults.killed_types = ["vzdestroy".to_owned()].into(), |_| {});
    let order = bed.orders.order();
    bed.stage.offer_signed(&bed.orders.signed(&order));
    let outcome = bed.stage.outcome(&bed.daemon, &order.op_id());
    assert!(["uncertain", "failed"].contains(&outcome["result"].as_str().unwrap_or_default()), "{outcome}");
    assert!(outcome["message"].as_str().is_some_and(|text| text.len() > 20), "{outcome}");
    bed.stage.looks(&bed.daemon, 2);
    assert_eq!(bed.stage.mutations().len(), 1);
    // The same again is the same outcome.
    let (_, again) = bed.stage.submit(bed.orders.signed(&order).text().as_bytes());
    assert!(!again.is_null());
    bed.stage.looks(&bed.daemon, 1);
    assert_eq!(bed.stage.mutations().len(), 1);
}

#[test]
fn g02_the_call_is_what_was_signed_and_nothing_more() {
    for purge in [false, true] {
        let bed = Bed::new();
        let order = bed.orders.order().params(json!({"purge": purge}));
        bed.stage.offer_signed(&bed.orders.signed(&order));
        assert_eq!(bed.stage.outcome(&bed.daemon, &order.op_id())["result"], "done");
        let call = bed.stage.mutations().remove(0);
        let extra: Vec<(&str, &str)> = call
            .params
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, value)| !["node", "vmid"].contains(name) && *value != "0")
            .collect();
        let expected: &[(&str, &str)] = if purge { &[("purge", "1")] } else { &[] };
        assert_eq!(extra, expected);
    }
}

#[test]
fn h01_a_guest_that_the_desired_state_drops_or_makes_absent_is_not_destroyed() {
    let bed = Bed::new();
    bed.daemon.says("needs_signature");
    bed.stage.desire(2, &json!([]));
    bed.daemon.says("generation 2");
    bed.stage.looks(&bed.daemon, 2);
    assert_eq!(bed.stage.mutation_lines(), [""; 0]);
    bed.daemon.stop();
}

#[test]
fn an_envelope_over_no_payload_of_ours_never_reaches_the_node() {
    let bed = Bed::new();
    for body in ["{}", "[]", "\u{0}", "true"] {
        bed.stage.offer_signed(&Envelope::over(body.as_bytes(), &[bed.orders.anna()]));
    }
    bed.daemon.until("each is refused", || bed.stage.journal_of("reject").len() >= 4);
    assert_eq!(bed.stage.mutation_lines(), [""; 0]);
    bed.still_obeys();
}

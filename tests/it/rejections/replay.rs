//! F: the same again, and the memory of it under attack.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::thread;

use felhom_sim::sign::{Order, nonce, op_id};
use serde_json::{Value, json};

use super::{Bed, row, set};
use crate::stage::{Stage, program};

const DESTROY: &str = "DELETE /nodes/pve/lxc/100";

/// A bed on which one order was carried out, and that order.
fn obeyed() -> (Bed, Order) {
    let bed = Bed::new();
    let order = bed.orders.order();
    bed.stage.offer_signed(&bed.orders.signed(&order));
    assert_eq!(bed.stage.outcome(&bed.daemon, &order.op_id())["result"], "done");
    (bed, order)
}

fn only_once(bed: &Bed) {
    bed.stage.looks(&bed.daemon, 1);
    assert_eq!(bed.stage.count(DESTROY), 1, "{:?}", bed.stage.mutation_lines());
    assert_eq!(bed.stage.journal_of("accept").len(), 1);
}

#[test]
fn f01_the_same_from_many_sides_at_once_is_done_once() {
    let bed = Bed::new();
    let order = bed.orders.order();
    let text = bed.orders.signed(&order).text();
    bed.stage.offer(&text);
    bed.stage.offer(&text);
    let socket = bed.stage.socket();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| crate::stage::consent::submit(&socket, text.as_bytes()));
        }
    });
    assert_eq!(bed.stage.outcome(&bed.daemon, &order.op_id())["result"], "done");
    only_once(&bed);
    bed.daemon.stop();
}

#[test]
fn f02_the_same_after_a_restart_is_the_stored_outcome() {
    let (mut bed, order) = obeyed();
    for crash in [false, true] {
        if crash {
            bed.daemon.crash()
        } else {
            drop(bed.daemon.stop())
        }
        bed.daemon = bed.stage.daemon();
        bed.stage.looks(&bed.daemon, 1);
        let (status, answer) = bed.stage.submit(bed.orders.signed(&order).text().as_bytes());
        assert!((200..300).contains(&status), "{status} {answer}");
        assert!(answer.to_string().contains("done"), "{answer}");
        only_once(&bed);
    }
}

#[test]
fn f03_the_same_payload_under_another_signature_is_the_same_operation() {
    let (bed, order) = obeyed();
    let (status, answer) = bed.stage.submit(order.signed(&[&bed.orders.people.carl]).text().as_bytes());
    assert!((200..300).contains(&status), "{status} {answer}");
    only_once(&bed);
}

#[test]
fn f04_f05_a_borrowed_id_and_a_borrowed_nonce_are_refused() {
    let (bed, order) = obeyed();
    let sign = |order: &Order| bed.orders.signed(order).text();
    let borrowed = [
        row(
            "F4",
            "another note under the same id",
            sign(&order.clone().set("note", json!("another"))),
            &["OpConflict"],
        ),
        row(
            "F4",
            "another nonce under the same id",
            sign(&order.clone().set("nonce", json!(nonce()))),
            &["OpConflict"],
        ),
        row("F5", "another id with the same nonce", sign(&order.set("op_id", json!(op_id()))), &["Replay"]),
    ];
    for one in &borrowed {
        let (status, answer) = bed.stage.submit(&one.envelope);
        assert!(answer.to_string().contains(one.codes[0]), "{} {}: {status} {answer}", one.id, one.what);
    }
    only_once(&bed);
}

fn journal_files(stage: &Stage) -> Vec<PathBuf> {
    let entries = fs::read_dir(stage.state_dir().join("journal")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| fs::read_to_string(path).is_ok_and(|text| text.starts_with("{\"seq\"")));
    files.sort();
    files
}

/// What an order gets after something was done to the journal while the agent was down.
fn after(attack: impl FnOnce(&Stage)) -> (Bed, Value) {
    let mut bed = Bed::new();
    let (early, late) = (bed.orders.order(), bed.orders.order());
    // Something is remembered that must not be forgotten: an order that was accepted and refused at its guest.
    bed.stage.node.world(|world| _ = world.set_running(super::VMID, true));
    bed.stage.offer_signed(&bed.orders.signed(&early));
    assert_ne!(bed.stage.outcome(&bed.daemon, &early.op_id())["result"], "done");
    bed.stage.withdraw();
    drop(bed.daemon.stop());
    attack(&bed.stage);
    bed.stage.node.world(|world| _ = world.set_running(super::VMID, false));
    let reports = bed.stage.reports().len();
    bed.daemon = bed.stage.daemon();
    bed.daemon.until("it reports all the same", || bed.stage.reports().len() > reports);
    let (_, again) = bed.stage.submit(bed.orders.signed(&early).text().as_bytes());
    assert!(!again.is_null());
    let (_, answer) = bed.stage.submit(bed.orders.signed(&late).text().as_bytes());
    bed.stage.looks(&bed.daemon, 1);
    assert_eq!(bed.stage.mutation_lines(), [""; 0], "{answer}");
    (bed, answer)
}

#[test]
fn f08_a_bit_flipped_in_the_middle_of_the_journal_turns_destruction_off() {
    let (bed, answer) = after(|stage| {
        let file = journal_files(stage).remove(0);
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&file, bytes).unwrap();
    });
    let text = answer.to_string();
    assert!(["StoreUnavailable", "BelowFloor"].iter().any(|code| text.contains(code)), "{answer}");
    bed.daemon.says("of the journal is damaged");
    let report = bed.stage.reports().pop().unwrap();
    let damaged = |one: &Value| one["type"] == "JournalDamaged" && one["status"] == "true";
    assert!(report["conditions"].as_array().is_some_and(|all| all.iter().any(damaged)), "{report}");
}

#[test]
fn f09_a_journal_that_is_gone_raises_the_floor() {
    for whole in [false, true] {
        let (_, answer) = after(|stage| {
            if whole {
                fs::remove_dir_all(stage.state_dir()).unwrap();
            } else {
                fs::remove_dir_all(stage.state_dir().join("journal")).unwrap();
            }
        });
        let text = answer.to_string();
        assert!(["StoreUnavailable", "BelowFloor"].iter().any(|code| text.contains(code)), "{answer}");
    }
}

#[test]
fn f09_a_journal_from_yesterday_s_backup_is_seen_by_what_stands_beside_it() {
    let (_, answer) = after(|stage| {
        // The last records are gone, as in an older copy of the file.
        let file = journal_files(stage).pop().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let restored = stage.path("restored");
        fs::write(&restored, lines[..2].join("\n") + "\n").unwrap();
        fs::set_permissions(&restored, fs::metadata(&file).unwrap().permissions()).unwrap();
        fs::rename(&restored, &file).unwrap();
    });
    let text = answer.to_string();
    assert!(["StoreUnavailable", "BelowFloor"].iter().any(|code| text.contains(code)), "{answer}");
}

#[test]
fn f11_a_journal_that_is_something_else_is_not_used() {
    type Replace = fn(&PathBuf);
    let replacements: [(&str, Replace); 4] = [
        ("a symlink", |path| {
            let aside = path.with_extension("aside");
            fs::rename(path, &aside).unwrap();
            symlink(&aside, path).unwrap();
        }),
        ("a pipe", |path| {
            fs::remove_file(path).unwrap();
            assert!(program("mkfifo").arg(path).status().unwrap().success());
        }),
        ("a directory", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        ("a hard link", |path| {
            fs::hard_link(path, path.parent().unwrap().parent().unwrap().join("another name")).unwrap();
        }),
    ];
    for (what, replace) in replacements {
        let (_, answer) = after(|stage| replace(&journal_files(stage).remove(0)));
        let text = answer.to_string();
        assert!(
            ["StoreUnavailable", "BelowFloor"].iter().any(|code| text.contains(code)),
            "{what}: {answer}"
        );
    }
}

#[test]
fn f12_a_second_agent_does_not_share_the_journal() {
    let (stage, people) = set(|_| {}, |_| {});
    let bed = Bed::on(stage, people);
    bed.stage.run(&["daemon"]).expect(73, &["lock"]);
    bed.still_obeys();
}

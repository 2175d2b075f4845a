//! B: the keyring itself under attack, and its one lawful way to change.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use felhom_sim::sign::{self, Key, base64};
use serde_json::{Value, json};

use super::{Bed, set};

/// A keyring that must not be taken, put into the place of the good one.
type Spoil = fn(&Path, &Value);

fn put(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn spoilt() -> Vec<(&'static str, Spoil)> {
    vec![
        ("B15 torn", |path, good| {
            let text = good.to_string();
            put(path, &text[..text.len() / 2]);
        }),
        ("B15 empty", |path, _| put(path, "")),
        ("B15 for everybody", |path, good| {
            put(path, &good.to_string());
            fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        }),
        ("B15 a symlink", |path, good| {
            let aside = path.with_extension("aside");
            put(&aside, &good.to_string());
            fs::remove_file(path).unwrap();
            symlink(aside, path).unwrap();
        }),
        ("B15 gone", |path, _| fs::remove_file(path).unwrap()),
        ("B3 a key twice", |path, good| {
            let mut good = good.clone();
            let first = good["keys"][0].clone();
            good["keys"].as_array_mut().unwrap().push(first);
            put(path, &good.to_string());
        }),
        ("B9 a weak key", |path, good| {
            let mut good = good.clone();
            let zero = [0; 32];
            good["keys"][0]["public_key"] = json!(base64(&zero));
            good["keys"][0]["keyid"] = json!(sign::key_id(&zero));
            put(path, &good.to_string());
        }),
        ("B9 the neutral point", |path, good| {
            let mut good = good.clone();
            let mut one = [0; 32];
            one[0] = 1;
            good["keys"][0]["public_key"] = json!(base64(&one));
            good["keys"][0]["keyid"] = json!(sign::key_id(&one));
            put(path, &good.to_string());
        }),
    ]
}

#[test]
fn b03_b09_b15_with_a_keyring_that_cannot_be_taken_nothing_is_accepted() {
    for (what, spoil) in spoilt() {
        let (stage, people) = set(|_| {}, |_| {});
        let good = sign::keyring(1, 1, &people.all());
        spoil(&stage.path("keyring.json"), &good);
        let bed = Bed::on(stage, people);
        let (status, answer) = bed.stage.submit(bed.orders.signed(&bed.orders.order()).text().as_bytes());
        assert!((400..600).contains(&status), "{what}: {status} {answer}");
        assert_eq!(bed.stage.mutation_lines(), [""; 0], "{what}");
        assert_eq!(bed.stage.journal_of("accept").len(), 0, "{what}");
        bed.daemon.stop();
    }
}

#[test]
fn b15_a_keyring_that_goes_bad_while_it_is_in_force_keeps_the_last_good_one() {
    for (what, spoil) in spoilt().into_iter().take(4) {
        let bed = Bed::new();
        let good = sign::keyring(1, 1, &bed.orders.people.all());
        spoil(&bed.stage.path("keyring.json"), &good);
        bed.daemon.signal("HUP");
        bed.stage.looks(&bed.daemon, 1);
        assert!(!what.is_empty());
        bed.still_obeys();
    }
}

#[test]
fn b14_a_keyring_changes_by_one_and_under_the_old_roots_and_the_new() {
    let bed = Bed::new();
    let people = &bed.orders.people;
    let newcomer = Key::named("a new root", &["root"]);
    let next = |version: u64| {
        let mut keys = people.all();
        keys.push(&newcomer);
        base64(sign::keyring(version, 2, &keys).to_string().as_bytes())
    };
    let update =
        |version: u64| bed.stage.order("trust.update", "root").params(json!({"keyring": next(version)}));
    let refused = [
        ("two on", update(3).signed(&[&people.ruth, &newcomer]), "TrustGap"),
        ("the same", update(1).signed(&[&people.ruth, &newcomer]), "TrustRollback"),
        ("by the old alone", update(2).signed(&[&people.ruth]), "Threshold"),
        ("one key twice", update(2).signed(&[&people.ruth, &people.ruth]), "Threshold"),
    ];
    for (what, envelope, code) in refused {
        let (status, answer) = bed.stage.submit(envelope.text().as_bytes());
        assert!((400..500).contains(&status), "{what}: {status} {answer}");
        let right = [code, "EnvelopeDup", "BadSigCount", "UnknownKey"];
        assert!(right.iter().any(|code| answer.to_string().contains(code)), "{what}: {answer}");
    }
    let order = update(2);
    let (status, answer) = bed.stage.submit(order.signed(&[&people.ruth, &newcomer]).text().as_bytes());
    assert!((200..300).contains(&status), "{status} {answer}");
    assert_eq!(bed.stage.outcome(&bed.daemon, &order.op_id())["result"], "done");
    let kept: Value = serde_json::from_slice(&fs::read(bed.stage.path("keyring.json")).unwrap()).unwrap();
    assert_eq!(kept["version"], 2);
    bed.still_obeys();
}

#[test]
fn b11_b12_a_key_that_is_revoked_while_its_order_waits_orders_nothing() {
    let bed = Bed::arranged(|_| {}, |config| config["ops"]["lock_wait_seconds"] = json!(60));
    bed.stage.node.world(|world| world.guest_mut(super::VMID).set_lock(Some("backup")));
    let order = bed.orders.order();
    bed.stage.offer_signed(&bed.orders.signed(&order));
    bed.daemon.until("it is accepted", || !bed.stage.journal_of("accept").is_empty());
    let people = &bed.orders.people;
    let mut anna = Key::named("anna", &["custodian"]);
    anna.row["revoked"] = json!(true);
    let keys = [&anna, &people.carl, &people.ruth];
    let next = base64(sign::keyring(2, 1, &keys).to_string().as_bytes());
    let update = bed.stage.order("trust.update", "root").params(json!({"keyring": next}));
    let (status, answer) = bed.stage.submit(update.signed(&[&people.ruth]).text().as_bytes());
    assert!((200..300).contains(&status), "{status} {answer}");
    assert_eq!(bed.stage.outcome(&bed.daemon, &update.op_id())["result"], "done");
    bed.stage.node.world(|world| world.guest_mut(super::VMID).set_lock(None));
    let outcome = bed.stage.outcome(&bed.daemon, &order.op_id());
    assert_eq!(
        (&outcome["result"], &outcome["code"]),
        (&json!("rejected"), &json!("RevokedKey")),
        "{outcome}"
    );
    assert_eq!(bed.stage.mutation_lines(), [""; 0]);
}

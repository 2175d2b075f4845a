//! D and E: for whom, by whom, when.

use felhom_sim::sign::{Order, now};
use serde_json::{Value, json};

use super::{Bed, Orders, Row, refused_from_the_hub, row};

const DAY: u64 = 24 * 3_600;

pub(super) fn rows(orders: &Orders) -> Vec<Row> {
    let people = &orders.people;
    let set = |id, path: &str, value: Value, codes| {
        let what = format!("{path} = {value}");
        orders.misordered(id, &what, &orders.order().set(path, value), codes)
    };
    let times = |id, what: &str, iat: u64, nbf: u64, exp: u64, codes| {
        let order = orders.order().set("iat", json!(iat)).set("nbf", json!(nbf)).set("exp", json!(exp));
        orders.misordered(id, what, &order, codes)
    };
    let hostless = |order: Order| order.without("guest").without("bind").without("evidence");
    let as_role = |role: &str| orders.order().set("role", json!(role));
    let now = now();
    let trust = hostless(as_role("custodian").set("kind", json!("floor.raise")).params(json!({"iat": now})));
    vec![
        set("D1", "aud.host_id", json!("host-2"), &["WrongHost"]),
        set("D2", "aud.node", json!("pve2"), &["WrongHost"]),
        set("G21", "aud.node", json!("localhost"), &["WrongHost"]),
        row(
            "D5",
            "a role its key does not have",
            as_role("custodian").signed(&[&people.otto]).text(),
            &["RoleNotHeld"],
        ),
        row(
            "D5",
            "another role its key does not have",
            as_role("recovery").signed(&[orders.anna()]).text(),
            &["RoleNotHeld", "RoleNotAllowed"],
        ),
        row(
            "D6",
            "a role that may not this",
            as_role("operator").signed(&[&people.otto]).text(),
            &["RoleNotAllowed"],
        ),
        row("D6", "a custodian who raises the floor", orders.signed(&trust).text(), &["RoleNotAllowed"]),
        row(
            "D6",
            "recovery may not destroy",
            as_role("recovery").signed(&[&people.rita]).text(),
            &["RoleNotAllowed"],
        ),
        row(
            "D6",
            "root may not destroy",
            as_role("root").signed(&[&people.ruth]).text(),
            &["RoleNotAllowed"],
        ),
        row(
            "D8",
            "a key for commands alone",
            as_role("shell").signed(&[&people.sven]).text(),
            &["RoleNotAllowed"],
        ),
        times("E1", "made in the future", now + 400, now + 400, now + 3_600, &["NotYetValid"]),
        times("E2", "not valid yet", now, now + 400, now + 3_600, &["NotYetValid"]),
        times("E3", "over since a second", now - 3_600, now - 3_600, now - 1, &["Expired"]),
        times("E3", "over now", now - 3_600, now - 3_600, now, &["Expired"]),
        times("E4", "over before it began", now, now, now - 60, &["PayloadValue", "Expired"]),
        times("E4", "for longer than a day", now, now, now + DAY + 1, &["TtlTooLong"]),
        times("E4", "of 1970", 0, 0, now + 60, &["TtlTooLong", "PayloadValue"]),
        times("E4", "for ever", now, now, (1 << 53) - 1, &["TtlTooLong", "PayloadValue"]),
    ]
}

#[test]
fn d_e_an_order_for_others_by_others_or_for_another_time_is_refused_from_the_hub() {
    refused_from_the_hub(rows);
}

#[test]
fn d_e_an_order_for_others_by_others_or_for_another_time_is_refused_at_the_socket() {
    let bed = Bed::new();
    bed.refuses_at_the_socket(&rows(&bed.orders));
    bed.still_obeys();
}

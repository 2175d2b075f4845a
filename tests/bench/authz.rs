//! What it costs to verify one signed operation, and to refuse one.

use std::hint::black_box;
use std::time::Instant;

use felhom_agent::authz::{Keyring, Policy, Situation, Trust, verify};
use felhom_agent::model::op::ClockTrust;
use felhom_agent::model::time::Timestamp;
use serde_json::Value;

const ROUNDS: u32 = 2_000;

pub(crate) fn print() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/signed-ops.json")).unwrap();
    let keyring = Keyring::parse(vectors["keyring"].as_str().unwrap().as_bytes()).unwrap();
    let trust = Trust { keyring, policy: Policy::built_in() };
    for (name, case) in [
        ("one signature", "guest.destroy"),
        ("two signatures", "two keys with two roles"),
        ("refused: a key that nobody knows", "a stranger"),
        ("refused: no JSON", "cut"),
    ] {
        let case = vectors["cases"].as_array().unwrap().iter().find(|row| row["name"] == case).unwrap();
        let envelope = case["envelope"].as_str().unwrap().as_bytes();
        let situation = Situation {
            host_id: vectors["host_id"].as_str().unwrap(),
            node: vectors["node"].as_str().unwrap(),
            now: Timestamp::from_unix(case["now"].as_u64().unwrap()),
            clock: &ClockTrust::Trusted,
            floor: Timestamp::from_unix(0),
        };
        let accepted = case["expected"]["result"] == "accepted";
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let result = verify(black_box(envelope), &trust, &situation);
            assert_eq!(result.is_ok(), accepted);
        }
        let each = start.elapsed() / ROUNDS;
        println!(
            "verify an operation of {} bytes, {name}: {:.1} us",
            envelope.len(),
            each.as_secs_f64() * 1e6
        );
    }
}

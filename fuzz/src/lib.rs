//! What the targets share: the keys and documents of `tests/vectors/signed-ops.json`, and a file system in memory.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use felhom_agent::authz::{Keyring, Policy, Situation, Trust, VerifiedOp, verify, write};
use felhom_agent::model::op::{ClockTrust, Rejected};
use felhom_agent::model::time::Timestamp;
use serde_json::Value;

pub mod memory;

const VECTORS: &str = include_str!("../../tests/vectors/signed-ops.json");

/// The trust of the vectors, and every payload that was ever signed with its keys.
pub struct World {
    host_id: String,
    node: String,
    now: Timestamp,
    trust: Trust,
    pub signed: BTreeSet<Vec<u8>>,
}

pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let vectors: Value = serde_json::from_str(VECTORS).expect("the vectors are JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let cases = vectors["cases"].as_array().expect("an array");
        let accepted = cases.iter().filter(|case| case["expected"]["result"] == "accepted");
        let now = cases.first().and_then(|case| case["now"].as_u64()).expect("a time");
        let keyring = Keyring::parse(text(&vectors["keyring"]).as_bytes()).expect("a good keyring");
        World {
            host_id: text(&vectors["host_id"]),
            node: text(&vectors["node"]),
            now: Timestamp::from_unix(now),
            trust: Trust { keyring, policy: Policy::built_in() },
            signed: accepted.map(|case| text(&case["payload"]).into_bytes()).collect(),
        }
    })
}

impl World {
    /// Verifies as the host of the vectors does at their instant.
    pub fn verify(&self, envelope: &[u8]) -> Result<VerifiedOp, Rejected> {
        let situation = Situation {
            host_id: &self.host_id,
            node: &self.node,
            now: self.now,
            clock: &ClockTrust::Trusted,
            floor: Timestamp::from_unix(0),
        };
        verify(envelope, &self.trust, &situation)
    }

    /// Seals bytes with the key of the number, in the order of the vectors' roles: operator, custodian, recovery, shell, root.
    pub fn seal(&self, payload: &[u8], key: u8) -> Vec<u8> {
        let key = ed25519_dalek::SigningKey::from_bytes(&[key + 1; 32]);
        let bytes = ed25519_dalek::Signer::sign(&key, &write::pae(payload)).to_bytes();
        let keyid = write::keyid(&key.verifying_key().to_bytes());
        write::envelope(payload, &[write::Signature { keyid, bytes }])
    }
}

//! Keyrings and role policies: what is taken is written back as it was read, and no policy allows more than the built-in one.
#![no_main]

use felhom_agent::authz::{Keyring, Policy, write};
use felhom_agent::model::op::{OpKind, Role};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(keyring) = Keyring::parse(bytes) {
        let keys: Vec<_> = keyring.keys().cloned().collect();
        let again = write::keyring(keyring.version(), keyring.threshold(), keyring.expires(), &keys);
        assert_eq!(Keyring::parse(&again), Ok(keyring));
    }
    if let Ok(policy) = Policy::narrowed(bytes) {
        for role in Role::ALL {
            for kind in OpKind::ALL {
                assert!(!policy.allows(role, kind) || Policy::built_in().allows(role, kind));
            }
        }
    }
});

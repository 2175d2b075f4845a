//! Desired-state documents: no panic, one reading each, no guest named twice, and each sorted into taken or refused.
#![no_main]

use felhom_agent::manifest;
use felhom_agent::model::time::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let now = Timestamp::from_unix(1_795_269_600);
    let Ok(desired) = manifest::parse(bytes, "h", now) else { return };
    assert_eq!(manifest::parse(bytes, "h", now).as_ref(), Ok(&desired));
    let vmids: Vec<_> = desired.guests.iter().map(|guest| guest.guest.vmid).collect();
    assert!(vmids.windows(2).all(|pair| pair[0] != pair[1]), "{vmids:?}");
    assert!(desired.guests.iter().all(|guest| !guest.resource_id.is_empty()));
});

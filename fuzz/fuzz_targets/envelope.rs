//! Bytes that claim to be an envelope: whatever is accepted carries a payload that was signed, and what can be opened is
//! written back as it was read.
#![no_main]

use felhom_agent::authz::write;
use felhom_fuzz::world;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let opened = write::open(bytes);
    match world().verify(bytes) {
        Ok(verified) => {
            let (payload, _) = opened.expect("what is accepted can be opened");
            assert!(world().signed.contains(&payload), "nobody signed this");
            assert_eq!(verified.envelope(), bytes);
        }
        Err(rejected) => {
            if let Ok((payload, signatures)) = opened {
                let again = write::envelope(&payload, &signatures);
                assert_eq!(write::open(&again), Ok((payload, signatures)));
                let judged = world().verify(&again).map(drop).map_err(|again| again.code);
                assert_eq!(judged, Err(rejected.code), "the same content, written otherwise");
            }
        }
    }
});

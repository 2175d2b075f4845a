//! Payloads that are well signed: no panic, the writer's words are read back as they were meant, and what is verified is what
//! was read.
#![no_main]

use felhom_agent::authz::write;
use felhom_fuzz::world;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(op) = write::draft(bytes) else { return };
    assert_eq!(write::draft(&write::payload(&op)).as_ref(), Ok(&op));
    for key in 0..5 {
        if let Ok(verified) = world().verify(&world().seal(bytes, key)) {
            assert_eq!(verified.op(), &op);
        }
    }
});

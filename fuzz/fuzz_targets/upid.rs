//! Task ids: what is read is printed to the letter.
#![no_main]

use felhom_agent::pve::Upid;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(upid) = text.parse::<Upid>() else { return };
    assert_eq!(upid.to_string(), text);
    assert_eq!(upid.as_str().parse::<Upid>().as_ref(), Ok(&upid));
    assert!(upid.vmid().is_none_or(|vmid| vmid.number() >= 100));
});

//! Property strings: parts printed with their names are the same parts.
#![no_main]

use felhom_agent::normalize::property_string::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(parts) = parse(text, "volume") else { return };
    let printed: Vec<String> = parts.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(parse(&printed.join(","), "volume").as_ref(), Some(&parts));
});

//! Bytes and their SHA-256 as the lower-case hex digits that documents, journals and people compare.

use ring::digest::{SHA256, digest};

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 64 lower hex digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

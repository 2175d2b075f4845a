//! The bytes that are signed: DSSE's pre-authentication encoding, which ties the payload to its type. Lengths are in
//! bytes, decimal, without leading zeros.

/// The one type this version takes; a desired-state document signed by the same key is of another.
pub const PAYLOAD_TYPE: &str = "application/vnd.felhom.signed-op.v1+json";

pub(super) fn encode(payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

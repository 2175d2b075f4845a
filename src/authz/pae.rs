//! The bytes that are signed: DSSE's pre-authentication encoding, which ties the payload to its type. Lengths are in
//! bytes, decimal, without leading zeros.

use super::{MAX_ENVELOPE, MAX_PAYLOAD};

/// The type of an operation; a desired-state document signed by the same key is of another.
pub const PAYLOAD_TYPE: &str = "application/vnd.felhom.signed-op.v1+json";

/// What an envelope may carry: what was signed as one is never taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    pub payload_type: &'static str,
    pub max_envelope: usize,
    /// Decoded.
    pub max_payload: usize,
}

pub const OPERATION: Form =
    Form { payload_type: PAYLOAD_TYPE, max_envelope: MAX_ENVELOPE, max_payload: MAX_PAYLOAD };

/// A desired-state document; as large as a source reads, of which base64 takes its part.
pub const MANIFEST: Form = Form {
    payload_type: "application/vnd.felhom.manifest.v1+json",
    max_envelope: 4 * 1024 * 1024,
    max_payload: 3 * 1024 * 1024,
};

pub(super) fn encode(form: &Form, payload: &[u8]) -> Vec<u8> {
    let payload_type = form.payload_type;
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

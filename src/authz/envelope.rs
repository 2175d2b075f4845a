//! The envelope: checks 1 to 4. What it holds is nobody's word yet; nothing of the payload is looked at here.

use base64ct::{Base64, Encoding as _};

use super::MAX_SIGNATURES;
use super::pae::Form;
use crate::model::op::{RejectCode, Rejected};
use crate::strict_json::object::{Fault, Object, Rule};
use crate::strict_json::{self, Ending, Json, NoDocument};

/// An envelope nests three deep.
const DEEPEST: usize = 8;

#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) payload: Vec<u8>,
    pub(super) signatures: Vec<Signature>,
}

#[derive(Debug)]
pub(super) struct Signature {
    /// As it stands there; only a look into the keyring tells whether it is one.
    pub(super) keyid: String,
    pub(super) bytes: [u8; 64],
}

pub(super) fn read(bytes: &[u8], form: &Form) -> Result<Envelope, Rejected> {
    if bytes.len() > form.max_envelope {
        let found = bytes.len();
        return Err(Rejected::new(
            RejectCode::TooLarge,
            format!("the envelope has {found} bytes, allowed are {}", form.max_envelope),
        ));
    }
    let document = strict_json::document(bytes, DEEPEST, Ending::OneLineFeed).map_err(syntax)?;
    if let Some(fault) = strict_json::object::twice(&document, "envelope") {
        return Err(refused(&fault));
    }
    let written = members(&document).map_err(|fault| refused(&fault))?;
    if written.payload_type != form.payload_type {
        return Err(Rejected::new(
            RejectCode::WrongType,
            format!("payloadType: found another type, allowed is {:?}", form.payload_type),
        ));
    }
    decode(&written, form)
}

fn syntax(fault: NoDocument) -> Rejected {
    let why = match fault {
        NoDocument::Syntax => {
            "it is no JSON object from the first byte to the last, one line feed allowed after it"
        }
        NoDocument::Number => "it holds a number that JSON does not know",
        NoDocument::TooDeep => "it is nested too deeply",
    };
    Rejected::new(RejectCode::EnvelopeSyntax, format!("the envelope cannot be read: {why}"))
}

fn refused(fault: &Fault) -> Rejected {
    let code = match fault.rule {
        Rule::Once => RejectCode::EnvelopeDup,
        Rule::Members | Rule::Value => RejectCode::EnvelopeField,
    };
    Rejected::new(code, fault.discreet.clone())
}

/// The members as texts, before anything is decoded.
struct Written<'a> {
    payload_type: &'a str,
    payload: &'a str,
    signatures: Vec<(&'a str, &'a str)>,
}

fn members(document: &Json) -> Result<Written<'_>, Fault> {
    let mut envelope = Object::read(document, "envelope")?;
    let payload_type = envelope.required("payloadType")?.text()?;
    let payload = envelope.required("payload")?.text()?;
    let list = envelope.required("signatures")?;
    envelope.nothing_else()?;
    let mut signatures = Vec::new();
    for item in list.items()? {
        let mut signature = Object::read(item.value, &item.path)?;
        let keyid = signature.required("keyid")?.text()?;
        let sig = signature.required("sig")?.text()?;
        signature.nothing_else()?;
        signatures.push((keyid, sig));
    }
    Ok(Written { payload_type, payload, signatures })
}

fn decode(written: &Written<'_>, form: &Form) -> Result<Envelope, Rejected> {
    let payload = base64(written.payload, "payload")?;
    if payload.len() > form.max_payload {
        let found = payload.len();
        return Err(Rejected::new(
            RejectCode::TooLarge,
            format!("the payload has {found} bytes, allowed are {}", form.max_payload),
        ));
    }
    let mut signatures = Vec::new();
    for (index, (keyid, sig)) in (0_usize..).zip(&written.signatures) {
        let bytes = base64(sig, &format!("signatures[{index}].sig"))?;
        signatures.push(((*keyid).to_owned(), bytes));
    }
    let signatures = (0_usize..).zip(signatures).map(|(index, (keyid, bytes))| sized(index, keyid, &bytes));
    let signatures: Vec<Signature> = signatures.collect::<Result<_, _>>()?;
    if !(1..=MAX_SIGNATURES).contains(&signatures.len()) {
        let found = signatures.len();
        return Err(Rejected::new(
            RejectCode::BadSigCount,
            format!("found {found} signatures, allowed are 1 to {MAX_SIGNATURES}"),
        ));
    }
    Ok(Envelope { payload, signatures })
}

/// Standard alphabet, padded, no bit that means nothing.
fn base64(text: &str, path: &str) -> Result<Vec<u8>, Rejected> {
    Base64::decode_vec(text).map_err(|_which_byte| {
        Rejected::new(
            RejectCode::BadBase64,
            format!("{path}: allowed is base64 in the standard alphabet, padded and canonical"),
        )
    })
}

fn sized(index: usize, keyid: String, bytes: &[u8]) -> Result<Signature, Rejected> {
    let found = bytes.len();
    let bytes = bytes.try_into().map_err(|_length| {
        Rejected::new(
            RejectCode::BadSigLen,
            format!("signatures[{index}].sig: found {found} bytes, allowed are 64"),
        )
    })?;
    Ok(Signature { keyid, bytes })
}

//! A signer of its own: what an operator's laptop does, written from the description of the formats alone. It shares no line with the
//! agent: base64, the signed bytes, key ids and documents are made here by hand, and the signature is another library's.
//!
//! Everything can be overridden or broken on purpose: a payload is a JSON value until it is bytes, an envelope is four texts until it
//! is one, and whoever wants worse edits that one. Keys come from their name alone, so that a test can be run again.

use std::time::{SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

/// The only payload type there is.
pub const PAYLOAD_TYPE: &str = "application/vnd.felhom.signed-op.v1+json";
const HOUR: u64 = 3_600;
const YEAR: u64 = 365 * 24 * HOUR;

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// Standard alphabet, padded.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| (bits << 8) | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * at)) & 63];
            text.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// The bytes of a base64 text; `None` if it is none.
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        let [a, b, c, d] = chunk.try_into().ok()?;
        let letters = [a, b, c, d].map(|letter: u8| match letter {
            b'A'..=b'Z' => Some(letter - b'A'),
            b'a'..=b'z' => Some(letter - b'a' + 26),
            b'0'..=b'9' => Some(letter - b'0' + 52),
            b'+' => Some(62),
            b'/' => Some(63),
            b'=' => Some(0),
            _ => None,
        });
        let [a, b, c, d] = letters.map(|letter| letter.map(u32::from));
        let [_, high, middle, low] = ((a? << 18) | (b? << 12) | (c? << 6) | d?).to_be_bytes();
        let length = chunk.iter().position(|letter| *letter == b'=').map_or(3, |at| at.saturating_sub(1));
        bytes.extend([high, middle, low].into_iter().take(length));
    }
    Some(bytes)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the kernel has random numbers");
    bytes
}

/// 32 lower hex digits.
pub fn nonce() -> String {
    hex(&random::<16>())
}

/// A UUID, version 7, of this moment.
pub fn op_id() -> String {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let [a, b, c, d, e, f, g, h, i, j] = random::<10>();
    let tail = hex(&[c, d, e, f, g, h]);
    let (version, variant) =
        ((u16::from_be_bytes([a, b]) & 0xfff) | 0x7000, (u16::from_be_bytes([i, j]) & 0x3fff) | 0x8000);
    let time = format!("{ms:012x}");
    format!("{}-{}-{version:04x}-{variant:04x}-{tail}", &time[..8], &time[8..12])
}

/// The bytes that are signed: `DSSEv1 <length> <type> <length> <body>`, lengths in bytes.
pub fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A key, and the row it has in a keyring.
#[derive(Debug)]
pub struct Key {
    pair: Ed25519KeyPair,
    /// Its row; change it as you like.
    pub row: Value,
}

impl Key {
    /// Made from the name alone; valid from a year ago for two years.
    ///
    /// # Panics
    /// Never: any 32 bytes are a seed.
    pub fn named(name: &str, roles: &[&str]) -> Self {
        let seed = digest(&SHA256, format!("felhom test key {name}").as_bytes());
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).expect("any 32 bytes are a seed");
        let row = json!({
            "keyid": key_id(pair.public_key().as_ref()),
            "public_key": base64(pair.public_key().as_ref()),
            "name": name,
            "roles": roles,
            "not_before": now() - YEAR,
            "not_after": now() + YEAR,
            "revoked": false,
        });
        Self { pair, row }
    }

    pub fn id(&self) -> String {
        key_id(self.public())
    }

    pub fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// 64 bytes over exactly these.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// A signature of an envelope over a payload, as it should be.
    pub fn signature(&self, payload: &[u8]) -> Signature {
        Signature { keyid: self.id(), sig: base64(&self.sign(&pae(PAYLOAD_TYPE, payload))) }
    }
}

/// The first 16 bytes of SHA-256 of the public key, in hex.
pub fn key_id(public: &[u8]) -> String {
    sha256_hex(public)[..32].to_owned()
}

/// A keyring document that expires in a year.
pub fn keyring(version: u64, threshold: u64, keys: &[&Key]) -> Value {
    let rows: Vec<&Value> = keys.iter().map(|key| &key.row).collect();
    json!({"v": 1, "version": version, "threshold": threshold, "expires": now() + YEAR, "keys": rows})
}

/// What is to be ordered; a JSON value, so that every field can be something else.
#[derive(Clone, Debug)]
pub struct Order(pub Value);

impl Order {
    /// Of this moment, valid for an hour, with an id and a nonce of its own. No guest, no evidence.
    pub fn new(kind: &str, role: &str, host_id: &str, node: &str) -> Self {
        let now = now();
        Self(json!({
            "v": 1,
            "op_id": op_id(),
            "kind": kind,
            "role": role,
            "aud": {"host_id": host_id, "node": node},
            "params": {},
            "iat": now,
            "nbf": now,
            "exp": now + HOUR,
            "nonce": nonce(),
            "note": "a test",
        }))
    }

    /// Names the guest, in which incarnation and which state.
    #[must_use]
    pub fn guest(self, kind: &str, vmid: u32, ident: &str, state_sha256: &str) -> Self {
        self.set("guest", json!({"type": kind, "vmid": vmid, "ident": ident}))
            .set("bind", json!({"state_sha256": state_sha256}))
    }

    #[must_use]
    pub fn params(self, params: Value) -> Self {
        self.set("params", params)
    }

    /// Puts a value at a path: `guest.vmid`.
    #[must_use]
    pub fn set(mut self, path: &str, value: Value) -> Self {
        let mut place = &mut self.0;
        for name in path.split('.') {
            place = &mut place[name];
        }
        *place = value;
        self
    }

    /// Takes a field away: `bind` or `guest.ident`.
    ///
    /// # Panics
    /// If there is no object to take it from.
    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        let (above, name) = path.rsplit_once('.').map_or(("", path), |(above, name)| (above, name));
        let pointer = if above.is_empty() { String::new() } else { format!("/{}", above.replace('.', "/")) };
        let object = self.0.pointer_mut(&pointer).and_then(Value::as_object_mut).expect("an object");
        object.remove(name).expect("it was there");
        self
    }

    pub fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    pub fn op_id(&self) -> String {
        self.text("op_id").to_owned()
    }

    /// The exact bytes that are signed over.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }

    pub fn signed(&self, keys: &[&Key]) -> Envelope {
        Envelope::over(&self.bytes(), keys)
    }
}

/// One signature of an envelope: two texts.
#[derive(Clone, Debug)]
pub struct Signature {
    pub keyid: String,
    pub sig: String,
}

/// An envelope as its four texts.
#[derive(Clone, Debug)]
pub struct Envelope {
    pub payload_type: String,
    pub payload: String,
    pub signatures: Vec<Signature>,
}

impl Envelope {
    /// As it should be, over any bytes at all.
    pub fn over(payload: &[u8], keys: &[&Key]) -> Self {
        Self {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: base64(payload),
            signatures: keys.iter().map(|key| key.signature(payload)).collect(),
        }
    }

    /// The text that a courier carries. Written by hand, in the order of the description.
    pub fn text(&self) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        let signatures: Vec<String> = self
            .signatures
            .iter()
            .map(|one| format!(r#"{{"keyid":{},"sig":{}}}"#, quoted(&one.keyid), quoted(&one.sig)))
            .collect();
        format!(
            r#"{{"payloadType":{},"payload":{},"signatures":[{}]}}"#,
            quoted(&self.payload_type),
            quoted(&self.payload),
            signatures.join(",")
        )
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::{Key, Order, base64, key_id, op_id, pae, sha256_hex, unbase64};

    #[test]
    fn base64_is_that_of_the_standard() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
            assert_eq!(unbase64(text).as_deref(), Some(plain.as_bytes()));
        }
    }

    #[test]
    fn the_signed_bytes_are_those_of_the_standard() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
        assert_eq!(pae("\u{e9}", b"x"), "DSSEv1 2 \u{e9} 1 x".as_bytes(), "lengths are in bytes");
    }

    #[test]
    fn a_signature_is_over_the_type_and_the_body() {
        let key = Key::named("anna", &["custodian"]);
        let envelope = Order::new("floor.raise", "root", "h", "n").signed(&[&key]);
        assert!(
            envelope
                .text()
                .starts_with(r#"{"payloadType":"application/vnd.felhom.signed-op.v1+json","payload":"ey"#)
        );
        let message = pae("t", b"body");
        let public = UnparsedPublicKey::new(&ED25519, key.public());
        assert!(public.verify(&message, &key.sign(&message)).is_ok());
        assert!(public.verify(b"body", &key.sign(&message)).is_err());
        assert_eq!(key.id(), sha256_hex(key.public())[..32]);
        assert_eq!(key_id(key.public()).len(), 32);
    }

    #[test]
    fn an_op_id_is_a_uuid_of_version_7() {
        let id = op_id();
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&id[14..15], "7");
        assert!("89ab".contains(&id[19..20]));
        assert!(id <= op_id() || id[..13] == op_id()[..13], "they go up with time");
    }
}

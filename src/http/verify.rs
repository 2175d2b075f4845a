//! Who may be at the other end: the verifier that rustls does not have. Whatever it does not look at, that the other end
//! holds the key of the certificate it shows is always checked.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};

use super::trust::Pin;

/// The other end showed a certificate that is not the pinned one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate is not the pinned one: expected {expected}, found {found}")]
pub struct WrongPin {
    pub expected: Pin,
    pub found: Pin,
}

/// Looks at the SHA-256 of the certificate that is shown and at nothing else of it; remembers the last one.
pub(super) struct ByPin {
    wanted: Wanted,
    seen: Mutex<Option<Pin>>,
    provider: Arc<CryptoProvider>,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    This(Pin),
    Any,
}

impl ByPin {
    /// Takes the one certificate whose SHA-256 is known.
    pub(super) fn this(expected: Pin, provider: Arc<CryptoProvider>) -> Self {
        Self { wanted: Wanted::This(expected), seen: Mutex::new(None), provider }
    }

    /// Takes any certificate.
    pub(super) fn any(provider: Arc<CryptoProvider>) -> Self {
        Self { wanted: Wanted::Any, seen: Mutex::new(None), provider }
    }

    pub(super) fn seen(&self) -> Option<Pin> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ByPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByPin").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for ByPin {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = Pin::of(leaf);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        match self.wanted {
            Wanted::This(expected) if found != expected => {
                Err(CertificateError::Other(OtherError(Arc::new(WrongPin { expected, found }))).into())
            }
            Wanted::This(_) | Wanted::Any => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

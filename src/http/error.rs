//! What can go wrong with a call, told apart by the one question that matters to a change: may it have been done?

use super::verify::WrongPin;

/// Texts are whole sentences without a source: they name the address, the cause and what to do, and never a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The configuration cannot be used: a bad address, an unreadable certificate file. Nothing was sent.
    #[error("{what}")]
    Setup { what: String },
    /// The request provably did not reach the other end whole: nothing was done.
    #[error("cannot reach {origin}: {fault}")]
    Unsent { origin: String, fault: UnsentFault },
    /// The request may have reached the other end and no usable answer came back: nobody can say what was done.
    #[error("no answer from {origin}: {what}")]
    Unknown { origin: String, what: String },
    /// An answer came, but its body did not arrive whole, or was larger than allowed.
    #[error("the answer of {origin} (status {status}) is unusable: {what}")]
    Body { origin: String, status: u16, what: String },
}

impl HttpError {
    /// Whether the request may have been carried out.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Setup { .. } | Self::Unsent { .. } => false,
            Self::Unknown { .. } | Self::Body { .. } => true,
        }
    }
}

/// How far a request came that did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsentFault {
    #[error("the name could not be resolved: {0}")]
    Name(String),
    #[error("the connection was not made: {0}")]
    Connect(String),
    #[error("{0}")]
    Pin(#[from] WrongPin),
    #[error("the certificate was not accepted: {0}")]
    Certificate(String),
    #[error("the TLS handshake failed: {0}")]
    Tls(String),
    #[error("the connection ended before the request was sent: {0}")]
    Send(String),
}

/// A kept connection that the other end had closed while it was idle: no byte of an answer came. Only this module sees
/// it; a read is then asked again on a new connection.
#[derive(Debug, thiserror::Error)]
#[error("the kept connection was closed by the other end")]
pub(super) struct StaleConnection;

/// What rustls says of a certificate, with the way out where there is one.
pub(super) fn tls_fault(error: &rustls::Error) -> UnsentFault {
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return UnsentFault::Tls(error.to_string());
    };
    if let rustls::CertificateError::Other(other) = certificate {
        if let Some(wrong) = other.0.downcast_ref::<WrongPin>() {
            return UnsentFault::Pin(*wrong);
        }
        // A self-signed authority given as its own CA file.
        if format!("{:?}", other.0).contains("CaUsedAsEndEntity") {
            return UnsentFault::Certificate(
                "it is itself a certificate authority, which a server certificate may not be: use a pin instead of \
                 a CA file"
                    .to_owned(),
            );
        }
    }
    UnsentFault::Certificate(certificate.to_string())
}

//! Whom to believe at the other end of a TLS connection, and what that makes of rustls' configuration.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::error::HttpError;
use super::provider::provider;
use super::verify::ByPin;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The certificate whose DER has this SHA-256; name, dates and chain are not looked at.
    Pin([u8; 32]),
    /// Certificates signed by an authority of this PEM file.
    CaFile(PathBuf),
    SystemRoots,
    /// Anyone. Warned about at every start.
    Insecure,
}

/// The SHA-256 of a certificate's DER, printed as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin(pub [u8; 32]);

impl Pin {
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Self(bytes)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where the usual distributions keep the roots they trust.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

pub(super) fn client_config(trust: &Trust) -> Result<Arc<ClientConfig>, HttpError> {
    match trust {
        Trust::Pin(pin) => with_verifier(Arc::new(ByPin::this(Pin(*pin), provider()))),
        Trust::CaFile(path) => with_roots(roots_in(path)?),
        Trust::SystemRoots => {
            with_roots(system_roots(env::var_os("SSL_CERT_FILE").as_deref().map(Path::new))?)
        }
        Trust::Insecure => with_verifier(Arc::new(ByPin::any(provider()))),
    }
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, HttpError> {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .map_err(|error| HttpError::Setup { what: format!("TLS cannot be set up: {error}") })
}

pub(super) fn with_verifier(verifier: Arc<dyn ServerCertVerifier>) -> Result<Arc<ClientConfig>, HttpError> {
    Ok(finished(builder()?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

pub(super) fn with_roots(roots: RootCertStore) -> Result<Arc<ClientConfig>, HttpError> {
    Ok(finished(builder()?.with_root_certificates(roots).with_no_client_auth()))
}

/// An agent speaks to one host: the default store of 256 sessions would only cost memory.
fn finished(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.resumption = Resumption::in_memory_sessions(4);
    Arc::new(config)
}

/// The file that `SSL_CERT_FILE` names, as every other TLS program reads it, else the first bundle that is there.
pub(super) fn system_roots(named: Option<&Path>) -> Result<RootCertStore, HttpError> {
    if let Some(named) = named {
        return roots_in(named);
    }
    let bundle = BUNDLES.iter().map(Path::new).find(|path| path.exists());
    let Some(bundle) = bundle else {
        let what = format!(
            "this machine has no bundle of certificate authorities ({}): install ca-certificates, or use a pin",
            BUNDLES.join(", ")
        );
        return Err(HttpError::Setup { what });
    };
    roots_in(bundle)
}

fn roots_in(path: &Path) -> Result<RootCertStore, HttpError> {
    let mut roots = RootCertStore::empty();
    // A bundle may hold a certificate that rustls does not take; the others still count.
    roots.add_parsable_certificates(certificates_in(path)?);
    if roots.is_empty() {
        let what = format!("{} holds no certificate that can be an authority", path.display());
        return Err(HttpError::Setup { what });
    }
    Ok(roots)
}

/// The pin of the first certificate of a PEM file: on a node, `/etc/pve/local/pve-ssl.pem` or `pveproxy-ssl.pem`.
pub fn pin_of_file(path: &Path) -> Result<Pin, HttpError> {
    let certificates = certificates_in(path)?;
    let Some(leaf) = certificates.first() else {
        return Err(HttpError::Setup { what: format!("{} holds no certificate", path.display()) });
    };
    Ok(Pin::of(leaf))
}

fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    read().map_err(|error| HttpError::Setup {
        what: format!("cannot read certificates from {}: {error}", path.display()),
    })
}

//! Certificates of the simulated servers: the good one, and each wrong one a client must refuse.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring::{default_provider, kx_group};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// What the server presents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsChoice {
    /// A certificate for `127.0.0.1`, `::1`, `localhost` and `pve`, signed by an authority of its own, as a real node has.
    #[default]
    Default,
    /// The same; named for the reader of a test about authorities.
    SignedByCa,
    SelfSigned,
    /// The good certificate, TLS 1.2 only.
    Tls12Only,
    /// Ended in 2021.
    Expired,
    /// Made out to `elsewhere.example`.
    OtherName,
    /// The good certificate, and one curve to exchange keys over.
    OnlyX25519,
    OnlyP256,
    OnlyP384,
    /// An Ed25519 key and certificate.
    Ed25519,
}

/// A certificate with its key, ready to serve.
#[derive(Clone)]
pub struct Identity {
    config: Arc<ServerConfig>,
    pin: [u8; 32],
    cert_pem: String,
    ca_pem: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("pin", &self.pin).finish_non_exhaustive()
    }
}

impl Identity {
    /// Makes a new key, authority and certificate.
    pub fn new(choice: TlsChoice) -> Self {
        let algorithm = if choice == TlsChoice::Ed25519 { &PKCS_ED25519 } else { &PKCS_ECDSA_P256_SHA256 };
        let ca_key = KeyPair::generate_for(algorithm).expect("a key can be made");
        let ca_params = ca_params();
        let ca = ca_params.self_signed(&ca_key).expect("the authority signs itself");
        let key = KeyPair::generate_for(algorithm).expect("a key can be made");
        let params = leaf_params(choice);
        let leaf = if choice == TlsChoice::SelfSigned {
            params.self_signed(&key)
        } else {
            params.signed_by(&key, &Issuer::from_params(&ca_params, &ca_key))
        };
        let leaf = leaf.expect("the certificate can be signed");
        let ca_pem = if choice == TlsChoice::SelfSigned { leaf.pem() } else { ca.pem() };
        let der = leaf.der().clone();
        let digest = ring::digest::digest(&ring::digest::SHA256, &der);
        let pin = digest.as_ref().try_into().expect("SHA-256 has 32 bytes");
        Self { config: Arc::new(server_config(choice, der, &key)), pin, cert_pem: leaf.pem(), ca_pem }
    }

    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// SHA-256 of the leaf certificate.
    pub fn pin(&self) -> [u8; 32] {
        self.pin
    }

    /// The pin as text: lower case, without separators.
    pub fn pin_hex(&self) -> String {
        self.pin.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The authority that signed it (itself, if self-signed).
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names to reject");
    params.distinguished_name.push(DnType::CommonName, "Proxmox Virtual Environment (simulated)");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(choice: TlsChoice) -> CertificateParams {
    let names: &[&str] = match choice {
        TlsChoice::OtherName => &["elsewhere.example"],
        _ => &["127.0.0.1", "::1", "localhost", "pve"],
    };
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let common_name = names.last().cloned().unwrap_or_default();
    let mut params = CertificateParams::new(names).expect("the names are valid");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = match choice {
        TlsChoice::Expired => date_time_ymd(2021, 1, 1),
        _ => date_time_ymd(2046, 1, 1),
    };
    params
}

fn server_config(choice: TlsChoice, der: CertificateDer<'static>, key: &KeyPair) -> ServerConfig {
    let versions: &[&rustls::SupportedProtocolVersion] = match choice {
        TlsChoice::Tls12Only => &[&rustls::version::TLS12],
        _ => &[&rustls::version::TLS13, &rustls::version::TLS12],
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut provider = default_provider();
    match choice {
        TlsChoice::OnlyX25519 => provider.kx_groups = vec![kx_group::X25519],
        TlsChoice::OnlyP256 => provider.kx_groups = vec![kx_group::SECP256R1],
        TlsChoice::OnlyP384 => provider.kx_groups = vec![kx_group::SECP384R1],
        _ => {}
    }
    ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .expect("ring speaks these versions")
        .with_no_client_auth()
        .with_single_cert(vec![der], key)
        .expect("the key fits the certificate")
}

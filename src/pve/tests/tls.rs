//! Whom the client believes: each mode of trust with each certificate.

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use felhom_sim::pve::Options;
use felhom_sim::server::{Identity, TlsChoice};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};

use super::rig::{Rig, connection, lxc, recorded};
use crate::http::{self, HttpError, Trust, UnsentFault, WrongPin};
use crate::pve::{Client, Connection, PveError};
use crate::secret::Secret;

struct Stand {
    rig: Rig,
    folder: tempfile::TempDir,
}

impl Stand {
    fn new(tls: TlsChoice) -> Self {
        let rig = Rig::with(Options { tls, ..Options::default() });
        Self { rig, folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path
    }

    fn ca_file(&self) -> Trust {
        Trust::CaFile(self.file("ca.pem", &self.rig.sim.ca_pem()))
    }

    fn ask(&self, trust: Trust) -> Result<(), PveError> {
        let connection = Connection { trust, ..connection(&self.rig.sim) };
        Client::new(&connection)?.version().map(|_| ())
    }
}

const EVERY: [TlsChoice; 6] = [
    TlsChoice::Default,
    TlsChoice::SignedByCa,
    TlsChoice::SelfSigned,
    TlsChoice::Tls12Only,
    TlsChoice::Expired,
    TlsChoice::OtherName,
];

#[test]
fn the_pinned_certificate_is_taken_whatever_else_it_says() {
    for choice in EVERY {
        let stand = Stand::new(choice);
        assert_eq!(stand.ask(Trust::Pin(stand.rig.sim.pin())), Ok(()), "{choice:?}");
    }
}

#[test]
fn a_wrong_pin_names_both() {
    for choice in EVERY {
        let stand = Stand::new(choice);
        let error = stand.ask(Trust::Pin([0xab; 32])).unwrap_err();
        assert_eq!(error.code(), "wrong_pin", "{choice:?}: {error}");
        assert!(error.to_string().contains(&"ab".repeat(32)), "{error}");
        assert!(error.to_string().contains(&stand.rig.sim.pin_hex()), "{error}");
        let PveError::Unsent { fault: HttpError::Unsent { fault: UnsentFault::Pin(wrong), .. }, .. } = error
        else {
            panic!("{choice:?}");
        };
        let WrongPin { expected, found } = wrong;
        assert_eq!((expected.0, found.0), ([0xab; 32], stand.rig.sim.pin()));
        assert!(stand.rig.sim.calls().is_empty(), "something was sent");
    }
}

#[test]
fn a_certificate_that_was_renewed_is_noticed_on_the_next_connection() {
    let rig = Rig::new();
    rig.client.version().unwrap();
    rig.sim.rotate_certificate(TlsChoice::Default);
    let error = rig.client.start(&recorded(lxc(102)), lxc(102)).unwrap_err();
    assert_eq!((error.code(), error.may_have_happened()), ("wrong_pin", false));
    assert!(error.advice().contains("felhom-agent pin"));
}

#[test]
fn an_authority_s_file_takes_what_it_signed_and_nothing_else() {
    for (choice, taken) in [
        (TlsChoice::Default, true),
        (TlsChoice::Tls12Only, true),
        (TlsChoice::Expired, false),
        (TlsChoice::OtherName, false),
    ] {
        let stand = Stand::new(choice);
        let result = stand.ask(stand.ca_file());
        assert_eq!(result.is_ok(), taken, "{choice:?}: {result:?}");
        if let Err(error) = result {
            assert_eq!((error.code(), error.may_have_happened()), ("certificate", false), "{error}");
        }
    }
    let (one, other) = (Stand::new(TlsChoice::Default), Stand::new(TlsChoice::Default));
    let error = one.ask(other.ca_file()).unwrap_err();
    assert_eq!(error.code(), "certificate", "{error}");
}

#[test]
fn the_system_s_roots_do_not_know_a_node_s_own_authority() {
    let stand = Stand::new(TlsChoice::Default);
    let error = stand.ask(Trust::SystemRoots).unwrap_err();
    // Where the machine has no bundle of roots at all, the error says that instead.
    assert!(["certificate", "configuration"].contains(&error.code()), "{error}");
}

#[test]
fn insecure_takes_anyone() {
    for choice in EVERY {
        assert_eq!(Stand::new(choice).ask(Trust::Insecure), Ok(()), "{choice:?}");
    }
}

/// Shows a certificate that is not his.
#[derive(Debug)]
struct Thief {
    shown: CertificateDer<'static>,
    own: Arc<ServerConfig>,
}

impl ResolvesServerCert for Thief {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let own = self.own.cert_resolver.resolve(hello)?;
        Some(Arc::new(CertifiedKey::new(vec![self.shown.clone()], Arc::clone(&own.key))))
    }
}

#[test]
fn the_pinned_certificate_without_its_key_is_refused() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let victim = Identity::new(TlsChoice::Default);
        let shown = CertificateDer::from_pem_slice(victim.cert_pem().as_bytes()).unwrap();
        let thief = Thief { shown, own: Identity::new(TlsChoice::Default).config() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(thief));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let trusts = [Trust::Pin(victim.pin()), Trust::Insecure];
        std::thread::scope(|scope| {
            let count = trusts.len();
            let config = Arc::new(config);
            scope.spawn(move || {
                for _ in 0..count {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
                    session.complete_io(&mut stream).unwrap_err();
                }
            });
            for trust in trusts {
                let stand = Connection {
                    url: url.clone(),
                    node: None,
                    token_id: "root@pam!agent".to_owned(),
                    token_secret: Secret::new("secret".to_owned()),
                    trust,
                    timeout: Duration::from_secs(5),
                };
                let error = Client::new(&stand).unwrap().version().unwrap_err();
                assert_eq!(error.code(), "certificate", "{error}");
                assert!(!error.may_have_happened());
            }
        });
    }
}

#[test]
fn an_authority_s_file_that_cannot_be_used_is_named() {
    let stand = Stand::new(TlsChoice::Default);
    for path in
        [stand.folder.path().join("missing.pem"), stand.file("empty.pem", ""), stand.file("x.pem", "x")]
    {
        let error = stand.ask(Trust::CaFile(path.clone())).unwrap_err();
        assert_eq!(error.code(), "configuration", "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn the_pin_is_read_off_the_wire_and_from_the_file() {
    for choice in EVERY {
        let stand = Stand::new(choice);
        let shown = http::fetch_pin(&stand.rig.sim.url(), Duration::from_secs(5)).unwrap();
        assert_eq!(shown.0, stand.rig.sim.pin(), "{choice:?}");
        assert_eq!(shown.to_string(), stand.rig.sim.pin_hex());
        let file = stand.file("pve-ssl.pem", &stand.rig.sim.cert_pem());
        assert_eq!(http::pin_of_file(&file), Ok(shown));
        assert_eq!(http::pin_of_node(stand.folder.path()), Ok(shown));
    }
    http::fetch_pin("https://127.0.0.1:1", Duration::from_secs(1)).unwrap_err();
}

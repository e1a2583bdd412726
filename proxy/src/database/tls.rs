//! TLS to the database, with rustls.
//!
//! Promise: where it is used, the server's certificate is verified, its chain and its name, and a
//! server that offers none is refused. There is no way to turn that off but to turn off TLS.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use sidegate_config::Tls;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::DatabaseError;

/// What libpq offers too, so that a server or a balancer that speaks several protocols can tell.
const ALPN: &[u8] = b"postgresql";

/// How connections are encrypted.
#[derive(Clone)]
pub(super) enum Encryption {
    /// They are not.
    Off,
    /// Always.
    Rustls(MakeRustlsConnect),
}

impl Encryption {
    /// Reads the certificates that the settings name.
    ///
    /// # Errors
    /// When there are none, or the file holds something else.
    pub(super) fn new(tls: &Tls) -> Result<Self, DatabaseError> {
        let Tls::Required { ca_file } = tls else {
            return Ok(Self::Off);
        };
        let roots = match ca_file {
            Some(path) => roots_of_file(path)?,
            None => roots_of_system()?,
        };
        // Named here and not taken from the process: nobody else can change it.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self::Rustls(MakeRustlsConnect::new(config)))
    }
}

/// The SHA-256 of the authority's file, so that a renewed one is noticed when the configuration is
/// read again. `None` where there is no file, or it cannot be read.
pub(super) fn fingerprint(tls: &Tls) -> Option<[u8; 32]> {
    match tls {
        Tls::Off | Tls::Required { ca_file: None } => None,
        Tls::Required {
            ca_file: Some(path),
        } => {
            let bytes = std::fs::read(path).ok()?;
            digest(&SHA256, &bytes).as_ref().try_into().ok()
        }
    }
}

fn roots_of_file(path: &Path) -> Result<RootCertStore, DatabaseError> {
    let bad = |reason: String| DatabaseError::CaFile {
        path: path.to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    for certificate in
        CertificateDer::pem_file_iter(path).map_err(|error| bad(error.to_string()))?
    {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("it holds no certificate in PEM".to_owned()));
    }
    Ok(roots)
}

/// Those of the system, without the ones that rustls does not understand: old systems have some.
fn roots_of_system() -> Result<RootCertStore, DatabaseError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reasons: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(DatabaseError::SystemCertificates(reasons.join("; ")));
    }
    Ok(roots)
}

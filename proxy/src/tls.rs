//! TLS towards the servers that Sidegate asks, with rustls.
//!
//! Promise: the server's certificate is verified, its chain and its name. There is no way to turn that off.
//!
//! Does not: decide whether TLS is used, or speak it to clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate authority's file cannot be used.
    #[error("ca_file: cannot use {}: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The system has no certificate authorities.
    #[error("the system's certificates cannot be read ({0}): set `ca_file`")]
    SystemCertificates(String),
    /// It cannot be set up at all.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Trusts one authority, or those of the system.
///
/// # Errors
/// When there are none, or the file holds something else.
pub(crate) fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let roots = match ca_file {
        Some(path) => roots_of_file(path)?,
        None => roots_of_system()?,
    };
    // Named here and not taken from the process: nobody else can change it.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// The SHA-256 of the authority's file, so that a renewed one is noticed when the configuration is
/// read again. `None` where there is no file, or it cannot be read.
pub(crate) fn fingerprint(ca_file: Option<&Path>) -> Option<[u8; 32]> {
    let bytes = std::fs::read(ca_file?).ok()?;
    digest(&SHA256, &bytes).as_ref().try_into().ok()
}

fn roots_of_file(path: &Path) -> Result<RootCertStore, TlsError> {
    let bad = |reason: String| TlsError::CaFile {
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
fn roots_of_system() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reasons: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::SystemCertificates(reasons.join("; ")));
    }
    Ok(roots)
}

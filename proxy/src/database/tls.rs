//! TLS to the database.
//!
//! Promise: where it is used, a server that offers none is refused.

use sidegate_config::Tls;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tls::{self, TlsError};

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
    pub(super) fn new(tls: &Tls) -> Result<Self, TlsError> {
        let Tls::Required { ca_file } = tls else {
            return Ok(Self::Off);
        };
        let mut config = tls::client_config(ca_file.as_deref())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self::Rustls(MakeRustlsConnect::new(config)))
    }
}

/// Of the authority's file ([`tls::fingerprint`]).
pub(super) fn fingerprint(settings: &Tls) -> Option<[u8; 32]> {
    match settings {
        Tls::Off => None,
        Tls::Required { ca_file } => tls::fingerprint(ca_file.as_deref()),
    }
}

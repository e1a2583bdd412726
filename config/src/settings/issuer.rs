//! Issuers: their keys, where their tokens are, what their claims mean.
//!
//! Promise: every issuer has an algorithm and a key, or is asked about its tokens; and HS256 never without
//! a shared secret.
//! Whether a key file or a fetched set holds a usable key is for the proxy.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;

use super::introspection::IntrospectionSettings;
use crate::secret::Secret;

/// A party whose tokens are accepted.
#[derive(Debug)]
pub struct IssuerSettings {
    /// The exact value of `iss`. Unique among the issuers.
    pub issuer: String,
    /// Accepted values of `aud`; a token needs one of them. Empty only with
    /// `insecure_any_audience`.
    pub audiences: BTreeSet<String>,
    /// The algorithms that its keys may be used with. Empty only where there are no keys.
    pub algorithms: BTreeSet<Algorithm>,
    /// Where its keys are. Empty only with `introspection`.
    pub keys: Vec<KeySource>,
    /// How it is asked about its tokens; `None`: its keys say.
    pub introspection: Option<IntrospectionSettings>,
    /// Where its tokens may be found in a request. Never empty.
    pub sources: Vec<CredentialSource>,
    /// Whether the application sees the token.
    pub forward: bool,
    /// Tolerance for the difference of two clocks, 0..=5 min.
    pub leeway: Duration,
    /// The longest `exp - iat` that is accepted, 1 s..=365 d.
    pub max_lifetime: Duration,
    /// Accepted values of the header's `typ`, compared without case; empty: any or none.
    pub token_types: BTreeSet<String>,
    /// Which claims mean what.
    pub claims: ClaimSettings,
}

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
    /// HMAC with SHA-256.
    Hs256,
}

impl Algorithm {
    /// Its name in the header of a token.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }
}

/// Where the keys of an issuer are.
#[derive(Debug)]
pub enum KeySource {
    /// A JSON Web Key Set (RFC 7517 §5) in a file.
    JwksFile(PathBuf),
    /// A key set that is fetched, kept and refreshed.
    Remote(RemoteKeySettings),
    /// A public key or certificate-less PEM file, and the `kid` it answers to (any, if `None`).
    PemFile {
        /// The file.
        path: PathBuf,
        /// Its key id.
        kid: Option<String>,
    },
    /// A shared secret for HS256, at least 32 bytes unless `insecure_short_secret`.
    Secret {
        /// The secret's bytes.
        secret: Secret,
        /// Its key id.
        kid: Option<String>,
    },
}

/// A key set behind a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteKeySettings {
    /// Where it is: https, or http on loopback; no user information, no fragment.
    pub url: String,
    /// Whether the URL leads to the set or to a document that names it.
    pub kind: RemoteKeyKind,
    /// How often it is fetched again, 10 s..=24 h.
    pub refresh_interval: Duration,
    /// How long the last good set is used while it cannot be fetched, 1 min..=30 d, at least
    /// `refresh_interval`.
    pub max_age: Duration,
    /// Bound on one fetch, 100 ms..=60 s.
    pub timeout: Duration,
}

/// What is behind the URL of a [`RemoteKeySettings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RemoteKeyKind {
    /// A JSON Web Key Set (RFC 7517 §5).
    KeySet,
    /// An OpenID Provider's metadata (OpenID Connect Discovery 1.0 §4): `jwks_uri` names the set.
    Discovery,
}

/// Where a credential may be found in a request. Never in the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// `Authorization: Bearer …` (RFC 6750 §2.1).
    Bearer,
    /// A header of its own that holds the bare token.
    Header(HeaderName),
    /// A cookie of this name; unsafe methods and WebSocket then need an allowed `Origin`.
    Cookie(String),
    /// A `Sec-WebSocket-Protocol` entry that begins with this prefix.
    WebSocketProtocol(String),
}

/// Which claims mean what. A path is a list of member names from the top of the claims.
#[derive(Debug)]
pub struct ClaimSettings {
    /// The subject's id, by default `sub`.
    pub subject: Vec<String>,
    /// The subject's roles, if they come from the token.
    pub roles: Option<Vec<String>>,
    /// The session that a token is of; it may be missing.
    pub session: Vec<String>,
}

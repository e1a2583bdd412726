//! An issuer as it is written.
//!
//! Promise: the keys of one entry of `issuers`, and the two spellings of a credential source. It
//! does not know which combinations of keys and algorithms are safe: `parse` does.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::introspection::Introspection;
use super::mapping::only_mapping;
use super::scalar::{DurationText, Lenient};

only_mapping!(Issuer, Key, SourceFields, Claims);

/// A party whose tokens are accepted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Issuer {
    /// The exact value of `iss`. Unique. Required.
    pub(crate) issuer: String,
    /// Accepted values of `aud`; a token needs one of them. At least one, unless
    /// `insecure_any_audience`.
    #[serde(default)]
    pub(crate) audiences: Vec<String>,
    /// The algorithms that its keys may be used with. At least one, unless there is `introspection`.
    #[serde(default)]
    pub(crate) algorithms: Vec<AlgorithmName>,
    /// Where its keys are. At least one, unless there is `introspection`.
    #[serde(default)]
    pub(crate) keys: Vec<Key>,
    /// How it is asked about its tokens. Default: its keys say.
    pub(crate) introspection: Option<Introspection>,
    /// Where its tokens may be found in a request. Default: bearer.
    pub(crate) sources: Option<Vec<Source>>,
    /// Whether the application sees the token. Default: true.
    pub(crate) forward: Option<Lenient<bool>>,
    /// Tolerance for the difference of two clocks, 0s to 5m. Default: 30s.
    pub(crate) leeway: Option<DurationText>,
    /// The longest `exp - iat` that is accepted, 1s to 365d. Default: 24h.
    pub(crate) max_lifetime: Option<DurationText>,
    /// Accepted values of the header's `typ`, compared without case. Default: any or none.
    #[serde(default)]
    pub(crate) token_types: Vec<String>,
    /// Which claims mean what.
    #[serde(default)]
    pub(crate) claims: Claims,
    /// Accept a token whatever its `aud`, even one made for another service. Default: false.
    #[serde(default)]
    pub(crate) insecure_any_audience: Lenient<bool>,
}

/// The name of a signature algorithm.
#[derive(Clone, Copy, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum AlgorithmName {
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
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// HMAC with SHA-256; needs a `secret` among the keys.
    Hs256,
}

/// Where keys are: exactly one of `jwks_file`, `jwks_uri`, `openid_discovery`, `pem_file`,
/// `secret`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Key {
    /// A file with a JSON Web Key Set.
    pub(crate) jwks_file: Option<String>,
    /// The URL of a JSON Web Key Set that is fetched and refreshed: https, or http on loopback.
    pub(crate) jwks_uri: Option<String>,
    /// The URL of an OpenID Provider, whose metadata names its key set: https, or http on
    /// loopback. `/.well-known/openid-configuration` is appended where it is missing.
    pub(crate) openid_discovery: Option<String>,
    /// With `jwks_uri` or `openid_discovery`: how often the set is fetched again, 10s to 24h.
    /// Default: 5m.
    pub(crate) refresh_interval: Option<DurationText>,
    /// With `jwks_uri` or `openid_discovery`: how long the last good set is used while it cannot
    /// be fetched, 1m to 30d, at least `refresh_interval`. Default: 24h.
    pub(crate) max_age: Option<DurationText>,
    /// With `jwks_uri` or `openid_discovery`: bound on one fetch, 100ms to 60s. Default: 5s.
    pub(crate) timeout: Option<DurationText>,
    /// A file with one public key as PEM.
    pub(crate) pem_file: Option<String>,
    /// A shared secret for HS256, at least 32 bytes; `file:PATH` reads it from a file.
    pub(crate) secret: Option<String>,
    /// The key id that `pem_file` or `secret` answers to. Default: any.
    pub(crate) kid: Option<String>,
    /// Accept a secret below 32 bytes, which can be guessed from one token. Default: false.
    #[serde(default)]
    pub(crate) insecure_short_secret: Lenient<bool>,
}

/// Where a credential may be found in a request.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(crate) enum Source {
    /// `bearer`: the Authorization header.
    Name(String),
    /// Anywhere else.
    Fields(SourceFields),
}

/// Exactly one of `header`, `cookie`, `websocket_protocol`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct SourceFields {
    /// A header of its own that holds the bare token.
    pub(crate) header: Option<String>,
    /// A cookie; unsafe methods and WebSocket then need an origin of `cors.origins`.
    pub(crate) cookie: Option<String>,
    /// A Sec-WebSocket-Protocol entry that begins with this prefix.
    pub(crate) websocket_protocol: Option<String>,
}

/// Which claims mean what.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Claims {
    /// The subject's id, a dotted path from the top of the claims. Default: sub.
    pub(crate) subject: Option<String>,
    /// The subject's roles, a dotted path. Default: none from the token.
    pub(crate) roles: Option<String>,
    /// The session that the token is of, which `sidegate revoke session` names, a dotted path. Default: sid.
    pub(crate) session: Option<String>,
}

// By hand, because an untagged enum loses the path and the reason of an error inside it.
impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = Source;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`bearer` or a mapping with `header`, `cookie` or `websocket_protocol`")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Source, E> {
        Ok(Source::Name(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Source, A::Error> {
        SourceFields::deserialize(MapAccessDeserializer::new(map)).map(Source::Fields)
    }
}

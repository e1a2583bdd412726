//! The keys of an issuer, and which algorithm each may be used with.
//!
//! Promise: a key is used only with algorithms that the configuration names for its issuer and
//! that fit the key's own type and curve; the token chooses among keys by `kid` and never chooses
//! an algorithm for a key. Private keys, symmetric keys in a key set, repeated key ids and RSA keys
//! below 2048 bits are refused when the keys are read (attacks.md T2, T4). Where keys come from a
//! URL and cannot be had, the answer is [`TokenError::KeysUnavailable`]: not "no", never "yes".

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jsonwebtoken::{DecodingKey, crypto};
use sidegate_config::{Algorithm, IssuerSettings, KeySource};

use super::TokenError;
use super::jws::Unverified;
use super::public_key::{self, Key, Mark};
use super::remote::RemoteKeys;

/// The most keys of one issuer. Each may cost a signature check per token without `kid`.
const MAX_KEYS: usize = 32;
/// The largest key file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Why an issuer's keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read.
    #[error("issuer `{issuer}`: cannot read {}: {source}", path.display())]
    Read {
        /// The issuer.
        issuer: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or secret holds no usable key.
    #[error("issuer `{issuer}`: {place}: {message}")]
    Unusable {
        /// The issuer.
        issuer: String,
        /// Which file or secret.
        place: String,
        /// What was expected.
        message: String,
    },
}

/// With what a token was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedBy {
    key: Mark,
    algorithm: Algorithm,
}

/// Every key of one issuer.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    remotes: Vec<Arc<RemoteKeys>>,
    algorithms: BTreeSet<Algorithm>,
}

impl KeySet {
    /// Reads the keys of an issuer. Those behind a URL are taken from `known` where they are the
    /// same, so that a reload loses none; new ones are fetched later.
    pub(super) fn load(
        issuer: &IssuerSettings,
        known: &[Arc<RemoteKeys>],
    ) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        let mut remotes = Vec::new();
        for source in &issuer.keys {
            let (place, read) = match source {
                KeySource::Remote(settings) => {
                    let same = known
                        .iter()
                        .find(|known| known.serves(&issuer.issuer, settings, &issuer.algorithms));
                    remotes.push(same.cloned().unwrap_or_else(|| {
                        Arc::new(RemoteKeys::new(
                            &issuer.issuer,
                            settings,
                            &issuer.algorithms,
                        ))
                    }));
                    continue;
                }
                KeySource::JwksFile(path) => {
                    let text = read(&issuer.issuer, path)?;
                    (
                        path.display().to_string(),
                        public_key::jwks(text.as_bytes(), &issuer.algorithms),
                    )
                }
                KeySource::PemFile { path, kid } => {
                    let text = read(&issuer.issuer, path)?;
                    let key = public_key::pem(&text, kid.clone(), &issuer.algorithms);
                    (path.display().to_string(), key.map(|key| vec![key]))
                }
                KeySource::Secret { secret, kid } => {
                    let key = DecodingKey::from_secret(secret.expose());
                    let key = Key {
                        written: None,
                        mark: Mark::of(kid.as_deref(), &key),
                        kid: kid.clone(),
                        algorithms: BTreeSet::from([Algorithm::Hs256]),
                        key,
                    };
                    ("secret".to_owned(), Ok(vec![key]))
                }
            };
            keys.extend(read.map_err(|message| KeyError::Unusable {
                issuer: issuer.issuer.clone(),
                place,
                message,
            })?);
        }
        // Only an issuer that is asked about its tokens has none at all.
        if (remotes.is_empty() && !issuer.keys.is_empty()) || !keys.is_empty() {
            check_set(&keys).map_err(|message| KeyError::Unusable {
                issuer: issuer.issuer.clone(),
                place: "keys".to_owned(),
                message,
            })?;
        }
        Ok(Self {
            keys,
            remotes,
            algorithms: issuer.algorithms.clone(),
        })
    }

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.remotes.is_empty()
    }

    /// Those that are fetched.
    pub(super) fn remotes(&self) -> &[Arc<RemoteKeys>] {
        &self.remotes
    }

    /// A number that is another one whenever these keys have become others; `None` while some of them
    /// cannot be used.
    pub(super) fn version(&self) -> Option<u64> {
        // Each only ever rises, so the same sum is the same of each.
        let versions = self.remotes.iter().map(|remote| remote.version());
        versions.sum()
    }

    /// Checks the signature of a token. Where its key may be one that was not fetched yet, waits
    /// for a fetch.
    pub(super) async fn verify(&self, token: &Unverified<'_>) -> Result<VerifiedBy, TokenError> {
        let missed = match self.verify_now(token) {
            Ok(by) => return Ok(by),
            Err(missed) => missed,
        };
        if self.remotes.is_empty() || !self.may_be_new(missed, token) {
            return Err(missed);
        }
        let mut failing = false;
        for remote in &self.remotes {
            failing |= !remote.refetched().await;
        }
        match self.verify_now(token) {
            // The key may well be in the set that cannot be fetched.
            Err(_) if failing => Err(TokenError::KeysUnavailable),
            verdict => verdict,
        }
    }

    /// Whether a key that we do not have could change this verdict. A token without `kid` does not
    /// say whether its key is one that we have.
    fn may_be_new(&self, missed: TokenError, token: &Unverified<'_>) -> bool {
        let asymmetric = token.algorithm != Algorithm::Hs256;
        let unknown = missed != TokenError::Signature || token.kid.is_none();
        asymmetric && unknown && self.algorithms.contains(&token.algorithm)
    }

    /// Whether a key is still there, and good for the same algorithm; `None`: it may be among those that
    /// cannot be had now.
    pub(super) fn still_has(&self, by: &VerifiedBy) -> Option<bool> {
        let has = |keys: &[Key]| {
            let is = |key: &Key| key.mark == by.key && key.algorithms.contains(&by.algorithm);
            keys.iter().any(is)
        };
        if has(&self.keys) {
            return Some(true);
        }
        let mut known = Some(false);
        for remote in &self.remotes {
            match remote.with_keys(has) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => known = None,
            }
        }
        known
    }

    fn verify_now(&self, token: &Unverified<'_>) -> Result<VerifiedBy, TokenError> {
        let mut missed = match verify(&self.keys, token) {
            Ok(by) => return Ok(by),
            Err(missed) => missed,
        };
        for remote in &self.remotes {
            match remote.with_keys(|keys| verify(keys, token)) {
                Some(Ok(by)) => return Ok(by),
                Some(Err(TokenError::AlgorithmNotAllowed)) => {}
                Some(Err(other)) if missed != TokenError::KeysUnavailable => missed = other,
                Some(Err(_)) => {}
                None if self.may_be_new(missed, token) => missed = TokenError::KeysUnavailable,
                None => {}
            }
        }
        Err(missed)
    }
}

/// Checks a signature with whichever of the keys may have made it.
fn verify(keys: &[Key], token: &Unverified<'_>) -> Result<VerifiedBy, TokenError> {
    let mut missed = TokenError::AlgorithmNotAllowed;
    for key in keys
        .iter()
        .filter(|key| key.algorithms.contains(&token.algorithm))
    {
        if let (Some(wanted), Some(kid)) = (&token.kid, &key.kid)
            && wanted != kid
        {
            if missed == TokenError::AlgorithmNotAllowed {
                missed = TokenError::UnknownKey;
            }
            continue;
        }
        missed = TokenError::Signature;
        let message = token.message.as_bytes();
        let verified = crypto::verify(token.signature, message, &key.key, native(token.algorithm));
        if verified.unwrap_or(false) {
            return Ok(VerifiedBy {
                key: key.mark,
                algorithm: token.algorithm,
            });
        }
    }
    Err(missed)
}

/// The crate's name for an algorithm.
const fn native(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Rs384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::Rs512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
    }
}

fn read(issuer: &str, path: &Path) -> Result<String, KeyError> {
    let error = |source| KeyError::Read {
        issuer: issuer.to_owned(),
        path: path.to_owned(),
        source,
    };
    let length = std::fs::metadata(path).map_err(error)?.len();
    if length > MAX_FILE_BYTES {
        return Err(error(std::io::Error::other("expected at most 1 MiB")));
    }
    std::fs::read_to_string(path).map_err(error)
}

pub(super) fn check_set(keys: &[Key]) -> Result<(), String> {
    if keys.is_empty() {
        return Err("expected at least one key that can be used with `algorithms`".to_owned());
    }
    if keys.len() > MAX_KEYS {
        return Err(format!("{} keys: expected at most {MAX_KEYS}", keys.len()));
    }
    let mut kids = BTreeSet::new();
    match keys
        .iter()
        .filter_map(|key| key.kid.as_deref())
        .find(|kid| !kids.insert(*kid))
    {
        Some(kid) => Err(format!("the key id `{kid}` is there twice")),
        None => Ok(()),
    }
}

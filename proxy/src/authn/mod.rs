//! Who is asking.
//!
//! Promise: a [`Principal`] exists only for a token whose signature, issuer, audience, times and
//! subject were all verified, with an algorithm that the configuration names for that issuer and
//! for that key. One request has at most one credential: two are refused, not ranked.
//!
//! A token that was verified is known again for a while, without a signature.
//!
//! Does not: look anything up in the application's tables.

mod claims;
mod credential;
mod json;
mod jws;
mod keys;
mod public_key;
mod remote;
mod verified;

pub use claims::TokenError;
pub use credential::{Carrier, CredentialError};
pub use keys::{KeyError, VerifiedBy};
pub use remote::{FetchError, RemoteKeys, client as key_client};

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, Method};
use prometheus::proto::MetricFamily;
use sidegate_config::{ClaimSettings, IssuerSettings, Settings};
use sidegate_policy::{Id, IdType, UnixMicros};

use crate::head::Head;
use credential::Carriers;
use keys::KeySet;
use verified::{Name, VerifiedTokens};

/// A verified subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The subject, in the canonical text of the application's column.
    pub subject: Id,
    /// User or service.
    pub kind: SubjectType,
    /// Who says so; `None` for an assumed subject (`explain --subject`).
    pub issuer: Option<Arc<str>>,
    /// Roles that the token claims.
    pub roles: Arc<[Arc<str>]>,
    /// Until when the credential is good.
    pub expires_at: Option<UnixMicros>,
    /// With what it was verified; `None` for an assumed subject.
    pub verified_by: Option<VerifiedBy>,
    /// Where the credential was, and whether the application may see it.
    pub carrier: Option<(Carrier, bool)>,
}

/// What kind of party a subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubjectType {
    /// A person.
    User,
    /// A program with a key of its own.
    Service,
}

impl SubjectType {
    /// The name used in headers and claims.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
        }
    }
}

/// Why a request has no principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AuthnError {
    /// No credential, two, or one that must not be used here.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A token that is not good.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Verifies credentials. Built once from the configuration.
#[derive(Debug)]
pub struct Authenticator {
    issuers: BTreeMap<Box<str>, Issuer>,
    carriers: Carriers,
    max_token_bytes: usize,
    subject_id: IdType,
    verified: VerifiedTokens,
}

#[derive(Debug)]
struct Issuer {
    name: Arc<str>,
    keys: KeySet,
    carriers: Vec<Carrier>,
    forward: bool,
    rules: claims::Rules,
}

impl Authenticator {
    /// Reads every key that is in a file. Keys behind a URL are taken from `known` where they are
    /// the same, and fetched later where they are not.
    ///
    /// # Errors
    /// When a key cannot be read or is not usable: a key that is missing must not be found out
    /// request by request.
    pub fn new(
        settings: &Settings,
        subject_id: IdType,
        known: &[Arc<RemoteKeys>],
    ) -> Result<Self, KeyError> {
        let mut issuers = BTreeMap::new();
        for issuer in &settings.issuers {
            issuers.insert(issuer.issuer.as_str().into(), Issuer::new(issuer, known)?);
        }
        Ok(Self {
            carriers: Carriers::new(&settings.issuers, &settings.cors.origins),
            issuers,
            max_token_bytes: settings.limits.max_token_bytes,
            subject_id,
            verified: VerifiedTokens::new(settings.cache.token_bytes, settings.cache.user_auth.ttl),
        })
    }

    /// The principal of a request.
    ///
    /// # Errors
    /// When there is no credential, more than one, or the one there is not good now.
    pub async fn authenticate(
        &self,
        head: &Head<'_>,
        now: UnixMicros,
    ) -> Result<Arc<Principal>, AuthnError> {
        let credential = self.carriers.extract(head)?;
        if credential.token.len() > self.max_token_bytes {
            return Err(TokenError::TooLong.into());
        }
        let name = Name::of(credential.token);
        if let Some(principal) = self.find(&name, &credential.carrier, now) {
            return Ok(principal);
        }
        let token = jws::parse(credential.token)?;
        let issuer = self
            .issuers
            .get(token.issuer())
            .filter(|issuer| issuer.carriers.contains(&credential.carrier))
            .ok_or(TokenError::UnknownIssuer)?;
        // Before the signature: keys that change meanwhile must not vouch for it later.
        let keys = issuer.keys.version();
        let signature = issuer.keys.verify(&token).await;
        let verified = match signature {
            // What would be refused with any key is refused without one.
            Ok(_) | Err(TokenError::KeysUnavailable) => issuer.rules.check(&token, now)?,
            Err(error) => return Err(error.into()),
        };
        let verified_by = Some(signature?);
        let subject = Id::parse(self.subject_id, &verified.subject).ok_or(TokenError::Subject)?;
        let principal = Arc::new(Principal {
            subject,
            kind: SubjectType::User,
            issuer: Some(Arc::clone(&issuer.name)),
            roles: verified.roles,
            expires_at: Some(verified.expires_at),
            verified_by,
            carrier: Some((credential.carrier, issuer.forward)),
        });
        if let Some(keys) = keys {
            self.verified.keep(name, &principal, keys, now);
        }
        Ok(principal)
    }

    /// The principal of a request whose token was verified before and would be again; without a signature.
    #[must_use]
    pub fn known(&self, head: &Head<'_>, now: UnixMicros) -> Option<Arc<Principal>> {
        let credential = self.carriers.extract(head).ok()?;
        let fits = credential.token.len() <= self.max_token_bytes;
        let name = fits.then(|| Name::of(credential.token))?;
        self.find(&name, &credential.carrier, now)
    }

    /// Whether a principal who was verified is still who they were: the credential has not ended, its issuer
    /// still counts, and so does the key that it was verified with. For whoever goes by a principal for
    /// longer than a moment; the credential itself is not needed.
    ///
    /// # Errors
    /// When it is not, or nobody can know now.
    pub fn still(&self, principal: &Principal, now: UnixMicros) -> Result<(), TokenError> {
        if principal.expires_at.is_some_and(|end| end <= now) {
            return Err(TokenError::Expired);
        }
        let (Some(name), Some(by)) = (&principal.issuer, &principal.verified_by) else {
            return Err(TokenError::UnknownKey);
        };
        let issuer = self.issuers.get(&**name).ok_or(TokenError::UnknownIssuer)?;
        match issuer.keys.still_has(by) {
            Some(true) => Ok(()),
            Some(false) => Err(TokenError::UnknownKey),
            None => Err(TokenError::KeysUnavailable),
        }
    }

    fn find(&self, name: &Name, carrier: &Carrier, now: UnixMicros) -> Option<Arc<Principal>> {
        let version = |issuer: &str| self.issuers.get(issuer)?.keys.version();
        self.verified.find(name, carrier, now, version)
    }

    /// How many tokens were verified and known again, as metrics.
    ///
    /// # Errors
    /// When two have one name, which a test rules out.
    pub fn gather(&self) -> Result<Vec<MetricFamily>, prometheus::Error> {
        self.verified.gather()
    }

    /// Whether a request carries one credential, good or bad.
    #[must_use]
    pub fn presents(&self, head: &Head<'_>) -> bool {
        self.carriers.extract(head).is_ok()
    }

    /// Checks a token's signature with an issuer's keys and nothing else, so that published
    /// vectors can be run whose payloads are no claims. Makes no principal.
    ///
    /// # Errors
    /// When the token is malformed, or not signed by the issuer.
    #[doc(hidden)]
    pub async fn verify_signature(&self, issuer: &str, token: &str) -> Result<(), TokenError> {
        let (token, _payload) = jws::signed(token)?;
        let issuer = self.issuers.get(issuer).ok_or(TokenError::UnknownIssuer)?;
        issuer.keys.verify(&token).await.map(|_by| ())
    }

    /// Every place where a credential may be, and whether the application may see what is there
    /// when nobody has verified it.
    pub fn carriers(&self) -> impl Iterator<Item = (&Carrier, bool)> {
        self.carriers.all()
    }

    /// Where a token would be in a request: a place that its issuer accepts, or else the first one.
    #[must_use]
    pub fn carrier_of(&self, token: &str) -> Option<&Carrier> {
        let issuer = jws::parse(token)
            .ok()
            .and_then(|token| self.issuers.get(token.issuer()));
        let accepted = issuer.and_then(|issuer| issuer.carriers.first());
        accepted.or_else(|| self.carriers.all().map(|(carrier, _)| carrier).next())
    }

    /// Every key set that is fetched.
    pub fn remotes(&self) -> impl Iterator<Item = &Arc<RemoteKeys>> {
        self.issuers
            .values()
            .flat_map(|issuer| issuer.keys.remotes())
    }

    /// Headers in which credentials travel.
    pub fn headers(&self) -> impl Iterator<Item = HeaderName> + '_ {
        self.carriers.all().map(|(carrier, _)| carrier.header())
    }
}

impl Issuer {
    fn new(settings: &IssuerSettings, known: &[Arc<RemoteKeys>]) -> Result<Self, KeyError> {
        let ClaimSettings { subject, roles } = &settings.claims;
        Ok(Self {
            name: Arc::from(settings.issuer.as_str()),
            keys: KeySet::load(settings, known)?,
            carriers: settings.sources.iter().map(Carrier::from).collect(),
            forward: settings.forward,
            rules: claims::Rules {
                audiences: settings.audiences.clone(),
                token_types: settings.token_types.clone(),
                leeway: settings.leeway,
                max_lifetime: settings.max_lifetime,
                subject: subject.clone(),
                roles: roles.clone(),
            },
        })
    }
}

/// The members of a token's header that would be accepted, for fuzzers; `None` where it would not.
#[doc(hidden)]
#[must_use]
pub fn header_members(header: &[u8]) -> Option<Vec<String>> {
    let members = json::object(header)?.into_iter().map(|(name, _)| name);
    let token = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header));
    jws::signed(&token).ok().map(|_| members.collect())
}

/// Whether a method is safe (RFC 9110 section 9.2.1).
fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

#[cfg(test)]
mod tests;

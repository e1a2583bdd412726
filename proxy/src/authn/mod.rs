//! Who is asking.
//!
//! Promise: a [`Principal`] exists only for a token whose signature, issuer, audience, times and
//! subject were all verified, with an algorithm that the configuration names for that issuer and
//! for that key, or were confirmed by an issuer that is asked (`introspection`). One request has at
//! most one credential: two are refused, not ranked.
//!
//! A token that was verified is known again for a while, without a signature.
//!
//! Does not: look anything up in the application's tables.

mod asked;
mod claims;
mod credential;
mod introspection;
mod json;
mod jws;
mod keys;
mod principal;
mod public_key;
mod remote;
mod service_key;
mod still;
mod verified;

pub(crate) use claims::MAX_NAME_BYTES;
pub use claims::TokenError;
pub use credential::{Carrier, CredentialError};
pub use keys::{KeyError, VerifiedBy};
pub use principal::{AskedToken, Principal, SubjectType};
pub use remote::{FetchError, RemoteKeys, client as key_client};
pub use service_key::{KeyVerdict, PREFIX as KEY_PREFIX, Pepper, PresentedKey};

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderName, Method};
use sidegate_config::{ClaimSettings, IssuerSettings, Settings};
use sidegate_policy::{Id, IdType, UnixMicros};

use crate::head::Head;
use crate::link::LinkError;
use crate::metrics::{Definition, Scrape};
use claims::Verified;
use credential::Carriers;
use introspection::Introspection;
use keys::KeySet;
use service_key::ServiceKeys;
use verified::{Name, VerifiedTokens};

/// What is told of credentials.
pub(crate) static METRICS: [&[&Definition]; 2] = [&verified::METRICS, &introspection::METRICS];

/// Why a request has no principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AuthnError {
    /// No credential, two, or one that must not be used here.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A token that is not good.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A link that is not good.
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl AuthnError {
    /// How many there are.
    pub const COUNT: usize =
        CredentialError::ALL.len() + TokenError::ALL.len() + LinkError::ALL.len();

    /// Every one.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all: Vec<_> = CredentialError::ALL.map(Self::Credential).into();
        all.extend(TokenError::ALL.map(Self::Token));
        all.extend(LinkError::ALL.map(Self::Link));
        all
    }

    /// Its place in [`AuthnError::all`].
    #[must_use]
    pub const fn index(self) -> usize {
        const TOKENS: usize = CredentialError::ALL.len();
        const LINKS: usize = TOKENS + TokenError::ALL.len();
        match self {
            Self::Credential(error) => error as usize,
            Self::Token(error) => TOKENS + error as usize,
            Self::Link(error) => LINKS + error as usize,
        }
    }

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credential(error) => error.name(),
            Self::Token(error) => error.name(),
            Self::Link(error) => error.name(),
        }
    }
}

/// Verifies credentials. Built once from the configuration.
#[derive(Debug)]
pub struct Authenticator {
    issuers: BTreeMap<Box<str>, Issuer>,
    carriers: Carriers,
    max_token_bytes: usize,
    subject_id: IdType,
    verified: Arc<VerifiedTokens>,
    service_keys: Option<ServiceKeys>,
}

#[derive(Debug)]
struct Issuer {
    name: Arc<str>,
    keys: KeySet,
    carriers: Vec<Carrier>,
    forward: bool,
    rules: claims::Rules,
    introspection: Option<Introspection>,
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
        let (tokens, ttl) = (settings.cache.token_bytes, settings.cache.user_auth.ttl);
        let verified = Arc::new(VerifiedTokens::new(tokens, ttl));
        let mut issuers = BTreeMap::new();
        for settings in &settings.issuers {
            let mut issuer = Issuer::new(settings, known)?;
            issuer.ask(settings, subject_id, &verified)?;
            issuers.insert(settings.issuer.as_str().into(), issuer);
        }
        Ok(Self {
            carriers: Carriers::new(settings),
            issuers,
            max_token_bytes: settings.limits.max_token_bytes,
            subject_id,
            service_keys: settings
                .service_keys
                .as_ref()
                .map(|keys| ServiceKeys::new(keys, subject_id)),
            verified,
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
        // A service key in a place where none is looked for is nobody else's business.
        if credential.token.starts_with(KEY_PREFIX) {
            return Err(TokenError::UnknownServiceKey.into());
        }
        let name = Name::of(credential.token);
        if let Some(principal) = self.find(&name, &credential.carrier, now) {
            return Ok(principal);
        }
        let (issuer, token) = self.whose(&credential)?;
        if let Some(introspection) = &issuer.introspection {
            let asked = (issuer, introspection, token.as_ref());
            return self.asked(asked, &credential, name, head, now).await;
        }
        let token = token.ok_or(TokenError::Malformed)?;
        // Before the signature: keys that change meanwhile must not vouch for it later.
        let keys = issuer.keys.version();
        let signature = issuer.keys.verify(&token).await;
        let verified = match signature {
            // What would be refused with any key is refused without one.
            Ok(_) | Err(TokenError::KeysUnavailable) => issuer.rules.check(&token, now)?,
            Err(error) => return Err(error.into()),
        };
        let verified_by = Some(signature?);
        let Verified {
            whom,
            issued_at,
            expires_at,
        } = verified;
        let subject = Id::parse(self.subject_id, &whom.subject).ok_or(TokenError::Subject)?;
        let principal = Arc::new(Principal {
            issuer: Some(Arc::clone(&issuer.name)),
            roles: whom.roles,
            issued_at: Some(issued_at),
            expires_at: Some(expires_at),
            session: whom.session,
            token: whom.token,
            verified_by,
            carrier: Some((credential.carrier, issuer.forward)),
            ..Principal::assumed(subject)
        });
        if let Some(keys) = keys {
            self.verified.keep(name, &principal, keys, now);
        }
        Ok(principal)
    }

    /// The service key that a request presents, if that is what it presents.
    ///
    /// # Errors
    /// When there is no credential, or more than one.
    pub fn key(&self, head: &Head<'_>) -> Result<Option<PresentedKey>, AuthnError> {
        let Some(keys) = &self.service_keys else {
            return Ok(None);
        };
        let credential = self.carriers.extract(head)?;
        if credential.token.len() > self.max_token_bytes {
            return Err(TokenError::TooLong.into());
        }
        Ok(keys.present(&credential))
    }

    /// The principal of a request whose token was verified before and would be again; without a signature.
    #[must_use]
    pub fn known(&self, head: &Head<'_>, now: UnixMicros) -> Option<Arc<Principal>> {
        let credential = self.carriers.extract(head).ok()?;
        let fits = credential.token.len() <= self.max_token_bytes;
        let name = fits.then(|| Name::of(credential.token))?;
        self.find(&name, &credential.carrier, now)
    }

    fn find(&self, name: &Name, carrier: &Carrier, now: UnixMicros) -> Option<Arc<Principal>> {
        let version = |issuer: &str| self.issuers.get(issuer)?.version();
        self.verified.find(name, carrier, now, version)
    }

    /// How many tokens were verified and known again, and how issuers were asked, as metrics.
    pub fn gather(&self, scrape: &mut Scrape) {
        self.verified.gather(scrape);
        introspection::gather(self.introspections(), scrape);
    }

    /// Whether a request carries one credential, good or bad.
    #[must_use]
    pub fn presents(&self, head: &Head<'_>) -> bool {
        self.carriers.extract(head).is_ok()
    }

    /// Whether a request carries anything where a credential may be, good or bad, one or several.
    #[must_use]
    pub fn has_credential(&self, head: &Head<'_>) -> bool {
        head.headers().contains_key(AUTHORIZATION)
            || self.carriers.extract(head) != Err(CredentialError::Missing)
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
        let keys = self.service_keys.as_ref();
        if let Some(keys) = keys.filter(|_| token.starts_with(KEY_PREFIX)) {
            return keys.carriers().next();
        }
        let issuer = if jws::is_opaque(token) {
            let mut issuers = self.issuers.values();
            issuers.find(|issuer| issuer.introspection.is_some())
        } else {
            let token = jws::parse(token).ok();
            token.and_then(|token| self.issuers.get(token.issuer()))
        };
        let accepted = issuer.and_then(|issuer| issuer.carriers.first());
        accepted.or_else(|| self.carriers.all().map(|(carrier, _)| carrier).next())
    }

    /// Whether there are service keys, and the application does not see them.
    #[must_use]
    pub fn hides_keys(&self) -> bool {
        self.service_keys
            .as_ref()
            .is_some_and(|keys| !keys.forwards())
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
        let ClaimSettings {
            subject,
            roles,
            session,
        } = &settings.claims;
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
                session: session.clone(),
            },
            introspection: None,
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

//! Who a request is from, once somebody has verified it.
//!
//! Promise: a [`Principal`] holds what decisions and revocations need to know of a credential, and none of its
//! secrets in a form that can be printed.

use std::fmt;
use std::sync::Arc;

use sidegate_policy::{Id, UnixMicros};

use super::{Carrier, PresentedKey, VerifiedBy};
use crate::coherence::Tag;
use crate::credential::Presented;

/// A verified subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The subject, in the canonical text of the application's column.
    pub subject: Id,
    /// User or service.
    pub kind: SubjectType,
    /// Who says so; `None` for an assumed subject (`explain --subject`) and for whoever follows a link.
    pub issuer: Option<Arc<str>>,
    /// Roles that the token claims.
    pub roles: Arc<[Arc<str>]>,
    /// When the credential was issued; `None`: nobody knows, so it was long ago.
    pub issued_at: Option<UnixMicros>,
    /// Until when the credential is good; `None` where nobody says so.
    pub expires_at: Option<UnixMicros>,
    /// The session that the token is of.
    pub session: Option<Arc<str>>,
    /// The token's own name.
    pub token: Option<Arc<str>>,
    /// The service key that it is.
    pub key: Option<Arc<PresentedKey>>,
    /// Of a service key: what it is for. It is good on routes that ask for one of them, and on no others.
    pub scopes: Option<Arc<[Arc<str>]>>,
    /// With what it was verified; `None` for an assumed subject.
    pub verified_by: Option<VerifiedBy>,
    /// Where the credential was, and whether the application may see it.
    pub carrier: Option<(Carrier, bool)>,
    /// The token, where its issuer is asked about it: again, while a request lasts.
    pub asked: Option<AskedToken>,
    /// Whether its token counts by its key alone, because its issuer could not be asked
    /// (`introspection.fallback: local`).
    pub is_degraded: bool,
}

/// A token that its issuer is asked about. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct AskedToken(Arc<str>);

impl AskedToken {
    pub(super) fn new(token: &str) -> Self {
        Self(token.into())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Its length, in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for AskedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AskedToken(***)")
    }
}

impl Principal {
    /// As revocations name its credential.
    #[must_use]
    pub fn presented(&self) -> Presented<'_> {
        Presented {
            subject: self.subject.as_str(),
            session: self.session.as_deref(),
            token: self.token.as_deref(),
            issued_at: self.issued_at,
            is_key: self.kind == SubjectType::Service,
        }
    }

    /// What may be told of its credential. Of its subject's row there is another tag.
    pub fn tags(&self) -> impl Iterator<Item = Tag<'_>> {
        let session = self.session.as_deref().map(Tag::Session);
        let token = self.token.as_deref().map(Tag::Token);
        let key = self.key.as_deref().and_then(PresentedKey::tag);
        let subject = Tag::Credentials(self.subject.as_str());
        [session, token, key, Some(subject), Some(Tag::Everybody)]
            .into_iter()
            .flatten()
    }

    /// Somebody for whom a good credential is assumed, to explain or to make a link.
    #[must_use]
    pub fn assumed(subject: Id) -> Self {
        Self {
            subject,
            kind: SubjectType::User,
            issuer: None,
            roles: Arc::from([]),
            issued_at: None,
            expires_at: None,
            session: None,
            token: None,
            scopes: None,
            key: None,
            verified_by: None,
            carrier: None,
            asked: None,
            is_degraded: false,
        }
    }
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

//! Stage 3: who asks, by a credential that still counts.
//!
//! Promise: a principal that leaves here was verified, was not revoked as of at most the bound ago (or as long ago as
//! the route accepts while nobody can be asked), and is let in by the route's scopes if it is a service key. Nobody
//! is refused for what was changed before the request came.

use std::net::IpAddr;
use std::sync::Arc;

use sidegate_policy::UnixMicros;

use super::{Credential, Pipeline};
use crate::authn::{AuthnError, KeyVerdict, PresentedKey, Principal, TokenError};
use crate::authz::Permit;
use crate::coherence::{BOUND, BootTime};
use crate::facts::{Known, Patience};
use crate::head::Head;
use crate::rejection::Rejection;
use crate::route::Route;

/// A principal, and whether its credential may be revoked for longer than the bound because nobody could be asked.
pub(super) struct Identified {
    pub(super) principal: Arc<Principal>,
    pub(super) is_stale: bool,
    /// Until when the credential may be gone by, if nothing is asked anew.
    pub(super) good_until: BootTime,
}

impl Identified {
    /// A permit that rests on the credential, too.
    pub(super) fn bounds(&self, permit: Permit) -> Permit {
        permit.on_credential(self.is_stale, self.good_until)
    }
}

impl Pipeline {
    /// Who asks.
    pub(super) async fn identify(
        &self,
        (head, peer): (&Head<'_>, Option<IpAddr>),
        credential: &Credential,
        (route, arrived): (&Route, BootTime),
    ) -> Result<Identified, Rejection> {
        let patience = patience(route, arrived);
        let identified = match credential {
            Credential::Presented => self.verified(head, peer, patience).await?,
            Credential::Assumed(principal) => Identified {
                principal: Arc::clone(principal),
                is_stale: false,
                good_until: arrived.after(BOUND),
            },
        };
        Ok(identified)
    }

    /// A principal whose credential is good for itself, if it was not revoked.
    pub(super) async fn unrevoked(
        &self,
        principal: Arc<Principal>,
        (route, arrived): (&Route, BootTime),
    ) -> Result<Identified, Rejection> {
        self.counts(principal, patience(route, arrived)).await
    }

    async fn verified(
        &self,
        head: &Head<'_>,
        peer: Option<IpAddr>,
        patience: Patience,
    ) -> Result<Identified, Rejection> {
        let client = || self.trusted_proxies.client(peer?, head.headers());
        // Who is known to be good is let in, whoever shares its client's address.
        let throttled = !self.throttle.is_quiet()
            && client().is_some_and(|client| self.throttle.stops(&client))
            && self.authenticator.presents(head);
        let found = match self.authenticator.key(head) {
            Ok(Some(key)) if throttled => self.known_key(&key)?,
            Ok(Some(key)) => self.by_key(&key, patience).await,
            Ok(None) => self.by_token(head, throttled, patience).await,
            Err(error) => Err(error.into()),
        };
        if let Err(Rejection::Authn(AuthnError::Token(error))) = &found
            && error.is_suspicious()
            && let Some(client) = client()
        {
            self.throttle.failed(&client);
        }
        found
    }

    async fn by_token(
        &self,
        head: &Head<'_>,
        throttled: bool,
        patience: Patience,
    ) -> Result<Identified, Rejection> {
        let now = self.clock.now();
        let principal = if throttled {
            let known = self.authenticator.known(head, now);
            known.ok_or(Rejection::Throttled)?
        } else {
            self.authenticator.authenticate(head, now).await?
        };
        self.counts(principal, patience).await
    }

    async fn counts(
        &self,
        principal: Arc<Principal>,
        patience: Patience,
    ) -> Result<Identified, Rejection> {
        let facts = self.authorizer.facts();
        let presented = principal.presented();
        let Known {
            found,
            is_stale,
            good_until,
        } = facts.revokes(&presented, patience).await?;
        if found {
            return Err(AuthnError::from(TokenError::Revoked).into());
        }
        Ok(Identified {
            principal,
            is_stale,
            good_until,
        })
    }

    async fn by_key(
        &self,
        key: &PresentedKey,
        patience: Patience,
    ) -> Result<Identified, Rejection> {
        let judge = |table: &_| key.judge(table, self.clock.now());
        let facts = self.authorizer.facts();
        let Known {
            found,
            is_stale,
            good_until,
        } = facts.key(key.wanted(), judge, patience).await?;
        identified(key, found, (is_stale, good_until))
    }

    /// What is known at once: nobody is asked for a client that presents too much.
    fn known_key(&self, key: &PresentedKey) -> Result<Result<Identified, Rejection>, Rejection> {
        let judge = |table: &_| key.judge(table, self.clock.now());
        match self.authorizer.facts().key_at_once(judge) {
            Some((found @ KeyVerdict::Good(_), until)) => {
                Ok(identified(key, found, (false, until)))
            }
            Some((KeyVerdict::Unknown | KeyVerdict::Revoked | KeyVerdict::Expired, _)) | None => {
                Err(Rejection::Throttled)
            }
        }
    }
}

/// What is known of the credential of a request that lasts.
pub(super) struct Counts {
    /// Whether it may be stale.
    pub(super) is_stale: bool,
    /// Until when it may be gone by, if nothing is asked anew.
    pub(super) good_until: BootTime,
    /// When it ends on its own, as its row says now.
    pub(super) ends: Option<UnixMicros>,
}

impl Pipeline {
    /// Whether a credential counts still, for the same subject and on the same route.
    pub(super) async fn still_counts(
        &self,
        principal: &Principal,
        route: &Route,
        arrived: BootTime,
    ) -> Result<Counts, Rejection> {
        let (facts, patience) = (self.authorizer.facts(), patience(route, arrived));
        let refused = |error: TokenError| Err(AuthnError::from(error).into());
        let Some(key) = &principal.key else {
            let known = facts.revokes(&principal.presented(), patience).await?;
            if known.found {
                return refused(TokenError::Revoked);
            }
            return Ok(Counts {
                is_stale: known.is_stale,
                good_until: known.good_until,
                ends: None,
            });
        };
        let judge = |table: &_| key.judge(table, self.clock.now());
        let known = facts.key(key.wanted(), judge, patience).await?;
        let now = match known.found {
            KeyVerdict::Good(row) => key.principal(&row).map_err(AuthnError::from)?,
            KeyVerdict::Expired => return refused(TokenError::Expired),
            KeyVerdict::Unknown | KeyVerdict::Revoked => return refused(TokenError::Revoked),
        };
        if now.subject != principal.subject {
            return refused(TokenError::Subject);
        }
        in_scope(&now, route)?;
        Ok(Counts {
            is_stale: known.is_stale,
            good_until: known.good_until,
            ends: now.expires_at,
        })
    }
}

/// Whether a service key is for something that the route asks for; nobody else needs to be.
pub(super) fn in_scope(principal: &Principal, route: &Route) -> Result<(), Rejection> {
    let Some(scopes) = &principal.scopes else {
        return Ok(());
    };
    let has = |asked: &String| scopes.iter().any(|scope| **scope == **asked);
    if route.scopes.iter().any(has) {
        Ok(())
    } else {
        Err(Rejection::Scope)
    }
}

fn patience(route: &Route, arrived: BootTime) -> Patience {
    Patience {
        arrived,
        stale_if_error: route.stale_if_error,
    }
}

fn identified(
    key: &PresentedKey,
    found: KeyVerdict,
    (is_stale, good_until): (bool, BootTime),
) -> Result<Identified, Rejection> {
    let refused = |error: TokenError| Err(AuthnError::from(error).into());
    match found {
        KeyVerdict::Good(row) => {
            row.note_use();
            let principal = key.principal(&row).map_err(AuthnError::from)?;
            Ok(Identified {
                principal: Arc::new(principal),
                is_stale,
                good_until,
            })
        }
        KeyVerdict::Unknown => refused(TokenError::UnknownServiceKey),
        KeyVerdict::Revoked => refused(TokenError::Revoked),
        KeyVerdict::Expired => refused(TokenError::Expired),
    }
}

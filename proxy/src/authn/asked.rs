//! Tokens whose issuer is asked about them (RFC 7662), and what holds while it cannot be (DESIGN §7).
//!
//! Promise: a JWT is its issuer's alone to judge, and an opaque token is the one issuer's that is asked
//! about what is found in that place. What a token says against itself, and a wrong signature where there
//! are keys, cost no question. Without an answer nobody gets in, but where `introspection.fallback` is
//! `local`: then a JWT with a right signature counts for GET and HEAD, is marked, and is not kept.

use std::sync::Arc;

use http::Method;
use http::header::UPGRADE;
use sidegate_config::{IntrospectionFallback, IssuerSettings};
use sidegate_policy::{Id, IdType, UnixMicros};

use super::credential::Credential;
use super::introspection::{Introspection, Presented, Reading, Told, VERSION};
use super::jws::{self, Unverified};
use super::verified::{Name, VerifiedTokens};
use super::{
    AskedToken, Authenticator, AuthnError, Issuer, KeyError, Principal, TokenError, VerifiedBy,
};
use crate::head::Head;

impl Authenticator {
    /// Goes on with what the one before knows about issuers that are asked in the same words.
    pub(crate) fn take_over(&mut self, previous: &Self) {
        for (name, issuer) in &mut self.issuers {
            let known = previous.issuers.get(name);
            let known = known.and_then(|known| known.introspection.as_ref());
            if let (Some(introspection), Some(known)) = (&mut issuer.introspection, known) {
                introspection.take_over(known);
            }
        }
    }

    /// Which issuers cannot be asked, as sentences for everybody.
    pub(crate) fn introspection_notes(&self) -> impl Iterator<Item = String> {
        self.introspections().filter_map(Introspection::state)
    }

    /// Why, for who operates this.
    pub(crate) fn introspection_problems(&self) -> impl Iterator<Item = String> {
        self.introspections().filter_map(Introspection::problem)
    }

    pub(super) fn introspections(&self) -> impl Iterator<Item = &Introspection> {
        let issuers = self.issuers.values();
        issuers.filter_map(|issuer| issuer.introspection.as_ref())
    }

    /// Whose a token is, by what it says or by where it was; and the token, unless it is opaque. Nothing of
    /// it is verified.
    pub(super) fn whose<'r>(
        &self,
        credential: &Credential<'r>,
    ) -> Result<(&Issuer, Option<Unverified<'r>>), TokenError> {
        let accepts = |issuer: &&Issuer| issuer.carriers.contains(&credential.carrier);
        if jws::is_opaque(credential.token) {
            let mut issuers = self.issuers.values();
            let asked = issuers.find(|issuer| issuer.introspection.is_some() && accepts(issuer));
            let has_form = jws::is_b64token(credential.token);
            let issuer = asked.filter(|_| has_form).ok_or(TokenError::Malformed)?;
            return Ok((issuer, None));
        }
        let token = jws::parse(credential.token)?;
        let issuer = self.issuers.get(token.issuer()).filter(accepts);
        Ok((issuer.ok_or(TokenError::UnknownIssuer)?, Some(token)))
    }

    /// The principal of a token whose issuer is asked.
    pub(super) async fn asked(
        &self,
        (issuer, introspection, token): (&Issuer, &Introspection, Option<&Unverified<'_>>),
        credential: &Credential<'_>,
        name: Name,
        head: &Head<'_>,
        now: UnixMicros,
    ) -> Result<Arc<Principal>, AuthnError> {
        let mut by_key = Err(TokenError::KeysUnavailable);
        if let Some(token) = token {
            issuer.rules.check_before_asking(token, now)?;
            if !issuer.keys.is_empty() {
                by_key = issuer.keys.verify(token).await;
            }
        }
        match &by_key {
            // Keys that cannot be had say nothing; the issuer may.
            Ok(_) | Err(TokenError::KeysUnavailable) => {}
            Err(error) => return Err((*error).into()),
        }
        let presented = Presented {
            name,
            token: credential.token,
            carrier: &credential.carrier,
            now,
        };
        match introspection.ask(presented).await {
            Told::Good(principal) => return Ok(principal),
            Told::Refused(error) => return Err(error.into()),
            Told::Unanswered => {}
        }
        let fallback = introspection.fallback();
        let by = token.zip(by_key.ok()).filter(|_| only_reads(head));
        let (Some((token, by)), IntrospectionFallback::Local) = (by, fallback) else {
            return Err(TokenError::IssuerUnavailable.into());
        };
        let principal = self.by_key_alone((issuer, by), token, credential, now);
        // What the token lacks, the issuer might have added: nobody can know.
        let principal = principal.map_err(|_lacks| TokenError::IssuerUnavailable)?;
        introspection.fell_back();
        Ok(Arc::new(principal))
    }

    /// The principal of a token with a right signature, whose issuer could not be asked.
    fn by_key_alone(
        &self,
        (issuer, verified_by): (&Issuer, VerifiedBy),
        token: &Unverified<'_>,
        credential: &Credential<'_>,
        now: UnixMicros,
    ) -> Result<Principal, TokenError> {
        let verified = issuer.rules.check(token, now)?;
        let subject = Id::parse(self.subject_id, &verified.whom.subject);
        Ok(Principal {
            issuer: Some(Arc::clone(&issuer.name)),
            roles: verified.whom.roles,
            issued_at: Some(verified.issued_at),
            expires_at: Some(verified.expires_at),
            session: verified.whom.session,
            token: verified.whom.token,
            carrier: Some((credential.carrier.clone(), issuer.forward)),
            verified_by: Some(verified_by),
            asked: Some(AskedToken::new(credential.token)),
            is_degraded: true,
            ..Principal::assumed(subject.ok_or(TokenError::Subject)?)
        })
    }
}

impl Issuer {
    /// Prepares for asking it, if it is to be.
    pub(super) fn ask(
        &mut self,
        settings: &IssuerSettings,
        subject_id: IdType,
        verified: &Arc<VerifiedTokens>,
    ) -> Result<(), KeyError> {
        let Some(asked) = &settings.introspection else {
            return Ok(());
        };
        let reading = Reading {
            issuer: Arc::clone(&self.name),
            rules: self.rules.clone(),
            subject_id,
            forward: self.forward,
            verified: Arc::clone(verified),
        };
        let introspection = Introspection::new(asked, reading);
        let introspection = introspection.map_err(|message| KeyError::Unusable {
            issuer: settings.issuer.clone(),
            place: "introspection".to_owned(),
            message,
        })?;
        self.introspection = Some(introspection);
        Ok(())
    }

    /// What a token that is known was verified with, in its present version; `None` while it cannot be used.
    pub(super) fn version(&self) -> Option<u64> {
        match &self.introspection {
            Some(_) => Some(VERSION),
            None => self.keys.version(),
        }
    }
}

/// Whether a request can only read: no WebSocket, which begins as a GET.
fn only_reads(head: &Head<'_>) -> bool {
    [Method::GET, Method::HEAD].contains(head.method()) && !head.headers().contains_key(UPGRADE)
}

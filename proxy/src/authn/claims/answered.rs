//! What the answer of an issuer states (RFC 7662 section 2.2), as strictly as a token's own claims.

use serde_json::{Map, Value};
use sidegate_policy::UnixMicros;

use super::{Rules, TokenError, date, micros, seconds, seconds_of};
use crate::authn::jws::Unverified;

/// What an issuer's answer says of times.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::authn) struct AnsweredTimes {
    pub(in crate::authn) issued_at: Option<UnixMicros>,
    pub(in crate::authn) expires_at: Option<UnixMicros>,
}

impl Rules {
    /// What nobody needs to be asked about: a token of another type, or one that is past its own end.
    pub(in crate::authn) fn check_before_asking(
        &self,
        token: &Unverified<'_>,
        now: UnixMicros,
    ) -> Result<(), TokenError> {
        self.check_type(token.token_type.as_deref())?;
        match date(&token.claims, "exp")? {
            Some(exp) if seconds_of(now) >= exp.saturating_add(seconds(self.leeway)) => {
                Err(TokenError::Expired)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The times that an issuer's answer states: as strict as a token's, but for what it may leave out
    /// (RFC 7662 section 2.2).
    pub(in crate::authn) fn check_answered_times(
        &self,
        answer: &Map<String, Value>,
        now: UnixMicros,
    ) -> Result<AnsweredTimes, TokenError> {
        let (now, leeway) = (seconds_of(now), seconds(self.leeway));
        let (exp, iat) = (date(answer, "exp")?, date(answer, "iat")?);
        let nbf = date(answer, "nbf")?;
        let end = exp.map(|exp| exp.saturating_add(leeway));
        if end.is_some_and(|end| now >= end) {
            return Err(TokenError::Expired);
        }
        if iat
            .max(nbf)
            .is_some_and(|first| first > now.saturating_add(leeway))
        {
            return Err(TokenError::NotYetValid);
        }
        if let (Some(exp), Some(iat)) = (exp, iat) {
            self.check_lifetime(exp, iat)?;
        }
        Ok(AnsweredTimes {
            issued_at: iat.map(micros),
            expires_at: end.map(micros),
        })
    }

    /// The audience of an issuer's answer.
    pub(in crate::authn) fn check_answered_audience(
        &self,
        answer: &Map<String, Value>,
    ) -> Result<(), TokenError> {
        // Only `insecure_any_audience` has none of ours.
        if self.audiences.is_empty() && !answer.contains_key("aud") {
            return Ok(());
        }
        self.check_audience(answer)
    }
}

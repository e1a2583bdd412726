//! Whether a principal is still who they were, for whoever goes by one for longer than a moment.
//!
//! Promise: a credential that has ended, whose key was withdrawn or whose issuer says no is found out without the
//! request that presented it.
//!
//! Does not: look at revocations and service keys, which are rows: `Facts` does.

use sidegate_policy::UnixMicros;

use super::introspection::{Presented, Told};
use super::verified::Name;
use super::{Authenticator, Principal, TokenError};

impl Authenticator {
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
        let Some(name) = &principal.issuer else {
            // A service key's rows, and a link's own end, say the rest.
            let are_keys = self.service_keys.is_some();
            return match (&principal.key, principal.expires_at) {
                (Some(_), _) if are_keys => Ok(()),
                (None, Some(_)) => Ok(()),
                (Some(_) | None, _) => Err(TokenError::UnknownKey),
            };
        };
        let issuer = self.issuers.get(&**name).ok_or(TokenError::UnknownIssuer)?;
        let Some(by) = &principal.verified_by else {
            // Its issuer has said so, and is asked for each request.
            let asked = issuer.introspection.is_some();
            return asked.then_some(()).ok_or(TokenError::UnknownKey);
        };
        match issuer.keys.still_has(by) {
            Some(true) => Ok(()),
            Some(false) => Err(TokenError::UnknownKey),
            None => Err(TokenError::KeysUnavailable),
        }
    }

    /// Whether the issuer of a token that it was asked about still says that it is good; at once where that is
    /// known, or nobody has to be asked. Who counted by the key alone goes on so while nobody can be asked.
    ///
    /// # Errors
    /// When it is not good, or nobody can know now.
    pub async fn confirm(&self, principal: &Principal, now: UnixMicros) -> Result<(), TokenError> {
        let (Some(token), Some(issuer)) = (&principal.asked, &principal.issuer) else {
            return Ok(());
        };
        let issuer = self.issuers.get(&**issuer);
        let introspection = issuer.and_then(|issuer| issuer.introspection.as_ref());
        let introspection = introspection.ok_or(TokenError::UnknownIssuer)?;
        let (carrier, _) = principal.carrier.as_ref().ok_or(TokenError::UnknownKey)?;
        let (name, token) = (Name::of(token.expose()), token.expose());
        if self.find(&name, carrier, now).is_some() {
            return Ok(());
        }
        let presented = Presented {
            name,
            token,
            carrier,
            now,
        };
        match introspection.ask(presented).await {
            Told::Good(_) => Ok(()),
            Told::Refused(error) => Err(error),
            Told::Unanswered if principal.is_degraded => Ok(()),
            Told::Unanswered => Err(TokenError::IssuerUnavailable),
        }
    }
}

//! The end of the line once more, for a request that lasts.
//!
//! Promise: what was decided on is decided on again, for the same subject, resource and route, within the
//! same time and with a panic as a refusal. There is no head to be read and no credential to be verified any
//! more: [`Authenticator::still`](crate::authn::Authenticator::still) says whether the principal is.

use super::Pipeline;
use crate::authn::AuthnError;
use crate::authz::{Permit, Renewal};
use crate::coherence::BootTime;
use crate::rejection::Rejection;

impl Pipeline {
    /// Decides again on a request that is being forwarded, on the facts as they are now.
    ///
    /// # Errors
    /// When it would not be forwarded now.
    pub async fn again(&self, permit: &Permit) -> Result<Renewal, Rejection> {
        let hidden = permit.route().hide_denied;
        let walk = async {
            let arrived = BootTime::now();
            let asked = self.authorizer.again(permit, self.clock, arrived).await;
            let renewal = asked.map_err(|error| Rejection::from_authz(error, hidden))?;
            // Afterwards: a change of the credential that this does not see is told later than what the facts'
            // ground names.
            let Some(subject) = permit.subject() else {
                return Ok(renewal);
            };
            let principal = &subject.principal;
            let counts = self
                .still_counts(principal, permit.route(), arrived)
                .await?;
            let confirmed = self
                .authenticator
                .confirm(principal, self.clock.now())
                .await;
            confirmed.map_err(AuthnError::from)?;
            // What an issuer says is not told by the feed: it is asked for again and again.
            let is_followed = !counts.is_stale && principal.asked.is_none();
            let renewal = renewal.with_credential(is_followed, counts.good_until);
            Ok(renewal.ending(counts.ends))
        };
        self.bounded(walk).await
    }
}

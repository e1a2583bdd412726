//! Tokens that their issuer has just refused.
//!
//! Promise: they are remembered for two seconds after the question began, so a token that becomes good is
//! refused for that long at most; in a bounded place of their own, so that no flood of them pushes a good
//! token out.

use std::time::Duration;

use quick_cache::sync::Cache;

use crate::authn::TokenError;
use crate::authn::verified::Name;
use crate::coherence::BootTime;

/// How long a refusal is remembered.
pub(super) const TTL: Duration = Duration::from_secs(2);
/// The most that are remembered.
pub(super) const MOST: usize = 8192;

/// What is remembered.
#[derive(Debug)]
pub(super) struct Refused(Cache<Name, (BootTime, TokenError)>);

impl Refused {
    /// Nothing.
    pub(super) fn new() -> Self {
        Self(Cache::new(MOST))
    }

    /// Why a token was refused, if that counts still.
    pub(super) fn find(&self, name: &Name, now: BootTime) -> Option<TokenError> {
        let (until, error) = self.0.get(name)?;
        (now < until).then_some(error)
    }

    /// Remembers what came of a question that began then.
    pub(super) fn keep(&self, name: Name, error: TokenError, began: BootTime) {
        self.0.insert(name, (began.after(TTL), error));
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_counts_for_two_seconds_and_a_flood_of_them_is_bounded() {
        let at = |millis: u64| BootTime::from_nanos(millis * 1_000_000);
        let refused = Refused::new();
        let name = Name::of("a");
        refused.keep(name, TokenError::Inactive, at(500));
        assert_eq!(refused.find(&name, at(2499)), Some(TokenError::Inactive));
        assert_eq!(refused.find(&name, at(2500)), None);
        assert_eq!(refused.find(&Name::of("b"), at(500)), None);
        for number in 0..10 * MOST {
            refused.keep(Name::of(&number.to_string()), TokenError::Inactive, at(0));
            assert!(refused.len() <= MOST);
        }
    }
}

//! Issuers that are asked about their tokens (RFC 7662).
//!
//! Promise: a token counts only if its issuer has said so within `introspection.ttl`, and what it said
//! holds here ([`answer`]). One token is one question, however many present it at once. A refusal is
//! remembered for two seconds, apart from what is good. Without an answer nobody can know: what holds then
//! is the caller's, by the configured fallback.
//!
//! Does not: verify a signature.

mod answer;
mod provider;
mod question;
mod refused;
mod tally;

use std::sync::Arc;

use futures_util::FutureExt as _;
use serde_json::{Map, Value};
use sidegate_config::{IntrospectionFallback, IntrospectionSettings};
use sidegate_policy::{IdType, UnixMicros};

use super::claims::Rules;
use super::verified::{Name, VerifiedTokens};
use super::{AskedToken, Carrier, Principal, TokenError};
use crate::cache::{Flights, Landed, Terms};
use crate::coherence::BootTime;
use answer::Confirmed;
use provider::Provider;
use question::Said;
use refused::Refused;
use tally::Outcome;

pub(super) use tally::{METRICS, gather};

/// How one issuer is asked.
#[derive(Debug)]
pub(super) struct Introspection {
    provider: Arc<Provider>,
    reading: Arc<Reading>,
    refused: Arc<Refused>,
    flights: Flights<Told, Name>,
}

/// What an issuer's answers are read by, and where the good ones are kept.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) issuer: Arc<str>,
    pub(super) rules: Rules,
    pub(super) subject_id: IdType,
    pub(super) forward: bool,
    pub(super) verified: Arc<VerifiedTokens>,
}

/// A token, as it was presented.
#[derive(Debug, Clone, Copy)]
pub(super) struct Presented<'r> {
    pub(super) name: Name,
    pub(super) token: &'r str,
    pub(super) carrier: &'r Carrier,
    pub(super) now: UnixMicros,
}

/// What came of asking about a token.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// It is this subject's.
    Good(Arc<Principal>),
    /// It is not good.
    Refused(TokenError),
    /// Nobody can know.
    Unanswered,
}

impl Introspection {
    /// Of an issuer that was not asked yet. Nothing is connected to.
    pub(super) fn new(settings: &IntrospectionSettings, reading: Reading) -> Result<Self, String> {
        Ok(Self {
            provider: Arc::new(Provider::new(&reading.issuer, settings)?),
            reading: Arc::new(reading),
            refused: Arc::new(Refused::new()),
            flights: Flights::new(),
        })
    }

    /// Goes on with what is known about the issuer, if it is the same in the same words.
    pub(super) fn take_over(&mut self, previous: &Self) {
        if self.provider.serves(&previous.provider) {
            self.provider = Arc::clone(&previous.provider);
        }
    }

    /// Asks about a token, or joins a question about it that is under way.
    pub(super) async fn ask(&self, presented: Presented<'_>) -> Told {
        let now = BootTime::now();
        if let Some(told) = self.remembered(&presented.name, now) {
            return told;
        }
        // Nothing is built up for those who would not be asked about: there may be very many.
        if !self.provider.may_be_asked() {
            return Told::Unanswered;
        }
        let terms = Terms {
            now,
            max_age: self.provider.settings().timeout,
            since: None,
        };
        let known = || self.known(&presented);
        let make = || {
            let (provider, reading) = (Arc::clone(&self.provider), Arc::clone(&self.reading));
            let (refused, asked) = (Arc::clone(&self.refused), Asked::of(&presented, now));
            async move { Ok(asked.ask(&provider, &reading, &refused).await) }.boxed()
        };
        let landed = self.flights.join(presented.name, terms, known, make).await;
        match landed {
            Ok(Landed::Known(told) | Landed::Flown(told, _)) => {
                self.reading.found_in(told, presented.carrier)
            }
            // It has panicked.
            Err(_) => Told::Unanswered,
        }
    }

    /// What holds without an answer.
    pub(super) fn fallback(&self) -> IntrospectionFallback {
        self.provider.settings().fallback
    }

    /// Counts a request whose token counts by its key alone.
    pub(super) fn fell_back(&self) {
        self.provider.tally().fell_back();
    }

    /// That the issuer is left alone, as a sentence for everybody.
    pub(super) fn state(&self) -> Option<String> {
        if self.provider.is_closed() {
            return None;
        }
        let then = match self.fallback() {
            IntrospectionFallback::Local => "its tokens count by their keys, for reads",
            IntrospectionFallback::Deny => "its tokens are answered with 503",
        };
        let issuer = self.provider.issuer();
        Some(format!(
            "issuer `{issuer}`: it cannot be asked about tokens: {then}"
        ))
    }

    /// Why the last question had no answer, for who operates this.
    pub(super) fn problem(&self) -> Option<String> {
        let problem = self.provider.problem()?;
        Some(format!("issuer `{}`: {problem}", self.provider.issuer()))
    }

    /// How many refusals are remembered.
    pub(super) fn refusals(&self) -> usize {
        self.refused.len()
    }

    /// What became of a question that has landed since nothing was known.
    fn known(&self, presented: &Presented<'_>) -> Option<Told> {
        let Presented {
            name, carrier, now, ..
        } = presented;
        let found = self
            .reading
            .verified
            .find(name, carrier, *now, |_| Some(VERSION));
        found
            .map(Told::Good)
            .or_else(|| self.remembered(name, BootTime::now()))
    }

    fn remembered(&self, name: &Name, now: BootTime) -> Option<Told> {
        let error = self.refused.find(name, now)?;
        self.provider.tally().add(Outcome::Remembered);
        Some(Told::Refused(error))
    }
}

/// The version of an issuer's answers: they end with their time, or with the configuration.
pub(super) const VERSION: u64 = 0;

/// A question, with all it takes to outlive whoever has asked.
struct Asked {
    name: Name,
    token: String,
    carrier: Carrier,
    now: UnixMicros,
    began: BootTime,
}

impl Asked {
    fn of(presented: &Presented<'_>, began: BootTime) -> Self {
        Self {
            name: presented.name,
            token: presented.token.to_owned(),
            carrier: presented.carrier.clone(),
            now: presented.now,
            began,
        }
    }

    /// Asks, and leaves behind what the issuer says.
    async fn ask(self, provider: &Provider, reading: &Reading, refused: &Refused) -> Told {
        let Some(said) = provider.ask(&self.token).await else {
            return Told::Unanswered;
        };
        let waited = i64::try_from(BootTime::now().since(self.began).as_micros());
        let now = UnixMicros(self.now.0.saturating_add(waited.unwrap_or(i64::MAX)));
        let (outcome, read) = match said {
            Said::Inactive => (Outcome::Inactive, Err(TokenError::Inactive)),
            Said::Active(answer) => {
                match reading.principal(&answer, (&self.token, &self.carrier), now) {
                    Ok(principal) => (Outcome::Active, Ok(principal)),
                    Err(error) => (Outcome::Unfit, Err(error)),
                }
            }
        };
        provider.tally().add(outcome);
        match read {
            Ok(principal) => {
                // From when it was asked: the issuer may have answered at once.
                let until = self.began.after(provider.settings().ttl);
                reading
                    .verified
                    .believe(self.name, &principal, VERSION, now, until);
                Told::Good(principal)
            }
            Err(error) => {
                refused.keep(self.name, error, self.began);
                Told::Refused(error)
            }
        }
    }
}

impl Reading {
    fn principal(
        &self,
        answer: &Map<String, Value>,
        (token, carrier): (&str, &Carrier),
        now: UnixMicros,
    ) -> Result<Arc<Principal>, TokenError> {
        let Confirmed {
            subject,
            whom,
            times,
        } = answer::confirmed(&self.rules, &self.issuer, answer, self.subject_id, now)?;
        Ok(Arc::new(Principal {
            issuer: Some(Arc::clone(&self.issuer)),
            roles: whom.roles,
            issued_at: times.issued_at,
            expires_at: times.expires_at,
            session: whom.session,
            token: whom.token,
            carrier: Some((carrier.clone(), self.forward)),
            asked: Some(AskedToken::new(token)),
            ..Principal::assumed(subject)
        }))
    }

    /// The same, for one who has presented the token elsewhere.
    fn found_in(&self, told: Told, carrier: &Carrier) -> Told {
        match told {
            Told::Good(principal)
                if principal
                    .carrier
                    .as_ref()
                    .is_none_or(|(known, _)| known != carrier) =>
            {
                Told::Good(Arc::new(Principal {
                    carrier: Some((carrier.clone(), self.forward)),
                    ..Principal::clone(&principal)
                }))
            }
            other @ (Told::Good(_) | Told::Refused(_) | Told::Unanswered) => other,
        }
    }
}

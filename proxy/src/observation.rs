//! What is noted of one request on its way, for whoever tells about it later: metrics, the access log, traces,
//! `explain`.
//!
//! Promise: noting reads the clock and counts references; it allocates nothing and never waits. What is noted
//! has no part in what is decided.

use std::sync::Arc;

use sidegate_policy::{Checks, UnixMicros};

use crate::authn::Principal;
use crate::authz::Evidence;
use crate::coherence::{BootTime, Moment};
use crate::facts::Tier;
use crate::store::Answer;

/// A part of a request's way. A request that ends early has ended in one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The target is read and its rule found.
    Route,
    /// The credential is verified, and looked for among what was revoked.
    Authenticate,
    /// The facts are looked up and judged.
    Authorize,
    /// What the application is told is made.
    Identity,
    /// The application answers: from the hand-over to the head of its answer.
    Upstream,
    /// The answer is passed on, or our own is written.
    Answer,
}

/// When the stages of a request ended.
#[derive(Debug, Clone, Copy)]
pub struct Timeline {
    begun: BootTime,
    /// `START`: it has not ended.
    ends: [BootTime; Stage::ALL.len()],
}

/// A stage, from one instant to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The stage.
    pub stage: Stage,
    /// When it began.
    pub from: BootTime,
    /// When it ended.
    pub to: BootTime,
}

/// What a decision rested on.
#[derive(Debug, Clone)]
pub struct Basis {
    /// The rows.
    pub answer: Answer,
    /// What the checks found, where they were made.
    pub checks: Option<Checks>,
    /// Where the rows came from; `None`: from nowhere, the token alone counted.
    pub tier: Option<Tier>,
    /// When they were true.
    pub moment: Option<Moment>,
}

/// What a credential says of whoever presents it, beside the subject: what decisions and revocations know it
/// by. The credential itself is not in it.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// Roles that the token claims.
    pub roles: Arc<[Arc<str>]>,
    /// The session that the token is of.
    pub session: Option<Arc<str>>,
    /// The token's own name.
    pub token: Option<Arc<str>>,
    /// Until when the credential is good; `None` where nobody says so.
    pub expires_at: Option<UnixMicros>,
}

impl Stage {
    /// Each of them, in order.
    pub const ALL: [Self; 6] = [
        Self::Route,
        Self::Authenticate,
        Self::Authorize,
        Self::Identity,
        Self::Upstream,
        Self::Answer,
    ];

    /// Its name in metrics, logs and traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Authenticate => "authenticate",
            Self::Authorize => "authorize",
            Self::Identity => "identity",
            Self::Upstream => "upstream",
            Self::Answer => "answer",
        }
    }
}

impl Timeline {
    /// Of a request whose head has just been read.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            begun: BootTime::now(),
            ends: [BootTime::START; Stage::ALL.len()],
        }
    }

    /// A stage has ended; those before it that have not were left out.
    pub fn end(&mut self, stage: Stage) {
        if let Some(end) = self.ends.get_mut(stage as usize) {
            *end = BootTime::now();
        }
    }

    /// It has ended in the stage after the last one that has ended.
    pub fn stop(&mut self) {
        let last = self.ends.iter().rposition(|end| *end != BootTime::START);
        let open = last.map_or(0, |last| last + 1);
        if let Some(end) = self.ends.get_mut(open) {
            *end = BootTime::now();
        }
    }

    /// When it began.
    #[must_use]
    pub const fn begun(&self) -> BootTime {
        self.begun
    }

    /// When the last of its stages ended so far.
    #[must_use]
    pub fn ended(&self) -> BootTime {
        let last = self.ends.iter().rfind(|end| **end != BootTime::START);
        last.copied().unwrap_or(self.begun)
    }

    /// The stages that it has been through, in order.
    pub fn spans(&self) -> impl Iterator<Item = Span> + '_ {
        let mut from = self.begun;
        let ends = Stage::ALL.into_iter().zip(self.ends);
        ends.filter(|(_, end)| *end != BootTime::START)
            .map(move |(stage, to)| {
                let span = Span { stage, from, to };
                from = to;
                span
            })
    }
}

impl Bearer {
    /// What a principal's credential says, kept.
    #[must_use]
    pub fn of(principal: &Principal) -> Self {
        Self {
            roles: Arc::clone(&principal.roles),
            session: principal.session.clone(),
            token: principal.token.clone(),
            expires_at: principal.expires_at,
        }
    }

    /// The roles that the token claims, for whoever shows them.
    #[must_use]
    pub fn role_names(&self) -> Vec<String> {
        self.roles.iter().map(ToString::to_string).collect()
    }
}

impl Basis {
    /// What evidence says, kept.
    #[must_use]
    pub fn of(evidence: &Evidence<'_>) -> Self {
        Self {
            answer: evidence.answer.clone(),
            checks: evidence.checks.copied(),
            tier: evidence.tier,
            moment: evidence.moment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(timeline: &Timeline) -> Vec<&'static str> {
        timeline.spans().map(|span| span.stage.name()).collect()
    }

    #[test]
    fn stages_follow_one_another_and_one_is_where_a_request_ended() {
        let mut timeline = Timeline::begin();
        assert_eq!(stages(&timeline), Vec::<&str>::new());
        timeline.end(Stage::Route);
        // Refused for its credential.
        timeline.stop();
        timeline.end(Stage::Answer);
        assert_eq!(stages(&timeline), ["route", "authenticate", "answer"]);
        let spans: Vec<_> = timeline.spans().collect();
        assert_eq!(spans[0].from, timeline.begun());
        assert!(spans.windows(2).all(|pair| pair[0].to == pair[1].from));

        let mut public = Timeline::begin();
        public.end(Stage::Route);
        public.end(Stage::Identity);
        assert_eq!(stages(&public), ["route", "identity"]);
    }
}

//! How a request ended: one closed list of codes for metrics, logs and `explain`.

use sidegate_config::Rule;
use sidegate_policy::Reason;

/// Why a request was forwarded or refused. `name` is the label of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// Allowed: the route asks for nothing.
    Public,
    /// Allowed: a preflight, forwarded without identity.
    Preflight,
    /// Answered: a preflight, by ourselves.
    PreflightAnswered,
    /// Allowed: a verified subject, on a route that asks for no more.
    Authenticated,
    /// Allowed or denied by the policy.
    Decision(Reason),
    /// 400: the head could be read in two ways.
    MalformedHead,
    /// 400: the target could be read in two ways.
    MalformedTarget,
    /// 400: a rule of strictness is broken; 408 for a slow body.
    Strict(Rule),
    /// 408: the head did not arrive in time.
    HeadTooSlow,
    /// 431: the head is too large, or has too many lines.
    HeadTooLarge,
    /// 414: the target is too long.
    TargetTooLong,
    /// 413: the body is too long.
    BodyTooLarge,
    /// 408: the body fell silent.
    BodyTimedOut,
    /// 400: the body's chunks are malformed.
    MalformedBody,
    /// 429: too many bad credentials from one client.
    Throttled,
    /// 400: two credentials.
    DoubledCredential,
    /// 400: the resource's id is missing or doubled.
    UnnamedResource,
    /// 401: no credential.
    MissingCredential,
    /// 401: a credential that is not good.
    InvalidCredential,
    /// 401: a link that is not good.
    InvalidLink,
    /// 403: a cookie or preflight from an origin that is not allowed.
    OriginNotAllowed,
    /// 403: a service key that is for nothing that the route asks for.
    InsufficientScope,
    /// 404: no such route.
    NoRoute,
    /// 503: the keys of the token's issuer cannot be had.
    KeysUnavailable,
    /// 503: the issuer of the token, who is to be asked about it, does not answer.
    IssuerUnavailable,
    /// 503: the store does not answer.
    StoreUnavailable,
    /// 503: the store does not answer in time.
    StoreTimedOut,
    /// 503: the store refuses to answer.
    StoreRefused,
    /// 503: the store's answer cannot be understood.
    StoreMalformed,
    /// 503: the decision took too long.
    DecisionTimeout,
    /// The client left, or a phase failed, before there was a verdict.
    Abandoned,
    /// 500: a fault of our own.
    Internal,
}

/// How a request ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It went on.
    Allow,
    /// It was refused for what it is.
    Deny,
    /// It could not be decided.
    Error,
}

impl Outcome {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Deny, Self::Error];

    /// Its name in metrics, logs and `explain`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }

    /// Its place in [`Outcome::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The codes that are not a rule's or the policy's.
const OWN: [Code; 30] = [
    Code::Public,
    Code::Preflight,
    Code::PreflightAnswered,
    Code::Authenticated,
    Code::MalformedHead,
    Code::MalformedTarget,
    Code::HeadTooSlow,
    Code::HeadTooLarge,
    Code::TargetTooLong,
    Code::BodyTooLarge,
    Code::BodyTimedOut,
    Code::MalformedBody,
    Code::Throttled,
    Code::DoubledCredential,
    Code::UnnamedResource,
    Code::MissingCredential,
    Code::InvalidCredential,
    Code::InvalidLink,
    Code::OriginNotAllowed,
    Code::InsufficientScope,
    Code::NoRoute,
    Code::KeysUnavailable,
    Code::IssuerUnavailable,
    Code::StoreUnavailable,
    Code::StoreTimedOut,
    Code::StoreRefused,
    Code::StoreMalformed,
    Code::DecisionTimeout,
    Code::Abandoned,
    Code::Internal,
];

impl Code {
    /// How many there are.
    pub const COUNT: usize = OWN.len() + Rule::ALL.len() + Reason::ALL.len();

    /// Every code.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = OWN.to_vec();
        all.extend(Rule::ALL.map(Self::Strict));
        all.extend(Reason::ALL.map(Self::Decision));
        all
    }

    /// Its place in [`Code::all`].
    #[must_use]
    pub const fn index(self) -> usize {
        const RULES: usize = OWN.len();
        const REASONS: usize = RULES + Rule::ALL.len();
        match self {
            Self::Public => 0,
            Self::Preflight => 1,
            Self::PreflightAnswered => 2,
            Self::Authenticated => 3,
            Self::MalformedHead => 4,
            Self::MalformedTarget => 5,
            Self::HeadTooSlow => 6,
            Self::HeadTooLarge => 7,
            Self::TargetTooLong => 8,
            Self::BodyTooLarge => 9,
            Self::BodyTimedOut => 10,
            Self::MalformedBody => 11,
            Self::Throttled => 12,
            Self::DoubledCredential => 13,
            Self::UnnamedResource => 14,
            Self::MissingCredential => 15,
            Self::InvalidCredential => 16,
            Self::InvalidLink => 17,
            Self::OriginNotAllowed => 18,
            Self::InsufficientScope => 19,
            Self::NoRoute => 20,
            Self::KeysUnavailable => 21,
            Self::IssuerUnavailable => 22,
            Self::StoreUnavailable => 23,
            Self::StoreTimedOut => 24,
            Self::StoreRefused => 25,
            Self::StoreMalformed => 26,
            Self::DecisionTimeout => 27,
            Self::Abandoned => 28,
            Self::Internal => 29,
            Self::Strict(rule) => RULES + rule as usize,
            Self::Decision(reason) => REASONS + reason as usize,
        }
    }

    /// The name used in metrics, logs and `explain`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Preflight => "preflight",
            Self::PreflightAnswered => "preflight_answered",
            Self::Authenticated => "authenticated",
            Self::Decision(reason) => reason.name(),
            Self::MalformedHead => "malformed_head",
            Self::MalformedTarget => "malformed_target",
            Self::Strict(rule) => rule.name(),
            Self::HeadTooSlow => "head_too_slow",
            Self::HeadTooLarge => "head_too_large",
            Self::TargetTooLong => "target_too_long",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTimedOut => "body_timed_out",
            Self::MalformedBody => "malformed_body",
            Self::Throttled => "throttled",
            Self::DoubledCredential => "doubled_credential",
            Self::UnnamedResource => "unnamed_resource",
            Self::MissingCredential => "missing_credential",
            Self::InvalidCredential => "invalid_credential",
            Self::InvalidLink => "invalid_link",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::InsufficientScope => "insufficient_scope",
            Self::NoRoute => "no_route",
            Self::KeysUnavailable => "keys_unavailable",
            Self::IssuerUnavailable => "issuer_unavailable",
            Self::StoreUnavailable => "store_unavailable",
            Self::StoreTimedOut => "store_timed_out",
            Self::StoreRefused => "store_refused",
            Self::StoreMalformed => "store_malformed",
            Self::DecisionTimeout => "decision_timeout",
            Self::Abandoned => "abandoned",
            Self::Internal => "internal",
        }
    }

    /// Whether the request went on, was refused for what it is, or could not be decided.
    #[must_use]
    pub const fn outcome(self) -> &'static str {
        self.ended().name()
    }

    /// The same.
    #[must_use]
    pub const fn ended(self) -> Outcome {
        match self {
            Self::Public | Self::Preflight | Self::PreflightAnswered | Self::Authenticated => {
                Outcome::Allow
            }
            Self::Decision(reason) => match reason.effect() {
                sidegate_policy::Effect::Allow => Outcome::Allow,
                sidegate_policy::Effect::Deny => Outcome::Deny,
            },
            Self::MalformedHead
            | Self::MalformedTarget
            | Self::Strict(_)
            | Self::HeadTooSlow
            | Self::HeadTooLarge
            | Self::TargetTooLong
            | Self::BodyTooLarge
            | Self::BodyTimedOut
            | Self::MalformedBody
            | Self::Throttled
            | Self::DoubledCredential
            | Self::UnnamedResource
            | Self::MissingCredential
            | Self::InvalidCredential
            | Self::InvalidLink
            | Self::OriginNotAllowed
            | Self::InsufficientScope
            | Self::NoRoute => Outcome::Deny,
            Self::KeysUnavailable
            | Self::IssuerUnavailable
            | Self::StoreUnavailable
            | Self::StoreTimedOut
            | Self::StoreRefused
            | Self::StoreMalformed
            | Self::DecisionTimeout
            | Self::Abandoned
            | Self::Internal => Outcome::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_place() {
        let all = Code::all();
        assert_eq!(all.len(), Code::COUNT);
        for (place, code) in all.iter().enumerate() {
            assert_eq!(code.index(), place, "{code:?}");
        }
        for (place, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(outcome.index(), place);
        }
    }
}

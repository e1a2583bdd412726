//! The rules of strictness that may be relaxed, and how they are applied.
//!
//! Promise: relaxing a rule opens no way around a decision. What a relaxed rule lets through is made
//! canonical, dropped, or leads to the same route in every reading; a body that the application may not
//! read ends its connection, so that it cannot be taken for another request. Whatever could be read in two
//! ways is refused by rules that have no name here.

/// A rule that a route may relax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Lines of the head end in CRLF (RFC 9112 section 2.2). Relaxed: a bare LF ends one too.
    BareLf,
    /// Values of headers are ASCII (RFC 9110 section 5.5). Relaxed: other bytes are passed on.
    ObsText,
    /// The target has no `#` (RFC 9112 section 3.2). Relaxed: what follows it is dropped.
    Fragment,
    /// Names of headers are letters, digits and `-`. Relaxed: other headers are dropped.
    HeaderNames,
    /// No `Trailer` is announced. Relaxed: the announcement and the trailers are dropped.
    Trailers,
    /// GET, HEAD, DELETE and OPTIONS have no body (RFC 9110 section 9.3). Relaxed: they may.
    UnexpectedBody,
    /// A path has no `;`. Relaxed: it may, where the path leads to the same route without it.
    MatrixParameters,
    /// A body arrives at `limits.min_body_rate` at least. Relaxed: at any pace.
    SlowBody,
}

impl Rule {
    /// Every rule, in the order in which they are named.
    pub const ALL: [Self; 8] = [
        Self::BareLf,
        Self::ObsText,
        Self::Fragment,
        Self::HeaderNames,
        Self::Trailers,
        Self::UnexpectedBody,
        Self::MatrixParameters,
        Self::SlowBody,
    ];

    /// Its name in the configuration, metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BareLf => "bare_lf",
            Self::ObsText => "obs_text",
            Self::Fragment => "fragment",
            Self::HeaderNames => "header_names",
            Self::Trailers => "trailers",
            Self::UnexpectedBody => "unexpected_body",
            Self::MatrixParameters => "matrix_parameters",
            Self::SlowBody => "slow_body",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::BareLf => 1,
            Self::ObsText => 1 << 1,
            Self::Fragment => 1 << 2,
            Self::HeaderNames => 1 << 3,
            Self::Trailers => 1 << 4,
            Self::UnexpectedBody => 1 << 5,
            Self::MatrixParameters => 1 << 6,
            Self::SlowBody => 1 << 7,
        }
    }
}

/// A set of rules: those that a request broke, or that a route relaxes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules(u8);

impl Rules {
    /// No rule.
    pub const NONE: Self = Self(0);

    /// Adds a rule.
    pub const fn insert(&mut self, rule: Rule) {
        self.0 |= rule.bit();
    }

    /// Whether a rule is in it.
    #[must_use]
    pub const fn contains(self, rule: Rule) -> bool {
        self.0 & rule.bit() != 0
    }

    /// Those that are in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The rules, in order.
    pub fn iter(self) -> impl Iterator<Item = Rule> {
        Rule::ALL
            .into_iter()
            .filter(move |rule| self.contains(*rule))
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        let mut all = Self::NONE;
        for rule in rules {
            all.insert(rule);
        }
        all
    }
}

/// What happens to a request that breaks a rule which its route does not relax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// It is refused.
    Strict,
    /// It is counted and logged, and goes on as if the route had relaxed the rule.
    ReportOnly,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_one_of_the_set_and_has_a_name_of_its_own() {
        let all: Rules = Rule::ALL.into_iter().collect();
        assert_eq!(all.iter().collect::<Vec<_>>(), Rule::ALL);
        for rule in Rule::ALL {
            let one: Rules = [rule].into_iter().collect();
            assert_eq!(one.iter().collect::<Vec<_>>(), [rule]);
            assert!(!all.without(one).contains(rule) && one.without(all).is_empty());
        }
        let names: std::collections::BTreeSet<_> = Rule::ALL.map(Rule::name).into();
        assert_eq!(names.len(), Rule::ALL.len());
    }
}

//! What is to hold of a run: `p95 < 75ms`, `errors < 0.1%`, `l1_hits > 95%`, `let_in = 0`, `rate > 490/s`.
//!
//! Promises: a limit that is accepted can be judged; a bound has the unit of its figure. A figure that a
//! run does not have (a percentile without answers, hits that nobody counted) meets no limit.
//!
//! Does not: know what is a good limit.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::document::{Tiers, Verdict};
use crate::figure;
use crate::report::Report;

/// A bound for one figure of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    figure: Figure,
    side: Side,
    bound: f64,
    text: String,
}

/// What a limit can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Half of the answers came within.
    P50,
    /// 90 % did.
    P90,
    /// 95 % did.
    P95,
    /// 99 % did.
    P99,
    /// 99.9 % did.
    P999,
    /// All did.
    Max,
    /// Of all answers.
    Mean,
    /// The share of arrivals without an answer, or with the wrong one.
    Errors,
    /// The share of questions that memory answered.
    L1Hits,
    /// Of the questions past memory, the share that Redis answered.
    L2Hits,
    /// Answers a second.
    Rate,
    /// Answers that were to be others.
    Unexpected,
    /// Those that let in who was to be refused.
    LetIn,
    /// Arrivals that were never sent.
    Unsent,
}

/// Where a figure is to be, seen from the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Below,
    AtMost,
    Above,
    AtLeast,
    At,
}

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds; a bound is written with `us`, `ms` or `s`.
    Time,
    /// 0 to 1; a bound is written in percent.
    Share,
    /// Each second.
    Rate,
    /// One by one.
    Count,
}

/// Why a text is not a limit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LimitError {
    /// No comparison in it.
    #[error("{0:?}: expected a figure, one of < <= > >= =, and a bound, such as p95 < 75ms")]
    Shape(String),
    /// Not one of those that a run has.
    #[error("{text:?}: no figure {name:?}; there are {}", Figure::names())]
    Figure {
        /// The limit.
        text: String,
        /// Which.
        name: String,
    },
    /// Not a number with the unit of the figure.
    #[error("{text:?}: expected {} instead of {bound:?}", .unit.wanted())]
    Bound {
        /// The limit.
        text: String,
        /// The figure's.
        unit: Unit,
        /// What was given.
        bound: String,
    },
}

impl Limit {
    /// Whether it holds of a run.
    #[must_use]
    pub fn judge(&self, report: &Report, tiers: Option<&Tiers>) -> Verdict {
        let found = self.figure.of(report, tiers);
        let is_met = found.is_some_and(|found| match self.side {
            Side::Below => found < self.bound,
            Side::AtMost => found <= self.bound,
            Side::Above => found > self.bound,
            Side::AtLeast => found >= self.bound,
            Side::At => (found - self.bound).abs() < f64::EPSILON,
        });
        Verdict {
            limit: self.to_string(),
            found: match found {
                Some(found) => self.figure.unit().shown(found),
                None => self.figure.missing().to_owned(),
            },
            is_met,
        }
    }
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let shape = || LimitError::Shape(text.to_owned());
        let place = text.find(['<', '>', '=']).ok_or_else(shape)?;
        let (name, rest) = text.split_at(place);
        let (name, (sign, side, bound)) = (name.trim(), split(rest).ok_or_else(shape)?);
        let bound = bound.trim();
        let mut all = Figure::ALL.into_iter();
        let figure = all.find(|figure| figure.name() == name);
        let figure = figure.ok_or_else(|| LimitError::Figure {
            text: text.to_owned(),
            name: name.to_owned(),
        })?;
        let unit = figure.unit();
        Ok(Self {
            figure,
            side,
            bound: unit.read(bound).ok_or_else(|| LimitError::Bound {
                text: text.to_owned(),
                unit,
                bound: bound.to_owned(),
            })?,
            text: format!("{name} {sign} {bound}"),
        })
    }
}

/// As it was written.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Figure {
    /// Every one, in the order in which they are named to people.
    pub const ALL: [Self; 14] = [
        Self::P50,
        Self::P90,
        Self::P95,
        Self::P99,
        Self::P999,
        Self::Max,
        Self::Mean,
        Self::Errors,
        Self::L1Hits,
        Self::L2Hits,
        Self::Rate,
        Self::Unexpected,
        Self::LetIn,
        Self::Unsent,
    ];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::P999 => "p999",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Errors => "errors",
            Self::L1Hits => "l1_hits",
            Self::L2Hits => "l2_hits",
            Self::Rate => "rate",
            Self::Unexpected => "unexpected",
            Self::LetIn => "let_in",
            Self::Unsent => "unsent",
        }
    }

    /// What it is counted in.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::P50 | Self::P90 | Self::P95 | Self::P99 | Self::P999 | Self::Max | Self::Mean => {
                Unit::Time
            }
            Self::Errors | Self::L1Hits | Self::L2Hits => Unit::Share,
            Self::Rate => Unit::Rate,
            Self::Unexpected | Self::LetIn | Self::Unsent => Unit::Count,
        }
    }

    /// That of a run, where it has one.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds and counts are below 2^52"
    )]
    pub fn of(self, report: &Report, tiers: Option<&Tiers>) -> Option<f64> {
        // What has no answer has no latency, and is slower than everything that has.
        let lost = report.errors.total().saturating_add(report.unsent) as f64;
        let lost = lost / report.arrivals.max(1) as f64;
        let within = |share: f64| report.latency.as_ref().filter(|_| lost <= 1.0 - share);
        match self {
            Self::P50 => within(0.5).map(|all| all.p50 as f64),
            Self::P90 => within(0.9).map(|all| all.p90 as f64),
            Self::P95 => within(0.95).map(|all| all.p95 as f64),
            Self::P99 => within(0.99).map(|all| all.p99 as f64),
            Self::P999 => within(0.999).map(|all| all.p999 as f64),
            Self::Max => report.latency.as_ref().map(|all| all.max as f64),
            Self::Mean => report.latency.as_ref().map(|all| all.mean),
            Self::Errors => Some(report.error_share()),
            Self::L1Hits => tiers.filter(|all| all.total() > 0).map(Tiers::l1_share),
            Self::L2Hits => {
                let past = |all: &&Tiers| all.total() > all.l1 + all.stale;
                tiers.filter(past).map(Tiers::l2_share)
            }
            Self::Rate => Some(report.achieved_rate),
            Self::Unexpected => Some(report.unexpected as f64),
            Self::LetIn => Some(report.let_in as f64),
            Self::Unsent => Some(report.unsent as f64),
        }
    }

    /// Why a run does not have it.
    fn missing(self) -> &'static str {
        match self.unit() {
            Unit::Time => "too few answers",
            Unit::Share | Unit::Rate | Unit::Count => "not counted",
        }
    }

    fn names() -> String {
        Self::ALL.map(Self::name).join(" ")
    }
}

impl Unit {
    /// A figure of this unit, for people.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts are whole and not negative"
    )]
    pub fn shown(self, figure: f64) -> String {
        match self {
            Self::Time => figure::time(figure),
            Self::Share => figure::share(figure),
            Self::Rate => figure::rate(figure),
            Self::Count => figure::count(figure as u64),
        }
    }

    /// A bound.
    fn read(self, text: &str) -> Option<f64> {
        match self {
            Self::Time => {
                let units = [
                    ("us", 1.0),
                    ("µs", 1.0),
                    ("ms", 1_000.0),
                    ("s", 1_000_000.0),
                ];
                let mut units = units.into_iter();
                units.find_map(|(unit, us)| Some(number(text.strip_suffix(unit)?)? * us))
            }
            Self::Share => percent(text),
            Self::Rate => number(text.strip_suffix("/s")?),
            Self::Count => text.parse::<u32>().ok().map(f64::from),
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::Time => "a time, such as 75ms,",
            Self::Share => "a share, such as 0.1%,",
            Self::Rate => "a rate, such as 490/s,",
            Self::Count => "a whole number, such as 0,",
        }
    }
}

/// A share that is written in percent.
pub(crate) fn percent(text: &str) -> Option<f64> {
    Some(number(text.strip_suffix('%')?)? / 100.0)
}

/// Digits, with a point among them or not: neither signs nor exponents nor infinities.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_plain = text
        .chars()
        .all(|sign| sign.is_ascii_digit() || sign == '.');
    is_plain.then(|| text.parse().ok())?
}

/// The sign, what it means, and what is behind it.
fn split(text: &str) -> Option<(&'static str, Side, &str)> {
    let signs = [
        ("<=", Side::AtMost),
        (">=", Side::AtLeast),
        ("<", Side::Below),
        (">", Side::Above),
        ("=", Side::At),
    ];
    let mut signs = signs.into_iter();
    signs.find_map(|(sign, side)| Some((sign, side, text.strip_prefix(sign)?)))
}

#[cfg(test)]
mod tests;

//! What an instance says about a run: where rows came from, and where the time went.
//!
//! Promises: everything is the difference of two readings of its metrics, one before the measured time and its
//! warm-up and one after.
//!
//! Does not: know what the client saw; that is the report's.

use crate::document::{Owner, Part, Tiers};
use crate::report::Report;
use crate::scrape::Scrape;

/// Two readings.
pub(crate) struct Reading {
    pub(crate) before: Scrape,
    pub(crate) after: Scrape,
}

impl Reading {
    /// Questions by tier.
    pub(crate) fn tiers(&self) -> Tiers {
        let of = |tier: &str| self.count("sidegate_answers_total", &[&format!("tier=\"{tier}\"")]);
        Tiers {
            l1: of("l1"),
            l2: of("l2"),
            view: of("view"),
            store: of("store"),
            stale: of("l1_stale"),
        }
    }

    /// The parts of the mean request, as Sidegate sees them, and what is left of what the client sees.
    pub(crate) fn flow(&self, report: &Report) -> Vec<Part> {
        let stage =
            |stage: &str| self.mean("sidegate_stage_seconds", &[&format!("stage=\"{stage}\"")]);
        let parts = [
            ("route", stage("route"), Owner::Sidegate),
            ("authenticate", stage("authenticate"), Owner::Sidegate),
            ("authorize", stage("authorize"), Owner::Sidegate),
            ("identity", stage("identity"), Owner::Sidegate),
            ("application", stage("upstream"), Owner::Application),
            ("answer", stage("answer"), Owner::Sidegate),
        ];
        let mut flow: Vec<Part> = parts
            .map(|(name, mean_us, owner)| Part {
                name: name.to_owned(),
                mean_us,
                owner,
            })
            .into();
        let known: f64 = flow.iter().map(|part| part.mean_us).sum();
        let seen = report.latency.map_or(0.0, |latency| latency.mean);
        flow.push(Part {
            name: "sockets, scheduling and the client".to_owned(),
            mean_us: (seen - known).max(0.0),
            owner: Owner::Network,
        });
        flow
    }

    /// By how much a counter has risen.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a counter's difference, never negative"
    )]
    pub(crate) fn count(&self, name: &str, labels: &[&str]) -> u64 {
        let (after, before) = (self.after.sum(name, labels), self.before.sum(name, labels));
        (after - before).max(0.0).round() as u64
    }

    /// Of a histogram, in microseconds.
    fn mean(&self, name: &str, labels: &[&str]) -> f64 {
        let since = |name: &str| self.after.sum(name, labels) - self.before.sum(name, labels);
        let (sum, count) = (
            since(&format!("{name}_sum")),
            since(&format!("{name}_count")),
        );
        if count > 0.0 {
            (sum / count * 1e6).round()
        } else {
            0.0
        }
    }
}

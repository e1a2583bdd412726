//! Every metric that there is.
//!
//! Promise: what is not listed here is not documented, and a check compares both with what a running process
//! tells (`scripts/check-observability`).

use super::{
    DECISION, DEGRADED, Definition, FAILURES, PROCESS, REQUESTS, RESPONSES, STAGES, WHOLE,
    of_the_system,
};
use crate::{
    access_log, authn, breaker, cache, coherence, database, decisions, link, media, trace,
};

/// Some metrics that are about one thing.
#[derive(Debug)]
pub struct Section {
    /// What they are about.
    pub title: &'static str,
    /// The metrics.
    pub metrics: Vec<&'static Definition>,
}

/// All of them, in the order of the documentation.
#[must_use]
pub fn sections() -> Vec<Section> {
    let section = |title, parts: &[&[&'static Definition]]| Section {
        title,
        metrics: parts.concat(),
    };
    vec![
        section(
            "Requests",
            &[
                &[&REQUESTS, &RESPONSES, &WHOLE, &DECISION, &STAGES, &DEGRADED],
                &access_log::METRICS,
                &trace::METRICS,
                &decisions::METRICS,
            ],
        ),
        section(
            "Credentials",
            &[&[&FAILURES], &authn::METRICS.concat(), &link::METRICS],
        ),
        section("What is kept", &[&cache::METRICS]),
        section("How it is kept true", &[&coherence::gauges::METRICS]),
        section("The database", &[&database::METRICS]),
        section("Media", &[&media::METRICS]),
        section("Breakers", &[&breaker::METRICS]),
        section("The process", &[&PROCESS, &of_the_system()]),
    ]
}

/// All of them.
#[must_use]
pub fn all() -> Vec<&'static Definition> {
    let sections = sections();
    sections
        .into_iter()
        .flat_map(|section| section.metrics)
        .collect()
}

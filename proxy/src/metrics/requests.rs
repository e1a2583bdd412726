//! What becomes of requests, and how long it takes.
//!
//! Promise: telling about one request is a dozen additions at places that were found when the configuration was
//! read: nothing is looked up by label, allocated or waited for. There is a series for each route, outcome and
//! reason that has occurred, so at most routes × reasons; nothing of a request is a label. Counts go on
//! over a reload, by the routes' ids.

use std::array;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use prometheus::Histogram;

use super::definition::{Definition, Label};
use super::scrape::{Scrape, histogram};
use crate::authn::AuthnError;
use crate::observation::{Stage, Timeline};
use crate::outcome::{Code, Outcome};
use crate::route::Route;

/// What is told about requests.
#[derive(Debug)]
pub struct RequestMetrics {
    /// Of requests to which no route applied.
    without_route: Arc<Counts>,
    routes: Vec<(Arc<str>, Arc<Counts>)>,
    shared: Arc<Shared>,
}

/// One route's, by [`Code::index`].
#[derive(Debug)]
struct Counts([AtomicU64; Code::COUNT]);

/// What is not told apart by route.
#[derive(Debug)]
struct Shared {
    whole: [Histogram; 3],
    decision: [Histogram; 3],
    stages: [Histogram; Stage::ALL.len()],
    failures: [AtomicU64; AuthnError::COUNT],
    degraded: [AtomicU64; Degraded::ALL.len()],
    /// Of the application, and of our own.
    answers: [[AtomicU64; CLASSES.len()]; BY.len()],
}

/// What clients were answered, by the first digit.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
const BY: [&str; 2] = ["application", "sidegate"];

/// What an answer was given without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Degraded {
    /// Facts or a credential that were looked at within the bound: the route accepts older ones.
    Stale,
    /// The word of the token's issuer, which could not be asked.
    Introspection,
}

const OUTCOME: Label = Label::closed("outcome", || Outcome::ALL.map(Outcome::name).into());

/// Requests.
pub(crate) static REQUESTS: Definition = Definition::counter(
    "sidegate_requests_total",
    "Requests, by the route that applied, how they ended and why; those that last are counted when they end",
)
.by(&[
    Label::configured("route", "`routes[].id`"),
    OUTCOME,
    Label::closed("reason", || Code::all().into_iter().map(Code::name).collect()),
]);
/// Their time.
pub(crate) static WHOLE: Definition = Definition::histogram(
    "sidegate_request_seconds",
    "From a request's head to the head of its answer, the application's part included; how long an answer takes to pass is not in it, \
     so a stream of events is not either",
)
.by(&[OUTCOME]);
/// Our share of it.
pub(crate) static DECISION: Definition = Definition::histogram(
    "sidegate_decision_seconds",
    "From a request's head to its being handed on or refused: what Sidegate adds in front of the application",
)
.by(&[OUTCOME]);
/// Where it goes.
pub(crate) static STAGES: Definition = Definition::histogram(
    "sidegate_stage_seconds",
    "The stages of requests; one that is refused has ended in one of them. `upstream` is the application's time to the head of its answer",
)
.by(&[Label::closed("stage", || Stage::ALL.map(Stage::name).into())]);
/// Why nobody was there.
pub(crate) static FAILURES: Definition = Definition::counter(
    "sidegate_authentication_failures_total",
    "Requests without a principal, by what was wrong with the credential",
)
.by(&[Label::closed("reason", || {
    AuthnError::all()
        .into_iter()
        .map(AuthnError::name)
        .collect()
})]);
/// What was allowed all the same.
pub(crate) static DEGRADED: Definition = Definition::counter(
    "sidegate_degraded_answers_total",
    "Requests that were allowed although something could not be asked, as the configuration accepts, by what",
)
.by(&[Label::closed("how", || Degraded::ALL.map(Degraded::name).into())]);

/// What clients saw.
pub(crate) static RESPONSES: Definition = Definition::counter(
    "sidegate_responses_total",
    "Answers, by the class of their status and by whom; `none`: the client got no answer",
)
.by(&[
    Label::closed("class", || CLASSES.into()),
    Label::closed("by", || BY.into()),
]);

/// The bounds of all durations of requests: three a decade from 10 µs to 10 s, and those that objectives are
/// stated in.
const BOUNDS: [f64; 22] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.015,
    0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

impl RequestMetrics {
    /// For these routes; what is known of them goes on.
    ///
    /// # Errors
    /// When the bounds of a histogram do not rise, which a test rules out.
    pub fn new<'r>(
        routes: impl Iterator<Item = &'r Arc<Route>>,
        known: Option<&Self>,
    ) -> Result<Self, prometheus::Error> {
        let counts = |id: &str| {
            let known = known.and_then(|known| known.of_id(id));
            known.map_or_else(Arc::default, Arc::clone)
        };
        Ok(Self {
            without_route: known
                .map_or_else(Arc::default, |known| Arc::clone(&known.without_route)),
            routes: routes
                .map(|route| (Arc::clone(&route.id), counts(&route.id)))
                .collect(),
            shared: match known {
                Some(known) => Arc::clone(&known.shared),
                None => Arc::new(Shared::new()?),
            },
        })
    }

    /// Counts one request.
    pub fn count(&self, route: Option<&Route>, code: Code) {
        let of_route = route.and_then(|route| self.routes.get(route.index));
        let counts = of_route.map_or(&self.without_route, |(_, counts)| counts);
        add(counts.0.get(code.index()));
    }

    /// Notes the time that one request took.
    pub fn time(&self, timeline: &Timeline, outcome: Outcome) {
        let shared = &*self.shared;
        let (mut decided, mut answered) = (None, None);
        for span in timeline.spans() {
            if let Some(stage) = shared.stages.get(span.stage as usize) {
                stage.observe(span.to.since(span.from).as_secs_f64());
            }
            match span.stage {
                Stage::Route | Stage::Authenticate | Stage::Authorize | Stage::Identity => {
                    decided = Some(span.to);
                    answered = Some(span.to);
                }
                Stage::Upstream => answered = Some(span.to),
                Stage::Answer => {}
            }
        }
        for (histograms, end) in [(&shared.decision, decided), (&shared.whole, answered)] {
            if let Some(end) = end
                && let Some(histogram) = histograms.get(outcome.index())
            {
                histogram.observe(end.since(timeline.begun()).as_secs_f64());
            }
        }
    }

    /// Counts what a client was answered, if it was, and by whom.
    pub fn answered(&self, status: Option<StatusCode>, by_application: bool) {
        let class = status.map_or(0, |status| usize::from(status.as_u16() / 100));
        let answers = self.shared.answers.get(usize::from(!by_application));
        add(answers.and_then(|answers| answers.get(class)));
    }

    /// Counts a request without a principal.
    pub fn authentication_failed(&self, error: AuthnError) {
        add(self.shared.failures.get(error.index()));
    }

    /// Counts a request that was allowed without something.
    pub fn degraded(&self, how: Degraded) {
        add(self.shared.degraded.get(how as usize));
    }

    /// Reads all of it.
    pub fn gather(&self, scrape: &mut Scrape) {
        let without = ("", &self.without_route);
        let routes = self.routes.iter().map(|(id, counts)| (&**id, counts));
        for (id, counts) in routes.chain([without]) {
            for (code, count) in Code::all().into_iter().zip(&counts.0) {
                let count = count.load(Ordering::Relaxed);
                // One of each outcome is there from the beginning: a sum over none is not zero.
                let is_first = [Code::Public, Code::NoRoute, Code::Internal].contains(&code);
                if count > 0 || (id.is_empty() && is_first) {
                    let labels = [id, code.outcome(), code.name()];
                    scrape.add(&REQUESTS, &labels, count);
                }
            }
        }
        let shared = &*self.shared;
        for (definition, histograms) in [(&WHOLE, &shared.whole), (&DECISION, &shared.decision)] {
            for (outcome, histogram) in Outcome::ALL.iter().zip(histograms) {
                scrape.observed(definition, &[outcome.name()], histogram);
            }
        }
        for (stage, histogram) in Stage::ALL.iter().zip(&shared.stages) {
            scrape.observed(&STAGES, &[stage.name()], histogram);
        }
        for (error, count) in AuthnError::all().iter().zip(&shared.failures) {
            scrape.add(&FAILURES, &[error.name()], count.load(Ordering::Relaxed));
        }
        for (by, answers) in BY.iter().zip(&shared.answers) {
            for (class, count) in CLASSES.iter().zip(answers) {
                scrape.add(&RESPONSES, &[class, by], count.load(Ordering::Relaxed));
            }
        }
        for (how, count) in Degraded::ALL.iter().zip(&shared.degraded) {
            scrape.add(&DEGRADED, &[how.name()], count.load(Ordering::Relaxed));
        }
    }

    fn of_id(&self, id: &str) -> Option<&Arc<Counts>> {
        let mut routes = self.routes.iter();
        routes
            .find(|(known, _)| **known == *id)
            .map(|(_, counts)| counts)
    }
}

impl Degraded {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Stale, Self::Introspection];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Introspection => "introspection",
        }
    }
}

impl Shared {
    fn new() -> Result<Self, prometheus::Error> {
        let of = |definition| histogram(definition, &BOUNDS);
        let three = |definition| {
            Ok::<_, prometheus::Error>([of(definition)?, of(definition)?, of(definition)?])
        };
        let stage = || of(&STAGES);
        Ok(Self {
            whole: three(&WHOLE)?,
            decision: three(&DECISION)?,
            stages: [stage()?, stage()?, stage()?, stage()?, stage()?, stage()?],
            failures: array::from_fn(|_| AtomicU64::new(0)),
            degraded: array::from_fn(|_| AtomicU64::new(0)),
            answers: array::from_fn(|_| array::from_fn(|_| AtomicU64::new(0))),
        })
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

fn add(count: Option<&AtomicU64>) {
    if let Some(count) = count {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

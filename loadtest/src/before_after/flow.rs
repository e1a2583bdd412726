//! Where the time of a request goes, in the shape in which it was first told.
//!
//! Promises: means, which add up; what is nobody's is told as such. What the application takes to send, after the head
//! of its answer, is what is planned. Does not: judge.

use super::application::Timed;
use super::chapter::Chapter;
use crate::app::Profile;
use crate::document::{Owner, Part, Table};
use crate::figure;
use crate::report::Report;
use crate::scenario::reading::Reading;
use crate::scrape::Scrape;

/// Of an application that is asked directly: its own steps, and what is left.
pub(super) fn of_steps(timed: &Timed, report: &Report) -> Vec<Part> {
    let part = |(name, ms): &(String, f64)| part(name, ms * 1000.0, Owner::Application);
    rest(timed.steps.iter().map(part).collect(), report)
}

/// Of an application behind Sidegate.
pub(super) fn behind(reading: &Reading, profile: Profile, report: &Report) -> Vec<Part> {
    let mut parts = reading.flow(report);
    // What is left is told anew, after what the application sends.
    parts.retain(|part| part.owner != Owner::Network);
    let (_, sending) = profile.times();
    let sending = sending.as_secs_f64() * 1e6;
    parts.push(part("sending, as planned", sending, Owner::Application));
    rest(parts, report)
}

/// Sidegate's share in milliseconds: the mean, the p95 within its bucket, and that bucket's upper bound.
pub(super) fn share(reading: &Reading) -> Option<[f64; 3]> {
    let Reading { before, after } = reading;
    let since = |name: &str| after.sum(name, ALLOWED) - before.sum(name, ALLOWED);
    let sum = since("sidegate_decision_seconds_sum");
    let mean = sum / since("sidegate_decision_seconds_count");
    let buckets = |scrape: &Scrape| scrape.buckets(SHARE, ALLOWED);
    let during = buckets(after).since(&buckets(before));
    let p95 = during.interpolated(0.95)?;
    let bound = during.quantile(0.95)?;
    Some([mean, p95, bound].map(|seconds| seconds * 1000.0))
}

/// Each step beside what it is today and what is planned.
pub(super) fn steps(chapters: &[Chapter]) -> Table {
    let mut columns = vec!["step".to_owned(), "today, as told".to_owned()];
    columns.extend(chapters.iter().map(|it| it.measured.name.clone()));
    let mut rows: Vec<Vec<String>> = STEPS
        .iter()
        .map(|step| {
            let today = format!("{} ms", step.today);
            let found = chapters.iter().map(|chapter| step.of(chapter));
            let found = found.map(|us| us.map_or("-".to_owned(), figure::time));
            [step.name.to_owned(), today]
                .into_iter()
                .chain(found)
                .collect()
        })
        .collect();
    let whole = chapters.iter().map(|chapter| {
        let latency = chapter.measured.report.latency;
        latency.map_or("-".to_owned(), |latency| figure::time(latency.mean))
    });
    let first = ["the whole".to_owned(), "970 ms".to_owned()];
    rows.push(first.into_iter().chain(whole).collect());
    Table {
        title: "Where the time goes, in the mean".to_owned(),
        columns,
        rows,
        notes: NOTES.map(str::to_owned).to_vec(),
    }
}

/// Sidegate's own share of a request.
pub(super) fn shares(chapters: &[Chapter]) -> Table {
    let of = |chapter: &Chapter| {
        let [mean, p95, bound] = chapter.share?;
        let name = chapter.measured.name.clone();
        let times = [mean, p95, bound].map(|ms| figure::time(ms * 1000.0));
        Some([name].into_iter().chain(times).collect())
    };
    Table {
        title: "Sidegate's own share, from a request's head to its being handed on".to_owned(),
        columns: ["run", "mean", "p95, about", "p95, at most"].map(str::to_owned).to_vec(),
        rows: chapters.iter().filter_map(of).collect(),
        notes: vec![
            "By sidegate_decision_seconds: the p95 is placed within its bucket as if what is in it were spread evenly, \
             and is at most the bucket's upper bound. What the proxy costs beside it, sockets and passing the answer \
             on, is in the latencies that clients see."
                .to_owned(),
        ],
    }
}

/// A step of today's, and where it is found.
struct Step {
    name: &'static str,
    today: u32,
    /// In the application's own timing.
    legacy: &'static str,
    /// Behind Sidegate: parts of the flow.
    behind: &'static [&'static str],
}

impl Step {
    /// In microseconds; of what is not told apart, nothing.
    fn of(&self, chapter: &Chapter) -> Option<f64> {
        let is = |part: &&Part| match &chapter.timed {
            Some(_) => part.name == self.legacy,
            None => self.behind.contains(&part.name.as_str()),
        };
        let named = chapter.measured.flow.iter().filter(is);
        let sum: f64 = named.map(|part| part.mean_us).sum();
        let is_told = chapter.timed.is_some() || !self.behind.is_empty();
        is_told.then_some(sum)
    }
}

fn part(name: &str, mean_us: f64, owner: Owner) -> Part {
    Part {
        name: name.to_owned(),
        mean_us: mean_us.round(),
        owner,
    }
}

/// With what the client has seen beside them.
fn rest(mut parts: Vec<Part>, report: &Report) -> Vec<Part> {
    let known: f64 = parts.iter().map(|part| part.mean_us).sum();
    let seen = report.latency.map_or(0.0, |latency| latency.mean);
    let left = (seen - known).max(0.0);
    parts.push(part(
        "sockets, scheduling and the client",
        left,
        Owner::Network,
    ));
    parts
}

const SHARE: &str = "sidegate_decision_seconds";
const ALLOWED: &[&str] = &["outcome=\"allow\""];

const STEPS: [Step; 6] = [
    Step {
        name: "auth check",
        today: 150,
        legacy: "auth",
        behind: &["route", "authenticate", "identity"],
    },
    Step {
        name: "service key",
        today: 100,
        legacy: "service_key",
        behind: &[],
    },
    Step {
        name: "database query",
        today: 200,
        legacy: "database",
        behind: &[],
    },
    Step {
        name: "authorization",
        today: 300,
        legacy: "authorization",
        behind: &["authorize"],
    },
    Step {
        name: "business logic",
        today: 120,
        legacy: "work",
        behind: &["application"],
    },
    Step {
        name: "response",
        today: 100,
        legacy: "send",
        behind: &["sending, as planned", "answer"],
    },
];

const NOTES: [&str; 3] = [
    "Behind Sidegate the service key is part of the auth check, and the database query part of business logic: \
     nobody tells them apart there.",
    "Auth check, service key and authorization are Sidegate's; database query, business logic and response are the \
     application's. The planned values are 15 ms for security and auth, 25 for authorization, 20 for business \
     logic, 10 for sending and 5 for the request.",
    "Of the whole, what is in no step is sockets, scheduling and the client.",
];

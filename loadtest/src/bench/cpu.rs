//! Processor time of a hot request, beside what other proxies use for the same or less.
//!
//! Promises: each part is met when the upper end of the interval of the paired ratios' median is within its target;
//! the row is when all parts are. A part whose peer is not here leaves the row open, unless another part is missed.

use super::{Bench, BenchError, Found, Line, Row, line};
use crate::peers::{Comparison, Interval, Outcome, Peer, Skipped, compare};

/// Whose time, to whose, and at most how much of it.
const PARTS: [(Peer, Peer, f64); 5] = [
    (Peer::Sidegate, Peer::BarePingora, 1.05),
    (Peer::SidegateEveryLine, Peer::BarePingora, 1.12),
    (Peer::Sidegate, Peer::NginxAuthRequest, 0.70),
    (Peer::Sidegate, Peer::HaproxyJwt, 0.55),
    (Peer::Sidegate, Peer::EnvoyExtAuthz, 0.20),
];

pub(super) async fn beside_peers(bench: &Bench) -> Result<Found, BenchError> {
    let comparison = Comparison {
        sidegate: bench.sidegate.clone(),
        bare: bench.bare.clone(),
        envoy: bench.envoy.clone(),
        rounds: if bench.full {
            Comparison::FULL_ROUNDS
        } else {
            Comparison::ROUNDS
        },
        instructions: true,
        only: Vec::new(),
    };
    let outcome = compare(&comparison, |_event| {}).await.map_err(Box::new)?;
    Ok(Found {
        line: line(&outcome),
        runs: Vec::new(),
        tables: outcome.tables(),
    })
}

fn line(outcome: &Outcome) -> Line {
    let parts = PARTS.map(|(of, to, limit)| (outcome.ratio(of, to), of, to, limit));
    let (mut said, mut reasons, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for (ratio, of, to, limit) in &parts {
        let Some(Interval { low, median, high }) = ratio else {
            open.push(format!("{of} / {to}"));
            continue;
        };
        let is_within = high <= limit;
        if !is_within {
            reasons.push(format!(
                "{of} / {to} is up to {high:.2}, which is above {limit:.2}"
            ));
        }
        let verdict = if is_within { "met" } else { "missed" };
        said.push(format!(
            "{of} / {to} {median:.2} ({low:.2} to {high:.2}), wanted {limit:.2}: {verdict}"
        ));
    }
    if let Some(Interval { low, median, high }) = outcome.ratio(Peer::Sidegate, Peer::Haproxy) {
        said.push(format!(
            "sidegate / haproxy {median:.2} ({low:.2} to {high:.2}), later 1.40"
        ));
    }
    let instructions = outcome.instructions().map(ToString::to_string);
    said.extend(instructions.map(|text| text.trim_end_matches('.').to_owned()));
    said.push(skipped(outcome.skipped()));
    Line {
        row: Row::Cpu,
        measured: said.join("; "),
        outcome: line::Outcome::unless_open(&reasons, &open),
    }
}

fn skipped(skipped: &[Skipped]) -> String {
    let names: Vec<String> = skipped
        .iter()
        .map(|it| format!("{} ({})", it.peer, it.reason))
        .collect();
    match names.len() {
        0 => "no peer skipped".to_owned(),
        number => format!("{number} peers skipped: {}", names.join(", ")),
    }
}

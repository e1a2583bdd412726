//! What was found, for programs and for people.

use std::fmt;

use serde::Serialize;

use super::affinity::Cores;
use super::client::CONNECTIONS;
use super::figure::{Figure, Interval, ratio};
use super::instructions::Instructions;
use super::peer::Peer;
use super::sample::{RATE, Sample};
use super::stage::Stage;
use crate::document::Table;

/// A comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    rounds: usize,
    connections: usize,
    paced_rate: u32,
    cores: Option<Cores>,
    figures: Vec<Figure>,
    skipped: Vec<Skipped>,
    instructions: Option<Instructions>,
    samples: Vec<Sample>,
}

/// A peer that was not measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Who.
    pub peer: Peer,
    /// Why.
    pub reason: String,
}

impl Skipped {
    pub(super) fn new(peer: Peer, reason: &str) -> Self {
        Self {
            peer,
            reason: reason.to_owned(),
        }
    }
}

impl Outcome {
    /// A peer that uses so much of its core is its own limit.
    pub const FULL: f64 = 0.95;

    pub(super) fn new(
        cores: Option<Cores>,
        stage: &Stage,
        samples: Vec<Sample>,
        instructions: Option<Instructions>,
    ) -> Self {
        let peers = stage.peers.iter();
        let figures = peers
            .filter_map(|started| Figure::new(started.peer, started.version.clone(), &samples));
        Self {
            rounds: samples
                .iter()
                .map(|sample| sample.round + 1)
                .max()
                .unwrap_or_default(),
            connections: CONNECTIONS,
            paced_rate: RATE,
            cores,
            figures: figures.collect(),
            skipped: stage.skipped.clone(),
            instructions,
            samples,
        }
    }

    /// Of everybody who was measured.
    #[must_use]
    pub fn figures(&self) -> &[Figure] {
        &self.figures
    }

    /// Everybody who was not.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Of Sidegate and bare Pingora, if they were asked for.
    #[must_use]
    pub fn instructions(&self) -> Option<&Instructions> {
        self.instructions.as_ref()
    }

    /// Processor time of one peer to that of another, paired by round.
    #[must_use]
    pub fn ratio(&self, of: Peer, to: Peer) -> Option<Interval> {
        ratio(&self.samples, of, to)
    }

    /// Which part of its core a peer used at saturation, in the median. One that used less than [`Outcome::FULL`] was
    /// not saturated: it wakes up more often for the same requests, so a ratio to it favours the other.
    #[must_use]
    pub fn busy(&self, peer: Peer) -> Option<f64> {
        let figure = self.figures.iter().find(|figure| figure.peer == peer)?;
        Some(figure.busy)
    }

    /// For a page.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        vec![self.saturated(), self.paced()]
    }

    fn saturated(&self) -> Table {
        let row = |figure: &Figure| {
            vec![
                figure.peer.name().to_owned(),
                figure.version.clone(),
                figure.peer.work().to_owned(),
                range(&figure.cpu_us, 1),
                format!("{:.0}", figure.rate),
                format!("{:.0} %", figure.busy * 100.0),
                figure
                    .sidegate_ratio
                    .as_ref()
                    .map_or_else(String::new, |it| range(it, 2)),
            ]
        };
        Table {
            title: "Peers on the same work: as much as one core can take".to_owned(),
            columns: [
                "peer",
                "version",
                "what it does",
                "processor time per request (us)",
                "requests/s",
                "of its core",
                "Sidegate to it",
            ]
            .map(str::to_owned)
            .to_vec(),
            rows: self.figures.iter().map(row).collect(),
            notes: self.notes(),
        }
    }

    fn paced(&self) -> Table {
        let row = |figure: &Figure| {
            vec![
                figure.peer.name().to_owned(),
                format!("{:.0}", figure.p50_us),
                format!("{:.0}", figure.p95_us),
                format!("{:.0}", figure.p99_us),
                range(&figure.paced_cpu_us, 1),
                figure.unanswered.to_string(),
            ]
        };
        Table {
            title: format!("Peers on the same work: {} requests a second", self.paced_rate),
            columns: [
                "peer",
                "p50 (us)",
                "p95 (us)",
                "p99 (us)",
                "processor time per request (us)",
                "unanswered",
            ]
            .map(str::to_owned)
            .to_vec(),
            rows: self.figures.iter().map(row).collect(),
            notes: vec![
                "Latency counts from when a request was due, through the client and the application, which share a core; \
                 medians of the rounds'."
                    .to_owned(),
                "At this rate a process also spends what it does beside requests: Sidegate reads the change log."
                    .to_owned(),
            ],
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![format!(
            "{} rounds, each with everybody once, in drawn order; {} connections. In brackets: where the median is in \
             95 of 100 cases; ratios are of pairs of the same round.",
            self.rounds, self.connections
        )];
        notes.push(match &self.cores {
            Some(Cores { client, peer }) => format!(
                "Peers run on core {peer}; client, application, database and authorizer on core {client}."
            ),
            None => "There is one core only: nobody is kept apart, and times are of little worth.".to_owned(),
        });
        notes.extend(self.idle());
        let asking = self.figures.iter().filter(|figure| figure.peer.asks());
        notes.extend(asking.map(|figure| {
            let (peer, time) = (figure.peer, figure.authorizer_us);
            format!(
                "The trivial server that {peer} asks takes {time:.1} us more, on the client's core."
            )
        }));
        notes.extend(self.instructions.as_ref().map(ToString::to_string));
        if !self.skipped.is_empty() {
            notes.push(format!(
                "{} peers skipped: {}.",
                self.skipped.len(),
                list(&self.skipped)
            ));
        }
        notes
    }

    /// Who was not saturated.
    fn idle(&self) -> Option<String> {
        let idle = self.figures.iter().filter(|it| it.busy < Self::FULL);
        let each = idle.map(|it| format!("{} {:.0} %", it.peer, it.busy * 100.0));
        let each: Vec<String> = each.collect();
        (!each.is_empty()).then(|| {
            format!(
                "Not saturated, of their core: {}. Such a peer wakes up more often for the same requests and pays \
                 more for each: a ratio to it favours the other.",
                each.join(", ")
            )
        })
    }
}

/// Who, and why.
pub(super) fn list(skipped: &[Skipped]) -> String {
    let each = skipped
        .iter()
        .map(|it| format!("{} ({})", it.peer, it.reason));
    each.collect::<Vec<_>>().join(", ")
}

fn range(interval: &Interval, digits: usize) -> String {
    let Interval { low, median, high } = interval;
    format!("{median:.digits$} ({low:.digits$} to {high:.digits$})")
}

/// The tables, for a terminal.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in self.tables() {
            writeln!(f, "{}\n", table.title)?;
            let width = |index: usize| {
                let lines = table.rows.iter().chain([&table.columns]);
                let cells = lines.filter_map(|line| line.get(index));
                cells
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or_default()
            };
            for line in [&table.columns].into_iter().chain(&table.rows) {
                for (index, cell) in line.iter().enumerate() {
                    write!(f, "{cell:0$}  ", width(index))?;
                }
                writeln!(f)?;
            }
            writeln!(f)?;
            for note in &table.notes {
                writeln!(f, "{note}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

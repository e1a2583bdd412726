//! What the samples of one peer amount to.

use serde::Serialize;

use super::peer::Peer;
use super::sample::Sample;
use crate::bench::interval::interval;

/// A median, and where it is in 95 of 100 cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The median of what was found.
    pub median: f64,
    /// The upper end.
    pub high: f64,
}

/// A peer, measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Who.
    pub peer: Peer,
    /// Of the program.
    pub version: String,
    /// Processor time of a request at saturation, in microseconds.
    pub cpu_us: Interval,
    /// The same of the trivial server, where it is asked.
    pub authorizer_us: f64,
    /// Requests a second at saturation, in the median.
    pub rate: f64,
    /// Which part of its core that took, in the median.
    pub busy: f64,
    /// Processor time of a request at the constant rate, in microseconds.
    pub paced_cpu_us: Interval,
    /// Requests of the constant rate that had no answer, of all rounds.
    pub unanswered: u64,
    /// Latency at the constant rate, in microseconds: the median of the rounds'.
    pub p50_us: f64,
    /// The same.
    pub p95_us: f64,
    /// The same.
    pub p99_us: f64,
    /// Sidegate's processor time to this peer's, of the same round.
    pub sidegate_ratio: Option<Interval>,
}

impl Interval {
    /// `None` without values.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.collect();
        (!values.is_empty()).then(|| {
            let (low, median, high) = interval(values);
            Self { low, median, high }
        })
    }
}

impl Figure {
    /// `None` for a peer that was never measured.
    pub(super) fn new(peer: Peer, version: String, samples: &[Sample]) -> Option<Self> {
        let own = || samples.iter().filter(|sample| sample.peer == peer);
        let all = |value: fn(&Sample) -> f64| Interval::of(own().map(value));
        let median = |value: fn(&Sample) -> f64| all(value).map(|it| it.median);
        #[expect(clippy::cast_precision_loss, reason = "latencies of a second's run")]
        let micros = |value: u64| value as f64;
        Some(Self {
            peer,
            version,
            cpu_us: all(|sample| sample.cpu_us)?,
            authorizer_us: median(|sample| sample.authorizer_us)?,
            rate: median(|sample| sample.rate)?,
            busy: median(|sample| sample.busy)?,
            paced_cpu_us: all(|sample| sample.paced_cpu_us)?,
            unanswered: own().map(|sample| sample.unanswered).sum(),
            p50_us: Interval::of(own().map(|sample| micros(sample.p50_us)))?.median,
            p95_us: Interval::of(own().map(|sample| micros(sample.p95_us)))?.median,
            p99_us: Interval::of(own().map(|sample| micros(sample.p99_us)))?.median,
            sidegate_ratio: ratio(samples, Peer::Sidegate, peer),
        })
    }
}

/// Processor time of one to that of another, of the same rounds.
pub(super) fn ratio(samples: &[Sample], of: Peer, to: Peer) -> Option<Interval> {
    let of_one = samples.iter().filter(|sample| sample.peer == of);
    Interval::of(of_one.filter_map(|one| {
        let is_pair = |other: &&Sample| other.peer == to && other.round == one.round;
        let other = samples.iter().find(is_pair)?;
        Some(one.cpu_us / other.cpu_us)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_pairs_of_a_round_and_without_a_pair_there_is_none() {
        let sample = |peer, round, cpu_us| Sample {
            peer,
            round,
            cpu_us,
            rate: 1.0,
            busy: 1.0,
            authorizer_us: 0.0,
            paced_cpu_us: cpu_us,
            unanswered: 1,
            p50_us: 1,
            p95_us: 2,
            p99_us: 3,
        };
        // The machine is three times as slow in the second round.
        let samples = [
            sample(Peer::Sidegate, 0, 20.0),
            sample(Peer::Nginx, 0, 10.0),
            sample(Peer::Nginx, 1, 30.0),
            sample(Peer::Sidegate, 1, 60.0),
        ];
        let found = ratio(&samples, Peer::Sidegate, Peer::Nginx).unwrap();
        assert_eq!((found.low, found.median, found.high), (2.0, 2.0, 2.0));
        assert_eq!(ratio(&samples, Peer::Sidegate, Peer::Envoy), None);
        let figure = Figure::new(Peer::Nginx, String::new(), &samples).unwrap();
        assert_eq!(figure.unanswered, 2);
        assert!(Figure::new(Peer::Envoy, String::new(), &samples).is_none());
    }
}

//! Counters, resolved once.
//!
//! Promise: counting a request looks nothing up by label and allocates nothing; every label's
//! values are closed lists. What is here: requests, by how they ended; what the application did
//! not answer; the state of the configuration, the directory and fetched keys. The database counts
//! for itself (`database`), because its counters begin when it does.

use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use sidegate_config::Rule;

use crate::doctor::Severity;
use crate::intake::ConnectionEnd;
use crate::outcome::Code;
use crate::stream::Why;

/// Every metric of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Vec<(Code, IntCounter)>,
    reported: Vec<(Rule, IntCounter)>,
    connections: IntGauge,
    connection_ends: Vec<(ConnectionEnd, IntCounter)>,
    streams: IntGauge,
    stream_ends: Vec<(Why, IntCounter)>,
    upstream_errors: IntCounter,
    store_edits: [IntCounter; 2],
    store_stale: IntGauge,
    config_generation: IntGauge,
    config_stale: IntGauge,
    config_reloads: [IntCounter; 2],
    key_fetches: [IntCounter; 2],
    doctor_findings: [(Severity, IntGauge); 3],
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// When two have one name, which a test rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        gauge(
            &registry,
            Opts::new("sidegate_build_info", "Always 1; the labels say what runs")
                .const_label("version", env!("CARGO_PKG_VERSION")),
        )?
        .set(1);
        let plain = |name, help| gauge(&registry, Opts::new(name, help));
        Ok(Self {
            requests: requests(&registry)?,
            reported: reported(&registry)?,
            connections: plain("sidegate_connections", "Client connections that are open")?,
            connection_ends: connection_ends(&registry)?,
            streams: plain(
                "sidegate_streams",
                "Requests that last: they are being forwarded, and looked at while they are",
            )?,
            stream_ends: stream_ends(&registry)?,
            upstream_errors: counter(
                &registry,
                "sidegate_upstream_errors_total",
                "Permitted requests that the application did not answer",
            )?,
            store_edits: by_result(
                &registry,
                "sidegate_store_reads_total",
                "Readings of the directory file, the first one included",
            )?,
            store_stale: plain(
                "sidegate_store_stale",
                "1 while the directory file is bad and its last good reading counts",
            )?,
            config_generation: plain("sidegate_config_generation", "The generation that counts")?,
            config_stale: plain(
                "sidegate_config_stale",
                "1 while the configuration file is bad and its last good reading counts",
            )?,
            config_reloads: by_result(
                &registry,
                "sidegate_config_reloads_total",
                "Readings of a changed configuration",
            )?,
            key_fetches: by_result(
                &registry,
                "sidegate_key_fetches_total",
                "Fetches of key sets",
            )?,
            doctor_findings: findings(&registry)?,
            registry,
        })
    }

    /// Counts one request.
    pub fn request(&self, code: Code) {
        if let Some((_, counter)) = self.requests.iter().find(|(known, _)| *known == code) {
            counter.inc();
        }
    }

    /// Counts a connection that was opened.
    pub fn connection_opened(&self) {
        self.connections.inc();
    }

    /// Counts a connection that has ended.
    pub fn connection_ended(&self, end: ConnectionEnd) {
        self.connections.dec();
        if let Some((_, counter)) = self.connection_ends.iter().find(|(known, _)| *known == end) {
            counter.inc();
        }
    }

    /// Counts requests that begin to last, or no longer do.
    pub fn streams(&self, more: i64) {
        self.streams.add(more);
    }

    /// Counts a request that was ended while it was being forwarded.
    pub fn stream_ended(&self, why: Why) {
        if let Some((_, counter)) = self.stream_ends.iter().find(|(known, _)| *known == why) {
            counter.inc();
        }
    }

    /// Counts a request that would have been refused, were the rule not only reported.
    pub fn reported(&self, rule: Rule) {
        if let Some((_, counter)) = self.reported.iter().find(|(known, _)| *known == rule) {
            counter.inc();
        }
    }

    /// Counts a permitted request that the application did not answer.
    pub fn upstream_error(&self) {
        self.upstream_errors.inc();
    }

    /// Counts a reading of the store's file.
    pub fn store_edit(&self, good: bool) {
        count(&self.store_edits, good);
        self.store_stale.set(i64::from(!good));
    }

    /// Sets the generation that counts.
    pub fn config_generation(&self, number: u64) {
        self.config_generation
            .set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// Counts a reading of a changed configuration.
    pub fn config_reload(&self, good: bool, number: u64) {
        count(&self.config_reloads, good);
        self.config_stale.set(i64::from(!good));
        self.config_generation(number);
    }

    /// Counts a fetch of a key set.
    pub fn key_fetch(&self, good: bool) {
        count(&self.key_fetches, good);
    }

    /// Sets how many findings of a severity the last examination of the database has.
    pub fn doctor_findings(&self, severity: Severity, number: usize) {
        for (known, gauge) in &self.doctor_findings {
            if *known == severity {
                gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
            }
        }
    }

    /// The text exposition format, with what others have gathered: the pools, what is kept.
    #[must_use]
    pub fn text(&self, further: Vec<MetricFamily>) -> String {
        let mut families = self.registry.gather();
        families.extend(further);
        TextEncoder::new()
            .encode_to_string(&families)
            .unwrap_or_default()
    }
}

fn requests(registry: &Registry) -> Result<Vec<(Code, IntCounter)>, prometheus::Error> {
    let opts = Opts::new(
        "sidegate_requests_total",
        "Requests, by how they ended and why",
    );
    let requests = IntCounterVec::new(opts, &["outcome", "reason"])?;
    registry.register(Box::new(requests.clone()))?;
    let of = |code: Code| requests.with_label_values(&[code.outcome(), code.name()]);
    Ok(Code::all()
        .into_iter()
        .map(|code| (code, of(code)))
        .collect())
}

fn reported(registry: &Registry) -> Result<Vec<(Rule, IntCounter)>, prometheus::Error> {
    let opts = Opts::new(
        "sidegate_would_refuse_total",
        "Requests that break a rule which is only reported (`hardening.mode`), by rule",
    );
    let counters = IntCounterVec::new(opts, &["rule"])?;
    registry.register(Box::new(counters.clone()))?;
    let of = |rule: Rule| counters.with_label_values(&[rule.name()]);
    Ok(Rule::ALL.map(|rule| (rule, of(rule))).into())
}

fn connection_ends(
    registry: &Registry,
) -> Result<Vec<(ConnectionEnd, IntCounter)>, prometheus::Error> {
    let opts = Opts::new(
        "sidegate_connections_ended_total",
        "Client connections that have ended, by why",
    );
    let counters = IntCounterVec::new(opts, &["why"])?;
    registry.register(Box::new(counters.clone()))?;
    let of = |end: ConnectionEnd| counters.with_label_values(&[end.name()]);
    Ok(ConnectionEnd::ALL.map(|end| (end, of(end))).into())
}

fn stream_ends(registry: &Registry) -> Result<Vec<(Why, IntCounter)>, prometheus::Error> {
    let opts = Opts::new(
        "sidegate_streams_ended_total",
        "Requests that were ended while they were being forwarded, by why",
    );
    let counters = IntCounterVec::new(opts, &["why"])?;
    registry.register(Box::new(counters.clone()))?;
    let of = |why: Why| counters.with_label_values(&[why.name()]);
    Ok(Why::ALL.map(|why| (why, of(why))).into())
}

fn findings(registry: &Registry) -> Result<[(Severity, IntGauge); 3], prometheus::Error> {
    let opts = Opts::new(
        "sidegate_doctor_findings",
        "What the last examination of the database has found, by severity",
    );
    let gauges = IntGaugeVec::new(opts, &["severity"])?;
    registry.register(Box::new(gauges.clone()))?;
    let of = |severity: Severity| gauges.with_label_values(&[severity.name()]);
    Ok(Severity::ALL.map(|severity| (severity, of(severity))))
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    let counter = IntCounter::new(name, help)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn gauge(registry: &Registry, opts: Opts) -> Result<IntGauge, prometheus::Error> {
    let gauge = IntGauge::with_opts(opts)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

/// Two counters, good and bad.
fn by_result(
    registry: &Registry,
    name: &str,
    help: &str,
) -> Result<[IntCounter; 2], prometheus::Error> {
    let counters = IntCounterVec::new(Opts::new(name, help), &["result"])?;
    registry.register(Box::new(counters.clone()))?;
    Ok(["good", "bad"].map(|result| counters.with_label_values(&[result])))
}

fn count([good, bad]: &[IntCounter; 2], is_good: bool) {
    if is_good { good.inc() } else { bad.inc() }
}

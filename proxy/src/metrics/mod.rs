//! What is counted and measured.
//!
//! Promise: counting looks nothing up by label and allocates nothing; every label's values are closed lists or
//! are written in the configuration ([`Definition`]). What is measured lives beside what measures it, and is
//! read when somebody scrapes ([`Scrape`]). Here is what belongs to the process as a whole, and to requests
//! ([`RequestMetrics`]).

pub mod catalogue;
mod definition;
mod document;
mod process;
mod requests;
mod scrape;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use sidegate_config::Rule;

use crate::doctor::Severity;
use crate::intake::ConnectionEnd;
use crate::stream::Why;

pub use definition::{Definition, Kind, Label, Needs, Values};
pub use document::markdown;
pub(crate) use requests::{DECISION, DEGRADED, FAILURES, REQUESTS, RESPONSES, STAGES, WHOLE};
pub use requests::{Degraded, RequestMetrics};
pub use scrape::{Scrape, Value, histogram};

/// What the process counts.
#[derive(Debug, Default)]
pub struct Metrics {
    reported: [AtomicU64; Rule::ALL.len()],
    connections: AtomicI64,
    connection_ends: [AtomicU64; ConnectionEnd::ALL.len()],
    streams: AtomicI64,
    stream_ends: [AtomicU64; Why::ALL.len()],
    upstream_errors: AtomicU64,
    store_reads: Results,
    store_stale: AtomicU64,
    config_generation: AtomicU64,
    config_stale: AtomicU64,
    config_reloads: Results,
    key_fetches: Results,
    doctor_findings: [AtomicU64; Severity::ALL.len()],
}

/// Good ones, and bad ones.
#[derive(Debug, Default)]
struct Results([AtomicU64; 2]);

const RESULTS: [&str; 2] = ["good", "bad"];
const RESULT: Label = Label::closed("result", || RESULTS.into());

static BUILD: Definition =
    Definition::gauge("sidegate_build_info", "Always 1; the label says what runs")
        .by(&[Label::closed("version", || vec![env!("CARGO_PKG_VERSION")])]);
static WOULD_REFUSE: Definition = Definition::counter(
    "sidegate_would_refuse_total",
    "Requests that break a rule which is only reported (`hardening.mode`), by rule",
)
.by(&[Label::closed("rule", || Rule::ALL.map(Rule::name).into())]);
static CONNECTIONS: Definition =
    Definition::gauge("sidegate_connections", "Client connections that are open");
static CONNECTION_ENDS: Definition = Definition::counter(
    "sidegate_connections_ended_total",
    "Client connections that have ended, by why",
)
.by(&[Label::closed("why", || {
    ConnectionEnd::ALL.map(ConnectionEnd::name).into()
})]);
static STREAMS: Definition = Definition::gauge(
    "sidegate_streams",
    "Requests that last: they are being forwarded, and looked at while they are",
);
static STREAM_ENDS: Definition = Definition::counter(
    "sidegate_streams_ended_total",
    "Requests that were ended while they were being forwarded, by why",
)
.by(&[Label::closed("why", || Why::ALL.map(Why::name).into())]);
static UPSTREAM_ERRORS: Definition = Definition::counter(
    "sidegate_upstream_errors_total",
    "Permitted requests that the application did not answer",
);
static STORE_READS: Definition = Definition::counter(
    "sidegate_store_reads_total",
    "Readings of the directory file, the first one included",
)
.by(&[RESULT])
.needing(Needs::Directory);
static STORE_STALE: Definition = Definition::gauge(
    "sidegate_store_stale",
    "1 while the directory file is bad and its last good reading counts",
)
.needing(Needs::Directory);
static CONFIG_GENERATION: Definition = Definition::gauge(
    "sidegate_config_generation",
    "The generation of the configuration that counts; the first is 1",
);
static CONFIG_STALE: Definition = Definition::gauge(
    "sidegate_config_stale",
    "1 while the configuration file is bad and its last good reading counts",
);
static CONFIG_RELOADS: Definition = Definition::counter(
    "sidegate_config_reloads_total",
    "Readings of a changed configuration",
)
.by(&[RESULT]);
static KEY_FETCHES: Definition =
    Definition::counter("sidegate_key_fetches_total", "Fetches of key sets").by(&[RESULT]);
static FINDINGS: Definition = Definition::gauge(
    "sidegate_doctor_findings",
    "What the last examination of the database has found, by severity; `sidegate doctor` says what",
)
.by(&[Label::closed("severity", || {
    Severity::ALL.map(Severity::name).into()
})])
.needing(Needs::Database);

/// What the operating system says.
pub(crate) fn of_the_system() -> [&'static Definition; 7] {
    process::METRICS
}

/// The metrics of the process.
pub(crate) static PROCESS: [&Definition; 14] = [
    &BUILD,
    &CONFIG_GENERATION,
    &CONFIG_STALE,
    &CONFIG_RELOADS,
    &CONNECTIONS,
    &CONNECTION_ENDS,
    &STREAMS,
    &STREAM_ENDS,
    &WOULD_REFUSE,
    &UPSTREAM_ERRORS,
    &KEY_FETCHES,
    &STORE_READS,
    &STORE_STALE,
    &FINDINGS,
];

impl Metrics {
    /// Counts a connection that was opened.
    pub fn connection_opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that has ended.
    pub fn connection_ended(&self, end: ConnectionEnd) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        add(self.connection_ends.get(end as usize));
    }

    /// Counts requests that begin to last, or no longer do.
    pub fn streams(&self, more: i64) {
        self.streams.fetch_add(more, Ordering::Relaxed);
    }

    /// Counts a request that was ended while it was being forwarded.
    pub fn stream_ended(&self, why: Why) {
        add(self.stream_ends.get(why as usize));
    }

    /// Counts a request that would have been refused, were the rule not only reported.
    pub fn reported(&self, rule: Rule) {
        add(self.reported.get(rule as usize));
    }

    /// Counts a permitted request that the application did not answer.
    pub fn upstream_error(&self) {
        add(Some(&self.upstream_errors));
    }

    /// Counts a reading of the store's file.
    pub fn store_edit(&self, good: bool) {
        self.store_reads.count(good);
        self.store_stale.store(u64::from(!good), Ordering::Relaxed);
    }

    /// Sets the generation that counts.
    pub fn config_generation(&self, number: u64) {
        self.config_generation.store(number, Ordering::Relaxed);
    }

    /// Counts a reading of a changed configuration.
    pub fn config_reload(&self, good: bool, number: u64) {
        self.config_reloads.count(good);
        self.config_stale.store(u64::from(!good), Ordering::Relaxed);
        self.config_generation(number);
    }

    /// Counts a fetch of a key set.
    pub fn key_fetch(&self, good: bool) {
        self.key_fetches.count(good);
    }

    /// Sets how many findings of a severity the last examination of the database has.
    pub fn doctor_findings(&self, severity: Severity, number: usize) {
        if let Some(known) = self.doctor_findings.get(severity as usize) {
            known.store(u64::try_from(number).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// Reads all of it, as far as it is about what the configuration has.
    pub fn gather(&self, scrape: &mut Scrape, over_a_database: bool) {
        process::gather(scrape);
        scrape.add(&BUILD, &[env!("CARGO_PKG_VERSION")], 1_u64);
        scrape.add(&CONFIG_GENERATION, &[], load(&self.config_generation));
        scrape.add(&CONFIG_STALE, &[], load(&self.config_stale));
        self.config_reloads.gather(scrape, &CONFIG_RELOADS);
        self.key_fetches.gather(scrape, &KEY_FETCHES);
        let open = |count: &AtomicI64| u64::try_from(count.load(Ordering::Relaxed)).unwrap_or(0);
        scrape.add(&CONNECTIONS, &[], open(&self.connections));
        for (end, count) in ConnectionEnd::ALL.iter().zip(&self.connection_ends) {
            scrape.add(&CONNECTION_ENDS, &[end.name()], load(count));
        }
        scrape.add(&STREAMS, &[], open(&self.streams));
        for (why, count) in Why::ALL.iter().zip(&self.stream_ends) {
            scrape.add(&STREAM_ENDS, &[why.name()], load(count));
        }
        for (rule, count) in Rule::ALL.iter().zip(&self.reported) {
            scrape.add(&WOULD_REFUSE, &[rule.name()], load(count));
        }
        scrape.add(&UPSTREAM_ERRORS, &[], load(&self.upstream_errors));
        if over_a_database {
            for (severity, number) in Severity::ALL.iter().zip(&self.doctor_findings) {
                scrape.add(&FINDINGS, &[severity.name()], load(number));
            }
        } else {
            self.store_reads.gather(scrape, &STORE_READS);
            scrape.add(&STORE_STALE, &[], load(&self.store_stale));
        }
    }
}

impl Results {
    fn count(&self, is_good: bool) {
        let [good, bad] = &self.0;
        add(Some(if is_good { good } else { bad }));
    }

    fn gather(&self, scrape: &mut Scrape, definition: &'static Definition) {
        for (result, count) in RESULTS.iter().zip(&self.0) {
            scrape.add(definition, &[result], load(count));
        }
    }
}

fn add(count: Option<&AtomicU64>) {
    if let Some(count) = count {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

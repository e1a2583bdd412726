//! Counters, resolved once.
//!
//! Promise: counting a request looks nothing up by label and allocates nothing; every label's
//! values are closed lists. What is here: requests, by how they ended; answers of the application
//! by class; the store's and the process's state.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use crate::outcome::Code;

/// Every metric of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Vec<(Code, IntCounter)>,
    upstream_errors: IntCounter,
    store_reloads: IntCounter,
    store_refusals: IntCounter,
    store_stale: IntGauge,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// When two have one name, which a test rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new(
                "sidegate_requests_total",
                "Requests, by how they ended and why",
            ),
            &["outcome", "reason"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        let requests = Code::all()
            .into_iter()
            .map(|code| {
                (
                    code,
                    requests.with_label_values(&[code.outcome(), code.name()]),
                )
            })
            .collect();
        let build = IntGauge::with_opts(
            Opts::new("sidegate_build_info", "Always 1; the labels say what runs")
                .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        build.set(1);
        registry.register(Box::new(build))?;
        let counter = |name, help| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let store_stale = IntGauge::new(
            "sidegate_store_stale",
            "1 while the directory file is bad and its last good reading counts",
        )?;
        registry.register(Box::new(store_stale.clone()))?;
        Ok(Self {
            requests,
            upstream_errors: counter(
                "sidegate_upstream_errors_total",
                "Permitted requests that the application did not answer",
            )?,
            store_reloads: counter(
                "sidegate_store_reloads_total",
                "Edits of the directory file that count",
            )?,
            store_refusals: counter(
                "sidegate_store_refusals_total",
                "Edits of the directory file that were refused",
            )?,
            store_stale,
            registry,
        })
    }

    /// Counts one request.
    pub fn request(&self, code: Code) {
        if let Some((_, counter)) = self.requests.iter().find(|(known, _)| *known == code) {
            counter.inc();
        }
    }

    /// Counts a permitted request that the application did not answer.
    pub fn upstream_error(&self) {
        self.upstream_errors.inc();
    }

    /// Counts an edit of the store's file.
    pub fn store_edit(&self, good: bool) {
        if good {
            self.store_reloads.inc()
        } else {
            self.store_refusals.inc()
        }
        self.store_stale.set(i64::from(!good));
    }

    /// The text exposition format.
    #[must_use]
    pub fn text(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }
}

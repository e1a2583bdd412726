//! What a metric is called and means.
//!
//! Promise: a name, a kind, a help text and labels whose values are closed lists or are written in the
//! configuration; so the number of series is bounded, and docs/metrics.md can be made from it.

/// One metric. Lives beside what it measures; [`super::catalogue`] lists them all.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Its name, with its unit: `_total` counts, `_seconds` and `_bytes` measure.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What it says, in one sentence without a full stop.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [Label],
    /// What must be configured for it to be there.
    pub needs: Needs,
}

/// How its values behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, and begins at zero with what it counts: a process, a policy.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often a value was at most so large.
    Histogram,
}

/// A label.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it can be.
    pub values: Values,
}

/// What a label can be. There is no third kind: nothing of a request is a label.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// One of these.
    Closed(fn() -> Vec<&'static str>),
    /// What the configuration says here, or nothing.
    Configured(&'static str),
}

/// What must be configured for a metric to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// `store.postgres`.
    Database,
    /// `store.file`.
    Directory,
    /// `redis`.
    Redis,
    /// `database.view`.
    View,
    /// An issuer with `introspection`.
    Introspection,
    /// `links`.
    Links,
    /// `links.storage`.
    Storage,
    /// `redis`, an issuer with `introspection`, or `links.storage`.
    Breaker,
    /// `telemetry.tracing`.
    Tracing,
}

impl Definition {
    /// A counter without labels.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            kind: Kind::Counter,
            help,
            labels: &[],
            needs: Needs::Nothing,
        }
    }

    /// A gauge without labels.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self {
            kind: Kind::Gauge,
            ..Self::counter(name, help)
        }
    }

    /// A histogram without labels.
    #[must_use]
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self {
            kind: Kind::Histogram,
            ..Self::counter(name, help)
        }
    }

    /// The same, with these labels.
    #[must_use]
    pub const fn by(self, labels: &'static [Label]) -> Self {
        Self { labels, ..self }
    }

    /// The same, where something is configured.
    #[must_use]
    pub const fn needing(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }
}

impl Label {
    /// One of a closed list.
    #[must_use]
    pub const fn closed(name: &'static str, values: fn() -> Vec<&'static str>) -> Self {
        Self {
            name,
            values: Values::Closed(values),
        }
    }

    /// As it is written in the configuration.
    #[must_use]
    pub const fn configured(name: &'static str, what: &'static str) -> Self {
        Self {
            name,
            values: Values::Configured(what),
        }
    }
}

impl Kind {
    /// Its name in the text format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Needs {
    /// What has to be configured, as the documentation says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Database => "`store.postgres`",
            Self::Directory => "`store.file`",
            Self::Redis => "`redis`",
            Self::View => "`database.view`",
            Self::Introspection => "`issuers[].introspection`",
            Self::Links => "`links`",
            Self::Storage => "`links.storage`",
            Self::Breaker => "`redis`, `issuers[].introspection` or `links.storage`",
            Self::Tracing => "`telemetry.tracing`",
        }
    }
}

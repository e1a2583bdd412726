//! The catalogue as a page of the documentation.
//!
//! Promise: docs/metrics.md is what this writes (a test compares), so a metric cannot be added, renamed or
//! removed without its documentation.

use std::fmt::Write as _;

use super::catalogue;
use super::definition::{Definition, Label, Values};

const HEAD: &str = "\
# Metrics

<!-- Written by `sidegate schema metrics`; do not edit. -->

Every metric at `/metrics` of the admin listener, in the text format of Prometheus. Times are in seconds, sizes in bytes. What *needs* something \
is there only where that is configured; what has no value now is not there.

A label holds one of the values listed here, or what the configuration says; nothing of a request is a label, so the number of series is bounded: \
`sidegate_requests_total` has at most one for each route and reason, and has those that have occurred. Counters begin at zero with the process; \
those of what is kept begin anew with a new policy as well. `telemetry.request_metrics: false` leaves out the requests.
";

/// The page, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for section in catalogue::sections() {
        // Writing to a text cannot fail.
        let _ = write!(page, "\n## {}\n", section.title);
        for definition in section.metrics {
            describe(definition, &mut page);
        }
    }
    page
}

fn describe(definition: &Definition, page: &mut String) {
    let Definition {
        name,
        kind,
        help,
        labels,
        needs,
    } = definition;
    let _ = write!(page, "\n**`{name}`** ({}", kind.name());
    if !needs.name().is_empty() {
        let _ = write!(page, "; needs {}", needs.name());
    }
    let _ = writeln!(page, "): {help}.");
    for label in *labels {
        let _ = writeln!(page, "- `{}`: {}", label.name, values(label));
    }
}

fn values(label: &Label) -> String {
    match label.values {
        Values::Closed(values) => {
            let values = values();
            let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
            values.join(", ")
        }
        Values::Configured(what) => format!("as in {what}, or empty"),
    }
}

//! What the operating system says of the process, under the names that every client library of Prometheus uses.

use prometheus::core::Collector as _;
use prometheus::process_collector::ProcessCollector;

use super::definition::Definition;
use super::scrape::Scrape;

static CPU: Definition = Definition::counter(
    "process_cpu_seconds_total",
    "Time that the process has spent on processors",
);
static RESIDENT: Definition = Definition::gauge(
    "process_resident_memory_bytes",
    "Memory of the process that is in use",
);
static VIRTUAL: Definition = Definition::gauge(
    "process_virtual_memory_bytes",
    "Memory that the process has set aside",
);
static FILES: Definition = Definition::gauge("process_open_fds", "Files and sockets that are open");
static MOST_FILES: Definition =
    Definition::gauge("process_max_fds", "How many files and sockets may be open");
static START: Definition = Definition::gauge(
    "process_start_time_seconds",
    "When the process was started, in seconds since 1970",
);
static THREADS: Definition = Definition::gauge("process_threads", "Threads of the process");

/// What is told of the process by the operating system.
pub(super) static METRICS: [&Definition; 7] = [
    &CPU,
    &RESIDENT,
    &VIRTUAL,
    &FILES,
    &MOST_FILES,
    &START,
    &THREADS,
];

/// Reads all of it.
pub(super) fn gather(scrape: &mut Scrape) {
    for mut family in ProcessCollector::for_self().collect() {
        let known = METRICS.iter().find(|known| known.name == family.name());
        let (Some(definition), Some(metric)) = (known, family.take_metric().pop()) else {
            continue;
        };
        let value = match definition.kind {
            super::Kind::Counter => metric.get_counter().get_value(),
            super::Kind::Gauge | super::Kind::Histogram => metric.get_gauge().get_value(),
        };
        scrape.add(definition, &[], value);
    }
}

//! What is kept, as metrics.
//!
//! Promise: read when somebody scrapes, and never on a request's way. Counts are of the caches that there are
//! now: a new policy begins anew, as a restart does.

use super::class::ClassStats;
use super::l2::{L2, Lookup, Write};
use crate::coherence::{BootTime, Coherence};
use crate::facts::{Kept, Tier};
use crate::metrics::{Definition, Label, Needs, Scrape};

const TIER: Label = Label::closed("tier", || vec!["l1", "l2"]);
/// Classes of rows in memory; in Redis there are whole answers.
const CLASS: Label = Label::closed("class", || {
    vec![
        "user_auth",
        "direct_ownership",
        "team_access",
        "project_visibility",
        "answer",
    ]
});

static ANSWERS: Definition = Definition::counter(
    "sidegate_answers_total",
    "Questions of decisions, by where their rows came from: this process's memory, Redis, the materialized view, the store, \
     or memory past the bound because the store could not be asked",
)
.by(&[Label::closed("tier", || Tier::ALL.map(Tier::name).into())]);
static FLIGHTS: Definition = Definition::counter(
    "sidegate_flights_total",
    "Questions to the store: queries that were sent, and askers who joined one",
)
.by(&[Label::closed("role", || vec!["started", "joined"])]);
static LOOKUPS: Definition = Definition::counter(
    "sidegate_cache_lookups_total",
    "Look-ups of rows in memory and of answers in Redis, by how they ended. `touched`: what was found has changed since, or may have",
)
.by(&[
    TIER,
    CLASS,
    Label::closed("result", || {
        let mut results = vec!["hit", "absent", "expired", "touched"];
        results.extend(Lookup::ALL.map(Lookup::name));
        results.sort_unstable();
        results.dedup();
        results
    }),
]);
static FILLS: Definition = Definition::counter(
    "sidegate_cache_fills_total",
    "Rows, and absences of rows, that were kept in memory; answers that were written to Redis",
)
.by(&[TIER, CLASS]);
static EVICTIONS: Definition = Definition::counter(
    "sidegate_cache_evictions_total",
    "Rows that were pushed out of memory to make room. What Redis pushes out, Redis knows",
)
.by(&[TIER, CLASS]);
static ENTRIES: Definition =
    Definition::gauge("sidegate_cache_entries", "Rows in memory").by(&[TIER, CLASS]);
static BYTES: Definition = Definition::gauge(
    "sidegate_cache_bytes",
    "What the rows in memory weigh, and may weigh",
)
.by(&[
    TIER,
    CLASS,
    Label::closed("state", || vec!["used", "limit"]),
]);
static AGES: Definition = Definition::histogram(
    "sidegate_cache_hit_age_seconds",
    "How long ago what was found had been kept, or written to Redis",
)
.by(&[TIER, CLASS]);
static APART: Definition = Definition::counter(
    "sidegate_cache_apart_total",
    "Questions whose rows were all in memory, and went together only after one more poll",
);
static OPEN: Definition = Definition::gauge(
    "sidegate_cache_open",
    "1 while answers may come from memory",
);
static POLLS: Definition = Definition::counter(
    "sidegate_polls_begun_total",
    "Polls of the change log that were begun; the few flushes are among them",
);
static LEASE: Definition = Definition::gauge(
    "sidegate_lease_age_seconds",
    "How old the last poll of the change log is that was applied; above 0.95 nothing comes from memory but what a route accepts as stale. Missing while caching is off",
);
static REGISTER_KNOWN: Definition = Definition::gauge(
    "sidegate_register_known",
    "1 while all service keys and revocations are in memory, so that no request asks for them",
)
.needing(Needs::Database);
static REGISTER_KEYS: Definition =
    Definition::gauge("sidegate_register_keys", "Service keys in memory").needing(Needs::Database);
static REGISTER_REVOCATIONS: Definition =
    Definition::gauge("sidegate_register_revocations", "Revocations in memory")
        .needing(Needs::Database);
static VIEW_GOOD: Definition = Definition::gauge(
    "sidegate_view_good",
    "1 while the materialized view is of the triggers, views and policy that there are now",
)
.needing(Needs::View);
static L2_ADMITTED: Definition = Definition::gauge(
    "sidegate_l2_admitted",
    "1 while what is in Redis may be answered from: the change log is known",
)
.needing(Needs::Redis);
static L2_WRITES: Definition = Definition::counter(
    "sidegate_l2_writes_total",
    "Answers that were to be written to Redis, by what became of them",
)
.by(&[Label::closed("result", || {
    Write::ALL.map(Write::name).into()
})])
.needing(Needs::Redis);
static L2_CONNECTIONS: Definition = Definition::gauge(
    "sidegate_l2_connections",
    "Connections to Redis that are open",
)
.needing(Needs::Redis);
static L2_IN_USE: Definition = Definition::gauge(
    "sidegate_l2_in_use",
    "1 while Redis is asked, 0 while it is left alone because it has failed or there is no connection",
)
.needing(Needs::Redis);

/// What is told of what is kept.
pub(crate) static METRICS: [&Definition; 20] = [
    &ANSWERS,
    &FLIGHTS,
    &LOOKUPS,
    &FILLS,
    &EVICTIONS,
    &ENTRIES,
    &BYTES,
    &AGES,
    &APART,
    &OPEN,
    &POLLS,
    &LEASE,
    &REGISTER_KNOWN,
    &REGISTER_KEYS,
    &REGISTER_REVOCATIONS,
    &VIEW_GOOD,
    &L2_ADMITTED,
    &L2_WRITES,
    &L2_CONNECTIONS,
    &L2_IN_USE,
];

/// Reads all of it.
pub fn gather(kept: &Kept, is_over_a_database: bool, scrape: &mut Scrape) {
    questions(kept, scrape);
    let stats = kept.l1().stats();
    for (class, stats) in [
        ("user_auth", &stats.user_auth),
        ("direct_ownership", &stats.direct_ownership),
        ("team_access", &stats.team_access),
        ("project_visibility", &stats.project_visibility),
    ] {
        rows(class, stats, scrape);
    }
    scrape.add(&APART, &[], stats.apart);
    let coherence = kept.coherence();
    if let Some(view) = kept.view() {
        let shared = coherence.shared();
        let good = shared.is_some_and(|shared| view.good_for(&shared).is_some());
        scrape.add(&VIEW_GOOD, &[], good);
    }
    if let Some(l2) = kept.l2() {
        shared(l2, scrape);
        scrape.add(&L2_ADMITTED, &[], coherence.shared().is_some());
    }
    feed(coherence, scrape);
    if is_over_a_database {
        credentials(coherence, scrape);
    }
}

fn questions(kept: &Kept, scrape: &mut Scrape) {
    let answered = kept.answered();
    for (tier, count) in [
        (Tier::Memory, answered.memory),
        (Tier::Shared, answered.shared),
        (Tier::View, answered.viewed),
        (Tier::Store, answered.store),
        (Tier::Stale, answered.stale),
    ] {
        scrape.add(&ANSWERS, &[tier.name()], count);
    }
    let (started, joined) = kept.queries();
    scrape.add(&FLIGHTS, &["started"], started);
    scrape.add(&FLIGHTS, &["joined"], joined);
}

fn rows(class: &'static str, stats: &ClassStats, scrape: &mut Scrape) {
    let of = ["l1", class];
    scrape.add(&ENTRIES, &of, stats.entries);
    scrape.add(&FILLS, &of, stats.fills);
    scrape.add(&EVICTIONS, &of, stats.evictions);
    scrape.counted(&AGES, &of, &stats.ages.counts(), stats.ages.sum());
    scrape.add(&BYTES, &["l1", class, "used"], stats.bytes);
    scrape.add(&BYTES, &["l1", class, "limit"], stats.capacity);
    for (result, count) in [
        ("hit", stats.hits),
        ("absent", stats.absent),
        ("expired", stats.expired),
        ("touched", stats.touched),
    ] {
        scrape.add(&LOOKUPS, &["l1", class, result], count);
    }
}

fn shared(l2: &L2, scrape: &mut Scrape) {
    let of = ["l2", "answer"];
    for (lookup, count) in l2.lookups() {
        scrape.add(&LOOKUPS, &["l2", "answer", lookup.name()], count);
    }
    for (write, count) in l2.writes() {
        scrape.add(&L2_WRITES, &[write.name()], count);
        if write == Write::Done {
            scrape.add(&FILLS, &of, count);
        }
    }
    let ages = l2.ages();
    scrape.counted(&AGES, &of, &ages.counts(), ages.sum());
    scrape.add(&L2_CONNECTIONS, &[], l2.connected());
    scrape.add(&L2_IN_USE, &[], l2.is_closed() && l2.connected() > 0);
    l2.gather_breaker(scrape);
}

/// How far the change feed is.
fn feed(coherence: &Coherence, scrape: &mut Scrape) {
    let reading = coherence.read();
    let now = BootTime::now();
    let live = reading.is_some_and(|reading| reading.is_live(now));
    scrape.add(&OPEN, &[], live);
    scrape.add(&POLLS, &[], coherence.polls());
    if let Some(reading) = reading {
        scrape.add(&LEASE, &[], reading.age(now));
    }
}

/// What is known of credentials. A file has none.
fn credentials(coherence: &Coherence, scrape: &mut Scrape) {
    let rows = coherence.register().rows();
    let (keys, revocations) = rows.unwrap_or_default();
    scrape.add(&REGISTER_KNOWN, &[], rows.is_some());
    scrape.add(&REGISTER_KEYS, &[], keys);
    scrape.add(&REGISTER_REVOCATIONS, &[], revocations);
}

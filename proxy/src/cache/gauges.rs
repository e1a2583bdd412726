//! What is kept, as metrics.
//!
//! Promise: read when somebody scrapes, and never on a request's way; every label is of a closed list.
//! Counts are of the caches that there are now: a new policy begins anew.

use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use super::l2::L2;
use crate::coherence::BootTime;
use crate::facts::Kept;

/// Every metric of what is kept.
///
/// # Errors
/// When two have one name, which a test rules out.
pub fn gather(kept: &Kept) -> Result<Vec<MetricFamily>, prometheus::Error> {
    let registry = Registry::new();
    rows(&registry, kept)?;
    questions(&registry, kept)?;
    let coherence = kept.coherence();
    let reading = coherence.read();
    let live = reading.is_some_and(|reading| reading.is_live(BootTime::now()));
    let plain = |name, help, value: i64| -> Result<(), prometheus::Error> {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(value);
        registry.register(Box::new(gauge))
    };
    if let Some(view) = kept.view() {
        let shared = kept.coherence().shared();
        let good = shared.is_some_and(|shared| view.good_for(&shared).is_some());
        plain(
            "sidegate_view_good",
            "1 while the materialized view is of the triggers, views and policy that there are now",
            i64::from(good),
        )?;
    }
    if let Some(l2) = kept.l2() {
        shared(&registry, l2)?;
        plain(
            "sidegate_l2_admitted",
            "1 while what is in Redis may be answered from: the change log is known",
            i64::from(kept.coherence().shared().is_some()),
        )?;
    }
    plain(
        "sidegate_cache_open",
        "1 while answers may come from memory",
        i64::from(live),
    )?;
    plain(
        "sidegate_polls",
        "Polls of the change log that were begun; the few flushes are among them",
        i64::try_from(coherence.polls()).unwrap_or(i64::MAX),
    )?;
    credentials(&registry, kept)?;
    let Some(reading) = reading else {
        return Ok(registry.gather());
    };
    let age = reading.age(BootTime::now()).as_millis();
    plain(
        "sidegate_lease_age_milliseconds",
        "How old the last poll of the change log is that was applied; above 1000 nothing comes from memory. Missing while caching is off",
        i64::try_from(age).unwrap_or(i64::MAX),
    )?;
    Ok(registry.gather())
}

/// What is known of credentials.
fn credentials(registry: &Registry, kept: &Kept) -> Result<(), prometheus::Error> {
    let rows = kept.coherence().register().rows();
    let (keys, revocations) = rows.unwrap_or_default();
    let known = usize::from(rows.is_some());
    for (name, help, number) in [
        (
            "sidegate_register_known",
            "1 while all service keys and revocations are in memory, so that no request asks for them",
            known,
        ),
        ("sidegate_register_keys", "Service keys in memory", keys),
        (
            "sidegate_register_revocations",
            "Revocations in memory",
            revocations,
        ),
    ] {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        registry.register(Box::new(gauge))?;
    }
    Ok(())
}

fn rows(registry: &Registry, kept: &Kept) -> Result<(), prometheus::Error> {
    let state = ["class", "state"];
    let entries = vector(
        registry,
        "sidegate_l1_entries",
        "Rows in memory",
        &["class"],
    )?;
    let bytes = vector(
        registry,
        "sidegate_l1_bytes",
        "What they weigh, and may weigh",
        &state,
    )?;
    let looked = ["class", "result"];
    let lookups = vector(
        registry,
        "sidegate_l1_lookups",
        "Look-ups of rows in memory",
        &looked,
    )?;
    let stats = kept.l1().stats();
    for (class, stats) in [
        ("user_auth", stats.user_auth),
        ("direct_ownership", stats.direct_ownership),
        ("team_access", stats.team_access),
        ("project_visibility", stats.project_visibility),
    ] {
        set(&entries, &[class], stats.entries);
        set(&bytes, &[class, "used"], stats.bytes);
        set(&bytes, &[class, "limit"], stats.capacity);
        set(&lookups, &[class, "hit"], stats.hits);
        set(&lookups, &[class, "absent"], stats.absent);
        set(&lookups, &[class, "expired"], stats.expired);
        set(&lookups, &[class, "touched"], stats.touched);
    }
    Ok(())
}

fn shared(registry: &Registry, l2: &L2) -> Result<(), prometheus::Error> {
    let lookups = vector(
        registry,
        "sidegate_l2_lookups",
        "Look-ups in Redis, by how they ended",
        &["result"],
    )?;
    for (lookup, count) in l2.lookups() {
        set(&lookups, &[lookup.name()], count);
    }
    let writes = vector(
        registry,
        "sidegate_l2_writes",
        "Answers that were to be written to Redis, by what became of them",
        &["result"],
    )?;
    for (write, count) in l2.writes() {
        set(&writes, &[write.name()], count);
    }
    let connections = vector(
        registry,
        "sidegate_l2_connections",
        "Connections to Redis that are open",
        &[],
    )?;
    set(
        &connections,
        &[],
        u64::try_from(l2.connected()).unwrap_or(u64::MAX),
    );
    let closed = vector(
        registry,
        "sidegate_l2_in_use",
        "1 while Redis is asked, 0 while it is left alone because it has failed or there is no connection",
        &[],
    )?;
    set(
        &closed,
        &[],
        u64::from(l2.is_closed() && l2.connected() > 0),
    );
    Ok(())
}

fn questions(registry: &Registry, kept: &Kept) -> Result<(), prometheus::Error> {
    let tier = vector(
        registry,
        "sidegate_answers",
        "Questions of decisions, by where their rows came from",
        &["tier"],
    )?;
    let answered = kept.answered();
    set(&tier, &["l1"], answered.memory);
    set(&tier, &["l2"], answered.shared);
    set(&tier, &["view"], answered.viewed);
    set(&tier, &["store"], answered.store);
    set(&tier, &["l1_stale"], answered.stale);
    let flights = vector(
        registry,
        "sidegate_flights",
        "Questions to the store: queries that were sent, and askers who joined one",
        &["role"],
    )?;
    let (started, joined) = kept.queries();
    set(&flights, &["started"], started);
    set(&flights, &["joined"], joined);
    Ok(())
}

fn vector(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    let vector = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(vector.clone()))?;
    Ok(vector)
}

fn set(vector: &IntGaugeVec, labels: &[&str], value: u64) {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    vector.with_label_values(labels).set(value);
}

//! The last examination of the database of the generation that counts.
//!
//! Promise: looked at as soon as the process runs, every [`ROUND`] from then on, and when another
//! configuration counts. While the database cannot be reached the last findings stay; that it cannot be
//! reached is said elsewhere.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sidegate_config::StoreSettings;
use tokio::time::{sleep, timeout};

use super::expect::Expectations;
use super::finding::{Examination, Finding, Severity};
use super::{DoctorError, examine};
use crate::clock::Clock;
use crate::database::{Database, Notice, Purpose};
use crate::generation::Current;
use crate::metrics::Metrics;

/// How often the database is looked at.
const ROUND: Duration = Duration::from_secs(30);
/// How soon again, while it cannot be.
const RETRY: Duration = Duration::from_secs(1);
/// How long one look may take.
const BOUND: Duration = Duration::from_secs(25);

/// What was found last.
#[derive(Debug)]
pub struct Board {
    last: ArcSwap<Option<Examination>>,
    notice: Notice,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            last: ArcSwap::default(),
            notice: Notice::new("examining the database"),
        }
    }
}

impl Board {
    /// Looks for ever, at the database of whatever generation counts.
    pub async fn keep(&self, current: &Current, metrics: &Metrics) {
        let mut changes = current.changes();
        let mut last = current.load();
        loop {
            let generation = current.load();
            if !Arc::ptr_eq(&last.store, &generation.store) {
                // It was about another database.
                self.last.store(Arc::default());
            }
            let pause = match (generation.store.postgres(), &generation.settings.store) {
                (Some(store), StoreSettings::Postgres(settings)) => {
                    let policy = &generation.settings.policy;
                    let expected = Expectations::new(policy, settings, Clock::System);
                    let looked = self.look(store.database(), &expected).await;
                    if looked { ROUND } else { RETRY }
                }
                _ => ROUND,
            };
            for severity in Severity::ALL {
                metrics.doctor_findings(severity, self.count(severity));
            }
            last = generation;
            tokio::select! {
                () = sleep(pause) => {}
                Ok(()) = changes.changed() => {}
            }
        }
    }

    /// Looks once, and says what is new. Whether the database could be looked at.
    async fn look(&self, database: &Database, expected: &Expectations) -> bool {
        let examined = match timeout(BOUND, Box::pin(look(database, expected))).await {
            Ok(examined) => examined,
            Err(_elapsed) => Err(DoctorError::TimedOut),
        };
        match examined {
            Ok(examination) => {
                self.notice.worked();
                self.report(&examination);
                self.last.store(Arc::new(Some(examination)));
                true
            }
            Err(error) => {
                self.notice.failed(&error.to_string());
                false
            }
        }
    }

    /// The findings. Not for everybody: they may name what is in the database.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let last = self.last.load();
        (**last)
            .as_ref()
            .map_or_else(Vec::new, |last| last.findings.clone())
    }

    /// How many findings of a severity there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let last = self.last.load();
        let findings = (**last).iter().flat_map(|last| &last.findings);
        findings
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// What everybody may know: which checks have findings, and how bad they are.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let last = self.last.load();
        let findings = (**last).iter().flat_map(|last| &last.findings);
        let seen: BTreeSet<_> = findings
            .map(|finding| (std::cmp::Reverse(finding.severity), finding.check))
            .collect();
        seen.into_iter()
            .map(|(severity, check)| format!("database: {}: {}", severity.0.name(), check.name()))
            .collect()
    }

    /// Says what is new since the last time, and what is no more.
    fn report(&self, next: &Examination) {
        let last = self.findings();
        // Without the figures, which differ each time.
        let key = |finding: &Finding| (finding.check, finding.severity, finding.mend.clone());
        let known: BTreeSet<_> = last.iter().map(key).collect();
        for finding in next
            .findings
            .iter()
            .filter(|finding| !known.contains(&key(finding)))
        {
            let (check, severity) = (finding.check.name(), finding.severity.name());
            let Finding { what, mend, .. } = finding;
            match finding.severity {
                Severity::Broken => {
                    tracing::error!(check, severity, what, mend, "the database is not well")
                }
                Severity::Uncached | Severity::Warning => {
                    tracing::warn!(check, severity, what, mend, "the database is not well");
                }
            }
        }
        if next.findings.is_empty() && !last.is_empty() {
            tracing::info!("the database is well again");
        }
    }
}

async fn look(database: &Database, expected: &Expectations) -> Result<Examination, DoctorError> {
    let lease = database.acquire(Purpose::Maintenance).await?;
    let examination = examine(&lease, expected).await?;
    lease.finish();
    Ok(examination)
}

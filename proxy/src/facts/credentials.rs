//! Whether a credential still counts, and which key it is: from the register that the change feed keeps, or else
//! from the tables.
//!
//! Promise: as for rows. What is allowed on was true at most [`BOUND`] ago, or where the route has opted in and the
//! store cannot be asked, as long ago as the route says; what is refused on was true after the request arrived; a
//! store that cannot answer is an error. Where the register is known no request asks the database, however many
//! tokens and keys there are that nobody knows.

use std::time::Duration;

use super::Facts;
use super::kept::{Kept, POLL_PATIENCE};
use crate::authn::KeyVerdict;
use crate::coherence::{BOUND, BootTime};
use crate::credential::{Presented, Table, Wanted};
use crate::store::{Credential, Origin, StoreError};

/// What was found, and whether it may be older than [`BOUND`] because the store could not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known<T> {
    /// What was found.
    pub found: T,
    /// Whether it may be that old.
    pub is_stale: bool,
    /// Until when it may be gone by, if nothing is asked anew.
    pub good_until: BootTime,
}

/// When a request came, and how old what it is allowed on may be if the store cannot be asked.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// When it came.
    pub arrived: BootTime,
    /// Of its route.
    pub stale_if_error: Duration,
}

impl Facts {
    /// Whether a credential that is good for itself was revoked.
    ///
    /// # Errors
    /// When nobody can tell.
    pub async fn revokes(
        &self,
        presented: &Presented<'_>,
        patience: Patience,
    ) -> Result<Known<bool>, StoreError> {
        if let Some(since) = self.kept.as_ref().and_then(|kept| kept.revokes_nothing()) {
            return Ok(Known::since(since, false));
        }
        let asked = Credential::Presented(*presented);
        let judge = |table: &Table| table.revokes(presented);
        self.consult(&asked, patience, judge, |revoked| *revoked)
            .await
    }

    /// What `judge` makes of the rows of the service key that is wanted.
    ///
    /// # Errors
    /// When nobody can tell.
    pub async fn key(
        &self,
        wanted: Wanted<'_>,
        judge: impl Fn(&Table) -> KeyVerdict,
        patience: Patience,
    ) -> Result<Known<KeyVerdict>, StoreError> {
        let refuses = |verdict: &KeyVerdict| !matches!(verdict, KeyVerdict::Good(_));
        let asked = Credential::Key(wanted);
        self.consult(&asked, patience, judge, refuses).await
    }

    /// The same, where it is known already, and until when it may be gone by.
    #[must_use]
    pub fn key_at_once(
        &self,
        judge: impl Fn(&Table) -> KeyVerdict,
    ) -> Option<(KeyVerdict, BootTime)> {
        let coherence = self.kept.as_ref()?.coherence();
        let reading = coherence.read()?;
        let found = coherence.register().look(judge)?;
        let until = reading.start().after(BOUND);
        reading.is_live(BootTime::now()).then_some((found, until))
    }

    async fn consult<T>(
        &self,
        asked: &Credential<'_>,
        patience: Patience,
        judge: impl Fn(&Table) -> T,
        refuses: impl Fn(&T) -> bool,
    ) -> Result<Known<T>, StoreError> {
        let Some(store) = self.store.postgres() else {
            // A file has neither keys nor revocations.
            return Ok(Known::since(BootTime::now(), judge(&Table::default())));
        };
        let kept = self.kept.as_deref();
        if let Some(kept) = kept
            && let Some((found, since)) = kept.consult(patience.arrived, &judge, &refuses).await
        {
            return Ok(Known::since(since, found));
        }
        let asked_at = BootTime::now();
        let trust = |origin: &Origin| !kept.is_some_and(|kept| kept.is_elsewhere(origin));
        let error = match store.credential(asked, &trust).await {
            Ok(table) => return Ok(Known::since(asked_at, judge(&table))),
            Err(error) => error,
        };
        let stale = kept
            .filter(|_| error.is_outage())
            .and_then(|kept| kept.consult_stale(patience.stale_if_error, &judge));
        // Nobody is refused on what may be over.
        let (found, since) = stale.filter(|(found, _)| !refuses(found)).ok_or(error)?;
        Ok(Known {
            found,
            is_stale: true,
            good_until: since.after(patience.stale_if_error),
        })
    }
}

impl<T> Known<T> {
    /// As of an instant.
    fn since(instant: BootTime, found: T) -> Self {
        Self {
            found,
            is_stale: false,
            good_until: instant.after(BOUND),
        }
    }
}

impl Kept {
    /// As of when a live reading knows that nothing was revoked. Lease first, the clock last (R1).
    fn revokes_nothing(&self) -> Option<BootTime> {
        let coherence = self.coherence();
        let reading = coherence.read()?;
        let is_quiet = coherence.register().is_quiet();
        (is_quiet && reading.is_live(BootTime::now())).then_some(reading.start())
    }

    /// What the register says, and as of when: at once where that refuses nobody, else as of a poll that began after
    /// the request arrived. `None`: it cannot tell.
    async fn consult<T>(
        &self,
        arrived: BootTime,
        judge: &impl Fn(&Table) -> T,
        refuses: &impl Fn(&T) -> bool,
    ) -> Option<(T, BootTime)> {
        let coherence = self.coherence();
        let reading = coherence.read()?;
        let found = coherence.register().look(judge)?;
        if reading.is_live(BootTime::now()) && (!refuses(&found) || reading.began_after(arrived)) {
            return Some((found, reading.start()));
        }
        let reading = coherence.fresh(arrived, POLL_PATIENCE).await.ok()?;
        let found = coherence.register().look(judge)?;
        reading
            .is_live(BootTime::now())
            .then_some((found, reading.start()))
    }

    /// What the register said at most so long ago, and when.
    fn consult_stale<T>(
        &self,
        at_most: Duration,
        judge: &impl Fn(&Table) -> T,
    ) -> Option<(T, BootTime)> {
        if at_most.is_zero() {
            return None;
        }
        let coherence = self.coherence();
        let reading = coherence.read()?;
        let found = coherence.register().look(judge)?;
        reading
            .is_within(at_most, BootTime::now())
            .then_some((found, reading.start()))
    }
}

//! The doorbell of the change log: `database.doorbell`.
//!
//! Promise: what the configuration says is noted, and the trigger hangs if it is wanted. One that is not
//! wanted any more counts as surplus, and goes with the others. Its lock is asked for as that of any
//! table's trigger.

use super::{MigrateError, Session, refused, table};

const LOG: &str = "sidegate.change_log";

impl Session {
    pub(super) async fn doorbell(
        &mut self,
        wanted: bool,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), MigrateError> {
        let doing = "the doorbell";
        self.client
            .execute(NOTE, &[&wanted.to_string()])
            .await
            .map_err(|source| refused(doing, source))?;
        let hangs = self.client.query_one(HANGS, &[]).await;
        let hangs: bool = hangs
            .and_then(|row| row.try_get(0))
            .map_err(|source| refused(doing, source))?;
        if wanted && !hangs {
            let work = "select sidegate.hang_doorbell()";
            table::with(self, LOG, "share row exclusive", work).await?;
            say("the doorbell hangs at sidegate.change_log");
        }
        Ok(())
    }
}

/// Not again when it says so already.
const NOTE: &str = "insert into sidegate.state as s (key, value) values ('doorbell', $1::text::jsonb) \
    on conflict (key) do update set value = excluded.value, changed_at = now() where s.value <> excluded.value";

const HANGS: &str = "select exists (select from pg_trigger \
    where tgrelid = 'sidegate.change_log'::regclass and tgname = 'sidegate_ring' and tgenabled = 'A')";

//! The doorbell of the change log: `database.doorbell`.
//!
//! Promise: what the configuration says is noted before surplus triggers are looked for, so that one that
//! is not wanted any more goes with them. One that is wanted is hung last: its lock is asked for as that of
//! any table's trigger, and a log that is in use all the time leaves nothing else undone.

use super::{MigrateError, Session, refused, table};

const LOG: &str = "sidegate.change_log";
const DOING: &str = "the doorbell";

impl Session {
    /// Notes whether one is wanted.
    pub(super) async fn note_doorbell(&self, wanted: bool) -> Result<(), MigrateError> {
        self.batch(DOING, &note(wanted)).await
    }

    /// Hangs one.
    pub(super) async fn hang_doorbell(
        &mut self,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), MigrateError> {
        if !self.doorbell_is(RINGS).await? {
            table::with(self, LOG, "share row exclusive", HANG).await?;
            say("the doorbell hangs at sidegate.change_log");
        }
        Ok(())
    }

    /// What would be done about it.
    pub(super) async fn plan_doorbell(
        &self,
        wanted: bool,
        installed: bool,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), MigrateError> {
        say(&format!("{};", note(wanted)));
        let rings = installed && self.doorbell_is(RINGS).await?;
        if wanted && !rings {
            say(&format!("{HANG};"));
        }
        if !wanted && installed && self.doorbell_is(HANGS).await? {
            say(&format!("select sidegate.remove('{LOG}');"));
        }
        Ok(())
    }

    async fn doorbell_is(&self, so: &str) -> Result<bool, MigrateError> {
        let query = format!(
            "select exists (select from pg_trigger \
             where tgrelid = '{LOG}'::regclass and tgname = 'sidegate_ring' and {so})"
        );
        let row = self.client.query_one(&query, &[]).await;
        row.and_then(|row| row.try_get(0))
            .map_err(|source| refused(DOING, source))
    }
}

const HANG: &str = "select sidegate.hang_doorbell()";
const HANGS: &str = "true";
const RINGS: &str = "tgenabled = 'A'";

/// Not again when it says so already.
fn note(wanted: bool) -> String {
    format!(
        "insert into sidegate.state as s (key, value) values ('doorbell', '{wanted}') \
         on conflict (key) do update set value = excluded.value, changed_at = now() where s.value <> excluded.value"
    )
}

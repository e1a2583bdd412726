//! The login of `database.url`: what it may read, and what it sees.
//!
//! Promises: it becomes a reader, and Postgres's own functions and operators become the only ones that it
//! sees; what is so already is not touched. Does not: make a login, or touch the one that migrates.

use std::str::FromStr as _;

use sidegate_config::{PostgresSettings, Secret};
use tokio_postgres::Config;
use tokio_postgres::error::SqlState;

use super::{MigrateError, Session, refused};

impl Session {
    /// Makes the login of `database.url` a reader, unless it is the one that migrates.
    pub(super) async fn grant(
        &self,
        settings: &PostgresSettings,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), MigrateError> {
        let login = login(&settings.database.url).ok_or(MigrateError::Login)?;
        let grants = self
            .client
            .query(GRANT, &[&login])
            .await
            .map_err(|source| refused("the reader's rights", source))?;
        let Some(row) = grants.first() else {
            return self.pin(&login, say).await;
        };
        let grant: Option<String> = row
            .try_get(0)
            .map_err(|source| refused("the reader's rights", source))?;
        match grant {
            Some(grant) => {
                self.batch(&grant, &grant).await?;
                say(&grant);
                self.pin(&login, say).await?;
            }
            // A pooler may make another role of it.
            None => say(&format!(
                "note: there is no role {login}: grant sidegate_reader to the one that database.url becomes"
            )),
        }
        Ok(())
    }

    /// Makes Postgres's own functions and operators the only ones that the login sees, also behind a
    /// pooler, which passes no settings on.
    async fn pin(&self, login: &str, say: &mut dyn FnMut(&str)) -> Result<(), MigrateError> {
        let wanted = self.client.query_one(UNPINNED, &[&login]).await;
        let wanted: bool = wanted
            .and_then(|row| row.try_get(0))
            .map_err(|source| refused("the reader's search path", source))?;
        if !wanted {
            return Ok(());
        }
        let name = login.replace('"', "\"\"");
        let sql = format!("alter role \"{name}\" set search_path = pg_catalog, pg_temp");
        match self.client.batch_execute(&sql).await {
            Ok(()) => say(&sql),
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                say(&format!("note: let an administrator run: {sql}"));
            }
            Err(source) => return Err(refused(&sql, source)),
        }
        Ok(())
    }
}

/// Who logs in with a URL.
fn login(url: &Secret) -> Option<String> {
    let text = std::str::from_utf8(url.expose()).ok()?;
    Config::from_str(text).ok()?.get_user().map(str::to_owned)
}

/// The grant that is missing, if one is; null if there is no such role.
const GRANT: &str = "select (select format('grant sidegate_reader to %I', r.rolname) from pg_roles r \
    where r.rolname = $1::text) where $1::text <> current_user and not exists (select from pg_roles r \
    where r.rolname = $1::text and pg_has_role(r.oid, 'sidegate_reader', 'usage'))";

/// Whether the login is another one than ours, and sees more than Postgres's own.
const UNPINNED: &str = "select $1::text <> current_user and not exists (select from pg_db_role_setting s \
    join pg_roles r on r.oid = s.setrole where r.rolname = $1::text and s.setdatabase = 0 \
    and 'search_path=pg_catalog, pg_temp' = any (s.setconfig))";

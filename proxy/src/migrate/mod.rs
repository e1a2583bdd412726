//! Sidegate's side of the application's database: `sidegate migrate` (DESIGN §3).
//!
//! Promises: idempotent; what is there and right is not touched. The application's tables get triggers
//! and nothing else, one table at a time, under a lock that no writer is made to wait behind for long
//! (see `table`). Each step is one transaction: one that fails leaves nothing half done, and the next
//! run goes on from there. Two runs at once: the second one is refused.
//!
//! Does not: change what the application's tables hold, nor wait for running Sidegates.

mod contract;
mod course;
mod doorbell;
mod login;
mod plan;
mod table;
mod up;
mod view;

use std::path::PathBuf;

use sidegate_config::PostgresSettings;
use tokio_postgres::Client;

use crate::database::{self, ConnectionTask, DatabaseError};

use course::Course;
pub use course::Event;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Bring the database to what this version and the contract ask for.
    Up,
    /// Let go of a table, for a migration of the application's own.
    Release(String),
    /// Remove the triggers, the schema and the roles.
    Down,
}

/// Why it is not done, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database cannot be had.
    #[error("{0}")]
    Connect(#[from] DatabaseError),
    /// The URL of `database.url` names no login.
    #[error("database.url: expected a user in the URL")]
    Login,
    /// The contract cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Contract {
        /// `store.postgres.contract`.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody else is at it.
    #[error("another `sidegate migrate` is running on this database")]
    Running,
    /// A table is in use all the time.
    #[error(
        "{relation}: no lock within {tries} tries, so as not to hold up the application. In its way: {holders}"
    )]
    Busy {
        /// The table.
        relation: String,
        /// How often it was tried.
        tries: usize,
        /// Who holds locks on it.
        holders: String,
    },
    /// Nothing is installed.
    #[error("there is no schema `sidegate` in this database")]
    Absent,
    /// The server refused a statement.
    #[error("{doing}: {}", words(source))]
    Postgres {
        /// What was being done.
        doing: String,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// A migration failed.
    #[error("migrations: {}", chain(.0))]
    Migration(#[from] refinery::Error),
}

/// Does it, and tells which step begins and what is done, a line at a time.
///
/// # Errors
/// When any of it fails; what was done before stays done. The step that began last is the one that failed.
pub async fn run(
    settings: &PostgresSettings,
    action: &Action,
    listener: &mut dyn FnMut(Event<'_>),
) -> Result<(), MigrateError> {
    let mut course = Course::new(1, listener);
    course.step("the connection");
    let mut session = Session::open(settings).await?;
    match action {
        Action::Up => session.up(settings, &mut course).await,
        Action::Release(table) => session.release(table, &mut course).await,
        Action::Down => session.down(&mut course).await,
    }
}

/// Says what [`run`] would do, as SQL, and does none of it.
///
/// # Errors
/// When the database or the contract cannot be read.
pub async fn dry_run(
    settings: &PostgresSettings,
    action: &Action,
    say: &mut dyn FnMut(&str),
) -> Result<(), MigrateError> {
    let mut session = Session::open(settings).await?;
    match action {
        Action::Up => plan::up(&mut session, settings, say).await,
        Action::Release(table) => plan::release(&session, table, say).await,
        Action::Down => plan::down(&session, say).await,
    }
}

/// One connection, alone at its work.
pub(crate) struct Session {
    client: Client,
    /// The schemas in which the contract's unqualified names are looked up.
    path: String,
    // Ends the connection's task when it is dropped.
    _connection: ConnectionTask,
}

impl Session {
    async fn open(settings: &PostgresSettings) -> Result<Self, MigrateError> {
        let database = &settings.database;
        let url = database.migrate_url.as_ref().unwrap_or(&database.url);
        let (client, connection) = database::connect(url, database).await?;
        let path = client
            .query_one(PATH, &[])
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|source| refused("the search path", source))?;
        let session = Self {
            client,
            path,
            _connection: connection,
        };
        session.batch("the session", SESSION).await?;
        match session.client.batch_execute(ALONE).await {
            Ok(()) => Ok(session),
            Err(error) if table::is_lock(&error) => Err(MigrateError::Running),
            Err(error) => Err(refused("the lock against a second run", error)),
        }
    }

    async fn release(&mut self, table: &str, course: &mut Course<'_>) -> Result<(), MigrateError> {
        // This, and the trigger functions.
        course.more(2);
        let doing = format!("releasing {table}");
        course.step(&doing);
        self.installed().await?;
        let before = format!(
            "set local sidegate.defer = 'on'; set local search_path = {}",
            self.path
        );
        table::retried(&mut self.client, &doing, async |client| {
            // Its lock is on the views only: the triggers follow, as any that are no longer wanted.
            let transaction = client.transaction().await?;
            transaction.batch_execute(&before).await?;
            // It reads the views that go.
            transaction.batch_execute(view::DROP).await?;
            transaction
                .execute("select sidegate.release($1::text::regclass)", &[&table])
                .await?;
            transaction.commit().await
        })
        .await?;
        self.triggers(course).await?;
        course.say(&format!(
            "released {table}: nothing is cached and questions are answered with 503 until the next `sidegate migrate`"
        ));
        Ok(())
    }

    async fn down(&mut self, course: &mut Course<'_>) -> Result<(), MigrateError> {
        // The watches, the trigger functions, schema and roles.
        course.more(3);
        course.step("watches");
        self.installed().await?;
        self.batch("watches", UNWATCH).await?;
        self.triggers(course).await?;
        course.step("schema and roles");
        table::retried(
            &mut self.client,
            "schema and roles (migrations/down.sql)",
            async |client| client.batch_execute(DOWN).await,
        )
        .await?;
        course.say("schema `sidegate` is gone, and its roles where nothing else needs them");
        Ok(())
    }

    async fn installed(&self) -> Result<(), MigrateError> {
        let row = self.client.query_one(INSTALLED, &[]).await;
        let installed: bool = row
            .and_then(|row| row.try_get(0))
            .map_err(|source| refused("schema `sidegate`", source))?;
        if installed {
            Ok(())
        } else {
            Err(MigrateError::Absent)
        }
    }

    /// Names that a query returns.
    async fn names(&self, doing: &str, query: &str) -> Result<Vec<String>, MigrateError> {
        let rows = self.client.query(query, &[]).await;
        rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect())
            .map_err(|source| refused(doing, source))
    }

    async fn batch(&self, doing: &str, sql: &str) -> Result<(), MigrateError> {
        self.client
            .batch_execute(sql)
            .await
            .map_err(|source| refused(doing, source))
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

fn refused(doing: &str, source: tokio_postgres::Error) -> MigrateError {
    MigrateError::Postgres {
        doing: doing.to_owned(),
        source,
    }
}

/// What the server said, with what it advises: the driver's own message is just "db error".
fn words(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else {
        return chain(error);
    };
    let further = [said.detail(), said.hint()].into_iter().flatten();
    further.fold(
        format!("{} ({})", said.message(), said.code().code()),
        |text, more| format!("{text}. {more}"),
    )
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

mod embedded {
    // The macro's functions have no documentation of ours.
    #![allow(missing_docs, unreachable_pub, reason = "written by a macro")]
    refinery::embed_migrations!("../migrations");
}

/// The migrations of this version, and where it is noted which were applied.
pub(crate) fn runner() -> refinery::Runner {
    let mut runner = embedded::migrations::runner();
    runner.set_migration_table_name(HISTORY);
    runner
}

const HISTORY: &str = "sidegate.schema_history";
/// Not again when it is there: a grant is a change of the catalog.
const SHOW: &str = "do $$ begin \
    if not has_table_privilege('sidegate_reader', 'sidegate.schema_history', 'select') then \
    grant select on sidegate.schema_history to sidegate_reader; end if; end $$";
const ROLES: &str = include_str!("../../../migrations/roles.sql");
const DOWN: &str = include_str!("../../../migrations/down.sql");

/// Where the application's tables are found. A role called `sidegate` has our own schema in its path, where
/// `projects` is a view.
const PATH: &str = "select coalesce(string_agg(quote_ident(s.name), ', '), 'public') \
    from unnest(current_schemas(false)) as s (name) where s.name <> 'sidegate'";

/// It may take its time, but never on a lock that others wait behind. What our own statements call is
/// Postgres's: whoever may create in the application's schema would else run code as the migrating role.
const SESSION: &str = "set search_path = pg_catalog, pg_temp; set application_name = 'sidegate migrate'; \
    set lock_timeout = '2s'; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; \
    set client_min_messages = 'warning'";

/// Waits as long as for any lock: the server may not have noticed yet that an earlier run is gone.
const ALONE: &str = "select pg_advisory_lock(7235419004138209646)";

const INSTALLED: &str = "select to_regclass('sidegate.watches') is not null";

const WANTING: &str = "select distinct format('%I.%I', n.nspname, c.relname) \
    from sidegate.triggers t join pg_class c on c.oid = t.relation \
    join pg_namespace n on n.oid = c.relnamespace where t.state <> 'ok' order by 1";

const SURPLUS: &str = "select distinct format('%I.%I', n.nspname, c.relname) \
    from sidegate.surplus s join pg_class c on c.oid = s.relation \
    join pg_namespace n on n.oid = c.relnamespace order by 1";

const UNWATCH: &str = "delete from sidegate.watches w where exists (select from pg_class c \
    where c.oid = w.relation and c.relnamespace <> 'sidegate'::regnamespace)";

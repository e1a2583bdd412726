//! The contract: the views over the application's tables, and what is watched (DESIGN §3).
//!
//! Promises: one transaction: the old views go, the file is run, rights are given, the views are
//! noted; a file that fails leaves the old ones. It is run only when the file, this version or the
//! views in the database have changed since the last time.
//!
//! Does not: judge the views. `sidegate doctor` does.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use sidegate_config::PostgresSettings;
use tokio_postgres::error::ErrorPosition;

use super::table;
use super::{MigrateError, Session, refused, runner};

/// The text, and how to call it in messages.
pub(super) struct Contract {
    pub(super) name: String,
    pub(super) text: String,
}

impl Contract {
    pub(super) fn read(settings: &PostgresSettings) -> Result<Self, MigrateError> {
        let Some(path) = &settings.contract else {
            return Ok(Self {
                name: "the example's contract (set store.postgres.contract)".to_owned(),
                text: EXAMPLE.to_owned(),
            });
        };
        let text = std::fs::read_to_string(path).map_err(|source| MigrateError::Contract {
            path: path.clone(),
            source,
        })?;
        let name = path.display().to_string();
        Ok(Self { name, text })
    }

    /// Of the text and of everything that gives it meaning.
    fn hash(&self) -> String {
        let mut whole = format!("{BEGIN}{END}{}", self.text);
        for migration in runner().get_migrations() {
            // Writing to a String cannot fail.
            let _ = write!(whole, "{migration}{}", migration.checksum());
        }
        let bytes = digest(&SHA256, whole.as_bytes());
        bytes.as_ref().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// The text as one statement, which cannot end the transaction that it is in.
    fn guarded(&self) -> String {
        // Quotes that the text does not have: one of so many numbers is free.
        let mut tags = (0_u32..).map(|number| format!("sidegate_{number}"));
        let tag = tags
            .find(|tag| !self.text.contains(tag))
            .unwrap_or_default();
        let text = &self.text;
        format!("do ${tag}_do$ begin execute ${tag}${text}${tag}$; end ${tag}_do$")
    }

    /// The whole transaction, to be shown. `path` is where its unqualified names are looked up.
    pub(super) fn sql(&self, path: &str) -> String {
        let (name, text) = (&self.name, &self.text);
        format!(
            "begin;\n{BEGIN}\nset local search_path = {path};\n-- {name}\n{text}\n{PINNED};\n{END}commit;"
        )
    }
}

/// Whether the database has it already.
pub(super) async fn is_applied(
    session: &Session,
    contract: &Contract,
) -> Result<bool, MigrateError> {
    let found = session
        .client
        .query_opt(NOTED, &[])
        .await
        .and_then(|row| row.map(|row| row.try_get::<_, String>(0)).transpose())
        .map_err(|source| refused("the noted contract", source))?;
    let noted: Value = found
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    Ok(noted == note(session, contract).await?)
}

/// Applies it, if it is not.
pub(super) async fn apply(
    session: &mut Session,
    settings: &PostgresSettings,
    say: &mut dyn FnMut(&str),
) -> Result<(), MigrateError> {
    let contract = Contract::read(settings)?;
    if is_applied(session, &contract).await? {
        return Ok(());
    }
    let doing = "the contract's views";
    table::retried(&mut session.client, doing, async |client| {
        let result = client.batch_execute(&format!("begin; {BEGIN}")).await;
        if result.is_err() {
            client.batch_execute("rollback").await?;
        }
        result
    })
    .await?;
    let done = run(session, &contract).await;
    if done.is_err() {
        // The reason is worth more than whether the connection still takes this.
        let _ = session.client.batch_execute("rollback").await;
    }
    done?;
    say(&format!("applied {}", contract.name));
    Ok(())
}

/// In the transaction that is open.
async fn run(session: &Session, contract: &Contract) -> Result<(), MigrateError> {
    let name = &contract.name;
    let path = format!("set local search_path = {}", session.path);
    session.batch(name, &path).await?;
    if let Err(source) = session.client.batch_execute(&contract.guarded()).await {
        let line = line(&contract.text, &source);
        return Err(refused(&format!("{name}{line}"), source));
    }
    session.batch(name, PINNED).await?;
    session.batch(name, END).await?;
    let note = note(session, contract).await?.to_string();
    session
        .client
        .execute(NOTE, &[&note])
        .await
        .map_err(|source| refused("the noted contract", source))?;
    session.batch(name, "commit").await
}

/// What is noted of a contract: its hash, and the views that it made.
async fn note(session: &Session, contract: &Contract) -> Result<Value, MigrateError> {
    let rows = session
        .client
        .query(VIEWS, &[])
        .await
        .map_err(|source| refused("the contract's views", source))?;
    let views: BTreeMap<String, i64> = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<_, _>>()
        .map_err(|source| refused("the contract's views", source))?;
    Ok(json!({ "hash": contract.hash(), "views": views }))
}

/// Where in the text the server found the error: `:12`, or nothing.
fn line(text: &str, error: &tokio_postgres::Error) -> String {
    let position = error.as_db_error().and_then(|said| said.position());
    match position {
        Some(ErrorPosition::Internal { position, query }) if query == text => {
            let before = usize::try_from(*position).unwrap_or(0).saturating_sub(1);
            let lines = text.chars().take(before).filter(|it| *it == '\n').count();
            format!(":{}", lines.saturating_add(1))
        }
        Some(ErrorPosition::Internal { .. } | ErrorPosition::Original(_)) | None => String::new(),
    }
}

/// Only the contract itself sees the application's schemas.
const PINNED: &str = "set local search_path = pg_catalog, pg_temp";
const EXAMPLE: &str = include_str!("../../../migrations/contract.example.sql");
const BEGIN: &str = include_str!("../../../migrations/contract_begin.sql");
const END: &str = include_str!("../../../migrations/contract_end.sql");

/// In the contract's transaction its views count already.
const VIEWS: &str = "select c.relname::text, c.oid::bigint from pg_class c \
    where c.relnamespace = 'sidegate'::regnamespace and c.relkind = 'v' \
    and c.relname not in ('history', 'triggers', 'surplus', 'revocation_records', 'key_records')";

const NOTED: &str = "select s.value::text from sidegate.state s where s.key = 'contract'";

const NOTE: &str = "insert into sidegate.state (key, value) values ('contract', $1::text::jsonb) \
    on conflict (key) do update set value = excluded.value, changed_at = now()";

//! Making, bringing along, listing, rotating and revoking service keys: `sidegate key`.
//!
//! Promise: a secret is shown once, by the command that made it, and kept nowhere: the table has its digest under the
//! pepper. A key is made with the login of `database.migrate_url` alone: the one that serves requests can only
//! take keys away. Every change counts on every instance within the bound, and is noted in `sidegate.audit`.

mod listed;

use std::fmt;
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sidegate_config::{PostgresSettings, Settings, StoreSettings, is_scope};
use sidegate_policy::Id;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use listed::LIST;

pub use listed::Listed;

use crate::authn::{KEY_PREFIX, Pepper};
use crate::credential::Digest;
use crate::database::{self, ConnectionTask, DatabaseError, describe};
use crate::generation::id_type;

/// How long a command may take.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes of a secret.
const SECRET: usize = 32;
/// Bytes of an id, which is written in hexadecimal.
const ID: usize = 8;

/// What is asked for with a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// For whom it speaks.
    pub subject: String,
    /// What it is for.
    pub scopes: Vec<String>,
    /// Who answers for it.
    pub owner: String,
    /// Whatever else is worth knowing.
    pub note: String,
    /// For how long it is good; `None`: until it is revoked.
    pub life: Option<Duration>,
}

/// A key whose secret can be seen now and never again.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Its id.
    pub id: String,
    /// What a program presents; `None` where it has it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is worth a second look.
    pub notes: Vec<String>,
}

/// Why it is not done.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// There is no database.
    #[error("store: expected `postgres`: a directory file holds no keys")]
    Store,
    /// There is no pepper.
    #[error("service_keys: expected a section with a `pepper`")]
    Unset,
    /// The database cannot be had.
    #[error("{0}")]
    Connect(#[from] DatabaseError),
    /// The keys that are there were made with another one.
    #[error(
        "service_keys.pepper: expected the one that the keys in sidegate.service_keys were made with (or none of them left that is not revoked)"
    )]
    Pepper,
    /// The server does not answer.
    #[error("no answer within {} s: `sidegate key list` says what is so", PATIENCE.as_secs())]
    TimedOut,
    /// The login may not.
    #[error("{0}: expected `database.migrate_url` to be a login that may act as sidegate_owner")]
    Forbidden(String),
    /// The server refuses.
    #[error("{}", describe(.0))]
    Postgres(tokio_postgres::Error),
    /// Not an id of a subject.
    #[error("--subject: expected an id of type {0}")]
    Subject(&'static str),
    /// Not a scope.
    #[error("--scope `{0}`: expected 1 to 64 letters, digits and `.:_-/`")]
    Scope(String),
    /// Not a digest.
    #[error("--sha256: expected 64 hexadecimal digits, the SHA-256 of the whole key")]
    Digest,
    /// Not an id of a key.
    #[error("expected a key's id: 1 to 64 letters and digits")]
    Id,
    /// There is no such key that could be changed.
    #[error("there is no key `{0}` that is good")]
    Unknown(String),
    /// It is longer than time goes.
    #[error("expected a time within a hundred years")]
    Life,
    /// The system has no random numbers.
    #[error("there are no random numbers to be had")]
    Random,
}

impl From<tokio_postgres::Error> for KeyringError {
    fn from(error: tokio_postgres::Error) -> Self {
        if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
            Self::Forbidden(describe(&error))
        } else {
            Self::Postgres(error)
        }
    }
}

/// Keys of one deployment.
pub struct Keyring<'s> {
    settings: &'s Settings,
    pepper: Pepper,
    client: Client,
    // Ends the connection when it is dropped.
    _connection: ConnectionTask,
}

impl<'s> Keyring<'s> {
    /// Connects, as whoever may change keys.
    ///
    /// # Errors
    /// When there are none, or no connection.
    pub async fn open(settings: &'s Settings) -> Result<Self, KeyringError> {
        let store = store(settings)?;
        let keys = settings.service_keys.as_ref().ok_or(KeyringError::Unset)?;
        let database = &store.database;
        let url = database.migrate_url.as_ref().unwrap_or(&database.url);
        let (client, connection) = database::connect(url, database).await?;
        let pepper = Pepper::new(&keys.pepper);
        let mark = pepper.mark();
        let rows = client.query_typed(MARK, &[(&mark, Type::TEXT)]).await?;
        if !rows.first().map_or(Ok(false), |row| row.try_get(0))? {
            return Err(KeyringError::Pepper);
        }
        Ok(Self {
            settings,
            pepper,
            client,
            _connection: connection,
        })
    }

    /// Makes a key.
    ///
    /// # Errors
    /// When a wish cannot be fulfilled, or the server refuses.
    pub async fn create(&self, wish: &Wish) -> Result<Made, KeyringError> {
        let id = hexadecimal(&random::<ID>()?);
        let key = secret(&id)?;
        let notes = self
            .insert(&id, &self.pepper.digest(&key), wish, false)
            .await?;
        Ok(Made {
            id,
            key: Some(key),
            notes,
        })
    }

    /// Takes a key of another make, of which only the SHA-256 is known.
    ///
    /// # Errors
    /// When a wish cannot be fulfilled, or the server refuses.
    pub async fn import(&self, id: &str, sha256: &str, wish: &Wish) -> Result<Made, KeyringError> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !(1..=64).contains(&id.len()) || !digits(id) {
            return Err(KeyringError::Id);
        }
        let hash = hash_of(sha256).ok_or(KeyringError::Digest)?;
        let digest = self.pepper.digest_of_hash(&hash);
        let notes = self.insert(id, &digest, wish, true).await?;
        Ok(Made {
            id: id.to_owned(),
            key: None,
            notes,
        })
    }

    /// Gives a key another secret; the one that it has is good for `overlap` longer, and the one before that no more.
    ///
    /// # Errors
    /// When there is no such key, or the server refuses.
    pub async fn rotate(&self, id: &str, overlap: Duration) -> Result<Made, KeyringError> {
        let key = secret(id)?;
        let digest = self.pepper.digest(&key);
        let overlap = seconds(overlap)?;
        let digest = digest.as_slice();
        let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
            (&id, Type::TEXT),
            (&digest, Type::BYTEA),
            (&overlap, Type::INT8),
        ];
        if self
            .client
            .query_typed(ROTATE, &parameters)
            .await?
            .is_empty()
        {
            return Err(KeyringError::Unknown(id.to_owned()));
        }
        tracing::info!(id, overlap, "a service key was rotated");
        Ok(Made {
            id: id.to_owned(),
            key: Some(key),
            notes: Vec::new(),
        })
    }

    async fn insert(
        &self,
        id: &str,
        digest: &Digest,
        wish: &Wish,
        imported: bool,
    ) -> Result<Vec<String>, KeyringError> {
        let id_type = id_type(self.settings.policy.subject_id);
        let subject =
            Id::parse(id_type, &wish.subject).ok_or(KeyringError::Subject(id_type.name()))?;
        if let Some(scope) = wish.scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(KeyringError::Scope(scope.clone()));
        }
        let life = wish.life.map(seconds).transpose()?;
        let (subject, digest) = (subject.as_str(), digest.as_slice());
        let parameters: [(&(dyn ToSql + Sync), Type); 8] = [
            (&id, Type::TEXT),
            (&digest, Type::BYTEA),
            (&subject, Type::TEXT),
            (&wish.scopes, Type::TEXT_ARRAY),
            (&wish.owner, Type::TEXT),
            (&wish.note, Type::TEXT),
            (&life, Type::INT8),
            (&imported, Type::BOOL),
        ];
        let rows = self.client.query_typed(INSERT, &parameters).await?;
        let known: bool = rows.first().map_or(Ok(false), |row| row.try_get(0))?;
        tracing::info!(id, subject, scopes = ?wish.scopes, imported, "a service key was made");
        Ok(self.notes(wish, known))
    }

    /// What makes a key of less use than somebody may think.
    fn notes(&self, wish: &Wish, known: bool) -> Vec<String> {
        let mut notes = Vec::new();
        if !known {
            notes.push("its subject has no row in sidegate.subjects, or an inactive one: it is refused until it has".to_owned());
        }
        if wish.scopes.is_empty() {
            notes.push("it has no scope, so no route accepts it".to_owned());
        }
        let mut routes = self.settings.routes.iter().flat_map(|route| &route.scopes);
        let unasked = |scope: &&String| !routes.any(|asked| asked == *scope);
        notes.extend(
            wish.scopes
                .iter()
                .filter(unasked)
                .map(|scope| format!("no route asks for `{scope}`")),
        );
        notes
    }
}

impl fmt::Debug for Keyring<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}

/// Every key, as the login of `database.url`.
///
/// # Errors
/// When the server refuses.
pub async fn list(settings: &Settings) -> Result<Vec<Listed>, KeyringError> {
    let (client, _connection) = reader(settings).await?;
    let rows = client.query_typed(LIST, &[]).await?;
    rows.iter().map(|row| Ok(Listed::read(row)?)).collect()
}

/// Revokes a key, as the login of `database.url`: for this no other right is needed.
///
/// # Errors
/// When there is no such key, or the server refuses.
pub async fn revoke(settings: &Settings, id: &str) -> Result<(), KeyringError> {
    let (client, _connection) = reader(settings).await?;
    let rows = client.query_typed(REVOKE, &[(&id, Type::TEXT)]).await?;
    if rows.first().map_or(Ok(false), |row| row.try_get(0))? {
        tracing::info!(id, "a service key was revoked");
        Ok(())
    } else {
        Err(KeyringError::Unknown(id.to_owned()))
    }
}

async fn reader(settings: &Settings) -> Result<(Client, ConnectionTask), KeyringError> {
    let database = &store(settings)?.database;
    Ok(database::connect(&database.url, database).await?)
}

fn store(settings: &Settings) -> Result<&PostgresSettings, KeyringError> {
    match &settings.store {
        StoreSettings::Postgres(store) => Ok(store),
        StoreSettings::File { .. } => Err(KeyringError::Store),
    }
}

/// What a program presents.
fn secret(id: &str) -> Result<String, KeyringError> {
    let secret = URL_SAFE_NO_PAD.encode(random::<SECRET>()?);
    Ok(format!("{KEY_PREFIX}{id}_{secret}"))
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], KeyringError> {
    let mut bytes = [0; BYTES];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_unspecified| KeyringError::Random)?;
    Ok(bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_of(text: &str) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| digits)?.try_into().ok()
}

fn seconds(life: Duration) -> Result<i64, KeyringError> {
    const CENTURY: u64 = 100 * 366 * 24 * 3600;
    let seconds = life.as_secs();
    i64::try_from(seconds)
        .ok()
        .filter(|_| seconds <= CENTURY)
        .ok_or(KeyringError::Life)
}

/// Whether this is the pepper of the keys that there are. The first one is noted, and so is one after which no key is left.
const MARK: &str = "\
with noted as (insert into sidegate.state (key, value) values ('pepper', to_jsonb($1)) \
    on conflict (key) do update set value = excluded.value, changed_at = now() \
    where not exists (select from sidegate.service_keys k where k.revoked_at is null) returning 1) \
select exists (select from noted) \
    or exists (select from sidegate.state s where s.key = 'pepper' and s.value = to_jsonb($1))";
/// Whether its subject has a row that is active.
const INSERT: &str = "\
with made as (insert into sidegate.service_keys (id, digest, subject, scopes, owner, note, expires_at, imported) \
              values ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7 * interval '1 second', $8)) \
select exists (select from sidegate.subjects s where s.id::text = $3 and s.active)";
const ROTATE: &str = "\
update sidegate.service_keys set previous_digest = digest, digest = $2, \
    previous_until = clock_timestamp() + $3 * interval '1 second' \
where id = $1 and revoked_at is null and (expires_at is null or expires_at > clock_timestamp()) returning id";
const REVOKE: &str = "select sidegate.revoke_key($1)";

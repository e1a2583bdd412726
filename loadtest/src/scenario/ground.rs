//! What scenarios are played on: a seeded database, a Redis, an application, and instances of Sidegate.
//!
//! Promises: the database is filled once, and all scenarios of a run are played on it; every instance begins
//! with nothing in memory, and with nothing in Redis unless that is said. Sidegate is configured as it is
//! shipped, but for addresses, secrets and the number of clients' failures, which all come from one address here.
//!
//! Does not: slow anything down; the application answers at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tempfile::NamedTempFile;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use super::ScenarioError;
use super::cast::{AUDIENCE, Cast, ISSUER};
use crate::app::{Database, Limits};
use crate::bench::wait;
use crate::postgres::Cluster;
use crate::process::{Sidegate, command_with};
use crate::redis::Redis;
use crate::seed::{Dataset, Existing, Filled, seed};
use crate::server::Server;

/// Everything but Sidegate.
pub(super) struct Ground {
    pub(super) cluster: Cluster,
    pub(super) redis: Redis,
    pub(super) cast: Arc<Cast>,
    application: Server,
    binary: PathBuf,
    owner_url: String,
    url: String,
    /// The keys of tokens.
    keys: NamedTempFile,
}

impl Ground {
    pub(super) async fn set(
        binary: &Path,
        set: Dataset,
        filled: impl FnMut(Filled),
    ) -> Result<Self, ScenarioError> {
        let cluster = tokio::task::spawn_blocking(Cluster::start).await??;
        let redis = tokio::task::spawn_blocking(Redis::start).await??;
        let owner_url = cluster.create_database("app")?;
        let url = owner_url.replacen("sidegate@", &format!("{LOGIN}@"), 1);
        let limits = Limits {
            connections: 1,
            ..Limits::default()
        };
        seed(
            &Database::new(&owner_url, limits)?,
            set,
            Existing::Refuse,
            filled,
        )
        .await?;
        let application = Server::application(Instant::now()).await?;
        let cast = Arc::new(Cast::new(set)?);
        let keys = NamedTempFile::with_suffix(".json")?;
        fs::write(keys.path(), &cast.keys)?;
        let ground = Self {
            cluster,
            redis,
            cast,
            application,
            binary: binary.to_owned(),
            owner_url,
            url,
            keys,
        };
        ground
            .execute(&format!("create role {LOGIN} login"))
            .await?;
        command_with(binary, &ground.configuration(), &[], &["migrate"]).await?;
        // What the seeding has left would be written while something is measured.
        ground.execute("checkpoint").await?;
        Ok(ground)
    }

    /// An instance that knows nothing, over an empty Redis.
    pub(super) async fn instance(&self) -> Result<Sidegate, ScenarioError> {
        let _: String = self.redis.command(&["FLUSHALL"])?;
        let sidegate = Sidegate::start_with(&self.binary, &self.configuration(), &[]).await?;
        for metric in [
            "sidegate_cache_open",
            "sidegate_l2_admitted",
            "sidegate_l2_connections",
        ] {
            wait(&sidegate, metric, 1).await?;
        }
        Ok(sidegate)
    }

    /// As the owner of the tables.
    pub(super) async fn execute(&self, sql: &str) -> Result<(), ScenarioError> {
        let (client, _driver) = self.connect().await?;
        Ok(client.batch_execute(sql).await?)
    }

    /// A connection of the owner of the tables, and the task that moves its bytes.
    pub(super) async fn connect(&self) -> Result<(Client, JoinSet<()>), ScenarioError> {
        let (client, connection) = tokio_postgres::connect(&self.owner_url, NoTls).await?;
        let mut driver = JoinSet::new();
        // How it ends is seen by the statement that is under way.
        driver.spawn(async move { drop(connection.await) });
        Ok((client, driver))
    }

    fn configuration(&self) -> String {
        let (upstream, redis) = (self.application.address(), self.redis.url());
        let Self { url, owner_url, .. } = self;
        let keys = self.keys.path().display();
        format!(
            r#"
listen: "127.0.0.1:0"
admin: {{ listen: "127.0.0.1:0" }}
limits: {{ max_failed_authentications: 0 }}
server: {{ shutdown_grace: 0s }}
telemetry: {{ access_log: {{ to: stdout }} }}
upstream: {{ url: "http://{upstream}" }}
issuers:
  - {{ issuer: "{ISSUER}", audiences: [{AUDIENCE}], algorithms: [ES256], keys: [{{ jwks_file: "{keys}" }}] }}
store: {{ postgres: {{}} }}
database: {{ url: "{url}", migrate_url: "{owner_url}" }}
redis: {{ url: "{redis}", mac_keys: ["a key of scenarios, of no use elsewhere"] }}
policy:
  roles: {{ owner: [read, write], admin: [read, write], editor: [read, write], viewer: [read] }}
  visibility_roles: {{ public: viewer }}
  kinds: {{ generation: {{ id: uuid }} }}
routes:
  - {{ methods: [GET], path: "/g/{{id}}", action: read, resource: {{ kind: generation, id: {{ path: id }} }} }}
  - {{ methods: [GET], path: "/s/{{id}}", action: read, resource: {{ kind: generation, id: {{ path: id }} }},
      stale_if_error: 30s }}
"#
        )
    }
}

/// Who an instance is to the database.
const LOGIN: &str = "sidegate_login";

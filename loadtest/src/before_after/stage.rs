//! What the chapters are measured on.
//!
//! Promises: Sidegate is configured as it is shipped, with the policy and the routes of `config/demo`; the
//! application is reached through it, or directly. Does not: put anything in front of Sidegate.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_postgres::NoTls;

use super::application::Application;
use super::audience::Audience;
use super::{BeforeAfterError, DELAY, Scale, Wish};
use crate::app::{Database, Limits, Profile};
use crate::postgres::Cluster;
use crate::process::{Sidegate, command_with};
use crate::redis::Redis;
use crate::seed::{Dataset, Existing, seed};

/// Servers, rows, and those who ask.
#[derive(Debug)]
pub(super) struct Stage {
    _cluster: Cluster,
    redis: Redis,
    url: String,
    wish: Wish,
    set: Dataset,
    pub(super) audience: Arc<Audience>,
}

/// The application behind Sidegate.
#[derive(Debug)]
pub(super) struct Behind {
    pub(super) sidegate: Sidegate,
    _application: Application,
}

impl Stage {
    pub(super) async fn set(wish: &Wish) -> Result<Self, BeforeAfterError> {
        let generations = match wish.scale {
            Scale::Smoke => 20_000,
            Scale::Usual | Scale::Full => 1_000_000,
        };
        let set = Dataset::new(generations, 1)?;
        let cluster = tokio::task::spawn_blocking(Cluster::start).await??;
        let redis = tokio::task::spawn_blocking(Redis::start).await??;
        let url = cluster.create_database("app")?;
        let limits = Limits {
            connections: 1,
            ..Limits::default()
        };
        let database = Database::new(&url, limits)?;
        seed(&database, set, Existing::Refuse, |_filled| ()).await?;
        let audience = tokio::task::spawn_blocking(move || Audience::of(&set)).await??;
        let stage = Self {
            _cluster: cluster,
            redis,
            url,
            wish: wish.clone(),
            set,
            audience: Arc::new(audience),
        };
        stage.execute(&format!("create role {LOGIN} login")).await?;
        let configuration = stage.configuration(&Application::reserve()?.to_string());
        command_with(&wish.sidegate, &configuration, &[], &["migrate"]).await?;
        Ok(stage)
    }

    /// The application alone, over a database that is away.
    pub(super) async fn direct(&self) -> Result<Application, BeforeAfterError> {
        let arguments = self.arguments(Profile::Legacy, None);
        for _ in 1..TRIES {
            let started =
                Application::start(&self.wish.own, Application::reserve()?, &arguments).await;
            if !matches!(started, Err(BeforeAfterError::Application)) {
                return started;
            }
        }
        Application::start(&self.wish.own, Application::reserve()?, &arguments).await
    }

    /// Sidegate that has just begun, with an empty Redis, and the application behind it.
    pub(super) async fn behind(&self, profile: Profile) -> Result<Behind, BeforeAfterError> {
        for _ in 1..TRIES {
            let started = self.once_behind(profile).await;
            if !matches!(started, Err(BeforeAfterError::Application)) {
                return started;
            }
        }
        self.once_behind(profile).await
    }

    /// Sidegate must know the application's address before the application is there.
    async fn once_behind(&self, profile: Profile) -> Result<Behind, BeforeAfterError> {
        self.redis.command::<String>(&["FLUSHALL"])?;
        let address = Application::reserve()?;
        let configuration = self.configuration(&address.to_string());
        let sidegate = Sidegate::start_with(&self.wish.sidegate, &configuration, &[]).await?;
        for metric in [
            "sidegate_cache_open",
            "sidegate_l2_admitted",
            "sidegate_l2_connections",
        ] {
            wait(&sidegate, metric).await?;
        }
        let arguments = self.arguments(profile, Some(&sidegate));
        let application = Application::start(&self.wish.own, address, &arguments).await?;
        Ok(Behind {
            sidegate,
            _application: application,
        })
    }

    /// What a reader must know.
    pub(super) fn assumptions(&self) -> Vec<String> {
        let set = &self.set;
        let mut all = vec![
            format!(
                "{} generations, {} projects, {} users, {} teams; {} users ask, each with a token of its own, for \
                 eight generations at most: own ones, ones of its teams, and a public one.",
                set.generations(),
                set.projects(),
                set.users(),
                set.teams(),
                self.audience.len(),
            ),
            format!(
                "Legacy and trusting reach their database through a relay that holds each answer back for {} ms: with \
                 the query and the steps of timers a round trip takes about 50 ms. Tuned reaches it directly.",
                DELAY.as_millis()
            ),
        ];
        all.extend(ASSUMPTIONS.map(str::to_owned));
        all
    }

    fn arguments(&self, profile: Profile, sidegate: Option<&Sidegate>) -> Vec<String> {
        // The server's user has the name of Sidegate's schema, which would come first.
        let url = format!("{}?options=-csearch_path%3Dpublic", self.url);
        let mut arguments = vec!["--database", &url, "--connections", POOL];
        arguments.extend(["--profile", profile.name(), "--token-secret", SECRET]);
        let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        if let Some(sidegate) = sidegate {
            let keys = format!("http://{}/.well-known/jwks.json", sidegate.admin());
            arguments.extend(["--assertion-keys".to_owned(), keys]);
        }
        if profile != Profile::Tuned {
            let delay = format!("{}ms", DELAY.as_millis());
            arguments.extend(["--database-delay".to_owned(), delay]);
        }
        arguments
    }

    fn configuration(&self, upstream: &str) -> String {
        let (owner, redis) = (&self.url, self.redis.url());
        let login = owner.replacen("sidegate@", &format!("{LOGIN}@"), 1);
        let policy = DEMO
            .split_once("\npolicy:")
            .map_or("", |(_, policy)| policy);
        format!(
            r#"
listen: "127.0.0.1:0"
admin: {{ listen: "127.0.0.1:0" }}
server: {{ threads: 2, shutdown_grace: 0s }}
telemetry: {{ access_log: {{ to: none }} }}
upstream: {{ url: "http://{upstream}" }}
issuers:
  - {{ issuer: "{ISSUER}", audiences: [{AUDIENCE}], algorithms: [HS256], keys: [{{ secret: "{SECRET}" }}] }}
store: {{ postgres: {{}} }}
database: {{ url: "{login}", feed_url: "{login}", migrate_url: "{owner}" }}
redis: {{ url: "{redis}", mac_keys: ["{SECRET}"] }}
policy:{policy}"#
        )
    }

    async fn execute(&self, statement: &str) -> Result<(), BeforeAfterError> {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await?;
        let mut driver = JoinSet::new();
        // How it ends is seen by the statement that is under way.
        driver.spawn(async move { drop(connection.await) });
        Ok(client.batch_execute(statement).await?)
    }
}

/// Waits until a metric is at least one.
async fn wait(sidegate: &Sidegate, metric: &str) -> Result<(), BeforeAfterError> {
    let end = Instant::now() + PATIENCE;
    while sidegate.metric(metric).await? < 1 {
        if Instant::now() > end {
            let why = format!("{metric} does not reach 1");
            return Err(BeforeAfterError::Silent(why));
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// The example application's policy and routes.
const DEMO: &str = include_str!("../../../config/demo/sidegate.yaml");

const ASSUMPTIONS: [&str; 6] = [
    "Business logic is a sleep (120 ms; of tuned 20 ms with the query in it), and sending is one (100 ms; of tuned \
     10 ms) between the first byte of the body and the last: two processors cannot compute for thousands of users.",
    "Legacy verifies the token and asks 15 questions, one after the other: 3 for auth, 2 for the service key, 4 for \
     the record, 6 for authorization.",
    "Sidegate replaces auth, service key and authorization: 550 of 970 ms. The other 420 ms are the application's: \
     trusting keeps them, and what tuned saves of them is not Sidegate's doing.",
    "The service key is the service's own account in the database; what the platform that this stands for does there \
     is not known.",
    "HTTP/1.1 without TLS, all on one machine, over loopback; nothing is in front of Sidegate.",
    "Users are drawn for each request and are not bound to a connection. One process may have 20,000 files, and \
     Sidegate takes as many clients as half of that: 10,000.",
];

const LOGIN: &str = "sidegate_login";
/// Of the tokens; of no use outside of a run.
pub(super) const SECRET: &str = "a secret of runs, of no use elsewhere";
pub(super) const ISSUER: &str = "https://before-after.invalid/";
pub(super) const AUDIENCE: &str = "before-after";
/// Connections of the application, beside Sidegate's 50: a server has 100.
const POOL: &str = "32";
/// A port may be taken by somebody else before the application has it.
const TRIES: u32 = 3;
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);

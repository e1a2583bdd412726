//! A server with contract views over a few tables whose ids have every type, and a store over it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sidegate_config::DatabaseSettings;
use sidegate_loadtest::postgres::Cluster;
use sidegate_policy::{Id, IdType, Policy};
use tokio_postgres::Client;

use crate::database::{ConnectionTask, Database, Purpose, connect};
use crate::store::{Answer, PostgresStore, Question, StoreError};
use crate::testing::database;

const TABLES: &str = include_str!("tables.sql");
/// The same rows for the embedded store.
pub(super) const DIRECTORY: &str = include_str!("directory.yaml");
const POLICY: &str = r#"{
    "subject_id": "uuid",
    "roles": { "owner": ["read"] },
    "kinds": { "document": { "id": "text" }, "ticket": { "id": "bigint" }, "blob": { "id": "uuid" } }
}"#;

pub(super) const ALICE: &str = "a11ce000-0000-4000-8000-000000000001";
pub(super) const BOB: &str = "b0b00000-0000-4000-8000-000000000002";
pub(super) const CAROL: &str = "ca401000-0000-4000-8000-000000000003";
pub(super) const DAVE: &str = "dafe0000-0000-4000-8000-000000000004";
pub(super) const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// How long anything may take to happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Server {
    pub(super) cluster: Cluster,
    pub(super) settings: DatabaseSettings,
    pub(super) admin: Client,
    _task: ConnectionTask,
}

impl Server {
    pub(super) async fn start() -> Self {
        let cluster = Cluster::start().unwrap();
        let mut settings = database(&cluster.url("postgres"));
        settings.query_timeout = PATIENCE;
        let (admin, task) = connect(&settings.url, &settings).await.unwrap();
        admin.batch_execute(TABLES).await.unwrap();
        Self {
            cluster,
            settings,
            admin,
            _task: task,
        }
    }

    pub(super) fn store(&self) -> PostgresStore {
        store(&self.settings)
    }

    pub(super) async fn run(&self, sql: &str) {
        self.admin.batch_execute(sql).await.unwrap();
    }
}

pub(super) fn policy() -> Policy {
    Policy::compile(&serde_json::from_str(POLICY).unwrap()).unwrap()
}

pub(super) fn store(settings: &DatabaseSettings) -> PostgresStore {
    let id_types = BTreeSet::from([IdType::Uuid, IdType::Bigint, IdType::Text]);
    PostgresStore::new(settings, Arc::new(policy()), &id_types, None).unwrap()
}

pub(super) async fn ask(
    store: &PostgresStore,
    subject: &str,
    resource: Option<(&str, &str)>,
) -> Result<Answer, StoreError> {
    let policy = policy();
    let subject = Id::parse(policy.subject_id(), subject).unwrap();
    let id = resource.map(|(kind, id)| {
        let id_type = policy.id_type(policy.kind(kind).unwrap()).unwrap();
        (kind, Id::parse(id_type, id).unwrap())
    });
    let question = Question {
        subject: &subject,
        resource: id.as_ref().map(|(kind, id)| (*kind, id)),
    };
    store.ask(&question, None).await
}

pub(super) async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::task::yield_now().await;
    }
}

pub(super) fn size(database: &Database, purpose: Purpose) -> usize {
    let mut pools = database.pools();
    let pool = pools.find(|pool| pool.purpose == purpose).unwrap();
    pool.idle + pool.used
}

pub(super) async fn backend(database: &Database) -> i32 {
    let lease = database.acquire(Purpose::Authorization).await.unwrap();
    let row = lease.query_one("select pg_backend_pid()", &[]).await;
    lease.finish();
    row.unwrap().get(0)
}

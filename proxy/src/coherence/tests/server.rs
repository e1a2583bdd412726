//! The feed against a server of its own.

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::json;
use sidegate_config::{PostgresSettings, StoreSettings};
use sidegate_loadtest::postgres::Cluster;
use tokio_postgres::Client;

use super::*;
use crate::clock::Clock;
use crate::database::{ConnectionTask, connect};
use crate::doctor::Expectations;
use crate::migrate;
use crate::testing::{document, settings};

const ALICE: &str = "a11ce000-0000-4000-8000-000000000001";
const PATIENCE: Duration = Duration::from_secs(60);

struct Server {
    cluster: Cluster,
    settings: FeedSettings,
    client: Client,
    _task: ConnectionTask,
}

impl Server {
    async fn start() -> Self {
        let cluster = Cluster::start().unwrap();
        let mut document = document(json!([]));
        document["store"] = json!({ "postgres": {} });
        document["database"] = json!({ "url": cluster.url("postgres") });
        document["policy"]["kinds"] = json!({ "generation": { "id": "uuid" } });
        document["insecure_no_issuers"] = json!(true);
        let settings = settings(Path::new("/"), &document);
        let StoreSettings::Postgres(store) = settings.store else {
            panic!("the document asks for a database")
        };
        let store: PostgresSettings = store;
        let expectations = Expectations::new(&settings.policy, &store, Clock::System);
        let (client, task) = connect(&store.database.url, &store.database).await.unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadtest/sql/schema.sql");
        client
            .batch_execute(&fs::read_to_string(root).unwrap())
            .await
            .unwrap();
        migrate::run(&store, &migrate::Action::Up, &mut |_line| {})
            .await
            .unwrap();
        let server = Self {
            cluster,
            settings: FeedSettings {
                store,
                expectations,
                interval: Duration::from_millis(50),
                policy: None,
            },
            client,
            _task: task,
        };
        let user = format!("insert into users (id, email) values ('{ALICE}', 'a@b')");
        server.run(&user).await;
        server
    }

    async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    async fn feed(&self) -> (Arc<Coherence>, FeedThread) {
        let coherence = Arc::new(Coherence::new(1 << 16));
        let feed = FeedThread::start(Arc::clone(&coherence), self.settings.clone()).unwrap();
        let end = Instant::now() + PATIENCE;
        while coherence.read().is_none() {
            let why = coherence.closed_because();
            assert!(Instant::now() < end, "never open: {why:?}");
            tokio::task::yield_now().await;
        }
        (coherence, feed)
    }

    async fn connection(&self) -> (Client, ConnectionTask) {
        let database = &self.settings.store.database;
        connect(&database.url, database).await.unwrap()
    }
}

async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::task::yield_now().await;
    }
}

/// A value about Alice that is read now.
fn alice(coherence: &Coherence) -> (Version, Slot) {
    let history = coherence.history.load_full().unwrap();
    (fill(coherence, &history), coherence.slot(Tag::User(ALICE)))
}

async fn fresh(coherence: &Coherence) -> Reading<'_> {
    coherence.fresh(BootTime::now(), PATIENCE).await.unwrap()
}

#[tokio::test]
async fn a_change_that_was_committed_before_a_fresh_poll_is_told() {
    let server = Server::start().await;
    let (coherence, _feed) = server.feed().await;
    let (version, slot) = alice(&coherence);
    let (other, _task) = server.connection().await;
    other
        .batch_execute("begin; update users set is_active = false")
        .await
        .unwrap();
    // A later transaction commits first.
    server
        .run("insert into sidegate.change_log (tags) values ('{user:somebody}')")
        .await;
    assert!(fresh(&coherence).await.untouched(&version, slot));
    other.batch_execute("commit").await.unwrap();
    assert!(!fresh(&coherence).await.untouched(&version, slot));
    let (version, slot) = alice(&coherence);
    assert!(fresh(&coherence).await.untouched(&version, slot));
}

#[tokio::test]
async fn a_trigger_that_was_off_for_a_moment_makes_everything_void() {
    let server = Server::start().await;
    let (coherence, _feed) = server.feed().await;
    let (version, slot) = alice(&coherence);
    server
        .run("alter table users disable trigger all; update users set is_active = false; alter table users enable always trigger sidegate_update")
        .await;
    let closed = coherence.fresh(BootTime::now(), PATIENCE).await;
    assert_eq!(closed.unwrap_err(), Stale::Closed);
    // The others of that table are off still.
    eventually("it says why", || {
        coherence
            .closed_because()
            .iter()
            .any(|why| why.starts_with("triggers: "))
    })
    .await;
    assert!(coherence.begin().is_none());
    for event in ["insert", "delete", "truncate"] {
        server
            .run(&format!(
                "alter table users enable always trigger sidegate_{event}"
            ))
            .await;
    }
    eventually("it opens again", || coherence.read().is_some()).await;
    assert!(!coherence.read().unwrap().untouched(&version, slot));
}

#[tokio::test]
async fn a_crash_ends_the_lease_and_the_life_after_it_makes_everything_void() {
    let server = Server::start().await;
    let (coherence, _feed) = server.feed().await;
    let (version, slot) = alice(&coherence);
    // The cluster does not wait for its disk: without this the crash would take the triggers along.
    server.run("checkpoint").await;
    server.cluster.pause().unwrap();
    let away = coherence.fresh(BootTime::now(), PATIENCE).await;
    assert_eq!(away.unwrap_err(), Stale::Failed);
    let reading = coherence.read().unwrap();
    assert!(reading.untouched(&version, slot), "only its time runs out");
    eventually("the lease ends", || !reading.is_live(BootTime::now())).await;
    let first = coherence.history.load_full().unwrap();
    assert!(
        coherence
            .admit(coherence.begin().unwrap(), &origin(&first))
            .is_some()
    );

    server.cluster.resume().unwrap();
    eventually("it goes on", || {
        let reading = coherence.read();
        reading.is_some_and(|reading| reading.is_live(BootTime::now()))
    })
    .await;
    assert!(coherence.is_foreign(&origin(&first)));
    assert!(!coherence.read().unwrap().untouched(&version, slot));
    let (version, slot) = alice(&coherence);
    assert!(fresh(&coherence).await.untouched(&version, slot));
}

#[tokio::test]
async fn a_doorbell_tells_of_a_change_before_a_poll_is_due() {
    let mut server = Server::start().await;
    server.settings.store.database.doorbell = true;
    // No poll comes by itself, but for the doctor's next look after half a minute.
    server.settings.interval = Duration::from_secs(3600);
    let before_the_doctor = Duration::from_secs(20);
    migrate::run(
        &server.settings.store,
        &migrate::Action::Up,
        &mut |_line| {},
    )
    .await
    .unwrap();
    let started = Instant::now();
    let (coherence, _feed) = server.feed().await;
    let listening =
        "select from pg_stat_activity where query = 'listen sidegate_changes' and state = 'idle'";
    // Twice: one whose connection was ended listens again.
    for _ in 0..2 {
        while server
            .client
            .query(listening, &[])
            .await
            .unwrap()
            .is_empty()
        {
            assert!(started.elapsed() < before_the_doctor, "nobody listens");
        }
        let (version, slot) = alice(&coherence);
        server
            .run("begin; update users set is_active = not is_active; rollback")
            .await;
        assert!(coherence.read().unwrap().untouched(&version, slot));
        server
            .run("update users set is_active = not is_active")
            .await;
        while coherence.read().unwrap().untouched(&version, slot) {
            assert!(started.elapsed() < before_the_doctor, "nobody rang");
            tokio::task::yield_now().await;
        }
        server
            .run(&format!(
                "select pg_terminate_backend(pid, 10000) from ({}) as it",
                listening.replacen("select", "select pid", 1)
            ))
            .await;
    }
}

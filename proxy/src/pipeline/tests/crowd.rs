//! A crowd that wants the same cold rows, over a real server: whoever comes while they are being asked
//! for is part of one query, and nobody's leaving takes it from the others.
//!
//! How many queries there were is counted here and by the server, which knows nothing of flights.

#![expect(clippy::print_stdout, reason = "the figures of a test run")]

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use sidegate_config::StoreSettings;
use sidegate_loadtest::postgres::Cluster;
use sidegate_policy::IdType;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use super::*;
use crate::coherence::{Coherence, FeedSettings, FeedThread};
use crate::database::{ConnectionTask, connect};
use crate::doctor::Expectations;
use crate::facts::Kept;
use crate::migrate;
use crate::store::PostgresStore;

const CROWD: u64 = 10_000;
const FOLLOWERS: u64 = 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, and a pipeline that keeps what the server says.
struct Scene {
    cluster: Cluster,
    admin: Client,
    _task: ConnectionTask,
    pipeline: Arc<Pipeline>,
    kept: Arc<Kept>,
    feed: FeedThread,
}

impl Scene {
    async fn start() -> Self {
        let cluster = Cluster::start().unwrap();
        let url = cluster.url("postgres");
        let postgres = format!("store: {{ postgres: {{}} }}\ndatabase: {{ url: \"{url}\" }}");
        let config = CONFIG.replace("store: { file: { path: directory.yaml } }", &postgres);
        let settings =
            sidegate_config::parse(&config, Path::new("test.yaml"), &BTreeMap::new()).unwrap();
        let StoreSettings::Postgres(wanted) = settings.store.clone() else {
            panic!("the text asks for a database")
        };
        let (admin, task) = connect(&wanted.database.url, &wanted.database)
            .await
            .unwrap();
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadtest/sql/schema.sql");
        admin
            .batch_execute(&fs::read_to_string(schema).unwrap())
            .await
            .unwrap();
        migrate::run(&wanted, &migrate::Action::Up, &mut |_line| {})
            .await
            .unwrap();
        let rows = format!(
            "insert into users (id, email) values ('{ALICE}', 'alice@example');
             insert into generations (id, user_id) values ('{MINE}', '{ALICE}')"
        );
        admin.batch_execute(&rows).await.unwrap();
        forget_reads(&admin).await;

        let policy = policy(&settings);
        let types = BTreeSet::from([IdType::Uuid]);
        let store = PostgresStore::new(&wanted.database, Arc::clone(&policy), &types, None);
        let store = Arc::new(Store::Postgres(Box::new(store.unwrap())));
        let coherence = Arc::new(Coherence::new(settings.coherence.slots));
        let kept = Kept::new(&settings.cache, Arc::clone(&coherence), None, None);
        let kept = Arc::new(kept);
        let feed = FeedSettings {
            expectations: Expectations::new(&settings.policy, &wanted, Clock::System),
            store: wanted,
            interval: Duration::from_millis(50),
            policy: None,
        };
        let feed = FeedThread::start(Arc::clone(&coherence), feed).unwrap();
        eventually("an open cache", || coherence.read().is_some()).await;
        let facts = Arc::new(Facts::cached(store, Arc::clone(&kept)));
        let pipeline = Pipeline {
            authorizer: Authorizer::new(policy, facts),
            // The machine may be busy: what is late here is no refusal.
            timeout: PATIENCE,
            ..pipeline_over(None)
        };
        Self {
            cluster,
            admin,
            _task: task,
            pipeline: Arc::new(pipeline),
            kept,
            feed,
        }
    }

    /// How often the server has read the table of generations, once all who did so are gone: only then
    /// has it surely counted them.
    async fn reads_of_generations(self) -> i64 {
        let Self { admin, .. } = self;
        drop((self.pipeline, self.kept, self.feed));
        alone(&admin).await;
        let reads = "select seq_scan + coalesce(idx_scan, 0) from pg_stat_user_tables \
                     where relname = 'generations'";
        let reads = admin.query_one(reads, &[]).await.unwrap().get(0);
        drop(self.cluster);
        reads
    }
}

/// Waits until nobody else is connected: what they have read is counted then.
async fn alone(admin: &Client) {
    let others = "select count(*) from pg_stat_activity where backend_type = 'client backend' \
                  and pid <> pg_backend_pid()";
    let end = Instant::now() + PATIENCE;
    while admin.query_one(others, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(Instant::now() < end, "somebody stays connected");
    }
}

/// Making the tables has read them too (an index is built by a scan), and is counted some time later.
async fn forget_reads(admin: &Client) {
    alone(admin).await;
    for statement in [
        "select pg_stat_force_next_flush()",
        "select 1",
        "select pg_stat_reset_single_table_counters('generations'::regclass)",
    ] {
        admin.batch_execute(statement).await.unwrap();
    }
}

async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::task::yield_now().await;
    }
}

async fn alice_wants_hers(pipeline: &Pipeline, token: &str) -> Result<Code, Rejection> {
    let target = format!("/g/{MINE}");
    let admitted = admit(pipeline, &target, &[("authorization", token)]).await;
    admitted.map(|clearance| clearance.code())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_who_want_the_same_cold_rows_are_one_query() {
    let scene = Scene::start().await;
    let token: Arc<str> = token(ALICE).into();
    let (go, gone) = watch::channel(false);
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let (pipeline, token) = (Arc::clone(&scene.pipeline), Arc::clone(&token));
        let mut gone = gone.clone();
        crowd.spawn(async move {
            gone.wait_for(|go| *go).await.unwrap();
            alice_wants_hers(&pipeline, &token).await
        });
    }
    let begin = Instant::now();
    go.send_replace(true);
    while let Some(asked) = crowd.join_next().await {
        assert_eq!(asked.unwrap(), Ok(Code::Decision(Reason::Ownership)));
    }
    let took = begin.elapsed();
    let (started, joined) = scene.kept.queries();
    let answered = scene.kept.answered();
    let (memory, store) = (answered.memory, answered.store);
    println!("{CROWD} in {took:?}: {started} query, {joined} joined it, {memory} from memory");
    assert_eq!(started, 1);
    // Whoever came between the answer's landing and its being known has it too, and joined nothing.
    assert!(
        joined < store,
        "{joined} joined, {store} had the store's answer"
    );
    assert_eq!(memory + store, CROWD);
    assert_eq!(scene.reads_of_generations().await, 1, "says the server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_who_leaves_takes_nothing_from_the_followers() {
    let scene = Scene::start().await;
    let token: Arc<str> = token(ALICE).into();
    let ask = |seats: &mut JoinSet<_>| {
        let (pipeline, token) = (Arc::clone(&scene.pipeline), Arc::clone(&token));
        seats.spawn(async move { alice_wants_hers(&pipeline, &token).await });
    };
    let (mut leader, mut followers) = (JoinSet::new(), JoinSet::new());
    // The server holds the answer back.
    let lock = "begin; lock table generations in access exclusive mode";
    scene.admin.batch_execute(lock).await.unwrap();
    ask(&mut leader);
    eventually("a query", || scene.kept.queries() == (1, 0)).await;
    (0..FOLLOWERS).for_each(|_| ask(&mut followers));
    eventually("a crowd", || scene.kept.queries() == (1, FOLLOWERS)).await;
    leader.abort_all();
    let left = leader.join_next().await.unwrap();
    assert!(left.unwrap_err().is_cancelled());
    scene.admin.batch_execute("commit").await.unwrap();
    while let Some(asked) = followers.join_next().await {
        assert_eq!(asked.unwrap(), Ok(Code::Decision(Reason::Ownership)));
    }
    assert_eq!(scene.kept.queries(), (1, FOLLOWERS), "and no second query");
    assert_eq!(scene.reads_of_generations().await, 1, "says the server");
}

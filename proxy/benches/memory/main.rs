//! What an answer from memory costs: `cargo bench -p sidegate`.
//!
//! Over a PostgreSQL of its own and the real change feed, which goes on polling meanwhile. Absolute times
//! mean little: compare runs on one machine. The allocator counts, for `decision`.

// Benchmarks are no part of what the network reaches.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark that cannot be set up ends"
)]

mod decision;

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use sidegate::clock::Clock;
use sidegate::coherence::{BootTime, FeedSettings, FeedThread, Tag};
use sidegate::doctor::Expectations;
use sidegate::generation::Generation;
use sidegate::migrate;
use sidegate::store::Question;
use sidegate_config::{ProcessEnv, StoreSettings};
use sidegate_loadtest::postgres::Cluster;
use sidegate_policy::{Id, IdType};
use tokio::runtime::Runtime;

const ALICE: &str = "a11ce000-0000-4000-8000-000000000001";
const MINE: &str = "6e000000-0000-4000-8000-000000000001";
const TEAM: &str = "7ea00000-0000-4000-8000-000000000001";
const PROJECT: &str = "9a000000-0000-4000-8000-000000000001";

/// Of tokens; the secret is of no use elsewhere.
const ISSUER: &str = "https://bench.invalid/";
const AUDIENCE: &str = "bench";
const SECRET: &str = "a secret of benchmarks, of no use elsewhere";

/// A generation of somebody else's in a project of a team that Alice is in: an answer of four rows.
fn database(runtime: &Runtime, folder: &Path) -> (Cluster, Generation) {
    let cluster = Cluster::start().unwrap();
    let config = format!(
        "upstream: {{ url: \"http://127.0.0.1:9\" }}\nstore: {{ postgres: {{}} }}\n\
         issuers: [{{ issuer: \"{ISSUER}\", audiences: [{AUDIENCE}], algorithms: [HS256], keys: [{{ secret: \"{SECRET}\" }}] }}]\n\
         database: {{ url: \"{}\" }}\n\
         policy: {{ subject_id: uuid, roles: {{ owner: [read], editor: [read] }}, kinds: {{ generation: {{ id: uuid }} }} }}\n\
         routes: [{{ methods: [GET], path: \"/g/{{id}}\", action: read, resource: {{ kind: generation, id: {{ path: id }} }} }}]\n",
        cluster.url("postgres")
    );
    let file = folder.join("sidegate.yaml");
    fs::write(&file, config).unwrap();
    let settings = sidegate_config::load(&file, &ProcessEnv).unwrap();
    let generation = Generation::assemble(settings, None).unwrap();
    let StoreSettings::Postgres(store) = &generation.settings.store else {
        return (cluster, generation);
    };
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadtest/sql/schema.sql");
    let schema = fs::read_to_string(schema).unwrap();
    runtime.block_on(async {
        let database = &store.database;
        let (client, _task) = sidegate::database::connect(&database.url, database).await.unwrap();
        client.batch_execute(&schema).await.unwrap();
        let rows = format!(
            "insert into users (id, email) values ('{ALICE}', 'a@b'), ('{TEAM}', 'c@d');
             insert into teams (id, name) values ('{TEAM}', 'team');
             insert into team_members (team_id, user_id, role) values ('{TEAM}', '{ALICE}', 'editor');
             insert into projects (id, user_id, team_id, visibility) values ('{PROJECT}', '{TEAM}', '{TEAM}', 'private');
             insert into generations (id, user_id, project_id) values ('{MINE}', '{TEAM}', '{PROJECT}')"
        );
        client.batch_execute(&rows).await.unwrap();
        migrate::run(store, &migrate::Action::Up, &mut |_line| {}).await.unwrap();
    });
    (cluster, generation)
}

/// Asks until the answer comes from memory.
async fn warm(generation: &Generation, question: &Question<'_>) {
    let kept = generation.facts.kept().unwrap();
    while kept.answered().memory == 0 {
        let arrived = BootTime::now();
        let _ = generation
            .facts
            .ask(
                question,
                arrived,
                Duration::ZERO,
                sidegate::facts::Asker::Request,
            )
            .await;
        tokio::task::yield_now().await;
    }
}

fn memory(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_cluster, generation) = database(&runtime, folder.path());
    let StoreSettings::Postgres(store) = &generation.settings.store else {
        return;
    };
    let kept = generation.facts.kept().unwrap();
    let coherence = kept.coherence();
    let settings = FeedSettings {
        store: store.clone(),
        expectations: Expectations::new(&generation.settings.policy, store, Clock::System),
        interval: generation.settings.coherence.poll_interval,
        policy: None,
    };
    let _feed = FeedThread::start(Arc::clone(coherence), settings).unwrap();
    let (alice, mine) = (
        Id::parse(IdType::Uuid, ALICE).unwrap(),
        Id::parse(IdType::Uuid, MINE).unwrap(),
    );
    let question = Question {
        subject: &alice,
        resource: Some(("generation", &mine)),
    };
    runtime.block_on(warm(&generation, &question));

    criterion.bench_function("l1_hit", |bencher| {
        bencher.iter(|| {
            let reading = coherence.read().unwrap();
            let answer = kept
                .l1()
                .answer(black_box(&question), &reading, BootTime::now());
            assert!(reading.is_live(BootTime::now()));
            answer.unwrap()
        });
    });
    criterion.bench_function("lease_check", |bencher| {
        bencher.iter(|| coherence.read().unwrap().is_live(BootTime::now()));
    });
    let answer = runtime.block_on(generation.store.ask(&question)).unwrap();
    let version = coherence
        .admit(coherence.begin().unwrap(), answer.origin.as_ref().unwrap())
        .unwrap();
    let slot = coherence.slot(Tag::User(ALICE));
    criterion.bench_function("slot_check", |bencher| {
        let reading = coherence.read().unwrap();
        bencher.iter(|| reading.untouched(black_box(&version), black_box(slot)));
    });
    criterion.bench_function("tag_hash", |bencher| {
        let tag = Tag::Member {
            team: TEAM,
            user: ALICE,
        };
        bencher.iter(|| coherence.slot(black_box(tag)));
    });
    decision::bench(criterion, &runtime, &generation);
}

criterion_group!(benches, memory);
criterion_main!(benches);

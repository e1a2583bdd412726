//! The store against a server of its own, and what can go wrong with a server.

mod server;

use std::time::Duration;

use futures_util::future::try_join_all;
use sidegate_config::Pooler;
use sidegate_policy::{Id, IdType, UnixMicros};

use server::{
    ALICE, BOB, CAROL, DAVE, DIRECTORY, NOBODY, PATIENCE, Server, ask, backend, eventually, policy,
    size, store,
};

use super::PostgresStore;
use crate::database::{Database, Lease, Purpose, connect};
use crate::store::{Directory, Question, StoreError};
use crate::testing::database;

#[tokio::test]
async fn it_answers_as_the_file_store_does_prepared_and_unnamed() {
    let server = Server::start().await;
    let mut pooled = server.settings.clone();
    pooled.pooler = Pooler::Transaction;
    let stores = [server.store(), store(&pooled)];
    let directory = Directory::parse(DIRECTORY, &policy()).unwrap();
    let resources = [
        None,
        Some(("document", "plan")),
        Some(("document", "note")),
        Some(("document", "lone")),
        Some(("document", "bare")),
        Some(("document", "lost")),
        Some(("document", "missing")),
        Some(("ticket", "7")),
        Some(("ticket", "-9")),
        Some(("ticket", "9223372036854775807")),
        Some(("blob", ALICE)),
        Some(("blob", NOBODY)),
    ];
    for subject in [ALICE, BOB, CAROL, NOBODY] {
        for resource in resources {
            let id = Id::parse(IdType::Uuid, subject).unwrap();
            let name = resource.map(|(kind, id)| (kind, Id::parse(IdType::Text, id).unwrap()));
            let expected = directory.answer(&Question {
                subject: &id,
                resource: name.as_ref().map(|(kind, id)| (*kind, id)),
            });
            for store in &stores {
                let mut answer = ask(store, subject, resource).await.unwrap();
                let origin = answer.origin.take().unwrap();
                assert!(origin.xmin > 0 && !origin.history.system.is_empty());
                assert_eq!(answer, expected, "{subject} {resource:?}");
            }
        }
    }
    are_prepared(&stores[0], 3).await;
    are_prepared(&stores[1], 0).await;
}

/// One for each type of id where the session is our own, none behind a pooler.
async fn are_prepared(store: &PostgresStore, expected: i64) {
    let database = store.database();
    let lease = database.acquire(Purpose::Authorization).await.unwrap();
    let count = "select count(*) from pg_prepared_statements where not from_sql";
    let rows = lease.query_typed(count, &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), expected);
    lease.finish();
}

#[tokio::test]
async fn what_is_null_endless_or_doubled_grants_nothing_more() {
    let server = Server::start().await;
    let store = server.store();
    // Dave: `active` and roles are null.
    let dave = ask(&store, DAVE, None).await.unwrap().subject.unwrap();
    assert!(!dave.active && dave.roles.is_empty());

    let ends = async |end: &str| {
        server
            .run(&format!("update members set ends = {end}"))
            .await;
        let answer = ask(&store, ALICE, Some(("document", "plan"))).await;
        answer.unwrap().membership.unwrap().expires_at
    };
    assert_eq!(ends("null").await, None);
    assert_eq!(ends("'infinity'").await, None);
    assert_eq!(ends("'-infinity'").await, Some(UnixMicros(i64::MIN)));
    let second = ends("'2100-02-28 23:59:59.999999+00'").await;
    assert_eq!(second, Some(UnixMicros(4_107_542_399_999_999)));
    let before = ends("'1969-12-31 23:59:59.999999+00'").await;
    assert_eq!(before, Some(UnixMicros(-1)));
    server.run("update members set role = null").await;
    let none = ask(&store, ALICE, Some(("document", "plan"))).await;
    assert_eq!(none.unwrap().membership, None);

    server
        .run(
            "create or replace view sidegate.memberships as \
              select team as team_id, member as user_id, role, ends as expires_at from members \
              union all select team, member, role, ends from members",
        )
        .await;
    let doubled = ask(&store, ALICE, Some(("document", "plan"))).await;
    assert_eq!(doubled.unwrap_err(), StoreError::Malformed);
    ask(&store, ALICE, Some(("document", "bare")))
        .await
        .unwrap();
    assert!(!store.is_failing(), "one bad row is no outage");
}

#[tokio::test]
async fn the_tables_indexes_are_used() {
    let server = Server::start().await;
    let store = server.store();
    let (session, _task) = connect(&server.settings.url, &server.settings)
        .await
        .unwrap();
    let force = "set enable_seqscan = off; set plan_cache_mode = force_generic_plan;";
    session.batch_execute(force).await.unwrap();
    for (at, statement) in store.statements.about_resources().enumerate() {
        let prepare = format!("prepare q{at} (text, text, text) as {statement}");
        session.batch_execute(&prepare).await.unwrap();
        let explain = format!("explain execute q{at} (null, null, null)");
        let rows = session.simple_query(&explain).await.unwrap();
        let plan = format!("{rows:?}");
        for relation in plan.split("Seq Scan on ").skip(1) {
            assert!(relation.starts_with("life"), "{plan}");
        }
        for index in ["users_pkey", "projects_pkey", "members_pkey"] {
            assert!(plan.contains(index), "{plan}");
        }
    }
}

#[tokio::test]
async fn a_refusal_of_the_server_is_no_answer_and_heals() {
    let server = Server::start().await;
    server
        .run("create role stranger login; grant usage on schema sidegate to stranger")
        .await;
    let mut settings = server.settings.clone();
    settings.url = database(
        &server
            .cluster
            .url("postgres")
            .replace("sidegate@", "stranger@"),
    )
    .url;
    let store = store(&settings);
    let plan = Some(("document", "plan"));
    assert_eq!(ask(&store, ALICE, plan).await, Err(StoreError::Refused));
    assert!(store.is_failing() && !store.has_answered());
    server
        .run("grant select on all tables in schema sidegate to stranger")
        .await;
    ask(&store, ALICE, plan).await.unwrap();
    assert!(store.has_answered() && !store.is_failing());
    assert_eq!(
        size(store.database(), Purpose::Authorization),
        1,
        "it was kept"
    );

    // A view is dropped and comes back with another type, on connections that know the old one.
    server.run("drop view sidegate.resources_text").await;
    assert_eq!(ask(&store, ALICE, plan).await, Err(StoreError::Refused));
    let view = "create view sidegate.resources_text as select 'document'::varchar as kind, \
                id::varchar, owner, 'x'::text as owner_id, project as project_id, \
                team as team_id, status from documents; \
                grant select on all tables in schema sidegate to stranger";
    server.run(view).await;
    let answer = ask(&store, ALICE, plan).await;
    assert_eq!(answer, Err(StoreError::Malformed), "`x` is no subject");
    server
        .run(
            "create or replace view sidegate.resources_text as select 'document'::varchar as kind, \
              id::varchar, owner, owner::text as owner_id, project as project_id, \
              team as team_id, status from documents",
        )
        .await;
    ask(&store, ALICE, plan).await.unwrap();
}

#[tokio::test]
async fn a_question_cut_short_closes_its_connection() {
    let server = Server::start().await;
    let slow = "create or replace view sidegate.subjects as \
                select id, active, roles from users where pg_sleep(3600) is not null";
    server.run(slow).await;
    let mut settings = server.settings.clone();
    settings.query_timeout = Duration::from_millis(200);
    let client_side = store(&settings);
    let answer = ask(&client_side, ALICE, None).await;
    assert_eq!(answer, Err(StoreError::TimedOut));
    let sizes = |store: &PostgresStore| size(store.database(), Purpose::Authentication);
    assert_eq!(sizes(&client_side), 0);

    settings.query_timeout = PATIENCE;
    settings.statement_timeout = Duration::from_millis(100);
    let server_side = store(&settings);
    let answer = ask(&server_side, ALICE, None).await;
    assert_eq!(answer, Err(StoreError::TimedOut));
    assert_eq!(
        sizes(&server_side),
        1,
        "the server ended it: nothing runs on"
    );

    // Nobody waits any more: as when the client leaves.
    let database = server_side.database();
    let first = backend(database).await;
    assert_eq!(backend(database).await, first, "a finished lease goes back");
    drop(database.acquire(Purpose::Authorization).await.unwrap());
    assert_ne!(backend(database).await, first, "an unfinished one does not");

    settings.max_lifetime = Duration::ZERO;
    let short = Database::new(&settings).unwrap();
    assert_ne!(backend(&short).await, backend(&short).await, "too old");
}

#[tokio::test]
async fn a_restart_of_the_server_costs_no_answer_once_it_is_back() {
    let server = Server::start().await;
    let store = server.store();
    let plan = Some(("document", "plan"));
    ask(&store, ALICE, plan).await.unwrap();

    let kill = "select pg_terminate_backend(pid) from pg_stat_activity \
                where application_name = 'sidegate' and pid <> pg_backend_pid()";
    server.run(kill).await;
    ask(&store, ALICE, plan).await.unwrap();

    // The cluster keeps nothing through a stop that has not reached the disk.
    server.run("checkpoint").await;
    server.cluster.pause().unwrap();
    assert_eq!(ask(&store, ALICE, plan).await, Err(StoreError::Unavailable));
    assert!(store.is_failing());
    server.cluster.resume().unwrap();
    ask(&store, ALICE, plan).await.unwrap();
    server.cluster.pause().unwrap();
    server.cluster.resume().unwrap();
    ask(&store, ALICE, plan).await.unwrap();
    assert!(!store.is_failing());
}

#[tokio::test]
async fn it_is_tended() {
    let server = Server::start().await;
    let mut settings = server.settings.clone();
    settings.idle_timeout = Duration::ZERO;
    let store = store(&settings);
    let total = || -> usize {
        Purpose::ALL
            .iter()
            .map(|it| size(store.database(), *it))
            .sum()
    };
    let tended = async {
        // Of the twenty, the change feed opens its two itself.
        eventually("the base connections", async || total() == 18).await;
        eventually("an answer", async || store.has_answered()).await;
        let leases: Vec<_> = (0..12)
            .map(|_| store.database().acquire(Purpose::Authorization))
            .collect();
        let leases = try_join_all(leases).await.unwrap();
        // More, while the base connections that were opened last are still being given back.
        assert!(size(store.database(), Purpose::Authorization) >= 12);
        leases.into_iter().for_each(Lease::finish);
        eventually("no overflow", async || total() == 18).await;

        // The fixture's log has two full batches and one that is not.
        eventually("the clean-up", async || {
            let sql =
                "select (select count(*) from batches) = 0 and (select count(*) from life) = 1";
            let row = server.admin.query_one(sql, &[]).await.unwrap();
            row.get(0)
        })
        .await;
    };
    tokio::select! {
        () = store.tend() => {}
        () = tended => {}
    }
    let origin = ask(&store, ALICE, None).await.unwrap().origin.unwrap();
    assert_eq!(origin.history.incarnation.as_deref(), Some("a life"));
}

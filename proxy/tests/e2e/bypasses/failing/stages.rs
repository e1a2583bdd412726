//! A fault at every stage of a decision: whoever cannot be decided on is not let in.

use std::net::TcpListener;

use sidegate_loadtest::redis::Redis;

use crate::bypasses::caching::revoked::Scene as Tables;
use crate::bypasses::{by_alice, send};
use crate::caching::metric;
use crate::database::{LOGIN, SUPERUSER, folder};
use crate::process::{MINE, Sidegate, YOURS, eventually};
use crate::sharing::{is_sharing, redis};
use crate::wire::{Wire, request};

/// Sidegate over tables, which keeps nothing: each request is a decision.
struct Stages {
    tables: Tables,
    sidegate: Sidegate,
    mine: String,
    yours: String,
}

impl Stages {
    fn new() -> Self {
        let tables = Tables::new();
        let limits = "\nlimits: { decision_timeout: 500ms, drain_timeout: 200ms }";
        let more = format!("{limits}\ncache: {{ l1_size_mb: 0 }}");
        let config = tables.config("  query_timeout: 30s\n", &more);
        let stages = Self {
            sidegate: Sidegate::run_in(folder(&config)),
            tables,
            mine: format!("/g/{MINE}"),
            yours: format!("/g/{YOURS}"),
        };
        stages.are_well();
        stages
    }

    fn status(&self, raw: &str) -> Option<u16> {
        send(self.sidegate.proxy, raw.as_bytes())
    }

    fn are_well(&self) {
        let allowed = || self.tables.allows(&self.sidegate, &self.mine).then_some(());
        eventually("a decision", allowed);
        eventually("a refusal", || {
            let status = self.status(&by_alice("GET", &self.yours, &[]));
            (status == Some(403)).then_some(())
        });
        self.tables.recorder.received();
    }

    /// Whoever needs this stage is not let in.
    fn let_nobody_in(&self, stage: &str, asked: &[(&str, &str)]) {
        for (method, path) in asked {
            let status = self.status(&by_alice(method, path, &[]));
            assert_eq!(status, Some(503), "{stage}: {method} {path}");
        }
        assert_eq!(
            self.status(&request("GET", &self.mine, &[])),
            Some(401),
            "{stage}"
        );
        assert!(self.tables.recorder.received().is_empty(), "{stage}");
        assert_eq!(
            self.status(&request("GET", "/a", &[])),
            Some(200),
            "{stage}"
        );
        self.tables.recorder.received();
    }
}

/// A deadline that passed ended the phase, and the request went on without it.
#[test]
fn g1_authorino_649() {
    let stages = Stages::new();
    let (mine, yours) = (&*stages.mine, &*stages.yours);
    let all = [
        ("GET", mine),
        ("POST", mine),
        ("GET", yours),
        ("GET", "/me"),
    ];
    // The decision takes too long; and its client leaves while it does.
    let busy = stages.tables.database.session(SUPERUSER);
    busy.run("begin; lock table users in access exclusive mode");
    stages.let_nobody_in("too slow", &all);
    for _ in 0..4 {
        Wire::connect(stages.sidegate.proxy).send(by_alice("GET", yours, &[]));
    }
    busy.run("rollback");
    eventually("the end of what was left", || {
        let used = "sidegate_pool_connections{pool=\"authorization\",state=\"used\"}";
        (metric(&stages.sidegate, used) == Some(0)).then_some(())
    });
    assert!(
        stages.tables.recorder.received().is_empty(),
        "a decision that nobody waits for"
    );
    stages.are_well();

    // No right to ask, nothing to ask, no connection, no server.
    let owner = stages.tables.database.session(SUPERUSER);
    let (grant, revoke) = (
        "grant select on sidegate.subjects to sidegate_reader",
        "revoke select on sidegate.subjects from sidegate_reader",
    );
    let (hide, show) = (
        "alter view sidegate.projects rename to gone",
        "alter view sidegate.gone rename to projects",
    );
    let out = format!(
        "alter role {LOGIN} nologin;
         select pg_terminate_backend(pid) from pg_stat_activity where usename = '{LOGIN}'"
    );
    let back = format!("alter role {LOGIN} login");
    let of_rows = [("GET", mine), ("GET", yours)];
    for (stage, wrong, right, asked) in [
        ("no right", revoke, grant, &of_rows[..]),
        ("no view", hide, show, &of_rows),
        ("no login", &out, &back, &all),
    ] {
        owner.run(wrong);
        stages.let_nobody_in(stage, asked);
        owner.run(right);
        stages.are_well();
    }
    owner.run("checkpoint");
    stages.tables.database.cluster.pause().unwrap();
    stages.let_nobody_in("no server", &all);
    stages.tables.database.cluster.resume().unwrap();
    stages.are_well();
}

/// The application is no stage of the decision: whatever it does, who is refused is refused.
#[test]
fn g1_the_application_does_not_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let sidegate = Sidegate::start(silent.local_addr().unwrap(), "");
    let status = |id: &str| {
        let raw = by_alice("GET", &format!("/g/{id}"), &[]);
        send(sidegate.proxy, raw.as_bytes())
    };
    assert_eq!((status(MINE), status(YOURS)), (Some(504), Some(403)));
    drop(silent);
    assert_eq!((status(MINE), status(YOURS)), (Some(502), Some(403)));
}

/// What is asked: by whom, how and where.
const ASKED: [(&str, &str, &str); 8] = [
    ("nobody", "GET", "/a"),
    ("nobody", "GET", "/me"),
    (
        "nobody",
        "GET",
        "/stale/6e000000-0000-4000-8000-000000000001",
    ),
    ("alice", "GET", "/me"),
    ("alice", "GET", "/g/6e000000-0000-4000-8000-000000000001"),
    ("alice", "POST", "/g/6e000000-0000-4000-8000-000000000001"),
    (
        "alice",
        "GET",
        "/stale/6e000000-0000-4000-8000-000000000001",
    ),
    (
        "alice",
        "GET",
        "/stale/6e000000-0000-4000-8000-000000000002",
    ),
];
const WELL: [u16; 8] = [200, 401, 401, 200, 200, 200, 200, 403];
/// Past the lease of what is in memory; and without any memory.
const DOWN: [u16; 8] = [200, 401, 401, 503, 503, 503, 200, 503];
const DOWN_AND_EMPTY: [u16; 8] = [200, 401, 401, 503, 503, 503, 503, 503];

/// Every kind of route, every tier, and what of them is away: one table of verdicts.
#[test]
fn g5_verdict_matrix() {
    let tables = Tables::new();
    let mut shared = Redis::start().unwrap();
    let routes = "  - { methods: [GET], path: \"/stale/{id}\", action: read, stale_if_error: 30s, resource: { kind: generation, id: { path: id } } }\n";
    let start = |more: &str| {
        let config = tables.config("  query_timeout: 300ms\n", &format!("{routes}{more}"));
        Sidegate::run_in(folder(&config))
    };
    let plain = start("");
    let without_memory = start("cache: { l1_size_mb: 0 }\n");
    let sharing = start(&redis(&shared.url(), "  breaker: { open: 100ms }\n"));
    is_sharing(&sharing);
    let verdicts = |sidegate: &Sidegate| {
        ASKED.map(|(who, method, path)| {
            let raw = match who {
                "alice" => by_alice(method, path, &[]),
                _ => request(method, path, &[]),
            };
            tables.recorder.received();
            // One that was let in at the last moment is cut off, if its answer would come too late.
            let Some(status) = send(sidegate.proxy, raw.as_bytes()) else {
                return 503;
            };
            let arrived = tables.recorder.received().len();
            assert_eq!(arrived, usize::from(status == 200), "{who} {method} {path}");
            status
        })
    };
    let are = |what: &str, down: bool| {
        for (name, sidegate, when_down) in [
            ("plain", &plain, DOWN),
            ("without memory", &without_memory, DOWN_AND_EMPTY),
            ("sharing", &sharing, DOWN),
        ] {
            let expected = if down { when_down } else { WELL };
            // Once what has changed is noticed; in between there are only the two.
            eventually(&format!("{what}: {name}"), || {
                let found = verdicts(sidegate);
                for (found, case) in found.iter().zip(ASKED.iter().enumerate()) {
                    let (at, case) = case;
                    let allowed = *found == 200;
                    assert!(
                        !allowed || WELL[at] == 200,
                        "{what}: {name}: {case:?}: {found}"
                    );
                }
                (found == expected).then_some(())
            });
        }
    };
    are("all is well", false);
    for sidegate in [&plain, &sharing] {
        tables.is_warm(sidegate, ASKED[4].2);
    }
    shared.kill().unwrap();
    are("no Redis", false);
    tables.database.session(SUPERUSER).run("checkpoint");
    tables.database.cluster.pause().unwrap();
    are("no Redis and no database", true);
    shared.resume().unwrap();
    are("no database", true);
    tables.database.cluster.resume().unwrap();
    are("all is well again", false);
}

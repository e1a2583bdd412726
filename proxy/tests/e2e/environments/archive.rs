//! An application that is not the example: docs/examples/adapting, with numbers as ids.

use std::fs;

use tempfile::TempDir;

use crate::database::{Database, LOGIN, SUPERUSER, folder, migrate};
use crate::process::{ISSUER, SECRET, Sidegate, eventually, root};
use crate::recorder::Recorder;

use super::{reply, status};

/// Owns the archive's tables.
pub(super) const OWNER: &str = "archive_owner";

/// Wrote everything, and created both folders.
pub(super) const KIM: &str = "7";
/// In the organisation: reads, writes, manages.
const LEE: &str = "8";
pub(super) const MAX: &str = "9";
const ANN: &str = "10";
/// Works for the archive itself, and is in no organisation.
const SAM: &str = "11";
/// Nobody special.
const EVE: &str = "12";

const ROWS: &str = "
    insert into archive.accounts select n, 'account-' || n from generate_series(7, 12) n;
    insert into archive.staff values (11, 'support');
    insert into archive.organisations values (1, 'Maps'), (2, 'Letters');
    insert into archive.organisation_users values (1, 8, 10), (1, 9, 20), (1, 10, 30), (2, 12, 30);
    insert into archive.folders values (70, 1, 7, false), (71, null, 7, true);
    insert into archive.documents values (700, 70, 7, 'final'), (701, 71, 7, 'final'),
        (702, 70, 7, 'withdrawn'), (1000700, 70, 7, 'draft');
    insert into archive.pages values ('old-maps', 1, 7);";

/// The archive and its Sidegate.
pub(super) struct Archive {
    pub(super) database: Database,
    recorder: Recorder,
    pub(super) sidegate: Sidegate,
}

impl Archive {
    pub(super) fn start() -> Self {
        let database = Database::start();
        owner(&database, "createrole");
        database.run(OWNER, &example("schema.sql"));
        let recorder = Recorder::start();
        let folder = settings(&database, &format!("http://{}", recorder.address));
        migrate(folder.path(), &[]);
        database.run(OWNER, ROWS);
        Self {
            database,
            recorder,
            sidegate: Sidegate::run_in(folder),
        }
    }

    /// Asserts the status of each: subject, method, path.
    pub(super) fn assert(&self, expected: &[(&str, &str, &str, u16)]) {
        for (subject, method, path, status_) in expected {
            let found = status(&self.sidegate, method, path, subject);
            assert_eq!(found, *status_, "{subject} {method} {path}");
        }
    }

    /// Waits until what was allowed is refused, as it is within a second.
    pub(super) fn loses(&self, subject: &str, method: &str, path: &str) {
        eventually("a refusal", || {
            let found = status(&self.sidegate, method, path, subject);
            assert!(
                [200, 403].contains(&found),
                "{subject} {method} {path}: {found}"
            );
            (found == 403).then_some(())
        });
    }

    /// Does something as the application, and hands back the tags that it logged.
    pub(super) fn log(&self, sql: &str) -> Vec<String> {
        let logged = "select unnest(tags) from sidegate.change_log where xid = pg_current_xact_id() order by 1";
        let rows = self
            .database
            .rows(OWNER, &format!("begin; {sql}; {logged}; commit"));
        rows.into_iter().flatten().collect()
    }
}

/// The role of the tables' owner, with further attributes.
pub(super) fn owner(database: &Database, attributes: &str) {
    let sql =
        format!("create role {OWNER} login {attributes}; grant create on database app to {OWNER}");
    database.run(SUPERUSER, &sql);
}

pub(super) fn example(name: &str) -> String {
    fs::read_to_string(root().join("docs/examples/adapting").join(name)).unwrap()
}

/// A folder with the example's configuration, its variables filled in.
fn settings(database: &Database, upstream: &str) -> TempDir {
    let mut text = example("sidegate.yaml");
    for (name, value) in [
        ("SIDEGATE_LISTEN:-127.0.0.1:8080", "127.0.0.1:0"),
        ("SIDEGATE_ADMIN:-127.0.0.1:9901", "127.0.0.1:0"),
        ("SIDEGATE_UPSTREAM_URL:-http://127.0.0.1:3000", upstream),
        ("ISSUER:-https://id.archive.example/", ISSUER),
        ("ISSUER_SECRET", SECRET),
        ("DATABASE_URL", &database.url(LOGIN)),
        ("DATABASE_MIGRATE_URL", &database.url(OWNER)),
    ] {
        let variable = format!("${{{name}}}");
        assert!(text.contains(&variable), "{variable}");
        text = text.replace(&variable, value);
    }
    let folder = folder(&text);
    fs::write(folder.path().join("contract.sql"), example("contract.sql")).unwrap();
    folder
}

#[test]
fn another_application_is_decided_on_by_its_own_tables() {
    let archive = Archive::start();
    archive.assert(&[
        // The author, whatever the folder says.
        (KIM, "PUT", "/documents/700", 200),
        (KIM, "PUT", "/folders/70", 200),
        (KIM, "PUT", "/pages/old-maps", 200),
        // Levels: 10 reads, 20 writes, 30 manages.
        (LEE, "GET", "/documents/700", 200),
        (LEE, "PUT", "/documents/700", 403),
        (MAX, "PUT", "/documents/700", 200),
        (MAX, "POST", "/organisations/1/members", 403),
        (ANN, "POST", "/organisations/1/members", 200),
        (ANN, "POST", "/organisations/2/members", 403),
        // The other partition.
        (LEE, "GET", "/documents/1000700", 200),
        (EVE, "GET", "/documents/1000700", 403),
        // A role of the subject's own, for documents only.
        (SAM, "GET", "/documents/700", 200),
        (SAM, "PUT", "/documents/700", 403),
        (SAM, "GET", "/folders/70", 403),
        // What is public.
        (EVE, "GET", "/documents/700", 403),
        (EVE, "GET", "/documents/701", 200),
        (EVE, "PUT", "/documents/701", 403),
        // Nobody gets what is withdrawn.
        (KIM, "GET", "/documents/702", 403),
        // Names are compared byte by byte.
        (LEE, "GET", "/pages/old-maps", 200),
        (LEE, "GET", "/pages/Old-Maps", 403),
        (EVE, "GET", "/pages/old-maps", 403),
    ]);
}

#[test]
fn two_spellings_of_a_number_are_one_id() {
    let archive = Archive::start();
    assert_eq!(
        reply(archive.sidegate.proxy, "GET", "/documents/000700", "007").status,
        200
    );
    let received = archive.recorder.only();
    assert_eq!(received.values("x-sidegate-subject"), ["7"]);
    assert_eq!(
        received.values("x-sidegate-authorized"),
        ["read document:700"]
    );
    archive.assert(&[
        ("012", "GET", "/documents/000700", 403),
        ("00", "GET", "/documents", 403),
        (KIM, "GET", "/documents/0x2bc", 404),
        (KIM, "GET", "/documents/9223372036854775808", 404),
    ]);
}

/// What somebody may, what takes it away, and the tags that this logs.
type Loss = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

/// In this order: some go on from what is before them.
const LOSSES: &[Loss] = &[
    (
        MAX,
        "PUT",
        "/documents/700",
        "update archive.organisation_users set level = 10 where account_id = 9",
        &["member:1:9"],
    ),
    (
        LEE,
        "GET",
        "/documents/700",
        "update archive.organisation_users set until = now() where account_id = 8",
        &["member:1:8"],
    ),
    // A level that the contract does not name is no membership.
    (
        ANN,
        "GET",
        "/documents/700",
        "update archive.organisation_users set level = 40 where account_id = 10",
        &["member:1:10"],
    ),
    (
        SAM,
        "GET",
        "/documents/700",
        "delete from archive.staff",
        &["user:11"],
    ),
    (
        EVE,
        "GET",
        "/documents/701",
        "update archive.folders set is_public = false",
        &["project:71", "resource:folder:71"],
    ),
    // Both ways to a partition, and from one into the other.
    (
        KIM,
        "GET",
        "/documents/700",
        "update archive.documents_1 set state = 'withdrawn' where id = 700",
        &["resource:document:700"],
    ),
    (
        KIM,
        "GET",
        "/documents/1000700",
        "update archive.documents set state = 'withdrawn' where id = 1000700",
        &["resource:document:1000700"],
    ),
    (
        KIM,
        "GET",
        "/documents/701",
        "update archive.documents set id = 1000701 where id = 701",
        &["resource:document:1000701", "resource:document:701"],
    ),
    (
        KIM,
        "GET",
        "/documents/1000701",
        "delete from archive.documents_2 where id = 1000701",
        &["resource:document:1000701"],
    ),
    (
        KIM,
        "GET",
        "/pages/old-maps",
        "update archive.pages set slug = 'maps'",
        &["resource:page:maps", "resource:page:old-maps"],
    ),
    (
        KIM,
        "GET",
        "/pages/maps",
        "update archive.accounts set disabled_at = now() where id = 7",
        &["user:7"],
    ),
];

#[test]
fn what_its_database_takes_away_is_refused() {
    let archive = Archive::start();
    for (subject, method, path, change, tags) in LOSSES {
        archive.assert(&[(subject, method, path, 200)]);
        assert_eq!(&archive.log(change), tags, "{change}");
        archive.loses(subject, method, path);
    }
    // What no decision looks at is not logged, and nor are new documents.
    for silent in [
        "update archive.folders set title = 'Maps of the north'",
        "update archive.documents set body = 'x'",
        "insert into archive.documents values (703, 71, 12)",
        "insert into archive.documents_2 values (1000703, 71, 12)",
    ] {
        assert_eq!(archive.log(silent), Vec::<String>::new(), "{silent}");
    }
    // And what it gives counts at once as well.
    archive.assert(&[
        (EVE, "GET", "/documents/703", 200),
        (EVE, "GET", "/folders/71", 403),
    ]);
    let joins = archive.log("update archive.folders set organisation_id = 2 where id = 71");
    assert_eq!(joins, ["project:71", "resource:folder:71"]);
    archive.assert(&[(EVE, "GET", "/folders/71", 200)]);
}

#[test]
fn every_question_is_answered_from_an_index() {
    let archive = Archive::start();
    let session = archive.database.session(OWNER);
    session.run(
        "insert into archive.accounts select n, 'more-' || n from generate_series(1001, 6000) n;
         insert into archive.staff select n, 'audit' from generate_series(1001, 6000) n;
         insert into archive.organisations select n, 'More' from generate_series(1001, 6000) n;
         insert into archive.organisation_users select n, n, 10 from generate_series(1001, 6000) n;
         insert into archive.folders select n, n, n from generate_series(1001, 6000) n;
         insert into archive.documents select n * 333, n, n from generate_series(1001, 6000) n;
         insert into archive.pages select 'page-' || n, n, n from generate_series(1001, 6000) n;
         analyze archive.accounts, archive.staff, archive.organisations, archive.organisation_users,
             archive.folders, archive.documents, archive.pages;
         set plan_cache_mode = force_generic_plan",
    );
    for (view, condition, types, values) in [
        ("subjects", "id = $1", "bigint", "7"),
        (
            "memberships",
            "team_id = $1 and user_id = $2",
            "integer, bigint",
            "1, 8",
        ),
        ("projects", "id = $1", "bigint", "70"),
        (
            "resources_bigint",
            "kind = $1 and id = $2",
            "text, bigint",
            "'document', 700",
        ),
        (
            "resources_text",
            "kind = $1 and id = $2",
            "text, text",
            "'page', 'old-maps'",
        ),
    ] {
        session.run(&format!(
            "prepare {view} ({types}) as select * from sidegate.{view} where {condition}"
        ));
        let plan = session.rows(&format!("explain execute {view} ({values})"));
        let plan = plan.concat().join("\n");
        assert!(
            plan.contains("Index") && !plan.contains("Seq Scan"),
            "{view}\n{plan}"
        );
    }
}

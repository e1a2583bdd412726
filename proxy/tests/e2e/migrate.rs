//! `sidegate migrate` on a real server: what it installs, removes, lets go of and restores.

mod doorbell;
mod log;
mod steps;
mod writers;

use std::fs;
use std::net::SocketAddr;

use crate::database::{Database, SUPERUSER, folder, migrate, try_migrate};
use crate::process::{Sidegate, eventually, root, token};
use crate::wire::{ask, request};

/// Nobody is asked anything here.
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

/// Other tests may keep the machine busy.
const PATIENT: &str = "  connect_timeout: 20s\n";

pub(crate) const ALICE: &str = "a11ce000-0000-4000-8000-000000000001";
pub(crate) const BOB: &str = "b0b00000-0000-4000-8000-000000000002";

/// Everything that `migrate` made in the database and on the tables, and when the catalog last saw it
/// change.
const INVENTORY: &str = "
    select 'class', c.oid::text, c.relname::text, c.xmin::text from pg_class c
        where c.relnamespace = to_regnamespace('sidegate')
    union all select 'function', p.oid::text, p.proname::text, p.xmin::text from pg_proc p
        where p.pronamespace = to_regnamespace('sidegate')
    union all select 'trigger', t.oid::text, t.tgname::text, t.xmin::text from pg_trigger t where t.tgname like 'sidegate%'
    union all select 'role', r.oid::text, r.rolname::text, '' from pg_roles r where r.rolname in ('sidegate_owner', 'sidegate_reader')
    order by 1, 3, 2";

pub(crate) const BAD: &str = "select count(*) from sidegate.triggers where state <> 'ok'";

pub(crate) fn example() -> (Database, tempfile::TempDir) {
    let database = Database::example();
    let folder = folder(&database.config(NOBODY, PATIENT, ""));
    (database, folder)
}

#[test]
fn it_installs_what_is_missing_and_touches_nothing_else() {
    let (database, folder) = example();
    let session = database.session(SUPERUSER);
    let said = migrate(folder.path(), &[]);
    assert!(said.contains("applied V1__change_log"), "{said}");
    assert!(
        said.contains("grant sidegate_reader to sidegate_login"),
        "{said}"
    );
    assert_eq!(session.value(BAD), "0");
    let inserts = "select count(*) from pg_trigger where tgrelid = 'generations'::regclass and tgtype & 4 > 0 and not tgisinternal";
    assert_eq!(
        session.value(inserts),
        "0",
        "the hottest table pays nothing for new rows"
    );
    // Grantee 0 is PUBLIC.
    let open = "select count(*) from (
            select coalesce(relacl, acldefault('r', relowner)) as acl from pg_class where relnamespace = 'sidegate'::regnamespace
            union all select coalesce(proacl, acldefault('f', proowner)) from pg_proc where pronamespace = 'sidegate'::regnamespace
            union all select nspacl from pg_namespace where nspname = 'sidegate'
        ) as granted cross join lateral aclexplode(granted.acl) as one where one.grantee = 0";
    assert_eq!(session.value(open), "0");

    let before = session.rows(INVENTORY);
    assert_eq!(migrate(folder.path(), &[]), "the database is up to date\n");
    assert_eq!(session.rows(INVENTORY), before);

    let login = database
        .config(NOBODY, PATIENT, "")
        .replace("sidegate_login@", "nobody@");
    fs::write(folder.path().join("sidegate.yaml"), login).unwrap();
    let said = migrate(folder.path(), &[]);
    assert!(said.contains("note: there is no role nobody"), "{said}");

    // What somebody broke is mended, and only that.
    session.run("drop view sidegate.memberships; alter table users disable trigger sidegate_update; drop trigger sidegate_delete on public.projects");
    assert_eq!(session.value(BAD), "2");
    migrate(folder.path(), &[]);
    assert_eq!(session.value(BAD), "0");
    assert_eq!(
        session.value("select count(*) from sidegate.memberships"),
        "0"
    );
}

#[test]
fn what_a_dry_run_prints_is_what_a_run_does() {
    let (database, folder) = example();
    let session = database.session(SUPERUSER);
    let before = session.rows(INVENTORY);
    let sql = migrate(folder.path(), &["--dry-run"]);
    assert!(session.rows(INVENTORY) == before, "nothing has changed");
    session.run(&sql);
    session.run("select sidegate.install(relation) from sidegate.triggers where state <> 'ok'");
    assert_eq!(session.value(BAD), "0");
    assert_eq!(
        session.value("select count(*) from sidegate.resources_uuid"),
        "0"
    );

    let down = migrate(folder.path(), &["--down", "--dry-run"]);
    assert!(down.contains("drop schema sidegate cascade"), "{down}");
    assert!(session.value("select to_regnamespace('sidegate') is not null") == "t");
}

#[test]
fn down_leaves_nothing_and_up_begins_again() {
    let (database, folder) = example();
    let session = database.session(SUPERUSER);
    let columns = "select relname::text, attname::text, atttypid::text from pg_attribute join pg_class c on c.oid = attrelid
        where attnum > 0 and relnamespace = 'public'::regnamespace order by 1, 2";
    let (inventory, tables) = (session.rows(INVENTORY), session.rows(columns));
    migrate(folder.path(), &[]);
    assert_eq!(session.rows(columns), tables, "triggers and nothing else");

    session.run("create view public.mine as select * from sidegate.subjects");
    let refused = try_migrate(folder.path(), &["--down"]);
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && words.contains("mine"),
        "{words}"
    );
    session.run("drop view public.mine");

    migrate(folder.path(), &["--down"]);
    assert_eq!(session.rows(INVENTORY), inventory);
    assert_eq!(session.rows(columns), tables);
    assert!(
        !try_migrate(folder.path(), &["--down"]).status.success(),
        "there is nothing left"
    );

    migrate(folder.path(), &[]);
    assert_eq!(session.value(BAD), "0");
}

#[test]
fn a_released_table_can_be_migrated_by_the_application() {
    let (database, folder) = example();
    let session = database.session(SUPERUSER);
    migrate(folder.path(), &[]);
    let change = "alter table team_members alter column role type varchar(20)";
    assert_eq!(session.refused(change), "0A000", "the view pins the column");

    let said = migrate(folder.path(), &["--release", "team_members"]);
    assert!(said.contains("503"), "{said}");
    let triggers = "select count(*) from pg_trigger where tgrelid = 'team_members'::regclass and tgname like 'sidegate%'";
    assert_eq!(session.value(triggers), "0");
    session.run(change);
    assert_eq!(
        session.refused("select * from sidegate.memberships"),
        "42P01"
    );
    session.run("select * from sidegate.projects");

    migrate(folder.path(), &[]);
    session.run("select * from sidegate.memberships");
    assert_eq!(session.value(triggers), "4");
    assert_eq!(session.value(BAD), "0");
    let unknown = try_migrate(folder.path(), &["--release", "nothing"]);
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("42P01"));
}

#[test]
fn a_contract_that_fails_leaves_the_last_one_and_says_where() {
    let (database, folder) = example();
    let session = database.session(SUPERUSER);
    migrate(folder.path(), &[]);
    let before = session.rows(INVENTORY);
    let example = fs::read_to_string(root().join("migrations/contract.example.sql")).unwrap();
    let config = database.config(NOBODY, PATIENT, "").replace(
        "{ postgres: {} }",
        "{ postgres: { contract: contract.sql } }",
    );
    fs::write(folder.path().join("sidegate.yaml"), config).unwrap();
    let first = example
        .lines()
        .position(|line| line.starts_with("from users"))
        .unwrap()
        + 1;
    for (contract, expected) in [
        (
            example.replace("from users;", "from usres;"),
            format!("contract.sql:{first}: "),
        ),
        (
            format!("{example}\ncommit;"),
            "transaction commands".to_owned(),
        ),
        (
            example.replace("'user:{id}', ", "'user:{idd}', "),
            "there is no column idd".to_owned(),
        ),
        (
            example.replace("'resource:team:{id}'", "'team:{id}'"),
            "every row is one resource".to_owned(),
        ),
    ] {
        fs::write(folder.path().join("contract.sql"), contract).unwrap();
        let failed = try_migrate(folder.path(), &[]);
        let words = String::from_utf8(failed.stderr).unwrap();
        assert!(
            !failed.status.success() && words.contains(&expected),
            "{expected}: {words}"
        );
        assert!(session.rows(INVENTORY) == before, "{expected}");
    }
}

#[test]
fn a_contract_that_watches_less_takes_its_triggers_away() {
    let (database, folder) = example();
    let session = database.session(SUPERUSER);
    migrate(folder.path(), &[]);
    let example = fs::read_to_string(root().join("migrations/contract.example.sql")).unwrap();
    let config = database.config(NOBODY, PATIENT, "").replace(
        "{ postgres: {} }",
        "{ postgres: { contract: contract.sql } }",
    );
    fs::write(folder.path().join("sidegate.yaml"), config).unwrap();
    let less = example
        .lines()
        .filter(|line| !line.contains("watch('teams'"))
        .collect::<Vec<_>>()
        .join("\n");
    fs::write(
        folder.path().join("contract.sql"),
        less.replace("'{is_active}'", "'{is_active,email}'"),
    )
    .unwrap();
    let said = migrate(folder.path(), &[]);
    assert!(said.contains("no more triggers on public.teams"), "{said}");
    session.run(&format!(
        "insert into users values ('{ALICE}', 'alice@example')"
    ));
    let count = session.value("select count(*) from sidegate.change_log");
    session.run("update users set email = 'a@example'");
    assert_ne!(
        session.value("select count(*) from sidegate.change_log"),
        count
    );
}

/// Whoever may create functions and operators where the application's tables are (everybody, in a database
/// that is older than version 15) must not be called by our statements. These would raise an error.
#[test]
fn functions_and_operators_of_others_are_not_called() {
    let (database, folder) = example();
    let session = database.session(SUPERUSER);
    session.run(&format!(
        "create function public.evil(oid, regclass) returns boolean language plpgsql as 'begin raise exception ''called''; end';
         create operator public.= (leftarg = oid, rightarg = regclass, function = public.evil);
         create function public.evil(numeric, integer) returns numeric language plpgsql as 'begin raise exception ''called''; end';
         create operator public.* (leftarg = numeric, rightarg = integer, function = public.evil);
         create function public.concat_ws(text, text, oid) returns text language plpgsql as 'begin raise exception ''called''; end';
         insert into users values ('{ALICE}', 'a@b'); insert into teams values ('{BOB}', 't');
         insert into team_members values ('{BOB}', '{ALICE}', 'viewer', now() - interval '1 day');
         insert into projects values ('{BOB}', '{ALICE}', '{BOB}'); insert into generations values ('{BOB}', '{ALICE}', '{BOB}')"
    ));
    migrate(folder.path(), &[]);
    migrate(folder.path(), &["--release", "users"]);
    migrate(folder.path(), &[]);
    let sidegate = Sidegate::run_in(folder);
    let authorization = format!("Bearer {}", token(ALICE));
    let headers = [("Authorization", authorization.as_str())];
    let asked = request("GET", &format!("/g/{BOB}"), &headers);
    // Nobody answers behind it: what is allowed ends there, and what cannot be decided before.
    eventually("a decision", || {
        (ask(sidegate.proxy, &asked).status == 502).then_some(())
    });
    eventually("an open cache", || {
        let notes = sidegate.admin("/readyz")["notes"].to_string();
        (!notes.contains("caching is off")).then_some(())
    });
}

/// A schema of that name that somebody else made first could be changed by him later.
#[test]
fn a_schema_of_somebody_else_is_refused() {
    let (database, folder) = example();
    let session = database.session(SUPERUSER);
    session.run("create role mallory; create schema sidegate authorization mallory");
    let refused = try_migrate(folder.path(), &[]);
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && words.contains("belongs to somebody else"),
        "{words}"
    );
}

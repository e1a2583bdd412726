//! The log of changes: what is written to it, how it is cleaned, and what a dump does to it.

use crate::database::{LOGIN, SUPERUSER, Session, migrate};
use crate::migrate::{ALICE, BOB, example};

/// What a statement logs, by the role of an application that cannot even see the schema.
#[test]
fn the_log_has_what_changed_and_only_that() {
    let (database, folder) = example();
    migrate(folder.path(), &[]);
    let owner = database.session(SUPERUSER);
    owner.run("create role app login; grant all on all tables in schema public to app");
    let app = database.session("app");
    assert_eq!(app.refused("select * from sidegate.change_log"), "42501");
    let logged = |session: &Session, sql: &str| {
        owner.run("delete from sidegate.change_log");
        session.run(sql);
        let tags = "select distinct unnest(tags) from sidegate.change_log order by 1";
        owner.rows(tags).concat().join(" ")
    };
    for (sql, expected) in cases() {
        assert_eq!(logged(&app, &sql), expected, "{sql}");
    }
    let replica = format!(
        "set session_replication_role = replica; update users set is_active = true where id = '{BOB}'"
    );
    let expected = format!("resource:user:{BOB} user:{BOB}");
    assert_eq!(logged(&database.session(SUPERUSER), &replica), expected);

    // A renamed column: nothing is refused, and everything counts as changed.
    owner.run("alter table users rename column is_active to enabled");
    assert_eq!(logged(&app, "update users set enabled = false"), "*");
}

/// Rows and values at which a short way of comparing could look past a change.
#[test]
fn what_is_hard_to_compare_is_logged_too() {
    let (database, folder) = example();
    migrate(folder.path(), &[]);
    let owner = database.session(SUPERUSER);
    owner.run(
        "create type public.pair as (a int, b int);
         create table public.odd (id int, part int, pair public.pair, list float8[]) partition by list (part);
         create table public.odd_1 partition of public.odd for values in (1);
         create table public.odd_2 partition of public.odd for values in (2);
         create function public.swallow() returns trigger language plpgsql as 'begin return null; end';
         create trigger swallow before insert on public.odd_2 for each row execute function public.swallow();
         insert into public.odd values (7, 1, row(1, null), '{1.23456789}');
         select sidegate.watch('public.odd', array['project:{id}'], '{pair,list}')",
    );
    for change in [
        "update public.odd set pair = row(2, null)",
        "set extra_float_digits = -15; update public.odd set list = '{1.4}'",
        // The row leaves one partition and never arrives in the other.
        "update public.odd set part = 2",
    ] {
        owner.run("delete from sidegate.change_log");
        owner.run(change);
        let tags = owner
            .rows("select distinct unnest(tags) from sidegate.change_log")
            .concat();
        assert_eq!(tags, ["project:7"], "{change}");
    }
    assert_eq!(owner.value("select count(*) from public.odd"), "0");
}

#[test]
fn the_log_is_cleaned_in_batches_and_its_floor_rises_before() {
    let (database, folder) = example();
    migrate(folder.path(), &[]);
    let owner = database.session(SUPERUSER);
    let reader = database.session(LOGIN);
    for _ in 0..7 {
        owner.run("insert into sidegate.change_log (tags) values ('{a}')");
    }
    let count = || owner.value("select count(*) from sidegate.change_log");
    let first = owner.value("select xid from sidegate.floor");
    assert_eq!(reader.value("select sidegate.clean('1 hour', 5)"), "0");
    assert_eq!(
        (count(), owner.value("select xid from sidegate.floor")),
        ("7".to_owned(), first.clone())
    );

    // An hour later.
    owner.run("update sidegate.horizon set noted_at = noted_at - interval '61 minutes'");
    owner.run("insert into sidegate.change_log (tags) values ('{b}')");
    assert_eq!(reader.value("select sidegate.clean('1 hour', 5)"), "5");
    assert_ne!(owner.value("select xid from sidegate.floor"), first);
    assert_eq!(reader.value("select sidegate.clean('1 hour', 5)"), "2");
    assert_eq!(reader.value("select sidegate.clean('1 hour', 5)"), "0");
    assert_eq!(count(), "1", "what is younger stays");

    // Nor does a reader shorten the time for which it is kept.
    owner.run("insert into sidegate.horizon (xid) select pg_snapshot_xmax(pg_current_snapshot())");
    assert_eq!(reader.value("select sidegate.clean('-1 hour', 5)"), "0");
    assert_eq!(count(), "1");

    // Only one instance cleans at a time.
    owner.run("begin; select sidegate.clean('1 hour', 5)");
    assert_eq!(reader.value("select sidegate.clean('1 hour', 5)"), "");
    owner.run("commit");
    assert_eq!(reader.refused("delete from sidegate.change_log"), "42501");
}

/// What a dump brings along from another cluster: its life's id, and a log of transactions that have
/// not happened here.
#[test]
fn a_restored_dump_begins_a_life_of_its_own() {
    let (database, folder) = example();
    migrate(folder.path(), &[]);
    let owner = database.session(SUPERUSER);
    let reader = database.session(LOGIN);
    let life = "select incarnation from sidegate.history";
    let first = reader.value(life);
    reader.run("select sidegate.begin_incarnation()");
    assert_eq!(reader.value(life), first, "it has begun already");

    owner.run("insert into sidegate.change_log (tags) values ('{here}');
        update sidegate.incarnation set system = system + 1;
        insert into sidegate.change_log (xid, tags) values ('9000000000', '{elsewhere}');
        insert into sidegate.horizon (xid) values ('9000000000'); update sidegate.floor set xid = '9000000000'");
    assert_eq!(reader.value(life), "", "not here");
    reader.run("select sidegate.begin_incarnation()");
    assert!(!["", &first].contains(&reader.value(life).as_str()));
    assert_eq!(
        owner
            .rows("select tags::text from sidegate.change_log")
            .concat(),
        ["{here}"]
    );
    let floor = "select xid < pg_snapshot_xmax(pg_current_snapshot()) from sidegate.floor";
    assert_eq!(owner.value(floor), "t");
}

/// Statements in their order, and the tags that each of them logs.
fn cases() -> Vec<(String, String)> {
    let (team, project) = (
        "7ea00000-0000-4000-8000-000000000001",
        "90000000-0000-4000-8000-000000000001",
    );
    let member = format!("member:{team}:{ALICE}");
    vec![
        (format!("insert into users values ('{ALICE}', 'a@b'), ('{BOB}', 'b@b')"),
            format!("resource:user:{ALICE} resource:user:{BOB} user:{ALICE} user:{BOB}")),
        ("update users set email = email || 'c'".to_owned(), String::new()),
        (format!("update users set is_active = id <> '{BOB}'"), format!("resource:user:{BOB} user:{BOB}")),
        (format!("insert into teams values ('{team}', 'a team')"), String::new()),
        (format!("insert into team_members values ('{team}', '{ALICE}', 'viewer')"), member.clone()),
        ("update team_members set role = 'viewer'".to_owned(), String::new()),
        ("update team_members set role = 'editor'".to_owned(), member.clone()),
        ("update team_members set expires_at = now()".to_owned(), member.clone()),
        // The old and the new one.
        (format!("update team_members set user_id = '{BOB}'"), format!("{member} member:{team}:{BOB}")),
        (format!("insert into projects values ('{project}', '{ALICE}')"), format!("project:{project} resource:project:{project}")),
        ("update projects set updated_at = now() + '1 hour'".to_owned(), String::new()),
        ("update projects set visibility = 'public'".to_owned(), format!("project:{project} resource:project:{project}")),
        (format!("insert into generations (id, user_id) values ('{ALICE}', '{ALICE}')"), String::new()),
        ("update generations set status = 'completed'".to_owned(), String::new()),
        (format!("update generations set user_id = '{BOB}'"), format!("resource:generation:{ALICE}")),
        ("delete from generations".to_owned(), format!("resource:generation:{ALICE}")),
        // By the foreign key.
        (format!("delete from teams where id = '{team}'"), format!("member:{team}:{BOB} resource:team:{team}")),
        ("delete from teams".to_owned(), String::new()),
        ("insert into projects select gen_random_uuid(), user_id from projects, generate_series(1, 501)".to_owned(), "*".to_owned()),
        ("begin; delete from projects; rollback".to_owned(), String::new()),
        ("truncate team_members".to_owned(), "*".to_owned()),
    ]
}

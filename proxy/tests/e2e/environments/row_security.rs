//! A database such as Supabase's: no superuser, row level security on every table of the application.

use crate::database::{Database, LOGIN, SUPERUSER, folder, migrate};
use crate::process::{ALICE, MINE, Sidegate, YOURS, eventually, root};
use crate::recorder::Recorder;

use super::{BOB, TEAM, assert_seeded, seed, status};

/// Owns the tables and migrates. Creates roles, and is neither a superuser nor above row security.
const ADMIN: &str = "app_admin";

/// What every row is seen by. `authenticator` is the login of the application, `authenticated` what it
/// becomes for a request.
const POLICIES: &str = "
    do $$
    declare
        name text;
    begin
        foreach name in array array['users', 'teams', 'team_members', 'projects', 'generations'] loop
            execute format('alter table %I enable row level security', name);
            execute format('create policy claimed on %I using (nullif(current_setting(''request.jwt.claims'', true), '''')::jsonb ? ''sub'')', name);
        end loop;
    end
    $$;
    grant select, update on all tables in schema public to authenticated";

/// As the application does for a request.
const AS_ALICE: &str = r#"begin; set local role authenticated;
    set local request.jwt.claims = '{"sub": "a11ce000-0000-4000-8000-000000000001"}';"#;

fn supabase_like() -> (Database, Recorder, Sidegate) {
    let database = Database::start();
    let roles = format!(
        "create role {ADMIN} login createrole; create role authenticated;
         create role authenticator login noinherit; grant authenticated to authenticator;
         alter database app owner to {ADMIN}"
    );
    database.run(SUPERUSER, &roles);
    let schema = std::fs::read_to_string(root().join("loadtest/sql/schema.sql")).unwrap();
    database.run(ADMIN, &schema);
    database.run(ADMIN, POLICIES);
    seed(&database, ADMIN);
    let recorder = Recorder::start();
    let sidegate = start(&database, &recorder);
    (database, recorder, sidegate)
}

fn start(database: &Database, recorder: &Recorder) -> Sidegate {
    let config = database.config(recorder.address, "", "");
    let config = config.replace(&database.url(SUPERUSER), &database.url(ADMIN));
    let folder = folder(&config);
    migrate(folder.path(), &[]);
    Sidegate::run_in(folder)
}

#[test]
fn row_security_hides_rows_from_others_and_not_from_decisions() {
    let (database, _recorder, sidegate) = supabase_like();
    let hidden = "set role authenticated; select id from generations";
    assert!(database.rows("authenticator", hidden).is_empty());
    let login = database.session(LOGIN);
    assert_eq!(login.refused("select id from public.generations"), "42501");
    assert_eq!(login.value("select count(*) from sidegate.subjects"), "3");
    assert_seeded(&sidegate);

    let ended = format!("delete from team_members where user_id = '{BOB}'");
    database.run(ADMIN, &ended);
    eventually("a refusal", || {
        (status(&sidegate, "GET", &format!("/g/{YOURS}"), BOB) == 403).then_some(())
    });
}

#[test]
fn the_application_writes_its_tables_without_a_right_in_our_schema() {
    let (database, _recorder, sidegate) = supabase_like();
    let application = database.session("authenticator");
    let log = "set role authenticated; select tags from sidegate.change_log";
    assert_eq!(application.refused(log), "42501");
    let give =
        format!("{AS_ALICE} update generations set user_id = '{BOB}' where id = '{MINE}'; commit");
    application.run(&give);
    let last = "select tags from sidegate.change_log where tags[1] not like 'canary:%' order by xid desc limit 1";
    let tags = database.session(ADMIN).value(last);
    assert_eq!(tags, format!("{{resource:generation:{MINE}}}"));
    let target = format!("/g/{MINE}");
    assert_eq!(status(&sidegate, "GET", &target, ALICE), 403);
    assert_eq!(status(&sidegate, "GET", &target, BOB), 200);
}

#[test]
fn row_security_that_holds_for_the_owner_refuses_everything() {
    let (database, recorder, sidegate) = supabase_like();
    assert_seeded(&sidegate);
    recorder.received();
    for name in ["users", "teams", "team_members", "projects", "generations"] {
        let force = format!("alter table {name} force row level security");
        database.run(ADMIN, &force);
    }
    for (subject, method, id) in [
        (ALICE, "GET", MINE),
        (ALICE, "POST", MINE),
        (ALICE, "GET", YOURS),
        (BOB, "GET", YOURS),
        (TEAM, "GET", YOURS),
    ] {
        let target = format!("/g/{id}");
        // What is in memory may be allowed on for a moment; from then on nothing is.
        eventually("a refusal", || {
            (status(&sidegate, method, &target, subject) == 403).then_some(())
        });
        recorder.received();
        assert_eq!(status(&sidegate, method, &target, subject), 403);
    }
    assert!(recorder.received().is_empty());

    // The way out that docs/adapting.md names. What a connection has planned it keeps: hence a new one.
    database.run(SUPERUSER, &format!("alter role {ADMIN} bypassrls"));
    drop(sidegate);
    assert_seeded(&start(&database, &recorder));
}

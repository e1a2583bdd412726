//! What can be wrong with the server, the roles, the triggers and the log.

use super::{Case, Patient};
use crate::database::{LOGIN, SUPERUSER};

#[test]
fn rights_and_limits() {
    let patient = Patient::healthy();
    let reader = format!("grant sidegate_reader to {LOGIN}");
    let revoked = format!("revoke sidegate_reader from {LOGIN}");
    let limited = format!("alter role {LOGIN} connection limit 10");
    let unlimited = format!("alter role {LOGIN} connection limit -1");
    let read_only = format!("alter role {LOGIN} set default_transaction_read_only = on");
    let writing = format!("alter role {LOGIN} reset default_transaction_read_only");
    let super_ = format!("alter role {LOGIN} superuser");
    let plain = format!("alter role {LOGIN} nosuperuser");
    let cases: &[Case<'_>] = &[
        (
            &revoked,
            &reader,
            &[("broken", "rights", "select on sidegate.subjects")],
        ),
        (
            "revoke execute on function sidegate.clean(interval, integer) from sidegate_reader",
            "grant execute on function sidegate.clean(interval, integer) to sidegate_reader",
            &[("uncached", "rights", "execute on sidegate.clean")],
        ),
        (&super_, &plain, &[("warning", "rights", "superuser")]),
        (
            "grant delete on sidegate.change_log to public",
            "revoke delete on sidegate.change_log from public",
            &[("uncached", "rights", "everybody may delete")],
        ),
        (
            "grant select on sidegate.service_keys to public",
            "revoke select on sidegate.service_keys from public",
            &[("warning", "rights", "everybody may select")],
        ),
        (&limited, &unlimited, &[("warning", "connections", "is 10")]),
        (
            "alter database app connection limit 10",
            "alter database app connection limit -1",
            &[("warning", "connections", "database app is 10")],
        ),
        (
            &read_only,
            &writing,
            &[("uncached", "primary", "read only")],
        ),
    ];
    patient.treat(cases);
}

#[test]
fn rows_that_row_security_hides() {
    let patient = Patient::healthy();
    patient.surgeon.run(
        "create role stranger; grant select on projects to stranger; create role owner;
        grant usage on schema sidegate to stranger, owner",
    );
    let secured = "alter table projects enable row level security";
    let plain = "alter table projects disable row level security, no force row level security";
    let by_stranger = format!("alter view sidegate.projects owner to stranger; {secured}");
    let mended = format!(
        "{plain}; alter view sidegate.projects owner to {SUPERUSER}; alter table projects owner to {SUPERUSER}"
    );
    let forced = format!(
        "alter table projects owner to owner; alter view sidegate.projects owner to owner; {secured}, force row level security; grant select on projects to {SUPERUSER}"
    );
    let invoker = format!(
        "alter view sidegate.projects set (security_invoker = true); {secured}; grant select on projects to {LOGIN}"
    );
    let not_invoker = format!(
        "{plain}; alter view sidegate.projects reset (security_invoker); revoke select on projects from {LOGIN}"
    );
    let owned = format!(
        "alter table projects owner to owner; alter view sidegate.projects owner to owner; {secured}"
    );
    let bypassing = format!("{by_stranger}; alter role stranger bypassrls");
    let not_bypassing = format!("{mended}; alter role stranger nobypassrls");
    let hides =
        |reader: &str| format!("hides rows from sidegate.projects, which reads as {reader}");
    let cases: &[Case<'_>] = &[
        (
            &by_stranger,
            &mended,
            &[("broken", "rows", &hides("stranger"))],
        ),
        (&forced, &mended, &[("broken", "rows", &hides("owner"))]),
        (&invoker, &not_invoker, &[("broken", "rows", &hides(LOGIN))]),
        (
            "alter view sidegate.projects set (security_invoker = true)",
            "alter view sidegate.projects reset (security_invoker)",
            &[("broken", "rows", "may not read public.projects")],
        ),
        // The owner and who bypasses it see everything.
        (&owned, &mended, &[]),
        (&bypassing, &not_bypassing, &[]),
    ];
    patient.treat(cases);
}

#[test]
fn triggers_of_every_table() {
    let patient = Patient::healthy();
    patient.treat(&[
        ("alter table projects disable trigger sidegate_update", "alter table projects enable always trigger sidegate_update",
            &[("uncached", "triggers", "for update on public.projects are disabled")]),
        // Not for what replication applies.
        ("alter table projects enable trigger sidegate_update", "alter table projects enable always trigger sidegate_update",
            &[("uncached", "triggers", "or not ALWAYS")]),
        ("drop trigger sidegate_delete on users; drop trigger sidegate_truncate on users", "select sidegate.install('users')",
            &[("uncached", "triggers", "no triggers for delete, truncate on public.users")]),
        ("drop trigger sidegate_update on users; create trigger sidegate_update after update on users for each statement execute function sidegate.log_truncate()",
            "select sidegate.install('users')", &[("uncached", "triggers", "not those that were installed")]),
        ("create trigger sidegate_insert after insert on teams for each statement execute function sidegate.log_truncate()",
            "drop trigger sidegate_insert on teams", &[("warning", "triggers", "sidegate_insert on public.teams")]),
        ("create table part () inherits (projects)", "drop table part", &[("uncached", "triggers", "on public.part")]),
        ("create table part () inherits (projects); select sidegate.install('part')", "drop table part", &[]),
        ("create extension postgres_fdw; create server s foreign data wrapper postgres_fdw; create foreign table part () inherits (teams) server s",
            "drop extension postgres_fdw cascade", &[("uncached", "sources", "public.teams, which is foreign"), ("uncached", "triggers", "on public.part")]),
    ]);
    // Nothing has to be reachable to be subscribed to.
    patient.surgeon.run("create subscription s connection 'host=127.0.0.1 port=1' publication p with (connect = false)");
    let relation = "insert into pg_subscription_rel select s.oid, 'users'::regclass, 'r', null from pg_subscription s";
    patient.surgeon.run("set allow_system_table_mods = on");
    patient.treat(&[(
        relation,
        "delete from pg_subscription_rel",
        &[(
            "uncached",
            "triggers",
            "public.users is written by a logical subscription",
        )],
    )]);
}

#[test]
fn the_log_and_what_keeps_it() {
    let patient = Patient::healthy();
    patient.treat(&[
        (
            "delete from sidegate.floor",
            "insert into sidegate.floor (xid) values (pg_snapshot_xmin(pg_current_snapshot()))",
            &[("uncached", "log", "floor is empty")],
        ),
        // As a restored dump of another server has it.
        (
            "update sidegate.floor set xid = '99999999999'",
            "update sidegate.floor set xid = pg_snapshot_xmin(pg_current_snapshot())",
            &[("uncached", "log", "another one's dump")],
        ),
        (
            "alter table sidegate.change_log set unlogged",
            "alter table sidegate.change_log set logged",
            &[("uncached", "log", "a crash empties it")],
        ),
        (
            "insert into sidegate.change_log (tags, at) values ('{*}', now() - interval '4 hours')",
            "delete from sidegate.change_log",
            &[("warning", "log", "4 h old")],
        ),
        (
            "alter table sidegate.floor rename to gone",
            "alter table sidegate.gone rename to floor",
            &[("broken", "migrations", "not there: sidegate.floor")],
        ),
    ]);

    patient.surgeon.run("grant select on sidegate.schema_history to sidegate_reader; create table kept as select * from sidegate.schema_history");
    let mended =
        "truncate sidegate.schema_history; insert into sidegate.schema_history select * from kept";
    patient.treat(&[
        ("delete from sidegate.schema_history where version = 3", mended, &[("broken", "migrations", "V3__keys_and_revocations is not applied")]),
        ("update sidegate.schema_history set checksum = '1' where version = 1", mended, &[("uncached", "migrations", "another text")]),
        ("insert into sidegate.schema_history select 99, 'later', applied_on, checksum from kept where version = 1", mended,
            &[("warning", "migrations", "V99__later is of a newer")]),
    ]);
}

//! What can be wrong with a contract: its views, what they read, what is watched.

use std::fs;

use super::{Case, Patient};
use crate::process::root;

const SUBJECTS: &str = "create or replace view sidegate.subjects as select id, is_active as active, '{}'::text[] as roles from users";
const MEMBERSHIPS: &str = "create or replace view sidegate.memberships as select team_id, user_id, role, expires_at from team_members";
const RESOURCES: &str = "create or replace view sidegate.resources_uuid (kind, id, owner_id, project_id, team_id, status, updated_at) as ";

/// The resources as the example's contract has them.
fn resources() -> String {
    let contract = fs::read_to_string(root().join("migrations/contract.example.sql")).unwrap();
    let (_, rest) = contract
        .split_once("create view sidegate.resources_uuid")
        .unwrap();
    let (view, _) = rest.split_once(';').unwrap();
    format!("create or replace view sidegate.resources_uuid{view}")
}

/// A memberships view with one column's expression replaced.
fn retyped(column: &str, expression: &str) -> String {
    let columns =
        "team_id, user_id, role, expires_at".replace(column, &format!("{expression} as {column}"));
    format!("drop view sidegate.memberships; create view sidegate.memberships as select {columns} from team_members;
        grant select on sidegate.memberships to sidegate_reader")
}

#[test]
fn views_and_their_types() {
    let patient = Patient::healthy();
    patient.surgeon.run("create extension citext; create domain short as text; create type level as enum ('viewer');
        create collation loose (provider = icu, locale = 'und', deterministic = false)");
    let mended = retyped("role", "role");
    let found =
        |column: &str, expression: &str, what: &'static str| (retyped(column, expression), what);
    let cases = [
        found("team_id", "team_id::text::citext", "memberships.team_id is public.citext"),
        found("team_id", "team_id::text::char(36)", "memberships.team_id is character(36)"),
        found("team_id", "team_id::text::short", "memberships.team_id is public.short"),
        found("user_id", "user_id::text", "memberships.user_id is text; expected uuid, as `policy.subject_id` says"),
        found("role", "role collate loose", "nondeterministic collation loose"),
        found("role", "role::level", "memberships.role is public.level"),
        found("expires_at", "expires_at at time zone 'UTC'", "timestamp without time zone"),
        ("drop view sidegate.memberships; create view sidegate.memberships as select team_id, user_id, role from team_members;
            grant select on sidegate.memberships to sidegate_reader".to_owned(), "no column expires_at"),
        ("drop view sidegate.memberships".to_owned(), "no view sidegate.memberships"),
    ];
    for (breaks, what) in &cases {
        let mended = if what.starts_with("no view") {
            format!("{MEMBERSHIPS}; grant select on sidegate.memberships to sidegate_reader")
        } else {
            mended.clone()
        };
        patient.treat(&[(breaks, &mended, &[("broken", "contract", what)])]);
    }

    // Wider and narrower types of the same id are the same.
    let restored = "delete from sidegate.state where key = 'contract'";
    patient
        .surgeon
        .run("create table noted as select * from sidegate.state");
    patient.treat(&[
        (&retyped("role", "role::varchar(20)"), &mended, &[]),
        (
            restored,
            "insert into sidegate.state select * from noted where key = 'contract'",
            &[("broken", "contract", "no contract is applied")],
        ),
    ]);
    // One id, two types.
    let text = format!(
        "{}; grant select on sidegate.memberships to sidegate_reader",
        retyped("team_id", "team_id::text")
    );
    patient.treat(&[(
        &text,
        &mended,
        &[
            (
                "broken",
                "contract",
                "projects.team_id is uuid; expected text, as sidegate.memberships.team_id says",
            ),
            ("broken", "contract", "resources_uuid.team_id is uuid"),
        ],
    )]);
}

/// Changes a watch behind the back of the contract.
fn watch(table: &str, set: &str) -> String {
    format!("update sidegate.watches set {set} where relation = '{table}'::regclass")
}

/// `updated_at`, and `status` while it decides nothing, need not be watched where they are only shown.
#[test]
fn every_column_that_decides_is_watched() {
    let patient = Patient::healthy();
    let resources = resources();
    let shown = "id, user_id, project_id, null::uuid, status";
    let joined = "select 'generation'::text, g.id, g.user_id, project_id, null::uuid, g.status,
        coalesce(g.updated_at, p.updated_at) from generations g
        left join (select id as project_id, updated_at, visibility from projects) p using (project_id)";
    let grouped = format!("{shown}, max(updated_at) from generations group by 2, 3, 4, 6");
    let grouped = resources.replace(&format!("{shown}, updated_at from generations"), &grouped);
    let filtered = |table: &str, condition: &str| {
        let (from, by) = (
            format!("from {table}"),
            format!("from {table} where {condition}"),
        );
        resources.replace(&from, &by)
    };
    let (status, new_rows) = ("status of public.generations", "new rows are not logged");
    for (breaks, mends, whats) in [
        (
            watch("team_members", "columns = '{role}'"),
            watch("team_members", "columns = '{role,expires_at}'"),
            &["reads expires_at of public.team_members"][..],
        ),
        (
            filtered("generations", "status <> 'gone'"),
            resources.clone(),
            &[status],
        ),
        (
            filtered("projects", "updated_at is not null"),
            resources.clone(),
            &["updated_at of public.projects"],
        ),
        (grouped, resources.clone(), &[status, new_rows]),
        (
            format!("{RESOURCES} {joined}"),
            resources.clone(),
            &[new_rows],
        ),
    ] {
        let expected: Vec<_> = whats
            .iter()
            .map(|what| ("uncached", "sources", *what))
            .collect();
        patient.treat(&[(&breaks, &mends, &expected)]);
    }
}

/// Whatever a column is hidden in.
#[test]
fn columns_are_found_through_views_and_whole_rows() {
    let patient = Patient::healthy();
    patient
        .surgeon
        .run("create view wide as select u.*, email as further from users u");
    let wide = SUBJECTS.replace("users", "wide");
    let members = |more: &str| format!("{MEMBERSHIPS} t {more}");
    for (breaks, mends, whats) in [
        (
            format!("{SUBJECTS} where email <> ''"),
            SUBJECTS.to_owned(),
            &["email of public.users"][..],
        ),
        (
            wide.replace("is_active as", "is_active and further <> '' as"),
            SUBJECTS.to_owned(),
            &["view public.wide reads email of public.users"],
        ),
        (wide, SUBJECTS.to_owned(), &[]),
        (
            members("where (t)::text <> ''"),
            MEMBERSHIPS.to_owned(),
            &["whole rows of public.team_members"],
        ),
        (
            members("where ctid <> '(0,0)'"),
            MEMBERSHIPS.to_owned(),
            &["reads ctid of"],
        ),
    ] {
        let expected: Vec<_> = whats
            .iter()
            .map(|what| ("uncached", "sources", *what))
            .collect();
        patient.treat(&[(&breaks, &mends, &expected)]);
    }
    let renamed = "alter table team_members rename role to rank";
    let back = "alter table team_members rename rank to role";
    patient.treat(&[(
        renamed,
        back,
        &[("warning", "sources", "names role, which is no column")],
    )]);
}

#[test]
fn every_table_is_watched() {
    let patient = Patient::healthy();
    patient.surgeon.run(
        "create table extra (id uuid, ok boolean); create materialized view copy as select * from team_members",
    );
    let (uncached, warning) = ("uncached", "warning");
    let exists = |what: &str| format!("{MEMBERSHIPS} t where exists (select from {what})");
    for (breaks, mends, severity, what) in [
        (
            exists("extra e where e.id = t.user_id and e.ok"),
            MEMBERSHIPS.to_owned(),
            uncached,
            "public.extra, which nothing watches",
        ),
        (
            exists("pg_class where relname = 'x'"),
            MEMBERSHIPS.to_owned(),
            uncached,
            "pg_class, a catalog of PostgreSQL",
        ),
        (
            exists("pg_settings where name = 'x'"),
            MEMBERSHIPS.to_owned(),
            uncached,
            "pg_settings, a catalog",
        ),
        (
            MEMBERSHIPS.replace("from team_members", "from copy"),
            MEMBERSHIPS.to_owned(),
            uncached,
            "a materialized view",
        ),
        (
            exists("users u where u.id = t.user_id and u.is_active"),
            MEMBERSHIPS.to_owned(),
            warning,
            "public.users, whose watch has no tag member:",
        ),
    ] {
        patient.treat(&[(&breaks, &mends, &[(severity, "sources", what)])]);
    }
}

#[test]
fn every_watch_has_the_right_tag_and_notes_new_rows() {
    let patient = Patient::healthy();
    let (uncached, warning) = ("uncached", "warning");
    let tags = |table: &str, tags: &str| watch(table, &format!("tags = array[{tags}]"));
    for (breaks, mends, severity, what) in [
        (
            tags("team_members", "'team:{team_id}{user_id}'"),
            tags("team_members", "'member:{team_id}:{user_id}'"),
            uncached,
            "no tag member:",
        ),
        (
            tags("users", "'user:{id}'"),
            tags("users", "'user:{id}', 'resource:user:{id}'"),
            uncached,
            "no tag resource:",
        ),
        (
            tags("generations", "'resource:generations:{id}'"),
            tags("generations", "'resource:generation:{id}'"),
            uncached,
            "no watch has a tag resource:generation:",
        ),
    ] {
        patient.treat(&[(&breaks, &mends, &[(severity, "sources", what)])]);
    }
    let cases: &[Case<'_>] = &[(
        &watch("team_members", "inserts = false"),
        &watch("team_members", "inserts = true"),
        &[
            (uncached, "sources", "new rows are not logged"),
            (
                warning,
                "triggers",
                "sidegate_insert on public.team_members",
            ),
        ],
    )];
    patient.treat(cases);
}

/// Only what never changes by itself, and hides nothing.
#[test]
fn functions_in_views() {
    let patient = Patient::healthy();
    patient
        .surgeon
        .run("create function mine(uuid) returns boolean immutable language sql as 'select true'");
    let members = |more: &str| format!("{MEMBERSHIPS} {more}");
    let expires = |what: &str| MEMBERSHIPS.replace("expires_at", &format!("{what} as expires_at"));
    for (breaks, whats) in [
        (
            members("where mine(user_id)"),
            &["calls public.mine(uuid)"][..],
        ),
        (members("where expires_at > now()"), &["calls now()"]),
        (members("where random() < 2"), &["calls random()"]),
        (
            members("where current_setting('a.b') = role"),
            &["calls current_setting(text)"],
        ),
        (
            members("where expires_at > current_date"),
            &["current_date or the like", "timestamptz_gt_date"],
        ),
        (members("where role = current_user"), &["current_user"]),
        (
            members("where role::date is not null"),
            &["calls date_in(cstring)"],
        ),
        (
            members("tablesample bernoulli (50)"),
            &["calls bernoulli(internal)"],
        ),
        (
            expires("expires_at - interval '1 day'"),
            &["timestamptz_mi_interval"],
        ),
        // PostgreSQL's own, the same for ever.
        (
            members("where lower(role) || user_id::text <> all (array['x']) and role ~ '^[a-z]'"),
            &[],
        ),
        (
            expires("(expires_at at time zone 'UTC') at time zone 'UTC'"),
            &[],
        ),
    ] {
        let expected: Vec<_> = whats
            .iter()
            .map(|what| ("uncached", "functions", *what))
            .collect();
        patient.treat(&[(&breaks, MEMBERSHIPS, &expected)]);
    }
}

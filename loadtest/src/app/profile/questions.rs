//! What a legacy application asks its database about one request.
//!
//! Promises: each function is one round trip after the other, as many as its doc says; the decision is the same as
//! the handlers' own ([`crate::app::access`]). Does not: combine or remember anything: that is the point.

use deadpool_postgres::Object;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use crate::app::access::allows;
use crate::app::caller::{Action, Resource};
use crate::app::generations::SHOW;
use crate::app::problem::Problem;

/// Three: the user's row, whether it is active, and the user's roles.
pub(super) async fn user(client: &Object, user: Uuid) -> Result<(), Problem> {
    ask(client, PERSON, &[&user]).await?;
    let active = ask(client, ACTIVE, &[&user]).await?;
    many(client, ROLES, &[&user]).await?;
    let active = active.map(|row| row.try_get(0)).transpose()?;
    active
        .filter(|active: &bool| *active)
        .map(drop)
        .ok_or(Problem::Unauthenticated)
}

/// Two: whether the service's own account may log in, and read the table.
pub(super) async fn service(client: &Object) -> Result<(), Problem> {
    for question in [ACCOUNT, RIGHT] {
        let row = ask(client, question, &[]).await?;
        let good = row.map(|row| row.try_get(0)).transpose()?;
        if !good.unwrap_or(false) {
            return Err(Problem::Forbidden);
        }
    }
    Ok(())
}

/// Three about the record; of a list, about the user. The fourth is the handler's own.
pub(super) async fn record(client: &Object, about: Resource) -> Result<(), Problem> {
    let (questions, id) = match about {
        Resource::Generation(id) => (GENERATION, id),
        Resource::Project(id) => (PROJECT, id),
        Resource::Team(id) => (TEAM, id),
        Resource::User(id) => (USER, id),
    };
    for question in questions {
        many(client, question, &[&id]).await?;
    }
    Ok(())
}

/// Six: the resource, whether the user owns it, whether the user is active, its project, its team, and the
/// user's membership. Everything is gathered, and then decided on.
pub(super) async fn authorize(
    client: &Object,
    user: Uuid,
    action: Action,
    resource: Resource,
) -> Result<(), Problem> {
    let (place, own, id) = match resource {
        Resource::Generation(id) => (PLACE_GENERATION, OWN_GENERATION, id),
        Resource::Project(id) => (PLACE_PROJECT, OWN_PROJECT, id),
        Resource::Team(id) => (PLACE_TEAM, OWN_TEAM, id),
        Resource::User(id) => (PLACE_USER, OWN_USER, id),
    };
    let found = ask(client, place, &[&id]).await?;
    let owns = ask(client, own, &[&id, &user]).await?;
    let active = ask(client, ACTIVE, &[&user]).await?;
    let found = found.ok_or(Problem::NotFound)?;
    let (project, of_team): (Option<Uuid>, Option<Uuid>) = (found.try_get(0)?, found.try_get(1)?);
    let project = ask(client, VISIBILITY, &[&project]).await?;
    let (mut team, mut visibility) = (of_team, None::<String>);
    if let Some(row) = &project {
        (team, visibility) = (row.try_get(0)?, row.try_get(1)?);
    }
    ask(client, NAME, &[&team]).await?;
    let membership = ask(client, MEMBERSHIP, &[&team, &user]).await?;

    let is_active = active.map_or(Ok(false), |row| row.try_get(0))?;
    let role = if owns.is_some() {
        Some("owner")
    } else if let Some(row) = &membership {
        row.try_get(0)?
    } else {
        (visibility.as_deref() == Some("public")).then_some("viewer")
    };
    match role.filter(|role| is_active && allows(role, action)) {
        Some(_) => Ok(()),
        None => Err(Problem::Forbidden),
    }
}

/// Prepares everything that is asked here on one connection, and the most frequent handler's query.
pub(super) async fn prepare(client: &Object) -> Result<(), Error> {
    let own = [
        PERSON, ACTIVE, ROLES, ACCOUNT, RIGHT, VISIBILITY, NAME, MEMBERSHIP, SHOW,
    ];
    let of_kinds = [
        PLACE_GENERATION,
        PLACE_PROJECT,
        PLACE_TEAM,
        PLACE_USER,
        OWN_GENERATION,
        OWN_PROJECT,
        OWN_TEAM,
        OWN_USER,
    ];
    let records = [GENERATION, PROJECT, TEAM, USER];
    let all = own.iter().chain(&of_kinds).chain(records.as_flattened());
    for question in all {
        client.prepare_cached(question).await?;
    }
    Ok(())
}

async fn ask(
    client: &Object,
    question: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Option<Row>, Error> {
    let statement = client.prepare_cached(question).await?;
    client.query_opt(&statement, values).await
}

async fn many(
    client: &Object,
    question: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Error> {
    let statement = client.prepare_cached(question).await?;
    client.query(&statement, values).await
}

const PERSON: &str = "select email from users where id = $1";
const ACTIVE: &str = "select is_active from users where id = $1";
const ROLES: &str = "\
    select team_id, role from team_members
    where user_id = $1 and (expires_at is null or expires_at > now())";

const ACCOUNT: &str = "\
    select rolcanlogin and (rolvaliduntil is null or rolvaliduntil > now())
    from pg_roles where rolname = current_user";
const RIGHT: &str = "select has_table_privilege(current_user, 'generations', 'select')";

const GENERATION: [&str; 3] = [
    "select status from generations where id = $1",
    "select p.visibility from generations g join projects p on p.id = g.project_id where g.id = $1",
    "select u.email from generations g join users u on u.id = g.user_id where g.id = $1",
];
const PROJECT: [&str; 3] = [
    "select visibility from projects where id = $1",
    "select t.name from projects p join teams t on t.id = p.team_id where p.id = $1",
    "select u.email from projects p join users u on u.id = p.user_id where p.id = $1",
];
const TEAM: [&str; 3] = [
    "select name from teams where id = $1",
    "select user_id from team_members where team_id = $1 limit 1",
    "select id from projects where team_id = $1 limit 1",
];
const USER: [&str; 3] = [
    PERSON,
    "select id from projects where user_id = $1 limit 1",
    "select id from generations where user_id = $1 limit 1",
];

// The project that decides about it, and the team where none does.
const PLACE_GENERATION: &str = "select project_id, null::uuid from generations where id = $1";
const PLACE_PROJECT: &str = "select id, team_id from projects where id = $1";
const PLACE_TEAM: &str = "select null::uuid, id from teams where id = $1";
const PLACE_USER: &str = "select null::uuid, null::uuid from users where id = $1";

// $1 is the resource, $2 the user.
const OWN_GENERATION: &str = "select from generations where id = $1 and user_id = $2";
const OWN_PROJECT: &str = "select from projects where id = $1 and user_id = $2";
const OWN_TEAM: &str = "select from teams where id = $1 and $2::uuid is null";
const OWN_USER: &str = "select from users where id = $1 and id = $2";

const VISIBILITY: &str = "select team_id, visibility from projects where id = $1";
const NAME: &str = "select name from teams where id = $1";
const MEMBERSHIP: &str = "\
    select role from team_members
    where team_id = $1 and user_id = $2 and (expires_at is null or expires_at > now())";

//! `/api/teams`.
//!
//! Promises: members are those whose membership has not ended; adding a member again changes the
//! role and the end.
//!
//! Does not: keep a team from losing its last owner.

use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::access::check;
use super::caller::{Action, Caller, Resource};
use super::database::Database;
use super::input::{Body, Id};
use super::problem::Problem;

/// A team as answered.
#[derive(Debug, Serialize)]
pub(crate) struct Team {
    pub(super) id: Uuid,
    pub(super) name: String,
}

/// A member as answered.
#[derive(Debug, Serialize)]
pub(crate) struct Member {
    user_id: Uuid,
    role: String,
    expires_at: Option<String>,
}

/// The body of an addition; `expires_at` as in RFC 3339.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Joining {
    user_id: Uuid,
    role: String,
    expires_at: Option<String>,
}

/// The body of a removal.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leaving {
    user_id: Uuid,
}

pub(super) async fn show(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Team>, Problem> {
    let client = database.client().await?;
    check(&client, &caller, Action::Read, Resource::Team(id)).await?;
    let statement = client.prepare_cached(TEAM).await?;
    let row = client.query_opt(&statement, &[&id]).await?;
    let row = row.ok_or(Problem::NotFound)?;
    Ok(Json(Team {
        id,
        name: row.try_get(0)?,
    }))
}

pub(super) async fn members(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Vec<Member>>, Problem> {
    let client = database.client().await?;
    check(&client, &caller, Action::Read, Resource::Team(id)).await?;
    let statement = client.prepare_cached(TEAM).await?;
    let team = client.query_opt(&statement, &[&id]).await?;
    team.ok_or(Problem::NotFound)?;
    let statement = client.prepare_cached(MEMBERS).await?;
    let mut members = Vec::new();
    for row in client.query(&statement, &[&id]).await? {
        members.push(Member {
            user_id: row.try_get(0)?,
            role: row.try_get(1)?,
            expires_at: row.try_get(2)?,
        });
    }
    Ok(Json(members))
}

pub(super) async fn join(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
    Body(joining): Body<Joining>,
) -> Result<(StatusCode, Json<Member>), Problem> {
    let Joining {
        user_id,
        role,
        expires_at,
    } = joining;
    let end = expires_at.as_deref().map(humantime::parse_rfc3339);
    let end: Option<SystemTime> = end
        .transpose()
        .map_err(|_no_time| Problem::Bad("expires_at_is_no_time"))?;
    let client = database.client().await?;
    check(&client, &caller, Action::Share, Resource::Team(id)).await?;
    let statement = client.prepare_cached(TEAM).await?;
    let team = client.query_opt(&statement, &[&id]).await?;
    team.ok_or(Problem::NotFound)?;
    let statement = client.prepare_cached(JOIN).await?;
    client
        .execute(&statement, &[&id, &user_id, &role, &end])
        .await?;
    let member = Member {
        user_id,
        role,
        expires_at,
    };
    Ok((StatusCode::CREATED, Json(member)))
}

pub(super) async fn leave(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
    Body(Leaving { user_id }): Body<Leaving>,
) -> Result<StatusCode, Problem> {
    let client = database.client().await?;
    check(&client, &caller, Action::Share, Resource::Team(id)).await?;
    let statement = client.prepare_cached(LEAVE).await?;
    match client.execute(&statement, &[&id, &user_id]).await? {
        0 => Err(Problem::NotFound),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

const TEAM: &str = "select name from teams where id = $1";

const MEMBERS: &str = "\
    select user_id, role,
        to_char(expires_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')
    from team_members
    where team_id = $1 and (expires_at is null or expires_at > now()) order by user_id";

const JOIN: &str = "\
    insert into team_members (team_id, user_id, role, expires_at) values ($1, $2, $3, $4)
    on conflict (team_id, user_id)
    do update set role = excluded.role, expires_at = excluded.expires_at";

const LEAVE: &str = "delete from team_members where team_id = $1 and user_id = $2";

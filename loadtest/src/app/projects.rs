//! `/api/projects`.
//!
//! Promises: rows in the order of their last change, newest first; a team named in a body is one
//! that the caller may write to. A deleted project's generations stay, without a project.
//!
//! Does not: take a team away from a project; `null` in a change means no change.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use super::access::{check, check_body};
use super::caller::{Action, Caller, Resource};
use super::database::Database;
use super::generations::{Generation, insert};
use super::input::{Body, Id, Page};
use super::problem::Problem;

/// A project as answered.
#[derive(Debug, Serialize)]
pub(crate) struct Project {
    id: Uuid,
    user_id: Uuid,
    team_id: Option<Uuid>,
    visibility: String,
    updated_at: String,
}

/// The body of a creation (private, if nothing else is said) and of a change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fields {
    team_id: Option<Uuid>,
    visibility: Option<String>,
}

pub(super) async fn list(
    State(database): State<Database>,
    caller: Caller,
    Page(limit): Page,
) -> Result<Json<Vec<Project>>, Problem> {
    let client = database.client().await?;
    let statement = client.prepare_cached(LIST).await?;
    let rows = client.query(&statement, &[&caller.id, &limit]).await?;
    Ok(Json(rows.iter().map(project).collect::<Result<_, _>>()?))
}

pub(super) async fn create(
    State(database): State<Database>,
    caller: Caller,
    Body(Fields {
        team_id,
        visibility,
    }): Body<Fields>,
) -> Result<(StatusCode, Json<Project>), Problem> {
    let client = database.client().await?;
    if let Some(team) = team_id {
        check_body(&client, &caller, Resource::Team(team)).await?;
    }
    let visibility = visibility.as_deref().unwrap_or("private");
    let statement = client.prepare_cached(INSERT).await?;
    let row = client
        .query_one(
            &statement,
            &[&Uuid::new_v4(), &caller.id, &team_id, &visibility],
        )
        .await?;
    Ok((StatusCode::CREATED, one(Some(&row))?))
}

pub(super) async fn show(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Project>, Problem> {
    let client = database.client().await?;
    check(&client, &caller, Action::Read, Resource::Project(id)).await?;
    let statement = client.prepare_cached(SHOW).await?;
    one(client.query_opt(&statement, &[&id]).await?.as_ref())
}

pub(super) async fn change(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
    Body(Fields {
        team_id,
        visibility,
    }): Body<Fields>,
) -> Result<Json<Project>, Problem> {
    if team_id.is_none() && visibility.is_none() {
        return Err(Problem::Bad("nothing_to_change"));
    }
    let client = database.client().await?;
    check(&client, &caller, Action::Write, Resource::Project(id)).await?;
    if let Some(team) = team_id {
        check_body(&client, &caller, Resource::Team(team)).await?;
    }
    let statement = client.prepare_cached(UPDATE).await?;
    one(client
        .query_opt(&statement, &[&id, &team_id, &visibility])
        .await?
        .as_ref())
}

pub(super) async fn delete(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let client = database.client().await?;
    check(&client, &caller, Action::Delete, Resource::Project(id)).await?;
    let statement = client
        .prepare_cached("delete from projects where id = $1")
        .await?;
    match client.execute(&statement, &[&id]).await? {
        0 => Err(Problem::NotFound),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// A new generation in the project; a body is not needed.
pub(super) async fn generate(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
) -> Result<(StatusCode, Json<Generation>), Problem> {
    let client = database.client().await?;
    check(&client, &caller, Action::Write, Resource::Project(id)).await?;
    // An allowed caller may come late: the project is gone, and the path names nothing.
    let statement = client
        .prepare_cached("select from projects where id = $1")
        .await?;
    let row = client.query_opt(&statement, &[&id]).await?;
    row.ok_or(Problem::NotFound)?;
    insert(&client, caller.id, Some(id)).await
}

fn one(row: Option<&Row>) -> Result<Json<Project>, Problem> {
    Ok(Json(project(row.ok_or(Problem::NotFound)?)?))
}

fn project(row: &Row) -> Result<Project, tokio_postgres::Error> {
    Ok(Project {
        id: row.try_get(0)?,
        user_id: row.try_get(1)?,
        team_id: row.try_get(2)?,
        visibility: row.try_get(3)?,
        updated_at: row.try_get(4)?,
    })
}

macro_rules! columns {
    () => {
        "p.id, p.user_id, p.team_id, p.visibility, \
         to_char(p.updated_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    };
}

const LIST: &str = concat!(
    "select ",
    columns!(),
    " from projects p
    where p.user_id = $1 or p.visibility = 'public' or exists (
        select from team_members m
        where m.team_id = p.team_id and m.user_id = $1
            and (m.expires_at is null or m.expires_at > now()))
    order by p.updated_at desc, p.id limit $2"
);
const SHOW: &str = concat!("select ", columns!(), " from projects p where p.id = $1");
const INSERT: &str = concat!(
    "insert into projects as p (id, user_id, team_id, visibility) values ($1, $2, $3, $4) \
     returning ",
    columns!()
);
const UPDATE: &str = concat!(
    "update projects p set team_id = coalesce($2, p.team_id),
        visibility = coalesce($3, p.visibility), updated_at = now()
    where p.id = $1 returning ",
    columns!()
);

//! `/api/generations`.
//!
//! Promises: rows in the order of their last change, newest first; a project named in a body is
//! one that the caller may write to.
//!
//! Does not: generate anything, or hold media: the URL of a completed one is made up.

use axum::Json;
use axum::extract::State;
use deadpool_postgres::Object;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use super::access::{check, check_body};
use super::caller::{Action, Caller, Resource};
use super::database::Database;
use super::input::{Body, Id, Page};
use super::problem::Problem;

/// A generation as answered.
#[derive(Debug, Serialize)]
pub(crate) struct Generation {
    id: Uuid,
    user_id: Uuid,
    project_id: Option<Uuid>,
    status: String,
    updated_at: String,
}

/// Where a completed generation's content is, for three minutes.
#[derive(Debug, Serialize)]
pub(crate) struct Media {
    generation_id: Uuid,
    url: String,
    expires_at: String,
}

/// The body of a creation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    project_id: Option<Uuid>,
}

/// The body of a change; what is not named stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    status: Option<String>,
    project_id: Option<Uuid>,
}

/// The body of a sharing: the project through which the generation becomes visible.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Share {
    project_id: Uuid,
}

pub(super) async fn list(
    State(database): State<Database>,
    caller: Caller,
    Page(limit): Page,
) -> Result<Json<Vec<Generation>>, Problem> {
    let client = database.client().await?;
    let statement = client.prepare_cached(LIST).await?;
    let rows = client.query(&statement, &[&caller.id, &limit]).await?;
    generations(&rows)
}

pub(super) async fn create(
    State(database): State<Database>,
    caller: Caller,
    Body(New { project_id }): Body<New>,
) -> Result<(StatusCode, Json<Generation>), Problem> {
    let client = database.client().await?;
    if let Some(project) = project_id {
        check_body(&client, &caller, Resource::Project(project)).await?;
    }
    insert(&client, caller.id, project_id).await
}

pub(super) async fn show(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Generation>, Problem> {
    let client = database.client().await?;
    check(&client, &caller, Action::Read, Resource::Generation(id)).await?;
    let statement = client.prepare_cached(SHOW).await?;
    one(client.query_opt(&statement, &[&id]).await?.as_ref())
}

pub(super) async fn change(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
    Body(Change { status, project_id }): Body<Change>,
) -> Result<Json<Generation>, Problem> {
    if status.is_none() && project_id.is_none() {
        return Err(Problem::Bad("nothing_to_change"));
    }
    let client = database.client().await?;
    check(&client, &caller, Action::Write, Resource::Generation(id)).await?;
    if let Some(project) = project_id {
        check_body(&client, &caller, Resource::Project(project)).await?;
    }
    update(&client, id, status.as_deref(), project_id).await
}

pub(super) async fn delete(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let client = database.client().await?;
    check(&client, &caller, Action::Delete, Resource::Generation(id)).await?;
    let statement = client
        .prepare_cached("delete from generations where id = $1")
        .await?;
    match client.execute(&statement, &[&id]).await? {
        0 => Err(Problem::NotFound),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// Others of the same project.
pub(super) async fn related(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
    Page(limit): Page,
) -> Result<Json<Vec<Generation>>, Problem> {
    let client = database.client().await?;
    check(&client, &caller, Action::Read, Resource::Generation(id)).await?;
    let statement = client.prepare_cached(PROJECT_OF).await?;
    let row = client.query_opt(&statement, &[&id]).await?;
    let project: Option<Uuid> = row.ok_or(Problem::NotFound)?.try_get(0)?;
    let statement = client.prepare_cached(RELATED).await?;
    let rows = client
        .query(&statement, &[&caller.id, &limit, &project, &id])
        .await?;
    generations(&rows)
}

pub(super) async fn media(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Media>, Problem> {
    let client = database.client().await?;
    check(&client, &caller, Action::Read, Resource::Generation(id)).await?;
    let statement = client.prepare_cached(MEDIA).await?;
    let row = client.query_opt(&statement, &[&id]).await?;
    let row = row.ok_or(Problem::NotFound)?;
    if !row.try_get::<_, bool>(0)? {
        return Err(Problem::Conflict);
    }
    Ok(Json(Media {
        generation_id: id,
        url: format!("https://media.example.test/generations/{id}"),
        expires_at: row.try_get(1)?,
    }))
}

pub(super) async fn share(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
    Body(Share { project_id }): Body<Share>,
) -> Result<Json<Generation>, Problem> {
    let client = database.client().await?;
    check(&client, &caller, Action::Share, Resource::Generation(id)).await?;
    check_body(&client, &caller, Resource::Project(project_id)).await?;
    update(&client, id, None, Some(project_id)).await
}

/// A new row of `owner`.
pub(super) async fn insert(
    client: &Object,
    owner: Uuid,
    project: Option<Uuid>,
) -> Result<(StatusCode, Json<Generation>), Problem> {
    let statement = client.prepare_cached(INSERT).await?;
    let row = client
        .query_one(&statement, &[&Uuid::new_v4(), &owner, &project])
        .await?;
    Ok((StatusCode::CREATED, one(Some(&row))?))
}

async fn update(
    client: &Object,
    id: Uuid,
    status: Option<&str>,
    project: Option<Uuid>,
) -> Result<Json<Generation>, Problem> {
    let statement = client.prepare_cached(UPDATE).await?;
    one(client
        .query_opt(&statement, &[&id, &status, &project])
        .await?
        .as_ref())
}

pub(super) fn generations(rows: &[Row]) -> Result<Json<Vec<Generation>>, Problem> {
    Ok(Json(rows.iter().map(generation).collect::<Result<_, _>>()?))
}

fn one(row: Option<&Row>) -> Result<Json<Generation>, Problem> {
    Ok(Json(generation(row.ok_or(Problem::NotFound)?)?))
}

fn generation(row: &Row) -> Result<Generation, tokio_postgres::Error> {
    Ok(Generation {
        id: row.try_get(0)?,
        user_id: row.try_get(1)?,
        project_id: row.try_get(2)?,
        status: row.try_get(3)?,
        updated_at: row.try_get(4)?,
    })
}

macro_rules! columns {
    () => {
        "g.id, g.user_id, g.project_id, g.status, \
         to_char(g.updated_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    };
}

/// What user `$1` may see, at most `$2` rows.
macro_rules! visible {
    ($condition:literal) => {
        concat!(
            "select ",
            columns!(),
            " from generations g left join projects p on p.id = g.project_id where ",
            $condition,
            " and (g.user_id = $1 or p.visibility = 'public' or exists (
                select from team_members m
                where m.team_id = p.team_id and m.user_id = $1
                    and (m.expires_at is null or m.expires_at > now())))
            order by g.updated_at desc, g.id limit $2"
        )
    };
}

const LIST: &str = visible!("true");
const RELATED: &str = visible!("g.project_id = $3 and g.id <> $4");
pub(super) const OF_USER: &str = visible!("g.user_id = $3");
pub(super) const SHOW: &str = concat!("select ", columns!(), " from generations g where g.id = $1");
const PROJECT_OF: &str = "select project_id from generations where id = $1";
const INSERT: &str = concat!(
    "insert into generations as g (id, user_id, project_id) values ($1, $2, $3) returning ",
    columns!()
);
const UPDATE: &str = concat!(
    "update generations g set status = coalesce($2, g.status),
        project_id = coalesce($3, g.project_id), updated_at = now()
    where g.id = $1 returning ",
    columns!()
);
const MEDIA: &str = "\
    select status = 'completed', to_char(
        (now() + interval '180 s') at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')
    from generations where id = $1";

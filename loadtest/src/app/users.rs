//! `/api/users`.
//!
//! Promises: the profile is the caller's own, with the teams in which the membership has not
//! ended; of another user's generations, a list holds those that the caller may see.
//!
//! Does not: sign up: a caller without a row has no profile (404).

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use uuid::Uuid;

use super::access::check;
use super::caller::{Action, Caller, Resource};
use super::database::Database;
use super::generations::{self, Generation, OF_USER};
use super::input::{Id, Page};
use super::problem::Problem;
use super::teams::Team;

/// A user as answered.
#[derive(Debug, Serialize)]
pub(crate) struct Profile {
    id: Uuid,
    email: String,
    is_active: bool,
    teams: Vec<Team>,
}

pub(super) async fn profile(
    State(database): State<Database>,
    caller: Caller,
) -> Result<Json<Profile>, Problem> {
    let client = database.client().await?;
    let statement = client.prepare_cached(USER).await?;
    let user = client.query_opt(&statement, &[&caller.id]).await?;
    let user = user.ok_or(Problem::NotFound)?;
    let statement = client.prepare_cached(TEAMS).await?;
    let mut teams = Vec::new();
    for row in client.query(&statement, &[&caller.id]).await? {
        teams.push(Team {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
        });
    }
    Ok(Json(Profile {
        id: caller.id,
        email: user.try_get(0)?,
        is_active: user.try_get(1)?,
        teams,
    }))
}

pub(super) async fn generations(
    State(database): State<Database>,
    caller: Caller,
    Id(id): Id,
    Page(limit): Page,
) -> Result<Json<Vec<Generation>>, Problem> {
    let client = database.client().await?;
    check(&client, &caller, Action::Read, Resource::User(id)).await?;
    let statement = client.prepare_cached(OF_USER).await?;
    let rows = client.query(&statement, &[&caller.id, &limit, &id]).await?;
    if rows.is_empty() {
        // Nothing to see, or nobody there.
        let statement = client.prepare_cached(USER).await?;
        let user = client.query_opt(&statement, &[&id]).await?;
        user.ok_or(Problem::NotFound)?;
    }
    generations::generations(&rows)
}

const USER: &str = "select email, is_active from users where id = $1";

const TEAMS: &str = "\
    select t.id, t.name from team_members m join teams t on t.id = m.team_id
    where m.user_id = $1 and (m.expires_at is null or m.expires_at > now()) order by t.name";

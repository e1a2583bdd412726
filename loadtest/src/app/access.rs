//! The application's own check, where Sidegate has not decided.
//!
//! Promises: the rules of the example: the owner owns; a member has the team's role until the
//! membership ends; what is public has everyone as viewer; an inactive user has no role at all.
//! What does not exist is 404, what is not allowed 403.
//!
//! Does not: remember anything: each check is one query.

use deadpool_postgres::Object;
use uuid::Uuid;

use super::caller::{Action, Caller, Resource};
use super::problem::Problem;

/// Succeeds if `caller` may do `action` to `resource`.
pub(super) async fn check(
    client: &Object,
    caller: &Caller,
    action: Action,
    resource: Resource,
) -> Result<(), Problem> {
    if caller.is_authorized(action, resource) {
        return Ok(());
    }
    decide(client, caller.id, action, resource).await
}

/// The same for an id from a body, which Sidegate has never seen: what it cannot be used for is
/// a bad request or forbidden, but never 404, which is about the path.
pub(super) async fn check_body(
    client: &Object,
    caller: &Caller,
    resource: Resource,
) -> Result<(), Problem> {
    match decide(client, caller.id, Action::Write, resource).await {
        Err(Problem::NotFound) => Err(Problem::Bad("no_such_reference")),
        outcome => outcome,
    }
}

async fn decide(
    client: &Object,
    user: Uuid,
    action: Action,
    resource: Resource,
) -> Result<(), Problem> {
    let (query, id) = match resource {
        Resource::Generation(id) => (GENERATION, id),
        Resource::Project(id) => (PROJECT, id),
        Resource::Team(id) => (TEAM, id),
        Resource::User(id) => (USER, id),
    };
    let statement = client.prepare_cached(query).await?;
    let row = client.query_opt(&statement, &[&id, &user]).await?;
    let role: Option<&str> = row.as_ref().ok_or(Problem::NotFound)?.try_get(0)?;
    if role.is_some_and(|role| allows(role, action)) {
        Ok(())
    } else {
        Err(Problem::Forbidden)
    }
}

/// Whether a role permits an action.
pub(super) fn allows(role: &str, action: Action) -> bool {
    match role {
        "owner" | "admin" => true,
        "editor" => matches!(action, Action::Read | Action::Write),
        "viewer" => action == Action::Read,
        _ => false,
    }
}

// $1 is the resource, $2 the user. A row without a role: it exists, and grants nothing.

const GENERATION: &str = "\
    select case when u.is_active then case
        when g.user_id = u.id then 'owner'
        when m.role is not null then m.role
        when p.visibility = 'public' then 'viewer' end end
    from generations g
    left join projects p on p.id = g.project_id
    left join users u on u.id = $2
    left join team_members m on m.team_id = p.team_id and m.user_id = $2
        and (m.expires_at is null or m.expires_at > now())
    where g.id = $1";

const PROJECT: &str = "\
    select case when u.is_active then case
        when p.user_id = u.id then 'owner'
        when m.role is not null then m.role
        when p.visibility = 'public' then 'viewer' end end
    from projects p
    left join users u on u.id = $2
    left join team_members m on m.team_id = p.team_id and m.user_id = $2
        and (m.expires_at is null or m.expires_at > now())
    where p.id = $1";

const TEAM: &str = "\
    select case when u.is_active then m.role end
    from teams t
    left join users u on u.id = $2
    left join team_members m on m.team_id = t.id and m.user_id = $2
        and (m.expires_at is null or m.expires_at > now())
    where t.id = $1";

const USER: &str = "\
    select case when u.is_active and u.id = $2 then 'owner' end from users u where u.id = $1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_the_example_s() {
        use Action::{Delete, Read, Share, Write};
        for (role, may) in [
            ("owner", [true, true, true, true]),
            ("admin", [true, true, true, true]),
            ("editor", [true, true, false, false]),
            ("viewer", [true, false, false, false]),
            ("stranger", [false, false, false, false]),
        ] {
            let allowed = [Read, Write, Delete, Share].map(|action| allows(role, action));
            assert_eq!(allowed, may, "{role}");
        }
    }
}

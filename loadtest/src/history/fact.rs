//! A fact of the example application: one value in one row, written by SQL and found again by name.
//!
//! Promises: [`Fact::set`] changes this fact alone; [`FIND`] finds all of them in one snapshot. Does not:
//! escape anything: there are only ids and words of our own.

use uuid::Uuid;

/// What a key of the history is in the database.
#[derive(Debug, Clone)]
pub(super) enum Fact {
    /// Absent (0), a viewer (1), or an editor (2), who in these runs may write and not read.
    Member { team: Uuid, user: Uuid },
    /// Which of the two owns it.
    Owner { generation: Uuid, users: [Uuid; 2] },
    /// Whether the user may do anything.
    Active { user: Uuid },
    /// Private (0) or public (1).
    Visible { project: Uuid },
    /// Which of the two teams it belongs to.
    Team { project: Uuid, teams: [Uuid; 2] },
    /// Whether there is a revocation (0) of what has this name, or none (1).
    Unrevoked { kind: Kind, name: Uuid },
    /// Whether a service key was revoked (0), or not (1).
    Key { id: Uuid },
    /// Which of the two digests a service key has.
    Digest { id: Uuid, digests: [String; 2] },
}

/// What a revocation is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One token, by its `jti`.
    Token,
    /// Every token of a session, by its `sid`.
    Session,
    /// Every token of a user.
    User,
}

/// The value of a membership that may do everything but what is asked for.
pub(super) const EDITOR: u32 = 2;

/// Every fact there is, as its name and its text.
pub(super) const FIND: &str = "\
select 'member ' || team_id || ' ' || user_id, role from team_members union all \
select 'owner ' || id, user_id::text from generations union all \
select 'active ' || id, is_active::text from users union all \
select 'visible ' || id, visibility from projects union all \
select 'team ' || id, team_id::text from projects";

/// The same of those that are in Sidegate's own tables, where there are any.
pub(super) const FIND_CREDENTIALS: &str = "\
union all select kind || ' ' || value, 'revoked' from sidegate.revocations union all \
select 'key ' || id, (revoked_at is null)::text from sidegate.service_keys union all \
select 'digest ' || id, encode(digest, 'hex') from sidegate.service_keys";

impl Kind {
    /// The name in the table.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
            Self::User => "user",
        }
    }
}

impl Fact {
    /// Its name in what [`FIND`] finds.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Member { team, user } => format!("member {team} {user}"),
            Self::Owner { generation, .. } => format!("owner {generation}"),
            Self::Active { user } => format!("active {user}"),
            Self::Visible { project } => format!("visible {project}"),
            Self::Team { project, .. } => format!("team {project}"),
            Self::Unrevoked { kind, name } => format!("{} {name}", kind.name()),
            Self::Key { id } => format!("key {}", id.simple()),
            Self::Digest { id, .. } => format!("digest {}", id.simple()),
        }
    }

    /// Its value, from what was found under its name.
    pub(super) fn value(&self, found: Option<&str>) -> u32 {
        let Some(text) = found else {
            // Only of revocations it is the good case that there is none.
            return u32::from(matches!(self, Self::Unrevoked { .. }));
        };
        let is_second = |pair: &[Uuid; 2]| {
            let [_, second] = pair;
            u32::from(text == second.to_string())
        };
        match self {
            Self::Member { .. } if text == "viewer" => 1,
            Self::Member { .. } => EDITOR,
            Self::Owner { users, .. } => is_second(users),
            Self::Active { .. } => u32::from(text == "true"),
            Self::Visible { .. } => u32::from(text == "public"),
            Self::Team { teams, .. } => is_second(teams),
            Self::Unrevoked { .. } => 0,
            Self::Key { .. } => u32::from(text == "true"),
            Self::Digest { digests, .. } => {
                let [_, second] = digests;
                u32::from(text == second)
            }
        }
    }

    /// The statement that gives it a value.
    pub(super) fn set(&self, value: u32) -> String {
        let of = |pair: &[Uuid; 2]| {
            let [first, second] = *pair;
            if value == 0 { first } else { second }
        };
        match self {
            Self::Member { team, user } => set_member(*team, *user, value),
            Self::Owner { generation, users } => format!(
                "update generations set user_id = '{}' where id = '{generation}'",
                of(users)
            ),
            Self::Active { user } => {
                format!(
                    "update users set is_active = {} where id = '{user}'",
                    value != 0
                )
            }
            Self::Visible { project } => {
                let visibility = if value == 0 { "private" } else { "public" };
                format!("update projects set visibility = '{visibility}' where id = '{project}'")
            }
            Self::Team { project, teams } => format!(
                "update projects set team_id = '{}' where id = '{project}'",
                of(teams)
            ),
            Self::Unrevoked { kind, name } => set_unrevoked(*kind, *name, value),
            Self::Key { id } => {
                let revoked_at = if value == 0 {
                    "clock_timestamp()"
                } else {
                    "null"
                };
                format!(
                    "update sidegate.service_keys set revoked_at = {revoked_at} where id = '{}'",
                    id.simple()
                )
            }
            Self::Digest { id, digests } => {
                let [first, second] = digests;
                format!(
                    "update sidegate.service_keys set digest = decode('{}', 'hex') where id = '{}'",
                    if value == 0 { first } else { second },
                    id.simple()
                )
            }
        }
    }
}

fn set_member(team: Uuid, user: Uuid, value: u32) -> String {
    if value == 0 {
        return format!("delete from team_members where team_id = '{team}' and user_id = '{user}'");
    }
    let role = if value == EDITOR { "editor" } else { "viewer" };
    format!(
        "insert into team_members (team_id, user_id, role) values ('{team}', '{user}', '{role}') \
         on conflict (team_id, user_id) do update set role = excluded.role"
    )
}

fn set_unrevoked(kind: Kind, name: Uuid, value: u32) -> String {
    let kind = kind.name();
    if value == 0 {
        // As `sidegate revoke` has it, and for good: later tokens are meant, too.
        return format!("select sidegate.revoke('{kind}', '{name}', 'infinity', null, '')");
    }
    format!("delete from sidegate.revocations where kind = '{kind}' and value = '{name}'")
}

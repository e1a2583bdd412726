//! Many random questions on generated data, judged by an oracle that knows the example's rules and none
//! of our code.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use sidegate_loadtest::app::{self, Limits};
use sidegate_loadtest::ids::Table;
use sidegate_loadtest::{Dataset, Ends, Existing, seed};
use sidegate_policy::Id;

use super::{Side, database_section};
use crate::database::{Database, SUPERUSER, migrate};

/// Questions of the comparison: the issue asks for 10^5.
const QUESTIONS: u64 = 100_000;
/// Asked at once.
const AT_ONCE: u64 = 4;

fn directory(set: &Dataset) -> String {
    let mut text = String::from("users:\n");
    let user = |index| set.id(Table::Users, index);
    for index in 0..set.users() {
        let row = set.user(index);
        writeln!(text, "  - {{ id: {}, active: {} }}", row.id, row.is_active).unwrap();
    }
    text.push_str("memberships:\n");
    for index in 0..set.members() {
        let row = set.member(index);
        let ends = match row.ends {
            Ends::Never => String::new(),
            Ends::Later => ", expires_at: \"2099-01-01T00:00:00Z\"".to_owned(),
            Ends::Past => ", expires_at: \"2025-06-01T00:00:00Z\"".to_owned(),
        };
        let team = set.id(Table::Teams, row.team);
        writeln!(
            text,
            "  - {{ team_id: {team}, user_id: {}, role: {}{ends} }}",
            user(row.user),
            row.role
        )
        .unwrap();
    }
    let team = |team: Option<u64>| {
        team.map_or(String::new(), |team| {
            format!(", team_id: {}", set.id(Table::Teams, team))
        })
    };
    text.push_str("teams:\n");
    for index in 0..set.teams() {
        writeln!(text, "  - {{ id: {} }}", set.id(Table::Teams, index)).unwrap();
    }
    let (mut projects, mut resources) = (String::from("projects:\n"), String::from("resources:\n"));
    for index in 0..set.projects() {
        let row = set.project(index);
        writeln!(
            projects,
            "  - {{ id: {}, owner_id: {}, visibility: {}{} }}",
            row.id,
            user(row.owner),
            row.visibility,
            team(row.team)
        )
        .unwrap();
    }
    for index in 0..set.generations() {
        let row = set.generation(index);
        let project = row.project.map_or(String::new(), |project| {
            format!(", project_id: {}", set.id(Table::Projects, project))
        });
        writeln!(
            resources,
            "  - {{ kind: generation, id: {}, owner_id: {}, status: {}{project} }}",
            row.id,
            user(row.owner),
            row.status
        )
        .unwrap();
    }
    text + &projects + &resources
}

/// The rules of REQUIREMENTS §8, row by row: no index, no policy, nothing shared with Sidegate.
struct Oracle(Dataset);

impl Oracle {
    /// `user` and `index` beyond the end of their tables are nobody and nothing.
    fn allows(&self, user: u64, action: &str, kind: Table, index: u64) -> bool {
        let set = &self.0;
        if user >= set.users() || !set.user(user).is_active {
            return false;
        }
        let mut roles: Vec<&str> = Vec::new();
        match kind {
            Table::Generations if index < set.generations() => {
                let row = set.generation(index);
                roles.extend((row.owner == user).then_some("owner"));
                roles.extend(
                    row.project
                        .iter()
                        .flat_map(|project| self.through(*project, user)),
                );
            }
            Table::Projects if index < set.projects() => {
                roles.extend((set.project(index).owner == user).then_some("owner"));
                roles.extend(self.through(index, user));
            }
            Table::Teams if index < set.teams() => roles.extend(self.role(index, user)),
            Table::Users if index == user => roles.push("owner"),
            Table::Generations | Table::Projects | Table::Teams | Table::Users => {}
        }
        roles.iter().any(|role| match *role {
            "owner" | "admin" => true,
            "editor" => action == "read" || action == "write",
            "viewer" => action == "read",
            other => panic!("{other}"),
        })
    }

    /// What a project gives: the role in its team, and what everybody may if it is public.
    fn through(&self, project: u64, user: u64) -> Vec<&'static str> {
        let row = self.0.project(project);
        let mut roles: Vec<&str> = row
            .team
            .and_then(|team| self.role(team, user))
            .into_iter()
            .collect();
        if row.visibility == "public" {
            roles.push("viewer");
        }
        roles
    }

    fn role(&self, team: u64, user: u64) -> Option<&'static str> {
        let mut members = (0..self.0.members()).map(|index| self.0.member(index));
        members
            .find(|member| member.team == team && member.user == user && member.ends != Ends::Past)
            .map(|member| member.role)
    }
}

/// SplitMix64, so that a failure can be repeated.
fn next(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut value = *state;
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (value ^ (value >> 31)) % below
}

#[test]
fn a_hundred_thousand_random_questions_have_one_answer() {
    let set = Dataset::new(2_000, 4).unwrap();
    let database = Database::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let limits = Limits {
        connections: 1,
        statement: Duration::from_secs(60),
        wait: Duration::from_secs(20),
    };
    runtime.block_on(async {
        let application = app::Database::new(&database.url(SUPERUSER), limits).unwrap();
        seed(&application, set, Existing::Refuse, |_| {})
            .await
            .unwrap();
    });
    let file = Arc::new(Side::file("uuid", &directory(&set)));
    let section = database_section(&database, "app").replace("{ contract: contract.sql }", "{}");
    let postgres = Arc::new(Side::assemble(&section, "uuid", "users: []"));
    migrate(postgres._folder.path(), &[]);

    let asking: Vec<_> = (0..AT_ONCE)
        .map(|share| {
            let (file, postgres) = (Arc::clone(&file), Arc::clone(&postgres));
            runtime.spawn(async move { compare(set, &file, &postgres, share).await })
        })
        .collect();
    let mut allowed = 0;
    for share in asking {
        allowed += runtime.block_on(share).unwrap();
    }
    // Both answers are common enough to mean something.
    assert!(
        (QUESTIONS / 20..QUESTIONS / 2).contains(&allowed),
        "{allowed} of {QUESTIONS} allowed"
    );
}

/// One share of the questions; how many were allowed.
async fn compare(set: Dataset, file: &Side, postgres: &Side, share: u64) -> u64 {
    let oracle = Oracle(set);
    let mut state = 2026 + share;
    let mut allowed = 0;
    let kinds = [
        (Table::Generations, "generation", set.generations()),
        (Table::Generations, "generation", set.generations()),
        (Table::Projects, "project", set.projects()),
        (Table::Teams, "team", set.teams()),
        (Table::Users, "user", set.users()),
    ];
    for _ in 0..QUESTIONS / AT_ONCE {
        // One in a while is beyond the end.
        let user = next(&mut state, set.users() + 1);
        let (table, kind, rows) = kinds[usize::try_from(next(&mut state, 5)).unwrap()];
        let index = next(&mut state, rows + rows / 20 + 1);
        let action =
            ["read", "write", "delete", "share"][usize::try_from(next(&mut state, 4)).unwrap()];
        let subject = Id::parse(
            file.policy.subject_id(),
            &set.id(Table::Users, user).to_string(),
        )
        .unwrap();
        let id = Id::parse(file.policy.subject_id(), &set.id(table, index).to_string()).unwrap();
        let verdicts = (
            oracle.allows(user, action, table, index),
            file.allows(&subject, action, kind, &id).await,
            postgres.allows(&subject, action, kind, &id).await,
        );
        let question = format!("user {user} {action} {kind} {index}, share {share}");
        assert_eq!(
            verdicts,
            (verdicts.0, verdicts.0, verdicts.0),
            "oracle, file, postgres: {question}"
        );
        allowed += u64::from(verdicts.0);
    }
    allowed
}

//! The small world of a run: scenes over the example application's tables.
//!
//! Promises: what [`World::sql`] fills the tables with is what [`World::first`] says; each key belongs to
//! one scene. Of ten scenes four are about a membership, two about a project that moves between teams, and
//! one each about ownership, activity, visibility, and activity with membership. Where Sidegate's own tables are
//! there come six more for each ten, about what a question is asked with: a token, a session, all tokens of a user,
//! a service key, one whose secret changes, and a link.
//!
//! Does not: use the tables of a database that holds anything else.

mod credentials;

use std::fmt::Write;

use uuid::Uuid;

use super::checker::Judgement;
use super::fact::{Fact, Kind};
use super::rule::{Key, Rule};
use super::scene::{Scene, Shape};
use crate::ids::{Table, id};

pub(super) use credentials::Credential;

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) user: Uuid,
    pub(super) generation: Uuid,
    pub(super) credential: Credential,
    pub(super) judgement: Judgement,
    /// Whether it is the credential that ends: then a refusal may be 401.
    pub(super) credential_ends: bool,
    /// For people.
    pub(super) about: &'static str,
}

/// Facts, scenes and questions; lists are by key, scene and question.
#[derive(Debug)]
pub(super) struct World {
    pub(super) facts: Vec<Fact>,
    pub(super) first: Vec<u32>,
    pub(super) scenes: Vec<Scene>,
    pub(super) questions: Vec<Question>,
    /// Whether any of it is in Sidegate's own tables.
    pub(super) credentials: bool,
    /// Of Sidegate's table.
    service_keys: Vec<String>,
    rows: [Vec<String>; 5],
    /// Owns what nobody asks about.
    somebody: Uuid,
    made: u64,
}

impl World {
    /// With so many scenes; with some about `credentials`, if there are Sidegate's tables to put them into.
    pub(super) fn new(scenes: usize, credentials: bool) -> Self {
        let mut world = Self {
            facts: Vec::new(),
            first: Vec::new(),
            scenes: Vec::with_capacity(scenes),
            questions: Vec::new(),
            credentials,
            service_keys: Vec::new(),
            rows: Default::default(),
            somebody: Uuid::nil(),
            made: 0,
        };
        world.somebody = world.user();
        for number in 0..scenes {
            let first = world.questions.len();
            let shape = match number % if credentials { 16 } else { 10 } {
                0..=3 => world.member(),
                4 | 5 => world.moving(),
                6 => world.owner(),
                7 => world.active(),
                8 => world.visible(),
                9 => world.both(),
                10 => world.revoked(Kind::Token),
                11 => world.revoked(Kind::Session),
                12 => world.revoked(Kind::User),
                13 => world.service_key(),
                14 => world.rotated(),
                _ => world.linked(),
            };
            let questions = (first..world.questions.len()).collect();
            world.scenes.push(Scene { shape, questions });
        }
        world
    }

    /// Fills the application's empty tables.
    pub(super) fn sql(&self) -> String {
        let mut sql = String::new();
        for (into, rows) in TABLES.iter().zip(&self.rows) {
            if !rows.is_empty() {
                // Writing to a String does not fail.
                let _ = write!(sql, "insert into {into} values {};", rows.join(","));
            }
        }
        sql
    }

    fn member(&mut self) -> Shape {
        let (user, team) = (self.user(), self.team());
        let project = self.project(Some(team), "private");
        let key = self.membership(team, user, 1);
        let generation = self.generation(self.somebody, Some(project));
        self.ask(user, generation, Rule::Is(key, 1), "membership");
        Shape::Member(key)
    }

    fn owner(&mut self) -> Shape {
        let users = [self.user(), self.user()];
        let [first, second] = users;
        let generation = self.generation(first, None);
        let key = self.key(Fact::Owner { generation, users }, 0);
        self.ask(first, generation, Rule::Is(key, 0), "ownership");
        self.ask(second, generation, Rule::Is(key, 1), "ownership");
        Shape::Exchange(key)
    }

    fn active(&mut self) -> Shape {
        let user = self.user();
        let generation = self.generation(user, None);
        let key = self.key(Fact::Active { user }, 1);
        self.ask(user, generation, Rule::Is(key, 1), "activity");
        Shape::Switch(key)
    }

    fn visible(&mut self) -> Shape {
        let user = self.user();
        let project = self.project(None, "public");
        let generation = self.generation(self.somebody, Some(project));
        let key = self.key(Fact::Visible { project }, 1);
        self.ask(user, generation, Rule::Is(key, 1), "visibility");
        Shape::Switch(key)
    }

    fn both(&mut self) -> Shape {
        let (user, team) = (self.user(), self.team());
        let project = self.project(Some(team), "private");
        let generation = self.generation(self.somebody, Some(project));
        let active = self.key(Fact::Active { user }, 1);
        let member = self.membership(team, user, 1);
        let rule = Rule::All(vec![Rule::Is(active, 1), Rule::Is(member, 1)]);
        self.ask(user, generation, rule, "activity and membership");
        Shape::Both { active, member }
    }

    /// The questions: one that is never to be allowed, and three that bring its facts into memory.
    fn moving(&mut self) -> Shape {
        let (user, resident) = (self.user(), self.user());
        let teams = [self.team(), self.team()];
        let [first, second] = teams;
        let project = self.project(Some(first), "private");
        let team = self.key(Fact::Team { project, teams }, 0);
        let members = [
            self.membership(first, user, 0),
            self.membership(second, user, 1),
        ];
        let [in_first, in_second] = members;
        let staying = self.membership(second, resident, 1);

        let generation = self.generation(self.somebody, Some(project));
        let through = |value, key| Rule::All(vec![Rule::Is(team, value), Rule::Is(key, 1)]);
        let either = Rule::Any(vec![through(0, in_first), through(1, in_second)]);
        self.ask(
            resident,
            generation,
            through(1, staying),
            "a project's team",
        );
        self.ask(user, generation, either, "a project's team and membership");
        for (team, key) in teams.into_iter().zip(members) {
            let project = self.project(Some(team), "private");
            let generation = self.generation(self.somebody, Some(project));
            self.ask(user, generation, Rule::Is(key, 1), "membership");
        }
        Shape::Moving {
            team,
            members,
            resident: staying,
        }
    }

    fn key(&mut self, fact: Fact, first: u32) -> Key {
        self.facts.push(fact);
        self.first.push(first);
        self.facts.len().saturating_sub(1)
    }

    fn ask(&mut self, user: Uuid, generation: Uuid, allow: Rule, about: &'static str) {
        self.questions.push(Question {
            user,
            generation,
            credential: Credential::Token { named: None },
            judgement: Judgement::new(allow),
            credential_ends: false,
            about,
        });
    }

    fn membership(&mut self, team: Uuid, user: Uuid, first: u32) -> Key {
        if first != 0 {
            self.row(MEMBERS, format!("('{team}', '{user}', 'viewer')"));
        }
        self.key(Fact::Member { team, user }, first)
    }

    fn user(&mut self) -> Uuid {
        let id = self.id(Table::Users);
        self.row(USERS, format!("('{id}', '{id}@example.invalid')"));
        id
    }

    fn team(&mut self) -> Uuid {
        let id = self.id(Table::Teams);
        self.row(TEAMS, format!("('{id}', 'team')"));
        id
    }

    fn project(&mut self, team: Option<Uuid>, visibility: &str) -> Uuid {
        let id = self.id(Table::Projects);
        let (owner, team) = (self.somebody, or_null(team));
        self.row(
            PROJECTS,
            format!("('{id}', '{owner}', {team}, '{visibility}')"),
        );
        id
    }

    fn generation(&mut self, owner: Uuid, project: Option<Uuid>) -> Uuid {
        let id = self.id(Table::Generations);
        let project = or_null(project);
        self.row(GENERATIONS, format!("('{id}', '{owner}', {project})"));
        id
    }

    fn id(&mut self, table: Table) -> Uuid {
        self.made = self.made.saturating_add(1);
        id(table, self.made, SEED)
    }

    fn row(&mut self, table: usize, row: String) {
        if let Some(rows) = self.rows.get_mut(table) {
            rows.push(row);
        }
    }
}

fn or_null(id: Option<Uuid>) -> String {
    id.map_or_else(|| "null".to_owned(), |id| format!("'{id}'"))
}

/// In an order in which every reference finds its row.
const TABLES: [&str; 5] = [
    "users (id, email)",
    "teams (id, name)",
    "projects (id, user_id, team_id, visibility)",
    "generations (id, user_id, project_id)",
    "team_members (team_id, user_id, role)",
];
const USERS: usize = 0;
const TEAMS: usize = 1;
const PROJECTS: usize = 2;
const GENERATIONS: usize = 3;
const MEMBERS: usize = 4;

const SEED: u64 = 5;

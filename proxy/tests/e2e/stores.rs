//! Both stores answer alike: one suite of edge cases in each type of id.

mod random;

use std::fs;
use std::sync::Arc;

use sidegate::generation::Generation;
use sidegate::store::{Answer, Question, Store};
use sidegate_policy::{Effect, Facts, Id, Policy, Query, UnixMicros};
use tempfile::TempDir;

use crate::database::{Database, Session, folder, migrate};

/// Between the memberships that ended in 2025 and those that end in 2099.
const NOW: UnixMicros = UnixMicros(1_800_000_000_000_000);

const POLICY: &str = "
policy:
  subject_id: IDTYPE
  roles:
    owner: [read, write, delete, share]
    admin: [read, write, delete, share]
    editor: [read, write]
    viewer: [read]
  visibility_roles: { public: viewer }
  kinds:
    generation: { id: IDTYPE }
    project: { id: IDTYPE }
    team: { id: IDTYPE }
    user: { id: IDTYPE }
    document: { id: IDTYPE }
routes: [{ methods: [GET], path: /health, access: public }]
";

/// A policy and a store over the same facts.
struct Side {
    policy: Arc<Policy>,
    store: Arc<Store>,
    _folder: TempDir,
}

impl Side {
    fn assemble(store: &str, id_type: &str, directory: &str) -> Self {
        let policy = POLICY.replace("IDTYPE", id_type);
        let folder = folder(&format!(
            "upstream: {{ url: \"http://127.0.0.1:9\" }}\ninsecure_no_issuers: true\n{store}\n{policy}"
        ));
        fs::write(folder.path().join("directory.yaml"), directory).unwrap();
        fs::write(folder.path().join("contract.sql"), RAW_CONTRACT).unwrap();
        let settings = sidegate_config::load(
            &folder.path().join("sidegate.yaml"),
            &sidegate_config::ProcessEnv,
        )
        .unwrap();
        let generation = Generation::assemble(settings, None).unwrap();
        Self {
            policy: Arc::clone(generation.pipeline.authorizer.policy()),
            store: Arc::clone(&generation.store),
            _folder: folder,
        }
    }

    fn file(id_type: &str, directory: &str) -> Self {
        Self::assemble(
            "store: { file: { path: directory.yaml } }",
            id_type,
            directory,
        )
    }

    async fn ask(&self, subject: &Id, resource: Option<(&str, &Id)>) -> Answer {
        self.store
            .ask(&Question { subject, resource })
            .await
            .unwrap()
    }

    async fn allows(&self, subject: &Id, action: &str, kind: &str, id: &Id) -> bool {
        let answer = self.ask(subject, Some((kind, id))).await;
        let query = Query {
            subject,
            claimed_roles: &[],
            action: self.policy.action(action).unwrap(),
            kind: self.policy.kind(kind).unwrap(),
            now: NOW,
        };
        let facts = Facts {
            subject: answer.subject.as_deref(),
            resource: answer.resource.as_deref(),
            project: answer.project.as_deref(),
            membership: answer.membership.as_deref(),
        };
        self.policy.evaluate(&query, &facts).effect() == Effect::Allow
    }
}

fn database_section(database: &Database, name: &str) -> String {
    let url = database.cluster.url(name);
    format!(
        "store: {{ postgres: {{ contract: contract.sql }} }}\ndatabase: {{ url: \"{url}\", query_timeout: 20s, pool_size: 7, max_overflow: 7 }}"
    )
}

/// Tables that are as the views are, without references: also rows that mention what is not there.
const RAW: &str = "
create table subjects (id IDTYPE primary key, active boolean, roles text[]);
create table memberships (team_id IDTYPE, user_id IDTYPE, role text, expires_at timestamptz, primary key (team_id, user_id));
create table projects (id IDTYPE primary key, owner_id IDTYPE, team_id IDTYPE, visibility text);
create table resources (kind text, id IDTYPE, owner_id IDTYPE, project_id IDTYPE, team_id IDTYPE, status text, updated_at timestamptz, primary key (kind, id));
";

const RAW_CONTRACT: &str = "
create view sidegate.subjects as select * from subjects;
create view sidegate.memberships as select * from memberships;
create view sidegate.projects as select * from projects;
create view sidegate.resources_IDTYPE as select * from resources;
select sidegate.watch('subjects', array['user:{id}'], '{active,roles}');
select sidegate.watch('memberships', array['member:{team_id}:{user_id}'], '{role,expires_at}');
select sidegate.watch('projects', array['project:{id}'], '{owner_id,team_id,visibility}');
select sidegate.watch('resources', array['resource:{kind}:{id}'], '{owner_id,project_id,team_id}', inserts => false);
";

/// `$1` … `$9` stand for ids of the type at hand.
const DIRECTORY: &str = "
users:
  - { id: $1, active: true, roles: [support, artist] }
  - { id: $2, active: false }
  - { id: $3, active: true }
memberships:
  - { team_id: $4, user_id: $1, role: editor }
  - { team_id: $5, user_id: $1, role: viewer, expires_at: \"2025-06-01T00:00:00.000001Z\" }
  - { team_id: $5, user_id: $3, role: unheard-of, expires_at: \"2099-01-01T00:00:00Z\" }
projects:
  - { id: $6, owner_id: $1, team_id: $4, visibility: team_open }
  - { id: $7, visibility: public }
resources:
  - { kind: generation, id: $1, owner_id: $1, project_id: $6, status: completed }
  - { kind: generation, id: $2, owner_id: $2, project_id: $6, team_id: $5 }
  - { kind: generation, id: $3, project_id: $7 }
  - { kind: generation, id: $4, project_id: $9, owner_id: $9 }
  - { kind: generation, id: $5 }
  - { kind: document, id: $1, project_id: $7, team_id: $4 }
";

const ROWS: &str = "
insert into subjects values ($1, true, '{support,artist}'), ($2, false, null), ($3, true, '{}');
insert into memberships values ($4, $1, 'editor', null), ($5, $1, 'viewer', '2025-06-01T00:00:00.000001Z'), ($5, $3, 'unheard-of', '2099-01-01T00:00:00Z');
insert into projects values ($6, $1, $4, 'team_open'), ($7, null, null, 'public');
insert into resources values
    ('generation', $1, $1, $6, null, 'completed'), ('generation', $2, $2, $6, $5, null), ('generation', $3, null, $7, null, null),
    ('generation', $4, $9, $9, null, null), ('generation', $5, null, null, null, null), ('document', $1, null, $7, $4, null);
";

fn fill(text: &str, ids: &[String]) -> String {
    (1..).zip(ids).fold(text.to_owned(), |text, (number, id)| {
        text.replace(&format!("${number}"), &format!("'{id}'"))
    })
}

#[test]
fn both_stores_pass_one_suite_in_each_type_of_id() {
    let database = Database::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for name in ["uuid", "bigint", "text"] {
        let ids: Vec<String> = (1_i64..=9)
            .map(|n| match name {
                "uuid" => format!("0000000{n}-aaaa-4aaa-8aaa-aaaaaaaaaaaa"),
                "bigint" => (n * 1_000_000_007 - 3_000_000_000).to_string(),
                _ => format!("ü:{{\"{n}\\ x%"),
            })
            .collect();
        let url = database.cluster.create_database(name).unwrap();
        let session = Session::open(&url);
        session.run(&RAW.replace("IDTYPE", name));
        session.run(&fill(ROWS, &ids));
        let directory = fill(DIRECTORY, &ids);
        let file = Side::file(name, &directory);
        let postgres = Side::assemble(&database_section(&database, name), name, "users: []");
        let contract = postgres._folder.path().join("contract.sql");
        fs::write(contract, RAW_CONTRACT.replace("IDTYPE", name)).unwrap();
        migrate(postgres._folder.path(), &[]);

        let parsed: Vec<Id> = ids
            .iter()
            .map(|id| Id::parse(file.policy.subject_id(), id).unwrap())
            .collect();
        let mut known = 0;
        runtime.block_on(async {
            for subject in &parsed {
                let (a, b) = (
                    file.ask(subject, None).await,
                    postgres.ask(subject, None).await,
                );
                assert_eq!(a.subject, b.subject, "{name} {subject}");
                for kind in ["generation", "document"] {
                    for id in &parsed {
                        let a = file.ask(subject, Some((kind, id))).await;
                        let b = postgres.ask(subject, Some((kind, id))).await;
                        assert_eq!(a.subject, b.subject, "{name} {subject} {kind} {id}");
                        assert_eq!(a.resource, b.resource, "{name} {subject} {kind} {id}");
                        assert_eq!(a.project, b.project, "{name} {subject} {kind} {id}");
                        assert_eq!(a.membership, b.membership, "{name} {subject} {kind} {id}");
                        known +=
                            usize::from(a.resource.is_some()) + usize::from(a.membership.is_some());
                    }
                }
            }
        });
        assert!(known > 50, "{name}: the suite looks at something: {known}");
    }
}

//! What is said of rows, in words, over a policy that names statuses and own roles.

use std::path::Path;

use serde_json::{Value, json};
use sidegate_policy::{
    IdType, MembershipRow, Policy, ProjectRow, ResourceRow, SubjectRow, UnixMicros,
};

use super::*;
use crate::authz::Resource;
use crate::coherence::Moment;
use crate::facts::Tier;
use crate::route::{Route, RouteTable};
use crate::store::Answer;
use crate::testing;

const NOW: UnixMicros = UnixMicros(1_000_000_000_000_000);

fn id(text: &str) -> Id {
    Id::parse(IdType::Text, text).unwrap()
}

/// A policy with everything that can grant, and the routes `GET /d/{id}` and `GET /me`.
fn world() -> (Arc<Policy>, Vec<Arc<Route>>) {
    let mut document = testing::document(json!([]));
    document["insecure_no_issuers"] = json!(true);
    document["policy"] = json!({
        "subject_id": "text",
        "roles": { "owner": ["read", "write"], "editor": ["read", "write"], "viewer": ["read"] },
        "visibility_roles": { "public": "viewer" },
        "subject_roles": { "support": { "*": ["read"] } },
        "kinds": { "document": { "id": "text", "statuses": ["final"] } },
    });
    document["routes"] = json!([
        { "methods": ["GET"], "path": "/d/{id}", "action": "read", "resource": { "kind": "document", "id": { "path": "id" } } },
        { "methods": ["GET"], "path": "/me", "access": "authenticated" },
    ]);
    let policy = Arc::new(testing::policy(&document));
    let settings = testing::settings(Path::new("/"), &document);
    let table = RouteTable::compile(&settings.routes, &policy).unwrap();
    (policy, table.routes().to_vec())
}

/// Alice reads a document, with these roles of her token.
fn case(answer: Answer, claimed: &[&str]) -> Case {
    let (policy, routes) = world();
    let mut case = Case {
        route: routes.first().cloned(),
        subject: Some(id("alice")),
        bearer: Some(Bearer {
            roles: claimed.iter().map(|role| Arc::from(*role)).collect(),
            session: Some(Arc::from("s")),
            token: None,
            expires_at: Some(NOW),
        }),
        resource: Some(Resource {
            action: policy.action("read").unwrap(),
            kind: policy.kind("document").unwrap(),
            id: Some(id("1")),
        }),
        basis: Some(Basis {
            answer,
            checks: None,
            tier: Some(Tier::Memory),
            moment: Some(Moment::at(BootTime::now())),
        }),
        ..Case::bare(Code::Internal, policy)
    };
    let decision = other_answer::decide(&case, NOW).unwrap();
    case.code = Code::Decision(decision.reason());
    case
}

/// Everything that there is, as far as a test does not change it.
fn rows() -> Answer {
    Answer {
        subject: Some(Arc::new(SubjectRow {
            active: true,
            roles: [].into(),
        })),
        resource: Some(Arc::new(ResourceRow {
            owner: Some(id("bob")),
            project: Some(id("p")),
            team: None,
            status: Some(Arc::from("final")),
        })),
        project: Some(Arc::new(ProjectRow {
            owner: None,
            team: Some(id("t")),
            visibility: Some(Arc::from("private")),
        })),
        membership: None,
        origin: None,
    }
}

/// The ways as text, one a line.
fn ways(case: &Case) -> Vec<String> {
    let told = other_answer::of(case, NOW);
    let way = |way: &Vec<ChangeReport>| {
        let texts: Vec<_> = way.iter().map(|change| change.text.as_str()).collect();
        texts.join(" + ")
    };
    told.ways.iter().map(way).collect()
}

#[test]
fn what_would_let_somebody_in_is_said_by_the_rows_that_there_are() {
    assert_eq!(
        ways(&case(rows(), &[])),
        [
            "the subject would have to own the document (its owner now: bob)",
            "the subject would have to be `editor`, `owner` or `viewer` in the team t (now: no member)",
            "the project p would have to be `public` (now: private)",
            "the subject would need the role `support` of its own (now: none)",
        ]
    );
    let bare = Answer {
        resource: Some(Arc::new(ResourceRow::default())),
        project: None,
        ..rows()
    };
    assert_eq!(
        ways(&case(bare, &["guest"])),
        [
            "the document's status would have to be `final` (now: none) + the subject would have to own the document (its owner now: nobody)",
            "the document's status would have to be `final` (now: none) + the document would have to be of a team in which the subject is `editor`, `owner` or `viewer` (now: no team)",
            "the document's status would have to be `final` (now: none) + the document would have to be of a project that is `public` (now: no project)",
            "the document's status would have to be `final` (now: none) + the subject would need the role `support` of its own (now: guest)",
        ]
    );
    let expired = Answer {
        membership: Some(Arc::new(MembershipRow {
            role: Arc::from("viewer"),
            expires_at: Some(NOW),
        })),
        ..rows()
    };
    let said = ways(&case(expired, &[])).remove(1);
    assert!(
        said.ends_with("(now: viewer, until 2001-09-09T01:46:40Z)"),
        "{said}"
    );
    let none = ways(&case(Answer::default(), &[])).remove(0);
    assert_eq!(
        none,
        "the subject would have to be active (now: no row) + the document would have to exist (now: no row) + \
         the document's status would have to be `final` (now: none) + the subject would have to own the document (its owner now: nobody)"
    );
}

#[test]
fn what_would_keep_somebody_out_is_every_grant_at_once() {
    let mut answer = rows();
    answer.resource = Some(Arc::new(ResourceRow {
        owner: Some(id("alice")),
        project: Some(id("p")),
        team: None,
        status: Some(Arc::from("final")),
    }));
    answer.project = Some(Arc::new(ProjectRow {
        owner: None,
        team: Some(id("t")),
        visibility: Some(Arc::from("public")),
    }));
    answer.membership = Some(Arc::new(MembershipRow {
        role: Arc::from("editor"),
        expires_at: Some(UnixMicros(NOW.0 + 60_000_000)),
    }));
    let case = case(answer, &["support"]);
    assert_eq!(
        ways(&case),
        [
            "somebody else would have to own the document (its owner now: alice) + \
             the subject would have to be no longer `editor`, `owner` or `viewer` in the team t (now: editor, until 2001-09-09T01:47:40Z) + \
             the project p would have to be no longer `public` (now: public) + \
             the subject would have to lose the role `support` of its own (now: support)",
            "the subject would have to be inactive, or gone (now: active)",
            "the document would have to be gone (now: there)",
            "the document's status would have to be another than `final` (now: final)",
        ]
    );
    let seen = Seen {
        decided: BootTime::now(),
        decided_at: NOW,
        feed: Err("a test".to_owned()),
    };
    let told = provenance::of(&case, &seen).unwrap();
    assert_eq!(
        told.valid_until.as_deref(),
        Some("2001-09-09T01:47:40.000Z")
    );
    assert_eq!(
        told.credential_until.as_deref(),
        Some("2001-09-09T01:46:40.000Z")
    );
    assert_eq!(
        (told.changed_since, told.note.as_deref()),
        (None, Some("a test"))
    );
    let tags: Vec<_> = told.tags.iter().map(|tag| tag.tag.as_str()).collect();
    assert_eq!(
        tags,
        [
            "user:alice",
            "resource:document:1",
            "project:p",
            "member:t:alice",
            "credential:session:s",
            "credential:user:alice",
            "credential:all:*",
        ]
    );
}

#[test]
fn a_route_that_asks_for_a_subject_alone_turns_with_the_subject() {
    let (_, routes) = world();
    let of = |code, subject: Option<bool>| Case {
        code,
        route: routes.get(1).cloned(),
        resource: None,
        ..case(
            Answer {
                subject: subject.map(|active| {
                    let roles = [].into();
                    Arc::new(SubjectRow { active, roles })
                }),
                ..Answer::default()
            },
            &[],
        )
    };
    let unknown = Code::Decision(sidegate_policy::Reason::UnknownSubject);
    assert_eq!(
        ways(&of(unknown, None)),
        ["the subject would have to be active (now: no row)"]
    );
    let allowed = of(Code::Authenticated, Some(true));
    assert_eq!(
        ways(&allowed),
        ["the subject would have to be inactive, or gone (now: active)"]
    );
    let answer: Value = serde_json::to_value(other_answer::of(&allowed, NOW)).unwrap();
    assert_eq!(answer["answer"], "deny");
}

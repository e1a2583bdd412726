//! Golden decisions: `golden/*.yaml` holds a policy and, line by line, what it decides.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use sidegate_policy::{
    Document, Effect, Facts, Id, IdType, MembershipRow, Policy, ProjectRow, Query, Reason,
    ResourceRow, SubjectRow, UnixMicros,
};

const NOW: UnixMicros = UnixMicros(100);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    policy: Document,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    kind: Option<String>,
    action: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    roles: Vec<Arc<str>>,
    #[serde(default)]
    claimed: Vec<Arc<str>>,
    #[serde(default)]
    resource: Resource,
    #[serde(default)]
    member: Option<Arc<str>>,
    #[serde(default)]
    expires_at: Option<i64>,
    #[serde(default)]
    visibility: Option<Arc<str>>,
    is: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Resource {
    Row {
        owner: Option<String>,
        status: Option<Arc<str>>,
    },
    None(String),
}

impl Default for Resource {
    fn default() -> Self {
        Self::Row {
            owner: None,
            status: None,
        }
    }
}

fn text(id: &str) -> Id {
    Id::parse(IdType::Text, id).unwrap()
}

fn decide(policy: &Policy, case: &Case) -> (Effect, Reason) {
    let subject = match case.subject.as_deref() {
        None => Some(SubjectRow {
            active: true,
            roles: case.roles.clone().into(),
        }),
        Some("inactive") => Some(SubjectRow {
            active: false,
            roles: case.roles.clone().into(),
        }),
        Some("none") => None,
        Some(other) => panic!("{}: subject: {other}", case.name),
    };
    let resource = match &case.resource {
        Resource::Row { owner, status } => Some(ResourceRow {
            owner: owner.as_deref().map(text),
            status: status.clone(),
            ..ResourceRow::default()
        }),
        Resource::None(word) => {
            assert_eq!(word, "none", "{}", case.name);
            None
        }
    };
    let project = case.visibility.clone().map(|visibility| ProjectRow {
        visibility: Some(visibility),
        ..ProjectRow::default()
    });
    let membership = case.member.clone().map(|role| MembershipRow {
        role,
        expires_at: case.expires_at.map(UnixMicros),
    });
    let query = Query {
        subject: &text("me"),
        claimed_roles: &case.claimed,
        action: policy.action(&case.action).unwrap(),
        kind: policy
            .kind(case.kind.as_deref().unwrap_or("generation"))
            .unwrap(),
        now: NOW,
    };
    let facts = Facts {
        subject: subject.as_ref(),
        resource: resource.as_ref(),
        project: project.as_ref(),
        membership: membership.as_ref(),
    };
    let decision = policy.evaluate(&query, &facts);
    (decision.effect(), decision.reason())
}

#[test]
fn every_golden_case_is_decided_as_written() {
    let golden: Golden = serde_yaml::from_str(include_str!("golden/example.yaml")).unwrap();
    let policy = Policy::compile(&golden.policy).unwrap();
    let mut reached = BTreeSet::new();
    for case in &golden.cases {
        let (effect, reason) = decide(&policy, case);
        let word = match effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        };
        assert_eq!(
            (word, reason.name()),
            (&*case.is, &*case.reason),
            "{}",
            case.name
        );
        reached.insert(reason.name());
    }
    let all: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(reached, all, "every reason is reached by a case");
}

#[test]
fn a_policy_that_mentions_what_it_does_not_define_is_refused() {
    let golden: Golden = serde_yaml::from_str(include_str!("golden/example.yaml")).unwrap();

    let mut unknown_role = golden.policy.clone();
    unknown_role
        .visibility_roles
        .insert("public".into(), "nobody".into());
    let error = Policy::compile(&unknown_role).unwrap_err().to_string();
    assert!(
        error.contains("visibility_roles.public") && error.contains("`nobody`"),
        "{error}"
    );

    let mut unknown_kind = golden.policy;
    let grants = unknown_kind.subject_roles.get_mut("support").unwrap();
    grants.insert("movie".into(), BTreeSet::new());
    let error = Policy::compile(&unknown_kind).unwrap_err().to_string();
    assert!(
        error.contains("subject_roles.support") && error.contains("`movie`"),
        "{error}"
    );
}

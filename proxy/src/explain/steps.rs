//! The steps of the straight line that a request went, in words.

use sidegate_policy::{Check, Finding, Id, Policy};

use super::date;
use super::{CheckResult, Step, Walk};
use crate::authn::PresentedKey;
use crate::decisions::Case;
use crate::observation::{Basis, Bearer};
use crate::route::{Access, Route};

/// In order, as far as it came.
pub(super) fn of(case: &Case, walk: &Walk) -> Vec<Step> {
    let policy = &*case.policy;
    let mut steps = Vec::new();
    steps.extend(
        walk.target
            .clone()
            .map(|canonical| Step::Target { canonical }),
    );
    steps.extend(
        case.route
            .as_deref()
            .map(|route| self::route(policy, route)),
    );
    if !walk.reported.is_empty() {
        let rules = walk.reported.clone();
        steps.push(Step::Reported { rules });
    }
    steps.extend(walk.link.clone().map(|canonical| Step::Link { canonical }));
    steps.extend(
        case.subject
            .as_ref()
            .map(|subject| principal(case, walk, subject)),
    );
    steps.extend(case.resource.as_ref().map(|resource| Step::Resource {
        action: policy.action_name(resource.action).to_owned(),
        kind: policy.kind_name(resource.kind).to_owned(),
        id: resource.id.as_ref().map(ToString::to_string),
    }));
    if let Some(basis) = &case.basis {
        steps.push(facts(basis));
        steps.extend(checks(policy, basis));
    }
    steps
}

fn route(policy: &Policy, route: &Route) -> Step {
    Step::Route {
        id: route.id.to_string(),
        path: route.template.as_str().to_owned(),
        rule: rule(policy, route),
    }
}

fn rule(policy: &Policy, route: &Route) -> String {
    match &route.access {
        Access::Public => "nothing: the route is public".to_owned(),
        Access::Authenticated { unknown_subject } => {
            format!("a verified subject (without a row: {unknown_subject:?})").to_lowercase()
        }
        Access::Resource { action, kind, .. } => {
            format!(
                "`{}` on the {}",
                policy.action_name(*action),
                policy.kind_name(*kind)
            )
        }
    }
}

fn principal(case: &Case, walk: &Walk, subject: &Id) -> Step {
    let key = case.key.as_deref().and_then(PresentedKey::id);
    let by = match key {
        _ if walk.is_assumed => "nothing",
        Some(_) => "service_key",
        None if case.by_link => "link",
        None => "token",
    };
    let roles = case.bearer.as_ref().map(Bearer::role_names);
    Step::Principal {
        subject: subject.to_string(),
        by,
        issuer: walk.issuer.clone(),
        key: key.map(str::to_owned),
        claimed_roles: roles.unwrap_or_default(),
    }
}

fn facts(basis: &Basis) -> Step {
    let answer = &basis.answer;
    let list = |columns: &[(&str, Option<String>)]| {
        let known = columns
            .iter()
            .filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
        let known: Vec<_> = known.collect();
        if known.is_empty() {
            "all columns null".to_owned()
        } else {
            known.join(", ")
        }
    };
    let text = |id: &Option<Id>| id.as_ref().map(ToString::to_string);
    Step::Facts {
        subject: answer.subject.as_ref().map(|row| {
            let state = if row.active { "active" } else { "not active" };
            format!("{state}, roles [{}]", row.roles.join(", "))
        }),
        resource: answer.resource.as_ref().map(|row| {
            list(&[
                ("owner", text(&row.owner)),
                ("project", text(&row.project)),
                ("team", text(&row.team)),
                ("status", row.status.as_deref().map(str::to_owned)),
            ])
        }),
        project: answer.project.as_ref().map(|row| {
            list(&[
                ("owner", text(&row.owner)),
                ("team", text(&row.team)),
                ("visibility", row.visibility.as_deref().map(str::to_owned)),
            ])
        }),
        membership: answer.membership.as_ref().map(|row| {
            let end = row.expires_at.map(|end| format!(", until {}", date(end)));
            format!("role {}{}", row.role, end.unwrap_or_default())
        }),
    }
}

fn checks(policy: &Policy, basis: &Basis) -> Option<Step> {
    let checks = basis.checks?.all().into_iter();
    let results = checks.map(|(check, finding)| CheckResult {
        check: check.name(),
        grants: finding.grants(),
        found: found(policy, check, finding),
    });
    let checks = results.collect();
    Some(Step::Checks { checks })
}

fn found(policy: &Policy, check: Check, finding: Finding) -> String {
    match finding {
        Finding::Nothing => match check {
            Check::Ownership => "the subject is not the owner",
            Check::TeamAccess => "no membership in the resource's team, or no team",
            Check::ProjectVisibility => "no project, or a visibility that gives no role",
            Check::SubjectRole => "none of the subject's own roles allows the action",
        }
        .to_owned(),
        Finding::Expired => "a membership that has expired".to_owned(),
        Finding::UnknownRole if check == Check::Ownership => {
            "the policy has no role `owner`".to_owned()
        }
        Finding::UnknownRole => "a role that the policy does not know".to_owned(),
        Finding::Role { role, grants: true } => {
            format!("role `{}`, which allows the action", policy.role_name(role))
        }
        Finding::Role {
            role,
            grants: false,
        } => {
            format!(
                "role `{}`, which does not allow the action",
                policy.role_name(role)
            )
        }
        Finding::Granted => "one of the subject's own roles allows the action".to_owned(),
    }
}

//! What the walk of a request saw, in words.

use std::time::{Duration, UNIX_EPOCH};

use sidegate_config::Rule;
use sidegate_policy::{Check, Finding, Id, Policy, UnixMicros};

use super::{CheckResult, Step};
use crate::authz::Evidence;
use crate::pipeline::Sight;
use crate::route::{Access, Route};

/// Keeps what was seen. A link's parameters are a credential, and not repeated.
pub(super) fn keep(policy: &Policy, sight: &Sight<'_>, steps: &mut Vec<Step>) {
    if let Sight::Link(target) = sight {
        for step in steps.iter_mut() {
            if let Step::Target { canonical } = step {
                target.as_str().clone_into(canonical);
            }
        }
    }
    steps.extend(self::steps(policy, sight));
}

/// The steps that one sight stands for.
fn steps(policy: &Policy, sight: &Sight<'_>) -> Vec<Step> {
    match sight {
        Sight::Target(target) => vec![Step::Target {
            canonical: target.as_str().to_owned(),
        }],
        Sight::Route(route) => vec![Step::Route {
            id: route.id.to_string(),
            path: route.template.as_str().to_owned(),
            rule: rule(policy, route),
        }],
        Sight::Link(target) => vec![Step::Link {
            canonical: target.as_str().to_owned(),
        }],
        Sight::Principal(principal) => vec![Step::Principal {
            subject: principal.subject.to_string(),
            issuer: principal.issuer.as_deref().map(str::to_owned),
            key: principal
                .key
                .as_deref()
                .and_then(|key| key.id().map(str::to_owned)),
            claimed_roles: principal.roles.iter().map(ToString::to_string).collect(),
        }],
        Sight::Resource(resource) => vec![Step::Resource {
            action: policy.action_name(resource.action).to_owned(),
            kind: policy.kind_name(resource.kind).to_owned(),
            id: resource.id.as_ref().map(ToString::to_string),
        }],
        Sight::Evidence(evidence) => facts(policy, evidence),
        Sight::Reported(rules) => vec![Step::Reported {
            rules: rules.iter().map(Rule::name).collect(),
        }],
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

fn facts(policy: &Policy, evidence: &Evidence<'_>) -> Vec<Step> {
    let answer = evidence.answer;
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
    let mut steps = vec![Step::Facts {
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
    }];
    if let Some(checks) = evidence.checks {
        let checks = checks
            .all()
            .into_iter()
            .map(|(check, finding)| CheckResult {
                check: check.name(),
                grants: finding.grants(),
                found: found(policy, check, finding),
            });
        steps.push(Step::Checks {
            checks: checks.collect(),
        });
    }
    steps
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

/// As RFC 3339, in UTC.
fn date(at: UnixMicros) -> String {
    let since = Duration::from_micros(u64::try_from(at.0).unwrap_or(0));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

//! Roles, kinds of resource and visibility.
//!
//! Promise: every name is well formed and every role or kind that is referred to exists. What a
//! role allows on a resource is for the policy crate.

use std::collections::{BTreeMap, BTreeSet};

use super::report::Report;
use super::value::all;
use crate::locate::YamlPath;
use crate::raw::{self, IdTypeName};
use crate::settings::{IdType, KindSettings, PolicySettings};

pub(crate) fn policy(raw: raw::Policy, report: &mut Report) -> Option<PolicySettings> {
    let at = YamlPath::default().key("policy");
    // Names are taken before the roles are checked, so that one bad role is one problem.
    let kind_roles = raw.kinds.values().filter_map(|kind| kind.roles.as_ref());
    let known_roles: BTreeSet<String> = kind_roles
        .chain([&raw.roles])
        .flat_map(|roles| roles.keys().cloned())
        .collect();
    let known_kinds: BTreeSet<String> = raw.kinds.keys().cloned().collect();

    let roles = roles(raw.roles, &at.key("roles"), report);
    let path = at.key("visibility_roles");
    let visibility_roles = visibility(raw.visibility_roles, &known_roles, &path, report);
    let path = at.key("subject_roles");
    let subject_roles = subject_roles(raw.subject_roles, &known_kinds, &path, report);
    let kinds = kinds(raw.kinds, &at.key("kinds"), report);
    Some(PolicySettings {
        subject_id: id_type(raw.subject_id),
        roles: roles?,
        visibility_roles: visibility_roles?,
        subject_roles: subject_roles?,
        kinds: kinds?,
    })
}

fn roles(
    written: BTreeMap<String, Vec<String>>,
    at: &YamlPath,
    report: &mut Report,
) -> Option<BTreeMap<String, BTreeSet<String>>> {
    if written.is_empty() {
        return report.refuse(at, "expected at least one role");
    }
    let mut tried = Vec::with_capacity(written.len());
    for (role, written) in written {
        let path = at.key(&role);
        report.name_key(&path, &role);
        let actions = actions(written, &path, report);
        tried.push(actions.map(|actions| (role, actions)));
    }
    all(tried)
}

fn actions(written: Vec<String>, at: &YamlPath, report: &mut Report) -> Option<BTreeSet<String>> {
    let entries = written.into_iter().enumerate();
    let names = entries.map(|(index, action)| report.name(&at.index(index), action));
    all(names.collect())
}

fn visibility(
    written: Option<BTreeMap<String, String>>,
    known: &BTreeSet<String>,
    at: &YamlPath,
    report: &mut Report,
) -> Option<BTreeMap<String, String>> {
    let Some(written) = written else {
        let default = known.contains("viewer");
        let entry = default.then(|| ("public".to_owned(), "viewer".to_owned()));
        return Some(entry.into_iter().collect());
    };
    for (visibility, role) in &written {
        let path = at.key(visibility);
        if visibility.is_empty() {
            report.key_problem(&path, "expected a visibility that is not empty");
        }
        if !known.contains(role) {
            report.problem(
                &path,
                format!("expected a role of the policy: {}", list(known)),
            );
        }
    }
    Some(written)
}

fn subject_roles(
    written: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    known: &BTreeSet<String>,
    at: &YamlPath,
    report: &mut Report,
) -> Option<BTreeMap<String, BTreeMap<String, BTreeSet<String>>>> {
    let mut tried = Vec::with_capacity(written.len());
    for (role, kinds) in written {
        let path = at.key(&role);
        report.name_key(&path, &role);
        let mut granted = Vec::with_capacity(kinds.len());
        for (kind, written) in kinds {
            let path = path.key(&kind);
            if kind != "*" && !known.contains(&kind) {
                let message = format!("expected `*` or a kind of the policy: {}", list(known));
                report.key_problem(&path, message);
            }
            let actions = actions(written, &path, report);
            granted.push(actions.map(|actions| (kind, actions)));
        }
        tried.push(all(granted).map(|granted| (role, granted)));
    }
    all(tried)
}

fn kinds(
    written: BTreeMap<String, raw::Kind>,
    at: &YamlPath,
    report: &mut Report,
) -> Option<BTreeMap<String, KindSettings>> {
    let mut tried = Vec::with_capacity(written.len());
    for (name, raw) in written {
        let path = at.key(&name);
        report.name_key(&path, &name);
        let settings = kind(raw, &path, report);
        tried.push(settings.map(|settings| (name, settings)));
    }
    all(tried)
}

fn kind(raw: raw::Kind, at: &YamlPath, report: &mut Report) -> Option<KindSettings> {
    let roles = match raw.roles {
        Some(written) => roles(written, &at.key("roles"), report).map(Some),
        None => Some(None),
    };
    let path = at.key("statuses");
    let statuses = match raw.statuses {
        Some(written) if written.is_empty() => report.refuse(
            &path,
            "expected at least one status, or no `statuses` if the status has no say",
        ),
        Some(written) => report.texts(&path, written).map(Some),
        None => Some(None),
    };
    Some(KindSettings {
        id: id_type(raw.id),
        roles: roles?,
        statuses: statuses?,
    })
}

fn id_type(name: Option<IdTypeName>) -> IdType {
    match name {
        Some(IdTypeName::Uuid) | None => IdType::Uuid,
        Some(IdTypeName::Bigint) => IdType::Bigint,
        Some(IdTypeName::Text) => IdType::Text,
    }
}

/// What could have been written, for a message.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() {
        "there are none".to_owned()
    } else {
        quoted.join(", ")
    }
}

//! What would have to change for the other answer.
//!
//! Promise: a change of rows that is named leads there: the policy has tried it on the rows of the decision
//! ([`Policy::flips`](sidegate_policy::Policy::flips)). Where rows do not decide, `note` says what does.

use serde::Serialize;
use sidegate_policy::{
    Change, Decision, Facts, Query, Reason, SubjectRow, UnixMicros, Way, team_of,
};

use super::remedy::remedy;
use super::time::date;
use crate::authz::Resource;
use crate::coherence::Tag;
use crate::decisions::Case;
use crate::observation::{Basis, Bearer};
use crate::outcome::Code;
use crate::route::{Access, Route};

/// What would have to change.
#[derive(Debug, Serialize)]
pub struct OtherAnswer {
    /// The answer that it was not: `allow` or `deny`.
    pub answer: &'static str,
    /// Each of them leads there, by all of its changes together.
    pub ways: Vec<Vec<ChangeReport>>,
    /// What else decides, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A change of one row.
#[derive(Debug, Serialize)]
pub struct ChangeReport {
    /// What: `activate`, `create`, `set_status`, `own`, `join`, `show` or `appoint`, and their opposites `deactivate`,
    /// `delete`, `unset_status`, `disown`, `leave`, `hide` and `dismiss`.
    pub change: &'static str,
    /// The row, as the change log names it; `None`: there is none yet that could be named.
    pub row: Option<String>,
    /// Values, any one of which does it; of an opposite, those that must not be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// What there is now.
    pub now: String,
    /// All of it in words.
    pub text: String,
}

/// Of a case that was decided then.
pub(super) fn of(case: &Case, at: UnixMicros) -> OtherAnswer {
    let answer = match case.code.outcome() {
        "allow" => "deny",
        _ => "allow",
    };
    let ways = ways(case, at);
    let note = remedy(case).filter(|_| ways.is_empty());
    OtherAnswer { answer, ways, note }
}

/// The policy's decision, made again on the same rows and for the same instant; `None`: rows did not decide.
pub(super) fn decide(case: &Case, at: UnixMicros) -> Option<Decision> {
    ask(case, at, |query, facts| case.policy.evaluate(query, facts))
}

fn ask<T>(
    case: &Case,
    now: UnixMicros,
    ask: impl FnOnce(&Query<'_>, &Facts<'_>) -> T,
) -> Option<T> {
    let (resource, basis) = (case.resource.as_ref()?, case.basis.as_ref()?);
    let query = Query {
        subject: case.subject.as_ref()?,
        claimed_roles: case.bearer.as_ref().map_or(&[], |bearer| &bearer.roles),
        action: resource.action,
        kind: resource.kind,
        now,
    };
    let facts = Facts {
        subject: basis.answer.subject.as_deref(),
        resource: basis.answer.resource.as_deref(),
        project: basis.answer.project.as_deref(),
        membership: basis.answer.membership.as_deref(),
    };
    Some(ask(&query, &facts))
}

fn ways(case: &Case, at: UnixMicros) -> Vec<Vec<ChangeReport>> {
    let Some(rows) = Rows::of(case) else {
        return Vec::new();
    };
    let ways = match (case.code, &rows.route.access) {
        (Code::Decision(reason), Access::Resource { .. }) => {
            let same = decide(case, at).is_some_and(|decision| decision.reason() == reason);
            let exists = rows.resource.is_some_and(|resource| resource.id.is_some());
            let ways = ask(case, at, |query, facts| case.policy.flips(query, facts));
            ways.filter(|_| same && exists).unwrap_or_default()
        }
        (
            Code::Decision(Reason::UnknownSubject | Reason::InactiveSubject),
            Access::Authenticated { .. },
        ) => alone(Change::Activate),
        (Code::Authenticated, _) if rows.basis.tier.is_some() => alone(Change::Deactivate),
        (_, Access::Public | Access::Authenticated { .. } | Access::Resource { .. }) => Vec::new(),
    };
    let told = |way: Way<'_>| way.changes.iter().map(|it| rows.report(it)).collect();
    ways.into_iter().map(told).collect()
}

fn alone(change: Change<'static>) -> Vec<Way<'static>> {
    vec![Way {
        changes: vec![change],
    }]
}

/// The rows of a case, as changes of them are told.
struct Rows<'c> {
    case: &'c Case,
    route: &'c Route,
    basis: &'c Basis,
    subject: &'c str,
    resource: Option<&'c Resource>,
    kind: &'c str,
}

impl<'c> Rows<'c> {
    fn of(case: &'c Case) -> Option<Self> {
        let resource = case.resource.as_ref();
        Some(Self {
            case,
            route: case.route.as_deref()?,
            basis: case.basis.as_ref()?,
            subject: case.subject.as_ref()?.as_str(),
            resource,
            kind: resource.map_or("", |resource| case.policy.kind_name(resource.kind)),
        })
    }

    fn report(&self, change: &Change<'_>) -> ChangeReport {
        let (name, row, now) = match change {
            Change::Activate => ("activate", self.user(), self.state()),
            Change::Deactivate => ("deactivate", self.user(), self.state()),
            Change::Appoint(_) => ("appoint", self.user(), self.own_roles()),
            Change::Dismiss(_) => ("dismiss", self.user(), self.own_roles()),
            Change::Create => ("create", self.named(), "no row".to_owned()),
            Change::Delete => ("delete", self.named(), "there".to_owned()),
            Change::SetStatus(_) => ("set_status", self.named(), self.status()),
            Change::UnsetStatus(_) => ("unset_status", self.named(), self.status()),
            Change::Own => ("own", self.named(), self.owner()),
            Change::Disown => ("disown", self.named(), self.owner()),
            Change::Join(_) => ("join", self.member(), self.role()),
            Change::Leave(_) => ("leave", self.member(), self.role()),
            Change::Show(_) => ("show", self.project(), self.visibility()),
            Change::Hide(_) => ("hide", self.project(), self.visibility()),
        };
        ChangeReport {
            change: name,
            text: format!("{} ({}: {now})", self.wish(change), known(change)),
            row,
            values: values(change)
                .iter()
                .map(|&value| value.to_owned())
                .collect(),
            now,
        }
    }

    /// What would have to be so.
    fn wish(&self, change: &Change<'_>) -> String {
        let (kind, any) = (self.kind, any_of(values(change)));
        match change {
            Change::Activate => "the subject would have to be active".to_owned(),
            Change::Deactivate => "the subject would have to be inactive, or gone".to_owned(),
            Change::Appoint(_) => format!("the subject would need the role {any} of its own"),
            Change::Dismiss(_) => {
                format!("the subject would have to lose the role {any} of its own")
            }
            Change::Create => format!("the {kind} would have to exist"),
            Change::Delete => format!("the {kind} would have to be gone"),
            Change::SetStatus(_) => format!("the {kind}'s status would have to be {any}"),
            Change::UnsetStatus(_) => {
                format!("the {kind}'s status would have to be another than {any}")
            }
            Change::Own => format!("the subject would have to own the {kind}"),
            Change::Disown => format!("somebody else would have to own the {kind}"),
            Change::Join(_) => match self.team() {
                Some(team) => format!("the subject would have to be {any} in the team {team}"),
                None => {
                    format!("the {kind} would have to be of a team in which the subject is {any}")
                }
            },
            Change::Leave(_) => {
                let team = self.team().unwrap_or_default();
                format!("the subject would have to be no longer {any} in the team {team}")
            }
            Change::Show(_) => match self.project_id() {
                Some(project) => format!("the project {project} would have to be {any}"),
                None => format!("the {kind} would have to be of a project that is {any}"),
            },
            Change::Hide(_) => {
                let project = self.project_id().unwrap_or_default();
                format!("the project {project} would have to be no longer {any}")
            }
        }
    }
}

/// What the rows say now.
impl Rows<'_> {
    fn user(&self) -> Option<String> {
        Some(Tag::User(self.subject).to_string())
    }

    fn named(&self) -> Option<String> {
        let id = self.resource?.id.as_ref()?.as_str();
        let kind = self.kind;
        Some(Tag::Resource { kind, id }.to_string())
    }

    fn member(&self) -> Option<String> {
        let (team, user) = (self.team()?, self.subject);
        Some(Tag::Member { team, user }.to_string())
    }

    fn project(&self) -> Option<String> {
        Some(Tag::Project(self.project_id()?).to_string())
    }

    fn team(&self) -> Option<&str> {
        let answer = &self.basis.answer;
        let team = team_of(answer.resource.as_deref()?, answer.project.as_deref());
        Some(team?.as_str())
    }

    fn project_id(&self) -> Option<&str> {
        let row = self.basis.answer.resource.as_deref()?;
        Some(row.project.as_ref()?.as_str())
    }

    fn state(&self) -> String {
        let row = self.basis.answer.subject.as_deref();
        let state = |row: &SubjectRow| if row.active { "active" } else { "inactive" };
        row.map_or("no row", state).to_owned()
    }

    fn own_roles(&self) -> String {
        let row = self.basis.answer.subject.iter();
        let claimed = self.case.bearer.as_ref().map(Bearer::role_names);
        let of_row = row
            .flat_map(|row| row.roles.iter())
            .map(ToString::to_string);
        let mut roles: Vec<_> = of_row.chain(claimed.into_iter().flatten()).collect();
        roles.sort_unstable();
        roles.dedup();
        if roles.is_empty() {
            return "none".to_owned();
        }
        roles.join(", ")
    }

    fn status(&self) -> String {
        let row = self.basis.answer.resource.as_deref();
        let status = row.and_then(|row| row.status.as_deref());
        status.unwrap_or("none").to_owned()
    }

    fn owner(&self) -> String {
        let row = self.basis.answer.resource.as_deref();
        let owner = row.and_then(|row| row.owner.as_ref());
        owner.map_or_else(|| "nobody".to_owned(), ToString::to_string)
    }

    fn role(&self) -> String {
        let Some(row) = self.basis.answer.membership.as_deref() else {
            let none = self.team().map_or("no team", |_| "no member");
            return none.to_owned();
        };
        let end = row.expires_at.map(|end| format!(", until {}", date(end)));
        format!("{}{}", row.role, end.unwrap_or_default())
    }

    fn visibility(&self) -> String {
        let Some(row) = self.basis.answer.project.as_deref() else {
            let none = self.project_id().map_or("no project", |_| "no row");
            return none.to_owned();
        };
        row.visibility.as_deref().unwrap_or("none").to_owned()
    }
}

/// What is known now, as it stands before its value.
const fn known(change: &Change<'_>) -> &'static str {
    if matches!(change, Change::Own | Change::Disown) {
        "its owner now"
    } else {
        "now"
    }
}

fn values<'c>(change: &'c Change<'_>) -> &'c [&'c str] {
    match change {
        Change::SetStatus(values)
        | Change::Join(values)
        | Change::Show(values)
        | Change::Appoint(values)
        | Change::UnsetStatus(values)
        | Change::Leave(values)
        | Change::Hide(values)
        | Change::Dismiss(values) => values,
        Change::Activate
        | Change::Create
        | Change::Own
        | Change::Deactivate
        | Change::Delete
        | Change::Disown => &[],
    }
}

/// As in `a`, `b` or `c`.
fn any_of(values: &[&str]) -> String {
    let quoted: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

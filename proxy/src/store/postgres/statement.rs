//! The two statements: everything that one question needs, read in one snapshot.
//!
//! Promise: a statement yields one row, whatever is missing; it yields a second one if a contract
//! view has two rows for one id, so that nobody chooses between them. Parameters are text, cast
//! here: a prepared statement and an unnamed one are the same. The casts are of the parameters and
//! never of a view's column, so the tables' indexes are used. What comes back is text, numbers and
//! booleans of fixed types, whatever the tables have.
//!
//! The team is `sidegate_policy::team_of`: the resource's own, else its project's.

use std::collections::BTreeSet;

use sidegate_policy::IdType;

/// The statements of one policy.
#[derive(Debug)]
pub(super) struct Statements {
    /// About a subject alone: one parameter.
    subject: String,
    /// About a subject and a resource, for each type of the resource's id: three parameters.
    resource: Vec<(IdType, String)>,
}

/// Where an answer comes from (columns 0 to 3), and the subject's row (4 to 6).
const HEAD: &str = "\
select pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text, \
       h.system::text, h.timeline::text, h.incarnation::text, \
       s.id is not null, coalesce(s.active::boolean, false), s.roles::text[]";

/// The rows of the resource (7 to 11), its project (12 to 15) and the membership (16 to 18). The
/// end of a membership is in microseconds since 1970, without floating point; none, and `infinity`,
/// are the largest number, `-infinity` is the smallest.
const RESOURCE_COLUMNS: &str = ", \
       r.id is not null, r.owner_id::text, r.project_id::text, r.team_id::text, r.status::text, \
       p.id is not null, p.owner_id::text, p.team_id::text, p.visibility::text, \
       m.user_id is not null, m.role::text, \
       greatest(least(extract(epoch from m.expires_at) operator(pg_catalog.*) 1000000::numeric, 9223372036854775807), \
                -9223372036854775808)::bigint";

/// Two rows are one too many; there is no need to see a third.
const TAIL: &str = " left join sidegate.history h on true limit 2";

impl Statements {
    /// For the type of subjects' ids, and the types that the ids of resources have.
    pub(super) fn new(subject: IdType, resources: &BTreeSet<IdType>) -> Self {
        let resources = resources.iter();
        Self {
            subject: about_subject(subject),
            resource: resources
                .map(|id| (*id, about_resource(subject, *id)))
                .collect(),
        }
    }

    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    pub(super) fn resource(&self, id: IdType) -> Option<&str> {
        let found = self.resource.iter().find(|(known, _)| *known == id);
        found.map(|(_, statement)| statement.as_str())
    }

    /// Those about a resource.
    pub(super) fn about_resources(&self) -> impl Iterator<Item = &str> {
        self.resource
            .iter()
            .map(|(_, statement)| statement.as_str())
    }
}

fn about_subject(subject: IdType) -> String {
    let subject = subject.name();
    format!(
        "{HEAD} from (select $1::text::{subject} as subject) q \
         left join sidegate.subjects s on s.id operator(pg_catalog.=) q.subject{TAIL}"
    )
}

/// The membership is looked up for the team that was found: a plain join lets the planner read all
/// memberships of the subject instead, and some subjects have very many.
fn about_resource(subject: IdType, id: IdType) -> String {
    let (subject, id) = (subject.name(), id.name());
    format!(
        "{HEAD}{RESOURCE_COLUMNS} \
         from (select $1::text::{subject} as subject, $2::text as kind, $3::text::{id} as resource) q \
         left join sidegate.subjects s on s.id operator(pg_catalog.=) q.subject \
         left join sidegate.resources_{id} r on r.kind operator(pg_catalog.=) q.kind and r.id operator(pg_catalog.=) q.resource \
         left join sidegate.projects p on p.id operator(pg_catalog.=) r.project_id \
         left join lateral (select m.user_id, m.role, m.expires_at from sidegate.memberships m \
              where m.team_id operator(pg_catalog.=) coalesce(r.team_id, p.team_id) \
                and m.user_id operator(pg_catalog.=) q.subject \
              limit 2) m on true{TAIL}"
    )
}

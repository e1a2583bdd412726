//! What the materialized view says (DESIGN §6).
//!
//! Promise: an answer has all the rows of its pair as they were in one snapshot, and says how old that is; a
//! pair that is missing is no answer. What cannot be understood is an error.
//!
//! Does not: say whether it still counts: whoever asks compares the xmin with what has changed since (R2).

use std::sync::Arc;

use sidegate_policy::{Id, IdType, MembershipRow, ProjectRow, ResourceRow, SubjectRow, UnixMicros};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::PostgresStore;
use super::answer::{Malformed, id, text, value};
use super::trouble::Trouble;
use crate::database::Purpose;
use crate::store::{Answer, Question};

/// What the view was built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The xmin of a snapshot from before it was built.
    pub xmin: u64,
    /// What it is good for.
    pub namespace: Box<str>,
    /// When, as the database writes it.
    pub at: Box<str>,
    /// How long it took, in milliseconds.
    pub took_millis: i64,
    /// Its rows.
    pub pairs: i64,
}

/// A pair of the view.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Who.
    pub subject: Id,
    /// May do something to what.
    pub resource: (Box<str>, Id),
    /// The rows of a decision about the two.
    pub answer: Answer,
    /// The xmin of the view that they are of.
    pub xmin: u64,
    /// What that view is good for.
    pub namespace: Box<str>,
}

const META: &str = "select m.xid::text, m.namespace, m.refreshed_at::text, \
    (extract(epoch from m.took) * 1000::numeric)::bigint, m.pairs from sidegate.mv_meta m";

/// In one snapshot: what it was built from, and its rows.
const COLUMNS: &str = "select m.xid::text, v.user_id, v.kind, v.generation_id, v.active, v.roles, \
    v.owner_id, v.project_id, v.own_team_id, v.status, v.has_project, v.project_owner_id, \
    v.project_team_id, v.visibility, v.role, v.end_micros, v.id_type, m.namespace \
    from sidegate.mv_meta m cross join sidegate.mv_user_authorization_context v";
const ONE: &str = "where v.user_id = $1::text and v.kind = $2::text and v.generation_id = $3::text \
    and v.id_type = $4::text";
const RECENT: &str = "order by v.updated_at desc nulls last limit $1::text::bigint";
const OF_SUBJECT: &str = "where v.user_id = $1::text order by v.updated_at desc nulls last, v.kind, \
    v.generation_id limit $2::text::bigint";

/// The parameters of a statement, all of them text.
type Texts<'p> = &'p [&'p str];

impl PostgresStore {
    /// What the view was built from; `None`: it was not.
    pub(crate) async fn view_built(&self) -> Result<Option<Built>, Trouble> {
        let rows = self.view_rows(Purpose::Maintenance, META, &[]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(Built {
            xmin: xmin(row)?,
            namespace: value::<&str>(row, 1, "mv_meta.namespace")?.into(),
            at: value::<&str>(row, 2, "mv_meta.refreshed_at")?.into(),
            took_millis: value(row, 3, "mv_meta.took")?,
            pairs: value(row, 4, "mv_meta.pairs")?,
        }))
    }

    /// The pair of a question, if the view has it.
    pub(crate) async fn view_pair(&self, question: &Question<'_>) -> Result<Option<Pair>, Trouble> {
        let Some((kind, id)) = question.resource else {
            return Ok(None);
        };
        let statement = format!("{COLUMNS} {ONE}");
        let id_type = self
            .policy
            .kind(kind)
            .and_then(|it| self.policy.id_type(it));
        let id_type = id_type.ok_or(Malformed::Column("view.kind"))?;
        let parameters = [question.subject.as_str(), kind, id.as_str(), id_type.name()];
        let rows = self
            .view_rows(Purpose::Authorization, &statement, &parameters)
            .await?;
        rows.first().map(|row| self.pair(row)).transpose()
    }

    /// The pairs of the resources that were changed last, at most so many. Those of kinds that the policy
    /// does not know, or by another type of id, are left out.
    pub(crate) async fn view_recent(&self, most: usize) -> Result<Vec<Pair>, Trouble> {
        let statement = format!("{COLUMNS} {RECENT}");
        let rows = self
            .view_rows(Purpose::WarmUp, &statement, &[&most.to_string()])
            .await?;
        rows.iter()
            .filter(|row| self.is_known(row))
            .map(|row| self.pair(row))
            .collect()
    }

    /// The pairs of a subject, at most so many, the resources that were changed last first.
    pub(crate) async fn view_of(&self, subject: &Id, most: usize) -> Result<Vec<Pair>, Trouble> {
        let statement = format!("{COLUMNS} {OF_SUBJECT}");
        let most = most.to_string();
        let parameters = [subject.as_str(), most.as_str()];
        let rows = self
            .view_rows(Purpose::WarmUp, &statement, &parameters)
            .await?;
        rows.iter()
            .filter(|row| self.is_known(row))
            .map(|row| self.pair(row))
            .collect()
    }

    async fn view_rows(
        &self,
        purpose: Purpose,
        statement: &str,
        parameters: Texts<'_>,
    ) -> Result<Vec<Row>, Trouble> {
        let settings = self.database.settings();
        let budget = match purpose {
            Purpose::Authorization => settings.query_timeout,
            Purpose::Authentication
            | Purpose::ServiceKeys
            | Purpose::WarmUp
            | Purpose::ChangeFeed
            | Purpose::Maintenance => settings.statement_timeout,
        };
        let asked = async {
            let lease = self.database.acquire(purpose).await?;
            let typed: Vec<(&(dyn ToSql + Sync), Type)> =
                parameters.iter().map(|it| (it as _, Type::TEXT)).collect();
            match lease.query_typed(statement, &typed).await {
                Ok(rows) => {
                    lease.finish();
                    Ok(rows)
                }
                Err(error) => {
                    let trouble = Trouble::of_statement(&error);
                    if trouble.keep {
                        lease.finish();
                    }
                    Err(trouble)
                }
            }
        };
        timeout(budget, asked)
            .await
            .unwrap_or_else(|_elapsed| Err(Trouble::timed_out()))
    }

    fn is_known(&self, row: &Row) -> bool {
        let (kind, id_type) = (row.try_get::<_, &str>(2), row.try_get::<_, &str>(16));
        let (Ok(kind), Ok(id_type)) = (kind, id_type) else {
            return false;
        };
        let known = self
            .policy
            .kind(kind)
            .and_then(|it| self.policy.id_type(it));
        known.is_some_and(|known| known.name() == id_type)
    }

    fn pair(&self, row: &Row) -> Result<Pair, Trouble> {
        let subject_id = self.policy.subject_id();
        let kind: &str = value(row, 2, "view.kind")?;
        let id_type = self
            .policy
            .kind(kind)
            .and_then(|it| self.policy.id_type(it));
        let resource_id = id_type.ok_or(Malformed::Column("view.kind"))?;
        let required =
            |at, id_type, name| id(row, at, id_type, name)?.ok_or(Malformed::Column(name));
        Ok(Pair {
            subject: required(1, subject_id, "view.user_id")?,
            resource: (kind.into(), required(3, resource_id, "view.generation_id")?),
            answer: Answer {
                subject: Some(Arc::new(subject(row)?)),
                resource: Some(Arc::new(ResourceRow {
                    owner: id(row, 6, subject_id, "view.owner_id")?,
                    project: id(row, 7, IdType::Text, "view.project_id")?,
                    team: id(row, 8, IdType::Text, "view.own_team_id")?,
                    status: text(row, 9, "view.status")?,
                })),
                project: project(row, subject_id)?,
                membership: membership(row)?,
                origin: None,
            },
            xmin: xmin(row)?,
            namespace: value::<&str>(row, 17, "mv_meta.namespace")?.into(),
        })
    }
}

fn xmin(row: &Row) -> Result<u64, Malformed> {
    let text: &str = value(row, 0, "mv_meta.xid")?;
    text.parse()
        .map_err(|_no_number| Malformed::Column("mv_meta.xid"))
}

fn subject(row: &Row) -> Result<SubjectRow, Malformed> {
    let roles: Option<Vec<Option<&str>>> = value(row, 5, "view.roles")?;
    Ok(SubjectRow {
        active: value(row, 4, "view.active")?,
        roles: roles
            .into_iter()
            .flatten()
            .flatten()
            .map(Arc::from)
            .collect(),
    })
}

fn project(row: &Row, subject_id: IdType) -> Result<Option<Arc<ProjectRow>>, Malformed> {
    if !value::<bool>(row, 10, "view.has_project")? {
        return Ok(None);
    }
    Ok(Some(Arc::new(ProjectRow {
        owner: id(row, 11, subject_id, "view.project_owner_id")?,
        team: id(row, 12, IdType::Text, "view.project_team_id")?,
        visibility: text(row, 13, "view.visibility")?,
    })))
}

/// One without a role is none, as in the tables.
fn membership(row: &Row) -> Result<Option<Arc<MembershipRow>>, Malformed> {
    let Some(role) = text(row, 14, "view.role")? else {
        return Ok(None);
    };
    let end: i64 = value(row, 15, "view.end_micros")?;
    Ok(Some(Arc::new(MembershipRow {
        role,
        expires_at: (end != i64::MAX).then_some(UnixMicros(end)),
    })))
}

//! What the tables say of one credential, for whoever cannot know it from the register.
//!
//! Promise: everything that the request needs is read in one snapshot, or it is an error. The bounds are those of
//! every question.

use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::answer::{Malformed, origin, value};
use super::trouble::{Trouble, ending};
use super::{PostgresStore, Trust};
use crate::coherence::BootTime;
use crate::credential::{Change, MalformedRecord, Presented, Table, Wanted};
use crate::database::{Ending, Purpose};
use crate::store::StoreError;

/// One credential: one that was verified, or a key that is looked for.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'c> {
    /// Whether it was revoked.
    Presented(Presented<'c>),
    /// Which key it is, and whether its subject's credentials were revoked.
    Key(Wanted<'c>),
}

/// Where it comes from (columns 0 to 3), and the records. Each row by an index: the planner is not to take a
/// small table for a reason to read a large one.
const STATEMENT: &str = "\
select pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text, \
       h.system::text, h.timeline::text, h.incarnation::text, \
       array(select r.record from sidegate.revocation_records r where r.kind = 'user' and r.value = $1::text \
             union all select r.record from sidegate.revocation_records r where r.kind = 'session' and r.value = $2::text \
             union all select r.record from sidegate.revocation_records r where r.kind = 'token' and r.value = $3::text \
             union all select r.record from sidegate.revocation_records r where r.kind = 'all' and r.value = '*' \
             union all select r.record from sidegate.revocation_records r join sidegate.key_records k \
                 on k.id = $4::text and r.kind = 'user' and r.value = k.subject \
             union all select r.record from sidegate.revocation_records r join sidegate.key_records k \
                 on k.imported and k.digest = pg_catalog.decode($5::text, 'hex') and r.kind = 'user' and r.value = k.subject \
             union all select r.record from sidegate.revocation_records r join sidegate.key_records k \
                 on k.imported and k.previous_digest = pg_catalog.decode($5::text, 'hex') and r.kind = 'user' and r.value = k.subject \
             union all select k.record from sidegate.key_records k where k.id = $4::text \
             union all select k.record from sidegate.key_records k \
                 where k.imported and k.digest = pg_catalog.decode($5::text, 'hex') \
             union all select k.record from sidegate.key_records k \
                 where k.imported and k.previous_digest = pg_catalog.decode($5::text, 'hex'))::text[] \
from sidegate.history h";

impl PostgresStore {
    /// The rows that a credential is about. An answer that `trust` refuses is thrown away with its connection,
    /// and asked for once more on another one.
    ///
    /// # Errors
    /// When there is no whole answer in time.
    pub async fn credential(
        &self,
        credential: &Credential<'_>,
        trust: Trust<'_>,
    ) -> Result<Table, StoreError> {
        let purpose = match credential {
            Credential::Presented(_) => Purpose::Authentication,
            Credential::Key(_) => Purpose::ServiceKeys,
        };
        let tries = async {
            match self.look_up(purpose, credential, trust).await {
                Err(trouble) if trouble.again => self.look_up(purpose, credential, trust).await,
                other => other,
            }
        };
        let (budget, asked) = (self.database.settings().query_timeout, BootTime::now());
        // Given up here, the connection is dropped unfinished, and so closed.
        let looked = match timeout(budget, tries).await {
            Ok(looked) => looked,
            Err(_elapsed) => Err(Trouble::timed_out()),
        };
        let took = BootTime::now().since(asked);
        match looked {
            Ok(table) => {
                self.database.count(purpose, Ending::Answered, took);
                self.health.answered();
                Ok(table)
            }
            Err(trouble) => {
                self.database.count(purpose, ending(trouble.error), took);
                self.health.failed(&trouble);
                Err(trouble.error)
            }
        }
    }

    async fn look_up(
        &self,
        purpose: Purpose,
        credential: &Credential<'_>,
        trust: Trust<'_>,
    ) -> Result<Table, Trouble> {
        let lease = self.database.acquire(purpose).await?;
        let parameters = Parameters::of(credential);
        let all: [&(dyn ToSql + Sync); 5] = [
            &parameters.subject,
            &parameters.session,
            &parameters.token,
            &parameters.key,
            &parameters.digest,
        ];
        let rows = if self.database.may_prepare(purpose) {
            match lease.prepare_cached(STATEMENT).await {
                Ok(prepared) => lease.query(&prepared, &all).await,
                Err(error) => Err(error),
            }
        } else {
            let typed = all.map(|it| (it, Type::TEXT));
            lease.query_typed(STATEMENT, &typed).await
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => {
                let trouble = Trouble::of_statement(&error);
                if trouble.keep {
                    lease.finish();
                }
                return Err(trouble);
            }
        };
        let [row] = &rows[..] else {
            lease.finish();
            return Err(Malformed::Rows.into());
        };
        let found = origin(row);
        if found.as_ref().is_ok_and(|origin| !trust(origin)) {
            // The connection leads to another database than the change feed's: it is closed.
            return Err(Trouble::foreign());
        }
        lease.finish();
        found?;
        Ok(table(row)?)
    }
}

/// As the statement takes them: what is null is looked for nowhere.
#[derive(Default)]
struct Parameters<'c> {
    subject: Option<&'c str>,
    session: Option<&'c str>,
    token: Option<&'c str>,
    key: Option<&'c str>,
    digest: Option<String>,
}

impl<'c> Parameters<'c> {
    fn of(credential: &Credential<'c>) -> Self {
        match credential {
            Credential::Presented(presented) => Self {
                subject: Some(presented.subject),
                session: presented.session,
                token: presented.token,
                ..Self::default()
            },
            Credential::Key(Wanted::Id(id)) => Self {
                key: Some(id),
                ..Self::default()
            },
            Credential::Key(Wanted::Digest(digest)) => Self {
                digest: Some(digest.iter().map(|byte| format!("{byte:02x}")).collect()),
                ..Self::default()
            },
        }
    }
}

fn table(row: &Row) -> Result<Table, Malformed> {
    let mut table = Table::default();
    for record in value::<Vec<&str>>(row, 4, "records")? {
        let change =
            Change::parse(record).map_err(|MalformedRecord| Malformed::Column("records"))?;
        table.apply(change);
    }
    Ok(table)
}

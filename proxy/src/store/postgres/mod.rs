//! The store over the application's own tables: one statement per question, on the primary.
//!
//! Promise: the rows of an answer were read in one snapshot; an answer is whole and understood, or
//! it is an error; no question takes longer than `query_timeout`, waiting for a connection and a
//! second try included. Making the store connects to nothing.
//!
//! Does not: cache, or know the application's tables: those are behind the contract views.

mod answer;
mod credential;
mod health;
mod statement;
mod trouble;
mod upkeep;
mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use sidegate_config::DatabaseSettings;
use sidegate_policy::{IdType, Policy};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use health::Health;
use statement::Statements;
use trouble::{Trouble, ending};

use super::{Answer, Origin, Question, StoreError};
use crate::coherence::BootTime;
use crate::database::{Database, DatabaseError, Ending, Purpose};
pub use credential::Credential;
pub use view::{Built, Pair};

/// The store.
#[derive(Debug)]
pub struct PostgresStore {
    database: Database,
    policy: Arc<Policy>,
    statements: Statements,
    health: Health,
}

/// Whether an answer may be used, by where it was read.
pub type Trust<'t> = &'t (dyn Fn(&Origin) -> bool + Sync);

/// A statement and its parameters: the subject, and of a resource its kind and id.
#[derive(Clone, Copy)]
struct Asked<'q> {
    trust: Option<Trust<'q>>,
    statement: &'q str,
    subject: Option<&'q str>,
    resource: Option<(Option<&'q str>, Option<&'q str>)>,
}

impl PostgresStore {
    /// Over a database that is connected to later. `id_types` are those of the policy's kinds. The
    /// counters of `other` go on.
    ///
    /// # Errors
    /// When a URL or the certificates cannot be used.
    pub fn new(
        settings: &DatabaseSettings,
        policy: Arc<Policy>,
        id_types: &BTreeSet<IdType>,
        other: Option<&Self>,
    ) -> Result<Self, DatabaseError> {
        let database = match other {
            Some(other) => Database::replacing(settings, &other.database)?,
            None => Database::new(settings)?,
        };
        Ok(Self {
            database,
            statements: Statements::new(policy.subject_id(), id_types),
            policy,
            health: Health::default(),
        })
    }

    /// The pools.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// Whether the database has answered once.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.health.has_answered()
    }

    /// Whether the database fails to answer now.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.health.is_failing()
    }

    /// Looks after the database for as long as it is polled: connections are opened and closed,
    /// the log is cleaned, an outage is noticed to be over without a request.
    pub async fn tend(&self) {
        tokio::join!(self.database.maintain(), upkeep::run(self));
    }

    /// Answers a question. An answer that `trust` refuses is thrown away with its connection, and asked
    /// for once more on another one.
    ///
    /// # Errors
    /// When there is no whole answer in time.
    pub async fn ask(
        &self,
        question: &Question<'_>,
        trust: Option<Trust<'_>>,
    ) -> Result<Answer, StoreError> {
        let subject = Some(question.subject.as_str());
        let (purpose, asked) = match question.resource {
            None => {
                let asked = self.about_subject(subject);
                (Purpose::Authentication, Asked { trust, ..asked })
            }
            Some((kind, id)) => {
                let id_type = self
                    .policy
                    .kind(kind)
                    .and_then(|it| self.policy.id_type(it));
                let statement = id_type.and_then(|it| self.statements.resource(it));
                // The policy made the question; a kind that it does not know has no statement.
                let statement = statement.ok_or(StoreError::Malformed)?;
                let asked = Asked {
                    trust,
                    statement,
                    subject,
                    resource: Some((Some(kind), Some(id.as_str()))),
                };
                (Purpose::Authorization, asked)
            }
        };
        let budget = self.database.settings().query_timeout;
        self.bounded(purpose, asked, budget).await
    }

    /// Asks every statement about nothing: whether the views are there, whether we may read them,
    /// and which history this is.
    async fn probe(&self) -> Result<Answer, StoreError> {
        let settings = self.database.settings();
        let budget = settings
            .connect_timeout
            .saturating_add(settings.query_timeout);
        for statement in self.statements.about_resources() {
            let asked = Asked {
                trust: None,
                statement,
                subject: None,
                resource: Some((None, None)),
            };
            self.bounded(Purpose::Maintenance, asked, budget).await?;
        }
        let asked = self.about_subject(None);
        self.bounded(Purpose::Maintenance, asked, budget).await
    }

    fn about_subject<'q>(&'q self, subject: Option<&'q str>) -> Asked<'q> {
        Asked {
            trust: None,
            statement: self.statements.subject(),
            subject,
            resource: None,
        }
    }

    async fn bounded(
        &self,
        purpose: Purpose,
        asked: Asked<'_>,
        budget: Duration,
    ) -> Result<Answer, StoreError> {
        let begun = BootTime::now();
        // Given up here, the connection is dropped unfinished, and so closed.
        let answered = match timeout(budget, self.tries(purpose, asked)).await {
            Ok(answered) => answered,
            Err(_elapsed) => Err(Trouble::timed_out()),
        };
        let took = BootTime::now().since(begun);
        match answered {
            Ok(answer) => {
                self.database.count(purpose, Ending::Answered, took);
                self.health.answered();
                Ok(answer)
            }
            Err(trouble) => {
                self.database.count(purpose, ending(trouble.error), took);
                self.health.failed(&trouble);
                Err(trouble.error)
            }
        }
    }

    /// Twice where the first connection turns out to be no good: the server was restarted, or what
    /// was prepared is out of date.
    async fn tries(&self, purpose: Purpose, asked: Asked<'_>) -> Result<Answer, Trouble> {
        match self.attempt(purpose, asked).await {
            Err(trouble) if trouble.again => self.attempt(purpose, asked).await,
            other => other,
        }
    }

    async fn attempt(&self, purpose: Purpose, asked: Asked<'_>) -> Result<Answer, Trouble> {
        let lease = self.database.acquire(purpose).await?;
        let rows = rows(&lease, self.database.may_prepare(purpose), asked).await;
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
        let answer = match asked.resource {
            Some(_) => answer::about_resource(&rows, self.policy.subject_id()),
            None => answer::about_subject(&rows),
        };
        let origin = answer.as_ref().ok().and_then(|it| it.origin.as_ref());
        if let (Some(trust), Some(origin)) = (asked.trust, origin)
            && !trust(origin)
        {
            // The connection leads to another database than the change feed's: it is closed.
            return Err(Trouble::foreign());
        }
        lease.finish();
        Ok(answer?)
    }
}

async fn rows(
    client: &ClientWrapper,
    may_prepare: bool,
    asked: Asked<'_>,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let Asked {
        trust: _,
        statement,
        subject,
        resource,
    } = asked;
    let (kind, id) = resource.unwrap_or_default();
    let all: [&(dyn ToSql + Sync); 3] = [&subject, &kind, &id];
    let number = if resource.is_some() { 3 } else { 1 };
    let parameters = all.get(..number).unwrap_or_default();
    if may_prepare {
        let prepared = client.prepare_cached(statement).await?;
        return client.query(&prepared, parameters).await;
    }
    let typed: Vec<_> = parameters.iter().map(|it| (*it, Type::TEXT)).collect();
    client.query_typed(statement, &typed).await
}

//! How the application comes to an answer: four profiles of one application.
//!
//! | profile    | who asks                     | may they                       | the rest                      |
//! |------------|------------------------------|--------------------------------|-------------------------------|
//! | `plain`    | `X-Sidegate-Subject`         | one query, or Sidegate         | the handler's own queries     |
//! | `legacy`   | the token, 3 queries; then   | 6 queries                      | 4 queries, 120 ms, 100 ms     |
//! |            | the service's account, 2     |                                |                               |
//! | `trusting` | Sidegate's assertion         | `X-Sidegate-Authorized`        | as `legacy`                   |
//! | `tuned`    | Sidegate's assertion         | `X-Sidegate-Authorized`        | 20 ms with the query, 10 ms   |
//!
//! Assumptions, for what nobody measured inside of the application that is being replaced:
//!
//! - The time of its steps is waiting for its database: one query after the other, each a round trip. With 50 ms
//!   for one (`--database-delay`) auth check, service key, database query and authorization take 150, 100, 200
//!   and 300 ms.
//! - Business logic is a sleep of 120 ms, sending one of 100 ms between the first byte of the body and the last:
//!   they stand for computing and for a slow network. Two processors cannot compute for thousands of users.
//! - The record is loaded with three queries, then authorized, then the handler makes its own query: the fourth of
//!   the database's. So a write happens after its authorization.
//! - The service key is the service's own account: whether it may still log in, and read the table.
//! - Connections are open and statements prepared before the first request.
//!
//! Promises: `legacy` does not look at `X-Sidegate-*`. `trusting` and `tuned` leave out the auth check and the
//! service key only where an assertion verifies, and the authorization only where `X-Sidegate-Authorized` names
//! that very action on that very resource beside it; they make the steps themselves otherwise, as `legacy` does.
//! `Server-Timing` on each answer names the steps that were made, and their time; that of sending is what is planned.
//!
//! Whoever reaches the port with any assertion that is valid chooses `X-Sidegate-Authorized` beside it, for the two
//! are not bound to each other: the application belongs behind Sidegate, on loopback, where nobody else gets to it.
//!
//! Does not: know the issuer or the audience of tokens: signature, subject and end are enough here. An assertion
//! that is bound to a request is none.

mod assertion;
mod pieces;
mod questions;
mod steps;
mod timing;
mod token;

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::database::DatabaseError;
use crate::target::{Reach, Target, TargetError};

pub(super) use steps::{Steps, through};

/// How an answer is come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As the handlers are: behind Sidegate, or in a test.
    Plain,
    /// Every step itself, one after the other.
    Legacy,
    /// Without the steps that Sidegate replaces.
    Trusting,
    /// Without them, and with the rest as it is planned.
    Tuned,
}

/// Not the name of a profile.
#[derive(Debug, Error)]
#[error("not one of plain, legacy, trusting, tuned")]
pub struct NoSuchProfile;

/// What a profile needs to know.
#[derive(Debug, Clone)]
pub struct Conduct {
    /// Which one.
    pub profile: Profile,
    /// What tokens are signed with (HS256).
    pub token_secret: Option<String>,
    /// Where Sidegate publishes the keys of its assertions.
    pub keys: Option<String>,
    /// The time of business logic, in place of the profile's.
    pub work: Option<Duration>,
    /// The time of sending, in place of the profile's.
    pub sending: Option<Duration>,
}

/// Why the application cannot behave so.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// Nothing to verify tokens with.
    #[error("this profile verifies tokens: it needs --token-secret")]
    Secret,
    /// Nothing to verify assertions with.
    #[error("this profile verifies assertions: it needs --assertion-keys")]
    Keys,
    /// The URL of the keys.
    #[error("the URL of the assertion's keys")]
    Url(#[from] TargetError),
    /// No connections.
    #[error(transparent)]
    Connect(#[from] DatabaseError),
    /// The database refuses to prepare a statement.
    #[error("the database refused a statement")]
    Database(#[from] tokio_postgres::Error),
}

impl Profile {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Legacy, Self::Trusting, Self::Tuned];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Legacy => "legacy",
            Self::Trusting => "trusting",
            Self::Tuned => "tuned",
        }
    }

    /// Business logic and sending; of `tuned` the first holds the handler's query.
    pub(crate) const fn times(self) -> (Duration, Duration) {
        match self {
            Self::Plain => (Duration::ZERO, Duration::ZERO),
            Self::Legacy | Self::Trusting => {
                (Duration::from_millis(120), Duration::from_millis(100))
            }
            Self::Tuned => (Duration::from_millis(20), Duration::from_millis(10)),
        }
    }
}

impl Conduct {
    /// The handlers alone.
    pub const PLAIN: Self = Self {
        profile: Profile::Plain,
        token_secret: None,
        keys: None,
        work: None,
        sending: None,
    };

    fn secret(&self) -> Result<&str, ProfileError> {
        self.token_secret.as_deref().ok_or(ProfileError::Secret)
    }

    async fn keys(&self) -> Result<Target, ProfileError> {
        let url = self.keys.as_deref().ok_or(ProfileError::Keys)?;
        Ok(Target::resolve(url, Reach::LoopbackOnly).await?)
    }
}

impl FromStr for Profile {
    type Err = NoSuchProfile;

    fn from_str(text: &str) -> Result<Self, NoSuchProfile> {
        let found = Self::ALL.into_iter().find(|it| it.name() == text);
        found.ok_or(NoSuchProfile)
    }
}

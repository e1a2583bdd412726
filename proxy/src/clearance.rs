//! What a request needs to be forwarded (DESIGN §2).
//!
//! Promise: nothing reaches the application without a [`Clearance`], and the application can tell
//! the two kinds apart: a [`Permit`] may carry identity, a [`Passage`] never does.

use crate::authz::{Grant, Permit};
use crate::identity::Headers;
use crate::outcome::Code;
use crate::target::Target;

/// Leave to forward one request.
#[must_use]
#[derive(Debug)]
pub enum Clearance {
    /// The authorizer decided.
    Permit(Permit),
    /// The rollout let it through undecided: the application must decide.
    Passage(Passage),
}

/// A request that may be forwarded, with what the application is told.
#[derive(Debug)]
pub struct Cleared {
    /// The leave.
    pub clearance: Clearance,
    /// What is written before anything is sent.
    pub headers: Headers,
}

/// Leave to forward one request on which nothing was decided. It carries no identity.
///
/// Only the rollout may make one; until there is a rollout, nothing does.
#[must_use]
#[derive(Debug)]
pub struct Passage {
    target: Target,
}

impl Clearance {
    /// The target that may be forwarded.
    #[must_use]
    pub const fn target(&self) -> &Target {
        match self {
            Self::Permit(permit) => permit.target(),
            Self::Passage(passage) => &passage.target,
        }
    }

    /// What is counted. A passage decides nothing; until there is a rollout it is a fault.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Permit(permit) => match permit.grant() {
                Grant::Public => Code::Public,
                Grant::Preflight => Code::Preflight,
                Grant::Authenticated(_) => Code::Authenticated,
                Grant::Decided { decision, .. } => Code::Decision(decision.reason()),
            },
            Self::Passage(_) => Code::Internal,
        }
    }

    /// The permit, if this is one.
    #[must_use]
    pub const fn permit(&self) -> Option<&Permit> {
        match self {
            Self::Permit(permit) => Some(permit),
            Self::Passage(_) => None,
        }
    }
}

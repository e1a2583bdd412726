//! Sidegate's decisions: pure functions of a policy and of facts.
//!
//! Promises: the same policy, query and facts give the same decision, on any machine and in any
//! order of rows; what no rule grants is denied; a decision says which check granted it, or what
//! each check found. Does not: read a clock (the caller passes `now`), do I/O, or know where facts
//! come from.
//!
//! The model is DESIGN §3: three independent checks (ownership, team access, project visibility)
//! and, where the policy asks for it, the subject's own roles. The first that grants wins; a
//! denial needs all of them.

mod compile;
mod decision;
mod document;
mod evaluate;
mod facts;
mod flip;
mod id;

pub use compile::{Action, Kind, Policy, PolicyError, Role};
pub use decision::{Check, Checks, Decision, Effect, Finding, Reason};
pub use document::{Document, KindDocument};
pub use evaluate::Query;
pub use facts::{Facts, MembershipRow, ProjectRow, ResourceRow, SubjectRow, UnixMicros, team_of};
pub use flip::{Change, Way};
pub use id::{Id, IdType};

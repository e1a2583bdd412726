//! What the database says of credentials: service keys, and what was revoked (DESIGN §4).
//!
//! Promise: a [`Table`] says of a token or key that was verified whether it was taken away, and knows a service
//! key by its id or its digest. It is the same whether it was read for one request or is kept.
//!
//! Does not: know whether what it says is of now. Who keeps one has to follow the change log.

mod record;
mod table;
pub mod upkeep;

#[cfg(test)]
mod tests;

pub use record::{Change, Digest, MalformedRecord, Record, ServiceKey};
pub use table::{Presented, Table, Wanted};

//! The way of bytes that somebody else wrote to Redis, for fuzzers.
//!
//! Promise: it is the way of a real lookup, without the connection.

use sidegate_policy::{Id, IdType};

use super::record::Record;
use super::seal::Seals;
use crate::store::Question;

/// Whether bytes that nobody sealed are refused, for fuzzers. They are read as an answer, too, because
/// whoever has a key may be wrong.
#[doc(hidden)]
#[must_use]
pub fn is_refused_unsealed(bytes: &[u8]) -> bool {
    let Some(subject) = Id::parse(IdType::Text, "a") else {
        return false;
    };
    let question = Question {
        subject: &subject,
        resource: None,
    };
    let seals = Seals::new([&b"a key of no fewer than 32 bytes..."[..]]);
    let _ = Record::read(bytes, &question, IdType::Text);
    seals.open(b"place", bytes).is_err()
}

//! What is kept of the database's answers, in this process.
//!
//! Promise: an answer from memory is whole, and all of its rows were true at one instant that the
//! change feed vouches for (DESIGN §4 and §5). Memory is bounded in bytes. What nobody has changed
//! since may still be gone at any time.
//!
//! Does not: decide, ask the database, or judge whether the feed is alive. The order in which a
//! request uses it is part of the promise:
//!
//! 1. [`Coherence::read`](crate::coherence::Coherence::read), once and first; without a reading
//!    nothing here may be used.
//! 2. [`L1::answer`] under that reading, then the policy's decision.
//! 3. [`Reading::is_live`](crate::coherence::Reading::is_live) with the clock read last. A refusal
//!    also needs a reading that began after the request came (DESIGN §5, R5).
//!
//! And what is done on a miss, inside of the future that [`Flights::join`] is given, so that it
//! happens once and an asker that is cancelled does not prevent it:
//!
//! 1. [`Coherence::begin`](crate::coherence::Coherence::begin), then the question to the store.
//! 2. [`Coherence::admit`](crate::coherence::Coherence::admit) when the answer is there; without a
//!    version nothing is kept. An error is never kept: there is no answer to keep.
//! 3. [`L1::keep`] with that version.
//!
//! Before the store [`L2`] is asked, which instances share: what it has counts only if
//! [`Coherence::admit_shared`](crate::coherence::Coherence::admit_shared) says so, and is kept here then.
//!
//! [`L1`] keeps rows, each in the cache of its class (`class`) under a key of its own (`key`), with
//! what it takes to tell whether it still counts (`entry`) and what it weighs (`weight`).
//! [`Flights`] lets those who miss the same thing share one query.

mod age;
mod class;
mod entry;
mod flight;
mod gauges;
mod key;
mod l1;
mod l2;
mod weight;

#[cfg(test)]
mod tests;

pub use age::Ages;
pub use class::ClassStats;
pub use flight::{FlightKey, Flights, Landed, Terms};
pub(crate) use gauges::METRICS;
pub use gauges::gather;
pub use l1::{L1, L1Stats, Missed};
pub use l2::{Found, L2, L2Error, Lookup, Write, is_refused_unsealed};

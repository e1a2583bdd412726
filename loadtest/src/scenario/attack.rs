//! Requests that must be refused, whatever the state of caches.
//!
//! Promises: each is one of a closed list, and none of them has a right to what it asks for.
//!
//! Does not: try everything: `scripts/check-bypasses` and the corpora do.

use http::HeaderValue;
use uuid::Uuid;

use super::cast::{Cast, dice};
use super::draw::{Route, question};
use crate::ids::Table;
use crate::question::{Expected, Header, Question};

/// A way in that must not be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attack {
    /// No credential.
    Nobody,
    /// A token whose signature is of something else.
    Forged,
    /// A token that says it needs no signature.
    Unsigned,
    /// Bytes.
    Garbage,
    /// A good token of a user who may not read it.
    Stranger,
    /// A good token, and a resource that there is not.
    Unknown,
    /// An identity that only Sidegate may state, and no credential.
    Header,
}

impl Attack {
    const ALL: [Self; 7] = [
        Self::Nobody,
        Self::Forged,
        Self::Unsigned,
        Self::Garbage,
        Self::Stranger,
        Self::Unknown,
        Self::Header,
    ];

    /// One of them, as the dice say.
    pub(super) fn number(dice: u64) -> Self {
        let turn = usize::try_from(dice % 7).unwrap_or_default();
        Self::ALL.get(turn).copied().unwrap_or(Self::Nobody)
    }

    /// Arrival `index` as this attack.
    pub(super) fn question(self, cast: &Cast, seed: u64, index: u64) -> Question {
        let chance = |what| dice(seed, index, what);
        let generation = chance(GENERATION) % cast.set().generations();
        let id = cast.set().id(Table::Generations, generation);
        let user = cast.user(chance(USER));
        let refused = |id, token| question(Route::Strict, id, token, Expected::Refusal);
        match self {
            Self::Nobody => refused(id, None),
            Self::Forged => refused(id, Some(forged(&cast.token(user), chance(BYTES)))),
            Self::Unsigned => refused(id, Some(HeaderValue::from_static(UNSIGNED))),
            Self::Garbage => refused(
                id,
                HeaderValue::try_from(format!("Bearer {:x}", chance(BYTES))).ok(),
            ),
            Self::Stranger => match cast.stranger(generation, chance(USER)) {
                Some(stranger) => refused(id, Some(cast.token(stranger))),
                None => refused(id, None),
            },
            Self::Unknown => refused(
                Uuid::from_u64_pair(chance(BYTES), index),
                Some(cast.token(user)),
            ),
            Self::Header => {
                let mut question = refused(id, None);
                let claimed = HeaderValue::try_from(cast.id(user).to_string()).ok();
                let name = http::HeaderName::from_static("x-sidegate-subject");
                question
                    .headers
                    .extend(claimed.map(|value| Header::new(name, value)));
                question
            }
        }
    }
}

/// The same token with another signature, of the same length.
fn forged(token: &HeaderValue, number: u64) -> HeaderValue {
    let text = token.to_str().unwrap_or_default();
    let (signed, signature) = text.rsplit_once('.').unwrap_or((text, ""));
    let mut other = format!("{number:016x}").repeat(6);
    other.truncate(signature.len());
    HeaderValue::try_from(format!("{signed}.{other}"))
        .unwrap_or(HeaderValue::from_static("Bearer none"))
}

/// `{"alg":"none"}` and `{"sub":"a"}`, with an empty signature.
const UNSIGNED: &str = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.";

const GENERATION: u64 = 10;
const USER: u64 = 11;
const BYTES: u64 = 12;

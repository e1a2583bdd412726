//! What each arrival asks: users, generations and credentials, drawn by the arrival's number.
//!
//! Promises: the same seed and number give the same question; what is to be answered follows from the dataset.
//!
//! Does not: keep anything between two arrivals.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Uri};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Zipf};
use uuid::Uuid;

use super::ScenarioError;
use super::attack::Attack;
use super::cast::{Cast, Pair, dice};
use crate::ids::Table;
use crate::question::{Expected, Header, Question};

/// How arrivals ask.
#[derive(Debug, Clone)]
pub(crate) enum Draw {
    /// Few pairs, again and again.
    Hot {
        /// The pairs.
        pairs: u64,
        /// On which route.
        route: Route,
        /// What is to be answered.
        expected: Expected,
    },
    /// Each of few pairs in turns: what [`Draw::Hot`] and its like ask, so that it is known.
    Each,
    /// Each generation of each user in turns: what [`Draw::Users`] asks.
    EachOfUsers,
    /// Few generations often and many seldom, out of all of them.
    Zipf(Zipf<f64>),
    /// A new generation for each burst of so many arrivals.
    Herd(u64),
    /// Few pairs, with a token that nobody has seen.
    Fresh(u64),
    /// One in two is an attack, the others are few pairs.
    Attacked(u64),
    /// Each user in turn asks for one of a few generations of its own.
    Users(u64),
}

/// Which of the two routes is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// As a route is by default.
    Strict,
    /// With `stale_if_error`.
    Stale,
}

/// Draws for one run.
pub(crate) struct Drawing {
    pub(crate) cast: Arc<Cast>,
    pub(crate) draw: Draw,
    pub(crate) seed: u64,
}

impl Draw {
    /// The generations of a database by how often they are asked for: the second half as often as the first with an
    /// exponent of 1.
    pub(crate) fn zipf(generations: u64, exponent: f64) -> Result<Self, ScenarioError> {
        #[expect(clippy::cast_precision_loss, reason = "at most 10^6")]
        let zipf = Zipf::new(generations as f64, exponent).or(Err(ScenarioError::Exponent))?;
        Ok(Self::Zipf(zipf))
    }
}

impl Drawing {
    /// What arrival `index` asks.
    pub(super) fn question(&self, index: u64) -> Question {
        let chance = dice(self.seed, index, CHANCE);
        match &self.draw {
            Draw::Hot {
                pairs,
                route,
                expected,
            } => self.asked(self.hot(chance % pairs), *route, *expected),
            Draw::Each => self.asked(self.hot(index), Route::Strict, Expected::Success),
            Draw::EachOfUsers => self.asked(
                self.cast.own(index / OWN, index % OWN),
                Route::Strict,
                Expected::Success,
            ),
            Draw::Zipf(zipf) => {
                self.asked(self.popular(zipf, index), Route::Strict, Expected::Success)
            }
            Draw::Herd(size) => {
                // One that nothing before has asked for, from the end of the table.
                let last = self.cast.set().generations().saturating_sub(1);
                let pair = self
                    .cast
                    .reader(last.saturating_sub((index / size) * APART), 0);
                self.asked(pair, Route::Strict, Expected::Success)
            }
            Draw::Fresh(pairs) => {
                let pair = self.hot(chance % pairs);
                // A token that cannot be made is none, and its answer is not what is expected.
                let token = self.cast.fresh_token(pair.user, index + 1);
                let token = token.unwrap_or(HeaderValue::from_static("Bearer none"));
                question(
                    Route::Strict,
                    self.generation(pair.generation),
                    Some(token),
                    Expected::Success,
                )
            }
            Draw::Attacked(_) if index.is_multiple_of(2) => {
                let attack = Attack::number(dice(self.seed, index, ATTACK));
                attack.question(&self.cast, self.seed, index)
            }
            Draw::Attacked(pairs) => {
                self.asked(self.hot(chance % pairs), Route::Strict, Expected::Success)
            }
            Draw::Users(users) => self.asked(
                self.cast.own(index % users, chance % OWN),
                Route::Strict,
                Expected::Success,
            ),
        }
    }

    /// Who asks for what in arrival `index`, where that is by popularity.
    pub(crate) fn pair(&self, index: u64) -> Option<Pair> {
        if let Draw::Zipf(zipf) = &self.draw {
            Some(self.popular(zipf, index))
        } else {
            None
        }
    }

    /// Pair `number` of the few.
    fn hot(&self, number: u64) -> Pair {
        let chance = dice(self.seed, number, PAIR);
        let generation = chance % self.cast.set().generations();
        self.cast
            .reader(generation, dice(self.seed, number, READER))
    }

    /// The popular ones are not those of the first users: ranks are spread over the table.
    fn popular(&self, zipf: &Zipf<f64>, index: u64) -> Pair {
        let chance = dice(self.seed, index, CHANCE);
        let rank = zipf.sample(&mut SmallRng::seed_from_u64(chance));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 1 to 10^6"
        )]
        let rank = rank as u64;
        let generation = (rank * SPREAD) % self.cast.set().generations();
        self.cast.reader(generation, dice(self.seed, index, READER))
    }

    fn asked(&self, pair: Pair, route: Route, expected: Expected) -> Question {
        let token = Some(self.cast.token(pair.user));
        question(route, self.generation(pair.generation), token, expected)
    }

    fn generation(&self, index: u64) -> Uuid {
        self.cast.set().id(Table::Generations, index)
    }
}

/// A question about a generation.
pub(super) fn question(
    route: Route,
    id: Uuid,
    token: Option<HeaderValue>,
    expected: Expected,
) -> Question {
    let path = match route {
        Route::Strict => format!("/g/{id}"),
        Route::Stale => format!("/s/{id}"),
    };
    Question {
        // A path of digits and letters always is one.
        target: Uri::try_from(path).unwrap_or_default(),
        headers: token
            .map(|token| Header::new(AUTHORIZATION, token))
            .into_iter()
            .collect(),
        expected,
    }
}

/// Questions that each user has.
pub(super) const OWN: u64 = super::cast::OWN as u64;
/// A prime that divides no number of generations.
const SPREAD: u64 = 999_983;
/// Rows between two herds: more than [`Cast::reader`] may step aside.
const APART: u64 = 64;

const CHANCE: u64 = 0;
const READER: u64 = 1;
const PAIR: u64 = 2;
const ATTACK: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Dataset;

    fn drawing(draw: Draw, seed: u64) -> Drawing {
        let cast = Arc::new(Cast::new(Dataset::new(1_000, 1).unwrap()).unwrap());
        Drawing { cast, draw, seed }
    }

    #[test]
    fn the_same_seed_asks_the_same_and_another_one_does_not() {
        let draw = Draw::zipf(1_000, 1.0).unwrap();
        let drawing = drawing(draw, 1);
        let targets = |seed| {
            let other = Drawing {
                cast: Arc::clone(&drawing.cast),
                draw: drawing.draw.clone(),
                seed,
            };
            (0..50)
                .map(|index| other.question(index).target)
                .collect::<Vec<_>>()
        };
        assert_eq!(targets(1), targets(1));
        assert_ne!(targets(1), targets(2));
    }

    #[test]
    fn few_generations_are_asked_for_often() {
        let drawing = drawing(Draw::zipf(1_000, 1.0).unwrap(), 3);
        let mut counts = std::collections::HashMap::new();
        for index in 0..2_000 {
            *counts.entry(drawing.question(index).target).or_insert(0) += 1;
        }
        let most = counts.values().copied().max().unwrap();
        // One in H(1000), which is 7.5.
        assert!((180..400).contains(&most), "{most}");
        assert!(counts.len() > 300, "{}", counts.len());
    }

    #[test]
    fn all_of_a_herd_ask_the_same_and_the_next_herd_asks_something_else() {
        let drawing = drawing(Draw::Herd(10), 1);
        let target = |index| drawing.question(index).target;
        assert_eq!(target(0), target(9));
        assert_ne!(target(9), target(10));
    }

    #[test]
    fn what_the_users_ask_is_what_was_asked_once() {
        let once = drawing(Draw::EachOfUsers, 5);
        let users = Drawing {
            cast: Arc::clone(&once.cast),
            draw: Draw::Users(10),
            seed: 5,
        };
        let known: Vec<_> = (0..10 * OWN)
            .map(|index| once.question(index).target)
            .collect();
        assert!((0..200).all(|index| known.contains(&users.question(index).target)));
    }
}

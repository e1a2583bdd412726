//! Who asks, and for what: users of a seeded database, each with a token and resources that the user may read.
//!
//! Promises: every pair that is handed out is permitted: the user is active, and owns the generation, is in the team
//! of its project by a membership that has not ended, or the project is public. A user comes back to a few
//! generations; which user and which of them is drawn by the number of the request.
//!
//! Does not: ask the database; a [`Dataset`] knows its rows.

use http::header::AUTHORIZATION;
use http::{HeaderValue, Uri};
use jsonwebtoken::{Algorithm, EncodingKey, Header as Head, encode};
use serde_json::json;

use super::BeforeAfterError;
use super::stage::{AUDIENCE, ISSUER, SECRET};
use crate::ids::{Table, draw};
use crate::process::now;
use crate::question::{Expected, Header, Question};
use crate::seed::{Dataset, Ends};

/// Those who ask.
#[derive(Debug)]
pub(super) struct Audience {
    people: Vec<Person>,
    /// Each generation at most once, by who owns it.
    once: Vec<(usize, Uri)>,
}

#[derive(Debug)]
struct Person {
    token: HeaderValue,
    readable: Vec<Uri>,
}

/// Generations by who may read them, as far as they are needed.
struct Shelves {
    own: Vec<Vec<u64>>,
    of_team: Vec<Vec<u64>>,
    public: Vec<u64>,
}

impl Audience {
    /// Everybody of the dataset who may ask.
    pub(super) fn of(set: &Dataset) -> Result<Self, BeforeAfterError> {
        let shelves = Shelves::of(set);
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let begun = now();
        let (mut people, mut places) = (Vec::new(), Vec::with_capacity(shelves.own.len()));
        for (index, own) in (0..set.users()).zip(&shelves.own) {
            let user = set.user(index);
            let readable = shelves.readable(set, index, own)?;
            if !user.is_active || readable.is_empty() {
                places.push(None);
                continue;
            }
            let claims = json!({
                "iss": ISSUER, "aud": AUDIENCE, "sub": user.id, "iat": begun, "exp": begun + LIFETIME,
            });
            let token = encode(&Head::new(Algorithm::HS256), &claims, &key)?;
            let token = format!("Bearer {token}");
            let token = token.parse().map_err(http::Error::from)?;
            places.push(Some(people.len()));
            people.push(Person { token, readable });
        }
        let mut once = Vec::new();
        for index in 0..set.generations().min(ONCE) {
            let owner = usize::try_from(set.generation(index).owner).unwrap_or(usize::MAX);
            if let Some(person) = places.get(owner).copied().flatten() {
                once.push((person, path(set, index)?));
            }
        }
        Ok(Self { people, once })
    }

    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.people.len()
    }

    /// How many pairs of a user and a generation that this user comes back to.
    pub(super) fn pairs(&self) -> usize {
        self.people.iter().map(|it| it.readable.len()).sum()
    }

    /// How many generations can be asked for once each.
    pub(super) fn resources(&self) -> usize {
        self.once.len()
    }

    /// Path and token of request `number`: a user, and one of the user's few.
    pub(super) fn pair(&self, number: u64) -> (Uri, HeaderValue) {
        let person = pick(&self.people, draw(SEED, 0, number, WHO));
        let uri = person.and_then(|it| pick(&it.readable, draw(SEED, 0, number, WHICH)));
        answer(person, uri)
    }

    /// The same, but each generation only once, and by its owner.
    pub(super) fn fresh(&self, number: u64) -> (Uri, HeaderValue) {
        let found = pick(&self.once, number);
        let person = found.and_then(|(place, _)| self.people.get(*place));
        answer(person, found.map(|(_, uri)| uri))
    }
}

/// The question of a pair.
pub(super) fn question((target, token): (Uri, HeaderValue)) -> Question {
    Question {
        target,
        headers: vec![Header::new(AUTHORIZATION, token)],
        expected: Expected::Success,
    }
}

impl Shelves {
    fn of(set: &Dataset) -> Self {
        let room = |count: u64| vec![Vec::new(); usize::try_from(count).unwrap_or(0)];
        let mut shelves = Self {
            own: room(set.users()),
            of_team: room(set.teams()),
            public: Vec::new(),
        };
        for index in 0..set.generations() {
            let generation = set.generation(index);
            put(&mut shelves.own, generation.owner, index);
            let Some(project) = generation.project.map(|project| set.project(project)) else {
                continue;
            };
            if let Some(team) = project.team {
                put(&mut shelves.of_team, team, index);
            }
            if project.visibility == "public" && shelves.public.len() < PUBLIC {
                shelves.public.push(index);
            }
        }
        shelves
    }

    /// The few that this user comes back to.
    fn readable(
        &self,
        set: &Dataset,
        user: u64,
        own: &[u64],
    ) -> Result<Vec<Uri>, BeforeAfterError> {
        let mut chosen: Vec<u64> = own.iter().take(OWN).copied().collect();
        let teams = set.teams_per_user();
        let memberships = (0..teams).map(|slot| set.member(user * teams + slot));
        let holding = memberships.filter(|it| it.ends != Ends::Past);
        let of_teams = holding.filter_map(|it| {
            let shelf = self.of_team.get(usize::try_from(it.team).ok()?)?;
            pick(shelf, draw(SEED, 1, user, it.team)).copied()
        });
        chosen.extend(of_teams.take(OF_TEAMS));
        chosen.extend(pick(&self.public, draw(SEED, 1, user, WHICH)));
        chosen.into_iter().map(|index| path(set, index)).collect()
    }
}

fn put(shelves: &mut [Vec<u64>], shelf: u64, index: u64) {
    let place = usize::try_from(shelf).ok();
    let shelf = place.and_then(|place| shelves.get_mut(place));
    if let Some(shelf) = shelf.filter(|shelf| shelf.len() < SHELF) {
        shelf.push(index);
    }
}

fn path(set: &Dataset, index: u64) -> Result<Uri, BeforeAfterError> {
    let id = set.id(Table::Generations, index);
    let path = format!("/api/generations/{id}").parse();
    Ok(path.map_err(http::Error::from)?)
}

fn pick<T>(list: &[T], number: u64) -> Option<&T> {
    let length = u64::try_from(list.len()).ok()?;
    list.get(usize::try_from(number.checked_rem(length)?).ok()?)
}

/// Of nobody, or of nothing, there is a question that is refused: the run then says so.
fn answer(person: Option<&Person>, uri: Option<&Uri>) -> (Uri, HeaderValue) {
    let token = person.map(|it| it.token.clone());
    let nobody = HeaderValue::from_static("Bearer none");
    (uri.cloned().unwrap_or_default(), token.unwrap_or(nobody))
}

/// Seconds; longer than all chapters.
const LIFETIME: u64 = 2 * 3600;
const SEED: u64 = 10;
const WHO: u64 = 1;
const WHICH: u64 = 2;
/// What a user comes back to: so many own ones, so many of teams, and a public one.
const OWN: usize = 5;
const OF_TEAMS: usize = 2;
/// As many as are chosen from.
const SHELF: usize = 64;
const PUBLIC: usize = 10_000;
/// More than a cold run asks for.
const ONCE: u64 = 100_000;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn everybody_asks_for_what_is_there_and_nothing_twice_where_that_is_wanted() {
        let set = Dataset::new(10_000, 1).unwrap();
        let audience = Audience::of(&set).unwrap();
        assert!(audience.len() > 80, "{}", audience.len());
        let tokens: HashSet<_> = (0..1_000).map(|it| audience.pair(it).1).collect();
        assert!(tokens.len() > 60, "{}", tokens.len());
        let all = u64::try_from(audience.resources()).unwrap();
        let asked: HashSet<_> = (0..all).map(|it| audience.fresh(it).0).collect();
        assert!(asked.len() == audience.resources() && asked.len() > 9_000);
    }
}

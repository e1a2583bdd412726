//! Who asks, and about what: the users of a seeded database, their tokens, and what each may read.
//!
//! Promises: everything follows from the dataset and a number, so that a run can be repeated; whom this names as
//! a reader may read by the rules of the example application, and whom it names as a stranger may not.
//!
//! Does not: ask the database, or Sidegate.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header as TokenHeader, encode};
use serde_json::json;
use uuid::Uuid;

use super::ScenarioError;
use crate::ids::{Table, draw};
use crate::process::now;
use crate::seed::{Dataset, Ends};

/// The users of a database, and a key that makes their tokens.
pub(crate) struct Cast {
    set: Dataset,
    /// The users in each team whose membership holds and who are active.
    members: Vec<Vec<u64>>,
    active: Vec<u64>,
    key: EncodingKey,
    /// The public half, for the configuration.
    pub(super) keys: String,
    /// Of each user.
    tokens: Vec<HeaderValue>,
    /// A few generations that each user owns.
    owned: Vec<Vec<u64>>,
}

/// A user and a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) user: u64,
    pub(crate) generation: u64,
}

impl Cast {
    pub(super) fn new(set: Dataset) -> Result<Self, ScenarioError> {
        let active: Vec<u64> = (0..set.users())
            .filter(|user| set.user(*user).is_active)
            .collect();
        let mut members = vec![Vec::new(); usize::try_from(set.teams()).unwrap_or_default()];
        for member in (0..set.members()).map(|index| set.member(index)) {
            let holds = member.ends != Ends::Past && set.user(member.user).is_active;
            let team = usize::try_from(member.team)
                .ok()
                .and_then(|team| members.get_mut(team));
            if let Some(team) = team.filter(|_| holds) {
                team.push(member.user);
            }
        }
        let (key, keys) = key_pair()?;
        let owned = owned(set);
        let mut cast = Self {
            set,
            members,
            active,
            key,
            keys,
            tokens: Vec::new(),
            owned,
        };
        cast.tokens = (0..set.users())
            .map(|user| cast.fresh_token(user, 0))
            .collect::<Result<_, _>>()?;
        Ok(cast)
    }

    pub(crate) fn set(&self) -> Dataset {
        self.set
    }

    /// Somebody who may read `generation`, or a neighbour of it where nobody may; `dice` says who.
    pub(super) fn reader(&self, generation: u64, dice: u64) -> Pair {
        let near = (0..NEIGHBOURS).map(|step| (generation + step) % self.set.generations());
        for generation in near {
            if let Some(user) = self.readers(generation, dice) {
                return Pair { user, generation };
            }
        }
        // A run of rows that nobody may read is longer than any that is likely: the first user owns a lot.
        Pair {
            user: 0,
            generation,
        }
    }

    /// One of a few generations that active user `number` owns; of somebody else for the few who own none.
    pub(super) fn own(&self, number: u64, dice: u64) -> Pair {
        let user = self.user(number);
        let owned = usize::try_from(user)
            .ok()
            .and_then(|user| self.owned.get(user));
        match owned.and_then(|owned| pick(owned, dice)) {
            Some(generation) => Pair { user, generation },
            None => self.reader(number % self.set.generations(), dice),
        }
    }

    /// Somebody active who may not read `generation`, if one of a few who are tried may not.
    pub(super) fn stranger(&self, generation: u64, dice: u64) -> Option<u64> {
        let row = self.set.generation(generation);
        let project = row.project.map(|project| self.set.project(project));
        if project.is_some_and(|project| project.visibility == "public") {
            return None;
        }
        let team = project.and_then(|project| project.team);
        let tried = (0..NEIGHBOURS).filter_map(|step| pick(&self.active, dice.wrapping_add(step)));
        let mut strangers = tried.filter(|user| *user != row.owner && !self.is_member(team, *user));
        strangers.next()
    }

    /// The token of a user, as it was made at the start.
    pub(super) fn token(&self, user: u64) -> HeaderValue {
        let token = usize::try_from(user)
            .ok()
            .and_then(|user| self.tokens.get(user));
        token
            .cloned()
            .unwrap_or(HeaderValue::from_static("Bearer none"))
    }

    /// A new token of a user, with a number of its own.
    pub(super) fn fresh_token(&self, user: u64, number: u64) -> Result<HeaderValue, ScenarioError> {
        let now = now();
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": self.id(user), "jti": number.to_string(), "iat": now, "exp": now + LIFETIME,
        });
        let mut header = TokenHeader::new(Algorithm::ES256);
        header.kid = Some(KEY_ID.to_owned());
        let token = encode(&header, &claims, &self.key)?;
        Ok(HeaderValue::try_from(format!("Bearer {token}"))?)
    }

    pub(super) fn id(&self, user: u64) -> Uuid {
        self.set.id(Table::Users, user)
    }

    /// An active user, as the dice say.
    pub(super) fn user(&self, dice: u64) -> u64 {
        pick(&self.active, dice).unwrap_or_default()
    }

    /// The owner, a member of the project's team, or anybody where it is public: in turns, as far as there are any.
    fn readers(&self, generation: u64, dice: u64) -> Option<u64> {
        let row = self.set.generation(generation);
        let project = row.project.map(|project| self.set.project(project));
        let owner = self.set.user(row.owner).is_active.then_some(row.owner);
        let team = project
            .and_then(|project| project.team)
            .and_then(|team| self.team(team));
        let member = team.and_then(|team| pick(team, dice >> 8));
        let is_public = project.is_some_and(|project| project.visibility == "public");
        let anybody = is_public.then(|| self.user(dice >> 8));
        match dice % 8 {
            0..=3 => owner.or(member).or(anybody),
            4..=6 => member.or(owner).or(anybody),
            _ => anybody.or(owner).or(member),
        }
    }

    fn is_member(&self, team: Option<u64>, user: u64) -> bool {
        let team = team.and_then(|team| self.team(team));
        team.is_some_and(|team| team.contains(&user))
    }

    fn team(&self, team: u64) -> Option<&[u64]> {
        let index = usize::try_from(team).ok()?;
        self.members.get(index).map(Vec::as_slice)
    }
}

/// The first few generations of each user.
fn owned(set: Dataset) -> Vec<Vec<u64>> {
    let mut owned = vec![Vec::new(); usize::try_from(set.users()).unwrap_or_default()];
    for generation in 0..set.generations() {
        let owner = usize::try_from(set.generation(generation).owner).ok();
        let list: Option<&mut Vec<u64>> = owner.and_then(|owner| owned.get_mut(owner));
        if let Some(list) = list.filter(|list| list.len() < OWN) {
            list.push(generation);
        }
    }
    owned
}

/// A number that looks random, of an arrival and of what it is for.
pub(super) fn dice(seed: u64, arrival: u64, what: u64) -> u64 {
    draw(seed, SALT, arrival, what)
}

fn pick(from: &[u64], dice: u64) -> Option<u64> {
    let number = u64::try_from(from.len())
        .ok()
        .filter(|number| *number > 0)?;
    from.get(usize::try_from(dice % number).ok()?).copied()
}

/// A new key, and its public half as a set of keys (RFC 7517).
fn key_pair() -> Result<(EncodingKey, String), ScenarioError> {
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let der = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new());
    let der = der.or(Err(ScenarioError::Key))?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref()).or(Err(ScenarioError::Key))?;
    // An uncompressed point: 4, then both coordinates (SEC 1, 2.3.3).
    let point = pair
        .public_key()
        .as_ref()
        .get(1..65)
        .ok_or(ScenarioError::Key)?;
    let (x, y) = point.split_at(32);
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let keys = json!({ "keys": [
        { "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID, "x": part(x), "y": part(y) }
    ] });
    Ok((EncodingKey::from_ec_der(der.as_ref()), keys.to_string()))
}

/// Generations that a user works on.
pub(super) const OWN: usize = 4;
pub(super) const ISSUER: &str = "https://scenario.invalid/";
pub(super) const AUDIENCE: &str = "scenario";
const KEY_ID: &str = "scenario";
/// Seconds; longer than any run.
const LIFETIME: u64 = 3600;
/// Rows, or users, that are tried in place of one that does not fit.
const NEIGHBOURS: u64 = 32;
/// Of [`draw`], besides those of the tables.
const SALT: u64 = 100;

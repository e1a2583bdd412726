//! What a seeded database holds, row by row, without a database.
//!
//! Promises: the same amount and seed give the same rows on every machine (integers only); every
//! row can be computed alone, so that a load scenario knows who owns what. Few users own much:
//! ownership falls as one over the owner's rank, in octaves.
//!
//! Does not: know about time. Rows were changed in 2025; a membership ended in 2025, ends in 2099
//! or does not end.

use std::fmt;

use thiserror::Error;
use uuid::Uuid;

use crate::ids::{self, Table};

/// The content of a database, made of an amount and a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dataset {
    generations: u64,
    seed: u64,
}

/// An amount outside of [`Dataset::SMALLEST`] to [`Dataset::LARGEST`].
#[derive(Debug, Error)]
#[error("{0} generations are not between 100 and 1000000")]
pub struct AmountError(u64);

/// A row of `users`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: Uuid,
    /// Its address, unique.
    pub email: String,
    /// One in fifty is not; the first ten are.
    pub is_active: bool,
}

/// A row of `team_members`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The team's index.
    pub team: u64,
    /// The user's index.
    pub user: u64,
    /// `owner`, `admin`, `editor` or `viewer`.
    pub role: &'static str,
    /// When it ends.
    pub ends: Ends,
}

/// When a membership ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// Not by itself.
    Never,
    /// In 2099.
    Later,
    /// In 2025: it grants nothing.
    Past,
}

/// A row of `projects`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: Uuid,
    /// The owner's index.
    pub owner: u64,
    /// The team's index; the owner is or was a member of it.
    pub team: Option<u64>,
    /// `private`, `team_open` (only with a team) or `public`.
    pub visibility: &'static str,
    /// Seconds since the start of 2025.
    pub updated: u64,
}

/// A row of `generations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Its id.
    pub id: Uuid,
    /// The owner's index.
    pub owner: u64,
    /// The project's index.
    pub project: Option<u64>,
    /// `queued`, `generating`, `completed` or `failed`.
    pub status: &'static str,
    /// Seconds since the start of 2025.
    pub updated: u64,
}

impl Dataset {
    /// The fewest generations.
    pub const SMALLEST: u64 = 100;
    /// The most generations.
    pub const LARGEST: u64 = 1_000_000;

    /// `generations` rows of that table, and of the others what goes with them.
    ///
    /// # Errors
    ///
    /// When the amount is out of bounds.
    pub fn new(generations: u64, seed: u64) -> Result<Self, AmountError> {
        if (Self::SMALLEST..=Self::LARGEST).contains(&generations) {
            Ok(Self { generations, seed })
        } else {
            Err(AmountError(generations))
        }
    }

    /// How many generations.
    #[must_use]
    pub fn generations(&self) -> u64 {
        self.generations
    }

    /// How many users.
    #[must_use]
    pub fn users(&self) -> u64 {
        (self.generations / 100).clamp(10, 10_000)
    }

    /// How many teams.
    #[must_use]
    pub fn teams(&self) -> u64 {
        (self.users() / 10).min(1_000)
    }

    /// How many projects.
    #[must_use]
    pub fn projects(&self) -> u64 {
        (self.generations / 50).clamp(self.users(), 10_000)
    }

    /// How many teams a user is in, expired memberships included.
    #[must_use]
    pub fn teams_per_user(&self) -> u64 {
        self.teams().min(5)
    }

    /// How many memberships.
    #[must_use]
    pub fn members(&self) -> u64 {
        self.users().saturating_mul(self.teams_per_user())
    }

    /// The id of row `index` of `table`.
    #[must_use]
    pub fn id(&self, table: Table, index: u64) -> Uuid {
        ids::id(table, index, self.seed)
    }

    /// User `index`.
    #[must_use]
    pub fn user(&self, index: u64) -> User {
        User {
            id: self.id(Table::Users, index),
            email: format!("user{index}@example.test"),
            is_active: index < 10 || !self.draw(Table::Users, index, ACTIVE).is_multiple_of(50),
        }
    }

    /// The id and the name of team `index`.
    #[must_use]
    pub fn team(&self, index: u64) -> (Uuid, String) {
        (self.id(Table::Teams, index), format!("Team {index}"))
    }

    /// Membership `index`: those of one user follow each other.
    #[must_use]
    pub fn member(&self, index: u64) -> Member {
        let user = index / self.teams_per_user();
        let role = match self.draw(Table::Teams, index, ROLE) % 100 {
            0..4 => "owner",
            4..12 => "admin",
            12..55 => "editor",
            _ => "viewer",
        };
        let ends = match self.draw(Table::Teams, index, ENDS) % 100 {
            // The smallest dataset has one that ended, too.
            _ if index == 7 => Ends::Past,
            0..5 => Ends::Past,
            5..15 => Ends::Later,
            _ => Ends::Never,
        };
        let team = self.team_of(user, index % self.teams_per_user());
        Member {
            team,
            user,
            role,
            ends,
        }
    }

    /// Project `index`.
    #[must_use]
    pub fn project(&self, index: u64) -> Project {
        let owner = self.owner(Table::Projects, index);
        let visibility = match self.draw(Table::Projects, index, VISIBILITY) % 100 {
            0..70 => "private",
            70..90 => "team_open",
            _ => "public",
        };
        let team = self.draw(Table::Projects, index, TEAM);
        let in_a_team = visibility == "team_open" || team.is_multiple_of(2);
        Project {
            id: self.id(Table::Projects, index),
            owner,
            team: in_a_team.then(|| self.team_of(owner, (team / 2) % self.teams_per_user())),
            visibility,
            updated: self.draw(Table::Projects, index, UPDATED) % YEAR,
        }
    }

    /// Generation `index`: four of five in a project, and most of those the project owner's.
    #[must_use]
    pub fn generation(&self, index: u64) -> Generation {
        let choice = self.draw(Table::Generations, index, PROJECT);
        let project = (!choice.is_multiple_of(5)).then_some((choice / 5) % self.projects());
        let owner = match project {
            Some(project) if self.draw(Table::Generations, index, WHOSE) % 10 < 7 => {
                self.owner(Table::Projects, project)
            }
            _ => self.owner(Table::Generations, index),
        };
        let status = match self.draw(Table::Generations, index, STATUS) % 100 {
            0..3 => "queued",
            3..5 => "generating",
            5..10 => "failed",
            _ => "completed",
        };
        Generation {
            id: self.id(Table::Generations, index),
            owner,
            project,
            status,
            updated: self.draw(Table::Generations, index, UPDATED) % YEAR,
        }
    }

    /// One of the teams of `user`; different slots are different teams.
    fn team_of(&self, user: u64, slot: u64) -> u64 {
        let choice = self.draw(Table::Users, user, TEAM);
        let widest = (self.teams() / 5).max(1);
        let step = 1 + (choice >> 32) % widest;
        (choice % self.teams() + slot * step) % self.teams()
    }

    /// The owner of a row: an octave of ranks first, each as likely as the other, then one of it.
    fn owner(&self, table: Table, index: u64) -> u64 {
        let choice = self.draw(table, index, OWNER);
        let octaves = u64::from(self.users().ilog2()) + 1;
        let width = 1_u64 << (choice % octaves);
        let rank = width - 1 + (choice >> 8) % width;
        // The last octave may reach over the end.
        rank % self.users()
    }

    fn draw(&self, table: Table, index: u64, field: u64) -> u64 {
        ids::draw(self.seed, table.salt(), index, field)
    }
}

impl fmt::Display for Ends {
    /// As a column of a COPY: a time, or no value.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Never => r"\N",
            Self::Later => "2099-01-01T00:00:00Z",
            Self::Past => "2025-06-01T00:00:00Z",
        })
    }
}

/// Seconds of 2025.
const YEAR: u64 = 365 * 24 * 60 * 60;

const OWNER: u64 = 1;
const ACTIVE: u64 = 2;
const ROLE: u64 = 3;
const ENDS: u64 = 4;
const VISIBILITY: u64 = 5;
const TEAM: u64 = 6;
const UPDATED: u64 = 7;
const PROJECT: u64 = 8;
const WHOSE: u64 = 9;
const STATUS: u64 = 10;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_amount_out_of_bounds_is_refused() {
        for amount in [0, 99, 1_000_001, u64::MAX] {
            assert!(Dataset::new(amount, 1).is_err(), "{amount}");
        }
        for (amount, sizes) in [
            (100, [10, 1, 10, 10]),
            (10_000, [100, 10, 200, 500]),
            (1_000_000, [10_000, 1_000, 10_000, 50_000]),
        ] {
            let set = Dataset::new(amount, 1).unwrap();
            assert_eq!(
                [set.users(), set.teams(), set.projects(), set.members()],
                sizes
            );
        }
    }

    #[test]
    fn nobody_is_twice_in_a_team() {
        for amount in [100, 3_000, 10_000, 100_000, 1_000_000] {
            let set = Dataset::new(amount, 5).unwrap();
            let mut seen = HashSet::new();
            for index in 0..set.members() {
                let member = set.member(index);
                assert!(seen.insert((member.team, member.user)), "{amount} {index}");
            }
        }
    }

    #[test]
    fn the_mix_is_what_it_is_said_to_be() {
        let set = Dataset::new(100_000, 9).unwrap();
        let projects: Vec<_> = (0..set.projects())
            .map(|index| set.project(index))
            .collect();
        let share = |visibility| {
            let such = projects.iter().filter(|it| it.visibility == visibility);
            such.count() * 100 / projects.len()
        };
        assert!((65..=75).contains(&share("private")));
        assert!((16..=24).contains(&share("team_open")));
        assert!((7..=13).contains(&share("public")));
        let mut owned = vec![0_u64; usize::try_from(set.users()).unwrap()];
        for index in 0..set.generations() {
            owned[usize::try_from(set.generation(index).owner).unwrap()] += 1;
        }
        let top: u64 = owned[..31].iter().sum();
        assert!(top * 100 / set.generations() > 40, "{top} of 31 owners");
        assert!(owned.iter().filter(|&&count| count == 0).count() < 100);
    }
}

//! A scene: a few facts that change by themselves, and what is asked about them.
//!
//! Promises: the next step follows from the facts as they are, so that a scene goes on after a crash took
//! some of its steps back; each step changes one fact. In a [`Shape::Moving`] scene the user is at no
//! moment a member of the team that the project belongs to.

use super::dice::Dice;
use super::fact::EDITOR;
use super::rule::Key;

/// A group of facts with one writer.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) shape: Shape,
    /// Places in the list of questions.
    pub(super) questions: Vec<usize>,
}

/// Which facts, and how they change.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A membership comes and goes, or loses the role that counts.
    Member(Key),
    /// One fact of two values: activity, visibility, whether a credential counts.
    Switch(Key),
    /// One fact that gives to one what it takes from another: ownership, a service key's secret. Always granted to
    /// somebody, and yet left alone for longer than the bound, so that it is seen who still has what they lost.
    Exchange(Key),
    /// Two facts, both of which must hold.
    Both { active: Key, member: Key },
    /// A project moves between two teams; the user is always in the other one, or in none.
    Moving {
        team: Key,
        members: [Key; 2],
        /// Somebody who stays in the second team.
        resident: Key,
    },
}

/// One fact's new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) key: Key,
    pub(super) value: u32,
}

impl Shape {
    /// The next step.
    pub(super) fn next(&self, value: impl Fn(Key) -> u32, dice: &mut Dice) -> Change {
        let switch = |key: Key| Change {
            key,
            value: u32::from(value(key) == 0),
        };
        match *self {
            Self::Member(key) => member(key, value(key), dice),
            Self::Switch(key) | Self::Exchange(key) => switch(key),
            Self::Both {
                active,
                member: key,
            } => {
                if dice.chance(1, 2) {
                    switch(active)
                } else {
                    member(key, value(key), dice)
                }
            }
            Self::Moving {
                team,
                members,
                resident,
            } => {
                if value(resident) == 0 {
                    return switch(resident);
                }
                // Out of the team first, then the project may move there.
                if let Some(key) = members.into_iter().find(|key| value(*key) != 0) {
                    return switch(key);
                }
                let [first, second] = members;
                let other = if value(team) == 0 { second } else { first };
                switch(if dice.chance(1, 2) { team } else { other })
            }
        }
    }

    /// The membership that a refilled table gets back.
    pub(super) fn refill(&self) -> Option<Key> {
        match *self {
            Self::Member(key) | Self::Both { member: key, .. } => Some(key),
            Self::Moving { resident, .. } => Some(resident),
            Self::Switch(_) | Self::Exchange(_) => None,
        }
    }

    /// Its memberships.
    pub(super) fn memberships(&self) -> Vec<Key> {
        match *self {
            Self::Member(key) | Self::Both { member: key, .. } => vec![key],
            Self::Moving {
                members: [first, second],
                resident,
                ..
            } => vec![first, second, resident],
            Self::Switch(_) | Self::Exchange(_) => Vec::new(),
        }
    }

    /// All its facts.
    pub(super) fn keys(&self) -> Vec<Key> {
        match *self {
            Self::Member(key) | Self::Switch(key) | Self::Exchange(key) => vec![key],
            Self::Both { active, member } => vec![active, member],
            Self::Moving {
                team,
                members: [first, second],
                resident,
            } => vec![team, first, second, resident],
        }
    }

    /// The one fact whose end is a revocation, where it is as simple as that.
    pub(super) fn single(&self) -> Option<Key> {
        match *self {
            Self::Member(key) => Some(key),
            Self::Switch(_) | Self::Exchange(_) | Self::Both { .. } | Self::Moving { .. } => None,
        }
    }
}

fn member(key: Key, value: u32, dice: &mut Dice) -> Change {
    let value = match value {
        1 if dice.chance(1, 4) => EDITOR,
        1 => 0,
        // What is neither absent nor a viewer becomes one or the other.
        EDITOR if dice.chance(1, 2) => 0,
        _ => 1,
    };
    Change { key, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_ever_in_the_team_of_a_project_that_moves() {
        let shape = Shape::Moving {
            team: 0,
            members: [1, 2],
            resident: 3,
        };
        let mut values = [0, 0, 1, 1];
        let mut dice = Dice::new(7);
        let mut moves = 0;
        for _ in 0..1_000 {
            let change = shape.next(|key| values[key], &mut dice);
            assert_ne!(values[change.key], change.value);
            values[change.key] = change.value;
            moves += u32::from(change.key == 0);
            assert_eq!(values[if values[0] == 0 { 1 } else { 2 }], 0);
        }
        assert!(moves > 100);
    }
}

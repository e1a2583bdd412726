//! What a memory without bounds would know, computed from the draws alone.
//!
//! Promises: a question is known when each of its rows was read for an earlier one, as Sidegate keeps them: the
//! subject's, the resource's, the project's, the membership's.
//!
//! Does not: forget. What memory keeps for some time only, such as that there is no membership, is known for ever here.

use std::collections::HashSet;

use crate::scenario::Pair;
use crate::seed::Dataset;

/// Rows that were read.
pub(super) struct Known {
    set: Dataset,
    users: HashSet<u64>,
    generations: HashSet<u64>,
    projects: HashSet<u64>,
    memberships: HashSet<(u64, u64)>,
}

impl Known {
    pub(super) fn new(set: Dataset) -> Self {
        Self {
            set,
            users: HashSet::new(),
            generations: HashSet::new(),
            projects: HashSet::new(),
            memberships: HashSet::new(),
        }
    }

    /// Asks, and says whether everything was known before.
    pub(super) fn ask(&mut self, pair: Pair) -> bool {
        let project = self.set.generation(pair.generation).project;
        let team = project.and_then(|project| self.set.project(project).team);
        let mut all = !self.users.insert(pair.user);
        all &= !self.generations.insert(pair.generation);
        if let Some(project) = project {
            all &= !self.projects.insert(project);
        }
        if let Some(team) = team {
            all &= !self.memberships.insert((team, pair.user));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_known_once_all_of_its_rows_are() {
        let set = Dataset::new(1_000, 1).unwrap();
        let mut known = Known::new(set);
        let in_a_team = |generation: &u64| {
            let project = set.generation(*generation).project;
            project.is_some_and(|project| set.project(project).team.is_some())
        };
        let generation = (0..1_000).find(in_a_team).unwrap();
        let pair = |user| Pair { user, generation };
        assert!(!known.ask(pair(1)));
        assert!(known.ask(pair(1)));
        assert!(
            !known.ask(pair(2)),
            "of another user's membership nothing is known"
        );
        assert!(known.ask(pair(2)));
    }
}

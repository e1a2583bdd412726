//! The ids of seeded rows, computed and not asked for.
//!
//! Promises: an id depends on the table, the row's index and the seed alone, and stays what it is:
//! a load scenario names rows of a database that somebody seeded with the same seed earlier. No
//! two rows of one seed share an id (2^122 values, at most 10^6 rows).
//!
//! Does not: hide anything. Whoever knows the seed knows the ids; rows that the application
//! itself creates have random ones.

use uuid::{Builder, Uuid};

/// A table whose rows have ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `users`
    Users,
    /// `teams`
    Teams,
    /// `projects`
    Projects,
    /// `generations`
    Generations,
}

/// The id of row `index` of `table` in a database seeded with `seed`.
#[must_use]
pub fn id(table: Table, index: u64, seed: u64) -> Uuid {
    let high = draw(seed, table.salt(), index, HIGH);
    let low = draw(seed, table.salt(), index, LOW);
    // Version 8: an id made by the application's own rule (RFC 9562).
    Builder::from_custom_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes()).into_uuid()
}

/// A number that looks random and depends on nothing but the arguments.
pub(crate) fn draw(seed: u64, salt: u64, index: u64, field: u64) -> u64 {
    [salt, index, field]
        .into_iter()
        .fold(mix(seed), |state, part| mix(state ^ mix(part)))
}

/// One step of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

impl Table {
    pub(crate) fn salt(self) -> u64 {
        match self {
            Self::Users => 1,
            Self::Teams => 2,
            Self::Projects => 3,
            Self::Generations => 4,
        }
    }
}

/// Fields of [`draw`] that no row's content uses.
const HIGH: u64 = u64::MAX;
const LOW: u64 = u64::MAX - 1;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const TABLES: [Table; 4] = [
        Table::Users,
        Table::Teams,
        Table::Projects,
        Table::Generations,
    ];

    /// Databases seeded by an earlier version keep their names.
    #[test]
    fn an_id_stays_what_it_is() {
        assert_eq!(
            id(Table::Generations, 41, 7).to_string(),
            "8fa140fb-8602-842e-8521-c2bd38ccc078"
        );
    }

    #[test]
    fn rows_tables_and_seeds_never_share_an_id() {
        let mut seen = HashSet::new();
        for seed in [0, 1, u64::MAX] {
            for table in TABLES {
                for index in 0..5_000 {
                    let id = id(table, index, seed);
                    assert_eq!(id.get_version_num(), 8);
                    assert!(seen.insert(id), "{table:?} {index} {seed}");
                }
            }
        }
    }
}

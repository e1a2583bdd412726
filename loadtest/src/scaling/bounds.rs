//! What follows from measured figures: how many instances one database bears.
//!
//! Promises: pure arithmetic, which its table says. Does not: measure.

use super::quantity::{micros, per, percent, whole};
use crate::document::Table;
use crate::figure;

/// Instances by the pause between polls, from what one poll costs PostgreSQL.
pub(super) fn polls(poll_us: f64) -> Table {
    let row = |pause_ms: u32| {
        let rate = 1000.0 / f64::from(pause_ms);
        let share = rate * poll_us / 1e6;
        let until = |limit: f64| figure::count(whole(per(limit, share).floor()));
        vec![
            format!("{pause_ms} ms"),
            figure::rate(rate),
            percent(share),
            until(TENTH),
            until(1.0),
        ]
    };
    Table {
        title: "Where polls end".to_owned(),
        columns: [
            "poll_interval",
            "polls of an instance",
            "PostgreSQL for an instance",
            "instances until a tenth of a processor",
            "until a whole one",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows: PAUSES.map(row).to_vec(),
        notes: vec![format!(
            "Computed, not measured: {} of PostgreSQL for a poll, as in the table before, times polls a second. It takes \
             for granted that a poll that finds nothing costs the same however many there are, and however far apart.",
            micros(poll_us)
        )],
    }
}

/// Connections by `database.instances`.
pub(super) fn connections() -> Table {
    let row = |instances: u64| {
        let base = (POOL_SIZE / instances).max(FEWEST);
        let most = base + MAX_OVERFLOW / instances;
        let fits = |each: u64| {
            let all = each * instances;
            let sign = if all <= LOGINS { "fit" } else { "do not fit" };
            format!("{all}, {sign}")
        };
        vec![
            instances.to_string(),
            base.to_string(),
            most.to_string(),
            fits(base),
            fits(most),
        ]
    };
    Table {
        title: "Connections to PostgreSQL".to_owned(),
        columns: [
            "database.instances",
            "kept by each",
            "at most by each",
            "kept by all",
            "at most by all",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows: INSTANCES.map(row).to_vec(),
        notes: vec![format!(
            "Computed: `pool_size` {POOL_SIZE} and `max_overflow` {MAX_OVERFLOW}, as shipped, are for all instances \
             together once `database.instances` says how many there are, but none keeps fewer than {FEWEST}. A server \
             with `max_connections` 100 has {LOGINS} for logins, the application's own among them."
        )],
    }
}

const TENTH: f64 = 0.1;
/// The shipped one, and up to the longest there may be.
const PAUSES: [u32; 3] = [50, 100, 250];
const INSTANCES: [u64; 6] = [1, 2, 4, 9, 13, 16];
/// As shipped.
const POOL_SIZE: u64 = 20;
const MAX_OVERFLOW: u64 = 30;
/// One for each pool, and two for the change feed.
const FEWEST: u64 = 7;
/// Of 100, three are reserved for administrators.
const LOGINS: u64 = 97;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_end_where_they_take_a_tenth() {
        // 500 us, twenty times a second: a hundredth of a processor.
        let table = polls(500.0);
        assert_eq!(table.rows[0], ["50 ms", "20/s", "1.00 %", "10", "100"]);
        assert_eq!(table.rows[2], ["250 ms", "4/s", "0.20 %", "50", "500"]);
    }

    #[test]
    fn instances_share_connections_down_to_seven_each() {
        let rows = connections().rows;
        assert_eq!(rows[0], ["1", "20", "50", "20, fit", "50, fit"]);
        assert_eq!(rows[3], ["9", "7", "10", "63, fit", "90, fit"]);
        assert_eq!(
            rows[5],
            ["16", "7", "8", "112, do not fit", "128, do not fit"]
        );
    }
}

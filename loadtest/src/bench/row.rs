//! The rows that there are.

use std::str::FromStr;

use thiserror::Error;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// A hot request, beside other proxies.
    Cpu,
    /// A decision out of memory.
    Decision,
    /// Answers out of Redis.
    L2,
    /// Answers out of the database.
    L3,
    /// Ten thousand users on as many connections.
    Users,
    /// The highest rate that still holds.
    HighestRate,
    /// Until a right that was taken away is refused.
    Revocation,
    /// Until a change that was received counts.
    Invalidation,
    /// A thousand clients that ask for the same at the same moment.
    Herd,
    /// From the start of a process until it is ready.
    Start,
    /// What a million decisions need.
    Memory,
    /// What being watched costs the application.
    WatchCost,
    /// One of two instances, ended and started again.
    Restart,
    /// Answers out of memory while Redis is down.
    RedisDown,
    /// The materialized view.
    View,
    /// Ordinary requests beside a thousand clients that send their heads slowly.
    SlowHeads,
    /// That everything is told about requests.
    Telemetry,
}

/// Not the name of a row.
#[derive(Debug, Error)]
#[error("not one of {}", Row::ALL.map(Row::name).join(", "))]
pub struct NoSuchRow;

impl Row {
    /// Every row.
    pub const ALL: [Self; 17] = [
        Self::Cpu,
        Self::Decision,
        Self::L2,
        Self::L3,
        Self::Users,
        Self::HighestRate,
        Self::Revocation,
        Self::Invalidation,
        Self::Herd,
        Self::Start,
        Self::Memory,
        Self::WatchCost,
        Self::Restart,
        Self::RedisDown,
        Self::View,
        Self::SlowHeads,
        Self::Telemetry,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Decision => "decision",
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::Users => "users",
            Self::HighestRate => "highest-rate",
            Self::Revocation => "revocation",
            Self::Invalidation => "invalidation",
            Self::Herd => "herd",
            Self::Start => "start",
            Self::Memory => "memory",
            Self::WatchCost => "watch-cost",
            Self::Restart => "restart",
            Self::RedisDown => "redis-down",
            Self::View => "view",
            Self::SlowHeads => "slow-heads",
            Self::Telemetry => "telemetry",
        }
    }

    /// What is to be reached.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::Cpu => {
                "processor time of a hot request <= 1.05 x bare Pingora's (1.12 with every line of the log), \
                 0.70 x nginx auth_request's, 0.55 x HAProxy jwt_verify's, 0.20 x Envoy jwt_authn + ext_authz's"
            }
            Self::Decision => "<= 2 us, 0 allocations",
            Self::L2 => "p99 <= 2 ms",
            Self::L3 => "p99 <= 5 ms",
            Self::Users => "10,000 users at once: p95 < 75 ms, errors < 0.1 %, L1 hits > 95 %",
            Self::HighestRate => {
                "p95 < 75 ms and errors < 0.1 % at >= 500 requests a second, and the most that holds"
            }
            Self::Revocation => {
                "p50 <= 60 ms, never above 1 s, over >= 10^5 revocations, all faults among them"
            }
            Self::Invalidation => "from receipt to slot < 5 ms",
            Self::Herd => "<= 1 query per key per instance",
            Self::Start => "start to ready, pools warm, < 500 ms",
            Self::Memory => "what 10^6 decisions need <= 200 MB",
            Self::WatchCost => {
                "no INSERT trigger on generations, one row's write < 150 us more, no write refused"
            }
            Self::Restart => {
                "ready < 500 ms, > 85 % of the first answers from memory or Redis, no request in flight lost"
            }
            Self::RedisDown => "throughput of hot requests >= 0.95 x that with Redis",
            Self::SlowHeads => "p99 of ordinary requests <= 2 x that without slow clients",
            Self::Telemetry => "instructions of a hot request <= 1.03 x those with nothing told",
            Self::View => "built anew at 10^4 x 10^5 in a tenth of what the papers' would take",
        }
    }
}

impl FromStr for Row {
    type Err = NoSuchRow;

    fn from_str(text: &str) -> Result<Self, NoSuchRow> {
        let found = Self::ALL.into_iter().find(|row| row.name() == text);
        found.ok_or(NoSuchRow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_name_and_no_other_name_is_one() {
        for row in Row::ALL {
            assert_eq!(row.name().parse::<Row>().ok(), Some(row));
        }
        let refused = "l4".parse::<Row>().unwrap_err().to_string();
        for row in Row::ALL {
            assert!(refused.contains(row.name()), "{refused}");
        }
    }

    #[test]
    fn the_script_knows_every_row_and_tells_of_each() {
        let script = include_str!("../../../scripts/bench");
        let list = script.split_once("readonly ROWS=(").unwrap().1;
        let list = list.split_once(')').unwrap().0;
        let listed: Vec<&str> = list.split_whitespace().collect();
        assert_eq!(listed, Row::ALL.map(Row::name));
        // Names, two spaces or more, and what they are.
        let lines = script.lines().filter_map(|line| line.strip_prefix("#   "));
        let told = lines.filter_map(|line| line.split_once("  "));
        let told: Vec<&str> = told.flat_map(|(names, _)| names.split(' ')).collect();
        assert_eq!(told, listed);
    }
}

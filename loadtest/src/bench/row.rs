//! The rows that there are.

use std::str::FromStr;

use thiserror::Error;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// Answers out of Redis.
    L2,
    /// Answers out of the database.
    L3,
    /// Answers out of memory while Redis is down.
    RedisDown,
    /// The materialized view.
    View,
    /// Ordinary requests beside a thousand clients that send their heads slowly.
    SlowHeads,
    /// That everything is told about requests.
    Telemetry,
    /// A hot request, beside other proxies.
    Cpu,
}

/// Not the name of a row.
#[derive(Debug, Error)]
#[error("not one of l2, l3, redis-down, view, slow-heads, telemetry, cpu")]
pub struct NoSuchRow;

impl Row {
    /// Every row.
    pub const ALL: [Self; 7] = [
        Self::L2,
        Self::L3,
        Self::RedisDown,
        Self::View,
        Self::SlowHeads,
        Self::Telemetry,
        Self::Cpu,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::RedisDown => "redis-down",
            Self::View => "view",
            Self::SlowHeads => "slow-heads",
            Self::Telemetry => "telemetry",
            Self::Cpu => "cpu",
        }
    }

    /// What is to be reached.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::L2 => "p99 <= 2 ms",
            Self::L3 => "p99 <= 5 ms",
            Self::RedisDown => "throughput of hot requests >= 0.95 x that with Redis",
            Self::SlowHeads => "p99 of ordinary requests <= 2 x that without slow clients",
            Self::Telemetry => "instructions of a hot request <= 1.03 x those with nothing told",
            Self::Cpu => {
                "processor time of a hot request <= 1.05 x bare Pingora's (1.12 with every line of the log), \
                 0.70 x nginx auth_request's, 0.55 x HAProxy jwt_verify's, 0.20 x Envoy jwt_authn + ext_authz's"
            }
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

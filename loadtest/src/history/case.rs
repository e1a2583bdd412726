//! The cases: faults under which the property must hold, and rules without which it must not.
//!
//! Promises: names are unique and stay. Does not: carry a fault out; see `fault.rs`.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::writer::Style;

/// What goes wrong in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Transactions that took their ids early commit late.
    OutOfOrder,
    /// A transaction that has written stays open, and then revokes.
    LongTransaction,
    /// Writers roll back.
    Rollbacks,
    /// Postgres is restarted, in good order.
    Restart,
    /// The change feed's connections pass nothing on.
    BlackHole,
    /// An instance stands still for five seconds.
    Stopped,
    /// The answers of fills arrive after the revocation.
    LateFill,
    /// All tags share one slot.
    OneSlot,
    /// Triggers are disabled, rights revoked, triggers enabled, all between two polls.
    Triggers,
    /// Writers are replication workers.
    ReplicaRole,
    /// The table of memberships is emptied at once, and filled again.
    Truncate,
    /// Every process of Postgres is killed; acknowledged commits are lost.
    KillAll,
    /// One backend is killed; Postgres starts anew by itself.
    KillOne,
    /// Answers of before a crash arrive after it.
    OldFill,
    /// Redis forgets everything.
    RedisFlush,
    /// Redis is killed, and restored from an old dump.
    RedisRestore,
    /// A replica that lags behind takes Redis's place.
    RedisFailover,
    /// Values in Redis are swapped, played back, cut off and made up.
    RedisHostile,
    /// Redis stands still for five seconds.
    RedisPaused,
    /// Redis is full, and takes no writes.
    RedisFull,
    /// One instance after the other is restarted over a Redis that is warm, and out of date.
    Restarted,
    /// Postgres is restored from a backup, which begins a new timeline.
    Restored,
    /// The materialized view, which is asked before the tables, is an hour old.
    StaleView,
}

/// A rule of the protocol that can be switched off in a binary made for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// R1: an answer from memory needs a poll that is young enough.
    Lease,
    /// R2': a row that was touched since its query is not used.
    Use,
    /// The poll asks for what its last snapshot did not see, not for higher numbers.
    Cursor,
    /// A trigger that was off makes everything invalid.
    Fingerprint,
    /// R4: another life of the database makes everything invalid.
    History,
    /// R2: what another instance has read counts only if nothing of it has changed since.
    Admission,
    /// R3: nor before the log as it was at the start is known.
    Load,
    /// What was read in another life of the database is not found.
    Namespace,
    /// A value that nobody of us has written is not used.
    Mac,
    /// R2: nor is what the view says, where it has changed since.
    View,
    /// What changes of service keys and revocations is followed.
    Credentials,
    /// A request that lasts is looked at again and again.
    Streams,
}

/// Not the name of a case.
#[derive(Debug, Error)]
#[error("not one of {0}")]
pub struct NoSuchCase(String);

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 23] = [
        Self::OutOfOrder,
        Self::LongTransaction,
        Self::Rollbacks,
        Self::Restart,
        Self::BlackHole,
        Self::Stopped,
        Self::LateFill,
        Self::OneSlot,
        Self::Triggers,
        Self::ReplicaRole,
        Self::Truncate,
        Self::KillAll,
        Self::KillOne,
        Self::OldFill,
        Self::RedisFlush,
        Self::RedisRestore,
        Self::RedisFailover,
        Self::RedisHostile,
        Self::RedisPaused,
        Self::RedisFull,
        Self::Restarted,
        Self::Restored,
        Self::StaleView,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OutOfOrder => "out-of-order",
            Self::LongTransaction => "long-transaction",
            Self::Rollbacks => "rollbacks",
            Self::Restart => "restart",
            Self::BlackHole => "black-hole",
            Self::Stopped => "stopped",
            Self::LateFill => "late-fill",
            Self::OneSlot => "one-slot",
            Self::Triggers => "triggers",
            Self::ReplicaRole => "replica-role",
            Self::Truncate => "truncate",
            Self::KillAll => "kill-all",
            Self::KillOne => "kill-one",
            Self::OldFill => "old-fill",
            Self::RedisFlush => "redis-flush",
            Self::RedisRestore => "redis-restore",
            Self::RedisFailover => "redis-failover",
            Self::RedisHostile => "redis-hostile",
            Self::RedisPaused => "redis-paused",
            Self::RedisFull => "redis-full",
            Self::Restarted => "restarted",
            Self::Restored => "restored",
            Self::StaleView => "stale-view",
        }
    }

    /// How the writer of this number commits.
    pub(super) fn style(self, writer: usize) -> Style {
        match self {
            Self::OutOfOrder if writer.is_multiple_of(2) => Style::Stalled,
            Self::Rollbacks => Style::Rollbacks,
            Self::ReplicaRole => Style::Replica,
            Self::OutOfOrder
            | Self::LongTransaction
            | Self::Restart
            | Self::BlackHole
            | Self::Stopped
            | Self::LateFill
            | Self::OneSlot
            | Self::Triggers
            | Self::Truncate
            | Self::KillAll
            | Self::KillOne
            | Self::OldFill
            | Self::RedisFlush
            | Self::RedisRestore
            | Self::RedisFailover
            | Self::RedisHostile
            | Self::RedisPaused
            | Self::RedisFull
            | Self::Restarted
            | Self::Restored
            | Self::StaleView => Style::Plain,
        }
    }
}

impl Guard {
    /// Every guard.
    pub const ALL: [Self; 12] = [
        Self::Lease,
        Self::Use,
        Self::Cursor,
        Self::Fingerprint,
        Self::History,
        Self::Admission,
        Self::Load,
        Self::Namespace,
        Self::Mac,
        Self::View,
        Self::Credentials,
        Self::Streams,
    ];

    /// Its name, which is also what the binary is told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Use => "use",
            Self::Cursor => "cursor",
            Self::Fingerprint => "fingerprint",
            Self::History => "history",
            Self::Admission => "admission",
            Self::Load => "load",
            Self::Namespace => "namespace",
            Self::Mac => "mac",
            Self::View => "view",
            Self::Credentials => "credentials",
            Self::Streams => "streams",
        }
    }

    /// The fault that shows what it is for.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::Lease => Fault::BlackHole,
            Self::Use => Fault::LateFill,
            Self::Cursor => Fault::OutOfOrder,
            Self::Fingerprint => Fault::Triggers,
            Self::History => Fault::KillAll,
            Self::Admission | Self::Mac => Fault::RedisHostile,
            Self::Load => Fault::Restarted,
            Self::Namespace => Fault::Restored,
            Self::View => Fault::StaleView,
            // Nothing goes wrong that another rule would catch.
            Self::Credentials | Self::Streams => Fault::Rollbacks,
        }
    }
}

impl FromStr for Fault {
    type Err = NoSuchCase;

    fn from_str(text: &str) -> Result<Self, NoSuchCase> {
        find(&Self::ALL, Self::name, text)
    }
}

impl FromStr for Guard {
    type Err = NoSuchCase;

    fn from_str(text: &str) -> Result<Self, NoSuchCase> {
        find(&Self::ALL, Self::name, text)
    }
}

fn find<T: Copy>(all: &[T], name: fn(T) -> &'static str, text: &str) -> Result<T, NoSuchCase> {
    let names = || {
        all.iter()
            .map(|it| name(*it))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let found = all.iter().copied().find(|it| name(*it) == text);
    found.ok_or_else(|| NoSuchCase(names()))
}

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// For a machine that has other things to do: five minutes.
    Short,
    /// 10^5 revocations and 10^6 reads, over all faults.
    Full,
}

/// The size of a case.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) scenes: usize,
    pub(super) writers: usize,
    /// Scenes in one transaction, at most.
    pub(super) batch: usize,
    /// Readers of each instance.
    pub(super) readers: usize,
    /// A reader's pause from question to question, at least.
    pub(super) pace: Duration,
    /// How long the fault goes on at least; what it has begun it ends.
    pub(super) least: Duration,
    /// How long it goes on at most, for the share of a case to be reached.
    pub(super) most: Duration,
}

impl Scale {
    pub(super) const fn size(self) -> Size {
        match self {
            Self::Short => Size {
                scenes: 96,
                writers: 4,
                batch: 6,
                readers: 3,
                pace: Duration::from_millis(6),
                least: Duration::from_millis(1_500),
                most: Duration::from_secs(8),
            },
            Self::Full => Size {
                scenes: 192,
                writers: 6,
                batch: 12,
                readers: 6,
                pace: Duration::from_millis(4),
                least: Duration::from_secs(30),
                most: Duration::from_secs(120),
            },
        }
    }

    /// Revocations and reads, over all faults.
    #[must_use]
    pub const fn goal(self) -> (u64, u64) {
        match self {
            Self::Short => (2_000, 50_000),
            Self::Full => (100_000, 1_000_000),
        }
    }
}

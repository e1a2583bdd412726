//! Which transactions a poll saw: `pg_snapshot`, as text.
//!
//! Promise: what is not written as PostgreSQL writes it is no snapshot.

use std::fmt;
use std::str::FromStr;

/// A snapshot. Transactions below `xmin` had ended, those from `xmax` on had not begun, and of those
/// in between the listed ones were in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    xmin: u64,
    xmax: u64,
    /// Ascending, each in `xmin..xmax`.
    in_progress: Box<[u64]>,
}

/// The text is no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a snapshot")]
pub(super) struct NoSnapshot;

impl Snapshot {
    /// All transactions below one.
    #[cfg(feature = "fault-injection")]
    pub(super) fn below(xmax: u64) -> Self {
        Self {
            xmin: xmax,
            xmax,
            in_progress: Box::default(),
        }
    }

    pub(super) const fn xmin(&self) -> u64 {
        self.xmin
    }

    pub(super) const fn xmax(&self) -> u64 {
        self.xmax
    }

    pub(super) const fn in_progress(&self) -> &[u64] {
        &self.in_progress
    }

    /// Whether what this transaction has committed is in it. One that was rolled back may be too.
    pub(super) fn sees(&self, xid: u64) -> bool {
        xid < self.xmax && self.in_progress.binary_search(&xid).is_err()
    }

    /// Whether it sees all that an earlier one saw, as it must on one primary in one life: a transaction
    /// that has ended does not begin again. A falling `xmax` is one way not to.
    pub(super) fn follows(&self, earlier: &Self) -> bool {
        self.xmax >= earlier.xmax
            && self.xmin >= earlier.xmin
            && self.in_progress.iter().all(|xid| !earlier.sees(*xid))
    }
}

impl FromStr for Snapshot {
    type Err = NoSnapshot;

    fn from_str(text: &str) -> Result<Self, NoSnapshot> {
        let mut parts = text.split(':');
        let (Some(xmin), Some(xmax), Some(listed), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NoSnapshot);
        };
        let (xmin, xmax) = (number(xmin)?, number(xmax)?);
        let in_progress = match listed {
            "" => Box::default(),
            listed => listed
                .split(',')
                .map(number)
                .collect::<Result<Box<[_]>, _>>()?,
        };
        let inside = in_progress.iter().all(|xid| (xmin..xmax).contains(xid));
        if xmin > xmax || !inside || !in_progress.is_sorted_by(|left, right| left < right) {
            return Err(NoSnapshot);
        }
        Ok(Self {
            xmin,
            xmax,
            in_progress,
        })
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.xmin, self.xmax)?;
        for (at, xid) in self.in_progress.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{xid}")?;
        }
        Ok(())
    }
}

/// A transaction id: digits and nothing else.
pub(super) fn number(text: &str) -> Result<u64, NoSnapshot> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or(NoSnapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(text: &str) -> Snapshot {
        text.parse().unwrap()
    }

    #[test]
    fn it_reads_what_postgres_writes() {
        for text in [
            "1:1:",
            "10:20:10,14,15",
            "18446744073709551614:18446744073709551615:",
        ] {
            assert_eq!(snapshot(text).to_string(), text);
        }
        let some = snapshot("10:20:10,14");
        assert!([9, 11, 19].into_iter().all(|xid| some.sees(xid)));
        assert!([10, 14, 20, 21].into_iter().all(|xid| !some.sees(xid)));
    }

    #[test]
    fn it_reads_nothing_else() {
        for text in [
            "", "1:2", "1:2:3:", "2:1:", "1:5:7", "3:5:2", "1:9:4,3", "1:9:3,3", "1:9:,", "+1:9:",
            "1:9: 3",
        ] {
            assert_eq!(text.parse::<Snapshot>(), Err(NoSnapshot), "{text:?}");
        }
    }

    #[test]
    fn a_later_snapshot_sees_all_that_an_earlier_one_saw() {
        let earlier = snapshot("10:20:10,14");
        for later in [
            "10:20:10,14",
            "14:20:14",
            "20:20:",
            "10:30:10,14,20,25",
            "25:25:",
        ] {
            assert!(snapshot(later).follows(&earlier), "{later}");
        }
        for other in [
            "10:19:10,14",
            "10:20:10,14,15",
            "9:20:9",
            "9:30:9,10",
            "1:1:",
        ] {
            assert!(!snapshot(other).follows(&earlier), "{other}");
        }
    }
}

//! What an examination says.

use std::fmt;

use serde::Serialize;

/// How bad it is. Greater is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a look; nothing is wrong yet.
    Warning,
    /// A change could be missed: nothing may be cached.
    Uncached,
    /// Questions cannot be answered, or are answered wrongly.
    Broken,
}

impl Severity {
    /// Every severity.
    pub const ALL: [Self; 3] = [Self::Warning, Self::Uncached, Self::Broken];

    /// The name used in metrics, logs and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Uncached => "uncached",
            Self::Broken => "broken",
        }
    }
}

/// What is looked at, in the order of the looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The server answers, and is one of a version that we know.
    Reachable,
    /// It is the primary and takes writes.
    Primary,
    /// It has enough connections for us.
    Connections,
    /// Its clock and ours agree.
    Clock,
    /// Schema `sidegate` is what this version has.
    Migrations,
    /// We may do what we have to; nobody else may.
    Rights,
    /// A contract is applied; its views are there, with columns of the right types.
    Contract,
    /// The views see all rows of the tables.
    Rows,
    /// Every table and column that the views read is watched.
    Sources,
    /// The views say the same as long as no row changes.
    Functions,
    /// Every watched table and partition has its triggers, and they are on.
    Triggers,
    /// The change log is cleaned.
    Log,
    /// Nobody holds back what is cleaned up and shared.
    Snapshots,
}

impl Check {
    /// Every check.
    pub const ALL: [Self; 13] = [
        Self::Reachable,
        Self::Primary,
        Self::Connections,
        Self::Clock,
        Self::Migrations,
        Self::Rights,
        Self::Contract,
        Self::Rows,
        Self::Sources,
        Self::Functions,
        Self::Triggers,
        Self::Log,
        Self::Snapshots,
    ];

    /// The name used in logs and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reachable => "reachable",
            Self::Primary => "primary",
            Self::Connections => "connections",
            Self::Clock => "clock",
            Self::Migrations => "migrations",
            Self::Rights => "rights",
            Self::Contract => "contract",
            Self::Rows => "rows",
            Self::Sources => "sources",
            Self::Functions => "functions",
            Self::Triggers => "triggers",
            Self::Log => "log",
            Self::Snapshots => "snapshots",
        }
    }

    /// What holds when there is no finding.
    #[must_use]
    pub const fn promise(self) -> &'static str {
        match self {
            Self::Reachable => "the server answers",
            Self::Primary => "it is the primary and takes writes",
            Self::Connections => "it has room for every pool of every instance",
            Self::Clock => "its clock and ours agree",
            Self::Migrations => "schema sidegate is this version's",
            Self::Rights => "we may do what we have to, and nobody else may",
            Self::Contract => "the views are there, with the right types",
            Self::Rows => "the views see every row",
            Self::Sources => "every table and column that the views read is watched",
            Self::Functions => "the views change only when a row does",
            Self::Triggers => "every watched table and partition has its triggers",
            Self::Log => "the change log is cleaned",
            Self::Snapshots => "nobody holds back its clean-up",
        }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How bad it is.
    pub severity: Severity,
    /// What was found. May name what is in the database: not for everybody.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

impl Finding {
    pub(super) fn new(
        check: Check,
        severity: Severity,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            check,
            severity,
            what: what.into(),
            mend: mend.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (severity, check) = (self.severity.name(), self.check.name());
        write!(
            f,
            "{severity}: {check}: {}\n    mend: {}",
            self.what, self.mend
        )
    }
}

/// What an examination has found, and what is well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examination {
    /// The worst first, then in the order of the looking.
    pub findings: Vec<Finding>,
    /// What was looked at without a finding, with what was seen. A check that is in neither list
    /// could not be made.
    pub passed: Vec<(Check, String)>,
}

impl Examination {
    /// How bad the worst finding is.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// The check was made; `seen` is said if all is well.
    pub(super) fn made(&mut self, check: Check, found: Vec<Finding>, seen: &str) {
        let clean = !found.iter().any(|finding| finding.check == check);
        if clean && !self.findings.iter().any(|known| known.check == check) {
            self.passed.push((check, seen.to_owned()));
        }
        self.findings.extend(found);
    }

    pub(super) fn sort(&mut self) {
        self.findings.sort_by(|left, right| {
            let worst_first = right.severity.cmp(&left.severity);
            worst_first.then_with(|| left.cmp(right))
        });
    }
}

//! Rules switched off on purpose, to show that a test which looks for their breach finds it. Only with
//! the feature `fault-injection`.

use sidegate_config::Env;

/// A rule of DESIGN §5 that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// R1: a reading is live for ever, and so is what goes on by it.
    Lease,
    /// R2': nothing that is kept is ever touched.
    Use,
    /// The poll asks for higher transaction ids than the last one it saw, and not for what was not
    /// visible.
    Cursor,
    /// A trigger may be switched off and on.
    Fingerprint,
    /// R4: a new life of the database is the old one.
    History,
    /// R2: a value of another instance counts whatever has changed.
    Admission,
    /// R3: the log as it was at the start need not be known.
    Load,
    /// Values of every life of the database and every policy are one another's.
    Namespace,
    /// A value need not be sealed.
    Mac,
    /// The materialized view counts whatever has changed.
    View,
    /// What changes of keys and revocations is not followed.
    Credentials,
    /// A request that lasts is never looked at.
    Streams,
}

/// What is switched off.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    without: Option<Rule>,
    slots: Option<usize>,
}

impl Faults {
    /// From `SIDEGATE_WITHOUT` (a rule's name in small letters) and
    /// `SIDEGATE_SLOTS` (a number).
    pub(super) fn read(env: &dyn Env) -> Self {
        let without = env.var("SIDEGATE_WITHOUT");
        let rule = without.as_deref().and_then(|name| match name {
            "lease" => Some(Rule::Lease),
            "use" => Some(Rule::Use),
            "cursor" => Some(Rule::Cursor),
            "fingerprint" => Some(Rule::Fingerprint),
            "history" => Some(Rule::History),
            "admission" => Some(Rule::Admission),
            "load" => Some(Rule::Load),
            "namespace" => Some(Rule::Namespace),
            "mac" => Some(Rule::Mac),
            "view" => Some(Rule::View),
            "credentials" => Some(Rule::Credentials),
            "streams" => Some(Rule::Streams),
            _ => None,
        });
        if let Some(name) = without {
            tracing::error!(
                name,
                found = rule.is_some(),
                "a safety rule is to be switched off"
            );
        }
        Self {
            without: rule,
            slots: env.var("SIDEGATE_SLOTS").and_then(|text| text.parse().ok()),
        }
    }

    pub(super) fn without(&self, rule: Rule) -> bool {
        self.without == Some(rule)
    }

    pub(super) const fn slots(&self) -> Option<usize> {
        self.slots
    }
}

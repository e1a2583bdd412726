//! An explanation for a person at a terminal.

use std::fmt;

use super::{Explanation, Step};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}): {}",
            self.outcome.to_uppercase(),
            self.reason,
            self.detail
        )?;
        match self.status {
            Some(status) => writeln!(f, " -> {status}")?,
            None => writeln!(f)?,
        }
        self.steps.iter().try_for_each(|step| write!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |row: &Option<String>| row.clone().unwrap_or_else(|| "no row".to_owned());
        match self {
            Self::Target { canonical } => writeln!(f, "  target      {canonical}"),
            Self::Route { id, path, rule } => {
                writeln!(f, "  route       {id} ({path}) needs {rule}")
            }
            Self::Link { canonical } => {
                writeln!(f, "  link        is the credential, for {canonical}")
            }
            Self::Principal {
                subject,
                issuer,
                key,
                claimed_roles,
            } => {
                let issuer = match (issuer, key) {
                    (Some(issuer), _) => format!("says {issuer}"),
                    (None, Some(key)) => format!("says the service key {key}"),
                    (None, None) => "without a token and its roles".to_owned(),
                };
                write!(f, "  subject     {subject}, {issuer}")?;
                match claimed_roles.as_slice() {
                    [] => writeln!(f),
                    roles => writeln!(f, ", with roles [{}]", roles.join(", ")),
                }
            }
            Self::Resource { action, kind, id } => {
                let id = id.as_deref().unwrap_or("(not an id of this kind)");
                writeln!(f, "  asks for    {action} {kind}:{id}")
            }
            Self::Facts {
                subject,
                resource,
                project,
                membership,
            } => {
                writeln!(f, "  subject row {}", or_none(subject))?;
                writeln!(f, "  resource    {}", or_none(resource))?;
                writeln!(f, "  project     {}", or_none(project))?;
                writeln!(f, "  membership  {}", or_none(membership))
            }
            Self::Reported { rules } => writeln!(f, "  reported    {}", rules.join(", ")),
            Self::Checks { checks } => checks.iter().try_for_each(|check| {
                let mark = if check.grants { "grants" } else { "  -   " };
                writeln!(f, "  {mark}      {}: {}", check.check, check.found)
            }),
        }
    }
}

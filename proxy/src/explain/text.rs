//! An explanation for a person at a terminal.

use std::fmt;

use super::time::span;
use super::{Explanation, OtherAnswer, Provenance, Recorded, Step};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}): {}",
            self.outcome.to_uppercase(),
            self.reason,
            self.detail
        )?;
        let answered = self.decision.as_ref().and_then(|it| it.answered);
        match self.status.or(answered) {
            Some(status) => writeln!(f, " -> {status}")?,
            None => writeln!(f)?,
        }
        if let Some(decision) = &self.decision {
            write!(f, "{decision}")?;
        }
        self.steps.iter().try_for_each(|step| write!(f, "{step}"))?;
        if let Some(provenance) = &self.provenance {
            write!(f, "{provenance}")?;
        }
        write!(f, "{}", self.other_answer)
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.method.as_deref().map(|method| format!(", {method}"));
        writeln!(
            f,
            "  decision    {} at {}{}, by generation {} (now {})",
            self.id,
            self.at,
            method.unwrap_or_default(),
            self.generation,
            self.current_generation
        )?;
        if let Some(degraded) = self.degraded {
            writeln!(f, "  degraded    {degraded}")?;
        }
        let stages = self.stages.iter();
        let stages: Vec<_> = stages
            .map(|stage| format!("{} {}", stage.stage, span(stage.ms)))
            .collect();
        writeln!(f, "  stages      {}", stages.join(", "))
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
                by,
                issuer,
                key,
                claimed_roles,
            } => {
                let says = match (issuer, key, *by) {
                    (Some(issuer), _, _) => format!("says {issuer}"),
                    (None, Some(key), _) => format!("says the service key {key}"),
                    (None, None, "nothing") => "without a token and its roles".to_owned(),
                    (None, None, by) => format!("by a {by}"),
                };
                write!(f, "  subject     {subject}, {says}")?;
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

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  facts       from {}", self.from)?;
        match (&self.true_at, self.age_ms) {
            (Some(at), Some(age)) => writeln!(f, ", true at {at}, {} before", span(age))?,
            (_, _) => writeln!(f)?,
        }
        for tag in &self.tags {
            write!(f, "  tag         {}", tag.tag)?;
            match (tag.last_poll, tag.last_transaction) {
                (Some(poll), None) => write!(f, "  no change of it was told since poll {poll}")?,
                (Some(poll), Some(transaction)) => {
                    write!(
                        f,
                        "  changed last by transaction {transaction}, told by poll {poll}"
                    )?;
                }
                (None, _) => {}
            }
            match tag.changed_since {
                Some(true) => writeln!(f, ": SINCE THE DECISION")?,
                Some(false) | None => writeln!(f)?,
            }
        }
        let since = match self.changed_since {
            Some(true) => {
                "the facts have changed since, or may have: it would be decided on others now"
            }
            Some(false) => "none of the facts has changed since",
            None => "whether the facts have changed since is not known",
        };
        let note = self.note.as_deref().map(|note| format!(" ({note})"));
        writeln!(f, "  since       {since}{}", note.unwrap_or_default())?;
        writeln!(f, "  cache keys  {}", self.cache_keys.join("  "))?;
        if let Some(until) = &self.valid_until {
            writeln!(f, "  valid until {until}, when the membership ends")?;
        }
        match &self.credential_until {
            Some(until) => writeln!(f, "  credential  ends at {until}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for OtherAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let goal = match self.answer {
            "allow" => "to be allowed",
            _ => "to be refused",
        };
        if let Some(note) = &self.note {
            return writeln!(f, "  {goal}: {note}");
        }
        let which = if self.ways.len() > 1 { ", one of" } else { "" };
        writeln!(f, "  {goal}{which}:")?;
        for way in &self.ways {
            let texts: Vec<_> = way.iter().map(|change| change.text.as_str()).collect();
            writeln!(f, "    - {}", texts.join(",\n      and "))?;
        }
        Ok(())
    }
}

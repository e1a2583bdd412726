//! What service keys must be for on a route.
//!
//! Promise: names that a key can have, on routes where somebody asks for a credential.

use super::report::Report;
use super::value::all;
use crate::locate::YamlPath;
use crate::settings::{AccessSettings, Settings};

/// What service keys must be for.
pub(crate) fn scopes(
    written: Vec<String>,
    access: Option<&AccessSettings>,
    at: &YamlPath,
    report: &mut Report,
) -> Option<Vec<String>> {
    if !written.is_empty() && matches!(access, Some(AccessSettings::Public)) {
        return report.refuse(
            at,
            "expected none on a public route, where no key is asked for",
        );
    }
    let names = written.into_iter().enumerate();
    let names = names.map(|(index, name)| report.scope(&at.index(index), name));
    all(names.collect())
}

/// Notes scopes that no key can have.
pub(crate) fn scoped(settings: &Settings, report: &mut Report) {
    let scoped = settings.routes.iter().any(|route| !route.scopes.is_empty());
    match (&settings.service_keys, scoped) {
        (None, true) => report.note(
            "routes: `scopes` are named and there are no `service_keys`, so nobody has them"
                .to_owned(),
        ),
        (Some(_), false) => report.note(
            "service_keys: no route names `scopes`, so no key is accepted anywhere".to_owned(),
        ),
        (None, false) | (Some(_), true) => {}
    }
}

//! Routes: what may be asked, and what must hold.
//!
//! Promise: every route has exactly one rule, a unique id, and a kind and a group that exist, and
//! not everything is public by one line. The template of its path is not parsed here, and two
//! routes that match the same request are not found here: the proxy refuses them when it builds
//! its table.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;

use super::hardening;
use super::link::{self, Links};
use super::policy::list;
use super::report::Report;
use super::scope;
use super::value::{Bounds, all};
use crate::locate::YamlPath;
use crate::raw::{self, Access, UnknownSubjectName};
use crate::settings::{
    AccessSettings, IdSource, PolicySettings, RouteSettings, Rules, Settings, StoreSettings,
    UnknownSubject, UpstreamSettings,
};

/// How long a request may wait for the change feed, before it asks the database itself.
const FEED_PATIENCE: Duration = Duration::from_millis(500);

/// What routes name. A section with a problem has no names to compare with, and is reported.
pub(crate) struct Referred<'a> {
    pub(crate) policy: Option<&'a PolicySettings>,
    pub(crate) upstream: Option<&'a UpstreamSettings>,
    /// Inner `None`: there is no such section.
    pub(crate) links: Option<Option<&'a Links>>,
    /// What every route relaxes.
    pub(crate) relax: Rules,
}

pub(crate) fn routes(
    written: Vec<raw::Route>,
    none_is_fine: bool,
    referred: &Referred<'_>,
    report: &mut Report,
) -> Option<Vec<RouteSettings>> {
    let at = YamlPath::default().key("routes");
    if written.is_empty() && !none_is_fine {
        let message = "expected at least one route, or `insecure_no_routes: true`";
        return report.refuse(&at, message);
    }
    let mut seen = BTreeSet::new();
    let mut tried = Vec::with_capacity(written.len());
    for (index, raw) in written.into_iter().enumerate() {
        let path = at.index(index);
        let named = raw.id.is_some();
        let route = route(raw, referred, &path, report);
        if let Some(route) = &route
            && !seen.insert(route.id.clone())
        {
            let key = if named { path.key("id") } else { path };
            let message = format!("expected a unique id: `{}` is above already", route.id);
            report.problem(&key, message);
        }
        tried.push(route);
    }
    all(tried)
}

/// Refuses public routes that match everything, so that forgetting a route is not opening it.
pub(crate) fn public_everything(written: &[raw::Route], is_fine: bool, report: &mut Report) {
    if is_fine {
        return;
    }
    let at = YamlPath::default().key("routes");
    for (index, raw) in written.iter().enumerate() {
        if matches!(raw.access, Some(Access::Public)) && is_everything(&raw.path) {
            report.problem(
                &at.index(index).key("path"),
                "expected a path that does not match everything, which would be public then, or \
                 `insecure_public_everything: true`",
            );
        }
    }
}

/// Whether this is a rest at the root, whatever its name.
fn is_everything(path: &str) -> bool {
    path.strip_prefix("/{*")
        .is_some_and(|rest| !rest.contains('/'))
}

/// Notes the routes that nobody can ever use.
pub(crate) fn ungranted(settings: &Settings, report: &mut Report) {
    let policy = &settings.policy;
    for (index, route) in settings.routes.iter().enumerate() {
        let AccessSettings::Resource { action, kind, .. } = &route.access else {
            continue;
        };
        let own = policy.kinds.get(kind).and_then(|kind| kind.roles.as_ref());
        let by_role = own.unwrap_or(&policy.roles).values();
        let by_subject = policy
            .subject_roles
            .values()
            .flatten()
            .filter(|(granted, _)| *granted == kind || *granted == "*")
            .map(|(_, actions)| actions);
        if !by_role
            .chain(by_subject)
            .any(|actions| actions.contains(action))
        {
            report.note(format!(
                "routes[{index}]: no role grants `{action}` on `{kind}`, so `{}` is always refused",
                route.id
            ));
        }
    }
}

/// Notes routes whose `stale_if_error` cannot take effect: the store is asked first, and memory has to
/// hold something.
pub(crate) fn never_stale(settings: &Settings, report: &mut Report) {
    let why = match &settings.store {
        StoreSettings::File { .. } => "the directory file is always there to be asked",
        StoreSettings::Postgres(_) if settings.cache.l1_bytes == 0 => {
            "`cache.l1_size_mb` is 0, so nothing is kept"
        }
        StoreSettings::Postgres(store) => {
            let asking = FEED_PATIENCE.saturating_add(store.database.query_timeout);
            if settings.limits.decision_timeout >= asking {
                return;
            }
            "`limits.decision_timeout` may end before the database has been asked: expected at least \
             500ms and `database.query_timeout`"
        }
    };
    for (index, route) in settings.routes.iter().enumerate() {
        if !route.stale_if_error.is_zero() {
            report.note(format!(
                "routes[{index}].stale_if_error has no effect: {why}"
            ));
        }
    }
}

fn route(
    raw: raw::Route,
    referred: &Referred<'_>,
    at: &YamlPath,
    report: &mut Report,
) -> Option<RouteSettings> {
    let methods = methods(&raw.methods, &at.key("methods"), report);
    if !raw.path.starts_with('/') {
        report.problem(&at.key("path"), "expected a path that begins with `/`");
    }
    let id = match raw.id {
        Some(id) => report.text(&at.key("id"), id),
        None => Some(format!("{} {}", raw.methods.join(","), raw.path)),
    };
    let access = match (raw.access, raw.action, raw.resource) {
        (Some(access), None, None) => plain(access, raw.unknown_subject, at, report),
        (None, Some(action), Some(resource)) => {
            if raw.unknown_subject.is_some() {
                report.problem(&at.key("unknown_subject"), NOT_AUTHENTICATED);
            }
            self::resource(action, resource, referred.policy, at, report)
        }
        _ => report.refuse(
            at,
            "expected either `access: public` or `access: authenticated`, or both `action` and \
             `resource`",
        ),
    };
    let written = raw.stale_if_error.as_ref();
    let stale_if_error = report.duration(&at.key("stale_if_error"), written, &STALE);
    let websocket = raw.websocket.0;
    if websocket {
        handshake(methods.as_deref(), &at.key("websocket"), report);
    }
    if let Some(name) = &raw.upstream {
        group(name, referred.upstream, &at.key("upstream"), report);
    }
    let scopes = scope::scopes(raw.scopes, access.as_ref(), &at.key("scopes"), report);
    let media = link::media(raw.media, referred.links, &at.key("media"), report);
    let relax = hardening::relaxed(&raw.relax, &at.key("relax"), report);
    let max_body_bytes =
        hardening::body_bytes(raw.max_body_bytes, &at.key("max_body_bytes"), report);
    let route = RouteSettings {
        id: id?,
        methods: methods?,
        path: raw.path,
        access: access?,
        scopes: scopes?,
        hide_denied: raw.hide_denied.0,
        stale_if_error: stale_if_error?,
        websocket,
        links: raw.links.0,
        media: media?,
        relax: relax?.union(referred.relax),
        max_body_bytes: max_body_bytes?,
        upstream: raw.upstream,
    };
    link::fits(&route, referred.links, at, report);
    // A right that was taken away may count for longer only where nothing is changed with it, and where
    // its use ends with the answer.
    if !route.stale_if_error.is_zero() && !only_reads(&route) {
        return report.refuse(
            &at.key("stale_if_error"),
            "expected only on routes that read: GET and HEAD alone, neither public nor a WebSocket, \
             and no action of write, delete and share",
        );
    }
    Some(route)
}

/// Refuses a handshake that its route would not answer.
fn handshake(methods: Option<&[Method]>, at: &YamlPath, report: &mut Report) {
    if methods.is_some_and(|methods| !methods.contains(&Method::GET)) {
        let message = "expected GET among `methods`, which a WebSocket handshake is";
        report.problem(at, message);
    }
}

/// Whether a route only reads.
pub(super) fn only_reads(route: &RouteSettings) -> bool {
    let mut methods = route.methods.iter();
    let reads = methods.all(|method| [Method::GET, Method::HEAD].contains(method));
    let decided = match &route.access {
        AccessSettings::Public => false,
        AccessSettings::Authenticated { .. } => true,
        AccessSettings::Resource { action, .. } => !WRITES.contains(&action.as_str()),
    };
    reads && decided && !route.websocket
}

fn group(name: &str, upstream: Option<&UpstreamSettings>, at: &YamlPath, report: &mut Report) {
    if let Some(upstream) = upstream
        && !upstream.groups.contains_key(name)
    {
        let known = list(upstream.groups.keys());
        report.problem(at, format!("expected a group of the upstream: {known}"));
    }
}

fn methods(written: &[String], at: &YamlPath, report: &mut Report) -> Option<Vec<Method>> {
    if written.is_empty() {
        return report.refuse(at, "expected at least one method");
    }
    let mut tried: Vec<Option<Method>> = Vec::with_capacity(written.len());
    for (index, name) in written.iter().enumerate() {
        let path = at.index(index);
        let method = METHODS.into_iter().find(|method| method.as_str() == name);
        if method.is_none() {
            let message = "expected GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, in upper case";
            report.problem(&path, message);
        } else if tried.contains(&method) {
            report.problem(&path, "expected a method that is not listed before");
        }
        tried.push(method);
    }
    all(tried)
}

fn plain(
    access: Access,
    unknown: Option<UnknownSubjectName>,
    at: &YamlPath,
    report: &mut Report,
) -> Option<AccessSettings> {
    let unknown_subject = match (access, unknown) {
        (Access::Public, Some(_)) => {
            return report.refuse(&at.key("unknown_subject"), NOT_AUTHENTICATED);
        }
        (Access::Public, None) => return Some(AccessSettings::Public),
        (Access::Authenticated, Some(UnknownSubjectName::Allow)) => UnknownSubject::Allow,
        (Access::Authenticated, Some(UnknownSubjectName::Deny) | None) => UnknownSubject::Deny,
    };
    Some(AccessSettings::Authenticated { unknown_subject })
}

fn resource(
    action: String,
    raw: raw::RouteResource,
    policy: Option<&PolicySettings>,
    at: &YamlPath,
    report: &mut Report,
) -> Option<AccessSettings> {
    let action = report.name(&at.key("action"), action);
    let at = at.key("resource");
    if let Some(policy) = policy
        && !policy.kinds.contains_key(&raw.kind)
    {
        let known = list(policy.kinds.keys());
        report.problem(
            &at.key("kind"),
            format!("expected a kind of the policy: {known}"),
        );
    }
    let at = at.key("id");
    let id = match (raw.id.path, raw.id.query, raw.id.header) {
        (Some(name), None, None) => report.text(&at.key("path"), name).map(IdSource::Path),
        (None, Some(name), None) => report.text(&at.key("query"), name).map(IdSource::Query),
        (None, None, Some(name)) => report
            .free_header(&at.key("header"), &name)
            .map(IdSource::Header),
        _ => report.refuse(&at, "expected exactly one of `path`, `query` and `header`"),
    };
    Some(AccessSettings::Resource {
        action: action?,
        kind: raw.kind,
        id: id?,
    })
}

/// Actions that change something, whatever the method.
const WRITES: [&str; 3] = ["write", "delete", "share"];

const STALE: Bounds = Bounds {
    default: Duration::ZERO,
    min: Duration::ZERO,
    max: Duration::from_secs(30),
    says: "0s to 30s",
};

const NOT_AUTHENTICATED: &str = "expected `unknown_subject` only with `access: authenticated`";

/// CONNECT and TRACE are not here: a proxy must not pass them on to an application.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

//! From the configuration as written to [`Settings`].
//!
//! Promise: every rule and bound is checked, every default is filled in, and all problems are
//! reported together. A section that has a problem yields nothing, so no half-checked value can
//! reach the settings. Rules between sections are here; rules within one are in its own file.

mod breaker;
mod cache;
mod cors;
mod database;
mod hardening;
mod header;
mod identity;
mod introspection;
mod issuer;
mod key;
mod link;
mod own;
mod policy;
mod postgres_url;
mod redis;
mod redis_url;
mod remote;
mod report;
mod route;
mod scope;
mod server;
mod service_keys;
mod source;
mod store;
mod telemetry;
mod tracing;
mod upstream;
mod url;
mod value;

use std::path::Path;

use serde_json::Value;

use crate::locate::{Finding, YamlPath};
use crate::raw::Raw;
use crate::settings::{
    CredentialSource, IntrospectionFallback, IntrospectionSettings, IssuerSettings, Settings,
    StoreSettings,
};
use report::Report;
pub use value::is_scope;

/// Checks everything that was written. `redacted` may be shown; `file` is the configuration's own
/// path.
pub(crate) fn settings(raw: Raw, redacted: Value, file: &Path) -> Result<Settings, Vec<Finding>> {
    let mut report = Report::new(file);
    match sections(raw, &mut report) {
        Some(mut settings) if report.findings.is_empty() => {
            notes(&settings, &mut report);
            settings.insecure = report.insecure;
            settings.notes = report.notes;
            settings.files = report.files;
            settings.redacted = redacted;
            Ok(settings)
        }
        Some(_) | None => Err(report.findings),
    }
}

fn sections(raw: Raw, report: &mut Report) -> Option<Settings> {
    let accepted = Accepted::read(&raw, report);
    let listen = server::listen(raw.listen, report);
    let admin = server::admin(raw.admin, listen, report);
    let server = server::server(&raw.server, report);
    let admin_listen = admin.as_ref().map(|admin| admin.listen);
    own::instances(&raw.upstream, listen, admin_listen, report);
    let upstream = upstream::upstream(raw.upstream, report);
    let proxies = server::trusted_proxies(&raw.trusted_proxies, accepted.every_proxy, report);
    let limits = hardening::limits(&raw.limits, !raw.trusted_proxies.is_empty(), report);
    let strictness = hardening::strictness(&raw.hardening);
    let issuers = issuer::issuers(raw.issuers, accepted.no_issuers, report);
    let service_keys = service_keys::service_keys(raw.service_keys, report);
    introspection::between(issuers.as_deref(), limits.as_ref(), report);
    let store = store::store(raw.store, raw.database, report);
    let keys = service_keys.as_ref().and_then(Option::as_ref);
    service_keys::fit(keys, issuers.as_deref(), store.as_ref(), report);
    let redis = redis::redis(raw.redis, report);
    let cache = cache::cache(&raw.cache, report);
    let coherence = cache::coherence(&raw.coherence, report);
    let policy = policy::policy(raw.policy, report);
    let at = YamlPath::default().key("hardening").key("relax");
    let relax = hardening::relaxed(&raw.hardening.relax, &at, report);
    let links = link::links(raw.links, report);
    let referred = route::Referred {
        policy: policy.as_ref(),
        upstream: upstream.as_ref(),
        links: links.as_ref().map(Option::as_ref),
        relax: relax?,
    };
    route::public_everything(&raw.routes, accepted.public_everything, report);
    let routes = route::routes(raw.routes, accepted.no_routes, &referred, report);
    let cors = cors::cors(raw.cors, report);
    let identity = identity::identity(raw.identity, report);
    let telemetry = telemetry::telemetry(raw.telemetry, &raw.trusted_proxies, report);

    Some(Settings {
        listen: listen?,
        admin: admin?,
        server: server?,
        upstream: upstream?,
        trusted_proxies: proxies?,
        limits: limits?,
        strictness,
        issuers: issuers?,
        service_keys: service_keys?,
        store: store?,
        redis: redis?,
        cache: cache?,
        coherence: coherence?,
        policy: policy?,
        routes: routes?,
        links: links?.map(|links| links.settings),
        cors: cors?,
        identity: identity?,
        telemetry: telemetry?,
        writable_files: accepted.writable_files,
        insecure: Vec::new(),
        notes: Vec::new(),
        files: Vec::new(),
        redacted: Value::Null,
    })
}

/// The `insecure_…` options that stand at the top.
struct Accepted {
    every_proxy: bool,
    no_issuers: bool,
    no_routes: bool,
    public_everything: bool,
    writable_files: bool,
}

impl Accepted {
    fn read(raw: &Raw, report: &mut Report) -> Self {
        let root = YamlPath::default();
        let mut on = |key, option| report.insecure(&root, key, option);
        Self {
            every_proxy: on("insecure_trust_every_proxy", raw.insecure_trust_every_proxy),
            no_issuers: on("insecure_no_issuers", raw.insecure_no_issuers),
            no_routes: on("insecure_no_routes", raw.insecure_no_routes),
            public_everything: on("insecure_public_everything", raw.insecure_public_everything),
            writable_files: on("insecure_writable_files", raw.insecure_writable_files),
        }
    }
}

/// What is allowed, and often not what was meant.
fn notes(settings: &Settings, report: &mut Report) {
    for (index, issuer) in settings.issuers.iter().enumerate() {
        let is_cookie = |source: &CredentialSource| matches!(source, CredentialSource::Cookie(_));
        if settings.cors.origins.is_empty() && issuer.sources.iter().any(is_cookie) {
            report.note(format!(
                "issuers[{index}].sources: a cookie is accepted and `cors.origins` is empty, so \
                 unsafe methods and WebSocket by cookie are always refused"
            ));
        }
        if let Some(introspection) = &issuer.introspection {
            introspected(issuer, introspection, report);
        }
        if issuer.claims.roles.is_some() {
            report.note(format!(
                "roles from the claims of `{}` are good until the token ends: keep a role that \
                 must be revocable at once in the subjects table",
                issuer.issuer
            ));
        }
    }
    if settings.issuers.len() > 1 {
        report.note(
            "issuers: all of them share one namespace of subjects, so each may name any subject"
                .to_owned(),
        );
    }
    if settings.redis.is_some() && matches!(settings.store, StoreSettings::File { .. }) {
        report
            .note("redis: not used with `store.file`, whose answers are all in memory".to_owned());
    }
    if settings.redis.is_some() && settings.cache.l1_bytes == 0 {
        report.note("redis: not used while `cache.l1_size_mb` is 0".to_owned());
    }
    if settings.trusted_proxies.is_empty()
        && settings.limits.max_failed_authentications > 0
        && !settings.listen.ip().to_canonical().is_loopback()
    {
        report.note(
            "trusted_proxies: empty, so behind a load balancer all clients are one and share \
             `limits.max_failed_authentications`"
                .to_owned(),
        );
    }
    link::unused(settings, report);
    route::ungranted(settings, report);
    scope::scoped(settings, report);
    route::never_stale(settings, report);
}

/// How long a revoked token is good for.
fn introspected(issuer: &IssuerSettings, asked: &IntrospectionSettings, report: &mut Report) {
    let mut note = format!(
        "a token that `{}` revokes is good for {} more: `introspection.ttl`",
        issuer.issuer,
        humantime::format_duration(asked.ttl)
    );
    if asked.fallback == IntrospectionFallback::Local {
        note.push_str(
            "; while it cannot be asked, a JWT is good for reads until it ends: `introspection.fallback`",
        );
    }
    report.note(note);
}

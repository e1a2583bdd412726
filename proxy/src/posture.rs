//! What protects what, as it is configured: for `sidegate check --security`.
//!
//! Promise: every line is read from the settings that `run` would use, and what is known to be weak is
//! marked: a rule that is relaxed or only reported, a bound that is off, a public route that takes more
//! than one path or can change something, every `insecure_…` option. No secret is shown.
//!
//! Does not: judge numbers. A head of five minutes is bounded, and here to be read.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;

use serde::Serialize;
use sidegate_config::{
    AccessSettings, AssertionAlgorithm, AssertionSettings, CredentialSource, IntrospectionFallback,
    IntrospectionSettings, IssuerSettings, KeySource, RouteSettings, Rule, Settings, StoreSettings,
    Strictness, Tls,
};

/// One thing that protects, or does not.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What it is about.
    pub about: String,
    /// What is in force.
    pub effect: String,
    /// Whether it is worth a second look.
    pub weak: bool,
}

/// What is in force.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Posture {
    /// In the order of a request's way.
    pub lines: Vec<Line>,
}

/// Says in the log what is switched off, at the start and after every reload.
pub fn warn(settings: &Settings) {
    for option in &settings.insecure {
        tracing::warn!(option, "an insecure option is on");
    }
    if settings.strictness == Strictness::ReportOnly {
        tracing::warn!("rules of strictness are only reported: `hardening.mode`");
    }
}

impl Posture {
    /// Of a configuration.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let mut posture = Self { lines: Vec::new() };
        posture.listeners(settings);
        posture.rules(settings);
        posture.limits(settings);
        for issuer in &settings.issuers {
            posture.issuer(issuer);
        }
        posture.routes(&settings.routes);
        posture.service_keys(settings);
        posture.links(settings);
        posture.stores(settings);
        posture.application(settings);
        for option in &settings.insecure {
            posture.add(option, "on", true);
        }
        posture
    }

    fn add(&mut self, about: impl Into<String>, effect: impl Into<String>, weak: bool) {
        self.lines.push(Line {
            about: about.into(),
            effect: effect.into(),
            weak,
        });
    }

    fn listeners(&mut self, settings: &Settings) {
        let plain = format!("{}, HTTP/1.1 without TLS", settings.listen);
        self.add("listen", plain, is_beyond(settings.listen));
        let token = if settings.admin.token.is_some() {
            "bearer token required"
        } else {
            "no token"
        };
        let open = is_beyond(settings.admin.listen) && settings.admin.token.is_none();
        self.add("admin", format!("{}, {token}", settings.admin.listen), open);
        let trusted = list(settings.trusted_proxies.iter());
        let about = "may say who a client is";
        self.add(
            about,
            if trusted.is_empty() {
                "nobody".to_owned()
            } else {
                trusted
            },
            false,
        );
    }

    fn rules(&mut self, settings: &Settings) {
        self.add("more than one reading", ALWAYS_REFUSED, false);
        let reported = settings.strictness == Strictness::ReportOnly;
        for rule in Rule::ALL {
            let relaxing = settings
                .routes
                .iter()
                .filter(|route| route.relax.contains(rule));
            let relaxing = list(relaxing.map(|route| route.id.as_str()));
            let effect = match (reported, relaxing.is_empty()) {
                (true, _) => "only reported".to_owned(),
                (false, true) => "refused".to_owned(),
                (false, false) => format!("refused, but for {relaxing}"),
            };
            let weak = reported || !relaxing.is_empty();
            self.add(format!("rule {}", rule.name()), effect, weak);
        }
    }

    fn limits(&mut self, settings: &Settings) {
        let limits = &settings.limits;
        let head = format!(
            "{} bytes, {} headers, whole within {}",
            limits.max_header_bytes,
            limits.max_headers,
            humantime::format_duration(limits.header_timeout)
        );
        self.add("head", head, false);
        let pace = match limits.min_body_rate {
            0 => "at any pace".to_owned(),
            rate => format!("at {rate} bytes per second or more"),
        };
        let body = format!("{} bytes, {pace}", limits.max_body_bytes);
        self.add("body", body, limits.min_body_rate == 0);
        let age = humantime::format_duration(limits.max_stream_age);
        self.add("a request lasts", format!("{age} at most"), false);
        let failures = match limits.max_failed_authentications {
            0 => "any number".to_owned(),
            max => format!(
                "{max} within {}",
                humantime::format_duration(limits.failed_authentication_window)
            ),
        };
        let unlimited = limits.max_failed_authentications == 0;
        self.add("bad credentials of a client", failures, unlimited);
    }

    fn issuer(&mut self, issuer: &IssuerSettings) {
        let shared = issuer
            .keys
            .iter()
            .any(|key| matches!(key, KeySource::Secret { .. }));
        let cookie = |source: &CredentialSource| matches!(source, CredentialSource::Cookie(_));
        let algorithms = match issuer.algorithms.is_empty() {
            true => "no keys".to_owned(),
            false => list(issuer.algorithms.iter().map(|algorithm| algorithm.name())),
        };
        let mut effect = format!(
            "{algorithms}; audiences {}; at most {}",
            list(issuer.audiences.iter()),
            humantime::format_duration(issuer.max_lifetime)
        );
        if shared {
            effect.push_str("; a shared secret: whoever verifies can also sign");
        }
        if issuer.sources.iter().any(cookie) {
            effect.push_str("; by cookie, unsafe methods only from `cors.origins`");
        }
        let weak = shared || issuer.audiences.is_empty();
        self.add(format!("issuer {}", issuer.issuer), effect, weak);
        if let Some(asked) = &issuer.introspection {
            self.introspection(&issuer.issuer, asked);
        }
    }

    fn introspection(&mut self, issuer: &str, asked: &IntrospectionSettings) {
        let local = asked.fallback == IntrospectionFallback::Local;
        let without = if local {
            "without an answer a JWT counts by its key, for reads, also one that was revoked"
        } else {
            "without an answer 503"
        };
        let ttl = humantime::format_duration(asked.ttl);
        let effect = format!(
            "asked about its tokens; one that is revoked is good for {ttl} more; {without}"
        );
        self.add(format!("issuer {issuer}"), effect, local);
    }

    fn routes(&mut self, routes: &[RouteSettings]) {
        let those = |wanted: fn(&AccessSettings) -> bool| {
            let found = routes.iter().filter(|route| wanted(&route.access));
            list(found.map(|route| route.id.as_str()))
        };
        let public = those(|access| matches!(access, AccessSettings::Public));
        if !public.is_empty() {
            let broad = |route: &&RouteSettings| {
                matches!(route.access, AccessSettings::Public)
                    && (route.path.contains("{*")
                        || route.methods.iter().any(|method| !method.is_safe()))
            };
            let weak = routes.iter().any(|route| broad(&route));
            self.add("open to everybody", public, weak);
        }
        let subject = those(|access| matches!(access, AccessSettings::Authenticated { .. }));
        if !subject.is_empty() {
            self.add("open to every verified subject", subject, false);
        }
        self.add("any other request", "refused", false);
        for route in routes
            .iter()
            .filter(|route| !route.stale_if_error.is_zero())
        {
            let age = humantime::format_duration(route.stale_if_error);
            let effect = format!("while the database is away, rights up to {age} old count");
            self.add(format!("route {}", route.id), effect, true);
        }
    }

    fn service_keys(&mut self, settings: &Settings) {
        let Some(keys) = &settings.service_keys else {
            return;
        };
        let open = settings
            .routes
            .iter()
            .filter(|route| !route.scopes.is_empty());
        let open = list(open.map(|route| &route.id));
        let seen = if keys.forward {
            "the application sees them"
        } else {
            "the application does not see them"
        };
        let routes = if open.is_empty() { "no route" } else { &open };
        self.add(
            "service keys",
            format!("good on {routes}; {seen}"),
            keys.forward,
        );
    }

    fn links(&mut self, settings: &Settings) {
        let Some(links) = &settings.links else { return };
        let those = |wanted: fn(&RouteSettings) -> bool| {
            let found = settings.routes.iter().filter(|route| wanted(route));
            list(found.map(|route| route.id.as_str()))
        };
        let accepting = those(|route| route.links);
        if !accepting.is_empty() {
            let life = humantime::format_duration(links.max_ttl);
            let effect = format!("{accepting}; at most {life}, and never longer than the right");
            self.add("open by a link", effect, false);
        }
        let media = those(|route| route.media.is_some());
        if let Some(storage) = links.storage.as_ref().filter(|_| !media.is_empty()) {
            let life = humantime::format_duration(storage.expires_in);
            let effect = format!(
                "{media}; a URL of the storage that was given is good up to {life} longer than the right"
            );
            self.add("sent to the storage", effect, true);
        }
    }

    fn stores(&mut self, settings: &Settings) {
        match &settings.store {
            StoreSettings::File { path, .. } => {
                self.add("facts", format!("the file {}", path.display()), false);
            }
            StoreSettings::Postgres(store) => {
                let effect = encryption(&store.database.tls);
                self.add("facts", format!("PostgreSQL, {effect}"), false);
            }
        }
        if let Some(redis) = &settings.redis {
            let tls = if redis.tls { "TLS" } else { "without TLS" };
            self.add(
                "shared cache",
                format!("Redis, {tls}, every value sealed"),
                false,
            );
        }
    }

    fn application(&mut self, settings: &Settings) {
        let groups = settings.upstream.groups.values().flatten();
        let hosts = list(groups.map(|at| format!("{}:{}", at.host, at.port)));
        let effect = format!("{hosts} by HTTP without TLS: nobody else may reach it");
        self.add("application", effect, false);
        let AssertionSettings {
            enabled,
            algorithm,
            key,
            ..
        } = &settings.identity.assertion;
        let effect = match (enabled, key) {
            (false, _) => "off: the application must believe whoever reaches it".to_owned(),
            (true, Some(_)) => format!("{}, configured key", name(*algorithm)),
            (true, None) => format!("{}, a fresh key at every start", name(*algorithm)),
        };
        self.add("signed identity", effect, !enabled);
    }
}

impl fmt::Display for Posture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            let mark = if line.weak { '!' } else { ' ' };
            writeln!(f, "{mark} {:<32} {}", line.about, line.effect)?;
        }
        let weak = self.lines.iter().filter(|line| line.weak).count();
        write!(f, "{weak} of {} worth a second look", self.lines.len())
    }
}

/// What no option relaxes.
const ALWAYS_REFUSED: &str = "refused: request lines, header lines, Host, framing and paths that two \
                              parsers could read differently";

fn is_beyond(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

const fn encryption(tls: &Tls) -> &'static str {
    match tls {
        Tls::Off => "without TLS",
        Tls::Required { .. } => "TLS, certificate verified",
    }
}

const fn name(algorithm: AssertionAlgorithm) -> &'static str {
    match algorithm {
        AssertionAlgorithm::Es256 => "ES256",
        AssertionAlgorithm::EdDsa => "EdDSA",
    }
}

fn list<T: fmt::Display>(items: impl Iterator<Item = T>) -> String {
    let mut text = String::new();
    for (at, item) in items.enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}{item}", if at == 0 { "" } else { ", " });
    }
    text
}

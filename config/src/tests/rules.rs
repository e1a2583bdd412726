//! The rules: what each section refuses and accepts, and every insecure combination both ways.

use std::path::PathBuf;
use std::time::Duration;

use http::Method;

use super::{BASE, parsed, refused, with};
use crate::{AccessSettings, CredentialSource, IdSource, StoreSettings};

#[test]
fn the_smallest_configuration_gets_every_default() {
    let settings = parsed(BASE).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.admin.listen.to_string(), "127.0.0.1:9901");
    assert_eq!(settings.limits.max_token_bytes, 8192);
    assert_eq!(settings.limits.read_timeout, Duration::from_secs(60));
    assert_eq!(settings.limits.write_timeout, Duration::from_secs(60));
    assert_eq!(settings.issuers[0].sources, [CredentialSource::Bearer]);
    assert_eq!(settings.issuers[0].claims.subject, ["sub"]);
    assert_eq!(settings.policy.visibility_roles["public"], "viewer");
    assert_eq!(settings.routes[0].id, "GET /health");
    assert_eq!(settings.routes[0].methods, [Method::GET]);
    assert!(matches!(settings.routes[0].access, AccessSettings::Public));
    assert!(settings.identity.assertion.enabled);
    assert!(settings.insecure.is_empty() && settings.notes.is_empty());
    let file = StoreSettings::File {
        path: PathBuf::from("/etc/sidegate/directory.yaml"),
        poll_interval: Duration::from_millis(250),
    };
    assert_eq!(settings.store, file);
}

#[test]
fn what_is_insecure_needs_its_option() {
    let short = |option: &str| {
        with("[ES256]", "[HS256]").replace(
            "{ jwks_file: keys.json }",
            &format!("{{ secret: 0123456789abcdef0123456789abcde{option} }}"),
        )
    };
    let issuers = &BASE[BASE.find("issuers").unwrap()..BASE.find("policy").unwrap()];
    let routes = &BASE[BASE.find("routes").unwrap()..];
    for (bad, path, good, option) in [
        (
            with(issuers, ""),
            "issuers",
            with(issuers, "insecure_no_issuers: true\n"),
            "insecure_no_issuers",
        ),
        (
            with(routes, "routes: []\n"),
            "routes",
            with(routes, "routes: []\ninsecure_no_routes: true\n"),
            "insecure_no_routes",
        ),
        (
            with("[api]", "[]"),
            "issuers[0].audiences",
            with("[api]", "[]\n    insecure_any_audience: true"),
            "issuers[0].insecure_any_audience",
        ),
        (
            short(""),
            "issuers[0].keys[0].secret",
            short(", insecure_short_secret: true"),
            "issuers[0].keys[0].insecure_short_secret",
        ),
        (
            format!("{BASE}trusted_proxies: [10.0.0.0/8, 0.0.0.0/0]\n"),
            "trusted_proxies[1]",
            format!("{BASE}trusted_proxies: ['::/0']\ninsecure_trust_every_proxy: true\n"),
            "insecure_trust_every_proxy",
        ),
        (
            format!("{BASE}admin: {{ listen: 0.0.0.0:9901 }}\n"),
            "admin.listen",
            format!("{BASE}admin: {{ listen: 0.0.0.0:9901, insecure_no_token: true }}\n"),
            "admin.insecure_no_token",
        ),
    ] {
        let name = option.rsplit('.').next().unwrap();
        refused(&bad, path, &format!("{name}: true"));
        let settings = parsed(&good).unwrap_or_else(|error| panic!("{good}\n{error}"));
        assert_eq!(settings.insecure, [option]);
    }
    let token = "admin: { listen: 0.0.0.0:9901, token: 0123456789abcdef }\n";
    assert!(
        parsed(&format!("{BASE}{token}"))
            .unwrap()
            .admin
            .token
            .is_some()
    );
}

#[test]
fn not_everything_is_public_by_one_line() {
    let option = "insecure_public_everything";
    let everything = with("/health", "'/{*anything}'");
    refused(&everything, "routes[0].path", &format!("{option}: true"));
    let settings = parsed(&format!("{everything}{option}: true\n")).unwrap();
    assert_eq!(settings.insecure, [option]);
    // Neither a rest elsewhere nor one that is not public is everything.
    assert!(parsed(&with("/health", "'/static/{*rest}'")).is_ok());
    let closed = everything.replace("access: public", "access: authenticated");
    assert!(parsed(&closed).is_ok());
}

#[test]
fn credential_sources_are_unambiguous() {
    let sources = |list: &str| with("[api]", &format!("[api]\n    sources: [{list}]"));
    let at = "issuers[0].sources";
    refused(&sources(""), at, "at least one");
    refused(
        &sources("bearer, bearer"),
        &format!("{at}[1]"),
        "not listed above",
    );
    let twice = sources("{ header: X-A }, { header: x-a }");
    refused(&twice, &format!("{at}[1]"), "not listed above");
    refused(&sources("query"), &format!("{at}[0]"), "`bearer`");
    refused(
        &sources("{ header: X-A, cookie: a }"),
        &format!("{at}[0]"),
        "exactly one",
    );
    refused(
        &sources("{ header: Authorization }"),
        &format!("{at}[0].header"),
        "`bearer`",
    );
    refused(
        &sources("{ header: Host }"),
        &format!("{at}[0].header"),
        "another header",
    );
    refused(
        &sources("{ header: x_sidegate_subject }"),
        &format!("{at}[0].header"),
        "what Sidegate tells",
    );
    refused(
        &sources("{ query: t }"),
        &format!("{at}[0].query"),
        "unknown field",
    );

    let settings = parsed(&sources(
        "bearer, { cookie: s }, { websocket_protocol: t. }",
    ))
    .unwrap();
    assert_eq!(settings.issuers[0].sources.len(), 3);
    assert!(
        settings.notes[0].contains("`cors.origins` is empty"),
        "{:?}",
        settings.notes
    );
}

#[test]
fn a_route_has_exactly_one_rule() {
    let rule = "access: public";
    let resource = "action: read, resource: { kind: generation, id: { query: id } }";
    let settings = parsed(&with(rule, resource)).unwrap();
    let AccessSettings::Resource { id, .. } = &settings.routes[0].access else {
        panic!("{:?}", settings.routes);
    };
    assert_eq!(*id, IdSource::Query("id".to_owned()));
    for (to, path, words) in [
        ("hide_denied: true", "routes[0]", "expected either"),
        ("action: read", "routes[0]", "expected either"),
        (
            &format!("{rule}, {resource}"),
            "routes[0]",
            "expected either",
        ),
        (
            "access: public, unknown_subject: deny",
            "routes[0].unknown_subject",
            "authenticated",
        ),
        (
            "action: read, resource: { kind: generation, id: {} }",
            "routes[0].resource.id",
            "exactly one",
        ),
        (
            "action: read, resource: { kind: generation, id: { header: x_id } }",
            "routes[0].resource.id.header",
            "letters, digits and `-`",
        ),
    ] {
        refused(&with(rule, to), path, words);
    }
    let socket = "access: public, websocket: true";
    assert!(parsed(&with(rule, socket)).unwrap().routes[0].websocket);
    let no_get = with(rule, socket).replace("[GET]", "[POST]");
    refused(&no_get, "routes[0].websocket", "expected GET");
    let granted_to_nobody = parsed(&with(rule, &resource.replace("read", "burn"))).unwrap();
    assert!(granted_to_nobody.notes[0].contains("no role grants `burn`"));
    let again = format!("{BASE}  - {{ methods: [GET], path: /health, access: public }}\n");
    refused(&again, "routes[1]", "unique id");
    refused(
        &with("[GET]", "[GET, TRACE]"),
        "routes[0].methods[1]",
        "upper case",
    );
    refused(
        &with("[GET]", "[get]"),
        "routes[0].methods[0]",
        "upper case",
    );
}

#[test]
fn only_what_reads_may_rest_on_stale_facts() {
    let rule = "access: public";
    let resource = "action: read, resource: { kind: generation, id: { query: id } }";
    let stale =
        |access: &str, value: &str| with(rule, &format!("{access}, stale_if_error: {value}"));
    let long = parsed(&stale(resource, "30s")).unwrap();
    assert_eq!(long.routes[0].stale_if_error.as_secs(), 30);
    let alone = parsed(&stale("access: authenticated", "5s")).unwrap();
    assert_eq!(alone.routes[0].stale_if_error.as_secs(), 5);
    let settings = parsed(&with(rule, resource)).unwrap();
    assert!(settings.routes[0].stale_if_error.is_zero());
    let at = "routes[0].stale_if_error";
    refused(&stale(resource, "31s"), at, "0s to 30s");
    refused(&stale(rule, "1s"), at, "routes that read");
    let writes = resource.replace("read", "write");
    refused(&stale(&writes, "1s"), at, "routes that read");
    let socket = format!("{resource}, websocket: true");
    refused(&stale(&socket, "1s"), at, "routes that read");
    let posts = stale(resource, "1s").replace("[GET]", "[GET, POST]");
    refused(&posts, at, "routes that read");
}

#[test]
fn names_that_are_referred_to_exist() {
    let roles = "roles: { owner: [read], viewer: [read] }";
    let policy = |more: &str| with(roles, &format!("{roles}\n  {more}"));
    refused(
        &with("[read], v", "['*'], v"),
        "policy.roles.owner[0]",
        "a name",
    );
    refused(&with("owner:", "9:"), "policy.roles", "a string");
    let unknown = policy("visibility_roles: { public: guest }");
    refused(
        &unknown,
        "policy.visibility_roles.public",
        "`owner`, `viewer`",
    );
    let unknown = policy("subject_roles: { support: { film: [read] } }");
    refused(
        &unknown,
        "policy.subject_roles.support.film",
        "`generation`",
    );
    assert!(parsed(&policy("subject_roles: { support: { '*': [read] } }")).is_ok());
    let no_viewer = parsed(&with(", viewer: [read]", "")).unwrap();
    assert!(no_viewer.policy.visibility_roles.is_empty());
    let empty = with("generation: {}", "generation: { statuses: [] }");
    refused(
        &empty,
        "policy.kinds.generation.statuses",
        "at least one status",
    );
}

#[test]
fn rules_between_sections_hold() {
    let same = format!("{BASE}listen: 0.0.0.0:9901\n");
    refused(&same, "admin.listen", "another port");
    assert!(
        parsed(&format!(
            "{BASE}listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\n"
        ))
        .is_ok()
    );
    refused(
        &format!("{BASE}cors: {{ preflight: answer }}\n"),
        "cors.origins",
        "at least one",
    );
    let origins =
        "cors: { preflight: answer, origins: [https://app.example], allow_credentials: true }";
    assert!(parsed(&format!("{BASE}{origins}\n")).is_ok());
    let keepalive = format!("{BASE}limits: {{ keepalive_timeout: 1500ms }}\n");
    refused(&keepalive, "limits.keepalive_timeout", "whole seconds");
    for key in ["read_timeout", "write_timeout"] {
        let limits = |value: &str| format!("{BASE}limits: {{ {key}: {value} }}\n");
        for value in ["999ms", "3601s"] {
            refused(&limits(value), &format!("limits.{key}"), "1s to 1h");
        }
        for value in ["1s", "1h"] {
            assert!(parsed(&limits(value)).is_ok(), "{key}: {value}");
        }
    }
    let roles = parsed(&with("[api]", "[api]\n    claims: { roles: app.roles }")).unwrap();
    assert!(roles.notes[0].starts_with("roles from the claims of `https://id.example/` are good"));
    let second =
        "  - { issuer: b, audiences: [api], algorithms: [ES256], keys: [{ jwks_file: b }] }";
    let two = parsed(&with("policy:", &format!("{second}\npolicy:"))).unwrap();
    assert_eq!(two.notes.len(), 1, "{:?}", two.notes);
    assert!(two.notes[0].contains("each may name any subject"));
    refused(
        &with("[api]", "[api]\n    claims: { subject: a..b }"),
        "issuers[0].claims.subject",
        "no part empty",
    );
}

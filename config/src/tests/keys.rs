//! The keys of an issuer: which kinds, options and algorithms go together.

use std::time::Duration;

use super::{parsed, refused, with};
use crate::{KeySource, RemoteKeyKind, RemoteKeySettings};

const SECRET: &str = "secret: 0123456789abcdef0123456789abcdef";
const URI: &str = "jwks_uri: 'https://id.example/jwks.json'";

fn keys(entries: &str) -> String {
    with("{ jwks_file: keys.json }", entries)
}

#[test]
fn hs256_and_secrets_come_together() {
    let secret = "{ secret: 0123456789abcdef0123456789abcdef }";
    refused(
        &with("[ES256]", "[HS256]"),
        "issuers[0].algorithms",
        "`secret`",
    );
    refused(
        &with("{ jwks_file: keys.json }", secret),
        "issuers[0].keys[0]",
        "HS256",
    );
    let both = with("{ jwks_file: keys.json }", secret).replace("[ES256]", "[ES256, HS256]");
    assert!(parsed(&both).is_ok());
}

#[test]
fn a_remote_set_gets_every_default() {
    for (entry, kind, url) in [
        (URI, RemoteKeyKind::KeySet, "https://id.example/jwks.json"),
        (
            "openid_discovery: 'https://id.example/'",
            RemoteKeyKind::Discovery,
            "https://id.example/.well-known/openid-configuration",
        ),
    ] {
        let settings = parsed(&keys(&format!("{{ {entry} }}"))).unwrap();
        let [KeySource::Remote(remote)] = settings.issuers[0].keys.as_slice() else {
            panic!("{:?}", settings.issuers[0].keys);
        };
        let expected = RemoteKeySettings {
            url: url.to_owned(),
            kind,
            refresh_interval: Duration::from_secs(300),
            max_age: Duration::from_secs(24 * 3600),
            timeout: Duration::from_secs(5),
        };
        assert_eq!(*remote, expected);
    }
}

#[test]
fn options_belong_to_their_kind_of_key() {
    let at = "issuers[0].keys[0]";
    let pem = "pem_file: key.pem";
    for (entry, key, words) in [
        (format!("{URI}, kid: a"), ".kid", "no `kid`"),
        (
            format!("{URI}, insecure_short_secret: true"),
            ".insecure_short_secret",
            "only with `secret`",
        ),
        (format!("{pem}, timeout: 1s"), ".timeout", "`jwks_uri`"),
        (format!("{pem}, max_age: 1h"), ".max_age", "`jwks_uri`"),
        (
            format!("{pem}, refresh_interval: 1h"),
            ".refresh_interval",
            "`jwks_uri`",
        ),
        (format!("{pem}, {URI}"), "", "exactly one"),
        (
            format!("{URI}, openid_discovery: 'https://id'"),
            "",
            "exactly one",
        ),
        (format!("{URI}, timeout: 99ms"), ".timeout", "100ms to 60s"),
        (
            format!("{URI}, refresh_interval: 9s"),
            ".refresh_interval",
            "10s to 24h",
        ),
        (format!("{URI}, max_age: 31d"), ".max_age", "1m to 30d"),
        (
            format!("{URI}, refresh_interval: 2h, max_age: 1h"),
            ".max_age",
            "at least `refresh_interval`",
        ),
        (
            "openid_discovery: 'https://id/?x'".to_owned(),
            ".openid_discovery",
            "without query",
        ),
        (
            "jwks_uri: 'http://id.example/'".to_owned(),
            ".jwks_uri",
            "`https://",
        ),
    ] {
        refused(
            &keys(&format!("{{ {entry} }}")),
            &format!("{at}{key}"),
            words,
        );
    }
    let exact = format!("{{ {URI}, refresh_interval: 1h, max_age: 1h, timeout: 100ms }}");
    assert!(parsed(&keys(&exact)).is_ok());
}

#[test]
fn a_remote_set_needs_an_algorithm_with_public_keys() {
    let mixed = keys(&format!("{{ {URI} }}, {{ {SECRET} }}"));
    let only = mixed.replace("[ES256]", "[HS256]");
    refused(&only, "issuers[0].keys[0]", "more than HS256");
    let both = mixed.replace("[ES256]", "[ES256, HS256]");
    assert_eq!(parsed(&both).unwrap().issuers[0].keys.len(), 2);
    let no_secret = keys(&format!("{{ {URI} }}")).replace("[ES256]", "[ES256, HS256]");
    refused(&no_secret, "issuers[0].algorithms", "`secret`");
}

#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    for key in ["jwks_uri", "openid_discovery"] {
        let text = keys(&format!("{{ {key}: 'https://me:hunter2@id.example/' }}"));
        refused(&text, &format!("issuers[0].keys[0].{key}"), "without user");
        let error = parsed(&text).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

//! Keys behind a URL: an identity provider that rotates, fails, lies and dies.

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};
use sidegate::authn::{RemoteKeys, key_client};
use sidegate_config::{RemoteKeyKind, RemoteKeySettings};

use crate::process::{DIRECTORY, ISSUER, Sidegate, eventually};
use crate::provider::{Provider, Signer};
use crate::recorder::Recorder;
use crate::wire::{Reply, ask, request};

static OLD: LazyLock<Signer> = LazyLock::new(|| Signer::new("old"));
static NEW: LazyLock<Signer> = LazyLock::new(|| Signer::new("new"));

/// Sidegate with this key source.
fn start(source: &str) -> (Recorder, Sidegate) {
    start_with(source, &[])
}

/// The same, with environment variables.
fn start_with(source: &str, env: &[(&str, &str)]) -> (Recorder, Sidegate) {
    let recorder = Recorder::start();
    let config = format!(
        r#"
listen: "127.0.0.1:0"
admin: {{ listen: "127.0.0.1:0" }}
server: {{ threads: 1, shutdown_grace: 0s }}
upstream: {{ url: "http://{}" }}
issuers: [{{ issuer: "{ISSUER}", audiences: [api], algorithms: [ES256], keys: [{source}] }}]
store: {{ file: {{ path: directory.yaml }} }}
policy: {{ roles: {{ owner: [read] }}, kinds: {{ generation: {{}} }} }}
routes:
  - {{ methods: [GET], path: /me, access: authenticated }}
  - {{ methods: [GET], path: /open, access: public }}
"#,
        recorder.address
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("directory.yaml"), DIRECTORY).unwrap();
    std::fs::write(folder.path().join("sidegate.yaml"), config).unwrap();
    (recorder, Sidegate::run_with(folder, env))
}

fn jwks(provider: &Provider) -> String {
    format!(
        "{{ jwks_uri: \"http://{}/jwks\", refresh_interval: 10s }}",
        provider.address
    )
}

fn me(sidegate: &Sidegate, token: &str) -> Reply {
    ask(
        sidegate.proxy,
        request(
            "GET",
            "/me",
            &[("Authorization", &format!("Bearer {token}"))],
        ),
    )
}

fn usable(sidegate: &Sidegate) {
    eventually("keys are there", || {
        (sidegate.admin("/readyz")["ready"] == true).then_some(())
    });
}

#[test]
fn without_keys_nobody_can_know() {
    let provider = Provider::start();
    let (recorder, sidegate) = start(&jwks(&provider));
    eventually("the first fetch has failed", || {
        let ready = sidegate.admin("/readyz");
        (ready["notes"].to_string().contains("there are no keys")).then_some(())
    });
    let reply = me(&sidegate, &OLD.token());
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("1"))
    );
    // What no key could make good is refused, and what needs no key is served.
    assert_eq!(me(&sidegate, &OLD.token_for(-3500)).status, 401);
    assert_eq!(me(&sidegate, "x.y.z").status, 401);
    assert_eq!(recorder.received().len(), 0);
    assert_eq!(
        ask(sidegate.proxy, request("GET", "/open", &[])).status,
        200
    );

    provider.keys(&[&OLD]);
    usable(&sidegate);
    assert_eq!(me(&sidegate, &OLD.token()).status, 200);
}

#[test]
fn a_dead_provider_leaves_the_last_good_keys() {
    let provider = Provider::start();
    provider.keys(&[&OLD]);
    let (_recorder, sidegate) = start(&jwks(&provider));
    usable(&sidegate);
    provider.die();
    // A token with another key makes it fetch; nobody can know whether that key is good now.
    let before = provider.fetches();
    let _ = me(&sidegate, &NEW.token());
    eventually("it has fetched", || {
        (provider.fetches() > before).then_some(())
    });
    eventually("nobody can know", || {
        (me(&sidegate, &NEW.token()).status == 503).then_some(())
    });
    assert_eq!(me(&sidegate, &OLD.token()).status, 200);
    assert!(
        sidegate.admin("/readyz")["notes"]
            .to_string()
            .contains("keys from")
    );
    assert!(sidegate.admin("/config")["key_problems"][0].is_string());
}

/// Keys that were fetched once, in this process, and may be used for so long.
fn fetched(
    provider: &Provider,
    max_age: Duration,
) -> (RemoteKeys, tokio::runtime::Runtime, reqwest::Client) {
    let settings = RemoteKeySettings {
        url: format!("http://{}/jwks", provider.address),
        kind: RemoteKeyKind::KeySet,
        refresh_interval: Duration::from_secs(60),
        max_age,
        timeout: Duration::from_secs(1),
    };
    let keys = RemoteKeys::new(
        ISSUER,
        &settings,
        &[sidegate_config::Algorithm::Es256].into(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = key_client().unwrap();
    assert_eq!(runtime.block_on(keys.fetch(&client)).unwrap(), 1);
    (keys, runtime, client)
}

#[test]
fn what_is_no_key_set_changes_nothing_and_a_set_withdraws_what_it_lacks() {
    let provider = Provider::start();
    provider.keys(&[&OLD]);
    let elsewhere = Provider::start();
    elsewhere.keys(&[&NEW]);
    let long = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300_000));
    let redirect = format!("302 Found\r\nLocation: http://{}/jwks", elsewhere.address);
    let private = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA" });
    let symmetric = json!({ "kty": "oct", "k": "AAAA" });
    let set = |keys: &[&Value]| json!({ "keys": keys }).to_string();
    for (status, body, left) in [
        ("500 Oops", "", true),
        ("200 OK", "<html>", true),
        ("200 OK", "{}", true),
        ("200 OK", &*long, true),
        (&*redirect, "", true),
        // Sets that cannot be taken over, and that still say which keys there are.
        ("200 OK", &*set(&[&OLD.jwk, &private]), true),
        ("200 OK", &*set(&[&OLD.jwk, &symmetric]), true),
        ("200 OK", &*set(&[&OLD.jwk, &OLD.jwk]), true),
        ("200 OK", &*set(&[&NEW.jwk, &private]), false),
        ("200 OK", &*set(&[]), false),
    ] {
        let (keys, runtime, client) = {
            provider.keys(&[&OLD]);
            fetched(&provider, Duration::from_secs(600))
        };
        provider.answer("/jwks", status, body);
        assert!(
            runtime.block_on(keys.fetch(&client)).is_err(),
            "{status} {body:.40}"
        );
        assert_eq!(keys.is_usable(), left, "{status} {body:.40}");
        assert!(keys.problem().is_some());
    }
    assert_eq!(elsewhere.fetches(), 0, "no redirect to another host");
}

#[test]
fn a_token_that_is_known_ends_with_its_key() {
    let provider = Provider::start();
    provider.keys(&[&OLD]);
    let (_recorder, sidegate) = start(&jwks(&provider));
    usable(&sidegate);
    let known = OLD.token();
    assert_eq!(me(&sidegate, &known).status, 200);
    assert_eq!(me(&sidegate, &known).status, 200);
    provider.keys(&[&NEW]);
    // A token of the new key makes the set be fetched.
    eventually("the new key", || {
        (me(&sidegate, &NEW.token()).status == 200).then_some(())
    });
    assert_eq!(me(&sidegate, &known).status, 401);
}

#[test]
fn keys_that_are_too_old_are_not_used() {
    let provider = Provider::start();
    provider.keys(&[&OLD]);
    let usable = |max_age| fetched(&provider, max_age).0.is_usable();
    assert!(usable(Duration::from_secs(600)) && !usable(Duration::ZERO));
}

#[test]
fn no_proxy_chooses_the_keys() {
    let provider = Provider::start();
    provider.keys(&[&OLD]);
    let liar = Provider::start();
    liar.keys(&[&NEW]);
    let (_recorder, sidegate) = start_with(
        &jwks(&provider),
        &[
            ("HTTP_PROXY", &format!("http://{}", liar.address)),
            ("NO_PROXY", ""),
        ],
    );
    usable(&sidegate);
    assert_eq!(me(&sidegate, &OLD.token()).status, 200);
    assert_eq!(
        (me(&sidegate, &NEW.token()).status, liar.fetches()),
        (401, 0)
    );
}

#[test]
fn a_rotation_loses_no_valid_request() {
    let provider = Provider::start();
    provider.keys(&[&OLD]);
    let (_recorder, sidegate) = start(&jwks(&provider));
    usable(&sidegate);
    assert_eq!(me(&sidegate, &OLD.token()).status, 200);
    // Somebody keeps asking for keys that do not exist, all the time.
    let unknown = Signer::new("unknown");
    let before = provider.fetches();
    let started = std::time::Instant::now();
    assert_eq!(me(&sidegate, &unknown.token()).status, 401);
    provider.keys(&[&OLD, &NEW]);
    let clients: Vec<_> = (0..16)
        .map(|client| {
            let (proxy, token) = (
                sidegate.proxy,
                if client % 2 == 0 {
                    NEW.token()
                } else {
                    unknown.token()
                },
            );
            std::thread::spawn(move || {
                let reply = ask(
                    proxy,
                    request(
                        "GET",
                        "/me",
                        &[("Authorization", &format!("Bearer {token}"))],
                    ),
                );
                assert_eq!(reply.status, if client % 2 == 0 { 200 } else { 401 });
            })
        })
        .collect();
    clients
        .into_iter()
        .for_each(|client| client.join().unwrap());
    let most = 2 + usize::try_from(started.elapsed().as_secs()).unwrap();
    let fetched = provider.fetches() - before;
    assert!(
        fetched <= most,
        "{fetched} fetches, at most one a second: {most}"
    );
    // The old key is withdrawn: its tokens end with the next fetch.
    provider.keys(&[&NEW]);
    let _ = me(&sidegate, &unknown.token());
    assert_eq!(me(&sidegate, &OLD.token()).status, 401);
    assert_eq!(me(&sidegate, &NEW.token()).status, 200);
}

#[test]
fn metadata_names_the_keys_of_its_own_issuer_only() {
    let provider = Provider::start();
    provider.keys(&[&OLD]);
    let metadata = |issuer: &str, jwks_uri: &str| {
        let body = json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string();
        provider.answer("/.well-known/openid-configuration", "200 OK", &body);
    };
    let source = format!("{{ openid_discovery: \"http://{}\" }}", provider.address);
    let good = format!("http://{}/jwks", provider.address);
    metadata("https://other.test/", &good);
    let (_recorder, sidegate) = start(&source);
    let says = |text: &str| {
        eventually(text, || {
            sidegate.admin("/config")["key_problems"]
                .to_string()
                .contains(text)
                .then_some(())
        });
    };
    says("another issuer");
    metadata(ISSUER, "http://192.0.2.1/jwks");
    says("expected https");
    assert_eq!(me(&sidegate, &OLD.token()).status, 503);
    metadata(ISSUER, &good);
    usable(&sidegate);
    assert_eq!(me(&sidegate, &OLD.token()).status, 200);
}

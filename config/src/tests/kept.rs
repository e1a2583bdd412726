//! What is kept of the document itself: its files, and a form of it that may be shown.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{BASE, parsed};
use crate::{Settings, load, parse, schema};

/// Every place of a secret, and an environment that fills in one more in each of them.
const FULL: &str = "\
listen: '${LISTEN:-127.0.0.1:0}'
admin: { token: hunter2-admin-token }
upstream: { url: 'http://127.0.0.1:${PORT:-3000}' }
store: { postgres: {} }
service_keys: { pepper: '${UNSET:-hunter2-hunter2-hunter2-hunter2-pepper}' }
issuers:
  - issuer: https://id.example/
    audiences: [api]
    algorithms: [ES256, HS256]
    keys:
      - jwks_uri: https://id.example/jwks.json
      - { secret: hunter2-hunter2-hunter2-hunter2-hunter2 }
      - { secret: '${SECRET}' }
      - { secret: '${UNSET:-hunter2-hunter2-hunter2-hunter2-default}' }
      - { secret: 'file:key' }
  - issuer: https://other.example/
    audiences: [api]
    algorithms: [HS256]
    keys: [{ kid: a, secret: 'file:${NAME:-./key}' }, { secret: 'file:other' }]
    introspection:
      { url: 'https://other.example/i', client_id: me, client_secret: hunter2-client, fallback: deny }
policy: { roles: { owner: [read] } }
routes: [{ methods: [GET], path: /health, access: public }]
identity: { assertion: { key: '${KEY:-hunter2-pem}', issuer: me } }
database:
  url: 'postgres://me:hunter2@db/app?sslmode=require'
  feed_url: '${UNSET:-postgres://me:hunter2@db/app}'
  migrate_url: 'file:url'
redis:
  url: 'rediss://me:hunter2@cache/0'
  mac_keys: [hunter2-hunter2-hunter2-hunter2-hunter2, 'file:other']
links:
  key: hunter2-hunter2-hunter2-hunter2-links
  previous_keys: ['file:other', hunter2-hunter2-hunter2-hunter2-before]
  storage: { url: 'https://storage.example/v1', token: hunter2-storage-token }
telemetry:
  tracing:
    endpoint: https://traces.example
    headers: [{ name: x-team, value: hunter2-team }, { name: authorization, value: 'file:other' }]
";

fn loaded() -> (PathBuf, Settings) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sidegate.yaml");
    fs::write(&file, FULL).unwrap();
    for name in ["key", "other"] {
        let secret = format!("hunter2-hunter2-hunter2-hunter2-{name}\n");
        fs::write(folder.path().join(name), secret).unwrap();
    }
    let url = "postgres://hunter2@db/app\n";
    fs::write(folder.path().join("url"), url).unwrap();
    let secret = "hunter2-hunter2-hunter2-hunter2-variable".to_owned();
    let env = BTreeMap::from([("SECRET".to_owned(), secret)]);
    let settings = load(&file, &env).unwrap();
    (folder.path().to_path_buf(), settings)
}

#[test]
fn every_file_that_was_read_is_kept_once() {
    let (folder, settings) = loaded();
    let expected = ["sidegate.yaml", "key", "other", "url"].map(|name| folder.join(name));
    assert_eq!(settings.files, expected);

    let relative = parse(BASE, Path::new("sidegate.yaml"), &BTreeMap::new()).unwrap();
    let here = std::path::absolute("sidegate.yaml").unwrap();
    assert_eq!(relative.files, [here]);
}

#[test]
fn the_redacted_document_is_what_was_written_without_its_secrets() {
    let (_, settings) = loaded();
    let shown = &settings.redacted;
    assert!(!shown.to_string().contains("hunter2"), "{shown}");
    assert_eq!(shown["listen"], "${LISTEN:-127.0.0.1:0}");
    assert_eq!(shown["upstream"]["url"], "http://127.0.0.1:${PORT:-3000}");
    assert_eq!(shown["admin"], json!({ "token": "***" }));
    let keys = json!([
        { "jwks_uri": "https://id.example/jwks.json" },
        { "secret": "***" },
        { "secret": "***" },
        { "secret": "***" },
        { "secret": "file:key" },
    ]);
    assert_eq!(shown["issuers"][0]["keys"], keys);
    let keys = json!([
        { "kid": "a", "secret": "file:${NAME:-./key}" },
        { "secret": "file:other" },
    ]);
    assert_eq!(shown["issuers"][1]["keys"], keys);
    let asked = json!({
        "url": "https://other.example/i",
        "client_id": "me",
        "client_secret": "***",
        "fallback": "deny",
    });
    assert_eq!(shown["issuers"][1]["introspection"], asked);
    assert_eq!(shown["service_keys"], json!({ "pepper": "***" }));
    let assertion = json!({ "key": "***", "issuer": "me" });
    assert_eq!(shown["identity"]["assertion"], assertion);
    let database = json!({ "url": "***", "feed_url": "***", "migrate_url": "file:url" });
    assert_eq!(shown["database"], database);
    let redis = json!({ "url": "***", "mac_keys": ["***", "file:other"] });
    assert_eq!(shown["redis"], redis);
    let links = json!({
        "key": "***",
        "previous_keys": ["file:other", "***"],
        "storage": { "url": "https://storage.example/v1", "token": "***" },
    });
    assert_eq!(shown["links"], links);
    let headers = json!([
        { "name": "x-team", "value": "***" },
        { "name": "authorization", "value": "file:other" },
    ]);
    assert_eq!(shown["telemetry"]["tracing"]["headers"], headers);

    // A place that is no secret's, where a URL may still hold one.
    let url = "https://me:hunter2@id.example/x?apikey=hunter2";
    let text = BASE
        .replace("[api]", &format!("['{url}', '${{UNSET:-{url}#}}']"))
        .replace("https://id.example/\n", &format!("{url}\n"));
    let shown = parsed(&text).unwrap().redacted;
    assert!(!shown.to_string().contains("hunter2"), "{shown}");
    let hidden = "https://***@id.example/x?***";
    assert_eq!(shown["issuers"][0]["issuer"], hidden);
    let audiences = json!([hidden, format!("${{UNSET:-{hidden}}}")]);
    assert_eq!(shown["issuers"][0]["audiences"], audiences);

    let plain = parsed(BASE).unwrap().redacted;
    assert_eq!(
        plain,
        serde_yaml::from_str::<serde_json::Value>(BASE).unwrap()
    );
}

#[test]
fn the_secrets_of_the_full_example_are_all_there_are() {
    // Whoever adds a secret to the schema adds it to the redaction and to the example above.
    let schema = schema().to_string();
    assert_eq!(
        schema.matches("`file:PATH` reads it").count(),
        14,
        "{schema}"
    );
}

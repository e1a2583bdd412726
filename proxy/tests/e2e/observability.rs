//! What a running Sidegate tells about itself and its requests is what the documentation says, and nothing of a
//! request becomes a label or leaks into a line.

mod access_log;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write as _;

use serde_json::json;
use sidegate::metrics::catalogue;
use sidegate::metrics::{Definition, Needs, Values};
use sidegate_loadtest::redis::Redis;

use crate::caching::metrics;
use crate::database::{Database, SUPERUSER, folder, migrate};
use crate::demo::Demo;
use crate::introspection::endpoint::Endpoint;
use crate::process::{ALICE, ISSUER, MINE, SECRET, Sidegate, YOURS, eventually, token};
use crate::recorder::Recorder;
use crate::sharing::{is_sharing, redis};
use crate::wire::{ask, request};

/// The metrics of a text, each with its kind and its samples.
fn told(text: &str) -> BTreeMap<String, (String, Vec<String>)> {
    let mut told: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            name.clone_into(&mut last);
            told.insert(name.to_owned(), (kind.to_owned(), Vec::new()));
        } else if !line.starts_with('#') {
            told.get_mut(&last).unwrap().1.push(line.to_owned());
        }
    }
    told
}

/// The labels of a sample.
fn labels(sample: &str) -> BTreeMap<String, String> {
    let Some((_, rest)) = sample.split_once('{') else {
        return BTreeMap::new();
    };
    let (inside, _) = rest.rsplit_once('}').unwrap();
    let pairs = inside.split("\",").map(|pair| {
        let (name, value) = pair.split_once("=\"").unwrap();
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    pairs.collect()
}

/// That a metric is told as it is documented, with samples whose labels are.
fn is_as_documented(definition: &Definition, (kind, samples): &(String, Vec<String>)) {
    let name = definition.name;
    assert_eq!(kind, definition.kind.name(), "{name}");
    assert!(!samples.is_empty(), "{name} has no samples");
    for sample in samples {
        let mut found = labels(sample);
        found.remove("le");
        let names: BTreeSet<_> = found.keys().map(String::as_str).collect();
        let expected: BTreeSet<_> = definition.labels.iter().map(|label| label.name).collect();
        assert_eq!(names, expected, "{sample}");
        for label in definition.labels {
            if let Values::Closed(values) = label.values {
                assert!(values().contains(&&*found[label.name]), "{sample}");
            }
        }
    }
}

/// Compares what is told with what is documented for this configuration; how many there are.
fn compare(text: &str, is_expected: impl Fn(Needs) -> bool) -> usize {
    let told = told(text);
    let expected: BTreeMap<_, _> = catalogue::all()
        .into_iter()
        .filter(|definition| is_expected(definition.needs))
        .map(|definition| (definition.name.to_owned(), definition))
        .collect();
    let missing: Vec<_> = expected
        .keys()
        .filter(|name| !told.contains_key(*name))
        .collect();
    let unknown: Vec<_> = told
        .keys()
        .filter(|name| !expected.contains_key(*name))
        .collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "documented and missing: {missing:?}; there and not documented: {unknown:?}"
    );
    for (name, definition) in expected {
        is_as_documented(definition, &told[&name]);
    }
    told.len()
}

/// For `scripts/check-observability`.
fn figure(name: &str, value: usize) {
    if let Some(file) = std::env::var_os("SIDEGATE_FIGURES") {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
            .unwrap();
        writeln!(file, "{name} {value}").unwrap();
    }
}

#[test]
fn after_the_tour_every_metric_is_there_and_none_that_is_not_documented() {
    let demo = Demo::start();
    for stop in demo.line["tour"].as_array().unwrap() {
        let text = |name: &str| stop[name].as_str();
        demo.ask(
            text("method").unwrap(),
            text("path").unwrap(),
            text("token"),
        );
    }
    let admin = demo.address("admin");
    let told = || {
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
        String::from_utf8(ask(admin.parse().unwrap(), request).body).unwrap()
    };
    // A request is counted when it ends, which is after its answer.
    eventually("the last stop is counted, and the feed has begun", || {
        let text = told();
        let is_whole =
            text.contains("reason=\"malformed_target\"") && text.contains("sidegate_lease_age");
        is_whole.then_some(())
    });
    let number = compare(&told(), |needs| match needs {
        Needs::Nothing | Needs::Directory => true,
        Needs::Database
        | Needs::Redis
        | Needs::View
        | Needs::Introspection
        | Needs::Links
        | Needs::Storage
        | Needs::Breaker
        | Needs::Tracing => false,
    });
    figure("after_the_tour", number);
}

/// A Sidegate that has everything that can be configured.
struct Everything {
    _database: Database,
    _redis: Redis,
    endpoint: Endpoint,
    _recorder: Recorder,
    sidegate: Sidegate,
}

impl Everything {
    fn start() -> Self {
        let (database, recorder) = (Database::example(), Recorder::start());
        let (shared, endpoint) = (Redis::start().unwrap(), Endpoint::start());
        let rows = format!(
            "insert into users values ('{ALICE}', 'alice@example'), ('{YOURS}', 'you@example');
             insert into generations (id, user_id) values ('{MINE}', '{ALICE}'), ('{YOURS}', '{YOURS}')"
        );
        database.run(SUPERUSER, &rows);
        let more = format!(
            "{}links:\n  key: a-key-of-links-with-32-bytes-at-least\n  storage: {{ url: 'http://{}/v1', bucket: media, token: storage-token-5d41402abc4b2a76 }}\ntelemetry: {{ tracing: {{ endpoint: 'http://{}/v1/traces' }} }}\n",
            redis(&shared.url(), ""),
            endpoint.address,
            endpoint.address
        );
        let config = database.config(
            recorder.address,
            "  view: { refresh: manual, route: true }\n",
            &more,
        );
        let keys = format!("algorithms: [HS256], keys: [{{ secret: \"{SECRET}\" }}]");
        assert!(config.contains(&keys), "{ISSUER}");
        let asked = format!(
            "{keys}, introspection: {{ url: \"http://{}/introspect?a=b\", client_id: \"side gate:1\", client_secret: \"s3cr€t&+%\", fallback: local }}",
            endpoint.address
        );
        let folder = folder(&config.replace(&keys, &asked));
        migrate(folder.path(), &[]);
        let sidegate = Sidegate::run_in(folder);
        is_sharing(&sidegate);
        Self {
            _database: database,
            _redis: shared,
            endpoint,
            _recorder: recorder,
            sidegate,
        }
    }
}

#[test]
fn with_everything_configured_every_metric_is_there() {
    let everything = Everything::start();
    let sidegate = &everything.sidegate;
    let token = token(ALICE);
    everything.endpoint.activate(&token, json!({}));
    let bearer = format!("Bearer {token}");
    let denied = request("GET", &format!("/g/{YOURS}"), &[("Authorization", &bearer)]);
    assert_eq!(ask(sidegate.proxy, denied).status, 403);
    let number = compare(&metrics(sidegate), |needs| match needs {
        Needs::Nothing
        | Needs::Database
        | Needs::Redis
        | Needs::View
        | Needs::Introspection
        | Needs::Links
        | Needs::Storage
        | Needs::Breaker
        | Needs::Tracing => true,
        Needs::Directory => false,
    });
    figure("with_everything", number);
}

#[test]
fn whatever_strangers_ask_for_makes_no_series() {
    let recorder = Recorder::start();
    let sidegate = Sidegate::start(recorder.address, "");
    let series = || {
        let text = metrics(&sidegate);
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples
            .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
            .collect::<BTreeSet<_>>()
    };
    let all_kinds = |number: u32| {
        let bearer = format!(
            "Bearer {}",
            token(&format!("a11ce000-0000-4000-8000-{number:012}"))
        );
        let unknown = format!("/g/6e000000-0000-4000-8000-{number:012}");
        for (method, path, token) in [
            ("GET", format!("/nowhere/{number}"), None),
            ("GET", format!("/a//{number}"), None),
            ("GET", unknown.clone(), Some(bearer.as_str())),
            ("POST", unknown.clone(), Some(&bearer)),
            ("GET", unknown, Some("Bearer a.b.c")),
        ] {
            let headers: Vec<_> = token
                .iter()
                .map(|token| ("Authorization", *token))
                .collect();
            ask(sidegate.proxy, request(method, &path, &headers));
        }
    };
    all_kinds(1000);
    let counted = || crate::caching::sum(&sidegate, "sidegate_requests_total{");
    eventually("five requests are counted", || {
        (counted() == 5).then_some(())
    });
    eventually("a feed", || {
        metrics(&sidegate)
            .contains("sidegate_lease_age_seconds")
            .then_some(())
    });
    let before = series();
    (1001..1100).for_each(all_kinds);
    eventually("all of them are counted", || {
        (counted() == 500).then_some(())
    });
    let after = series();
    let new: Vec<_> = after.symmetric_difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
}

//! Service keys against rows: what is good, and that nobody learns from the time it takes whether there is a row.

use std::hint::black_box;
use std::time::Instant;

use sidegate_policy::UnixMicros;

use super::super::service_key::ServiceKeys;
use super::super::{Carrier, KeyVerdict, credential::Credential};
use super::*;
use crate::credential::{Change, Digest, Table};

const LEFT: &str = "sgk_left_c2VjcmV0";

fn keys() -> ServiceKeys {
    let mut document = testing::over_database("postgres://me@127.0.0.1:1/app");
    document["service_keys"] = json!({ "pepper": "a pepper of 32 bytes or more, really", "sources": ["bearer", { "header": "x-key" }] });
    let read = settings(Path::new("/"), &document);
    ServiceKeys::new(&read.service_keys.unwrap(), IdType::Text)
}

fn presented(keys: &ServiceKeys, key: &str) -> Option<super::super::PresentedKey> {
    keys.present(&Credential {
        token: key,
        carrier: Carrier::Header("x-key".parse().unwrap()),
    })
}

/// A row for a key, with these changes.
fn row(keys: &ServiceKeys, id: &str, key: &str, more: &Value) -> Change {
    let hexadecimal =
        |digest: &Digest| -> String { digest.iter().map(|byte| format!("{byte:02x}")).collect() };
    let digest = keys.pepper().digest(key);
    let mut row = json!({
        "digest": hexadecimal(&digest), "previous_digest": null, "previous_until": null, "imported": false,
        "subject": "s", "scopes": [], "created_at": 100, "expires_at": null, "revoked": false,
    });
    row.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let record = json!({ "tag": format!("credential:key:{id}"), "key": row });
    Change::parse(&record.to_string()).unwrap()
}

#[test]
fn a_key_is_good_while_its_row_says_so() {
    let keys = keys();
    let judge = |table: &Table, key: &str, now: i64| {
        presented(&keys, key).unwrap().judge(table, UnixMicros(now))
    };
    let with = |more: &Value| {
        let mut table = Table::default();
        table.apply(row(&keys, "left", LEFT, more));
        table
    };
    let good = |verdict: KeyVerdict| matches!(verdict, KeyVerdict::Good(_));
    assert!(good(judge(&with(&json!({})), LEFT, 500)));
    for other in [
        "sgk_left_c2VjcmV1",
        "sgk_right_c2VjcmV0",
        "sgk_left_",
        "sgk_left",
        "left",
        "",
    ] {
        assert_eq!(
            judge(&with(&json!({})), other, 500),
            KeyVerdict::Unknown,
            "{other}"
        );
    }
    let ends = with(&json!({ "expires_at": 500 }));
    assert!(good(judge(&ends, LEFT, 499)));
    assert_eq!(judge(&ends, LEFT, 500), KeyVerdict::Expired);
    assert_eq!(
        judge(&with(&json!({ "revoked": true })), LEFT, 500),
        KeyVerdict::Revoked
    );
    for (before, expected) in [(99, false), (100, true)] {
        let mut table = with(&json!({}));
        table.apply(
            Change::parse(&json!({ "tag": "credential:user:s", "before": before }).to_string())
                .unwrap(),
        );
        assert_eq!(judge(&table, LEFT, 500) == KeyVerdict::Revoked, expected);
    }
    // Its row has another digest now, and had this one until 500.
    let digest: String = keys
        .pepper()
        .digest(LEFT)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let more = json!({ "previous_digest": digest, "previous_until": 500 });
    let mut table = Table::default();
    table.apply(row(&keys, "left", "sgk_left_new", &more));
    assert!(good(judge(&table, LEFT, 499)) && good(judge(&table, "sgk_left_new", 600)));
    assert_eq!(judge(&table, LEFT, 500), KeyVerdict::Unknown);
    // Beside tokens only its form tells a key.
    let bearer = |token: &'static str| {
        let carrier = Carrier::Bearer;
        keys.present(&Credential { token, carrier }).is_some()
    };
    assert!(bearer(LEFT) && !bearer("eyJ.eyJ.c2ln"));
}

/// In turns, so that whatever else the machine does happens to both. A median, since some take an interrupt.
#[test]
fn a_known_id_and_an_unknown_one_take_the_same_time() {
    const TIMES: usize = 100_000;
    let keys = keys();
    let mut table = Table::default();
    for number in 0..1000 {
        let id = format!("left{number:04}");
        table.apply(row(&keys, &id, &format!("sgk_{id}_c2VjcmV0"), &json!({})));
    }
    let timed = |key: &str| {
        let begin = Instant::now();
        let presented = presented(&keys, black_box(key)).unwrap();
        let verdict = presented.judge(black_box(&table), UnixMicros(500));
        let took = begin.elapsed();
        assert_eq!(verdict, KeyVerdict::Unknown);
        took
    };
    let (mut known, mut unknown) = (Vec::with_capacity(TIMES), Vec::with_capacity(TIMES));
    for number in 0..TIMES {
        let number = number % 1000;
        known.push(timed(&format!("sgk_left{number:04}_d3Jvbmc")));
        unknown.push(timed(&format!("sgk_lost{number:04}_d3Jvbmc")));
    }
    let median = |times: &mut Vec<std::time::Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (known, unknown) = (median(&mut known), median(&mut unknown));
    let apart = known.abs_diff(unknown);
    assert!(apart.as_nanos() < 1000, "{known:?} and {unknown:?}");
}

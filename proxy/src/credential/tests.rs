//! Records as the views write them, and what a table makes of them.

use std::sync::Arc;

use proptest::prelude::*;
use sidegate_policy::UnixMicros;

use super::*;

const DIGEST: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const USER: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

fn revoked(tag: &str, before: i64) -> Change {
    Change::parse(&format!(
        r#"{{"tag" : "credential:{tag}", "before" : {before}}}"#
    ))
    .unwrap()
}

fn gone(tag: &str) -> Change {
    Change {
        tag: format!("credential:{tag}").into(),
        record: None,
    }
}

fn key(id: &str, imported: bool, previous: Option<&str>) -> Change {
    let previous = previous.map_or("null".to_owned(), |digest| format!("\"{digest}\""));
    let until = if previous == "null" { "null" } else { "9" };
    Change::parse(&format!(
        r#"{{"tag": "credential:key:{id}", "key": {{"digest": "{DIGEST}", "previous_digest": {previous},
            "previous_until": {until}, "imported": {imported}, "subject": "{USER}", "scopes": ["media"],
            "created_at": 5, "expires_at": null, "revoked": false}}}}"#
    ))
    .unwrap()
}

fn presented() -> Presented<'static> {
    Presented {
        subject: USER,
        session: Some("s"),
        token: Some("t"),
        issued_at: Some(UnixMicros(100)),
        is_key: false,
    }
}

#[test]
fn what_was_issued_until_then_is_revoked_by_each_of_its_names() {
    for tag in [&format!("user:{USER}"), "session:s", "token:t", "all:*"] {
        for (before, expected) in [(99, false), (100, true), (i64::MAX, true)] {
            let mut table = Table::default();
            assert!(table.revokes_nothing());
            table.apply(revoked(tag, before));
            assert_eq!(table.revokes(&presented()), expected, "{tag} {before}");
            let old = Presented {
                issued_at: None,
                ..presented()
            };
            assert!(table.revokes(&old), "nobody knows when it was issued");
            assert!(!table.revokes_nothing());
            table.apply(gone(tag));
            assert_eq!(table, Table::default(), "{tag}");
        }
    }
    let mut table = Table::default();
    table.apply(revoked("all:*", i64::MAX));
    table.apply(revoked("session:other", i64::MAX));
    let key = Presented {
        is_key: true,
        ..presented()
    };
    assert!(!table.revokes(&key), "everybody's tokens are no keys");
    table.apply(revoked(&format!("user:{}", USER.to_uppercase()), 100));
    assert!(table.revokes(&key), "in another spelling");
}

#[test]
fn a_key_is_found_by_its_id_or_where_it_was_imported_by_its_digests() {
    let mut table = Table::default();
    let other = DIGEST.replace("01", "02");
    table.apply(key("made", false, Some(&other)));
    table.apply(key("brought", true, Some(&other)));
    let id = |table: &Table, wanted: Wanted<'_>| table.key(wanted).map(|key| key.id.to_string());
    assert_eq!(id(&table, Wanted::Id("made")).as_deref(), Some("made"));
    for digest in [[1; 32], [2; 32]] {
        let found = id(&table, Wanted::Digest(&digest));
        assert_eq!(found.as_deref(), Some("brought"));
    }
    table.apply(key("brought", true, None));
    assert_eq!(id(&table, Wanted::Digest(&[2; 32])), None, "rotated away");
    table.apply(gone("key:brought"));
    assert_eq!(id(&table, Wanted::Digest(&[1; 32])), None);
    let found = Arc::clone(table.key(Wanted::Id("made")).unwrap());
    assert_eq!(found.previous, Some(([2; 32], UnixMicros(9))));
}

#[test]
fn what_makes_no_sense_is_no_record() {
    for text in [
        "",
        "{}",
        r#"{"tag": "credential:user:u"}"#,
        r#"{"tag": "credential:user:u", "before": "now"}"#,
        r#"{"tag": "credential:user:u", "before": 1, "key": null, "key": 2}"#,
    ] {
        assert_eq!(Change::parse(text), Err(MalformedRecord), "{text}");
    }
    let good = r#"{"tag": "credential:key:k", "key": {"digest": "D", "previous_digest": null, "previous_until": null,
        "imported": false, "subject": "s", "scopes": [], "created_at": 1, "expires_at": 1, "revoked": true}}"#;
    assert!(Change::parse(&good.replace('D', DIGEST)).is_ok());
    for (from, to) in [
        ("\"D\"", "\"0101\""),
        ("\"D\"", &format!("\"{}zz\"", &DIGEST[2..])),
        ("\"previous_until\": null", "\"previous_until\": 5"),
        ("credential:key:k", "key:k"),
    ] {
        let bad = good
            .replace(from, to)
            .replace("\"D\"", &format!("\"{DIGEST}\""));
        assert_eq!(Change::parse(&bad), Err(MalformedRecord), "{bad}");
    }
}

proptest! {
    /// However it came about, a table is what its rows say last.
    #[test]
    fn order_of_changes_leaves_no_trace(
        changes in prop::collection::vec((0..3_usize, prop::option::of(0..4_i64)), 0..20)
    ) {
        let tags = ["session:a", "token:a", "user:a"];
        let (mut table, mut last) = (Table::default(), [None; 3]);
        for (tag, before) in changes {
            table.apply(before.map_or_else(|| gone(tags[tag]), |before| revoked(tags[tag], before)));
            last[tag] = before;
        }
        let mut expected = Table::default();
        for (tag, before) in last.into_iter().enumerate() {
            if let Some(before) = before {
                expected.apply(revoked(tags[tag], before));
            }
        }
        prop_assert_eq!(table, expected);
    }
}

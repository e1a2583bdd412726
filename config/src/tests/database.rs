//! The database: where it may be, what it is spoken to with, and that its address stays secret.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::{BASE, file, parsed, problems, refused, with};
use crate::{
    DatabaseSettings, Pooler, PostgresSettings, Refresh, Settings, StoreSettings, Tls,
    ViewSettings, parse,
};

const REFERENCE: &str = include_str!("../../sidegate.yaml");
const FILE: &str = "file: { path: directory.yaml }";
const LOCAL: &str = "url: 'postgres://me:hunter2@localhost/app'";
const REMOTE: &str = "url: 'postgres://me:hunter2@db.example:5432/app'";

/// With the store in the database that these entries describe.
fn text(entries: &str) -> String {
    format!("{}database: {{ {entries} }}\n", with(FILE, "postgres: {}"))
}

fn postgres(settings: Settings) -> PostgresSettings {
    match settings.store {
        StoreSettings::Postgres(postgres) => postgres,
        StoreSettings::File { .. } => panic!("expected the database: {settings:?}"),
    }
}

fn database(entries: &str) -> DatabaseSettings {
    let settings = parsed(&text(entries)).unwrap_or_else(|error| panic!("{entries}\n{error}"));
    postgres(settings).database
}

#[test]
fn an_address_is_enough() {
    let settings = postgres(parsed(&text(LOCAL)).unwrap());
    assert_eq!(settings.contract, None);
    let found = settings.database;
    let address: &[u8] = b"postgres://me:hunter2@localhost/app";
    assert_eq!(found.url.expose(), address);
    let defaults = DatabaseSettings {
        url: found.url.clone(),
        feed_url: None,
        migrate_url: None,
        pooler: Pooler::None,
        doorbell: false,
        view: ViewSettings {
            refresh: Refresh::Off,
            timeout: Duration::from_secs(60),
            route: false,
        },
        tls: Tls::Off,
        pool_size: 20,
        max_overflow: 30,
        instances: 1,
        connect_timeout: Duration::from_secs(2),
        query_timeout: Duration::from_secs(1),
        statement_timeout: Duration::from_secs(30),
        idle_in_transaction_timeout: Duration::from_secs(60),
        acquire_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(60),
        max_lifetime: Duration::from_secs(3600),
    };
    assert_eq!(found, defaults);
    // What a reload compares.
    let moved = database("url: 'postgres://me:hunter3@localhost/app'");
    assert_ne!(found, moved);
    assert_eq!(
        database("pooler: transaction, url: 'postgres:///app'").pooler,
        Pooler::Transaction
    );
}

#[test]
fn a_doorbell_needs_a_session_to_listen_in() {
    let pooled = format!("{LOCAL}, pooler: transaction, doorbell: true");
    refused(&text(&pooled), "database.doorbell", "`feed_url`");
    let past = "feed_url: 'postgres://me:hunter2@localhost/app'";
    assert!(database(&format!("{pooled}, {past}")).doorbell);
    assert!(database(&format!("{LOCAL}, doorbell: true")).doorbell);
}

#[test]
fn what_the_reference_shows_of_the_database_works_and_is_the_default() {
    let (before, rest) = REFERENCE.split_once("  file:\n").unwrap();
    let (_, rest) = rest.split_once("# postgres:").unwrap();
    let (between, rest) = rest.split_once("\n# database:").unwrap();
    let (section, after) = rest.split_once("\n\n").unwrap();
    let section = section.replace("\n# ", "\n");
    let text = format!("{before}  postgres: {{}}{between}\ndatabase:{section}\n\n{after}");
    let url = "postgres://me:hunter2@db.example/app";
    let env = ["DATABASE_URL", "DATABASE_FEED_URL", "DATABASE_MIGRATE_URL"]
        .map(|name| (name.to_owned(), url.to_owned()));
    let settings = parse(&text, &file(), &BTreeMap::from(env)).unwrap();
    assert!(settings.insecure.is_empty() && settings.notes.is_empty());
    let found = postgres(settings).database;
    let other = format!("url: '{url}', feed_url: '{url}', migrate_url: '{url}', ca_file: ca.pem");
    assert_eq!(found, database(&other));
}

#[test]
fn there_is_exactly_one_store_and_a_database_where_it_is_needed() {
    let section = format!("database: {{ {LOCAL} }}\n");
    let store = |entries: &str| with(FILE, entries);
    let both = format!("{}{section}", store(&format!("{FILE}, postgres: {{}}")));
    refused(&both, "store", "exactly one of");
    refused(
        &format!("{}{section}", store("")),
        "store",
        "exactly one of",
    );
    refused(
        &store("postgres: {}"),
        "store.postgres",
        "a section `database`",
    );
    refused(&text("pool_size: 20"), "database", "required key `url`");
    refused(
        &text(&format!("{LOCAL}, pooler: session")),
        "database.pooler",
        "`transaction`",
    );

    let named = format!("{}{section}", store("postgres: { contract: contract.sql }"));
    let settings = parsed(&named).unwrap();
    assert_eq!(settings.files, [file()]);
    let contract = postgres(settings).contract;
    assert_eq!(contract, Some(PathBuf::from("/etc/sidegate/contract.sql")));

    let bare = format!(
        "{}{section}",
        with(&format!("{{ {FILE} }}"), "\n  postgres:")
    );
    assert!(matches!(
        parsed(&bare).unwrap().store,
        StoreSettings::Postgres(_)
    ));

    let unused = parsed(&format!("{BASE}{section}")).unwrap();
    assert!(matches!(unused.store, StoreSettings::File { .. }));
    assert_eq!(unused.notes, ["database is not used with `store.file`"]);
    refused(
        &format!("{BASE}database: {{ url: localhost }}\n"),
        "database.url",
        "a URL such as",
    );
}

#[test]
fn a_server_beyond_loopback_has_tls() {
    let required = Tls::Required { ca_file: None };
    for (entries, expected) in [
        (LOCAL, Tls::Off),
        ("url: 'postgres:///app?host=/run/postgresql'", Tls::Off),
        ("url: 'postgres://localhost/app?sslmode=disable'", Tls::Off),
        ("url: 'postgres://localhost/app?sslmode=prefer'", Tls::Off),
        (
            "url: 'postgres://localhost/app?sslmode=require'",
            required.clone(),
        ),
        (REMOTE, required.clone()),
        ("url: 'postgres://db/app?sslmode=prefer'", required.clone()),
        (
            &format!("{LOCAL}, feed_url: 'postgres://db/app'"),
            required.clone(),
        ),
        (
            &format!("{LOCAL}, migrate_url: 'postgres://db/app'"),
            required,
        ),
    ] {
        assert_eq!(database(entries).tls, expected, "{entries}");
    }
    let disabled = "url: 'postgres://db/app?sslmode=disable'";
    refused(&text(disabled), "database.url", "insecure_plaintext: true");
    let mixed = format!("feed_url: 'postgres://localhost/app?sslmode=disable', {REMOTE}");
    refused(&text(&mixed), "database.feed_url", "another URL");
    let socket = "url: 'postgres://%2Frun/app?sslmode=require'";
    refused(&text(socket), "database.url", "a unix socket has no TLS");

    for (entries, off) in [
        (REMOTE, true),
        (disabled, true),
        ("url: 'postgres://db/app?sslmode=require'", false),
    ] {
        let text = text(&format!("{entries}, insecure_plaintext: true"));
        let settings = parsed(&text).unwrap();
        assert_eq!(settings.insecure, ["database.insecure_plaintext"]);
        assert_eq!(
            postgres(settings).database.tls == Tls::Off,
            off,
            "{entries}"
        );
    }

    let settings = parsed(&text(&format!("{REMOTE}, ca_file: ca.pem"))).unwrap();
    let ca = PathBuf::from("/etc/sidegate/ca.pem");
    assert_eq!(settings.files, [file(), ca.clone()]);
    let tls = postgres(settings).database.tls;
    assert_eq!(tls, Tls::Required { ca_file: Some(ca) });
    let settings = parsed(&text(&format!("{LOCAL}, ca_file: ca.pem"))).unwrap();
    assert!(
        settings.notes[0].contains("ca_file is not used"),
        "{:?}",
        settings.notes
    );
}

#[test]
fn numbers_and_durations_have_bounds() {
    for (key, least, most, below, above) in [
        ("pool_size", "7", "1000", "6", "1001"),
        ("max_overflow", "0", "1000", "-1", "1001"),
        ("instances", "1", "1000", "0", "1001"),
        ("connect_timeout", "1ms", "60s", "999us", "60001ms"),
        ("query_timeout", "1ms", "60s", "0s", "61s"),
        ("statement_timeout", "1s", "10m", "999ms", "601s"),
        ("idle_in_transaction_timeout", "1s", "1h", "999ms", "3601s"),
        ("acquire_timeout", "1ms", "5m", "0s", "301s"),
        ("idle_timeout", "1s", "1h", "999ms", "3601s"),
        ("max_lifetime", "1s", "24h", "999ms", "25h"),
    ] {
        for good in [least, most] {
            database(&format!("{LOCAL}, {key}: {good}"));
        }
        for bad in [below, above] {
            let text = text(&format!("{LOCAL}, {key}: {bad}"));
            refused(&text, &format!("database.{key}"), "expected a ");
        }
    }
}

#[test]
fn an_address_comes_from_the_environment_or_a_file_and_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sidegate.yaml");
    let url = "postgres://me:hunter2@localhost/app";
    fs::write(folder.path().join("url"), format!("{url}\n")).unwrap();
    fs::write(
        folder.path().join("binary"),
        b"postgres://me:hunter2\xff@db",
    )
    .unwrap();
    let env = BTreeMap::from([
        ("DATABASE_URL".to_owned(), url.to_owned()),
        ("DB_POOL_SIZE".to_owned(), "40".to_owned()),
    ]);
    let entries = "url: '${DATABASE_URL}', migrate_url: 'file:url', feed_url: \
                   'postgres://u:hunter2@localhost/app?sslmode=prefer', pool_size: \
                   '${DB_POOL_SIZE:-20}', max_overflow: '${DB_MAX_OVERFLOW:-30}'";
    let settings = parse(&text(entries), &file, &env).unwrap();
    assert_eq!(settings.files, [file.clone(), folder.path().join("url")]);
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let found = postgres(settings).database;
    assert_eq!(found.url.expose(), url.as_bytes());
    assert_eq!(found.migrate_url, Some(found.url.clone()));
    assert_eq!((found.pool_size, found.max_overflow), (40, 30));

    let unset = &problems(&text("url: '${DATABASE_URL}'"))[0];
    assert!(
        unset.message.contains("`DATABASE_URL` to be set"),
        "{unset}"
    );
    for bad in [
        "url: 'hunter2@localhost'",
        "url: 'host=localhost password=hunter2'",
        "url: 'postgres://me:hunter2@x@localhost/app'",
        "url: 'postgres://me:hunter2@db/app?sslmode=hunter2'",
        "url: 'postgres://me:x@db:hunter2/app'",
        "url: 'postgres://me:hunter2@db/app?sslmode=disable'",
        "url: 'postgres://me:hunter2@db/app?%hunter2=x'",
        "url: [hunter2]",
        "url: 'file:binary'",
        "url: 'postgres://me:hunter2@db/app${'",
        "hunter2: x",
    ] {
        let error = parse(&text(bad), &file, &env).unwrap_err();
        let shown = format!("{error} {error:?}");
        // A key that is not known is named, as everywhere.
        assert_eq!(
            shown.contains("hunter2"),
            bad.starts_with("hunter2"),
            "{shown}"
        );
    }
}

#[test]
fn a_route_whose_stale_facts_could_never_serve_is_noted() {
    let route = "access: authenticated, stale_if_error: 5s";
    let over = |store: &str, more: &str| {
        let text = with("access: public", route).replace(FILE, store);
        let settings = parsed(&format!("{text}{more}")).unwrap();
        let notes = settings.notes.into_iter();
        notes
            .filter(|note| note.contains("stale_if_error"))
            .collect::<Vec<_>>()
            .join("; ")
    };
    let section = format!("database: {{ {LOCAL} }}\n");
    assert_eq!(over("postgres: {}", &section), "");
    for (store, more, why) in [
        (FILE, String::new(), "directory file"),
        (
            "postgres: {}",
            format!("{section}cache: {{ l1_size_mb: 0 }}\n"),
            "l1_size_mb",
        ),
        (
            "postgres: {}",
            format!("{section}limits: {{ decision_timeout: 1s }}\n"),
            "decision_timeout",
        ),
    ] {
        let note = over(store, &more);
        assert!(
            note.starts_with("routes[0].stale_if_error has no effect") && note.contains(why),
            "{note}"
        );
    }
}

//! Links: their keys and lives, the storage behind media, and the routes that may have them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{BASE, file, parsed, refused};
use crate::{BreakerSettings, LinkSettings, MediaSettings, parse};

const REFERENCE: &str = include_str!("../../sidegate.yaml");
const KEY: &str = "0123456789abcdef0123456789abcdef";
const STORAGE: &str = "storage: { url: 'https://s.example/v1/', bucket: b, token: t0ken }";

/// With this section, and a route that reads a generation with further keys.
fn text(links: &str, route: &str) -> String {
    let section = if links.is_empty() {
        String::new()
    } else {
        format!("links: {{ {links} }}\n")
    };
    format!(
        "{BASE}  - {{ methods: [GET], path: '/g/{{id}}', action: read, resource: {{ kind: generation, id: \
         {{ path: id }} }}, {route} }}\n{section}"
    )
}

fn links(links: &str, route: &str) -> LinkSettings {
    let text = text(links, route);
    let settings = parsed(&text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    assert_eq!(settings.notes, Vec::<String>::new());
    settings.links.expect(&text)
}

#[test]
fn a_key_is_enough_and_the_reference_shows_the_defaults() {
    assert_eq!(parsed(BASE).unwrap().links, None);
    let found = links(&format!("key: {KEY}"), "links: true");
    assert_eq!(found.max_ttl, Duration::from_secs(900));
    assert_eq!((found.previous_keys.len(), found.storage), (0, None));

    let section = format!("key: {KEY}, {STORAGE}");
    let storage = links(&section, "media: { object: '{id}' }")
        .storage
        .unwrap();
    assert_eq!(storage.url, "https://s.example/v1");
    let breaker = BreakerSettings {
        failures: 3,
        open: Duration::from_secs(15),
        successes: 2,
    };
    assert_eq!(storage.breaker, breaker);

    let (before, rest) = REFERENCE.split_once("\n# links:").unwrap();
    let (section, after) = rest.split_once("\n\n").unwrap();
    let section = section.replace("\n# ", "\n");
    let env = [("SIDEGATE_LINK_KEY", KEY), ("STORAGE_TOKEN", "t0ken")];
    let env: BTreeMap<_, _> = env
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let shown = format!("{before}\nlinks:{section}\n\n{after}");
    let shown = parse(&shown, &file(), &env).unwrap().links.unwrap();
    assert_eq!((&shown.key, shown.max_ttl), (&found.key, found.max_ttl));
    let shown = shown.storage.unwrap();
    assert_eq!(shown.url, "https://x.supabase.co/storage/v1");
    let same = |settings: &crate::StorageSettings| {
        let times = (settings.expires_in, settings.timeout);
        (times, settings.breaker, settings.token.clone())
    };
    assert_eq!(same(&shown), same(&storage));
}

#[test]
fn an_object_is_what_stands_around_the_id() {
    let section = format!("key: {KEY}, {STORAGE}");
    let text = text(&section, "media: { object: 'g/{id}.png', bucket: other }");
    let settings = parsed(&text).unwrap();
    let media = settings.routes[1].media.clone().unwrap();
    let expected = MediaSettings {
        bucket: "other".to_owned(),
        before: "g/".to_owned(),
        after: ".png".to_owned(),
    };
    assert_eq!(media, expected);
}

#[test]
fn what_could_sign_or_be_asked_unsafely_is_refused() {
    let with = |more: &str| text(&format!("key: {KEY}, {more}"), "links: true");
    let storage = |more: &str| with(&format!("storage: {{ {more} }}"));
    for (text, path, words) in [
        (text("key: short", "links: true"), "links.key", "32 bytes"),
        (
            text(&format!("key: {}", "ab".repeat(20)), "links: true"),
            "links.key",
            "at random",
        ),
        (
            with("previous_keys: [short]"),
            "links.previous_keys[0]",
            "32 bytes",
        ),
        (with("max_ttl: 25h"), "links.max_ttl", "1s to 24h"),
        (with("max_ttl: 1500ms"), "links.max_ttl", "whole seconds"),
        (
            storage("url: 'http://s.example', token: t"),
            "links.storage.url",
            "https",
        ),
        (
            storage("url: 'https://s.example/?a', token: t"),
            "links.storage.url",
            "without query",
        ),
        (
            storage("url: 'https://s.example', token: 'a b'"),
            "links.storage.token",
            "printable",
        ),
        (
            storage("url: 'https://s.example', token: t, expires_in: 181s"),
            "links.storage.expires_in",
            "10s to 180s",
        ),
        (
            storage("url: 'https://s.example', token: t, bucket: '../a'"),
            "links.storage.bucket",
            "a bucket's name",
        ),
    ] {
        refused(&text, path, words);
    }
}

#[test]
fn links_and_media_have_a_place_only_where_a_resource_is_read() {
    let section = format!("key: {KEY}, {STORAGE}");
    let read = text(&section, "links: true, media: { object: '{id}' }");
    assert!(parsed(&read).is_ok());
    for (from, to, words) in [
        (
            "[GET], path: '/g",
            "[GET, POST], path: '/g",
            "read a resource",
        ),
        ("[GET], path: '/g", "[HEAD], path: '/g", "read a resource"),
        (
            "links: true,",
            "links: true, websocket: true,",
            "read a resource",
        ),
        ("{ path: id }", "{ header: x-id }", "no headers"),
        ("{ path: id }", "{ query: Sig }", "a link's own"),
    ] {
        let text = read.replace(from, to);
        assert_ne!(text, read);
        let error = parsed(&text).expect_err(&text).to_string();
        assert!(error.contains(words), "{text}\n{error}");
    }
    refused(&text("", "links: true"), "routes[1].links", "section");
    let media = "media: { object: '{id}' }";
    refused(&text("", media), "routes[1].media", "links.storage");
    let no_bucket = section.replace("bucket: b, ", "");
    refused(&text(&no_bucket, media), "routes[1].media", "`bucket`");
    for object in [
        "a",
        "{id}{id}",
        "/{id}",
        "a//{id}",
        "a/../{id}",
        "{id}/",
        "%2e/{id}",
        "a b/{id}",
    ] {
        let text = text(&section, &format!("media: {{ object: '{object}' }}"));
        refused(&text, "routes[1].media.object", "`{id}` once");
    }
    let unused = parsed(&text(&format!("key: {KEY}"), "links: false")).unwrap();
    assert!(unused.notes[0].contains("no link is accepted"));
}

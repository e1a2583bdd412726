//! `path-bypass` and `path-normalization`: spellings of a path under which applications and
//! proxies have disagreed about where it leads.
//!
//! Two configurations. In the closed one only `/public/` is open: nothing that arrives may lead
//! anywhere else. In the open one only `/admin` is closed: far more arrives, and nothing of it may
//! lead there (apart from lower case: routes are case-sensitive here, as RFC 3986 section 6.2.2.1
//! has paths). `{*rest}` stands for at least one byte, so `/admin/` has a rule of its own.

use std::collections::BTreeSet;

use super::uris::arrives_as;
use super::{Tally, ask, corpus, decode, get, target_of, unhex};
use crate::process::Sidegate;
use crate::recorder::Recorder;

pub(crate) const CLOSED: &str = r#"
  - { methods: [GET], path: "/", access: authenticated }
  - { methods: [GET], path: "/{*rest}", access: authenticated }
"#;

pub(crate) const OPEN: &str = r#"
  - { methods: [GET], path: "/", access: public }
  - { methods: [GET], path: "/{*rest}", access: public }
  - { methods: [GET], path: "/admin", access: authenticated }
  - { methods: [GET], path: "/admin/", access: authenticated }
  - { methods: [GET], path: "/admin/{*rest}", access: authenticated }
insecure_public_everything: true
"#;

/// Everything that an application could resolve a path to: each step, in any order, as often as it
/// changes something.
fn resolutions(path: &[u8], steps: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> BTreeSet<Vec<u8>> {
    let mut seen = BTreeSet::from([path.to_vec()]);
    let mut new = vec![path.to_vec()];
    while let Some(path) = new.pop() {
        for next in steps(&path) {
            if seen.insert(next.clone()) {
                new.push(next);
            }
        }
    }
    seen
}

/// What one step makes of a path, for each step but lower case.
fn steps(path: &[u8]) -> Vec<Vec<u8>> {
    vec![
        decode(path),
        without_dots(path),
        turned_backslashes(path),
        merged_slashes(path),
        without_parameters(path),
        cut(path),
    ]
}

/// What one step makes of a path, with lower case as one more.
fn steps_and_case(path: &[u8]) -> Vec<Vec<u8>> {
    let mut next = steps(path);
    next.push(path.to_ascii_lowercase());
    next
}

/// RFC 3986 section 5.2.4.
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|&byte| byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." | b".." => {
                if segment == b".." {
                    kept.pop();
                }
                if last {
                    kept.push(b"");
                }
            }
            _ => kept.push(segment),
        }
    }
    [&b"/"[..], &kept.join(&b'/')].concat()
}

fn turned_backslashes(path: &[u8]) -> Vec<u8> {
    path.iter()
        .map(|&byte| if byte == b'\\' { b'/' } else { byte })
        .collect()
}

fn merged_slashes(path: &[u8]) -> Vec<u8> {
    let mut merged = path.to_vec();
    merged.dedup_by(|next, before| *next == b'/' && *before == b'/');
    merged
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|&byte| byte == b'/');
    let names = segments.map(|segment| segment.split(|&byte| byte == b';').next().unwrap());
    names.collect::<Vec<_>>().join(&b'/')
}

/// Up to a NUL, a query or a fragment that decoding brought to light.
fn cut(path: &[u8]) -> Vec<u8> {
    let end = path.iter().position(|byte| b"\0?#".contains(byte));
    path[..end.unwrap_or(path.len())].to_vec()
}

/// Asks for a target. `Some` is what the application received, which is what was asked for.
fn forwarded(world: &(Recorder, Sidegate), target: &[u8]) -> Option<String> {
    let status = ask(world.1.proxy, &get(target));
    let received = world.0.received();
    match (status, received.as_slice()) {
        (Some(400 | 401 | 403 | 404), []) => None,
        (Some(200), [received]) => {
            arrives_as(target, received);
            Some(target_of(received).to_owned())
        }
        other => panic!("{}: {other:?}", target.escape_ascii()),
    }
}

fn worlds() -> [(Recorder, Sidegate); 2] {
    [CLOSED, OPEN].map(|routes| {
        let recorder = Recorder::start();
        let sidegate = Sidegate::start(recorder.address, routes);
        (recorder, sidegate)
    })
}

fn path_of(target: &str) -> &[u8] {
    target.split('?').next().unwrap().as_bytes()
}

/// Nothing that arrived in the closed configuration leads out of `/public/`.
fn stays_public(target: &str) {
    for path in resolutions(path_of(target), steps_and_case) {
        assert!(
            path.starts_with(b"/public/") || path == b"/a",
            "{target} leads to {}",
            path.escape_ascii()
        );
    }
}

/// Nothing that arrived in the open configuration leads into `/admin`.
fn stays_out(target: &str) {
    for path in resolutions(path_of(target), steps) {
        assert!(
            path != b"/admin" && !path.starts_with(b"/admin/"),
            "{target} leads to {}",
            path.escape_ascii()
        );
    }
}

#[test]
#[ignore = "needs SIDEGATE_CORPORA"]
fn no_spelling_of_a_path_leads_past_its_rule() {
    let [closed, open] = worlds();
    let cases = corpus("path-bypass/path_cases.json");
    let cases = cases["cases"].as_array().unwrap();
    let mut tally = Tally::default();
    for case in cases {
        let target = unhex(&case["target_hex"]);
        let arrived = [forwarded(&closed, &target), forwarded(&open, &target)];
        arrived[0].iter().for_each(|target| stays_public(target));
        arrived[1].iter().for_each(|target| stays_out(target));
        tally.case(match arrived {
            [None, None] => "refused",
            [None, Some(_)] => "forwarded where only /admin is closed",
            [Some(_), _] => "forwarded where only /public/ is open",
        });
    }
    assert!(tally.outcomes.len() == 3, "{tally:?}");
    tally.finish("path-bypass/path_cases.json", cases.len());
}

#[test]
#[ignore = "needs SIDEGATE_CORPORA"]
fn a_path_arrives_normalised_or_not_at_all() {
    let [closed, open] = worlds();
    let cases = corpus("path-normalization/envoy_path_cases.json");
    let cases = cases.as_array().unwrap();
    let mut tally = Tally::default();
    for case in cases {
        let input = case["input"].as_str().unwrap();
        let arrived = forwarded(&open, input.as_bytes());
        if let Some(target) = &arrived {
            let expected = case["expected"].as_str();
            let expected = expected.unwrap_or_else(|| panic!("{case}: arrived as {target}"));
            // The corpus drops the query in one mode; a fragment is never sent on (RFC 9112 3.2.1).
            let sent = if case["mode"] == "strip_query_fragment" {
                path_of(target)
            } else {
                target.as_bytes()
            };
            let expected = expected.split('#').next().unwrap();
            assert_eq!(sent.escape_ascii().to_string(), expected, "{case}");
            stays_out(target);
        }
        // The same under a prefix that is open: there is nothing to climb out of it with.
        for prefix in ["/public", "/public/"] {
            let target = [prefix, input].concat();
            if let Some(target) = forwarded(&closed, target.as_bytes()) {
                stays_public(&target);
            }
        }
        tally.case(if arrived.is_some() {
            "forwarded"
        } else {
            "refused"
        });
    }
    assert!(tally.of("forwarded") > 10, "{tally:?}");
    tally.finish("path-normalization/envoy_path_cases.json", cases.len());
}

#[test]
fn every_known_way_is_among_the_resolutions() {
    for path in [
        "/public/../admin/x",
        "/public/%2e%2e/admin/x",
        "/public/%252e%252e%252fadmin/x",
        "/public/..;/admin/x",
        "/public/..\\admin/x",
        "/public/%5c../%2e%2e%3bx/admin//x",
        "//admin/x",
        "/./admin;y=1/x",
        "/public/a/../../admin/x%00.png",
    ] {
        let found = resolutions(path.as_bytes(), steps);
        assert!(found.contains(&b"/admin/x"[..]), "{path}: {found:?}");
    }
    let plain = resolutions(b"/public/a.b", steps);
    assert_eq!(plain.len(), 1, "{plain:?}");
}

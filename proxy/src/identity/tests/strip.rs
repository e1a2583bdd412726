//! The client's headers: no spelling of ours, no override, and statements about the client only
//! from a trusted proxy.

use http::HeaderMap;
use serde_json::json;

use super::{OURS, World, alice, all, request, wire};
use crate::identity::strip_answer;

/// A client's spellings of headers of ours, known and not.
const SPOOFED: [&str; 20] = [
    "X-Sidegate-Subject",
    "x-sidegate-subject",
    "X_Sidegate_Subject",
    "x-SIDEGATE-subject",
    "X-Sidegate_Subject",
    "X--Sidegate--Subject",
    "Http-X-Sidegate-Subject",
    "HTTP_X_SIDEGATE_SUBJECT",
    "http-http_x-sidegate-subject",
    "_X-Sidegate-Subject",
    "X-Sidegate",
    "X-Sidegate-",
    "X_SIDEGATE",
    "x.sidegate.subject",
    "x~sidegate!roles",
    "X-Sidegate-Anything-New",
    "X-Sidegate-Roles",
    "X-Sidegate-Authorized",
    "X-Sidegate-Assertion",
    "X-Sidegate-Decision-Id",
];

#[test]
fn no_spelling_of_our_headers_passes_and_ours_appear_once() {
    let world = World::new();
    for (name, clearance) in world.clearances() {
        let headers = world.headers(&clearance);
        let mut expected = request(&[("X-Sidegateway", "1"), ("X-Other-Sidegate", "2")]);
        world.set(&mut expected, &clearance, &headers, "192.0.2.1");
        let mut spoofed = request(&[("X-Sidegateway", "1"), ("X-Other-Sidegate", "2")]);
        for spelling in SPOOFED {
            spoofed.append_header(spelling, "root").unwrap();
            spoofed.append_header(spelling, "root, admin").unwrap();
        }
        world.set(&mut spoofed, &clearance, &headers, "192.0.2.1");
        assert_eq!(wire(&spoofed), wire(&expected), "{name}");
        assert!(!wire(&spoofed).iter().any(|line| line.contains("root")));

        let set: &[&str] = match name {
            "decided" => &OURS,
            "authenticated" => &[
                "assertion",
                "decision-id",
                "roles",
                "subject",
                "subject-type",
            ],
            _ => &["decision-id"],
        };
        for header in OURS {
            let short = header.trim_start_matches("x-sidegate-");
            let count = usize::from(set.contains(&header) || set.contains(&short));
            assert_eq!(all(&spoofed, header).len(), count, "{name}: {header}");
        }
        assert_eq!(all(&spoofed, "x-sidegateway"), ["1"]);
        assert_eq!(all(&spoofed, "x-other-sidegate"), ["2"]);
    }
}

#[test]
fn our_headers_do_not_come_back_from_the_application() {
    let mut answer = HeaderMap::new();
    for name in [
        "x-sidegate-decision-id",
        "x_sidegate_roles",
        "x-sidegateway",
    ] {
        answer.insert(name, "1".parse().unwrap());
    }
    let names = strip_answer(&answer);
    assert_eq!(names, ["x-sidegate-decision-id", "x_sidegate_roles"]);
}

#[test]
fn overrides_of_target_and_method_are_nobodys() {
    let world = World::with(json!({ "trusted_proxies": ["10.0.0.0/8"] }));
    let clearance = world.clearance("/me", &alice(&[]));
    for peer in ["192.0.2.1", "10.1.2.3"] {
        for name in [
            "X-HTTP-Method-Override",
            "X-HTTP-Method",
            "X-Method-Override",
            "X_METHOD_OVERRIDE",
            "X-Original-URL",
            "X-Original-URI",
            "x_original_url",
            "X-Rewrite-URL",
            "X-Forwarded-Uri",
            "X-Forwarded-Path",
            "X-Forwarded-Method",
            "Http-X-Rewrite-Url",
            "Proxy",
        ] {
            let mut request = request(&[(name, "DELETE /admin")]);
            world.rewrite(&mut request, &clearance, peer);
            let text = wire(&request).join("\n");
            assert!(!text.contains("/admin"), "{name} from {peer}: {text}");
        }
    }
}

/// What only a trusted proxy may say.
const STATEMENTS: [&str; 11] = [
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "Forwarded",
    "X-Real-IP",
    "True-Client-IP",
    "X-Client-Cert-Hash",
    "X-Original-Host",
    "X-Envoy-External-Address",
];

#[test]
fn statements_about_the_client_are_believed_from_trusted_proxies_alone() {
    let trusting = World::with(json!({ "trusted_proxies": ["10.0.0.0/8", "2001:db8::/32"] }));
    let nobody = World::new();
    for (world, peer, trusted) in [
        (&trusting, "10.1.2.3", true),
        (&trusting, "::ffff:10.1.2.3", true),
        (&trusting, "2001:db8::1", true),
        (&trusting, "192.0.2.1", false),
        (&trusting, "::ffff:192.0.2.1", false),
        (&trusting, "::1", false),
        (&nobody, "10.1.2.3", false),
        (&nobody, "127.0.0.1", false),
    ] {
        let clearance = world.clearance("/public", &alice(&[]));
        for name in STATEMENTS {
            let mut request = request(&[(name, "claimed")]);
            world.rewrite(&mut request, &clearance, peer);
            let kept = wire(&request).iter().any(|line| line.contains("claimed"));
            assert_eq!(kept, trusted, "{name} from {peer}");
        }
    }
}

#[test]
fn this_hop_is_added_to_what_trusted_proxies_said_or_to_nothing() {
    let world = World::with(json!({ "trusted_proxies": ["10.0.0.0/8"] }));
    let clearance = world.clearance("/public", &alice(&[]));
    let said = [
        ("X-Forwarded-For", "198.51.100.7"),
        ("X-Forwarded-For", "198.51.100.8, 10.9.9.9"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "public.example"),
    ];
    let forwarded = |peer: &str, headers: &[(&'static str, &'static str)]| {
        let mut request = request(headers);
        world.rewrite(&mut request, &clearance, peer);
        ["for", "proto", "host"].map(|name| {
            let values = all(&request, &format!("x-forwarded-{name}"));
            assert_eq!(values.len(), 1, "{name} from {peer}");
            values[0].to_owned()
        })
    };
    let hops = "198.51.100.7, 198.51.100.8, 10.9.9.9, 10.1.2.3";
    for peer in ["10.1.2.3", "::ffff:10.1.2.3"] {
        assert_eq!(forwarded(peer, &said), [hops, "https", "public.example"]);
    }
    assert_eq!(
        forwarded("10.1.2.3", &[]),
        ["10.1.2.3", "http", "app.example"]
    );
    for said in [&said[..], &[]] {
        let alone = ["192.0.2.1", "http", "app.example"];
        assert_eq!(forwarded("192.0.2.1", said), alone);
        assert_eq!(forwarded("::ffff:192.0.2.1", said), alone);
    }
}

/// A trusted proxy sets the header that it knows and passes on its client's other spellings, which
/// a CGI-like application takes for the same one.
#[test]
fn other_spellings_of_statements_are_nobodys() {
    let world = World::with(json!({ "trusted_proxies": ["10.0.0.0/8"] }));
    let clearance = world.clearance("/public", &alice(&[]));
    for peer in ["192.0.2.1", "10.1.2.3"] {
        for name in [
            "X_Forwarded_For",
            "X-Forwarded_For",
            "x.forwarded.host",
            "Http-X-Forwarded-Proto",
            "X_Real_IP",
            "Http-Forwarded",
            "X--Forwarded-For",
        ] {
            let mut request = request(&[(name, "spoofed")]);
            world.rewrite(&mut request, &clearance, peer);
            let kept = wire(&request).iter().any(|line| line.contains("spoofed"));
            assert!(!kept, "{name} from {peer}");
        }
    }
}

/// Pingora hands the rewrite a fresh clone for every try. Even on the same header our own are set
/// to the same; only the list of hops, where a trusted proxy's counts, would grow.
#[test]
fn a_second_rewrite_writes_the_same_identity() {
    let world = World::with(json!({ "trusted_proxies": ["10.0.0.0/8"] }));
    for (name, clearance) in world.clearances() {
        let headers = world.headers(&clearance);
        let mut untrusted =
            request(&[("X-Sidegate-Roles", "root"), ("X-Forwarded-For", "1.1.1.1")]);
        world.set(&mut untrusted, &clearance, &headers, "192.0.2.1");
        let once = wire(&untrusted);
        world.set(&mut untrusted, &clearance, &headers, "192.0.2.1");
        assert_eq!(wire(&untrusted), once, "{name}");

        let mut trusted = request(&[("X-Sidegate-Roles", "root"), ("X-Forwarded-For", "1.1.1.1")]);
        world.set(&mut trusted, &clearance, &headers, "10.1.2.3");
        let once = without_hops(&trusted);
        assert_eq!(all(&trusted, "x-forwarded-for"), ["1.1.1.1, 10.1.2.3"]);
        world.set(&mut trusted, &clearance, &headers, "10.1.2.3");
        assert_eq!(without_hops(&trusted), once, "{name}");
    }
}

fn without_hops(request: &pingora::http::RequestHeader) -> Vec<String> {
    let mut lines = wire(request);
    lines.retain(|line| !line.starts_with("x-forwarded-for"));
    lines
}

//! What bounds a request, what a route may relax, and what is no secret.

use super::{BASE, parsed, refused, with};
use crate::{Rule, Strictness};

#[test]
fn rules_of_strictness_are_relaxed_by_name_and_once() {
    let route = "access: public }";
    let relax = |rules: &str| with(route, &format!("access: public, relax: [{rules}] }}"));
    let settings = parsed(&relax("bare_lf, slow_body")).unwrap();
    let relaxed: Vec<_> = settings.routes[0].relax.iter().collect();
    assert_eq!(relaxed, [Rule::BareLf, Rule::SlowBody]);
    assert_eq!(settings.strictness, Strictness::Strict);
    refused(
        &relax("bare_lf, bare_lf"),
        "routes[0].relax[1]",
        "listed before",
    );
    refused(&relax("two_hosts"), "routes[0].relax[0]", "bare_lf");

    let everywhere = format!("{BASE}hardening: {{ relax: [obs_text] }}\n");
    let settings = parsed(&everywhere).unwrap();
    assert!(settings.routes[0].relax.contains(Rule::ObsText));
    let reporting = format!("{BASE}hardening: {{ mode: report_only }}\n");
    assert_eq!(
        parsed(&reporting).unwrap().strictness,
        Strictness::ReportOnly
    );
    refused(
        &format!("{BASE}hardening: {{ mode: off }}\n"),
        "hardening.mode",
        "report_only",
    );
}

#[test]
fn what_a_client_may_send_is_bounded() {
    for (key, good, bad, words) in [
        ("header_timeout", "100ms", "99ms", "100ms to 5m"),
        ("max_header_bytes", "262144", "262145", "1024 to 262144"),
        ("max_headers", "256", "257", "1 to 256"),
        (
            "max_body_bytes",
            "1099511627776",
            "1099511627777",
            "0 to 1099511627776",
        ),
        ("min_body_rate", "1048576", "1048577", "0 to 1048576"),
        ("max_failed_authentications", "0", "1000001", "0 to 1000000"),
        ("failed_authentication_window", "1s", "999ms", "1s to 1h"),
        ("max_stream_age", "24h", "86401s", "1s to 24h"),
    ] {
        let written = |value: &str| format!("{BASE}limits: {{ {key}: {value} }}\n");
        assert!(parsed(&written(good)).is_ok(), "{key}");
        refused(&written(bad), &format!("limits.{key}"), words);
    }
}

#[test]
fn a_placeholder_is_no_secret() {
    let admin = |token: &str| format!("{BASE}admin: {{ token: {token} }}\n");
    refused(
        &admin("aaaaaaaaaaaaaaaaaaaa"),
        "admin.token",
        "made at random",
    );
    assert!(parsed(&admin("aaaaaaaaaaaaaaaabcde")).is_ok());
}

//! Bounds on a request, and the rules of strictness.
//!
//! Promise: every bound is within what the process can hold, and no rule is relaxed twice on a route.

use std::time::Duration;

use super::report::Report;
use super::value::{Bounds, HOUR, MILLISECOND, MINUTE};
use crate::locate::YamlPath;
use crate::raw::{self, ModeName, RuleName};
use crate::settings::{LimitSettings, Rule, Rules, Strictness};

pub(crate) fn limits(
    raw: &raw::Limits,
    knows_clients: bool,
    report: &mut Report,
) -> Option<LimitSettings> {
    let at = YamlPath::default().key("limits");
    let written = raw.decision_timeout.as_ref();
    let decision_timeout = report.duration(&at.key("decision_timeout"), written, &DECISION);

    let path = at.key("keepalive_timeout");
    let keepalive_timeout = report
        .duration(&path, raw.keepalive_timeout.as_ref(), &KEEPALIVE)
        .and_then(|keepalive| {
            if keepalive.subsec_nanos() == 0 {
                Some(keepalive)
            } else {
                report.refuse(&path, "expected whole seconds, 1s to 1h")
            }
        });

    let written = raw.drain_timeout.as_ref();
    let drain_timeout = report.duration(&at.key("drain_timeout"), written, &DRAIN);
    let written = raw.read_timeout.as_ref();
    let read_timeout = report.duration(&at.key("read_timeout"), written, &CLIENT);
    let written = raw.write_timeout.as_ref();
    let write_timeout = report.duration(&at.key("write_timeout"), written, &CLIENT);
    let bytes = raw.max_token_bytes.map_or(8192, |bytes| bytes.0);
    let max_token_bytes = report.integer(&at.key("max_token_bytes"), bytes, 64, 65_536);
    let head = head(raw, &at, report);
    let body = body(raw, &at, report);
    let failures = failures(raw, knows_clients, &at, report);
    let written = raw.max_stream_age.as_ref();
    let max_stream_age = report.duration(&at.key("max_stream_age"), written, &STREAM);
    let (header_timeout, max_header_bytes, max_headers) = head?;
    let (max_body_bytes, min_body_rate) = body?;
    let (max_failed_authentications, failed_authentication_window) = failures?;
    Some(LimitSettings {
        decision_timeout: decision_timeout?,
        keepalive_timeout: keepalive_timeout?,
        drain_timeout: drain_timeout?,
        read_timeout: read_timeout?,
        write_timeout: write_timeout?,
        max_token_bytes: max_token_bytes?,
        header_timeout,
        max_header_bytes,
        max_headers,
        max_body_bytes,
        min_body_rate,
        max_failed_authentications,
        failed_authentication_window,
        max_stream_age: max_stream_age?,
    })
}

/// What a route relaxes.
pub(crate) fn relaxed(written: &[RuleName], at: &YamlPath, report: &mut Report) -> Option<Rules> {
    let mut rules = Rules::NONE;
    let mut good = true;
    for (index, name) in written.iter().enumerate() {
        let rule = rule(*name);
        if rules.contains(rule) {
            report.problem(
                &at.index(index),
                "expected a rule that is not listed before",
            );
            good = false;
        }
        rules.insert(rule);
    }
    good.then_some(rules)
}

/// How rules that no route relaxes are applied.
pub(crate) const fn strictness(raw: &raw::Hardening) -> Strictness {
    match raw.mode {
        None | Some(ModeName::Strict) => Strictness::Strict,
        Some(ModeName::ReportOnly) => Strictness::ReportOnly,
    }
}

/// The longest body, where one is named.
pub(crate) fn body_bytes(
    written: Option<raw::Lenient<u64>>,
    at: &YamlPath,
    report: &mut Report,
) -> Option<Option<u64>> {
    match written {
        None => Some(None),
        Some(bytes) if bytes.0 <= MAX_BODY => Some(Some(bytes.0)),
        Some(_) => report.refuse(at, format!("expected a whole number of 0 to {MAX_BODY}")),
    }
}

fn head(raw: &raw::Limits, at: &YamlPath, report: &mut Report) -> Option<(Duration, usize, usize)> {
    let written = raw.header_timeout.as_ref();
    let timeout = report.duration(&at.key("header_timeout"), written, &HEADER);
    let bytes = raw.max_header_bytes.map_or(32_768, |bytes| bytes.0);
    let bytes = report.integer(&at.key("max_header_bytes"), bytes, 1024, 262_144);
    let count = raw.max_headers.map_or(100, |count| count.0);
    let count = report.integer(&at.key("max_headers"), count, 1, 256);
    Some((timeout?, bytes?, count?))
}

fn body(raw: &raw::Limits, at: &YamlPath, report: &mut Report) -> Option<(u64, u64)> {
    let bytes = body_bytes(raw.max_body_bytes, &at.key("max_body_bytes"), report);
    let rate = match raw.min_body_rate.map_or(1024, |rate| rate.0) {
        rate @ 0..=MAX_RATE => Some(rate),
        _ => report.refuse(
            &at.key("min_body_rate"),
            format!("expected a whole number of 0 to {MAX_RATE}"),
        ),
    };
    Some((bytes?.unwrap_or(DEFAULT_BODY), rate?))
}

fn failures(
    raw: &raw::Limits,
    knows_clients: bool,
    at: &YamlPath,
    report: &mut Report,
) -> Option<(usize, Duration)> {
    // Behind a load balancer that nobody named, all clients would be one and shut each other out.
    let default = if knows_clients { 200 } else { 0 };
    let count = raw
        .max_failed_authentications
        .map_or(default, |count| count.0);
    let count = report.integer(&at.key("max_failed_authentications"), count, 0, 1_000_000);
    let path = at.key("failed_authentication_window");
    let window = report.duration(&path, raw.failed_authentication_window.as_ref(), &WINDOW);
    Some((count?, window?))
}

const fn rule(name: RuleName) -> Rule {
    match name {
        RuleName::BareLf => Rule::BareLf,
        RuleName::ObsText => Rule::ObsText,
        RuleName::Fragment => Rule::Fragment,
        RuleName::HeaderNames => Rule::HeaderNames,
        RuleName::Trailers => Rule::Trailers,
        RuleName::UnexpectedBody => Rule::UnexpectedBody,
        RuleName::MatrixParameters => Rule::MatrixParameters,
        RuleName::SlowBody => Rule::SlowBody,
    }
}

/// A tebibyte.
const MAX_BODY: u64 = 1 << 40;
const DEFAULT_BODY: u64 = 10 << 20;
const MAX_RATE: u64 = 1 << 20;

const HEADER: Bounds = Bounds {
    default: Duration::from_secs(10),
    min: Duration::from_millis(100),
    max: Duration::from_secs(300),
    says: "100ms to 5m",
};

const WINDOW: Bounds = Bounds {
    default: Duration::from_secs(10),
    min: Duration::from_secs(1),
    max: HOUR,
    says: "1s to 1h",
};

const DECISION: Bounds = Bounds {
    default: Duration::from_secs(2),
    min: MILLISECOND,
    max: MINUTE,
    says: "1ms to 60s",
};

const KEEPALIVE: Bounds = Bounds {
    default: MINUTE,
    min: Duration::from_secs(1),
    max: HOUR,
    says: "1s to 1h, in whole seconds",
};

/// Nobody watches for ever what they were allowed to watch once.
const STREAM: Bounds = Bounds {
    default: HOUR,
    min: Duration::from_secs(1),
    max: Duration::from_secs(24 * 3600),
    says: "1s to 24h",
};

const DRAIN: Bounds = Bounds {
    default: Duration::from_secs(2),
    min: Duration::ZERO,
    max: MINUTE,
    says: "0s to 60s",
};

/// A client that stalls holds a connection of ours and one of the application for this long.
const CLIENT: Bounds = Bounds {
    default: MINUTE,
    min: Duration::from_secs(1),
    max: HOUR,
    says: "1s to 1h",
};

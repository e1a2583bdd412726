//! The application's instances and the bounds on talking to them.
//!
//! Promise: every instance is a host and a port, with nothing in its URL that would be ignored (a
//! path, a query, a password); no group is empty, none has an instance twice, and the active one
//! exists. A refused URL is not repeated in the message, because it may hold a password.

use std::collections::BTreeMap;
use std::time::Duration;

use http::uri::PathAndQuery;

use super::policy::list;
use super::report::Report;
use super::url::url;
use super::value::{Bounds, HOUR, MILLISECOND, MINUTE, all};
use crate::locate::YamlPath;
use crate::raw;
use crate::settings::{Endpoint, HealthCheckSettings, UpstreamSettings};

pub(crate) fn upstream(raw: raw::Upstream, report: &mut Report) -> Option<UpstreamSettings> {
    let at = YamlPath::default().key("upstream");
    let mut bound = |key, written: &Option<raw::DurationText>, bounds| {
        report.duration(&at.key(key), written.as_ref(), bounds)
    };
    let connect_timeout = bound("connect_timeout", &raw.connect_timeout, &CONNECT);
    let read_timeout = bound("read_timeout", &raw.read_timeout, &READ);
    let write_timeout = bound("write_timeout", &raw.write_timeout, &WRITE);
    let idle_timeout = bound("idle_timeout", &raw.idle_timeout, &IDLE);
    let written = &raw.websocket_idle_timeout;
    let websocket_idle_timeout = bound("websocket_idle_timeout", written, &WEBSOCKET_IDLE);
    let health_check = match raw.health_check {
        Some(raw) => health_check(raw, &at.key("health_check"), report).map(Some),
        None => Some(None),
    };
    let Groups { groups, active } = match (raw.url, raw.urls, raw.groups) {
        (Some(url), None, None) => {
            let instance = instance(&url, &at.key("url"), report);
            short(
                instance.map(|instance| vec![instance]),
                raw.active,
                &at,
                report,
            )
        }
        (None, Some(urls), None) => {
            let instances = instances(&urls, &at.key("urls"), report);
            short(instances, raw.active, &at, report)
        }
        (None, None, Some(written)) => groups(written, raw.active, &at, report),
        _ => report.refuse(&at, "expected exactly one of `url`, `urls` and `groups`"),
    }?;
    Some(UpstreamSettings {
        groups,
        active,
        health_check: health_check?,
        connect_timeout: connect_timeout?,
        read_timeout: read_timeout?,
        write_timeout: write_timeout?,
        idle_timeout: idle_timeout?,
        websocket_idle_timeout: websocket_idle_timeout?,
    })
}

/// The three spellings, read.
struct Groups {
    groups: BTreeMap<String, Vec<Endpoint>>,
    active: String,
}

/// `url` and `urls`: one group, which needs no name.
fn short(
    instances: Option<Vec<Endpoint>>,
    active: Option<String>,
    at: &YamlPath,
    report: &mut Report,
) -> Option<Groups> {
    if active.is_some() {
        report.problem(&at.key("active"), "expected `active` only with `groups`");
    }
    Some(Groups {
        groups: BTreeMap::from([(DEFAULT_GROUP.to_owned(), instances?)]),
        active: DEFAULT_GROUP.to_owned(),
    })
}

fn groups(
    written: BTreeMap<String, Vec<String>>,
    active: Option<String>,
    at: &YamlPath,
    report: &mut Report,
) -> Option<Groups> {
    let path = at.key("groups");
    if written.is_empty() {
        return report.refuse(&path, "expected at least one group");
    }
    let active = active.filter(|active| written.contains_key(active));
    if active.is_none() {
        let known = list(written.keys());
        report.problem(
            &at.key("active"),
            format!("expected one of `groups`: {known}"),
        );
    }
    let mut tried = Vec::with_capacity(written.len());
    for (name, urls) in written {
        let path = path.key(&name);
        report.name_key(&path, &name);
        let instances = instances(&urls, &path, report);
        tried.push(instances.map(|instances| (name, instances)));
    }
    Some(Groups {
        groups: all(tried)?,
        active: active?,
    })
}

fn instances(urls: &[String], at: &YamlPath, report: &mut Report) -> Option<Vec<Endpoint>> {
    if urls.is_empty() {
        return report.refuse(at, "expected at least one instance");
    }
    let mut tried: Vec<Option<Endpoint>> = Vec::with_capacity(urls.len());
    for (index, url) in urls.iter().enumerate() {
        let path = at.index(index);
        let instance = instance(url, &path, report);
        if let Some(instance) = &instance
            && tried.iter().flatten().any(|known| same(known, instance))
        {
            report.problem(&path, "expected an instance that is not listed before");
        }
        tried.push(instance);
    }
    all(tried)
}

fn same(one: &Endpoint, other: &Endpoint) -> bool {
    one.port == other.port && one.host.eq_ignore_ascii_case(&other.host)
}

fn instance(url: &str, at: &YamlPath, report: &mut Report) -> Option<Endpoint> {
    match endpoint(url) {
        Ok(endpoint) => Some(endpoint),
        Err(message) => report.refuse(at, message),
    }
}

/// Reads the URL of an instance.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, &'static str> {
    let url = url(text, URL_EXPECTED)?;
    match url.uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            return Err("expected `http://…`: TLS to the application is not supported yet");
        }
        Some(_) | None => return Err(URL_EXPECTED),
    }
    if !matches!(url.uri.path(), "" | "/") || url.uri.query().is_some() || url.fragment {
        return Err("expected a URL without path, query and fragment: the request's own are used");
    }
    Ok(Endpoint {
        host: url.host,
        port: url.port.unwrap_or(80),
    })
}

fn health_check(
    raw: raw::HealthCheck,
    at: &YamlPath,
    report: &mut Report,
) -> Option<HealthCheckSettings> {
    let path = match raw.path {
        Some(path) if is_target(&path) => Some(Some(path)),
        Some(_) => report.refuse(&at.key("path"), "expected a path that begins with `/`"),
        None => Some(None),
    };
    let interval = report.duration(&at.key("interval"), raw.interval.as_ref(), &INTERVAL);
    let timeout = report.duration(&at.key("timeout"), raw.timeout.as_ref(), &CHECK);
    let count = raw.healthy_after.map_or(1, |count| count.0);
    let healthy_after = report.integer(&at.key("healthy_after"), count, 1, MAX_CHECKS);
    let count = raw.unhealthy_after.map_or(2, |count| count.0);
    let unhealthy_after = report.integer(&at.key("unhealthy_after"), count, 1, MAX_CHECKS);
    Some(HealthCheckSettings {
        path: path?,
        interval: interval?,
        timeout: timeout?,
        healthy_after: healthy_after?,
        unhealthy_after: unhealthy_after?,
    })
}

/// What can stand in a request line; `PathAndQuery` forgets a fragment.
fn is_target(path: &str) -> bool {
    path.starts_with('/') && !path.contains('#') && path.parse::<PathAndQuery>().is_ok()
}

/// The name of the only group where the configuration gives none.
const DEFAULT_GROUP: &str = "default";

const URL_EXPECTED: &str = "expected a URL such as `http://127.0.0.1:3000`";

/// More checks in a row than this would hide a change for long.
const MAX_CHECKS: usize = 10;

const CONNECT: Bounds = Bounds {
    default: Duration::from_secs(1),
    min: MILLISECOND,
    max: MINUTE,
    says: "1ms to 60s",
};

const READ: Bounds = Bounds {
    default: MINUTE,
    min: MILLISECOND,
    max: HOUR,
    says: "1ms to 1h",
};

const WRITE: Bounds = Bounds {
    default: Duration::from_secs(15),
    min: MILLISECOND,
    max: HOUR,
    says: "1ms to 1h",
};

/// The application's server closes idle connections after 5 s; one second less avoids the race.
const IDLE: Bounds = Bounds {
    default: Duration::from_secs(4),
    min: Duration::ZERO,
    max: HOUR,
    says: "0s to 1h",
};

const WEBSOCKET_IDLE: Bounds = Bounds {
    default: HOUR,
    min: Duration::from_secs(1),
    max: HOUR.saturating_mul(24),
    says: "1s to 24h",
};

const INTERVAL: Bounds = Bounds {
    default: Duration::from_secs(5),
    min: Duration::from_millis(100),
    max: MINUTE.saturating_mul(10),
    says: "100ms to 10m",
};

const CHECK: Bounds = Bounds {
    default: Duration::from_secs(1),
    min: MILLISECOND,
    max: MINUTE,
    says: "1ms to 60s",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_found() {
        for (url, host, port) in [
            ("http://127.0.0.1:3000", "127.0.0.1", 3000),
            ("http://app/", "app", 80),
            ("http://[::1]:3000", "::1", 3000),
        ] {
            let host = host.to_owned();
            assert_eq!(endpoint(url), Ok(Endpoint { host, port }), "{url}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for url in [
            "",
            "app:3000",
            "/app",
            "https://app",
            "ftp://app",
            "http://",
            "http://app:0",
            "http://app:65536",
            "http://app:",
            "http://app/api",
            "http://app?x",
            "http://app#x",
            "http://user:pass@app",
        ] {
            assert!(endpoint(url).is_err(), "{url}");
        }
        let tls = endpoint("https://app").unwrap_err();
        assert!(tls.contains("not supported yet"), "{tls}");
    }
}

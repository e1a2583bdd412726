//! Traces: where spans are sent, what is sampled, and what is secret about it.
//!
//! Promise: a header's value goes out over TLS or stays on this machine, and is in no message. Nothing is
//! connected to.

use std::time::Duration;

use http::HeaderName;

use super::report::Report;
use super::telemetry::fraction;
use super::url::{guarded, is_loopback, url};
use super::value::{Bounds, MILLISECOND, MINUTE, all};
use crate::locate::YamlPath;
use crate::raw;
use crate::secret::Secret;
use crate::settings::TracingSettings;

/// `proxies`: who is in `trusted_proxies`.
pub(crate) fn tracing(
    raw: raw::Tracing,
    at: &YamlPath,
    proxies: &[String],
    report: &mut Report,
) -> Option<TracingSettings> {
    let has_headers = !raw.headers.is_empty();
    let endpoint = match endpoint(&raw.endpoint, has_headers) {
        Ok(found) => Some(found),
        Err(message) => report.refuse(&at.key("endpoint"), message),
    };
    let sample = raw.sample.map_or(0.01, |part| part.0);
    let sample = fraction(sample, &at.key("sample"), report);
    let service_name = raw.service_name.unwrap_or_else(|| "sidegate".to_owned());
    let service_name = report.text(&at.key("service_name"), service_name);
    let headers = headers(raw.headers, &at.key("headers"), report);
    let timeout = report.duration(&at.key("timeout"), raw.timeout.as_ref(), &TIMEOUT);
    let queue = raw.queue.map_or(2048, |number| number.0);
    let queue = report.integer(&at.key("queue"), queue, 1, 1 << 16);
    let Endpoint { url, is_open } = endpoint?;
    if is_open {
        report.note(format!(
            "{}: plain http, so whoever is on the way can read spans",
            at.key("endpoint")
        ));
    }
    let continue_traces = raw.continue_traces.is_some_and(|on| on.0);
    if !proxies.is_empty() && continue_traces {
        report.note(format!(
            "{}: a proxy that passes its clients' `traceparent` on lets them choose ids of traces, and what is \
             sampled: each of `trusted_proxies` must make its own, or remove its client's",
            at.key("continue_traces")
        ));
    }
    Some(TracingSettings {
        endpoint: url,
        sample: sample?,
        continue_traces,
        service_name: service_name?,
        headers: headers?,
        timeout: timeout?,
        queue: queue?,
    })
}

struct Endpoint {
    url: String,
    /// Whether others can read what is sent there.
    is_open: bool,
}

fn endpoint(text: &str, has_headers: bool) -> Result<Endpoint, &'static str> {
    if has_headers {
        guarded(text, URL_EXPECTED, PLAIN)?;
    }
    let found = url(text, URL_EXPECTED)?;
    let is_plain = match found.uri.scheme_str() {
        Some("https") => false,
        Some("http") => true,
        Some(_) | None => return Err(URL_EXPECTED),
    };
    if found.fragment || found.uri.query().is_some() {
        return Err(
            "expected a URL without query and fragment: what is secret belongs in `headers`",
        );
    }
    let url = match found.uri.path() {
        "" | "/" => format!("{}{TRACES}", text.trim_end_matches('/')),
        _ => text.to_owned(),
    };
    Ok(Endpoint {
        url,
        is_open: is_plain && !is_loopback(&found.host),
    })
}

fn headers(
    written: Vec<raw::TracingHeader>,
    at: &YamlPath,
    report: &mut Report,
) -> Option<Vec<(HeaderName, Secret)>> {
    let mut names = Vec::new();
    let mut headers = Vec::new();
    for (index, header) in written.into_iter().enumerate() {
        let at = at.index(index);
        let name = name(&header.name, &names, &at.key("name"), report);
        names.extend(name.clone());
        let value = value(header.value, &at.key("value"), report);
        headers.push(name.zip(value));
    }
    all(headers)
}

fn name(
    written: &str,
    known: &[HeaderName],
    at: &YamlPath,
    report: &mut Report,
) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_bytes(written.as_bytes()) else {
        return report.refuse(at, "expected a header's name");
    };
    if OWN.contains(&name.as_str()) {
        return report.refuse(
            at,
            "expected another header: this one is the protocol's own",
        );
    }
    if known.contains(&name) {
        return report.refuse(at, "expected another header: this one is there already");
    }
    Some(name)
}

/// Not refused as a placeholder: it may be the name of a tenant.
fn value(written: String, at: &YamlPath, report: &mut Report) -> Option<Secret> {
    let value = report.secret(at, written)?;
    let bytes = value.expose();
    let printable = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if printable && !bytes.starts_with(b" ") && !bytes.ends_with(b" ") {
        Some(value)
    } else {
        report.refuse(at, "expected printable ASCII without spaces around it")
    }
}

/// OTLP/HTTP: the path of traces, below the collector's own URL.
const TRACES: &str = "/v1/traces";

/// What says how a message is read.
const OWN: [&str; 10] = [
    "host",
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
];

const URL_EXPECTED: &str = "expected a URL such as `http://127.0.0.1:4318`";

const PLAIN: &str = "expected `https://…`: over plain http anybody on the way reads `headers` (http is for a \
                     loopback address or `localhost`)";

const TIMEOUT: Bounds = Bounds {
    default: Duration::from_secs(5),
    min: MILLISECOND.saturating_mul(10),
    max: MINUTE,
    says: "10ms to 60s",
};

//! Links, and the storage behind media: keys, lives, where the storage is, and which routes may have them.
//!
//! Promise: no key is short or a placeholder, a link names its resource in its path or query, where a
//! client that only has the link can put it, and only what reads can be asked for by one. The storage's
//! host is not looked up.

use std::time::Duration;

use http::Method;

use super::breaker::{Standard, breaker};
use super::report::Report;
use super::route::only_reads;
use super::url::{is_loopback, url};
use super::value::{Bounds, HOUR, MILLISECOND, MINUTE, all};
use crate::locate::YamlPath;
use crate::raw::{self, DurationText};
use crate::settings::{
    AccessSettings, IdSource, LinkSettings, MediaSettings, RouteSettings, Settings, StorageSettings,
};

/// What routes may refer to of the section.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) settings: LinkSettings,
    /// The bucket of media that names none.
    bucket: Option<String>,
}

/// `Some(None)`: there is none.
pub(crate) fn links(raw: Option<raw::Links>, report: &mut Report) -> Option<Option<Links>> {
    let Some(raw) = raw else {
        return Some(None);
    };
    let at = YamlPath::default().key("links");
    let key = report.mac_key(&at.key("key"), raw.key);
    let previous = at.key("previous_keys");
    let written = raw.previous_keys.into_iter().enumerate();
    let previous_keys = written.map(|(index, key)| report.mac_key(&previous.index(index), key));
    let previous_keys = all(previous_keys.collect());
    let max_ttl = whole(&at.key("max_ttl"), raw.max_ttl.as_ref(), &TTL, report);
    let (storage, bucket) = match raw.storage {
        Some(raw) => {
            let (storage, bucket) = storage(raw, &at.key("storage"), report)?;
            (Some(storage), bucket)
        }
        None => (None, None),
    };
    let settings = LinkSettings {
        key: key?,
        previous_keys: previous_keys?,
        max_ttl: max_ttl?,
        storage,
    };
    Some(Some(Links { settings, bucket }))
}

/// The object that a route answers. `links` is what the section says; outer `None`: it has a problem.
pub(crate) fn media(
    raw: Option<raw::RouteMedia>,
    links: Option<Option<&Links>>,
    at: &YamlPath,
    report: &mut Report,
) -> Option<Option<MediaSettings>> {
    let Some(raw) = raw else {
        return Some(None);
    };
    let object = object(&raw.object, &at.key("object"), report);
    let links = links?;
    if links.is_none_or(|links| links.settings.storage.is_none()) {
        return report.refuse(at, "expected `links.storage`, which signs URLs for it");
    }
    let bucket = match raw.bucket {
        Some(written) => bucket(written, &at.key("bucket"), report),
        None => match links.and_then(|links| links.bucket.clone()) {
            Some(bucket) => Some(bucket),
            None => report.refuse(at, "expected `bucket` here or in `links.storage`"),
        },
    };
    let (before, after) = object?;
    Some(Some(MediaSettings {
        bucket: bucket?,
        before,
        after,
    }))
}

/// Refuses links and media where they have no place.
pub(crate) fn fits(
    route: &RouteSettings,
    links: Option<Option<&Links>>,
    at: &YamlPath,
    report: &mut Report,
) {
    let reads = route.methods.contains(&Method::GET) && only_reads(route);
    let id = match &route.access {
        AccessSettings::Resource { id, .. } if reads => Some(id),
        AccessSettings::Resource { .. }
        | AccessSettings::Public
        | AccessSettings::Authenticated { .. } => None,
    };
    for (key, written) in [("links", route.links), ("media", route.media.is_some())] {
        if written && id.is_none() {
            report.problem(&at.key(key), READS_EXPECTED);
        }
    }
    if !route.links {
        return;
    }
    let at = at.key("links");
    if links.is_some_and(|links| links.is_none()) {
        report.problem(&at, "expected a section `links`, whose key signs them");
    }
    match id {
        Some(IdSource::Header(_)) => report.problem(
            &at,
            "expected the resource's id in the path or the query: a link has no headers",
        ),
        Some(IdSource::Query(name)) if PARAMETERS.contains(&folded(name).as_str()) => report
            .problem(
                &at,
                "expected another query parameter for the resource's id: this is one of a link's own",
            ),
        Some(IdSource::Query(_) | IdSource::Path(_)) | None => {}
    }
}

/// Notes what nothing uses.
pub(crate) fn unused(settings: &Settings, report: &mut Report) {
    let Some(links) = &settings.links else { return };
    let storage = links.storage.is_some();
    if !settings.routes.iter().any(|route| route.links) && !storage {
        report.note("links: no route has `links: true`, so no link is accepted".to_owned());
    }
    if storage && settings.routes.iter().all(|route| route.media.is_none()) {
        report.note("links.storage: no route has `media`, so it is never asked".to_owned());
    }
}

fn storage(
    raw: raw::Storage,
    at: &YamlPath,
    report: &mut Report,
) -> Option<(StorageSettings, Option<String>)> {
    let location = match location(&raw.url) {
        Ok(location) => Some(location),
        Err(message) => report.refuse(&at.key("url"), message),
    };
    let bucket = match raw.bucket {
        Some(written) => bucket(written, &at.key("bucket"), report).map(Some),
        None => Some(None),
    };
    let path = at.key("token");
    let token = report.secret(&path, raw.token).and_then(|token| {
        if !token.expose().is_empty() && token.expose().iter().all(u8::is_ascii_graphic) {
            Some(token)
        } else {
            report.refuse(&path, "expected printable ASCII without spaces")
        }
    });
    let path = at.key("expires_in");
    let expires_in = whole(&path, raw.expires_in.as_ref(), &EXPIRES_IN, report);
    let timeout = report.duration(&at.key("timeout"), raw.timeout.as_ref(), &TIMEOUT);
    let breaker = breaker(&at.key("breaker"), &raw.breaker, &BREAKER, report);
    let settings = StorageSettings {
        url: location?,
        token: token?,
        expires_in: expires_in?,
        timeout: timeout?,
        breaker: breaker?,
    };
    Some((settings, bucket?))
}

fn location(text: &str) -> Result<String, &'static str> {
    let url = url(text, URL_EXPECTED)?;
    match url.uri.scheme_str() {
        Some("https") => {}
        Some("http") if is_loopback(&url.host) => {}
        Some("http") => {
            return Err(
                "expected `https://…`: over plain http anybody on the way reads its token \
                 (http is for a loopback address or `localhost`)",
            );
        }
        Some(_) | None => return Err(URL_EXPECTED),
    }
    if url.fragment || url.uri.query().is_some() {
        return Err("expected a URL without query and fragment");
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// What stands before the id, and what after it.
fn object(written: &str, at: &YamlPath, report: &mut Report) -> Option<(String, String)> {
    let parts = written.split_once("{id}");
    let plain = |text: &str| text.bytes().all(|byte| is_plain(byte) || byte == b'/');
    let good = parts.filter(|(before, after)| {
        let whole = format!("{before}x{after}");
        let segment = |segment: &str| !["", ".", ".."].contains(&segment);
        plain(before) && plain(after) && whole.split('/').all(segment)
    });
    match good {
        Some((before, after)) => Some((before.to_owned(), after.to_owned())),
        None => report.refuse(
            at,
            "expected an object's name with `{id}` once, such as `generations/{id}/output.png`: letters, \
             digits, `-._~!$&'()*+,;=:@`, and no segment that is empty, `.` or `..`",
        ),
    }
}

fn bucket(written: String, at: &YamlPath, report: &mut Report) -> Option<String> {
    let letters = written
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if (1..=100).contains(&written.len()) && letters && !written.starts_with('.') {
        Some(written)
    } else {
        report.refuse(
            at,
            "expected a bucket's name: 1 to 100 letters, digits, `-`, `_` or `.`, the first one no `.`",
        )
    }
}

/// `pchar` of RFC 3986 section 3.3 without escapes.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

fn whole(
    at: &YamlPath,
    written: Option<&DurationText>,
    bounds: &Bounds,
    report: &mut Report,
) -> Option<Duration> {
    let duration = report.duration(at, written, bounds)?;
    if duration.subsec_nanos() == 0 {
        Some(duration)
    } else {
        report.refuse(at, format!("expected whole seconds, {}", bounds.says))
    }
}

/// A name as applications may read it that ignore case and marks.
fn folded(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// The query parameters of a link.
const PARAMETERS: [&str; 4] = ["subject", "issued", "expires", "sig"];

const READS_EXPECTED: &str = "expected only on routes that read a resource: `action` and `resource`, GET \
                              and HEAD alone, no WebSocket, and no action of write, delete and share";

const URL_EXPECTED: &str = "expected a URL such as `https://x.supabase.co/storage/v1`";

const TTL: Bounds = Bounds {
    default: MINUTE.saturating_mul(15),
    min: Duration::from_secs(1),
    max: HOUR.saturating_mul(24),
    says: "1s to 24h",
};

/// Nothing can end a URL that was given, so none is good for longer than what memory may hold of one.
const EXPIRES_IN: Bounds = Bounds {
    default: MINUTE.saturating_mul(3),
    min: Duration::from_secs(10),
    max: MINUTE.saturating_mul(3),
    says: "10s to 180s",
};

const TIMEOUT: Bounds = Bounds {
    default: Duration::from_secs(1),
    min: MILLISECOND,
    max: Duration::from_secs(10),
    says: "1ms to 10s",
};

/// DESIGN §7.
const BREAKER: Standard = Standard {
    failures: 3,
    open: Duration::from_secs(15),
};
